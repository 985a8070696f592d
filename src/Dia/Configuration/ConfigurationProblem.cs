namespace Dia.Configuration;

/// <summary>Whether a problem stops the build or the loading.</summary>
public enum ProblemSeverity
{
    /// <summary>The configuration can be used.</summary>
    Warning,

    /// <summary>The configuration cannot be used.</summary>
    Error,
}

/// <summary>Something wrong in a configuration file, and where.</summary>
/// <param name="Id">One of <see cref="ProblemIds"/>.</param>
/// <param name="Severity">Whether it stops the build or the loading.</param>
/// <param name="Message">What is wrong, with the path of the key where there is one, and what would be right.</param>
/// <param name="Line">1-based line.</param>
/// <param name="Column">1-based column of the first character, in UTF-16 units.</param>
/// <param name="EndColumn">1-based column after the last character on that line.</param>
public sealed record ConfigurationProblem(string Id, ProblemSeverity Severity, string Message, int Line, int Column, int EndColumn)
{
    /// <summary>The problem as one line: <c>12:5: error DIA0005: message</c>.</summary>
    public override string ToString() =>
        FormattableString.Invariant($"{Line}:{Column}: {(Severity == ProblemSeverity.Error ? "error" : "warning")} {Id}: {Message}");
}

/// <summary>The kinds of problems, one id each.</summary>
public static class ProblemIds
{
    /// <summary>Not JSON: a character, a comment, a missing or trailing comma, text after the end, an unfinished file.</summary>
    public const string Syntax = "DIA0001";

    /// <summary>The file is too large or nested too deeply to be a configuration.</summary>
    public const string Limit = "DIA0002";

    /// <summary>A string with an invalid escape, a control character or half a surrogate pair.</summary>
    public const string InvalidString = "DIA0003";

    /// <summary>A key that its object already has.</summary>
    public const string DuplicateKey = "DIA0004";

    /// <summary>
    /// A key that no such configuration has. An error when compiled; at run time an error where keys say what is computed (the encoder's and
    /// the decoder's part, a codec's file), else a warning.
    /// </summary>
    public const string UnknownKey = "DIA0005";

    /// <summary>A value of the wrong type.</summary>
    public const string WrongType = "DIA0006";

    /// <summary>A required key is missing.</summary>
    public const string MissingKey = "DIA0007";

    /// <summary>A number that overflows or lies outside its range.</summary>
    public const string OutOfRange = "DIA0008";

    /// <summary>A value that contradicts another.</summary>
    public const string Contradiction = "DIA0009";

    /// <summary>A name that is none of those supported: a model type, an activation, a kind of rope scaling; quantised weights.</summary>
    public const string UnsupportedValue = "DIA0010";

    /// <summary>Sizes whose product is more than one tensor can hold.</summary>
    public const string TooLarge = "DIA0011";

    /// <summary>A warning: a value that is valid but has no effect here.</summary>
    public const string NoEffect = "DIA0012";

    /// <summary>A folder whose files do not fit each other, or two folders that would give one class.</summary>
    public const string Folder = "DIA0013";
}

/// <summary>What a parser made of a file.</summary>
/// <param name="Config">The configuration; null if a problem is an error.</param>
/// <param name="Problems">All problems, in the order of the file.</param>
/// <typeparam name="T">The configuration's type.</typeparam>
public sealed record ConfigurationResult<T>(T? Config, EquatableArray<ConfigurationProblem> Problems)
    where T : class;
