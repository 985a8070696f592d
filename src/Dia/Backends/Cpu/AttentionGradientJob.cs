namespace Dia.Backends.Cpu;

/// <summary>
/// The gradients of attention; a part is a key head of an item, whose query heads follow one another, each in blocks of rows. A block's probabilities p and dp
/// = dy·valuesᵀ are in the thread's scratch memory; with ds = p·(dp − Σ dy·y), dq = ds·keys, and the block adds dsᵀ·q to dk and pᵀ·dy to dv.
/// </summary>
internal unsafe struct AttentionGradientJob : IParallelJob
{
    // Products of so many rows copy each key for them once.
    private const int RowBlock = 64;

    /// <summary>What attended to what, with its result.</summary>
    public AttentionCall C;
    public float* Dq;
    public float* Dk;
    public float* Dv;
    public float* Dy;

    private float* _scratch;
    private long _scratchStride;
    private int _stride;

    /// <summary>Runs the attention of all items backwards.</summary>
    public void Start(CpuThreads threads)
    {
        long work = 0;
        int keys = 0;
        for (int i = 0; i < C.ItemCount; i++)
        {
            work += (long)C.Items[i].Rows * C.Items[i].KeyCount * C.Heads * C.HeadDim;
            keys = Math.Max(keys, C.Items[i].KeyCount);
        }
        // Whole vectors, and a cache line more, so that rows do not share cache sets.
        _stride = (keys + Vector<float>.Count - 1) / Vector<float>.Count * Vector<float>.Count + 16;
        long floats = Gemm.ScratchFloats + 2L * RowBlock * _stride + (long)keys * C.HeadDim;
        _scratch = (float*)threads.Scratch(floats * sizeof(float), out _scratchStride);
        threads.Run(ref this, C.ItemCount * C.KeyHeads, alone: work < Gemm.InlineWork / 4);
    }

    /// <inheritdoc/>
    public readonly void Run(int part, int thread)
    {
        AttentionItem item = C.Items[part / C.KeyHeads];
        int keyHead = part % C.KeyHeads, headDim = C.HeadDim;
        long first = (long)part / C.KeyHeads * item.KeyCount * C.KeyStride + (long)keyHead * headDim;
        Block block = new()
        {
            Item = item, Scratch = (float*)((byte*)_scratch + thread * _scratchStride), Dk = Dk + first, Dv = Dv + first,
            Keys = (float*)item.Keys + C.Layer * item.LayerStride + (long)keyHead * headDim, KeyStride = C.KeyStride,
            Values = (float*)item.Values + C.Layer * item.LayerStride + (long)keyHead * headDim,
        };
        block.P = block.Scratch + Gemm.ScratchFloats;
        block.Ds = block.P + RowBlock * _stride;
        for (long j = 0; j < item.KeyCount; j++)
        {
            new Span<float>(block.Dk + j * C.KeyStride, headDim).Clear();
            new Span<float>(block.Dv + j * C.KeyStride, headDim).Clear();
        }

        block.VisibleKeys = block.Keys;
        block.VisibleKeyStride = block.KeyStride;
        if (item.Mask != null)
            CopyVisible(ref block, block.Ds + RowBlock * _stride);
        for (int head = keyHead * C.Group; head < (keyHead + 1) * C.Group; head++)
        {
            for (int row = 0; row < item.Rows; row += RowBlock)
            {
                block.Head = head;
                block.First = row;
                block.Rows = Math.Min(RowBlock, item.Rows - row);
                Run(ref block);
            }
        }
    }

    // Zeros in place of keys that are masked: whatever they are, their part in dq is 0.
    private readonly void CopyVisible(ref Block block, float* to)
    {
        for (long j = 0; j < block.Item.KeyCount; j++)
        {
            var key = new Span<float>(to + j * C.HeadDim, C.HeadDim);
            if (block.Item.Mask[j] == 0)
                key.Clear();
            else
                new Span<float>(block.Keys + j * block.KeyStride, C.HeadDim).CopyTo(key);
        }
        block.VisibleKeys = to;
        block.VisibleKeyStride = C.HeadDim;
    }

