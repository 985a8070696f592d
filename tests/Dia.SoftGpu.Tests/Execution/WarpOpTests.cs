using System.Numerics;
using Xunit;

namespace Dia.SoftGpu.Tests.Execution;

public sealed class WarpOpTests
{
    private static uint[] Run(string body, int threads = 32)
    {
        var gpu = new Gpu();
        ulong to = gpu.Upload(new uint[threads]);
        nint kernel =
            gpu.Compile("mul.wide.u32 %d5, %r0, 4; add.s64 %d6, %d0, %d5; mov.u32 %r20, 0; mul.lo.s32 %r10, %r0, 3;\n" + body + "\nst.global.u32 [%d6], %r20;",
            ".shared .align 16 .b8 s[2048];", parameters: 1);
        Gpu.Good(gpu.Run(kernel, 1, threads, to));
        return gpu.Download<uint>(to, threads);
    }

    private static void Check(uint[] result, Func<int, uint> expected)
    {
        for (int k = 0; k < result.Length; k++)
            Assert.Equal(expected(k), result[k]);
    }

    [Fact]
    public void Shuffles()
    {
        Check(Run("shfl.sync.bfly.b32 %r20, %r10, 5, 31, -1;"), k => 3u * (uint)(k ^ 5));
        Check(Run("shfl.sync.up.b32 %r20, %r10, 3, 0, -1;"), k => 3u * (uint)(k < 3 ? k : k - 3));
        Check(Run("shfl.sync.down.b32 %r20|%p1, %r10, 4, 31, -1; selp.b32 %r20, %r20, 1000, %p1;"), k => k < 28 ? 3u * (uint)(k + 4) : 1000);
        Check(Run("shfl.sync.idx.b32 %r20, %r10, 9, 31, -1;"), _ => 27);
        // Segments of 8 lanes: mask 0x18 in bits 8 to 12.
        Check(Run("shfl.sync.idx.b32 %r20, %r10, 2, 0x181F, -1;"), k => 3u * (uint)((k & 24) + 2));
        Check(Run("shfl.sync.down.b32 %r20, %r10, 4, 0x181F, -1;"), k => 3u * (uint)((k & 7) < 4 ? k + 4 : k));
    }

    [Fact]
    public void Votes_matches_and_reductions()
    {
        Check(Run("setp.lt.u32 %p1, %r0, 7; vote.sync.ballot.b32 %r20, %p1, -1;"), _ => 127);
        Check(Run(
            "setp.lt.u32 %p1, %r0, 7; vote.sync.any.pred %p2, %p1, -1; vote.sync.all.pred %p3, %p1, -1; selp.b32 %r20, 2, 0, %p2; @%p3 add.s32 %r20, %r20, 1;"), _ => 2);
        Check(Run("and.b32 %r2, %r0, 3; match.any.sync.b32 %r20, %r2, -1;"), k => 0x11111111u << (k & 3));
        Check(Run("redux.sync.add.s32 %r20, %r10, -1;"), _ => 3 * 31 * 16);
        Check(Run("redux.sync.max.u32 %r20, %r10, -1;"), _ => 93);
        Check(Run("activemask.b32 %r20;"), _ => uint.MaxValue);
    }

    [Fact]
    public void Atomics_count_every_lane()
    {
        uint[] result =
            Run("setp.eq.u32 %p1, %r0, 0; @%p1 st.shared.u32 [s], 0; bar.sync 0; atom.shared.add.u32 %r20, [s], 2; bar.sync 0; ld.shared.u32 %r21, [s]; mad.lo.s32 %r20, %r21, 1000, %r20;", 64);
        Assert.Equal(Enumerable.Range(0, 64).Select(k => 128000u + 2 * (uint)k), result.Order());
        uint[] largest =
            Run("setp.eq.u32 %p1, %r0, 0; @%p1 st.shared.u32 [s], 5; bar.sync 0; red.shared.max.s32 [s], %r10; bar.sync 0; ld.shared.u32 %r20, [s];");
        Check(largest, _ => 93);
    }

    [Fact]
    public void Local_memory_belongs_to_the_thread()
    {
        Check(Run(
            ".local .align 8 .b8 own[64]; mov.u64 %d8, own; and.b32 %r2, %r0, 15; mul.wide.u32 %d9, %r2, 4; add.s64 %d9, %d8, %d9; st.local.u32 [%d9], %r0; ld.local.u32 %r20, [%d9];"), k => (uint)k);
    }

