using System.Numerics;

namespace Dia.SoftGpu.Tests.Execution;

/// <summary>An instruction (or a few) from operands a, b, c to a result, and what it must give.</summary>
/// <param name="Text">Uses %r10..12, %f10..12, %h10..12, %d10..12, %fd10..12 (the operands as those types); writes number 20 of its kind.</param>
/// <param name="Kind">Of the result: r, f, h, d, fd or p.</param>
/// <param name="Expected">From the operands' bits to the result's.</param>
internal sealed record Opcode(string Text, string Kind, Func<ulong, ulong, ulong, ulong> Expected)
{
    private static float F(ulong x) => BitConverter.UInt32BitsToSingle((uint)x);

    private static double D(ulong x) => BitConverter.UInt64BitsToDouble(x);

    private static Half H(ulong x) => BitConverter.UInt16BitsToHalf((ushort)x);

    private static float B(ulong x) => BitConverter.UInt32BitsToSingle((uint)x << 16);

    private static ulong F(float x) => float.IsNaN(x) ? NaN32 : BitConverter.SingleToUInt32Bits(x);

    private static ulong D(double x) => double.IsNaN(x) ? NaN64 : BitConverter.DoubleToUInt64Bits(x);

    private static ulong H(Half x) => Half.IsNaN(x) ? 0x7FFFul : BitConverter.HalfToUInt16Bits(x);

    private static ulong S(int x) => (uint)x;

    private static ulong P(bool x) => x ? 1ul : 0;

    /// <summary>NaNs are equal whatever their payload: results are brought to these.</summary>
    public const ulong NaN32 = 0x7FFFFFFF, NaN64 = 0x7FFFFFFFFFFFFFFF;

    private static ulong BrainOf(float x)
    {
        if (float.IsNaN(x))
            return 0x7FFF;
        uint bits = BitConverter.SingleToUInt32Bits(x), low = bits & 0xFFFF, high = bits >> 16;
        return low > 0x8000 || (low == 0x8000 && (high & 1) != 0) ? high + 1 : high;
    }

    private static ulong Clamp(double x, double low, double high, Func<double, ulong> cast) => double.IsNaN(x) ? 0 : cast(Math.Clamp(x, low, high));

    private static uint Lut(uint a, uint b, uint c, int table)
    {
        uint result = 0;
        for (int bit = 0; bit < 32; bit++)
        {
            int index = (int)((((a >> bit) & 1) << 2) | (((b >> bit) & 1) << 1) | ((c >> bit) & 1));
            result |= (uint)((table >> index) & 1) << bit;
        }
        return result;
    }

