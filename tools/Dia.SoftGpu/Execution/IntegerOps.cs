using System.Numerics;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using V = System.Runtime.Intrinsics.Vector256<uint>;
using W = System.Runtime.Intrinsics.Vector256<ulong>;

namespace Dia.SoftGpu.Execution;

// One struct an operation, 32-bit (V) and 64-bit (W) lanes side by side where both exist.

internal readonly struct Move : IVector1<uint>, IVector1<ulong>
{
    public static V Of(V a) => a;
    public static W Of(W a) => a;
}

internal readonly struct Add : IVector2<uint>, IVector2<ulong>
{
    public static V Of(V a, V b) => a + b;
    public static W Of(W a, W b) => a + b;
}

internal readonly struct Sub : IVector2<uint>, IVector2<ulong>
{
    public static V Of(V a, V b) => a - b;
    public static W Of(W a, W b) => a - b;
}

internal readonly struct MulLo : IVector2<uint>, IVector2<ulong>
{
    public static V Of(V a, V b) => a * b;
    public static W Of(W a, W b) => a * b;
}

internal readonly struct MadLo : IVector3<uint>, IVector3<ulong>
{
    public static V Of(V a, V b, V c) => a * b + c;
    public static W Of(W a, W b, W c) => a * b + c;
}

internal readonly struct And : IVector2<uint>, IVector2<ulong>
{
    public static V Of(V a, V b) => a & b;
    public static W Of(W a, W b) => a & b;
}

internal readonly struct Or : IVector2<uint>, IVector2<ulong>
{
    public static V Of(V a, V b) => a | b;
    public static W Of(W a, W b) => a | b;
}

internal readonly struct Xor : IVector2<uint>, IVector2<ulong>
{
    public static V Of(V a, V b) => a ^ b;
    public static W Of(W a, W b) => a ^ b;
}

internal readonly struct Not : IVector1<uint>, IVector1<ulong>
{
    public static V Of(V a) => ~a;
    public static W Of(W a) => ~a;
}

internal readonly struct Neg : IVector1<uint>, IVector1<ulong>
{
    public static V Of(V a) => V.Zero - a;
    public static W Of(W a) => W.Zero - a;
}

internal readonly struct Abs : IVector1<uint>, IVector1<ulong>
{
    public static V Of(V a) => Vector256.ConditionalSelect(Vector256.LessThan(a.AsInt32(), Vector256<int>.Zero).AsUInt32(), V.Zero - a, a);
    public static W Of(W a) => Vector256.ConditionalSelect(Vector256.LessThan(a.AsInt64(), Vector256<long>.Zero).AsUInt64(), W.Zero - a, a);
}

internal readonly struct MinU : IVector2<uint>, IVector2<ulong>
{
    public static V Of(V a, V b) => Vector256.Min(a, b);
    public static W Of(W a, W b) => Vector256.Min(a, b);
}

internal readonly struct MaxU : IVector2<uint>, IVector2<ulong>
{
    public static V Of(V a, V b) => Vector256.Max(a, b);
    public static W Of(W a, W b) => Vector256.Max(a, b);
}

internal readonly struct MinS : IVector2<uint>, IVector2<ulong>
{
    public static V Of(V a, V b) => Vector256.Min(a.AsInt32(), b.AsInt32()).AsUInt32();
    public static W Of(W a, W b) => Vector256.Min(a.AsInt64(), b.AsInt64()).AsUInt64();
}

internal readonly struct MaxS : IVector2<uint>, IVector2<ulong>
{
    public static V Of(V a, V b) => Vector256.Max(a.AsInt32(), b.AsInt32()).AsUInt32();
    public static W Of(W a, W b) => Vector256.Max(a.AsInt64(), b.AsInt64()).AsUInt64();
}

// Shifts beyond the width give zero (or the sign): the processor's variable shifts do the same.
internal readonly struct Shl : IVector2<uint>, ILane2<ulong, uint, ulong>
{
    public static V Of(V a, V b) => Avx2.ShiftLeftLogicalVariable(a, b);
    public static ulong Of(ulong a, uint b) => b > 63 ? 0 : a << (int)b;
}

