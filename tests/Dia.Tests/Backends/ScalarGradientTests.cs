using Dia.Backends;
using Dia.Backends.Scalar;
using Dia.Checks;
using Dia.Configuration;
using Dia.Weights;
using Xunit;

namespace Dia.Tests.Backends;

/// <summary>The plain loops of gradients against differences of what the plain loops of the operations compute.</summary>
public sealed unsafe class ScalarGradientTests : IDisposable
{
    // Differences over a sixteenth and a thirty-second, of which the error in h² goes: what is left is h⁴ and the results' rounding over h, 4e-6 each for sums
    // of some tens of values.
    private const float Step = 1f / 16;
    private const double Tolerance = 5e-5;

    private static readonly ScalarBackend Scalar = default;

    private readonly CheckMemory<ScalarBackend> _memory = new(Scalar, 7);

    private delegate void Forward(float* y, float* x);

    private delegate void Backward(float* dx, float* dy, float* x);

    public void Dispose() => _memory.Dispose();

    [Fact]
    public void Gradients_of_a_linear_layer()
    {
        const int Rows = 3, N = 4, K = 5;
        float* x = Numbers(Rows * K), w = Numbers(N * K);
        Agrees(Rows * K, Rows * N, (y, at) => Scalar.Linear(y, at, Of(w), Rows, N, K, default, false),
            (dx, dy, _) => Scalar.LinearInputGradient(dx, dy, Of(w), Rows, N, K, false));
        Agrees(Rows * K, Rows * N, (y, at) => Scalar.Linear(y, at, Of(w), Rows, N, K, default, false),
            (dx, dy, _) => Scalar.LinearInputGradient(dx, dy, Of(w), Rows, N, K, true), isAdded: true);
        Agrees(N * K, Rows * N, (y, at) => Scalar.Linear(y, x, Of(at), Rows, N, K, default, false),
            (dw, dy, _) => Scalar.LinearWeightGradient(dw, dy, x, Rows, N, K), isAdded: true);
    }

    [Fact]
    public void Gradients_of_RMSNorm()
    {
        const int Rows = 3, D = 5;
        float* x = Numbers(Rows * D), w = Numbers(D), none = null;
        foreach (bool accumulate in new[] { false, true })
        {
            Agrees(Rows * D, Rows * D, (y, at) => Scalar.RmsNorm(y, at, Of(w), Rows, D, 0.1f),
                (dx, dy, at) => Scalar.RmsNormGradient(dx, none, dy, at, Of(w), Rows, D, 0.1f, accumulate), accumulate);
        }

        float* other = Numbers(Rows * D);
        Agrees(D, Rows * D, (y, at) => Scalar.RmsNorm(y, x, Of(at), Rows, D, 0.1f),
            (dw, dy, at) => Scalar.RmsNormGradient(other, dw, dy, x, Of(at), Rows, D, 0.1f, false), isAdded: true);
    }

    [Fact]
    public void Gradient_of_the_rotation()
    {
        const int Rows = 3, Heads = 2, Half = 3, Count = 2 * Rows * Heads * Half;
        float* cos = Numbers(Rows * Half), sin = Numbers(Rows * Half);
        Agrees(Count, Count, (y, x) =>
        {
            Scalar.Copy(y, x, Count);
            Scalar.Rope(y, cos, sin, Rows, Heads, Half);
        }, (dx, dy, _) =>
        {
            Scalar.Copy(dx, dy, Count);
            Scalar.RopeGradient(dx, cos, sin, Rows, Heads, Half);
        });
    }

