// y[rows, n] = x[rows, k]·wᵀ (+ y) for the few rows of a decoding step: bound by the bytes of w, which are read once.
//
// A block makes OUTPUTS neighbouring outputs of ROWS rows. Its warps share k: chunk c of 256 values is that of warp c mod warps, of which lane l
// takes the values 8l … 8l + 7, each a fused multiply-add, a warp's chunks in ascending order; then the lanes' sums are added in a fixed tree, then
// the warps' in ascending order. That order depends on k alone (so does the number of warps: CudaBackend.StepLinear): not on ROWS, alignment or
// the row's place, so a batch equals its single runs bit for bit.
// A GPU reads at full speed only where far more is under way than the few warps of one output each would ask for: all warps of the block ask for
// their first chunk of each output at once, 64 bytes a lane with 16-bit weights. x comes through the L1 cache, twice the bytes of w for 2 rows.
// Integers (integers.h) are widened in registers. Their chunks are half or a quarter of the bytes, so a warp asks for two at once where it has more than
// one, each with its scales, which the lanes of a group read together: as many bytes as of 16 bits, or half as many.
// Bytes moved: n·k weights, their scales, rows·(k + n) values. Grid x: outputs / OUTPUTS, y: tiles of ROWS rows.
#include "integers.h"
#include "math.h"

constexpr int OUTPUTS = StepOutputs;

// Eight weights as they are stored, loaded with one or two 16-byte loads; widened four at a time, which takes half the registers.
template <typename T> struct Eight
{
    uint4 bits;
    INLINE_MEMBER void load(const T* from) { bits = *(const uint4*)from; }
    INLINE_MEMBER float4 four(int half) const
    {
        float2 low = widen_pair(bits[2 * half], T{}), high = widen_pair(bits[2 * half + 1], T{});
        return {low.x, low.y, high.x, high.y};
    }
};

template <> struct Eight<float>
{
    float4 values[2];
    INLINE_MEMBER void load(const float* from)
    {
        values[0] = ((const float4*)from)[0];
        values[1] = ((const float4*)from)[1];
    }
    INLINE_MEMBER float4 four(int half) const { return values[half]; }
};

// The rows of a weight that are a block's outputs: floating-point values …
template <typename T> struct FloatRows
{
    // The eight values of a lane in a chunk, of each output.
    typedef Eight<T> Chunk[OUTPUTS];

    // Chunks of a warp that are asked for together.
    static constexpr int Together = 1;

    typedef const T* Weight;

    const T* rows[OUTPUTS];

    INLINE_MEMBER FloatRows(const T* w, int firstOutput, int n, int k)
    {
        for (int o = 0; o < OUTPUTS; o++)
            rows[o] = w + (i64)least(firstOutput + o, n - 1) * k;
    }

    INLINE_MEMBER static bool aligned(const T* w) { return aligned16(w); }

    INLINE_MEMBER void load(Chunk& chunk, int i) const
    {
#pragma unroll
        for (int o = 0; o < OUTPUTS; o++)
            chunk[o].load(rows[o] + i);
    }

    INLINE_MEMBER float4 four(const Chunk& chunk, int o, int half) const { return chunk[o].four(half); }

    INLINE_MEMBER float value(int o, int at) const { return widen(rows[o][at]); }
};

