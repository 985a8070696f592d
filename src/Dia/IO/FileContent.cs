using System.Buffers.Binary;

namespace Dia.IO;

/// <summary>Kinds of files that people mix up.</summary>
public enum FileContentKind
{
    /// <summary>Nothing.</summary>
    Empty,

    /// <summary>Text in UTF-8, JSON too.</summary>
    Text,

    /// <summary>A web page: a text, and what is often there where a download failed.</summary>
    Page,

    /// <summary>A recording that is read here; <see cref="FileContent.Format"/> says of which format.</summary>
    Recording,

    /// <summary>A voice file.</summary>
    Voice,

    /// <summary>Audio codes.</summary>
    Codes,

    /// <summary>Inputs of a forward pass.</summary>
    ForwardInputs,

    /// <summary>Other tensors: weights.</summary>
    Tensors,

    /// <summary>Something that no part of this program reads.</summary>
    Foreign,
}

/// <summary>Formats of recordings that are read.</summary>
internal enum RecordingFormat
{
    /// <summary>WAV in any of its containers.</summary>
    Wav,

    /// <summary>FLAC.</summary>
    Flac,

    /// <summary>MPEG audio, layer III.</summary>
    Mp3,

    /// <summary>Ogg with Opus or Vorbis in it.</summary>
    Ogg,

    /// <summary>A tag (ID3v2, APE) in front of one of the others, mostly MP3.</summary>
    Tagged,
}

/// <summary>
/// What a file is, told from its first bytes: said before its contents are complained of, with the option or command that takes it.
/// </summary>
/// <param name="Kind">Its kind.</param>
/// <param name="What">What messages call it, with its article.</param>
/// <param name="Advice">What to do with it: whole sentences.</param>
public sealed record FileContent(FileContentKind Kind, string What, string Advice)
{
    /// <summary>Bytes that are looked at.</summary>
    public const int HeadBytes = 4096;

    /// <summary>The recordings that are read, as what is wanted.</summary>
    internal const string Recordings = "a WAV, FLAC, MP3, Opus or Vorbis";

    /// <summary>What to do with weights in another format.</summary>
    internal const string Convert =
        "Only safetensors and PyTorch files are read: take the checkpoint in such a format, or save it so (in the reference library: from_pretrained, then save_pretrained).";

    // Far more than any header of a checkpoint.
    private const ulong MaxTensorHeader = 1 << 30;

    private const string Pictures = "Pictures are drawn here (--plot FILE.png), not read.";

    // How a file begins, its bytes as Latin-1, and where a container says it, of what type it is.
    private static readonly (string Start, string Type, string What)[] Sounds =
    [
        ("FORM", "AIF", "an AIFF"),
        ("RIFF", "AVI ", "a video (AVI)"),
        ("RIFX", "", "a WAV of big-endian numbers (RIFX)"),
        ("\u001A\u0045\u00DF\u00A3", "", "a Matroska or WebM file (video or sound)"),
        ("\u0030\u0026\u00B2\u0075\u008E\u0066\u00CF\u0011", "", "a WMA or WMV"),
        (".snd", "", "an AU file"),
        ("caff", "", "a CAF"),
        ("#!AMR", "", "an AMR file"),
    ];

    private static readonly (string Start, string Type, string What, string Advice)[] Others =
    [
        ("\u0089PNG", "", "a picture", Pictures),
        ("\u00FF\u00D8\u00FF", "", "a picture", Pictures),
        ("GIF8", "", "a picture", Pictures),
        ("RIFF", "WEBP", "a picture", Pictures),
        ("PK\u0003\u0004", "", "a ZIP archive or a PyTorch file", "Unpack an archive. A model's weights are named with --model FILE, or by their folder."),
        ("GGUF", "", "a GGUF file", Convert),
        ("\u0089HDF", "", "an HDF5 file", Convert),
        ("\u001F\u008B", "", "a file packed by gzip", "Unpack it first: gunzip."),
        ("%PDF-", "", "a PDF", "Make text of it first, for example with: pdftotext IN OUT.txt"),
        ("\u007FELF", "", "a program", "One with a model inside is named with --model FILE."),
    ];

    /// <summary>Of which format a recording is.</summary>
    internal RecordingFormat Format { get; private init; }

