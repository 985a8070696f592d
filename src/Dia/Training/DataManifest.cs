using Dia.IO;
using Dia.Text;

namespace Dia.Training;

/// <summary>A recording, and what is said in it.</summary>
/// <param name="Place">Where it is named: the recording itself, or a manifest and its line.</param>
/// <param name="AudioPath">The recording's path.</param>
/// <param name="Text">What is said, as a model is given it: behind a speaker's tag.</param>
public sealed record DataEntry(string Place, string AudioPath, string Text);

/// <summary>What is wrong or strange about a part of the data.</summary>
/// <param name="Place">Which part: a recording, or a manifest and its line.</param>
/// <param name="Message">What it is.</param>
public sealed record DataProblem(string Place, string Message)
{
    /// <inheritdoc/>
    public override string ToString() => $"{Place}: {Message}";
}

/// <summary>
/// A list of recordings with their transcripts: a folder of NAME.wav (or .flac, .mp3, .ogg, .opus) beside NAME.txt, an audiofolder of Hugging Face or
/// LJSpeech (metadata.csv, metadata.jsonl), or a manifest of JSON lines. What is wrong with a line is kept beside those that are right.
/// </summary>
public sealed partial class DataManifest
{
    /// <summary>Most entries, good and bad: a thousand hours of short utterances.</summary>
    public const int MaxEntries = 1 << 20;

    // Enough for that many lines; the whole file is read.
    private const long MaxBytes = 1 << 28;
    private const int MaxTranscriptBytes = 1 << 16, MaxDepth = 16;

    // What recordings are called; what they are, their contents say.
    private static readonly string[] Endings = [".wav", ".flac", ".mp3", ".ogg", ".oga", ".opus"];

    private readonly List<DataEntry> _entries = [];
    private readonly List<DataProblem> _problems = [];

    private DataManifest(string folder) => Folder = folder;

    /// <summary>The folder that its paths begin at.</summary>
    public string Folder { get; }

    /// <summary>What is there to learn from, in the order of the manifest, or of the names.</summary>
    public IReadOnlyList<DataEntry> Entries => _entries;

    /// <summary>What is wrong.</summary>
    public IReadOnlyList<DataProblem> Problems => _problems;

    /// <summary>How many transcripts were put behind [S1], since they start with no speaker's tag.</summary>
    public int Untagged { get; private set; }

    /// <summary>Reads a folder or a manifest. No recording is opened.</summary>
    /// <param name="path">The folder, or the file: CSV where its name ends with .csv, else JSON lines.</param>
    /// <exception cref="DiaException">Input: it is missing, is no such file, or holds nothing.</exception>
    public static DataManifest Read(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        string? inside = Directory.Exists(path)
            ? new[] { "metadata.csv", "metadata.jsonl" }.Select(n => Path.Combine(path, n)).FirstOrDefault(File.Exists) : path;
        DataManifest manifest = inside is null ? OfFolder(path) : Parse(ReadFile(inside), inside);
        if (manifest._entries.Count + manifest._problems.Count == 0)
            throw new DiaException(DiaErrorKind.Input, inside is not null ? $"{inside} names no recording."
                : $"{path} holds no recordings: it needs NAME.wav (or .flac, .mp3, .ogg, .opus) beside NAME.txt, a metadata.csv, or a metadata.jsonl.");
        return manifest;
    }

    /// <summary>Reads the bytes of a manifest.</summary>
    /// <param name="bytes">All of it.</param>
    /// <param name="path">Its path, whose ending says what it is.</param>
    /// <exception cref="DiaException">Input: not UTF-8, too many entries, or no CSV of recordings.</exception>
    internal static DataManifest Parse(byte[] bytes, string path)
    {
        ScriptText.CheckUtf8(bytes, path);
        int start = bytes.AsSpan().StartsWith(Encoding.UTF8.Preamble) ? Encoding.UTF8.Preamble.Length : 0;
        ReadOnlyMemory<byte> text = bytes.AsMemory(start);
        var manifest = new DataManifest(Path.GetDirectoryName(path) is { Length: > 0 } folder ? folder : ".");
        if (path.EndsWith(".csv", StringComparison.OrdinalIgnoreCase))
            manifest.ReadCsv(text, path);
        else
            manifest.ReadJsonLines(text, path);
        return manifest;
    }

