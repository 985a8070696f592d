using Dia.SoftGpu.Driver;
using Xunit;

namespace Dia.SoftGpu.Tests.Ptx;

/// <summary>What is not known, or too new, is refused with its line: nothing is ignored.</summary>
public sealed class RefusalTests
{
    [Theory]
    [InlineData("frobnicate.u32 %r1, %r2;", "frobnicate")]
    [InlineData("add.cc.u32 %r1, %r2, %r3;", "'.cc'")]
    [InlineData("add.rz.f32 %f1, %f2, %f3;", "'.rz'")]
    [InlineData("add.u32 %r1, %r2, %d3;", "'%d3' has 64 bits")]
    [InlineData("add.u32 %r1, %r2;", "2 operands")]
    [InlineData("add.u32 %r1, %r2, %nothing;", "%nothing")]
    [InlineData("bra NOWHERE;", "no label 'NOWHERE'")]
    [InlineData("ld.global.u32 %r1, [%r2];", "'%r2' has 32 bits")]
    [InlineData("ld.global.v4.f64 {%fd1,%fd2,%fd3,%fd4}, [%d0];", "128 bits")]
    [InlineData("ld.param.u64 %d5, [p9];", "no parameter")]
    [InlineData("ld.param.v2.u64 {%d5,%d6}, [p0];", "past the end")]
    [InlineData("shfl.down.b32 %r1, %r2, 1, 31;", "gone since sm_70")]
    [InlineData("ld.global.L2::128B.u32 %r1, [%d0];", "needs PTX 7.4")]
    [InlineData("add.bf16 %h1, %h2, %h3;", "needs PTX 7.8")]
    [InlineData("cvt.f32.bf16 %f1, %h2;", "needs PTX 7.1")]
    [InlineData("cp.async.cg.shared.global [%r1], [%d1], 8;", "8 bytes cannot be copied")]
    [InlineData("bar.sync 0, 64;", "only barriers of the whole block")]
    [InlineData("bar.sync 16;", "0 to 15")]
    [InlineData("call.uni f, (%r1);", "calls of functions")]
    [InlineData("mma.sync.aligned.m16n8k16.row.col.f32.tf32.tf32.f32 {%f1,%f2,%f3,%f4}, {%r1,%r2,%r3,%r4}, {%r1,%r2}, {%f1,%f2,%f3,%f4};", "mma.sync")]
    [InlineData("cp.async.cg.shared.global [%r1], [%d1], 16", "line")]
    public void Refused_with_its_line(string instruction, string text)
    {
        var gpu = new Gpu();
        Assert.Equal((int)Status.INVALID_PTX, gpu.TryLoad(Gpu.Source("\n\n" + instruction), out _, out string log));
        Assert.Contains(text, log, StringComparison.Ordinal);
        Assert.Contains("line ", log, StringComparison.Ordinal);
    }

    [Fact]
    public void The_driver_reads_no_Ptx_newer_than_itself()
    {
        string text = Gpu.Source("").Replace(".version 7.0", ".version 7.5", StringComparison.Ordinal);
        Assert.Equal((int)Status.UNSUPPORTED_PTX_VERSION, new Gpu().TryLoad(text, out _, out _));
        Gpu.Good(new Gpu(new Settings { DriverVersion = 11050 }).TryLoad(text, out _, out _));
    }

    [Fact]
    public void The_chip_runs_no_code_for_a_newer_one()
    {
        string text = Gpu.Source("").Replace("sm_80", "sm_90", StringComparison.Ordinal);
        Assert.Equal((int)Status.INVALID_PTX, new Gpu().TryLoad(text, out _, out _));
        Gpu.Good(new Gpu(new Settings { Sm = 90 }).TryLoad(text, out _, out _));
    }

    // Text that is cut off anywhere is refused or loads; it never takes the process down.
    [Fact]
    public void Cut_off_text_is_refused()
    {
        string text = Gpu.Source("add.u32 %r1, %r2, 5; { .reg .b32 t; mov.b32 t, %r1; }\nLABEL: @%p1 bra LABEL; ld.global.v2.u32 {%r1, %r2}, [%d0+8];");
        var gpu = new Gpu();
        for (int length = 0; length < text.Length; length += 3)
            Assert.True(gpu.TryLoad(text[..length], out _, out _) is 0 or (int)Status.INVALID_PTX, $"cut at {length}: {string.Join(";", Gpu.Faults())}");
        Assert.Empty(Gpu.Faults());
    }
}
