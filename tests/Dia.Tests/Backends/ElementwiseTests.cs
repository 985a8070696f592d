using Dia.Backends;
using Dia.Backends.Cpu;
using Dia.Backends.Scalar;
using Dia.Configuration;
using Dia.Graph;
using Dia.Weights;
using Xunit;

namespace Dia.Tests.Backends;

/// <summary>Norms, activations, lookups and the other operations on rows, CPU against scalar.</summary>
public sealed unsafe class ElementwiseTests : IDisposable
{
    private const double Ulp = 1.0 / (1 << 23);

    private readonly CpuBackend _cpu = new(2);
    private readonly ScalarBackend _scalar = new();

    public void Dispose() => _cpu.Dispose();

    private static readonly int[] Widths = [.. Enumerable.Range(1, 33), 127, 2048, 50000];

    private static readonly float[] Specials =
        [float.NaN, float.PositiveInfinity, float.NegativeInfinity, 0f, -0f, 1e-40f, 1e30f, -1e30f, 88.8f, -88.8f, -104f];

    private static void Place(float* x, int count, int every = 7)
    {
        for (int i = 0; i < count / every; i++)
            x[i * every] = Specials[i % Specials.Length];
    }

    [Fact]
    public void RmsNormEqualsScalar()
    {
        foreach (int d in Widths)
        {
            using KernelMemory m = new(d);
            int rows = d > 5000 ? 2 : 5;
            BothWeights w = m.Weight(_cpu, WeightFormat.BFloat16, WeightRole.Vector, 2, d);
            float* x = m.Random(rows * d, 3);
            x[d * (rows - 1)] = float.NaN;
            float* expected = m.Filled(rows * d, 0), y = m.Filled(rows * d, 0), alone = m.Filled(d, 0);
            _scalar.RmsNorm(expected, x, w.Scalar, rows, d, 1e-5f);
            _cpu.RmsNorm(y, x, w.Cpu, rows, d, 1e-5f);
            // Chains of at most d/16 + 1 squares (all positive) and 8 more roundings, halved by the root.
            KernelMemory.Close(expected, y, rows * d, (d / 32.0 + 8) * Ulp / 2, 0);
            _cpu.RmsNorm(alone, x, w.Cpu, 1, d, 1e-5f);
            KernelMemory.Same(y, alone, d);
        }
    }

    [Theory]
    [InlineData(HiddenActivation.Silu)]
    [InlineData(HiddenActivation.Gelu)]
    [InlineData(HiddenActivation.GeluNew)]
    [InlineData(HiddenActivation.Relu)]
    public void GatedActivationEqualsScalar(HiddenActivation activation)
    {
        foreach (int n in Widths)
        {
            using KernelMemory m = new(n);
            const int Rows = 3;
            float* x = m.Random(Rows * 2 * n, 8);
            Place(x, Rows * 2 * n);
            float* expected = m.Filled(Rows * n, 0), y = m.Filled(Rows * n, 0), alone = m.Filled(n, 0), magnitude = m.Filled(Rows * n, 0);
            _scalar.GatedActivation(expected, x, Rows, n, activation);
            _cpu.GatedActivation(y, x, Rows, n, activation);
            for (int i = 0; i < Rows * n; i++)
            {
                // Finite overflow of x³ or of the product is not the same in double.
                float gate = x[i / n * 2 * n + i % n], up = x[(i / n * 2 + 1) * n + i % n];
                magnitude[i] = gate * up;
                if (MathF.Abs(gate) > 1e20f || MathF.Abs(up) > 1e20f)
                    expected[i] = y[i];
            }
            // Relative to |gate·up|: the factor in [0, 1] is 1 + erf or a sigmoid to 4 ulp of 1 (exponential 1.5, sum, quotient, argument).
            KernelMemory.Close(expected, y, Rows * n, 4 * Ulp, 1e-37, magnitude);
            _cpu.GatedActivation(alone, x + 4 * n, 1, n, activation);
            KernelMemory.Same(y + 2 * n, alone, n);
        }
    }

    [Theory]
    [InlineData(HiddenActivation.Silu)]
    [InlineData(HiddenActivation.Gelu)]
    [InlineData(HiddenActivation.GeluNew)]
    [InlineData(HiddenActivation.Relu)]
    public void ActivationsOfNotANumberAndInfinity(HiddenActivation activation)
    {
        using KernelMemory m = new();
        float* x = m.Filled(8, 1), y = m.Filled(4, 0), expected = m.Filled(4, 0);
        (x[0], x[1], x[2]) = (float.NaN, float.PositiveInfinity, 40);
        _scalar.GatedActivation(expected, x, 1, 4, activation);
        _cpu.GatedActivation(y, x, 1, 4, activation);
        Assert.True(float.IsNaN(y[0]));
        Assert.Equal(float.PositiveInfinity, y[1]);
        Assert.Equal(40, y[2]);
        KernelMemory.Close(expected, y, 4, 4 * Ulp, 0);
    }

