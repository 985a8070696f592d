namespace Dia.Backends;

/// <summary>
/// How a row of activations is rounded to 8 bits for products with integer weights: 32 values share a scale, their largest magnitude over 127, and each is
/// the nearest multiple of it, ties to even. A product is then a sum of integers for each 32 values, exact, times both scales. Plain loops: what every
/// backend that rounds must equal.
/// </summary>
internal static unsafe class RoundedRow
{
    /// <summary>Values that share a scale.</summary>
    public const int Group = 32;

    /// <summary>The largest magnitude of an integer.</summary>
    public const float Largest = 127;

    /// <summary>Values below this are zeros: 127 over it is finite.</summary>
    public const float Least = 1e-30f;

    /// <summary>Scales of a row of so many values.</summary>
    public static int Groups(int count) => (count + Group - 1) / Group;

    /// <summary>Rounds values that share a scale.</summary>
    /// <param name="x">The values, at most <see cref="Group"/>.</param>
    /// <param name="count">How many.</param>
    /// <param name="integers">Receives as many integers; zeros if a value is infinite or NaN.</param>
    /// <returns>Their scale; NaN if a value is infinite or NaN, so that every sum is.</returns>
    public static float Round(float* x, int count, sbyte* integers)
    {
        float largest = 0;
        bool finite = true;
        for (int i = 0; i < count; i++)
        {
            largest = MathF.Max(largest, MathF.Abs(x[i]));
            finite &= float.IsFinite(x[i]);
        }
        float inverse = finite && largest >= Least ? Largest / largest : 0;
        for (int i = 0; i < count; i++)
            integers[i] = finite ? (sbyte)MathF.Round(x[i] * inverse) : (sbyte)0;
        return !finite ? float.NaN : largest >= Least ? largest / Largest : 0;
    }
}
