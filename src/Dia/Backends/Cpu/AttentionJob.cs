using System.Runtime.Intrinsics.X86;
using Dia.Weights;

namespace Dia.Backends.Cpu;

/// <summary>
/// Attention in tiles of four queries of one key head: query heads that share it, of one row or of neighbouring rows. Each query's
/// result is the same in any tile: its scores, softmax and weighted sum are chains of their own over its visible keys.
/// </summary>
internal unsafe struct AttentionJob : IParallelJob
{
    private const int Tile = 4;
    private const int KeyBlock = 32;
    private const int KeysAtOnce = 8;

    /// <summary>What attends to what.</summary>
    public AttentionCall C;

    private byte* _scratch;
    private long _scratchStride;
    private int _padded;
    private int _maxKeys;

    /// <summary>Runs the attention of all items.</summary>
    public void Start(CpuThreads threads)
    {
        int parts = 0, width = C.KeyHeads * C.HeadDim;
        long work = 0, widened = 0;
        _maxKeys = 0;
        int v = Math.Max(KeysAtOnce, Vector<float>.Count);
        for (int i = 0; i < C.ItemCount; i++)
        {
            parts += Tiles(C.Items[i]) * C.KeyHeads;
            work += (long)C.Items[i].Rows * C.Items[i].KeyCount * C.Heads * C.HeadDim;
            _maxKeys = Math.Max(_maxKeys, (C.Items[i].KeyCount + v - 1) / v * v);
            widened += C.Format == WeightFormat.Float32 ? 0 : sizeof(AttentionItem) + CacheRows.WidenedSize(C.Items[i], width) * sizeof(float);
        }
        _padded = (C.HeadDim + Vector<float>.Count - 1) / Vector<float>.Count * Vector<float>.Count;
        // Per thread: four queries, their outputs, their scores.
        _scratch = threads.Scratch(Tile * (2L * _padded + _maxKeys) * sizeof(float), out _scratchStride, widened);
        if (C.Format != WeightFormat.Float32)
            Widen(threads, width);
        threads.Run(ref this, parts, alone: work < Gemm.InlineWork / 4);
    }

    /// <summary>Keys and values are read by each tile of queries: they are widened once for all.</summary>
    private void Widen(CpuThreads threads, int width)
    {
        AttentionItem* items = (AttentionItem*)(_scratch + threads.Count * _scratchStride);
        WidenJob job = new() { C = C, To = items, Width = width };
        threads.Run(ref job, C.ItemCount);
        C.Items = items;
        (C.Layer, C.Format) = (0, WeightFormat.Float32);
    }

    private struct WidenJob : IParallelJob
    {
        public AttentionCall C;
        public AttentionItem* To;
        public int Width;

        public readonly void Run(int part, int thread)
        {
            float* to = (float*)(To + C.ItemCount);
            for (int i = 0; i < part; i++)
                to += CacheRows.WidenedSize(C.Items[i], Width);
            To[part] = CacheRows.Widen(to, C.Items[part], C.Format, C.Layer, Width);
        }
    }

    private readonly int Tiles(in AttentionItem item) => (item.Rows * C.Group + Tile - 1) / Tile;

