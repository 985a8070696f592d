namespace Dia.Audio;

/// <summary>Resamples a signal while it comes: the same samples as <see cref="Resampler.Resample"/> of all of it.</summary>
public sealed class StreamResampler
{
    private readonly Resampler.Filter _filter;
    private readonly Action<ReadOnlySpan<float>> _write;
    private readonly List<float> _held = [];
    private readonly float[] _made = new float[4096];
    private long _dropped, _next;

    /// <summary>A resampler.</summary>
    /// <param name="sourceRate">The signal's rate in Hz.</param>
    /// <param name="targetRate">The rate wanted, in Hz.</param>
    /// <param name="write">Takes the result.</param>
    /// <exception cref="DiaException">Input: a rate is out of <see cref="AudioBuffer"/>'s range.</exception>
    public StreamResampler(int sourceRate, int targetRate, Action<ReadOnlySpan<float>> write)
    {
        ArgumentNullException.ThrowIfNull(write);
        (_filter, _write) = (new Resampler.Filter(sourceRate, targetRate), write);
    }

    /// <summary>Takes the next samples; what needs those after them is held back.</summary>
    public void Write(ReadOnlySpan<float> samples)
    {
        _held.AddRange(samples);
        Make(long.MaxValue, isAll: false);
    }

    /// <summary>The signal is complete: the rest of it.</summary>
    public void Finish() => Make(_filter.Length(_dropped + _held.Count), isAll: true);

    private void Make(long end, bool isAll)
    {
        ReadOnlySpan<float> held = CollectionsMarshal.AsSpan(_held);
        int count = 0;
        for (; _next < end && (isAll || _filter.End(_next) <= _dropped + held.Length); _next++)
        {
            _made[count++] = _filter.At(_next, held, _dropped);
            if (count == _made.Length)
            {
                _write(_made);
                count = 0;
            }
        }

        _write(_made.AsSpan(0, count));
        int done = (int)Math.Clamp(_filter.Start(_next) - _dropped, 0, held.Length);
        _held.RemoveRange(0, done);
        _dropped += done;
    }
}
