using System.Text.Json;
using Dia.Backends;
using Dia.Compiled;
using Dia.Generation;
using Dia.Modeling;
using Dia.Networks;
using Dia.Training;
using Dia.Weights;
using Xunit;

namespace Dia.Tests.Training;

/// <summary>LoRA adapters against PEFT's: what they compute, their gradients, steps of training, merging, and their files.</summary>
public sealed class LoraTests
{
    // The fixtures' own bounds: float32 sums in another order.
    private const double ForwardBound = 2e-5, GradientBound = 1e-4;

    private static TensorFile Cases => Fixtures.Tensors("training", "lora", "cases.safetensors");

    private static ModelFolder Folder => ModelFolder.Open(Fixtures.Path("training", "lora", "adapter"));

    [Theory]
    [InlineData("scalar")]
    [InlineData("cpu1")]
    [InlineData("cpu2")]
    public void Loss_logits_and_gradients_equal_the_references(string deviceName)
    {
        TensorFile file = Cases;
        using Device device = TestDevice.Create(deviceName);
        using DiaForConditionalGeneration model = Load(device);
        model.LoadAdapter(Folder);
        Tolerance.Equal("logits", file.Floats("out.logits"), Forward(model, file, 0, null).Logits, ForwardBound);
        using ParameterGradients gradients = model.CreateGradients();
        using DiaOutput output = Forward(model, file, 0, gradients);
        Tolerance.Equal("logits in training", file.Floats("out.logits"), output.Logits, ForwardBound);
        Tolerance.Equal("loss", file.Floats("out.loss"), [output.Loss!.Value], 1e-5);
        output.Backward();
        string[] expected = [.. file.Names.Where(n => n.StartsWith("grad.", StringComparison.Ordinal)).Select(n => n["grad.".Length..])];
        Assert.Equal(expected.Order(StringComparer.Ordinal), gradients.Names.Order(StringComparer.Ordinal));
        foreach (string name in expected)
            Tolerance.Equal(name, file.Floats("grad." + name), gradients.Read(name), GradientBound);
    }

    [Theory]
    [InlineData("scalar")]
    [InlineData("cpu2")]
    public void Steps_of_training_equal_the_references(string deviceName)
    {
        TensorFile file = Cases;
        using JsonDocument json = JsonDocument.Parse(File.ReadAllText(Fixtures.Path("training", "lora", "cases.json")));
        double[] Numbers(string key) => [.. json.RootElement.GetProperty(key).EnumerateArray().Select(e => e.GetDouble())];
        using Device device = TestDevice.Create(deviceName);
        using DiaForConditionalGeneration model = Load(device);
        model.LoadAdapter(Folder);
        using ParameterGradients gradients = model.CreateGradients();
        using var optimizer = new AdamW(model, gradients, weightDecay: json.RootElement.GetProperty("weight_decay").GetDouble());
        double[] losses = Numbers("losses"), norms = Numbers("grad_norms_before_clip"), rates = Numbers("learning_rates");
        for (int step = 0; step < losses.Length; step++)
        {
            gradients.Clear();
            using DiaOutput output = Forward(model, file, step, gradients);
            Assert.Equal(losses[step], output.Loss!.Value, 1e-5 * losses[step]);
            output.Backward();
            Assert.Equal(norms[step], optimizer.Step(rates[step], json.RootElement.GetProperty("clip_grad_norm").GetDouble()), 1e-4 * norms[step]);
        }

        using var folder = new TemporaryFolder();
        string saved = folder["saved"];
        model.SaveAdapter(saved);
        TensorFile after = TensorFile.Open(Path.Combine(saved, "adapter_model.safetensors"));
        Assert.NotEmpty(after.Names);
        foreach (string name in after.Names)
            Tolerance.Equal(name, file.Floats("after." + name["base_model.model.".Length..]), after.Floats(name), GradientBound);
    }

