using Dia.Configuration;
using Dia.Generation;
using Xunit;

namespace Dia.Tests.Generation;

public sealed class LogitsProcessorsTests
{
    private const float None = float.NegativeInfinity;

    // The fixtures' tolerance: each stage is one or two float32 operations on values up to about 40.
    private const float Tolerance = 1e-5f;

    [Theory]
    [InlineData("eos-wins")]
    [InlineData("eos-loses")]
    public void Every_stage_is_the_references(string name)
    {
        TensorFile fixture = Fixtures.Tensors("logits", name + ".safetensors");
        GenerationConfig config =
            new() { GuidanceScale = 3, TopK = 12, Temperature = 1.2, TopP = 0.9, DoSample = true, EosTokenId = 36, PadTokenId = 37, BosTokenId = 38 };
        LogitsProcessors processors = new(config, 40);
        float[] cond = fixture.Floats("cond"), uncond = fixture.Floats("uncond"), scores = new float[cond.Length];
        void Check(string stage) => GenerationFixture.AssertScores(fixture.Floats("after." + stage), scores, Tolerance, stage);

        new LogitsProcessors(config with { TopK = null }, 40).Guide(cond, uncond, scores);
        Check("cfg_no_top_k");
        processors.Guide(cond, uncond, scores);
        Check("cfg_top_k_12");
        processors.DivideByTemperature(scores);
        Check("temperature_1_2");
        processors.FilterEos(scores, cond);
        Check("eos_channel_filter");
        processors.KeepTopK(scores, 8);
        Check("top_k_8");
        processors.KeepTopP(scores, 0.9);
        Check("top_p_0_9");
        for (int channel = 0; channel < 9; channel++)
        {
            double[] weights = [.. scores.Skip(channel * 40).Take(40).Select(s => Math.Exp(s))];
            GenerationFixture.AssertScores(fixture.Floats("probabilities").AsSpan(channel * 40, 40), weights.Select(w => (float)(w / weights.Sum())).ToArray(),
                Tolerance, "probabilities");
        }

        EosDelayProcessor delay = new(config, 40);
        for (int step = 0; step < 17; step++)
        {
            float[] now = step == 0 ? scores : [.. cond.Select((c, i) => i % 40 == 36 ? None : c)];
            delay.Apply(now, rowCount: 5);
            Assert.Equal(fixture.Ints($"delay.step{step:00}.argmax"), Enumerable.Range(0, 9).Select(c => TokenSampler.Best(now.AsSpan(c * 40, 40))));
        }
    }

    [Fact]
    public void Guidance_selects_exactly_k_and_of_equals_the_lowest_ids()
    {
        LogitsProcessors processors = Processors(6, c => c with { GuidanceScale = 2, TopK = 3 });
        float[] scores = new float[6];
        processors.Guide([1, 5, 1, 1, 7, 1], new float[6], scores);
        Assert.Equal([1, 5, None, None, 7, None], scores);
    }

    [Fact]
    public void Guidance_with_top_k_above_the_vocabulary_keeps_the_conditional_values()
    {
        LogitsProcessors processors = Processors(3, c => c with { GuidanceScale = 2, TopK = 50 });
        float[] scores = new float[3];
        processors.Guide([1, 2, 3], [9, 0, 9], scores);
        Assert.Equal([1, 2, 3], scores);
    }

    [Fact]
    public void Eos_beside_an_equal_lower_id_is_removed()
    {
        float[] scores = [0, 4, 1, 4, 9];
        Processors(5, c => c with { EosTokenId = 3 }).FilterEos(scores, scores);
        Assert.Equal([0, 4, 1, None, None], scores);
    }

    [Fact]
    public void Ids_above_Eos_do_not_hide_that_Eos_is_best()
    {
        float[] scores = [0, 1, 1, 4, 9];
        Processors(5, c => c with { EosTokenId = 3 }).FilterEos(scores, scores);
        Assert.Equal([None, None, None, 4, None], scores);
    }

    [Theory]
    [InlineData(false, 0)]
    [InlineData(true, 2)]
    public void A_channel_without_candidates_takes_id0_or_when_sampling_the_best_conditional_id_below_Eos(bool sample, int expected)
    {
        // Guided, both channels are best at ids from EOS (3) on that they may not give; top_k 1 leaves nothing else.
        GenerationConfig config = new() { GuidanceScale = 2, TopK = 1, DoSample = sample, EosTokenId = 3, DelayPattern = [0, 1] };
        LogitsProcessors processors = new(config, 5);
        float[] scores = new float[10];
        processors.Process([0, 1, 2, 0, 9, 0, 1, 2, 9, 0], new float[10], scores);
        for (int channel = 0; channel < 2; channel++)
        {
            float[] own = scores[(channel * 5)..((channel + 1) * 5)];
            Assert.Equal(expected, TokenSampler.Best(own));
            Assert.Equal(sample ? 1 : 0, own.Count(s => s > None));
        }
    }

    [Fact]
    public void Top_k_keeps_ties_at_the_kth_value()
    {
        float[] scores = [1, 3, 2, 2, 0, None];
        Processors(6).KeepTopK(scores, 2);
        Assert.Equal([None, 3, 2, 2, None, None], scores);
    }

    [Fact]
    public void Top_k_agrees_with_sorting_for_every_k()
    {
        Random random = new(1);
        float[] values = [.. Enumerable.Range(0, 37).Select(_ => (float)random.Next(20))];
        for (int k = 1; k <= 40; k++)
        {
            float lowest = values.OrderDescending().ElementAt(Math.Min(k, 37) - 1);
            float[] scores = [.. values];
            Processors(37).KeepTopK(scores, k);
            Assert.Equal(values.Select(v => v < lowest ? None : v), scores);
        }
    }

    [Theory]
    [InlineData(0.5, 2)]
    [InlineData(0.51, 3)]
    [InlineData(0.75, 3)]
    [InlineData(1e-9, 1)]
    public void Top_p_drops_of_equals_the_lowest_ids(double p, int kept)
    {
        // Four equal ids, so cumulative probabilities are exactly 1/4, 2/4, 3/4, 1: "at most 1 − p" includes equality.
        float[] scores = [5, 5, None, 5, 5];
        Processors(5).KeepTopP(scores, p);
        Assert.Equal(new[] { 0, 1, 3, 4 }.TakeLast(kept), Enumerable.Range(0, 5).Where(i => scores[i] > None));
    }

    [Fact]
    public void Top_p_leaves_a_lone_candidate_and_an_empty_channel()
    {
        float[] scores = [None, 3, None, None];
        Processors(2).KeepTopP(scores, 0.5);
        Assert.Equal([None, 3, None, None], scores);
    }

    [Fact]
    public void The_length_limit_forces_Eos_in_every_channel_after_its_delay()
    {
        GenerationConfig config = new() { EosTokenId = 2, DelayPattern = [0, 2, 1] };
        EosDelayProcessor delay = new(config, rowLimit: 8);
        for (int rows = 3; rows < 8; rows++)
        {
            float[] scores = [1, 0, -9, 1, 0, -9, 1, 0, -9];
            delay.Apply(scores, rows);
            for (int channel = 0; channel < 3; channel++)
                Assert.Equal(rows == 5 + config.DelayPattern[channel], TokenSampler.Best(scores.AsSpan(channel * 3, 3)) == 2);
        }
    }

    private static LogitsProcessors Processors(int vocabulary, Func<GenerationConfig, GenerationConfig>? change = null)
    {
        GenerationConfig config = new() { DelayPattern = [0] };
        return new LogitsProcessors(change?.Invoke(config) ?? config, vocabulary);
    }
}