    /// <summary>Refuses a file that is recognised as another than the one wanted; one that is not recognised is left to its reader.</summary>
    /// <param name="path">The file. Devices and FIFOs are not looked at.</param>
    /// <param name="wanted">What is wanted, with its article.</param>
    /// <param name="error">The kind of error.</param>
    /// <param name="accepted">Kinds that are right, or that the reader has a better message for.</param>
    /// <exception cref="DiaException">It is a folder, empty, or of another kind.</exception>
    public static void Refuse(string path, string wanted, DiaErrorKind error, params ReadOnlySpan<FileContentKind> accepted)
    {
        RefuseFolder(path, wanted, error);
        if (FileKinds.Of(path) != FileKind.Regular)
            return;
        byte[] head;
        try
        {
            FileRange whole = FileRange.Whole(path, error);
            head = (whole with { Length = Math.Min(whole.Length, HeadBytes) }).ReadAll(error);
        }
        catch (DiaException)
        {
            return; // Its reader says why.
        }

        Refuse(head, path, wanted, error, accepted);
    }

    /// <summary>The same with the first bytes of a file; fewer than <see cref="HeadBytes"/>: all of it.</summary>
    /// <exception cref="DiaException">They are empty, or of another kind.</exception>
    public static void Refuse(ReadOnlySpan<byte> head, string name, string wanted, DiaErrorKind error, params ReadOnlySpan<FileContentKind> accepted)
    {
        if (Other(head, name, wanted, error, accepted) is { } other)
            throw other;
    }

    /// <summary>
    /// The error that <see cref="Refuse(ReadOnlySpan{byte}, string, string, DiaErrorKind, ReadOnlySpan{FileContentKind})"/> throws; null: there is none.
    /// </summary>
    internal static DiaException? Other(ReadOnlySpan<byte> head, string name, string wanted, DiaErrorKind error, params ReadOnlySpan<FileContentKind> accepted)
    {
        if (Recognise(head, name) is not { } found || accepted.Contains(found.Kind))
            return null;
        return new DiaException(error, found.Kind == FileContentKind.Empty
            ? $"{name} is empty (0 bytes long): {wanted} is needed."
            : $"{name} is {found.What}, not {wanted}. {found.Advice}");
    }

    /// <summary>Refuses a folder where a file is wanted.</summary>
    /// <exception cref="DiaException">It is a folder.</exception>
    public static void RefuseFolder(string path, string wanted, DiaErrorKind error)
    {
        if (!Directory.Exists(path))
            return;
        bool isModel = File.Exists(Path.Combine(path, "config.json"));
        throw new DiaException(error,
            $"{path} is a folder, not {wanted}. {(isModel ? "A model's folder is named with --model, a codec's with --codec." : "Name a file in it.")}");
    }

    /// <summary>What the first bytes of a file say it is; null: not known.</summary>
    /// <param name="head">The first bytes; fewer than <see cref="HeadBytes"/>: all of it.</param>
    /// <param name="name">The file's name, for the advice.</param>
    public static FileContent? Recognise(ReadOnlySpan<byte> head, string name)
    {
        if (head.Length > HeadBytes)
            head = head[..HeadBytes];
        if (head.IsEmpty)
            return new FileContent(FileContentKind.Empty, "empty", "");
        if (head.StartsWith("version https://git-lfs"u8))
            return Foreign("a Git LFS pointer", "Fetch the file it stands for: run `git lfs pull` in its repository.");
        if (IsPage(head))
            return new FileContent(FileContentKind.Page, "a web page", "Where a download should be, that failed: fetch it again.");
        if (IsText(head))
            return OnlyStart(head) ?? Text(head);
        return Tensors(head) ?? Recording(head) ?? Sound(head, name) ?? Other(head);
    }

    private static FileContent Foreign(string what, string advice) => new(FileContentKind.Foreign, what, advice);

    /// <summary>UTF-8 without a NUL, which every binary format has in its first bytes or is no UTF-8; the last character may be cut.</summary>
    private static bool IsText(ReadOnlySpan<byte> head)
    {
        if (head.Contains((byte)0))
            return false;
        while (Rune.DecodeFromUtf8(head, out _, out int used) is var status && status != System.Buffers.OperationStatus.NeedMoreData)
        {
            if (status != System.Buffers.OperationStatus.Done)
                return false;
            head = head[used..];
        }

        return head.Length < 4;
    }

    /// <summary>In any encoding that has ASCII's bytes.</summary>
    private static bool IsPage(ReadOnlySpan<byte> head)
    {
        ReadOnlySpan<byte> text = TrimStart(head);
        return StartsWith(text, "<!doctype"u8) || StartsWith(text, "<html"u8) || StartsWith(text, "<?xml"u8);

        static bool StartsWith(ReadOnlySpan<byte> text, ReadOnlySpan<byte> start) =>
            text.Length >= start.Length && Ascii.EqualsIgnoreCase(text[..start.Length], start);
    }

