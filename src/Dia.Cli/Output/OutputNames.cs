using Dia.Cli.Options;

namespace Dia.Cli.Output;

/// <summary>What a file is written with.</summary>
internal enum OutputContent
{
    /// <summary>Sound: WAV, FLAC or Opus.</summary>
    Audio,

    /// <summary>A PNG.</summary>
    Picture,

    /// <summary>Audio codes: safetensors.</summary>
    Codes,

    /// <summary>A voice: safetensors too.</summary>
    Voice,

    /// <summary>Other safetensors.</summary>
    Tensors,
}

/// <summary>Refuses names that promise another format than the one that is written: whoever opens speech.mp3 expects an MP3.</summary>
internal static class OutputNames
{
    // What is written of sound.
    private static readonly string[] Written = ["wav", "wave", "flac", "opus"];

    private static readonly string[] Sounds =
    [
        "mp3", "mp2", "ogg", "oga", "spx", "m4a", "m4b", "aac", "wma", "aif", "aiff", "aifc", "au", "snd", "caf", "amr", "ac3", "ape",
            "wv", "tta",
        "w64", "rf64", "bw64", "mp4", "m4v", "mov", "mkv", "mka", "webm", "avi", "wmv", "mpg", "mpeg", "3gp",
    ];

    // What samples without a header are called.
    private static readonly string[] Headerless = ["raw", "pcm", "s16", "s16le"];

    private static readonly string[] Pictures = ["jpg", "jpeg", "gif", "webp", "bmp", "tif", "tiff", "svg", "pdf", "eps", "avif", "heic"];

    private static readonly string[] OtherTensors = ["npy", "npz", "pt", "pth", "bin", "gguf"];

    private static readonly string[] TensorFiles = ["safetensors", "voice"];

    /// <summary>Refuses a name. Devices, FIFOs and descriptors may be called anything, and so may other files with other endings.</summary>
    /// <param name="source">The option or key that names it.</param>
    /// <param name="name">The name as it was given.</param>
    /// <param name="content">What is written.</param>
    /// <param name="command">The command, for the advice.</param>
    /// <param name="path">Where it leads, if that is not the name.</param>
    /// <exception cref="DiaException">Usage.</exception>
    public static void Check(string source, string name, OutputContent content, string command, string? path = null)
    {
        path ??= name;
        if (name == "-" || !(IsOther(name, content) || IsOther(Target(path), content)) || AtomicFile.IsWrittenInPlace(path))
            return;
        string stem = Path.GetFileNameWithoutExtension(name);
        throw CommandLine.Usage($"{source} is '{name}'{(IsOther(name, content) ? "" : $", a link to '{Target(path)}'")}, but " + content switch
        {
            OutputContent.Audio =>
                $"audio is written as WAV, FLAC or Opus: {stem}.wav, {stem}.flac or {stem}.opus (or --raw). For another format pipe it: {command} ... | ffmpeg -i - {Path.GetFileName(name)}",
            OutputContent.Picture =>
                $"pictures are written as PNG: {stem}.png. Convert it afterwards, for example with: ffmpeg -i {stem}.png {Path.GetFileName(name)}",
            OutputContent.Codes => $"audio codes are written as safetensors: {stem}.safetensors. `dia decode` makes a WAV of them.",
            OutputContent.Tensors => $"tensors are written as safetensors: {stem}.safetensors.",
            _ => $"a voice is no sound: {stem}.voice (it is a safetensors file, for --voice).",
        });
    }

    /// <summary>
    /// What is to be said of samples under a name of files with a header, or of the opposite: whoever asks for it gets it, and whoever opens it should know.
    /// Null: nothing.
    /// </summary>
    /// <param name="source">The option or key that names it.</param>
    /// <param name="name">The name.</param>
    /// <param name="raw">Whether samples alone are written.</param>
    public static string? Doubt(string source, string name, bool raw)
    {
        string ending = Path.GetExtension(name).TrimStart('.').ToLowerInvariant();
        if (name == "-" || !(raw ? Sounds.Concat(Written) : Headerless).Contains(ending) || AtomicFile.IsWrittenInPlace(name))
            return null;
        return raw
            ? $"{source} ends in .{ending}, and {DiaOptions.Raw.Name} writes samples without a header, which no program opens under such a name. Name it .raw, or leave out {DiaOptions.Raw.Name}."
            : $"{source} ends in .{ending}, and sound with a header is written. Name it .wav, or write samples alone with {DiaOptions.Raw.Name}.";
    }

    /// <summary>Refuses an output that is a file which is read: it would take the place of what it is made of.</summary>
    /// <param name="outputs">What names each output, and its path; null, "-": there is none.</param>
    /// <param name="inputs">The same of what is read.</param>
    /// <exception cref="DiaException">Usage.</exception>
    public static void KeepInputs(IEnumerable<(string Source, string? Path)> outputs, IReadOnlyList<(string Source, string? Path)> inputs)
    {
        foreach ((string source, string? path) in outputs)
        {
            if (path is null or "-" || AtomicFile.IsWrittenInPlace(path))
                continue;
            string target = Target(path);
            if (inputs.FirstOrDefault(i => i.Path is not (null or "-") && Target(i.Path) == target).Source is { } read)
                throw CommandLine.Usage($"{source} is '{path}', and so is {read}: what is read would be replaced. Name another file.");
        }
    }

    private static bool IsOther(string name, OutputContent content)
    {
        string ending = Path.GetExtension(name).TrimStart('.').ToLowerInvariant();
        return Sounds.Contains(ending) || Pictures.Contains(ending)
            || (content is OutputContent.Codes or OutputContent.Voice or OutputContent.Tensors && OtherTensors.Contains(ending))
            || (content != OutputContent.Audio && Written.Contains(ending))
            || (content != OutputContent.Picture && ending == "png")
            || (content is OutputContent.Audio or OutputContent.Picture && TensorFiles.Contains(ending));
    }

    /// <summary>The file's own name where the path is a link.</summary>
    internal static string Target(string path)
    {
        try
        {
            return AtomicFile.Target(path);
        }
        catch (IOException)
        {
            return path; // Whoever opens it says why.
        }
    }
}
