using Dia.Backends;
using Dia.Backends.Cpu;
using Dia.Compiled;
using Dia.Generation;
using Dia.Modeling;
using Dia.Networks;
using Dia.Tests.Callers;
using Dia.Weights;
using Xunit;

namespace Dia.Tests.Modeling;

/// <summary>What a cache promises beyond the reference's numbers (<see cref="SurfaceTests"/>): the bits of generation, growth, arrays, refusals.</summary>
public sealed class PastKeyValuesTests
{
    private const int Rows = 40;

    private static readonly int[,] Text = { { 1, 72, 105, 46 } };

    public static TheoryData<string> Devices => ["scalar", "cpu1", "cpu2"];

    public static TheoryData<string, string> Models() => TestDevice.Each(["tiny/base", "tiny/odd", "tiny/rope-dynamic", "tiny/rope-longrope"], "scalar", "cpu2");

    /// <summary>40 rows are past the rotary types' 20 positions, and make the cache grow twice.</summary>
    [Theory]
    [MemberData(nameof(Models))]
    public void Single_rows_give_the_bits_of_generation(string folder, string deviceName)
    {
        using Device device = TestDevice.Create(deviceName);
        using DiaForConditionalGeneration model = Load(folder, device);
        int channels = model.Config.DecoderConfig.NumChannels, width = channels * model.Config.DecoderConfig.VocabSize;
        int[,,] rows = RowsOf(model, 1);
        int[] flat = [.. rows.Cast<int>()];
        float[] logits = new float[width];
        using DecoderSession session = model.OpenSession(Text, null, Rows, guidance: false);
        session.Prompt(0, flat.AsSpan(0, 3 * channels), 3, logits);
        using PastKeyValues past = model.Forward(Text, decoderInputIds: SurfaceTests.Slice(rows, 0, 3), useCache: true).PastKeyValues!;
        for (int row = 3; row < Rows; row++)
        {
            session.Step([0], flat.AsSpan(row * channels, channels), logits);
            DiaOutput output = model.Forward(decoderInputIds: SurfaceTests.Slice(rows, row, 1), pastKeyValues: past);
            Assert.Equal(logits, output.Logits);
            Assert.Same(past, output.PastKeyValues);
        }

        Assert.Equal(Rows, past.Length);
    }

    [Theory]
    [MemberData(nameof(Models))]
    public void A_cache_made_of_another_s_arrays_goes_on_as_that_one(string folder, string deviceName)
    {
        using Device device = TestDevice.Create(deviceName);
        using DiaForConditionalGeneration model = Load(folder, device);
        int[,,] rows = RowsOf(model, 2);
        int[,] text = { { 1, 72, 105, 46 }, { 2, 65, 66, 0 } }, mask = { { 1, 1, 1, 1 }, { 1, 1, 1, 0 } };
        using PastKeyValues past = model.Forward(text, mask, SurfaceTests.Slice(rows, 0, 30), useCache: true).PastKeyValues!;
        using PastKeyValues copy = PastKeyValues.Create(model, past.SelfAttention(), past.CrossAttention(), past.RopeLength);
        for (int layer = 0; layer < past.SelfAttention().Count; layer++)
            Assert.Equal(past.SelfAttention()[layer].Keys, copy.SelfAttention()[layer].Keys);
        foreach ((int first, int count) in new[] { (30, 1), (31, 4), (35, 5) })
        {
            int[,,] some = SurfaceTests.Slice(rows, first, count);
            DiaOutput a = model.Forward(attentionMask: mask, decoderInputIds: some, pastKeyValues: past, outputAttentions: true);
            DiaOutput b = model.Forward(attentionMask: mask, decoderInputIds: some, pastKeyValues: copy, outputAttentions: true);
            Assert.Equal(a.Logits, b.Logits);
            Assert.Equal(a.DecoderAttentions[0].Values, b.DecoderAttentions[0].Values);
            Assert.Equal(first + count, a.DecoderAttentions[0].Keys);
            Assert.Null(a.EncoderLastHiddenState);
        }

        Assert.Equal(past.RopeLength, copy.RopeLength);
    }

