using Dia.Configuration;
using Dia.Weights;

namespace Dia.Backends.Scalar;

/// <summary>
/// The reference: one plain loop per operation on one thread. Sums and transcendental functions are computed in double and
/// rounded to float32 once, so that it can serve as the oracle for the other backends; it is not meant to be fast.
/// </summary>
public readonly unsafe partial struct ScalarBackend : ITrainingBackend
{
    private readonly DeviceMemory? _memory;

    /// <summary>Plain loops over other memory than the host's own; null: that.</summary>
    internal ScalarBackend(DeviceMemory? memory) => _memory = memory;

    /// <inheritdoc/>
    public DeviceMemory Memory => _memory ?? DeviceMemory.Host;

    /// <summary>Nothing to do: weights are read as stored.</summary>
    public Weight Prepare(WeightSpec spec, in StoredWeight stored) => new(stored);

    /// <summary>Nothing to do.</summary>
    public void Release(WeightSpec spec, in Weight weight)
    {
    }

    /// <inheritdoc/>
    public void Embed(float* y, int* ids, in Weight table, int rows, int d) => LookUpCode(y, ids, 1, table, rows, d);

    /// <inheritdoc/>
    public void EmbedSum(float* y, int* ids, in Weight table, int rows, int channels, int vocabulary, int d)
    {
        Values values = new(table);
        for (long r = 0; r < rows; r++)
        {
            for (int i = 0; i < d; i++)
            {
                double sum = 0;
                for (int c = 0; c < channels; c++)
                    sum += values[((long)c * vocabulary + ids[r * channels + c]) * d + i];
                y[r * d + i] = (float)sum;
            }
        }
    }

    /// <inheritdoc/>
    public void RmsNorm(float* y, float* x, in Weight w, int rows, int d, float eps)
    {
        Values weights = new(w);
        for (long r = 0; r < rows; r++)
        {
            double squares = 0;
            for (int i = 0; i < d; i++)
                squares += (double)x[r * d + i] * x[r * d + i];
            double scale = 1 / Math.Sqrt(squares / d + eps);
            for (int i = 0; i < d; i++)
                y[r * d + i] = (float)(x[r * d + i] * scale * weights[i]);
        }
    }

    /// <inheritdoc/>
    public void Linear(float* y, float* x, in Weight w, int rows, int n, int k, Phase phase, bool accumulate)
    {
        if (phase == Phase.RoundedDecode && w.IsQuantized)
        {
            RoundedLinear(y, x, w, rows, n, k, accumulate);
            return;
        }
        Values weights = new(w);
        bool rounds = phase == Phase.RoundedPrefill && w.Format != WeightFormat.Float32;
        for (long r = 0; r < rows; r++)
        {
            for (long o = 0; o < n; o++)
            {
                double sum = accumulate ? y[r * n + o] : 0;
                for (int i = 0; i < k; i++)
                {
                    float a = x[r * k + i], b = weights[o * k + i];
                    sum += rounds ? (double)Rounded(a) * Rounded(b) : (double)a * b;
                }
                y[r * n + o] = (float)sum;
            }
        }
    }

    private static float Rounded(float value) => WeightFormats.FromBFloat16(WeightFormats.ToBFloat16(value));

    /// <inheritdoc/>
    public void RopeTable(float* cos, float* sin, int* positions, float* inverseFrequencies, in AttentionBatch batch, int half, float scaling)
    {
        for (int n = 0; n < batch.Count; n++)
        {
            for (long r = batch.Items[n].FirstRow; r < batch.Items[n].FirstRow + batch.Items[n].Rows; r++)
            {
                for (int i = 0; i < half; i++)
                {
                    float angle = positions[r] * inverseFrequencies[n * half + i];
                    cos[r * half + i] = (float)Math.Cos(angle) * scaling;
                    sin[r * half + i] = (float)Math.Sin(angle) * scaling;
                }
            }
        }
    }

    /// <inheritdoc/>
    public void Rope(float* x, float* cos, float* sin, int rows, int heads, int half)
    {
        for (long r = 0; r < rows; r++)
        {
            for (int h = 0; h < heads; h++)
            {
                float* first = x + (r * heads + h) * 2 * half;
                float* second = first + half;
                for (int i = 0; i < half; i++)
                {
                    double c = cos[r * half + i], s = sin[r * half + i], x1 = first[i], x2 = second[i];
                    first[i] = (float)(x1 * c - x2 * s);
                    second[i] = (float)(x2 * c + x1 * s);
                }
            }
        }
    }

    /// <inheritdoc/>
    public void RopeKeyValues(float* keys, float* values, float* cos, float* sin, in AttentionBatch batch, int layer, int keyHeads, int half)
    {
        int width = 2 * keyHeads * half;
        for (int n = 0; n < batch.Count; n++)
        {
            AttentionItem item = batch.Items[n];
            for (int r = 0; r < item.Rows; r++)
            {
                long from = item.FirstRow + r, to = (long)item.CausalStart + r;
                Rope(keys + from * width, cos + from * half, sin + from * half, 1, keyHeads, half);
                CacheRows.Store(CacheRows.Row(item.Keys, item, batch.Format, layer, to, width), batch.Format, keys + from * width, width);
                CacheRows.Store(CacheRows.Row(item.Values, item, batch.Format, layer, to, width), batch.Format, values + from * width, width);
            }
        }
    }

    /// <inheritdoc/>
    public void Attention(float* y, float* q, in AttentionBatch batch, int layer, int heads, int keyHeads, int headDim, float* maps)
    {
        for (int n = 0; n < batch.Count; n++)
        {
            int width = keyHeads * headDim;
            float[] cache = new float[CacheRows.WidenedSize(batch.Items[n], width)];
            double[] p = new double[batch.Items[n].KeyCount];
            fixed (float* wide = cache)
            {
                AttentionItem item = CacheRows.Widen(wide, batch.Items[n], batch.Format, layer, width);
                AttendRows(y, q, item, heads, keyHeads, headDim, p, maps);
                maps += maps == null ? 0 : (long)heads * item.Rows * item.KeyCount;
            }
        }
    }

    private static void AttendRows(float* y, float* q, in AttentionItem item, int heads, int keyHeads, int headDim, double[] p, float* maps)
    {
        for (int r = 0; r < item.Rows; r++)
        {
            for (int h = 0; h < heads; h++)
            {
                long at = ((long)(item.FirstRow + r) * heads + h) * headDim;
                AttendRow(y + at, q + at, item, r, h / (heads / keyHeads), keyHeads, headDim, p);
                for (int j = 0; maps != null && j < item.KeyCount; j++)
                    maps[((long)h * item.Rows + r) * item.KeyCount + j] = (float)p[j];
            }
        }
    }

    // False: the row sees no key, and attends evenly to all.
    private static bool AttendRow(float* y, float* q, in AttentionItem item, int row, int keyHead, int keyHeads, int headDim, double[] p)
    {
        int keys = item.KeyCount;
        bool Visible(in AttentionItem item, int j) => (item.Mask == null || item.Mask[j] != 0) && (item.CausalStart < 0 || j <= item.CausalStart + row);
        bool any = false;
        for (int j = 0; j < keys; j++)
            any |= Visible(item, j);

        double max = double.NegativeInfinity;
        for (int j = 0; j < keys; j++)
        {
            p[j] = 0;
            if (!any || !Visible(item, j))
                continue;
            float* key = (float*)item.Keys + ((long)j * keyHeads + keyHead) * headDim;
            for (int i = 0; i < headDim; i++)
                p[j] += (double)q[i] * key[i];
            max = Math.Max(max, p[j]);
        }

        double sum = 0;
        for (int j = 0; j < keys; j++)
        {
            p[j] = !any ? 1 : Visible(item, j) ? Math.Exp(p[j] - max) : 0;
            sum += p[j];
        }

        for (int j = 0; j < keys; j++)
            p[j] /= sum;

        for (int i = 0; i < headDim; i++)
        {
            double value = 0;
            for (int j = 0; j < keys; j++)
            {
                if (!any || Visible(item, j))
                    value += p[j] * ((float*)item.Values)[((long)j * keyHeads + keyHead) * headDim + i];
            }
            y[i] = (float)value;
        }
        return any;
    }

    /// <inheritdoc/>
    public void GatedActivation(float* y, float* x, int rows, int n, HiddenActivation activation)
    {
        for (long r = 0; r < rows; r++)
        {
            for (int i = 0; i < n; i++)
                y[r * n + i] = (float)(x[(2 * r + 1) * n + i] * Activate(x[2 * r * n + i], activation));
        }
    }

    private static double Activate(double x, HiddenActivation activation) => activation switch
    {
        HiddenActivation.Silu => x / (1 + Math.Exp(-x)),
        HiddenActivation.Gelu => 0.5 * x * (1 + Erf(x * Math.Sqrt(0.5))),
        HiddenActivation.GeluNew => 0.5 * x * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x))),
        _ => x < 0 ? 0 : x,
    };

    // The Maclaurin series; beyond 6 the function is ±1 in double. Terms reach e^(x²) only for large x, where the sum still
    // keeps 1e-9: far below a float32 rounding for |x| < 3, and beyond it 1 − erf comes from the continued fraction.
    private static double Erf(double x)
    {
        double a = Math.Abs(x);
        if (!(a < 3))
            return double.IsNaN(x) ? x : Math.Sign(x) * (a > 6 ? 1 : 1 - Math.Exp(-a * a) / (Math.Sqrt(Math.PI) * ErfcFraction(a)));
        double term = x, sum = x;
        for (int n = 1; Math.Abs(term) > 1e-17 * Math.Abs(sum); n++)
        {
            term *= -x * x / n;
            sum += term / (2 * n + 1);
        }
        return sum * 2 / Math.Sqrt(Math.PI);
    }

    // x + (1/2)/(x + 1/(x + (3/2)/(x + ...))), Abramowitz and Stegun 7.1.14.
    private static double ErfcFraction(double x)
    {
        double f = x;
        for (int n = 60; n > 0; n--)
            f = x + 0.5 * n / f;
        return f;
    }

    /// <inheritdoc/>
    public void AddRow(float* y, float* v, int rows, int d)
    {
        for (long r = 0; r < rows; r++)
            for (int i = 0; i < d; i++)
                y[r * d + i] += v[i];
    }

    /// <inheritdoc/>
    public void Subtract(float* y, float* x, long count)
    {
        for (long i = 0; i < count; i++)
            y[i] -= x[i];
    }

    /// <inheritdoc/>
    public void Convolution(float* y, float* x, in Weight w, in Weight bias, int rows, int inputs, int outputs, int kernel, int stride, int dilation,
        bool accumulate, float* snake = null, in Weight alpha = default)
    {
        Values weights = new(w), biases = new(bias);
        for (long r = 0; r < rows; r++)
        {
            for (long o = 0; o < outputs; o++)
            {
                double sum = biases[o] + (accumulate ? (double)y[r * outputs + o] : 0);
                for (long t = 0; t < kernel; t++)
                {
                    for (long i = 0; i < inputs; i++)
                        sum += (double)x[(r * stride + t * dilation) * inputs + i] * weights[(o * inputs + i) * kernel + t];
                }
                y[r * outputs + o] = (float)sum;
            }
        }
        if (snake != null)
            Snake(snake, y, alpha, rows, outputs);
    }

    /// <inheritdoc/>
    public void TransposedConvolution(float* y, float* x, in Weight w, in Weight bias, int rows, int inputs, int outputs, int stride, float* snake = null,
        in Weight alpha = default)
    {
        Values weights = new(w), biases = new(bias);
        for (long r = 0; r < rows; r++)
        {
            for (long p = 0; p < stride; p++)
            {
                for (long o = 0; o < outputs; o++)
                {
                    double sum = biases[o];
                    for (long i = 0; i < inputs; i++)
                    {
                        long tap = (i * outputs + o) * 2 * stride + p;
                        sum += (double)x[r * inputs + i] * weights[tap + stride];
                        sum += (double)x[(r + 1) * inputs + i] * weights[tap];
                    }
                    y[(r * stride + p) * outputs + o] = (float)sum;
                }
            }
        }
        if (snake != null)
            Snake(snake, y, alpha, checked(rows * stride), outputs);
    }

    /// <inheritdoc/>
    public void Snake(float* y, float* x, in Weight alpha, int rows, int channels)
    {
        Values alphas = new(alpha);
        for (long r = 0; r < rows; r++)
        {
            for (int c = 0; c < channels; c++)
            {
                // αx and α + 1e-9 are float32 in the model's definition: at large αx the rounding of the product is the result.
                float a = alphas[c], v = x[r * channels + c];
                double sin = Math.Sin(a * v);
                y[r * channels + c] = (float)(v + sin * sin / (a + 1e-9f));
            }
        }
    }

    /// <inheritdoc/>
    public void Tanh(float* y, float* x, long count)
    {
        for (long i = 0; i < count; i++)
            y[i] = (float)Math.Tanh(x[i]);
    }

    /// <inheritdoc/>
    public void NearestCode(int* codes, int codeStride, float* x, in Weight codebook, int rows, int entries, int d)
    {
        Values values = new(codebook);
        for (long r = 0; r < rows; r++)
        {
            double best = double.NegativeInfinity;
            int code = 0;
            double squares = 0;
            for (int i = 0; i < d; i++)
                squares += (double)x[r * d + i] * x[r * d + i];
            double norm = Math.Max(Math.Sqrt(squares), 1e-12);
            for (int e = 0; e < entries; e++)
            {
                double dot = 0, entrySquares = 0;
                for (int i = 0; i < d; i++)
                {
                    double c = values[(long)e * d + i];
                    dot += x[r * d + i] * c;
                    entrySquares += c * c;
                }
                double entryNorm = Math.Max(Math.Sqrt(entrySquares), 1e-12);
                // The reference's expression −(‖x‖² − 2x·c) + ‖c‖², without the ‖x‖² that all entries share. Its sign of ‖c‖² counts for all-zero entries only.
                double score = 2 * dot / (norm * entryNorm) + entrySquares / (entryNorm * entryNorm);
                if (score > best)
                {
                    best = score;
                    code = e;
                }
            }
            codes[r * codeStride] = code;
        }
    }

    /// <inheritdoc/>
    public void LookUpCode(float* y, int* codes, int codeStride, in Weight codebook, int rows, int d)
    {
        Values values = new(codebook);
        for (long r = 0; r < rows; r++)
            for (int i = 0; i < d; i++)
                y[r * d + i] = values[(long)codes[r * codeStride] * d + i];
    }

    /// <summary>A weight's values, widened one by one.</summary>
    private readonly struct Values(in Weight w)
    {
        private readonly StoredWeight _weight = w.Stored;
        private readonly delegate*<void*, long, float> _value = w.IsQuantized ? null : WeightFormats.Of(w.Format).Value;

        public float this[long index] => _value != null ? _value(_weight.Data, index) : Scaled(index);

        private float Scaled(long index)
        {
            float value;
            (long row, long column) = Math.DivRem(index, _weight.Columns);
            WeightFormats.Read(_weight, row, (int)column, new Span<float>(&value, 1));
            return value;
        }
    }
}
