using System.Numerics;
using System.Runtime.CompilerServices;

namespace Dia.Backends;

/// <summary>
/// Attention in tiles of four queries of one key head: query heads that share it, of one row or of neighbouring rows. Each query's
/// result is the same in any tile: its scores, softmax and weighted sum are chains of their own over its visible keys.
/// </summary>
internal unsafe struct AttentionJob : IParallelJob
{
    private const int Tile = 4;
    private const int KeyBlock = 32;

    public float* Y;
    public float* Q;
    public AttentionItem* Items;
    public int ItemCount;
    public int Heads;
    public int KeyHeads;
    public int HeadDim;

    private byte* _scratch;
    private long _scratchStride;
    private int _padded;
    private int _maxKeys;

    /// <summary>Runs the attention of all items.</summary>
    public void Start(CpuThreads threads)
    {
        int parts = 0;
        long work = 0;
        _maxKeys = 0;
        int v = Vector<float>.Count;
        for (int i = 0; i < ItemCount; i++)
        {
            parts += Tiles(Items[i]) * KeyHeads;
            work += (long)Items[i].Rows * Items[i].KeyCount * Heads * HeadDim;
            _maxKeys = Math.Max(_maxKeys, (Items[i].KeyCount + v - 1) / v * v);
        }
        _padded = (HeadDim + v - 1) / v * v;
        // Per thread: four queries, their outputs, their scores.
        _scratch = threads.Scratch(Tile * (2L * _padded + _maxKeys) * sizeof(float), out _scratchStride);
        if (work < Gemm.InlineWork / 4)
        {
            for (int part = 0; part < parts; part++)
                Run(part, 0);
        }
        else
        {
            threads.Run(ref this, parts);
        }
    }

    private readonly int Tiles(in AttentionItem item) => (item.Rows * (Heads / KeyHeads) + Tile - 1) / Tile;

    /// <inheritdoc/>
    public readonly void Run(int part, int thread)
    {
        AttentionItem* item = Items;
        while (part >= Tiles(*item) * KeyHeads)
        {
            part -= Tiles(*item) * KeyHeads;
            item++;
        }
        int tiles = Tiles(*item), keyHead = part / tiles, first = part % tiles * Tile;
        int group = Heads / KeyHeads, count = Math.Min(Tile, item->Rows * group - first);
        float* q = (float*)(_scratch + thread * _scratchStride), y = q + Tile * _padded, p = y + Tile * _padded;
        new Span<float>(q, 2 * Tile * _padded).Clear();
        for (int t = 0; t < count; t++)
            Unsafe.CopyBlockUnaligned(q + t * _padded, Q + At(*item, keyHead, first + t), (uint)HeadDim * sizeof(float));

        int* visible = stackalloc int[Tile];
        bool* even = stackalloc bool[Tile];
        float* keys = item->Keys + (long)keyHead * HeadDim;
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

        float* values = item->Values + (long)keyHead * HeadDim;
        if (!even[0] && !even[1] && !even[2] && !even[3])
            Accumulate4(y, p, values, item->Mask, least);
        else
            least = 0;
        for (int t = 0; t < count; t++)
        {
            Accumulate1(y + t * _padded, p + (long)t * _maxKeys, values, even[t] ? null : item->Mask, least, even[t] ? item->KeyCount : visible[t]);
            Unsafe.CopyBlockUnaligned(Y + At(*item, keyHead, first + t), y + t * _padded, (uint)HeadDim * sizeof(float));
            if (item->Map != null)
            {
                int head = keyHead * group + (first + t) % group, row = (first + t) / group;
                Unsafe.CopyBlockUnaligned(item->Map + ((long)head * item->Rows + row) * item->KeyCount, p + (long)t * _maxKeys, (uint)item->KeyCount * sizeof(float));
            }
        }
    }

