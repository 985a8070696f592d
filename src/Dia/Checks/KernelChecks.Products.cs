using Dia.Backends;
using Dia.Graph;
using Dia.Weights;

namespace Dia.Checks;

// Sums of products: linear layers and convolutions.
public sealed unsafe partial class KernelChecks<TBackend>
{
    /// <summary>
    /// A linear layer for few rows, at every size of tile; each row must be the same bits whatever rows are beside it, and NaN and infinity stay in theirs.
    /// </summary>
    public void StepLinear(int n, int k)
    {
        foreach (WeightFormat format in Formats)
        {
            using CheckMemory<TBackend> memory = Memory(10);
            (Weight host, Weight device) = memory.Weight(WeightRole.Linear, format, [n, k]);
            const int Most = 13;
            float[] values = memory.Floats(Most * k).Values.ToArray();
            (values[4 * k - 1], values[6 * k], values[Most * k - 1 - k / 2]) = (float.NaN, float.PositiveInfinity, float.NegativeInfinity);
            Mirrored<float> x = memory.Place<float>(values), y = memory.Floats(Most * n);
            float[] single = new float[Most * n];
            for (int r = 0; r < Most; r++)
            {
                Mirrored<float> one = memory.Floats(n);
                _backend.Linear(one.OnDevice, x.OnDevice + r * k, device, 1, n, k, Phase.Decode, false);
                memory.Download(one).CopyTo(single, r * n);
            }

            _scalar.Linear(y.OnHost, x.OnHost, host, Most, n, k, Phase.Decode, false);
            Compare("step_linear " + format, $"[1, {n}, {k}]", single, y.Values, SumTolerance(k), k / 4.0);
            foreach (int rows in (ReadOnlySpan<int>)[2, 3, 4, 6, 7, Most])
            {
                _backend.Linear(y.OnDevice, x.OnDevice, device, rows, n, k, Phase.Decode, false);
                Compare($"step_linear rows alike {format}", $"[{rows}, {n}, {k}]", memory.Download(y).AsSpan(0, rows * n), single.AsSpan(0, rows * n), 0);
            }

            foreach (int rows in (ReadOnlySpan<int>)[1, 7])
            {
                Mirrored<float> unaligned = memory.Unaligned(rows * k), sum = memory.Floats(rows * n);
                _scalar.Linear(sum.OnHost, unaligned.OnHost, host, rows, n, k, Phase.Decode, true);
                _backend.Linear(sum.OnDevice, unaligned.OnDevice, device, rows, n, k, Phase.Decode, true);
                Compare("step_linear accumulated, unaligned " + format, $"[{rows}, {n}, {k}]", memory.Download(sum), sum.Values, SumTolerance(k), Math.Max(1, k / 4.0));
            }
        }
    }

    /// <summary>A linear layer for many rows.</summary>
    public void BlockLinear(int n, int k, int rows = 67)
    {
        foreach (WeightFormat format in Formats)
        {
            using CheckMemory<TBackend> memory = Memory(11);
            (Weight host, Weight device) = memory.Weight(WeightRole.Linear, format, [n, k]);
            float[] values = memory.Floats(rows * k).Values.ToArray();
            values[k / 2] = float.NaN; // stays in its row
            values[^1] = float.PositiveInfinity;
            Mirrored<float> x = memory.Place<float>(values), y = memory.Floats(rows * n);
            foreach (bool accumulate in (ReadOnlySpan<bool>)[true, false])
            {
                _scalar.Linear(y.OnHost, x.OnHost, host, rows, n, k, Phase.Prefill, accumulate);
                _backend.Linear(y.OnDevice, x.OnDevice, device, rows, n, k, Phase.Prefill, accumulate);
                Compare($"block_linear{(accumulate ? " accumulated" : "")} {format}", $"[{rows}, {n}, {k}]", memory.Download(y), y.Values, SumTolerance(k),
                    Math.Max(1, k / 4.0));
            }

            Mirrored<float> unaligned = memory.Unaligned(rows * k);
            _scalar.Linear(y.OnHost, unaligned.OnHost, host, rows, n, k, Phase.Prefill, false);
            _backend.Linear(y.OnDevice, unaligned.OnDevice, device, rows, n, k, Phase.Prefill, false);
            Compare($"block_linear unaligned {format}", $"[{rows}, {n}, {k}]", memory.Download(y), y.Values, SumTolerance(k), Math.Max(1, k / 4.0));
        }
    }

