// Attention of one query row per item (a decoding step). y[item, head] = softmax(q·keysᵀ)·values, scale 1.
//
// Two kernels. The keys are cut into pieces of 64; a block makes the piece of one key head for up to HEADS of the query heads that
// read it: scores, their maximum and sum, and the weighted values. The second kernel joins the pieces in ascending order. So the
// order of every sum is that of the key positions, whatever the batch, and a long cache uses the whole chip.
// The grid covers the most keys an item can have; the number it has is read from device memory, and blocks beyond it end at once.
// Bytes moved: keys and values once per HEADS query heads, partials [items, heads, pieces, headDim + 2].
#include "attention_item.h"
#include "math.h"

constexpr int JoinThreads = MaxHeadDim; // a value each

// A query head's part of one piece in memory: maximum, sum, then the weighted values.
template <typename T> INLINE T* partial_of(T* partials, int item, int head, int piece, int heads, int pieces, int headDim)
{
    return partials + (((i64)item * heads + head) * pieces + piece) * (headDim + 2);
}

// Scores: 8 lanes per key, VECTOR values at a time, added in a fixed tree; 32 keys of a block at once. Values: headDim / VECTOR threads
// per key, the others take further keys, and those sums are added in ascending order. Of both a lane has 8 loads in flight before it uses
// the first: a warp barrier, across which NVIDIA's assembler moves no load, stands behind them.
template <int HEADS, int VECTOR>
INLINE void attend_piece(float* partials, const float* q, const AttentionItem* items, int layer, int heads, int keyHeads, int headDim, int pieces)
{
    typedef float vector __attribute__((ext_vector_type(VECTOR)));
    __shared__ __attribute__((aligned(16))) float sharedQ[HEADS * MaxHeadDim];
    __shared__ float scores[HEADS][PieceKeys];
    __shared__ u8 seen[PieceKeys];
    __shared__ float sums[PieceThreads * VECTOR];
    const AttentionItem& item = items[block_z()];
    int piece = (int)block_x(), firstKey = piece * PieceKeys, keyCount = item.keyCount;
    if (firstKey >= keyCount)
        return;
    int keys = least(PieceKeys, keyCount - firstKey);
    int group = heads / keyHeads, chunks = (group + HEADS - 1) / HEADS;
    int keyHead = (int)block_y() / chunks, inGroup = (int)block_y() % chunks * HEADS;
    int firstHead = keyHead * group + inGroup, headCount = least(HEADS, group - inGroup);
    i64 width = (i64)keyHeads * headDim, at = layer * item.layerStride + firstKey * width + (i64)keyHead * headDim;
    int thread = (int)thread_index(), lane = (int)lane_index(), warp = (int)warp_index();

    const float* allKeys = global(item.keys) + at;
    const float* allValues = global(item.values) + at;
    if (thread < PieceKeys)
        seen[thread] = thread < keys && sees(item, 0, firstKey + thread);

    // Query heads that are not there repeat the last one.
    for (int i = thread; i < HEADS * headDim; i += PieceThreads)
        sharedQ[i] = q[((i64)item.firstRow * heads + firstHead + least(i / headDim, headCount - 1)) * headDim + i % headDim];
    barrier();

    int parts = headDim / VECTOR; // of a key row
    constexpr int Passes = PieceKeys / (PieceThreads / 8), Loads = 8 / Passes;
    float dots[Passes][HEADS] = {};
    for (int begin = 0; begin < parts; begin += 8 * Loads)
    {
        vector loaded[Passes][Loads];
#pragma unroll
        for (int p = 0; p < Passes; p++)
#pragma unroll
            for (int u = 0; u < Loads; u++)
            {
                // Keys and parts past the end repeat the last one.
                const float* row = allKeys + least(p * (PieceThreads / 8) + thread / 8, keys - 1) * width;
                loaded[p][u] = ((const vector*)row)[least(begin + 8 * u + lane % 8, parts - 1)];
            }
        warp_barrier();
#pragma unroll
        for (int u = 0; u < Loads; u++)
        {
            int part = begin + 8 * u + lane % 8;
            if (part < parts)
#pragma unroll
                for (int h = 0; h < HEADS; h++)
                {
                    vector queries = ((const vector*)(sharedQ + h * headDim))[part];
#pragma unroll
                    for (int p = 0; p < Passes; p++)
#pragma unroll
                        for (int j = 0; j < VECTOR; j++)
                            dots[p][h] = fused(queries[j], loaded[p][u][j], dots[p][h]);
                }
        }
    }
    warp_barrier();
#pragma unroll
    for (int p = 0; p < Passes; p++)
#pragma unroll
        for (int h = 0; h < HEADS; h++)
        {
            int key = p * (PieceThreads / 8) + thread / 8;
            for (int mask = 4; mask > 0; mask >>= 1)
                dots[p][h] += shuffle_xor(dots[p][h], mask);
            if (lane % 8 == 0 && key < keys)
                scores[h][key] = dots[p][h];
        }
    barrier();

    // A warp per query head: two keys a lane.
    for (int h = warp; h < headCount; h += PieceThreads / WarpSize)
    {
        bool visible[2];
        float score[2], maximum = -Infinity, sum = 0;
        for (int j = 0; j < 2; j++)
        {
            int key = lane + 32 * j;
            visible[j] = seen[key];
            score[j] = visible[j] ? scores[h][key] : 0;
            maximum = visible[j] ? greater(maximum, score[j]) : maximum;
        }
        maximum = warp_maximum(maximum);
        for (int j = 0; j < 2; j++)
        {
            float weight = visible[j] ? exponential(score[j] - maximum) : 0;
            scores[h][lane + 32 * j] = weight;
            sum += weight;
        }
        sum = warp_sum(sum);
        float* to = partial_of(partials, (int)block_z(), firstHead + h, piece, heads, pieces, headDim);
        if (lane == 0)
        {
            to[0] = maximum;
            to[1] = sum; // 0 where no key is seen, at least 1 (or NaN) elsewhere
        }
    }
    barrier();

    int slots = PieceThreads / parts, slot = thread / parts, part = thread % parts;
    constexpr int Ahead = 8;
    vector made[HEADS] = {};
    for (int begin = 0; begin < keys; begin += Ahead * slots)
    {
        vector loaded[Ahead];
#pragma unroll
        for (int u = 0; u < Ahead; u++)
            loaded[u] = ((const vector*)(allValues + least(begin + u * slots + slot, keys - 1) * width))[part];
        warp_barrier();
#pragma unroll
        for (int u = 0; u < Ahead; u++)
        {
            int key = begin + u * slots + slot;
            if (slot >= slots || key >= keys)
                continue;
            vector values = {};
            if (seen[key]) // what is masked may be anything, NaN included
                values = loaded[u];
#pragma unroll
            for (int h = 0; h < HEADS; h++)
#pragma unroll
                for (int j = 0; j < VECTOR; j++)
                    made[h][j] = fused(scores[h][key], values[j], made[h][j]);
        }
    }
#pragma unroll
    for (int h = 0; h < HEADS; h++)
    {
        if (h >= headCount)
            break;
        barrier(); // the last head's sums have been read
        for (int j = 0; j < VECTOR; j++)
            sums[thread * VECTOR + j] = made[h][j];
        barrier();
        float* to = partial_of(partials, (int)block_z(), firstHead + h, piece, heads, pieces, headDim);
        for (int i = thread; i < headDim; i += PieceThreads)
        {
            float sum = 0;
            for (int s = 0; s < slots; s++)
                sum += sums[s * headDim + i];
            to[2 + i] = sum;
        }
    }
}

