using Dia.Backends;
using Dia.Backends.Cpu;
using Dia.Backends.Scalar;
using Dia.Graph;
using Dia.Weights;
using Xunit;

namespace Dia.Tests.Backends;

/// <summary>Linear layers and convolutions of the CPU backend against the scalar one, and the order of their sums.</summary>
public sealed unsafe class LinearTests : IDisposable
{
    private readonly CpuBackend _cpu = new(2);
    private readonly ScalarBackend _scalar = new();

    public void Dispose() => _cpu.Dispose();

    public static TheoryData<int, int, int, WeightFormat> Sizes()
    {
        TheoryData<int, int, int, WeightFormat> data = [];
        WeightFormat[] formats = [WeightFormat.Float32, WeightFormat.BFloat16, WeightFormat.Float16];
        for (int i = 1; i <= 33; i++)
            data.Add(i % 8 + 1, i, 34 - i, formats[i % 3]);
        foreach (WeightFormat format in formats)
        {
            data.Add(1, 1, 1, format);
            data.Add(13, 40, 300, format);
            data.Add(200, 70, 513, format);
            data.Add(2, 301, 1000, format);
            data.Add(7, 600, 64, format);
        }
        return data;
    }

    // A chain or tree of k fused multiply-adds, in float32, plus the final addition: at most (k + 2)·2⁻²⁴ of the sum of magnitudes.
    private static double Bound(long k) => (k + 2) * Math.Pow(2, -24);

    [Theory]
    [MemberData(nameof(Sizes))]
    public void LinearEqualsScalar(int rows, int n, int k, WeightFormat format)
    {
        using KernelMemory m = new();
        BothWeights w = m.Weight(_cpu, format, WeightRole.Linear, 1, n, k);
        float* x = m.Random(rows * k);
        float* start = m.Random(rows * n);
        foreach (bool accumulate in new[] { false, true })
        {
            float* magnitude = m.Absolute(start, rows * n);
            _scalar.Linear(magnitude, m.Absolute(x, rows * k), m.Absolute(w.Scalar, n * k), rows, n, k, Phase.Prefill, accumulate);
            float* expected = m.Copy(start, rows * n), block = m.Copy(start, rows * n), step = m.Copy(start, rows * n);
            _scalar.Linear(expected, x, w.Scalar, rows, n, k, Phase.Prefill, accumulate);
            _cpu.Linear(block, x, w.Cpu, rows, n, k, Phase.Prefill, accumulate);
            _cpu.Linear(step, x, w.Cpu, rows, n, k, Phase.Decode, accumulate);
            KernelMemory.Close(expected, block, rows * n, Bound(k), 0, magnitude);
            KernelMemory.Close(expected, step, rows * n, Bound(k), 0, magnitude);
        }
    }

