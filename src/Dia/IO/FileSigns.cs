using System.Text;

namespace Dia.IO;

/// <summary>Recognises by its first bytes what a file is that is not what it should be: the message then says what happened.</summary>
internal static class FileSigns
{
    /// <summary>How many bytes are enough.</summary>
    public const int Length = 128;

    private const string Fetch = "the download failed. Fetch it again.";
    private const string Convert = "Only safetensors files are read: take the checkpoint in that format, or save it so (in the reference library: from_pretrained, then save_pretrained).";

    /// <summary>What a file is that stands in a checkpoint, and what to do, to follow its name; null: not recognised.</summary>
    /// <param name="start">Its first bytes.</param>
    public static string? OfCheckpoint(ReadOnlySpan<byte> start) => OfDownload(start) ?? OfWeights(start);

    /// <summary>What a failed download left in a file's place; null: nothing of that kind.</summary>
    /// <param name="start">The file's first bytes.</param>
    public static string? OfDownload(ReadOnlySpan<byte> start)
    {
        if (start.IsEmpty)
            return $"is empty: {Fetch}";
        if (start.StartsWith("version https://git-lfs"u8))
            return "is a Git LFS pointer, not the file it stands for: run `git lfs pull` in its repository.";
        string text = Encoding.ASCII.GetString(start).TrimStart('\uFEFF', '?', ' ', '\t', '\r', '\n');
        return text.StartsWith("<!doctype", StringComparison.OrdinalIgnoreCase) || text.StartsWith("<html", StringComparison.OrdinalIgnoreCase) || text.StartsWith("<?xml", StringComparison.OrdinalIgnoreCase)
            ? $"is a web page, not the file it should be: {Fetch}"
            : null;
    }

    /// <summary>What other format weights are in; null: not recognised.</summary>
    /// <param name="start">The file's first bytes.</param>
    public static string? OfWeights(ReadOnlySpan<byte> start)
    {
        if (start.StartsWith("GGUF"u8))
            return $"is a GGUF file. {Convert}";
        if (start.StartsWith("PK\x03\x04"u8) || IsPickle(start))
            return $"is a PyTorch file (a zip or a pickle). {Convert}";
        if (start.Length > 3 && start[0] == 0x89 && start[1..].StartsWith("HDF"u8))
            return $"is an HDF5 file. {Convert}";
        return IsText(start) ? $"is text (\"{Shown(start.TrimStart(" \t\r\n"u8))}\"), not tensors: {Fetch}" : null;
    }

    /// <summary>The same by a name's ending, for files of which only the name is known; null: none of them.</summary>
    public static string? ByName(string name) => Path.GetExtension(name).ToLowerInvariant() switch
    {
        ".bin" or ".pth" or ".pt" or ".ckpt" => $"is a PyTorch file. {Convert}",
        ".gguf" or ".ggml" => $"is a GGUF file. {Convert}",
        ".onnx" => $"is an ONNX file. {Convert}",
        ".h5" or ".keras" => $"is an HDF5 file. {Convert}",
        ".msgpack" => $"is a Flax file. {Convert}",
        _ => null,
    };

    /// <summary>PROTO and a version; the first bytes of a safetensors file may be the same, but then zeros follow: its length is short.</summary>
    private static bool IsPickle(ReadOnlySpan<byte> start) =>
        start.Length >= 8 && start[0] == 0x80 && start[1] is >= 2 and <= 5 && start[4..8].ContainsAnyExcept((byte)0);

    /// <summary>Where a safetensors file has its length, which holds zeros.</summary>
    private static bool IsText(ReadOnlySpan<byte> start)
    {
        foreach (byte b in start[..Math.Min(start.Length, 8)])
            if (b is not ((>= (byte)' ' and <= (byte)'~') or (byte)'\t' or (byte)'\r' or (byte)'\n'))
                return false;
        return !start.IsEmpty;
    }

    /// <summary>The first line, not long.</summary>
    private static string Shown(ReadOnlySpan<byte> text)
    {
        int end = text.IndexOfAnyExceptInRange((byte)' ', (byte)'~');
        string line = Encoding.ASCII.GetString(end < 0 ? text : text[..end]).TrimEnd();
        return line.Length <= 60 ? line : line[..57] + "...";
    }
}
