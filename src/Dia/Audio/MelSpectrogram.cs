namespace Dia.Audio;

/// <summary>
/// The power of a signal over time and mel bands, collected as the samples come in bounded memory: once
/// <c>maxColumns</c> columns are full, neighbours are added up in pairs, and a column stands for twice the time.
/// </summary>
/// <remarks>
/// Frames every 10 ms, each under a Hann window of at least 32 ms (a power of two of samples), padded with zeros to twice
/// its length. Bands are triangles, even on the mel scale m = 2595·log10(1 + f/700) (O'Shaughnessy, Speech
/// Communication, 1987) from 0 Hz to half the rate, each with weights that add up to 1. Meant to be looked at.
/// </remarks>
public sealed class MelSpectrogram
{
    private readonly int _hop;
    private readonly int _maxColumns;
    private readonly double[] _window;
    private readonly float[] _frame;
    private readonly Complex[] _spectrum;
    private readonly Complex[] _twiddles;
    private readonly (int First, double[] Weights)[] _filters;
    private readonly double[] _sums;
    private int _filled;
    private long _samples;
    private long _frames;
    private int _framesPerColumn = 1;

    /// <summary>Starts an empty one.</summary>
    /// <param name="samplingRate">Samples a second.</param>
    /// <param name="bands">Number of bands, at least 1.</param>
    /// <param name="maxColumns">Columns kept at most: even, at least 2.</param>
    /// <exception cref="DiaException">Input: the sampling rate is out of <see cref="AudioBuffer"/>'s range.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A number is too small, or the columns are odd.</exception>
    public MelSpectrogram(int samplingRate, int bands, int maxColumns)
    {
        AudioBuffer.CheckSamplingRate(samplingRate);
        ArgumentOutOfRangeException.ThrowIfLessThan(bands, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(maxColumns, 2);
        ArgumentOutOfRangeException.ThrowIfNotEqual(maxColumns % 2, 0);
        const double hopSeconds = 0.01, windowSeconds = 0.032;
        Bands = bands;
        _maxColumns = maxColumns;
        _hop = Math.Max(1, (int)(samplingRate * hopSeconds));
        int length = (int)BitOperations.RoundUpToPowerOf2((uint)Math.Ceiling(samplingRate * windowSeconds));
        _window = [.. Enumerable.Range(0, length).Select(i => 0.5 - 0.5 * Math.Cos(2 * Math.PI * i / length))];
        _frame = new float[length];
        _spectrum = new Complex[2 * length];
        _twiddles = [.. Enumerable.Range(0, length).Select(i => Complex.FromPolarCoordinates(1, -Math.PI * i / length))];
        _filters = Filters(samplingRate, bands, 2 * length);
        _sums = new double[maxColumns * bands];
        _filled = (length - _hop) / 2; // A frame stands for the hop in its middle: the first one begins before the signal.
    }

    /// <summary>Bands of a column, the lowest first.</summary>
    public int Bands { get; }

    /// <summary>Columns so far.</summary>
    public int Columns => (int)((_frames + _framesPerColumn - 1) / _framesPerColumn);

    /// <summary>Samples that a column stands for; the last one may stand for fewer.</summary>
    public long SamplesPerColumn => (long)_hop * _framesPerColumn;

    /// <summary>The mean power of a band in a column, scaled so that the largest bin of a full-scale sine is 1 and a band at most that.</summary>
    /// <param name="column">From 0 to <see cref="Columns"/> − 1.</param>
    /// <param name="band">From 0 to <see cref="Bands"/> − 1.</param>
    public double this[int column, int band]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)column, (uint)Columns);
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)band, (uint)Bands);
            long frames = Math.Min(_framesPerColumn, _frames - (long)column * _framesPerColumn);
            return _sums[column * Bands + band] / frames;
        }
    }

    /// <summary>The frequency at the middle of a band, in Hz.</summary>
    /// <param name="band">The band; fractions lie between bands.</param>
    /// <param name="samplingRate">Samples a second.</param>
    /// <param name="bands">Number of bands.</param>
    public static double Frequency(double band, int samplingRate, int bands) => ToHertz((band + 1) / (bands + 1) * ToMel(samplingRate / 2.0));

    /// <summary>The band whose middle a frequency is: the inverse of <see cref="Frequency"/>.</summary>
    /// <param name="hertz">The frequency.</param>
    /// <param name="samplingRate">Samples a second.</param>
    /// <param name="bands">Number of bands.</param>
    public static double Band(double hertz, int samplingRate, int bands) => ToMel(hertz) / ToMel(samplingRate / 2.0) * (bands + 1) - 1;

    /// <summary>Takes the next samples.</summary>
    /// <param name="samples">Full scale is ±1.</param>
    public void Add(ReadOnlySpan<float> samples)
    {
        _samples += samples.Length;
        Append(samples);
    }

    /// <summary>Takes the end of the signal: silence follows, up to the last sample's column.</summary>
    public void Complete()
    {
        long frames = (_samples + _hop - 1) / _hop;
        float[] silence = new float[_hop];
        while (_frames < frames)
            Append(silence);
    }

    private static double ToMel(double hertz) => 2595 * Math.Log10(1 + hertz / 700);

    private static double ToHertz(double mel) => 700 * (Math.Pow(10, mel / 2595) - 1);

    private static (int First, double[] Weights)[] Filters(int samplingRate, int bands, int size)
    {
        var filters = new (int, double[])[bands];
        double spacing = samplingRate / (double)size;
        for (int band = 0; band < bands; band++)
        {
            double low = Frequency(band - 1, samplingRate, bands), middle = Frequency(band, samplingRate, bands),
                high = Frequency(band + 1, samplingRate, bands);
            int first = (int)Math.Floor(low / spacing) + 1, last = Math.Min(size / 2, (int)Math.Ceiling(high / spacing) - 1);
            double[] weights = [.. Enumerable.Range(first, Math.Max(0, last - first + 1))
                .Select(bin => Math.Min((bin * spacing - low) / (middle - low), (high - bin * spacing) / (high - middle)))];
            double sum = weights.Sum();
            // A band between two bins takes the nearest.
            filters[band] = sum > 0 ? (first, [.. weights.Select(w => w / sum)]) : (Math.Min(size / 2, (int)Math.Round(middle / spacing)), [1]);
        }

        return filters;
    }

    private void Append(ReadOnlySpan<float> samples)
    {
        while (!samples.IsEmpty)
        {
            int count = Math.Min(samples.Length, _frame.Length - _filled);
            samples[..count].CopyTo(_frame.AsSpan(_filled));
            _filled += count;
            samples = samples[count..];
            if (_filled < _frame.Length)
                continue;
            AddFrame();
            _frame.AsSpan(_hop).CopyTo(_frame);
            _filled -= _hop;
        }
    }

    private void AddFrame()
    {
        if (_frames == (long)_framesPerColumn * _maxColumns)
            Halve();
        Array.Clear(_spectrum);
        for (int i = 0; i < _frame.Length; i++)
            _spectrum[i] = float.IsFinite(_frame[i]) ? _frame[i] * _window[i] : 0;
        Transform(_spectrum, _twiddles);
        double scale = 16.0 / _frame.Length / _frame.Length; // A Hann window adds up to half its length, and a sine has half its power at −f.
        Span<double> column = _sums.AsSpan((int)(_frames / _framesPerColumn) * Bands, Bands);
        for (int band = 0; band < Bands; band++)
        {
            (int first, double[] weights) = _filters[band];
            for (int i = 0; i < weights.Length; i++)
            {
                Complex bin = _spectrum[first + i];
                column[band] += scale * weights[i] * (bin.Real * bin.Real + bin.Imaginary * bin.Imaginary);
            }
        }

        _frames++;
    }

    private void Halve()
    {
        for (int column = 0; column < _maxColumns / 2; column++)
            for (int band = 0; band < Bands; band++)
                _sums[column * Bands + band] = _sums[2 * column * Bands + band] + _sums[(2 * column + 1) * Bands + band];
        _sums.AsSpan(_maxColumns / 2 * Bands).Clear();
        _framesPerColumn *= 2;
    }

    /// <summary>The discrete Fourier transform in place, radix 2 (Cooley and Tukey, Mathematics of Computation, 1965).</summary>
    /// <param name="values">A power of two of values.</param>
    /// <param name="twiddles">e^(−2πi·k/n) for k below n/2.</param>
    private static void Transform(Complex[] values, Complex[] twiddles)
    {
        int n = values.Length;
        for (int i = 1, j = 0; i < n; i++)
        {
            int bit = n >> 1;
            for (; (j & bit) != 0; bit >>= 1)
                j ^= bit;
            j ^= bit;
            if (i < j)
                (values[i], values[j]) = (values[j], values[i]);
        }

        for (int half = 1; half < n; half *= 2)
        {
            int stride = n / 2 / half;
            for (int start = 0; start < n; start += 2 * half)
                for (int k = 0; k < half; k++)
                {
                    Complex even = values[start + k], odd = values[start + half + k] * twiddles[k * stride];
                    values[start + k] = even + odd;
                    values[start + half + k] = even - odd;
                }
        }
    }
}
