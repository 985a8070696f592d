using Dia.Configuration;
using Dia.Weights;

namespace Dia.Backends.Cpu;

// Gradients of the model's operations, and the optimizer's step.
public readonly unsafe partial struct CpuBackend
{
    /// <inheritdoc/>
    public void Copy(float* y, float* x, long count) => Elementwise.Values(_threads, new Copy(y, x), count);

    /// <inheritdoc/>
    public void Dropout(float* y, float* x, long count, in DropoutMask mask, float scale, bool accumulate)
    {
        DropoutJob job = new() { Y = y, X = x, Count = count, Mask = mask, Scale = scale * mask.Scale, Accumulate = accumulate };
        RowParts.Run(_threads, ref job, (count + DropoutJob.BlockValues - 1) / DropoutJob.BlockValues, DropoutJob.BlockValues);
    }

    /// <inheritdoc/>
    public void LinearInputGradient(float* dx, float* dy, in Weight w, int rows, int n, int k, bool accumulate) =>
        CpuFormat.Of(w.Format).Prefill(_threads, new MatrixProduct
        {
            Y = dx, YStride = k, X = dy, RowStride = n, TapLength = n, W = (byte*)w.Data, WOrder = WeightOrder.Columns, WStride = k, Rows = rows, N = k, K = n,
            Accumulate = accumulate,
        });

    /// <inheritdoc/>
    public void LinearWeightGradient(float* dw, float* dy, float* x, int rows, int n, int k) =>
        AddOuterProducts(dw, k, 1, dy, n, x, k, rows, n, k);

    /// <summary>
    /// y[i, j] += Σ_r a[r, i]·b[r, j] for a of n columns and b of m, rows of y, a and b being so far apart, and values of y <paramref name="yStep"/>.
    /// </summary>
    private void AddOuterProducts(float* y, long yStride, int yStep, float* a, long aStride, float* b, long bStride, int rows, int n, int m) =>
        CpuFormat.Of(WeightFormat.Float32).Prefill(_threads, new MatrixProduct
        {
            Y = y, YStride = yStride, YStep = yStep, X = a, RowStride = aStride, Transposed = true, W = (byte*)b, WOrder = WeightOrder.Columns,
            WStride = bStride, Rows = n, N = m, K = rows, Accumulate = true,
        });

    /// <inheritdoc/>
    public void RmsNormGradient(float* dx, float* dw, float* dy, float* x, in Weight w, int rows, int d, float eps, bool accumulate)
    {
        float* scales = (float*)_threads.Scratch(0, out _, (long)rows * sizeof(float));
        RmsNormGradientJob job = new() { Dx = dx, Scales = scales, Dy = dy, X = x, W = (float*)w.Data, Width = d, Epsilon = eps, Accumulate = accumulate };
        RowParts.Run(_threads, ref job, rows, d);
        if (dw != null)
            Elementwise.Columns(_threads, new ColumnSum<NormTerm>(dw, new NormTerm(dy, x, scales, d), rows), d, rows);
    }

    /// <inheritdoc/>
    public void RopeGradient(float* dx, float* cos, float* sin, int rows, int heads, int half) =>
        Elementwise.Rows(_threads, new RopeGradient(dx, cos, sin, heads, half), (long)rows * heads, half);

    /// <inheritdoc/>
    public void AttentionGradient(float* dq, float* dk, float* dv, float* dy, float* q, float* y, in AttentionBatch batch, int layer, int heads, int keyHeads,
        int headDim)
    {
        AttentionCall call = new()
        {
            Y = y, Q = q, Items = batch.Items, ItemCount = batch.Count, MaxKeys = batch.MaxKeys, Layer = layer, Heads = heads, KeyHeads = keyHeads,
            HeadDim = headDim,
        };
        AttentionGradientJob job = new() { C = call, Dq = dq, Dk = dk, Dv = dv, Dy = dy };
        job.Start(_threads);
    }

    /// <inheritdoc/>
    public void GatedActivationGradient(float* dx, float* dy, float* x, int rows, int n, HiddenActivation activation) =>
        Elementwise.Rows(_threads, new GatedActivationGradient(dx, dy, x, n, activation), rows, n);

    /// <inheritdoc/>
    public void EmbedGradient(float* dtable, float* dy, int* ids, int rows, int d) => LookUpCodeGradient(dtable, dy, ids, 1, rows, d);

    /// <inheritdoc/>
    public void EmbedSumGradient(float* dtable, float* dy, int* ids, int rows, int channels, int vocabulary, int d)
    {
        for (int c = 0; c < channels; c++)
            LookUpCodeGradient(dtable + (long)c * vocabulary * d, dy, ids + c, channels, rows, d);
    }

    /// <inheritdoc/>
    public void LookUpCodeGradient(float* dcodebook, float* dy, int* codes, int codeStride, int rows, int d) =>
        Elementwise.Columns(_threads, new AddToRows(dcodebook, dy, codes, codeStride, rows, d), d, rows);

    /// <inheritdoc/>
    public void CrossEntropyGradient(float* dx, float* x, int* labels, int rows, int channels, int vocabulary, float scale)
    {
        CrossEntropyGradientJob job = new() { Dx = dx, X = x, Labels = labels, Vocabulary = vocabulary, Scale = scale };
        RowParts.Run(_threads, ref job, (long)rows * channels, 2L * vocabulary);
    }

    /// <inheritdoc/>
    public void AdamW(float* w, float* m, float* v, float* g, long count, in AdamWStep step) =>
        Elementwise.Values(_threads, new AdamW(w, m, v, g, step), count);

    /// <inheritdoc/>
    public double SquaredNorm(float* g, long count)
    {
        int parts = checked((int)((count + SquaredNormJob.PartValues - 1) / SquaredNormJob.PartValues));
        double* sums = (double*)_threads.Scratch(0, out _, parts * (long)sizeof(double));
        SquaredNormJob job = new() { Values = g, Count = count, Sums = sums };
        _threads.Run(ref job, parts);
        double sum = 0;
        for (int part = 0; part < parts; part++)
            sum += sums[part];
        return sum;
    }
}

