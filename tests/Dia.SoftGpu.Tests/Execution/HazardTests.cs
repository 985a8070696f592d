using Dia.SoftGpu.Driver;
using Dia.SoftGpu.Execution;
using Xunit;

namespace Dia.SoftGpu.Tests.Execution;

/// <summary>For each kind of fault a kernel with exactly that fault, which must be caught, and its correct twin, which must pass.</summary>
public sealed class HazardTests
{
    private const string Shared = ".shared .align 16 .b8 s[1024];\n.extern .shared .align 16 .b8 dynamic[];";

    // %d4: s + 4 * thread; %d5: p0 + 4 * thread of the grid; %d6: p1 + the same; %r2: lane; %r3: thread of the grid.
    private const string Prologue = """
        mov.u64 %d30, s;
        mul.wide.u32 %d31, %r0, 4;
        add.s64 %d4, %d30, %d31;
        mov.u32 %r4, %ntid.x;
        mad.lo.s32 %r3, %r1, %r4, %r0;
        mul.wide.u32 %d32, %r3, 4;
        add.s64 %d5, %d0, %d32;
        add.s64 %d6, %d1, %d32;
        and.b32 %r2, %r0, 31;

        """;

    private const string ReadNeighbour =
        "xor.b32 %r5, %r0, 32; mul.wide.u32 %d33, %r5, 4; add.s64 %d34, %d30, %d33; ld.shared.u32 %r6, [%d34]; st.global.u32 [%d5], %r6;";
    private const string ReadLane =
        "xor.b32 %r5, %r0, 1; mul.wide.u32 %d33, %r5, 4; add.s64 %d34, %d30, %d33; ld.shared.u32 %r6, [%d34]; st.global.u32 [%d5], %r6;";

