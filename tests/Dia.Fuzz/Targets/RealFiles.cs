using System.Runtime.InteropServices;
using System.Text;

namespace Dia.Fuzz.Targets;

/// <summary>The repository's files, from which inputs are made.</summary>
internal static class RealFiles
{
    /// <summary>Every file of a name pattern under a folder of the repository, in a fixed order.</summary>
    public static byte[][] All(string folder, string pattern) =>
        [.. Directory.EnumerateFiles(Repository.At(folder), pattern, SearchOption.AllDirectories).Order(StringComparer.Ordinal).Select(File.ReadAllBytes)];

    /// <summary>Configurations of models or of codecs: those whose text says they are.</summary>
    public static byte[][] Configurations(string modelType) =>
        [.. All("configs", "config.json").Concat(All("tests/fixtures", "config.json"))
            .Where(f => Encoding.UTF8.GetString(f).Contains($"\"model_type\": \"{modelType}\"", StringComparison.Ordinal))];

    /// <summary>The parts of a safetensors file that is one.</summary>
    public static (byte[] Json, byte[] Data) Parts(byte[] file)
    {
        int length = (int)BitConverter.ToInt64(file);
        return (file[8..(8 + length)], file[(8 + length)..]);
    }

    public static List<byte> ToList(ReadOnlySpan<byte> bytes)
    {
        var list = new List<byte>(bytes.Length + 256);
        CollectionsMarshal.SetCount(list, bytes.Length);
        bytes.CopyTo(CollectionsMarshal.AsSpan(list));
        return list;
    }
}