    /// <summary>A convolution; the end of its rows made alone must be the same bits as in the whole.</summary>
    public void Convolution(int inputs, int outputs, int kernel, int stride, int dilation, int rows = 70)
    {
        foreach (WeightFormat format in Formats)
        {
            using CheckMemory<TBackend> memory = Memory(12);
            (Weight host, Weight device) = memory.Weight(WeightRole.Convolution, format, [outputs, inputs, kernel]);
            (Weight hostBias, Weight deviceBias) = memory.Weight(WeightRole.Vector, format, [outputs]);
            int windows = (rows - 1) * stride + (kernel - 1) * dilation + 1, k = kernel * inputs;
            float[] values = memory.Floats(windows * inputs).Values.ToArray();
            values[^1] = format == WeightFormat.Float16 ? float.NaN : float.PositiveInfinity; // of the last rows; float16's halves end at 65504
            Mirrored<float> x = memory.Place<float>(values), y = memory.Floats(rows * outputs);
            string shapes = Text($"[{rows}, {inputs}, {outputs}] k{kernel} s{stride} d{dilation}");
            foreach (bool accumulate in (ReadOnlySpan<bool>)[true, false])
            {
                _scalar.Convolution(y.OnHost, x.OnHost, host, hostBias, rows, inputs, outputs, kernel, stride, dilation, accumulate);
                _backend.Convolution(y.OnDevice, x.OnDevice, device, deviceBias, rows, inputs, outputs, kernel, stride, dilation, accumulate);
                Compare($"convolution{(accumulate ? " accumulated" : "")} {format}", shapes, memory.Download(y), y.Values, ConvolutionTolerance(format, k),
                    Math.Max(2, k / 4.0));
            }

            float[] whole = memory.Download(y);
            int from = rows / 3;
            Mirrored<float> part = memory.Floats((rows - from) * outputs);
            _backend.Convolution(part.OnDevice, x.OnDevice + from * stride * inputs, device, deviceBias, rows - from, inputs, outputs, kernel, stride,
                dilation, false);
            Compare("convolution rows alike " + format, shapes, memory.Download(part), whole.AsSpan(from * outputs), 0);
            ThroughSnake("convolution", $"{shapes} {format}", memory, rows, outputs, (to, snake, alpha) => _backend.Convolution(
                (float*)to, x.OnDevice, device, deviceBias, rows, inputs, outputs, kernel, stride, dilation, true, (float*)snake, alpha));
        }
    }

    /// <summary>
    /// The same by minimal filtering, where the backend can do that: the last of its tiles made alone must be the same bits, and what is not finite stays in
    /// the tiles that read it.
    /// </summary>
    public void FilteredConvolution(int inputs, int outputs, int dilation, int tiles = 7)
    {
        foreach (WeightFormat format in Formats)
        {
            using CheckMemory<TBackend> memory = Memory(16);
            const int Taps = ConvolutionWindow.FilterTaps;
            WeightSpec spec = new("check", [outputs, inputs, Taps], WeightRole.Convolution) { IsFiltered = true };
            (Weight host, Weight device) = memory.Weight(spec, format, memory.Floats((int)spec.Count).Values.ToArray());
            if (!device.IsFiltered)
                return;
            (Weight hostBias, Weight deviceBias) = memory.Weight(WeightRole.Vector, format, [outputs]);
            int tile = ConvolutionWindow.FilterResults * dilation, rows = tiles * tile, windows = rows + (Taps - 1) * dilation;
            Mirrored<float> x = memory.Unaligned(windows * inputs), y = memory.Floats(rows * outputs), part = memory.Floats(tile * outputs);
            string shapes = Text($"[{rows}, {inputs}, {outputs}] d{dilation}");
            foreach (bool accumulate in (ReadOnlySpan<bool>)[true, false])
            {
                _scalar.Convolution(y.OnHost, x.OnHost, host, hostBias, rows, inputs, outputs, Taps, 1, dilation, accumulate);
                _backend.Convolution(y.OnDevice, x.OnDevice, device, deviceBias, rows, inputs, outputs, Taps, 1, dilation, accumulate);
                Compare($"filtered convolution{(accumulate ? " accumulated" : "")} {format}", shapes, memory.Download(y), y.Values,
                    FilterTolerance(inputs * Taps), Math.Max(2, inputs * Taps / 4.0));
            }

            float[] whole = memory.Download(y);
            int last = (tiles - 1) * tile;
            _backend.Convolution(part.OnDevice, x.OnDevice + last * inputs, device, deviceBias, tile, inputs, outputs, Taps, 1, dilation, false);
            Compare("filtered convolution tiles alike " + format, shapes, memory.Download(part), whole.AsSpan(last * outputs), 0);
            ThroughSnake("filtered convolution", $"{shapes} {format}", memory, rows, outputs, (to, snake, alpha) => _backend.Convolution(
                (float*)to, x.OnDevice, device, deviceBias, rows, inputs, outputs, Taps, 1, dilation, true, (float*)snake, alpha));

            // Of the last sequence's last tile the sixth row, which is the last one's row in the tile before, too.
            float[] values = x.Values.ToArray();
            values[(last + 6 * dilation) * inputs - 1] = float.PositiveInfinity;
            Mirrored<float> infinite = memory.Place<float>(values);
            for (int r = last - 1; r < rows; r += dilation)
                whole.AsSpan(r * outputs, outputs).Fill(float.NaN);
            _backend.Convolution(y.OnDevice, infinite.OnDevice, device, deviceBias, rows, inputs, outputs, Taps, 1, dilation, false);
            float[] actual = memory.Download(y);
            for (int i = 0; i < actual.Length; i++)
                actual[i] = float.IsFinite(actual[i]) ? actual[i] : float.NaN;
            Compare("filtered convolution of an infinity " + format, shapes, actual, whole, 0);
        }
    }