    [Theory]
    [InlineData(1, 1, -1)]
    [InlineData(4, 2, 1)]
    [InlineData(3, 3, 0)]
    public void Gradients_of_attention(int heads, int keyHeads, int causalStart)
    {
        // Of the second item some keys are masked, of the third all.
        const int Items = 3, Rows = 4, Keys = 6, HeadDim = 3;
        int queries = Items * Rows * heads * HeadDim, keys = Items * Keys * keyHeads * HeadDim;
        byte[] some = [1, 0, 1, 1, 0, 1], all = new byte[Keys];
        byte*[] masks = [null, _memory.Place<byte>(some).OnHost, _memory.Place<byte>(all).OnHost];
        float* q = Numbers(queries), k = Numbers(keys), v = Numbers(keys), y0 = Numbers(queries);
        AttentionItem* items = _memory.Place<AttentionItem>(new AttentionItem[Items]).OnHost;

        AttentionBatch Batch(float* k, float* v)
        {
            for (int n = 0; n < Items; n++)
            {
                int at = n * Keys * keyHeads * HeadDim;
                items[n] = new() { FirstRow = n * Rows, Rows = Rows, Keys = k + at, Values = v + at, KeyCount = Keys, CausalStart = causalStart,
                    Mask = masks[n] };
            }
            return new(items, Items, Rows, Keys);
        }

        void Attend(float* y, float* q, float* k, float* v) => Scalar.Attention(y, q, Batch(k, v), 0, heads, keyHeads, HeadDim, null);
        void Gradient(float* dq, float* dk, float* dv, float* dy, float* q, float* k, float* v)
        {
            Attend(y0, q, k, v);
            Scalar.AttentionGradient(dq, dk, dv, dy, q, y0, Batch(k, v), 0, heads, keyHeads, HeadDim);
        }

        float* dq0 = Numbers(queries), dk0 = Numbers(keys), dv0 = Numbers(keys);
        Agrees(queries, queries, (y, at) => Attend(y, at, k, v), (dq, dy, at) => Gradient(dq, dk0, dv0, dy, at, k, v));
        Agrees(keys, queries, (y, at) => Attend(y, q, at, v), (dk, dy, at) => Gradient(dq0, dk, dv0, dy, q, at, v));
        Agrees(keys, queries, (y, at) => Attend(y, q, k, at), (dv, dy, at) => Gradient(dq0, dk0, dv, dy, q, k, at));
    }

    [Theory]
    [InlineData(HiddenActivation.Silu)]
    [InlineData(HiddenActivation.Gelu)]
    [InlineData(HiddenActivation.GeluNew)]
    [InlineData(HiddenActivation.Relu)]
    public void Gradient_of_the_gated_activation(HiddenActivation activation) => Agrees(2 * 3 * 5, 3 * 5,
        (y, x) => Scalar.GatedActivation(y, x, 3, 5, activation), (dx, dy, x) => Scalar.GatedActivationGradient(dx, dy, x, 3, 5, activation));

    [Fact]
    public void Gradients_of_tables()
    {
        // Rows that are looked up twice, and rows that are not.
        const int Rows = 4, Channels = 2, Vocabulary = 3, D = 5;
        int[] all = [2, 0, 2, 1, 0, 0, 2, 1];
        int* ids = _memory.Place<int>(all).OnHost;
        Agrees(Channels * Vocabulary * D, Rows * D, (y, table) => Scalar.EmbedSum(y, ids, Of(table), Rows, Channels, Vocabulary, D),
            (dtable, dy, _) => Scalar.EmbedSumGradient(dtable, dy, ids, Rows, Channels, Vocabulary, D), isAdded: true);
        Agrees(Vocabulary * D, Rows * D, (y, table) => Scalar.Embed(y, ids, Of(table), Rows, D),
            (dtable, dy, _) => Scalar.EmbedGradient(dtable, dy, ids, Rows, D), isAdded: true);
        Agrees(Vocabulary * D, Rows * D, (y, table) => Scalar.LookUpCode(y, ids, 2, Of(table), Rows, D),
            (dtable, dy, _) => Scalar.LookUpCodeGradient(dtable, dy, ids, 2, Rows, D), isAdded: true);
    }

