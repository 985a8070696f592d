using System.Text.Json;
using Dia.Backends;
using Dia.Backends.Cpu;
using Dia.Compiled;
using Dia.Configuration;
using Dia.Generation;
using Dia.Graph;
using Dia.Modeling;
using Dia.Networks;
using Dia.Processing;
using Dia.Tests.Weights;
using Dia.Weights;
using Xunit;

namespace Dia.Tests.Modeling;

/// <summary>Models of 8- and 4-bit weights compute what the reference computes with integers times scales.</summary>
public sealed unsafe class QuantizedModelTests : IDisposable
{
    // Products in float32 of the same values as the reference's: the fixtures' own bound.
    private const double Bound = 2e-5;

    private readonly TemporaryFolder _folder = new();

    public static TheoryData<string, string> Cases => TestDevice.Each(QuantizedFixture.Names, "scalar", "cpu2");

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Cases))]
    public void Loss_and_logits_equal_the_references(string name, string deviceName)
    {
        using Device device = TestDevice.Create(deviceName);
        using DiaForConditionalGeneration model = Load(QuantizedFixture.Path(name), device);
        TensorFile expected = Fixtures.Tensors("quantized", name, "forward.safetensors");
        DiaOutput output = Forward(model);
        Tolerance.Equal("logits", expected.Floats("out.logits"), output.Logits, Bound);
        Tolerance.Equal("loss", expected.Floats("out.loss"), [output.Loss!.Value], Bound);
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Greedy_rows_are_the_references(string name, string deviceName)
    {
        using Device device = TestDevice.Create(deviceName);
        using DiaForConditionalGeneration model = Load(QuantizedFixture.Path(name), device);
        Assert.Equal(Fixtures.Tensors("quantized", name, "greedy.safetensors").Ints3("out.sequences"), Greedy(model, name));
    }

    [Theory]
    [InlineData("base", WeightFormat.Int4, "scalar")]
    [InlineData("base", WeightFormat.Int4, "cpu2")]
    [InlineData("odd", WeightFormat.Int4, "scalar")]
    [InlineData("odd", WeightFormat.Int4, "cpu2")]
    [InlineData("odd", WeightFormat.Int8, "cpu2")]
    [InlineData("odd", WeightFormat.Int8Packed, "cpu2")]
    public void Rows_of_any_width_compute_what_their_floats_compute(string name, WeightFormat format, string deviceName)
    {
        string from = Fixtures.Path("tiny", name);
        var options = new ConversionOptions(format) { Parameters = QuantizedFixture.ParametersOf(from) };
        CheckpointConverter.Convert(ModelFolder.Open(from), null, options, _folder["integers"]);
        CheckpointConverter.Convert(ModelFolder.Open(_folder["integers"]), null, WeightFormat.Float32, _folder["floats"]);
        using Device device = TestDevice.Create(deviceName);
        using DiaForConditionalGeneration floats = Load(_folder["floats"], device), integers = Load(_folder["integers"], device);
        TensorFile inputs = Fixtures.Tensors("tiny", name, "forward.safetensors");
        Tolerance.Equal("logits", Forward(floats, inputs).Logits, Forward(integers, inputs).Logits, Bound);
    }

    [Fact]
    public void A_copy_of_integers_and_scales_gives_the_same_rows()
    {
        using Device device = new CpuDevice(2);
        using DiaForConditionalGeneration model = Load(QuantizedFixture.Path("int4-keep-cross"), device);
        int[,,] rows = Greedy(model, "int4-keep-cross");
        byte[] hash = model.Hash();
        Assert.Contains("are copied to", model.PlaceWeights(WeightPlacement.Copy, 1), StringComparison.Ordinal);
        Assert.Equal(rows, Greedy(model, "int4-keep-cross"));
        model.CompleteWeights();
        int[] matrices = model.Compiled.StepMatrices();
        Assert.All(matrices, i => Assert.Empty(model.Weights.MappedTensors(i)));
        Assert.Equal(rows, Greedy(model, "int4-keep-cross"));
        Assert.Equal(hash, model.Hash());

        using ModelCheckpoint checkpoint = ModelCheckpoint.Open(ModelFolder.Open(QuantizedFixture.Path("int4-keep-cross")), CompiledModels.All);
        long bytes = checkpoint.Parameters.Where((_, i) => matrices.Contains(i)).Sum(p => p.Storage.Bytes(p.Spec));
        Assert.Equal(bytes, MemoryPlan.Of(device, checkpoint, null, 1, copies: true).Bytes - MemoryPlan.Of(device, checkpoint, null, 1).Bytes);
    }

    [Theory]
    [InlineData("int4-keep-cross", "float32")]
    [InlineData("int8-f16", "float16")]
    [InlineData("int4-group64", "float32")]
    public void A_saved_model_has_the_same_tensors_and_says_how_they_are_stored(string name, string dtype)
    {
        using Device device = new CpuDevice(1);
        using DiaForConditionalGeneration model = Load(QuantizedFixture.Path(name), device);
        model.SavePretrained(_folder["saved"]);
        Assert.Equal(File.ReadAllBytes(Path.Combine(QuantizedFixture.Path(name), "model.safetensors")), File.ReadAllBytes(_folder["saved/model.safetensors"]));
        Assert.Equal(dtype, JsonElement.Parse(File.ReadAllBytes(_folder["saved/config.json"])).GetProperty("dtype").GetString());
        using DiaForConditionalGeneration again = Load(_folder["saved"], device);
        Assert.Equal(Forward(model).Logits, Forward(again).Logits);
        Assert.Throws<ArgumentException>(() => model.SavePretrained(_folder["other"], WeightFormat.Int8));

        model.SavePretrained(_folder["floats"], WeightFormat.Float32);
        CheckpointConverter.Convert(ModelFolder.Open(QuantizedFixture.Path(name)), null, WeightFormat.Float32, _folder["converted"]);
        Assert.Equal(File.ReadAllBytes(_folder["converted/model.safetensors"]), File.ReadAllBytes(_folder["floats/model.safetensors"]));
        Assert.DoesNotContain("quantization_config", File.ReadAllText(_folder["floats/config.json"]), StringComparison.Ordinal);
    }

    [Fact]
    public void A_saved_model_without_head_names_its_layers_as_its_tensors_are_named()
    {
        using Device device = new CpuDevice(1);
        using DiaModel model = DiaModel.FromPretrained(ModelFolder.Open(QuantizedFixture.Path("int4-keep-cross")), CompiledModels.All, device);
        model.SavePretrained(_folder["saved"]);
        using DiaModel again = DiaModel.FromPretrained(ModelFolder.Open(_folder["saved"]), CompiledModels.All, device);
        Assert.Equal(model.Weights.Weights.Select(w => w.Storage), again.Weights.Weights.Select(w => w.Storage));
        Assert.Contains("\"decoder.layers.0.cross_attention.q_proj\"", File.ReadAllText(_folder["saved/config.json"]), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("int4", "scalar")]
    [InlineData("int4", "cpu2")]
    [InlineData("int8", "scalar")]
    [InlineData("int8", "cpu2")]
    public void An_adapter_works_over_integers_as_over_the_floats_that_they_stand_for(string name, string deviceName)
    {
        using Device device = TestDevice.Create(deviceName);
        CheckpointConverter.Convert(ModelFolder.Open(QuantizedFixture.Path(name)), null, WeightFormat.Float32, _folder["floats"]);
        using DiaForConditionalGeneration floats = Load(_folder["floats"], device), integers = Load(QuantizedFixture.Path(name), device);
        float[] without = Forward(floats).Logits;
        floats.AddAdapter(new LoraConfig { R = 4, LoraAlpha = 8, TargetModules = ["all-linear"] }, seed: 3);
        LoraWeights adapter = ((LoraAdapter)floats.Network.Adapter!).Weights;
        for (int i = 1; i < adapter.Specs.Length; i += 2)
            for (long j = 0; j < adapter.Specs[i].Count; j++)
                adapter[i][j] = (j * 7 % 13 - 6) * 0.01f;
        floats.SaveAdapter(_folder["adapter"]);
        floats.MergeAdapter();
        integers.LoadAdapter(ModelFolder.OpenAdapter(_folder["adapter"]));
        float[] expected = Forward(floats).Logits;
        Tolerance.Equal("logits", expected, Forward(integers).Logits, Bound);
        Assert.True(Tolerance.Error(without, expected) > 0.01); // It is an adapter that does something.

        Assert.Contains("merge adapters into that one", Assert.Throws<DiaException>(integers.MergeAdapter).Message);
        Assert.Contains("train on the checkpoint that they were made from", Assert.Throws<DiaException>(() => integers.CreateGradients()).Message);
    }

    private static DiaForConditionalGeneration Load(string folder, Device device) =>
        DiaForConditionalGeneration.FromPretrained(ModelFolder.Open(folder), CompiledModels.All, device);

    private static DiaOutput Forward(DiaForConditionalGeneration model) =>
        Forward(model, Fixtures.Tensors("quantized", "int4", "forward.safetensors")); // The same inputs in all of them.

    private static DiaOutput Forward(DiaForConditionalGeneration model, TensorFile inputs) => model.Forward(inputs.Ints2("in.input_ids"),
        inputs.Ints2("in.attention_mask"), inputs.Ints3("in.decoder_input_ids"), null, inputs.Ints2("in.decoder_attention_mask"), labels: inputs.Ints2("in.labels"));

    private static int[,,] Greedy(DiaForConditionalGeneration model, string name)
    {
        TensorFile inputs = Fixtures.Tensors("quantized", name, "greedy.safetensors");
        JsonElement json = Fixtures.Json("quantized", name, "greedy.json");
        GenerationConfig config = model.GenerationConfig() with
        {
            DoSample = false,
            MaxNewTokens = json.GetProperty("max_new_tokens").GetInt32(),
            GuidanceScale = GenerateTests.Number(json, "guidance_scale"),
            TopK = (int?)GenerateTests.Number(json, "top_k"),
        };
        return model.Generate(new DiaInputs
        {
            InputIds = inputs.Ints2("in.input_ids"),
            AttentionMask = inputs.Ints2("in.attention_mask"),
            DecoderInputIds = inputs.Ints3("in.decoder_input_ids"),
            DecoderAttentionMask = inputs.Ints2("in.decoder_attention_mask"),
        }, config);
    }
}
