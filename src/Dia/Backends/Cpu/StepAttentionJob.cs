using System.Runtime.Intrinsics.X86;

namespace Dia.Backends.Cpu;

/// <summary>
/// Attention of items with one query row each: a decoding step. It is bound by reading the caches, whose rows hold all heads side by side; so
/// eight keys, then eight values, are taken at a time for all heads of a part, and each byte of the cache comes in order and once. (Head by
/// head, each 512 bytes lie on another page: that was measured at a tenth of the memory's speed.) Scores, softmax and weighted sums are the
/// same chains as those of <see cref="AttentionJob"/>, and give the same bits. Heads are whole SIMD vectors.
/// </summary>
internal unsafe struct StepAttentionJob : IParallelJob
{
    private const int KeysAtOnce = 8;

    /// <summary>What attends to what.</summary>
    public AttentionCall C;

    private byte* _scratch;
    private long _scratchStride;
    private int _scoreStride;
    private int _partHeads;
    private int _itemParts;

    /// <summary>Whether this job can do it.</summary>
    public static bool Takes(in AttentionBatch batch, int headDim) => batch.MaxRows == 1 && headDim % Vector<float>.Count == 0;

    /// <summary>Runs the attention of all items.</summary>
    public void Start(CpuThreads threads)
    {
        long work = 0;
        for (int i = 0; i < C.ItemCount; i++)
            work += (long)C.Items[i].KeyCount * C.Heads * C.HeadDim;
        bool alone = work < Gemm.InlineWork / 4;
        // An item's key heads are divided only as far as the threads need it: the more side by side, the longer the runs in memory.
        int wanted = alone ? 1 : Math.Clamp((3 * threads.Count + C.ItemCount - 1) / C.ItemCount, 1, C.KeyHeads);
        _partHeads = (C.KeyHeads + wanted - 1) / wanted;
        _itemParts = (C.KeyHeads + _partHeads - 1) / _partHeads;
        // Scores are written by eights and read by vectors; an odd cache line keeps those of the heads in different cache sets.
        _scoreStride = (C.MaxKeys + 15) / 16 * 16 + 16;
        // Per thread: the scores and the outputs of a part's heads.
        _scratch = threads.Scratch((long)_partHeads * C.Group * (_scoreStride + C.HeadDim) * sizeof(float), out _scratchStride);
        threads.Run(ref this, C.ItemCount * _itemParts, alone);
    }

