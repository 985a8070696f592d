using System.Numerics;
using Dia.Configuration;

namespace Dia.Backends;

/// <summary>Divides rows (or, for one long row, ranges of values) among threads where there is enough to do.</summary>
internal static class RowParts
{
    // Values of a part; about 5 to 20 microseconds of elementwise work.
    private const long PartValues = 32768;

    /// <summary>Runs a job whose parts are ranges of <paramref name="rows"/> rows of <paramref name="width"/> values.</summary>
    public static void Run<TJob>(CpuThreads threads, ref TJob job, long rows, long width)
        where TJob : unmanaged, IRowJob
    {
        if (rows <= 0)
            return;
        RowRange<TJob> range = new() { Job = job, Rows = rows, PartRows = Math.Max(1, PartValues / Math.Max(1, width)) };
        long parts = (rows + range.PartRows - 1) / range.PartRows;
        if (parts == 1)
            job.Run(0, rows);
        else
            threads.Run(ref range, checked((int)parts));
    }

    private unsafe struct RowRange<TJob> : IParallelJob
        where TJob : unmanaged, IRowJob
    {
        public TJob Job;
        public long Rows;
        public long PartRows;

        public void Run(int part, int thread) => Job.Run(part * PartRows, Math.Min(Rows, (part + 1) * PartRows));
    }
}

/// <summary>Work on independent rows.</summary>
internal interface IRowJob
{
    /// <summary>Does the rows from <paramref name="first"/> up to but not including <paramref name="end"/>.</summary>
    void Run(long first, long end);
}

/// <summary>y = x·rsqrt(mean(x²) + eps)·w.</summary>
internal unsafe struct RmsNormJob : IRowJob
{
    public float* Y;
    public float* X;
    public float* W;
    public int Width;
    public float Epsilon;

    /// <inheritdoc/>
    public readonly void Run(long first, long end)
    {
        int v = Vector<float>.Count;
        for (long r = first; r < end; r++)
        {
            float* x = X + r * Width, y = Y + r * Width;
            Vector<float> even = default, odd = default;
            int i = 0;
            for (; i <= Width - 2 * v; i += 2 * v)
            {
                Vector<float> a = Vector.Load(x + i), b = Vector.Load(x + i + v);
                even = Vector.FusedMultiplyAdd(a, a, even);
                odd = Vector.FusedMultiplyAdd(b, b, odd);
            }
            for (; i < Width; i += v)
            {
                Vector<float> a = VectorMath.LoadPart(x + i, Math.Min(v, Width - i));
                even = Vector.FusedMultiplyAdd(a, a, even);
            }
            float scale = 1 / MathF.Sqrt(Vector.Sum(even + odd) / Width + Epsilon);
            for (i = 0; i <= Width - v; i += v)
                (Vector.Load(x + i) * new Vector<float>(scale) * Vector.Load(W + i)).Store(y + i);
            for (; i < Width; i++)
                y[i] = x[i] * scale * W[i];
        }
    }
}

/// <summary>y = up · act(gate).</summary>
internal unsafe struct GatedActivationJob : IRowJob
{
    public float* Y;
    public float* X;
    public int Width;
    public HiddenActivation Activation;

    /// <inheritdoc/>
    public readonly void Run(long first, long end)
    {
        int v = Vector<float>.Count;
        for (long r = first; r < end; r++)
        {
            float* gate = X + 2 * r * Width, up = gate + Width, y = Y + r * Width;
            int i = 0;
            for (; i <= Width - v; i += v)
                (Activate(Vector.Load(gate + i)) * Vector.Load(up + i)).Store(y + i);
            if (i < Width)
                VectorMath.StorePart(y + i, Activate(VectorMath.LoadPart(gate + i, Width - i)) * VectorMath.LoadPart(up + i, Width - i), Width - i);
        }
    }

    private readonly Vector<float> Activate(Vector<float> x) => Activation switch
    {
        HiddenActivation.Silu => x * VectorMath.Sigmoid(x),
        HiddenActivation.Gelu => new Vector<float>(0.5f) * x * (Vector<float>.One + VectorMath.Erf(x * new Vector<float>(0.707106781f))),
        // (1 + tanh u)/2 = sigmoid(2u); u = √(2/π)·(x + 0.044715·x³).
        HiddenActivation.GeluNew => x * VectorMath.Sigmoid(new Vector<float>(1.59576912f) * x * Vector.FusedMultiplyAdd(x * x, new Vector<float>(0.044715f), Vector<float>.One)),
        // The comparison is false for a NaN, which stays.
        _ => Vector.ConditionalSelect(Vector.LessThan(x, Vector<float>.Zero), Vector<float>.Zero, x),
    };
}

/// <summary>y = x + sin²(αx)/(α + 1e-9).</summary>
internal unsafe struct SnakeJob : IRowJob
{
    public float* Y;
    public float* X;
    public float* Alpha;
    public int Width;