    /// <inheritdoc/>
    public readonly void Run(int part, int thread)
    {
        AttentionItem* item = C.Items;
        float* map = C.Maps;
        while (part >= Tiles(*item) * C.KeyHeads)
        {
            part -= Tiles(*item) * C.KeyHeads;
            map += map == null ? 0 : (long)C.Heads * item->Rows * item->KeyCount;
            item++;
        }
        int tiles = Tiles(*item), keyHead = part / tiles, first = part % tiles * Tile;
        int group = C.Group, count = Math.Min(Tile, item->Rows * group - first);
        float* q = (float*)(_scratch + thread * _scratchStride), y = q + Tile * _padded, p = y + Tile * _padded;
        new Span<float>(q, 2 * Tile * _padded).Clear();
        for (int t = 0; t < count; t++)
            Unsafe.CopyBlockUnaligned(q + t * _padded, C.Q + At(*item, keyHead, first + t), (uint)C.HeadDim * sizeof(float));

        int* visible = stackalloc int[Tile];
        bool* even = stackalloc bool[Tile];
        float* keys = (float*)item->Keys + C.Layer * item->LayerStride + (long)keyHead * C.HeadDim;
        int most = 0, least = int.MaxValue;
        for (int t = 0; t < Tile; t++)
        {
            // Queries that fill up the last tile are zeros, and see what the first one sees.
            int row = (first + (t < count ? t : 0)) / group;
            visible[t] = item->CausalStart < 0 ? item->KeyCount : (int)Math.Clamp((long)item->CausalStart + row + 1, 0, item->KeyCount);
            most = Math.Max(most, visible[t]);
            least = Math.Min(least, visible[t]);
        }
        Scores(p, q, keys, most);
        for (int t = 0; t < Tile; t++)
            even[t] = !Softmax(p + (long)t * _maxKeys, item->Mask, visible[t], item->KeyCount);

        float* values = (float*)item->Values + C.Layer * item->LayerStride + (long)keyHead * C.HeadDim;
        if (!even[0] && !even[1] && !even[2] && !even[3])
            Accumulate4(y, p, values, item->Mask, least);
        else
            least = 0;
        for (int t = 0; t < count; t++)
        {
            Accumulate1(y + t * _padded, p + (long)t * _maxKeys, values, even[t] ? null : item->Mask, least, even[t] ? item->KeyCount : visible[t]);
            Unsafe.CopyBlockUnaligned(C.Y + At(*item, keyHead, first + t), y + t * _padded, (uint)C.HeadDim * sizeof(float));
            if (map != null)
            {
                int head = keyHead * group + (first + t) % group, row = (first + t) / group;
                Unsafe.CopyBlockUnaligned(map + ((long)head * item->Rows + row) * item->KeyCount, p + (long)t * _maxKeys, (uint)item->KeyCount * sizeof(float));
            }
        }
    }

    // Where query number i of a key head is in the whole array: heads of a group are neighbours within a row.
    private readonly long At(in AttentionItem item, int keyHead, int i)
    {
        int group = C.Group;
        return ((item.FirstRow + i / group) * (long)C.Heads + keyHead * group + i % group) * C.HeadDim;
    }

    private readonly Vector<float> LoadDims(float* from, int d) =>
        d + Vector<float>.Count <= C.HeadDim ? Vector.Load(from + d) : VectorMath.LoadPart(from + d, C.HeadDim - d);

    // p[t][j] = q[t]·keys[j] for four queries. The last keys are filled up to eight with the last one: p has room for them.
    private readonly void Scores(float* p, float* q, float* keys, int count)
    {
        long stride = C.KeyStride;
        Vector<float>* sums = stackalloc Vector<float>[Tile * KeysAtOnce];
        for (int j = 0; j < count; j += KeysAtOnce)
        {
            for (int i = 0; i < KeysAtOnce; i += 2)
                TwoScores(sums + i, q, keys + Math.Min(j + i, count - 1) * stride, keys + Math.Min(j + i + 1, count - 1) * stride);
            for (int t = 0; t < Tile; t++)
                VectorMath.SumEight(sums + t * KeysAtOnce, p + (long)t * _maxKeys + j);
        }
    }

