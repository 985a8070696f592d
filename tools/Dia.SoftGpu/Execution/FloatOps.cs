using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using F = System.Runtime.Intrinsics.Vector256<float>;
using G = System.Runtime.Intrinsics.Vector256<double>;
using V = System.Runtime.Intrinsics.Vector256<uint>;
using W = System.Runtime.Intrinsics.Vector256<ulong>;

namespace Dia.SoftGpu.Execution;

// float32 (V) and float64 (W) lanes; round to nearest even, subnormals kept. Approximate instructions are computed more exactly than
// a GPU does, except where a GPU is known to be bad in a way that a kernel must take care of (sin and cos of large arguments).

internal readonly struct FAdd : IVector2<uint>, IVector2<ulong>
{
    public static V Of(V a, V b) => (a.AsSingle() + b.AsSingle()).AsUInt32();
    public static W Of(W a, W b) => (a.AsDouble() + b.AsDouble()).AsUInt64();
}

internal readonly struct FSub : IVector2<uint>, IVector2<ulong>
{
    public static V Of(V a, V b) => (a.AsSingle() - b.AsSingle()).AsUInt32();
    public static W Of(W a, W b) => (a.AsDouble() - b.AsDouble()).AsUInt64();
}

internal readonly struct FMul : IVector2<uint>, IVector2<ulong>
{
    public static V Of(V a, V b) => (a.AsSingle() * b.AsSingle()).AsUInt32();
    public static W Of(W a, W b) => (a.AsDouble() * b.AsDouble()).AsUInt64();
}

internal readonly struct FDiv : IVector2<uint>, IVector2<ulong>
{
    public static V Of(V a, V b) => (a.AsSingle() / b.AsSingle()).AsUInt32();
    public static W Of(W a, W b) => (a.AsDouble() / b.AsDouble()).AsUInt64();
}

internal readonly struct FFma : IVector3<uint>, IVector3<ulong>
{
    public static V Of(V a, V b, V c) => Vector256.FusedMultiplyAdd(a.AsSingle(), b.AsSingle(), c.AsSingle()).AsUInt32();
    public static W Of(W a, W b, W c) => Vector256.FusedMultiplyAdd(a.AsDouble(), b.AsDouble(), c.AsDouble()).AsUInt64();
}

internal readonly struct FNeg : IVector1<uint>, IVector1<ulong>
{
    public static V Of(V a) => a ^ Vector256.Create(0x80000000u);
    public static W Of(W a) => a ^ Vector256.Create(1ul << 63);
}

internal readonly struct FAbs : IVector1<uint>, IVector1<ulong>
{
    public static V Of(V a) => a & Vector256.Create(0x7FFFFFFFu);
    public static W Of(W a) => a & Vector256.Create(ulong.MaxValue >> 1);
}

// A NaN loses against a number; -0 is less than +0. MinNumber says just that.
internal readonly struct FMin : IVector2<uint>, IVector2<ulong>
{
    public static V Of(V a, V b) => Canonical(Vector256.MinNumber(a.AsSingle(), b.AsSingle()));
    public static W Of(W a, W b) => Vector256.MinNumber(a.AsDouble(), b.AsDouble()).AsUInt64();

    // Two NaNs give the canonical one.
    public static V Canonical(F x) => Vector256.ConditionalSelect(Vector256.Equals(x, x), x, Vector256.Create(0x7FFFFFFFu).AsSingle()).AsUInt32();
}

internal readonly struct FMax : IVector2<uint>, IVector2<ulong>
{
    public static V Of(V a, V b) => FMin.Canonical(Vector256.MaxNumber(a.AsSingle(), b.AsSingle()));
    public static W Of(W a, W b) => Vector256.MaxNumber(a.AsDouble(), b.AsDouble()).AsUInt64();
}

internal readonly struct CopySign : IVector2<uint>, IVector2<ulong>
{
    public static V Of(V a, V b) => FAbs.Of(b) | (a & Vector256.Create(0x80000000u));
    public static W Of(W a, W b) => FAbs.Of(b) | (a & Vector256.Create(1ul << 63));
}

internal readonly struct FSqrt : IVector1<uint>, IVector1<ulong>
{
    public static V Of(V a) => Vector256.Sqrt(a.AsSingle()).AsUInt32();
    public static W Of(W a) => Vector256.Sqrt(a.AsDouble()).AsUInt64();
}

internal readonly struct FRcp : IVector1<uint>, IVector1<ulong>
{
    public static V Of(V a) => (F.One / a.AsSingle()).AsUInt32();
    public static W Of(W a) => (G.One / a.AsDouble()).AsUInt64();
}

internal readonly struct FRsqrt : IVector1<uint>, IVector1<ulong>
{
    public static V Of(V a) => Wide.Run<FRsqrt>(a);
    public static W Of(W a) => (G.One / Vector256.Sqrt(a.AsDouble())).AsUInt64();
}