    /// <summary>As in a whole pass, where the mask of numerics.md gives such rows the mean of all values.</summary>
    [Theory]
    [MemberData(nameof(Devices))]
    public void A_row_that_sees_no_row_attends_evenly_to_all_with_a_cache_too(string deviceName)
    {
        using Device device = TestDevice.Create(deviceName);
        using DiaForConditionalGeneration model = Load("tiny/base", device);
        int[,,] rows = RowsOf(model, 1);
        using PastKeyValues past = model.Forward(Text, decoderInputIds: SurfaceTests.Slice(rows, 0, 4), useCache: true).PastKeyValues!;
        int[,] mask = { { 0, 0, 0, 0, 0, 0, 1 } };
        AttentionMap map = model.Forward(decoderInputIds: SurfaceTests.Slice(rows, 4, 3), decoderAttentionMask: mask, pastKeyValues: past,
            outputAttentions: true).DecoderAttentions[0];
        Assert.All(Enumerable.Range(0, 14), i => Assert.Equal(1f / 7, map.Values[i], 1e-6f));
        Assert.Equal([0, 0, 0, 0, 0, 0, 1], map.Values[14..21]);
    }

    [Theory]
    [MemberData(nameof(Devices))]
    public void What_does_not_fit_is_refused_and_leaves_the_cache_as_it_was(string deviceName)
    {
        using Device device = TestDevice.Create(deviceName);
        using DiaForConditionalGeneration model = Load("tiny/base", device), other = Load("tiny/base", device);
        int[,,] rows = RowsOf(model, 1), row = SurfaceTests.Slice(rows, 3, 1);
        using PastKeyValues past = model.Forward(Text, decoderInputIds: SurfaceTests.Slice(rows, 0, 3), useCache: true).PastKeyValues!;
        float[] expected;
        using (PastKeyValues copy = PastKeyValues.Create(model, past.SelfAttention(), past.CrossAttention(), past.RopeLength))
        {
            expected = model.Forward(decoderInputIds: row, pastKeyValues: copy).Logits;
        }

        Assert.Contains("another model", Assert.Throws<ArgumentException>(() => other.Forward(decoderInputIds: row, pastKeyValues: past)).Message);
        Assert.Throws<ArgumentException>(() => model.Forward(decoderInputIds: row));
        Assert.Throws<ArgumentException>(() => model.Forward(Text, encoderOutput: model.Encode(Text)));
        Refused("cache holds 1 sequences with 4", () => model.Forward(new int[,] { { 1, 2 } }, decoderInputIds: row, pastKeyValues: past));
        Refused("cache holds 1 sequences with 4", () => model.Forward(encoderOutput: new EncoderOutput(new float[2 * 32], 1, 2), pastKeyValues: past));
        Refused("encoder_last_hidden_state is [1, 4, 31]", () => model.Forward(encoderOutput: new EncoderOutput(new float[4 * 31], 1, 4)));
        Refused("decoder_input_ids is [2, 1, 9]", () => model.Forward(decoderInputIds: new int[2, 1, 9], pastKeyValues: past));
        Refused("it must be [batch, rows, 9] or [batch·9, rows]", () => model.Forward(Text, decoderInputIds: new int[8, 1]));
        Refused("decoder_attention_mask is [1, 1]", () => model.Forward(decoderInputIds: row, decoderAttentionMask: new int[1, 1], pastKeyValues: past));
        Refused("cache_position must be 3 to 3", () => model.Forward(decoderInputIds: row, cachePosition: [0], pastKeyValues: past));
        Refused("cache_position must be 0 to 0", () => model.Forward(Text, cachePosition: [0, 1]));
        Assert.Equal(expected, model.Forward(decoderInputIds: row, pastKeyValues: past).Logits);
        past.Dispose();
        past.Dispose();
        Assert.Throws<ObjectDisposedException>(() => model.Forward(decoderInputIds: row, pastKeyValues: past));
        Assert.Throws<ObjectDisposedException>(past.SelfAttention);
    }

