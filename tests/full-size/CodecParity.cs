using Dia.Backends;
using Dia.Backends.Cpu;
using Dia.Codec;
using Dia.Networks;
using Dia.Weights;

namespace Dia.FullSize;

/// <summary>The 44.1 kHz codec against tests/fixtures/full/dac.safetensors.</summary>
internal sealed class CodecParity(Report report)
{
    // Two codes are one only where the best cosine is ahead by more than float32 sums of thousands of terms may differ.
    private const double SafeMargin = 1e-3;

    public void Run(string folder, int threads)
    {
        TensorFile expected = Fixtures.Tensors("full", "dac.safetensors");
        FirstValues.Check(report, Path.Combine(folder, "dac"), "dac");
        using Device device = new CpuDevice(threads);
        foreach (bool filters in new[] { false, true })
            Run(folder, device, expected, filters, filters ? "filtered codec" : "codec");
    }

    private void Run(string folder, Device device, TensorFile expected, bool filters, string name)
    {
        using DacModel codec = Checkpoints.Codec(folder, device, filters);
        int[,] codes = codec.Encode(expected.Floats("encode.audio"), null, out CodecTrace trace);
        int[] shape = expected.Shape("encode.latent_frames_0_8");
        float[] latents = expected.Floats("encode.latent_frames_0_8"), actual = new float[latents.Length];
        for (int c = 0; c < shape[0]; c++)
            for (int t = 0; t < shape[1]; t++)
                actual[c * shape[1] + t] = trace.LatentValues[t * shape[0] + c];
        report.Near($"{name}: latents of frames 0 to 7, of the largest", latents, actual, 1e-3);
        CompareCodes(expected.Ints2("encode.codes"), codes, Margins(folder, codec, trace, codes), name);

        float[] audio = codec.Decode(Transposed(expected.Ints2("decode.codes")));
        report.Near($"{name}: audio of given codes, of the largest", expected.Floats("decode.audio"), audio, 1e-4);
    }

    /// <summary>Codes of a frame are compared up to the first that is a matter of rounding: those after it quantize another rest.</summary>
    private void CompareCodes(int[,] expected, int[,] codes, double[,] margins, string name)
    {
        int compared = 0, different = 0;
        for (int t = 0; t < codes.GetLength(0); t++)
        {
            for (int q = 0; q < codes.GetLength(1) && margins[t, q] > SafeMargin; q++)
            {
                compared++;
                if (codes[t, q] != expected[q, t])
                    different++;
            }
        }

        report.Judge($"{name}: codes that differ, margin above {SafeMargin:g1}", $"{different} of {compared}", "0", different == 0
            && 2 * compared > codes.Length);
        int all = 0;
        for (int t = 0; t < codes.GetLength(0); t++)
            for (int q = 0; q < codes.GetLength(1); q++)
                all += codes[t, q] != expected[q, t] ? 1 : 0;
        Report.Note($"{name}: codes that differ, whatever the margin", $"{all} of {codes.Length}");
    }

    /// <summary>
    /// For each frame and quantizer: 2·(cosine of the nearest code − cosine of the second), from the projections that were
    /// quantized. In double, so that the margin's own rounding does not count.
    /// </summary>
    private static double[,] Margins(string folder, DacModel codec, CodecTrace trace, int[,] codes)
    {
        int frames = codes.GetLength(0), quantizers = codes.GetLength(1), d = codec.Config.CodebookDim;
        using SafetensorsFile file = SafetensorsFile.Open(Path.Combine(folder, "dac", ModelFolder.TensorsName));
        var margins = new double[frames, quantizers];
        for (int q = 0; q < quantizers; q++)
        {
            float[] codebook = file[$"quantizer.quantizers.{q}.codebook.weight"].ToSingle();
            for (int t = 0; t < frames; t++)
            {
                ReadOnlySpan<float> x = trace.ProjectedValues.Slice((t * quantizers + q) * d, d);
                double best = double.NegativeInfinity, second = best;
                for (int e = 0; e < codebook.Length; e += d)
                {
                    double cosine = Cosine(x, codebook.AsSpan(e, d));
                    (best, second) = cosine > best ? (cosine, best) : (best, Math.Max(second, cosine));
                }

                margins[t, q] = 2 * (best - second);
            }
        }

        return margins;
    }

    private static double Cosine(ReadOnlySpan<float> x, ReadOnlySpan<float> y)
    {
        double xy = 0, xx = 0, yy = 0;
        for (int i = 0; i < x.Length; i++)
        {
            xy += (double)x[i] * y[i];
            xx += (double)x[i] * x[i];
            yy += (double)y[i] * y[i];
        }

        return xy / Math.Sqrt(xx * yy);
    }

    private static int[,] Transposed(int[,] m)
    {
        var t = new int[m.GetLength(1), m.GetLength(0)];
        for (int i = 0; i < m.GetLength(0); i++)
            for (int j = 0; j < m.GetLength(1); j++)
                t[j, i] = m[i, j];
        return t;
    }
}
