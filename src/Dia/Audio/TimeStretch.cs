using System.Runtime.Intrinsics;

namespace Dia.Audio;

/// <summary>
/// Plays speech faster or slower at the same pitch: overlap-add with waveform similarity (WSOLA; Verhelst and Roelands, ICASSP 1993).
/// Output is made in hops of 16 ms. Each fades from what would have followed the hop before it to a stretch of the input around the
/// place that the speed asks for: the one within 10 ms of it that is most similar (normalised cross-correlation), so that periods line up.
/// </summary>
/// <remarks>
/// Speed 1 passes the samples through, bit for bit. Otherwise round(n / speed) samples come out for n, and what comes out does not depend on
/// how the input is cut into chunks. At most 35 ms of input are waited for beyond the place that is being played.
/// </remarks>
public sealed class TimeStretch
{
    /// <summary>The lowest speed: twice as long.</summary>
    public const double Slowest = 0.5;

    /// <summary>The highest speed: half as long.</summary>
    public const double Fastest = 2;

    private const double HopSeconds = 0.016;

    // More than half a period of the lowest voices (60 Hz), so that a matching place is always within reach.
    private const double ReachSeconds = 0.01;

    private readonly Action<ReadOnlySpan<float>> _write;
    private readonly double _speed;
    private readonly int _hop;
    private readonly int _reach;
    private readonly float[] _output;
    private readonly float[] _rising; // the first half of a Hann window; with its mirror it adds up to 1

    private readonly List<float> _input = []; // the samples from _first on that are still needed
    private long _first;
    private long _hops; // hops written so far
    private long _following; // where the input goes on that the last hop ended in
    private long _written;

    /// <summary>A stretch.</summary>
    /// <param name="samplingRate">Samples a second.</param>
    /// <param name="speed">From <see cref="Slowest"/> to <see cref="Fastest"/>; 1 changes nothing.</param>
    /// <param name="write">Takes the stretched samples.</param>
    /// <exception cref="DiaException">Usage: the speed is out of its range. Input: the rate is out of <see cref="AudioBuffer"/>'s range.</exception>
    public TimeStretch(int samplingRate, double speed, Action<ReadOnlySpan<float>> write)
    {
        ArgumentNullException.ThrowIfNull(write);
        AudioBuffer.CheckSamplingRate(samplingRate);
        if (!(speed is >= Slowest and <= Fastest))
            throw new DiaException(DiaErrorKind.Usage,
                string.Create(CultureInfo.InvariantCulture, $"speed is {speed}; it must be from {Slowest} to {Fastest}."));
        _write = write;
        _speed = speed;
        _hop = Math.Max(2, (int)(samplingRate * HopSeconds));
        _reach = (int)(samplingRate * ReachSeconds);
        _output = new float[_hop];
        _rising = new float[_hop];
        for (int i = 0; i < _hop; i++)
            _rising[i] = 0.5f - 0.5f * MathF.Cos(MathF.PI * (i + 0.5f) / _hop);
    }

    /// <summary>The samples that come out for <paramref name="samples"/> that go in.</summary>
    public static long OutputLength(long samples, double speed) => speed == 1 ? samples : (long)Math.Round(samples / speed);

    /// <summary>Takes the next samples, and writes what can be made of them.</summary>
    public void Write(ReadOnlySpan<float> samples)
    {
        if (_speed == 1)
        {
            _write(samples);
            return;
        }

        while (!samples.IsEmpty)
        {
            int count = Math.Min(samples.Length, _hop);
            _input.AddRange(samples[..count]);
            samples = samples[count..];
            while (NeededForHop() <= End)
                Hop(_hop);
        }
    }

    /// <summary>The input is complete: writes the rest. Nothing may be written after it.</summary>
    public void Finish()
    {
        if (_speed == 1)
            return;
        long length = OutputLength(End, _speed);
        Span<float> silence = stackalloc float[256];
        silence.Clear();
        while (_written < length)
        {
            while (NeededForHop() > End)
                _input.AddRange(silence); // beyond the end is silence
            Hop((int)Math.Min(_hop, length - _written));
        }
    }

    /// <summary>Samples taken so far.</summary>
    private long End => _first + _input.Count;

    /// <summary>Where the next hop begins in the input if nothing is shifted.</summary>
    private long Target => (long)Math.Round(_hops * _hop * _speed);

    /// <summary>How much input the next hop needs; at least what it stands for, so that no more comes out than is due at the end.</summary>
    private long NeededForHop()
    {
        long next = (long)Math.Ceiling((_hops + 1) * _hop * _speed);
        return Math.Max(Math.Max(Target + _reach + _hop, _following + _hop), next);
    }

    private void Hop(int count)
    {
        long start = _hops == 0 ? 0 : MostSimilar();
        ReadOnlySpan<float> ends = Input(_following, _hop), begins = Input(start, _hop);
        for (int i = 0; i < _hop; i++)
            _output[i] = _hops == 0 ? begins[i] : ends[i] + _rising[i] * (begins[i] - ends[i]);

        _following = start + _hop;
        _hops++;
        _write(_output.AsSpan(0, count));
        _written += count;
        Forget(Math.Min(_following, Math.Max(0, Target - _reach)));
    }

    /// <summary>The start near the target whose hop is most like what would have followed. Of equals the one nearest to the target.</summary>
    private long MostSimilar()
    {
        ReadOnlySpan<float> wanted = Input(_following, _hop);
        long target = Target, best = target;
        double highest = Similarity(wanted, Input(target, _hop));
        for (int distance = 1; distance <= _reach; distance++)
        {
            foreach (long start in (ReadOnlySpan<long>)[target - distance, target + distance])
            {
                double similarity = start < _first ? double.NegativeInfinity : Similarity(wanted, Input(start, _hop));
                if (similarity > highest + 1e-6) // rounding is no reason to go further
                    (highest, best) = (similarity, start);
            }
        }

        return best;
    }

    /// <summary>The correlation divided by the candidate's norm: the wanted hop's own norm is the same for all.</summary>
    private static double Similarity(ReadOnlySpan<float> wanted, ReadOnlySpan<float> candidate)
    {
        // Sums in a fixed order on every machine: eight lanes, no fused operations.
        Vector256<float> products = default, squares = default;
        int i = 0;
        for (; i + 8 <= wanted.Length; i += 8)
        {
            Vector256<float> y = Vector256.Create(candidate[i..]);
            products += Vector256.Create(wanted[i..]) * y;
            squares += y * y;
        }

        double product = Vector256.Sum(products), square = Vector256.Sum(squares);
        for (; i < wanted.Length; i++)
        {
            product += wanted[i] * candidate[i];
            square += candidate[i] * candidate[i];
        }

        return product / Math.Sqrt(square + 1e-9);
    }

    private ReadOnlySpan<float> Input(long start, int count) => CollectionsMarshal.AsSpan(_input).Slice((int)(start - _first), count);

    /// <summary>Drops the input before a position.</summary>
    private void Forget(long position)
    {
        int drop = (int)Math.Max(0, Math.Min(position, End) - _first);
        _input.RemoveRange(0, drop);
        _first += drop;
    }
}