    /// <summary>A text without a byte order mark and white space in front.</summary>
    private static ReadOnlySpan<byte> TrimStart(ReadOnlySpan<byte> text) => (text.StartsWith("\uFEFF"u8) ? text[3..] : text).TrimStart(" \t\r\n"u8);

    private static FileContent Text(ReadOnlySpan<byte> head)
    {
        return TrimStart(head).StartsWith("{"u8)
            ? new FileContent(FileContentKind.Text, "JSON",
                "Lines that ask for speech go to --jsonl -f FILE; a model's config.json is found by its folder, --model DIR.")
            : new FileContent(FileContentKind.Text, "text", "A text to speak is named with -f FILE.");
    }

    private static FileContent? Tensors(ReadOnlySpan<byte> head)
    {
        if (head.Length < 10 || head[8] != '{' || BinaryPrimitives.ReadUInt64LittleEndian(head) is not (>= 2 and <= MaxTensorHeader))
            return null;
        ReadOnlySpan<byte> json = head[8..];
        if (json.IndexOf("dia-voice-"u8) >= 0)
            return new FileContent(FileContentKind.Voice, "a voice file", "--voice FILE speaks in it.");
        if (json.IndexOf("\"input_ids\""u8) >= 0 || json.IndexOf("\"in.input_ids\""u8) >= 0)
            return new FileContent(FileContentKind.ForwardInputs, "inputs of a forward pass", "`dia forward` takes them.");
        return json.IndexOf("\"codes\""u8) >= 0
            ? new FileContent(FileContentKind.Codes, "a file of audio codes",
                "--prompt-codes FILE goes on in the voice of codes, and `dia decode` makes a WAV of them.")
            : new FileContent(FileContentKind.Tensors, "a file of other tensors (safetensors)",
                "If they are a model's weights, name its folder with --model DIR.");
    }

    private static FileContent? Recording(ReadOnlySpan<byte> head)
    {
        if (FormatOf(head) is not { } format || (format == RecordingFormat.Ogg && OggName(head) is not ("Opus" or "Vorbis")))
            return null;
        string name = format switch
        {
            RecordingFormat.Wav => "WAV",
            RecordingFormat.Flac => "FLAC",
            RecordingFormat.Ogg => $"{OggName(head)} in Ogg",
            _ => "MP3",
        };
        return new FileContent(FileContentKind.Recording, $"a recording ({name})",
            "Speak in its voice with --clone FILE --clone-text TEXT; `dia voice` makes a voice file of it, `dia encode` audio codes.") { Format = format };
    }

    /// <summary>What is left of a recording where nothing is there but the letters that it begins with: no text, whatever they spell.</summary>
    private static FileContent? OnlyStart(ReadOnlySpan<byte> whole)
    {
        string? name = whole.SequenceEqual("fLaC"u8) ? "FLAC" : whole.SequenceEqual("OggS"u8) ? "Ogg" : whole.SequenceEqual("RIFF"u8) ? "WAV" : null;
        return name is null ? null : Foreign($"the first {whole.Length} bytes of a recording ({name}) that was cut off", "Fetch or write it again.");
    }

    /// <summary>The format that the first bytes of a recording say; null: none that is read.</summary>
    internal static RecordingFormat? FormatOf(ReadOnlySpan<byte> head)
    {
        bool isWave = head.Length >= 12 && head[8..12].SequenceEqual("WAVE"u8)
            && (head.StartsWith("RIFF"u8) || head.StartsWith("RF64"u8) || head.StartsWith("BW64"u8));
        if (isWave || head.StartsWith((ReadOnlySpan<byte>)[(byte)'r', (byte)'i', (byte)'f', (byte)'f', 0x2E, 0x91, 0xCF, 0x11]))
            return RecordingFormat.Wav;
        if (head.StartsWith("ID3"u8) || head.StartsWith("APETAGEX"u8))
            return RecordingFormat.Tagged;
        if (head.StartsWith("OggS"u8))
            return RecordingFormat.Ogg;
        if (head.StartsWith("fLaC"u8))
            return RecordingFormat.Flac;
        // Layer III, of a bit rate and a sampling rate that there are.
        return head.Length >= 4 && head[0] == 0xFF && (head[1] & 0xE6) == 0xE2 && (head[2] & 0xF0) != 0xF0 && (head[2] & 0x0C) != 0x0C
            ? RecordingFormat.Mp3 : null;
    }