    [Theory]
    [InlineData(WeightFormat.Float32)]
    [InlineData(WeightFormat.BFloat16)]
    [InlineData(WeightFormat.Float16)]
    public void EveryStoredValueIsReadExactly(WeightFormat format)
    {
        // Each product has one factor that is not 0, so the sums are exact: all 65536 values of the 16-bit formats, 33 columns at a time.
        const int N = 1986, K = 33;
        using KernelMemory m = new();
        float* values = m.Filled(N * K, 0);
        for (int i = 0; i < N * K; i++)
            values[i] = format == WeightFormat.Float16 ? (float)BitConverter.UInt16BitsToHalf((ushort)i) : BitConverter.UInt32BitsToSingle((uint)i << 16);
        BothWeights w = m.Stored(_cpu, format, WeightRole.Linear, values, N, K);
        float* x = m.Filled(K * K, 0);
        for (int i = 0; i < K; i++)
            x[i * K + i] = 1;
        float* expected = m.Filled(K * N, 0), block = m.Filled(K * N, 0), step = m.Filled(K * N, 0), table = m.Filled(N * K, 0);
        _scalar.Linear(expected, x, w.Scalar, K, N, K, Phase.Prefill, false);
        _cpu.Linear(block, x, w.Cpu, K, N, K, Phase.Prefill, false);
        _cpu.Linear(step, x, w.Cpu, K, N, K, Phase.Decode, false);
        KernelMemory.Close(expected, block, K * N, 0, 0);
        KernelMemory.Close(expected, step, K * N, 0, 0);

        // An infinity turns the zeros beside it into NaN above: its own conversion shows in sums of whole rows, here all of one sign.
        if (format == WeightFormat.Float16)
        {
            new Span<float>(x, K).Fill(1);
            _scalar.Linear(expected, x, w.Scalar, 1, N, K, Phase.Prefill, false);
            _cpu.Linear(block, x, w.Cpu, 1, N, K, Phase.Prefill, false);
            _cpu.Linear(step, x, w.Cpu, 1, N, K, Phase.Decode, false);
            KernelMemory.Close(expected, block, N, Bound(K), 0);
            KernelMemory.Close(expected, step, N, Bound(K), 0);
        }

        int* id = m.Integers(1, 1);
        _cpu.Embed(table, id, w.Cpu, 1, N * K);
        KernelMemory.Close(values, table, N * K, 0, 0);
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    public void NotANumberAndInfinityPropagate(float special)
    {
        using KernelMemory m = new();
        const int Rows = 7, N = 19, K = 45;
        BothWeights w = m.Weight(_cpu, WeightFormat.BFloat16, WeightRole.Linear, 1, N, K);
        float* x = m.Random(Rows * K);
        x[3 * K + 44] = special;
        float* expected = m.Filled(Rows * N, 0), y = m.Filled(Rows * N, 0);
        _scalar.Linear(expected, x, w.Scalar, Rows, N, K, Phase.Prefill, false);
        _cpu.Linear(y, x, w.Cpu, Rows, N, K, Phase.Prefill, false);
        KernelMemory.Close(expected, y, Rows * N, 0, 1e-4);
        _cpu.Linear(y, x, w.Cpu, Rows, N, K, Phase.Decode, false);
        KernelMemory.Close(expected, y, Rows * N, 0, 1e-4);
    }

    [Theory]
    [InlineData(WeightFormat.Float32)]
    [InlineData(WeightFormat.BFloat16)]
    [InlineData(WeightFormat.Float16)]
    public void RowsAndThreadsDoNotChangeABit(WeightFormat format)
    {
        using KernelMemory m = new();
        const int Rows = 211, N = 530, K = 1100;
        BothWeights w = m.Weight(_cpu, format, WeightRole.Linear, 1, N, K);
        float* x = m.Random(Rows * K);
        float* block = m.Random(Rows * N);
        float* step = m.Copy(block, Rows * N), start = m.Copy(block, Rows * N);
        _cpu.Linear(block, x, w.Cpu, Rows, N, K, Phase.Prefill, true);
        _cpu.Linear(step, x, w.Cpu, Rows, N, K, Phase.Decode, true);
        foreach (int threads in new[] { 1, 3 })
        {
            using CpuBackend other = new(threads);
            float* y = m.Copy(start, Rows * N);
            other.Linear(y, x, w.Cpu, Rows, N, K, Phase.Prefill, true);
            KernelMemory.Same(block, y, Rows * N);
            y = m.Copy(start, Rows * N);
            other.Linear(y, x, w.Cpu, Rows, N, K, Phase.Decode, true);
            KernelMemory.Same(step, y, Rows * N);
        }
        foreach ((int first, int count) in new[] { (0, 1), (17, 1), (210, 1), (5, 2), (9, 3), (3, 4), (4, 5), (8, 6), (1, 16), (100, 111) })
        {
            float* y = m.Copy(start + first * N, count * N);
            _cpu.Linear(y, x + first * K, w.Cpu, count, N, K, Phase.Prefill, true);
            KernelMemory.Same(block + first * N, y, count * N);
            y = m.Copy(start + first * N, count * N);
            _cpu.Linear(y, x + first * K, w.Cpu, count, N, K, Phase.Decode, true);
            KernelMemory.Same(step + first * N, y, count * N);
        }
    }

    public static TheoryData<int, int, int, int, int, int> Convolutions() => new()
    {
        // rows, inputs, outputs, kernel, stride, dilation
        { 1, 1, 1, 1, 1, 1 },
        { 50, 1, 64, 7, 1, 1 },
        { 50, 24, 1, 7, 1, 1 },
        { 33, 24, 24, 7, 1, 3 },
        { 400, 12, 20, 7, 1, 9 },
        { 19, 6, 33, 10, 5, 1 },
        { 11, 300, 17, 3, 1, 1 },
        { 9, 5, 40, 1, 1, 1 },
    };

    [Theory]
    [MemberData(nameof(Convolutions))]
    public void ConvolutionEqualsScalar(int rows, int inputs, int outputs, int kernel, int stride, int dilation)
    {
        foreach (WeightFormat format in Enum.GetValues<WeightFormat>())
        {
            using KernelMemory m = new();
            BothWeights w = m.Weight(_cpu, format, WeightRole.Convolution, 1, outputs, inputs, kernel);
            BothWeights bias = m.Weight(_cpu, format, WeightRole.Vector, 1, outputs);
            int xCount = ((rows - 1) * stride + (kernel - 1) * dilation + 1) * inputs, yCount = rows * outputs;
            float* x = m.Random(xCount), start = m.Random(yCount);
            foreach (bool accumulate in new[] { false, true })
            {
                float* magnitude = m.Absolute(start, yCount), expected = m.Copy(start, yCount), y = m.Copy(start, yCount);
                _scalar.Convolution(magnitude, m.Absolute(x, xCount), m.Absolute(w.Scalar, outputs * inputs * kernel), m.Absolute(bias.Scalar, outputs), rows, inputs, outputs, kernel, stride, dilation, accumulate);
                _scalar.Convolution(expected, x, w.Scalar, bias.Scalar, rows, inputs, outputs, kernel, stride, dilation, accumulate);
                _cpu.Convolution(y, x, w.Cpu, bias.Cpu, rows, inputs, outputs, kernel, stride, dilation, accumulate);
                KernelMemory.Close(expected, y, yCount, Bound(inputs * kernel + 1), 0, magnitude);
            }

            // The tail alone, on another number of threads: the same bits.
            using CpuBackend three = new(3);
            float* all = m.Filled(yCount, 0), tail = m.Filled(yCount, 0);
            _cpu.Convolution(all, x, w.Cpu, bias.Cpu, rows, inputs, outputs, kernel, stride, dilation, false);
            int skip = rows / 2;
            three.Convolution(tail, x + skip * stride * inputs, w.Cpu, bias.Cpu, rows - skip, inputs, outputs, kernel, stride, dilation, false);
            KernelMemory.Same(all + skip * outputs, tail, (rows - skip) * outputs);
        }
    }

    [Theory]
    [InlineData(1, 1, 1, 1)]
    [InlineData(10, 24, 12, 2)]
    [InlineData(33, 12, 6, 5)]
    [InlineData(7, 96, 48, 8)]
    [InlineData(250, 8, 1, 3)]
    public void TransposedConvolutionEqualsScalar(int rows, int inputs, int outputs, int stride)
    {
        foreach (WeightFormat format in Enum.GetValues<WeightFormat>())
        {
            using KernelMemory m = new();
            BothWeights w = m.Weight(_cpu, format, WeightRole.TransposedConvolution, 1, inputs, outputs, 2 * stride);
            BothWeights bias = m.Weight(_cpu, format, WeightRole.Vector, 1, outputs);
            int xCount = (rows + 1) * inputs, yCount = rows * stride * outputs;
            float* x = m.Random(xCount), magnitude = m.Filled(yCount, 0), expected = m.Filled(yCount, 0), y = m.Filled(yCount, 0);
            _scalar.TransposedConvolution(magnitude, m.Absolute(x, xCount), m.Absolute(w.Scalar, 2 * stride * inputs * outputs), m.Absolute(bias.Scalar, outputs), rows, inputs, outputs, stride);
            _scalar.TransposedConvolution(expected, x, w.Scalar, bias.Scalar, rows, inputs, outputs, stride);
            _cpu.TransposedConvolution(y, x, w.Cpu, bias.Cpu, rows, inputs, outputs, stride);
            KernelMemory.Close(expected, y, yCount, Bound(2 * inputs + 1), 0, magnitude);
        }
    }
}
