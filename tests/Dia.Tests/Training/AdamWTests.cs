using System.Text.Json;
using Dia.Backends;
using Dia.Compiled;
using Dia.Configuration;
using Dia.Generation;
using Dia.Modeling;
using Dia.Networks;
using Dia.Processing;
using Dia.Training;
using Dia.Weights;
using Xunit;

namespace Dia.Tests.Training;

/// <summary>Steps of training against PyTorch's: losses, norms, and the weights after.</summary>
public sealed class AdamWTests
{
    [Theory]
    [InlineData("scalar")]
    [InlineData("cpu2")]
    public void Six_steps_with_clipping_are_the_references(string deviceName)
    {
        TensorFile file = Fixtures.Tensors("tiny", "base", "train.safetensors");
        using JsonDocument json = JsonDocument.Parse(File.ReadAllText(Fixtures.Path("tiny", "base", "train.json")));
        double[] losses = Numbers(json, "losses"), norms = Numbers(json, "grad_norms_before_clip"), betas = Numbers(json, "betas");
        double Number(string name) => json.RootElement.GetProperty(name).GetDouble();
        using Device device = TestDevice.Create(deviceName);
        using DiaForConditionalGeneration model = Load(device);
        using ParameterGradients gradients = model.CreateGradients();
        using var optimizer = new AdamW(model, gradients, betas[0], betas[1], Number("eps"), Number("weight_decay"));
        for (int step = 0; step < losses.Length; step++)
        {
            gradients.Clear();
            using DiaOutput output = Forward(model, file, step, gradients);
            output.Backward();

            // Losses: the fixtures' bound. Norms: sums of squares of gradients that hold to 1e-4.
            Assert.Equal(losses[step], output.Loss!.Value, 1e-5 * losses[step]);
            Assert.Equal(norms[step], optimizer.Step(Number("lr"), Number("clip_grad_norm")), 1e-4 * norms[step]);
        }

        using var folder = new TemporaryFolder();
        model.SavePretrained(folder["after"]);
        TensorFile after = TensorFile.Open(Path.Combine(folder["after"], "model.safetensors"));
        foreach (string name in after.Names)
            Tolerance.Equal(name, file.Floats("after." + name), after.Floats(name), 1e-4);
    }

    [Fact]
    public void What_is_not_trained_stays_and_the_checkpoint_too()
    {
        TensorFile file = Fixtures.Tensors("tiny", "base", "train.safetensors");
        string checkpoint = Fixtures.Path("tiny", "base", "model.safetensors");
        byte[] before = File.ReadAllBytes(checkpoint);
        using Device device = TestDevice.Create("cpu1");
        using DiaForConditionalGeneration model = Load(device);
        using ParameterGradients gradients = model.CreateGradients(n => n.EndsWith("norm.weight", StringComparison.Ordinal));
        using var optimizer = new AdamW(model, gradients);
        using (DiaOutput output = Forward(model, file, 0, gradients))
            output.Backward();
        optimizer.Step(0.1);
        using var folder = new TemporaryFolder();
        model.SavePretrained(folder["after"]);
        TensorFile was = TensorFile.Open(checkpoint), after = TensorFile.Open(Path.Combine(folder["after"], "model.safetensors"));
        foreach (string name in was.Names)
            Assert.Equal(!gradients.Names.Contains(name), was.Floats(name).AsSpan().SequenceEqual(after.Floats(name)));
        Assert.Equal(before, File.ReadAllBytes(checkpoint));
    }

