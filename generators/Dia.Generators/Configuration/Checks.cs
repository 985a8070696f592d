namespace Dia.Configuration;

/// <summary>Checks that several configurations share.</summary>
internal static class Checks
{
    /// <summary>Largest single size (heads, widths, entries); products of a few of them stay far inside a long.</summary>
    public const int MaxSize = 1 << 20;

    public static int Size(ObjectReader file, string key, int missing) => file.Integer(key, missing, 1, MaxSize);

    public static double NotNegative(ObjectReader file, string key, double missing) => file.Number(key, missing, x => x >= 0, "a number from 0");

    public static void Divides(ObjectReader file, string manyKey, int many, string fewKey, int few)
    {
        if (many % few != 0)
            file.Error(ProblemIds.Contradiction, file.Has(fewKey) ? fewKey : manyKey, FormattableString.Invariant($"{manyKey} {many} is no multiple of {fewKey} {few}"));
    }

    public static void Even(ObjectReader file, string key, int value)
    {
        if (value % 2 != 0)
            file.Error(ProblemIds.OutOfRange, key, FormattableString.Invariant($"must be even (its halves are rotated against each other), not {value}"));
    }

    /// <summary>Reports a tensor of more values than an int can count.</summary>
    public static void Tensor(ObjectReader file, string key, string what, params int[] shape)
    {
        long count = 1;
        foreach (int size in shape)
        {
            count *= size; // Below 2^31 times at most 2^24: no overflow.
            if (count <= int.MaxValue)
                continue;
            file.Error(ProblemIds.TooLarge, key, FormattableString.Invariant($"{what} would have the shape [{string.Join(", ", shape)}], more than {int.MaxValue} values"));
            return;
        }
    }
}
