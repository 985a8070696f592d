// The same products on tensor cores, for codecs with 16-bit weights (mma.sync m16n8k16, sums in float32).
//
// The weights are exact. A value x is split into a high half, x rounded to the weights' format, and a low half, x less that, rounded
// again: two products. What is lost of x is below 2^-17·|x| in bfloat16 (8 bits of significand, twice, and a sign) and below
// max(2^-22·|x|, 2^-25) in float16, for |x| ≤ 65504; beyond that the low half takes what it can (to 131008, then values saturate).
// So an output's error is below 2^-17·Σ|x·w| (2^-22 for float16) plus the float32 rounding of its sum.
//
// A block of 4 warps makes a tile of 64 rows by 64 columns, a warp 32 by 32 of them, in steps of 32 along k: while one step is
// multiplied from shared memory, the next is on its way to registers. Rows of shared memory are 20 words apart, so that the 32 lanes'
// fragments lie in 32 banks. Bytes moved and grid: as product_f32.cu. Each output's order is that of its k.
#include "product.h"

constexpr int MmaTile = ProductTile, MmaDepth = 32, MmaPitch = MmaDepth / 2 + 4;

// The value in the high half's format; only float16 has a range to leave.
INLINE float within_range(float x, bf16) { return x; }
INLINE float within_range(float x, f16) { return x > 65504 ? 65504 : x < -65504 ? -65504 : x; } // a NaN stays

// What the high half leaves. An infinity leaves nothing: less itself it would be NaN.
template <typename T> INLINE float left(float x, float high) { return absolute(x) < Infinity ? within_range(x - high, T{}) : 0; }

template <typename T> INLINE void split(float a, float b, u32& high, u32& low)
{
    high = narrow_pair(within_range(a, T{}), within_range(b, T{}), T{});
    float2 rounded = widen_pair(high, T{});
    low = narrow_pair(left<T>(a, rounded.x), left<T>(b, rounded.y), T{});
}

template <typename T> INLINE uint4 load_eight_weights(const Product& p, bool vectors, int column, int k)
{
    uint4 bits = {};
    const T* from = (const T*)p.w + (i64)column * p.k + k;
    if (column >= p.n)
        return bits;
    if (vectors && k < p.k)
        return *(const uint4*)from;
    for (int j = 0; j < 8; j++)
        if (k + j < p.k)
            bits[j / 2] |= (u32)from[j].bits << (j % 2 * 16);
    return bits;
}

template <typename T> INLINE void make_mma_tile(const Product& p)
{
    __shared__ uint2 sharedHigh[2][MmaTile * MmaPitch / 2];
    __shared__ uint2 sharedLow[2][MmaTile * MmaPitch / 2];
    __shared__ uint4 sharedW[2][MmaTile * MmaPitch / 4];
    int tilesN = (p.n + MmaTile - 1) / MmaTile;
    int firstRow = (int)block_x() / tilesN * MmaTile, firstColumn = (int)block_x() % tilesN * MmaTile;
    int thread = (int)thread_index(), lane = (int)lane_index();
    int warpRow = (int)warp_index() / 2 * 32, warpColumn = (int)warp_index() % 2 * 32;
    int group = lane / 4, inGroup = lane % 4;
    Windows windows(p);
    bool vectors = p.k % 8 == 0 && aligned16(p.w);

    // A thread loads 4 values of 4 rows and 8 weights of 2 columns.
    float4 nextX[4];
    uint4 nextW[2];
    auto load = [&](int k) {
        int from = k + thread % 8 * 4;
        i64 offset = windows.offset(from);
#pragma unroll
        for (int h = 0; h < 4; h++)
            nextX[h] = windows.load(firstRow + thread / 8 + 16 * h, from, offset);
#pragma unroll
        for (int h = 0; h < 2; h++)
            nextW[h] = load_eight_weights<T>(p, vectors, firstColumn + thread / 4 + 32 * h, k + thread % 4 * 8);
    };
    auto keep = [&](int buffer) {
#pragma unroll
        for (int h = 0; h < 4; h++)
        {
            int at = (thread / 8 + 16 * h) * (MmaPitch / 2) + thread % 8;
            u32 high[2], low[2];
            split<T>(nextX[h].x, nextX[h].y, high[0], low[0]);
            split<T>(nextX[h].z, nextX[h].w, high[1], low[1]);
            sharedHigh[buffer][at] = {high[0], high[1]};
            sharedLow[buffer][at] = {low[0], low[1]};
        }
#pragma unroll
        for (int h = 0; h < 2; h++)
            sharedW[buffer][(thread / 4 + 32 * h) * (MmaPitch / 4) + thread % 4] = nextW[h];
    };

    float sums[2][4][4] = {}; // [16 rows][8 columns][fragment]
    load(0);
    keep(0);
    barrier();
    for (int k = 0, buffer = 0; k < p.k; k += MmaDepth, buffer ^= 1)
    {
        bool more = k + MmaDepth < p.k;
        if (more)
            load(k + MmaDepth);
#pragma unroll
        for (int d = 0; d < MmaDepth / 2; d += 8)
        {
            u32 high[2][4], low[2][4], w[4][2];
#pragma unroll
            for (int m = 0; m < 2; m++)
#pragma unroll
                for (int j = 0; j < 4; j++)
                {
                    int at = (warpRow + 16 * m + group + j % 2 * 8) * MmaPitch + d + inGroup + j / 2 * 4;
                    high[m][j] = ((const u32*)sharedHigh[buffer])[at];
                    low[m][j] = ((const u32*)sharedLow[buffer])[at];
                }
#pragma unroll
            for (int c = 0; c < 4; c++)
#pragma unroll
                for (int j = 0; j < 2; j++)
                    w[c][j] = ((const u32*)sharedW[buffer])[(warpColumn + 8 * c + group) * MmaPitch + d + inGroup + j * 4];
#pragma unroll
            for (int m = 0; m < 2; m++)
#pragma unroll
                for (int c = 0; c < 4; c++)
                {
                    multiply_add(sums[m][c], high[m], w[c], T{});
                    multiply_add(sums[m][c], low[m], w[c], T{});
                }
        }
        if (more)
            keep(buffer ^ 1);
        barrier();
    }
#pragma unroll
    for (int m = 0; m < 2; m++)
#pragma unroll
        for (int c = 0; c < 4; c++)
#pragma unroll
            for (int j = 0; j < 4; j++)
                store(p, firstRow + warpRow + 16 * m + group + j / 2 * 8, firstColumn + warpColumn + 8 * c + inGroup * 2 + j % 2, sums[m][c][j]);
}

PRODUCT_KERNEL(product_mma_bf16, make_mma_tile<bf16>, 4)
PRODUCT_KERNEL(product_mma_f16, make_mma_tile<f16>, 4)
