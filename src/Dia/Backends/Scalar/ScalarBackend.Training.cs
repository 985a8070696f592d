using Dia.Configuration;

namespace Dia.Backends.Scalar;

// Gradients of the model's operations, and the optimizer's step.
public readonly unsafe partial struct ScalarBackend
{
    /// <inheritdoc/>
    public void Copy(float* y, float* x, long count)
    {
        for (long i = 0; i < count; i++)
            y[i] = x[i];
    }

    /// <inheritdoc/>
    public void Dropout(float* y, float* x, long count, in DropoutMask mask, float scale, bool accumulate)
    {
        for (long i = 0; i < count; i++)
        {
            var (a, b, c, d) = mask.IsDropped(i / 4);
            bool isDropped = (i % 4) switch { 0 => a, 1 => b, 2 => c, _ => d };
            y[i] = (accumulate ? y[i] : 0) + (isDropped ? 0 : x[i] * (scale * mask.Scale));
        }
    }

    /// <inheritdoc/>
    public void LinearInputGradient(float* dx, float* dy, in Weight w, int rows, int n, int k, bool accumulate)
    {
        Values weights = new(w);
        for (long r = 0; r < rows; r++)
        {
            for (long i = 0; i < k; i++)
            {
                double sum = accumulate ? dx[r * k + i] : 0;
                for (long o = 0; o < n; o++)
                    sum += (double)dy[r * n + o] * weights[o * k + i];
                dx[r * k + i] = (float)sum;
            }
        }
    }

    /// <inheritdoc/>
    public void LinearWeightGradient(float* dw, float* dy, float* x, int rows, int n, int k)
    {
        for (long o = 0; o < n; o++)
        {
            for (long i = 0; i < k; i++)
            {
                double sum = dw[o * k + i];
                for (long r = 0; r < rows; r++)
                    sum += (double)dy[r * n + o] * x[r * k + i];
                dw[o * k + i] = (float)sum;
            }
        }
    }

    /// <inheritdoc/>
    public void RmsNormGradient(float* dx, float* dw, float* dy, float* x, in Weight w, int rows, int d, float eps, bool accumulate)
    {
        Values weights = new(w);
        double[] sums = new double[d];
        for (long r = 0; r < rows; r++)
        {
            double squares = 0, products = 0;
            for (int i = 0; i < d; i++)
            {
                squares += (double)x[r * d + i] * x[r * d + i];
                products += (double)dy[r * d + i] * weights[i] * x[r * d + i];
            }
            double scale = 1 / Math.Sqrt(squares / d + eps), back = scale * scale * products / d;
            for (int i = 0; i < d; i++)
            {
                double gradient = dy[r * d + i];
                sums[i] += gradient * x[r * d + i] * scale;
                dx[r * d + i] = (float)(scale * (gradient * weights[i] - x[r * d + i] * back) + (accumulate ? dx[r * d + i] : 0));
            }
        }
        for (int i = 0; dw != null && i < d; i++)
            dw[i] = (float)(dw[i] + sums[i]);
    }

    /// <inheritdoc/>
    public void RopeGradient(float* dx, float* cos, float* sin, int rows, int heads, int half)
    {
        for (long r = 0; r < rows; r++)
        {
            for (int h = 0; h < heads; h++)
            {
                float* first = dx + (r * heads + h) * 2 * half;
                float* second = first + half;
                for (int i = 0; i < half; i++)
                {
                    double c = cos[r * half + i], s = sin[r * half + i], d1 = first[i], d2 = second[i];
                    first[i] = (float)(d1 * c + d2 * s);
                    second[i] = (float)(d2 * c - d1 * s);
                }
            }
        }
    }

    /// <inheritdoc/>
    public void AttentionGradient(float* dq, float* dk, float* dv, float* dy, float* q, float* y, in AttentionBatch batch, int layer, int heads, int keyHeads,
        int headDim)
    {
        for (int n = 0; n < batch.Count; n++)
        {
            AttentionItem item = batch.Items[n];
            item.Keys = (float*)item.Keys + layer * item.LayerStride;
            item.Values = (float*)item.Values + layer * item.LayerStride;
            int width = keyHeads * headDim;
            double[] keySums = new double[item.KeyCount * width], valueSums = new double[item.KeyCount * width], p = new double[item.KeyCount];
            float[] again = new float[headDim];
            for (int r = 0; r < item.Rows; r++)
            {
                for (int h = 0; h < heads; h++)
                {
                    long at = ((long)(item.FirstRow + r) * heads + h) * headDim;
                    int keyHead = h / (heads / keyHeads), column = keyHead * headDim;
                    bool any;
                    fixed (float* result = again)
                        any = AttendRow(result, q + at, item, r, keyHead, keyHeads, headDim, p);
                    AttendRowGradient(dq + at, dy + at, q + at, item, any, p, keySums, valueSums, column, width, headDim);
                }
            }

            for (long i = 0; i < (long)item.KeyCount * width; i++)
            {
                dk[n * (long)item.KeyCount * width + i] = (float)keySums[i];
                dv[n * (long)item.KeyCount * width + i] = (float)valueSums[i];
            }
        }
    }

    // Of the scores, ds = p·(dp − Σ p·dp) with dp = dy·values; then dq = ds·keys, dk = ds·q, dv = p·dy. Keys of probability 0 are not looked at.
    private static void AttendRowGradient(float* dq, float* dy, float* q, in AttentionItem item, bool any, double[] p, double[] dk, double[] dv, int column,
        int width, int headDim)
    {
        double[] scores = new double[item.KeyCount], query = new double[headDim];
        double mean = 0;
        for (int j = 0; j < item.KeyCount; j++)
        {
            for (int i = 0; p[j] != 0 && i < headDim; i++)
            {
                dv[j * width + column + i] += p[j] * dy[i];
                scores[j] += (double)dy[i] * ((float*)item.Values)[(long)j * width + column + i];
            }
            mean += p[j] * scores[j];
        }
        for (int j = 0; any && j < item.KeyCount; j++)
        {
            double ds = p[j] * (scores[j] - mean);
            for (int i = 0; p[j] != 0 && i < headDim; i++)
            {
                query[i] += ds * ((float*)item.Keys)[(long)j * width + column + i];
                dk[j * width + column + i] += ds * q[i];
            }
        }
        for (int i = 0; i < headDim; i++)
            dq[i] = (float)query[i];
    }

    /// <inheritdoc/>
    public void GatedActivationGradient(float* dx, float* dy, float* x, int rows, int n, HiddenActivation activation)
    {
        for (long r = 0; r < rows; r++)
        {
            for (int i = 0; i < n; i++)
            {
                double gate = x[2 * r * n + i], up = x[(2 * r + 1) * n + i], d = dy[r * n + i];
                dx[2 * r * n + i] = (float)(d * up * Slope(gate, activation));
                dx[(2 * r + 1) * n + i] = (float)(d * Activate(gate, activation));
            }
        }
    }

    private static double Slope(double x, HiddenActivation activation)
    {
        switch (activation)
        {
            case HiddenActivation.Silu:
                double sigmoid = 1 / (1 + Math.Exp(-x));
                return sigmoid * (1 + x * (1 - sigmoid));
            case HiddenActivation.Gelu:
                return 0.5 * (1 + Erf(x * Math.Sqrt(0.5))) + x * Math.Exp(-x * x / 2) / Math.Sqrt(2 * Math.PI);
            case HiddenActivation.GeluNew:
                double tanh = Math.Tanh(Math.Sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x));
                return 0.5 * (1 + tanh) + 0.5 * x * (1 - tanh * tanh) * Math.Sqrt(2 / Math.PI) * (1 + 3 * 0.044715 * x * x);
            default:
                return x <= 0 ? 0 : 1;
        }
    }

    /// <inheritdoc/>
    public void EmbedGradient(float* dtable, float* dy, int* ids, int rows, int d) => LookUpCodeGradient(dtable, dy, ids, 1, rows, d);

    /// <inheritdoc/>
    public void EmbedSumGradient(float* dtable, float* dy, int* ids, int rows, int channels, int vocabulary, int d)
    {
        for (int c = 0; c < channels; c++)
            LookUpCodeGradient(dtable + (long)c * vocabulary * d, dy, ids + c, channels, rows, d);
    }

    /// <inheritdoc/>
    public void LookUpCodeGradient(float* dcodebook, float* dy, int* codes, int codeStride, int rows, int d)
    {
        for (long r = 0; r < rows; r++)
            for (int i = 0; i < d; i++)
                dcodebook[(long)codes[r * codeStride] * d + i] += dy[r * d + i];
    }

    /// <inheritdoc/>
    public void CrossEntropyGradient(float* dx, float* x, int* labels, int rows, int channels, int vocabulary, float scale)
    {
        for (long r = 0; r < rows; r++)
        {
            for (int c = 0; c < channels; c++)
            {
                float* logits = x + (r * channels + c) * vocabulary, gradients = dx + (r * channels + c) * vocabulary;
                int label = labels[r * channels + c];
                double max = double.NegativeInfinity, sum = 0;
                for (int i = 0; i < vocabulary; i++)
                    max = Math.Max(max, logits[i]);
                for (int i = 0; i < vocabulary; i++)
                    sum += Math.Exp(logits[i] - max);
                for (int i = 0; i < vocabulary; i++)
                    gradients[i] = label == ITrainingBackend.IgnoredLabel ? 0 : (float)(scale * (Math.Exp(logits[i] - max) / sum - (i == label ? 1 : 0)));
            }
        }
    }

    /// <inheritdoc/>
    public void AdamW(float* w, float* m, float* v, float* g, long count, in AdamWStep step)
    {
        double meanCorrection = 1 - Math.Pow(step.Beta1, step.Number), squareCorrection = 1 - Math.Pow(step.Beta2, step.Number);
        for (long i = 0; i < count; i++)
        {
            double gradient = g[i] * step.GradientScale;
            double mean = m[i] + (1 - step.Beta1) * (gradient - m[i]), square = step.Beta2 * v[i] + (1 - step.Beta2) * gradient * gradient;
            double weight = w[i] * (1 - step.LearningRate * step.WeightDecay);
            w[i] = (float)(weight - step.LearningRate * (mean / meanCorrection) / (Math.Sqrt(square / squareCorrection) + step.Epsilon));
            m[i] = (float)mean;
            v[i] = (float)square;
        }
    }

    /// <inheritdoc/>
    public double SquaredNorm(float* g, long count)
    {
        double sum = 0;
        for (long i = 0; i < count; i++)
            sum += (double)g[i] * g[i];
        return sum;
    }
}
