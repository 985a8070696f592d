using System.Runtime.Intrinsics;

namespace Dia.Backends.Cpu;

/// <summary>
/// Rows of activations rounded to 8 bits (<see cref="RoundedRow"/>), as the kernels of <see cref="IntegerLinearJob"/> read them: blocks of 256 values, the
/// last one filled up with zeros. For weights of 8 bits a block has its integers (256 bytes), then the scale of each group of 32. For weights of 4 bits it
/// has the integers of even index, those of odd index (128 bytes each), and for each group four lanes: of what a sum begins with, −8 times the group's sum
/// and zeros, since stored weights are 8 too large; and of its scale.
/// </summary>
internal static unsafe class IntegerBlocks
{
    /// <summary>Values of a block.</summary>
    public const int Values = 256;

    /// <summary>Groups of a block.</summary>
    public const int Groups = Values / RoundedRow.Group;

    /// <summary>Bytes of a block beside weights of 8 bits, and where its scales begin.</summary>
    public const int Bytes8 = Values + Groups * sizeof(float), Scales8 = Values;

    /// <summary>Bytes of a block beside weights of 4 bits, and where its parts begin.</summary>
    public const int Bytes4 = 2 * Values, Odd4 = Values / 2, Starts4 = Values, Scales4 = Values + Values / 2;

    /// <summary>Blocks of a row of so many values.</summary>
    public static int Count(int values) => (int)(((long)values + Values - 1) / Values);

    /// <summary>Rounds a row.</summary>
    /// <param name="x">The row.</param>
    /// <param name="count">Its values.</param>
    /// <param name="blocks">Receives its blocks, for weights of 8 bits or of 4.</param>
    /// <param name="isFour">Whether they are for weights of 4 bits.</param>
    public static void Round(float* x, int count, byte* blocks, bool isFour)
    {
        sbyte* integers = stackalloc sbyte[RoundedRow.Group];
        int groups = Count(count) * Groups;
        for (int g = 0; g < groups; g++)
        {
            int here = Math.Clamp(count - g * RoundedRow.Group, 0, RoundedRow.Group);
            new Span<sbyte>(integers, RoundedRow.Group).Clear();
            float scale = here == RoundedRow.Group && Vector256.IsHardwareAccelerated
                ? RoundGroup(x + g * RoundedRow.Group, integers) : RoundedRow.Round(x + g * RoundedRow.Group, here, integers);
            if (isFour)
                Store4(integers, scale, blocks + (long)(g / Groups) * Bytes4, g % Groups);
            else
                Store8(integers, scale, blocks + (long)(g / Groups) * Bytes8, g % Groups);
        }
    }

    // RoundedRow.Round of a whole group, the same bit for bit.
    private static float RoundGroup(float* x, sbyte* integers)
    {
        Vector256<float> a = Vector256.Load(x), b = Vector256.Load(x + 8), c = Vector256.Load(x + 16), d = Vector256.Load(x + 24);
        // Infinities and NaNs alone are not 0 times themselves.
        Vector256<float> zeros = a * 0f + b * 0f + (c * 0f + d * 0f);
        if (!Vector256.EqualsAll(zeros, Vector256<float>.Zero))
            return RoundedRow.Round(x, RoundedRow.Group, integers);
        Vector256<float> most = Vector256.Max(Vector256.Max(Vector256.Abs(a), Vector256.Abs(b)), Vector256.Max(Vector256.Abs(c), Vector256.Abs(d)));
        Vector128<float> half = Vector128.Max(most.GetLower(), most.GetUpper());
        half = Vector128.Max(half, Vector128.Shuffle(half, Vector128.Create(2, 3, 0, 1)));
        float largest = MathF.Max(half[0], half[1]);
        if (!(largest >= RoundedRow.Least))
            return 0;
        Vector256<float> inverse = Vector256.Create(RoundedRow.Largest / largest);
        Vector256<short> low = Vector256.Narrow(Nearest(a * inverse), Nearest(b * inverse));
        Vector256<short> high = Vector256.Narrow(Nearest(c * inverse), Nearest(d * inverse));
        Vector256.Narrow(low, high).Store(integers);
        return largest / RoundedRow.Largest;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Nearest(Vector256<float> x) => Vector256.ConvertToInt32Native(Vector256.Round(x));

    private static void Store8(sbyte* integers, float scale, byte* block, int group)
    {
        Vector256.Load(integers).Store((sbyte*)block + group * RoundedRow.Group);
        ((float*)(block + Scales8))[group] = scale;
    }

    private static void Store4(sbyte* integers, float scale, byte* block, int group)
    {
        Vector256<short> pairs = Vector256.Load(integers).AsInt16(), odd = Vector256.ShiftRightArithmetic(pairs, 8);
        Vector256<short> even = Vector256.ShiftRightArithmetic(Vector256.ShiftLeft(pairs, 8), 8);
        Vector256<sbyte> apart = Vector256.Narrow(even, odd);
        apart.GetLower().Store((sbyte*)block + group * 16);
        apart.GetUpper().Store((sbyte*)block + Odd4 + group * 16);
        // Of 32 integers of at most 127: it fits 16 bits.
        int sum = Vector256.Sum(even + odd);
        Vector128.CreateScalar(-8 * sum).Store((int*)(block + Starts4) + group * 4);
        Vector128.Create(scale).Store((float*)(block + Scales4) + group * 4);
    }
}
