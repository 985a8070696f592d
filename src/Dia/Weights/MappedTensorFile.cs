using Dia.IO;

namespace Dia.Weights;

/// <summary>
/// A file of tensors, mapped into memory: nothing is read until it is touched. Safe for concurrent reading, and for being disposed meanwhile; but not
/// what reads through <see cref="StoredTensor.Data"/>, which is the caller's pointer.
/// </summary>
public abstract unsafe class MappedTensorFile : IDisposable
{
    private readonly MappedRange _map;

    private protected MappedTensorFile(MappedRange map, string description, DiaErrorKind kind) => (_map, Description, Kind) = (map, description, kind);

    /// <summary>The tensors by name.</summary>
    public IReadOnlyDictionary<string, StoredTensor> Tensors => Named;

    /// <summary>The file as messages name it.</summary>
    internal string Description { get; }

    /// <summary>The kind of this file's errors.</summary>
    internal DiaErrorKind Kind { get; }

    private protected Dictionary<string, StoredTensor> Named { get; } = new(StringComparer.Ordinal);

    /// <summary>The tensor called <paramref name="name"/>.</summary>
    /// <exception cref="DiaException">There is none.</exception>
    public StoredTensor this[string name] => Named.TryGetValue(name, out var tensor)
        ? tensor
        : throw new DiaException(Kind,
            $"{Description} holds no tensor {name}; it holds: {TextList.Shorten(Named.Keys.Order(StringComparer.Ordinal).Select(SafetensorsHeader.Show))}.");

    /// <summary>Unmaps the file: every <see cref="StoredTensor.Data"/> is invalid from here on.</summary>
    public void Dispose() => _map.Dispose();

    /// <summary>Opens part of a file, of the kind that its first bytes say it is.</summary>
    /// <exception cref="DiaException">It cannot be opened, or is no valid file of tensors.</exception>
    internal static MappedTensorFile Open(FileRange range, string description, DiaErrorKind kind)
    {
        var map = new MappedRange(range, kind);
        try
        {
            var head = new ReadOnlySpan<byte>(map.Pointer, (int)Math.Min(map.Length, FileContent.HeadBytes));
            bool isPyTorch = PyTorchFile.IsOne(head) || ModelFolder.IsPyTorch(description);
            return isPyTorch ? new PyTorchFile(map, description, kind) : new SafetensorsFile(map, description, kind);
        }
        catch
        {
            map.Dispose();
            throw;
        }
    }

    /// <summary>Compares the file's values with its own checks of them, where its format has any.</summary>
    /// <exception cref="DiaException">They are others.</exception>
    public virtual void CheckValues()
    {
    }

    /// <summary>Keeps the file mapped while it is read.</summary>
    internal MappedRange.Lease Hold() => _map.Hold();

    /// <summary>Reads bytes without touching the mapping.</summary>
    /// <exception cref="DiaException">The file cannot be read, or became shorter.</exception>
    internal void Read(long offset, Span<byte> into) => _map.Read(offset, into);

    /// <summary>The address of a byte of the file.</summary>
    internal byte* At(long offset) => _map.Pointer + offset;
}
