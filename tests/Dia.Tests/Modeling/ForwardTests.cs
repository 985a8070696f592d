using Dia.Backends;
using Dia.Backends.Cpu;
using Dia.Backends.Scalar;
using Dia.Compiled;
using Dia.Generation;
using Dia.Modeling;
using Dia.Networks;
using Dia.Weights;
using Xunit;

namespace Dia.Tests.Modeling;

/// <summary>Forward passes against the reference's: loss, logits, every hidden state and attention map.</summary>
public sealed class ForwardTests
{
    // Float32 sums of a few hundred terms in another order than the reference's, through two or three layers: the fixtures' own bound.
    private const double Bound = 2e-5;

    public static TheoryData<string, string> Cases()
    {
        var data = new TheoryData<string, string>();
        foreach (string folder in Directory.GetDirectories(Fixtures.Path("tiny")).Order(StringComparer.Ordinal))
        {
            data.Add(Path.GetFileName(folder), "scalar");
            data.Add(Path.GetFileName(folder), "cpu1");
            data.Add(Path.GetFileName(folder), "cpu2");
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Equals_the_reference(string name, string deviceName)
    {
        TensorFile expected = Fixtures.Tensors("tiny", name, "forward.safetensors");
        using Device device = TestDevice.Create(deviceName);
        using var model = DiaForConditionalGeneration.FromPretrained(ModelFolder.Open(Fixtures.Path("tiny", name)), CompiledModels.All, device);
        DiaOutput output = model.Forward(
            expected.Ints2("in.input_ids"),
            expected.Ints2("in.attention_mask"),
            expected.Ints3("in.decoder_input_ids"),
            expected.Contains("in.decoder_position_ids") ? expected.Ints2("in.decoder_position_ids") : null,
            expected.Ints2("in.decoder_attention_mask"),
            labels: expected.Ints2("in.labels"),
            outputHiddenStates: true,
            outputAttentions: true);

        Compare("encoder_hidden_states", output.EncoderHiddenStates);
        Compare("encoder_attentions", [.. output.EncoderAttentions.Select(m => m.Values)]);
        Compare("decoder_hidden_states", output.DecoderHiddenStates);
        Compare("decoder_attentions", [.. output.DecoderAttentions.Select(m => m.Values)]);
        Compare("cross_attentions", [.. output.CrossAttentions.Select(m => m.Values)]);
        Tolerance.Equal("logits", expected.Floats("out.logits"), output.Logits, Bound);
        Tolerance.Equal("loss", expected.Floats("out.loss"), [output.Loss!.Value], Bound);

        void Compare(string list, IReadOnlyList<float[]> actual)
        {
            int count = expected.Names.Count(n => n.StartsWith($"out.{list}.", StringComparison.Ordinal));
            Assert.True(count > 0 && count == actual.Count, $"{list}: {actual.Count} tensors, expected {count}");
            for (int i = 0; i < count; i++)
                Tolerance.Equal($"{list}.{i}", expected.Floats($"out.{list}.{i}"), actual[i], Bound);
        }
    }

    [Fact]
    public void Loss_without_labels_is_NaN_and_num_items_divides_the_sum()
    {
        TensorFile expected = Fixtures.Tensors("tiny", "base", "forward.safetensors");
        using Device device = new ScalarDevice();
        using var model = DiaForConditionalGeneration.FromPretrained(ModelFolder.Open(Fixtures.Path("tiny", "base")), CompiledModels.All, device);
        int[,] labels = expected.Ints2("in.labels");
        float Loss(double? items) =>
            model.Forward(expected.Ints2("in.input_ids"), null, expected.Ints3("in.decoder_input_ids"), labels: labels, numItemsInBatch: items).Loss!.Value;
        int count = labels.Cast<int>().Count(l => l != -100);
        Assert.Equal(Loss(null), Loss(count));
        Assert.Equal(Loss(null) * count, Loss(1), Loss(1) * 1e-5);
        for (int i = 0; i < labels.GetLength(0); i++)
            for (int j = 0; j < labels.GetLength(1); j++)
                labels[i, j] = -100;
        Assert.Equal(float.NaN, Loss(null));
    }
}