// … or integers. A lane's eight values share a scale.
template <int BITS> struct IntegerRows
{
    struct Chunk
    {
        u32 words[OUTPUTS][BITS / 4], scales[OUTPUTS];
        u32 group;
    };

    static constexpr int Together = 2;

    typedef Integers<BITS> Weight;

    Integers<BITS> w;
    const u8* rows[OUTPUTS];
    u32 scaleRows[OUTPUTS];

    INLINE_MEMBER IntegerRows(const Integers<BITS>& w, int firstOutput, int n, int) : w(w)
    {
        for (int o = 0; o < OUTPUTS; o++)
        {
            int row = least(firstOutput + o, n - 1);
            rows[o] = w.row(row);
            scaleRows[o] = row * w.groups;
        }
    }

    // A row of a multiple of 8 values is whole words, and the first one is aligned.
    INLINE_MEMBER static bool aligned(const Integers<BITS>&) { return true; }

    INLINE_MEMBER u32 scale_at(const Chunk& chunk, int o) const { return scaleRows[o] + chunk.group; }

    INLINE_MEMBER void load(Chunk& chunk, int i) const
    {
        chunk.group = (u32)i / (u32)w.group;
#pragma unroll
        for (int o = 0; o < OUTPUTS; o++)
        {
            const u8* from = rows[o] + (BITS == 8 ? i : i / 2);
            if constexpr (BITS == 8)
            {
                uint2 words = *(const uint2*)from;
                chunk.words[o][0] = words.x;
                chunk.words[o][1] = words.y;
            }
            else
            {
                chunk.words[o][0] = *(const u32*)from;
            }
            chunk.scales[o] = w.load_scale(scale_at(chunk, o));
        }
    }

    INLINE_MEMBER float4 four(const Chunk& chunk, int o, int half) const
    {
        return w.four(chunk.words[o][BITS == 8 ? half : 0], BITS == 8 ? 0 : 4 * half, w.scale(chunk.scales[o], scale_at(chunk, o)));
    }

    INLINE_MEMBER float value(int o, int at) const { return w.value(rows[o], scaleRows[o], at); }
};

// Adds the products of a chunk with the rows' values from i on to the sums, output by output within a row.
template <int ROWS, typename W>
INLINE void add_chunk(float (&sums)[ROWS * OUTPUTS], const W& weights, const typename W::Chunk& chunk, const float* const (&from)[ROWS], int i)
{
#pragma unroll
    for (int half = 0; half < 2; half++)
    {
        float4 values[OUTPUTS];
#pragma unroll
        for (int o = 0; o < OUTPUTS; o++)
            values[o] = weights.four(chunk, o, half);
#pragma unroll
        for (int r = 0; r < ROWS; r++)
        {
            float4 a = *(const float4*)(from[r] + i + 4 * half);
#pragma unroll
            for (int o = 0; o < OUTPUTS; o++)
#pragma unroll
                for (int j = 0; j < 4; j++)
                    sums[r * OUTPUTS + o] = fused(a[j], values[o][j], sums[r * OUTPUTS + o]);
        }
    }
}

// The sum over the lanes of each of COUNT values, in the order of warp_sum: that of value v is in the lanes from v·32/COUNT on. Lanes that exchange
// a value keep half of the values each, so that 32 values take 31 exchanges, not 160.
template <int COUNT, int MASK = WarpSize / 2> INLINE float warp_sums(float* values)
{
    bool upper = (lane_index() & MASK) != 0;
    constexpr int Half = COUNT / 2;
#pragma unroll
    for (int v = 0; v < Half; v++)
    {
        float low = values[v], high = values[v + Half];
        values[v] = (upper ? high : low) + shuffle_xor(upper ? low : high, MASK);
    }
    if constexpr (COUNT == 1)
        values[0] += shuffle_xor(values[0], MASK);
    if constexpr (MASK == 1)
        return values[0];
    else
        return warp_sums<COUNT == 1 ? 1 : Half, MASK / 2>(values);
}