    [Theory]
    [InlineData("scalar")]
    [InlineData("cpu2")]
    public void Merged_into_the_weights_it_gives_the_references_logits(string deviceName)
    {
        // The reference merged what its four steps had left.
        TensorFile file = Cases;
        using var folder = new TemporaryFolder();
        string trained = Directory.CreateDirectory(folder["trained"]).FullName, saved = folder["saved"];
        File.Copy(Fixtures.Path("training", "lora", "adapter", "adapter_config.json"), Path.Combine(trained, "adapter_config.json"));
        TensorFile.Write(Path.Combine(trained, "adapter_model.safetensors"), [.. file.Names.Where(n => n.StartsWith("after.", StringComparison.Ordinal))
            .Select(n => ("base_model.model." + n["after.".Length..], file.Shape(n), (Array)file.Floats(n)))]);
        using Device device = TestDevice.Create(deviceName);
        using DiaForConditionalGeneration model = Load(device);
        model.LoadAdapter(ModelFolder.Open(trained));
        Tolerance.Equal("unmerged logits", file.Floats("merged.logits"), Forward(model, file, 0, null).Logits, ForwardBound);
        model.MergeAdapter();
        Assert.Null(model.Adapter);
        Tolerance.Equal("logits", file.Floats("merged.logits"), Forward(model, file, 0, null).Logits, ForwardBound);
        model.SavePretrained(saved);
        TensorFile weights = TensorFile.Open(Path.Combine(saved, "model.safetensors"));
        string[] expected = [.. file.Names.Where(n => n.StartsWith("merged.model.", StringComparison.Ordinal))];
        Assert.Equal(2, expected.Length);
        foreach (string name in expected)
            Tolerance.Equal(name, file.Floats(name), weights.Floats(name["merged.".Length..]), 1e-6); // one rounding of a sum of four products
    }

    [Fact]
    public void Read_and_written_again_its_tensors_and_settings_are_the_same()
    {
        using Device device = TestDevice.Create("cpu1");
        using DiaForConditionalGeneration model = Load(device);
        model.LoadAdapter(Folder);
        using var folder = new TemporaryFolder();
        string saved = folder["saved"];
        model.SaveAdapter(saved);
        Assert.Equal(
            File.ReadAllText(Fixtures.Path("training", "lora", "adapter", "adapter_config.json")), File.ReadAllText(Path.Combine(saved, "adapter_config.json")));
        Assert.Equal(
            File.ReadAllBytes(Fixtures.Path("training", "lora", "adapter", "adapter_model.safetensors")),
            File.ReadAllBytes(Path.Combine(saved, "adapter_model.safetensors")));
    }

    [Fact]
    public void A_new_adapter_changes_nothing_and_is_saved_and_read()
    {
        TensorFile file = Cases;
        using Device device = TestDevice.Create("cpu2");
        using DiaForConditionalGeneration plain = Load(device), model = Load(device), again = Load(device);
        var config = new LoraConfig { R = 3, LoraAlpha = 6.5, LoraDropout = 0.1, TargetModules = ["q_proj", "down_proj", "logits_dense"], UseRslora = true };
        model.AddAdapter(config, seed: 5);
        Assert.Equal(Forward(plain, file, 0, null).Logits, Forward(model, file, 0, null).Logits);
        using ParameterGradients gradients = model.CreateGradients();
        using DiaOutput output = Forward(model, file, 0, gradients);
        output.Backward();
        Assert.Contains("logits_dense.lora_A.weight", gradients.Names);
        Assert.DoesNotContain(gradients.Names, n => n.Contains("k_proj", StringComparison.Ordinal) || n.EndsWith("proj.weight", StringComparison.Ordinal));
        foreach (string name in gradients.Names) // b is zero, so a has no gradient yet
            Assert.Equal(name.Contains("lora_A", StringComparison.Ordinal), Array.TrueForAll(gradients.Read(name), g => g == 0));
        using var optimizer = new AdamW(model, gradients);
        optimizer.Step(0.1);
        using var folder = new TemporaryFolder();
        string saved = folder["saved"];
        model.SaveAdapter(saved);
        again.LoadAdapter(ModelFolder.Open(saved));
        Assert.Equal((3, 6.5, 0.1, true), (again.Adapter!.R, again.Adapter.LoraAlpha, again.Adapter.LoraDropout, again.Adapter.UseRslora));
        Assert.Equal(config.TargetModules, again.Adapter.TargetModules);
        float[] logits = Forward(model, file, 0, null).Logits;
        Assert.NotEqual(Forward(plain, file, 0, null).Logits, logits);
        Assert.Equal(logits, Forward(again, file, 0, null).Logits);
    }

    [Fact]
    public void Targets_are_last_parts_of_names_or_patterns_which_the_file_has_as_names()
    {
        using Device device = TestDevice.Create("cpu1");
        using DiaForConditionalGeneration model = Load(device);
        model.AddAdapter(new LoraConfig { TargetModules = ["model.decoder.layers.1.mlp.*", "k_proj"] }, seed: 1);
        Assert.Equal(["model.decoder.layers.1.mlp.gate_up_proj", "model.decoder.layers.1.mlp.down_proj", "k_proj"], model.Adapter!.TargetModules);
        using ParameterGradients gradients = model.CreateGradients();
        Assert.All(gradients.Names, n => Assert.True(n.Contains("decoder.layers.1.mlp", StringComparison.Ordinal) || n.Contains("k_proj", StringComparison.Ordinal)));
        Assert.Contains("model.encoder.layers.0.self_attention.k_proj.lora_A.weight", gradients.Names);
        using DiaForConditionalGeneration other = Load(device);
        Assert.Throws<DiaException>(() => other.AddAdapter(new LoraConfig { TargetModules = ["model.coder.*"] }, seed: 1));
    }