    /// <inheritdoc/>
    public readonly void Run(long first, long end)
    {
        int v = Vector<float>.Count;
        for (long r = first; r < end; r++)
        {
            float* x = X + r * Width, y = Y + r * Width;
            int i = 0;
            for (; i <= Width - v; i += v)
                Snake(Vector.Load(x + i), Vector.Load(Alpha + i)).Store(y + i);
            if (i < Width)
                VectorMath.StorePart(y + i, Snake(VectorMath.LoadPart(x + i, Width - i), VectorMath.LoadPart(Alpha + i, Width - i)), Width - i);
        }
    }

    private static Vector<float> Snake(Vector<float> x, Vector<float> alpha) =>
        x + VectorMath.SinSquared(alpha * x) / (alpha + new Vector<float>(1e-9f));
}

/// <summary>Rotates the pairs (x[i], x[i + half]) of each head.</summary>
internal unsafe struct RopeJob : IRowJob
{
    public float* X;
    public float* Cos;
    public float* Sin;
    public int Heads;
    public int Half;

    /// <inheritdoc/>
    public readonly void Run(long first, long end)
    {
        int v = Vector<float>.Count;
        for (long r = first; r < end; r++)
        {
            float* cos = Cos + r * Half, sin = Sin + r * Half;
            for (int h = 0; h < Heads; h++)
            {
                float* a = X + (r * Heads + h) * 2 * Half, b = a + Half;
                int i = 0;
                for (; i <= Half - v; i += v)
                {
                    Vector<float> c = Vector.Load(cos + i), s = Vector.Load(sin + i), x1 = Vector.Load(a + i), x2 = Vector.Load(b + i);
                    (x1 * c - x2 * s).Store(a + i);
                    (x2 * c + x1 * s).Store(b + i);
                }
                for (; i < Half; i++)
                    (a[i], b[i]) = (a[i] * cos[i] - b[i] * sin[i], b[i] * cos[i] + a[i] * sin[i]);
            }
        }
    }
}

/// <summary>Rotates new keys and appends them, and their values, to the caches of the sequences they belong to; rows are counted over all sequences.</summary>
internal unsafe struct RopeKeyValuesJob : IRowJob
{
    public RopeJob Keys;
    public float* Values;
    public AttentionItem* Items;
    public int Layer;

    /// <inheritdoc/>
    public readonly void Run(long first, long end)
    {
        AttentionItem* item = Items;
        long before = 0, width = 2L * Keys.Heads * Keys.Half, bytes = width * sizeof(float);
        for (long r = first; r < end; r++)
        {
            while (r - before >= item->Rows)
                before += item++->Rows;
            long at = item->FirstRow + r - before, to = Layer * item->LayerStride + (item->CausalStart + r - before) * width;
            Keys.Run(at, at + 1);
            Buffer.MemoryCopy(Keys.X + at * width, item->Keys + to, bytes, bytes);
            Buffer.MemoryCopy(Values + at * width, item->Values + to, bytes, bytes);
        }
    }
}

/// <summary>cos and sin of positions times inverse frequencies.</summary>
internal unsafe struct RopeTableJob : IRowJob
{
    public float* Cos;
    public float* Sin;
    public int* Positions;
    public float* InverseFrequencies;
    public int Half;
    public float Scaling;

    /// <inheritdoc/>
    public readonly void Run(long first, long end)
    {
        for (long r = first; r < end; r++)
        {
            for (int i = 0; i < Half; i++)
            {
                // The angle is a float32 product; its cosine and sine are rounded once (numerics.md).
                (double sin, double cos) = Math.SinCos(Positions[r] * InverseFrequencies[i]);
                Cos[r * Half + i] = (float)cos * Scaling;
                Sin[r * Half + i] = (float)sin * Scaling;
            }
        }
    }
}

/// <summary>y = y + x, y − x or tanh(x) over values; Add also for a row x that repeats (Width values).</summary>
internal unsafe struct ElementwiseJob : IRowJob
{
    public enum Operation
    {
        Add,
        AddRow,
        Subtract,
        Tanh,
    }

    public float* Y;
    public float* X;
    public int Width;
    public Operation Kind;

    /// <inheritdoc/>
    public readonly void Run(long first, long end)
    {
        switch (Kind)
        {
            case Operation.AddRow:
                for (long r = first; r < end; r++)
                    Add(Y + r * Width, X, Width, false);
                break;
            case Operation.Tanh:
                for (long i = first; i < end; i++)
                    Y[i] = MathF.Tanh(X[i]);
                break;
            default:
                Add(Y + first, X + first, end - first, Kind == Operation.Subtract);
                break;
        }
    }

    private static void Add(float* y, float* x, long count, bool subtract)
    {
        int v = Vector<float>.Count;
        long i = 0;
        for (; i <= count - v; i += v)
        {
            Vector<float> a = Vector.Load(y + i), b = Vector.Load(x + i);
            (subtract ? a - b : a + b).Store(y + i);
        }
        for (; i < count; i++)
            y[i] = subtract ? y[i] - x[i] : y[i] + x[i];
    }
}
