namespace Dia.FullSize;

/// <summary>The table: one line for each comparison, printed as it comes.</summary>
internal sealed class Report
{
    /// <summary>Whether any line did not hold.</summary>
    public bool Failed { get; private set; }

    /// <summary>A line that is not judged.</summary>
    public static void Note(string what, string measured) => Print(what, measured, "", "");

    /// <summary>A number that must not exceed a bound.</summary>
    public void AtMost(string what, double measured, double allowed, string unit = "") =>
        Judge(what, $"{measured:g4}{unit}", $"<= {allowed:g4}{unit}", measured <= allowed);

    /// <summary>A number that must reach a bound.</summary>
    public void AtLeast(string what, double measured, double demanded, string unit = "") =>
        Judge(what, $"{measured:g4}{unit}", $">= {demanded:g4}{unit}", measured >= demanded);

    /// <summary>A comparison; NaN must have made <paramref name="holds"/> false.</summary>
    public void Judge(string what, string measured, string allowed, bool holds)
    {
        Failed |= !holds;
        Print(what, measured, allowed, holds ? "pass" : "FAIL");
    }

    /// <summary>Every value within <paramref name="allowed"/> of the largest magnitude expected.</summary>
    public void Near(string what, ReadOnlySpan<float> expected, ReadOnlySpan<float> actual, double allowed)
    {
        if (expected.Length != actual.Length)
            Judge(what, $"{actual.Length} values", $"{expected.Length} values", false);
        else
            AtMost(what, Tolerance.Error(expected, actual), allowed);
    }

    private static void Print(string what, string measured, string allowed, string verdict) =>
        Console.WriteLine($"{what,-62} {measured,16}  {allowed,-14} {verdict}".TrimEnd());
}
