using Dia.Weights;

namespace Dia.Backends.Cpu;

/// <summary>
/// Attention in blocks of queries of one key head: query heads that share it, of one row or of neighbouring rows. Each query's result is the same in any
/// block: its scores, softmax and weighted sum are chains of their own over its visible keys.
/// </summary>
/// <remarks>
/// A head's keys are short runs at a large stride, many of which share cache sets: they are copied, some at a time, for all tiles of a block.
/// </remarks>
internal unsafe struct AttentionJob : IParallelJob
{
    private const int Tile = AttentionTile<CopiedRows>.Queries;

    // Keys of a block: with a tile's queries they stay in the first-level cache.
    private const int KeyBlock = 32;

    // Scores of a block: they stay in the second-level cache.
    private const int MostScores = 65536;

    // Fewer queries than these are not worth the copies of keys and values that another block of them costs.
    private const int FewQueries = 8 * Tile;

    /// <summary>What attends to what.</summary>
    public AttentionCall C;

    private byte* _scratch;
    private long _scratchStride;
    private int _padded;
    private int _maxKeys;
    private int _blockQueries;

    /// <summary>Runs the attention of all items.</summary>
    public void Start(CpuThreads threads)
    {
        int width = C.KeyHeads * C.HeadDim, v = Vector<float>.Count;
        long work = 0, widened = 0, queries = 0;
        _maxKeys = 0;
        for (int i = 0; i < C.ItemCount; i++)
        {
            queries += (long)C.Items[i].Rows * C.Heads;
            work += (long)C.Items[i].Rows * C.Items[i].KeyCount * C.Heads * C.HeadDim;
            _maxKeys = Math.Max(_maxKeys, (C.Items[i].KeyCount + v - 1) / v * v);
            widened += C.Format == WeightFormat.Float32 ? 0 : sizeof(AttentionItem) + CacheRows.WidenedSize(C.Items[i], width) * sizeof(float);
        }
        _padded = (C.HeadDim + 2 * v - 1) / (2 * v) * 2 * v;
        _blockQueries = (int)Math.Clamp(queries / (8 * threads.Count), FewQueries, Math.Max(MostScores / Math.Max(1, _maxKeys), FewQueries)) / Tile * Tile;
        // Per thread: queries, their outputs, their scores; a block of keys or values.
        long floats = _blockQueries * (2L * _padded + _maxKeys) + KeyBlock * _padded;
        _scratch = threads.Scratch(floats * sizeof(float), out _scratchStride, widened);
        if (C.Format != WeightFormat.Float32)
            Widen(threads, width);
        int parts = 0;
        for (int i = 0; i < C.ItemCount; i++)
            parts += Blocks(C.Items[i]) * C.KeyHeads;
        threads.Run(ref this, parts, alone: work < Gemm.InlineWork / 4);
    }

    /// <summary>Keys and values are read by each block of queries: they are widened once for all.</summary>
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

    // Bytes of a copied row.
    private readonly long RowBytes => _padded * sizeof(float);

    private readonly int Blocks(in AttentionItem item) => (item.Rows * C.Group + _blockQueries - 1) / _blockQueries;

