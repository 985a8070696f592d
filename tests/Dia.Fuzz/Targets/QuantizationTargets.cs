using Dia.Configuration;
using Dia.Graph;
using Dia.Weights;

namespace Dia.Fuzz.Targets;

/// <summary>What config.json says of quantised weights.</summary>
internal sealed class QuantizationTarget() : ConfigurationTarget("quantization", ModelFolder.ConfigName, RealSeeds)
{
    private static readonly byte[][] RealSeeds =
    [
        .. new[] { "int8", "int8-packed", "int4-group64", "int4-keep-cross" }.SelectMany(n => RealFiles.All("tests/fixtures/quantized/" + n, ModelFolder.ConfigName)),
        """
        {"quantization_config": {"quant_method": "compressed-tensors", "format": "mixed-precision", "ignore": ["re:a.*(b|c)+[0-9]{1,4}$", "x.y"],
        "config_groups": {"a": {"targets": ["re:.*q_proj", "a.b"], "format": "int-quantized", "weights": {"num_bits": 8, "strategy": "channel"}},
        "b": {"targets": ["Linear"], "format": "pack-quantized", "weights": {"num_bits": 4, "strategy": "group", "group_size": 64, "actorder": "static"}}}}}
        """u8.ToArray(),
    ];

    // As for a configuration; and a pattern, at most 200 characters long, becomes a tree and states of an automaton, of some kilobytes for each character.
    public override long AllocationLimit(byte[] input) => 8 * 1024 * 1024 + 4096L * input.Length;

    protected override void Parse()
    {
        QuantizationConfig? config = Model.Quantization;
        foreach (string module in new[] { "model.decoder.layers.0.self_attention.q_proj", "logits_dense", "a.b", "" })
            if (config?.SchemeOf(module) is { } scheme && (scheme.Bits is not (4 or 8) || scheme.GroupSize % 32 != 0))
                throw new InvalidOperationException(scheme.ToString());
    }
}

/// <summary>A checkpoint of integers: its header and its data, for layers of 4 and 8 bits; all of its values are read.</summary>
internal sealed class QuantizedCheckpointTarget : FileTarget
{
    private static readonly WeightSpec[] Specs =
        [new("a.weight", [2, 40], WeightRole.Linear), new("b.weight", [3, 5], WeightRole.Linear), new("c.weight", [2, 6], WeightRole.Linear), new("n.weight", [4], WeightRole.Vector)];

    public QuantizedCheckpointTarget()
        : base("quantized-checkpoint", ModelFolder.TensorsName) => File.WriteAllText(Path.Combine(Folder, ModelFolder.ConfigName), """
        {"quantization_config": {"quant_method": "compressed-tensors", "format": "mixed-precision", "config_groups": {
        "4": {"targets": ["Linear"], "format": "pack-quantized", "weights": {"num_bits": 4, "strategy": "group", "group_size": 32}},
        "8": {"targets": ["b"], "format": "int-quantized", "weights": {"num_bits": 8, "strategy": "channel"}},
        "p": {"targets": ["c"], "format": "pack-quantized", "weights": {"num_bits": 8, "strategy": "channel"}}}}}
        """);

    public override IReadOnlyList<byte[]> Seeds { get; } = [Checkpoint("F32", 4), Checkpoint("BF16", 2)];

    // As for a file, and messages that name each tensor.
    public override long AllocationLimit(byte[] input) => 128 * 1024 + 80L * input.Length;

    public override byte[] Mutate(Randomness random) => SafetensorsInputs.Mutate(random, Seeds);

    public override bool Read(byte[] input)
    {
        Put(input);
        using MatchedTensors tensors = MatchedTensors.Open(ModelFolder.Open(Folder), Specs, new List<string>());
        using var weights = new LoadedWeights(tensors);
        Span<float> values = stackalloc float[80];
        for (int i = 0; i < Specs.Length; i++)
            weights.Weights[i].Read(0, values[..(int)Specs[i].Count]);
        return true;
    }

    private static byte[] Checkpoint(string scales, int size)
    {
        string path = Path.GetTempFileName();
        try
        {
            TensorFile.Write(path, ("n.weight", [4], new float[4]), ("a.weight_packed", [2, 5], new int[10]), ("a.weight_shape", [2], new long[] { 2, 40 }),
                ("b.weight", [3, 5], new sbyte[15]), ("c.weight_packed", [2, 2], new int[4]), ("c.weight_shape", [2], new long[] { 2, 6 }));
            TensorFile.Change(path, tensors =>
            {
                tensors.Add("a.weight_scale", (scales, [2, 2], new byte[4 * size]));
                tensors.Add("b.weight_scale", (scales, [3, 1], new byte[3 * size]));
                tensors.Add("c.weight_scale", (scales, [2, 1], new byte[2 * size]));
            });
            return File.ReadAllBytes(path);
        }
        finally
        {
            File.Delete(path);
        }
    }
}
