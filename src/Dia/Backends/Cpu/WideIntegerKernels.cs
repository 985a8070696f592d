using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Dia.Backends.Cpu;

/// <summary>
/// The kernels of <see cref="IntegerKernels"/> in vectors of 512 bits, for images that are compiled for them: 1.6 times as fast in the cache
/// (4 bits, Zen 5). C# cannot say the 512-bit dot product, so that 16-bit sums of two products are widened; the integers are the same, to the bit.
/// Their floats are added up in sixteen lanes.
/// </summary>
internal static unsafe class WideIntegerKernels
{
    /// <summary>Whether this image is compiled for them: then it never multiplies integers otherwise.</summary>
    public static bool AreCompiled => Vector<float>.Count == 16 && Avx512BW.IsSupported;

    /// <summary>Weights of 4 bits: see <see cref="IntegerKernels.FourBits"/>; the four vectors of sums have sixteen lanes.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static void FourBits<TSource, TScale>(byte* w0, byte* w1, byte* s0, byte* s1, byte* x0, byte* x1, int blocks, int ahead, float* sums)
        where TSource : struct, IFourBits
        where TScale : struct, IStoredFormat
    {
        Vector512<float> s00 = Vector512.Load(sums), s10 = Vector512.Load(sums + 16), s01 = Vector512.Load(sums + 32), s11 = Vector512.Load(sums + 48);
        Vector512<int> first = Vector512.Create(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3), second = first + Vector512.Create(4);
        for (; blocks > 0; blocks--)
        {
            Vector512<float> scales0 = TScale.Load8(s0).ToVector512Unsafe(), scales1 = TScale.Load8(s1).ToVector512Unsafe();
            for (int half = 0; half < 2; half++)
            {
                Vector512<int> lanes = half == 0 ? first : second;
                TSource.Prefetch(w0 + ahead);
                TSource.Prefetch(w1 + ahead);
                Activations x = new(x0), y = new(x1);
                TSource.Load(w0, out Vector512<byte> even, out Vector512<byte> odd);
                Vector512<float> scale = Avx512F.PermuteVar16x32(scales0, lanes);
                s00 = Vector512.FusedMultiplyAdd(scale * x.Scales, x.Product(even, odd), s00);
                s01 = Vector512.FusedMultiplyAdd(scale * y.Scales, y.Product(even, odd), s01);
                TSource.Load(w1, out even, out odd);
                scale = Avx512F.PermuteVar16x32(scales1, lanes);
                s10 = Vector512.FusedMultiplyAdd(scale * x.Scales, x.Product(even, odd), s10);
                s11 = Vector512.FusedMultiplyAdd(scale * y.Scales, y.Product(even, odd), s11);
                w0 += 2 * TSource.Bytes;
                w1 += 2 * TSource.Bytes;
                x0 += 64;
                x1 += 64;
            }
            s0 += IntegerBlocks.Groups * TScale.Size;
            s1 += IntegerBlocks.Groups * TScale.Size;
            x0 += IntegerBlocks.Bytes4 - 128;
            x1 += IntegerBlocks.Bytes4 - 128;
        }
        s00.Store(sums);
        s10.Store(sums + 16);
        s01.Store(sums + 32);
        s11.Store(sums + 48);
    }

    /// <summary>Weights of 8 bits: see <see cref="IntegerKernels.EightBits"/>; the four vectors of sums have sixteen lanes.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static void EightBits(byte* w0, byte* w1, byte flip, float* s0, float* s1, byte* x0, byte* x1, int blocks, int ahead, float* sums)
    {
        Vector512<float> s00 = Vector512.Load(sums), s10 = Vector512.Load(sums + 16), s01 = Vector512.Load(sums + 32), s11 = Vector512.Load(sums + 48);
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
                Vector512<float> a = Vector512.Create(c0[g]), b = Vector512.Create(c1[g]);
                Vector512<short> x = Widened(Vector256.Load(x0)), y = Widened(Vector256.Load(x1));
                Vector512<short> w = Widened(Vector256.Load(w0) ^ flips), v = Widened(Vector256.Load(w1) ^ flips);
                if (s0 == null)
                {
                    s00 = Vector512.FusedMultiplyAdd(a, Product(w, x), s00);
                    s01 = Vector512.FusedMultiplyAdd(b, Product(w, y), s01);
                    s10 = Vector512.FusedMultiplyAdd(a, Product(v, x), s10);
                    s11 = Vector512.FusedMultiplyAdd(b, Product(v, y), s11);
                }
                else
                {
                    Vector512<float> scale0 = Vector512.Create(s0[g]), scale1 = Vector512.Create(s1[g]);
                    s00 = Vector512.FusedMultiplyAdd(scale0 * a, Product(w, x), s00);
                    s01 = Vector512.FusedMultiplyAdd(scale0 * b, Product(w, y), s01);
                    s10 = Vector512.FusedMultiplyAdd(scale1 * a, Product(v, x), s10);
                    s11 = Vector512.FusedMultiplyAdd(scale1 * b, Product(v, y), s11);
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
        s10.Store(sums + 16);
        s01.Store(sums + 32);
        s11.Store(sums + 48);
    }

    /// <summary>The sums over lanes of four vectors, in one fixed order: halves are added, in place, then as <see cref="IntegerKernels.SumFour"/> does.</summary>
    public static Vector128<float> SumFour(float* vectors)
    {
        for (int i = 0; i < 4; i++)
        {
            Vector512<float> sum = Vector512.Load(vectors + 16 * i);
            (sum.GetLower() + sum.GetUpper()).Store(vectors + 8 * i);
        }
        return IntegerKernels.SumFour(vectors);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<short> Widened(Vector256<byte> bytes) => Avx512BW.ConvertToVector512Int16(bytes.AsSByte());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Product(Vector512<short> w, Vector512<short> x) => Vector512.ConvertToSingle(Avx512BW.MultiplyAddAdjacent(w, x));

    /// <summary>128 activations beside weights of 4 bits, of four groups: four lanes of each.</summary>
    /// <param name="x">Half a block (<see cref="IntegerBlocks"/>).</param>
    private readonly struct Activations(byte* x)
    {
        private readonly Vector512<sbyte> _even = Vector512.Load((sbyte*)x), _odd = Vector512.Load((sbyte*)x + IntegerBlocks.Odd4);
        private readonly Vector512<int> _starts = Vector512.Load((int*)(x + IntegerBlocks.Starts4));

        /// <summary>Their scales.</summary>
        public readonly Vector512<float> Scales = Vector512.Load((float*)(x + IntegerBlocks.Scales4));

        // Four products of at most 15 by 127 fit 16 bits.
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Vector512<float> Product(Vector512<byte> even, Vector512<byte> odd)
        {
            Vector512<short> sums = Avx512BW.MultiplyAddAdjacent(even, _even) + Avx512BW.MultiplyAddAdjacent(odd, _odd);
            return Vector512.ConvertToSingle(_starts + Avx512BW.MultiplyAddAdjacent(sums, Vector512<short>.One));
        }
    }
}
