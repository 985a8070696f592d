using Dia.Backends;
using Dia.Compiled;
using Dia.Generation;
using Dia.Modeling;
using Dia.Weights;
using Xunit;

namespace Dia.Tests.Modeling;

/// <summary>The model without its head, the encoder alone, the decoder from given encoder outputs, and caches against the reference's.</summary>
public sealed class SurfaceTests
{
    // As for a whole pass (ForwardTests): float32 sums in another order than the reference's.
    private const double Bound = 2e-5;

    private static readonly TensorFile Expected = Fixtures.Tensors("surface", "cases.safetensors");
    private static readonly int[,] Ids = Expected.Ints2("in.input_ids"), Mask = Expected.Ints2("in.attention_mask");
    private static readonly int[,] RowMask = Expected.Ints2("in.decoder_attention_mask");
    private static readonly int[,,] Rows = Expected.Ints3("in.decoder_input_ids");

    public static TheoryData<string> Devices => ["scalar", "cpu1", "cpu2"];

    [Theory]
    [MemberData(nameof(Devices))]
    public void A_model_without_head_gives_the_references_hidden_states(string deviceName)
    {
        using Device device = TestDevice.Create(deviceName);
        using var model = DiaModel.FromPretrained(ModelFolder.Open(Fixtures.Path("tiny", "base")), CompiledModels.All, device);
        DiaModelOutput output = model.Forward(Ids, Mask, Rows, decoderAttentionMask: RowMask);
        Equal("model.last_hidden_state", output.LastHiddenState);
        Equal("model.encoder_last_hidden_state", output.EncoderLastHiddenState!);
        Assert.Null(output.PastKeyValues);
        Equal("encoder.last_hidden_state", model.Encode(Ids, Mask).LastHiddenState);
    }

    [Theory]
    [MemberData(nameof(Devices))]
    public void A_model_without_head_records_what_the_whole_one_does(string deviceName)
    {
        using Device device = TestDevice.Create(deviceName);
        using var model = DiaModel.FromPretrained(ModelFolder.Open(Fixtures.Path("tiny", "base")), CompiledModels.All, device);
        using DiaForConditionalGeneration whole = Load(device);
        int[,] positions = Twice([.. Enumerable.Range(0, Rows.GetLength(1)).Select(t => 2 * t)]); // not a shift, which changes nothing
        DiaModelOutput actual = model.Forward(Ids, Mask, Rows, positions, RowMask, outputAttentions: true, outputHiddenStates: true);
        DiaOutput expected = whole.Forward(Ids, Mask, Rows, positions, RowMask, outputAttentions: true, outputHiddenStates: true);
        Assert.Equal(expected.LastHiddenState, actual.LastHiddenState);
        Assert.Equal(expected.DecoderHiddenStates[^1], actual.LastHiddenState);
        Assert.NotEqual(model.Forward(Ids, Mask, Rows, decoderAttentionMask: RowMask).LastHiddenState, actual.LastHiddenState);
        foreach (Func<DiaModelOutput, IReadOnlyList<float[]>> list in new Func<DiaModelOutput, IReadOnlyList<float[]>>[]
        {
            o => o.EncoderHiddenStates, o => o.DecoderHiddenStates, o => [.. o.EncoderAttentions.Select(m => m.Values)],
            o => [.. o.DecoderAttentions.Select(m => m.Values)], o => [.. o.CrossAttentions.Select(m => m.Values)],
        })
        {
            Assert.NotEmpty(list(actual));
            Assert.Equal(list(expected), list(actual));
        }
    }

    [Theory]
    [MemberData(nameof(Devices))]
    public void An_encoder_output_stands_for_the_text_as_often_as_wanted(string deviceName)
    {
        using Device device = TestDevice.Create(deviceName);
        using DiaForConditionalGeneration model = Load(device);
        EncoderOutput encoded = model.Encode(Ids, Mask, outputHiddenStates: true, outputAttentions: true);
        DiaOutput whole = model.Forward(Ids, Mask, Rows, decoderAttentionMask: RowMask, outputHiddenStates: true, outputAttentions: true);
        Assert.Equal(whole.EncoderLastHiddenState, encoded.LastHiddenState);
        Assert.Equal(whole.EncoderHiddenStates, encoded.HiddenStates);
        Assert.Equal(whole.EncoderAttentions.Select(m => m.Values), encoded.Attentions.Select(m => m.Values));
        for (int time = 0; time < 2; time++)
        {
            DiaOutput output = model.Forward(attentionMask: Mask, decoderInputIds: Rows, decoderAttentionMask: RowMask, encoderOutput: encoded);
            Assert.Equal(whole.Logits, output.Logits);
            Assert.Same(encoded, output.EncoderOutput);
        }

        var half = new EncoderOutput([.. encoded.LastHiddenState.Select(v => v * 0.5f)], 2, encoded.TextLength);
        Equal("given_encoder.half.logits",
            model.Forward(attentionMask: Mask, decoderInputIds: Rows, decoderAttentionMask: RowMask, encoderOutput: half).Logits);
    }

