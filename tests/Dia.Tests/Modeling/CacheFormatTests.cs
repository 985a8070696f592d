using System.Runtime.InteropServices;
using Dia.Backends;
using Dia.Compiled;
using Dia.Configuration;
using Dia.Generation;
using Dia.Modeling;
using Dia.Networks;
using Dia.Tests.Callers;
using Dia.Weights;
using Xunit;

namespace Dia.Tests.Modeling;

/// <summary>Models that keep keys and values in 16 bits.</summary>
public sealed class CacheFormatTests
{
    private const int Rows = 24;

    public static TheoryData<string, string> Models() => TestDevice.Each(["tiny/base", "tiny/odd", "generate/model"], "scalar", "cpu2");

    /// <summary>
    /// Each value is off by at most 2^-11 of itself, at random, and so are scores and sums of values: over the layers of these models that stays below a
    /// thousandth of the largest logit. Above zero, for the caches are really rounded.
    /// </summary>
    [Theory]
    [MemberData(nameof(Models))]
    public void Logits_differ_from_those_of_float32_caches_by_less_than_a_thousandth(string folder, string deviceName)
    {
        using Device device = TestDevice.Create(deviceName);
        using DiaForConditionalGeneration model = Load(folder, device);
        float[] exact = Steps(model);
        model.CacheFormat = WeightFormat.Float16;
        float[] rounded = Steps(model);
        float largest = exact.Max(MathF.Abs), difference = exact.Zip(rounded, (a, b) => MathF.Abs(a - b)).Max();
        Assert.InRange(difference / largest, 1e-7f, 1e-3f);
        model.CacheFormat = WeightFormat.Float32;
        Assert.Equal(exact, Steps(model));
    }

    /// <summary>Rows of a prompt attend to what the cache keeps of them, so that it does not matter how they came.</summary>
    [Theory]
    [MemberData(nameof(Models))]
    public void A_pass_with_a_cache_gives_the_bits_of_one_without(string folder, string deviceName)
    {
        using Device device = TestDevice.Create(deviceName);
        using DiaForConditionalGeneration model = Load(folder, device);
        model.CacheFormat = WeightFormat.Float16;
        int[,,] rows = PromptRows(model);
        int[,] text = { { 1, 72, 105, 46 }, { 2, 65, 66, 0 } }, mask = { { 1, 1, 1, 1 }, { 1, 1, 1, 0 } };
        float[] whole = model.Forward(text, mask, rows).Logits;
        using PastKeyValues past = model.Forward(text, mask, SurfaceTests.Slice(rows, 0, 11), useCache: true).PastKeyValues!;
        using PastKeyValues copy = PastKeyValues.Create(model, past.SelfAttention(), past.CrossAttention(), past.RopeLength);
        float[] rest = model.Forward(attentionMask: mask, decoderInputIds: SurfaceTests.Slice(rows, 11, Rows - 11), pastKeyValues: past).Logits;
        float[] again = model.Forward(attentionMask: mask, decoderInputIds: SurfaceTests.Slice(rows, 11, Rows - 11), pastKeyValues: copy).Logits;
        Assert.Equal(rest, again);
        int line = Rows * model.Config.DecoderConfig.VocabSize, cut = 11 * model.Config.DecoderConfig.VocabSize; // a channel's rows; those before
        for (int i = 0; i < whole.Length / line; i++)
            Assert.Equal(whole[(i * line + cut)..((i + 1) * line)], rest[(i * (line - cut))..((i + 1) * (line - cut))]);
    }

    [Fact]
    public void A_batch_gives_what_its_items_give_alone_on_any_number_of_threads()
    {
        int[][] expected = [];
        foreach (int threads in new[] { 1, 3 })
        {
            using var small = new SmallModel($"cpu{threads}");
            small.Model.CacheFormat = small.Device.CacheFormat;
            string[] texts = ["[S1] Hello.", "[S1] A longer text, by some words."];
            int[][] results = [Generate(texts), Generate(texts[0]), Generate(texts[1])];
            Assert.Equal(results[0], results[1].Concat(results[2]));
            expected = threads == 1 ? results : expected;
            Assert.Equal(expected[0], results[0]);

            int[] Generate(params string[] of)
            {
                int[,,] rows = small.Model.Generate(small.Inputs(of), small.Config() with { MinNewTokens = 30 }, drawAlone: true);
                return [.. rows.Cast<int>()];
            }
        }
    }

    [Fact]
    public void A_format_that_the_device_does_not_keep_is_refused()
    {
        using var small = new SmallModel("cpu1");
        Assert.Equal(WeightFormat.Float32, small.Model.CacheFormat);
        Assert.Contains("float32 or float16", Assert.Throws<ArgumentException>(() => small.Model.CacheFormat = WeightFormat.BFloat16).Message);
    }

    [Fact]
    public void The_memory_plan_counts_caches_of_the_device_s_format()
    {
        using var small = new SmallModel("cpu1");
        using var checkpoint = ModelCheckpoint.Open(ModelFolder.Open(SmallModel.Folder), CompiledModels.All);
        long[] bytes = [.. new[] { true, false }.Select(exact => MemoryPlan.Of(small.Device, checkpoint, null, 2, exact: exact).Parts
            .Single(p => p.Name == "self caches").Bytes)];
        Assert.InRange(bytes[0] / (double)bytes[1], 1.99, 2);
    }

    private static float[] Steps(DiaForConditionalGeneration model)
    {
        int channels = model.Config.DecoderConfig.NumChannels, width = channels * model.Config.DecoderConfig.VocabSize;
        int[] flat = [.. PromptRows(model).Cast<int>()];
        using DecoderSession session = model.OpenSession(new int[,] { { 1, 72, 105, 46 } }, null, Rows, guidance: true);
        var logits = new float[2 * width];
        var all = new List<float>();
        session.Prompt(0, flat.AsSpan(0, 3 * channels), 3, logits);
        for (int row = 3; row < Rows; row++)
        {
            session.Step([0], flat.AsSpan(row * channels, channels), logits);
            all.AddRange(logits);
        }

        return [.. all];
    }

    private static int[,,] PromptRows(DiaForConditionalGeneration model)
    {
        var random = new Random(3);
        var rows = new int[2, Rows, model.Config.DecoderConfig.NumChannels];
        foreach (ref int id in MemoryMarshal.CreateSpan(ref rows[0, 0, 0], rows.Length))
            id = random.Next(model.Config.EosTokenId);
        return rows;
    }

    private static DiaForConditionalGeneration Load(string folder, Device device) =>
        DiaForConditionalGeneration.FromPretrained(ModelFolder.Open(Fixtures.Path(folder.Split('/'))), CompiledModels.All, device);
}
