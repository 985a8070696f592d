using Dia.Cli.Options;

namespace Dia.Cli.Lines;

/// <summary>Names of one file a line: -o and --codes name a folder, or hold {n}, the line's number.</summary>
internal sealed class FilePattern
{
    private const string Number = "{n}";
    private readonly string _pattern;

    /// <summary>Takes an option's value; a folder is made if need be.</summary>
    /// <param name="option">The option's name.</param>
    /// <param name="value">Its value.</param>
    /// <param name="extension">Extension of the files in a folder.</param>
    /// <exception cref="DiaException">Usage: the name of one file. Output: the folder is missing, or cannot be made.</exception>
    public FilePattern(string option, string value, string extension)
    {
        _pattern = value;
        if (!IsPattern(value))
        {
            _pattern = Path.Combine(value, Number + extension);
            MakeFolder(option, value);
        }
        else if (Path.GetDirectoryName(value) is { Length: > 0 } folder && !folder.Contains(Number, StringComparison.Ordinal) && !Directory.Exists(folder))
        {
            throw new DiaException(DiaErrorKind.Output, $"{option}: the folder {folder} does not exist. Create it first.");
        }
    }

    /// <summary>Whether a value holds the line's number; otherwise it is a folder.</summary>
    public static bool IsPattern(string value) => value.Contains(Number, StringComparison.Ordinal);

    /// <summary>The file of a line.</summary>
    public string For(long line) => _pattern.Replace(Number, line.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal);

    private static void MakeFolder(string option, string folder)
    {
        if (Directory.Exists(folder))
            return;
        // Many lines do not fit into hello.wav, and a folder of that name would surprise.
        if (File.Exists(folder) || (Path.HasExtension(folder) && !folder.EndsWith('/')))
            throw CommandLine.Usage(
                $"{option} is '{folder}'; with one file a line it must be a folder (DIR/), or hold {Number}, the line's number, as in line-{Number}.wav.");
        LinePaths.MakeFolder(option, folder);
    }
}
