using Dia.Backends;
using Dia.Backends.Cpu;
using Dia.Codec;
using Dia.Compiled;
using Dia.Networks;
using Dia.Weights;
using Xunit;

namespace Dia.Tests.Codec;

/// <summary>The codec's backward pass against the reference's gradients.</summary>
public sealed class DacBackwardTests
{
    // The fixtures' own bound: float32 sums in another order through some sixty convolutions, forward and backward.
    private const double Bound = 1e-4;

    [Theory]
    [InlineData("base", "scalar")]
    [InlineData("base", "cpu1")]
    [InlineData("odd", "scalar")]
    [InlineData("odd", "cpu2")]
    public void Gradients_equal_the_references(string name, string deviceName)
    {
        TensorFile expected = Expected(name);
        using Device device = TestDevice.Create(deviceName);
        using DacModel codec = Load(device, name);
        using ParameterGradients gradients = codec.CreateGradients();
        float loss = AddBatch(codec, expected, gradients, out float[] audio, out int[] codes);
        Tolerance.Equal("audio_values", expected.Floats("audio_values"), audio, 1e-5);
        Assert.Equal(CodesByFrame(expected), codes);

        // The reference's losses are means over the batch, the same for both items.
        Tolerance.Equal("loss", expected.Floats("quantizer_loss"), [loss, loss], 1e-5);
        Assert.Equal(expected.Names.Where(n => n.StartsWith("grad.", StringComparison.Ordinal)),
            gradients.Names.Select(n => "grad." + n).Order(StringComparer.Ordinal));
        foreach (string parameter in gradients.Names)
            Tolerance.Equal(parameter, expected.Floats("grad." + parameter), gradients.Read(parameter), Bound);
    }

    [Fact]
    public void Results_do_not_depend_on_threads()
    {
        TensorFile expected = Expected("odd");
        float[] Gradients(int threads)
        {
            using Device device = new CpuDevice(threads);
            using DacModel codec = Load(device, "odd");
            using ParameterGradients gradients = codec.CreateGradients();
            AddBatch(codec, expected, gradients, out _, out _);
            return [.. gradients.Names.SelectMany(gradients.Read)];
        }

        float[] one = Gradients(1);
        Assert.Equal(one, Gradients(2));
        Assert.Equal(one, Gradients(5));
    }

    [Theory]
    [InlineData("base", 32 * 70)]
    [InlineData("base", 32 * 270)] // three windows, where the pass that trains has none
    [InlineData("odd", 30 * 3 + 17)]
    [InlineData("odd", 30 * 290 + 17)]
    public void The_forward_pass_is_encoding_and_decoding(string name, int samples)
    {
        var random = new Random(5);
        float[] sound = [.. Enumerable.Range(0, samples).Select(_ => random.NextSingle() - 0.5f)];
        using Device device = new CpuDevice(1);
        using DacModel codec = Load(device, name);
        using ParameterGradients gradients = codec.CreateGradients();
        using DacOutput output = codec.Forward(sound, gradients);
        int[,] codes = codec.Encode(sound, null, out CodecTrace trace);
        Assert.Equal(codes, output.AudioCodes);
        Assert.Equal(trace.ProjectedValues, output.ProjectedLatents);
        trace = new CodecTrace(DeviceMemory.Host, codes.GetLength(0), codec.Config.HiddenSize, codes.GetLength(1), codec.Config.CodebookDim);
        Assert.Equal(codec.Decode(codes, trace), output.AudioValues);
        Assert.Equal(trace.QuantizedValues, output.QuantizedRepresentation);
    }

    [Fact]
    public void Only_what_is_trained_has_a_gradient_and_the_others_are_the_same()
    {
        TensorFile expected = Expected("odd");
        string[] trained = ["encoder.conv1.bias", "quantizer.quantizers.1.codebook.weight", "decoder.block.0.conv_t1.weight", "decoder.snake1.alpha"];
        using Device device = new CpuDevice(1);
        using DacModel codec = Load(device, "odd");
        using ParameterGradients gradients = codec.CreateGradients(trained.Contains);
        AddBatch(codec, expected, gradients, out _, out _);
        Assert.Equal(trained.Order(StringComparer.Ordinal), gradients.Names.Order(StringComparer.Ordinal));
        foreach (string name in trained)
            Tolerance.Equal(name, expected.Floats("grad." + name), gradients.Read(name), Bound);
    }

    [Fact]
    public void Misuse_is_refused()
    {
        using Device device = new CpuDevice(1);
        using DacModel codec = Load(device, "odd"), other = Load(device, "odd");
        ParameterGradients gradients = codec.CreateGradients();
        Assert.Equal(DiaErrorKind.Input, Assert.Throws<DiaException>(() => codec.Forward(new float[10], gradients)).Kind);
        Assert.Throws<ArgumentException>(() => other.Forward(new float[90], gradients));
        DacOutput output = codec.Forward(new float[90], gradients);
        float[] ones = [.. output.AudioValues.Select(_ => 1f)];
        Assert.Throws<ArgumentException>(() => output.Backward(new float[90]));
        output.Backward(ones);
        Assert.Throws<InvalidOperationException>(() => output.Backward(ones));
        output.Dispose();
        using (output = codec.Forward(new float[90], gradients))
            gradients.Dispose();
        Assert.Throws<ObjectDisposedException>(() => output.Backward(ones));
        Assert.Throws<ObjectDisposedException>(() => codec.Forward(new float[90], gradients));
    }

    /// <summary>The fixtures' loss: mean absolute difference of both items' samples, and the quantizers' loss of the batch.</summary>
    private static float AddBatch(DacModel codec, TensorFile expected, ParameterGradients gradients, out float[] audio, out int[] codes)
    {
        const int Batch = 2;
        float[] all = expected.Floats("audio");
        float loss = 0;
        (audio, codes) = ([], []);
        for (int i = 0; i < Batch; i++)
        {
            float[] sound = all[(i * all.Length / Batch)..((i + 1) * all.Length / Batch)];
            using DacOutput output = codec.Forward(sound, gradients);
            output.Backward([.. output.AudioValues.Select((a, t) => MathF.Sign(a - sound[t]) / (float)(Batch * output.AudioValues.Length))], 1f / Batch);
            loss += output.Loss / Batch;
            audio = [.. audio, .. output.AudioValues];
            codes = [.. codes, .. output.AudioCodes.Cast<int>()];
        }

        return loss;
    }

    /// <summary>[B, codebooks, frames] as [B, frames, codebooks].</summary>
    private static int[] CodesByFrame(TensorFile expected)
    {
        int[,,] codes = expected.Ints3("audio_codes");
        var result = new List<int>();
        for (int i = 0; i < codes.GetLength(0); i++)
            for (int t = 0; t < codes.GetLength(2); t++)
                for (int c = 0; c < codes.GetLength(1); c++)
                    result.Add(codes[i, c, t]);
        return [.. result];
    }

    private static TensorFile Expected(string name) => Fixtures.Tensors("training", $"dac-{name}.safetensors");

    private static DacModel Load(Device device, string name) =>
        DacModel.FromPretrained(ModelFolder.Open(Fixtures.Path("dac", name)), CompiledModels.All, device);
}
