// What the tiled products share: y[rows, n] = window(x)·wᵀ + bias (+ y). A row of x is a window of k values: taps of tapLength
// neighbouring values, tapStride apart; the next row's begins rowStride further. A linear layer has one tap; a convolution over
// channels-last rows has one per kernel position (or one in all, without dilation), so no window is ever copied out ("implicit GEMM").
#ifndef DIA_PRODUCT_H
#define DIA_PRODUCT_H

#include "device.h"

struct Product
{
    float* y;
    const float* x;
    const void* w;
    const float* bias; // null: none; column c has bias[c mod biasCount]
    i64 rowStride;
    i64 tapStride;
    int tapLength;
    int biasCount;
    int rows;
    int n;
    int k;
    int accumulate;
};

// A kernel that makes tiles of a product; last the blocks that a multiprocessor must have room for, if that is to bound registers. The members are parameters of their own: one of a struct type would be read byte by byte.
#define PRODUCT_KERNEL(NAME, MAKE_TILE, ...) \
    extern "C" __global__ __launch_bounds__(ProductThreads __VA_OPT__(,) __VA_ARGS__) void NAME(float* y, const float* x, const void* w, const float* bias, i64 rowStride, i64 tapStride, \
        int tapLength, int biasCount, int rows, int n, int k, int accumulate) \
    { \
        MAKE_TILE({y, x, w, bias, rowStride, tapStride, tapLength, biasCount, rows, n, k, accumulate}); \
    }

// Four values of a row's window from k on, 0 past the end of rows or window. k must be a multiple of 4.
struct Windows
{
    const Product& p;
    bool vectors; // 16-byte loads

    INLINE_MEMBER explicit Windows(const Product& product)
        : p(product), vectors(product.tapLength % 4 == 0 && product.rowStride % 4 == 0 && product.tapStride % 4 == 0 && aligned16(product.x))
    {
    }

    // Where value k of a window lies in it. It takes a division, so it is made once for all rows of a step.
    INLINE_MEMBER i64 offset(int k) const { return k / p.tapLength * p.tapStride + k % p.tapLength; }

    // offset is that of k.
    INLINE_MEMBER float4 load(int row, int k, i64 offset) const
    {
        float4 values = {};
        if (row >= p.rows)
            return values;
        const float* window = p.x + row * p.rowStride;
        if (vectors && k < p.k)
            return *(const float4*)(window + offset);
        for (int j = 0; j < 4; j++)
            if (k + j < p.k)
                values[j] = window[this->offset(k + j)];
        return values;
    }
};

INLINE void store(const Product& p, int row, int column, float sum)
{
    if (row >= p.rows || column >= p.n)
        return;
    float* to = p.y + (i64)row * p.n + column;
    if (p.bias)
        sum += p.bias[column % p.biasCount];
    *to = p.accumulate ? *to + sum : sum;
}

#endif