    /// <summary>What the first page of an Ogg says of what is in it; of several streams the first that is read.</summary>
    private static string? OggName(ReadOnlySpan<byte> head) =>
        head.IndexOf("OpusHead"u8) >= 0 ? "Opus" : head.IndexOf("\u0001vorbis"u8) >= 0 ? "Vorbis"
        : head.IndexOf("Speex   "u8) >= 0 ? "Speex" : head.IndexOf("\u007FFLAC"u8) >= 0 ? "FLAC" : null;

    private static FileContent? Sound(ReadOnlySpan<byte> head, string name)
    {
        string? what = SoundName(head);
        return what is null
            ? null : Foreign(what, string.Create(CultureInfo.InvariantCulture, $"Convert it: ffmpeg -i {Quoted(name)} -ac 1 OUT.wav"));
    }

    private static string? SoundName(ReadOnlySpan<byte> head)
    {
        if (head.Length >= 4 && head[0] == 0xFF && (head[1] & 0xF6) == 0xF4)
            return "an MP2 (MPEG audio of layer II)";
        if (head.Length >= 4 && head[0] == 0xFF && (head[1] & 0xF6) == 0xF0)
            return "an AAC file";
        if (head.Length >= 12 && head[4..8].SequenceEqual("ftyp"u8))
            return head[8..].StartsWith("M4A"u8) || head[8..].StartsWith("M4B"u8) ? "an M4A" : "an MP4 (video or sound)";
        if (head.StartsWith("OggS"u8))
            return $"an Ogg file{(OggName(head) is { } inside ? $" of {inside}" : " without Opus or Vorbis in it")}";
        string start = Start(head);
        return Sounds.FirstOrDefault(s => Begins(start, s.Start, s.Type)).What;
    }

    private static FileContent? Other(ReadOnlySpan<byte> head)
    {
        if (OtherEncoding(head) is { } encoding)
            return Foreign($"text in {encoding}", $"Text is read in UTF-8; convert it: iconv -f {encoding} -t UTF-8 IN > OUT");
        if (IsPickle(head))
            return Foreign("a PyTorch file (a pickle)", Convert);
        string start = Start(head);
        return Others.FirstOrDefault(o => Begins(start, o.Start, o.Type)) is { What: { } what, Advice: var advice } ? Foreign(what, advice) : null;
    }

    private static string Start(ReadOnlySpan<byte> head) => Encoding.Latin1.GetString(head[..Math.Min(head.Length, 12)]);

    private static bool Begins(string file, string start, string type) =>
        file.StartsWith(start, StringComparison.Ordinal) && (type.Length == 0 || (file.Length == 12 && file[8..].StartsWith(type, StringComparison.Ordinal)));

    /// <summary>PROTO and a version; the first bytes of a safetensors file may be the same, but then zeros follow: its length is short.</summary>
    internal static bool IsPickle(ReadOnlySpan<byte> head) =>
        head.Length >= 8 && head[0] == 0x80 && head[1] is >= 2 and <= 5 && head[4..8].ContainsAnyExcept((byte)0);

    /// <summary>The encoding of text that is not UTF-8, by its byte order mark or by the zeros that every other byte is; null: there is no such sign.</summary>
    internal static string? OtherEncoding(ReadOnlySpan<byte> head)
    {
        if (head.StartsWith((ReadOnlySpan<byte>)[0xFF, 0xFE, 0, 0]) || head.StartsWith((ReadOnlySpan<byte>)[0, 0, 0xFE, 0xFF]))
            return "UTF-32";
        if (head.StartsWith((ReadOnlySpan<byte>)[0xFF, 0xFE]) || head.StartsWith((ReadOnlySpan<byte>)[0xFE, 0xFF]))
            return "UTF-16";
        return IsEveryOther(head, 1) ? "UTF-16LE" : IsEveryOther(head, 0) ? "UTF-16BE" : null;
    }

    /// <summary>Whether of the first bytes every other is zero, and only these: Latin text in UTF-16.</summary>
    private static bool IsEveryOther(ReadOnlySpan<byte> head, int first)
    {
        const int fewest = 8, most = 64;
        int count = Math.Min(head.Length, most) & ~1;
        for (int i = 0; i < count; i++)
            if (head[i] == 0 != (i % 2 == first))
                return false;
        return count >= fewest;
    }

    /// <summary>A file's name as a shell reads it.</summary>
    public static string Quoted(string name) =>
        name == "standard input" ? "IN" : name.All(c => char.IsAsciiLetterOrDigit(c) || c is '/' or '.' or '_' or '-' or '+')
            ? name : $"'{name.Replace("'", "'\\''", StringComparison.Ordinal)}'";
}
