using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Dia.Backends.Cpu;

/// <summary>
/// Sums of products of 32 integers with 32, exact: four lanes of the lower 16, and four of the upper ones. Kernels are compiled once for each way, so that
/// the processor is not asked within them.
/// </summary>
internal interface IIntegerProducts
{
    /// <summary>start + even·x + odd·y for weights from 0 to 15.</summary>
    static abstract Vector256<int> OfFourBits(Vector256<int> start, Vector256<byte> even, Vector256<sbyte> x, Vector256<byte> odd, Vector256<sbyte> y);

    /// <summary>w·x for activations from -127 to 127.</summary>
    static abstract Vector256<int> OfEightBits(Vector256<sbyte> w, Vector256<sbyte> x);
}

/// <summary>By one instruction, where the processor has it (AVX-VNNI).</summary>
internal readonly struct VnniProducts : IIntegerProducts
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> OfFourBits(Vector256<int> start, Vector256<byte> even, Vector256<sbyte> x, Vector256<byte> odd, Vector256<sbyte> y) =>
        AvxVnni.MultiplyWideningAndAdd(AvxVnni.MultiplyWideningAndAdd(start, even, x), odd, y);

    // Magnitudes of weights by activations with the weights' signs.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> OfEightBits(Vector256<sbyte> w, Vector256<sbyte> x) =>
        AvxVnni.MultiplyWideningAndAdd(Vector256<int>.Zero, Avx2.Abs(w), Avx2.Sign(x, w));
}

/// <summary>By AVX2, where sums of two products must fit 16 bits: of at most 128 by 127, or four of at most 15 by 127.</summary>
internal readonly struct Avx2Products : IIntegerProducts
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> OfFourBits(Vector256<int> start, Vector256<byte> even, Vector256<sbyte> x, Vector256<byte> odd, Vector256<sbyte> y) =>
        start + Avx2.MultiplyAddAdjacent(Avx2.MultiplyAddAdjacent(even, x) + Avx2.MultiplyAddAdjacent(odd, y), Vector256<short>.One);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> OfEightBits(Vector256<sbyte> w, Vector256<sbyte> x) =>
        Avx2.MultiplyAddAdjacent(Avx2.MultiplyAddAdjacent(Avx2.Abs(w), Avx2.Sign(x, w)), Vector256<short>.One);
}

/// <summary>On any processor.</summary>
internal readonly struct PlainProducts : IIntegerProducts
{
    public static Vector256<int> OfFourBits(Vector256<int> start, Vector256<byte> even, Vector256<sbyte> x, Vector256<byte> odd, Vector256<sbyte> y) =>
        start + Halves(even.AsSByte(), x) + Halves(odd.AsSByte(), y);

    public static Vector256<int> OfEightBits(Vector256<sbyte> w, Vector256<sbyte> x) => Halves(w, x);

    private static Vector256<int> Halves(Vector256<sbyte> w, Vector256<sbyte> x) => Vector256.Create(
        Half(Vector256.WidenLower(w) * Vector256.WidenLower(x)), Half(Vector256.WidenUpper(w) * Vector256.WidenUpper(x)));

    private static Vector128<int> Half(Vector256<short> products)
    {
        Vector256<int> sums = Vector256.WidenLower(products) + Vector256.WidenUpper(products);
        return sums.GetLower() + sums.GetUpper();
    }
}
