using Dia.Backends;

namespace Dia.Codec;

/// <summary>
/// Runs a codec over windows of sounds, one after the other: the arena for a window and the codes of its frames, and for the time of a call
/// where the sound's samples are. It keeps nothing of a sound, so one pass serves any number of them in turn.
/// </summary>
public sealed unsafe class CodecPass : IDisposable
{
    private readonly DacNetwork _network;
    private readonly DeviceMemory _memory;
    private float* _arena;
    private int* _codes;
    private long _codesSize;
    private long _firstFrame;
    private float* _samples;
    private long _firstSample;

    /// <summary>A pass for a codec.</summary>
    /// <param name="network">The codec.</param>
    /// <exception cref="DiaException">No memory (Device).</exception>
    public CodecPass(DacNetwork network)
    {
        _network = network;
        _memory = network.Memory;
        _arena = _memory.Allocate(network.ArenaSize);
    }

    /// <summary>Codes of the frames that a window can need, one more than it takes to the full: it may start within a frame.</summary>
    internal static long CodeCount(DacNetwork network, int codebooks) => (network.FramesFor(new RowRange(0, network.WindowSamples)).Count + 1) * codebooks;

    /// <summary>Frames of the sound.</summary>
    public long Frames { get; private set; }

    /// <summary>Samples of the sound.</summary>
    public long SampleCount { get; private set; }

    /// <summary>Codebooks in use: codes are [frames, codebooks].</summary>
    public int Codebooks { get; private set; }

    /// <summary>What to record, or null.</summary>
    public CodecTrace? Trace { get; private set; }

    /// <summary>An activation by its planned offset.</summary>
    public float* this[long offset] => _arena + offset;

    /// <summary>Encodes samples to codes [frames, codebooks], window by window.</summary>
    /// <param name="samples">Mono, at the codec's rate.</param>
    /// <param name="codebooks">How many of the first codebooks to use.</param>
    /// <param name="trace">What to record, or null.</param>
    /// <exception cref="DiaException">No memory (Device).</exception>
    public int[,] Encode(ReadOnlySpan<float> samples, int codebooks, CodecTrace? trace = null)
    {
        (SampleCount, Frames, Codebooks, Trace) = (samples.Length, _network.FramesOf(samples.Length), codebooks, trace);
        int[,] codes = new int[Frames, codebooks];
        fixed (float* from = samples)
        fixed (int* to = codes)
        {
            _samples = from;
            for (long start = 0; start < Frames; start += _network.WindowFrames)
            {
                var window = new RowRange(start, Math.Min(_network.WindowFrames, Frames - start));
                HoldCodes(window);
                _network.Encode(this, window);
                _memory.Download(to + (start * codebooks), _codes, window.Count * codebooks * sizeof(int));
            }
        }

        return codes;
    }

    /// <summary>Decodes a window of a sound's samples, exactly as a part of the whole.</summary>
    /// <param name="codes">The sound's codes from its first frame on [frames, codebooks]: at least <see cref="DacNetwork.FramesFor"/> of the window, as far as the sound has them.</param>
    /// <param name="codebooks">Codes of a frame.</param>
    /// <param name="frames">Frames of the whole sound; they may be more than there are codes yet, if the window does not need them.</param>
    /// <param name="window">Which samples; at most WindowFrames·hop of them.</param>
    /// <param name="samples">Receives them [window.Count].</param>
    /// <param name="trace">What to record, or null.</param>
    /// <exception cref="ArgumentOutOfRangeException">The window is too long, outside the sound, or needs codes that are not there.</exception>
    /// <exception cref="DiaException">No memory (Device).</exception>
    public void Decode(ReadOnlySpan<int> codes, int codebooks, long frames, RowRange window, Span<float> samples, CodecTrace? trace = null)
    {
        long known = codes.Length / codebooks;
        RowRange needed = _network.FramesFor(window);
        if (window.Start < 0 || window.Count < 1 || window.Count > samples.Length || window.Count > _network.WindowSamples || window.End > _network.SamplesOf(frames)
            || known > frames || (known < frames && needed.End > known))
        {
            throw new ArgumentOutOfRangeException(nameof(window));
        }

        (Frames, SampleCount, Codebooks, Trace) = (frames, _network.SamplesOf(frames), codebooks, trace);
        needed = needed.Clip(frames);
        HoldCodes(needed);
        fixed (int* from = codes)
        fixed (float* to = samples)
        {
            _memory.Upload(_codes, from + (needed.Start * codebooks), needed.Count * codebooks * sizeof(int));
            _samples = to;
            _firstSample = window.Start;
            _network.Decode(this, window);
        }
    }

    /// <summary>The codes of a frame of the window.</summary>
    public int* CodesAt(long frame) => _codes + ((frame - _firstFrame) * Codebooks);

    /// <summary>Rows of a value at its planned offset.</summary>
    public CodecRows Rows(long offset, RowRange range, int channels, long total) => new(this[offset], range, channels, total);

    /// <summary>Copies the sound's samples to rows of one channel, zeros outside.</summary>
    public void LoadSamples(CodecRows rows)
    {
        rows.ZeroOutside(_memory);
        RowRange inside = rows.Range.Clip(SampleCount);
        _memory.Upload(rows.At(inside.Start), _samples + inside.Start, inside.Count * sizeof(float));
    }

    /// <summary>Hands over decoded samples.</summary>
    public void StoreSamples(float* samples, RowRange range) =>
        _memory.Download(_samples + (range.Start - _firstSample), samples, range.Count * sizeof(float));

    /// <inheritdoc/>
    public void Dispose()
    {
        _memory.Free(_arena);
        _memory.Free(_codes);
        _arena = null;
        _codes = null;
        _codesSize = 0;
    }

    /// <summary>Room for the codes of these frames.</summary>
    private void HoldCodes(RowRange frames)
    {
        _firstFrame = frames.Start;
        long size = CodeCount(_network, Codebooks);
        if (size <= _codesSize)
            return;
        _memory.Free(_codes);
        _codes = null;
        _codes = (int*)_memory.Allocate(size);
        _codesSize = size;
    }
}