    private static byte[] ReadFile(string path)
    {
        FileContent.Refuse(path, "a manifest of recordings", DiaErrorKind.Input, FileContentKind.Text);
        FileRange file = FileRange.Whole(path, DiaErrorKind.Input);
        return file.Length <= MaxBytes ? file.ReadAll(DiaErrorKind.Input)
            : throw new DiaException(DiaErrorKind.Input, $"{path} is longer than {MaxBytes >> 20} MiB: split it into manifests of their own.");
    }

    private static DataManifest OfFolder(string path)
    {
        var manifest = new DataManifest(path);
        var names = new SortedSet<string>(Files(path), StringComparer.Ordinal);
        foreach (string name in names)
        {
            string ending = Path.GetExtension(name).ToLowerInvariant();
            if (Endings.Contains(ending))
                manifest.Add(name, name, () => names.Contains(Path.ChangeExtension(name, ".txt")) ? ReadTranscript(Path.ChangeExtension(name, ".txt"))
                    : throw new DiaException(DiaErrorKind.Input, $"there is no {Path.ChangeExtension(Path.GetFileName(name), ".txt")} beside it that says what is said."));
            else if (ending == ".txt" && !Endings.Concat(Endings.Select(e => e.ToUpperInvariant())).Any(e => names.Contains(Path.ChangeExtension(name, e))))
                manifest.Reject(name, $"there is no recording of this name beside it ({string.Join(", ", Endings)}).");
        }

        return manifest;
    }

    /// <summary>
    /// All files under a folder, each real folder once, but what is hidden, and the folders of checkpoints, adapters and trainings, which hold samples that
    /// were spoken.
    /// </summary>
    private static IEnumerable<string> Files(string path)
    {
        var options = new EnumerationOptions { RecurseSubdirectories = true, MaxRecursionDepth = MaxDepth, IgnoreInaccessible = false };
        HashSet<string?> seen = [RealPaths.Of(path)];
        string[] others = [Weights.ModelFolder.ConfigName, Weights.LoraConfig.FileName, Trainer.StateFileName];
        try
        {
            return [.. new System.IO.Enumeration.FileSystemEnumerable<string>(path, (ref entry) => entry.ToSpecifiedFullPath(), options)
            {
                ShouldIncludePredicate = (ref entry) => !entry.IsDirectory,
                ShouldRecursePredicate = (ref entry) =>
                    entry.ToFullPath() is var folder && !others.Any(n => File.Exists(Path.Combine(folder, n))) && seen.Add(RealPaths.Of(folder)),
            }.Take(4 * MaxEntries)];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new DiaException(DiaErrorKind.Input, $"cannot read the folder {path}: {e.Message}", e);
        }
    }

    private static string ReadTranscript(string path)
    {
        FileRange file = FileRange.Whole(path, DiaErrorKind.Input);
        return file.Length <= MaxTranscriptBytes ? ScriptText.Decode(file.ReadAll(DiaErrorKind.Input), path)
            : throw new DiaException(DiaErrorKind.Input, $"{path} is longer than {MaxTranscriptBytes} bytes, more than any recording says.");
    }

    /// <summary>Adds an entry, or what is wrong with it.</summary>
    /// <param name="place">Where it is named.</param>
    /// <param name="audio">The recording, relative to the folder.</param>
    /// <param name="transcript">Reads what is said.</param>
    private void Add(string place, string audio, Func<string> transcript)
    {
        try
        {
            if (audio.Length == 0)
                throw new DiaException(DiaErrorKind.Input, "it names no recording.");
            string text = ScriptText.Prepare(transcript(), "the transcript", raw: false);
            bool tagged = ScriptText.StartsWithSpeaker(text);
            CheckCount();
            _entries.Add(new DataEntry(place, place == audio ? audio : Path.Combine(Folder, audio), tagged ? text : $"[S1] {text}"));
            Untagged += tagged ? 0 : 1;
        }
        catch (DiaException e) when (_entries.Count + _problems.Count < MaxEntries)
        {
            Reject(place, e.Message);
        }
    }

    private void Reject(string place, string message)
    {
        CheckCount();
        _problems.Add(new DataProblem(place, message));
    }

    private void CheckCount()
    {
        if (_entries.Count + _problems.Count == MaxEntries)
            throw new DiaException(DiaErrorKind.Input, $"{Folder}: there are more than {MaxEntries} recordings. Train with a part of them at a time.");
    }
}