internal readonly struct ShrU : IVector2<uint>, ILane2<ulong, uint, ulong>
{
    public static V Of(V a, V b) => Avx2.ShiftRightLogicalVariable(a, b);
    public static ulong Of(ulong a, uint b) => b > 63 ? 0 : a >> (int)b;
}

internal readonly struct ShrS : IVector2<uint>, ILane2<ulong, uint, ulong>
{
    public static V Of(V a, V b) => Avx2.ShiftRightArithmeticVariable(a.AsInt32(), b).AsUInt32();
    public static ulong Of(ulong a, uint b) => (ulong)((long)a >> (int)Math.Min(b, 63));
}

/// <summary>Result cut to 16 bits.</summary>
internal readonly struct Low16<TOp> : IVector2<uint>, IVector3<uint>, IVector1<uint> where TOp : struct
{
    public static V Of(V a) => Call1(a) & Vector256.Create(0xFFFFu);
    public static V Of(V a, V b) => Call2(a, b) & Vector256.Create(0xFFFFu);
    public static V Of(V a, V b, V c) => (a * b + c) & Vector256.Create(0xFFFFu);

    private static V Call1(V a) => typeof(TOp) == typeof(Not) ? Not.Of(a) : typeof(TOp) == typeof(Neg) ? Neg.Of(a) : Abs.Of(Sign16(a));

    private static V Call2(V a, V b) =>
        typeof(TOp) == typeof(Add) ? a + b
        : typeof(TOp) == typeof(Sub) ? a - b
        : typeof(TOp) == typeof(MulLo) ? a * b
        : typeof(TOp) == typeof(Shl) ? Shl.Of(a, b)
        : typeof(TOp) == typeof(ShrS) ? ShrS.Of(Sign16(a), b)
        : typeof(TOp) == typeof(MinS) ? MinS.Of(Sign16(a), Sign16(b))
        : typeof(TOp) == typeof(MaxS) ? MaxS.Of(Sign16(a), Sign16(b))
        : throw new NotSupportedException();

    public static V Sign16(V a) => Vector256.ShiftRightArithmetic(Vector256.ShiftLeft(a.AsInt32(), 16), 16).AsUInt32();
}

/// <summary>A comparison of signed 16-bit lanes.</summary>
internal readonly struct Signed16<TOp> : IVector2<uint> where TOp : struct, IVector2<uint>
{
    public static V Of(V a, V b) => TOp.Of(Low16<Add>.Sign16(a), Low16<Add>.Sign16(b));
}

internal readonly struct Eq : IVector2<uint>, IVector2<ulong>
{
    public static V Of(V a, V b) => Vector256.Equals(a, b);
    public static W Of(W a, W b) => Vector256.Equals(a, b);
}

internal readonly struct Ne : IVector2<uint>, IVector2<ulong>
{
    public static V Of(V a, V b) => ~Vector256.Equals(a, b);
    public static W Of(W a, W b) => ~Vector256.Equals(a, b);
}

internal readonly struct LtU : IVector2<uint>, IVector2<ulong>
{
    public static V Of(V a, V b) => Vector256.LessThan(a, b);
    public static W Of(W a, W b) => Vector256.LessThan(a, b);
}

internal readonly struct LeU : IVector2<uint>, IVector2<ulong>
{
    public static V Of(V a, V b) => ~Vector256.LessThan(b, a);
    public static W Of(W a, W b) => ~Vector256.LessThan(b, a);
}

internal readonly struct LtS : IVector2<uint>, IVector2<ulong>
{
    public static V Of(V a, V b) => Vector256.LessThan(a.AsInt32(), b.AsInt32()).AsUInt32();
    public static W Of(W a, W b) => Vector256.LessThan(a.AsInt64(), b.AsInt64()).AsUInt64();
}

