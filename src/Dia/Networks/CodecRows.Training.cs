using Dia.Backends;
using Dia.Graph;

namespace Dia.Networks;

// Gradients. Of rows outside the timeline they are nothing: what lies there is not read.
public readonly unsafe partial struct CodecRows
{
    /// <summary>A copy of x.</summary>
    public void Copy<TBackend>(in TBackend b, CodecRows x)
        where TBackend : struct, ITrainingBackend =>
        b.Copy(data, x.Checked(range), range.Count * channels);

    /// <summary>Snake of x, which is kept; without gradients it is a part of the convolution before. These rows may be x's.</summary>
    public void Snake<TBackend>(in TBackend b, CodecRows x, in Weight alpha)
        where TBackend : struct, ITrainingBackend =>
        // Snake of zero is zero: padding stays padding.
        b.Snake(data, x.Checked(range), alpha, checked((int)range.Count), channels);

    /// <summary>The gradient of what was subtracted: −dy.</summary>
    public void SubtractGradient<TBackend>(in TBackend b, CodecRows dy)
        where TBackend : struct, ITrainingBackend
    {
        b.Memory.Zero(data, range.Count * channels);
        b.Subtract(At(Inside.Start), dy.Checked(Inside), Inside.Count * channels);
    }

    /// <summary>The gradient of Snake's x, and of its α where that is not null; these rows may be dy's where nothing is accumulated.</summary>
    public void SnakeGradient<TBackend>(in TBackend b, float* dalpha, CodecRows dy, CodecRows x, in Weight alpha, bool accumulate)
        where TBackend : struct, ITrainingBackend =>
        b.SnakeGradient(At(Inside.Start), dalpha, dy.Checked(Inside), x.Checked(Inside), alpha, (int)Inside.Count, channels, accumulate);

    /// <summary>The gradient of what y is the tanh of; these rows may be dy's.</summary>
    public void TanhGradient<TBackend>(in TBackend b, CodecRows dy, CodecRows y)
        where TBackend : struct, ITrainingBackend =>
        b.TanhGradient(At(Inside.Start), dy.Checked(Inside), y.Checked(Inside), Inside.Count * channels);

    /// <summary>The gradient of what a convolution reads; dy is that of its result.</summary>
    public void ConvolutionInputGradient<TBackend>(in TBackend b, CodecRows dy, in Weight w, int kernel, int stride, int dilation, int padding, bool accumulate)
        where TBackend : struct, ITrainingBackend
    {
        RowRange rows = dy.Inside, read = new ConvolutionWindow(kernel, stride, dilation, padding, false).Read(rows);
        if (!accumulate)
            ZeroAround(b.Memory, read);
        b.ConvolutionInputGradient(Checked(read), dy.At(rows.Start), w, (int)rows.Count, channels, dy.Channels, kernel, stride, dilation, accumulate);
    }

    /// <summary>
    /// Adds the gradients of the kernel and the bias of a convolution of x, where they are not null; these rows are the gradient of its result.
    /// </summary>
    public void ConvolutionWeightGradient<TBackend>(in TBackend b, float* dw, float* dbias, CodecRows x, int kernel, int stride, int dilation, int padding)
        where TBackend : struct, ITrainingBackend
    {
        RowRange rows = Inside, read = new ConvolutionWindow(kernel, stride, dilation, padding, false).Read(rows);
        b.ConvolutionWeightGradient(dw, dbias, At(rows.Start), x.Checked(read), (int)rows.Count, x.Channels, channels, kernel, stride, dilation);
    }

    /// <summary>The gradient of what a transposed convolution reads; dy is that of its result.</summary>
    public void TransposedConvolutionInputGradient<TBackend>(in TBackend b, CodecRows dy, in Weight w, int stride, int padding)
        where TBackend : struct, ITrainingBackend
    {
        // The rows that are cut off have no gradient.
        dy.ZeroOutside(b.Memory);
        RowRange rows = Transposed(stride, padding).Covered(dy.Inside), input = Transposed(stride, padding).Read(rows);
        ZeroAround(b.Memory, input);
        b.TransposedConvolutionInputGradient(Checked(input), dy.Checked(rows), w, (int)(rows.Count / stride), channels, dy.Channels, stride);
    }

    /// <summary>The same as <see cref="ConvolutionWeightGradient"/> of a transposed convolution.</summary>
    public void TransposedConvolutionWeightGradient<TBackend>(in TBackend b, float* dw, float* dbias, CodecRows x, int stride, int padding)
        where TBackend : struct, ITrainingBackend
    {
        ZeroOutside(b.Memory);
        RowRange rows = Transposed(stride, padding).Covered(Inside), input = Transposed(stride, padding).Read(rows);
        b.TransposedConvolutionWeightGradient(dw, dbias, Checked(rows), x.Checked(input), (int)(rows.Count / stride), x.Channels, channels, stride);
    }

    /// <summary>The gradient of x of its mean squared error to a target, times a weight.</summary>
    public void MeanSquaredErrorGradient<TBackend>(in TBackend b, CodecRows x, CodecRows target, double weight, bool accumulate)
        where TBackend : struct, ITrainingBackend
    {
        long count = Inside.Count * channels;
        b.SquaredErrorGradient(At(Inside.Start), x.Checked(Inside), target.Checked(Inside), count, (float)(weight / count), accumulate);
    }

    /// <summary>Adds the gradient of the codebook's rows that the codes name; these rows are that of the code vectors.</summary>
    public void LookUpCodeGradient<TBackend>(in TBackend b, float* dtable, CodecCodes codes, int codebook)
        where TBackend : struct, ITrainingBackend =>
        b.LookUpCodeGradient(dtable, At(Inside.Start), codes.At(Inside.Start, codebook), codes.Codebooks, (int)Inside.Count, channels);

    /// <summary>Zeroes the rows that an operation does not write.</summary>
    private void ZeroAround(DeviceMemory memory, RowRange written)
    {
        Zero(memory, range.Start, written.Start);
        Zero(memory, written.End, range.End);
    }
}
