using System.Buffers.Binary;
using Dia.IO;

namespace Dia.Weights;

/// <summary>A safetensors file, mapped: nothing is copied. The format: https://github.com/huggingface/safetensors#format.</summary>
public sealed unsafe class SafetensorsFile : MappedTensorFile
{
    /// <summary>Checks a mapped file.</summary>
    internal SafetensorsFile(MappedRange map, string description, DiaErrorKind kind)
        : base(map, description, kind)
    {
        long available = map.Length - 8;
        if (available < 0)
            throw Other(map) ?? Error($"is {map.Length} bytes long, too short for a safetensors file");
        var start = new ReadOnlySpan<byte>(map.Pointer, 8);
        ulong length = BinaryPrimitives.ReadUInt64LittleEndian(start);
        if (length > SafetensorsHeader.MaxLength)
            throw Other(map) ?? Error($"claims a header of {length} bytes, the limit is {SafetensorsHeader.MaxLength}: it is not a safetensors file");
        if (length > (ulong)available)
            throw Other(map) ?? Error($"claims a header of {length} bytes, but only {available} follow: the file is truncated");

        var header = SafetensorsHeader.Parse(new ReadOnlySpan<byte>(map.Pointer + 8, (int)length), available - (long)length, description, kind);
        Metadata = header.Metadata;
        foreach (var (entry, begin) in header.Tensors)
            Named.Add(entry.Name, new StoredTensor(this, entry, 8 + (long)length + begin));
    }

    /// <summary>The file's own key-value pairs.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>Opens and checks a file.</summary>
    /// <param name="path">A regular file.</param>
    /// <param name="kind">The kind of error a bad file is: Model for checkpoints, Input for what a user hands in.</param>
    /// <exception cref="DiaException">It cannot be opened, or is not a valid safetensors file.</exception>
    public static SafetensorsFile Open(string path, DiaErrorKind kind = DiaErrorKind.Model)
    {
        ArgumentNullException.ThrowIfNull(path);
        var map = new MappedRange(FileRange.Whole(path, kind), kind);
        try
        {
            return new SafetensorsFile(map, path, kind);
        }
        catch
        {
            map.Dispose();
            throw;
        }
    }

    /// <summary>The error of a file that is recognised as something else.</summary>
    private DiaException? Other(MappedRange map)
    {
        var head = new ReadOnlySpan<byte>(map.Pointer, (int)Math.Min(map.Length, FileContent.HeadBytes));
        ReadOnlySpan<FileContentKind> right = [FileContentKind.Tensors, FileContentKind.Voice, FileContentKind.Codes, FileContentKind.ForwardInputs];
        return Kind == DiaErrorKind.Model
            ? CheckpointAdvice.Other(head, Description, "tensors", right)
            : FileContent.Other(head, Description, "a safetensors file", Kind, right);
    }

    private DiaException Error(string what) => new(Kind, $"{Description} {what}. Fetch or write it again.");
}