internal readonly struct LeS : IVector2<uint>, IVector2<ulong>
{
    public static V Of(V a, V b) => ~Vector256.LessThan(b.AsInt32(), a.AsInt32()).AsUInt32();
    public static W Of(W a, W b) => ~Vector256.LessThan(b.AsInt64(), a.AsInt64()).AsUInt64();
}

internal readonly struct MulHiU : ILane2<uint, uint, uint>, ILane2<ulong, ulong, ulong>, ILane3<uint, uint, uint, uint>, ILane3<ulong, ulong, ulong, ulong>
{
    public static uint Of(uint a, uint b) => (uint)(((ulong)a * b) >> 32);
    public static ulong Of(ulong a, ulong b) => Math.BigMul(a, b, out _);
    public static uint Of(uint a, uint b, uint c) => Of(a, b) + c;
    public static ulong Of(ulong a, ulong b, ulong c) => Of(a, b) + c;
}

internal readonly struct MulHiS : ILane2<uint, uint, uint>, ILane2<ulong, ulong, ulong>, ILane3<uint, uint, uint, uint>, ILane3<ulong, ulong, ulong, ulong>
{
    public static uint Of(uint a, uint b) => (uint)(((long)(int)a * (int)b) >> 32);
    public static ulong Of(ulong a, ulong b) => (ulong)Math.BigMul((long)a, (long)b, out _);
    public static uint Of(uint a, uint b, uint c) => Of(a, b) + c;
    public static ulong Of(ulong a, ulong b, ulong c) => Of(a, b) + c;
}

/// <summary>16 x 16 bits into 32.</summary>
internal readonly struct Wide16U : ILane2<uint, uint, uint>, ILane3<uint, uint, uint, uint>
{
    public static uint Of(uint a, uint b) => a * b;
    public static uint Of(uint a, uint b, uint c) => a * b + c;
}

internal readonly struct Wide16S : ILane2<uint, uint, uint>, ILane3<uint, uint, uint, uint>
{
    public static uint Of(uint a, uint b) => (uint)((short)a * (short)b);
    public static uint Of(uint a, uint b, uint c) => Of(a, b) + c;
}

// Division by zero is unspecified: all ones here.
internal readonly struct DivU : ILane2<uint, uint, uint>, ILane2<ulong, ulong, ulong>
{
    public static uint Of(uint a, uint b) => b == 0 ? uint.MaxValue : a / b;
    public static ulong Of(ulong a, ulong b) => b == 0 ? ulong.MaxValue : a / b;
}

internal readonly struct RemU : ILane2<uint, uint, uint>, ILane2<ulong, ulong, ulong>
{
    public static uint Of(uint a, uint b) => b == 0 ? uint.MaxValue : a % b;
    public static ulong Of(ulong a, ulong b) => b == 0 ? ulong.MaxValue : a % b;
}

internal readonly struct DivS : ILane2<uint, uint, uint>, ILane2<ulong, ulong, ulong>
{
    public static uint Of(uint a, uint b) => b == 0 ? uint.MaxValue : (uint)((long)(int)a / (int)b);
    public static ulong Of(ulong a, ulong b) => b == 0 ? ulong.MaxValue : b == ulong.MaxValue ? 0 - a : (ulong)((long)a / (long)b);
}

internal readonly struct RemS : ILane2<uint, uint, uint>, ILane2<ulong, ulong, ulong>
{
    public static uint Of(uint a, uint b) => b == 0 ? uint.MaxValue : (uint)((long)(int)a % (int)b);
    public static ulong Of(ulong a, ulong b) => b == 0 ? ulong.MaxValue : b == ulong.MaxValue ? 0 : (ulong)((long)a % (long)b);
}

internal readonly struct Popc : ILane1<uint, uint>, ILane1<ulong, uint>
{
    public static uint Of(uint a) => (uint)BitOperations.PopCount(a);
    public static uint Of(ulong a) => (uint)BitOperations.PopCount(a);
}

internal readonly struct Clz : ILane1<uint, uint>, ILane1<ulong, uint>
{
    public static uint Of(uint a) => (uint)BitOperations.LeadingZeroCount(a);
    public static uint Of(ulong a) => (uint)BitOperations.LeadingZeroCount(a);
}

