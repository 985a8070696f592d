using System.Numerics;
using System.Runtime.Intrinsics;
using Dia.SoftGpu.Ptx;
using V = System.Runtime.Intrinsics.Vector256<uint>;

namespace Dia.SoftGpu.Execution;

internal enum Rounding
{
    None, Nearest, Zero, Down, Up, IntNearest, IntZero, IntDown, IntUp,
}

/// <summary>cvt: fast handlers for what compilers emit most, and one that knows every pair of types.</summary>
internal static unsafe class Conversions
{
    /// <summary>What the general handler does: packed into Aux.</summary>
    public static int Pack(PtxType to, PtxType from, Rounding rounding, bool saturate, bool flush) =>
        (int)to | ((int)from << 6) | ((int)rounding << 12) | (saturate ? 1 << 16 : 0) | (flush ? 1 << 17 : 0);

    /// <summary>Any conversion, lane by lane.</summary>
    public static void General(Warp w, Instruction* i, uint mask)
    {
        var to = (PtxType)(i->Aux & 63);
        var from = (PtxType)((i->Aux >> 6) & 63);
        var rounding = (Rounding)((i->Aux >> 12) & 15);
        bool saturate = (i->Aux & (1 << 16)) != 0, flush = (i->Aux & (1 << 17)) != 0;
        // C: bits of the source register; E: bits of the destination register.
        for (uint m = mask; m != 0; m &= m - 1)
        {
            int lane = BitOperations.TrailingZeroCount(m);
            ulong a = i->C == 64 ? ((ulong*)(w.Regs + i->A))[lane] : ((uint*)(w.Regs + i->A))[lane];
            ulong d = Convert(to, from, rounding, saturate, flush, a);
            if (i->E == 64)
                ((ulong*)(w.Regs + i->D))[lane] = d;
            else
                ((uint*)(w.Regs + i->D))[lane] = i->E == 16 ? (uint)d & 0xFFFF : (uint)d;
        }
    }

    public static ulong Convert(PtxType to, PtxType from, Rounding rounding, bool saturate, bool flush, ulong a)
    {
        if (IsFloat(from))
        {
            double x = from switch
            {
                PtxType.F64 => BitConverter.UInt64BitsToDouble(a),
                PtxType.F32 => BitConverter.UInt32BitsToSingle((uint)a),
                PtxType.F16 => Binary16.ToSingle((uint)a),
                _ => Brain16.ToSingle((uint)a),
            };
            if (flush && from == PtxType.F32 && Math.Abs(x) < 1.17549435e-38)
                x = double.CopySign(0, x);
            if (IsFloat(to))
                return FromDouble(to, Round(x, rounding), rounding, saturate, flush);
            return ToInteger(to, Round(x, rounding));
        }
        Int128 value = from switch
        {
            PtxType.S8 => (sbyte)a, PtxType.U8 => (byte)a, PtxType.B8 => (byte)a,
            PtxType.S16 => (short)a, PtxType.U16 or PtxType.B16 => (ushort)a,
            PtxType.S32 => (int)a, PtxType.U32 or PtxType.B32 => (uint)a,
            PtxType.S64 => (long)a, _ => a,
        };
        if (!IsFloat(to))
        {
            if (saturate)
                value = Int128.Clamp(value, Lowest(to), Highest(to));
            // Narrow results are extended to the register by their own sign.
            return to switch
            {
                PtxType.S8 => (ulong)(long)(sbyte)(long)value, PtxType.U8 or PtxType.B8 => (byte)(long)value,
                PtxType.S16 => (ulong)(long)(short)(long)value, PtxType.U16 or PtxType.B16 => (ushort)(long)value,
                PtxType.S32 => (ulong)(long)(int)(long)value, PtxType.U32 or PtxType.B32 => (uint)(long)value,
                _ => (ulong)value,
            };
        }
        if (to == PtxType.F64)
            return BitConverter.DoubleToUInt64Bits(RoundTo(value, (double)value, x => (Int128)x, rounding, Math.BitDecrement, Math.BitIncrement));
        if (to == PtxType.F32)
            return BitConverter.SingleToUInt32Bits(RoundTo(value, (float)value, x => (Int128)x, rounding, MathF.BitDecrement, MathF.BitIncrement));
        return FromDouble(to, (double)value, rounding, saturate, flush);
    }

    private static T RoundTo<T>(Int128 exact, T nearest, Func<T, Int128> back, Rounding rounding, Func<T, T> below, Func<T, T> above) =>
        rounding switch
        {
            Rounding.Down when back(nearest) > exact => below(nearest),
            Rounding.Up when back(nearest) < exact => above(nearest),
            Rounding.Zero when exact > 0 && back(nearest) > exact => below(nearest),
            Rounding.Zero when exact < 0 && back(nearest) < exact => above(nearest),
            _ => nearest,
        };

    private static double Round(double x, Rounding rounding) => rounding switch
    {
        Rounding.IntNearest => Math.Round(x, MidpointRounding.ToEven),
        Rounding.IntZero => Math.Truncate(x),
        Rounding.IntDown => Math.Floor(x),
        Rounding.IntUp => Math.Ceiling(x),
        _ => x,
    };