/// <summary>Eight floats by way of two vectors of doubles: the result is the correctly rounded one but for very rare cases.</summary>
internal static class Wide
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Run<TOp>(V a) where TOp : struct, IVector1<ulong>
    {
        (G low, G high) = Vector256.Widen(a.AsSingle());
        return Vector256.Narrow(TOp.Of(low.AsUInt64()).AsDouble(), TOp.Of(high.AsUInt64()).AsDouble()).AsUInt32();
    }
}

internal readonly struct Ex2 : IVector1<uint>, IVector1<ulong>
{
    public static V Of(V a) => Wide.Run<Ex2>(a);
    public static W Of(W a) => Vector256.Exp(a.AsDouble() * Vector256.Create(0.69314718055994530942)).AsUInt64();
}

internal readonly struct Lg2 : IVector1<uint>, IVector1<ulong>
{
    public static V Of(V a) => Wide.Run<Lg2>(a);
    public static W Of(W a) => Vector256.Log2(a.AsDouble()).AsUInt64();
}

// The hardware multiplies the argument by 1/2pi in single precision, so that large arguments lose their fraction.
internal readonly struct SinApprox : ILane1<float, float>
{
    public static float Of(float a) => (float)Math.Sin(Turn(a));

    public static double Turn(float a)
    {
        float turns = a * 0.15915494f;
        return float.IsFinite(turns) ? Math.Tau * (turns - Math.Floor(turns)) : double.NaN;
    }
}

internal readonly struct CosApprox : ILane1<float, float>
{
    public static float Of(float a) => (float)Math.Cos(SinApprox.Turn(a));
}

internal readonly struct TanhApprox : ILane1<float, float>
{
    public static float Of(float a) => (float)Math.Tanh(a);
}

// Comparisons: the plain ones are false for NaN, those ending in u are true.
internal readonly struct FEq : IVector2<uint>, IVector2<ulong>
{
    public static V Of(V a, V b) => Vector256.Equals(a.AsSingle(), b.AsSingle()).AsUInt32();
    public static W Of(W a, W b) => Vector256.Equals(a.AsDouble(), b.AsDouble()).AsUInt64();
}

internal readonly struct FLt : IVector2<uint>, IVector2<ulong>
{
    public static V Of(V a, V b) => Vector256.LessThan(a.AsSingle(), b.AsSingle()).AsUInt32();
    public static W Of(W a, W b) => Vector256.LessThan(a.AsDouble(), b.AsDouble()).AsUInt64();
}

internal readonly struct FLe : IVector2<uint>, IVector2<ulong>
{
    public static V Of(V a, V b) => Vector256.LessThanOrEqual(a.AsSingle(), b.AsSingle()).AsUInt32();
    public static W Of(W a, W b) => Vector256.LessThanOrEqual(a.AsDouble(), b.AsDouble()).AsUInt64();
}

/// <summary>Neither is NaN.</summary>
internal readonly struct FNum : IVector2<uint>, IVector2<ulong>
{
    public static V Of(V a, V b) => FEq.Of(a, a) & FEq.Of(b, b);
    public static W Of(W a, W b) => FEq.Of(a, a) & FEq.Of(b, b);
}

/// <summary>Neither is NaN, and they differ.</summary>
internal readonly struct FNe : IVector2<uint>, IVector2<ulong>
{
    public static V Of(V a, V b) => FNum.Of(a, b) & ~FEq.Of(a, b);
    public static W Of(W a, W b) => FNum.Of(a, b) & ~FEq.Of(a, b);
}

/// <summary>The negation of a comparison: equ is not ne, ltu is not ge, ...</summary>
internal readonly struct Negated<TOp> : IVector2<uint>, IVector2<ulong> where TOp : struct, IVector2<uint>, IVector2<ulong>
{
    public static V Of(V a, V b) => ~TOp.Of(a, b);
    public static W Of(W a, W b) => ~TOp.Of(a, b);
}

/// <summary>Result of another operation, clamped to [0, 1]; NaN becomes 0.</summary>
internal readonly struct Saturated<TOp> : IVector1<uint>, IVector2<uint>, IVector3<uint> where TOp : struct
{
    public static V Of(V a) => Clamp(a);
    public static V Of(V a, V b) => Clamp(typeof(TOp) == typeof(FAdd) ? FAdd.Of(a, b) : typeof(TOp) == typeof(FSub) ? FSub.Of(a, b) : FMul.Of(a, b));
    public static V Of(V a, V b, V c) => Clamp(FFma.Of(a, b, c));

    private static V Clamp(V x)
    {
        F f = x.AsSingle();
        f = Vector256.ConditionalSelect(Vector256.Equals(f, f), f, F.Zero);
        return Vector256.Min(Vector256.Max(f, F.Zero), F.One).AsUInt32();
    }
}

