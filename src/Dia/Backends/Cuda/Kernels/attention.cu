// Attention of one query row per item (a decoding step). y[item, head] = softmax(q·keysᵀ)·values, scale 1.
//
// Two kernels. The keys are cut into pieces of 64; a block makes the piece of one key head for up to HEADS of the query heads that
// read it: scores, their maximum and sum, and the weighted values. The second kernel joins the pieces in ascending order. So the
// order of every sum is that of the key positions, whatever the batch, and a long cache uses the whole chip.
// The grid covers the most keys an item can have; the number it has is read from device memory, and blocks beyond it end at once.
// Bytes moved: keys and values once per HEADS query heads, partials [items, heads, pieces, headDim + 2].
#include "attention_item.h"
#include "math.h"

constexpr int PieceKeys = 64;
constexpr int PieceThreads = 256;

// A query head's part of one piece in memory: maximum, sum, then the weighted values.
INLINE float* partial_of(float* partials, int item, int head, int piece, int heads, int pieces, int headDim)
{
    return partials + (((i64)item * heads + head) * pieces + piece) * (headDim + 2);
}

// Scores: 8 lanes per key, VECTOR values at a time, added in a fixed tree; 4 keys of a warp at once. Values: headDim / VECTOR threads
// per key, the others take further keys, and those sums are added in ascending order.
template <int HEADS, int VECTOR>
INLINE void attend_piece(float* partials, const float* q, const AttentionItem* items, int layer, int heads, int keyHeads, int headDim, int pieces)
{
    typedef float vector __attribute__((ext_vector_type(VECTOR)));
    __shared__ __attribute__((aligned(16))) float sharedQ[HEADS * 256];
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
    for (int first = warp * 4; first < keys; first += PieceThreads / WarpSize * 4)
    {
        int key = first + lane / 8;
        const float* row = allKeys + least(key, keys - 1) * width;
        float dots[HEADS] = {};
#pragma unroll 4
        for (int part = lane % 8; part < parts; part += 8)
        {
            vector values = ((const vector*)row)[part];
#pragma unroll
            for (int h = 0; h < HEADS; h++)
            {
                vector queries = ((const vector*)(sharedQ + h * headDim))[part];
#pragma unroll
                for (int j = 0; j < VECTOR; j++)
                    dots[h] = fused(queries[j], values[j], dots[h]);
            }
        }
#pragma unroll
        for (int h = 0; h < HEADS; h++)
        {
            for (int mask = 4; mask > 0; mask >>= 1)
                dots[h] += shuffle_xor(dots[h], mask);
            if (lane % 8 == 0 && key < keys)
                scores[h][key] = dots[h];
        }
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
    vector made[HEADS] = {};
    if (slot < slots)
    {
#pragma unroll 4
        for (int key = slot; key < keys; key += slots)
        {
            vector values = {};
            if (seen[key]) // what is masked may be anything, NaN included
                values = ((const vector*)(allValues + key * width))[part];
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
FOR_SIZES(1, 1)
FOR_SIZES(1, 4)
FOR_SIZES(4, 1)
FOR_SIZES(4, 4)
#undef FOR_SIZES

// Joins the pieces in ascending order. A row that sees no key attends evenly to all keys. Grid x: heads, y: items; a thread per value.
extern "C" __global__ __launch_bounds__(128) void join_pieces(float* y, float* partials, const AttentionItem* items, int layer, int heads, int keyHeads, int headDim, int pieces)
{
    const AttentionItem& item = items[block_y()];
    int head = (int)block_x(), used = (item.keyCount + PieceKeys - 1) / PieceKeys, stride = headDim + 2;
    const float* first = partial_of(partials, (int)block_y(), head, 0, heads, pieces, headDim);
    float maximum = -Infinity, total = 0;
    for (int p = 0; p < used; p++)
        maximum = first[(i64)p * stride + 1] == 0 ? maximum : greater(maximum, first[(i64)p * stride]);
    for (int p = 0; p < used; p++)
    {
        float sum = first[(i64)p * stride + 1];
        if (sum != 0)
            total = fused(exponential(first[(i64)p * stride] - maximum), sum, total);
    }
    bool none = total == 0;
    const float* values = global(item.values) + layer * item.layerStride + (i64)(head / (heads / keyHeads)) * headDim;
    for (int i = thread_index(); i < headDim; i += thread_count())
    {
        float value = 0;
        for (int p = 0; p < used && !none; p++)
            if (first[(i64)p * stride + 1] != 0)
                value = fused(exponential(first[(i64)p * stride] - maximum), first[(i64)p * stride + 2 + i], value);
        for (int j = 0; j < item.keyCount && none; j++)
            value += values[(i64)j * keyHeads * headDim + i];
        y[((i64)item.firstRow * heads + head) * headDim + i] = value / (none ? (float)item.keyCount : total);
    }
}
