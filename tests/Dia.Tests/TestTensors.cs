using System.Buffers.Binary;
using System.Text.Json;

namespace Dia.Tests;

/// <summary>A plain reader of the fixtures' safetensors files, independent of the library's own.</summary>
internal sealed class TestTensors
{
    private readonly byte[] _bytes;
    private readonly Dictionary<string, (string Type, int[] Shape, int Start, int End)> _entries = [];

    private TestTensors(byte[] bytes)
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

    public IEnumerable<string> Names => _entries.Keys;

    /// <summary>Reads tests/fixtures/PARTS.</summary>
    public static TestTensors Load(params string[] parts) => new(File.ReadAllBytes(FixturePath(parts)));

    /// <summary>Reads tests/fixtures/PARTS as JSON.</summary>
    public static JsonElement Json(params string[] parts) => JsonElement.Parse(File.ReadAllBytes(FixturePath(parts)));

    public static string FixturePath(params string[] parts)
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "Dia.Aot.sln")))
            folder = Path.GetDirectoryName(folder);
        return Path.Combine([folder ?? throw new InvalidOperationException("not inside the repository"), "tests", "fixtures", .. parts]);
    }

    public bool Contains(string name) => _entries.ContainsKey(name);

    public int[] Shape(string name) => _entries[name].Shape;

    public float[] Floats(string name) => Read(name, (type, b) => type switch
    {
        "F32" => BinaryPrimitives.ReadSingleLittleEndian(b),
        "F64" => (float)BinaryPrimitives.ReadDoubleLittleEndian(b),
        _ => throw new NotSupportedException(type),
    });

    public int[] Ints(string name) => Read(name, (type, b) => type switch
    {
        "I64" => checked((int)BinaryPrimitives.ReadInt64LittleEndian(b)),
        "I32" => BinaryPrimitives.ReadInt32LittleEndian(b),
        "I16" => BinaryPrimitives.ReadInt16LittleEndian(b),
        "U8" or "BOOL" => b[0],
        _ => throw new NotSupportedException(type),
    });

    /// <summary>An integer tensor of two dimensions.</summary>
    public int[,] Ints2(string name)
    {
        int[] shape = Shape(name);
        var result = new int[shape[0], shape[1]];
        Buffer.BlockCopy(Ints(name), 0, result, 0, result.Length * sizeof(int));
        return result;
    }

    /// <summary>An integer tensor of three dimensions.</summary>
    public int[,,] Ints3(string name)
    {
        int[] shape = Shape(name);
        var result = new int[shape[0], shape[1], shape[2]];
        Buffer.BlockCopy(Ints(name), 0, result, 0, result.Length * sizeof(int));
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
