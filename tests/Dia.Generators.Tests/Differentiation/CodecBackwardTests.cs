extern alias engine;

using Dia.Configuration;
using engine::Dia.Backends;
using engine::Dia.Backends.Cpu;
using engine::Dia.Backends.Scalar;
using engine::Dia.Codec;
using engine::Dia.Networks;
using engine::Dia.Weights;
using Xunit;
using Device = engine::Dia.Backends.Device;

namespace Dia.Generators.Tests.Differentiation;

/// <summary>Backward functions of drawn codecs: interpreted in double against finite differences, and as emitted against the interpreter.</summary>
public sealed class CodecBackwardTests
{
    // Step 1e-5: the differences' own error is the third derivative times 1e-10, and rounding of the objective over the step.
    private const double Step = 1e-5, Bound = 1e-6;

    // Float32 sums of some tens of terms through some thirty convolutions, forward and backward.
    private const double EmittedBound = 5e-5;

    public static TheoryData<int> Seeds() => [.. Enumerable.Range(1, 16)];

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Gradients_equal_finite_differences(int seed)
    {
        var drawn = new DrawnCodec(seed);
        CodecInterpreter pass = drawn.Interpret();
        foreach (var (name, gradient) in pass.Gradients)
        {
            double[] direction = drawn.Direction(gradient.Length);
            double expected = (drawn.Objective(pass, name, direction, Step) - drawn.Objective(pass, name, direction, -Step)) / (2 * Step);
            double actual = direction.Zip(gradient, (d, g) => d * g).Sum();
            double size = Math.Sqrt(direction.Sum(d => d * d) * gradient.Sum(g => g * g));
            Assert.True(Math.Abs(expected - actual) <= Bound * Math.Max(1, size), $"{drawn}, {name}: {actual}, by differences {expected}");
            Assert.Contains(gradient, g => g != 0);
        }
    }

    [Fact]
    public void Emitted_code_gives_the_gradients_of_the_graph()
    {
        // One or two strides, odd and even, one of 1: compiling more would take long.
        DrawnCodec[] drawn = [.. new[] { 1, 2, 3, 4 }.Select(seed => new DrawnCodec(seed))];
        IReadOnlyList<CompiledNetwork> compiled = Drive.Load(
            drawn.Select((d, i) => new TestFile("/repository", $"configs/drawn-{i:00}", "config.json", CanonicalJson.Write(d.Config))), training: true);
        using var folder = new TemporaryFolder();
        for (int i = 0; i < drawn.Length; i++)
        {
            ModelFolder checkpoint = Write(drawn[i], Path.Combine(folder.Path, $"{i:00}"));
            foreach (Func<Device> device in new Func<Device>[] { () => new ScalarDevice(), () => new CpuDevice(2) })
                Compare(drawn[i], checkpoint, compiled, device);
        }
    }

    private static void Compare(DrawnCodec drawn, ModelFolder checkpoint, IReadOnlyList<CompiledNetwork> compiled, Func<Device> create)
    {
        CodecInterpreter expected = drawn.Interpret();
        using Device device = create();
        using var codec = DacModel.FromPretrained(checkpoint, compiled, device);
        using ParameterGradients gradients = codec.CreateGradients();
        using DacOutput output = codec.Forward(Floats(drawn.Sound), gradients);
        Assert.All(expected.Codes, c => Assert.Equal(c.Value, Enumerable.Range(0, c.Value.Length).Select(t => output.AudioCodes[t, c.Key])));
        Assert.Equal(expected.Loss, output.Loss, 1e-5 * Math.Max(1, expected.Loss));
        Tolerance.Equal($"{drawn}, {device.Name}", Floats(expected.Audio), output.AudioValues, EmittedBound);
        output.Backward(Floats(drawn.AudioGradient), (float)drawn.LossGradient);
        // A gradient that is nothing, or nearly, is off by what the others are.
        float least = (float)(0.01 * expected.Gradients.Values.Max(g => g.Max(Math.Abs)));
        foreach (string name in gradients.Names)
            Tolerance.Equal($"{drawn}, {device.Name}, {name}", [.. Floats(expected.Gradients[name]), least], [.. gradients.Read(name), least], EmittedBound);
    }

    private static float[] Floats(double[] values) => [.. values.Select(v => (float)v)];

    private static ModelFolder Write(DrawnCodec drawn, string folder)
    {
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, "config.json"), CanonicalJson.Write(drawn.Config));
        TensorFile.Write(Path.Combine(folder, "model.safetensors"),
            [.. drawn.Parameters.Select(p => (p.Name, p.Shape.ToArray(), (Array)Floats(drawn.Values[p.Name])))]);
        return ModelFolder.Open(folder);
    }
}
