namespace Dia.Backends.Cpu;

// Gradients of the codec's operations. Those of convolutions are products tap by tap.
public readonly unsafe partial struct CpuBackend
{
    /// <inheritdoc/>
    public void SnakeGradient(float* dx, float* dalpha, float* dy, float* x, in Weight alpha, int rows, int channels, bool accumulate)
    {
        // The sum first: dx may be dy.
        float* values = (float*)alpha.Data;
        if (dalpha != null)
            Elementwise.Columns(_threads, new ColumnSum<SnakeTerm>(dalpha, new SnakeTerm(dy, x, values, channels), rows), channels, rows);
        Elementwise.Rows(_threads, new SnakeGradient(dx, dy, x, values, channels, accumulate), rows, channels);
    }

    /// <inheritdoc/>
    public void TanhGradient(float* dx, float* dy, float* y, long count) => Elementwise.Values(_threads, new TanhGradient(dx, dy, y), count);

    /// <inheritdoc/>
    public void SquaredErrorGradient(float* dx, float* x, float* target, long count, float scale, bool accumulate) =>
        Elementwise.Values(_threads, new SquaredErrorGradient(dx, x, target, 2 * scale, accumulate), count);

    /// <inheritdoc/>
    public void ConvolutionInputGradient(float* dx, float* dy, in Weight w, int rows, int inputs, int outputs, int kernel, int stride, int dilation,
        bool accumulate)
    {
        if (rows <= 0)
            return;
        if (!accumulate)
            NativeMemory.Clear(dx, (nuint)(((rows - 1L) * stride + (kernel - 1L) * dilation + 1) * inputs * sizeof(float)));
        ref readonly CpuFormat kernels = ref CpuFormat.Of(w.Format);
        for (int t = 0; t < kernel; t++)
        {
            kernels.Prefill(_threads, new MatrixProduct
            {
                Y = dx + (long)t * dilation * inputs, YStride = (long)stride * inputs, X = dy, RowStride = outputs, TapLength = outputs,
                W = (byte*)w.Data + (long)t * inputs * Gemm.PanelColumns * kernels.Size, WOrder = WeightOrder.PanelColumns,
                WStride = (long)kernel * inputs, Rows = rows, N = inputs, K = outputs, Accumulate = true,
            });
        }
    }

    /// <inheritdoc/>
    public void ConvolutionWeightGradient(float* dw, float* dbias, float* dy, float* x, int rows, int inputs, int outputs, int kernel, int stride, int dilation)
    {
        for (int t = 0; dw != null && t < kernel; t++)
        {
            AddOuterProducts(dw + t, (long)inputs * kernel, kernel, dy, outputs, x + (long)t * dilation * inputs, (long)stride * inputs, rows, outputs, inputs);
        }
        BiasGradient(dbias, dy, rows, outputs);
    }

    /// <inheritdoc/>
    public void TransposedConvolutionInputGradient(float* dx, float* dy, in Weight w, int rows, int inputs, int outputs, int stride) =>
        ConvolutionInputGradient(dx, dy, w, rows, inputs, checked(stride * outputs), 2, 1, 1, false);

    /// <inheritdoc/>
    public void TransposedConvolutionWeightGradient(float* dw, float* dbias, float* dy, float* x, int rows, int inputs, int outputs, int stride)
    {
        for (int t = 0; dw != null && t < 2 * stride; t++)
        {
            AddOuterProducts(dw + t, 2L * stride * outputs, 2 * stride, x + (t < stride ? inputs : 0), inputs, dy + (long)(t % stride) * outputs,
                (long)stride * outputs, rows, inputs, outputs);
        }
        BiasGradient(dbias, dy, (long)rows * stride, outputs);
    }

    private void BiasGradient(float* dbias, float* dy, long rows, int outputs)
    {
        if (dbias != null)
            Elementwise.Columns(_threads, new ColumnSum<ValueTerm>(dbias, new ValueTerm(dy, outputs), rows), outputs, rows);
    }
}