    [Theory]
    [InlineData(1.0)]
    [InlineData(100.0)]
    [InlineData(1e4)]
    [InlineData(1e9)]
    public void SnakeEqualsScalar(double scale)
    {
        foreach (int channels in Widths)
        {
            using KernelMemory m = new(channels);
            const int Rows = 3;
            float* alphas = m.Random(channels);
            for (int i = 0; i < channels; i++)
                alphas[i] = 0.5f + MathF.Abs(alphas[i]);
            BothWeights alpha = m.Stored(_cpu, WeightFormat.Float32, WeightRole.Vector, alphas, 1, channels, 1);
            float* x = m.Random(Rows * channels, scale);
            x[0] = float.NaN;
            x[channels] = float.PositiveInfinity;
            float* expected = m.Filled(Rows * channels, 0), y = m.Copy(x, Rows * channels);
            _scalar.Snake(expected, x, alpha.Scalar, Rows, channels);
            _cpu.Snake(y, y, alpha.Cpu, Rows, channels);
            // sin² to 1e-6 over an alpha of at least 0.5, and the roundings of quotient and sum.
            KernelMemory.Close(expected, y, Rows * channels, Ulp, 2.5e-6);
        }
    }

    [Fact]
    public void RopeEqualsScalar()
    {
        AttentionItem* items = stackalloc AttentionItem[2];
        foreach (int half in Enumerable.Range(1, 33).Append(64))
        {
            using KernelMemory m = new(half);
            const int Rows = 40, Heads = 3;
            int* positions = m.Integers(Rows, 5000);
            float* frequencies = m.Random(2 * half), x = m.Random(Rows * Heads * 2 * half);
            float* cos = m.Filled(Rows * half, 0), sin = m.Filled(Rows * half, 0), cos2 = m.Filled(Rows * half, 0), sin2 = m.Filled(Rows * half, 0);
            // Two sequences of a batch, each with its own frequencies.
            items[0].Rows = 13;
            (items[1].FirstRow, items[1].Rows) = (13, Rows - 13);
            AttentionBatch batch = new(items, 2, Rows - 13, 0);
            _scalar.RopeTable(cos, sin, positions, frequencies, batch, half, 1.3f);
            _cpu.RopeTable(cos2, sin2, positions, frequencies, batch, half, 1.3f);
            KernelMemory.Same(cos, cos2, Rows * half);
            KernelMemory.Same(sin, sin2, Rows * half);
            float* y = m.Copy(x, Rows * Heads * 2 * half);
            _scalar.Rope(x, cos, sin, Rows, Heads, half);
            _cpu.Rope(y, cos, sin, Rows, Heads, half);
            // Two products of at most 1.3 and their difference, each rounded to 24 bits.
            KernelMemory.Close(x, y, Rows * Heads * 2 * half, 0, 2 * 2.6 * Ulp);
        }
    }

    [Fact]
    public void RotatedKeysAndValuesGoBehindWhatEachItemHas()
    {
        using KernelMemory m = new();
        const int KeyHeads = 2, Half = 5, Width = KeyHeads * 2 * Half, Capacity = 9, Layers = 3, Layer = 1, Rows = 6;
        float* keys = m.Random(Rows * Width), values = m.Random(Rows * Width), cos = m.Random(Rows * Half), sin = m.Random(Rows * Half);
        float* rotated = m.Copy(keys, Rows * Width), scalarKeys = m.Copy(keys, Rows * Width);
        _cpu.Rope(rotated, cos, sin, Rows, KeyHeads, Half);
        AttentionItem* items = stackalloc AttentionItem[2];
        AttentionItem* scalarItems = stackalloc AttentionItem[2];
        for (int i = 0; i < 2; i++)
        {
            items[i] = new AttentionItem
            {
                FirstRow = i == 0 ? 0 : 2, Rows = i == 0 ? 2 : 4, CausalStart = i == 0 ? 7 : 0, LayerStride = 2 * Capacity * Width,
                Keys = m.Filled(Layers * 2 * Capacity * Width, -1), KeyCount = Capacity,
            };
            items[i].Values = items[i].Keys + Capacity * Width;
            scalarItems[i] = items[i];
            scalarItems[i].Keys = m.Filled(Layers * 2 * Capacity * Width, -1);
            scalarItems[i].Values = scalarItems[i].Keys + Capacity * Width;
        }
        _cpu.RopeKeyValues(keys, values, cos, sin, new AttentionBatch(items, 2, 4, Capacity), Layer, KeyHeads, Half);
        _scalar.RopeKeyValues(scalarKeys, values, cos, sin, new AttentionBatch(scalarItems, 2, 4, Capacity), Layer, KeyHeads, Half);
        KernelMemory.Same(rotated, keys, Rows * Width);
        for (int i = 0; i < 2; i++)
        {
            long layer = Layer * items[i].LayerStride, at = layer + items[i].CausalStart * Width;
            KernelMemory.Same(rotated + items[i].FirstRow * Width, items[i].Keys + at, items[i].Rows * Width);
            KernelMemory.Same(values + items[i].FirstRow * Width, items[i].Values + at, items[i].Rows * Width);
            // A product, and a sum of products of values around 1, each rounded once by one of the two and twice by the other.
            KernelMemory.Close(scalarItems[i].Keys, items[i].Keys, Layers * 2 * Capacity * Width, Ulp, 1e-6);
            int untouched = 0;
            for (int j = 0; j < Layers * 2 * Capacity * Width; j++)
                untouched += items[i].Keys[j] == -1 ? 1 : 0;
            Assert.Equal((Layers * 2 * Capacity - 2 * items[i].Rows) * Width, untouched);
        }
    }

