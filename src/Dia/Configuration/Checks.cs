namespace Dia.Configuration;

/// <summary>Checks that several configurations share.</summary>
internal static class Checks
{
    public static void Divides(ObjectReader file, string manyKey, int many, string fewKey, int few)
    {
        if (many % few != 0)
            file.Error(ProblemIds.Contradiction, file.Has(fewKey)
                ? fewKey : manyKey, FormattableString.Invariant($"{manyKey} {many} is no multiple of {fewKey} {few}"));
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
            file.Error(ProblemIds.TooLarge, key,
                FormattableString.Invariant($"{what} would have the shape [{string.Join(", ", shape)}], more than {int.MaxValue} values"));
            return;
        }
    }
}