    /// <inheritdoc/>
    public readonly void Run(int part, int thread)
    {
        AttentionItem* item = C.Items + part / _itemParts;
        int keyHead = part % _itemParts * _partHeads, keyHeads = Math.Min(_partHeads, C.KeyHeads - keyHead), heads = keyHeads * C.Group;
        float* p = (float*)(_scratch + thread * _scratchStride), y = p + (long)_partHeads * C.Group * _scoreStride;
        long first = ((long)item->FirstRow * C.Heads + keyHead * C.Group) * C.HeadDim, cache = C.Layer * item->LayerStride + (long)keyHead * C.HeadDim;
        int visible = item->CausalStart < 0 ? item->KeyCount : Math.Clamp(item->CausalStart + 1, 0, item->KeyCount);

        for (int j = 0; j < visible; j += KeysAtOnce)
            Scores(p + j, C.Q + first, item->Keys + cache + j * C.KeyStride, Math.Min(visible - j, KeysAtOnce), keyHeads);
        bool even = false;
        for (int h = 0; h < heads; h++)
            even |= !AttentionJob.Softmax(p + (long)h * _scoreStride, item->Mask, visible, item->KeyCount);

        int count = even ? item->KeyCount : visible;
        byte* mask = even ? null : item->Mask;
        new Span<float>(y, heads * C.HeadDim).Clear();
        for (int j = 0; j < count; j += KeysAtOnce)
            Accumulate(y, p + j, item->Values + cache + j * C.KeyStride, mask == null ? null : mask + j, Math.Min(count - j, KeysAtOnce), keyHeads);
        Unsafe.CopyBlockUnaligned(C.Y + first, y, (uint)(heads * C.HeadDim) * sizeof(float));
        if (C.Maps != null)
            CopyMaps(item, keyHead * C.Group, heads, p);
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
    private readonly void Scores(float* p, float* q, float* keys, int count, int keyHeads)
    {
        Vector<float>* sums = stackalloc Vector<float>[KeysAtOnce];
        for (int k = 0; k < keyHeads; k++, keys += C.HeadDim)
        {
            for (int g = 0; g < C.Group; g++, q += C.HeadDim, p += _scoreStride)
            {
                EightScores(sums, q, keys, C.KeyStride, count, C.HeadDim);
                VectorMath.SumEight(sums, p);
            }
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void EightScores(Vector<float>* sums, float* q, float* key, long stride, int count, int dims)
    {
        float* k1 = count > 1 ? key + stride : key, k2 = count > 2 ? k1 + stride : k1, k3 = count > 3 ? k2 + stride : k2;
        float* k4 = count > 4 ? k3 + stride : k3, k5 = count > 5 ? k4 + stride : k4, k6 = count > 6 ? k5 + stride : k5, k7 = count > 7 ? k6 + stride : k6;
        Vector<float> s0 = default, s1 = default, s2 = default, s3 = default, s4 = default, s5 = default, s6 = default, s7 = default;
        Prefetch(key, stride, dims);
        for (int d = 0; d < dims; d += Vector<float>.Count)
        {
            Vector<float> x = Vector.Load(q + d);
            s0 = Vector.FusedMultiplyAdd(Vector.Load(key + d), x, s0);
            s1 = Vector.FusedMultiplyAdd(Vector.Load(k1 + d), x, s1);
            s2 = Vector.FusedMultiplyAdd(Vector.Load(k2 + d), x, s2);
            s3 = Vector.FusedMultiplyAdd(Vector.Load(k3 + d), x, s3);
            s4 = Vector.FusedMultiplyAdd(Vector.Load(k4 + d), x, s4);
            s5 = Vector.FusedMultiplyAdd(Vector.Load(k5 + d), x, s5);
            s6 = Vector.FusedMultiplyAdd(Vector.Load(k6 + d), x, s6);
            s7 = Vector.FusedMultiplyAdd(Vector.Load(k7 + d), x, s7);
        }
        sums[0] = s0;
        sums[1] = s1;
        sums[2] = s2;
        sums[3] = s3;
        sums[4] = s4;
        sums[5] = s5;
        sums[6] = s6;
        sums[7] = s7;
    }

    // Asks for the same head of the next eight rows, into the second-level cache: with all heads they are more than the first holds.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Prefetch(float* row, long stride, int dims)
    {
        if (!Sse.IsSupported)
            return;
        row += KeysAtOnce * stride;
        for (int i = 0; i < KeysAtOnce; i++, row += stride)
        {
            for (int d = 0; d < dims; d += 64 / sizeof(float))
                Sse.Prefetch1(row + d);
        }
    }

    // y[h] += Σ_j p[h, j]·values[j, key head of h] over eight keys or fewer. What is masked is not read: it may be a NaN.
    private readonly void Accumulate(float* y, float* p, float* values, byte* mask, int count, int keyHeads)
    {
        bool whole = count == KeysAtOnce;
        for (int j = 0; mask != null && j < count; j++)
            whole &= mask[j] != 0;
        for (int k = 0; k < keyHeads; k++, values += C.HeadDim)
        {
            for (int g = 0; g < C.Group; g++, y += C.HeadDim, p += _scoreStride)
            {
                if (whole)
                {
                    AccumulateEight(y, p, values, C.KeyStride, C.HeadDim);
                    continue;
                }
                for (int j = 0; j < count; j++)
                {
                    if (mask == null || mask[j] != 0)
                        AccumulateOne(y, p[j], values + j * C.KeyStride, C.HeadDim);
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void AccumulateEight(float* y, float* p, float* value, long stride, int dims)
    {
        float* v1 = value + stride, v2 = v1 + stride, v3 = v2 + stride, v4 = v3 + stride, v5 = v4 + stride, v6 = v5 + stride, v7 = v6 + stride;
        Vector<float> p0 = new(p[0]), p1 = new(p[1]), p2 = new(p[2]), p3 = new(p[3]), p4 = new(p[4]), p5 = new(p[5]), p6 = new(p[6]), p7 = new(p[7]);
        Prefetch(value, stride, dims);
        for (int d = 0; d < dims; d += Vector<float>.Count)
        {
            Vector<float> s = Vector.FusedMultiplyAdd(Vector.Load(value + d), p0, Vector.Load(y + d));
            s = Vector.FusedMultiplyAdd(Vector.Load(v1 + d), p1, s);
            s = Vector.FusedMultiplyAdd(Vector.Load(v2 + d), p2, s);
            s = Vector.FusedMultiplyAdd(Vector.Load(v3 + d), p3, s);
            s = Vector.FusedMultiplyAdd(Vector.Load(v4 + d), p4, s);
            s = Vector.FusedMultiplyAdd(Vector.Load(v5 + d), p5, s);
            s = Vector.FusedMultiplyAdd(Vector.Load(v6 + d), p6, s);
            s = Vector.FusedMultiplyAdd(Vector.Load(v7 + d), p7, s);
            s.Store(y + d);
        }
    }

    private static void AccumulateOne(float* y, float p, float* value, int dims)
    {
        for (int d = 0; d < dims; d += Vector<float>.Count)
            Vector.FusedMultiplyAdd(Vector.Load(value + d), new Vector<float>(p), Vector.Load(y + d)).Store(y + d);
    }
}
