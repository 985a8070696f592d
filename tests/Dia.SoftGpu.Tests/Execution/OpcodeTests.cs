using Xunit;

namespace Dia.SoftGpu.Tests.Execution;

public sealed class OpcodeTests
{
    public static TheoryData<string> Texts()
    {
        var data = new TheoryData<string>();
        foreach (Opcode o in Opcode.All)
            data.Add(o.Text);
        return data;
    }

    // As loaded: a, b, c of every type; the result of the kind goes out as 64 bits.
    private static string Body(Opcode o, string guard) => $$"""
        mul.wide.u32 %d5, %r0, 8;
        add.s64 %d6, %d0, %d5;
        add.s64 %d7, %d1, %d5;
        add.s64 %d8, %d2, %d5;
        add.s64 %d9, %d3, %d5;
        ld.global.b64 %d10, [%d7];
        ld.global.b64 %d11, [%d8];
        ld.global.b64 %d12, [%d9];
        cvt.u32.u64 %r10, %d10;
        cvt.u32.u64 %r11, %d11;
        cvt.u32.u64 %r12, %d12;
        mov.b32 %f10, %r10;
        mov.b32 %f11, %r11;
        mov.b32 %f12, %r12;
        mov.b64 %fd10, %d10;
        mov.b64 %fd11, %d11;
        mov.b64 %fd12, %d12;
        cvt.u16.u32 %h10, %r10;
        cvt.u16.u32 %h11, %r11;
        cvt.u16.u32 %h12, %r12;
        mov.u64 %d20, 77;
        mov.u32 %r20, 77;
        mov.b32 %f20, 77;
        mov.b64 %fd20, 77;
        mov.u16 %h20, 77;
        setp.ne.s32 %p1, 0, 0;
        {{guard}}
        {{o.Text}}
        DONE:
        {{o.Kind switch
        {
            "r" => "cvt.u64.u32 %d20, %r20;",
            "f" => "mov.b32 %r20, %f20; cvt.u64.u32 %d20, %r20;",
            "h" => "cvt.u64.u16 %d20, %h20;",
            "fd" => "mov.b64 %d20, %fd20;",
            "p" => "selp.b64 %d20, 1, 0, %p1;",
            _ => "",
        }}}
        st.global.b64 [%d6], %d20;
        """;

    private static ulong[] Values(int seed)
    {
        ulong[] edges =
        [
            0, 1, 2, 31, 32, 63, 64, 0x7FFFFFFF, 0x80000000, uint.MaxValue, ulong.MaxValue, 1ul << 63, (1ul << 63) - 1, 0x3F800000, 0xBF800000,
                0x7F800000, 0xFF800000,
            0x7FC00000, 0x00000001, 0x3F000000, 0x40200000, 0xC0200000, 0x4F000000, 0xCF000001, 0x3FF0000000000000, 0xBFE0000000000000, 0x7FF0000000000000,
                0x7FF8000000000000,
            0x40C3880000000000, 0x3C00, 0xFBFF, 0x47800000, 0x38D1B717, 0x3F808000, 0x3F818000, 0x4EFFFFFF, 0x477FF000,
        ];
        var random = new Random(seed);
        var values = new ulong[96];
        for (int k = 0; k < values.Length; k++)
            values[k] = random.Next(3) == 0 ? edges[random.Next(edges.Length)]
                : random.Next(2) == 0 ? (ulong)random.NextInt64() ^ ((ulong)random.Next() << 40)
                : BitConverter.SingleToUInt32Bits((random.NextSingle() - 0.5f) * MathF.Pow(10, random.Next(-6, 8)));
        return values;
    }

    private static ulong Canonical(ulong x, string kind) => kind switch
    {
        "f" when float.IsNaN(BitConverter.UInt32BitsToSingle((uint)x)) => Opcode.NaN32,
        "fd" when double.IsNaN(BitConverter.UInt64BitsToDouble(x)) => Opcode.NaN64,
        _ => x,
    };

