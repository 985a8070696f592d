using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Dia.Weights;

namespace Dia.Backends;

/// <summary>How a kernel reads weights of one <see cref="WeightFormat"/>; kernels are compiled once for each.</summary>
internal unsafe interface IStoredFormat
{
    /// <summary>Bytes of one value.</summary>
    static abstract int Size { get; }

    /// <summary>
    /// True where <see cref="First"/> and <see cref="Second"/> of 2·Vector.Count stored values are those of even and of odd index:
    /// two 16-bit values in a 32-bit lane are cheaper to split than to widen in order.
    /// </summary>
    static abstract bool Interleaved { get; }

    /// <summary>One value.</summary>
    static abstract float Read(byte* p);

    /// <summary>Eight values in order.</summary>
    static abstract Vector256<float> Load8(byte* p);

    /// <summary>The first half of the 2·Vector.Count values at p.</summary>
    static abstract Vector<float> First(byte* p);

    /// <summary>Their second half.</summary>
    static abstract Vector<float> Second(byte* p);
}

/// <summary><see cref="WeightFormat.Float32"/>.</summary>
internal readonly unsafe struct Float32Format : IStoredFormat
{
    public static int Size => 4;

    public static bool Interleaved => false;

    public static float Read(byte* p) => *(float*)p;

    public static Vector256<float> Load8(byte* p) => Vector256.Load((float*)p);

    public static Vector<float> First(byte* p) => Vector.Load((float*)p);

    public static Vector<float> Second(byte* p) => Vector.Load((float*)p + Vector<float>.Count);
}

/// <summary><see cref="WeightFormat.BFloat16"/>: the upper half of a float32.</summary>
internal readonly unsafe struct BFloat16Format : IStoredFormat
{
    public static int Size => 2;

    public static bool Interleaved => true;

    public static float Read(byte* p) => BitConverter.UInt32BitsToSingle((uint)*(ushort*)p << 16);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load8(byte* p) =>
        Vector256.ShiftLeft(Vector256.WidenLower(Vector128.Load((ushort*)p).ToVector256Unsafe()), 16).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector<float> First(byte* p) => Vector.AsVectorSingle(Vector.ShiftLeft(Vector.Load((uint*)p), 16));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector<float> Second(byte* p) => Vector.AsVectorSingle(Vector.Load((uint*)p) & new Vector<uint>(0xffff0000));
}

/// <summary>
/// <see cref="WeightFormat.Float16"/>. The exponent and fraction moved into a float32's place are the value times 2^−112, exactly, subnormals
/// included; infinities and NaNs get their exponent filled up.
/// </summary>
internal readonly unsafe struct Float16Format : IStoredFormat
{
    private const float Scale = 5.192296858534828e33f; // 2^112

    public static int Size => 2;

    public static bool Interleaved => true;

    public static float Read(byte* p) => (float)*(Half*)p;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load8(byte* p)
    {
        Vector256<uint> h = Vector256.WidenLower(Vector128.Load((ushort*)p).ToVector256Unsafe());
        Vector256<uint> bits = Vector256.ShiftLeft(h & Vector256.Create(0x7fffu), 13);
        Vector256<uint> special = Vector256.GreaterThan(bits.AsInt32(), Vector256.Create(0x0f7fffff)).AsUInt32() & Vector256.Create(0x7f800000u);
        Vector256<uint> magnitude = (bits.AsSingle() * Vector256.Create(Scale)).AsUInt32() | special;
        return (magnitude | Vector256.ShiftLeft(h & Vector256.Create(0x8000u), 16)).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector<float> First(byte* p) => Convert(Vector.ShiftLeft(Vector.Load((uint*)p), 16));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector<float> Second(byte* p) => Convert(Vector.Load((uint*)p));

    // The value is in the upper half of each lane.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector<float> Convert(Vector<uint> high)
    {
        Vector<uint> bits = Vector.ShiftRightLogical(high, 3) & new Vector<uint>(0x0fffe000);
        Vector<uint> special = Vector.AsVectorUInt32(Vector.GreaterThan(Vector.AsVectorInt32(bits), new Vector<int>(0x0f7fffff))) & new Vector<uint>(0x7f800000);
        Vector<uint> magnitude = Vector.AsVectorUInt32(Vector.AsVectorSingle(bits) * new Vector<float>(Scale)) | special;
        return Vector.AsVectorSingle(magnitude | (high & new Vector<uint>(0x80000000)));
    }
}
