namespace Dia.Audio;

/// <summary>
/// Joins pieces of speech into one signal while they come. At a joint the silence is made the length of a breath: at most
/// <see cref="LongestTail"/> of the piece before it stay and at least <see cref="ShortestTail"/> are there, at most <see cref="LongestLead"/> of the
/// piece after it; the signal fades out and in over <see cref="Fade"/>. The first piece's start and the last one's
/// end are left as they are, so a single piece comes out unchanged.
/// </summary>
/// <remarks>Holds back the last 10 ms and whatever silence follows the last sound, nothing else.</remarks>
public sealed class PieceJoiner
{
    /// <summary>Seconds of silence kept after a piece, at most.</summary>
    public const double LongestTail = 0.2;

    /// <summary>Seconds of silence after a piece, at least.</summary>
    public const double ShortestTail = 0.1;

    /// <summary>Seconds of silence kept at the end of a signal that is trimmed, at most: no sound of speech is cut off, nobody waits.</summary>
    public const double TrimmedTail = 0.1;

    /// <summary>Seconds of silence kept before a piece, at most.</summary>
    public const double LongestLead = 0.05;

    /// <summary>Seconds of a fade: long enough not to click, shorter than any sound of speech.</summary>
    public const double Fade = 0.005;

    // -48 dBFS over 10 ms: under the breath of a close microphone, above the noise of the codec in a pause.
    private const double SilentRms = 0.004;
    private const double BlockSeconds = 0.01;

    private readonly Action<ReadOnlySpan<float>> _write;
    private readonly int _block;
    private readonly int _samplingRate;
    private readonly int _fade;

    // What cannot be written yet: the last block with sound, the silence after it, and a block that is not full.
    private readonly List<float> _held = [];
    private int _silentFrom; // where the silence in it starts
    private int _measured; // how much of it has been looked at
    private bool _atStart = true; // no sound so far at all
    private bool _leading; // only silence so far, in a piece that is not the first

    /// <summary>A joiner.</summary>
    /// <param name="samplingRate">Samples a second.</param>
    /// <param name="write">Takes the joined samples.</param>
    /// <exception cref="DiaException">Input: the rate is out of <see cref="AudioBuffer"/>'s range.</exception>
    public PieceJoiner(int samplingRate, Action<ReadOnlySpan<float>> write)
    {
        ArgumentNullException.ThrowIfNull(write);
        AudioBuffer.CheckSamplingRate(samplingRate);
        _write = write;
        _samplingRate = samplingRate;
        _block = Math.Max(1, Samples(BlockSeconds));
        _fade = Math.Min(_block, Math.Max(1, Samples(Fade)));
    }

    /// <summary>Samples of the current piece, in chunks of any size: the result does not depend on it.</summary>
    public void Write(ReadOnlySpan<float> samples)
    {
        while (!samples.IsEmpty)
        {
            int count = Math.Min(samples.Length, _block - (_held.Count - _measured));
            _held.AddRange(samples[..count]);
            samples = samples[count..];
            if (_held.Count - _measured == _block)
                Measure();
        }
    }

    /// <summary>The current piece is complete, and another follows.</summary>
    public void EndPiece()
    {
        Measure();
        if (_leading)
        {
            Drop(0, _held.Count); // a piece without any sound
            return;
        }

        int silent = _held.Count - _silentFrom, longest = Samples(LongestTail), shortest = Samples(ShortestTail);
        if (silent > longest)
            Drop(_silentFrom + longest, _held.Count);
        int fade = Math.Min(_fade, _held.Count);
        for (int i = 1; i <= fade; i++)
            _held[^i] *= i / (float)(fade + 1);
        if (silent < shortest && _held.Count > 0)
            _held.AddRange(new float[shortest - silent]);
        Emit(_held.Count);
        _leading = true;
    }

    /// <summary>The last piece is complete: writes what was held back.</summary>
    /// <param name="trim">Of the silence at the end <see cref="TrimmedTail"/> stays at most.</param>
    public void Finish(bool trim = false)
    {
        Measure();
        if (!_leading)
            Emit(trim ? Math.Min(_held.Count, _silentFrom + Samples(TrimmedTail)) : _held.Count);
        Drop(0, _held.Count);
    }

    /// <summary>Looks at what came since the last time: a block, or less at the end of a piece, if anything.</summary>
    private void Measure()
    {
        if (_held.Count == _measured)
            return;
        double energy = 0;
        for (int i = _measured; i < _held.Count; i++)
            energy += (double)_held[i] * _held[i];
        bool silent = energy < SilentRms * SilentRms * (_held.Count - _measured);
        int start = _measured;
        _measured = _held.Count;
        _atStart &= silent;
        if (_atStart && !_leading)
        {
            Emit(_held.Count); // the silence at the start stays
        }
        else if (_leading)
        {
            if (!silent)
                StartPiece(start);
            else if (_held.Count > Samples(LongestLead) + _block)
                Drop(0, _held.Count - Samples(LongestLead));
        }
        else if (!silent)
        {
            Emit(start);
            _silentFrom = _held.Count;
        }
    }

    /// <summary>The first sound of a piece, after the silence that is kept.</summary>
    private void StartPiece(int soundFrom)
    {
        Drop(0, Math.Max(0, soundFrom - Samples(LongestLead)));
        for (int i = 0; i < Math.Min(_fade, _held.Count); i++)
            _held[i] *= (i + 1) / (float)(_fade + 1);
        _leading = false;
        Emit(_held.Count - Math.Min(_block, _held.Count));
        _silentFrom = _held.Count;
    }

    private int Samples(double seconds) => (int)(_samplingRate * seconds);

    private void Emit(int count)
    {
        if (count > 0)
            _write(CollectionsMarshal.AsSpan(_held)[..count]);
        Drop(0, count);
    }

    private void Drop(int from, int to)
    {
        _held.RemoveRange(from, to - from);
        _silentFrom = Math.Max(0, Math.Min(_silentFrom - (from == 0 ? to : 0), _held.Count));
        _measured = Math.Max(0, Math.Min(_measured - (from == 0 ? to : 0), _held.Count));
    }
}