/// <summary>Another operation with subnormal sources and results flushed to zero.</summary>
internal readonly struct Flushed<TOp> : IVector1<uint>, IVector2<uint>, IVector3<uint> where TOp : struct
{
    public static V Of(V a)
    {
        a = Flush(a);
        return Flush(typeof(TOp) == typeof(Ex2) ? Ex2.Of(a)
            : typeof(TOp) == typeof(Lg2) ? Lg2.Of(a)
            : typeof(TOp) == typeof(FRcp) ? FRcp.Of(a)
            : typeof(TOp) == typeof(FRsqrt) ? FRsqrt.Of(a)
            : typeof(TOp) == typeof(FSqrt) ? FSqrt.Of(a)
            : typeof(TOp) == typeof(FNeg) ? FNeg.Of(a)
            : typeof(TOp) == typeof(FAbs) ? FAbs.Of(a)
            : throw new NotSupportedException());
    }

    public static V Of(V a, V b)
    {
        a = Flush(a);
        b = Flush(b);
        return Flush(typeof(TOp) == typeof(FAdd) ? FAdd.Of(a, b)
            : typeof(TOp) == typeof(FSub) ? FSub.Of(a, b)
            : typeof(TOp) == typeof(FMul) ? FMul.Of(a, b)
            : typeof(TOp) == typeof(FDiv) ? FDiv.Of(a, b)
            : typeof(TOp) == typeof(FMin) ? FMin.Of(a, b)
            : typeof(TOp) == typeof(FMax) ? FMax.Of(a, b)
            : throw new NotSupportedException());
    }

    public static V Of(V a, V b, V c) => Flush(FFma.Of(Flush(a), Flush(b), Flush(c)));

    private static V Flush(V x)
    {
        V small = Vector256.LessThan(x & Vector256.Create(0x7FFFFFFFu), Vector256.Create(0x00800000u));
        return Vector256.ConditionalSelect(small, x & Vector256.Create(0x80000000u), x);
    }
}

// 16-bit floats: computed in a wider format and rounded once; a sum or product of two is exact in double, and so is the fma's product.
internal interface IHalfFormat
{
    static abstract float ToSingle(uint bits);

    static abstract uint FromDouble(double value);
}

internal readonly struct Binary16 : IHalfFormat
{
    public static float ToSingle(uint bits) => (float)BitConverter.UInt16BitsToHalf((ushort)bits);

    public static uint FromDouble(double value) => double.IsNaN(value) ? 0x7FFFu : BitConverter.HalfToUInt16Bits((Half)value);
}

internal readonly struct Brain16 : IHalfFormat
{
    public static float ToSingle(uint bits) => BitConverter.UInt32BitsToSingle(bits << 16);

    public static uint FromDouble(double value)
    {
        if (double.IsNaN(value))
            return 0x7FFF;
        // To odd in single precision, so that the second rounding is as good as one.
        float f = (float)value;
        uint bits = BitConverter.SingleToUInt32Bits(f);
        if (f != value && float.IsFinite(f))
        {
            if (Math.Abs((double)f) > Math.Abs(value))
                bits--;
            bits |= 1;
        }
        return (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16;
    }
}

internal interface IDouble2
{
    static abstract double Of(double a, double b);
}

internal readonly struct DAdd : IDouble2
{
    public static double Of(double a, double b) => a + b;
}

internal readonly struct DSub : IDouble2
{
    public static double Of(double a, double b) => a - b;
}

internal readonly struct DMul : IDouble2
{
    public static double Of(double a, double b) => a * b;
}

internal readonly struct DMin : IDouble2
{
    public static double Of(double a, double b) => double.MinNumber(a, b);
}

internal readonly struct DMax : IDouble2
{
    public static double Of(double a, double b) => double.MaxNumber(a, b);
}

internal readonly struct Half2<TOp, TFormat> : ILane2<uint, uint, uint> where TOp : struct, IDouble2 where TFormat : struct, IHalfFormat
{
    public static uint Of(uint a, uint b) => TFormat.FromDouble(TOp.Of(TFormat.ToSingle(a), TFormat.ToSingle(b)));
}

internal readonly struct Half3<TFormat> : ILane3<uint, uint, uint, uint> where TFormat : struct, IHalfFormat
{
    public static uint Of(uint a, uint b, uint c) =>
        TFormat.FromDouble((double)TFormat.ToSingle(a) * TFormat.ToSingle(b) + TFormat.ToSingle(c));
}

/// <summary>Both halves of a 32-bit lane.</summary>
internal readonly struct Packed2<TOp> : ILane2<uint, uint, uint> where TOp : struct, ILane2<uint, uint, uint>
{
    public static uint Of(uint a, uint b) => TOp.Of(a & 0xFFFF, b & 0xFFFF) | (TOp.Of(a >> 16, b >> 16) << 16);
}

internal readonly struct Packed3<TOp> : ILane3<uint, uint, uint, uint> where TOp : struct, ILane3<uint, uint, uint, uint>
{
    public static uint Of(uint a, uint b, uint c) => TOp.Of(a & 0xFFFF, b & 0xFFFF, c & 0xFFFF) | (TOp.Of(a >> 16, b >> 16, c >> 16) << 16);
}
