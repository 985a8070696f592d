using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Dia.Backends.Cpu;

/// <summary>
/// The inner kernels of <see cref="IntegerLinearJob"/>: two rows of weights by two rows of activations, in vectors of 256 bits, whatever the build's are.
/// The integers of 32 values are summed exactly, then multiplied by both scales and added up in float32, eight lanes of each output. Everything but the
/// sums streams: a block of 256 values is 256 or 128 bytes of each row of weights.
/// </summary>
internal static unsafe class IntegerKernels
{
    /// <summary>Weights of 4 bits.</summary>
    /// <param name="w0">A row of weights, as <typeparamref name="TSource"/> has them.</param>
    /// <param name="w1">The next.</param>
    /// <param name="s0">Its scales, one for each group of 32.</param>
    /// <param name="s1">Those of the next.</param>
    /// <param name="x0">Blocks of a row of activations.</param>
    /// <param name="x1">Those of the next.</param>
    /// <param name="blocks">How many.</param>
    /// <param name="ahead">Bytes ahead that are asked for.</param>
    /// <param name="sums">Four vectors of sums: of both rows of weights with x0, then with x1.</param>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static void FourBits<TSource, TScale, TProducts>(byte* w0, byte* w1, byte* s0, byte* s1, byte* x0, byte* x1, int blocks, int ahead, float* sums)
        where TSource : struct, IFourBits
        where TScale : struct, IStoredFormat
        where TProducts : struct, IIntegerProducts
    {
        Vector256<float> s00 = Vector256.Load(sums), s10 = Vector256.Load(sums + 8), s01 = Vector256.Load(sums + 16), s11 = Vector256.Load(sums + 24);
        for (; blocks > 0; blocks--)
        {
            Vector256<float> scales0 = TScale.Load8(s0), scales1 = TScale.Load8(s1);
            TSource.Prefetch(w0 + ahead);
            TSource.Prefetch(w0 + ahead + 64);
            TSource.Prefetch(w1 + ahead);
            TSource.Prefetch(w1 + ahead + 64);
            Step<TSource, TProducts>(w0, Spread(scales0, 0), x0, x1, ref s00, ref s01);
            Step<TSource, TProducts>(w1, Spread(scales1, 0), x0, x1, ref s10, ref s11);
            Step<TSource, TProducts>(w0 + TSource.Bytes, Spread(scales0, 2), x0 + 32, x1 + 32, ref s00, ref s01);
            Step<TSource, TProducts>(w1 + TSource.Bytes, Spread(scales1, 2), x0 + 32, x1 + 32, ref s10, ref s11);
            Step<TSource, TProducts>(w0 + 2 * TSource.Bytes, Spread(scales0, 4), x0 + 64, x1 + 64, ref s00, ref s01);
            Step<TSource, TProducts>(w1 + 2 * TSource.Bytes, Spread(scales1, 4), x0 + 64, x1 + 64, ref s10, ref s11);
            Step<TSource, TProducts>(w0 + 3 * TSource.Bytes, Spread(scales0, 6), x0 + 96, x1 + 96, ref s00, ref s01);
            Step<TSource, TProducts>(w1 + 3 * TSource.Bytes, Spread(scales1, 6), x0 + 96, x1 + 96, ref s10, ref s11);
            w0 += 4 * TSource.Bytes;
            w1 += 4 * TSource.Bytes;
            s0 += IntegerBlocks.Groups * TScale.Size;
            s1 += IntegerBlocks.Groups * TScale.Size;
            x0 += IntegerBlocks.Bytes4;
            x1 += IntegerBlocks.Bytes4;
        }
        s00.Store(sums);
        s10.Store(sums + 8);
        s01.Store(sums + 16);
        s11.Store(sums + 24);
    }

