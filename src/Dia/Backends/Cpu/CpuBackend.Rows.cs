using Dia.Configuration;

namespace Dia.Backends.Cpu;

// Operations on rows by themselves, and the jobs of those that are not elementwise.
public readonly unsafe partial struct CpuBackend
{
    /// <inheritdoc/>
    public void RmsNorm(float* y, float* x, in Weight w, int rows, int d, float eps)
    {
        RmsNormJob job = new() { Y = y, X = x, W = (float*)w.Data, Width = d, Epsilon = eps };
        RowParts.Run(_threads, ref job, rows, d);
    }

    /// <inheritdoc/>
    public void RopeTable(float* cos, float* sin, int* positions, float* inverseFrequencies, in AttentionBatch batch, int half, float scaling)
    {
        for (int i = 0; i < batch.Count; i++)
        {
            long first = batch.Items[i].FirstRow;
            RopeTableJob job = new()
            {
                Cos = cos + first * half, Sin = sin + first * half, Positions = positions + first, InverseFrequencies = inverseFrequencies + (long)i * half,
                    Half = half, Scaling = scaling,
            };
            // A sine and cosine in double cost about as much as ten values of other work.
            RowParts.Run(_threads, ref job, batch.Items[i].Rows, 10L * half);
        }
    }

    /// <inheritdoc/>
    public void Rope(float* x, float* cos, float* sin, int rows, int heads, int half) =>
        Elementwise.Rows(_threads, new Rope(x, cos, sin, heads, half), (long)rows * heads, half);

    /// <inheritdoc/>
    public void RopeKeyValues(float* keys, float* values, float* cos, float* sin, in AttentionBatch batch, int layer, int keyHeads, int half)
    {
        RopeKeyValuesJob job = new() { Keys = keys, Values = values, Cos = cos, Sin = sin, Heads = keyHeads, Half = half, Batch = batch, Layer = layer };
        long rows = 0;
        for (int i = 0; i < batch.Count; i++)
            rows += batch.Items[i].Rows;
        RowParts.Run(_threads, ref job, rows, 4L * keyHeads * half);
    }

    /// <inheritdoc/>
    public void GatedActivation(float* y, float* x, int rows, int n, HiddenActivation activation) =>
        Elementwise.Rows(_threads, new GatedActivation(y, x, n, activation), rows, n);

    /// <inheritdoc/>
    public void AddRow(float* y, float* v, int rows, int d) => Elementwise.Rows(_threads, new Add(y, v, d), rows, d);

    /// <inheritdoc/>
    public void Subtract(float* y, float* x, long count) => Elementwise.Values(_threads, new Subtract(y, x), count);

    /// <inheritdoc/>
    public void Snake(float* y, float* x, in Weight alpha, int rows, int channels) =>
        Elementwise.Rows(_threads, new Snake(y, x, (float*)alpha.Data, channels), rows, channels);

    /// <inheritdoc/>
    public void Tanh(float* y, float* x, long count) => Elementwise.Values(_threads, new Tanh(y, x), count);
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
    public AttentionBatch Batch;
    public int Layer;

    /// <inheritdoc/>
    public readonly void Run(long first, long end)
    {
        AttentionItem* item = Batch.Items;
        long before = 0;
        int width = 2 * Heads * Half;
        for (long r = first; r < end; r++)
        {
            while (r - before >= item->Rows)
                before += item++->Rows;
            long at = item->FirstRow + r - before, to = item->CausalStart + r - before;
            for (int h = 0; h < Heads; h++)
                Elementwise.Run(new Rope(Keys, Cos, Sin, Heads, Half).Row(at * Heads + h), 0, Half);
            CacheRows.Store(CacheRows.Row(item->Keys, *item, Batch.Format, Layer, to, width), Batch.Format, Keys + at * width, width);
            CacheRows.Store(CacheRows.Row(item->Values, *item, Batch.Format, Layer, to, width), Batch.Format, Values + at * width, width);
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
