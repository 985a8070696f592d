namespace Dia.Backends.Cpu;

/// <summary>
/// A convolution to one channel: y[r] = bias + Σ_k x[r·stride + k]·w[k], whose window is one run. Panels of columns would multiply mostly zeros. The lanes of
/// a vector are sums of their own, then added: a row is the same bits whatever rows it is made with.
/// </summary>
internal unsafe struct SingleOutputJob : IRowJob
{
    // Rows that share a reading of the weights.
    private const int Together = 4;

    /// <summary>Results [rows] and operands: x is the first that row 0 reads, and rows are RowStride apart.</summary>
    public float* Y;
    public float* X;
    public long RowStride;

    /// <summary>The weights [Count], zeros behind them up to a whole vector.</summary>
    public float* W;
    public int Count;
    public float Bias;
    public bool Accumulate;

    /// <inheritdoc/>
    public readonly void Run(long first, long end)
    {
        for (long r = first; r < end; r += Together)
        {
            // Where fewer are left, the last is multiplied again.
            long last = Math.Min(Together, end - r) - 1;
            float* x = X + r * RowStride, x1 = x + Math.Min(1, last) * RowStride, x2 = x + Math.Min(2, last) * RowStride, x3 = x + last * RowStride;
            Vector<float> sum0 = default, sum1 = default, sum2 = default, sum3 = default;
            int k = 0;
            for (; k <= Count - Vector<float>.Count; k += Vector<float>.Count)
            {
                Vector<float> w = Vector.Load(W + k);
                sum0 = Vector.FusedMultiplyAdd(Vector.Load(x + k), w, sum0);
                sum1 = Vector.FusedMultiplyAdd(Vector.Load(x1 + k), w, sum1);
                sum2 = Vector.FusedMultiplyAdd(Vector.Load(x2 + k), w, sum2);
                sum3 = Vector.FusedMultiplyAdd(Vector.Load(x3 + k), w, sum3);
            }
            Store(r, x, k, sum0);
            if (last >= 1)
                Store(r + 1, x1, k, sum1);
            if (last >= 2)
                Store(r + 2, x2, k, sum2);
            if (last >= 3)
                Store(r + 3, x3, k, sum3);
        }
    }

    // Adds what is left of a row behind its whole vectors.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private readonly void Store(long r, float* x, int k, Vector<float> sum)
    {
        if (k < Count)
            sum = Vector.FusedMultiplyAdd(VectorMath.LoadPart(x + k, Count - k), Vector.Load(W + k), sum);
        float result = Bias + Vector.Sum(sum);
        Y[r] = Accumulate ? Y[r] + result : result;
    }
}