    /// <inheritdoc/>
    public readonly void Run(int part, int thread)
    {
        Block b = new() { Item = C.Items, Map = C.Maps };
        while (part >= Blocks(*b.Item) * C.KeyHeads)
        {
            part -= Blocks(*b.Item) * C.KeyHeads;
            b.Map += b.Map == null ? 0 : (long)C.Heads * b.Item->Rows * b.Item->KeyCount;
            b.Item++;
        }
        int blocks = Blocks(*b.Item);
        b.KeyHead = part / blocks;
        // Blocks of an item are as equal as tiles allow.
        int queries = b.Item->Rows * C.Group, tiles = (queries + Tile - 1) / Tile;
        b.First = (int)((long)tiles * (part % blocks) / blocks) * Tile;
        b.Count = Math.Min((int)((long)tiles * (part % blocks + 1) / blocks) * Tile, queries) - b.First;
        b.Q = (float*)(_scratch + thread * _scratchStride);
        b.Y = b.Q + _blockQueries * _padded;
        b.P = b.Y + _blockQueries * _padded;
        b.Copies = b.P + (long)_blockQueries * _maxKeys;
        long head = C.Layer * b.Item->LayerStride + (long)b.KeyHead * C.HeadDim;
        b.Keys = (float*)b.Item->Keys + head;
        b.Values = (float*)b.Item->Values + head;
        while (b.Item->Mask != null && b.FirstSeen < b.Item->KeyCount && b.Item->Mask[b.FirstSeen] == 0)
            b.FirstSeen++;

        // What fills up queries to whole tiles, and rows to whole pairs of vectors, is zeros.
        int floats = (b.Count + Tile - 1) / Tile * Tile * _padded;
        new Span<float>(b.Y, floats).Clear();
        new Span<float>(b.Q, floats).Clear();
        for (int t = 0; t < b.Count; t++)
            Unsafe.CopyBlockUnaligned(b.Q + t * _padded, C.Q + At(b, t), (uint)C.HeadDim * sizeof(float));
        if (C.HeadDim < _padded)
            new Span<float>(b.Copies, KeyBlock * _padded).Clear();
        Scores(b);
        Weights(b);
        Accumulate(b);
        for (int t = 0; t < b.Count; t++)
            Unsafe.CopyBlockUnaligned(C.Y + At(b, t), b.Y + t * _padded, (uint)C.HeadDim * sizeof(float));
    }

    // Where a query of a block is in the whole array: heads of a group are neighbours within a row.
    private readonly long At(in Block b, int t)
    {
        int group = C.Group, i = b.First + t;
        return ((b.Item->FirstRow + i / group) * (long)C.Heads + b.KeyHead * group + i % group) * C.HeadDim;
    }

    // How many keys a query sees, masked ones included; the more, the later it is. Those that fill up the last tile see what the last one sees.
    private readonly int Visible(in Block b, int t)
    {
        int row = (b.First + Math.Min(t, b.Count - 1)) / C.Group;
        return b.Item->CausalStart < 0 ? b.Item->KeyCount : (int)Math.Clamp((long)b.Item->CausalStart + row + 1, 0, b.Item->KeyCount);
    }

    private readonly void Scores(in Block b)
    {
        AskedRows none = default;
        int most = Visible(b, b.Count - 1);
        for (int start = 0; start < most; start += KeyBlock)
        {
            Copy(b.Copies, b.Keys, null, start, most);
            for (int t = 0; t < b.Count; t += Tile)
            {
                int count = Math.Min(KeyBlock, Visible(b, t + Tile - 1) - start);
                float* p = b.P + (long)t * _maxKeys + start;
                AttentionTile<CopiedRows>.Scores(p, _maxKeys, b.Q + t * _padded, (byte*)b.Copies, RowBytes, _padded, count, ref none);
            }
        }
    }

    // A block of keys or values. Those that are masked may be NaN: they become -0, which times a weight of 0 changes no sum.
    private readonly void Copy(float* to, float* from, byte* mask, int start, int end)
    {
        long stride = C.KeyStride;
        from += start * stride;
        for (int j = start; j < Math.Min(start + KeyBlock, end); j++, to += _padded, from += stride)
        {
            Prefetch(from + KeyBlock * stride);
            if (mask == null || mask[j] != 0)
                Gemm.Copy(to, from, C.HeadDim);
            else
                new Span<float>(to, C.HeadDim).Fill(-0f);
        }
    }

    // Asks for a row of the next block, into the second-level cache: a head's rows, short runs at a large stride, are not foreseen by the hardware.
    private readonly void Prefetch(float* row)
    {
        for (int d = 0; d < C.HeadDim; d += 16)
            VectorMath.PrefetchSecond(row + d);
    }

    private readonly void Weights(in Block b)
    {
        int group = C.Group, keys = b.Item->KeyCount;
        for (int t = 0; t < b.Count; t++)
        {
            float* p = b.P + (long)t * _maxKeys;
            if (t < KeyBlock)
                Prefetch(b.Values + t * C.KeyStride);
            Softmax(p, b.Item->Mask, Visible(b, t), keys);
            if (b.Map == null)
                continue;
            int i = b.First + t, head = b.KeyHead * group + i % group;
            Unsafe.CopyBlockUnaligned(b.Map + ((long)head * b.Item->Rows + i / group) * keys, p, (uint)keys * sizeof(float));
        }
    }