    [Theory]
    [MemberData(nameof(Devices))]
    public void Ids_by_channel_no_ids_and_no_masks_are_as_in_the_reference(string deviceName)
    {
        using Device device = TestDevice.Create(deviceName);
        using DiaForConditionalGeneration model = Load(device);
        int[,] flat = Expected.Ints2("flat.decoder_input_ids");
        Equal("flat.logits", model.Forward(Ids, Mask, flat, decoderAttentionMask: RowMask).Logits);
        Assert.Equal(model.Forward(Ids, Mask, Rows).Logits, model.Forward(Ids, Mask, flat).Logits);
        Equal("bos.logits", model.Forward(Ids, Mask).Logits);
        Equal("no_mask.logits", model.Forward(Ids, decoderInputIds: Rows).Logits);
    }

    [Theory]
    [MemberData(nameof(Devices))]
    public void Rows_in_parts_with_a_cache_equal_the_whole_and_leave_the_references_keys_and_values(string deviceName)
    {
        using Device device = TestDevice.Create(deviceName);
        using DiaForConditionalGeneration model = Load(device);
        EncoderOutput encoded = model.Encode(Ids, Mask);
        int[] parts = [.. Fixtures.Json("surface", "cases.json").GetProperty("cached_parts").EnumerateArray().Select(p => p.GetInt32())];
        PastKeyValues? past = null;
        try
        {
            var logits = new Part[parts.Length];
            for (int i = 0, at = 0; i < parts.Length; at += parts[i++])
            {
                int[] place = [.. Enumerable.Range(at, parts[i])];
                DiaOutput output = model.Forward(attentionMask: Mask, encoderOutput: encoded, decoderInputIds: Slice(Rows, at, parts[i]),
                    decoderAttentionMask: Ones(2, at + parts[i]), decoderPositionIds: Twice(place), pastKeyValues: past, useCache: true, cachePosition: place);
                Assert.True(past is null || past == output.PastKeyValues);
                past = output.PastKeyValues!;
                logits[i] = new Part(output.Logits, parts[i]);
                Assert.Equal(at + parts[i], past.Length);
            }

            float[] together = Join(logits, 68);
            Equal("cached.logits", together);
            float[] whole = model.Forward(Ids, Mask, Rows).Logits;
            Equal("cached.whole.logits", whole);
            Tolerance.Equal("parts against whole", whole, together, Bound);
            for (int layer = 0; layer < 3; layer++)
            {
                Equal($"cache.self.{layer}.keys", past!.SelfAttention()[layer].Keys);
                Equal($"cache.self.{layer}.values", past.SelfAttention()[layer].Values);
                Equal($"cache.cross.{layer}.keys", past.CrossAttention()[layer].Keys);
                Equal($"cache.cross.{layer}.values", past.CrossAttention()[layer].Values);
            }
        }
        finally
        {
            past?.Dispose();
        }
    }

    private static DiaForConditionalGeneration Load(Device device) =>
        DiaForConditionalGeneration.FromPretrained(ModelFolder.Open(Fixtures.Path("tiny", "base")), CompiledModels.All, device);

    private static void Equal(string name, float[] actual) => Tolerance.Equal(name, Expected.Floats(name), actual, Bound);

    internal static int[,,] Slice(int[,,] rows, int first, int count)
    {
        var slice = new int[rows.GetLength(0), count, rows.GetLength(2)];
        for (int b = 0; b < slice.GetLength(0); b++)
            for (int t = 0; t < count; t++)
                for (int c = 0; c < slice.GetLength(2); c++)
                    slice[b, t, c] = rows[b, first + t, c];
        return slice;
    }

    private static int[,] Ones(int rows, int columns)
    {
        var ones = new int[rows, columns];
        System.Runtime.InteropServices.MemoryMarshal.CreateSpan(ref ones[0, 0], ones.Length).Fill(1);
        return ones;
    }

    private static int[,] Twice(int[] values)
    {
        var both = new int[2, values.Length];
        for (int i = 0; i < values.Length; i++)
            both[0, i] = both[1, i] = values[i];
        return both;
    }

    /// <summary>Logits [B·C, rows, V] of some rows.</summary>
    private sealed record Part(float[] Logits, int Rows);

    private static float[] Join(Part[] parts, int vocabulary)
    {
        int sequences = parts[0].Logits.Length / vocabulary / parts[0].Rows;
        return [.. Enumerable.Range(0, sequences).SelectMany(s => parts.SelectMany(p => p.Logits.Skip(s * p.Rows * vocabulary).Take(p.Rows * vocabulary)))];
    }
}
