using Dia.Weights;
using Xunit;

namespace Dia.Tests.Weights;

public sealed unsafe class WeightFormatsTests
{
    [Fact]
    public void Every_b_float16_is_exact_there_and_back()
    {
        for (int bits = 0; bits <= 0xFFFF; bits++)
        {
            float value = WeightFormats.FromBFloat16((ushort)bits);
            Assert.Equal(Decode(bits, exponentBits: 8, fractionBits: 7), value);
            Check(bits, WeightFormats.ToBFloat16(value), float.IsNaN(value), quiet: 0x40);
        }
    }

    [Fact]
    public void Every_float16_is_exact_there_and_back()
    {
        for (int bits = 0; bits <= 0xFFFF; bits++)
        {
            float value = WeightFormats.FromFloat16((ushort)bits);
            Assert.Equal(Decode(bits, exponentBits: 5, fractionBits: 10), value);
            Check(bits, WeightFormats.ToFloat16(value), float.IsNaN(value), quiet: 0x200);
        }
    }

    [Theory]
    [InlineData(WeightFormat.BFloat16)]
    [InlineData(WeightFormat.Float16)]
    public void Rounds_to_nearest_ties_to_even(WeightFormat format)
    {
        Func<ushort, float> from = format == WeightFormat.BFloat16 ? WeightFormats.FromBFloat16 : WeightFormats.FromFloat16;
        Func<float, ushort> to = format == WeightFormat.BFloat16 ? WeightFormats.ToBFloat16 : WeightFormats.ToFloat16;
        ushort infinity = format == WeightFormat.BFloat16 ? (ushort)0x7F80 : (ushort)0x7C00;
        for (ushort low = 0; low < infinity - 1; low++)
        {
            float a = from(low), b = from((ushort)(low + 1));
            float middle = (float)(((double)a + b) / 2);
            Assert.Equal(low % 2 == 0 ? low : low + 1, to(middle));
            Assert.Equal(low, to(MathF.BitDecrement(middle)));
            Assert.Equal(low + 1, to(MathF.BitIncrement(middle)));
            Assert.Equal((low % 2 == 0 ? low : low + 1) | 0x8000, to(-middle));
        }

        // Half a step above the largest finite value is the tie with infinity.
        float largest = from((ushort)(infinity - 1)), step = largest - from((ushort)(infinity - 2));
        Assert.Equal(infinity, to(largest + step / 2));
        Assert.Equal(infinity - 1, to(MathF.BitDecrement(largest + step / 2)));
        Assert.Equal(infinity, to(float.PositiveInfinity));
    }

    [Theory]
    [InlineData(WeightFormat.Float32)]
    [InlineData(WeightFormat.BFloat16)]
    [InlineData(WeightFormat.Float16)]
    public void Arrays_convert_at_any_address(WeightFormat format)
    {
        float[] values = [0, 1, -2.5f, 0.15625f, 1024], back = new float[5];
        byte[] memory = new byte[32];
        fixed (byte* p = memory)
        {
            WeightFormats.Write(values, format, p + 1);
            WeightFormats.Read(p + 1, format, back);
        }

        Assert.Equal(values, back);
        Assert.Equal(0, memory[0]);
        Assert.All(memory[(1 + (int)WeightFormats.Bytes(format, 5))..], b => Assert.Equal(0, b));
    }

    [Theory]
    [InlineData(WeightFormat.Float32, "f32", "float32", SafetensorsDType.F32, 4)]
    [InlineData(WeightFormat.BFloat16, "bf16", "bfloat16", SafetensorsDType.BF16, 2)]
    [InlineData(WeightFormat.Float16, "f16", "float16", SafetensorsDType.F16, 2)]
    public void Each_format_has_its_row(WeightFormat format, string name, string referenceName, SafetensorsDType type, int bytes)
    {
        Assert.True(WeightFormats.TryParse(name, out WeightFormat parsed));
        Assert.Equal(format, parsed);
        Assert.Equal(referenceName, WeightFormats.ReferenceName(format));
        Assert.Equal(type, WeightFormats.Type(format));
        Assert.Equal(format, WeightFormats.Of(type));
        Assert.Equal(5 * bytes, WeightFormats.Bytes(format, 5));
        Assert.Throws<OverflowException>(() => WeightFormats.Bytes(format, long.MaxValue));
        float[] values = [1, -2.5f, 0.15625f];
        byte[] memory = new byte[16];
        fixed (byte* p = memory)
        {
            WeightFormats.Write(values, format, p);
            for (int i = 0; i < values.Length; i++)
                Assert.Equal(values[i], WeightFormats.Of(format).Value(p, i));
        }
    }

    [Fact]
    public void What_has_no_row_is_no_format()
    {
        Assert.False(WeightFormats.TryParse("float32", out _));
        Assert.False(WeightFormats.TryParse("F32", out _));
        Assert.Null(WeightFormats.Of(SafetensorsDType.F64));
        Assert.Throws<ArgumentOutOfRangeException>(() => WeightFormats.ReferenceName((WeightFormat)6));
        Assert.Throws<ArgumentOutOfRangeException>(() => WeightFormats.Bytes((WeightFormat)(-1), 1));
    }

    /// <summary>A NaN may come back quiet; all else bit for bit.</summary>
    private static void Check(int bits, int back, bool nan, int quiet) => Assert.Equal(nan ? bits | quiet : bits, back | (nan ? quiet : 0));

    /// <summary>The definition of IEEE 754's interchange formats, in double.</summary>
    private static float Decode(int bits, int exponentBits, int fractionBits)
    {
        int exponent = (bits >> fractionBits) & ((1 << exponentBits) - 1), fraction = bits & ((1 << fractionBits) - 1), bias = (1 << (exponentBits - 1)) - 1;
        double size = exponent == (1 << exponentBits) - 1 ? (fraction == 0 ? double.PositiveInfinity : double.NaN)
            : exponent == 0 ? Math.ScaleB(fraction, 1 - bias - fractionBits)
            : Math.ScaleB(fraction + (1 << fractionBits), exponent - bias - fractionBits);
        return (float)(bits >> 15 != 0 ? -size : size);
    }
}
