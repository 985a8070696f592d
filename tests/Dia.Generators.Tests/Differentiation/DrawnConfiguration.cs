using Dia.Configuration;
using Dia.Generators.Graph;
using Dia.Generators.Models;

namespace Dia.Generators.Tests.Differentiation;

/// <summary>A small configuration, its parameters and a batch, drawn from a seed.</summary>
internal sealed class DrawnConfiguration
{
    private readonly Random _random;
    private readonly string _text;

    public DrawnConfiguration(int seed)
    {
        _random = new Random(seed);
        int width = 2 * _random.Next(3, 7), keyHeads = _random.Next(1, 3), crossKeyHeads = _random.Next(1, 3), channels = _random.Next(1, 4);
        DiaEncoderConfig encoder = new()
        {
            VocabSize = 9, HiddenSize = width, IntermediateSize = _random.Next(3, 8), NumHiddenLayers = _random.Next(1, 3),
            NumAttentionHeads = keyHeads * _random.Next(1, 3), NumKeyValueHeads = keyHeads, HeadDim = 2 * _random.Next(2, 5),
                HiddenAct = Draw<HiddenActivation>(),
            MaxPositionEmbeddings = 20,
        };
        DiaDecoderConfig decoder = new()
        {
            VocabSize = 7, HiddenSize = 2 * _random.Next(3, 7), IntermediateSize = _random.Next(3, 8), NumHiddenLayers = _random.Next(1, 3),
            NumAttentionHeads = keyHeads * _random.Next(1, 3), NumKeyValueHeads = keyHeads, HeadDim = 2 * _random.Next(2, 5),
                HiddenAct = Draw<HiddenActivation>(),
            MaxPositionEmbeddings = 20, NumChannels = channels, CrossNumAttentionHeads = crossKeyHeads * _random.Next(1, 3),
            CrossNumKeyValueHeads = crossKeyHeads, CrossHeadDim = _random.Next(2, 6), CrossHiddenSize = width,
        };
        Config = new DiaConfig
        {
            EncoderConfig = encoder with { RopeScaling = DrawScaling(encoder.HeadDim) },
                DecoderConfig = decoder with { RopeScaling = DrawScaling(decoder.HeadDim) },
            BosTokenId = 6, PadTokenId = 5, EosTokenId = 4, DelayPattern = Enumerable.Range(0, channels).ToArray(),
        };
        // The first generation turns queries and keys of cross-attention too, all of them one way.
        if (seed % 8 == 3)
            Config = Config with
            {
                ModelType = DiaModelType.DiaFirst, EncoderConfig = encoder,
                DecoderConfig = decoder with { HeadDim = encoder.HeadDim, CrossHeadDim = encoder.HeadDim },
            };
        var graph = new DiaGraph(Config);
        Parameters = graph.Text.Concat(graph.Audio).SelectMany(f => f.Operations).SelectMany(o => o.Parameters).Distinct()
            .ToDictionary(p => p.Name, p => Values(p.Shape.Aggregate(1, (n, d) => n * d)));
        Batch = DrawBatch(channels);
        LeastBudget = Least();
        _text = $"seed {seed}: {encoder.RopeScaling?.RopeType} {Config.EncoderConfig.RopeScaling?.RopeType} {Config.DecoderConfig.RopeScaling?.RopeType}";
    }

    public DiaConfig Config { get; }

    public Dictionary<string, double[]> Parameters { get; }

    public Batch Batch { get; }

    /// <summary>Bytes of a row with which the graph can be built at all.</summary>
    public long LeastBudget { get; }

    public double[] Direction(int count) => [.. Enumerable.Range(0, count).Select(_ => 2 * _random.NextDouble() - 1)];

    public override string ToString() => _text;

    private T Draw<T>()
        where T : struct, Enum => Enum.GetValues<T>()[_random.Next(Enum.GetValues<T>().Length)];

    private RopeScaling? DrawScaling(int headDim)
    {
        double[] factors = [.. Enumerable.Range(0, headDim / 2).Select(_ => 1 + _random.NextDouble())];
        return Draw<RopeType>() switch
        {
            RopeType.Linear => new() { RopeType = RopeType.Linear, Factor = 2 },
            RopeType.Dynamic => new() { RopeType = RopeType.Dynamic, Factor = 2 },
            RopeType.Yarn => new() { RopeType = RopeType.Yarn, Factor = 4 },
            RopeType.LongRope => new() { RopeType = RopeType.LongRope, Factor = 4, ShortFactor = factors, LongFactor = factors },
            RopeType.Llama3 => new()
            {
                RopeType = RopeType.Llama3, Factor = 8, LowFreqFactor = 1, HighFreqFactor = 4, OriginalMaxPositionEmbeddings = 8,
            },
            _ => null,
        };
    }

    // The values of float32, so that emitted code can be given the same.
    private double[] Values(int count) => [.. Enumerable.Range(0, count).Select(_ => (double)(float)(_random.NextDouble() * 2 - 1))];

    private Batch DrawBatch(int channels)
    {
        int count = _random.Next(1, 4), length = _random.Next(1, 6), rows = _random.Next(1, 7);
        int[] Draw(int n, int end) => [.. Enumerable.Range(0, n).Select(_ => _random.Next(end))];
        int[] textMask = [.. Draw(count * length, 5).Select(m => m > 0 ? 1 : 0)], padding = Draw(count, rows);
        int[] audioMask = [.. Enumerable.Range(0, count * rows).Select(i => i % rows < padding[i / rows] ? 0 : 1)];
        int[] labels = [.. Draw(count * rows * channels, 9).Select((l, i) => l >= 7 || audioMask[i / channels] == 0 ? -100 : l)];
        labels[^1] = 0;
        return new Batch(count, length, rows, Draw(count * length, 9), textMask, Draw(count * rows * channels, 7), audioMask, labels);
    }

    private long Least()
    {
        long budget = 4;
        while (true)
        {
            try
            {
                _ = new DiaGraph(Config, budget);
                return budget;
            }
            catch (InvalidOperationException)
            {
                budget *= 2;
            }
        }
    }
}