    private readonly void TwoScores(Vector<float>* sums, float* q, float* key0, float* key1)
    {
        Vector<float> s00 = default, s01 = default, s10 = default, s11 = default, s20 = default, s21 = default, s30 = default, s31 = default;
        float* q1 = q + _padded, q2 = q1 + _padded, q3 = q2 + _padded;
        long ahead = (long)KeysAtOnce * C.KeyHeads * C.HeadDim;
        int d = 0;
        for (; d <= C.HeadDim - Vector<float>.Count; d += Vector<float>.Count)
        {
            // A head's keys are short runs at a large stride, which the hardware does not foresee.
            if (Sse.IsSupported)
            {
                Sse.Prefetch0(key0 + d + ahead);
                Sse.Prefetch0(key1 + d + ahead);
            }
            Vector<float> a = Vector.Load(key0 + d), b = Vector.Load(key1 + d);
            VectorMath.AddProducts(Vector.Load(q + d), a, b, ref s00, ref s01);
            VectorMath.AddProducts(Vector.Load(q1 + d), a, b, ref s10, ref s11);
            VectorMath.AddProducts(Vector.Load(q2 + d), a, b, ref s20, ref s21);
            VectorMath.AddProducts(Vector.Load(q3 + d), a, b, ref s30, ref s31);
        }
        sums[0] = s00;
        sums[1] = s01;
        sums[KeysAtOnce] = s10;
        sums[KeysAtOnce + 1] = s11;
        sums[2 * KeysAtOnce] = s20;
        sums[2 * KeysAtOnce + 1] = s21;
        sums[3 * KeysAtOnce] = s30;
        sums[3 * KeysAtOnce + 1] = s31;
        if (d == C.HeadDim)
            return;
        Vector<float> last0 = LoadDims(key0, d), last1 = LoadDims(key1, d);
        for (int t = 0; t < Tile; t++)
        {
            Vector<float> x = Vector.Load(q + t * _padded + d);
            sums[t * KeysAtOnce] = Vector.FusedMultiplyAdd(last0, x, sums[t * KeysAtOnce]);
            sums[t * KeysAtOnce + 1] = Vector.FusedMultiplyAdd(last1, x, sums[t * KeysAtOnce + 1]);
        }
    }

    /// <summary>Scores to probabilities, 0 for keys that are not seen; false: no key is seen, and all <paramref name="keyCount"/> get the same.</summary>
    /// <remarks>p has room for whole vectors.</remarks>
    public static bool Softmax(float* p, byte* mask, int visible, int keyCount)
    {
        int v = Vector<float>.Count;
        bool any = visible > 0;
        if (mask != null)
        {
            any = false;
            for (int j = 0; j < visible; j++)
            {
                if (mask[j] == 0)
                    p[j] = float.NegativeInfinity;
                else
                    any = true;
            }
        }
        if (!any)
        {
            new Span<float>(p, keyCount).Fill(1f / keyCount);
            return false;
        }

        int whole = (visible + v - 1) / v * v;
        for (int j = visible; j < whole; j++)
            p[j] = float.NegativeInfinity;
        Vector<float> max = Vector.Load(p);
        for (int j = v; j < whole; j += v)
            max = Vector.Max(max, Vector.Load(p + j));
        float largest = max[0];
        for (int i = 1; i < v; i++)
            largest = MathF.Max(largest, max[i]);

        Vector<float> sum = default, shift = new(largest);
        for (int j = 0; j < whole; j += v)
        {
            Vector<float> e = VectorMath.Exp(Vector.Load(p + j) - shift);
            e.Store(p + j);
            sum += e;
        }
        Vector<float> scale = new(1 / Vector.Sum(sum));
        for (int j = 0; j < whole; j += v)
            (Vector.Load(p + j) * scale).Store(p + j);
        if (mask != null)
        {
            for (int j = 0; j < visible; j++)
                p[j] = mask[j] == 0 ? 0 : p[j];
        }
        for (int j = visible; j < keyCount; j++)
            p[j] = 0;
        return true;
    }

