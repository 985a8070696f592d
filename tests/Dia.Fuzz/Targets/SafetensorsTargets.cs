using System.Globalization;
using System.Text;
using Dia.Cli.Commands;
using Dia.Cli.Output;
using Dia.Codec;
using Dia.Speech;
using Dia.Weights;

namespace Dia.Fuzz.Targets;

/// <summary>Inputs for all that reads safetensors: the header as text, its length, the data.</summary>
internal static class SafetensorsInputs
{
    /// <summary>Reads the values of tensors of whatever file, as floats and as integers.</summary>
    public static void ReadAll(IEnumerable<StoredTensor> tensors)
    {
        foreach (StoredTensor tensor in tensors)
        {
            try
            {
                _ = tensor.ToSingle();
                _ = tensor.ToInt32();
            }
            catch (DiaException)
            {
                // Values that do not fit.
            }
        }
    }

    /// <summary>A small file with a tensor of every type, one without dimensions, one without values.</summary>
    public static byte[] EveryType()
    {
        var random = new Randomness(1, "types", 0);
        var arrays = new List<(string Name, string Type, long[] Shape, int Bytes)>();
        foreach (SafetensorsDType type in Enum.GetValues<SafetensorsDType>())
        {
            (int bytes, int values) = SafetensorsTypes.Group(type);
            arrays.Add(($"t.{type}", type.ToString(), [2, 4], 8 / values * bytes));
        }

        arrays.Add(("scalar", "F32", [], 4));
        arrays.Add(("empty", "I16", [0, 9], 0));
        var json = new StringBuilder("{\"__metadata__\":{\"format\":\"pt\"}");
        int at = 0;
        foreach (var (name, type, shape, bytes) in arrays)
        {
            json.Append(CultureInfo.InvariantCulture,
                $",\"{name}\":{{\"dtype\":\"{type}\",\"shape\":[{string.Join(',', shape)}],\"data_offsets\":[{at},{at + bytes}]}}");
            at += bytes;
        }

        byte[] data = new byte[at];
        for (int i = 0; i < at; i++)
            data[i] = (byte)random.Below(3);
        return TensorFile.Bytes(Encoding.UTF8.GetBytes(json.Append('}').ToString()), data);
    }

    /// <summary>One tensor of small integers.</summary>
    public static byte[] Of(string type, int size, params (string Name, int[] Shape)[] tensors)
    {
        var json = new StringBuilder("{");
        int at = 0;
        foreach (var (name, shape) in tensors)
        {
            int bytes = shape.Aggregate(size, (a, b) => a * b);
            json.Append(CultureInfo.InvariantCulture,
                $"{(json.Length == 1 ? "" : ",")}\"{name}\":{{\"dtype\":\"{type}\",\"shape\":[{string.Join(',', shape)}],\"data_offsets\":[{at},{at + bytes}]}}");
            at += bytes;
        }

        byte[] data = new byte[at];
        for (int i = 0; i < at; i += size)
            data[i] = (byte)(i % 200);
        return TensorFile.Bytes(Encoding.UTF8.GetBytes(json.Append('}').ToString()), data);
    }

    public static byte[] Mutate(Randomness random, IReadOnlyList<byte[]> seeds)
    {
        byte[] real = random.Of(seeds), other = random.Of(seeds);
        if (random.OneIn(3))
        {
            List<byte> whole = RealFiles.ToList(real);
            Mutations.Binary(random, whole, other);
            return [.. whole];
        }

        (byte[] json, byte[] data) = RealFiles.Parts(real);
        List<byte> header = RealFiles.ToList(json), rest = RealFiles.ToList(data);
        Mutations.Json(random, header, RealFiles.Parts(other).Json);
        if (random.OneIn(4))
            Mutations.Binary(random, rest, other);
        return TensorFile.Bytes([.. header], [.. rest]);
    }
}

/// <summary>The header alone, in memory.</summary>
internal sealed class SafetensorsHeaderTarget() : FuzzTarget("safetensors-header")
{
    public override IReadOnlyList<byte[]> Seeds { get; } =
        [SafetensorsInputs.EveryType(), SafetensorsInputs.Of("I16", 2, ("codes", [5, 9])), .. RealFiles.All("tests/fixtures/wav", "*.safetensors")];

    // A name of a byte and its lists become an entry of a dictionary, a list, an array and a string or two: some 400 bytes from 50;
    // a metadata pair of 8 bytes as many as 160. The exception and its text are bounded.
    public override long AllocationLimit(byte[] input) => 64 * 1024 + 64L * input.Length;

    public override byte[] Mutate(Randomness random) => SafetensorsInputs.Mutate(random, Seeds);

    public override bool Read(byte[] input)
    {
        if (input.Length < 8)
            return false;
        long length = BitConverter.ToInt64(input);
        if (length < 0 || length > input.Length - 8)
            return false;
        long data = input.Length - 8 - length;
        SafetensorsHeader header = SafetensorsHeader.Parse(input.AsSpan(8, (int)length), data, "input", DiaErrorKind.Input);
        long end = 0;
        foreach (var (entry, begin) in header.Tensors)
        {
            if (begin != end || entry.ByteLength < 0)
                throw new InvalidOperationException($"{entry.Name} begins at {begin}, expected {end}");
            end += entry.ByteLength;
        }

        return end == data ? true : throw new InvalidOperationException($"{data} bytes of data, {end} in tensors");
    }
}

