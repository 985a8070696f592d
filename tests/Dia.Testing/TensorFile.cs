using System.Buffers.Binary;
using System.Text;
using System.Text.Json;

namespace Dia.Testing;

/// <summary>A plain reader and writer of safetensors files, independent of the library's own.</summary>
public sealed class TensorFile
{
    private readonly byte[] _bytes;
    private readonly Dictionary<string, (string Type, int[] Shape, int Start, int End)> _entries = [];

    private TensorFile(byte[] bytes)
    {
        _bytes = bytes;
        int header = (int)BinaryPrimitives.ReadInt64LittleEndian(bytes);
        using JsonDocument json = JsonDocument.Parse(bytes.AsMemory(8, header));
        foreach (JsonProperty entry in json.RootElement.EnumerateObject().Where(e => e.Name != "__metadata__"))
        {
            JsonElement offsets = entry.Value.GetProperty("data_offsets");
            _entries[entry.Name] = (
                entry.Value.GetProperty("dtype").GetString()!,
                [.. entry.Value.GetProperty("shape").EnumerateArray().Select(e => e.GetInt32())],
                8 + header + offsets[0].GetInt32(),
                8 + header + offsets[1].GetInt32());
        }
    }

    /// <summary>Names of all tensors, sorted.</summary>
    public IEnumerable<string> Names => _entries.Keys.Order(StringComparer.Ordinal);

    /// <summary>Reads a file.</summary>
    public static TensorFile Open(string path) => new(File.ReadAllBytes(path));

    /// <summary>Writes a file of float, long, int, short or byte arrays.</summary>
    public static void Write(string path, params (string Name, int[] Shape, Array Values)[] tensors)
    {
        var header = new Dictionary<string, string>();
        List<byte> data = [];
        foreach ((string name, int[] shape, Array values) in tensors)
        {
            string type = values switch
            {
                float[] => "F32",
                long[] => "I64",
                int[] => "I32",
                short[] => "I16",
                sbyte[] => "I8",
                byte[] => "U8",
                _ => throw new NotSupportedException(values.GetType().Name),
            };
            byte[] bytes = new byte[Buffer.ByteLength(values)];
            Buffer.BlockCopy(values, 0, bytes, 0, bytes.Length);
            header[name] = $$"""{"dtype":"{{type}}","shape":[{{string.Join(',', shape)}}],"data_offsets":[{{data.Count}},{{data.Count + bytes.Length}}]}""";
            data.AddRange(bytes);
        }

        File.WriteAllBytes(path, Bytes($"{{{string.Join(',', header.Select(t => $"\"{t.Key}\":{t.Value}"))}}}", [.. data]));
    }

    /// <summary>A file of its JSON and data, valid or not.</summary>
    public static byte[] Bytes(string json, ReadOnlySpan<byte> data) => Bytes(Encoding.UTF8.GetBytes(json), data);

    /// <summary>The same of JSON in bytes.</summary>
    public static byte[] Bytes(ReadOnlySpan<byte> json, ReadOnlySpan<byte> data) => [.. BitConverter.GetBytes((long)json.Length), .. json, .. data];

    /// <summary>Overwrites values of a bfloat16 tensor in its file, rounded to the nearest.</summary>
    public static void OverwriteBFloat16(string path, string name, int first, float[] values)
    {
        TensorFile file = Open(path);
        (string type, _, int start, _) = file._entries[name];
        if (type != "BF16")
            throw new NotSupportedException(type);
        for (int i = 0; i < values.Length; i++)
        {
            uint bits = BitConverter.SingleToUInt32Bits(values[i]);
            BinaryPrimitives.WriteUInt16LittleEndian(file._bytes.AsSpan(start + 2 * (first + i)), (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16));
        }

        File.WriteAllBytes(path, file._bytes);
    }

    /// <summary>Writes a file again with other tensors: their types, shapes and bytes by name.</summary>
    public static void Change(string path, Action<SortedDictionary<string, (string Type, int[] Shape, byte[] Data)>> change)
    {
        TensorFile file = Open(path);
        var tensors = new SortedDictionary<string, (string Type, int[] Shape, byte[] Data)>(StringComparer.Ordinal);
        foreach ((string name, (string type, int[] shape, int start, int end)) in file._entries)
            tensors.Add(name, (type, shape, file._bytes[start..end]));
        change(tensors);
        var header = new List<string>();
        int at = 0;
        foreach ((string name, (string type, int[] shape, byte[] data)) in tensors)
            header.Add($$"""
                "{{name}}":{"dtype":"{{type}}","shape":[{{string.Join(',', shape)}}],"data_offsets":[{{at}},{{at += data.Length}}]}
                """);
        File.WriteAllBytes(path, Bytes($"{{{string.Join(',', header)}}}", [.. tensors.Values.SelectMany(t => t.Data)]));
    }

    /// <summary>Whether there is a tensor of a name.</summary>
    public bool Contains(string name) => _entries.ContainsKey(name);

    /// <summary>A tensor's type, as the file says it.</summary>
    public string Type(string name) => _entries[name].Type;

    /// <summary>A tensor's shape.</summary>
    public int[] Shape(string name) => _entries[name].Shape;

    /// <summary>A tensor of floating-point numbers.</summary>
    public float[] Floats(string name) => Read(name, (type, b) => type switch
    {
        "F32" => BinaryPrimitives.ReadSingleLittleEndian(b),
        "F64" => (float)BinaryPrimitives.ReadDoubleLittleEndian(b),
        "BF16" => BitConverter.UInt32BitsToSingle((uint)BinaryPrimitives.ReadUInt16LittleEndian(b) << 16),
        "F16" => (float)BinaryPrimitives.ReadHalfLittleEndian(b),
        _ => throw new NotSupportedException(type),
    });

    /// <summary>A tensor of whole numbers.</summary>
    public int[] Ints(string name) => Read(name, (type, b) => type switch
    {
        "I64" => checked((int)BinaryPrimitives.ReadInt64LittleEndian(b)),
        "I32" => BinaryPrimitives.ReadInt32LittleEndian(b),
        "I16" => BinaryPrimitives.ReadInt16LittleEndian(b),
        "I8" => (sbyte)b[0],
        "U8" or "BOOL" => b[0],
        _ => throw new NotSupportedException(type),
    });

    /// <summary>An integer tensor of two dimensions.</summary>
    public int[,] Ints2(string name) => Shaped(name, new int[Shape(name)[0], Shape(name)[1]]);

    /// <summary>An integer tensor of three dimensions.</summary>
    public int[,,] Ints3(string name) => Shaped(name, new int[Shape(name)[0], Shape(name)[1], Shape(name)[2]]);

    private T Shaped<T>(string name, T result)
    {
        int[] values = Ints(name);
        Buffer.BlockCopy(values, 0, (Array)(object)result!, 0, values.Length * sizeof(int));
        return result;
    }

    private delegate T Reader<T>(string type, ReadOnlySpan<byte> bytes);

    private T[] Read<T>(string name, Reader<T> read)
    {
        (string type, int[] shape, int start, int end) = _entries[name];
        var result = new T[shape.Aggregate(1, (a, b) => a * b)];
        int size = result.Length == 0 ? 0 : (end - start) / result.Length;
        for (int i = 0; i < result.Length; i++)
            result[i] = read(type, _bytes.AsSpan(start + i * size, size));
        return result;
    }
}
