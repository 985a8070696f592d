using Dia.Backends;
using Dia.Graph;

namespace Dia.Networks;

/// <summary>
/// Runs a codec over windows of sounds, one after the other: the arena for a window and the codes of its frames, and for the time of a call
/// where the sound's samples are. It keeps nothing of a sound, so one pass serves any number of them, window by window, from any thread. What
/// emitted code calls is of use to it alone, while a window runs.
/// </summary>
public sealed unsafe class CodecPass : IDisposable
{
    private readonly Tenant _tenant;
    private readonly DacNetwork _network;
    private readonly CodecLayout _layout;
    private readonly DeviceMemory _memory;
    private readonly int _maxCodebooks;
    private readonly int _codebookSize;
    private CodecValue[] _values = [];
    private CodecCache? _cache;
    private int[] _window = [];
    private float* _arena;
    private int* _codes;
    private long _codesSize;
    private long _firstFrame;
    private float* _samples;
    private long _firstSample;

    /// <summary>A pass for a codec, made in a turn of its.</summary>
    /// <param name="tenant">The codec's turns.</param>
    /// <param name="network">The codec.</param>
    /// <param name="layout">Its rows, as its weights are prepared.</param>
    /// <param name="codebooks">Codebooks it has.</param>
    /// <param name="codebookSize">Codes of each.</param>
    /// <exception cref="DiaException">No memory (Device).</exception>
    internal CodecPass(Tenant tenant, DacNetwork network, CodecLayout layout, int codebooks, int codebookSize)
    {
        (_tenant, _network, _layout, _memory) = (tenant, network, layout, network.Memory);
        (_maxCodebooks, _codebookSize) = (codebooks, codebookSize);
        _arena = _memory.Allocate(_layout.ArenaSize);
    }

    /// <summary>The network it is for.</summary>
    internal DacNetwork Network => _network;

    /// <summary>Codes of the frames that a window can need.</summary>
    internal static long CodeCount(CodecLayout layout, int codebooks) => layout.MostFrames * codebooks;

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
    /// <exception cref="ArgumentOutOfRangeException">The codec has not so many codebooks.</exception>
    /// <exception cref="ArgumentException">The trace is for another sound.</exception>
    /// <exception cref="ObjectDisposedException">The pass, its codec or the device is disposed.</exception>
    /// <exception cref="DiaException">No memory (Device).</exception>
    public int[,] Encode(ReadOnlySpan<float> samples, int codebooks, CodecTrace? trace = null)
    {
        CheckCodebooks(codebooks);
        long frames = Math.Max(0, _layout.FramesOf(samples.Length));
        trace?.Check(_memory, frames, codebooks, nameof(trace));
        int[,] codes = new int[frames, codebooks];
        CodecCache? cache = frames > _layout.WindowFrames ? CreateCache(_network, _layout, encoding: true) : null;
        fixed (float* from = samples)
        fixed (int* to = codes)
        {
            for (long start = 0; start < frames; start += _layout.WindowFrames)
            {
                using Lock.Scope turn = Enter();
                (SampleCount, Frames, Codebooks, Trace) = (samples.Length, frames, codebooks, trace);
                var window = new RowRange(start, Math.Min(_layout.WindowFrames, frames - start));
                HoldCodes(window);
                _network.PrepareKernels(encoding: true);
                cache?.Begin(window);
                _values = _layout.Encoding(SampleCount, window, _values, cache);
                _samples = from;
                _cache = cache;
                try
                {
                    _network.Encode(this);
                    _network.Quantize(this);
                    cache?.Complete(window, _values);
                }
                finally
                {
                    End();
                }

                _memory.Download(to + start * codebooks, _codes, window.Count * codebooks * sizeof(int));
            }
        }

        return codes;
    }

