namespace Dia.Cli.Lines;

/// <summary>
/// Where the paths of JSON lines may lead: files to read are under one folder, files to write under another. JSON lines may come from
/// somebody who must not reach the rest of the system, so an absolute path, a `..`, and a link that leads out are refused.
/// </summary>
internal sealed class LinePaths
{
    private readonly string _inputFolder;
    private readonly string _outputFolder;
    private readonly bool _anyPath;

    /// <summary>Takes the folders; that for the output is made if need be.</summary>
    /// <param name="inputFolder">Folder of files to read.</param>
    /// <param name="outputFolder">Folder of files to write.</param>
    /// <param name="anyPath">Whether paths may lead anywhere; relative ones still begin at the folders.</param>
    /// <exception cref="DiaException">Input or Output: a folder is none.</exception>
    public LinePaths(string inputFolder, string outputFolder, bool anyPath)
    {
        _anyPath = anyPath;
        _inputFolder = RealPath(inputFolder) is { } input && Directory.Exists(input)
            ? input
            : throw new DiaException(DiaErrorKind.Input, $"--input-dir: there is no folder {inputFolder}.");
        MakeFolder("--output-dir", outputFolder);
        _outputFolder = RealPath(outputFolder) ?? throw new DiaException(DiaErrorKind.Output, $"--output-dir: cannot reach {outputFolder}.");
    }

    /// <summary>The full path of a file to read.</summary>
    /// <param name="key">The key that names it.</param>
    /// <param name="path">As it stands in the line.</param>
    /// <exception cref="DiaException">Usage: it leads out of the folder. Input: there is no such file.</exception>
    public string Input(string key, string path)
    {
        if (path == "-")
            throw new DiaException(DiaErrorKind.Usage, $"{key} is -, but standard input holds the lines: name a file in the folder of --input-dir.");
        string full = Combine(_inputFolder, "--input-dir", key, path);
        if (_anyPath)
            return full;
        string real = RealPath(full) ?? throw new DiaException(DiaErrorKind.Input, $"{key}: there is no file {path} in the folder of --input-dir.");
        return IsUnder(real, _inputFolder) ? real : throw LeadsOut(key, path, "--input-dir");
    }

    /// <summary>The full path of a file to write.</summary>
    /// <param name="key">The key that names it.</param>
    /// <param name="path">As it stands in the line.</param>
    /// <exception cref="DiaException">Usage: it leads out of the folder. Output: its folder is missing.</exception>
    public string Output(string key, string path)
    {
        string full = Combine(_outputFolder, "--output-dir", key, path);
        if (_anyPath)
            return full;
        string name = Path.GetFileName(full);
        if (name is "" or ".")
            throw new DiaException(DiaErrorKind.Usage, $"{key}: {path} is not the name of a file.");
        string folder = RealPath(Path.GetDirectoryName(full)!)
            ?? throw new DiaException(DiaErrorKind.Output, $"{key}: the folder of {path} does not exist. Create it first.");
        string real = Path.Combine(folder, name);
        // A link as the last part: what it leads to would be written.
        if (new FileInfo(real).LinkTarget is not null)
            real = RealPath(real) ?? throw LeadsOut(key, path, "--output-dir");
        return IsUnder(real, _outputFolder) ? real : throw LeadsOut(key, path, "--output-dir");
    }

    /// <summary>Makes a folder that an option names, where it is not there.</summary>
    /// <exception cref="DiaException">Output: it cannot be made.</exception>
    public static void MakeFolder(string option, string folder)
    {
        try
        {
            Directory.CreateDirectory(folder);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new DiaException(DiaErrorKind.Output, $"{option}: cannot make the folder {folder}: {e.Message}", e);
        }
    }

    private string Combine(string folder, string option, string key, string path)
    {
        if (path.Length == 0 || path.Contains('\0'))
            throw new DiaException(DiaErrorKind.Usage, $"{key} is not the name of a file.");
        if (!_anyPath && Path.IsPathRooted(path))
            throw new DiaException(DiaErrorKind.Usage,
                $"{key}: {path} is an absolute path; name a file in the folder of {option}, or allow every path with --any-path.");
        if (!_anyPath && path.Split('/').Contains(".."))
            throw new DiaException(DiaErrorKind.Usage,
                $"{key}: {path} holds `..`; name a file in the folder of {option}, or allow every path with --any-path.");
        return Path.Combine(folder, path);
    }

    private static bool IsUnder(string path, string folder) => path.StartsWith(folder.EndsWith('/') ? folder : folder + "/", StringComparison.Ordinal);

    private static DiaException LeadsOut(string key, string path, string option) =>
        new(DiaErrorKind.Usage, $"{key}: {path} is a link that leads out of the folder of {option}. Allow every path with --any-path.");

    /// <summary>The path without links, `.` and `..`; null where it leads to nothing.</summary>
    private static string? RealPath(string path)
    {
        try
        {
            return RealPaths.Of(path);
        }
        catch (IOException e)
        {
            throw new DiaException(DiaErrorKind.Usage, $"{path}: {e.Message}.", e);
        }
    }
}