    public static readonly Opcode[] All =
    [
        new("add.s32 %r20, %r10, %r11;", "r", (a, b, _) => (uint)a + (uint)b & uint.MaxValue),
        new("add.s64 %d20, %d10, %d11;", "d", (a, b, _) => a + b),
        new("add.s16 %h20, %h10, %h11;", "h", (a, b, _) => (ushort)(a + b)),
        new("sub.s32 %r20, %r10, %r11;", "r", (a, b, _) => (uint)(a - b)),
        new("sub.s64 %d20, %d10, -5;", "d", (a, _, _) => a + 5),
        new("mul.lo.s32 %r20, %r10, %r11;", "r", (a, b, _) => (uint)(a * b)),
        new("mul.lo.s64 %d20, %d10, %d11;", "d", (a, b, _) => a * b),
        new("mul.hi.u32 %r20, %r10, %r11;", "r", (a, b, _) => ((ulong)(uint)a * (uint)b) >> 32),
        new("mul.hi.s32 %r20, %r10, %r11;", "r", (a, b, _) => (uint)(((long)(int)a * (int)b) >> 32)),
        new("mul.hi.u64 %d20, %d10, %d11;", "d", (a, b, _) => Math.BigMul(a, b, out ulong _)),
        new("mul.hi.s64 %d20, %d10, %d11;", "d", (a, b, _) => (ulong)Math.BigMul((long)a, (long)b, out long _)),
        new("mul.wide.u32 %d20, %r10, %r11;", "d", (a, b, _) => (ulong)(uint)a * (uint)b),
        new("mul.wide.s32 %d20, %r10, %r11;", "d", (a, b, _) => (ulong)((long)(int)a * (int)b)),
        new("mul.wide.u16 %r20, %h10, %h11;", "r", (a, b, _) => (uint)(ushort)a * (ushort)b),
        new("mul.wide.s16 %r20, %h10, %h11;", "r", (a, b, _) => S((short)a * (short)b)),
        new("mad.lo.s32 %r20, %r10, %r11, %r12;", "r", (a, b, c) => (uint)(a * b + c)),
        new("mad.lo.s64 %d20, %d10, %d11, %d12;", "d", (a, b, c) => a * b + c),
        new("mad.hi.u32 %r20, %r10, %r11, %r12;", "r", (a, b, c) => (uint)((((ulong)(uint)a * (uint)b) >> 32) + c)),
        new("mad.wide.u32 %d20, %r10, %r11, %d12;", "d", (a, b, c) => (ulong)(uint)a * (uint)b + c),
        new("mad.wide.s32 %d20, %r10, %r11, %d12;", "d", (a, b, c) => (ulong)((long)(int)a * (int)b) + c),
        new("div.u32 %r20, %r10, %r11;", "r", (a, b, _) => (uint)b == 0 ? uint.MaxValue : (uint)a / (uint)b),
        new("div.s32 %r20, %r10, 7;", "r", (a, _, _) => S((int)a / 7)),
        new("rem.u64 %d20, %d10, 1000003;", "d", (a, _, _) => a % 1000003),
        new("rem.s32 %r20, %r10, -9;", "r", (a, _, _) => S((int)a % -9)),
        new("min.s32 %r20, %r10, %r11;", "r", (a, b, _) => S(Math.Min((int)a, (int)b))),
        new("max.u32 %r20, %r10, %r11;", "r", (a, b, _) => Math.Max((uint)a, (uint)b)),
        new("min.s64 %d20, %d10, %d11;", "d", (a, b, _) => (ulong)Math.Min((long)a, (long)b)),
        new("max.s16 %h20, %h10, %h11;", "h", (a, b, _) => (ushort)Math.Max((short)a, (short)b)),
        new("abs.s32 %r20, %r10;", "r", (a, _, _) => (int)a < 0 ? (uint)-(int)a : (uint)a),
        new("neg.s64 %d20, %d10;", "d", (a, _, _) => 0 - a),
        new("and.b32 %r20, %r10, %r11;", "r", (a, b, _) => (uint)(a & b)),
        new("or.b64 %d20, %d10, %d11;", "d", (a, b, _) => a | b),
        new("xor.b16 %h20, %h10, %h11;", "h", (a, b, _) => (ushort)(a ^ b)),
        new("not.b16 %h20, %h10;", "h", (a, _, _) => (ushort)~a),
        new("shl.b32 %r20, %r10, %r11;", "r", (a, b, _) => (uint)b > 31 ? 0 : (uint)a << (int)b),
        new("shr.u32 %r20, %r10, 5;", "r", (a, _, _) => (uint)a >> 5),
        new("shr.s32 %r20, %r10, %r11;", "r", (a, b, _) => S((int)a >> (int)Math.Min((uint)b, 31))),
        new("shl.b64 %d20, %d10, %r11;", "d", (a, b, _) => (uint)b > 63 ? 0 : a << (int)b),
        new("shr.s64 %d20, %d10, 33;", "d", (a, _, _) => (ulong)((long)a >> 33)),
        new("shr.s16 %h20, %h10, 3;", "h", (a, _, _) => (ushort)((short)a >> 3)),
        new("shl.b16 %h20, %h10, 3;", "h", (a, _, _) => (ushort)(a << 3)),
        new("popc.b32 %r20, %r10;", "r", (a, _, _) => (ulong)BitOperations.PopCount((uint)a)),
        new("popc.b64 %r20, %d10;", "r", (a, _, _) => (ulong)BitOperations.PopCount(a)),
        new("clz.b32 %r20, %r10;", "r", (a, _, _) => (ulong)BitOperations.LeadingZeroCount((uint)a)),
        new("clz.b64 %r20, %d10;", "r", (a, _, _) => (ulong)BitOperations.LeadingZeroCount(a)),
        new("brev.b32 %r20, %r10;", "r", (a, _, _) => { uint x = 0; for (int k = 0; k < 32; k++) x |= (((uint)a >> k) & 1) << (31 - k); return x; }),
        new("bfind.u32 %r20, %r10;", "r", (a, _, _) => (uint)a == 0 ? uint.MaxValue : (uint)BitOperations.Log2((uint)a)),
        new("bfe.u32 %r20, %r10, 5, 9;", "r", (a, _, _) => ((uint)a >> 5) & 511),
        new("bfe.s32 %r20, %r10, 5, 9;", "r", (a, _, _) => S((int)(uint)a << 18 >> 23)),
        new("bfe.u64 %d20, %d10, 40, 20;", "d", (a, _, _) => (a >> 40) & 0xFFFFF),
        new("bfi.b32 %r20, %r10, %r11, 8, 12;", "r", (a, b, _) => ((uint)b & ~0xFFF00u) | (((uint)a & 0xFFF) << 8)),
        new("prmt.b32 %r20, %r10, %r11, 0x2754;", "r", (a, b, _) =>
            ((uint)b & 0xFF) | ((((uint)b >> 8) & 0xFF) << 8) | ((((uint)b >> 24) & 0xFF) << 16) | ((((uint)a >> 16) & 0xFF) << 24)),
        new("prmt.b32 %r20, %r10, %r11, 0x8888;", "r", (a, _, _) => (a & 0x80) != 0 ? uint.MaxValue : 0),
        new("lop3.b32 %r20, %r10, %r11, %r12, 0x96;", "r", (a, b, c) => (uint)(a ^ b ^ c)),
        new("lop3.b32 %r20, %r10, %r11, %r12, 0xE2;", "r", (a, b, c) => Lut((uint)a, (uint)b, (uint)c, 0xE2)),
        new("shf.l.wrap.b32 %r20, %r10, %r11, 7;", "r", (a, b, _) => ((uint)b << 7) | ((uint)a >> 25)),
        new("shf.r.wrap.b32 %r20, %r10, %r11, 7;", "r", (a, b, _) => (uint)(((uint)b << 25) | ((uint)a >> 7))),
        new("setp.lt.s32 %p1, %r10, %r11;", "p", (a, b, _) => P((int)a < (int)b)),
        new("setp.gt.u32 %p1, %r10, %r11;", "p", (a, b, _) => P((uint)a > (uint)b)),
        new("setp.le.s64 %p1, %d10, %d11;", "p", (a, b, _) => P((long)a <= (long)b)),
        new("setp.ge.s16 %p1, %h10, %h11;", "p", (a, b, _) => P((short)a >= (short)b)),
        new("setp.ne.b32 %p1, %r10, 0;", "p", (a, _, _) => P((uint)a != 0)),
        new("setp.hi.u64 %p1, %d10, %d11;", "p", (a, b, _) => P(a > b)),
        new("setp.lt.f32 %p1, %f10, %f11;", "p", (a, b, _) => P(F(a) < F(b))),
        new("setp.geu.f32 %p1, %f10, %f11;", "p", (a, b, _) => P(!(F(a) < F(b)))),
        new("setp.gtu.f32 %p1, %f10, %f11;", "p", (a, b, _) => P(!(F(a) <= F(b)))),
        new("setp.leu.f64 %p1, %fd10, %fd11;", "p", (a, b, _) => P(!(D(a) > D(b)))),
        new("setp.equ.f32 %p1, %f10, %f10;", "p", (_, _, _) => 1),
        new("setp.ne.f32 %p1, %f10, %f10;", "p", (_, _, _) => 0),
        new("setp.nan.f32 %p1, %f10, %f11;", "p", (a, b, _) => P(float.IsNaN(F(a)) || float.IsNaN(F(b)))),
        new("setp.num.f64 %p1, %fd10, %fd11;", "p", (a, b, _) => P(!double.IsNaN(D(a)) && !double.IsNaN(D(b)))),
        new("setp.lt.s32 %p2, %r10, %r11; setp.gt.and.s32 %p1|%p3, %r12, 0, !%p2;", "p", (a, b, c) => P((int)c > 0 && !((int)a < (int)b))),
        new("setp.lt.s32 %p2, %r10, %r11; setp.gt.or.s32 %p3|%p1, %r12, 0, %p2;", "p", (a, b, c) => P(!((int)c > 0) || (int)a < (int)b)),
        new("setp.lt.s32 %p2, %r10, %r11; setp.lt.s32 %p3, %r10, %r12; xor.pred %p4, %p2, %p3; not.pred %p1, %p4;", "p", (a, b, c) =>
            P(((int)a < (int)b) == ((int)a < (int)c))),
        new("setp.lt.s32 %p2, %r10, %r11; selp.b32 %r20, %r12, %r10, %p2;", "r", (a, b, c) => (int)a < (int)b ? (uint)c : (uint)a),
        new("setp.lt.s32 %p2, %r10, %r11; selp.f64 %fd20, %fd12, %fd10, %p2;", "fd", (a, b, c) => D(D((int)a < (int)b ? c : a))),
        new("add.f32 %f20, %f10, %f11;", "f", (a, b, _) => F(F(a) + F(b))),
        new("sub.rn.f32 %f20, %f10, %f11;", "f", (a, b, _) => F(F(a) - F(b))),
        new("mul.f32 %f20, %f10, 0f3DCCCCCD;", "f", (a, _, _) => F(F(a) * 0.1f)),
        new("fma.rn.f32 %f20, %f10, %f11, %f12;", "f", (a, b, c) => F(MathF.FusedMultiplyAdd(F(a), F(b), F(c)))),
        new("fma.rn.f64 %fd20, %fd10, %fd11, %fd12;", "fd", (a, b, c) => D(Math.FusedMultiplyAdd(D(a), D(b), D(c)))),
        new("div.rn.f32 %f20, %f10, %f11;", "f", (a, b, _) => F(F(a) / F(b))),
        new("div.rn.f64 %fd20, %fd10, %fd11;", "fd", (a, b, _) => D(D(a) / D(b))),
        new("sqrt.rn.f32 %f20, %f10;", "f", (a, _, _) => F(MathF.Sqrt(F(a)))),
        new("sqrt.rn.f64 %fd20, %fd10;", "fd", (a, _, _) => D(Math.Sqrt(D(a)))),
        new("rcp.rn.f32 %f20, %f10;", "f", (a, _, _) => F(1 / F(a))),
        new("min.f32 %f20, %f10, %f11;", "f", (a, b, _) => F(float.MinNumber(F(a), F(b)))),
        new("max.f32 %f20, %f10, %f11;", "f", (a, b, _) => F(float.MaxNumber(F(a), F(b)))),
        new("max.f64 %fd20, %fd10, %fd11;", "fd", (a, b, _) => D(double.MaxNumber(D(a), D(b)))),
        new("abs.f32 %f20, %f10;", "f", (a, _, _) => F(MathF.Abs(F(a)))),
        new("neg.f64 %fd20, %fd10;", "fd", (a, _, _) => D(-D(a))),
        new("copysign.f32 %f20, %f10, %f11;", "f", (a, b, _) => F(MathF.CopySign(F(b), F(a)))),
        new("add.sat.f32 %f20, %f10, %f11;", "f", (a, b, _) => F(F(a) + F(b) is var s && s > 0 ? MathF.Min(s, 1) : 0f)),
        new("add.ftz.f32 %f20, %f10, 0f00000001;", "f", (a, _, _) => F(MathF.Abs(F(a)) < 1.17549435e-38f ? F(a) < 0 || 1 / F(a) < 0 ? 0f : 0f : F(a))),
        new("add.f16 %h20, %h10, %h11;", "h", (a, b, _) => H((Half)((float)H(a) + (float)H(b)))),
        new("mul.f16 %h20, %h10, %h11;", "h", (a, b, _) => H((Half)((float)H(a) * (float)H(b)))),
        new("cvt.f32.f16 %f20, %h10;", "f", (a, _, _) => F((float)H(a))),
        new("cvt.rn.f16.f32 %h20, %f10;", "h", (a, _, _) => H((Half)F(a))),
        new("cvt.rn.bf16.f32 %h20, %f10;", "h", (a, _, _) => BrainOf(F(a))),
        new("cvt.rn.bf16x2.f32 %r20, %f10, %f11;", "r", (a, b, _) => (BrainOf(F(a)) << 16) | BrainOf(F(b))),
        new("cvt.rn.f16x2.f32 %r20, %f10, %f11;", "r", (a, b, _) => (H((Half)F(a)) << 16) | H((Half)F(b))),
        new("cvt.f64.f32 %fd20, %f10;", "fd", (a, _, _) => D((double)F(a))),
        new("cvt.rn.f32.f64 %f20, %fd10;", "f", (a, _, _) => F((float)D(a))),
        new("cvt.rz.f32.f64 %f20, %fd10;", "f", (a, _, _) =>
            F((float)D(a) is var f && Math.Abs((double)f) > Math.Abs(D(a)) ? f > 0 ? MathF.BitDecrement(f) : MathF.BitIncrement(f) : f)),
        new("cvt.rn.f32.s32 %f20, %r10;", "f", (a, _, _) => F((float)(int)a)),
        new("cvt.rn.f32.u32 %f20, %r10;", "f", (a, _, _) => F((float)(uint)a)),
        new("cvt.rn.f32.s64 %f20, %d10;", "f", (a, _, _) => F((float)(long)a)),
        new("cvt.rn.f64.u64 %fd20, %d10;", "fd", (a, _, _) => D((double)a)),
        new("cvt.rn.f32.s16 %f20, %h10;", "f", (a, _, _) => F((float)(short)a)),
        new("cvt.rzi.s32.f32 %r20, %f10;", "r", (a, _, _) => Clamp(F(a), int.MinValue, int.MaxValue, x => S((int)x))),
        new("cvt.rni.s32.f32 %r20, %f10;", "r", (a, _, _) =>
            Clamp(Math.Round((double)F(a), MidpointRounding.ToEven), int.MinValue, int.MaxValue, x => S((int)x))),
        new("cvt.rzi.u32.f32 %r20, %f10;", "r", (a, _, _) => Clamp(F(a), 0, uint.MaxValue, x => (uint)x)),
        new("cvt.rmi.s64.f64 %d20, %fd10;", "d", (a, _, _) => double.IsNaN(D(a)) ? 1ul << 63 : D(a) >= 9.2233720368547758e18
            ? long.MaxValue : D(a) < -9.2233720368547758e18 ? 1ul << 63 : (ulong)(long)Math.Floor(D(a))),
        new("cvt.rzi.s16.f32 %h20, %f10;", "h", (a, _, _) => Clamp(F(a), short.MinValue, short.MaxValue, x => (ushort)(short)x)),
        new("cvt.rmi.f32.f32 %f20, %f10;", "f", (a, _, _) => F(MathF.Floor(F(a)))),
        new("cvt.rni.f32.f32 %f20, %f10;", "f", (a, _, _) => F(MathF.Round(F(a)))),
        new("cvt.rpi.f64.f64 %fd20, %fd10;", "fd", (a, _, _) => D(Math.Ceiling(D(a)))),
        new("cvt.s64.s32 %d20, %r10;", "d", (a, _, _) => (ulong)(int)a),
        new("cvt.u32.u64 %r20, %d10;", "r", (a, _, _) => (uint)a),
        new("cvt.s32.s8 %r20, %r10;", "r", (a, _, _) => S((sbyte)a)),
        new("cvt.u16.u32 %h20, %r10;", "h", (a, _, _) => (ushort)a),
        new("cvt.sat.u8.s32 %r20, %r10;", "r", (a, _, _) => (ulong)Math.Clamp((int)a, 0, 255)),
        new("mov.b64 %d20, {%r10, %r11};", "d", (a, b, _) => (uint)a | (b << 32)),
        new("mov.b64 {%r21, %r20}, %d10;", "r", (a, _, _) => a >> 32),
        new("mov.b32 %r20, {%h10, %h11};", "r", (a, b, _) => (ushort)a | ((uint)(ushort)b << 16)),
        new("mov.b32 {%h20, _}, %r10;", "h", (a, _, _) => (ushort)a),
        new("mov.u32 %r20, %laneid;", "r", (_, _, _) => ulong.MaxValue),
    ];
}