    /// <summary>Decodes a window of a sound's samples, exactly as a part of the whole.</summary>
    /// <param name="codes">The sound's codes from its first frame on [frames, codebooks]: at least <see cref="CodecLayout.FramesFor"/> of the window, as far as
    /// the sound has them.</param>
    /// <param name="codebooks">Codes of a frame.</param>
    /// <param name="frames">Frames of the whole sound; they may be more than there are codes yet, if the window does not need them.</param>
    /// <param name="window">Which samples; at most WindowFrames·hop of them.</param>
    /// <param name="samples">Receives them [window.Count].</param>
    /// <param name="trace">What to record, or null.</param>
    /// <exception cref="ArgumentOutOfRangeException">
    /// The window is too long, outside the sound, or needs codes that are not there; there is less room for samples than it has; or the codec has not so
    /// many codebooks.
    /// </exception>
    /// <exception cref="ArgumentException">The codes are not whole frames, or the trace is for another sound.</exception>
    /// <exception cref="ObjectDisposedException">The pass, its codec or the device is disposed.</exception>
    /// <exception cref="DiaException">Input: a code that no codebook holds. Device: no memory.</exception>
    public void Decode(ReadOnlySpan<int> codes, int codebooks, long frames, RowRange window, Span<float> samples, CodecTrace? trace = null) =>
        Decode(codes, codebooks, frames, window, samples, trace, null);

    /// <summary>The same. Rows that a cache has of the windows before, of the same codes, are not made again; null: all are made.</summary>
    internal void Decode(ReadOnlySpan<int> codes, int codebooks, long frames, RowRange window, Span<float> samples, CodecTrace? trace, CodecCache? cache)
    {
        CheckCodebooks(codebooks);
        if (codes.Length % codebooks != 0)
            throw new ArgumentException($"{codes.Length} codes do not divide into frames of {codebooks}.", nameof(codes));
        long known = codes.Length / codebooks;
        if (frames < known || frames > int.MaxValue)
            throw new ArgumentOutOfRangeException(nameof(frames), frames,
                $"A sound has at least the frames that there are codes of, {known}, and at most {int.MaxValue}.");
        if (window.Start < 0 || window.Count < 1 || window.Count > _layout.WindowSamples || window.Start > _layout.SamplesOf(frames) - window.Count)
            throw new ArgumentOutOfRangeException(nameof(window), window,
                $"A window has 1 to {_layout.WindowSamples} samples of the sound's {_layout.SamplesOf(frames)}.");
        if (window.Count > samples.Length)
            throw new ArgumentOutOfRangeException(nameof(samples), samples.Length, $"There is no room for a window of {window.Count}.");
        RowRange needed = _layout.FramesFor(window);
        if (known < frames && needed.End > known)
            throw new ArgumentOutOfRangeException(nameof(window), window, $"It needs the codes of {needed.End} frames; there are {known}.");
        trace?.Check(_memory, frames, codebooks, nameof(trace));
        if (cache is not null && (cache.Layout != _layout || cache.IsEncoding))
            throw new ArgumentException("It is what windows of another codec left, or of a sound that is encoded.", nameof(cache));

        using Lock.Scope turn = Enter();
        (Frames, SampleCount, Codebooks, Trace) = (frames, _layout.SamplesOf(frames), codebooks, trace);
        cache?.Begin(window);
        _values = _layout.Decoding(frames, window, _values, cache);
        needed = _values[1].Made.Clip(frames);
        HoldCodes(needed);
        _network.PrepareKernels(encoding: false);
        ReadOnlySpan<int> held = CopyCodes(codes, needed);
        fixed (int* from = held)
        fixed (float* to = samples)
        {
            _memory.Upload(_codes, from, held.Length * (long)sizeof(int));
            _samples = to;
            _firstSample = window.Start;
            _cache = cache;
            try
            {
                _network.Decode(this);
                cache?.Complete(window, _values);
            }
            finally
            {
                End();
            }
        }
    }

    /// <summary>
    /// What windows of a sound leave for the next; null on a device: there so many small copies would cost more than the few rows that are made again.
    /// </summary>
    internal static CodecCache? CreateCache(DacNetwork network, CodecLayout layout, bool encoding) => network.Memory.IsHost ? new(layout, encoding) : null;

    /// <summary>The codes of the window's frames.</summary>
    public CodecCodes Codes => new(_codes, _firstFrame, Codebooks);