    // p0 and p1: 64 words a block, two blocks; p1 is written, p0 is not; p2: 3 words; p3: not written.
    public static TheoryData<string, string, string, string, string> Kernels() => new()
    {
        { "global read past the end", "OutOfBounds", "ld.global.u32 %r6, [%d2+12];", "ld.global.u32 %r6, [%d2+8];",
            "read of 4 bytes outside every allocation" },
        { "global write before the start", "OutOfBounds", "st.global.u32 [%d0+-4], %r6;", "st.global.u32 [%d5], %r6;", "write of 4 bytes" },
        { "vector over the end", "OutOfBounds", "ld.global.v4.u32 {%r6,%r7,%r8,%r9}, [%d2];", "ld.global.v2.u32 {%r6,%r7}, [%d2];", "read of 16 bytes" },
        { "null pointer", "OutOfBounds", "mov.u64 %d9, 0; ld.global.u32 %r6, [%d9];", "ld.global.u32 %r6, [%d2];", "in no allocation" },
        { "shared past the end", "OutOfBounds", "st.shared.u32 [s+1024], %r3;", "st.shared.u32 [%d4+512], %r3;", "shared memory" },
        { "misaligned global", "Misaligned", "ld.global.u32 %r6, [%d2+2];", "ld.global.u16 %h6, [%d2+2];", "not aligned" },
        { "misaligned vector", "Misaligned", "ld.global.v2.u32 {%r6,%r7}, [%d2+4];", "ld.global.u32 %r6, [%d2+4];", "not aligned" },
        { "misaligned shared", "Misaligned", "st.shared.u64 [%d4+4], %d0;", "mul.wide.u32 %d9, %r0, 8; add.s64 %d9, %d30, %d9; st.shared.u64 [%d9], %d0;",
            "not aligned" },
        { "uninitialised global", "Uninitialised", "ld.global.u32 %r6, [%d3];", "ld.global.u32 %r6, [%d2];", "nothing wrote" },
        { "uninitialised half", "Uninitialised", "st.global.u16 [%d5], %h1; ld.global.u32 %r6, [%d5];", "st.global.u16 [%d5], %h1; ld.global.u16 %h2, [%d5];",
            "nothing wrote" },
        { "uninitialised shared", "Uninitialised", "ld.shared.u32 %r6, [%d4];", "st.shared.u32 [%d4], %r3; ld.shared.u32 %r6, [%d4];",
            "shared memory that nothing wrote" },
        { "read after write without barrier", "Race", $"{Twice}{ReadNeighbour}", $"{Twice}bar.sync 0; {ReadNeighbour}", "no barrier between" },
        { "write after read without barrier", "Race", $"st.shared.u32 [%d4], %r3; bar.sync 0; {ReadNeighbour} st.shared.u32 [%d4], %r6;",
            $"st.shared.u32 [%d4], %r3; bar.sync 0; {ReadNeighbour} bar.sync 0; st.shared.u32 [%d4], %r6;", "no barrier between" },
        { "two writers", "Race", "st.shared.u32 [s], %r3;", "setp.eq.s32 %p1, %r0, 0; @%p1 st.shared.u32 [s], %r3;", "no barrier between" },
        { "lanes trust lockstep", "Race", $"st.shared.u32 [%d4], %r3; {ReadLane}", $"st.shared.u32 [%d4], %r3; bar.warp.sync -1; {ReadLane}",
            "no barrier between" },
        { "16-bit neighbours race only where they share bytes", "Race",
            "mul.wide.u32 %d9, %r0, 2; add.s64 %d9, %d30, %d9; st.shared.u16 [%d9], %h1; st.shared.u16 [%d9+2], %h1;",
            "mul.wide.u32 %d9, %r0, 2; add.s64 %d9, %d30, %d9; st.shared.u16 [%d9], %h1; st.shared.u16 [%d9+512], %h1;", "no barrier between" },
        { "barrier in divergent code", "Divergence", "setp.lt.s32 %p1, %r0, 40; @!%p1 bra OUT; bar.sync 0; OUT: st.global.u32 [%d5], %r0;", "bar.sync 0;",
            "bar.sync in divergent code" },
        { "warps at different barriers", "Divergence", "setp.lt.s32 %p1, %r0, 32; @%p1 bra ONE; bar.sync 0; bra.uni OUT; ONE:\n bar.sync 0; OUT:",
            "bar.sync 0;", "different barriers" },
        { "shuffle names lanes that are elsewhere", "Divergence",
            "setp.lt.s32 %p1, %r2, 16; @!%p1 bra OUT; shfl.sync.bfly.b32 %r6, %r0, 1, 31, -1; OUT: st.global.u32 [%d5], %r0;",
            "setp.lt.s32 %p1, %r2, 16; @!%p1 bra OUT; shfl.sync.bfly.b32 %r6, %r0, 1, 31, 0xFFFF; OUT: st.global.u32 [%d5], %r0;", "elsewhere" },
        { "shuffle reads a lane that is elsewhere", "Divergence",
            "setp.lt.s32 %p1, %r2, 16; @!%p1 bra OUT; shfl.sync.bfly.b32 %r6, %r0, 16, 31, 0xFFFF; OUT: st.global.u32 [%d5], %r0;",
            "setp.lt.s32 %p1, %r2, 16; @!%p1 bra OUT; shfl.sync.bfly.b32 %r6, %r0, 8, 31, 0xFFFF; OUT: st.global.u32 [%d5], %r0;", "does not take part" },
        { "warp barrier names lanes that are elsewhere", "Divergence",
            "setp.lt.s32 %p1, %r2, 16; @!%p1 bra OUT; bar.warp.sync -1; OUT: st.global.u32 [%d5], %r0;",
            "setp.lt.s32 %p1, %r2, 16; @!%p1 bra OUT; bar.warp.sync 0xFFFF; OUT: st.global.u32 [%d5], %r0;", "elsewhere" },
        { "warp barrier in a loop that lanes leave one by one", "Divergence",
            "mov.u32 %r7, 0; AGAIN: bar.warp.sync -1; add.s32 %r7, %r7, 1; setp.le.s32 %p1, %r7, %r2; @%p1 bra AGAIN; st.global.u32 [%d5], %r0;",
            "mov.u32 %r7, 0; AGAIN: bar.warp.sync -1; add.s32 %r7, %r7, 1; setp.le.s32 %p1, %r7, 31; @%p1 bra AGAIN; st.global.u32 [%d5], %r0;", "elsewhere" },
        { "cp.async read before its wait", "Uninitialised", Copy("cp.async.commit_group;"), Copy("cp.async.commit_group; cp.async.wait_group 0; bar.sync 0;"),
            "cp.async" },
        { "cp.async waits for too few groups", "Uninitialised", Copy("cp.async.commit_group; cp.async.wait_group 1; bar.sync 0;"),
            Copy("cp.async.commit_group; cp.async.wait_all; bar.sync 0;"), "cp.async" },
        { "cp.async without a barrier for the others", "Race", Copy("cp.async.commit_group; cp.async.wait_group 0;", neighbour: true),
            Copy("cp.async.commit_group; cp.async.wait_group 0; bar.sync 0;", neighbour: true), "no barrier between" },
        { "two blocks write one word", "Race", "st.global.u32 [%d0], %r0;", "setp.ne.s32 %p1, %r3, 0; @%p1 bra OUT; st.global.u32 [%d0], %r0; OUT:",
            "in the same launch" },
        { "a block reads what another writes", "Race",
            "st.global.u32 [%d6], %r0; xor.b32 %r5, %r3, 64; mul.wide.u32 %d33, %r5, 4; add.s64 %d34, %d1, %d33; ld.global.u32 %r6, [%d34];",
            "st.global.u32 [%d6], %r0; ld.global.u32 %r6, [%d6];", "in the same launch" },
        { "constant memory is written", "OutOfBounds", "mov.u64 %d9, table; st.u32 [%d9], %r0;", "ld.const.u32 %r6, [table];", "constant memory" },
        { "trap", "Trap", "trap;", "setp.ne.s32 %p1, 0, 0; @%p1 trap;", "trap" },
        { "endless loop", "Timeout", "AGAIN: bra.uni AGAIN;", "bra.uni ONWARD; ONWARD:", "runs for too long" },
    };