    [Fact]
    public void A_trained_model_speaks_as_it_does_once_it_is_saved_and_loaded()
    {
        TensorFile file = Fixtures.Tensors("tiny", "base", "train.safetensors");
        using Device device = TestDevice.Create("cpu1");
        using DiaForConditionalGeneration model = Load(device);
        GenerationConfig config = model.GenerationConfig() with { MaxNewTokens = 20, GuidanceScale = 2 };
        var inputs = new DiaInputs
        {
            InputIds = file.Ints2("input_ids"), AttentionMask = file.Ints2("attention_mask"), DecoderInputIds = new int[2, 1, 9], DecoderAttentionMask = new[,] { { 1 }, { 1 } },
        };
        int[,,] untrained = model.Generate(inputs, config); // the constants of guidance are there before the step
        using ParameterGradients gradients = model.CreateGradients();
        using var optimizer = new AdamW(model, gradients);
        using (DiaOutput output = Forward(model, file, 0, gradients))
            output.Backward();
        optimizer.Step(0.05);
        using var folder = new TemporaryFolder();
        model.SavePretrained(folder["after"]);
        using var loaded = DiaForConditionalGeneration.FromPretrained(ModelFolder.Open(folder["after"]), CompiledModels.All, device);
        int[,,] trained = model.Generate(inputs, config);
        Assert.NotEqual(untrained, trained);
        Assert.Equal(loaded.Generate(inputs, config), trained);
    }

    [Fact]
    public void Gradients_that_are_not_finite_change_nothing()
    {
        TensorFile file = Fixtures.Tensors("tiny", "base", "train.safetensors");
        using Device device = TestDevice.Create("cpu1");
        using DiaForConditionalGeneration model = Load(device);
        using ParameterGradients gradients = model.CreateGradients();
        using var optimizer = new AdamW(model, gradients);
        int[,] none = file.Ints2("step0.labels");
        for (int i = 0; i < none.Length; i++)
            none[i / none.GetLength(1), i % none.GetLength(1)] = CrossEntropy.Ignored;
        using (DiaOutput output = model.Forward(file.Ints2("input_ids"), null, file.Ints3("step0.decoder_input_ids"), labels: none, gradients: gradients))
        {
            output.Backward(); // of a mean of no labels
            Assert.Equal(float.NaN, output.Loss);
        }

        Assert.All(gradients.Read("logits_dense.weight"), g => Assert.Equal(0, g));
        int[,] labels = file.Ints2("step0.labels");
        using (DiaOutput output = model.Forward(file.Ints2("input_ids"), null, file.Ints3("step0.decoder_input_ids"), labels: labels, numItemsInBatch: 1e-39,
            gradients: gradients))
            output.Backward();
        using DiaOutput before = Forward(model, file, 0, null);
        Assert.Throws<DiaException>(() => optimizer.Step(0.1));
        using DiaOutput after = Forward(model, file, 0, null);
        Assert.Equal(before.Loss, after.Loss);
    }

    [Fact]
    public void Misuse_is_refused()
    {
        using Device device = TestDevice.Create("cpu1");
        using DiaForConditionalGeneration model = Load(device), other = Load(device);
        using ParameterGradients gradients = model.CreateGradients();
        Assert.Throws<ArgumentException>(() => new AdamW(other, gradients));
        Assert.Throws<ArgumentOutOfRangeException>(() => new AdamW(model, gradients, beta1: 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => new AdamW(model, gradients, epsilon: double.NaN));
        var optimizer = new AdamW(model, gradients);
        Assert.Throws<ArgumentOutOfRangeException>(() => optimizer.Step(-1));
        Assert.Throws<ArgumentOutOfRangeException>(() => optimizer.Step(1, maxNorm: 0));
        optimizer.Dispose();
        optimizer.Dispose();
        Assert.Throws<ObjectDisposedException>(() => optimizer.Step(1));
    }

    private static DiaForConditionalGeneration Load(Device device) =>
        DiaForConditionalGeneration.FromPretrained(ModelFolder.Open(Fixtures.Path("tiny", "base")), CompiledModels.All, device);

    private static DiaOutput Forward(DiaForConditionalGeneration model, TensorFile file, int step, ParameterGradients? gradients) => model.Forward(
        file.Ints2("input_ids"), file.Ints2("attention_mask"), file.Ints3($"step{step}.decoder_input_ids"),
        decoderAttentionMask: file.Ints2($"step{step}.decoder_attention_mask"), labels: file.Ints2($"step{step}.labels"), gradients: gradients);

    private static double[] Numbers(JsonDocument json, string name) => [.. json.RootElement.GetProperty(name).EnumerateArray().Select(n => n.GetDouble())];
}
