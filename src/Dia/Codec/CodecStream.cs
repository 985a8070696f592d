using Dia.Graph;
using Dia.Networks;

namespace Dia.Codec;

/// <summary>
/// Decodes a sound while its frames arrive: windows come out as soon as the frames that their receptive field reaches are known, and
/// together they are what <see cref="DacModel.Decode(int[,])"/> gives for all frames at once, sample for sample. The first window has
/// one frame, so that sound starts early; each further one has twice as many, because every window reads the weights, and on a GPU makes its context
/// again. For one thread at a time.
/// </summary>
/// <param name="codec">The codec.</param>
/// <param name="codebooks">Codes of a frame: the codec's first so many codebooks.</param>
/// <param name="capacity">Frames expected at most; more make it grow.</param>
/// <exception cref="ArgumentOutOfRangeException">The codec has not so many codebooks, or the capacity is negative or more than an array holds.</exception>
public sealed class CodecStream(DacModel codec, int codebooks, int capacity = 0)
{
    private int[] _codes = Room(codec, codebooks, capacity);
    private readonly CodecCache? _cache = codec.CreateCache();
    private int _chunk = 1;
    private bool _completed;

    /// <summary>Frames added so far.</summary>
    public int Frames { get; private set; }

    /// <summary>Samples read so far.</summary>
    public long Samples { get; private set; }

    /// <summary>Adds the next frame.</summary>
    /// <param name="codes">Its codes [codebooks].</param>
    /// <exception cref="ArgumentException">There is not one for each codebook.</exception>
    /// <exception cref="InvalidOperationException">The sound is complete.</exception>
    /// <exception cref="DiaException">Input: a code that no codebook holds.</exception>
    public void Add(ReadOnlySpan<int> codes)
    {
        if (codes.Length != codebooks)
            throw new ArgumentException($"A frame of this stream has {codebooks} codes, not {codes.Length}.", nameof(codes));
        if (_completed)
            throw new InvalidOperationException("The sound is complete: no frame can follow.");
        codec.Check(codes, Frames);
        if ((Frames + 1) * codebooks > _codes.Length)
            Array.Resize(ref _codes, checked(2 * _codes.Length));
        codes.CopyTo(_codes.AsSpan(Frames * codebooks));
        Frames++;
    }

    /// <summary>Says that no frame follows: the sound's right edge is known.</summary>
    public void Complete() => _completed = true;

    /// <summary>Decodes the next samples that can be.</summary>
    /// <param name="pass">Memory to work in; any pass of the codec.</param>
    /// <param name="to">Receives them: room for WindowFrames·hop.</param>
    /// <returns>How many; 0: none before more frames are added, or (completed) none at all.</returns>
    /// <exception cref="ArgumentException">The pass is another codec's, or there is too little room.</exception>
    /// <exception cref="ObjectDisposedException">The pass, the codec or its device is disposed.</exception>
    /// <exception cref="DiaException">Device: it failed.</exception>
    public int Read(CodecPass pass, Span<float> to)
    {
        codec.CheckPass(pass, nameof(pass));
        if (to.Length < (long)codec.WindowFrames * codec.HopLength)
            throw new ArgumentException($"There is room for {to.Length} samples; a window has up to {(long)codec.WindowFrames * codec.HopLength}.", nameof(to));
        long end = _completed ? codec.SamplesOf(Frames) : (long)Frames * codec.HopLength;
        long ready = Math.Min(end - Samples, (long)codec.WindowFrames * codec.HopLength);
        while (!_completed && ready > 0 && codec.Layout.FramesFor(new RowRange(Samples, ready)).End > Frames)
            ready -= codec.HopLength;
        if (ready <= 0 || (!_completed && ready < (long)_chunk * codec.HopLength))
            return 0;

        // While frames may follow, the sound has no end: none of it lies in what this window reads.
        long frames = _completed ? Frames : int.MaxValue;
        pass.Decode(_codes.AsSpan(0, Frames * codebooks), codebooks, frames, new RowRange(Samples, ready), to, null, _cache);
        Samples += ready;
        _chunk = Math.Min(2 * _chunk, codec.WindowFrames);
        return (int)ready;
    }

    private static int[] Room(DacModel codec, int codebooks, int capacity)
    {
        ArgumentNullException.ThrowIfNull(codec);
        ArgumentOutOfRangeException.ThrowIfLessThan(codebooks, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(codebooks, codec.Codebooks);
        ArgumentOutOfRangeException.ThrowIfNegative(capacity);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(capacity, Array.MaxLength / codebooks);
        return new int[Math.Max(capacity, 16) * codebooks];
    }
}