    [Fact]
    public void Gradient_of_the_cross_entropy()
    {
        const int Rows = 3, Channels = 2, Vocabulary = 4;
        const float Factor = 0.7f;
        int[] labels = [3, -100, 0, 1, 1, -100];
        int* given = _memory.Place<int>(labels).OnHost;
        Agrees(Rows * Channels * Vocabulary, 1, (y, x) =>
        {
            double sum = 0;
            for (int r = 0; r < Rows; r++)
            {
                for (int c = 0; c < Channels; c++)
                {
                    var logits = new Span<float>(x + (r * Channels + c) * Vocabulary, Vocabulary).ToArray();
                    sum += labels[r * Channels + c] < 0 ? 0 : Math.Log(logits.Sum(l => Math.Exp(l))) - logits[labels[r * Channels + c]];
                }
            }
            *y = (float)(Factor * sum);
        }, (dx, dy, x) => Scalar.CrossEntropyGradient(dx, x, given, Rows, Channels, Vocabulary, Factor * *dy));
    }

    [Fact]
    public void Gradients_of_snake_and_tanh()
    {
        const int Rows = 4, Channels = 3, Count = Rows * Channels;
        float* x = Numbers(Count), alpha = Numbers(Channels), other = Numbers(Count), none = null;
        foreach (bool accumulate in new[] { false, true })
        {
            Agrees(Count, Count, (y, at) => Scalar.Snake(y, at, Of(alpha), Rows, Channels),
                (dx, dy, at) => Scalar.SnakeGradient(dx, none, dy, at, Of(alpha), Rows, Channels, accumulate), accumulate);
        }

        Agrees(Channels, Count, (y, at) => Scalar.Snake(y, x, Of(at), Rows, Channels),
            (dalpha, dy, at) => Scalar.SnakeGradient(other, dalpha, dy, x, Of(at), Rows, Channels, false), isAdded: true);
        Agrees(Count, Count, (y, at) => Scalar.Tanh(y, at, Count), (dx, dy, at) =>
        {
            Scalar.Tanh(other, at, Count);
            Scalar.TanhGradient(dx, dy, other, Count);
        });
    }

    [Fact]
    public void Gradient_of_a_squared_error()
    {
        const int Count = 7;
        const float Factor = 0.3f;
        float* target = Numbers(Count);
        foreach (bool accumulate in new[] { false, true })
        {
            Agrees(Count, 1, (y, x) => *y = (float)(Factor * Enumerable.Range(0, Count).Sum(i => Math.Pow((double)x[i] - target[i], 2))),
                (dx, dy, x) => Scalar.SquaredErrorGradient(dx, x, target, Count, Factor * *dy, accumulate), accumulate);
        }
    }

