using System.Text.Json;
using Dia.Audio;
using Xunit;

namespace Dia.Tests.Audio;

public sealed class ResamplerTests
{
    [Fact]
    public void Resamples_as_the_reference()
    {
        TensorFile tensors = Fixtures.Tensors("resample", "cases.safetensors");
        foreach (JsonElement item in Fixtures.Json("resample", "cases.json").GetProperty("cases").EnumerateArray())
        {
            int n = item.GetProperty("case").GetInt32();
            float[] expected = tensors.Floats($"case{n}.out");
            float[] actual = Resampler.Resample(
                tensors.Floats($"case{n}.in"), item.GetProperty("source_rate").GetInt32(), item.GetProperty("target_rate").GetInt32());
            Assert.Equal(expected.Length, actual.Length);
            // Both sum in double; what is left is the last rounding to float32 of values below 2.
            for (int i = 0; i < expected.Length; i++)
                Assert.InRange(Math.Abs(expected[i] - actual[i]), 0, 2.5e-7f);
        }
    }

    [Fact]
    public void Averages_and_resamples_only_where_the_rate_is_another()
    {
        var stereo = new AudioBuffer([1, 3, 0.5f, 0.25f, -1, 1], 16000, 2);
        Assert.Equal([2, 0.375f, 0], stereo.ToMono(16000));
        Assert.Equal(Resampler.Resample([2, 0.375f, 0], 16000, 44100), stereo.ToMono(44100));
    }

    [Theory]
    [InlineData(48000, 44100)]
    [InlineData(44101, 44100)] // no common divisor: kernels on the fly
    [InlineData(999_983, 44100)]
    [InlineData(1009, 44100)]
    public void KeepsASine(int source, int target)
    {
        // A tenth of the lower Nyquist frequency is far inside the pass band.
        double frequency = Math.Min(source, target) / 20.0;
        var samples = new float[source / 20];
        for (int i = 0; i < samples.Length; i++)
            samples[i] = (float)Math.Sin(2 * Math.PI * frequency * i / source);
        float[] output = Resampler.Resample(samples, source, target);
        // Away from the ends the ripple of a filter of this width stays below 1 %.
        for (int i = output.Length / 3; i < output.Length * 2 / 3; i++)
            Assert.Equal(Math.Sin(2 * Math.PI * frequency * i / target), output[i], 0.01);
    }

    [Theory]
    [InlineData(0, 44100)]
    [InlineData(-5, 44100)]
    [InlineData(44100, 999)]
    [InlineData(int.MaxValue, 44100)]
    public void Refuses_absurd_rates(int source, int target)
    {
        var error = Assert.Throws<DiaException>(() => Resampler.Resample(new float[10], source, target));
        Assert.Equal(DiaErrorKind.Input, error.Kind);
    }

    [Fact]
    public void Refuses_a_result_that_is_too_long()
    {
        var error = Assert.Throws<DiaException>(() => Resampler.Resample(new float[600_000], 1000, 1_000_000));
        Assert.Contains("600000000", error.Message);
    }

    [Theory]
    [InlineData(16000, 48000)]
    [InlineData(44100, 16000)]
    [InlineData(44100, 44099)] // too many phases for a table
    public void Of_a_stream_the_same_samples_come(int source, int target)
    {
        var random = new Random(2);
        float[] samples = [.. Enumerable.Range(0, 5000).Select(_ => (float)random.NextDouble() - 0.5f)];
        foreach (int piece in new[] { 1, 97, 5000 })
        {
            var made = new List<float>();
            var resampler = new StreamResampler(source, target, chunk => made.AddRange(chunk));
            foreach (float[] part in samples.Chunk(piece))
                resampler.Write(part);
            resampler.Finish();
            Assert.Equal(Resampler.Resample(samples, source, target), made);
        }
    }
}
