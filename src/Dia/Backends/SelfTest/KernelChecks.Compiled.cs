using Dia.Configuration;
using Dia.Graph;
using Dia.Modeling;
using Dia.Weights;

namespace Dia.Backends.SelfTest;

// The shapes of compiled models. The scalar side makes a sample of the outputs where all of them would take too long: the table says how many.
public sealed unsafe partial class KernelChecks<TBackend>
{
    private const int SampleWidth = 8;

    // Values of a weight up to which the scalar side makes all outputs: seconds for all shapes of a small model.
    private const int Whole = 1 << 20;

    private readonly HashSet<(OperationKind, int, int, int, int, int, int, int, int, int, HiddenActivation)> _seen = [];

    /// <summary>Every operation at the shapes of a model and its codec, in every format of weights. A shape that an earlier model has is not repeated.</summary>
    public void RunCompiled(CompiledModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        DiaConfig? config = model.Config;
        foreach (OperationInfo o in model.Operations().Concat(model.CodecLayout?.Operations ?? []))
        {
            if (!_seen.Add((o.Kind, o.N, o.K, o.Entries, o.Heads, o.KeyHeads, o.HeadDim, o.Kernel, o.Stride, o.Dilation, o.Activation)))
                continue;
            if (o.Kind == OperationKind.Attention)
                Attention(o, o is { Function: Function.Decode, Rows: Graph.Rows.All } ? config!.RowCapacity : config!.EncoderConfig.MaxPositionEmbeddings);
            else
                Check(o, (long)o.N * o.K * Math.Max(o.Kernel, 1) > Whole);
        }
    }

    private void Check(OperationInfo o, bool isLarge)
    {
        switch (o.Kind)
        {
            case OperationKind.EmbeddingSum:
                Tables(4, o.Heads, o.Entries, o.N);
                break;
            case OperationKind.RmsNorm or OperationKind.GatedActivation or OperationKind.Snake:
                Rows(o, 3);
                break;
            case OperationKind.Linear when isLarge:
                LargeLinear(o.N, o.K);
                break;
            case OperationKind.Linear:
                StepLinear(o.N, o.K);
                BlockLinear(o.N, o.K);
                break;
            case OperationKind.Convolution when isLarge:
                LargeConvolution(o.K, o.N, o.Kernel, o.Stride, o.Dilation);
                break;
            case OperationKind.Convolution:
                Convolution(o.K, o.N, o.Kernel, o.Stride, o.Dilation);
                break;
            case OperationKind.TransposedConvolution when isLarge:
                LargeTransposedConvolution(o.K, o.N, o.Stride);
                break;
            case OperationKind.TransposedConvolution:
                TransposedConvolution(o.K, o.N, o.Stride);
                break;
            case OperationKind.NearestCode:
                Codes(o.Entries, o.K);
                break;
        }
    }

    private void Attention(OperationInfo o, int keys)
    {
        Rotary(o.Heads, o.KeyHeads, o.HeadDim);
        Attention(o.Heads, o.KeyHeads, o.HeadDim);
        Attention($"rows, {keys} keys", o.Heads, o.KeyHeads, o.HeadDim, [(1, keys, keys - 1), (1, keys, -1), (1, 70, -1)], false);
    }

    /// <summary>Linear layers of few and of many rows.</summary>
    private void LargeLinear(int n, int k)
    {
        using var memory = new CheckMemory<TBackend>(_backend, 30);
        const int Few = 8, Many = 67;
        WeightSpec spec = new("check", [n, k], WeightRole.Linear);
        float[] values = memory.Floats(n * k).Values.ToArray();
        Twin<float> x = memory.Floats(Many * k), y = memory.Floats(Many * n), pair = memory.Floats(2 * n);
        foreach (WeightFormat format in Formats)
        {
            StoredWeight stored = memory.Store(format, values);
            Weight device = memory.Prepare(spec, stored);
            _backend.Linear(y.OnDevice, x.OnDevice, device, Few, n, k, Phase.Decode, false);
            float[] few = memory.Download(y)[..(Few * n)];
            foreach (int rows in (ReadOnlySpan<int>)[1, 2])
            {
                _backend.Linear(pair.OnDevice, x.OnDevice, device, rows, n, k, Phase.Decode, false);
                Compare($"step_linear rows alike {format}", Text($"[{rows}, {n}, {k}]"), memory.Download(pair).AsSpan(0, rows * n), few.AsSpan(0, rows * n), 0);
            }

            _backend.Linear(y.OnDevice, x.OnDevice, device, Many, n, k, Phase.Prefill, false);
            float[] many = memory.Download(y);
            CompareColumns("step_linear " + format, Text($"[{Few}, {n}, {k}]"), few, Few, n, SumTolerance(k), k / 4.0, (to, from, count) =>
                _scalar.Linear((float*)to, x.OnHost, _scalar.Prepare(spec, stored.From((long)from * k)), Few, count, k, Phase.Decode, false));
            CompareColumns("block_linear " + format, Text($"[{Many}, {n}, {k}]"), many, Many, n, SumTolerance(k), k / 4.0, (to, from, count) =>
                _scalar.Linear((float*)to, x.OnHost, _scalar.Prepare(spec, stored.From((long)from * k)), Many, count, k, Phase.Prefill, false));
            memory.ReleaseWeights();
        }
    }