    [Fact]
    public unsafe void Gradients_with_dropout_are_the_slope_of_the_loss()
    {
        TensorFile file = Cases;
        using Device device = TestDevice.Create("cpu2");
        using DiaForConditionalGeneration model = Load(device);
        model.AddAdapter(new LoraConfig { R = 4, LoraAlpha = 8, LoraDropout = 0.4 }, seed: 1);
        LoraWeights weights = model.Network.Lora!.Weights;
        for (int i = 0; i < weights.Specs.Length; i++) // b no longer zero
            InitialWeights.Fill(weights[i], 0, (int)weights.Specs[i].Count, (uint)i, 2, 0.1);
        Changed();
        using ParameterGradients gradients = model.CreateGradients();
        using (DiaOutput output = Pass())
            output.Backward();

        // Along the gradient the loss has the slope |g|; the step is one that float32's rounding of the loss does not drown.
        float[][] slopes = [.. weights.Specs.Select(s => gradients.Read(s.Name))];
        double norm = Math.Sqrt(slopes.Sum(g => g.Sum(x => (double)x * x))), step = 0.02 / norm;
        double up = Moved(step / norm), down = Moved(-2 * step / norm);
        Assert.Equal(norm, (up - down) / (2 * step), 0.02 * norm);
        Moved(step / norm);
        float loss = Loss(Pass());
        Assert.Equal(loss, Loss(Pass()));
        model.DropoutPass = 8;
        Assert.NotEqual(loss, Loss(Forward(model, file, 0, gradients)));

        DiaOutput Pass()
        {
            model.DropoutPass = 7;
            return Forward(model, file, 0, gradients);
        }

        float Loss(DiaOutput output)
        {
            using (output)
                return output.Loss!.Value;
        }

        double Moved(double factor)
        {
            for (int i = 0; i < slopes.Length; i++)
                for (int j = 0; j < slopes[i].Length; j++)
                    weights[i][j] += (float)(factor * slopes[i][j]);
            Changed();
            return Loss(Pass());
        }

        void Changed()
        {
            using Lock.Scope turn = model.Tenant.Enter();
            model.WeightsChanged(Enumerable.Range(model.Specs.Length, weights.Specs.Length));
        }
    }

    [Fact]
    public void Strength_scales_what_it_adds()
    {
        TensorFile file = Cases;
        using Device device = TestDevice.Create("cpu1");
        using DiaForConditionalGeneration plain = Load(device), none = Load(device), twice = Load(device);
        none.LoadAdapter(Folder, strength: 0);
        Assert.Equal(Forward(plain, file, 0, null).Logits, Forward(none, file, 0, null).Logits);
        twice.LoadAdapter(Folder, strength: 2);
        float[] unmerged = Forward(twice, file, 0, null).Logits;
        twice.MergeAdapter();
        Tolerance.Equal("logits", Forward(twice, file, 0, null).Logits, unmerged, ForwardBound);
    }

    [Fact]
    public void Misuse_is_refused()
    {
        using Device device = TestDevice.Create("cpu1");
        using DiaForConditionalGeneration model = Load(device);
        using ParameterGradients before = model.CreateGradients();
        Assert.Throws<InvalidOperationException>(model.MergeAdapter);
        Assert.Throws<InvalidOperationException>(() => model.SaveAdapter("x"));
        Assert.Throws<ArgumentOutOfRangeException>(() => model.LoadAdapter(Folder, double.NaN));
        DiaException e = Assert.Throws<DiaException>(() => model.AddAdapter(new LoraConfig { TargetModules = ["q_proj", "wq"] }, 1));
        Assert.Contains("no linear layer of the model is called wq", e.Message, StringComparison.Ordinal);
        Assert.Null(model.Adapter);
        model.LoadAdapter(Folder);
        Assert.Throws<InvalidOperationException>(() => model.LoadAdapter(Folder));
        Assert.Throws<ArgumentException>(() => Forward(model, Cases, 0, before));
    }

    private static DiaForConditionalGeneration Load(Device device) =>
        DiaForConditionalGeneration.FromPretrained(ModelFolder.Open(Fixtures.Path("tiny", "base")), CompiledModels.All, device);

    private static DiaOutput Forward(DiaForConditionalGeneration model, TensorFile file, int step, ParameterGradients? gradients) => model.Forward(
        file.Ints2("input_ids"), file.Ints2("attention_mask"), file.Ints3($"step{step}.decoder_input_ids"),
        decoderAttentionMask: file.Ints2($"step{step}.decoder_attention_mask"), labels: file.Ints2($"step{step}.labels"), gradients: gradients);
}
