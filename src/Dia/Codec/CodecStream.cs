namespace Dia.Codec;

/// <summary>
/// Decodes a sound while its frames arrive: windows come out as soon as the frames that their receptive field reaches are known, and
/// together they are what <see cref="DacModel.Decode(int[,])"/> gives for all frames at once, sample for sample. The first window has
/// one frame, so that sound starts early; each further one has twice as many, because a window's context costs the same whatever its
/// length.
/// </summary>
/// <param name="codec">The codec.</param>
/// <param name="codebooks">Codes of a frame: the codec's first so many codebooks.</param>
/// <param name="capacity">Frames expected at most; more make it grow.</param>
public sealed class CodecStream(DacModel codec, int codebooks, int capacity = 0)
{
    private int[] _codes = new int[Math.Max(capacity, 16) * codebooks];
    private int _chunk = 1;
    private bool _completed;

    /// <summary>Frames added so far.</summary>
    public int Frames { get; private set; }

    /// <summary>Samples read so far.</summary>
    public long Samples { get; private set; }

    /// <summary>Adds the next frame.</summary>
    /// <param name="codes">Its codes [codebooks].</param>
    /// <exception cref="DiaException">Input: a code that no codebook holds.</exception>
    public void Add(ReadOnlySpan<int> codes)
    {
        codec.Check(codes, Frames);
        if ((Frames + 1) * codebooks > _codes.Length)
            Array.Resize(ref _codes, checked(2 * _codes.Length));
        codes[..codebooks].CopyTo(_codes.AsSpan(Frames * codebooks));
        Frames++;
    }

    /// <summary>Says that no frame follows: the sound's right edge is known.</summary>
    public void Complete() => _completed = true;

    /// <summary>Decodes the next samples that can be.</summary>
    /// <param name="pass">Memory to work in; any pass of the codec.</param>
    /// <param name="to">Receives them: room for WindowFrames·hop.</param>
    /// <returns>How many; 0: none before more frames are added, or (completed) none at all.</returns>
    public int Read(CodecPass pass, Span<float> to)
    {
        long end = _completed ? codec.SamplesOf(Frames) : (long)(Frames - codec.LookAheadFrames) * codec.HopLength;
        long ready = Math.Min(end - Samples, (long)codec.WindowFrames * codec.HopLength);
        if (ready <= 0 || (!_completed && ready < (long)_chunk * codec.HopLength))
            return 0;

        // While frames may follow, the sound has no end: none of it lies in what this window reads.
        long frames = _completed ? Frames : int.MaxValue;
        pass.Decode(_codes.AsSpan(0, Frames * codebooks), codebooks, frames, new RowRange(Samples, ready), to);
        Samples += ready;
        _chunk = Math.Min(2 * _chunk, codec.WindowFrames);
        return (int)ready;
    }
}
