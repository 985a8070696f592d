using Dia.Weights;

namespace Dia.Backends.Cpu;

/// <summary>Attention of items with one query row each: a decoding step.</summary>
internal static unsafe class StepAttention
{
    /// <summary>Whether it can be done: heads are whole pairs of SIMD vectors.</summary>
    public static bool Takes(in AttentionBatch batch, int headDim) => batch.MaxRows == 1 && headDim % (2 * Vector<float>.Count) == 0;

    /// <summary>Runs the attention of all items.</summary>
    public static void Run(CpuThreads threads, in AttentionCall call)
    {
        if (call.Format == WeightFormat.Float32)
        {
            StepAttentionJob<Float32Cache> job = new() { C = call };
            job.Start(threads);
        }
        else
        {
            StepAttentionJob<Float16Cache> job = new() { C = call };
            job.Start(threads);
        }
    }
}

/// <summary>
/// A step's attention. It is bound by reading the caches, whose rows hold all heads side by side; so eight keys, then eight values, are taken at a time for
/// all heads of a part, and each byte of the cache comes in order and once. (Head by head, each 512 bytes lie on another page: that was measured at a tenth
/// of the memory's speed.) What is loaded serves four query heads that share a key head. Scores, softmax and weighted sums are the same chains as those of
/// <see cref="AttentionJob"/>, and give the same bits.
/// </summary>
internal unsafe struct StepAttentionJob<TFormat> : IParallelJob
    where TFormat : struct, ICacheFormat
{
    private const int KeysAtOnce = 8;
    private const int HeadsAtOnce = 4;
    private const int RowsAhead = 8;

    /// <summary>What attends to what.</summary>
    public AttentionCall C;

    private byte* _scratch;
    private long _scratchStride;
    private int _scoreStride;
    private int _partHeads;
    private int _itemParts;

    /// <summary>Runs the attention of all items.</summary>
    public void Start(CpuThreads threads)
    {
        long work = 0;
        for (int i = 0; i < C.ItemCount; i++)
            work += (long)C.Items[i].KeyCount * C.Heads * C.HeadDim;
        bool alone = work < Gemm.InlineWork / 4;
        // An item's key heads are divided only as far as the threads need it: the more side by side, the longer the runs in memory.
        _itemParts = alone ? 1 : Parts(threads.Count);
        _partHeads = (C.KeyHeads + _itemParts - 1) / _itemParts;
        // Scores are written by eights and read by vectors; an odd cache line keeps those of the heads in different cache sets.
        _scoreStride = (C.MaxKeys + 15) / 16 * 16 + 16;
        // Per thread: the scores, the queries, the outputs and eight vectors of sums of each of a part's heads.
        _scratch = threads.Scratch((long)_partHeads * C.Group * (_scoreStride + 2 * C.HeadDim + KeysAtOnce * Vector<float>.Count) * sizeof(float),
            out _scratchStride);
        threads.Run(ref this, C.ItemCount * _itemParts, alone);
    }

    // The fewest of an item that give all threads the same.
    private readonly int Parts(int threads)
    {
        int parts = 1;
        while (parts < C.KeyHeads && C.ItemCount * parts % threads != 0 && C.ItemCount * parts < 3 * threads)
            parts++;
        return parts;
    }

    private readonly long RowBytes => C.KeyStride * TFormat.Size;

    // How far before it is used a cache line is asked for.
    private readonly long Ahead => RowsAhead * RowBytes;

    private readonly int HeadBytes => C.HeadDim * TFormat.Size;

    /// <inheritdoc/>
    public readonly void Run(int part, int thread)
    {
        AttentionItem* item = C.Items + part / _itemParts;
        int keyHead = KeyHead(part % _itemParts), keyHeads = KeyHead(part % _itemParts + 1) - keyHead, heads = keyHeads * C.Group, values = heads * C.HeadDim;
        float* p = (float*)(_scratch + thread * _scratchStride), q = p + (long)_partHeads * C.Group * _scoreStride, y = q + _partHeads * C.Group * C.HeadDim;
        Vector<float>* sums = (Vector<float>*)(y + _partHeads * C.Group * C.HeadDim);
        long first = ((long)item->FirstRow * C.Heads + keyHead * C.Group) * C.HeadDim;
        long cache = (C.Layer * item->LayerStride + (long)keyHead * C.HeadDim) * TFormat.Size;
        int visible = item->CausalStart < 0 ? item->KeyCount : Math.Clamp(item->CausalStart + 1, 0, item->KeyCount);

        Multiply(q, C.Q + first, values);
        for (int j = 0; j < visible; j += KeysAtOnce)
            Scores(p + j, q, (byte*)item->Keys + cache + j * RowBytes, sums, Math.Min(visible - j, KeysAtOnce), keyHeads);
        bool even = false;
        for (int h = 0; h < heads; h++)
            even |= !AttentionJob.Softmax(p + (long)h * _scoreStride, item->Mask, visible, item->KeyCount);
        if (C.Maps != null)
            CopyMaps(item, keyHead * C.Group, heads, p);

        int count = even ? item->KeyCount : visible;
        byte* mask = even ? null : item->Mask;
        for (int h = 0; TFormat.Factor != 1 && h < heads; h++)
            Multiply(p + (long)h * _scoreStride, p + (long)h * _scoreStride, (count + 15) / 16 * 16);
        new Span<float>(y, values).Clear();
        for (int j = 0; j < count; j += KeysAtOnce)
            Accumulate(y, p + j, (byte*)item->Values + cache + j * RowBytes, mask == null ? null : mask + j, Math.Min(count - j, KeysAtOnce), keyHeads);
        Unsafe.CopyBlockUnaligned(C.Y + first, y, (uint)values * sizeof(float));
    }

    /// <summary>The first key head of an item's part: parts are as equal as they can be.</summary>
    private readonly int KeyHead(int part) => (int)((long)part * C.KeyHeads / _itemParts);

    /// <summary>Whole vectors times the format's factor.</summary>
    private static void Multiply(float* to, float* from, int count)
    {
        Vector<float> factor = new(TFormat.Factor);
        for (int i = 0; i < count; i += Vector<float>.Count)
            Vector.Store(Vector.Load(from + i) * factor, to + i);
    }

    private readonly void CopyMaps(AttentionItem* item, int head, int heads, float* p)
    {
        float* map = C.Maps;
        for (AttentionItem* i = C.Items; i < item; i++)
            map += (long)C.Heads * i->KeyCount;
        for (int h = 0; h < heads; h++)
            Unsafe.CopyBlockUnaligned(map + (long)(head + h) * item->KeyCount, p + (long)h * _scoreStride, (uint)item->KeyCount * sizeof(float));
    }

    // p[h, 0..8] = q[h]·keys[0..8, key head of h]; the last keys are filled up to eight with the last one, for which p has room.
    private readonly void Scores(float* p, float* q, byte* keys, Vector<float>* sums, int count, int keyHeads)
    {
        int fours = C.Group / HeadsAtOnce * HeadsAtOnce;
        if (fours > 0)
        {
            // All heads of two keys, then of the next two: rows are read in order.
            for (int i = 0; i < KeysAtOnce; i += 2)
            {
                byte* key0 = keys + Math.Min(i, count - 1) * RowBytes, key1 = keys + Math.Min(i + 1, count - 1) * RowBytes;
                FourHeads(sums + i, q, key0, key1, keyHeads, fours);
            }
        }
        for (int k = 0; k < keyHeads; k++)
        {
            for (int g = fours; g < C.Group; g++)
                EightKeys(sums + (k * C.Group + g) * KeysAtOnce, q + (k * C.Group + g) * C.HeadDim, keys + k * HeadBytes, count);
        }
        for (int h = 0; h < keyHeads * C.Group; h++)
            VectorMath.SumEight(sums + h * KeysAtOnce, p + (long)h * _scoreStride);
    }

    // Sums of products of two keys with the heads of all key heads, four at a time.
    private readonly void FourHeads(Vector<float>* sums, float* q, byte* key0, byte* key1, int keyHeads, int fours)
    {
        for (int k = 0; k < keyHeads; k++, key0 += HeadBytes, key1 += HeadBytes)
        {
            for (int g = 0; g < fours; g += HeadsAtOnce)
            {
                int head = k * C.Group + g;
                FourHeads(sums + head * KeysAtOnce, q + head * C.HeadDim, key0, key1, C.HeadDim, Ahead);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void FourHeads(Vector<float>* sums, float* q, byte* key0, byte* key1, int dims, long ahead)
    {
        int v = Vector<float>.Count;
        float* q1 = q + dims, q2 = q1 + dims, q3 = q2 + dims;
        Vector<float> s00 = default, s01 = default, s10 = default, s11 = default, s20 = default, s21 = default, s30 = default, s31 = default;
        for (int d = 0; d < dims; d += 2 * v)
        {
            VectorMath.PrefetchSecond(key0 + ahead + d * TFormat.Size);
            VectorMath.PrefetchSecond(key1 + ahead + d * TFormat.Size);
            Vector<float> a = TFormat.First(key0 + d * TFormat.Size), b = TFormat.First(key1 + d * TFormat.Size);
            VectorMath.AddProducts(Vector.Load(q + d), a, b, ref s00, ref s01);
            VectorMath.AddProducts(Vector.Load(q1 + d), a, b, ref s10, ref s11);
            VectorMath.AddProducts(Vector.Load(q2 + d), a, b, ref s20, ref s21);
            VectorMath.AddProducts(Vector.Load(q3 + d), a, b, ref s30, ref s31);
            a = TFormat.Second(key0 + d * TFormat.Size);
            b = TFormat.Second(key1 + d * TFormat.Size);
            VectorMath.AddProducts(Vector.Load(q + d + v), a, b, ref s00, ref s01);
            VectorMath.AddProducts(Vector.Load(q1 + d + v), a, b, ref s10, ref s11);
            VectorMath.AddProducts(Vector.Load(q2 + d + v), a, b, ref s20, ref s21);
            VectorMath.AddProducts(Vector.Load(q3 + d + v), a, b, ref s30, ref s31);
        }
        (sums[0], sums[1], sums[KeysAtOnce], sums[KeysAtOnce + 1]) = (s00, s01, s10, s11);
        sums += 2 * KeysAtOnce;
        (sums[0], sums[1], sums[KeysAtOnce], sums[KeysAtOnce + 1]) = (s20, s21, s30, s31);
    }

    // Sums of products of one head with eight keys.
    private readonly void EightKeys(Vector<float>* sums, float* q, byte* keys, int count)
    {
        long row = RowBytes, ahead = Ahead;
        byte* k0 = keys, k1 = k0 + (count > 1 ? row : 0), k2 = k1 + (count > 2 ? row : 0), k3 = k2 + (count > 3 ? row : 0);
        byte* k4 = k3 + (count > 4 ? row : 0), k5 = k4 + (count > 5 ? row : 0), k6 = k5 + (count > 6 ? row : 0), k7 = k6 + (count > 7 ? row : 0);
        Vector<float> s0 = default, s1 = default, s2 = default, s3 = default, s4 = default, s5 = default, s6 = default, s7 = default;
        for (int i = 0; i < C.HeadDim; i += 2 * Vector<float>.Count)
        {
            Vector<float> x0 = Vector.Load(q + i), x1 = Vector.Load(q + i + Vector<float>.Count);
            int d = i * TFormat.Size;
            VectorMath.PrefetchSecond(k0 + ahead + d);
            VectorMath.PrefetchSecond(k1 + ahead + d);
            VectorMath.PrefetchSecond(k2 + ahead + d);
            VectorMath.PrefetchSecond(k3 + ahead + d);
            VectorMath.PrefetchSecond(k4 + ahead + d);
            VectorMath.PrefetchSecond(k5 + ahead + d);
            VectorMath.PrefetchSecond(k6 + ahead + d);
            VectorMath.PrefetchSecond(k7 + ahead + d);
            s0 = Vector.FusedMultiplyAdd(TFormat.Second(k0 + d), x1, Vector.FusedMultiplyAdd(TFormat.First(k0 + d), x0, s0));
            s1 = Vector.FusedMultiplyAdd(TFormat.Second(k1 + d), x1, Vector.FusedMultiplyAdd(TFormat.First(k1 + d), x0, s1));
            s2 = Vector.FusedMultiplyAdd(TFormat.Second(k2 + d), x1, Vector.FusedMultiplyAdd(TFormat.First(k2 + d), x0, s2));
            s3 = Vector.FusedMultiplyAdd(TFormat.Second(k3 + d), x1, Vector.FusedMultiplyAdd(TFormat.First(k3 + d), x0, s3));
            s4 = Vector.FusedMultiplyAdd(TFormat.Second(k4 + d), x1, Vector.FusedMultiplyAdd(TFormat.First(k4 + d), x0, s4));
            s5 = Vector.FusedMultiplyAdd(TFormat.Second(k5 + d), x1, Vector.FusedMultiplyAdd(TFormat.First(k5 + d), x0, s5));
            s6 = Vector.FusedMultiplyAdd(TFormat.Second(k6 + d), x1, Vector.FusedMultiplyAdd(TFormat.First(k6 + d), x0, s6));
            s7 = Vector.FusedMultiplyAdd(TFormat.Second(k7 + d), x1, Vector.FusedMultiplyAdd(TFormat.First(k7 + d), x0, s7));
        }
        (sums[0], sums[1], sums[2], sums[3], sums[4], sums[5], sums[6], sums[7]) = (s0, s1, s2, s3, s4, s5, s6, s7);
    }

    // y[h] += Σ_j p[h, j]·values[j, key head of h] over eight keys or fewer. What is masked is not read: it may be a NaN.
    private readonly void Accumulate(float* y, float* p, byte* values, byte* mask, int count, int keyHeads)
    {
        for (int first = 0, end; first < count; first = end + 1)
        {
            end = first;
            while (end < count && (mask == null || mask[end] != 0))
                end++;
            if (end > first)
                AccumulateSeen(y, p + first, values + first * RowBytes, end - first, keyHeads);
        }
    }

    private readonly void AccumulateSeen(float* y, float* p, byte* values, int keys, int keyHeads)
    {
        for (int k = 0; k < keyHeads; k++, values += HeadBytes)
        {
            int g = 0;
            for (; g <= C.Group - HeadsAtOnce; g += HeadsAtOnce, y += HeadsAtOnce * C.HeadDim, p += HeadsAtOnce * _scoreStride)
                AccumulateFour(y, p, values, keys);
            for (; g < C.Group; g++, y += C.HeadDim, p += _scoreStride)
                AccumulateOne(y, p, values, keys);
        }
    }

    private readonly void AccumulateFour(float* y, float* p, byte* values, int keys)
    {
        int v = Vector<float>.Count, dims = C.HeadDim;
        long row = RowBytes, ahead = Ahead, stride = _scoreStride;
        float* y1 = y + dims, y2 = y1 + dims, y3 = y2 + dims;
        for (int d = 0; d < dims; d += 2 * v, values += 2 * v * TFormat.Size)
        {
            Vector<float> s00 = Vector.Load(y + d), s01 = Vector.Load(y + d + v), s10 = Vector.Load(y1 + d), s11 = Vector.Load(y1 + d + v);
            Vector<float> s20 = Vector.Load(y2 + d), s21 = Vector.Load(y2 + d + v), s30 = Vector.Load(y3 + d), s31 = Vector.Load(y3 + d + v);
            byte* value = values;
            float* w = p;
            for (float* end = p + keys; w < end; w++, value += row)
            {
                VectorMath.PrefetchSecond(value + ahead);
                Vector<float> a = TFormat.First(value), b = TFormat.Second(value);
                VectorMath.AddProducts(new Vector<float>(*w), a, b, ref s00, ref s01);
                VectorMath.AddProducts(new Vector<float>(w[stride]), a, b, ref s10, ref s11);
                VectorMath.AddProducts(new Vector<float>(w[2 * stride]), a, b, ref s20, ref s21);
                VectorMath.AddProducts(new Vector<float>(w[3 * stride]), a, b, ref s30, ref s31);
            }
            VectorMath.StorePair(y + d, s00, s01);
            VectorMath.StorePair(y1 + d, s10, s11);
            VectorMath.StorePair(y2 + d, s20, s21);
            VectorMath.StorePair(y3 + d, s30, s31);
        }
    }

    private readonly void AccumulateOne(float* y, float* p, byte* values, int keys)
    {
        long row = RowBytes, ahead = Ahead;
        for (int d = 0; d < C.HeadDim; d += 2 * Vector<float>.Count)
        {
            Vector<float> s0 = Vector.Load(y + d), s1 = Vector.Load(y + d + Vector<float>.Count);
            byte* value = values + d * TFormat.Size;
            for (int i = 0; i < keys; i++, value += row)
            {
                VectorMath.PrefetchSecond(value + ahead);
                VectorMath.AddProducts(new Vector<float>(p[i]), TFormat.First(value), TFormat.Second(value), ref s0, ref s1);
            }
            VectorMath.StorePair(y + d, s0, s1);
        }
    }
}