    // Where query number i of a key head is in the whole array: heads of a group are neighbours within a row.
    private readonly long At(in AttentionItem item, int keyHead, int i)
    {
        int group = Heads / KeyHeads;
        return ((item.FirstRow + i / group) * (long)Heads + keyHead * group + i % group) * HeadDim;
    }

    private readonly Vector<float> LoadDims(float* from, int d) =>
        d + Vector<float>.Count <= HeadDim ? Vector.Load(from + d) : VectorMath.LoadPart(from + d, HeadDim - d);

    private readonly void Scores(float* p, float* q, float* keys, int count)
    {
        long stride = (long)KeyHeads * HeadDim;
        float* q1 = q + _padded, q2 = q1 + _padded, q3 = q2 + _padded;
        for (int j = 0; j < count; j++, keys += stride)
        {
            Vector<float> s0 = default, s1 = default, s2 = default, s3 = default;
            for (int d = 0; d < HeadDim; d += Vector<float>.Count)
            {
                Vector<float> key = LoadDims(keys, d);
                s0 = Vector.FusedMultiplyAdd(key, Vector.Load(q + d), s0);
                s1 = Vector.FusedMultiplyAdd(key, Vector.Load(q1 + d), s1);
                s2 = Vector.FusedMultiplyAdd(key, Vector.Load(q2 + d), s2);
                s3 = Vector.FusedMultiplyAdd(key, Vector.Load(q3 + d), s3);
            }
            p[j] = Vector.Sum(s0);
            p[(long)_maxKeys + j] = Vector.Sum(s1);
            p[2L * _maxKeys + j] = Vector.Sum(s2);
            p[3L * _maxKeys + j] = Vector.Sum(s3);
        }
    }

    // Scores to probabilities, 0 for keys that are not seen; false: no key is seen, and all KeyCount get the same.
    private static bool Softmax(float* p, byte* mask, int visible, int keyCount)
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

    private readonly void Accumulate4(float* y, float* p, float* values, byte* mask, int count)
    {
        long stride = (long)KeyHeads * HeadDim;
        float* p1 = p + _maxKeys, p2 = p1 + _maxKeys, p3 = p2 + _maxKeys;
        // Blocks of keys: their values are read from memory once, by whole rows.
        for (int start = 0; start < count; start += KeyBlock)
        {
            int end = Math.Min(count, start + KeyBlock);
            for (int d = 0; d < HeadDim; d += Vector<float>.Count)
            {
                float* at = y + d, value = values + start * stride;
                Vector<float> s0 = Vector.Load(at), s1 = Vector.Load(at + _padded), s2 = Vector.Load(at + 2 * _padded), s3 = Vector.Load(at + 3 * _padded);
                for (int j = start; j < end; j++, value += stride)
                {
                    if (mask != null && mask[j] == 0)
                        continue;
                    Vector<float> w = LoadDims(value, d);
                    s0 = Vector.FusedMultiplyAdd(w, new Vector<float>(p[j]), s0);
                    s1 = Vector.FusedMultiplyAdd(w, new Vector<float>(p1[j]), s1);
                    s2 = Vector.FusedMultiplyAdd(w, new Vector<float>(p2[j]), s2);
                    s3 = Vector.FusedMultiplyAdd(w, new Vector<float>(p3[j]), s3);
                }
                s0.Store(at);
                s1.Store(at + _padded);
                s2.Store(at + 2 * _padded);
                s3.Store(at + 3 * _padded);
            }
        }
    }

    private readonly void Accumulate1(float* y, float* p, float* values, byte* mask, int first, int end)
    {
        long stride = (long)KeyHeads * HeadDim;
        for (int d = 0; d < HeadDim && first < end; d += Vector<float>.Count)
        {
            Vector<float> s = Vector.Load(y + d);
            for (int j = first; j < end; j++)
            {
                if (mask == null || mask[j] != 0)
                    s = Vector.FusedMultiplyAdd(LoadDims(values + j * stride, d), new Vector<float>(p[j]), s);
            }
            s.Store(y + d);
        }
    }
}
