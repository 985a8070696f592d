using Dia.Backends;
using Dia.Codec;
using Dia.Graph;
using Dia.Networks;
using Dia.Weights;

namespace Dia.Checks;

/// <summary>Runs a codec on a device and on the scalar backend, both ways.</summary>
/// <param name="device">What is checked.</param>
/// <param name="reference">The scalar backend.</param>
/// <param name="report">Receives each check.</param>
internal sealed class CodecChecks(Device device, Device reference, Action<KernelCheck> report)
{
    private const int LargeCodec = 10_000_000;

    // A code whose cosine is so little above the next one's may change with rounding: the bound of the reference's own fixtures.
    private const double SafeMargin = 1e-3;

    /// <summary>Runs the checks.</summary>
    /// <param name="checkpoint">The codec's checkpoint.</param>
    /// <exception cref="DiaException">A weight is damaged (Model), or the device fails (Device).</exception>
    public void Run(CodecCheckpoint checkpoint)
    {
        using var expected = DacModel.FromPretrained(checkpoint, reference);
        using var actual = DacModel.FromPretrained(checkpoint, device);
        using DacModel? filtered = device.FiltersConvolutions ? DacModel.FromPretrained(checkpoint, device, filters: true) : null;
        DacModel[] codecs = filtered is null ? [actual] : [actual, filtered];
        int frames = expected.Specs.Sum(w => w.Count) > LargeCodec ? 2 : 12;
        bool narrow = expected.Weights.Weights.Any(w => w.Format != WeightFormat.Float32) && device.SplitsActivations;

        // 2e-5 is ten times what rounding did in the reference's fixtures, which stay below 2e-6. 16-bit kernels on a GPU take activations in two
        // halves, off by 2^-17 each, through some thirty convolutions. Minimal filtering is off by ten times what plain sums are, which is 1e-5.
        double tolerance = narrow ? 1e-3 : 1e-4;
        Decode(expected, codecs, frames, tolerance);
        Encode(expected, codecs, frames, tolerance);
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    private static string Name(DacModel codec) => codec.IsFiltered ? "filtered codec" : "codec";

    private void Decode(DacModel expected, DacModel[] codecs, int frames, double tolerance)
    {
        var random = new Random(50);
        int[,] codes = new int[frames, expected.Codebooks];
        for (int t = 0; t < frames; t++)
            for (int q = 0; q < expected.Codebooks; q++)
                codes[t, q] = random.Next(expected.Config.CodebookSize);
        float[] right = expected.Decode(codes);
        foreach (DacModel codec in codecs)
            report(new KernelCheck(Name(codec) + ": decoded samples", Text($"{frames} frames, {right.Length} samples"),
                ModelChecks.Error(codec.Decode(codes), right), tolerance));
    }

    private void Encode(DacModel expected, DacModel[] codecs, int frames, double tolerance)
    {
        var random = new Random(51);
        float[] signal = new float[frames * expected.HopLength];
        for (int i = 0; i < signal.Length; i++)
            signal[i] = (float)(0.3 * Math.Sin(i * 0.05) + 0.2 * Math.Sin(i * 0.31) + 0.1 * (random.NextDouble() - 0.5));
        int[,] right = expected.Encode(signal, null, out CodecTrace rightTrace);
        foreach (DacModel codec in codecs)
        {
            int[,] codes = codec.Encode(signal, null, out CodecTrace trace);
            report(new KernelCheck(Name(codec) + ": latents", Text($"{frames} frames"), ModelChecks.Error(trace.LatentValues, rightTrace.LatentValues), tolerance));
            CompareCodes(expected, rightTrace, right, codes, Name(codec));
        }
    }

    private void CompareCodes(DacModel expected, CodecTrace rightTrace, int[,] right, int[,] codes, string name)
    {
        // A quantizer whose code is another leaves another rest: what comes after it is not compared.
        int compared = 0, different = 0;
        for (int t = 0; t < right.GetLength(0); t++)
        {
            for (int q = 0; q < expected.Codebooks && Margin(expected, rightTrace, t, q) > SafeMargin; q++)
            {
                compared++;
                if (codes[t, q] == right[t, q])
                    continue;
                different++;
                break;
            }
        }

        report(new KernelCheck(name + ": codes", Text($"{compared} of {right.Length} compared, {different} differ"), different == 0
            ? 0 : double.PositiveInfinity, 0));
    }

    /// <summary>How far the nearest code's cosine is above the second's.</summary>
    private static double Margin(DacModel codec, CodecTrace trace, int frame, int quantizer)
    {
        int d = codec.Config.CodebookDim, entries = codec.Config.CodebookSize;
        int index = codec.Network.Layout.Operations.Where(o => o.Kind == OperationKind.NearestCode).ElementAt(quantizer).Weight;
        float[] book = new float[entries * d];
        ReadWeight(codec.Weights.Weights[index], book);
        ReadOnlySpan<float> x = trace.ProjectedValues.Slice((frame * codec.Codebooks + quantizer) * d, d);
        double best = double.NegativeInfinity, second = best;
        for (int e = 0; e < entries; e++)
        {
            double xy = 0, xx = 0, yy = 0;
            for (int i = 0; i < d; i++)
            {
                double y = book[e * d + i];
                xy += x[i] * y;
                xx += (double)x[i] * x[i];
                yy += y * y;
            }

            double cosine = xx > 0 && yy > 0 ? xy / Math.Sqrt(xx * yy) : double.NegativeInfinity;
            (best, second) = cosine > best ? (cosine, best) : (best, Math.Max(second, cosine));
        }

        return best - second;
    }

    private static unsafe void ReadWeight(in StoredWeight weight, float[] values) => WeightFormats.Read(weight.Data, weight.Format, values);
}
