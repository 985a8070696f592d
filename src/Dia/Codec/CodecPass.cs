using System.Runtime.InteropServices;

namespace Dia.Codec;

/// <summary>One sound on its way through the codec: its samples and its codes, in an arena that the model keeps.</summary>
public sealed unsafe class CodecPass : IDisposable
{
    private readonly float* _arena;
    private readonly int* _codes;
    private readonly float[] _samples;

    private CodecPass(float* arena, float[] samples, long frames, int codebooks, CodecTrace? trace)
    {
        _arena = arena;
        _samples = samples;
        Frames = frames;
        Codebooks = codebooks;
        Trace = trace;
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
    /// <param name="network">The codec.</param>
    /// <param name="arena">Memory of <see cref="DacNetwork.ArenaSize"/> values, whatever they are; no other pass may use it meanwhile.</param>
    /// <param name="samples">Mono.</param>
    /// <param name="codebooks">Quantizers to use.</param>
    /// <param name="trace">What to record, or null.</param>
    public static CodecPass ForSamples(DacNetwork network, float* arena, float[] samples, int codebooks, CodecTrace? trace = null) =>
        new(arena, samples, network.FramesOf(samples.Length), codebooks, trace);

    /// <summary>A pass that decodes codes [frames, codebooks].</summary>
    /// <param name="network">The codec.</param>
    /// <param name="arena">Memory of <see cref="DacNetwork.ArenaSize"/> values, whatever they are; no other pass may use it meanwhile.</param>
    /// <param name="codes">Checked codes.</param>
    /// <param name="trace">What to record, or null.</param>
    public static CodecPass ForCodes(DacNetwork network, float* arena, int[,] codes, CodecTrace? trace = null)
    {
        int frames = codes.GetLength(0), codebooks = codes.GetLength(1);
        var pass = new CodecPass(arena, new float[network.SamplesOf(frames)], frames, codebooks, trace);
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
    public void Dispose() => NativeMemory.Free(_codes);
}