    [Theory]
    [InlineData(1, 1, 1)]
    [InlineData(3, 1, 2)]
    [InlineData(3, 2, 1)]
    [InlineData(2, 3, 1)]
    [InlineData(4, 3, 2)]
    public void Gradients_of_a_convolution(int kernel, int stride, int dilation)
    {
        const int Rows = 4, Inputs = 2, Outputs = 3;
        int read = (Rows - 1) * stride + (kernel - 1) * dilation + 1, taps = Outputs * Inputs * kernel;
        float* x = Numbers(read * Inputs), w = Numbers(taps), bias = Numbers(Outputs), others = Numbers(taps);
        void Convolve(float* y, float* x, float* w, float* bias) =>
            Scalar.Convolution(y, x, Of(w), Of(bias), Rows, Inputs, Outputs, kernel, stride, dilation, false);
        foreach (bool accumulate in new[] { false, true })
        {
            Agrees(read * Inputs, Rows * Outputs, (y, at) => Convolve(y, at, w, bias),
                (dx, dy, _) => Scalar.ConvolutionInputGradient(dx, dy, Of(w), Rows, Inputs, Outputs, kernel, stride, dilation, accumulate), accumulate);
        }

        Agrees(taps, Rows * Outputs, (y, at) => Convolve(y, x, at, bias),
            (dw, dy, _) => Scalar.ConvolutionWeightGradient(dw, others, dy, x, Rows, Inputs, Outputs, kernel, stride, dilation), isAdded: true);
        Agrees(Outputs, Rows * Outputs, (y, at) => Convolve(y, x, w, at),
            (dbias, dy, _) => Scalar.ConvolutionWeightGradient(others, dbias, dy, x, Rows, Inputs, Outputs, kernel, stride, dilation), isAdded: true);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void Gradients_of_a_transposed_convolution(int stride)
    {
        const int Rows = 3, Inputs = 2, Outputs = 3;
        int taps = 2 * stride * Inputs * Outputs, results = Rows * stride * Outputs;
        float* x = Numbers((Rows + 1) * Inputs), w = Numbers(taps), bias = Numbers(Outputs), others = Numbers(taps);
        void Convolve(float* y, float* x, float* w, float* bias) => Scalar.TransposedConvolution(y, x, Of(w), Of(bias), Rows, Inputs, Outputs, stride);
        Agrees((Rows + 1) * Inputs, results, (y, at) => Convolve(y, at, w, bias),
            (dx, dy, _) => Scalar.TransposedConvolutionInputGradient(dx, dy, Of(w), Rows, Inputs, Outputs, stride));
        Agrees(taps, results, (y, at) => Convolve(y, x, at, bias),
            (dw, dy, _) => Scalar.TransposedConvolutionWeightGradient(dw, others, dy, x, Rows, Inputs, Outputs, stride), isAdded: true);
        Agrees(Outputs, results, (y, at) => Convolve(y, x, w, at),
            (dbias, dy, _) => Scalar.TransposedConvolutionWeightGradient(others, dbias, dy, x, Rows, Inputs, Outputs, stride), isAdded: true);
    }

    /// <summary>
    /// Σ dy·y is differentiated with respect to each value of x. What a gradient is written to held NaN, what it is added to a number.
    /// </summary>
    private void Agrees(int inputs, int results, Forward forward, Backward backward, bool isAdded = false)
    {
        float* x = Numbers(inputs), y = Numbers(results), dy = Numbers(results), dx = Numbers(inputs);
        double[] held = new double[inputs];
        for (int i = 0; i < inputs; i++)
        {
            held[i] = isAdded ? dx[i] : 0;
            dx[i] = isAdded ? dx[i] : float.NaN;
        }

        backward(dx, dy, x);
        double largest = 1;
        for (int i = 0; i < inputs; i++)
            largest = Math.Max(largest, Math.Abs(dx[i]));
        for (int i = 0; i < inputs; i++)
        {
            double difference = (4 * Difference(i, Step / 2) - Difference(i, Step)) / 3;
            Assert.True(Math.Abs(dx[i] - held[i] - difference) <= Tolerance * largest, $"value {i}: {dx[i] - held[i]}, by differences {difference}");
        }

        double Difference(int i, float h)
        {
            float at = x[i];
            x[i] = at + h;
            double up = Sum(), above = x[i];
            x[i] = at - h;
            double down = Sum(), below = x[i];
            x[i] = at;
            return (up - down) / (above - below);
        }

        double Sum()
        {
            forward(y, x);
            double sum = 0;
            for (int i = 0; i < results; i++)
                sum += (double)dy[i] * y[i];
            return sum;
        }
    }

    private static Weight Of(float* values) => new(values, WeightFormat.Float32);

    /// <summary>Numbers from −1 to 1, none so near to 0 that a step crosses it: there ReLU has no slope, and snake divides by α.</summary>
    private float* Numbers(int count)
    {
        Mirrored<float> numbers = _memory.Floats(count, 0.85f);
        foreach (ref float value in numbers.Values)
            value += value < 0 ? -0.15f : 0.15f;
        return numbers.OnHost;
    }
}
