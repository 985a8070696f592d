namespace Dia.Configuration;

/// <summary>What a field may hold.</summary>
/// <param name="Kind">The kind of JSON value, as messages say what must be.</param>
/// <param name="IsKind">Whether a value is of that kind.</param>
/// <param name="Range">Which of them, as messages say what must be.</param>
/// <param name="Read">The value, where it is of the kind; null: outside the range.</param>
/// <typeparam name="T">The value's type.</typeparam>
internal sealed record FieldType<T>(string Kind, Func<JsonValue, bool> IsKind, string Range, Func<JsonValue, T?> Read)
    where T : struct;

/// <summary>The types that fields have.</summary>
internal static class FieldType
{
    /// <summary>Largest single size (heads, widths, entries); products of a few of them stay far inside a long.</summary>
    public const int MaxSize = 1 << 20;

    private const int MaxPositions = 1 << 24;

    public static FieldType<bool> Boolean { get; } = new("true or false", v => v.Kind == JsonKind.Boolean, "", v => v.Boolean);

    public static FieldType<int> Size { get; } = Integer(1, MaxSize);

    /// <summary>Positions, each of which takes memory.</summary>
    public static FieldType<int> Length { get; } = Integer(1, MaxPositions);

    public static FieldType<int> Delay { get; } = Integer(0, DiaConfig.MaxDelay);

    /// <summary>A token's id; that it lies in a vocabulary is a check of its own.</summary>
    public static FieldType<int> Id { get; } = Integer(0, int.MaxValue);

    public static FieldType<double> NotNegative { get; } = Number(x => x >= 0, "a number from 0");

    public static FieldType<double> Fraction { get; } = Number(x => x is >= 0 and <= 1, "a number from 0 to 1");

    public static FieldType<int> Integer(int min, int max) => new("a whole number", v => v.IsInteger, FormattableString.Invariant($"from {min} to {max}"), v =>
        long.TryParse(v.Text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long number) && number >= min && number <= max
            ? (int)number : null);

    // Some runtimes refuse an overflow, others answer infinity. What float32 cannot hold is refused too: the program computes in it.
    public static FieldType<double> Number(Func<double, bool> contains, string range) => new("a number", v => v.Kind == JsonKind.Number, range, v =>
        double.TryParse(v.Text, NumberStyles.Float, CultureInfo.InvariantCulture, out double number) && Math.Abs(number) <= float.MaxValue && contains(number)
            ? number : null);
}
