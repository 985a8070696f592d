using System.Runtime.InteropServices;

namespace Dia.Codec;

/// <summary>One sound on its way through the codec: its samples, its codes, and the arena for a window.</summary>
public sealed unsafe class CodecPass : IDisposable
{
    private readonly DacNetwork _network;
    private readonly float* _arena;
    private readonly int* _codes;
    private readonly float[] _samples;

    private CodecPass(DacNetwork network, float[] samples, long frames, int codebooks, CodecTrace? trace)
    {
        _network = network;
        _samples = samples;
        Frames = frames;
        Codebooks = codebooks;
        Trace = trace;
        _arena = network.Allocate(network.ArenaSize);
        _codes = (int*)NativeMemory.AllocZeroed((nuint)Math.Max(frames * codebooks, 1), sizeof(int));
    }

    /// <summary>Frames of the sound.</summary>
    public long Frames { get; }

    /// <summary>Samples of the sound.</summary>
    public long SampleCount => _samples.Length;

    /// <summary>Codebooks in use: codes are [frames, codebooks].</summary>
    public int Codebooks { get; }

    /// <summary>What to record, or null.</summary>
    public CodecTrace? Trace { get; }

    /// <summary>An activation by its planned offset.</summary>
    public float* this[long offset] => _arena + offset;

    /// <summary>A pass that encodes samples.</summary>
    public static CodecPass ForSamples(DacNetwork network, float[] samples, int codebooks, CodecTrace? trace = null) =>
        new(network, samples, network.FramesOf(samples.Length), codebooks, trace);

    /// <summary>A pass that decodes codes [frames, codebooks].</summary>
    public static CodecPass ForCodes(DacNetwork network, int[,] codes, CodecTrace? trace = null)
    {
        int frames = codes.GetLength(0), codebooks = codes.GetLength(1);
        var pass = new CodecPass(network, new float[network.SamplesOf(frames)], frames, codebooks, trace);
        for (int t = 0; t < frames; t++)
            for (int c = 0; c < codebooks; c++)
                pass._codes[((long)t * codebooks) + c] = codes[t, c];
        return pass;
    }

    /// <summary>The codes of a frame.</summary>
    public int* CodesAt(long frame) => _codes + (frame * Codebooks);

    /// <summary>Rows of a value at its planned offset.</summary>
    public CodecRows Rows(long offset, RowRange range, int channels, long total) => new(this[offset], range, channels, total);

    /// <summary>Copies the sound's samples to rows of one channel, zeros outside.</summary>
    public void LoadSamples(CodecRows rows)
    {
        rows.ZeroOutside();
        RowRange inside = rows.Range.Clip(_samples.Length);
        _samples.AsSpan((int)inside.Start, (int)inside.Count).CopyTo(new Span<float>(rows.At(inside.Start), (int)inside.Count));
    }

    /// <summary>Keeps decoded samples.</summary>
    public void StoreSamples(float* samples, RowRange range) =>
        new ReadOnlySpan<float>(samples, (int)range.Count).CopyTo(_samples.AsSpan((int)range.Start));

    /// <summary>The decoded samples.</summary>
    public float[] Samples() => _samples;

    /// <summary>The codes [frames, codebooks].</summary>
    public int[,] Codes()
    {
        var codes = new int[Frames, Codebooks];
        for (int t = 0; t < Frames; t++)
            for (int c = 0; c < Codebooks; c++)
                codes[t, c] = _codes[((long)t * Codebooks) + c];
        return codes;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _network.Free(_arena);
        NativeMemory.Free(_codes);
    }
}
