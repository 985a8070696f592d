namespace Dia.Audio;

/// <summary>
/// Band-limited resampling: a sinc low-pass at 0.99 of the lower Nyquist frequency, six zero crossings on either side,
/// under a Hann window (the default of <c>torchaudio.functional.resample</c>). Sums in double.
/// </summary>
public static class Resampler
{
    private const int Width = 6;
    private const double Rolloff = 0.99;

    /// <summary>
    /// Kernels are kept for all phases where they take at most this many values (8 MiB); two large rates without a common
    /// divisor have too many phases, and there each output sample computes its own.
    /// </summary>
    private const long MaxTableValues = 1 << 20;

    /// <summary>
    /// Resamples a mono signal; the result has ceil(length · target / source) samples. Equal rates still pass through the
    /// low-pass: who wants the signal untouched does not call (<see cref="AudioBuffer.ToMono(int)"/> does not).
    /// </summary>
    /// <param name="samples">The signal.</param>
    /// <param name="sourceRate">Its rate in Hz.</param>
    /// <param name="targetRate">The rate wanted, in Hz.</param>
    /// <exception cref="DiaException">Input: a rate is out of <see cref="AudioBuffer"/>'s range, or the result would be too long.</exception>
    public static float[] Resample(ReadOnlySpan<float> samples, int sourceRate, int targetRate)
    {
        var filter = new Filter(sourceRate, targetRate);
        long length = filter.Length(samples.Length);
        if (length > AudioBuffer.MaxSamples)
        {
            throw new DiaException(
                DiaErrorKind.Input,
                $"{samples.Length} samples at {sourceRate} Hz become {length} at {targetRate} Hz; at most {AudioBuffer.MaxSamples} are handled. Cut the audio.");
        }

        var output = new float[length];
        for (int i = 0; i < output.Length; i++)
            output[i] = filter.At(i, samples, offset: 0);
        return output;
    }

    private static int GreatestCommonDivisor(int a, int b) => b == 0 ? a : GreatestCommonDivisor(b, a % b);

    /// <summary>What makes each sample of a result.</summary>
    internal sealed class Filter
    {
        private readonly Kernel _kernel;
        private readonly double[]?[]? _table;
        private readonly double[] _taps;

        /// <exception cref="DiaException">Input: a rate is out of <see cref="AudioBuffer"/>'s range.</exception>
        public Filter(int sourceRate, int targetRate)
        {
            AudioBuffer.CheckSamplingRate(sourceRate);
            AudioBuffer.CheckSamplingRate(targetRate);
            int divisor = GreatestCommonDivisor(sourceRate, targetRate);
            _kernel = new Kernel(sourceRate / divisor, targetRate / divisor);
            _table = (long)_kernel.Target * _kernel.Taps <= MaxTableValues ? new double[]?[_kernel.Target] : null;
            _taps = new double[_kernel.Taps];
        }

        /// <summary>Samples of the result of a signal.</summary>
        public long Length(long samples) => (samples * _kernel.Target + _kernel.Source - 1) / _kernel.Source;

        /// <summary>The first sample of the signal that a sample of the result needs.</summary>
        public long Start(long index) => index / _kernel.Target * _kernel.Source + _kernel.FirstTap((int)(index % _kernel.Target));

        /// <summary>The one behind the last.</summary>
        public long End(long index) => Start(index) + _kernel.Taps;

        /// <summary>A sample of the result.</summary>
        /// <param name="index">Which.</param>
        /// <param name="samples">The signal, or the part of it that is there.</param>
        /// <param name="offset">Samples of the signal before that part.</param>
        public float At(long index, ReadOnlySpan<float> samples, long offset)
        {
            int phase = (int)(index % _kernel.Target);
            double[] weights = _taps;
            if (_table is null)
                _kernel.Fill(phase, _taps);
            else if (_table[phase] is double[] known)
                weights = known;
            else
                _kernel.Fill(phase, weights = _table[phase] = new double[_kernel.Taps]);
            return (float)Dot(weights, samples, Start(index) - offset);
        }

        /// <summary>Sum of weights[k] · samples[first + k]; what lies outside the signal is zero.</summary>
        private static double Dot(double[] weights, ReadOnlySpan<float> samples, long first)
        {
            int from = (int)Math.Clamp(-first, 0, weights.Length);
            int to = (int)Math.Clamp(samples.Length - first, from, weights.Length);
            double sum = 0;
            for (int k = from; k < to; k++)
                sum += weights[k] * samples[(int)(first + k)];
            return sum;
        }
    }

    /// <summary>The filter for rates without a common divisor: source samples in, target samples out.</summary>
    private readonly struct Kernel(int source, int target)
    {
        public int Source => source;

        /// <summary>Also the number of phases.</summary>
        public int Target => target;

        public int Taps => 2 * (int)Math.Ceiling(Reach) + 1;

        private double Base => Math.Min(source, target) * Rolloff;

        private double Reach => Width * source / Base;

        /// <summary>The input sample, relative to the phase's block, that the first weight belongs to.</summary>
        public long FirstTap(int phase) => (long)Math.Ceiling((double)phase * Source / Target - Reach);

        public void Fill(int phase, double[] weights)
        {
            long first = FirstTap(phase);
            for (int k = 0; k < weights.Length; k++)
            {
                double t = ((double)(first + k) / Source - (double)phase / Target) * Base;
                if (Math.Abs(t) >= Width)
                {
                    weights[k] = 0;
                    continue;
                }
                double window = Math.Cos(t * Math.PI / Width / 2);
                double sinc = t == 0 ? 1 : Math.Sin(t * Math.PI) / (t * Math.PI);
                weights[k] = sinc * window * window * Base / Source;
            }
        }
    }
}
