using Dia.Modeling;

namespace Dia.Codec;

/// <summary>The codec of one configuration on one backend: what an emitted class implements. It holds weights and nothing of a request.</summary>
public abstract class DacNetwork : Network
{
    /// <summary>Most frames of one window.</summary>
    public abstract int WindowFrames { get; }

    /// <summary>Float32 values that a <see cref="CodecPass"/> needs.</summary>
    public abstract long ArenaSize { get; }

    /// <summary>Samples in one frame, but for what an odd stride lacks at the end.</summary>
    public abstract int HopLength { get; }

    /// <summary>Most samples of one window.</summary>
    public long WindowSamples => (long)WindowFrames * HopLength;

    /// <summary>
    /// Frames after a frame that must be known before its last sample can be decoded exactly: how far the decoder's receptive field
    /// reaches to the right.
    /// </summary>
    public int LookAheadFrames => (int)FramesFor(new RowRange(0, HopLength)).End - 1;

    /// <summary>The frames that a window of samples depends on; it may reach past either end of the sound.</summary>
    public abstract RowRange FramesFor(RowRange window);

    /// <summary>Samples that so many frames decode to.</summary>
    public abstract long SamplesOf(long frames);

    /// <summary>Frames that so many samples encode to.</summary>
    public abstract long FramesOf(long samples);

    /// <summary>Decodes the samples of a window of at most WindowFrames·hop; any window comes out as if all had been decoded.</summary>
    public abstract void Decode(CodecPass p, RowRange window);

    /// <summary>Encodes the frames of a window of at most <see cref="WindowFrames"/>; any window comes out as if all had been encoded.</summary>
    public abstract void Encode(CodecPass p, RowRange window);
}