    private readonly void Run(ref Block b)
    {
        long queryStride = (long)C.Heads * C.HeadDim, at = ((b.Item.FirstRow + b.First) * (long)C.Heads + b.Head) * C.HeadDim;
        float* q = C.Q + at, dy = Dy + at;
        int keys = Visible(b.Item, b.First + b.Rows - 1);
        MatrixProduct scores = new()
        {
            Y = b.P, YStride = _stride, X = q, RowStride = queryStride, TapLength = C.HeadDim, W = (byte*)b.Keys, WStride = b.KeyStride,
            Rows = b.Rows, N = keys, K = C.HeadDim,
        };
        Multiply(scores, b.Scratch);
        Multiply(scores with { Y = b.Ds, X = dy, W = (byte*)b.Values }, b.Scratch);
        for (int r = 0; r < b.Rows; r++)
        {
            float* p = b.P + (long)r * _stride, ds = b.Ds + (long)r * _stride;
            if (AttentionJob.Softmax(p, b.Item.Mask, Visible(b.Item, b.First + r), b.Item.KeyCount))
            {
                Elementwise.Run(new ScoreGradient(ds, p, Dot(dy + r * queryStride, C.Y + at + r * queryStride)), 0, b.Item.KeyCount);
                continue;
            }
            // It attends to keys that no other row of the block may see.
            new Span<float>(ds, b.Item.KeyCount).Clear();
            keys = b.Item.KeyCount;
        }

        Multiply(new MatrixProduct
        {
            Y = Dq + at, YStride = queryStride, X = b.Ds, RowStride = _stride, TapLength = keys, W = (byte*)b.VisibleKeys, WOrder = WeightOrder.Columns,
            WStride = b.VisibleKeyStride, Rows = b.Rows, N = C.HeadDim, K = keys,
        }, b.Scratch);
        MatrixProduct overRows = new()
        {
            Y = b.Dk, YStride = b.KeyStride, X = b.Ds, RowStride = _stride, Transposed = true, W = (byte*)q, WOrder = WeightOrder.Columns,
            WStride = queryStride, Rows = keys, N = C.HeadDim, K = b.Rows, Accumulate = true,
        };
        Multiply(overRows, b.Scratch);
        Multiply(overRows with { Y = b.Dv, X = b.P, W = (byte*)dy }, b.Scratch);
    }

    private static void Multiply(in MatrixProduct product, float* scratch)
    {
        GemmJob<Float32Format> job = new() { P = product };
        job.RunWithin(scratch);
    }

    private static int Visible(in AttentionItem item, int row) =>
        item.CausalStart < 0 ? item.KeyCount : (int)Math.Clamp((long)item.CausalStart + row + 1, 0, item.KeyCount);

    private readonly float Dot(float* a, float* b)
    {
        int v = Vector<float>.Count;
        Vector<float> sum = default;
        for (int i = 0; i < C.HeadDim; i += v)
        {
            int count = Math.Min(v, C.HeadDim - i);
            sum = Vector.FusedMultiplyAdd(VectorMath.LoadPart(a + i, count), VectorMath.LoadPart(b + i, count), sum);
        }
        return Vector.Sum(sum);
    }

    /// <summary>Some rows of a query head, and its key head.</summary>
    private struct Block
    {
        public AttentionItem Item;
        public float* Scratch;
        public float* Keys;
        public float* Values;
        public long KeyStride;
        public float* VisibleKeys;
        public long VisibleKeyStride;
        public float* Dk;
        public float* Dv;
        public float* P;
        public float* Ds;
        public int Head;
        public int First;
        public int Rows;
    }
}

/// <summary>ds = p·(ds − mean), where ds holds a key's dp; 0 where p is 0: such a key may be one that is not seen.</summary>
internal readonly unsafe struct ScoreGradient(float* ds, float* p, float mean) : IElementwise<ScoreGradient>
{
    public ScoreGradient Row(long row) => this;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Compute<TLanes>(long i, TLanes lanes)
        where TLanes : struct, ILanes
    {
        Vector<float> weight = lanes.Load(p + i), gradient = weight * (lanes.Load(ds + i) - new Vector<float>(mean));
        lanes.Store(ds + i, Vector.ConditionalSelect(Vector.Equals(weight, Vector<float>.Zero), Vector<float>.Zero, gradient));
    }
}
