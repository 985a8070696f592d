namespace Dia.Audio;

/// <summary>
/// Lowest and highest sample of each stretch of a signal, collected as the samples come in bounded memory: once
/// <c>maxPoints</c> stretches are full, neighbours become one, and a stretch is twice as long.
/// </summary>
public sealed class WaveformEnvelope
{
    private readonly float[] _low;
    private readonly float[] _high;

    /// <summary>Starts an empty one, a sample to a point.</summary>
    /// <param name="maxPoints">Points kept at most: even, at least 2.</param>
    /// <exception cref="ArgumentOutOfRangeException">The number is too small or odd.</exception>
    public WaveformEnvelope(int maxPoints)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(maxPoints, 2);
        ArgumentOutOfRangeException.ThrowIfNotEqual(maxPoints % 2, 0);
        _low = new float[maxPoints];
        _high = new float[maxPoints];
    }

    /// <summary>Samples so far.</summary>
    public long Samples { get; private set; }

    /// <summary>Samples that a point stands for; the last one may stand for fewer.</summary>
    public long SamplesPerPoint { get; private set; } = 1;

    /// <summary>Points so far.</summary>
    public int Points => (int)((Samples + SamplesPerPoint - 1) / SamplesPerPoint);

    /// <summary>Lowest sample of each point.</summary>
    public ReadOnlySpan<float> Low => _low.AsSpan(0, Points);

    /// <summary>Highest sample of each point.</summary>
    public ReadOnlySpan<float> High => _high.AsSpan(0, Points);

    /// <summary>Takes the next samples.</summary>
    /// <param name="samples">Full scale is ±1; what is not finite counts as 0.</param>
    public void Add(ReadOnlySpan<float> samples)
    {
        foreach (float sample in samples)
        {
            if (Samples == SamplesPerPoint * _low.Length)
                Halve();
            float value = float.IsFinite(sample) ? sample : 0;
            int point = (int)(Samples / SamplesPerPoint);
            bool first = Samples % SamplesPerPoint == 0;
            _low[point] = first ? value : Math.Min(_low[point], value);
            _high[point] = first ? value : Math.Max(_high[point], value);
            Samples++;
        }
    }

    private void Halve()
    {
        for (int i = 0; i < _low.Length / 2; i++)
        {
            _low[i] = Math.Min(_low[2 * i], _low[2 * i + 1]);
            _high[i] = Math.Max(_high[2 * i], _high[2 * i + 1]);
        }

        SamplesPerPoint *= 2;
    }
}