/// <summary>The input's gradient of RMSNorm, row by row, and the rows' scales.</summary>
internal unsafe struct RmsNormGradientJob : IRowJob
{
    public float* Dx;
    public float* Scales;
    public float* Dy;
    public float* X;
    public float* W;
    public int Width;
    public float Epsilon;
    public bool Accumulate;

    /// <inheritdoc/>
    public readonly void Run(long first, long end)
    {
        int v = Vector<float>.Count;
        for (long r = first; r < end; r++)
        {
            float* x = X + r * Width, dy = Dy + r * Width;
            Vector<float> squares = default, products = default;
            for (int i = 0; i < Width; i += v)
            {
                int count = Math.Min(v, Width - i);
                Vector<float> a = Load(x + i, count), b = Load(dy + i, count) * Load(W + i, count);
                squares = Vector.FusedMultiplyAdd(a, a, squares);
                products = Vector.FusedMultiplyAdd(a, b, products);
            }
            float scale = 1 / MathF.Sqrt(Vector.Sum(squares) / Width + Epsilon);
            Scales[r] = scale;
            float back = scale * scale * Vector.Sum(products) / Width;
            Elementwise.Run(new RmsNormGradient(Dx + r * Width, dy, x, W, scale, back, Accumulate), 0, Width);
        }
    }

    private static Vector<float> Load(float* p, int count) => count == Vector<float>.Count ? Vector.Load(p) : VectorMath.LoadPart(p, count);
}

/// <summary>The softmax of logits, less 1 at their label, times a scale; a row is a channel's.</summary>
internal unsafe struct CrossEntropyGradientJob : IRowJob
{
    public float* Dx;
    public float* X;
    public int* Labels;
    public int Vocabulary;
    public float Scale;