    /// <summary>Rows of a value that the window needs, at its planned offset.</summary>
    /// <param name="value">The value's number.</param>
    /// <param name="place">The number of the one whose memory it continues in; its own where it does not.</param>
    /// <param name="offset">Where that one begins in the arena.</param>
    /// <param name="channels">Values of a row.</param>
    /// <exception cref="ArgumentOutOfRangeException">They are not in the arena.</exception>
    public CodecRows Rows(int value, int place, long offset, int channels)
    {
        if (value < 0 || value >= _values.Length - 1 || place < 0 || place > value)
            throw new ArgumentOutOfRangeException(nameof(value), value, "No window runs that has this value.");
        (RowRange range, RowRange whole) = (_values[value + 1].Range, _values[place + 1].Range);
        if (offset < 0 || channels < 1 || range.Start < whole.Start || range.End > whole.End || offset > _layout.ArenaSize
            || whole.Count > (_layout.ArenaSize - offset) / channels)
            throw new ArgumentOutOfRangeException(nameof(offset), offset, "These rows are not in the codec's arena.");
        ObjectDisposedException.ThrowIf(_arena is null, this);
        return new(this[offset] + (range.Start - whole.Start) * channels, range, channels, _values[value + 1].Total, _values[value + 1].Fresh, value, _cache);
    }

    /// <summary>Copies the sound's samples to rows of one channel, zeros outside.</summary>
    /// <exception cref="InvalidOperationException">No window runs.</exception>
    public void LoadSamples(CodecRows rows)
    {
        ThrowIfIdle();
        rows.Load(_memory, _samples);
    }

    /// <summary>Hands over decoded samples.</summary>
    /// <exception cref="InvalidOperationException">No window runs.</exception>
    public void StoreSamples(CodecRows rows)
    {
        ThrowIfIdle();
        rows.Store(_memory, _samples - _firstSample);
    }

    /// <summary>Frees its memory, after a window that runs.</summary>
    public void Dispose()
    {
        using Lock.Scope turn = _tenant.EnterToFree();
        _memory.Free(_arena);
        _memory.Free(_codes);
        _arena = null;
        _codes = null;
        _codesSize = 0;
    }

    private void End()
    {
        _cache = null;
        _samples = null;
    }

    private Lock.Scope Enter()
    {
        Lock.Scope turn = _tenant.Enter();
        if (_arena is not null)
            return turn;
        turn.Dispose();
        throw new ObjectDisposedException(typeof(CodecPass).FullName);
    }

    private void CheckCodebooks(int codebooks)
    {
        if (codebooks < 1 || codebooks > _maxCodebooks)
            throw new ArgumentOutOfRangeException(nameof(codebooks), codebooks, $"The codec has {_maxCodebooks} codebooks; 1 to {_maxCodebooks} can be used.");
    }

    private void ThrowIfIdle()
    {
        if (_samples is null)
            throw new InvalidOperationException("Samples come and go while a window runs.");
    }

    /// <summary>A checked copy of a window's codes: a kernel trusts them, and the caller's may change.</summary>
    private ReadOnlySpan<int> CopyCodes(ReadOnlySpan<int> codes, RowRange frames)
    {
        ReadOnlySpan<int> from = codes.Slice((int)(frames.Start * Codebooks), (int)(frames.Count * Codebooks));
        if (_window.Length < from.Length)
            _window = new int[CodeCount(_layout, Codebooks)];
        Span<int> copy = _window.AsSpan(0, from.Length);
        from.CopyTo(copy);
        for (int i = 0; i < copy.Length; i++)
            if ((uint)copy[i] >= (uint)_codebookSize)
                throw NoCode(frames.Start + i / Codebooks, i % Codebooks, copy[i], _codebookSize);
        return copy;
    }

    /// <summary>What is said of a code that no codebook holds.</summary>
    internal static DiaException NoCode(long frame, int codebook, int code, int codebookSize) =>
        new(DiaErrorKind.Input, $"Frame {frame}, codebook {codebook}: code {code} is not in 0 to {codebookSize - 1}.");

    /// <summary>Room for the codes of these frames.</summary>
    private void HoldCodes(RowRange frames)
    {
        _firstFrame = frames.Start;
        long size = CodeCount(_layout, Codebooks);
        if (size <= _codesSize)
            return;
        _memory.Free(_codes);
        _codes = null;
        _codesSize = 0;
        _codes = (int*)_memory.Allocate(size);
        _codesSize = size;
    }
}