    /// <summary>Weights of 8 bits, in two's complement once <paramref name="flip"/> is exclusive-ored.</summary>
    /// <param name="w0">A row of weights.</param>
    /// <param name="w1">The next.</param>
    /// <param name="flip">0, or 128 where stored values are 128 too large.</param>
    /// <param name="s0">Its scales in float32, one for each group of 32; null: the row's is left to the caller.</param>
    /// <param name="s1">Those of the next.</param>
    /// <param name="x0">Blocks of a row of activations.</param>
    /// <param name="x1">Those of the next.</param>
    /// <param name="blocks">How many.</param>
    /// <param name="ahead">Bytes ahead that are asked for.</param>
    /// <param name="sums">Four vectors of sums: of both rows of weights with x0, then with x1.</param>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static void EightBits<TProducts>(byte* w0, byte* w1, byte flip, float* s0, float* s1, byte* x0, byte* x1, int blocks, int ahead, float* sums)
        where TProducts : struct, IIntegerProducts
    {
        Vector256<float> s00 = Vector256.Load(sums), s10 = Vector256.Load(sums + 8), s01 = Vector256.Load(sums + 16), s11 = Vector256.Load(sums + 24);
        Vector256<byte> flips = Vector256.Create(flip);
        for (; blocks > 0; blocks--)
        {
            float* c0 = (float*)(x0 + IntegerBlocks.Scales8), c1 = (float*)(x1 + IntegerBlocks.Scales8);
            for (int g = 0; g < IntegerBlocks.Groups; g++)
            {
                if (g % 2 == 0)
                {
                    VectorMath.Prefetch(w0 + ahead);
                    VectorMath.Prefetch(w1 + ahead);
                }
                Vector256<float> a = Vector256.Create(c0[g]), b = Vector256.Create(c1[g]);
                Vector256<sbyte> w = (Vector256.Load(w0) ^ flips).AsSByte(), x = Vector256.Load((sbyte*)x0), y = Vector256.Load((sbyte*)x1);
                if (s0 == null)
                {
                    s00 = Vector256.FusedMultiplyAdd(a, Vector256.ConvertToSingle(TProducts.OfEightBits(w, x)), s00);
                    s01 = Vector256.FusedMultiplyAdd(b, Vector256.ConvertToSingle(TProducts.OfEightBits(w, y)), s01);
                    w = (Vector256.Load(w1) ^ flips).AsSByte();
                    s10 = Vector256.FusedMultiplyAdd(a, Vector256.ConvertToSingle(TProducts.OfEightBits(w, x)), s10);
                    s11 = Vector256.FusedMultiplyAdd(b, Vector256.ConvertToSingle(TProducts.OfEightBits(w, y)), s11);
                }
                else
                {
                    Vector256<float> scale = Vector256.Create(s0[g]);
                    s00 = Vector256.FusedMultiplyAdd(scale * a, Vector256.ConvertToSingle(TProducts.OfEightBits(w, x)), s00);
                    s01 = Vector256.FusedMultiplyAdd(scale * b, Vector256.ConvertToSingle(TProducts.OfEightBits(w, y)), s01);
                    w = (Vector256.Load(w1) ^ flips).AsSByte();
                    scale = Vector256.Create(s1[g]);
                    s10 = Vector256.FusedMultiplyAdd(scale * a, Vector256.ConvertToSingle(TProducts.OfEightBits(w, x)), s10);
                    s11 = Vector256.FusedMultiplyAdd(scale * b, Vector256.ConvertToSingle(TProducts.OfEightBits(w, y)), s11);
                }
                w0 += RoundedRow.Group;
                w1 += RoundedRow.Group;
                x0 += RoundedRow.Group;
                x1 += RoundedRow.Group;
            }
            if (s0 != null)
            {
                s0 += IntegerBlocks.Groups;
                s1 += IntegerBlocks.Groups;
            }
            x0 += IntegerBlocks.Bytes8 - IntegerBlocks.Values;
            x1 += IntegerBlocks.Bytes8 - IntegerBlocks.Values;
        }
        s00.Store(sums);
        s10.Store(sums + 8);
        s01.Store(sums + 16);
        s11.Store(sums + 24);
    }

    /// <summary>The sums over lanes of four vectors, in one fixed order.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> SumFour(float* vectors)
    {
        Vector256<float> a = Vector256.Load(vectors), b = Vector256.Load(vectors + 8), c = Vector256.Load(vectors + 16), d = Vector256.Load(vectors + 24);
        if (!Avx.IsSupported)
            return Vector128.Create(Vector256.Sum(a), Vector256.Sum(b), Vector256.Sum(c), Vector256.Sum(d));
        Vector256<float> all = Avx.HorizontalAdd(Avx.HorizontalAdd(a, b), Avx.HorizontalAdd(c, d));
        return all.GetLower() + all.GetUpper();
    }

