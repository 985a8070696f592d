using System.Buffers.Binary;
using System.Text;
using Dia.Configuration;
using Dia.Graph;
using Dia.Networks;
using Dia.Processing;
using Dia.Text;
using Dia.Weights;

namespace Dia.Fuzz.Targets;

/// <summary>A configuration as the program reads it at run time.</summary>
internal abstract class ConfigurationTarget(string name, string fileName, byte[][] seeds) : FileTarget(name, fileName)
{
    private readonly List<string> _warnings = [];

    public override IReadOnlyList<byte[]> Seeds => seeds;

    protected ModelFolder Model => ModelFolder.Open(Folder);

    protected ICollection<string> Warnings => _warnings;

    // Text and values: `[1,1,...` makes a value with its place, a string and a place in a list of two bytes; `"a":1,"a":1,...` a
    // problem with its message of some 500 bytes of six, and the message three times, joined.
    public override long AllocationLimit(byte[] input) => 256 * 1024 + 512L * input.Length;

    public override byte[] Mutate(Randomness random)
    {
        List<byte> text = RealFiles.ToList(random.Of(Seeds));
        Mutations.Json(random, text, random.Of(Seeds));
        return [.. text];
    }

    public override bool Read(byte[] input)
    {
        Put(input);
        _warnings.Clear();
        Parse();
        return true;
    }

    protected abstract void Parse();
}

internal sealed class DiaConfigTarget() : ConfigurationTarget(
    "config", ModelFolder.ConfigName, [.. RealFiles.Configurations("dia"), .. RealFiles.All("tests/fixtures/old/dia", ModelFolder.ConfigName)])
{
    protected override void Parse() => ModelCatalog.ReadConfig(Model, Warnings);
}

internal sealed class DacConfigTarget() : ConfigurationTarget("codec-config", ModelFolder.ConfigName, RealFiles.Configurations("dac"))
{
    protected override void Parse()
    {
        DacConfig config = ModelCatalog.ReadCodecConfig(Model, Warnings);
        if (config.HopLength <= 0 || config.HiddenSize <= 0)
            throw new InvalidOperationException($"hop {config.HopLength}, hidden size {config.HiddenSize}");
    }
}

internal sealed class GenerationConfigTarget() : ConfigurationTarget(
    "generation-config",
    ModelCatalog.GenerationConfigName,
    [.. RealFiles.All("configs", "generation_config.json"), .. RealFiles.All("tests/fixtures", "generation_config.json"), Controls])
{
    // What no fixture's file has. The options of `dia generate` are read by the same parser.
    private static readonly byte[] Controls =
        """
        {"min_length": 3, "min_new_tokens": null, "repetition_penalty": 1.4, "no_repeat_ngram_size": 2, "bad_words_ids": [[5], [23, 4]],
        "sequence_bias": [[[1, 2], -2.5]], "suppress_tokens": [3, 9], "begin_suppress_tokens": [1], "exponential_decay_length_penalty": [8, 1.4],
        "forced_eos_token_id": [64, 3], "eos_token_id": [64], "min_p": 0.1, "typical_p": 0.9, "max_time": 1.5, "num_return_sequences": 1}
        """u8.ToArray();

    protected override void Parse() => ModelCatalog.ReadGenerationConfig(Model, Warnings);
}

internal sealed class AdapterConfigTarget() : ConfigurationTarget(
    "adapter-config", LoraConfig.FileName, RealFiles.All("tests/fixtures/training", LoraConfig.FileName))
{
    protected override void Parse() => _ = LoraFiles.ReadConfig(Model, Warnings).ToJson();
}

/// <summary>The tensors of an adapter, for a model of two small layers.</summary>
internal sealed class AdapterTarget() : FileTarget("adapter", LoraWeights.FileName)
{
    private static readonly WeightSpec[] Specs =
        [new("a.q_proj.weight", [3, 4], WeightRole.Linear), new("norm.weight", [4], WeightRole.Vector), new("b.down_proj.weight", [2, 3], WeightRole.Linear)];

    public override IReadOnlyList<byte[]> Seeds { get; } =
    [
        SafetensorsInputs.Of("F16", 2, ("base_model.model.a.q_proj.lora_A.weight", [2, 4]), ("base_model.model.a.q_proj.lora_B.weight", [3, 2])),
        SafetensorsInputs.Of("BF16", 2, ("a.q_proj.lora_A.weight", [2, 4]), ("a.q_proj.lora_B.weight", [3, 2]), ("b.down_proj.lora_A.weight", [2, 3]),
            ("b.down_proj.lora_B.weight", [2, 2])),
    ];

    // As for a file.
    public override long AllocationLimit(byte[] input) => 96 * 1024 + 72L * input.Length;

    public override byte[] Mutate(Randomness random) => SafetensorsInputs.Mutate(random, Seeds);

    public override bool Read(byte[] input)
    {
        Put(input);
        using LoraWeights weights = LoraWeights.Read(ModelFolder.Open(Folder), new LoraConfig { R = 2 }, Specs);
        weights.AddTo(0, 1, 0, new float[weights.Specs[1].Shape[0] * weights.Specs[0].Shape[1]]);
        return true;
    }
}

/// <summary>One file of a tokenizer or a feature extractor, beside others that are as they should be.</summary>
internal sealed class ProcessorTarget : ConfigurationTarget
{
    private readonly bool _isTokenizers;