    [Fact]
    public void Arrays_that_are_not_the_model_s_are_refused()
    {
        using Device device = TestDevice.Create("cpu1");
        using DiaForConditionalGeneration model = Load("tiny/base", device);
        CacheLayer Layer(int batch, int heads, int count, int dim) =>
            new(new float[batch * heads * count * dim], new float[batch * heads * count * dim], batch, heads, count, dim);
        CacheLayer[] self = [.. Enumerable.Repeat(Layer(1, 2, 3, 16), 3)], cross = [.. Enumerable.Repeat(Layer(1, 4, 5, 16), 3)];
        PastKeyValues.Create(model, self, cross).Dispose();
        Refused("2 layers of self-attention", () => PastKeyValues.Create(model, self[1..], cross));
        Refused("self.0.keys is [1, 4, 5, 16]; it must be [batch, 2, rows, 16]", () => PastKeyValues.Create(model, cross, cross));
        Refused("cross.0.keys is [1, 2, 3, 16]; it must be [batch, 4, rows, 16]", () => PastKeyValues.Create(model, self, self));
        Refused("cross.1.keys is [1, 4, 6, 16] where cross.0.keys is", () => PastKeyValues.Create(model, self, [cross[0], Layer(1, 4, 6, 16), cross[0]]));
        Refused("self.0.keys is of 1 sequences", () => PastKeyValues.Create(model, self, [.. Enumerable.Repeat(Layer(2, 4, 5, 16), 3)]));
        Refused("rope_length is -1", () => PastKeyValues.Create(model, self, cross, -1));
        Assert.Throws<ArgumentException>(() => new CacheLayer(new float[3], new float[3], 1, 1, 2, 2));
        Assert.Throws<ArgumentException>(() => new EncoderOutput(new float[5], 1, 2));
    }

    /// <summary>The memory of a device runs out at any allocation, the first row's or a later one's: the cache is as it was, and nothing is lost.</summary>
    [Fact]
    public void Growth_that_finds_no_memory_changes_nothing()
    {
        var memory = new CountedMemory(isHost: false);
        using (Device device = new CpuDevice(1, memory))
        using (DiaForConditionalGeneration model = Load("tiny/rope-dynamic", device))
        {
            int[,,] rows = RowsOf(model, 1), next = SurfaceTests.Slice(rows, 16, 20);
            using PastKeyValues past = model.Forward(Text, decoderInputIds: SurfaceTests.Slice(rows, 0, 16), useCache: true).PastKeyValues!;
            int failed = 0;
            while (true)
            {
                memory.FailingAllocation = memory.Allocations + failed + 1;
                try
                {
                    model.Forward(decoderInputIds: next, pastKeyValues: past);
                    break;
                }
                catch (DiaException e) when (e.Message == "the test's failure")
                {
                    failed++;
                    Assert.Equal((16, 20), (past.Length, past.RopeLength));
                }
            }

            Assert.True(failed >= 4, $"only {failed} allocations failed");
            Assert.Equal((36, 36), (past.Length, past.RopeLength));
        }

        Assert.Equal(0, memory.Live);
        Assert.Equal(0, memory.WrongFrees);
    }

    private static void Refused(string says, Func<object> call)
    {
        DiaException e = Assert.Throws<DiaException>(call);
        Assert.Equal(DiaErrorKind.Input, e.Kind);
        Assert.Contains(says, e.Message, StringComparison.Ordinal);
    }

    private static DiaForConditionalGeneration Load(string folder, Device device) =>
        DiaForConditionalGeneration.FromPretrained(ModelFolder.Open(Fixtures.Path(folder.Split('/'))), CompiledModels.All, device);

    private static int[,,] RowsOf(DiaForConditionalGeneration model, int batch)
    {
        var rows = new int[batch, Rows, model.Config.DecoderConfig.NumChannels];
        for (int b = 0; b < batch; b++)
            for (int t = 0; t < Rows; t++)
                for (int c = 0; c < rows.GetLength(2); c++)
                    rows[b, t, c] = (17 * t + 5 * c + 3 * b) % model.Config.EosTokenId;
        return rows;
    }
}
