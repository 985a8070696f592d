using System.Text.Json;
using Dia.Compiled;
using Dia.Configuration;
using Dia.Networks;
using Xunit;

namespace Dia.Tests.Modeling;

public sealed class RotaryEmbeddingTests
{
    // Both sides compute in float32; what differs is the last bit of pow, times the largest angle (about 100): 1e-5.
    private const float Tolerance = 1e-5f;

    public static TheoryData<string> Cases => new(Fixtures.Json("rope", "cases.json").EnumerateObject().Select(c => c.Name));

    /// <summary>Frequencies, scaling, and cos and sin of five calls that grow past the original length and shrink again.</summary>
    [Theory]
    [MemberData(nameof(Cases))]
    public void Equals_the_reference(string name)
    {
        JsonElement given = Fixtures.Json("rope", "cases.json").GetProperty(name);
        TensorFile expected = Fixtures.Tensors("rope", name + ".safetensors");
        RotaryFrequencies frequencies = RotaryFrequencies.For(Config(given));
        AssertClose(expected.Floats("inv_freq"), frequencies.Compute(), "inv_freq");
        Assert.Equal(given.GetProperty("attention_scaling").GetSingle(), frequencies.AttentionScaling, Tolerance);

        var rotary = new RotaryEmbedding(frequencies);
        int call = 0;
        foreach (JsonElement length in given.GetProperty("lengths_of_successive_calls").EnumerateArray())
        {
            rotary.Update(length.GetInt32());
            (float[] cos, float[] sin) = Table(rotary, length.GetInt32());
            AssertClose(expected.Floats($"call{call}.cos"), cos, $"cos of call {call}");
            AssertClose(expected.Floats($"call{call}.sin"), sin, $"sin of call {call}");
            call++;
        }
        Assert.Equal(5, call);
    }

    [Fact]
    public void Dynamic_returns_only_strictly_below_the_original_length()
    {
        var rotary = new RotaryEmbedding(RotaryFrequencies.For(
            new DiaDecoderConfig { MaxPositionEmbeddings = 48, RopeScaling = new RopeScaling { RopeType = RopeType.Dynamic, Factor = 2 } }));
        float[] original = rotary.InverseFrequencies.ToArray();
        Assert.False(rotary.Update(48));
        Assert.True(rotary.Update(60));
        float[] grown = rotary.InverseFrequencies.ToArray();
        Assert.NotEqual(original, grown);
        Assert.False(rotary.Update(50));
        Assert.False(rotary.Update(48));
        Assert.Equal(grown, rotary.InverseFrequencies.ToArray());
        Assert.True(rotary.Update(47));
        Assert.Equal(original, rotary.InverseFrequencies.ToArray());
        Assert.True(rotary.Update(60));
        rotary.Reset();
        Assert.Equal(original, rotary.InverseFrequencies.ToArray());
    }

    [Fact]
    public void Longrope_takes_the_original_length_beside_max_position_embeddings()
    {
        var scaling = new RopeScaling { RopeType = RopeType.LongRope, Factor = 9, ShortFactor = new[] { 1.0, 1 }, LongFactor = new[] { 2.0, 2 } };
        var rotary = new RotaryEmbedding(
            RotaryFrequencies.For(new DiaDecoderConfig { HeadDim = 4, MaxPositionEmbeddings = 80, OriginalMaxPositionEmbeddings = 20, RopeScaling = scaling }));
        // √(1 + ln 4 / ln 20): the factor is 80/20, not the 9 of rope_scaling.
        Assert.Equal((float)Math.Sqrt(1 + Math.Log(4) / Math.Log(20)), rotary.Scaling);
        Assert.False(rotary.Update(20));
        Assert.Equal(1f, rotary.InverseFrequencies[0]);
        Assert.True(rotary.Update(21));
        Assert.Equal(0.5f, rotary.InverseFrequencies[0]);
        Assert.True(rotary.Update(5));
        Assert.Equal(1f, rotary.InverseFrequencies[0]);
    }

    [Fact]
    public void Updating_allocates_nothing()
    {
        var rotary = new RotaryEmbedding(RotaryFrequencies.For(
            new DiaDecoderConfig { MaxPositionEmbeddings = 4, RopeScaling = new RopeScaling { RopeType = RopeType.Dynamic, Factor = 2 } }));
        rotary.Update(5);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int n = 6; n < 100; n++)
            rotary.Update(n);
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    /// <summary>The case's configuration through the parser, so that the old key and the defaults are covered too.</summary>
    private static DiaDecoderConfig Config(JsonElement given)
    {
        string json = "{\"model_type\": \"dia\", \"decoder_config\": {" + string.Join(", ", new[] { "head_dim", "rope_theta", "max_position_embeddings",
            "rope_scaling" }.Select(key => $"\"{key}\": {given.GetProperty(key).GetRawText()}")) + "}}";
        ConfigurationResult<DiaConfig> result = DiaConfigParser.Parse(json, ProblemSeverity.Error);
        Assert.Empty(result.Problems);
        return result.Config!.DecoderConfig;
    }

    /// <summary>What the generator computed is what the same code computes here: the JIT's pow and the build's are one.</summary>
    [Fact]
    public void The_emitted_frequencies_are_the_configuration_s()
    {
        int models = 0;
        foreach (CompiledModel model in CompiledModels.All.OfType<CompiledModel>())
        {
            DiaConfig config = model.Config;
            Assert.Equal(RotaryFrequencies.For(config.EncoderConfig).Compute(), model.EncoderRope().InverseFrequencies.ToArray());
            Assert.Equal(RotaryFrequencies.For(config.DecoderConfig).Compute(), model.DecoderRope().InverseFrequencies.ToArray());
            models++;
        }

        Assert.True(models > 1);
    }

    /// <summary>cos and sin [length, 2·half], both halves alike, as the reference returns them.</summary>
    private static (float[] Cos, float[] Sin) Table(RotaryEmbedding rotary, int length)
    {
        int half = rotary.InverseFrequencies.Length;
        var cos = new float[length * half * 2];
        var sin = new float[cos.Length];
        for (int i = 0; i < cos.Length; i++)
        {
            float angle = i / (2 * half) * rotary.InverseFrequencies[i % half];
            cos[i] = (float)Math.Cos(angle) * rotary.Scaling;
            sin[i] = (float)Math.Sin(angle) * rotary.Scaling;
        }
        return (cos, sin);
    }

    private static void AssertClose(float[] expected, float[] actual, string what)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (int i = 0; i < expected.Length; i++)
            Assert.True(Math.Abs(expected[i] - actual[i]) <= Tolerance, $"{what}[{i}]: {expected[i]:R} expected, {actual[i]:R} computed");
    }
}
