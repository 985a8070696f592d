namespace Dia.Backends.Scalar;

// Gradients of the codec's operations.
public readonly unsafe partial struct ScalarBackend
{
    /// <inheritdoc/>
    public void SnakeGradient(float* dx, float* dalpha, float* dy, float* x, in Weight alpha, int rows, int channels, bool accumulate)
    {
        Values alphas = new(alpha);
        for (int c = 0; c < channels; c++)
        {
            // αx and α + 1e-9 are float32, as in Snake.
            float a = alphas[c];
            double divisor = a + 1e-9f, sum = 0;
            for (long r = 0; r < rows; r++)
            {
                float v = x[r * channels + c];
                double angle = a * v, sin = Math.Sin(angle), slope = Math.Sin(2 * angle) / divisor, gradient = dy[r * channels + c];
                sum += gradient * (v * slope - sin * sin / (divisor * divisor));
                dx[r * channels + c] = (float)(gradient * (1 + a * slope) + (accumulate ? dx[r * channels + c] : 0));
            }
            if (dalpha != null)
                dalpha[c] = (float)(dalpha[c] + sum);
        }
    }

    /// <inheritdoc/>
    public void TanhGradient(float* dx, float* dy, float* y, long count)
    {
        for (long i = 0; i < count; i++)
            dx[i] = (float)(dy[i] * (1 - (double)y[i] * y[i]));
    }

    /// <inheritdoc/>
    public void SquaredErrorGradient(float* dx, float* x, float* target, long count, float scale, bool accumulate)
    {
        for (long i = 0; i < count; i++)
            dx[i] = (float)(2.0 * scale * ((double)x[i] - target[i]) + (accumulate ? dx[i] : 0));
    }

    /// <inheritdoc/>
    public void ConvolutionInputGradient(float* dx, float* dy, in Weight w, int rows, int inputs, int outputs, int kernel, int stride, int dilation,
        bool accumulate)
    {
        Values weights = new(w);
        long read = (rows - 1L) * stride + (kernel - 1L) * dilation + 1;
        for (long at = 0; rows > 0 && at < read; at++)
        {
            for (long i = 0; i < inputs; i++)
            {
                double sum = accumulate ? dx[at * inputs + i] : 0;
                for (long t = 0; t < kernel; t++)
                {
                    long r = (at - t * dilation) / stride;
                    for (long o = 0; r * stride + t * dilation == at && r >= 0 && r < rows && o < outputs; o++)
                        sum += (double)dy[r * outputs + o] * weights[(o * inputs + i) * kernel + t];
                }
                dx[at * inputs + i] = (float)sum;
            }
        }
    }

    /// <inheritdoc/>
    public void ConvolutionWeightGradient(float* dw, float* dbias, float* dy, float* x, int rows, int inputs, int outputs, int kernel, int stride, int dilation)
    {
        for (long o = 0; dw != null && o < outputs; o++)
        {
            for (long i = 0; i < inputs; i++)
            {
                for (long t = 0; t < kernel; t++)
                {
                    double sum = dw[(o * inputs + i) * kernel + t];
                    for (long r = 0; r < rows; r++)
                        sum += (double)dy[r * outputs + o] * x[(r * stride + t * dilation) * inputs + i];
                    dw[(o * inputs + i) * kernel + t] = (float)sum;
                }
            }
        }
        BiasGradient(dbias, dy, rows, outputs);
    }

    /// <inheritdoc/>
    public void TransposedConvolutionInputGradient(float* dx, float* dy, in Weight w, int rows, int inputs, int outputs, int stride)
    {
        Values weights = new(w);
        for (long at = 0; rows > 0 && at <= rows; at++)
        {
            for (long i = 0; i < inputs; i++)
            {
                // As the row of its own outputs, and as the row behind those of the row before.
                double sum = 0;
                for (long p = 0; p < stride; p++)
                {
                    for (long o = 0; o < outputs; o++)
                    {
                        long tap = (i * outputs + o) * 2 * stride + p;
                        if (at < rows)
                            sum += (double)dy[(at * stride + p) * outputs + o] * weights[tap + stride];
                        if (at > 0)
                            sum += (double)dy[((at - 1) * stride + p) * outputs + o] * weights[tap];
                    }
                }
                dx[at * inputs + i] = (float)sum;
            }
        }
    }

    /// <inheritdoc/>
    public void TransposedConvolutionWeightGradient(float* dw, float* dbias, float* dy, float* x, int rows, int inputs, int outputs, int stride)
    {
        for (long i = 0; dw != null && i < inputs; i++)
        {
            for (long o = 0; o < outputs; o++)
            {
                for (long t = 0; t < 2 * stride; t++)
                {
                    long p = t % stride, behind = t < stride ? 1 : 0;
                    double sum = dw[(i * outputs + o) * 2 * stride + t];
                    for (long r = 0; r < rows; r++)
                        sum += (double)dy[(r * stride + p) * outputs + o] * x[(r + behind) * inputs + i];
                    dw[(i * outputs + o) * 2 * stride + t] = (float)sum;
                }
            }
        }
        BiasGradient(dbias, dy, (long)rows * stride, outputs);
    }

    private static void BiasGradient(float* dbias, float* dy, long rows, int outputs)
    {
        for (long o = 0; dbias != null && o < outputs; o++)
        {
            double sum = dbias[o];
            for (long r = 0; r < rows; r++)
                sum += dy[r * outputs + o];
            dbias[o] = (float)sum;
        }
    }
}
