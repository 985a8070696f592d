// Attention of many query rows per item (encoder, prompts): y[row, head] = softmax(q·keysᵀ)·values, scale 1, with an online softmax.
//
// A block of 128 threads makes 16 query rows of a head. It walks over the keys in tiles of 32: keys come to shared memory, a thread
// makes four scores of one key, a warp the softmax of four rows (maximum and sum so far, and by what the earlier part is to be scaled),
// then values come to the same memory and a thread adds to DIMS values of all 16 rows. Tiles go in ascending order and each sum has a
// fixed order within its tile: a row's result depends on no other row.
// Bytes moved: queries and results once, keys and values once per 16 query rows. Grid x: tiles of rows, y: heads, z: items.
#include "attention_item.h"
#include "math.h"

// Rows of headDim values in shared memory are this far apart: 16-byte loads of eight rows meet in no bank.
INLINE int padded(int headDim) { return (headDim + 3) / 4 * 4 + 4; }

// Up to KeyTile rows of keys or values; 0 beyond them, beyond headDim, and where the mask is 0: what is masked may be anything, NaN
// included.
INLINE void load_tile(float* to, const float* from, const u8* mask, i64 width, int rows, int headDim)
{
    int pitch = padded(headDim);
    bool vectors = headDim % 4 == 0 && width % 4 == 0 && aligned16(from);
    for (int i = (int)thread_index(); i < KeyTile * (pitch / 4 - 1); i += BlockThreads)
    {
        int row = i / (pitch / 4 - 1), d = i % (pitch / 4 - 1) * 4;
        float4 values = {};
        if (row < rows && (!mask || mask[row]))
        {
            if (vectors)
                values = *(const float4*)(from + row * width + d);
            else
#pragma unroll
                for (int j = 0; j < 4; j++)
                    if (d + j < headDim)
                        values[j] = from[row * width + d + j];
        }
        *(float4*)(to + row * pitch + d) = values;
    }
}

extern "C" __shared__ __attribute__((aligned(16))) float dynamic[];

template <int DIMS>
INLINE void attend_block(float* y, const float* q, const AttentionItem* items, int layer, int heads, int keyHeads, int headDim)
{
    __shared__ float4 weights[KeyTile][QueryTile / 4]; // scores, then softmax weights
    __shared__ float scales[QueryTile], maxima[QueryTile], totals[QueryTile];
    const AttentionItem& item = items[block_z()];
    int firstRow = (int)block_x() * QueryTile, head = (int)block_y(), keyCount = item.keyCount;
    if (firstRow >= item.rows)
        return;
    int rows = least(QueryTile, item.rows - firstRow), pitch = padded(headDim);
    float* queries = dynamic;
    float* tile = dynamic + QueryTile * pitch;
    i64 width = (i64)keyHeads * headDim, at = layer * item.layerStride + (i64)(head / (heads / keyHeads)) * headDim;
    int thread = (int)thread_index(), lane = (int)lane_index(), warp = (int)warp_index();

    for (int i = thread; i < QueryTile * pitch; i += BlockThreads)
    {
        int row = i / pitch, d = i % pitch;
        queries[i] = row < rows && d < headDim ? q[((i64)(item.firstRow + firstRow + row) * heads + head) * headDim + d] : 0;
    }
    if (thread < QueryTile)
    {
        maxima[thread] = -Infinity;
        totals[thread] = 0;
    }

    // Keys behind the last row's position are seen by none.
    int end = item.causalStart < 0 ? keyCount : least(keyCount, item.causalStart + firstRow + rows);
    float made[DIMS][QueryTile] = {};
    for (int first = 0; first < end; first += KeyTile)
    {
        int keys = least(KeyTile, end - first);
        const u8* mask = item.mask ? global(item.mask) + first : nullptr;
        barrier(); // the tile before has been used
        load_tile(tile, global(item.keys) + at + first * width, mask, width, keys, headDim);
        barrier();

        float dots[4] = {}; // rows 4·warp …, key lane
        for (int d = 0; d < headDim; d += 4)
        {
            float4 key = *(const float4*)(tile + lane * pitch + d);
#pragma unroll
            for (int r = 0; r < 4; r++)
            {
                float4 query = *(const float4*)(queries + (4 * warp + r) * pitch + d);
#pragma unroll
                for (int j = 0; j < 4; j++)
                    dots[r] = fused(query[j], key[j], dots[r]);
            }
        }

        float4 weight = {};
#pragma unroll
        for (int r = 0; r < 4; r++)
        {
            int row = 4 * warp + r;
            bool visible = row < rows && lane < keys && sees(item, firstRow + row, first + lane);
            float before = maxima[row], totalBefore = totals[row];
            float maximum = greater(before, warp_maximum(visible ? dots[r] : -Infinity));
            // Until a key is seen nothing is to be scaled: ∞ − ∞ would be NaN.
            float scale = totalBefore == 0 ? 0 : exponential(before - maximum);
            weight[r] = visible ? exponential(dots[r] - maximum) : 0;
            float total = fused(totalBefore, scale, warp_sum(weight[r]));
            if (lane == 0)
            {
                maxima[row] = maximum;
                totals[row] = total;
                scales[row] = scale;
            }
        }
        weights[lane][warp] = weight;
        barrier(); // scores have been made of the keys, weights are there
        load_tile(tile, global(item.values) + at + first * width, mask, width, keys, headDim);
        barrier();

#pragma unroll
        for (int n = 0; n < DIMS; n++)
        {
            int d = least(thread + n * BlockThreads, headDim - 1); // threads past headDim repeat the last value; they store nothing
#pragma unroll
            for (int r = 0; r < QueryTile; r++)
                made[n][r] = made[n][r] * scales[r];
            for (int key = 0; key < keys; key++)
            {
                float value = tile[key * pitch + d];
#pragma unroll
                for (int r = 0; r < QueryTile; r += 4)
                {
                    float4 four = weights[key][r / 4];
#pragma unroll
                    for (int j = 0; j < 4; j++)
                        made[n][r + j] = fused(four[j], value, made[n][r + j]);
                }
            }
        }
    }
    barrier();

#pragma unroll
    for (int n = 0; n < DIMS; n++)
    {
        int d = thread + n * BlockThreads;
        // A row that sees no key attends evenly to all keys.
        float even = 0;
        bool none = false;
        for (int r = 0; r < rows; r++)
            none |= totals[r] == 0;
        for (int key = 0; key < keyCount && none && d < headDim; key++)
            even += global(item.values)[at + key * width + d];
#pragma unroll
        for (int r = 0; r < QueryTile; r++)
            if (r < rows && d < headDim)
                y[((i64)(item.firstRow + firstRow + r) * heads + head) * headDim + d] = totals[r] == 0 ? even / (float)keyCount : made[n][r] / totals[r];
    }
}