    private void LargeConvolution(int inputs, int outputs, int kernel, int stride, int dilation)
    {
        using var memory = new CheckMemory<TBackend>(_backend, 31);
        const int Rows = 70;
        int k = kernel * inputs;
        WeightSpec spec = new("check", [outputs, inputs, kernel], WeightRole.Convolution), biasSpec = new("check", [outputs], WeightRole.Vector);
        float[] values = memory.Floats(outputs * k).Values.ToArray(), biases = memory.Floats(outputs).Values.ToArray();
        Twin<float> x = memory.Floats((((Rows - 1) * stride) + ((kernel - 1) * dilation) + 1) * inputs), y = memory.Floats(Rows * outputs);
        foreach (WeightFormat format in Formats)
        {
            StoredWeight stored = memory.Store(format, values), storedBias = memory.Store(format, biases);
            _backend.Convolution(y.OnDevice, x.OnDevice, memory.Prepare(spec, stored), memory.Prepare(biasSpec, storedBias), Rows, inputs, outputs, kernel, stride, dilation, false);
            CompareColumns("convolution " + format, Text($"[{Rows}, {inputs}, {outputs}] k{kernel} s{stride} d{dilation}"), memory.Download(y), Rows, outputs,
                ConvolutionTolerance(format, k), Math.Max(2, k / 4.0), (to, from, count) => _scalar.Convolution(
                    (float*)to, x.OnHost, _scalar.Prepare(spec, stored.From((long)from * k)), _scalar.Prepare(biasSpec, storedBias.From(from)),
                    Rows, inputs, count, kernel, stride, dilation, false));
            memory.ReleaseWeights();
        }
    }

    private void LargeTransposedConvolution(int inputs, int outputs, int stride)
    {
        using var memory = new CheckMemory<TBackend>(_backend, 32);
        const int Rows = 21, Sampled = 1;
        WeightSpec spec = new("check", [inputs, outputs, 2 * stride], WeightRole.TransposedConvolution), biasSpec = new("check", [outputs], WeightRole.Vector);
        float[] values = memory.Floats(inputs * outputs * 2 * stride).Values.ToArray(), biases = memory.Floats(outputs).Values.ToArray();
        Twin<float> x = memory.Floats((Rows + 1) * inputs), y = memory.Floats(Rows * stride * outputs);
        int width = stride * outputs, last = Rows - Sampled;
        foreach (WeightFormat format in Formats)
        {
            (Weight host, Weight device) = memory.Weight(spec, format, values);
            (Weight hostBias, Weight deviceBias) = memory.Weight(biasSpec, format, biases);
            _backend.TransposedConvolution(y.OnDevice, x.OnDevice, device, deviceBias, Rows, inputs, outputs, stride);
            float[] actual = memory.Download(y);
            _scalar.TransposedConvolution(y.OnHost, x.OnHost, host, hostBias, Sampled, inputs, outputs, stride);
            _scalar.TransposedConvolution(y.OnHost + (last * width), x.OnHost + (last * inputs), host, hostBias, Sampled, inputs, outputs, stride);
            Compare("transposed_convolution " + format, Text($"[{Rows}, {inputs}, {outputs}] s{stride}, {2 * Sampled} rows of it"),
                [.. actual.AsSpan(0, Sampled * width), .. actual.AsSpan(last * width)], [.. y.Values[..(Sampled * width)], .. y.Values[(last * width)..]],
                ConvolutionTolerance(format, 2 * inputs), Math.Max(2, inputs / 2.0));
            memory.ReleaseWeights();
        }
    }

    private delegate void Sample(nint to, int from, int count);

    /// <summary>Compares the first, middle and last columns of y [rows, n] with what the scalar backend makes of those alone.</summary>
    private void CompareColumns(string name, string shapes, float[] y, int rows, int n, double tolerance, double scale, Sample sample)
    {
        int count = Math.Min(SampleWidth, n);
        int[] starts = n <= 3 * SampleWidth ? [0] : [0, (n - count) / 2, n - count];
        if (starts.Length == 1)
            count = n;
        float[] actual = new float[starts.Length * rows * count], expected = new float[actual.Length];
        fixed (float* to = expected)
        {
            for (int s = 0; s < starts.Length; s++)
            {
                sample((nint)(to + (s * rows * count)), starts[s], count);
                for (int r = 0; r < rows; r++)
                    y.AsSpan((r * n) + starts[s], count).CopyTo(actual.AsSpan(((s * rows) + r) * count));
            }
        }

        Compare(name, starts.Length == 1 ? shapes : Text($"{shapes}, {starts.Length * count} outputs of it"), actual, expected, tolerance, scale);
    }
}