    private static ulong FromDouble(PtxType to, double x, Rounding rounding, bool saturate, bool flush)
    {
        if (saturate)
            x = x > 0 ? Math.Min(x, 1) : 0;
        switch (to)
        {
            case PtxType.F64:
                return BitConverter.DoubleToUInt64Bits(x);
            case PtxType.F32:
                float f = (float)x;
                if ((rounding == Rounding.Down || (rounding == Rounding.Zero && x > 0)) && f > x)
                    f = MathF.BitDecrement(f);
                if ((rounding == Rounding.Up || (rounding == Rounding.Zero && x < 0)) && f < x)
                    f = MathF.BitIncrement(f);
                if (flush && MathF.Abs(f) < 1.17549435e-38f)
                    f = MathF.CopySign(0, f);
                return float.IsNaN(f) ? 0x7FFFFFFFu : BitConverter.SingleToUInt32Bits(f);
            case PtxType.F16:
                return rounding == Rounding.Zero ? TowardZero<Binary16>(x) : Binary16.FromDouble(x);
            default:
                return rounding == Rounding.Zero ? TowardZero<Brain16>(x) : Brain16.FromDouble(x);
        }
    }

    private static uint TowardZero<T>(double x) where T : struct, IHalfFormat
    {
        uint bits = T.FromDouble(x);
        return Math.Abs((double)T.ToSingle(bits)) > Math.Abs(x) ? bits - 1 : bits;
    }

    // Out of range clamps; NaN is 0, and the sign bit alone for 64 bits.
    private static ulong ToInteger(PtxType to, double x)
    {
        if (double.IsNaN(x))
            return to is PtxType.U64 or PtxType.S64 ? 1ul << 63 : 0;
        Int128 value = x >= 1.9e19 ? Highest(to) : x <= -1.9e19 ? Lowest(to) : Int128.Clamp((Int128)x, Lowest(to), Highest(to));
        return (ulong)(long)(value > long.MaxValue ? (long)(ulong)value : (long)value);
    }

    private static bool IsFloat(PtxType t) => t is PtxType.F16 or PtxType.BF16 or PtxType.F32 or PtxType.F64;

    private static Int128 Lowest(PtxType t) => t switch
    {
        PtxType.S8 => sbyte.MinValue, PtxType.S16 => short.MinValue, PtxType.S32 => int.MinValue, PtxType.S64 => long.MinValue, _ => 0,
    };

    private static Int128 Highest(PtxType t) => t switch
    {
        PtxType.S8 => sbyte.MaxValue, PtxType.U8 => byte.MaxValue, PtxType.S16 => short.MaxValue, PtxType.U16 => ushort.MaxValue,
        PtxType.S32 => int.MaxValue, PtxType.U32 => uint.MaxValue, PtxType.S64 => long.MaxValue, _ => ulong.MaxValue,
    };
}

internal readonly struct ToF32FromS32 : IVector1<uint>
{
    public static V Of(V a) => Vector256.ConvertToSingle(a.AsInt32()).AsUInt32();
}

internal readonly struct Floor : IVector1<uint>, IVector1<ulong>
{
    public static V Of(V a) => Vector256.Floor(a.AsSingle()).AsUInt32();
    public static Vector256<ulong> Of(Vector256<ulong> a) => Vector256.Floor(a.AsDouble()).AsUInt64();
}

internal readonly struct RoundEven : IVector1<uint>
{
    public static V Of(V a) => Vector256.Round(a.AsSingle(), MidpointRounding.ToEven).AsUInt32();
}

internal readonly struct Truncate : IVector1<uint>
{
    public static V Of(V a) => Vector256.Truncate(a.AsSingle()).AsUInt32();
}

internal readonly struct ToS32 : IVector1<uint>
{
    // Saturates, NaN gives 0, as the framework's conversion does.
    public static V Of(V a) => Vector256.ConvertToInt32(a.AsSingle()).AsUInt32();
}

internal readonly struct ZeroExtend : ILane1<uint, ulong>
{
    public static ulong Of(uint a) => a;
}

internal readonly struct SignExtend : ILane1<uint, ulong>
{
    public static ulong Of(uint a) => (ulong)(int)a;
}

internal readonly struct Low32 : ILane1<ulong, uint>
{
    public static uint Of(ulong a) => (uint)a;
}

internal readonly struct High32 : ILane1<ulong, uint>
{
    public static uint Of(ulong a) => (uint)(a >> 32);
}

internal readonly struct ToF32FromU32 : ILane1<uint, float>
{
    public static float Of(uint a) => a;
}

internal readonly struct ToF64FromF32 : ILane1<float, double>
{
    public static double Of(float a) => a;
}

internal readonly struct ToF32FromF64 : ILane1<double, float>
{
    public static float Of(double a) => (float)a;
}

internal readonly struct ToF64FromS32 : ILane1<int, double>
{
    public static double Of(int a) => a;
}

internal readonly struct ToF32FromF16 : ILane1<uint, float>
{
    public static float Of(uint a) => Binary16.ToSingle(a);
}

/// <summary>cvt.rn.bf16x2.f32 and cvt.rn.f16x2.f32: the first source goes into the upper half.</summary>
internal readonly struct PackHalves<T> : ILane2<float, float, uint> where T : struct, IHalfFormat
{
    public static uint Of(float a, float b) => (T.FromDouble(a) << 16) | T.FromDouble(b);
}

internal readonly struct ToHalf<T> : ILane1<float, uint> where T : struct, IHalfFormat
{
    public static uint Of(float a) => T.FromDouble(a);
}
