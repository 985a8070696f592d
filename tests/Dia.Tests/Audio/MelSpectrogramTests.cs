using Dia.Audio;
using Xunit;

namespace Dia.Tests.Audio;

public sealed class MelSpectrogramTests
{
    private const int Rate = 16000;

    [Theory]
    [InlineData(220)]
    [InlineData(1000)]
    [InlineData(3500)]
    [InlineData(7000)]
    public void A_tone_is_loudest_in_its_band(double hertz)
    {
        MelSpectrogram spectrogram = Of(Tone(hertz, Rate), 80);
        int loudest = Enumerable.Range(0, 80).MaxBy(band => spectrogram[spectrogram.Columns / 2, band]);
        // Half a band for rounding, and half for triangles that hold only few bins.
        Assert.InRange(loudest, MelSpectrogram.Band(hertz, Rate, 80) - 1, MelSpectrogram.Band(hertz, Rate, 80) + 1);
        Assert.InRange(spectrogram[spectrogram.Columns / 2, loudest], 0.05, 1);
    }

    [Fact]
    public void A_bin_is_the_sum_of_the_definition()
    {
        // One band: a triangle over the whole spectrum, compared with a plain sum over the middle frame.
        float[] samples = [.. Enumerable.Range(0, 2000).Select(i => (float)Math.Sin(i * i * 0.0003))];
        MelSpectrogram spectrogram = Of(samples, 1);
        const int column = 6, hop = 160, length = 512, size = 1024;
        int start = column * hop - (length - hop) / 2;
        double middle = MelSpectrogram.Frequency(0, Rate, 1), sum = 0, weights = 0;
        for (int bin = 1; bin < size / 2; bin++)
        {
            double real = 0, imaginary = 0, hertz = bin * (double)Rate / size;
            for (int i = 0; i < length; i++)
            {
                double value = samples[start + i] * (0.5 - 0.5 * Math.Cos(2 * Math.PI * i / length)), angle = 2 * Math.PI * bin * i / size;
                real += value * Math.Cos(angle);
                imaginary -= value * Math.Sin(angle);
            }

            double weight = hertz <= middle ? hertz / middle : (Rate / 2.0 - hertz) / (Rate / 2.0 - middle);
            sum += weight * (real * real + imaginary * imaginary) * 16 / length / length;
            weights += weight;
        }

        Assert.Equal(sum / weights, spectrogram[column, 0], sum / weights * 1e-9); // double throughout
    }

    [Fact]
    public void A_click_is_in_the_column_of_its_time()
    {
        float[] samples = new float[Rate];
        samples[160 * 40 + 80] = 1;
        MelSpectrogram spectrogram = Of(samples, 8);
        Assert.Equal(100, spectrogram.Columns);
        Assert.Equal(40, Enumerable.Range(0, 100).MaxBy(column => spectrogram[column, 4]));
    }

    [Fact]
    public void Chunks_make_no_difference()
    {
        float[] samples = Tone(700, 5000);
        MelSpectrogram whole = Of(samples, 20), chunked = new(Rate, 20, 1024);
        for (int at = 0, count = 1; at < samples.Length; at += count, count = Math.Min(count * 3 % 701, samples.Length - at))
            chunked.Add(samples.AsSpan(at, count));
        chunked.Complete();
        Assert.Equal(32, whole.Columns); // ceil(5000 / 160)
        Assert.Equal(Values(whole), Values(chunked));
    }

    [Fact]
    public void Full_columns_are_joined_to_means()
    {
        float[] samples = [.. Tone(500, 800), .. Tone(3000, 800), .. Tone(900, 480)];
        MelSpectrogram fine = Of(samples, 10), coarse = new(Rate, 10, 4);
        coarse.Add(samples);
        coarse.Complete();
        Assert.Equal(13, fine.Columns);
        Assert.Equal([4, 640], new[] { coarse.Columns, coarse.SamplesPerColumn });
        for (int column = 0; column < 4; column++)
            for (int band = 0; band < 10; band++)
            {
                int[] part = [.. Enumerable.Range(4 * column, 4).Where(c => c < 13)];
                double mean = part.Average(c => fine[c, band]);
                Assert.Equal(mean, coarse[column, band], mean * 1e-12); // the same sum in another order
            }
    }

    [Theory]
    [InlineData(1000)]
    [InlineData(8000)]
    [InlineData(44100)]
    [InlineData(192000)]
    public void Every_rate_and_no_sample_at_all_are_fine(int rate)
    {
        var spectrogram = new MelSpectrogram(rate, 96, 16);
        spectrogram.Complete();
        Assert.Equal(0, spectrogram.Columns);
        spectrogram = new MelSpectrogram(rate, 96, 16);
        spectrogram.Add([float.NaN, float.PositiveInfinity, 1]);
        spectrogram.Complete();
        Assert.Equal(1, spectrogram.Columns);
        Assert.All(Values(spectrogram), v => Assert.InRange(v, 0, 1));
    }

    [Fact]
    public void Frequency_and_band_are_inverse()
    {
        for (double band = -1; band <= 80; band += 0.5)
            Assert.Equal(band, MelSpectrogram.Band(MelSpectrogram.Frequency(band, Rate, 80), Rate, 80), 1e-9);
        Assert.Equal(Rate / 2.0, MelSpectrogram.Frequency(80, Rate, 80), 1e-9);
        Assert.Equal(0, MelSpectrogram.Frequency(-1, Rate, 80), 1e-9);
    }

    [Fact]
    public void An_envelope_has_the_extremes_of_each_stretch()
    {
        float[] samples = [.. Enumerable.Range(0, 1000).Select(i => (float)Math.Sin(i * 1.7) * (i % 37))];
        var envelope = new WaveformEnvelope(64);
        for (int at = 0; at < 1000; at += 250)
            envelope.Add(samples.AsSpan(at, 250));
        Assert.Equal(16, envelope.SamplesPerPoint);
        Assert.Equal(63, envelope.Points); // ceil(1000 / 16)
        Assert.Equal(samples.Chunk(16).Select(c => c.Min()), envelope.Low.ToArray());
        Assert.Equal(samples.Chunk(16).Select(c => c.Max()), envelope.High.ToArray());
    }

    private static float[] Tone(double hertz, int length) => [.. Enumerable.Range(0, length).Select(i => (float)Math.Sin(2 * Math.PI * hertz * i / Rate))];

    private static MelSpectrogram Of(float[] samples, int bands)
    {
        var spectrogram = new MelSpectrogram(Rate, bands, 1024);
        spectrogram.Add(samples);
        spectrogram.Complete();
        return spectrogram;
    }

    private static double[] Values(MelSpectrogram spectrogram) =>
        [.. Enumerable.Range(0, spectrogram.Columns).SelectMany(c => Enumerable.Range(0, spectrogram.Bands).Select(b => spectrogram[c, b]))];
}
