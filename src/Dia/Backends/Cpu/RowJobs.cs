using System.Numerics;

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
            Elementwise.Run(new Scale(y, x, W, scale), 0, Width);
        }
    }
}

/// <summary>Rotates new keys and appends them, and their values, to the caches of the sequences they belong to; rows are counted over all sequences.</summary>
internal unsafe struct RopeKeyValuesJob : IRowJob
{
    public float* Keys;
    public float* Values;
    public float* Cos;
    public float* Sin;
    public int Heads;
    public int Half;
    public AttentionItem* Items;
    public int Layer;

    /// <inheritdoc/>
    public readonly void Run(long first, long end)
    {
        AttentionItem* item = Items;
        long before = 0, width = 2L * Heads * Half, bytes = width * sizeof(float);
        for (long r = first; r < end; r++)
        {
            while (r - before >= item->Rows)
                before += item++->Rows;
            long at = item->FirstRow + r - before, to = Layer * item->LayerStride + (item->CausalStart + r - before) * width;
            for (int h = 0; h < Heads; h++)
                Elementwise.Run(new Rope(Keys, Cos, Sin, Heads, Half).Row(at * Heads + h), 0, Half);
            Buffer.MemoryCopy(Keys + at * width, item->Keys + to, bytes, bytes);
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