    /// <summary>Unpacks blocks of weights of 4 bits, to what <see cref="UnpackedFour"/> reads.</summary>
    public static void Unpack(byte* from, byte* to, int blocks)
    {
        for (byte* end = from + blocks * IntegerBlocks.Values / 2; from < end; from += PackedFour.Bytes, to += UnpackedFour.Bytes)
        {
            PackedFour.Load(from, out Vector256<byte> even, out Vector256<byte> odd);
            even.Store(to);
            odd.Store(to + 32);
        }
    }

    // 64 weights, of two groups, with two rows.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Step<TSource, TProducts>(byte* w, Vector256<float> scale, byte* x0, byte* x1, ref Vector256<float> s0, ref Vector256<float> s1)
        where TSource : struct, IFourBits
        where TProducts : struct, IIntegerProducts
    {
        TSource.Load(w, out Vector256<byte> even, out Vector256<byte> odd);
        s0 = Vector256.FusedMultiplyAdd(scale * Scales(x0), Vector256.ConvertToSingle(Product<TProducts>(even, odd, x0)), s0);
        s1 = Vector256.FusedMultiplyAdd(scale * Scales(x1), Vector256.ConvertToSingle(Product<TProducts>(even, odd, x1)), s1);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Scales(byte* x) => Vector256.Load((float*)(x + IntegerBlocks.Scales4));

    // The scales of two groups, four lanes each.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Spread(Vector256<float> scales, int first)
    {
        Vector256<int> lanes = Vector256.Create(first, first, first, first, first + 1, first + 1, first + 1, first + 1);
        return Avx2.IsSupported ? Avx2.PermuteVar8x32(scales, lanes) : Vector256.Shuffle(scales, lanes);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Product<TProducts>(Vector256<byte> even, Vector256<byte> odd, byte* x)
        where TProducts : struct, IIntegerProducts =>
        TProducts.OfFourBits(Vector256.Load((int*)(x + IntegerBlocks.Starts4)), even, Vector256.Load((sbyte*)x), odd,
            Vector256.Load((sbyte*)x + IntegerBlocks.Odd4));
}

/// <summary>64 weights of 4 bits plus 8, those of even index and those of odd.</summary>
internal unsafe interface IFourBits
{
    /// <summary>Bytes that they take.</summary>
    static abstract int Bytes { get; }

    /// <summary>Reads them.</summary>
    static abstract void Load(byte* p, out Vector256<byte> even, out Vector256<byte> odd);

    /// <summary>Reads twice as many.</summary>
    static abstract void Load(byte* p, out Vector512<byte> even, out Vector512<byte> odd);

    /// <summary>Asks for a cache line.</summary>
    static abstract void Prefetch(byte* p);
}

/// <summary>As the file has them.</summary>
internal readonly unsafe struct PackedFour : IFourBits
{
    public static int Bytes => 32;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Load(byte* p, out Vector256<byte> even, out Vector256<byte> odd)
    {
        Vector256<byte> both = Vector256.Load(p), mask = Vector256.Create((byte)15);
        even = both & mask;
        odd = Vector256.ShiftRightLogical(both.AsUInt16(), 4).AsByte() & mask;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Load(byte* p, out Vector512<byte> even, out Vector512<byte> odd)
    {
        Vector512<byte> both = Vector512.Load(p), mask = Vector512.Create((byte)15);
        even = both & mask;
        odd = Vector512.ShiftRightLogical(both.AsUInt16(), 4).AsByte() & mask;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Prefetch(byte* p) => VectorMath.Prefetch(p);
}

/// <summary>Unpacked in the cache, for many rows.</summary>
internal readonly unsafe struct UnpackedFour : IFourBits
{
    public static int Bytes => 64;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Load(byte* p, out Vector256<byte> even, out Vector256<byte> odd)
    {
        even = Vector256.Load(p);
        odd = Vector256.Load(p + 32);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Load(byte* p, out Vector512<byte> even, out Vector512<byte> odd)
    {
        even = Vector512.Create(Vector256.Load(p), Vector256.Load(p + 64));
        odd = Vector512.Create(Vector256.Load(p + 32), Vector256.Load(p + 96));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Prefetch(byte* p)
    {
    }
}
