// Tiled products in float32: linear layers of many rows where there is no cuBLAS, and float32 codecs.
//
// A block of 128 threads makes a tile of 64 rows by 64 columns, a thread 8 by 4 of them, in steps of 16 along k: while one step is
// multiplied from shared memory, the next is on its way from global memory to registers. Each output is one chain of fused
// multiply-adds in ascending k: it depends on no row beside it. 16-bit weights are widened on the way (exact), integers become integer·scale.
// Bytes moved: the tile's 64·k values and 64·k weights, from the L2 cache for all but the first block that needs them. Grid x: tiles,
// those of the same rows together.
#include "integers.h"
#include "product.h"

constexpr int Tile = ProductTile, Depth = 16, Pitch = Tile + 4;

// How a tile reads its weights: four of a column from k on, 0 past the end of columns or k. k must be a multiple of 4.
template <typename T> struct FloatColumns
{
    const Product& p;
    bool vectors;

    INLINE_MEMBER explicit FloatColumns(const Product& product) : p(product), vectors(product.k % 4 == 0 && aligned16(product.w)) {}

    INLINE_MEMBER float4 load(int column, int k) const
    {
        float4 values = {};
        const T* from = (const T*)p.w + (i64)column * p.k + k;
        if (column >= p.n)
            return values;
        if (vectors && k < p.k)
        {
            if constexpr (sizeof(T) == 4)
                return *(const float4*)from;
            else
            {
                uint2 bits = *(const uint2*)from;
                float2 low = widen_pair(bits.x, T{}), high = widen_pair(bits.y, T{});
                return {low.x, low.y, high.x, high.y};
            }
        }
        for (int j = 0; j < 4; j++)
            if (k + j < p.k)
                values[j] = widen(from[j]);
        return values;
    }
};

// The four values share a scale and, where rows are whole words, lie in one.
template <int BITS> struct IntegerColumns
{
    const Product& p;
    Integers<BITS> w;

    INLINE_MEMBER float4 load(int column, int k) const
    {
        float4 values = {};
        if (column >= p.n)
            return values;
        const u8* row = w.row(column);
        u32 scaleRow = column * w.groups, at = scaleRow + (u32)k / (u32)w.group;
        if (p.k % 4 == 0 && k < p.k)
        {
            u32 word = *(const u32*)(row + (BITS == 8 ? k : k / 8 * 4));
            return w.four(BITS == 8 ? word : word >> k % 8 * 4, 0, w.scale(w.load_scale(at), at));
        }
        for (int j = 0; j < 4; j++)
            if (k + j < p.k)
                values[j] = w.value(row, scaleRow, k + j);
        return values;
    }
};

template <typename COLUMNS> INLINE void make_tile(const Product& p, const COLUMNS& columns)
{
    __shared__ float4 sharedX[2][Depth][Pitch / 4];
    __shared__ float4 sharedW[2][Depth][Pitch / 4];
    int tilesN = (p.n + Tile - 1) / Tile;
    int firstRow = (int)block_x() / tilesN * Tile, firstColumn = (int)block_x() % tilesN * Tile;
    int thread = (int)thread_index();
    int loadAt = thread / 4, loadK = thread % 4 * 4;   // loads rows (columns) loadAt and loadAt + 32
    int atRow = thread / 16 * 4, atColumn = thread % 16 * 4; // makes rows atRow … + 3 and atRow + 32 … + 3
    Windows windows(p);

    float4 nextX[2], nextW[2];
    auto load = [&](int k) {
        i64 offset = windows.offset(k + loadK);
        for (int h = 0; h < 2; h++)
        {
            nextX[h] = windows.load(firstRow + loadAt + 32 * h, k + loadK, offset);
            nextW[h] = columns.load(firstColumn + loadAt + 32 * h, k + loadK);
        }
    };
    auto keep = [&](int buffer) {
        for (int h = 0; h < 2; h++)
            for (int j = 0; j < 4; j++)
            {
                ((float*)sharedX[buffer][loadK + j])[loadAt + 32 * h] = nextX[h][j];
                ((float*)sharedW[buffer][loadK + j])[loadAt + 32 * h] = nextW[h][j];
            }
    };

    float sums[8][4] = {};
    load(0);
    keep(0);
    barrier();
    for (int k = 0, buffer = 0; k < p.k; k += Depth, buffer ^= 1)
    {
        bool more = k + Depth < p.k;
        if (more)
            load(k + Depth);
#pragma unroll
        for (int d = 0; d < Depth; d++)
        {
            float4 low = sharedX[buffer][d][atRow / 4], high = sharedX[buffer][d][atRow / 4 + 8], w = sharedW[buffer][d][atColumn / 4];
#pragma unroll
            for (int r = 0; r < 4; r++)
#pragma unroll
                for (int c = 0; c < 4; c++)
                {
                    sums[r][c] = fused(low[r], w[c], sums[r][c]);
                    sums[r + 4][c] = fused(high[r], w[c], sums[r + 4][c]);
                }
        }
        if (more)
            keep(buffer ^ 1);
        barrier();
    }
#pragma unroll
    for (int r = 0; r < 8; r++)
#pragma unroll
        for (int c = 0; c < 4; c++)
            store(p, firstRow + atRow + r % 4 + r / 4 * 32, firstColumn + atColumn + c, sums[r][c]);
}

template <typename T> INLINE void make_float_tile(const Product& p) { make_tile(p, FloatColumns<T>(p)); }

PRODUCT_KERNEL(product_f32, make_float_tile<float>)
PRODUCT_KERNEL(product_bf16, make_float_tile<bf16>)
PRODUCT_KERNEL(product_f16, make_float_tile<f16>)

// Linear layers alone: a row's window is the row.
#define INTEGER_PRODUCT(NAME, BITS) \
    extern "C" __global__ __launch_bounds__(ProductThreads) void NAME( \
        float* y, const float* x, INTEGER_PARAMETERS, int rows, int n, int k, int accumulate) \
    { \
        Product p = {y, x, w, nullptr, k, k, k, 0, rows, n, k, accumulate}; \
        make_tile(p, IntegerColumns<BITS>{p, INTEGERS(BITS)}); \
    }
INTEGER_PRODUCT(product_int8, 8)
INTEGER_PRODUCT(product_int4, 4)
#undef INTEGER_PRODUCT