    /// <summary>Scores to probabilities, 0 for keys that are not seen; false: no key is seen, and all <paramref name="keyCount"/> get the same.</summary>
    /// <remarks>p has room for whole vectors.</remarks>
    public static bool Softmax(float* p, byte* mask, int visible, int keyCount)
    {
        int v = Vector<float>.Count;
        if (visible == 0 || (mask != null && !new ReadOnlySpan<byte>(mask, visible).ContainsAnyExcept((byte)0)))
        {
            new Span<float>(p, keyCount).Fill(1f / keyCount);
            return false;
        }

        if (mask != null)
            Fill(p, mask, visible, float.NegativeInfinity);
        int last = (visible - 1) / v * v, whole = last + v;
        Vector<int> seen = Vector.LessThan(Vector<int>.Indices, new Vector<int>(visible - last));
        Vector<float> max = Vector.ConditionalSelect(seen, Vector.Load(p + last), new Vector<float>(float.NegativeInfinity));
        max.Store(p + last);
        // A NaN may be passed over here: the sum is one.
        for (int j = 0; j < last; j += v)
            max = Vector.MaxNative(max, Vector.Load(p + j));
        Vector<float> sum = default, shift = new(VectorMath.Largest(max));
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
            Fill(p, mask, visible, 0);
        if (visible < keyCount)
            new Span<float>(p + visible, keyCount - visible).Clear();
        return true;
    }

    // p[j] = value for masked keys, which are few or follow one another.
    private static void Fill(float* p, byte* mask, int count, float value)
    {
        for (int j = 0; j < count; j++)
        {
            if (mask[j] != 0)
            {
                int next = new ReadOnlySpan<byte>(mask + j, count - j).IndexOf((byte)0);
                if (next < 0)
                    return;
                j += next;
            }
            p[j] = value;
        }
    }

    private readonly void Accumulate(in Block b)
    {
        byte* mask = b.Item->Mask;
        AskedRows none = default;
        int most = Shared(b, b.Count - 1);
        for (int start = 0; start < most; start += KeyBlock)
        {
            Copy(b.Copies, b.Values, mask, start, most);
            for (int t = 0; t < b.Count; t += Tile)
            {
                int count = Math.Min(KeyBlock, Shared(b, t) - start);
                float* p = b.P + (long)t * _maxKeys + start;
                AttentionTile<CopiedRows>.Accumulate(b.Y + t * _padded, p, _maxKeys, (byte*)b.Copies, RowBytes, _padded, count, ref none);
            }
        }
        for (int t = 0; t < b.Count; t++)
        {
            bool even = IsEven(b, t);
            Accumulate1(b, t, even ? null : mask, Shared(b, t / Tile * Tile), even ? b.Item->KeyCount : Visible(b, t));
        }
    }

    // Whether a query sees no key, and attends to all of them.
    private readonly bool IsEven(in Block b, int t) => Visible(b, t) <= b.FirstSeen;

    // How many keys all queries of a tile see, of which this is the first.
    private readonly int Shared(in Block b, int t) => IsEven(b, t) ? 0 : Visible(b, t);

    // y += Σ_j p[j]·values[j] over keys that not all queries of a tile see.
    private readonly void Accumulate1(in Block b, int t, byte* mask, int first, int end)
    {
        float* p = b.P + (long)t * _maxKeys, y = b.Y + t * _padded;
        for (int d = 0; first < end && d < C.HeadDim; d += Vector<float>.Count)
        {
            Vector<float> s = Vector.Load(y + d);
            for (int j = first; j < end; j++)
            {
                if (mask == null || mask[j] != 0)
                    s = Vector.FusedMultiplyAdd(LoadDims(b.Values + j * C.KeyStride, d), new Vector<float>(p[j]), s);
            }
            s.Store(y + d);
        }
    }

    private readonly Vector<float> LoadDims(float* from, int d) =>
        d + Vector<float>.Count <= C.HeadDim ? Vector.Load(from + d) : VectorMath.LoadPart(from + d, C.HeadDim - d);

    /// <summary>Some queries of a key head, and its scratch memory: those of a row follow one another.</summary>
    private struct Block
    {
        public AttentionItem* Item;
        public float* Map;
        public int KeyHead;
        public int First;
        public int Count;
        public int FirstSeen;
        public float* Keys;
        public float* Values;
        public float* Q;
        public float* Y;
        public float* P;
        public float* Copies;
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
