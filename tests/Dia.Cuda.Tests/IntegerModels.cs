using System.Text.Json;
using Dia.Backends.Cuda;
using Dia.Checks;
using Dia.Compiled;
using Dia.Generation;
using Dia.Modeling;
using Dia.Processing;
using Dia.Weights;

namespace Dia.Cuda.Tests;

/// <summary>Models of 8- and 4-bit weights beside the reference's numbers for integers times scales (tests/fixtures/quantized).</summary>
internal static class IntegerModels
{
    // The fixtures' own bound: products in float32 of the same values as the reference's. Activations are not rounded on a GPU.
    private const double Bound = 2e-5;

    /// <summary>Runs a pass and greedy rows of each, the latter as a speaker asks for them: with rounded activations, where a device has them.</summary>
    public static void Check(CudaDevice device, Action<KernelCheck> report)
    {
        foreach (string folder in Directory.EnumerateDirectories(Fixtures.Path("quantized"), "int*").Order(StringComparer.Ordinal))
        {
            string name = Path.GetFileName(folder);
            using DiaForConditionalGeneration model = DiaForConditionalGeneration.FromPretrained(ModelFolder.Open(folder), CompiledModels.All, device);
            TensorFile pass = TensorFile.Open(Path.Combine(folder, "forward.safetensors"));
            TensorFile greedy = TensorFile.Open(Path.Combine(folder, "greedy.safetensors"));
            DiaOutput output = model.Forward(pass.Ints2("in.input_ids"), pass.Ints2("in.attention_mask"), pass.Ints3("in.decoder_input_ids"), null,
                pass.Ints2("in.decoder_attention_mask"));
            report(new KernelCheck($"{name}: logits", "", Tolerance.Error(pass.Floats("out.logits"), output.Logits), Bound));
            model.RoundsActivations = true;
            int[,,] rows = Greedy(model, greedy, Fixtures.Json("quantized", name, "greedy.json")), right = greedy.Ints3("out.sequences");
            bool same = rows.Cast<int>().SequenceEqual(right.Cast<int>());
            report(new KernelCheck($"{name}: greedy rows", $"{rows.GetLength(1)} of {right.GetLength(1)}", same ? 0 : double.PositiveInfinity, 0));
        }
    }

    private static int[,,] Greedy(DiaForConditionalGeneration model, TensorFile inputs, JsonElement json) => model.Generate(
        new DiaInputs
        {
            InputIds = inputs.Ints2("in.input_ids"),
            AttentionMask = inputs.Ints2("in.attention_mask"),
            DecoderInputIds = inputs.Ints3("in.decoder_input_ids"),
            DecoderAttentionMask = inputs.Ints2("in.decoder_attention_mask"),
        },
        model.GenerationConfig() with
        {
            DoSample = false,
            MaxNewTokens = json.GetProperty("max_new_tokens").GetInt32(),
            GuidanceScale = json.GetProperty("guidance_scale").GetDouble(),
            TopK = json.GetProperty("top_k").GetInt32(),
        });
}
