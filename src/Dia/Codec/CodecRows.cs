using Dia.Backends;
using Dia.Weights;

namespace Dia.Codec;

/// <summary>
/// Rows of a codec value in memory: a range of its timeline, channels-last. Rows outside the timeline are zero: they are the
/// next convolution's padding.
/// </summary>
/// <param name="data">First row.</param>
/// <param name="range">Which rows of the timeline these are.</param>
/// <param name="channels">Values a row.</param>
/// <param name="total">Rows of the whole timeline.</param>
public readonly unsafe struct CodecRows(float* data, RowRange range, int channels, long total)
{
    /// <summary>Which rows of the timeline these are.</summary>
    public RowRange Range => range;

    /// <summary>Values a row.</summary>
    public int Channels => channels;

    /// <summary>The row of that place on the timeline.</summary>
    public float* At(long row) => data + ((row - range.Start) * channels);

    /// <summary>A part of these rows, in the same memory.</summary>
    public CodecRows Slice(RowRange part)
    {
        if (part.Start < range.Start || part.End > range.End)
            throw new InvalidOperationException("A codec operation reads rows that were not computed.");
        return new CodecRows(At(part.Start), part, channels, total);
    }

    /// <summary>Zeroes the rows before and after the timeline.</summary>
    public void ZeroOutside(DeviceMemory memory)
    {
        RowRange inside = range.Clip(total);
        Zero(memory, range.Start, Math.Min(inside.Start, range.End));
        Zero(memory, Math.Max(inside.End, range.Start), range.End);
    }

    /// <summary>Snake of x; these rows may be x's.</summary>
    public void Snake<TBackend>(in TBackend b, CodecRows x, in Weight alpha)
        where TBackend : struct, IBackend =>
        // Snake of zero is zero: padding stays padding.
        b.Snake(data, x.At(range.Start), alpha, checked((int)range.Count), channels);

    /// <summary>Convolution of x, added to what these rows hold if <paramref name="accumulate"/>.</summary>
    public void Convolution<TBackend>(in TBackend b, CodecRows x, in Weight w, in Weight bias, int kernel, int stride, int dilation, int padding, bool accumulate)
        where TBackend : struct, IBackend
    {
        if (!accumulate)
            ZeroOutside(b.Memory);
        RowRange rows = range.Clip(total);
        if (rows.Count > 0)
            b.Convolution(At(rows.Start), x.At((rows.Start * stride) - padding), w, bias, (int)rows.Count, x.Channels, channels, kernel, stride, dilation, accumulate);
    }

    /// <summary>Transposed convolution of x; these rows must be a whole grid of it (<see cref="RowRange.TransposedGrid"/>).</summary>
    public void TransposedConvolution<TBackend>(in TBackend b, CodecRows x, in Weight w, in Weight bias, int stride, int padding)
        where TBackend : struct, IBackend
    {
        RowRange input = range.TransposedInput(stride, padding);
        b.TransposedConvolution(data, x.At(input.Start), w, bias, (int)(range.Count / stride), x.Channels, channels, stride);
        ZeroOutside(b.Memory);
    }

    /// <summary>tanh, in place.</summary>
    public void Tanh<TBackend>(in TBackend b)
        where TBackend : struct, IBackend =>
        b.Tanh(data, data, range.Count * channels);

    private void Zero(DeviceMemory memory, long from, long to)
    {
        if (to > from)
            memory.Zero(At(from), (to - from) * channels);
    }
}
