using Dia.Backends;
using Dia.Backends.Scalar;
using Dia.Checks;
using Dia.Configuration;
using Dia.Graph;
using Dia.Weights;

namespace Dia.Tests.Checks;

/// <summary>
/// The checks of kernels at more sizes and with stranger values: what takes too long for whoever only wants to know whether a device works, and tells
/// more to whoever writes a kernel.
/// </summary>
internal sealed unsafe class ThoroughChecks<TBackend>(TBackend backend, KernelChecks<TBackend> checks)
    where TBackend : struct, IBackend
{
    private readonly ScalarBackend _scalar = default;

    private static readonly int[] Widths = [.. Enumerable.Range(1, 33), 127, 2048];

    /// <summary>
    /// Every operation at every small width and some large ones, with every value that a weight can have, and NaN and infinity in every phase.
    /// </summary>
    public void Run()
    {
        foreach (int width in Widths)
        {
            checks.Tables(4, 3, 10, width);
            checks.Values(13, width);
            checks.StepLinear(width, 34 - Math.Min(width, 33));
            checks.BlockLinear(width, 34 - Math.Min(width, 33), width % 8 + 1);
            foreach (OperationKind kind in (ReadOnlySpan<OperationKind>)[OperationKind.RmsNorm, OperationKind.Snake])
                checks.Rows(new OperationInfo(default, "", kind) { N = width }, 5);
            foreach (HiddenActivation activation in Enum.GetValues<HiddenActivation>())
                checks.Rows(new OperationInfo(default, "", OperationKind.GatedActivation) { N = width, Activation = activation }, 3);
            if (width <= 64)
                checks.Rotary(3, 3, 2 * width);
        }

        checks.Values(3, 50_000);
        checks.Rows(new OperationInfo(default, "", OperationKind.RmsNorm) { N = 50_000 }, 2);
        foreach (float range in (ReadOnlySpan<float>)[100, 1e4f, 1e9f])
            checks.Rows(new OperationInfo(default, "", OperationKind.Snake) { N = 33 }, 3, [.. Enumerable.Range(0, 99).Select(i => range * MathF.Sin(i))]);
        foreach ((int rows, int n, int k) in (ReadOnlySpan<(int, int, int)>)[(13, 40, 300), (200, 70, 513), (2, 301, 1000), (7, 600, 64), (1, 1, 1),
            (3, 29, 2099)])
        {
            checks.StepLinear(n, k);
            checks.BlockLinear(n, k, rows);
        }

        foreach (WeightFormat format in checks.Formats)
        {
            EveryStoredValue(format);
            foreach (Phase phase in (ReadOnlySpan<Phase>)[Phase.Prefill, Phase.Decode])
                NotFinite(format, phase);
        }

        foreach ((int inputs, int outputs, int kernel, int stride, int dilation, int rows) in (ReadOnlySpan<(int, int, int, int, int, int)>)
            [(1, 1, 1, 1, 1, 1), (1, 64, 7, 1, 1, 50), (24, 1, 7, 1, 1, 50), (24, 24, 7, 1, 3, 33), (12, 20, 7, 1, 9, 400), (6, 33, 10, 5, 1, 19),
                (300, 17, 3, 1, 1, 11), (5, 40, 1, 1, 1, 9), (37, 1, 5, 2, 1, 11), (24, 1, 7, 1, 3, 50)])
        {
            checks.Convolution(inputs, outputs, kernel, stride, dilation, rows);
        }

        foreach ((int inputs, int outputs, int stride, int rows) in (ReadOnlySpan<(int, int, int, int)>)[(1, 1, 1, 1), (24, 12, 2, 10), (12, 6, 5, 33),
            (96, 48, 8, 7), (8, 1, 3, 250)])
            checks.TransposedConvolution(inputs, outputs, stride, rows);
        checks.Codes(1024, 8);
        checks.Codes(17, 3);
        checks.CloseCodes(2, 1);
        foreach ((int rows, int keys, int heads, int keyHeads, int headDim, int start) in (ReadOnlySpan<(int, int, int, int, int, int)>)
            [(1, 1, 1, 1, 2, -1), (5, 5, 4, 2, 16, 0), (1, 77, 8, 2, 24, 76), (1, 77, 4, 4, 34, 76), (9, 40, 3, 3, 8, 31), (37, 37, 2, 2, 20, -1),
                (70, 300, 4, 1, 128, 230), (1, 300, 16, 16, 128, 299), (1, 30, 5, 5, 32, 12)])
        {
            foreach (bool mapped in (ReadOnlySpan<bool>)[false, true])
                checks.Attention("of three", heads, keyHeads, headDim, [(rows, keys, start), (rows, keys, start), (rows, keys, start)], mapped);
        }
    }

    /// <summary>Matrices of all values that 16 bits can be: each product has one factor that is not 0, so that the sums are exact.</summary>
    private void EveryStoredValue(WeightFormat format)
    {
        const int N = 1986, K = 33;
        using CheckMemory<TBackend> memory = checks.Memory(6);
        float[] values = new float[N * K], ones = new float[K * K];
        for (int i = 0; i < values.Length; i++)
            values[i] = format == WeightFormat.Float16 ? WeightFormats.FromFloat16((ushort)i) : WeightFormats.FromBFloat16((ushort)i);
        for (int i = 0; i < K; i++)
            ones[i * (K + 1)] = 1;
        (Weight host, Weight device) = memory.Weight(new WeightSpec("check", [N, K], WeightRole.Linear), format, values);
        Mirrored<float> x = memory.Place<float>(ones), y = memory.Floats(K * N);
        _scalar.Linear(y.OnHost, x.OnHost, host, K, N, K, Phase.Prefill, false);
        foreach (Phase phase in (ReadOnlySpan<Phase>)[Phase.Prefill, Phase.Decode])
        {
            backend.Linear(y.OnDevice, x.OnDevice, device, K, N, K, phase, false);
            checks.Compare($"every value, {OperationRunner.Name(OperationKind.Linear, phase)} {format}", $"[{K}, {N}, {K}]", memory.Download(y), y.Values, 0);
        }

        // An infinity turns the zeros beside it into NaN above: its own conversion shows where every factor is 1.
        Mirrored<float> sums = memory.Floats(N);
        x = memory.Place<float>([.. Enumerable.Repeat(1f, K)]);
        foreach (Phase phase in (ReadOnlySpan<Phase>)[Phase.Prefill, Phase.Decode])
        {
            _scalar.Linear(sums.OnHost, x.OnHost, host, 1, N, K, phase, false);
            backend.Linear(sums.OnDevice, x.OnDevice, device, 1, N, K, phase, false);
            if (format == WeightFormat.Float16)
                checks.Compare($"every value summed, {OperationRunner.Name(OperationKind.Linear, phase)} {format}", $"[1, {N}, {K}]", memory.Download(sums),
                    sums.Values, KernelChecks<TBackend>.SumTolerance(K));
        }
    }

    /// <summary>NaN and infinity among a row's values stay in the row.</summary>
    private void NotFinite(WeightFormat format, Phase phase)
    {
        const int Rows = 7, N = 19, K = 45;
        using CheckMemory<TBackend> memory = checks.Memory(7);
        (Weight host, Weight device) = memory.Weight(WeightRole.Linear, format, [N, K]);
        Mirrored<float> x = memory.Floats(Rows * K), y = memory.Floats(Rows * N);
        float[] values = x.Values.ToArray();
        (values[4 * K - 1], values[5 * K], values[6 * K + 8]) = (float.NaN, float.PositiveInfinity, float.NegativeInfinity);
        x = memory.Place<float>(values);
        _scalar.Linear(y.OnHost, x.OnHost, host, Rows, N, K, phase, false);
        backend.Linear(y.OnDevice, x.OnDevice, device, Rows, N, K, phase, false);
        checks.Compare($"not finite, {OperationRunner.Name(OperationKind.Linear, phase)} {format}", $"[{Rows}, {N}, {K}]", memory.Download(y), y.Values,
            KernelChecks<TBackend>.SumTolerance(K), K / 4.0);
    }

    /// <summary>
    /// A key or value that is NaN or infinite touches the rows that see it, and no other: the processor keeps to that; a GPU multiplies what is
    /// hidden by 0.
    /// </summary>
    public void HiddenKeys(int rows, int headDim)
    {
        using CheckMemory<TBackend> memory = checks.Memory(22);
        int capacity = rows + 2;
        float[] cache = memory.Floats(2 * KernelChecks<TBackend>.Layers * capacity * headDim).Values.ToArray();
        cache[(2 * capacity + 6) * headDim + 1] = float.NaN; // the second layer's key 6
        cache[(3 * capacity + 8) * headDim + 3] = float.PositiveInfinity; // and its value 8
        Mirrored<byte>[] caches = [memory.Place<float>(cache).Bytes];
        (Mirrored<AttentionItem> items, _) = KernelChecks<TBackend>.Items(memory, [(rows, rows, 0)], caches, capacity, headDim, null);
        Mirrored<float> q = memory.Floats(rows * headDim), y = memory.Floats(rows * headDim);
        _scalar.Attention(y.OnHost, q.OnHost, new AttentionBatch(items.OnHost, 1, rows, rows), 1, 1, 1, headDim, null);
        backend.Attention(y.OnDevice, q.OnDevice, new AttentionBatch(items.OnDevice, 1, rows, rows), 1, 1, 1, headDim, null);
        bool hidden = !y.Values[..(6 * headDim)].ContainsAny(float.NaN, float.PositiveInfinity) && float.IsNaN(y.Values[6 * headDim]);
        checks.Compare("attention, hidden keys", $"[{rows}, {headDim}]", hidden ? memory.Download(y) : [], y.Values,
            (20 + 4 * headDim) * KernelChecks<TBackend>.U);
    }
}
