using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Dia.Weights;

/// <summary>
/// The header of a safetensors file: 8 bytes of length, then JSON that gives each tensor's dtype, shape and place in the data
/// that follows. Read as hostile: everything is checked before anything is believed.
/// </summary>
internal sealed class SafetensorsHeader
{
    /// <summary>The reference library's limit for the JSON text, in bytes.</summary>
    public const int MaxLength = 100_000_000;

    private const int MaxName = 512;
    private const int MaxDimensions = 16;
    private const string MetadataName = "__metadata__";

    private readonly string _file;
    private readonly DiaErrorKind _kind;
    private readonly HashSet<string> _names = new(StringComparer.Ordinal);
    private readonly List<long> _numbers = [];

    private SafetensorsHeader(string file, DiaErrorKind kind) => (_file, _kind) = (file, kind);

    /// <summary>Tensors in the order of their data.</summary>
    public List<PlacedTensor> Tensors { get; } = [];

    /// <summary>The file's own key-value pairs.</summary>
    public Dictionary<string, string> Metadata { get; } = new(StringComparer.Ordinal);

    /// <summary>One tensor and where its data begin, counted from the end of the header.</summary>
    internal readonly record struct PlacedTensor(SafetensorsEntry Entry, long Begin);

    /// <summary>Reads the JSON text of a header.</summary>
    /// <param name="json">The text, without its length.</param>
    /// <param name="dataLength">Bytes in the file after the header.</param>
    /// <param name="file">The file's name for messages.</param>
    /// <param name="kind">The kind of the exceptions.</param>
    /// <exception cref="DiaException">The header is malformed or does not describe exactly the data there are.</exception>
    public static SafetensorsHeader Parse(ReadOnlySpan<byte> json, long dataLength, string file, DiaErrorKind kind)
    {
        var header = new SafetensorsHeader(file, kind);
        var reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = 3 });
        try
        {
            header.Read(ref reader);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException)
        {
            // InvalidOperationException is how the reader reports strings that are not UTF-8.
            throw new DiaException(kind,
                $"{file}: the safetensors header is not valid JSON near byte {8 + reader.BytesConsumed}. The file is damaged: fetch it again.", e);
        }

        header.CheckPlaces(dataLength);
        return header;
    }

    /// <summary>
    /// The bytes of a header, its length included and padded to a multiple of 8, and the tensors in the order in which their
    /// data follow: the reference library's (by dtype, later ones first, then by name).
    /// </summary>
    /// <exception cref="ArgumentException">A name appears twice or is reserved, or a shape overflows.</exception>
    public static (byte[] Bytes, IReadOnlyList<PlacedTensor> Tensors) Lay(IEnumerable<SafetensorsEntry> entries, IReadOnlyDictionary<string, string>? metadata)
    {
        var sorted = entries.OrderByDescending(e => e.DType).ThenBy(e => e.Name, StringComparer.Ordinal).ToList();
        var placed = new List<PlacedTensor>(sorted.Count);
        var names = new HashSet<string>(StringComparer.Ordinal) { MetadataName };
        var text = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(text, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            if (metadata is { Count: > 0 })
                WriteMetadata(json, metadata);
            long begin = 0;
            foreach (var entry in sorted)
            {
                if (!names.Add(entry.Name))
                    throw new ArgumentException($"the tensor name {entry.Name} appears twice or is reserved", nameof(entries));
                placed.Add(new PlacedTensor(entry, begin));
                begin = checked(begin + entry.ByteLength);
                WriteTensor(json, entry, begin);
            }

            json.WriteEndObject();
        }

        int length = (text.WrittenCount + 7) / 8 * 8;
        byte[] bytes = new byte[8 + length];
        BitConverter.TryWriteBytes(bytes, (long)length);
        text.WrittenSpan.CopyTo(bytes.AsSpan(8));
        bytes.AsSpan(8 + text.WrittenCount).Fill((byte)' ');
        return (bytes, placed);
    }

    /// <summary>A name as messages show it: of bounded length.</summary>
    public static string Show(string name) => name.Length <= 120 ? name : $"{name[..100]}... ({name.Length} characters)";

    private static void WriteMetadata(Utf8JsonWriter json, IReadOnlyDictionary<string, string> metadata)
    {
        json.WriteStartObject(MetadataName);
        foreach (var (key, value) in metadata.OrderBy(p => p.Key, StringComparer.Ordinal))
            json.WriteString(key, value);
        json.WriteEndObject();
    }

    private static void WriteTensor(Utf8JsonWriter json, SafetensorsEntry entry, long end)
    {
        json.WriteStartObject(entry.Name);
        json.WriteString("dtype", entry.DType.ToString());
        json.WriteStartArray("shape");
        foreach (long d in entry.Shape)
            json.WriteNumberValue(d);
        json.WriteEndArray();
        json.WriteStartArray("data_offsets");
        json.WriteNumberValue(end - entry.ByteLength);
        json.WriteNumberValue(end);
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private void Read(ref Utf8JsonReader reader)
    {
        reader.Read();
        Expect(reader.TokenType == JsonTokenType.StartObject, "the header is not a JSON object");
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string name = reader.GetString()!;
            Expect(name.Length is > 0 and <= MaxName, $"the tensor name {Show(name)} is empty or longer than {MaxName} characters");
            Expect(!name.Any(char.IsControl), "a tensor name holds control characters");
            Expect(_names.Add(name), $"the name {Show(name)} appears twice");
            reader.Read();
            Expect(reader.TokenType == JsonTokenType.StartObject, $"{Show(name)} is not described by a JSON object");
            if (name == MetadataName)
                Pairs(ref reader);
            else
                Tensor(ref reader, name);
        }

        reader.Read(); // Fails if anything but spaces follows.
    }

    /// <summary>Data must be covered exactly once, so that no byte means two things and none is hidden.</summary>
    private void CheckPlaces(long dataLength)
    {
        Tensors.Sort((a, b) => a.Begin != b.Begin ? a.Begin.CompareTo(b.Begin) : a.Entry.ByteLength.CompareTo(b.Entry.ByteLength));
        long end = 0;
        foreach (var (entry, begin) in Tensors)
        {
            Expect(begin == end, $"tensor {Show(entry.Name)} begins at data offset {begin}, but the data before it end at {end}");
            end = begin + entry.ByteLength; // Cannot overflow: it was read as a 64-bit end.
            Expect(end <= dataLength,
                $"tensor {Show(entry.Name)} ends at data offset {end}, but only {dataLength} bytes of data are there: the file is truncated");
        }

        Expect(end == dataLength, $"{dataLength - end} bytes follow the last tensor");
    }

    private void Pairs(ref Utf8JsonReader reader)
    {
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string key = reader.GetString()!;
            reader.Read();
            Expect(reader.TokenType == JsonTokenType.String, "a value of __metadata__ is not a string");
            Expect(Metadata.TryAdd(key, reader.GetString()!), $"the key {Show(key)} of __metadata__ appears twice");
        }
    }

    private void Tensor(ref Utf8JsonReader reader, string name)
    {
        SafetensorsDType? type = null;
        long[]? shape = null, offsets = null;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string key = reader.GetString()!;
            reader.Read();
            switch (key)
            {
                case "dtype" when type is null:
                    Expect(reader.TokenType == JsonTokenType.String, $"tensor {Show(name)}: its dtype is not a string");
                    string text = reader.GetString()!;
                    type = SafetensorsTypes.Parse(text);
                    if (type is null)
                        throw new DiaException(_kind,
                            $"{_file}: tensor {Show(name)} has the unknown dtype {Show(text)}. It is of a newer kind than this program knows, or damaged: store it in another type, or fetch it again.");
                    break;
                case "shape" when shape is null:
                    shape = Numbers(ref reader, name, key);
                    break;
                case "data_offsets" when offsets is null:
                    offsets = Numbers(ref reader, name, key);
                    break;
                default:
                    throw Error($"tensor {Show(name)}: the field {Show(key)} is unknown or appears twice");
            }
        }

        Expect(type is not null && shape is not null && offsets is { Length: 2 }, $"tensor {Show(name)} lacks its dtype, its shape or its two data_offsets");
        var entry = new SafetensorsEntry(name, type!.Value, shape!);
        Expect(offsets![0] <= offsets[1], $"tensor {Show(name)} ends before it begins");
        Expect(Length(entry) == offsets[1] - offsets[0],
            $"tensor {Show(name)}: {type} {SafetensorsTypes.Show(shape!)} does not take the {offsets[1] - offsets[0]} bytes its data_offsets give it");
        Tensors.Add(new PlacedTensor(entry, offsets[0]));
    }

    private long[] Numbers(ref Utf8JsonReader reader, string name, string key)
    {
        Expect(reader.TokenType == JsonTokenType.StartArray, $"tensor {Show(name)}: its {key} is not a list");
        _numbers.Clear();
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            long value = -1;
            Expect(reader.TokenType == JsonTokenType.Number && reader.TryGetInt64(out value)
                && value >= 0, $"tensor {Show(name)}: its {key} holds something other than integers from 0 to 2^63-1");
            Expect(_numbers.Count < MaxDimensions, $"tensor {Show(name)}: its {key} has more than {MaxDimensions} numbers");
            _numbers.Add(value);
        }

        return [.. _numbers];
    }

    /// <summary>The tensor's length in bytes, −1 if no file could hold it.</summary>
    private static long Length(SafetensorsEntry entry)
    {
        try
        {
            return entry.ByteLength;
        }
        catch (OverflowException)
        {
            return -1;
        }
    }

    private void Expect(bool condition, string what)
    {
        if (!condition)
            throw Error(what);
    }

    private DiaException Error(string what) =>
        new(_kind, $"{_file}: {what}. This is not a valid safetensors file: fetch or write it again.");
}