    // Written before, so that whoever reads too early finds something.
    private const string Twice = "st.shared.u32 [%d4], %r3; bar.sync 0; st.shared.u32 [%d4], %r3; ";

    private static string Copy(string after, bool neighbour = false) => $$"""
        mul.wide.u32 %d9, %r0, 16;
        add.s64 %d9, %d30, %d9;
        cvt.u32.u64 %r10, %d9;
        mul.wide.u32 %d10, %r0, 4;
        add.s64 %d10, %d1, %d10;
        {{(neighbour ? "st.shared.u32 [%d9], %r0; bar.sync 0;" : "")}}
        cp.async.ca.shared.global [%r10], [%d10], 4;
        {{after}}
        {{(neighbour ? "xor.b32 %r5, %r0, 32; mul.wide.u32 %d9, %r5, 16; add.s64 %d9, %d30, %d9;" : "")}}
        ld.shared.u32 %r6, [%d9];
        """;

    private static int Run(string body, out Gpu gpu, int seed = 1)
    {
        gpu = new Gpu(new Settings { Seed = seed });
        nint kernel = gpu.Compile(Prologue + body, Shared + "\n.const .align 4 .b32 table[2] = {1, 2};");
        ulong a = gpu.Allocate(4 * 128), d = gpu.Allocate(256);
        return gpu.Run(kernel, 2, 64, a, gpu.Upload(new int[128]), gpu.Upload(1, 2, 3), d);
    }

    [Theory]
    [MemberData(nameof(Kernels))]
    public void Caught_and_its_twin_passes(string name, string fault, string bad, string good, string text)
    {
        Assert.NotEmpty(name);
        for (int seed = 1; seed <= 5; seed++)
        {
            int status = Run(bad, out _, seed);
            Assert.NotEqual(0, status);
            Gpu.Caught(Enum.Parse<Fault>(fault), text);
            Gpu.Good(Run(good, out _, seed));
            Assert.Empty(Gpu.Faults());
        }
    }

