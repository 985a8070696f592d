using Dia.Backends;
using Dia.Backends.Cpu;
using Dia.Backends.Scalar;
using Xunit;

namespace Dia.Tests.Backends;

/// <summary>Attention of the CPU backend against the scalar one.</summary>
public sealed unsafe class AttentionTests : IDisposable
{
    private readonly CpuBackend _cpu = new(2);
    private readonly ScalarBackend _scalar = new();

    public void Dispose() => _cpu.Dispose();

    // Scores are below 3 here and off by at most headDim roundings of 24 bits; probabilities follow with the same relative error plus 4 ulp
    // and the sum over keys; values are below 1 and weighted by probabilities that sum to 1.
    private const double Tolerance = 2e-5;

    [Theory]
    [InlineData(1, 1, 1, 1, 1, -1)]
    [InlineData(5, 5, 4, 2, 16, 0)]
    [InlineData(1, 77, 8, 2, 24, 76)]
    [InlineData(1, 77, 4, 4, 33, 76)]
    [InlineData(9, 40, 3, 3, 8, 31)]
    [InlineData(37, 37, 2, 2, 20, -1)]
    [InlineData(70, 300, 4, 1, 128, 230)]
    [InlineData(1, 300, 16, 16, 128, 299)]
    [InlineData(1, 8, 6, 3, 16, -1)]
    [InlineData(1, 30, 5, 5, 32, 12)]
    public void EqualsScalar(int rows, int keys, int heads, int keyHeads, int headDim, int causalStart)
    {
        const int Count = 3, Layer = 2;
        AttentionItem* items = stackalloc AttentionItem[Count];
        foreach (bool masked in new[] { false, true })
        {
            using KernelMemory m = new(rows + keys);
            int width = heads * headDim, keyWidth = keyHeads * headDim, mapSize = heads * rows * keys;
            byte[][] masks = new byte[Count][];
            float* q = m.Random(Count * rows * width, 3.0 / headDim);
            for (int i = 0; i < Count; i++)
            {
                masks[i] = [.. Enumerable.Range(0, keys).Select(j => (byte)(j % 5 == 1 || j < i ? 0 : 1))];
                items[i] = new AttentionItem
                {
                    FirstRow = (Count - 1 - i) * rows, Rows = rows, Keys = m.Random((keys * Layer + keys) * keyWidth), Values = m.Random((keys * Layer + keys) * keyWidth),
                    LayerStride = keys * keyWidth, KeyCount = keys, CausalStart = causalStart,
                };
            }
            float* maps = m.Filled(Count * mapSize, -1), expectedMaps = m.Filled(Count * mapSize, -1);
            AttentionBatch batch = new(items, Count, rows, keys);
            float* expected = m.Filled(Count * rows * width, 0), y = m.Filled(Count * rows * width, 0);
            fixed (byte* m0 = masks[0], m1 = masks[1], m2 = masks[2])
            {
                if (masked)
                {
                    items[0].Mask = m0;
                    items[1].Mask = m1;
                    items[2].Mask = m2;
                }
                _scalar.Attention(expected, q, batch, Layer, heads, keyHeads, headDim, expectedMaps);
                _cpu.Attention(y, q, batch, Layer, heads, keyHeads, headDim, maps);
                KernelMemory.Close(expected, y, Count * rows * width, 0, Tolerance);
                KernelMemory.Close(expectedMaps, maps, Count * mapSize, Tolerance, 1e-30);

                // The last row of the first item alone, on three threads: the same bits.
                using CpuBackend three = new(3);
                float* alone = m.Filled(width, 0);
                AttentionItem last = items[0];
                (last.FirstRow, last.Rows) = (0, 1);
                last.CausalStart = causalStart < 0 ? -1 : causalStart + rows - 1;
                int at = (items[0].FirstRow + rows - 1) * width;
                three.Attention(alone, q + at, new AttentionBatch(&last, 1, 1, keys), Layer, heads, keyHeads, headDim, null);
                KernelMemory.Same(y + at, alone, width);
            }
        }
    }

    [Fact]
    public void ARowThatSeesNothingAttendsEvenlyToAllKeys()
    {
        using KernelMemory m = new();
        const int Keys = 7, Dim = 5, Rows = 3;
        byte* mask = stackalloc byte[Keys];
        (mask[2], mask[3]) = (1, 1);
        AttentionItem item = new() { Rows = Rows, Keys = m.Random(Keys * Dim), Values = m.Random(Keys * Dim), KeyCount = Keys, Mask = mask };
        float* y = m.Filled(Rows * Dim, 0), map = m.Filled(Rows * Keys, -1);
        _cpu.Attention(y, m.Random(Rows * Dim), new AttentionBatch(&item, 1, Rows, Keys), 0, 1, 1, Dim, map);
        for (int j = 0; j < Keys; j++)
        {
            Assert.Equal(1f / Keys, map[j]);
            Assert.Equal(1f / Keys, map[Keys + j]);
            Assert.Equal(j == 2 ? 1f : 0, map[2 * Keys + j]);
        }
        for (int d = 0; d < Dim; d++)
        {
            double mean = 0;
            for (int j = 0; j < Keys; j++)
                mean += item.Values[j * Dim + d] / Keys;
            Assert.Equal(mean, y[d], 1e-6);
        }
    }

    [Fact]
    public void OnlyVisibleKeysCanSpreadNotANumber()
    {
        using KernelMemory m = new();
        const int Keys = 9, Dim = 8, Rows = 9;
        AttentionItem item = new() { Rows = Rows, Keys = m.Random(Keys * Dim), Values = m.Random(Keys * Dim), KeyCount = Keys };
        item.Keys[6 * Dim + 1] = float.NaN;
        item.Values[8 * Dim + 3] = float.PositiveInfinity;
        float* q = m.Random(Rows * Dim), y = m.Filled(Rows * Dim, 0), expected = m.Filled(Rows * Dim, 0);
        _scalar.Attention(expected, q, new AttentionBatch(&item, 1, Rows, Keys), 0, 1, 1, Dim, null);
        _cpu.Attention(y, q, new AttentionBatch(&item, 1, Rows, Keys), 0, 1, 1, Dim, null);
        KernelMemory.Close(expected, y, Rows * Dim, 0, Tolerance);
        Assert.False(float.IsNaN(y[5 * Dim]));
        Assert.True(float.IsNaN(y[6 * Dim]));
    }

    [Fact]
    public void LargeScoresDoNotOverflow()
    {
        using KernelMemory m = new();
        const int Keys = 20, Dim = 16;
        AttentionItem item = new() { Rows = 1, Keys = m.Random(Keys * Dim, 50), Values = m.Random(Keys * Dim), KeyCount = Keys, CausalStart = -1 };
        float* q = m.Random(Dim, 50), y = m.Filled(Dim, 0), expected = m.Filled(Dim, 0);
        _scalar.Attention(expected, q, new AttentionBatch(&item, 1, 1, Keys), 0, 1, 1, Dim, null);
        _cpu.Attention(y, q, new AttentionBatch(&item, 1, 1, Keys), 0, 1, 1, Dim, null);
        // Scores of some thousands are off by 1e-3: so are the probabilities.
        KernelMemory.Close(expected, y, Dim, 0, 1e-2);
    }
}
