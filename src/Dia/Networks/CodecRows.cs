using Dia.Backends;
using Dia.Graph;

namespace Dia.Networks;

/// <summary>
/// Rows of a codec value in memory: a range of its timeline, channels-last. Rows outside the timeline are zero: they are the
/// next convolution's padding.
/// </summary>
/// <param name="data">First row.</param>
/// <param name="range">Which rows of the timeline these are.</param>
/// <param name="channels">Values a row.</param>
/// <param name="total">Rows of the whole timeline.</param>
/// <param name="made">The first row that is made now: windows before have made those before it.</param>
/// <param name="value">The value's number.</param>
/// <param name="cache">What these windows left, or null.</param>
public readonly unsafe partial struct CodecRows(float* data, RowRange range, int channels, long total, long made, int value, CodecCache? cache)
{
    /// <summary>Rows that are all made now.</summary>
    internal CodecRows(float* data, RowRange range, int channels, long total)
        : this(data, range, channels, total, range.Start, 0, null)
    {
    }

    /// <summary>Which rows of the timeline are made now.</summary>
    public RowRange Made => new(made, range.End - made);

    /// <summary>Values a row.</summary>
    public int Channels => channels;

    /// <summary>Those that are made now and are inside the timeline.</summary>
    public RowRange Inside => Made.Clip(total);

    /// <summary>The row of that place on the timeline.</summary>
    public float* At(long row) => data + (row - range.Start) * channels;

    /// <summary>Zeroes the rows before and after the timeline.</summary>
    public void ZeroOutside(DeviceMemory memory)
    {
        Zero(memory, made, Math.Min(Inside.Start, range.End));
        Zero(memory, Math.Max(Inside.End, made), range.End);
    }

    /// <summary>Takes samples from the host's memory, where those of the timeline's first row are; zeros outside.</summary>
    internal void Load(DeviceMemory memory, float* samples)
    {
        ZeroOutside(memory);
        memory.Upload(At(Inside.Start), samples + Inside.Start, Inside.Count * channels * sizeof(float));
    }

    /// <summary>Gives samples to the host's memory, where those of the timeline's first row go.</summary>
    internal void Store(DeviceMemory memory, float* samples) =>
        memory.Download(samples + Inside.Start, At(Inside.Start), Inside.Count * channels * sizeof(float));

    /// <summary>
    /// Convolution of x, added to <paramref name="residual"/> if it is given, whose memory these rows are in; <paramref name="snake"/>, the same rows in
    /// their own memory or in this, is Snake of that, if it is given.
    /// </summary>
    public void Convolution<TBackend>(in TBackend b, CodecRows x, in Weight w, in Weight bias, int kernel, int stride, int dilation, int padding,
        CodecRows residual = default, CodecRows snake = default, in Weight alpha = default)
        where TBackend : struct, IBackend
    {
        // What is filtered minimally is made in whole tiles, which may reach past the timeline.
        var window = new ConvolutionWindow(kernel, stride, dilation, padding, false, w.IsFiltered ? ConvolutionWindow.FilterResults * dilation : 1);
        Continue(x, window);
        bool accumulate = residual.Exists;
        if (accumulate)
            Continue(residual, ConvolutionWindow.RowByRow, isResidual: true);
        if (Inside.Count > 0)
        {
            RowRange rows = window.Covered(Inside);
            b.Convolution(Checked(rows), x.Checked(window.Read(rows)), w, bias, checked((int)rows.Count), x.Channels, channels, kernel, stride, dilation,
                accumulate, snake.CheckedOrNull(rows), alpha);
        }

        if (!accumulate || w.IsFiltered)
            ZeroOutside(b.Memory);
        if (snake.IsElsewhere(data))
            snake.ZeroOutside(b.Memory);
    }

    /// <summary>
    /// Transposed convolution of x, kernel 2·stride; these rows must hold all that their input rows give (<see cref="ConvolutionWindow.Covered"/>).
    /// Snake of it as for a convolution.
    /// </summary>
    public void TransposedConvolution<TBackend>(in TBackend b, CodecRows x, in Weight w, in Weight bias, int stride, int padding, CodecRows snake = default,
        in Weight alpha = default)
        where TBackend : struct, IBackend
    {
        ConvolutionWindow window = Transposed(stride, padding);
        Continue(x, window);
        if (Inside.Count > 0)
        {
            RowRange rows = window.Covered(Inside);
            b.TransposedConvolution(Checked(rows), x.Checked(window.Read(rows)), w, bias, (int)(rows.Count / stride), x.Channels, channels, stride,
                snake.CheckedOrNull(rows), alpha);
        }

        ZeroOutside(b.Memory);
        if (snake.IsElsewhere(data))
            snake.ZeroOutside(b.Memory);
    }

    /// <summary>tanh of x; these rows may be x's.</summary>
    public void Tanh<TBackend>(in TBackend b, CodecRows x)
        where TBackend : struct, IBackend
    {
        Continue(x, ConvolutionWindow.RowByRow);
        b.Tanh(At(made), x.Checked(Made), Made.Count * channels);
    }

    /// <summary>x subtracted from what these rows hold.</summary>
    public void Subtract<TBackend>(in TBackend b, CodecRows x)
        where TBackend : struct, IBackend
    {
        Continue(x, ConvolutionWindow.RowByRow);
        b.Subtract(At(made), x.Checked(Made), Made.Count * channels);
    }

    /// <summary>The codes of these rows in a codebook go to the pass.</summary>
    public void NearestCode<TBackend>(in TBackend b, CodecCodes codes, int codebook, in Weight table, int entries)
        where TBackend : struct, IBackend =>
        b.NearestCode(codes.At(Inside.Start, codebook), codes.Codebooks, At(Inside.Start), table, (int)Inside.Count, entries, channels);

    /// <summary>The code vectors of the pass's codes; rows outside the timeline have none.</summary>
    public void LookUpCode<TBackend>(in TBackend b, CodecCodes codes, int codebook, in Weight table)
        where TBackend : struct, IBackend =>
        b.LookUpCode(At(Inside.Start), codes.At(Inside.Start, codebook), codes.Codebooks, table, (int)Inside.Count, channels);

    private bool Exists => data != null;

    private static ConvolutionWindow Transposed(int stride, int padding) => new(2 * stride, stride, 1, padding, true);

    /// <summary>
    /// Completes an operand whose last rows lie in front of those that it has made, as far as these rows are made of them, and keeps what the next window's
    /// will be made of.
    /// </summary>
    private void Continue(CodecRows x, ConvolutionWindow window, bool isResidual = false)
    {
        if (cache is null)
            return;
        (long first, long next) = (window.Read(Made).Start, window.Read(new RowRange(range.End, 0)).Start);
        cache.Exchange(2 * value + (isResidual ? 1 : 0), x.Span(first, x.Made.Start), x.Span(next, x.Made.End));
    }

    private Span<float> Span(long from, long to) => to <= from ? [] : new(Checked(new RowRange(from, to - from)), checked((int)(to - from) * channels));

    private float* Checked(RowRange part) => part.Start >= range.Start && part.End <= range.End
        ? At(part.Start)
        : throw new InvalidOperationException("A codec operation reads rows that were not computed.");

    private float* CheckedOrNull(RowRange part) => data == null ? null : Checked(part);

    private bool IsElsewhere(float* other) => data != null && data != other;

    private void Zero(DeviceMemory memory, long from, long to)
    {
        if (to > from)
            memory.Zero(At(from), (to - from) * channels);
    }
}
