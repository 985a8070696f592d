using Dia.Backends;
using Dia.Configuration;
using Dia.Graph;
using Dia.Networks;
using Dia.Weights;

namespace Dia.Checks;

// The shapes of compiled models. The scalar side makes a sample of the outputs where all of them would take too long: the table says how many.
public sealed unsafe partial class KernelChecks<TBackend>
{
    private const int SampleWidth = 8;

    // Values of a weight up to which the scalar side makes all outputs: seconds for all shapes of a small model.
    private const int Whole = 1 << 20;

    private readonly HashSet<(OperationKind, bool, int, int, int, int, int, int, int, int, int, HiddenActivation)> _seen = [];

    /// <summary>Every operation at the shapes of a network, in every format of weights. A shape that an earlier one has is not repeated.</summary>
    public void RunCompiled(CompiledNetwork network)
    {
        ArgumentNullException.ThrowIfNull(network);
        foreach (OperationInfo o in network.Operations().SelectMany(WithSnake))
        {
            if (!_seen.Add((o.Kind, o.Alpha >= 0, o.N, o.K, o.Entries, o.Heads, o.KeyHeads, o.HeadDim, o.Kernel, o.Stride, o.Dilation, o.Activation)))
                continue;
            if (o.Kind == OperationKind.Attention && network is CompiledModel { Config: var config })
                Attention(o, o is { Function: Function.Decode, Rows: Graph.Rows.All } ? config.RowCapacity : config.EncoderConfig.MaxPositionEmbeddings);
            else
                Check(o, (long)o.N * o.K * Math.Max(o.Kernel, 1) > Whole);
        }
    }

    // The Snake at a convolution's end also by itself, against plain loops.
    private static OperationInfo[] WithSnake(OperationInfo o) =>
        o.Alpha < 0 ? [o] : [o, new OperationInfo(o.Function, o.Stage, OperationKind.Snake) { N = o.N }];