    /// <inheritdoc/>
    public readonly void Run(long first, long end)
    {
        int v = Vector<float>.Count;
        for (long r = first; r < end; r++)
        {
            float* x = X + r * Vocabulary, dx = Dx + r * Vocabulary;
            int label = Labels[r];
            if (label == ITrainingBackend.IgnoredLabel)
            {
                new Span<float>(dx, Vocabulary).Clear();
                continue;
            }

            // A NaN need not be the greatest: it makes the sum NaN.
            int whole = Vocabulary / v * v;
            Vector<float> greatest = new(float.NegativeInfinity), sum = default;
            for (int i = 0; i < whole; i += v)
                greatest = Vector.Max(greatest, Vector.Load(x + i));
            float max = float.NegativeInfinity;
            for (int i = 0; i < v; i++)
                max = MathF.Max(max, greatest[i]);
            for (int i = whole; i < Vocabulary; i++)
                max = MathF.Max(max, x[i]);
            Vector<float> shift = new(max);
            for (int i = 0; i < whole; i += v)
            {
                Vector<float> e = VectorMath.Exp(Vector.Load(x + i) - shift);
                e.Store(dx + i);
                sum += e;
            }
            if (whole < Vocabulary)
            {
                Vector<float> e = VectorMath.Exp(VectorMath.LoadPart(x + whole, Vocabulary - whole) - shift);
                VectorMath.StorePart(dx + whole, e, Vocabulary - whole);
                sum += VectorMath.LoadPart(dx + whole, Vocabulary - whole);
            }
            float total = Vector.Sum(sum);
            Elementwise.Run(new Multiply(dx, dx, Scale / total), 0, Vocabulary);
            dx[label] -= Scale;
        }
    }
}

/// <summary>Drops values by a mask and scales the others; a row is a block of the generator.</summary>
internal unsafe struct DropoutJob : IRowJob
{
    public const int BlockValues = 4;

    public float* Y;
    public float* X;
    public long Count;
    public DropoutMask Mask;
    public float Scale;
    public bool Accumulate;

    /// <inheritdoc/>
    public readonly void Run(long first, long end)
    {
        if (Mask.Share == 0 && !Accumulate)
        {
            Elementwise.Run(new Multiply(Y, X, Scale), first * BlockValues, Math.Min(Count, end * BlockValues));
            return;
        }

        for (long block = first; block < end; block++)
        {
            var (a, b, c, d) = Mask.IsDropped(block);
            ReadOnlySpan<bool> isDropped = [a, b, c, d];
            for (long i = block * BlockValues; i < Math.Min(Count, (block + 1) * BlockValues); i++)
                Y[i] = (Accumulate ? Y[i] : 0) + (isDropped[(int)(i % BlockValues)] ? 0 : X[i] * Scale);
        }
    }
}

/// <summary>The sums of squares of equal parts, in double.</summary>
internal unsafe struct SquaredNormJob : IParallelJob
{
    public const int PartValues = 1 << 15;

    public float* Values;
    public long Count;
    public double* Sums;

    /// <inheritdoc/>
    public readonly void Run(int part, int thread)
    {
        float* p = Values + (long)part * PartValues;
        long count = Math.Min(PartValues, Count - (long)part * PartValues), i = 0;
        Vector<double> low = default, high = default;
        for (; i <= count - Vector<float>.Count; i += Vector<float>.Count)
        {
            Vector.Widen(Vector.Load(p + i), out Vector<double> a, out Vector<double> b);
            low = Vector.FusedMultiplyAdd(a, a, low);
            high = Vector.FusedMultiplyAdd(b, b, high);
        }
        double sum = Vector.Sum(low + high);
        for (; i < count; i++)
            sum += (double)p[i] * p[i];
        Sums[part] = sum;
    }
}
