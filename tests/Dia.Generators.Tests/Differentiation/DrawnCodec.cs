using Dia.Configuration;
using Dia.Generators.Differentiation;
using Dia.Generators.Graph;
using Dia.Generators.Models;

namespace Dia.Generators.Tests.Differentiation;

/// <summary>A small codec, its parameters, a sound and the gradients of what it decodes to, drawn from a seed.</summary>
internal sealed class DrawnCodec
{
    private readonly Random _random;
    private readonly DacGraph _graph;

    public DrawnCodec(int seed)
    {
        _random = new Random(seed);
        int[] ratios = [.. Enumerable.Range(0, _random.Next(1, 3)).Select(_ => _random.Next(1, 6))];
        Config = new DacConfig
        {
            EncoderHiddenSize = _random.Next(1, 4), DownsamplingRatios = ratios, DecoderHiddenSize = _random.Next(4, 8), NCodebooks = _random.Next(1, 4),
            CodebookSize = 8, CodebookDim = _random.Next(2, 4), CommitmentLossWeight = _random.NextDouble(), CodebookLossWeight = 1 + _random.NextDouble(),
        };
        _graph = new DacGraph(Config, training: true);
        Parameters = _graph.Trained.SelectMany(f => f.Operations).SelectMany(o => o.Parameters).Distinct();
        Values = Parameters.ToDictionary(p => p.Name, Draw);
        Sound = [.. Floats(Config.HopLength * _random.Next(2, 5) + _random.Next(Config.HopLength), -1, 1)];
        var pass = new CodecInterpreter(Config, Sound, Values);
        pass.Run(Forward);
        AudioGradient = [.. Floats(pass.Audio.Length, -1, 1)];
        LossGradient = Floats(1, 1, 2).Single();
    }

    public DacConfig Config { get; }

    public IEnumerable<Parameter> Parameters { get; }

    public Dictionary<string, double[]> Values { get; }

    public double[] Sound { get; }

    /// <summary>The gradient of what is minimised by the decoded samples.</summary>
    public double[] AudioGradient { get; }

    /// <summary>Its gradient by the quantizers' loss.</summary>
    public double LossGradient { get; }

    /// <summary>A pass forward and backward.</summary>
    public CodecInterpreter Interpret()
    {
        var pass = new CodecInterpreter(Config, Sound, Values) { AudioGradient = AudioGradient, LossGradient = LossGradient };
        pass.Run(_graph.Trained);
        return pass;
    }

    /// <summary>What is minimised, with a parameter moved, as far as it is smooth.</summary>
    public double Objective(CodecInterpreter at, string parameter, double[] direction, double step)
    {
        var moved = new Dictionary<string, double[]>(Values) { [parameter] = [.. Values[parameter].Zip(direction, (p, d) => p + step * d)] };
        var pass = new CodecInterpreter(Config, Sound, moved, at);
        pass.Run(Forward);
        return LossGradient * pass.Loss + pass.Audio.Zip(AudioGradient, (a, g) => a * g).Sum();
    }

    public double[] Direction(int count) => [.. Floats(count, -1, 1)];

    public override string ToString() => $"strides {string.Join(", ", Config.DownsamplingRatios)}, {Sound.Length} samples";

    private IEnumerable<FunctionGraph> Forward => _graph.Trained.Where(f => !Backward.Is(f.Function));

    /// <summary>Weights whose sums are about as large as what they weigh, so that no tanh is flat; Snake divides by α.</summary>
    private double[] Draw(Parameter p)
    {
        int count = p.Shape.Aggregate(1, (n, d) => n * d);
        if (p.Name.EndsWith("alpha", StringComparison.Ordinal))
            return [.. Floats(count, 0.3, 1.5)];
        double size = p.Shape.Length == 3 ? Math.Sqrt(2.0 / (p.Shape[1] * p.Shape[2])) : 0.5;
        return [.. Floats(count, -size, size)];
    }

    // The values of float32, so that emitted code can be given the same.
    private IEnumerable<double> Floats(int count, double least, double most) =>
        Enumerable.Range(0, count).Select(_ => (double)(float)(least + (most - least) * _random.NextDouble())).ToArray();
}
