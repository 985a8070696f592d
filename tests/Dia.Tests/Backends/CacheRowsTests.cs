using Dia.Backends;
using Dia.Backends.Cpu;
using Dia.Weights;
using Xunit;

namespace Dia.Tests.Backends;

/// <summary>Caches of 16 bits: what is stored, and that a step reads it as a block of rows does.</summary>
public sealed unsafe class CacheRowsTests
{
    /// <summary>Every float16, and what lies halfway to the next and just beside that; rows of every length around whole vectors.</summary>
    [Fact]
    public void Values_are_rounded_to_the_nearest_float16_and_subnormal_ones_are_0()
    {
        var values = new List<float>();
        for (int code = 0; code < 0x7bff; code++)
        {
            uint bits = BitConverter.SingleToUInt32Bits((float)BitConverter.UInt16BitsToHalf((ushort)code));
            values.AddRange([Of(bits), Of(bits + 0x0fff), Of(bits + 0x1000), Of(bits + 0x1001), -Of(bits), -Of(bits + 0x1000)]);
        }

        values.AddRange([65504, -65504, 65519.996f, float.Epsilon, 0, -0f]);
        Half[] expected = [.. values.Select(v => MathF.Abs(v) < 6.103515625e-5f ? (Half)(v * 0) : (Half)v)];
        Assert.Equal(expected.Select(v => (float)v), RoundTrip([.. values]));
        for (int width = 1; width < 70; width++)
            Assert.Equal(expected[9000..(9000 + width)].Select(v => (float)v), RoundTrip([.. values[9000..(9000 + width)]]));
        static float Of(uint bits) => BitConverter.UInt32BitsToSingle(bits);
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    [InlineData(float.NegativeInfinity)]
    [InlineData(65520f)]
    [InlineData(-1e30f)]
    public void What_a_cache_of_16_bits_cannot_hold_is_refused(float value)
    {
        foreach (int at in new[] { 0, 31, 64 })
        {
            float[] row = new float[65];
            row[at] = value;
            DiaException e = Assert.Throws<DiaException>(() => RoundTrip(row));
            Assert.Equal(DiaErrorKind.Model, e.Kind);
            Assert.Contains("--exact", e.Message);
        }
    }

    /// <summary>Three sequences at a time, one with masked keys; groups of heads of every kind, and heads that are no whole pairs of vectors too.</summary>
    [Theory]
    [InlineData(16, 4, 128)]
    [InlineData(4, 4, 64)]
    [InlineData(7, 1, 64)]
    [InlineData(6, 2, 96)]
    [InlineData(5, 5, 22)]
    public void A_step_gives_the_bits_of_a_block_of_rows_whatever_the_threads(int heads, int keyHeads, int headDim)
    {
        foreach (WeightFormat format in new[] { WeightFormat.Float32, WeightFormat.Float16 })
        {
            float[] block = Attend(1, 2), step = Attend(1, 1);
            Assert.Equal(block, step);
            Assert.Equal(step, Attend(3, 1));

            // The same query twice in a block: rows that see as much as the single one does.
            float[] Attend(int threads, int rows)
            {
                const int Items = 3, Capacity = 77;
                using var cpu = new CpuBackend(threads);
                int width = keyHeads * headDim, size = heads * headDim;
                float[] wide = Random(2 * Capacity * width * Items), queries = Random(Items * size), y = new float[Items * rows * size];
                float[] q = [.. Enumerable.Range(0, Items * rows).SelectMany(r => queries[(r / rows * size)..((r / rows + 1) * size)])];
                byte[] cache = new byte[WeightFormats.Bytes(format, wide.Length)], mask = [.. Enumerable.Range(0, Capacity).Select(j => (byte)(j % 5 % 2))];
                fixed (float* from = wide, query = q, result = y)
                fixed (byte* to = cache, seen = mask)
                {
                    for (int row = 0; row < 2 * Capacity * Items; row++)
                        CacheRows.Store(to + WeightFormats.Bytes(format, row * width), format, from + row * width, width);
                    AttentionItem* items = stackalloc AttentionItem[Items];
                    for (int i = 0; i < Items; i++)
                    {
                        items[i] = new AttentionItem
                        {
                            FirstRow = i * rows, Rows = rows, KeyCount = 9 + 34 * i, CausalStart = -1, LayerStride = 2L * Capacity * width,
                            Keys = to + WeightFormats.Bytes(format, 2L * i * Capacity * width), Mask = i == 1 ? seen : null,
                            Values = to + WeightFormats.Bytes(format, (2L * i + 1) * Capacity * width),
                        };
                    }

                    cpu.Attention(result, query, new AttentionBatch(items, Items, rows, Capacity, format), 0, heads, keyHeads, headDim, null);
                }

                return [.. Enumerable.Range(0, Items).SelectMany(i => y[(i * rows * size)..((i * rows + 1) * size)])];
            }
        }
    }

    private static float[] Random(int count)
    {
        var random = new Random(count);
        return [.. Enumerable.Range(0, count).Select(_ => random.NextSingle() - 0.5f)];
    }

    private static float[] RoundTrip(float[] row)
    {
        ushort[] stored = new ushort[row.Length];
        float[] result = new float[row.Length];
        fixed (float* from = row, to = result)
        fixed (ushort* cache = stored)
        {
            CacheRows.Store(cache, WeightFormat.Float16, from, row.Length);
            CacheRows.Load(to, cache, WeightFormat.Float16, row.Length);
        }

        return result;
    }
}
