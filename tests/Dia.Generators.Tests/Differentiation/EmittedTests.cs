extern alias engine;

using Dia.Configuration;
using Dia.Generators.Differentiation;
using Dia.Generators.Graph;
using Dia.Generators.Models;
using engine::Dia.Backends;
using engine::Dia.Backends.Cpu;
using engine::Dia.Backends.Scalar;
using engine::Dia.Generation;
using engine::Dia.Modeling;
using engine::Dia.Networks;
using engine::Dia.Weights;
using Xunit;
using Device = engine::Dia.Backends.Device;

namespace Dia.Generators.Tests.Differentiation;

/// <summary>What is emitted for drawn configurations, compiled and run, against the graph interpreted in double.</summary>
public sealed class EmittedTests
{
    // Float32 sums of some ten terms through at most two layers of each kind, forward and backward.
    private const double Bound = 2e-5;

    [Fact]
    public void Emitted_code_gives_the_gradients_of_the_graph()
    {
        DrawnConfiguration[] drawn = [.. Enumerable.Range(1, 16).Select(seed => new DrawnConfiguration(seed))];
        IReadOnlyList<CompiledNetwork> compiled = Drive.Load(
            drawn.Select((d, i) => new TestFile("/repository", $"configs/drawn-{i:00}", "config.json", CanonicalJson.Write(d.Config))), training: true);
        using var folder = new TemporaryFolder();
        for (int i = 0; i < drawn.Length; i++)
        {
            ModelFolder checkpoint = Write(drawn[i], Path.Combine(folder.Path, $"{i:00}"));
            Interpreter expected = Interpret(drawn[i]);
            foreach (Func<Device> device in new Func<Device>[] { () => new ScalarDevice(), () => new CpuDevice(2) })
                Compare(drawn[i], checkpoint, compiled, device, expected);
        }
    }

    private static void Compare(DrawnConfiguration drawn, ModelFolder checkpoint, IReadOnlyList<CompiledNetwork> compiled, Func<Device> create,
        Interpreter expected)
    {
        using Device device = create();
        using var model = DiaForConditionalGeneration.FromPretrained(checkpoint, compiled, device);
        using ParameterGradients gradients = model.CreateGradients();
        Batch b = drawn.Batch;
        int channels = drawn.Config.DecoderConfig.NumChannels;
        using DiaOutput output = model.Forward(Matrix(b.Text, b.Length), Matrix(b.TextMask, b.Length), Rows(b.Audio, b.Count, b.Rows, channels),
            decoderAttentionMask: Matrix(b.AudioMask, b.Rows), labels: ByChannel(b.Labels, b.Rows, channels), numItemsInBatch: 1, gradients: gradients);
        Assert.Equal(expected.Loss, output.Loss!.Value, 1e-5 * Math.Max(1, expected.Loss));
        output.Backward();
        // A gradient that is nothing, or nearly, is off by what the others are.
        float least = (float)(0.01 * expected.Gradients.Values.Max(g => g.Max(Math.Abs)));
        foreach (string name in gradients.Names)
            Tolerance.Equal($"{drawn}, {device.Name}, {name}", [.. expected.Gradients[name].Select(g => (float)g), least], [.. gradients.Read(name), least],
                Bound);
    }

    private static Interpreter Interpret(DrawnConfiguration drawn)
    {
        var graph = new DiaGraph(drawn.Config, 1L << 40);
        var interpreter = new Interpreter(drawn.Config, drawn.Batch, drawn.Parameters);
        interpreter.Run(graph.Text.Where(f => !Backward.Is(f.Function)), isText: true);
        interpreter.Run(graph.Audio, isText: false);
        interpreter.Run(graph.Text.Where(f => Backward.Is(f.Function)), isText: true);
        return interpreter;
    }

    private static ModelFolder Write(DrawnConfiguration drawn, string folder)
    {
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, "config.json"), CanonicalJson.Write(drawn.Config));
        var graph = new DiaGraph(drawn.Config);
        TensorFile.Write(Path.Combine(folder, "model.safetensors"), [.. graph.Text.Concat(graph.Audio).SelectMany(f => f.Operations)
            .SelectMany(o => o.Parameters).Distinct()
            .Select(p => (p.Name, p.Shape.ToArray(), (Array)drawn.Parameters[p.Name].Select(v => (float)v).ToArray()))]);
        return ModelFolder.Open(folder);
    }

    private static int[,] Matrix(int[] values, int width)
    {
        var matrix = new int[values.Length / width, width];
        Buffer.BlockCopy(values, 0, matrix, 0, values.Length * sizeof(int));
        return matrix;
    }

    private static int[,,] Rows(int[] values, int count, int rows, int channels)
    {
        var result = new int[count, rows, channels];
        Buffer.BlockCopy(values, 0, result, 0, values.Length * sizeof(int));
        return result;
    }

    /// <summary>[B·T, C] as [B·C, T].</summary>
    private static int[,] ByChannel(int[] labels, int rows, int channels)
    {
        var result = new int[labels.Length / rows, rows];
        for (int i = 0; i < labels.Length; i++)
            result[i / channels / rows * channels + i % channels, i / channels % rows] = labels[i];
        return result;
    }
}
