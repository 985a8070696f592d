namespace Dia.Cli.Options;

/// <summary>
/// An option, defined once: parsing, the environment, the help and every list of options are made from this.
/// </summary>
/// <param name="name">Its long name, with the two dashes.</param>
/// <param name="shortName">Its short name with a dash, or null.</param>
/// <param name="value">What the help calls its value; null for a flag.</param>
/// <param name="help">What it does, one sentence or two.</param>
internal abstract class OptionSpec(string name, string? shortName, string? value, string help)
{
    /// <summary>Long name, with the two dashes.</summary>
    public string Name { get; } = name;

    /// <summary>Short name with a dash, or null.</summary>
    public string? ShortName { get; } = shortName;

    /// <summary>What the help calls the value; null for a flag.</summary>
    public string? Value { get; } = value;

    /// <summary>What it does.</summary>
    public string Help { get; } = help;

    /// <summary>The value without the option, as the help shows it; null where there is none.</summary>
    public string? Default { get; init; }

    /// <summary>The only values there are, where they can be listed: what a shell completes.</summary>
    public IReadOnlyList<string> Choices { get; init; } = [];

    /// <summary>Whether the value is the name of a folder.</summary>
    public bool TakesFolder => Value == "DIR";

    /// <summary>Whether the value is the name of a file: a name in capitals says so (FILE, FILE.png, DIR_OR_FILE, VOICE).</summary>
    public bool TakesFile => Value is not null && (Value.Contains("FILE", StringComparison.Ordinal) || Value == "VOICE");

    /// <summary>Whether it may be given several times; <see cref="CommandLine.GetAll"/> has the values.</summary>
    public bool IsRepeatable { get; init; }

    /// <summary>How the names of all variables begin.</summary>
    public const string VariableStart = "DIA_";

    /// <summary>Whether the environment can set it.</summary>
    public bool HasVariable { get; init; } = true;

    /// <summary>Its environment twin: --top-k is DIA_TOP_K.</summary>
    public string Variable => VariableStart + Name[2..].Replace('-', '_').ToUpperInvariant();

    /// <summary>Reads a value.</summary>
    /// <param name="text">As typed.</param>
    /// <param name="source">The option's or variable's name, for the message.</param>
    /// <exception cref="DiaException">Usage: the message names the range.</exception>
    public abstract object Parse(string text, string source);
}

/// <summary>Reads a value; false where it is out of its range.</summary>
internal delegate bool TryParse<T>(string text, out T value);

/// <summary>An option with a value of a type.</summary>
/// <param name="name">Its long name.</param>
/// <param name="shortName">Its short name, or null.</param>
/// <param name="value">What the help calls its value; null for a flag.</param>
/// <param name="help">What it does.</param>
/// <param name="range">What a value must be: the message says "it must be" and this.</param>
/// <param name="parse">Reads a value.</param>
internal sealed class OptionSpec<T>(string name, string? shortName, string? value, string help, string range, TryParse<T> parse)
    : OptionSpec(name, shortName, value, help)
    where T : notnull
{
    /// <inheritdoc/>
    public override object Parse(string text, string source) => parse(text, out T value)
        ? value
        : throw new DiaException(DiaErrorKind.Usage, $"{source} is '{text}'; it must be {range}.");
}

/// <summary>How values are read: the same for the command line and the environment, independent of the user's language.</summary>
internal static class Parsers
{
    /// <summary>Any text that is not empty.</summary>
    public static TryParse<string> Text { get; } = TextWhere(text => text.Length > 0);

    /// <summary>A file; standard output is none.</summary>
    public static TryParse<string> RealFile { get; } = TextWhere(text => text is not ("" or "-"));

    /// <summary>One of some words.</summary>
    public static TryParse<string> OneOf(params string[] words) => TextWhere(words.Contains);

    /// <summary>A device: auto, cpu, scalar, cuda, or cuda:N for the GPU of that number.</summary>
    public static TryParse<string> Device { get; } = TextWhere(text => text is "auto" or "cpu" or "scalar" or "cuda"
        || (text.StartsWith("cuda:", StringComparison.Ordinal) && int.TryParse(text.AsSpan(5), NumberStyles.None, CultureInfo.InvariantCulture, out int number)
            && number < 1000));

    /// <summary>Where weights are read.</summary>
    public static bool Placement(string text, out WeightPlacement value)
    {
        value = text switch { "map" => WeightPlacement.Map, "copy" => WeightPlacement.Copy, _ => WeightPlacement.Auto };
        return text is "map" or "copy" or "auto";
    }

    /// <summary>A flag in the environment.</summary>
    public static bool Flag(string text, out bool value)
    {
        value = text is "1" or "true" or "yes" or "on";
        return value || text is "0" or "false" or "no" or "off";
    }

    /// <summary>A finite number for which a condition holds.</summary>
    public static TryParse<double> Number(Func<double, bool> holds) => (string text, out double value) =>
        double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out value) && double.IsFinite(value) && holds(value);

    /// <summary>An integer between two bounds, both included.</summary>
    public static TryParse<int> Integer(int lowest, int highest) => (string text, out int value) =>
        int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out value) && value >= lowest && value <= highest;

    /// <summary>A seed: null stands for −1, a random one.</summary>
    public static bool Seed(string text, out Seed value)
    {
        bool isNumber = ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out ulong number);
        value = new Seed(isNumber ? number : null);
        return isNumber || text == "-1";
    }

    /// <summary>A part of a list: K/N.</summary>
    public static bool Shard(string text, out Shard value)
    {
        int slash = text.IndexOf('/');
        value = default;
        if (slash < 0 || !Integer(1, int.MaxValue)(text[..slash], out int number) || !Integer(1, int.MaxValue)(text[(slash + 1)..], out int count))
            return false;
        value = new Shard(number, count);
        return number <= count;
    }

    private static TryParse<string> TextWhere(Func<string, bool> holds) => (string text, out string value) => holds(value = text);
}

/// <summary>A seed as asked for.</summary>
/// <param name="Value">The number; null for a random one.</param>
internal readonly record struct Seed(ulong? Value);

/// <summary>A part of a list: the lines whose number modulo the parts is the part's.</summary>
/// <param name="Number">Which, from 1.</param>
/// <param name="Count">How many there are.</param>
internal readonly record struct Shard(int Number, int Count)
{
    /// <summary>Whether a line is in it.</summary>
    public bool Has(long line) => line % Count == Number % Count;
}
