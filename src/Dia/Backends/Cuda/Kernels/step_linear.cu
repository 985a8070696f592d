// y[rows, n] = x[rows, k]·wᵀ (+ y) for the few rows of a decoding step: bound by the bytes of w, which are read once.
//
// A warp makes OUTPUTS neighbouring outputs of ROWS rows. Lane l takes the values 256c + 8l … 8l + 7 of chunk c, chunks in ascending
// order, each value a fused multiply-add; then the lanes' sums are added in a fixed tree. That order depends on k alone: not on ROWS,
// OUTPUTS, alignment or the row's place, so a batch equals its single runs bit for bit. Of w, STAGES chunks are loaded before the first
// is used: 128 bytes in flight per lane with 16-bit weights. x comes through the L1 cache, from where every warp of the multiprocessor
// reads it; OUTPUTS grows with ROWS so that x is read no more than twice per byte of w.
// Bytes moved: n·k weights, rows·(k + n) values. Grid x: outputs / (OUTPUTS · warps), y: tiles of ROWS rows.
#include "math.h"

constexpr int ChunkValues = 8 * WarpSize;

// Eight weights as they are stored, loaded with one or two 16-byte loads.
template <typename T> struct Eight
{
    uint4 bits;
    INLINE_MEMBER void load(const T* from) { bits = *(const uint4*)from; }
    INLINE_MEMBER void expand(float (&w)[8]) const
    {
        for (int i = 0; i < 4; i++)
        {
            float2 pair = widen_pair(bits[i], T{});
            w[2 * i] = pair.x;
            w[2 * i + 1] = pair.y;
        }
    }
};

template <> struct Eight<float>
{
    float4 low, high;
    INLINE_MEMBER void load(const float* from)
    {
        low = ((const float4*)from)[0];
        high = ((const float4*)from)[1];
    }
    INLINE_MEMBER void expand(float (&w)[8]) const
    {
        for (int i = 0; i < 4; i++)
        {
            w[i] = low[i];
            w[i + 4] = high[i];
        }
    }
};

INLINE void load_eight(const float* from, float (&x)[8])
{
    Eight<float> values;
    values.load(from);
    values.expand(x);
}

// The weights of CHUNKS chunks from value i on.
template <typename T, int OUTPUTS, int CHUNKS> INLINE void load_chunks(Eight<T> (&chunks)[CHUNKS][OUTPUTS], const T* const (&weights)[OUTPUTS], int i)
{
#pragma unroll
    for (int c = 0; c < CHUNKS; c++)
#pragma unroll
        for (int o = 0; o < OUTPUTS; o++)
            chunks[c][o].load(weights[o] + i + c * ChunkValues);
}

// Adds their products with the rows' values to the sums.
template <typename T, int ROWS, int OUTPUTS, int CHUNKS>
INLINE void add_chunks(float (&sums)[ROWS][OUTPUTS], const Eight<T> (&chunks)[CHUNKS][OUTPUTS], const float* const (&from)[ROWS], int i)
{
#pragma unroll
    for (int c = 0; c < CHUNKS; c++)
    {
        float values[OUTPUTS][8];
#pragma unroll
        for (int o = 0; o < OUTPUTS; o++)
            chunks[c][o].expand(values[o]);
#pragma unroll
        for (int r = 0; r < ROWS; r++)
        {
            float a[8];
            load_eight(from[r] + i + c * ChunkValues, a);
#pragma unroll
            for (int o = 0; o < OUTPUTS; o++)
#pragma unroll
                for (int j = 0; j < 8; j++)
                    sums[r][o] = fused(a[j], values[o][j], sums[r][o]);
        }
    }
}

template <typename T, int ROWS, int OUTPUTS, int STAGES>
INLINE void step_linear(float* __restrict__ y, const float* __restrict__ x, const T* __restrict__ w, int rows, int n, int k, int accumulate)
{
    int firstOutput = (int)(block_x() * (thread_count() / WarpSize) + warp_index()) * OUTPUTS;
    int firstRow = (int)block_y() * ROWS;
    if (firstOutput >= n)
        return;

    // Rows and outputs past the end repeat the last one; they are not stored.
    const float* from[ROWS];
    const T* weights[OUTPUTS];
    bool aligned = k % 8 == 0 && aligned16(w) && aligned16(x);
    for (int r = 0; r < ROWS; r++)
        from[r] = x + (i64)least(firstRow + r, rows - 1) * k;
    for (int o = 0; o < OUTPUTS; o++)
        weights[o] = w + (i64)least(firstOutput + o, n - 1) * k;

    float sums[ROWS][OUTPUTS] = {};
    int i = (int)lane_index() * 8;
    if (aligned)
    {
        // Stages that are whole for all lanes: the condition is the same for the warp, because its lanes meet at the barrier.
        constexpr int StageValues = STAGES * ChunkValues;
        for (int left = k; left >= StageValues; left -= StageValues, i += StageValues)
        {
            Eight<T> stage[STAGES][OUTPUTS];
            load_chunks(stage, weights, i);
            // NVIDIA's assembler would move each load down to its use, which leaves one of them in flight. It moves none across a barrier.
            warp_barrier();
            add_chunks(sums, stage, from, i);
        }
        for (; i < k; i += ChunkValues)
        {
            Eight<T> chunk[1][OUTPUTS];
            load_chunks(chunk, weights, i);
            add_chunks(sums, chunk, from, i);
        }
    }

    // Where 16 bytes cannot be read at once: value by value, in the same order.
#pragma unroll 1
    for (; i < k; i += ChunkValues)
    {
        int end = least(i + 8, k);
#pragma unroll 1
        for (int j = i; j < end; j++)
#pragma unroll
            for (int o = 0; o < OUTPUTS; o++)
            {
                float value = widen(weights[o][j]);
#pragma unroll
                for (int r = 0; r < ROWS; r++)
                    sums[r][o] = fused(from[r][j], value, sums[r][o]);
            }
    }

#pragma unroll
    for (int r = 0; r < ROWS; r++)
#pragma unroll
        for (int o = 0; o < OUTPUTS; o++)
        {
            float sum = warp_sum(sums[r][o]);
            float* to = y + (i64)(firstRow + r) * n + firstOutput + o;
            if (lane_index() == 0 && firstRow + r < rows && firstOutput + o < n)
                *to = accumulate ? *to + sum : sum;
        }
}

#define FOR_ROWS(NAME, T, ROWS, OUTPUTS, STAGES, BOUNDS) \
    extern "C" __global__ __launch_bounds__ BOUNDS void step_linear_##ROWS##_##NAME(float* y, const float* x, const T* w, int rows, int n, int k, int accumulate) \
    { \
        step_linear<T, ROWS, OUTPUTS, STAGES>(y, x, w, rows, n, k, accumulate); \
    }
#define FOR_FORMAT(NAME, T, STAGES) \
    FOR_ROWS(NAME, T, 1, 1, STAGES, (128)) \
    FOR_ROWS(NAME, T, 2, 2, STAGES / 2, (128, 8)) \
    FOR_ROWS(NAME, T, 4, 4, STAGES / 4, (128)) \
    FOR_ROWS(NAME, T, 8, 4, STAGES / 4, (128))
FOR_FORMAT(f32, float, 4)
FOR_FORMAT(bf16, bf16, 8)
FOR_FORMAT(f16, f16, 8)
#undef FOR_FORMAT
#undef FOR_ROWS