template <typename W, int ROWS>
INLINE void step_linear(float* __restrict__ y, const float* __restrict__ x, typename W::Weight w, int rows, int n, int k, int accumulate)
{
    constexpr int Count = ROWS * OUTPUTS, WarpValues = StepWarpValues;
    __shared__ float warpSums[MaxStepWarps][Count];
    int firstOutput = (int)block_x() * OUTPUTS, firstRow = (int)block_y() * ROWS, stride = (int)thread_count() * 8;

    // Rows and outputs past the end repeat the last one; they are not stored.
    const float* from[ROWS];
    bool aligned = k % 8 == 0 && W::aligned(w) && aligned16(x);
    for (int r = 0; r < ROWS; r++)
        from[r] = x + (i64)least(firstRow + r, rows - 1) * k;
    W weights(w, firstOutput, n, k);

    float sums[Count] = {};
    int i = (int)thread_index() * 8;
    if (aligned)
    {
        // Chunks that are whole for all lanes: the conditions are the same for the warp, because its lanes meet at the barrier.
#pragma unroll 1
        for (int left = k - (int)warp_index() * WarpValues; left >= WarpValues; left -= stride, i += stride)
        {
            typename W::Chunk chunks[W::Together];
#pragma unroll
            for (int c = 0; c < W::Together; c++)
                if (c == 0 || left - c * stride >= WarpValues)
                    weights.load(chunks[c], i + c * stride);
            // NVIDIA's assembler would move each load down to its use, which leaves one of them in flight. It moves none across a barrier.
            warp_barrier();
            add_chunk<ROWS>(sums, weights, chunks[0], from, i);
#pragma unroll
            for (int c = 1; c < W::Together; c++)
                if (left - stride >= WarpValues)
                {
                    left -= stride, i += stride;
                    add_chunk<ROWS>(sums, weights, chunks[c], from, i);
                }
        }
        if (i < k)
        {
            typename W::Chunk chunk;
            weights.load(chunk, i);
            add_chunk<ROWS>(sums, weights, chunk, from, i);
            i += stride;
        }
    }

    // Where 16 bytes cannot be read at once: value by value, in the same order.
#pragma unroll 1
    for (; i < k; i += stride)
    {
        int end = least(i + 8, k);
#pragma unroll 1
        for (int j = i; j < end; j++)
#pragma unroll
            for (int o = 0; o < OUTPUTS; o++)
            {
                float value = weights.value(o, j);
#pragma unroll
                for (int r = 0; r < ROWS; r++)
                    sums[r * OUTPUTS + o] = fused(from[r][j], value, sums[r * OUTPUTS + o]);
            }
    }

    float sum = warp_sums<Count>(sums);
    constexpr int LanesOfValue = WarpSize / Count;
    if (lane_index() % LanesOfValue == 0)
        warpSums[warp_index()][lane_index() / LanesOfValue] = sum;
    barrier();
    int value = (int)thread_index(), row = firstRow + value / OUTPUTS, output = firstOutput + value % OUTPUTS;
    if (value < Count && row < rows && output < n)
    {
        sum = warpSums[0][value];
        for (u32 warp = 1; warp < thread_count() / WarpSize; warp++)
            sum += warpSums[warp][value];
        float* to = y + (i64)row * n + output;
        *to = accumulate ? *to + sum : sum;
    }
}

// BLOCKS: so many find room on a multiprocessor at once, which bounds the registers.
#define STEP_KERNEL(ROWS, NAME, BLOCKS, W, WEIGHT, ...) \
    extern "C" __global__ __launch_bounds__(MaxStepWarps * WarpSize, BLOCKS) void step_linear_##ROWS##_##NAME( \
        float* y, const float* x, __VA_ARGS__, int rows, int n, int k, int accumulate) \
    { \
        step_linear<W, ROWS>(y, x, WEIGHT, rows, n, k, accumulate); \
    }
#define FOR_ROWS(NAME, FEW, MANY, ...) \
    STEP_KERNEL(1, NAME, FEW, __VA_ARGS__) \
    STEP_KERNEL(2, NAME, FEW, __VA_ARGS__) \
    STEP_KERNEL(4, NAME, 2, __VA_ARGS__) \
    STEP_KERNEL(8, NAME, MANY, __VA_ARGS__)
#define FOR_FORMAT(NAME, T, FEW, MANY) FOR_ROWS(NAME, FEW, MANY, FloatRows<T>, w, const T* w)
#define FOR_INTEGERS(NAME, BITS, FEW, MANY) FOR_ROWS(NAME, FEW, MANY, IntegerRows<BITS>, INTEGERS(BITS), INTEGER_PARAMETERS)
FOR_FORMAT(f32, float, 3, 1)
FOR_FORMAT(bf16, bf16, 4, 2)
FOR_FORMAT(f16, f16, 4, 2)
FOR_INTEGERS(int8, 8, 4, 2)
FOR_INTEGERS(int4, 4, 4, 2)
#undef FOR_INTEGERS
#undef FOR_FORMAT
#undef FOR_ROWS
#undef STEP_KERNEL
