using Dia.SoftGpu.Driver;
using Xunit;

namespace Dia.SoftGpu.Tests.Execution;

public sealed class ControlFlowTests
{
    private static uint[] Run(string body, int threads = 64, int seed = 1)
    {
        var gpu = new Gpu(new Settings { Seed = seed });
        ulong to = gpu.Upload(new uint[threads]);
        nint kernel = gpu.Compile("mul.wide.u32 %d5, %r0, 4; add.s64 %d6, %d0, %d5; mov.u32 %r20, 0;\n" + body + "\nst.global.u32 [%d6], %r20;", parameters: 1);
        Gpu.Good(gpu.Run(kernel, 1, threads, to));
        return gpu.Download<uint>(to, threads);
    }

    private static void Check(uint[] result, Func<int, uint> expected)
    {
        for (int k = 0; k < result.Length; k++)
            Assert.Equal(expected(k), result[k]);
    }

    // Both ways of a branch, and all lanes together afterwards: the shuffle names all of them.
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Paths_meet_at_the_post_dominator(int seed)
    {
        uint[] result = Run("""
            and.b32 %r2, %r0, 3;
            setp.lt.u32 %p1, %r2, 2;
            @%p1 bra LOW;
            setp.eq.u32 %p2, %r2, 3;
            @%p2 bra THREE;
            mov.u32 %r20, 20;
            bra.uni DONE;
            THREE:
            mov.u32 %r20, 30;
            bra.uni DONE;
            LOW:
            mov.u32 %r20, 10;
            DONE:
            shfl.sync.bfly.b32 %r21, %r20, 1, 31, -1;
            add.s32 %r20, %r20, %r21;
            """, seed: seed);
        Check(result, k => (k & 3) switch { 0 or 1 => 20u, _ => 50u });
    }

    // Lanes leave the loop one by one: thread k runs k + 1 times.
    [Fact]
    public void A_loop_runs_as_often_as_each_lane_wants()
    {
        uint[] result = Run("""
            mov.u32 %r3, 0;
            LOOP:
            add.s32 %r20, %r20, 2;
            add.s32 %r3, %r3, 1;
            setp.le.u32 %p1, %r3, %r0;
            @%p1 bra LOOP;
            shfl.sync.idx.b32 %r21, %r20, 0, 31, -1;
            add.s32 %r20, %r20, %r21;
            """);
        Check(result, k => 2 * (uint)(k + 1) + (k < 32 ? 2u : 66u));
    }

    [Fact]
    public void Nested_loops_with_breaks()
    {
        uint[] result = Run("""
            mov.u32 %r3, 0;
            OUTER:
            mov.u32 %r4, 0;
            INNER:
            add.s32 %r20, %r20, 1;
            add.s32 %r5, %r3, %r4;
            setp.gt.u32 %p1, %r5, %r0;
            @%p1 bra NEXT;
            add.s32 %r4, %r4, 1;
            setp.lt.u32 %p2, %r4, 5;
            @%p2 bra INNER;
            NEXT:
            add.s32 %r3, %r3, 1;
            setp.lt.u32 %p3, %r3, 6;
            @%p3 bra OUTER;
            """);
        Check(result, k =>
        {
            uint count = 0;
            for (int i = 0; i < 6; i++)
                for (int j = 0; j < 5; j++)
                {
                    count++;
                    if (i + j > k)
                        break;
                }
            return count;
        });
    }

    // A lane that returns inside one path takes no part in what follows.
    [Fact]
    public void Lanes_that_return_are_gone()
    {
        uint[] result = Run("""
            setp.gt.u32 %p1, %r0, 40;
            @%p1 bra LATE;
            mov.u32 %r20, 1;
            bra.uni DONE;
            LATE:
            setp.gt.u32 %p2, %r0, 50;
            @%p2 exit;
            mov.u32 %r20, 2;
            DONE:
            activemask.b32 %r21;
            popc.b32 %r21, %r21;
            mad.lo.s32 %r20, %r21, 100, %r20;
            """);
        Check(result, k => k > 50 ? 0 : k < 32 ? 3201u : k <= 40 ? 1901u : 1902u);
    }

    [Fact]
    public void Predicated_instructions_touch_only_their_lanes()
    {
        Check(Run("setp.eq.u32 %p1, %r0, 5; mov.u32 %r20, 1; @%p1 mov.u32 %r20, 2; @!%p1 add.s32 %r20, %r20, 10;"), k => k == 5 ? 2u : 11u);
    }

    [Fact]
    public void Predicates_take_numbers()
    {
        Check(Run("mov.pred %p1, -1; mov.pred %p2, 0; and.pred %p3, %p1, -1; @%p3 add.s32 %r20, %r20, 1; @%p2 add.s32 %r20, %r20, 2;"), _ => 1);
    }

    // Registers share places: what was set before a loop and is read in each round must outlive the values of the round.
    [Fact]
    public void A_loop_keeps_what_came_before_it()
    {
        Check(Run("""
            add.s32 %r40, %r0, 7;
            mov.u32 %r3, 0;
            LOOP:
            add.s32 %r41, %r40, %r3;
            add.s32 %r42, %r41, 1;
            add.s32 %r43, %r42, 1;
            add.s32 %r44, %r43, 1;
            add.s32 %r20, %r20, %r44;
            add.s32 %r3, %r3, 1;
            setp.lt.u32 %p1, %r3, 4;
            @%p1 bra LOOP;
            """), k => 4 * ((uint)k + 10) + 6);
    }

    [Fact]
    public void Names_in_inner_braces_hide_outer_ones()
    {
        Check(Run("mov.u32 %r20, 1; { .reg .b32 %r20; mov.u32 %r20, 7; } { .reg .b32 t; mov.u32 t, 4; add.s32 %r20, %r20, t; }"), _ => 5);
    }
}
