using Dia.Quantization;
using Dia.Weights;
using Xunit;

namespace Dia.Tests.Quantization;

/// <summary>Rounding that makes up for its errors, against the equations of its authors in double.</summary>
public sealed unsafe class GptqTests
{
    private static readonly WeightStorage Int4 = new(WeightFormat.Int4, WeightFormat.BFloat16, 32), Int4Row = new(WeightFormat.Int4, WeightFormat.Float16),
        Int8 = new(WeightFormat.Int8, WeightFormat.Float32);

    public static TheoryData<int, int, int, WeightStorage> Sizes
    {
        get
        {
            var data = new TheoryData<int, int, int, WeightStorage>();
            foreach ((int n, int k, int inputs) in new[] { (1, 1, 3), (3, 31, 40), (5, 33, 20), (4, 64, 300), (7, 70, 700), (9, 130, 50) })
                foreach (WeightStorage storage in new[] { Int4, Int4Row, Int8 })
                    data.Add(n, k, inputs, storage);
            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Sizes))]
    public void Integers_are_those_of_the_papers_equations(int n, int k, int inputs, WeightStorage storage)
    {
        Case it = Case.Create(n, k, inputs, storage, seed: n + k);
        double[,] inverse = it.UpperFactorOfInverse();
        int same = 0;
        for (int row = 0; row < n; row++)
            same += it.CheckRow(row, inverse);
        // A factor in float32 moves values by some 1e-6 of a step: one in a thousand may cross a tie, and those behind it in its row then differ too.
        Assert.InRange(same, n * k * 9 / 10, n * k);
    }

    [Theory]
    [MemberData(nameof(Sizes))]
    public void Its_error_is_what_the_results_are_wrong_by(int n, int k, int inputs, WeightStorage storage)
    {
        Case it = Case.Create(n, k, inputs, storage, seed: 3 * n + k);
        (double error, double energy) = it.Measure(it.Rounded);
        // Sums of squares in float32 over a factor in float32, less the damping.
        Assert.Equal(energy, it.Error.Energy, 1e-4 * energy);
        Assert.Equal(error, it.Error.Error, 1e-3 * error + 1e-6 * energy);
        Assert.Equal(Math.Sqrt(error / energy), it.Error.Relative, 1e-3);
    }

    [Fact]
    public void It_is_better_than_rounding_to_nearest_and_no_better_than_the_best()
    {
        double compensated = 0, nearest = 0;
        for (int seed = 0; seed < 20; seed++)
        {
            Case it = Case.Create(4, 64, 200, Int4, seed);
            (double error, double energy) = it.Measure(it.Rounded);
            compensated += error / energy;
            nearest += it.Measure(it.Nearest()).Error / energy;
        }

        // Inputs as alike as these: the authors report between two thirds and half.
        Assert.InRange(compensated / nearest, 0.01, 0.75);

        // Six columns of four bits are few enough to try the integers beside the weight, three of each.
        for (int seed = 0; seed < 20; seed++)
        {
            Case it = Case.Create(1, 6, 30, Int4Row, seed);
            Assert.True(it.Measure(it.Rounded).Error >= it.BestOfNeighbours() * (1 - 1e-9));
        }
    }

    [Fact]
    public void Threads_change_nothing()
    {
        Case one = Case.Create(37, 150, 600, Int4, seed: 1, threads: 1);
        foreach (int threads in new[] { 2, 3, 8 })
        {
            Case other = Case.Create(37, 150, 600, Int4, seed: 1, threads);
            Assert.Equal(one.Integers, other.Integers);
            Assert.Equal(one.Scales, other.Scales);
            Assert.Equal(one.Error, other.Error);
        }
    }

    [Fact]
    public void Columns_that_no_input_uses_are_rounded_to_the_nearest()
    {
        Case it = Case.Create(5, 96, 300, Int4, seed: 2, dead: i => i % 7 == 3);
        sbyte[] nearest = it.NearestIntegers();
        for (int i = 0; i < it.Integers.Length; i++)
            if (i % 96 % 7 == 3)
                Assert.Equal(nearest[i], it.Integers[i]);
        Assert.NotEqual(nearest, it.Integers);

        // Nothing at all is known of the results.
        it = Case.Create(5, 96, 300, Int4, seed: 2, dead: _ => true);
        Assert.Equal(it.NearestIntegers(), it.Integers);
        Assert.Equal(0, it.Error.Relative);
    }

    [Fact]
    public void Inputs_that_are_not_positive_definite_take_more_damping_and_those_that_are_not_finite_none()
    {
        using var h = new Hessian(40, 2);
        float[] x = Case.Inputs(40, 100, 5, null);
        fixed (float* p = x)
            h.Add(p, 100);
        h.Columns[7 * 40 + 3] = 3 * (h.Columns[3 * 40 + 3] + h.Columns[7 * 40 + 7]); // as no sum of squares can be
        Assert.InRange(h.Factor(), 10 * Hessian.UsualDamping - 1e-9, 100);

        using var other = new Hessian(40, 2);
        x[17] = float.NaN;
        fixed (float* p = x)
            other.Add(p, 100);
        Assert.Contains("not finite", Assert.Throws<DiaException>(() => other.Factor()).Message, StringComparison.Ordinal);
    }

    /// <summary>A weight, its inputs, and what became of it.</summary>
    private sealed class Case(int n, int k, WeightStorage storage, float[] weights, float[] x)
    {
        public sbyte[] Integers { get; } = new sbyte[n * k];

        public float[] Scales { get; } = new float[n * storage.Groups(k)];

        public RoundingError Error { get; private set; }

        public double[] Rounded => [.. Integers.Select((q, i) => q * (double)ScaleOf(i))];

        private double Damping { get; set; }

        private int Count => x.Length / k;

        private int Levels => storage.Format == WeightFormat.Int4 ? 8 : 128;

        public static Case Create(int n, int k, int inputs, WeightStorage storage, int seed, int threads = 2, Func<int, bool>? dead = null)
        {
            var random = new Random(seed);
            float[] weights = [.. Enumerable.Range(0, n * k).Select(_ => (float)(random.NextDouble() + random.NextDouble() - 1))];
            var it = new Case(n, k, storage, weights, Inputs(k, inputs, seed, dead));
            using var h = new Hessian(k, threads);
            fixed (float* p = it.X)
                h.Add(p, inputs);
            h.Factor();
            it.Damping = h.Damping;
            fixed (float* w = weights)
            fixed (sbyte* q = it.Integers)
            fixed (float* s = it.Scales)
                it.Error = Gptq.Round(new StoredWeight { Data = w, Format = WeightFormat.Float32 }, n, h, storage, q, s, threads);
            return it;
        }

        private float[] X => x;

        /// <summary>Inputs that are alike, as those of a layer are: a few directions and some noise.</summary>
        public static float[] Inputs(int k, int rows, int seed, Func<int, bool>? dead)
        {
            var random = new Random(seed + 1000);
            double[] directions = [.. Enumerable.Range(0, 5 * k).Select(_ => random.NextDouble() - 0.5)];
            float[] x = new float[rows * k];
            for (int row = 0; row < rows; row++)
            {
                double[] share = [.. Enumerable.Range(0, 5).Select(_ => 2 * random.NextDouble() - 1)];
                for (int i = 0; i < k; i++)
                    x[row * k + i] = dead?.Invoke(i) == true ? 0
                        : (float)(Enumerable.Range(0, 5).Sum(d => share[d] * directions[d * k + i]) + 0.2 * (random.NextDouble() - 0.5));
            }

            return x;
        }

        public (double Error, double Energy) Measure(double[] rounded)
        {
            double error = 0, energy = 0;
            for (int row = 0; row < n; row++)
                for (int input = 0; input < Count; input++)
                {
                    double e = 0, y = 0;
                    for (int i = 0; i < k; i++)
                    {
                        e += (weights[row * k + i] - rounded[row * k + i]) * x[input * k + i];
                        y += (double)weights[row * k + i] * x[input * k + i];
                    }

                    error += e * e;
                    energy += y * y;
                }

            return (error, energy);
        }

        public sbyte[] NearestIntegers() => [.. Enumerable.Range(0, n * k).Select(i =>
            (sbyte)Math.Clamp(Math.Round(weights[i] / (double)ScaleOf(i)), -Levels, Levels - 1))];

        /// <summary>What rounding to nearest gives, by its own scales.</summary>
        public double[] Nearest()
        {
            sbyte[] q = new sbyte[n * k];
            float[] s = new float[Scales.Length];
            RoundToNearest.Instance.Quantize(new WeightSpec("w", [n, k], Dia.Graph.WeightRole.Linear), storage, WeightFormat.Float32, 0, weights, q, s);
            return [.. q.Select((v, i) => v * (double)s[Group(i)])];
        }

        public double BestOfNeighbours()
        {
            double best = double.PositiveInfinity, scale = Scales[0];
            for (int choice = 0; choice < 729; choice++)
            {
                double[] rounded = new double[k];
                for (int i = 0, left = choice; i < k; i++, left /= 3)
                    rounded[i] = (Integers[i] + left % 3 - 1) * scale;
                best = Math.Min(best, Measure(rounded).Error);
            }

            return best;
        }

        /// <summary>The upper factor U of (H + damping)⁻¹ = Uᵀ·U, as the authors' algorithm takes it.</summary>
        public double[,] UpperFactorOfInverse()
        {
            double[,] a = new double[k, 2 * k];
            for (int i = 0; i < k; i++)
                for (int j = 0; j < k; j++)
                    a[i, j] = (i == j ? Damping : 0) + Enumerable.Range(0, Count).Sum(r => (double)x[r * k + i] * x[r * k + j]);
            for (int i = 0; i < k; i++)
                a[i, k + i] = 1;
            for (int i = 0; i < k; i++) // Gauss and Jordan: positive definite, so without pivots
            {
                double pivot = a[i, i];
                for (int j = 0; j < 2 * k; j++)
                    a[i, j] /= pivot;
                for (int other = 0; other < k; other++)
                    if (other != i && a[other, i] is var factor)
                        for (int j = 0; j < 2 * k; j++)
                            a[other, j] -= factor * a[i, j];
            }

            double[,] u = new double[k, k];
            for (int i = 0; i < k; i++)
                for (int j = i; j < k; j++)
                {
                    double sum = a[i, k + j];
                    for (int m = 0; m < i; m++)
                        sum -= u[m, i] * u[m, j];
                    u[i, j] = i == j ? Math.Sqrt(sum) : sum / u[i, i];
                }

            return u;
        }

        /// <summary>The authors' loop over the columns of a row; how many integers are equal until one lies at a tie.</summary>
        public int CheckRow(int row, double[,] u)
        {
            double[] w = [.. Enumerable.Range(0, k).Select(i => (double)weights[row * k + i])];
            for (int i = 0; i < k; i++)
            {
                double scale = ScaleOf(row * k + i), exact = w[i] / scale, q = Math.Clamp(Math.Round(exact), -Levels, Levels - 1);
                if (q != Integers[row * k + i])
                {
                    Assert.InRange(Math.Abs(Math.Abs(exact - Math.Floor(exact)) - 0.5), 0, 1e-2); // a tie, but for rounding
                    return i;
                }

                double error = (w[i] - q * scale) / u[i, i];
                for (int j = i; j < k; j++)
                    w[j] -= error * u[i, j];
            }

            return k;
        }

        private float ScaleOf(int index) => Scales[Group(index)];

        private int Group(int index) => index / k * storage.Groups(k) + (storage.Group == 0 ? 0 : index % k / storage.Group);
    }
}
