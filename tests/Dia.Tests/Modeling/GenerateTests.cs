using System.Text.Json;
using Dia.Backends;
using Dia.Backends.Cpu;
using Dia.Compiled;
using Dia.Configuration;
using Dia.Generation;
using Dia.Processing;
using Dia.Weights;
using Xunit;

namespace Dia.Tests.Modeling;

/// <summary>Greedy generation against the reference's: the network, the processors and the loop together.</summary>
public sealed class GenerateTests
{
    public static TheoryData<string, string> Cases() => TestDevice.Each(
        Directory.GetFiles(Fixtures.Path("generate"), "*.json").Order(StringComparer.Ordinal).Select(f => Path.GetFileNameWithoutExtension(f)),
        "scalar", "cpu1", "cpu2");

    [Theory]
    [MemberData(nameof(Cases))]
    public void Sequences_are_the_references(string name, string deviceName)
    {
        TensorFile expected = Fixtures.Tensors("generate", name + ".safetensors");
        JsonElement json = Fixtures.Json("generate", name + ".json");
        using Device device = TestDevice.Create(deviceName);
        using var model = DiaForConditionalGeneration.FromPretrained(ModelFolder.Open(Fixtures.Path("generate", "model")), CompiledModels.All, device);
        GenerationConfig config = model.GenerationConfig() with
        {
            DoSample = false,
            MaxNewTokens = json.GetProperty("max_new_tokens").GetInt32(),
            GuidanceScale = Number(json, "guidance_scale"),
            TopK = (int?)Number(json, "top_k"),
        };
        int[,,] rows = model.Generate(Inputs(expected), config);
        Assert.Equal(expected.Ints3("out.sequences"), rows);
    }

    [Fact]
    public void A_batch_gives_what_its_items_give_alone_bit_for_bit()
    {
        TensorFile expected = Fixtures.Tensors("generate", "batch.safetensors");
        using Device device = new CpuDevice(2);
        using var model = DiaForConditionalGeneration.FromPretrained(ModelFolder.Open(Fixtures.Path("generate", "model")), CompiledModels.All, device);
        GenerationConfig config =
            model.GenerationConfig() with { MaxNewTokens = 40, GuidanceScale = 3, DoSample = true, Temperature = 1.2, TopK = 30, TopP = 0.9, Seed = 7 };
        DiaInputs both = Inputs(expected);
        var together = new ScoreRecorder();
        model.Generate(both, config, together, drawAlone: true);
        for (int item = 0; item < 2; item++)
        {
            var alone = new ScoreRecorder();
            model.Generate(Item(both, item), config, alone, drawAlone: true);
            Assert.Equal(alone.Of(0), together.Of(item));
        }
    }

    internal static double? Number(JsonElement json, string name) =>
        json.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.Number ? value.GetDouble() : null;

    private static DiaInputs Inputs(TensorFile t) => new()
    {
        InputIds = t.Ints2("in.input_ids"),
        AttentionMask = t.Ints2("in.attention_mask"),
        DecoderInputIds = t.Ints3("in.decoder_input_ids"),
        DecoderAttentionMask = t.Ints2("in.decoder_attention_mask"),
    };

    private static DiaInputs Item(DiaInputs batch, int item)
    {
        static int[,] Row(int[,] m, int item, Func<int, bool> keep)
        {
            int[] columns = [.. Enumerable.Range(0, m.GetLength(1)).Where(keep)];
            var row = new int[1, columns.Length];
            for (int i = 0; i < columns.Length; i++)
                row[0, i] = m[item, columns[i]];
            return row;
        }

        int[,,] rows = batch.DecoderInputIds;
        var one = new int[1, rows.GetLength(1), rows.GetLength(2)];
        for (int t = 0; t < rows.GetLength(1); t++)
            for (int c = 0; c < rows.GetLength(2); c++)
                one[0, t, c] = rows[item, t, c];
        return new DiaInputs
        {
            // Alone, the text has no padding.
            InputIds = Row(batch.InputIds, item, i => batch.AttentionMask[item, i] != 0),
            AttentionMask = Row(batch.AttentionMask, item, i => batch.AttentionMask[item, i] != 0),
            DecoderInputIds = one,
            DecoderAttentionMask = Row(batch.DecoderAttentionMask, item, _ => true),
        };
    }

    private sealed class ScoreRecorder : IScoreObserver
    {
        private readonly Dictionary<int, List<float>> _values = [];

        public List<float> Of(int item) => _values[item];

        public void Scored(int item, int step, ReadOnlySpan<float> conditional, ReadOnlySpan<float> unconditional, ReadOnlySpan<float> scores)
        {
            if (!_values.TryGetValue(item, out List<float>? list))
                _values.Add(item, list = []);
            list.AddRange(conditional);
            list.AddRange(unconditional);
            list.AddRange(scores);
        }
    }
}
