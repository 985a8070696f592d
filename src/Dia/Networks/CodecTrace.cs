using Dia.Backends;
using Dia.Graph;

namespace Dia.Networks;

/// <summary>
/// What lies between samples and codes, for whoever asks: the encoder's latents, each quantizer's projection, and the quantized representation.
/// </summary>
/// <param name="memory">Where the codec computes.</param>
/// <param name="frames">Frames of the sound.</param>
/// <param name="hiddenSize">Channels of latents.</param>
/// <param name="codebooks">Quantizers in use.</param>
/// <param name="codebookDim">Channels of a projection.</param>
/// <exception cref="OverflowException">So much does not fit arrays.</exception>
public sealed unsafe class CodecTrace(DeviceMemory memory, long frames, int hiddenSize, int codebooks, int codebookDim)
{
    private readonly float[] _latents = new float[checked(frames * hiddenSize)];
    private readonly float[] _quantized = new float[checked(frames * hiddenSize)];
    private readonly float[] _projected = new float[checked(frames * codebooks * codebookDim)];

    /// <summary>The encoder's output [frames, hidden_size].</summary>
    public ReadOnlySpan<float> LatentValues => _latents;

    /// <summary>The sum of the quantizers' outputs [frames, hidden_size].</summary>
    public ReadOnlySpan<float> QuantizedValues => _quantized;

    /// <summary>Each quantizer's projection of what was left [frames, codebooks·codebook_dim].</summary>
    public ReadOnlySpan<float> ProjectedValues => _projected;

    /// <summary>Called by emitted code.</summary>
    public void Latents(CodecRows rows) => Copy(_latents, rows);

    /// <summary>Called by emitted code.</summary>
    public void Quantized(CodecRows rows) => Copy(_quantized, rows);

    /// <summary>Called by emitted code.</summary>
    public void Projected(int quantizer, CodecRows rows)
    {
        for (long t = rows.Inside.Start; t < rows.Inside.End; t++)
            memory.Download(_projected.AsSpan((int)((t * codebooks + quantizer) * rows.Channels), rows.Channels), rows.At(t));
    }

    /// <summary>Refuses to record another sound than it was made for, or one that is computed elsewhere.</summary>
    /// <exception cref="ArgumentException">It does not fit.</exception>
    internal void Check(DeviceMemory of, long frameCount, int codebookCount, string argument)
    {
        if (!ReferenceEquals(of, memory) || frameCount != frames || codebookCount != codebooks)
        {
            throw new ArgumentException(
                $"The trace is for {frames} frames of {codebooks} codebooks, the sound has {frameCount} of {codebookCount}; and it must be of the codec's device.",
                argument);
        }
    }

    private void Copy(float[] to, CodecRows rows)
    {
        RowRange inside = rows.Inside;
        memory.Download(to.AsSpan(checked((int)(inside.Start * rows.Channels)), checked((int)(inside.Count * rows.Channels))), rows.At(inside.Start));
    }
}