    /// <summary>A transposed convolution of kernel 2·stride.</summary>
    public void TransposedConvolution(int inputs, int outputs, int stride, int rows = 21)
    {
        foreach (WeightFormat format in Formats)
        {
            using CheckMemory<TBackend> memory = Memory(13);
            (Weight host, Weight device) = memory.Weight(WeightRole.TransposedConvolution, format, [inputs, outputs, 2 * stride]);
            (Weight hostBias, Weight deviceBias) = memory.Weight(WeightRole.Vector, format, [outputs]);
            Mirrored<float> x = memory.Floats((rows + 1) * inputs), y = memory.Floats(rows * stride * outputs);
            _scalar.TransposedConvolution(y.OnHost, x.OnHost, host, hostBias, rows, inputs, outputs, stride);
            _backend.TransposedConvolution(y.OnDevice, x.OnDevice, device, deviceBias, rows, inputs, outputs, stride);
            Compare("transposed_convolution " + format, Text($"[{rows}, {inputs}, {outputs}] s{stride}"), memory.Download(y), y.Values,
                ConvolutionTolerance(format, 2 * inputs), Math.Max(2, inputs / 2.0));
            ThroughSnake("transposed_convolution", Text($"[{rows}, {inputs}, {outputs}] s{stride} {format}"), memory, rows * stride, outputs,
                (to, snake, alpha) => _backend.TransposedConvolution(
                    (float*)to, x.OnDevice, device, deviceBias, rows, inputs, outputs, stride, (float*)snake, alpha));
        }
    }

    private delegate void Convolve(nint y, nint snake, Weight alpha);

    /// <summary>What goes through Snake as it is computed, beside the results or in their place, has the bits of Snake of the results.</summary>
    private void ThroughSnake(string name, string shapes, CheckMemory<TBackend> memory, int rows, int outputs, Convolve convolve)
    {
        float[] alphas = memory.Floats(outputs, 0.9f, 1.2f).Values.ToArray();
        alphas[outputs / 2] = 3e6f; // so many turns of the sine are reduced in another way
        (_, Weight alpha) = memory.Weight(new WeightSpec("check", [outputs], WeightRole.Vector), WeightFormat.Float32, alphas);
        float[] start = memory.Floats(rows * outputs).Values.ToArray();
        Mirrored<float> plain = memory.Place<float>(start), expected = memory.Place<float>(start), beside = memory.Place<float>(start),
            snake = memory.Place<float>(start), inPlace = memory.Place<float>(start);
        convolve((nint)plain.OnDevice, 0, default);
        _backend.Snake(expected.OnDevice, plain.OnDevice, alpha, rows, outputs);
        float[] results = memory.Download(plain), through = memory.Download(expected);
        convolve((nint)beside.OnDevice, (nint)snake.OnDevice, alpha);
        convolve((nint)inPlace.OnDevice, (nint)inPlace.OnDevice, alpha);
        Compare(name + " beside snake", shapes, memory.Download(beside), results, 0);
        Compare(name + " through snake", shapes, memory.Download(snake), through, 0);
        Compare(name + " through snake in place", shapes, memory.Download(inPlace), through, 0);
    }

    internal static double SumTolerance(int k) => (4 + Math.Sqrt(k)) * U;

    // Minimal filtering at these points is off by about eleven times as much as the plain sum, and at worst by some more.
    private static double FilterTolerance(int k) => 24 * SumTolerance(k);

    private static double ConvolutionTolerance(WeightFormat format, int k) => SumTolerance(k) + (format == WeightFormat.Float32 ? 0 : 1.0 / (1 << 17));
}
