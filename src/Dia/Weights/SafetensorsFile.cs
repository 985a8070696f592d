using System.Buffers.Binary;
using Dia.IO;

namespace Dia.Weights;

/// <summary>
/// A safetensors file, mapped into memory: nothing is read until it is touched, nothing is copied. The format:
/// https://github.com/huggingface/safetensors#format. Safe for concurrent reading, and for being disposed meanwhile; but not what reads through
/// <see cref="SafetensorsTensor.Data"/>, which is the caller's pointer.
/// </summary>
public sealed unsafe class SafetensorsFile : IDisposable
{
    private readonly MappedRange _map;
    private readonly Dictionary<string, SafetensorsTensor> _tensors = new(StringComparer.Ordinal);

    private SafetensorsFile(MappedRange map, string description, DiaErrorKind kind)
    {
        _map = map;
        Description = description;
        Kind = kind;

        long available = map.Length - 8;
        if (available < 0)
            throw Other() ?? Error($"is {map.Length} bytes long, too short for a safetensors file");
        var start = new ReadOnlySpan<byte>(map.Pointer, 8);
        ulong length = BinaryPrimitives.ReadUInt64LittleEndian(start);
        if (length > SafetensorsHeader.MaxLength)
            throw Other() ?? Error($"claims a header of {length} bytes, the limit is {SafetensorsHeader.MaxLength}: it is not a safetensors file");
        if (length > (ulong)available)
            throw Other() ?? Error($"claims a header of {length} bytes, but only {available} follow: the file is truncated");

        var header = SafetensorsHeader.Parse(new ReadOnlySpan<byte>(map.Pointer + 8, (int)length), available - (long)length, description, kind);
        Metadata = header.Metadata;
        foreach (var (entry, begin) in header.Tensors)
            _tensors.Add(entry.Name, new SafetensorsTensor(this, entry, 8 + (long)length + begin));
    }

    /// <summary>The tensors by name.</summary>
    public IReadOnlyDictionary<string, SafetensorsTensor> Tensors => _tensors;

    /// <summary>The file's own key-value pairs.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>The file as messages name it.</summary>
    internal string Description { get; }

    /// <summary>The kind of this file's errors.</summary>
    internal DiaErrorKind Kind { get; }

    /// <summary>Opens and checks a file.</summary>
    /// <param name="path">A regular file.</param>
    /// <param name="kind">The kind of error a bad file is: Model for checkpoints, Input for what a user hands in.</param>
    /// <exception cref="DiaException">It cannot be opened, or is not a valid safetensors file.</exception>
    public static SafetensorsFile Open(string path, DiaErrorKind kind = DiaErrorKind.Model)
    {
        ArgumentNullException.ThrowIfNull(path);
        return Open(FileRange.Whole(path, kind), path, kind);
    }

    /// <summary>Opens and checks part of a file.</summary>
    internal static SafetensorsFile Open(FileRange range, string description, DiaErrorKind kind)
    {
        var map = new MappedRange(range, kind);
        try
        {
            return new SafetensorsFile(map, description, kind);
        }
        catch
        {
            map.Dispose();
            throw;
        }
    }

    /// <summary>The tensor called <paramref name="name"/>.</summary>
    /// <exception cref="DiaException">There is none.</exception>
    public SafetensorsTensor this[string name] => _tensors.TryGetValue(name, out var tensor)
        ? tensor
        : throw new DiaException(Kind,
            $"{Description} holds no tensor {name}; it holds: {TextList.Shorten(_tensors.Keys.Order(StringComparer.Ordinal).Select(SafetensorsHeader.Show))}.");

    /// <summary>Unmaps the file: every <see cref="SafetensorsTensor.Data"/> is invalid from here on.</summary>
    public void Dispose() => _map.Dispose();

    /// <summary>Keeps the file mapped while it is read.</summary>
    internal MappedRange.Lease Hold() => _map.Hold();

    /// <summary>Reads bytes without touching the mapping.</summary>
    /// <exception cref="DiaException">The file cannot be read, or became shorter.</exception>
    internal void Read(long offset, Span<byte> into) => _map.Read(offset, into);

    /// <summary>The address of a byte of the file.</summary>
    internal byte* At(long offset) => _map.Pointer + offset;

    /// <summary>The error of a file that is recognised as something else.</summary>
    private DiaException? Other()
    {
        var head = new ReadOnlySpan<byte>(_map.Pointer, (int)Math.Min(_map.Length, FileContent.HeadBytes));
        ReadOnlySpan<FileContentKind> right = [FileContentKind.Tensors, FileContentKind.Voice, FileContentKind.Codes, FileContentKind.ForwardInputs];
        return Kind == DiaErrorKind.Model
            ? CheckpointAdvice.Other(head, Description, "tensors", right)
            : FileContent.Other(head, Description, "a safetensors file", Kind, right);
    }

    private DiaException Error(string what) => new(Kind, $"{Description} {what}. Fetch or write it again.");
}
