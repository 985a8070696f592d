namespace Dia.Audio;

/// <summary>Loudness of programmes (ITU-R BS.1770-4, EBU Tech 3341: integrated, in LUFS).</summary>
public static class Loudness
{
    /// <summary>The lowest rate at which the weighting's shelf is below the highest frequency.</summary>
    public const int LowestRate = 8000;

    /// <summary>The level that no sample should be above: -1 dBFS (EBU R 128), so that neither another rate nor another format clips.</summary>
    public const double HighestPeak = 0.891250938133746;

    // A block is 400 ms, and begins every 100; those under the gates do not count.
    private const int StepsInBlock = 4, StepsInSecond = 10;
    private const double AbsoluteGate = -70, RelativeGate = -10, Offset = -0.691, SurroundWeight = 1.41;

    /// <summary>The loudness; a recording shorter than a block is taken as one.</summary>
    /// <param name="audio">The recording. Channels beyond the third are surround channels (left, right, centre, left and right surround).</param>
    /// <returns>LUFS; null: silence, which has none.</returns>
    /// <exception cref="DiaException">Input: a rate below <see cref="LowestRate"/>.</exception>
    public static double? Measure(AudioBuffer audio)
    {
        ArgumentNullException.ThrowIfNull(audio);
        if (audio.SamplingRate < LowestRate)
            throw new DiaException(DiaErrorKind.Input, $"Loudness is measured from {LowestRate} Hz on; the sound has {audio.SamplingRate} Hz.");
        int step = (audio.SamplingRate + StepsInSecond / 2) / StepsInSecond, steps = audio.Frames / step;
        var energies = new double[Math.Max(1, steps)]; // of each step
        for (int channel = 0; channel < audio.Channels; channel++)
        {
            Biquad shelf = Biquad.Shelf(audio.SamplingRate), highPass = Biquad.HighPass(audio.SamplingRate);
            double weight = channel < 3 ? 1 : SurroundWeight;
            for (int i = 0; i < audio.Frames && (steps < StepsInBlock || i < steps * step); i++)
            {
                double sample = highPass.Next(shelf.Next(audio.Samples[i * audio.Channels + channel]));
                energies[steps < StepsInBlock ? 0 : i / step] += weight * sample * sample;
            }
        }

        if (steps < StepsInBlock)
            return audio.Frames == 0 || energies[0] == 0 ? null : Level(energies[0] / audio.Frames);
        double[] blocks = [.. Enumerable.Range(0, steps - StepsInBlock + 1).Select(b => energies[b..(b + StepsInBlock)].Sum() / (StepsInBlock * step))];
        if (Gated(blocks, AbsoluteGate) is not { } ungated)
            return null;
        return Gated(blocks, Math.Max(AbsoluteGate, Level(ungated) + RelativeGate)) is { } mean ? Level(mean) : null;
    }

    /// <summary>The factor that gives a recording a loudness, unless a peak would be above <see cref="HighestPeak"/>: then the largest without that.</summary>
    /// <param name="audio">The recording.</param>
    /// <param name="lufs">The loudness wanted.</param>
    /// <param name="isLimited">Whether it stays below that.</param>
    /// <returns>1 for silence.</returns>
    /// <exception cref="DiaException">Input: as for <see cref="Measure"/>.</exception>
    public static double Gain(AudioBuffer audio, double lufs, out bool isLimited)
    {
        isLimited = false;
        if (Measure(audio) is not { } measured)
            return 1;
        float peak = audio.Samples.Max(Math.Abs);
        double gain = Math.Pow(10, (lufs - measured) / 20), most = HighestPeak / peak;
        isLimited = gain > most;
        return Math.Min(gain, most);
    }

    /// <summary>The mean energy of the blocks that are louder than a gate.</summary>
    private static double? Gated(double[] blocks, double gate)
    {
        double[] loud = [.. blocks.Where(b => Level(b) > gate)];
        return loud.Length == 0 ? null : loud.Average();
    }

    private static double Level(double energy) => Offset + 10 * Math.Log10(energy);

    /// <summary>A filter of second order. The weighting's two are made for any rate of the analogue ones behind the standard's numbers for 48 kHz.</summary>
    private struct Biquad(double b0, double b1, double b2, double a1, double a2)
    {
        private double _first, _second;

        /// <summary>The head: 4 dB more above 1.7 kHz.</summary>
        public static Biquad Shelf(int rate)
        {
            const double frequency = 1681.974450955533, gain = 3.999843853973347, quality = 0.7071752369554196, shape = 0.4996667741545416;
            double k = Math.Tan(Math.PI * frequency / rate), high = Math.Pow(10, gain / 20), middle = Math.Pow(high, shape), a0 = 1 + k / quality + k * k;
            return new Biquad((high + middle * k / quality + k * k) / a0, 2 * (k * k - high) / a0, (high - middle * k / quality + k * k) / a0,
                2 * (k * k - 1) / a0, (1 - k / quality + k * k) / a0);
        }

        /// <summary>Nothing below 38 Hz.</summary>
        public static Biquad HighPass(int rate)
        {
            const double frequency = 38.13547087602444, quality = 0.5003270373238773;
            double k = Math.Tan(Math.PI * frequency / rate), a0 = 1 + k / quality + k * k;
            return new Biquad(1, -2, 1, 2 * (k * k - 1) / a0, (1 - k / quality + k * k) / a0);
        }

        public double Next(double x)
        {
            double y = b0 * x + _first;
            _first = b1 * x - a1 * y + _second;
            _second = b2 * x - a2 * y;
            return y;
        }
    }
}