    // With all lanes, with some of a warp (the path with masks), with too few threads for the last warp.
    [Theory]
    [MemberData(nameof(Texts))]
    public void Gives_what_the_manual_says(string text)
    {
        Opcode o = Array.Find(Opcode.All, x => x.Text == text)!;
        foreach (bool some in (bool[])[false, true])
        {
            var gpu = new Gpu();
            ulong[] a = Values(1), b = Values(2), c = Values(3);
            ulong to = gpu.Upload(new ulong[96]);
            nint kernel = gpu.Compile(Body(o, some ? "and.b32 %r5, %r0, 5; setp.eq.s32 %p9, %r5, 4; @%p9 bra DONE;" : ""));
            Gpu.Good(gpu.Run(kernel, 1, 90, to, gpu.Upload(a), gpu.Upload(b), gpu.Upload(c)));
            ulong[] result = gpu.Download<ulong>(to, 96);
            for (int k = 0; k < 96; k++)
            {
                ulong expected = some && (k & 5) == 4 ? o.Kind == "p" ? 0ul : 77
                    : text.Contains("%laneid", StringComparison.Ordinal) ? (ulong)(k % 32) : o.Expected(a[k], b[k], c[k]);
                if (k >= 90)
                    expected = 0;
                Assert.True(Canonical(expected, o.Kind) == Canonical(result[k], o.Kind),
                    $"thread {k}: a {a[k]:x} b {b[k]:x} c {c[k]:x}: {result[k]:x}, expected {expected:x}");
            }
        }
    }

    // Bounds of the manual: 2^-22 relative for ex2, 2^-22 absolute near 1 for lg2, 1 to 2 ulp for rcp, rsqrt, sqrt.
    [Theory]
    [InlineData("ex2.approx.f32", -20f, 20f, 3e-7)]
    [InlineData("lg2.approx.f32", 0.01f, 100f, 3e-7)]
    [InlineData("rcp.approx.ftz.f32", 0.01f, 100f, 2e-7)]
    [InlineData("rsqrt.approx.f32", 0.01f, 100f, 2e-7)]
    [InlineData("sqrt.approx.f32", 0.01f, 100f, 2e-7)]
    [InlineData("sin.approx.f32", -3f, 3f, 6e-7)]
    [InlineData("cos.approx.f32", -3f, 3f, 6e-7)]
    [InlineData("tanh.approx.f32", -3f, 3f, 5e-4)]
    public void Approximates_within_the_bound(string op, float low, float high, double bound)
    {
        var gpu = new Gpu();
        float[] x = [.. Enumerable.Range(0, 64).Select(k => low + (high - low) * k / 63)];
        ulong to = gpu.Upload(new float[64]);
        nint kernel = gpu.Compile(
            $"mul.wide.u32 %d5, %r0, 4; add.s64 %d6, %d0, %d5; add.s64 %d7, %d1, %d5; ld.global.f32 %f1, [%d7]; {op} %f2, %f1; st.global.f32 [%d6], %f2;");
        Gpu.Good(gpu.Run(kernel, 1, 64, to, gpu.Upload(x), 0, 0));
        float[] y = gpu.Download<float>(to, 64);
        for (int k = 0; k < 64; k++)
        {
            double expected = op[..3] switch
            {
                "ex2" => Math.Pow(2, x[k]), "lg2" => Math.Log2(x[k]), "rcp" => 1.0 / x[k], "rsq" => 1 / Math.Sqrt(x[k]),
                "sqr" => Math.Sqrt(x[k]), "sin" => Math.Sin(x[k]), "cos" => Math.Cos(x[k]), _ => Math.Tanh(x[k]),
            };
            Assert.True(Math.Abs(y[k] - expected) <= bound * Math.Max(1, Math.Abs(expected)), $"{op}({x[k]}) = {y[k]}, {expected}");
        }
    }

    // The fraction of a turn is lost with the argument's last bits: a kernel must reduce the range itself.
    [Fact]
    public void Sine_of_a_large_argument_is_poor()
    {
        var gpu = new Gpu();
        ulong to = gpu.Upload(new float[1]);
        Gpu.Good(gpu.Run(gpu.Compile("mov.f32 %f1, 0f47C35000; sin.approx.f32 %f2, %f1; st.global.f32 [%d0], %f2;"), 1, 1, to, 0, 0, 0));
        Assert.InRange(Math.Abs(gpu.Download<float>(to, 1)[0] - Math.Sin(100000)), 1e-4, 1e-1);
    }
}
