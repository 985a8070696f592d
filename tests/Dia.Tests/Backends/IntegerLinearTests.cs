using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Dia.Backends;
using Dia.Backends.Cpu;
using Dia.Backends.Scalar;
using Dia.Weights;
using Xunit;

namespace Dia.Tests.Backends;

/// <summary>
/// Products of a step with integer weights and rounded activations: what kernel checks cannot say, which compare within rounding. The integer part is exact,
/// and results depend on neither threads nor the rows beside a row.
/// </summary>
public sealed unsafe class IntegerLinearTests
{
    public static TheoryData<WeightFormat, int, int> Shapes
    {
        get
        {
            TheoryData<WeightFormat, int, int> shapes = [];
            foreach (WeightFormat format in new[] { WeightFormat.Int8, WeightFormat.Int8Packed, WeightFormat.Int4 })
                foreach (int k in new[] { 1, 31, 96, 256, 264, 1000, 2080 })
                    foreach (int group in k % 32 == 0 ? new[] { 0, 32 } : [0])
                        shapes.Add(format, k, group);
            return shapes;
        }
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Where_scales_are_one_every_bit_is_that_of_plain_loops(WeightFormat format, int k, int group)
    {
        const int N = 19;
        foreach (int rows in new[] { 1, 2, 3, 6 })
        {
            using Operands o = new(format, group, N, k, rows, exact: true);
            float[] expected = o.Run(default(ScalarBackend)), actual = o.Run(2);
            Assert.Equal(expected, actual);
            // A number of 128 in a lane by mistake, or a sign, would not be lost in these.
            Assert.Contains(expected, y => y != 0);
        }
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void A_row_does_not_depend_on_threads_or_on_the_rows_beside_it(WeightFormat format, int k, int group)
    {
        const int N = 150, Rows = 9;
        using Operands o = new(format, group, N, k, Rows, exact: false);
        float[] all = o.Run(1);
        Assert.Equal(all, o.Run(2));
        Assert.Equal(all, o.Run(5));
        for (int row = 0; row < Rows; row++)
            Assert.Equal(all[(row * N)..((row + 1) * N)], o.Run(2, row, 1));
        Assert.Equal(all[(3 * N)..(5 * N)], o.Run(2, 3, 2));
    }

    [Theory]
    [InlineData(WeightFormat.Int8)]
    [InlineData(WeightFormat.Int4)]
    public void A_value_that_is_no_number_makes_its_row_NaN_and_no_other(WeightFormat format)
    {
        const int N = 5, K = 300;
        foreach (float value in new[] { float.NaN, float.PositiveInfinity, float.NegativeInfinity })
        {
            using Operands o = new(format, 0, N, K, 3, exact: false);
            float[] before = o.Run(2);
            o.X[K + 270] = value;
            float[] after = o.Run(2), plain = o.Run(default(ScalarBackend));
            Assert.All(after[N..(2 * N)], y => Assert.True(float.IsNaN(y)));
            Assert.All(plain[N..(2 * N)], y => Assert.True(float.IsNaN(y)));
            Assert.Equal(before[..N], after[..N]);
            Assert.Equal(before[(2 * N)..], after[(2 * N)..]);
        }
    }

    [Fact]
    public void Rows_are_rounded_to_the_same_bits_as_by_plain_loops()
    {
        Random random = new(3);
        float[] specials =
        [
            0, -0f, float.Epsilon, 1e-38f, 9.9e-31f, 1e-30f, float.MaxValue, -float.MaxValue, 0.5f, 1.5f, 2.5f, -127, float.NaN, float.PositiveInfinity,
        ];
        float* x = stackalloc float[RoundedRow.Group];
        sbyte* expected = stackalloc sbyte[RoundedRow.Group];
        byte* block = stackalloc byte[IntegerBlocks.Bytes4];
        for (int i = 0; i < 3000; i++)
        {
            float size = MathF.Pow(10, random.Next(-39, 38));
            for (int j = 0; j < RoundedRow.Group; j++)
                x[j] = random.Next(12) == 0 && i % 3 == 0 ? specials[random.Next(specials.Length)] : size * (random.NextSingle() * 2 - 1);
            float scale = RoundedRow.Round(x, RoundedRow.Group, expected);
            IntegerBlocks.Round(x, RoundedRow.Group, block, isFour: false);
            Assert.Equal(new ReadOnlySpan<sbyte>(expected, RoundedRow.Group), new ReadOnlySpan<sbyte>(block, RoundedRow.Group));
            Assert.Equal(scale, *(float*)(block + IntegerBlocks.Scales8));
            for (int j = 0; j < RoundedRow.Group && float.IsFinite(scale); j++)
                Assert.InRange((double)expected[j] * scale - x[j], -0.5001 * scale - 1e-30, 0.5001 * scale + 1e-30);
        }
    }

    [Fact]
    public void Every_way_to_multiply_gives_the_same_sums()
    {
        Random random = new(4);
        for (int i = 0; i < 2000; i++)
        {
            // The largest of each are where 16 bits would overflow.
            sbyte[] w = Draw(random, i, -128), x = Draw(random, i, -127), y = Draw(random, i, -127);
            Vector256<byte> even = Vector256.Create(w).AsByte() & Vector256.Create((byte)15), odd = i % 2 == 0 ? even : Vector256.Create((byte)15);
            Vector256<int> start = Vector256.Create(random.Next(-1000, 1000));
            Vector256<int> four = PlainProducts.OfFourBits(start, even, Vector256.Create(x), odd, Vector256.Create(y));
            Vector256<int> eight = PlainProducts.OfEightBits(Vector256.Create(w), Vector256.Create(x));
            Assert.Equal(Enumerable.Range(0, 16).Sum(j => w[j] * x[j]), eight[0] + eight[1] + eight[2] + eight[3]);
            Assert.Equal(Enumerable.Range(0, 32).Sum(j => w[j] * x[j]), Vector256.Sum(eight));
            Assert.Equal(8 * start[0] + Enumerable.Range(0, 32).Sum(j => even[j] * x[j] + odd[j] * y[j]), Vector256.Sum(four));
            if (Avx2.IsSupported)
                Same<Avx2Products>();
            if (AvxVnni.IsSupported)
                Same<VnniProducts>();

            // Lanes of a half may hold its products in another order.
            void Same<TProducts>()
                where TProducts : struct, IIntegerProducts
            {
                Vector256<int> a = TProducts.OfFourBits(start, even, Vector256.Create(x), odd, Vector256.Create(y));
                Vector256<int> b = TProducts.OfEightBits(Vector256.Create(w), Vector256.Create(x));
                Assert.Equal(Vector128.Sum(four.GetLower()), Vector128.Sum(a.GetLower()));
                Assert.Equal(Vector128.Sum(four.GetUpper()), Vector128.Sum(a.GetUpper()));
                Assert.Equal(Vector128.Sum(eight.GetLower()), Vector128.Sum(b.GetLower()));
                Assert.Equal(Vector128.Sum(eight.GetUpper()), Vector128.Sum(b.GetUpper()));
            }
        }
    }

    private static sbyte[] Draw(Random random, int i, int least) =>
        [.. Enumerable.Range(0, 32).Select(_ => (sbyte)(i % 3 == 0 ? (random.Next(2) == 0 ? least : 127) : random.Next(least, 128)))];

    /// <summary>A weight, rows of activations, and their product on a backend.</summary>
    private sealed class Operands : IDisposable
    {
        private readonly StoredWeight _weight;
        private readonly int _n, _k;

        public Operands(WeightFormat format, int group, int n, int k, int rows, bool exact)
        {
            (_n, _k, X) = (n, k, new float[rows * k]);
            Random random = new(n * k + rows);
            WeightStorage storage = new(format, WeightFormat.BFloat16, group);
            byte[] values = GC.AllocateUninitializedArray<byte>((int)storage.RowBytes(k) * n, pinned: true);
            byte[] scales = GC.AllocateUninitializedArray<byte>((int)storage.ScaleBytes(k) * n, pinned: true);
            (Values, Scales) = (values, scales);
            random.NextBytes(values);
            float[] all = new float[storage.Groups(k) * n];
            for (int i = 0; i < all.Length; i++)
                all[i] = exact ? 1 : random.NextSingle() * 0.01f;
            _weight = new StoredWeight
            {
                Data = Unsafe.AsPointer(ref MemoryMarshal.GetArrayDataReference(values)), Storage = storage, Columns = k,
                Scales = Unsafe.AsPointer(ref MemoryMarshal.GetArrayDataReference(scales)),
            };
            WeightFormats.Write(all, WeightFormat.BFloat16, _weight.Scales);
            // A scale of one: the largest magnitude of each 32 values is 127.
            for (int i = 0; i < X.Length; i++)
                X[i] = !exact ? random.NextSingle() * 2 - 1 : i % k % RoundedRow.Group == 0 ? 127 : random.Next(-127, 128);
        }

        public float[] X { get; }

        private byte[] Values { get; }

        private byte[] Scales { get; }

        public float[] Run(int threads, int row = 0, int rows = -1)
        {
            using CpuBackend cpu = new(threads);
            return Run(cpu, row, rows);
        }

        public float[] Run<TBackend>(TBackend backend, int row = 0, int rows = -1)
            where TBackend : struct, IBackend
        {
            rows = rows < 0 ? X.Length / _k : rows;
            float[] y = new float[rows * _n];
            fixed (float* x = X, to = y)
                backend.Linear(to, x + row * _k, new Weight(_weight), rows, _n, _k, Phase.RoundedDecode, accumulate: false);
            return y;
        }

        public void Dispose()
        {
            GC.KeepAlive(Values);
            GC.KeepAlive(Scales);
        }
    }
}