    // y[t] += Σ_j p[t][j]·values[j] for four queries, in blocks of keys: their values are read from memory once, by whole rows.
    private readonly void Accumulate4(float* y, float* p, float* values, byte* mask, int count)
    {
        int v = Vector<float>.Count;
        for (int start = 0; start < count; start += KeyBlock)
        {
            int keys = Math.Min(count - start, KeyBlock), d = 0;
            byte* blockMask = mask == null ? null : mask + start;
            float* block = values + start * C.KeyStride;
            for (; d <= C.HeadDim - 2 * v; d += 2 * v)
                AccumulateTwo(y + d, p + start, block + d, blockMask, keys);
            for (; d < C.HeadDim; d += v)
            {
                for (int t = 0; t < Tile; t++)
                    AccumulateOne(y + t * _padded + d, p + (long)t * _maxKeys + start, block, d, blockMask, keys);
            }
        }
    }

    private readonly void AccumulateTwo(float* y, float* p, float* values, byte* mask, int keys)
    {
        int v = Vector<float>.Count;
        long stride = C.KeyStride;
        float* p1 = p + _maxKeys, p2 = p1 + _maxKeys, p3 = p2 + _maxKeys, y1 = y + _padded, y2 = y1 + _padded, y3 = y2 + _padded;
        Vector<float> s00 = Vector.Load(y), s01 = Vector.Load(y + v), s10 = Vector.Load(y1), s11 = Vector.Load(y1 + v);
        Vector<float> s20 = Vector.Load(y2), s21 = Vector.Load(y2 + v), s30 = Vector.Load(y3), s31 = Vector.Load(y3 + v);
        for (int j = 0; j < keys; j++, values += stride)
        {
            if (Sse.IsSupported)
                Sse.Prefetch0(values + KeyBlock * stride);
            if (mask != null && mask[j] == 0)
                continue;
            Vector<float> a = Vector.Load(values), b = Vector.Load(values + v);
            VectorMath.AddProducts(new Vector<float>(p[j]), a, b, ref s00, ref s01);
            VectorMath.AddProducts(new Vector<float>(p1[j]), a, b, ref s10, ref s11);
            VectorMath.AddProducts(new Vector<float>(p2[j]), a, b, ref s20, ref s21);
            VectorMath.AddProducts(new Vector<float>(p3[j]), a, b, ref s30, ref s31);
        }
        VectorMath.StorePair(y, s00, s01);
        VectorMath.StorePair(y1, s10, s11);
        VectorMath.StorePair(y2, s20, s21);
        VectorMath.StorePair(y3, s30, s31);
    }

    private readonly void AccumulateOne(float* y, float* p, float* values, int d, byte* mask, int keys)
    {
        long stride = C.KeyStride;
        Vector<float> s = Vector.Load(y);
        for (int j = 0; j < keys; j++)
        {
            if (mask == null || mask[j] != 0)
                s = Vector.FusedMultiplyAdd(LoadDims(values + j * stride, d), new Vector<float>(p[j]), s);
        }
        s.Store(y);
    }

    // The keys that only this query sees of its tile.
    private readonly void Accumulate1(float* y, float* p, float* values, byte* mask, int first, int end)
    {
        if (first >= end)
            return;
        for (int d = 0; d < C.HeadDim; d += Vector<float>.Count)
            AccumulateOne(y + d, p + first, values + (long)first * C.KeyHeads * C.HeadDim, d, mask == null ? null : mask + first, end - first);
    }
}

/// <summary>What attends to what: <see cref="IBackend.Attention"/>'s arguments.</summary>
internal unsafe struct AttentionCall
{
    public float* Y;
    public float* Q;
    public AttentionItem* Items;
    public int ItemCount;
    public int MaxKeys;
    public WeightFormat Format;
    public int Layer;
    public float* Maps;
    public int Heads;
    public int KeyHeads;
    public int HeadDim;

    /// <summary>Query heads of a key head.</summary>
    public readonly int Group => Heads / KeyHeads;

    /// <summary>Values from a key to the next.</summary>
    public readonly long KeyStride => (long)KeyHeads * HeadDim;
}
