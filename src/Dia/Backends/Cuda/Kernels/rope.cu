// The rotary embedding. A thread per pair of values (or angle); bytes moved: each operand once.
#include "attention_item.h"
#include "math.h"

// cos and sin [rows, half] of the float32 angle position·frequency, times scaling, by the frequencies [items, half] of the row's item.
// Blocks x: rows of an item, y: items; threads along half.
extern "C" __global__ __launch_bounds__(RopeThreads) void rope_table(float* cos, float* sin, const int* positions, const float* frequencies, const AttentionItem* items, int half, float scaling)
{
    const AttentionItem& item = items[block_y()];
    if ((int)block_x() >= item.rows)
        return;
    i64 row = item.firstRow + (i64)block_x();
    for (int i = thread_index(); i < half; i += thread_count())
    {
        float s, c;
        sine_cosine((float)positions[row] * frequencies[(i64)block_y() * half + i], s, c);
        cos[row * half + i] = c * scaling;
        sin[row * half + i] = s * scaling;
    }
}

// (x1, x2) → (x1·cos − x2·sin, x2·cos + x1·sin), each with one rounding of a product besides the sum's.
INLINE void rotate(float& x1, float& x2, float c, float s)
{
    float first = fused(x1, c, -(x2 * s));
    x2 = fused(x2, c, x1 * s);
    x1 = first;
}

// Rotates x [rows, heads, 2·half] in place. Blocks x: rows, y: 128 of the heads·half pairs, one a thread.
extern "C" __global__ __launch_bounds__(RopeThreads) void rope(float* x, const float* cos, const float* sin, int heads, int half)
{
    i64 row = block_x();
    int i = (int)(block_y() * thread_count() + thread_index());
    if (i >= heads * half)
        return;
    int head = i / half, at = i % half;
    float* pair = x + (row * heads + head) * 2 * half + at;
    rotate(pair[0], pair[half], cos[row * half + at], sin[row * half + at]);
}

// Rotates key rows [rows, keyHeads, 2·half] in place and appends keys and values to the cache of each item, behind its causalStart
// keys. Blocks x: rows of an item, y: items, z: 128 of the keyHeads·half pairs, one a thread.
extern "C" __global__ __launch_bounds__(RopeThreads) void rope_key_values(float* keys, const float* values, const float* cos, const float* sin, const AttentionItem* items, int layer, int keyHeads, int half)
{
    const AttentionItem& item = items[block_y()];
    int i = (int)(block_z() * thread_count() + thread_index());
    if ((int)block_x() >= item.rows || i >= keyHeads * half)
        return;
    i64 row = item.firstRow + (i64)block_x(), width = (i64)keyHeads * 2 * half;
    i64 to = layer * item.layerStride + (item.causalStart + (i64)block_x()) * width;
    float* cachedKeys = global(item.keys) + to;
    float* cachedValues = global(item.values) + to;
    i64 at = (i64)(i / half) * 2 * half + i % half;
    float x1 = keys[row * width + at], x2 = keys[row * width + at + half];
    rotate(x1, x2, cos[row * half + i % half], sin[row * half + i % half]);
    keys[row * width + at] = cachedKeys[at] = x1;
    keys[row * width + at + half] = cachedKeys[at + half] = x2;
    cachedValues[at] = values[row * width + at];
    cachedValues[at + half] = values[row * width + at + half];
}
