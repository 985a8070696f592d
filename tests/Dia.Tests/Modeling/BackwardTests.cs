using Dia.Backends;
using Dia.Backends.Cpu;
using Dia.Compiled;
using Dia.Generation;
using Dia.Modeling;
using Dia.Networks;
using Dia.Weights;
using Xunit;

namespace Dia.Tests.Modeling;

/// <summary>Backward passes against the reference's gradients.</summary>
public sealed class BackwardTests
{
    // The fixtures' own bound: float32 sums in another order, forward and backward.
    private const double Bound = 1e-4;

    public static TheoryData<string, string> Cases() => TestDevice.Each(
        Directory.GetDirectories(Fixtures.Path("tiny")).Order(StringComparer.Ordinal).Where(f => File.Exists(Path.Combine(f, "grads.safetensors")))
            .Select(f => Path.GetFileName(f)), "scalar", "cpu1", "cpu2");

    [Theory]
    [MemberData(nameof(Cases))]
    public void Gradients_equal_the_references(string name, string deviceName)
    {
        TensorFile inputs = Fixtures.Tensors("tiny", name, "forward.safetensors"), expected = Fixtures.Tensors("tiny", name, "grads.safetensors");
        using Device device = TestDevice.Create(deviceName);
        using DiaForConditionalGeneration model = Load(device, name);
        using ParameterGradients gradients = model.CreateGradients();
        using DiaOutput output = Forward(model, inputs, gradients);
        Tolerance.Equal("loss", inputs.Floats("out.loss"), [output.Loss!.Value], 2e-5);
        Tolerance.Equal("logits", inputs.Floats("out.logits"), output.Logits, 2e-5);
        output.Backward();
        Assert.Equal(expected.Names, gradients.Names.Order(StringComparer.Ordinal));
        foreach (string parameter in expected.Names.Reverse())
            Tolerance.Equal(parameter, expected.Floats(parameter), gradients.Read(parameter), Bound);
    }

    [Theory]
    [InlineData("scalar")]
    [InlineData("cpu2")]
    public void Gradients_of_a_batch_in_two_parts_add_up_to_the_whole(string deviceName)
    {
        TensorFile file = Fixtures.Tensors("training", "accumulation.safetensors");
        using Device device = TestDevice.Create(deviceName);
        using DiaForConditionalGeneration model = Load(device);
        using ParameterGradients gradients = model.CreateGradients();
        int[,] labels = file.Ints2("labels");
        int items = labels.Cast<int>().Count(l => l != CrossEntropy.Ignored), channels = model.Config.DecoderConfig.NumChannels;
        for (int i = 0; i < 2; i++)
        {
            using DiaOutput part =
                model.Forward(Item(file.Ints2("input_ids"), i), Item(file.Ints2("attention_mask"), i), Item(file.Ints3("decoder_input_ids"), i),
                decoderAttentionMask: Item(file.Ints2("decoder_attention_mask"), i), labels: Item(labels, i, channels), numItemsInBatch: items,
                gradients: gradients);
            part.Backward();
        }

        foreach (string parameter in gradients.Names)
            Tolerance.Equal(parameter, file.Floats("grad." + parameter), gradients.Read(parameter), Bound);
    }

    [Fact]
    public void Results_do_not_depend_on_threads()
    {
        TensorFile inputs = Fixtures.Tensors("tiny", "odd", "forward.safetensors");
        float[][] Gradients(int threads)
        {
            using Device device = new CpuDevice(threads);
            using DiaForConditionalGeneration model = Load(device, "odd");
            using ParameterGradients gradients = model.CreateGradients();
            using DiaOutput output = Forward(model, inputs, gradients);
            output.Backward();
            return [.. gradients.Names.Select(gradients.Read)];
        }

        float[][] one = Gradients(1);
        Assert.Equal(one, Gradients(2));
        Assert.Equal(one, Gradients(5));
    }

    [Fact]
    public void Only_what_is_trained_has_a_gradient_and_the_others_are_the_same()
    {
        TensorFile inputs = Fixtures.Tensors("tiny", "base", "forward.safetensors"), expected = Fixtures.Tensors("tiny", "base", "grads.safetensors");
        using Device device = new CpuDevice(1);
        using DiaForConditionalGeneration model = Load(device);
        using ParameterGradients gradients = model.CreateGradients(n => n.Contains("encoder.layers.0", StringComparison.Ordinal));
        using DiaOutput output = Forward(model, inputs, gradients);
        output.Backward();
        Assert.All(gradients.Names, n => Assert.Contains("encoder.layers.0", n, StringComparison.Ordinal));
        foreach (string name in gradients.Names)
            Tolerance.Equal(name, expected.Floats(name), gradients.Read(name), Bound);
        Assert.Throws<ArgumentException>(() => gradients.Read("logits_dense.weight"));
        gradients.Clear();
        Assert.All(gradients.Names, n => Assert.All(gradients.Read(n), g => Assert.Equal(0, g)));
    }

    [Fact]
    public void Misuse_is_refused()
    {
        TensorFile inputs = Fixtures.Tensors("tiny", "base", "forward.safetensors");
        using Device device = new CpuDevice(1);
        using DiaForConditionalGeneration model = Load(device), other = Load(device);
        ParameterGradients gradients = model.CreateGradients();
        Assert.Throws<ArgumentException>(() => model.Forward(inputs.Ints2("in.input_ids"), gradients: gradients));
        Assert.Throws<ArgumentException>(() => Forward(other, inputs, gradients));
        using (DiaOutput output = Forward(model, inputs, gradients))
        {
            output.Backward();
            Assert.Throws<InvalidOperationException>(output.Backward);
        }

        using DiaOutput plain = model.Forward(inputs.Ints2("in.input_ids"), labels: null);
        Assert.Throws<InvalidOperationException>(plain.Backward);
        gradients.Dispose();
        Assert.Throws<ObjectDisposedException>(() => Forward(model, inputs, gradients));
        Assert.Throws<ObjectDisposedException>(gradients.Clear);
    }

    private static DiaForConditionalGeneration Load(Device device, string name = "base") =>
        DiaForConditionalGeneration.FromPretrained(ModelFolder.Open(Fixtures.Path("tiny", name)), CompiledModels.All, device);

    private static DiaOutput Forward(DiaForConditionalGeneration model, TensorFile inputs, ParameterGradients gradients) => model.Forward(
        inputs.Ints2("in.input_ids"), inputs.Ints2("in.attention_mask"), inputs.Ints3("in.decoder_input_ids"),
        decoderAttentionMask: inputs.Ints2("in.decoder_attention_mask"), labels: inputs.Ints2("in.labels"), gradients: gradients);

    private static int[,] Item(int[,] batch, int item, int rows = 1)
    {
        var part = new int[rows, batch.GetLength(1)];
        Buffer.BlockCopy(batch, item * part.Length * sizeof(int), part, 0, part.Length * sizeof(int));
        return part;
    }

    private static int[,,] Item(int[,,] batch, int item)
    {
        var part = new int[1, batch.GetLength(1), batch.GetLength(2)];
        Buffer.BlockCopy(batch, item * part.Length * sizeof(int), part, 0, part.Length * sizeof(int));
        return part;
    }
}