// Grid x: pieces, y: key heads times chunks of HEADS query heads, z: items.
#define FOR_SIZES(HEADS, VECTOR) \
    extern "C" __global__ __launch_bounds__(PieceThreads) void attend_piece_##HEADS##_##VECTOR(float* partials, const float* q, const AttentionItem* items, int layer, int heads, int keyHeads, int headDim, int pieces) \
    { \
        attend_piece<HEADS, VECTOR>(partials, q, items, layer, heads, keyHeads, headDim, pieces); \
    }
static_assert(PieceHeads == 4, "as the names say");
FOR_SIZES(1, 1)
FOR_SIZES(1, 4)
FOR_SIZES(4, 1)
FOR_SIZES(4, 4)
#undef FOR_SIZES

// Joins the pieces in ascending order. A row that sees no key attends evenly to all keys. Grid x: heads, y: items; a thread per value.
// Maxima and scales are made with a thread per piece; then each thread adds up its value of all pieces, 8 of them in flight.
extern "C" __global__ __launch_bounds__(JoinThreads) void join_pieces(float* y, const float* partials, const AttentionItem* items, int layer, int heads, int keyHeads, int headDim, int pieces)
{
    __shared__ float maxima[JoinThreads / WarpSize];
    __shared__ float scales[JoinThreads];
    __shared__ float sums[JoinThreads]; // 0: a piece that sees no key, whose values count for nothing
    const AttentionItem& item = items[block_y()];
    int head = (int)block_x(), thread = (int)thread_index(), used = (item.keyCount + PieceKeys - 1) / PieceKeys, stride = headDim + 2;
    const float* first = partial_of(partials, (int)block_y(), head, 0, heads, pieces, headDim);

    float maximum = -Infinity;
    for (int p = thread; p < used; p += JoinThreads)
        maximum = first[(i64)p * stride + 1] == 0 ? maximum : greater(maximum, first[(i64)p * stride]);
    maximum = warp_maximum(maximum);
    if (lane_index() == 0)
        maxima[warp_index()] = maximum;
    barrier();
    for (int w = 0; w < JoinThreads / WarpSize; w++)
        maximum = greater(maximum, maxima[w]);

    constexpr int Ahead = 8;
    float total = 0, value = 0;
    const float* own = first + 2 + least(thread, headDim - 1); // threads beyond the head repeat its last value
    for (int begin = 0; begin < used; begin += JoinThreads)
    {
        int count = least(JoinThreads, used - begin);
        barrier(); // the pieces before have been added
        if (thread < count)
        {
            const float* piece = first + (i64)(begin + thread) * stride;
            sums[thread] = piece[1];
            scales[thread] = exponential(piece[0] - maximum);
        }
        barrier();
        for (int p = 0; p < count; p += Ahead)
        {
            float loaded[Ahead];
#pragma unroll
            for (int u = 0; u < Ahead; u++)
                loaded[u] = own[(i64)(begin + least(p + u, count - 1)) * stride];
            warp_barrier(); // the assembler leaves every load before it
#pragma unroll
            for (int u = 0; u < Ahead; u++)
                if (p + u < count && sums[p + u] != 0)
                {
                    total = fused(scales[p + u], sums[p + u], total);
                    value = fused(scales[p + u], loaded[u], value);
                }
        }
    }

    bool none = total == 0;
    if (thread >= headDim)
        return;
    const float* values = global(item.values) + layer * item.layerStride + (i64)(head / (heads / keyHeads)) * headDim + thread;
    if (none)
        value = 0;
    for (int j = 0; j < item.keyCount && none; j++)
        value += values[(i64)j * keyHeads * headDim];
    y[((i64)item.firstRow * heads + head) * headDim + thread] = value / (none ? (float)item.keyCount : total);
}