    [Fact]
    public void ArithmeticEqualsScalarBitForBit()
    {
        foreach (int count in Widths.Append(100_003))
        {
            using KernelMemory m = new(count);
            float* x = m.Random(count), start = m.Random(3 * count), expected = m.Copy(start, 3 * count), y = m.Copy(start, 3 * count);
            Place(x, count);
            _scalar.Add(expected, x, count);
            _cpu.Add(y, x, count);
            _scalar.Subtract(expected + count, x, count);
            _cpu.Subtract(y + count, x, count);
            KernelMemory.Close(expected, y, 3 * count, 0, 0);
            _scalar.AddRow(expected, x, 3, count);
            _cpu.AddRow(y, x, 3, count);
            KernelMemory.Close(expected, y, 3 * count, 0, 0);
            Place(y, count);
            _scalar.Tanh(expected, y, count);
            _cpu.Tanh(y, y, count);
            // The C library's float tanh is good to 2 ulp or better.
            KernelMemory.Close(expected, y, count, 2 * Ulp, 0);
        }
    }

    [Theory]
    [InlineData(WeightFormat.Float32)]
    [InlineData(WeightFormat.BFloat16)]
    [InlineData(WeightFormat.Float16)]
    public void LookupsEqualScalar(WeightFormat format)
    {
        foreach (int d in Widths.Where(w => w < 5000))
        {
            using KernelMemory m = new(d);
            const int Channels = 3, Vocabulary = 10, Rows = 4;
            BothWeights table = m.Weight(_cpu, format, WeightRole.Embedding, 1, Channels * Vocabulary, d);
            int* ids = m.Integers(Rows * Channels, Vocabulary);
            float* expected = m.Filled(Rows * d, 0), y = m.Filled(Rows * d, 0);
            _scalar.Embed(expected, ids, table.Scalar, Rows, d);
            _cpu.Embed(y, ids, table.Cpu, Rows, d);
            KernelMemory.Same(expected, y, Rows * d);
            _scalar.LookUpCode(expected, ids, Channels, table.Scalar, Rows, d);
            _cpu.LookUpCode(y, ids, Channels, table.Cpu, Rows, d);
            KernelMemory.Same(expected, y, Rows * d);
            _scalar.EmbedSum(expected, ids, table.Scalar, Rows, Channels, Vocabulary, d);
            _cpu.EmbedSum(y, ids, table.Cpu, Rows, Channels, Vocabulary, d);
            // Two additions of values below 1: partial sums below 3.
            KernelMemory.Close(expected, y, Rows * d, 0, 3 * Ulp);
        }
    }

    [Theory]
    [InlineData(8, 1024)]
    [InlineData(3, 17)]
    [InlineData(1, 2)]
    public void NearestCodeEqualsScalar(int d, int entries)
    {
        using KernelMemory m = new(d);
        const int Rows = 60, Stride = 3;
        float* values = m.Random(entries * d);
        // Equal rows: the first counts. An all-zero row scores −1 in the reference's expression, not 0.
        new Span<float>(values, d).CopyTo(new Span<float>(values + (entries - 1) * d, d));
        if (entries > 10)
            new Span<float>(values + 5 * d, d).Clear();
        BothWeights codebook = m.Stored(_cpu, WeightFormat.Float32, WeightRole.Embedding, values, entries, d);
        float* x = m.Random(Rows * d);
        new Span<float>(values, d).CopyTo(new Span<float>(x, d));
        new Span<float>(x + d, d).Clear();
        x[2 * d] = float.NaN;
        int* expected = m.Integers(Rows * Stride, 1), codes = m.Integers(Rows * Stride, 1);
        _scalar.NearestCode(expected, Stride, x, codebook.Scalar, Rows, entries, d);
        _cpu.NearestCode(codes, Stride, x, codebook.Cpu, Rows, entries, d);
        Assert.Equal(new Span<int>(expected, Rows * Stride).ToArray(), new Span<int>(codes, Rows * Stride).ToArray());
        Assert.Equal(0, codes[0]);
        Assert.Equal(0, codes[2 * Stride]);
    }
}