/// <summary>A file, mapped; every tensor of it is read.</summary>
internal sealed class SafetensorsFileTarget() : FileTarget("safetensors", "input.safetensors")
{
    public override IReadOnlyList<byte[]> Seeds { get; } =
        [SafetensorsInputs.EveryType(), SafetensorsInputs.Of("I16", 2, ("codes", [5, 9])), SafetensorsInputs.Of("I64", 8, ("a", [3]), ("b", [2, 2]))];

    // As for the header, and the values: four bytes for one of 8 bits, once as floats and once as integers.
    public override long AllocationLimit(byte[] input) => 96 * 1024 + 72L * input.Length;

    public override byte[] Mutate(Randomness random) => SafetensorsInputs.Mutate(random, Seeds);

    public override bool Read(byte[] input)
    {
        Put(input);
        using var file = SafetensorsFile.Open(FileName, DiaErrorKind.Input);
        SafetensorsInputs.ReadAll(file.Tensors.Values);
        return true;
    }
}

/// <summary>Codes as `--prompt-codes` and `dia decode` read them.</summary>
internal sealed class CodesTarget() : FileTarget("codes", "input.safetensors")
{
    public override IReadOnlyList<byte[]> Seeds { get; } =
        [SafetensorsInputs.Of("I16", 2, ("codes", [5, 9])), SafetensorsInputs.Of("U8", 1, ("codes", [7, 9]), ("rows", [22, 9])),
            SafetensorsInputs.Of("I64", 8, ("codes", [1, 9]))];

    // As for a file; the codes twice as int32.
    public override long AllocationLimit(byte[] input) => 96 * 1024 + 72L * input.Length;

    public override byte[] Mutate(Randomness random) => SafetensorsInputs.Mutate(random, Seeds);

    public override bool Read(byte[] input)
    {
        Put(input);
        new Voice(CodesFile.Read(FileName, asPrompt: true), "", null).Check(FileName, 9, 1024, 4096, null);
        return true;
    }
}

/// <summary>What --voice reads.</summary>
internal sealed class VoiceTarget() : FileTarget("voice", "input.voice")
{
    public override IReadOnlyList<byte[]> Seeds { get; } =
        [Saved("[S1] Hello.", null), Saved("[S2] Hi. [S1] Oh.", new CodecIdentity("a codec", new float[9, 4]))];

    // As for codes.
    public override long AllocationLimit(byte[] input) => 96 * 1024 + 72L * input.Length;

    public override byte[] Mutate(Randomness random) => SafetensorsInputs.Mutate(random, Seeds);

    public override bool Read(byte[] input)
    {
        Put(input);
        Voice.Load(FileName).Check(FileName, 9, 1024, 4096, null);
        return true;
    }

    private static byte[] Saved(string transcript, CodecIdentity? codec)
    {
        using var stream = new MemoryStream();
        new Voice(new int[3, 9], transcript, codec).Save(stream);
        return stream.ToArray();
    }
}

/// <summary>What `dia forward` reads.</summary>
internal sealed class ForwardTarget() : FileTarget("forward", "input.safetensors")
{
    public override IReadOnlyList<byte[]> Seeds { get; } =
    [
        SafetensorsInputs.Of("I64", 8, ("input_ids", [2, 5]), ("attention_mask", [2, 5]), ("decoder_input_ids", [2, 4, 9]), ("labels", [18, 4])),
        SafetensorsInputs.Of("I32", 4, ("in.input_ids", [1, 7]), ("in.decoder_input_ids", [9, 3]), ("decoder_position_ids", [1, 3])),
        SafetensorsInputs.Of("U8", 1, ("encoder_last_hidden_state", [2, 3, 4]), ("attention_mask", [2, 3]), ("cache_position", [2])),
        SafetensorsInputs.Of("U8", 1, ("input_ids", [2, 0]), ("decoder_input_ids", [2, 0, 9]), ("labels", [18, 0])),
    ];

    // As for a file; tensors twice as int32, decoder_input_ids three times.
    public override long AllocationLimit(byte[] input) => 96 * 1024 + 80L * input.Length;

    public override byte[] Mutate(Randomness random) => SafetensorsInputs.Mutate(random, Seeds);

    public override bool Read(byte[] input)
    {
        Put(input);
        ForwardFile file = ForwardFile.Read(FileName, hasText: false);
        _ = file.DecoderInputIds?.ToRows(9);
        return true;
    }
}

/// <summary>A cache as `dia forward --cache` reads it.</summary>
internal sealed class CacheTarget() : FileTarget("cache", "input.safetensors")
{
    public override IReadOnlyList<byte[]> Seeds { get; } =
    [
        SafetensorsInputs.Of("F32", 4, ("self.0.keys", [1, 2, 3, 2]), ("self.0.values", [1, 2, 3, 2]), ("cross.0.keys", [1, 1, 2, 4]),
            ("cross.0.values", [1, 1, 2, 4]), ("self.1.keys", [1, 2, 3, 2]), ("self.1.values", [1, 2, 3, 2])),
        SafetensorsInputs.Of("I32", 4, ("self.0.keys", [2, 2, 0, 2]), ("self.0.values", [2, 2, 0, 2]), ("cross.0.keys", [2, 1, 1, 4]),
            ("cross.0.values", [2, 1, 1, 4]), ("rope_length", [1])),
    ];

    // As for a file; tensors as float32, of single bytes four times.
    public override long AllocationLimit(byte[] input) => 96 * 1024 + 80L * input.Length;

    public override byte[] Mutate(Randomness random) => SafetensorsInputs.Mutate(random, Seeds);

    public override bool Read(byte[] input)
    {
        Put(input);
        return CacheFile.Read(FileName).Self.Length > 0;
    }
}