extern "C" __global__ __launch_bounds__(BlockThreads) void attend_block_128(float* y, const float* q, const AttentionItem* items, int layer, int heads, int keyHeads, int headDim)
{
    attend_block<1>(y, q, items, layer, heads, keyHeads, headDim);
}

extern "C" __global__ __launch_bounds__(BlockThreads) void attend_block_256(float* y, const float* q, const AttentionItem* items, int layer, int heads, int keyHeads, int headDim)
{
    attend_block<2>(y, q, items, layer, heads, keyHeads, headDim);
}

// The probabilities [heads, rows, keys] of each item, one item after the other: traces only, so simple. A warp per query row and head:
// scores are made three times over. Grid x: rows, y: heads, z: items.
extern "C" __global__ __launch_bounds__(WarpSize) void attention_map(float* maps, const float* q, const AttentionItem* items, int layer, int heads, int keyHeads, int headDim)
{
    const AttentionItem& item = items[block_z()];
    int row = (int)block_x(), head = (int)block_y(), keys = item.keyCount;
    if (row >= item.rows)
        return;
    float* map = maps;
    for (u32 before = 0; before < block_z(); before++)
        map += (i64)heads * items[before].rows * items[before].keyCount;
    map += ((i64)head * item.rows + row) * keys;
    const float* query = q + ((i64)(item.firstRow + row) * heads + head) * headDim;
    const float* from = global(item.keys) + layer * item.layerStride + (i64)(head / (heads / keyHeads)) * headDim;
    float maximum = -Infinity, total = 0;
    int seen = 0;
    for (int key = (int)lane_index(); key < keys; key += WarpSize)
    {
        float dot = 0;
        for (int d = 0; d < headDim; d++)
            dot = fused(query[d], from[(i64)key * keyHeads * headDim + d], dot);
        map[key] = dot; // this lane's own from here on
        if (!sees(item, row, key))
            continue;
        maximum = greater(maximum, dot);
        seen = 1;
    }
    maximum = warp_maximum(maximum);
    seen = warp_sum(seen);
    for (int key = (int)lane_index(); key < keys; key += WarpSize)
    {
        map[key] = seen == 0 ? 1 : sees(item, row, key) ? exponential(map[key] - maximum) : 0;
        total += map[key];
    }
    total = warp_sum(total);
    for (int key = (int)lane_index(); key < keys; key += WarpSize)
        map[key] /= total;
}