    private void Check(OperationInfo o, bool isLarge)
    {
        switch (o.Kind)
        {
            case OperationKind.EmbeddingSum:
                Tables(4, o.Heads, o.Entries, o.N);
                break;
            default:
                if (OperationRunner.RowCheck(o) is not null)
                    Rows(o, 3);
                break;
            case OperationKind.Linear when isLarge:
                Large(o, 8, Phase.Decode, _ => SumTolerance(o.K));
                Large(o, 67, Phase.Prefill, _ => SumTolerance(o.K));
                LargeIntegers(o);
                break;
            case OperationKind.Linear:
                StepLinear(o.N, o.K);
                BlockLinear(o.N, o.K);
                LargeIntegers(o);
                break;
            case OperationKind.Convolution when isLarge:
                Large(o, 70, Phase.Prefill, format => ConvolutionTolerance(format, o.K * o.Kernel));
                break;
            case OperationKind.Convolution:
                Convolution(o.K, o.N, o.Kernel, o.Stride, o.Dilation);
                if (o.Tile > 0)
                    FilteredConvolution(o.K, o.N, o.Dilation);
                break;
            case OperationKind.TransposedConvolution when isLarge:
                LargeTransposedConvolution(o.K, o.N, o.Stride, o.Alpha >= 0);
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

    /// <summary>A product of many weights: the scalar side makes some of its outputs.</summary>
    private void Large(OperationInfo o, int rows, Phase phase, Func<WeightFormat, double> tolerance)
    {
        using CheckMemory<TBackend> memory = Memory(30);
        bool isLinear = o.Kind == OperationKind.Linear;
        int k = o.K * Math.Max(o.Kernel, 1);
        WeightSpec spec = isLinear ? new("check", [o.N, o.K], WeightRole.Linear) : new("check", [o.N, o.K, o.Kernel], WeightRole.Convolution),
            biasSpec = new("check", [o.N], WeightRole.Vector);
        float[] values = memory.Floats(o.N * k).Values.ToArray(), biases = memory.Floats(o.N).Values.ToArray();
        Mirrored<float> x = memory.Floats((int)OperationRunner.InputValues(o, rows)), y = memory.Floats(rows * o.N);
        string shapes = isLinear ? Text($"[{rows}, {o.N}, {o.K}]") : Text($"[{rows}, {o.K}, {o.N}] k{o.Kernel} s{o.Stride} d{o.Dilation}");
        foreach (WeightFormat format in Formats)
        {
            StoredWeight stored = memory.Store(format, values), storedBias = memory.Store(format, biases);
            var device = new Operands { Y = y.OnDevice, X = x.OnDevice, Weight = memory.Prepare(spec, stored), Bias = memory.Prepare(biasSpec, storedBias),
                Rows = rows, Phase = phase };
            OperationRunner.Run(_backend, o, device);
            float[] whole = memory.Download(y);
            CompareColumns($"{OperationRunner.Name(o.Kind, phase)} {format}", shapes, whole, rows, o.N, tolerance(format),
                isLinear ? k / 4.0 : Math.Max(2, k / 4.0), (to, from, count) =>
                OperationRunner.Run(_scalar, o with { N = count }, new Operands
                {
                    Y = (float*)to, X = x.OnHost, Weight = _scalar.Prepare(spec, stored.From((long)from * k)),
                        Bias = _scalar.Prepare(biasSpec, storedBias.From(from)), Rows = rows, Phase = phase,
                }));
            for (int few = 1; phase == Phase.Decode && few <= 2; few++)
            {
                OperationRunner.Run(_backend, o, device with { Rows = few });
                Compare($"step_linear rows alike {format}", Text($"[{few}, {o.N}, {o.K}]"), memory.Download(y).AsSpan(0, few * o.N), whole.AsSpan(0, few * o.N),
                    0);
            }

            if (o.Alpha >= 0)
            {
                ThroughSnake("convolution", $"{shapes} {format}", memory, rows, o.N, (to, snake, alpha) => _backend.Convolution(
                    (float*)to, x.OnDevice, device.Weight, device.Bias, rows, o.K, o.N, o.Kernel, o.Stride, o.Dilation, true, (float*)snake, alpha));
            }

            memory.ReleaseWeights();
        }
    }

    /// <summary>A linear layer with many integers, in every phase.</summary>
    private void LargeIntegers(OperationInfo o)
    {
        using CheckMemory<TBackend> memory = Memory(33);
        const int Few = 8, Many = 67;
        WeightSpec spec = new("check", [o.N, o.K], WeightRole.Linear);
        Mirrored<float> x = memory.Floats(Many * o.K), y = memory.Floats(Many * o.N);
        foreach (WeightStorage storage in CommonIntegers.Intersect(Integers))
        {
            StoredWeight stored = memory.StoreIntegers(storage, o.N, o.K);
            Weight device = memory.Prepare(spec, stored);
            foreach ((Phase phase, int rows) in (ReadOnlySpan<(Phase, int)>)[(Phase.Decode, Few), (Phase.RoundedDecode, Few), (Phase.Prefill, Many)])
            {
                if (phase == Phase.RoundedDecode && !Rounds)
                    continue;
                _backend.Linear(y.OnDevice, x.OnDevice, device, rows, o.N, o.K, phase, false);
                CompareColumns($"{Name(phase)} {Text(storage)}", Text($"[{rows}, {o.N}, {o.K}]"), memory.Download(y), rows, o.N, SumTolerance(o.K), o.K / 4.0,
                    (to, from, count) => _scalar.Linear((float*)to, x.OnHost, _scalar.Prepare(spec, stored.From((long)from * o.K)), rows, count, o.K, phase,
                        false));
            }

            memory.ReleaseWeights();
        }
    }

    private void LargeTransposedConvolution(int inputs, int outputs, int stride, bool snakes)
    {
        using CheckMemory<TBackend> memory = Memory(32);
        const int Rows = 21, Sampled = 1;
        WeightSpec spec = new("check", [inputs, outputs, 2 * stride], WeightRole.TransposedConvolution), biasSpec = new("check", [outputs], WeightRole.Vector);
        float[] values = memory.Floats(inputs * outputs * 2 * stride).Values.ToArray(), biases = memory.Floats(outputs).Values.ToArray();
        Mirrored<float> x = memory.Floats((Rows + 1) * inputs), y = memory.Floats(Rows * stride * outputs);
        int width = stride * outputs, last = Rows - Sampled;
        foreach (WeightFormat format in Formats)
        {
            (Weight host, Weight device) = memory.Weight(spec, format, values);
            (Weight hostBias, Weight deviceBias) = memory.Weight(biasSpec, format, biases);
            _backend.TransposedConvolution(y.OnDevice, x.OnDevice, device, deviceBias, Rows, inputs, outputs, stride);
            float[] actual = memory.Download(y);
            _scalar.TransposedConvolution(y.OnHost, x.OnHost, host, hostBias, Sampled, inputs, outputs, stride);
            _scalar.TransposedConvolution(y.OnHost + last * width, x.OnHost + last * inputs, host, hostBias, Sampled, inputs, outputs, stride);
            Compare("transposed_convolution " + format, Text($"[{Rows}, {inputs}, {outputs}] s{stride}, {2 * Sampled} rows of it"),
                [.. actual.AsSpan(0, Sampled * width), .. actual.AsSpan(last * width)], [.. y.Values[..(Sampled * width)], .. y.Values[(last * width)..]],
                ConvolutionTolerance(format, 2 * inputs), Math.Max(2, inputs / 2.0));
            if (snakes)
            {
                ThroughSnake("transposed_convolution", Text($"[{Rows}, {inputs}, {outputs}] s{stride} {format}"), memory, Rows * stride, outputs,
                    (to, snake, alpha) => _backend.TransposedConvolution(
                        (float*)to, x.OnDevice, device, deviceBias, Rows, inputs, outputs, stride, (float*)snake, alpha));
            }

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
                sample((nint)(to + s * rows * count), starts[s], count);
                for (int r = 0; r < rows; r++)
                    y.AsSpan(r * n + starts[s], count).CopyTo(actual.AsSpan((s * rows + r) * count));
            }
        }

        Compare(name, starts.Length == 1 ? shapes : Text($"{shapes}, {starts.Length * count} outputs of it"), actual, expected, tolerance, scale);
    }
}
