using Dia.IO;

namespace Dia.Weights;

/// <summary>An array to store in a safetensors file; its element type (bool, byte, short, int, long, float, double) gives the dtype.</summary>
/// <param name="Name">The tensor's name.</param>
/// <param name="Shape">Its shape; its product is the array's length.</param>
/// <param name="Values">Its values, row-major.</param>
public sealed record SafetensorsArray(string Name, long[] Shape, Array Values);

/// <summary>
/// Writes a safetensors file, byte for byte as the reference library lays it out: the header first, then one tensor after the
/// other, in bounded memory. The same tensors give the same bytes.
/// </summary>
public sealed class SafetensorsWriter : IDisposable
{
    private readonly Stream _output;
    private readonly AtomicFile? _file;
    private int _current;
    private long _written;

    /// <summary>Writes the header to a stream, which stays open.</summary>
    /// <param name="output">Where the file goes.</param>
    /// <param name="entries">The tensors, in any order.</param>
    /// <param name="metadata">The file's own key-value pairs, if any.</param>
    /// <exception cref="ArgumentException">A name appears twice or is reserved.</exception>
    public SafetensorsWriter(Stream output, IEnumerable<SafetensorsEntry> entries, IReadOnlyDictionary<string, string>? metadata = null)
    {
        _output = output;
        var (header, tensors) = SafetensorsHeader.Lay(entries, metadata);
        Tensors = [.. tensors.Select(t => t.Entry)];
        _output.Write(header);
        SkipEmpty();
    }

    private SafetensorsWriter(AtomicFile file, IEnumerable<SafetensorsEntry> entries, IReadOnlyDictionary<string, string>? metadata)
        : this(file.Stream, entries, metadata) => _file = file;

    /// <summary>The tensors in the order in which their values must be written.</summary>
    public IReadOnlyList<SafetensorsEntry> Tensors { get; }

    /// <summary>Begins a file, which appears under its name once <see cref="Commit"/> is called.</summary>
    /// <param name="path">The file.</param>
    /// <param name="entries">The tensors, in any order.</param>
    /// <param name="metadata">The file's own key-value pairs, if any.</param>
    /// <exception cref="DiaException">It cannot be written (Output).</exception>
    /// <exception cref="ArgumentException">A name appears twice or is reserved.</exception>
    public static SafetensorsWriter Create(string path, IEnumerable<SafetensorsEntry> entries, IReadOnlyDictionary<string, string>? metadata = null)
    {
        var file = AtomicFile.Create(path);
        try
        {
            return new SafetensorsWriter(file, entries, metadata);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Writes arrays to a file.</summary>
    /// <exception cref="DiaException">It cannot be written (Output).</exception>
    /// <exception cref="ArgumentException">A shape does not fit its array, a name appears twice, or an element type has no dtype.</exception>
    public static void Save(string path, IReadOnlyList<SafetensorsArray> arrays, IReadOnlyDictionary<string, string>? metadata = null)
    {
        using var file = AtomicFile.Create(path);
        Save(file.Stream, arrays, metadata);
        file.Commit();
    }

    /// <summary>Writes arrays to a stream, which stays open.</summary>
    /// <exception cref="ArgumentException">A shape does not fit its array, a name appears twice, or an element type has no dtype.</exception>
    public static void Save(Stream output, IReadOnlyList<SafetensorsArray> arrays, IReadOnlyDictionary<string, string>? metadata = null)
    {
        var byName = arrays.ToDictionary(a => a.Name, StringComparer.Ordinal);
        var entries = arrays.Select(a => new SafetensorsEntry(a.Name, TypeOf(a), a.Shape)).ToList();
        foreach (var entry in entries)
        {
            if (entry.ByteLength != byName[entry.Name].Values.LongLength * SafetensorsTypes.Size(entry.DType))
                throw new ArgumentException($"the shape of {entry.Name} does not fit its array", nameof(arrays));
        }

        using var writer = new SafetensorsWriter(output, entries, metadata);
        foreach (var entry in writer.Tensors)
        {
            var values = byName[entry.Name].Values;
            ref byte first = ref MemoryMarshal.GetArrayDataReference(values);
            int size = SafetensorsTypes.Size(entry.DType);
            const int Step = 1 << 20;
            for (long i = 0; i < values.LongLength; i += Step)
            {
                int count = (int)Math.Min(Step, values.LongLength - i);
                writer.Write<byte>(entry.Name,
                    MemoryMarshal.CreateReadOnlySpan(ref System.Runtime.CompilerServices.Unsafe.AddByteOffset(ref first, (nint)(i * size)), count * size));
            }
        }

        writer.Commit();
    }

    /// <summary>Appends values to a tensor: whole tensors or parts of them, in the order of <see cref="Tensors"/>.</summary>
    /// <param name="name">The tensor that is due.</param>
    /// <param name="values">Its next values.</param>
    /// <exception cref="InvalidOperationException">Another tensor is due, or its values are more than its shape holds.</exception>
    /// <exception cref="DiaException">The file cannot be written (Output).</exception>
    public void Write<T>(string name, ReadOnlySpan<T> values)
        where T : unmanaged
    {
        if (values.IsEmpty)
            return;
        if (_current == Tensors.Count || Tensors[_current].Name != name)
            throw new InvalidOperationException($"{name} is not the tensor that is due");
        var bytes = MemoryMarshal.AsBytes(values);
        _written += bytes.Length;
        if (_written > Tensors[_current].ByteLength)
            throw new InvalidOperationException($"more values than {name} holds");
        _output.Write(bytes);
        if (_written == Tensors[_current].ByteLength)
        {
            _written = 0;
            _current++;
            SkipEmpty();
        }
    }

    /// <summary>Completes the file.</summary>
    /// <exception cref="InvalidOperationException">Values are missing.</exception>
    /// <exception cref="DiaException">The file cannot be written (Output).</exception>
    public void Commit()
    {
        if (_current != Tensors.Count)
            throw new InvalidOperationException($"values of {Tensors[_current].Name} are missing");
        _file?.Commit();
    }

    /// <summary>Drops the file unless <see cref="Commit"/> was called.</summary>
    public void Dispose() => _file?.Dispose();

    private void SkipEmpty()
    {
        while (_current < Tensors.Count && Tensors[_current].ByteLength == 0)
            _current++;
    }

    private static SafetensorsDType TypeOf(SafetensorsArray array) => array.Values switch
    {
        // By the exact type: the runtime would let an sbyte[] pass for a byte[].
        var v when v.GetType() == typeof(bool[]) => SafetensorsDType.BOOL,
        var v when v.GetType() == typeof(byte[]) => SafetensorsDType.U8,
        var v when v.GetType() == typeof(short[]) => SafetensorsDType.I16,
        var v when v.GetType() == typeof(int[]) => SafetensorsDType.I32,
        var v when v.GetType() == typeof(long[]) => SafetensorsDType.I64,
        var v when v.GetType() == typeof(float[]) => SafetensorsDType.F32,
        var v when v.GetType() == typeof(double[]) => SafetensorsDType.F64,
        _ => throw new ArgumentException($"{array.Name}: no dtype for {array.Values.GetType().Name}", nameof(array)),
    };
}