    [Fact]
    public void The_report_names_kernel_line_block_thread_and_address()
    {
        Run("ld.global.u32 %r6, [%d2+12];", out Gpu gpu);
        string text = Gpu.Faults()[0];
        Assert.Contains("k line 30 ", text, StringComparison.Ordinal);
        Assert.Contains("`ld.global.u32 %r6, [%d2+12];`", text, StringComparison.Ordinal);
        Assert.Contains("block (", text, StringComparison.Ordinal);
        Assert.Contains("thread (", text, StringComparison.Ordinal);
        Assert.Contains("address 0x", text, StringComparison.Ordinal);
        Assert.Contains("of 12 bytes", text, StringComparison.Ordinal);
        Assert.Equal((int)Status.ILLEGAL_ADDRESS, gpu.Synchronize());
    }

    // Freed memory keeps its addresses to itself.
    [Fact]
    public void Use_after_free_is_caught()
    {
        var gpu = new Gpu();
        nint kernel = gpu.Compile("st.global.u32 [%d0], %r0;");
        ulong a = gpu.Allocate(4096);
        Gpu.Good(gpu.Free(a));
        gpu.Allocate(4096);
        Assert.Equal((int)Status.ILLEGAL_ADDRESS, gpu.Run(kernel, 1, 1, a, 0, 0, 0));
        Gpu.Caught(Fault.OutOfBounds, "after it was freed");
    }

    // Barriers that only some warps reach because the others are done are fine.
    [Fact]
    public void Threads_that_are_done_do_not_hold_up_a_barrier()
    {
        Gpu.Good(Run("setp.ge.s32 %p1, %r0, 32; @%p1 ret; bar.sync 0; st.global.u32 [%d5], %r0;", out _));
    }

    // A second block that finds the counter at 1 reads the first one's word: the pattern of split reductions.
    [Fact]
    public void A_block_may_read_anothers_word_after_fence_and_atomic()
    {
        const string Body = """
            setp.ne.s32 %p1, %r0, 0;
            @%p1 ret;
            mul.wide.u32 %d9, %r1, 4;
            add.s64 %d9, %d0, %d9;
            st.global.u32 [%d9], %r1;
            membar.gl;
            atom.global.add.u32 %r6, [%d2], 1;
            setp.ne.s32 %p2, %r6, 2;
            @%p2 ret;
            ld.global.u32 %r7, [%d0];
            ld.global.u32 %r8, [%d0+4];
            add.s32 %r9, %r7, %r8;
            st.global.u32 [%d0+8], %r9;
            """;
        Gpu.Good(Run(Body, out _));
        Assert.Empty(Gpu.Faults());
    }

    // What the first warp writes depends on the order of warps: seeds must show more than one.
    [Fact]
    public void Warps_and_blocks_run_in_drawn_order()
    {
        var seen = new HashSet<uint>();
        for (int seed = 0; seed < 12; seed++)
        {
            var gpu = new Gpu(new Settings { Seed = seed });
            ulong counter = gpu.Upload(0u), to = gpu.Upload(new uint[8]);
            nint kernel =
                gpu.Compile(
                "and.b32 %r2, %r0, 31; setp.ne.s32 %p1, %r2, 0; @%p1 ret; atom.global.add.u32 %r6, [%d1], 1; shr.u32 %r5, %r0, 5; mul.wide.u32 %d5, %r6, 4; add.s64 %d5, %d0, %d5; st.global.u32 [%d5], %r5;");
            Gpu.Good(gpu.Run(kernel, 1, 256, to, counter, 0, 0));
            uint[] order = gpu.Download<uint>(to, 8);
            Assert.Equal(Enumerable.Range(0, 8), order.Order().Select(x => (int)x));
            seen.Add(order[0]);
        }
        Assert.True(seen.Count > 1);
    }
}
