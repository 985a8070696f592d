using Dia.Backends;
using Dia.Backends.Scalar;
using Dia.Configuration;
using Dia.Graph;
using Dia.Weights;

namespace Dia.Checks;

/// <summary>
/// Compares a backend's gradients, and its optimizer's step, with the scalar backend's, at odd shapes. What is written held other values, what is added to
/// others, so that a value that is left out is seen; parameters that are not wanted are tried too.
/// </summary>
/// <param name="backend">What is checked.</param>
/// <param name="checks">Where operands come from and results go to.</param>
internal sealed unsafe partial class TrainingChecks<TBackend>(TBackend backend, KernelChecks<TBackend> checks)
    where TBackend : struct, ITrainingBackend
{
    private const double U = KernelChecks<TBackend>.U;

    private readonly ScalarBackend _scalar = default;

    /// <summary>Every operation at odd shapes.</summary>
    public void RunOdd()
    {
        foreach ((int rows, int n, int k) in (ReadOnlySpan<(int, int, int)>)[(1, 1, 1), (3, 7, 5), (67, 17, 33), (8, 33, 250), (300, 9, 16), (2, 530, 70),
            (13, 64, 519)])
            Linear(rows, n, k);
        foreach ((int rows, int d) in (ReadOnlySpan<(int, int)>)[(1, 1), (3, 7), (300, 33), (5, 1024), (40, 1500)])
            RmsNorm(rows, d);
        foreach ((int rows, int heads, int half) in (ReadOnlySpan<(int, int, int)>)[(1, 1, 1), (3, 5, 11), (70, 4, 64)])
            Rope(rows, heads, half);
        foreach (HiddenActivation activation in Enum.GetValues<HiddenActivation>())
            foreach ((int rows, int n) in (ReadOnlySpan<(int, int)>)[(1, 1), (7, 29), (3, 1030)])
                GatedActivation(rows, n, activation);
        foreach ((int rows, int channels, int vocabulary, int d) in (ReadOnlySpan<(int, int, int, int)>)[(1, 1, 1, 1), (40, 3, 5, 37), (9, 9, 64, 130)])
            Tables(rows, channels, vocabulary, d);
        foreach ((int rows, int channels, int vocabulary) in (ReadOnlySpan<(int, int, int)>)[(1, 1, 1), (5, 3, 7), (11, 9, 1028)])
            CrossEntropy(rows, channels, vocabulary);
        foreach ((int heads, int keyHeads, int headDim) in (ReadOnlySpan<(int, int, int)>)[(1, 1, 2), (4, 2, 10), (12, 2, 16), (3, 3, 136), (8, 1, 64)])
        {
            Attention(heads, keyHeads, headDim, 1, 1, 0);
            Attention(heads, keyHeads, headDim, 5, 5, 0);
            Attention(heads, keyHeads, headDim, 400 / (heads * headDim) + 17, 70, 20);
            Attention(heads, keyHeads, headDim, 9, 33, -1);
            Attention(heads, keyHeads, headDim, 6, 40, 34, 100);
        }

        Attention(4, 2, 10, 70, 80, 10); // more rows than a block

        foreach ((int inputs, int outputs, int kernel, int stride, int dilation, int rows) in (ReadOnlySpan<(int, int, int, int, int, int)>)
            [(1, 5, 7, 1, 1, 70), (3, 1, 3, 2, 1, 70), (8, 70, 7, 1, 3, 19), (12, 16, 8, 4, 1, 70), (40, 65, 1, 1, 1, 5), (11, 4, 3, 1, 2, 600),
                (5, 6, 2, 5, 1, 3)])
            Convolution(inputs, outputs, kernel, stride, dilation, rows);
        foreach ((int inputs, int outputs, int stride) in (ReadOnlySpan<(int, int, int)>)[(1, 1, 1), (6, 4, 2), (40, 24, 8), (16, 3, 5)])
            TransposedConvolution(inputs, outputs, stride);
        Snake(1, 1);
        Snake(70, 29);
        Snake(900, 40);
        foreach (int count in (ReadOnlySpan<int>)[1, 37, 70_001])
        {
            Values(count);
            SquaredError(count);
        }
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    /// <summary>Both gradients of a linear layer: sums over its outputs, and over its rows.</summary>
    public void Linear(int rows, int n, int k)
    {
        string shapes = Text($"[{rows}, {n}, {k}]");
        foreach (WeightFormat format in checks.Formats)
        {
            using CheckMemory<TBackend> memory = checks.Memory(40);
            (Weight host, Weight device) = memory.Weight(WeightRole.Linear, format, [n, k]);
            float[] gradients = memory.Floats(rows * n).Values.ToArray();
            gradients[n / 2] = float.NaN; // stays in its row
            gradients[^1] = float.PositiveInfinity;
            Mirrored<float> dy = memory.Place<float>(gradients), dx = memory.Floats(rows * k);
            foreach (bool accumulate in (ReadOnlySpan<bool>)[true, false])
            {
                _scalar.LinearInputGradient(dx.OnHost, dy.OnHost, host, rows, n, k, accumulate);
                backend.LinearInputGradient(dx.OnDevice, dy.OnDevice, device, rows, n, k, accumulate);
                checks.Compare($"linear_input_gradient{(accumulate ? " accumulated" : "")} {format}", shapes, memory.Download(dx), dx.Values,
                    Sum(n), Math.Max(1, n / 4.0));
            }

            // A row alone gives the same bits.
            float[] whole = memory.Download(dx);
            Mirrored<float> alone = memory.Floats(k);
            backend.LinearInputGradient(alone.OnDevice, dy.OnDevice + (rows - 1) * n, device, 1, n, k, false);
            checks.Compare($"linear_input_gradient rows alike {format}", shapes, memory.Download(alone), whole.AsSpan((rows - 1) * k, k), 0);
        }

        using CheckMemory<TBackend> floats = checks.Memory(41);
        Mirrored<float> y = floats.Unaligned(rows * n), x = floats.Unaligned(rows * k), dw = floats.Floats(n * k);
        _scalar.LinearWeightGradient(dw.OnHost, y.OnHost, x.OnHost, rows, n, k);
        backend.LinearWeightGradient(dw.OnDevice, y.OnDevice, x.OnDevice, rows, n, k);
        checks.Compare("linear_weight_gradient", shapes, floats.Download(dw), dw.Values, Sum(rows), Math.Max(1, rows / 4.0));
    }

    private static double Sum(int count) => KernelChecks<TBackend>.SumTolerance(count);

    /// <summary>RMSNorm, whose input's gradient is a difference.</summary>
    public void RmsNorm(int rows, int d)
    {
        const float Epsilon = 1e-5f;
        string shapes = Text($"[{rows}, {d}]");
        using CheckMemory<TBackend> memory = checks.Memory(42);
        (Weight host, Weight device) = memory.Weight(WeightRole.Vector, WeightFormat.Float32, [d], 0.9f, 1.2f);
        Mirrored<float> x = memory.Unaligned(rows * d, 3), dy = memory.Floats(rows * d), dx = memory.Unaligned(rows * d), dw = memory.Floats(d);
        foreach (bool accumulate in (ReadOnlySpan<bool>)[true, false])
        {
            _scalar.RmsNormGradient(dx.OnHost, accumulate ? dw.OnHost : null, dy.OnHost, x.OnHost, host, rows, d, Epsilon, accumulate);
            backend.RmsNormGradient(dx.OnDevice, accumulate ? dw.OnDevice : null, dy.OnDevice, x.OnDevice, device, rows, d, Epsilon, accumulate);

            // A single value's gradient is eps/(x² + eps) of itself: what is left of two that are nearly equal.
            checks.Compare($"rms_norm_gradient{(accumulate ? " accumulated" : "")}", shapes, memory.Download(dx), dx.Values, (12 + 2 * Math.Sqrt(d)) * U, 4);
        }
        checks.Compare("rms_norm_weight_gradient", shapes, memory.Download(dw), dw.Values, (6 + Math.Sqrt(d) + Math.Sqrt(rows)) * U, Math.Max(1, rows / 4.0));
    }

    /// <summary>The rotation backwards.</summary>
    public void Rope(int rows, int heads, int half)
    {
        using CheckMemory<TBackend> memory = checks.Memory(43);
        Mirrored<float> cos = memory.Floats(rows * half), sin = memory.Floats(rows * half), dx = memory.Floats(2 * rows * heads * half);
        _scalar.RopeGradient(dx.OnHost, cos.OnHost, sin.OnHost, rows, heads, half);
        backend.RopeGradient(dx.OnDevice, cos.OnDevice, sin.OnDevice, rows, heads, half);
        checks.Compare("rope_gradient", Text($"[{rows}, {heads}, {2 * half}]"), memory.Download(dx), dx.Values, 6 * U);
    }

    /// <summary>Both halves' gradients, at unusual gates too.</summary>
    public void GatedActivation(int rows, int n, HiddenActivation activation)
    {
        using CheckMemory<TBackend> memory = checks.Memory(44);
        float[] values = memory.Floats(2 * rows * n, 6).Values.ToArray();
        ReadOnlySpan<float> unusual = [0, -0f, float.NaN, 1e-30f, -1e-30f, 1e-42f, 100, -100, 1e10f, -1e10f, float.PositiveInfinity];
        if (n > unusual.Length)
            unusual.CopyTo(values);
        Mirrored<float> x = memory.Place<float>(values), dy = memory.Unaligned(rows * n), dx = memory.Unaligned(2 * rows * n);
        _scalar.GatedActivationGradient(dx.OnHost, dy.OnHost, x.OnHost, rows, n, activation);
        backend.GatedActivationGradient(dx.OnDevice, dy.OnDevice, x.OnDevice, rows, n, activation);

        // As for the activation (OperationRunner.RowCheck): e^x to 1.5 ulp and the products behind it, times up to 6; 1 + erf at negative gates.
        checks.Compare("gated_activation_gradient " + activation, $"[{rows}, {n}]", memory.Download(dx), dx.Values,
            (activation == HiddenActivation.Gelu ? 300 : 60) * U);
    }

    /// <summary>Gradients of tables: sums of the rows that were looked up, in their order.</summary>
    public void Tables(int rows, int channels, int vocabulary, int d)
    {
        using CheckMemory<TBackend> memory = checks.Memory(45);
        Mirrored<int> ids = memory.Integers(rows * channels, vocabulary);
        Mirrored<float> dy = memory.Floats(rows * d), table = memory.Unaligned(channels * vocabulary * d);
        _scalar.EmbedGradient(table.OnHost, dy.OnHost, ids.OnHost, rows, d);
        backend.EmbedGradient(table.OnDevice, dy.OnDevice, ids.OnDevice, rows, d);
        checks.Compare("embed_gradient", Text($"[{rows}, {d}]"), memory.Download(table), table.Values, 0);
        _scalar.EmbedSumGradient(table.OnHost, dy.OnHost, ids.OnHost, rows, channels, vocabulary, d);
        backend.EmbedSumGradient(table.OnDevice, dy.OnDevice, ids.OnDevice, rows, channels, vocabulary, d);
        checks.Compare("embed_sum_gradient", Text($"[{rows}, {channels}, {d}]"), memory.Download(table), table.Values, 0);
        _scalar.LookUpCodeGradient(table.OnHost, dy.OnHost, ids.OnHost, channels, rows, d);
        backend.LookUpCodeGradient(table.OnDevice, dy.OnDevice, ids.OnDevice, channels, rows, d);
        checks.Compare("look_up_code_gradient", Text($"[{rows}, {d}]"), memory.Download(table), table.Values, 0);
    }

    /// <summary>Softmax less labels, some of which are ignored; in place too.</summary>
    public void CrossEntropy(int rows, int channels, int vocabulary)
    {
        const float Scale = 0.37f;
        using CheckMemory<TBackend> memory = checks.Memory(46);
        int[] labels = memory.Integers(channels * rows, vocabulary).Values.ToArray();
        for (int i = 2; i < labels.Length; i += 5)
            labels[i] = ITrainingBackend.IgnoredLabel;
        Mirrored<int> given = memory.Place<int>(labels);
        int count = rows * channels * vocabulary;
        float[] logits = memory.Floats(count, 40).Values.ToArray();
        if (rows > 1)
        {
            logits[0] = float.NaN; // stays in its channel
            logits[^1] = float.NegativeInfinity;
        }
        Mirrored<float> x = memory.Place<float>(logits), dx = memory.Unaligned(count);
        string shapes = Text($"[{rows}, {channels}, {vocabulary}]");
        _scalar.CrossEntropyGradient(dx.OnHost, x.OnHost, given.OnHost, rows, channels, vocabulary, Scale);
        backend.CrossEntropyGradient(dx.OnDevice, x.OnDevice, given.OnDevice, rows, channels, vocabulary, Scale);

        // e^x of a difference of up to 80 that is off by a rounding of it, and the sum.
        checks.Compare("cross_entropy_gradient", shapes, memory.Download(dx), dx.Values, 90 * U, 0.1);
        backend.CrossEntropyGradient(x.OnDevice, x.OnDevice, given.OnDevice, rows, channels, vocabulary, Scale);
        checks.Compare("cross_entropy_gradient in place", shapes, memory.Download(x), memory.Download(dx), 0);
    }

    /// <summary>The optimizer's step, the gradients' norm, copies and tanh.</summary>
    public void Values(int count)
    {
        using CheckMemory<TBackend> memory = checks.Memory(47);
        Mirrored<float> w = memory.Unaligned(count), m = memory.Floats(count, 0.01f), v = memory.Floats(count, 5e-5f, 6e-5f), g = memory.Floats(count);
        foreach (var step in (ReadOnlySpan<AdamWStep>)[new(1, 0.01, 0.9, 0.999, 1e-8, 0.1, 1), new(7, 0.002, 0.9, 0.95, 1e-8, 0, 0.3)])
        {
            _scalar.AdamW(w.OnHost, m.OnHost, v.OnHost, g.OnHost, count, step);
            backend.AdamW(w.OnDevice, m.OnDevice, v.OnDevice, g.OnDevice, count, step);
            checks.Compare("adamw weights", $"[{count}]", memory.Download(w), w.Values, 8 * U);
            checks.Compare("adamw means", $"[{count}]", memory.Download(m), m.Values, 8 * U, 0.01);
            checks.Compare("adamw squares", $"[{count}]", memory.Download(v), v.Values, 8 * U, 1e-30);
        }

        double norm = _scalar.SquaredNorm(g.OnHost, count), again = backend.SquaredNorm(g.OnDevice, count);
        checks.Compare("squared_norm", $"[{count}]", [(float)(again / norm), (float)((again - norm) / norm * 1e6)], [1, 0], 1e-6);
        Mirrored<float> y = memory.Unaligned(count);
        _scalar.TanhGradient(y.OnHost, g.OnHost, w.OnHost, count);
        backend.TanhGradient(y.OnDevice, g.OnDevice, w.OnDevice, count);
        checks.Compare("tanh_gradient", $"[{count}]", memory.Download(y), y.Values, 6 * U);
        foreach (float share in (ReadOnlySpan<float>)[0, 0.3f])
        {
            foreach (bool accumulate in (ReadOnlySpan<bool>)[false, true])
            {
                Mirrored<float> dropped = memory.Unaligned(count);
                var mask = new DropoutMask(share, 0x123456789, 7, 3, 1 << 20);
                _scalar.Dropout(dropped.OnHost, g.OnHost, count, mask, 1.5f, accumulate);
                backend.Dropout(dropped.OnDevice, g.OnDevice, count, mask, 1.5f, accumulate);
                checks.Compare("dropout", Text($"[{count}] {share}"), memory.Download(dropped), dropped.Values, 2 * U);
            }
        }
        _scalar.Copy(y.OnHost, w.OnHost, count);
        backend.Copy(y.OnDevice, w.OnDevice, count);
        checks.Compare("copy", $"[{count}]", memory.Download(y), memory.Download(w), 0);
    }
}