    public ProcessorTarget(string name, string fileName)
        : base(name, fileName, [.. RealFiles.All("tests/fixtures/processor", fileName), .. RealFiles.All("configs", fileName)])
    {
        _isTokenizers = fileName is "tokenizer_config.json" or "special_tokens_map.json";
        string? other = fileName switch
        {
            "special_tokens_map.json" => "tokenizer_config.json",
            "audio_tokenizer_config.json" => "preprocessor_config.json",
            _ => null,
        };
        if (other is not null)
            File.Copy(Repository.At("tests/fixtures/processor/saved-4.56.2/" + other), Path.Combine(Folder, other));
    }

    protected override void Parse()
    {
        if (!_isTokenizers)
            _ = DiaFeatureExtractor.FromPretrained(Model, Warnings);
        else if (DiaTokenizer.FromPretrained(Model, Warnings) is var tokenizer && tokenizer.Decode(tokenizer.Encode("[S1] a")) != "[S1]  a")
            throw new InvalidOperationException("the tokenizer is another");
    }
}

/// <summary>model.safetensors.index.json beside two files that it may name.</summary>
internal sealed class ShardsTarget : FileTarget
{
    public ShardsTarget()
        : base("shards", "model.safetensors.index.json")
    {
        File.WriteAllBytes(Path.Combine(Folder, "model-00001-of-00002.safetensors"), SafetensorsInputs.Of("F32", 4, ("a", [2]), ("b", [3])));
        File.WriteAllBytes(Path.Combine(Folder, "model-00002-of-00002.safetensors"), SafetensorsInputs.Of("F32", 4, ("c", [2])));
    }

    public override IReadOnlyList<byte[]> Seeds { get; } =
    [
        """{"metadata":{"total_size":28},"weight_map":{"a":"model-00001-of-00002.safetensors","b":"model-00001-of-00002.safetensors","c":"model-00002-of-00002.safetensors"}}"""u8.ToArray(),
        """{"weight_map":{"c":"model-00002-of-00002.safetensors"}}"""u8.ToArray(),
    ];

    // Text as UTF-16 and back, a name and its place in dictionaries: some 300 bytes of eight. The files it names are given, and small.
    public override long AllocationLimit(byte[] input) => 128 * 1024 + 128L * input.Length;

    public override byte[] Mutate(Randomness random)
    {
        List<byte> text = RealFiles.ToList(random.Of(Seeds));
        if (random.OneIn(4))
            return Encoding.UTF8.GetBytes(Encoding.UTF8.GetString([.. text])
                .Replace("model-00002", random.Of(["../model", "/dev/zero", ".", "..", "model-00001", "\\u0000", "a/b", "C:"]), StringComparison.Ordinal));
        Mutations.Json(random, text, random.Of(Seeds));
        return [.. text];
    }

    public override bool Read(byte[] input)
    {
        Put(input);
        using CheckpointFiles files = CheckpointFiles.Open(ModelFolder.Open(Folder));
        return files.Tensors.Count > 0 ? true : throw new InvalidOperationException("no tensors");
    }
}

/// <summary>An executable with a model inside.</summary>
internal sealed class BundleTarget : FileTarget
{
    private const int Footer = 48;

    public BundleTarget()
        : base("bundle", "dia")
    {
        string model = Path.Combine(Folder, "model"), executable = Path.Combine(Folder, "executable"), bundle = Path.Combine(Folder, "bundle");
        Directory.CreateDirectory(model);
        File.WriteAllBytes(Path.Combine(model, "config.json"), RealFiles.Configurations("dia")[0]);
        File.WriteAllBytes(Path.Combine(model, "model.safetensors"), SafetensorsInputs.Of("F32", 4, ("a", [2]), ("b", [3])));
        File.WriteAllBytes(executable, new byte[100]);
        Bundle.Append(executable, model, bundle);
        Seeds = [File.ReadAllBytes(bundle)];
    }

    public override IReadOnlyList<byte[]> Seeds { get; }

    // The index and its names, twice; and the texts and headers of the files.
    public override long AllocationLimit(byte[] input) => 128 * 1024 + 64L * input.Length;

    public override byte[] Mutate(Randomness random)
    {
        byte[] real = Seeds[0];
        // Executables are long: what matters are index and footer at the end.
        int tail = real.Length - random.Below(400);
        List<byte> end = RealFiles.ToList(real.AsSpan(tail));
        Mutations.Binary(random, end, real.AsSpan(real.Length - 200).ToArray());
        byte[] bytes = [.. real.AsSpan(0, tail), .. end];
        if (!random.OneIn(4))
            FixChecksum(bytes);
        return bytes;
    }

    public override bool Read(byte[] input)
    {
        Put(input);
        if (Bundle.TryOpen(FileName) is not { } bundle)
            return false;
        var folder = ModelFolder.FromBundle(bundle);
        foreach (string name in bundle.Names)
        {
            if (name.EndsWith(".json", StringComparison.Ordinal))
                _ = folder.ReadText(name);
            else
                folder.OpenTensors(name).Dispose();
        }

        return true;
    }

    /// <summary>Lets a changed index and footer pass the first check, where they say where the index is.</summary>
    private static void FixChecksum(byte[] bytes)
    {
        if (bytes.Length < Footer)
            return;
        Span<byte> footer = bytes.AsSpan(bytes.Length - Footer);
        uint length = BinaryPrimitives.ReadUInt32LittleEndian(footer[20..]);
        ulong offset = BinaryPrimitives.ReadUInt64LittleEndian(footer[24..]);
        if (offset <= (ulong)bytes.Length && length <= (ulong)bytes.Length - offset)
            BinaryPrimitives.WriteUInt64LittleEndian(footer[40..], Fnv1A.Hash(footer[..40], Fnv1A.Hash(bytes.AsSpan((int)offset, (int)length))));
    }
}
