using System.Runtime.Intrinsics;
using Dia.Weights;

namespace Dia.Backends.Cpu;

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

    /// <summary>True where <see cref="First"/> and <see cref="Second"/> need no register but the result's: they can run beside a full register tile.</summary>
    static abstract bool IsPlain { get; }

    /// <summary>One value.</summary>
    static abstract float Read(byte* p);

    /// <summary>Eight values in order.</summary>
    static abstract Vector256<float> Load8(byte* p);

    /// <summary>2·Vector.Count values in order.</summary>
    static abstract void Load(byte* p, out Vector<float> first, out Vector<float> second);

    /// <summary>The first half of the 2·Vector.Count values at p.</summary>
    static abstract Vector<float> First(byte* p);

    /// <summary>Their second half.</summary>
    static abstract Vector<float> Second(byte* p);

    /// <summary>
    /// Where vectors have 512 bits: eight lanes of <see cref="First"/> and <see cref="Second"/>. The lower eight are at p, the others 32 bytes on.
    /// </summary>
    static abstract void HalfBlock(byte* p, out Vector256<float> first, out Vector256<float> second);

    /// <summary>Where values have 16 bits: those in the lower halves of words, and in the upper.</summary>
    static abstract void Split(Vector256<uint> words, out Vector256<float> lower, out Vector256<float> upper);
}

/// <summary><see cref="WeightFormat.Float32"/>.</summary>
internal readonly unsafe struct Float32Format : IStoredFormat
{
    public static int Size => 4;

    public static bool Interleaved => false;

    public static bool IsPlain => true;

    public static float Read(byte* p) => *(float*)p;

    public static Vector256<float> Load8(byte* p) => Vector256.Load((float*)p);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Load(byte* p, out Vector<float> first, out Vector<float> second) => (first, second) = (First(p), Second(p));

    public static Vector<float> First(byte* p) => Vector.Load((float*)p);

    public static Vector<float> Second(byte* p) => Vector.Load((float*)p + Vector<float>.Count);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void HalfBlock(byte* p, out Vector256<float> first, out Vector256<float> second)
    {
        first = Vector256.Load((float*)p);
        second = Vector256.Load((float*)p + 16);
    }

    public static void Split(Vector256<uint> words, out Vector256<float> lower, out Vector256<float> upper) => throw new UnreachableException();
}

/// <summary><see cref="WeightFormat.BFloat16"/>: the upper half of a float32.</summary>
internal readonly unsafe struct BFloat16Format : IStoredFormat
{
    public static int Size => 2;

    public static bool Interleaved => true;

    public static bool IsPlain => true;

    public static float Read(byte* p) => BitConverter.UInt32BitsToSingle((uint)*(ushort*)p << 16);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load8(byte* p) =>
        Vector256.ShiftLeft(Vector256.WidenLower(Vector128.Load((ushort*)p).ToVector256Unsafe()), 16).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Load(byte* p, out Vector<float> first, out Vector<float> second)
    {
        Vector.Widen(Vector.Load((ushort*)p), out Vector<uint> lower, out Vector<uint> upper);
        (first, second) = (Vector.AsVectorSingle(Vector.ShiftLeft(lower, 16)), Vector.AsVectorSingle(Vector.ShiftLeft(upper, 16)));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector<float> First(byte* p) => Vector.AsVectorSingle(Vector.ShiftLeft(Vector.Load((uint*)p), 16));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector<float> Second(byte* p) => Vector.AsVectorSingle(Vector.Load((uint*)p) & new Vector<uint>(0xffff0000));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void HalfBlock(byte* p, out Vector256<float> first, out Vector256<float> second) => Split(Vector256.Load((uint*)p), out first, out second);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Split(Vector256<uint> words, out Vector256<float> lower, out Vector256<float> upper)
    {
        lower = Vector256.ShiftLeft(words, 16).AsSingle();
        upper = (words & Vector256.Create(0xffff0000)).AsSingle();
    }
}

/// <summary>
/// <see cref="WeightFormat.Float16"/>. The exponent and fraction moved into a float32's place are the value times 2^−112, exactly, subnormals
/// included; infinities and NaNs get their exponent filled up.
/// </summary>
internal readonly unsafe struct Float16Format : IStoredFormat
{
    public static int Size => 2;

    public static bool Interleaved => true;

    public static bool IsPlain => false;

    public static float Read(byte* p) => (float)*(Half*)p;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load8(byte* p) =>
        Convert(Vector256.ShiftLeft(Vector256.WidenLower(Vector128.Load((ushort*)p).ToVector256Unsafe()), 16).AsInt32());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Load(byte* p, out Vector<float> first, out Vector<float> second)
    {
        Vector.Widen(Vector.Load((ushort*)p), out Vector<uint> lower, out Vector<uint> upper);
        (first, second) = (Convert(Vector.AsVectorInt32(Vector.ShiftLeft(lower, 16))), Convert(Vector.AsVectorInt32(Vector.ShiftLeft(upper, 16))));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector<float> First(byte* p) => Convert(Vector.ShiftLeft(Vector.Load((int*)p), 16));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector<float> Second(byte* p) => Convert(Vector.Load((int*)p));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void HalfBlock(byte* p, out Vector256<float> first, out Vector256<float> second) => Split(Vector256.Load((uint*)p), out first, out second);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Split(Vector256<uint> words, out Vector256<float> lower, out Vector256<float> upper)
    {
        lower = Convert(Vector256.ShiftLeft(words, 16).AsInt32());
        upper = Convert(words.AsInt32());
    }

    // The value is in the upper half of each lane; the shift copies the sign, of which the mask leaves the first.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector<float> Convert(Vector<int> high)
    {
        Vector<int> bits = Vector.AsVectorInt32(CacheRows.Divided(high));
        Vector<int> special = Vector.GreaterThan(bits & new Vector<int>(0x7fffffff), new Vector<int>(0x0f7fffff)) & new Vector<int>(0x7f800000);
        return Vector.AsVectorSingle(Vector.AsVectorInt32(Vector.AsVectorSingle(bits) * new Vector<float>(CacheRows.Float16Factor)) | special);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Convert(Vector256<int> high)
    {
        Vector256<int> bits = Vector256.ShiftRightArithmetic(high, 3) & Vector256.Create(CacheRows.Float16Bits);
        Vector256<int> special = Vector256.GreaterThan(bits & Vector256.Create(0x7fffffff), Vector256.Create(0x0f7fffff)) & Vector256.Create(0x7f800000);
        return ((bits.AsSingle() * Vector256.Create(CacheRows.Float16Factor)).AsInt32() | special).AsSingle();
    }
}
