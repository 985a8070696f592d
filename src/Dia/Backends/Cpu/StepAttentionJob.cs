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
/// A step's attention. It is bound by reading the caches, whose rows hold all heads side by side; so eight keys, then eight or sixteen values, are taken at a
/// time for all heads of a part, and each byte of the cache comes once. (Head by head, each 512 bytes lie on another page: that was measured at a tenth of
/// the memory's speed.) What is loaded serves four query heads that share a key head: where a core reads 25 GB/s, that takes Zen 4 longer than
/// the reading. Four queries ask for rows in their order (<see cref="AskedRows"/>). Scores, softmax and weighted sums are the same chains as those of
/// <see cref="AttentionJob"/>: the same bits.
/// </summary>
internal unsafe struct StepAttentionJob<TFormat> : IParallelJob
    where TFormat : struct, ICacheFormat
{
    private const int RowsAtOnce = AttentionTile<TFormat>.OneQueryKeys;

    // Four queries load and store their outputs for each group of values: the more values, the fewer times.
    private const int FourQueriesValues = 2 * RowsAtOnce;

    // Bytes ahead of what is read that four queries ask for, into the first-level cache, and into the second from there on: 8 rows of the 1.6B model's caches
    // in 16 bits, and 16 more. (AMD's Zen 4, 3000 keys, two threads: 20 GB/s without what is farther, 24 with it; how far matters little.)
    private const int Ahead = 8192, Farther = 16384;

    /// <summary>What attends to what.</summary>
    public AttentionCall C;

    private byte* _scratch;
    private long _scratchStride;
    private int _scoreStride;
    private int _group;
    private int _fours;
    private int _partHeads;
    private int _itemParts;
    private nint _ahead;
    private nint _farther;

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
        nint row = (nint)Math.Max(1, RowBytes); // heads may have no dimensions
        _ahead = (Ahead + row - 1) / row * row;
        _farther = (Farther + row - 1) / row * row;
        _group = C.Group;
        _fours = _group / AttentionTile<TFormat>.Queries * AttentionTile<TFormat>.Queries;
        // Per thread: the scores, the queries and the outputs of a part's heads.
        _scratch = threads.Scratch((long)_partHeads * _group * (_scoreStride + 2 * C.HeadDim) * sizeof(float), out _scratchStride);
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

    private readonly int HeadBytes => C.HeadDim * TFormat.Size;

    /// <inheritdoc/>
    public readonly void Run(int part, int thread)
    {
        AttentionItem* item = C.Items + part / _itemParts;
        int keyHead = KeyHead(part % _itemParts), keyHeads = KeyHead(part % _itemParts + 1) - keyHead, heads = keyHeads * _group, values = heads * C.HeadDim;
        float* p = (float*)(_scratch + thread * _scratchStride), q = p + (long)_partHeads * _group * _scoreStride, y = q + _partHeads * _group * C.HeadDim;
        long first = ((long)item->FirstRow * C.Heads + keyHead * _group) * C.HeadDim;
        long cache = (C.Layer * item->LayerStride + (long)keyHead * C.HeadDim) * TFormat.Size;
        int visible = item->CausalStart < 0 ? item->KeyCount : Math.Clamp(item->CausalStart + 1, 0, item->KeyCount);

        Multiply(q, C.Q + first, values);
        for (int j = 0; j < visible; j += RowsAtOnce)
            Scores(p + j, q, (byte*)item->Keys + cache + j * RowBytes, Math.Min(visible - j, RowsAtOnce), keyHeads);
        bool even = false;
        for (int h = 0; h < heads; h++)
            even |= !AttentionJob.Softmax(p + (long)h * _scoreStride, item->Mask, visible, item->KeyCount);
        if (C.Maps != null)
            CopyMaps(item, keyHead * _group, heads, p);

        int count = even ? item->KeyCount : visible;
        byte* mask = even ? null : item->Mask;
        for (int h = 0; TFormat.Factor != 1 && h < heads; h++)
            Multiply(p + (long)h * _scoreStride, p + (long)h * _scoreStride, (count + 15) / 16 * 16);
        new Span<float>(y, values).Clear();
        int most = _fours > 0 ? FourQueriesValues : RowsAtOnce;
        for (int j = 0; j < count; j += most)
            Accumulate(y, p + j, (byte*)item->Values + cache + j * RowBytes, mask == null ? null : mask + j, Math.Min(count - j, most), keyHeads);
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

    // p[h, 0..8] = q[h]·keys[0..8, key head of h]; the last keys are filled up with the last one, for which p has room.
    private readonly void Scores(float* p, float* q, byte* keys, int count, int keyHeads)
    {
        AskedRows later = Later(keys, keyHeads), asked = later;
        for (int k = 0; k < keyHeads; k++)
        {
            ref AskedRows ask = ref later;
            for (int h = k * _group, end = h + _fours; h < end; h += AttentionTile<TFormat>.Queries)
            {
                AttentionTile<TFormat>.Scores(p + h * (long)_scoreStride, _scoreStride, q + h * C.HeadDim, keys + k * HeadBytes, RowBytes, C.HeadDim, count,
                    ref ask);
                ask = ref asked;
            }
            for (int h = k * _group + _fours, end = (k + 1) * _group; h < end; h++)
                AttentionTile<TFormat>.EightScores(p + h * (long)_scoreStride, q + h * C.HeadDim, keys + k * HeadBytes, RowBytes, C.HeadDim, count);
        }
    }

    // y[h] += Σ_j p[h, j]·values[j, key head of h] over some keys. What is masked is not read: it may be a NaN.
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
        AskedRows later = Later(values, keyHeads), asked = later;
        for (int k = 0; k < keyHeads; k++, values += HeadBytes)
        {
            ref AskedRows ask = ref later;
            for (int h = k * _group, end = h + _fours; h < end; h += AttentionTile<TFormat>.Queries)
            {
                AttentionTile<TFormat>.Accumulate(y + h * C.HeadDim, p + h * (long)_scoreStride, _scoreStride, values, RowBytes, C.HeadDim, keys, ref ask);
                ask = ref asked;
            }
            for (int h = k * _group + _fours, end = (k + 1) * _group; h < end; h++)
                AttentionTile<TFormat>.AccumulateOne(y + h * C.HeadDim, p + h * (long)_scoreStride, values, RowBytes, C.HeadDim, keys);
        }
    }

    // What the first four queries of a key head ask for: the part's heads of later rows. The head's other queries go a way of their own from there.
    private readonly AskedRows Later(byte* rows, int keyHeads) => new(rows + _ahead, _farther, keyHeads * HeadBytes, (nint)RowBytes);
}