internal readonly struct BFindU : ILane1<uint, uint>, ILane1<ulong, uint>
{
    public static uint Of(uint a) => 31 - (uint)BitOperations.LeadingZeroCount(a);
    public static uint Of(ulong a) => a == 0 ? uint.MaxValue : 63 - (uint)BitOperations.LeadingZeroCount(a);
}

internal readonly struct BFindS : ILane1<uint, uint>, ILane1<ulong, uint>
{
    public static uint Of(uint a) => BFindU.Of((int)a < 0 ? ~a : a);
    public static uint Of(ulong a) => BFindU.Of((long)a < 0 ? ~a : a);
}

internal readonly struct BRev : ILane1<uint, uint>, ILane1<ulong, ulong>
{
    public static uint Of(uint a)
    {
        a = ((a >> 1) & 0x55555555) | ((a & 0x55555555) << 1);
        a = ((a >> 2) & 0x33333333) | ((a & 0x33333333) << 2);
        a = ((a >> 4) & 0x0F0F0F0F) | ((a & 0x0F0F0F0F) << 4);
        return System.Buffers.Binary.BinaryPrimitives.ReverseEndianness(a);
    }

    public static ulong Of(ulong a) => ((ulong)Of((uint)a) << 32) | Of((uint)(a >> 32));
}

internal readonly struct BfeU : ILane3<uint, uint, uint, uint>, ILane3<ulong, uint, uint, ulong>
{
    public static uint Of(uint a, uint b, uint c) => (uint)Of((ulong)a, b, c);

    public static ulong Of(ulong a, uint b, uint c)
    {
        int at = (int)(b & 255), length = (int)(c & 255);
        ulong shifted = at > 63 ? 0 : a >> at;
        return length > 63 ? shifted : shifted & ((1ul << length) - 1);
    }
}

internal readonly struct BfeS : ILane3<uint, uint, uint, uint>, ILane3<ulong, uint, uint, ulong>
{
    public static uint Of(uint a, uint b, uint c) => (uint)Of((ulong)(int)a, b, c);

    public static ulong Of(ulong a, uint b, uint c)
    {
        int at = Math.Min((int)(b & 255), 63), length = (int)(c & 255);
        long shifted = (long)a >> at;
        return length == 0 ? 0 : length > 63 ? (ulong)shifted : (ulong)(shifted << (64 - length) >> (64 - length));
    }
}

/// <summary>prmt in its default mode.</summary>
internal readonly struct Prmt : ILane3<uint, uint, uint, uint>
{
    public static uint Of(uint a, uint b, uint c)
    {
        ulong bytes = a | ((ulong)b << 32);
        uint result = 0;
        for (int i = 0; i < 4; i++)
        {
            uint select = c >> (4 * i);
            uint value = (uint)(bytes >> (8 * (int)(select & 7))) & 255;
            if ((select & 8) != 0)
                value = (value & 128) != 0 ? 255u : 0;
            result |= value << (8 * i);
        }
        return result;
    }
}

internal readonly struct ShfLWrap : ILane3<uint, uint, uint, uint>
{
    public static uint Of(uint a, uint b, uint c) => (uint)((((ulong)b << 32) | a) << (int)(c & 31) >> 32);
}

internal readonly struct ShfLClamp : ILane3<uint, uint, uint, uint>
{
    public static uint Of(uint a, uint b, uint c) => c > 31 ? a : ShfLWrap.Of(a, b, c);
}

internal readonly struct ShfRWrap : ILane3<uint, uint, uint, uint>
{
    public static uint Of(uint a, uint b, uint c) => (uint)((((ulong)b << 32) | a) >> (int)(c & 31));
}

internal readonly struct ShfRClamp : ILane3<uint, uint, uint, uint>
{
    public static uint Of(uint a, uint b, uint c) => c > 31 ? b : ShfRWrap.Of(a, b, c);
}