    [Fact]
    public void Generic_addresses_reach_every_space()
    {
        Check(Run(
            "mov.u64 %d8, s; mul.wide.u32 %d9, %r0, 4; add.s64 %d8, %d8, %d9; cvta.shared.u64 %d10, %d8; st.u32 [%d10], %r10; ld.shared.u32 %r20, [%d8]; cvta.to.shared.u64 %d11, %d10; ld.shared.u32 %r21, [%d11]; add.s32 %r20, %r20, %r21;"), k => 6 * (uint)k);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Load_matrix_deals_out_rows(bool transposed)
    {
        // Element (row, column) of matrix m is m * 64 + row * 8 + column.
        uint[] result = Run($$"""
            mul.lo.s32 %r2, %r0, 8;
            mul.wide.u32 %d8, %r0, 16;
            mov.u64 %d9, s;
            add.s64 %d8, %d8, %d9;
            mul.lo.s32 %r3, %r2, 65537;
            add.s32 %r3, %r3, 65536;
            add.s32 %r4, %r3, 131074;
            add.s32 %r5, %r4, 131074;
            add.s32 %r6, %r5, 131074;
            st.shared.v4.u32 [%d8], {%r3, %r4, %r5, %r6};
            bar.sync 0;
            cvt.u32.u64 %r7, %d8;
            ldmatrix.sync.aligned.m8n8.x4{{(transposed ? ".trans" : "")}}.shared.b16 {%r11, %r12, %r13, %r20}, [%r7];
            """);
        Check(result, k =>
        {
            int row = k / 4, column = 2 * (k % 4);
            return transposed ? (uint)(192 + column * 8 + row + ((192 + (column + 1) * 8 + row) << 16)) : (uint)(192 + row * 8 + column
                + ((192 + row * 8 + column + 1) << 16));
        });
    }

    // Whole numbers small enough that every sum is exact.
    [Theory]
    [InlineData("bf16", 16)]
    [InlineData("f16", 16)]
    [InlineData("bf16", 8)]
    [InlineData("f16", 8)]
    public void Matrices_multiply(string type, int depth)
    {
        var random = new Random(depth);
        int[,] a = new int[16, depth], b = new int[depth, 8], c = new int[16, 8];
        foreach (int[,] m in (int[][,])[a, b, c])
            for (int i = 0; i < m.GetLength(0); i++)
                for (int j = 0; j < m.GetLength(1); j++)
                    m[i, j] = random.Next(-8, 9);
        uint Bits(int x) => type == "f16" ? BitConverter.HalfToUInt16Bits((Half)x) : BitConverter.SingleToUInt32Bits(x) >> 16;
        int fragments = depth / 4;
        // Per lane: A, B, C fragments in a row of 12 words.
        var words = new uint[32 * 12];
        for (int lane = 0; lane < 32; lane++)
        {
            int g = lane / 4, t = lane % 4;
            for (int f = 0; f < fragments; f++)
            {
                int row = g + f % 2 * 8, column = 2 * t + f / 2 * 8;
                words[lane * 12 + f] = Bits(a[row, column]) | (Bits(a[row, column + 1]) << 16);
            }
            for (int f = 0; f < fragments / 2; f++)
                words[lane * 12 + 4 + f] = Bits(b[2 * t + 8 * f, g]) | (Bits(b[2 * t + 8 * f + 1, g]) << 16);
            for (int f = 0; f < 4; f++)
                words[lane * 12 + 8 + f] = BitConverter.SingleToUInt32Bits(c[g + f / 2 * 8, 2 * t + f % 2]);
        }
        var gpu = new Gpu();
        ulong from = gpu.Upload(words), to = gpu.Upload(new float[128]);
        string ra = string.Join(",", Enumerable.Range(10, fragments).Select(k => "%r" + k)),
            rb = string.Join(",", Enumerable.Range(14, fragments / 2).Select(k => "%r" + k));
        nint kernel = gpu.Compile($$"""
            mul.wide.u32 %d5, %r0, 48; add.s64 %d5, %d1, %d5;
            ld.global.v4.u32 {%r10,%r11,%r12,%r13}, [%d5]; ld.global.v4.u32 {%r14,%r15,%r16,%r17}, [%d5+16]; ld.global.v4.f32 {%f1,%f2,%f3,%f4}, [%d5+32];
            mma.sync.aligned.m16n8k{{depth}}.row.col.f32.{{type}}.{{type}}.f32 {%f1,%f2,%f3,%f4}, { {{ra}} }, { {{rb}} }, {%f1,%f2,%f3,%f4};
            mul.wide.u32 %d6, %r0, 16; add.s64 %d6, %d0, %d6; st.global.v4.f32 [%d6], {%f1,%f2,%f3,%f4};
            """, parameters: 2);
        Gpu.Good(gpu.Run(kernel, 1, 32, to, from));
        float[] d = gpu.Download<float>(to, 128);
        for (int i = 0; i < 16; i++)
            for (int j = 0; j < 8; j++)
            {
                int sum = c[i, j];
                for (int k = 0; k < depth; k++)
                    sum += a[i, k] * b[k, j];
                Assert.Equal(sum, d[(i % 8 * 4 + j / 2) * 4 + i / 8 * 2 + j % 2]);
            }
    }

    // cp.async with fewer source bytes fills up with zeros.
    [Fact]
    public void Async_copy_fills_with_zeros()
    {
        var gpu = new Gpu();
        ulong to = gpu.Upload(new uint[4]), from = gpu.Upload(1u, 2u, 3u, 4u);
        nint kernel =
            gpu.Compile(
            "mov.u32 %r10, s; mov.u32 %r11, 8; cp.async.cg.shared.global [%r10], [%d1], 16, %r11; cp.async.commit_group; cp.async.wait_group 0; ld.shared.v4.u32 {%r12,%r13,%r14,%r15}, [s]; st.global.v4.u32 [%d0], {%r12,%r13,%r14,%r15};",
            ".shared .align 16 .b8 s[64];", parameters: 2);
        Gpu.Good(gpu.Run(kernel, 1, 1, to, from));
        Assert.Equal([1, 2, 0, 0], gpu.Download<uint>(to, 4));
    }

    [Fact]
    public void Population_of_masks_of_a_special_register()
    {
        Check(Run("mov.u32 %r20, %lanemask_lt;"), k => (1u << k) - 1);
        Check(Run("mov.u32 %r2, %lanemask_ge; popc.b32 %r20, %r2;"), k => (uint)(32 - k));
        Assert.Equal(32, BitOperations.PopCount(uint.MaxValue));
    }
}
