// Operations on rows and single values: bound by memory, one pass, a thread per value unless said. Bytes moved: each operand once.
#include "integers.h"
#include "math.h"

// The value index of this thread and the distance to its next one.
#define FOR_EACH(i, count) \
    for (u64 i = (u64)block_x() * thread_count() + thread_index(), step = (u64)grid_x() * thread_count(); i < (count); i += step)

// y[r] = table[ids[r·idStride]] for rows of d values. Block y: a row (strided by the grid); threads along d.
template <typename T> INLINE void embed(float* y, const int* ids, const T* table, int idStride, int rows, int d)
{
    FOR_EACH(i, (u64)rows * d)
    {
        u32 r = (u32)i / (u32)d, at = (u32)i % (u32)d;
        y[i] = widen(table[(i64)ids[(i64)r * idStride] * d + at]);
    }
}

// y[r] = Σ_c table[c·vocabulary + ids[r, c]], channels in ascending order.
template <typename T> INLINE void embed_sum(float* y, const int* ids, const T* table, int rows, int channels, int vocabulary, int d)
{
    FOR_EACH(i, (u64)rows * d)
    {
        u32 r = (u32)i / (u32)d, at = (u32)i % (u32)d;
        float sum = 0;
        for (int c = 0; c < channels; c++)
            sum += widen(table[((i64)c * vocabulary + ids[(i64)r * channels + c]) * d + at]);
        y[i] = sum;
    }
}

// y = x·(1 / √(mean(x²) + eps))·w. Block x: a row; a thread sums every 256th square, then the block in a fixed tree. y may be x.
// A thread's first values and their weights are loaded together, 16 loads in flight, and kept; of rows of more than 2048 the rest is read twice.
extern "C" __global__ __launch_bounds__(RowThreads) void rms_norm(float* y, const float* x, const float* w, int d, float eps)
{
    __shared__ float sums[RowThreads / WarpSize];
    constexpr int Kept = 8;
    const float* from = x + (i64)block_x() * d;
    float* to = y + (i64)block_x() * d;
    int threads = (int)thread_count(), first = (int)thread_index(), rest = first + Kept * threads;
    float values[Kept] = {}, weights[Kept] = {};
#pragma unroll
    for (int u = 0; u < Kept; u++)
        if (first + u * threads < d)
        {
            values[u] = from[first + u * threads];
            weights[u] = w[first + u * threads];
        }
    warp_barrier(); // the assembler leaves every load before it
    float squares = 0;
#pragma unroll
    for (int u = 0; u < Kept; u++)
        squares = fused(values[u], values[u], squares);
    for (int i = rest; i < d; i += threads)
        squares = fused(from[i], from[i], squares);
    float scale = 1 / root(block_sum(squares, sums) / (float)d + eps);
#pragma unroll
    for (int u = 0; u < Kept; u++)
        if (first + u * threads < d)
            to[first + u * threads] = values[u] * scale * weights[u];
    for (int i = rest; i < d; i += threads)
        to[i] = from[i] * scale * w[i];
}

// y = x + sin²(αx)/(α + 1e-9) over rows of channels. y may be x.
extern "C" __global__ __launch_bounds__(RowThreads) void snake(float* y, const float* x, const float* alpha, u64 count, int channels)
{
    FOR_EACH(i, count)
    {
        float a = alpha[(u32)i % (u32)channels], v = x[i];
        y[i] = v + sine_squared(a * v) / (a + 1e-9f);
    }
}

// to = from as float32, for products that cuBLAS makes.
template <typename T> INLINE void widen_all(float* to, const T* from, u64 count)
{
    FOR_EACH(i, count)
        to[i] = widen(from[i]);
}

#define FOR_FORMAT(NAME, T) \
    extern "C" __global__ __launch_bounds__(RowThreads) void embed_##NAME(float* y, const int* ids, const T* table, int idStride, int rows, int d) { embed(y, ids, table, idStride, rows, d); } \
    extern "C" __global__ __launch_bounds__(RowThreads) void embed_sum_##NAME(float* y, const int* ids, const T* table, int rows, int channels, int vocabulary, int d) { embed_sum(y, ids, table, rows, channels, vocabulary, d); } \
    extern "C" __global__ __launch_bounds__(RowThreads) void widen_##NAME(float* to, const T* from, u64 count) { widen_all(to, from, count); }
FOR_FORMAT(f32, float)
FOR_FORMAT(bf16, bf16)
FOR_FORMAT(f16, f16)
#undef FOR_FORMAT

// The same for rows of k integers each.
template <int BITS> INLINE void widen_all(float* to, const Integers<BITS>& from, u64 count, int k)
{
    FOR_EACH(i, count)
    {
        u32 row = (u32)i / (u32)k;
        to[i] = from.value(from.row(row), row * from.groups, (u32)i % (u32)k);
    }
}

extern "C" __global__ __launch_bounds__(RowThreads) void widen_int8(float* to, INTEGER_PARAMETERS, u64 count, int k) { widen_all(to, INTEGERS(8), count, k); }
extern "C" __global__ __launch_bounds__(RowThreads) void widen_int4(float* to, INTEGER_PARAMETERS, u64 count, int k) { widen_all(to, INTEGERS(4), count, k); }

// A convolution's kernel in the order its product reads it: [out, in, k] becomes [out, k, in].
template <typename T> INLINE void pack_convolution(T* to, const T* from, int outputs, int inputs, int kernel)
{
    FOR_EACH(i, (u64)outputs * inputs * kernel)
    {
        u32 in = (u32)i % (u32)inputs, at = (u32)i / (u32)inputs, tap = at % (u32)kernel, out = at / (u32)kernel;
        to[i] = from[((u64)out * inputs + in) * kernel + tap];
    }
}

// A transposed convolution's kernel [in, out, 2·stride] as a matrix [stride·out, 2·in]: the row p·outputs + o holds w[i, o, p + stride],
// for the input row of the output, then w[i, o, p], for the one after it.
template <typename T> INLINE void pack_transposed(T* to, const T* from, int outputs, int inputs, int stride)
{
    FOR_EACH(i, (u64)outputs * inputs * 2 * stride)
    {
        u32 in = (u32)i % (u32)inputs, at = (u32)i / (u32)inputs, next = at % 2, column = at / 2;
        u32 phase = column / (u32)outputs, out = column % (u32)outputs;
        to[i] = from[((u64)in * outputs + out) * 2 * stride + phase + (next ? 0 : stride)];
    }
}

extern "C" __global__ __launch_bounds__(RowThreads) void pack_convolution_32(u32* to, const u32* from, int outputs, int inputs, int kernel) { pack_convolution(to, from, outputs, inputs, kernel); }
extern "C" __global__ __launch_bounds__(RowThreads) void pack_convolution_16(u16* to, const u16* from, int outputs, int inputs, int kernel) { pack_convolution(to, from, outputs, inputs, kernel); }
extern "C" __global__ __launch_bounds__(RowThreads) void pack_transposed_32(u32* to, const u32* from, int outputs, int inputs, int stride) { pack_transposed(to, from, outputs, inputs, stride); }
extern "C" __global__ __launch_bounds__(RowThreads) void pack_transposed_16(u16* to, const u16* from, int outputs, int inputs, int stride) { pack_transposed(to, from, outputs, inputs, stride); }

// y[i] += x[i mod width]: a row added to every row, or (width = count) values to values.
extern "C" __global__ __launch_bounds__(RowThreads) void add(float* y, const float* x, u64 count, u64 width)
{
    FOR_EACH(i, count)
        y[i] += x[width == count ? i : (u32)i % (u32)width];
}

extern "C" __global__ __launch_bounds__(RowThreads) void subtract(float* y, const float* x, u64 count)
{
    FOR_EACH(i, count)
        y[i] -= x[i];
}

// y = tanh(x). y may be x.
extern "C" __global__ __launch_bounds__(RowThreads) void tanh_f32(float* y, const float* x, u64 count)
{
    FOR_EACH(i, count)
        y[i] = hyperbolic_tangent(x[i]);
}

INLINE float activate(float x, int kind)
{
    switch ((HiddenActivation)kind)
    {
        case HiddenActivation::Silu: return x / (1 + exponential(-x));
        case HiddenActivation::Gelu: return 0.5f * x * (1 + error_function(x * 0.707106781f));
        // (1 + tanh u)/2 = 1/(1 + e^(−2u)), u = √(2/π)·(x + 0.044715·x³).
        case HiddenActivation::GeluNew: return x / (1 + exponential(-1.59576912f * fused(0.044715f * x * x, x, x)));
        default: return x < 0 ? 0 : x;
    }
}

// y[rows, n] = up · act(gate) for x [rows, 2n] whose first n values per row are the gate.
extern "C" __global__ __launch_bounds__(RowThreads) void gated_activation(float* y, const float* x, int rows, int n, int kind)
{
    FOR_EACH(i, (u64)rows * n)
    {
        u32 r = (u32)i / (u32)n, at = (u32)i % (u32)n;
        const float* gate = x + (u64)r * 2 * n + at;
        y[i] = gate[n] * activate(gate[0], kind);
    }
}

// codes[r·codeStride] = the row of codebook [entries, d] nearest to x[r] by cosine, the first of equals. Block x: a row; a thread scores
// every 128th entry, the block keeps the best. In double, in the scalar backend's order and with its rounding: the same codes.
// Products of two float32 values are exact in double, so that contraction could not change them.
INLINE double norm_of(double squares)
{
    double norm = root(squares);
    return norm < 1e-12 ? 1e-12 : norm; // a NaN stays
}

// Σ v² in ascending order.
INLINE double squares_of(const float* v, int d)
{
    double squares = 0;
    for (int i = 0; i < d; i++)
        squares = fused((double)v[i], (double)v[i], squares);
    return squares;
}

template <typename T> INLINE double code_score(const float* row, const T* entry, double norm, int d)
{
    double dot = 0, entrySquares = 0;
    for (int i = 0; i < d; i++)
    {
        double c = widen(entry[i]);
        dot = fused((double)row[i], c, dot);
        entrySquares = fused(c, c, entrySquares);
    }
    double entryNorm = norm_of(entrySquares);
    return 2 * dot / (norm * entryNorm) + entrySquares / (entryNorm * entryNorm);
}

// For float32 codebooks; nearest_code.cu has those of 16 bits.
extern "C" __global__ __launch_bounds__(CodeThreads) void nearest_code_f32(int* codes, const float* x, const float* codebook, int codeStride, int entries, int d)
{
    __shared__ double bestScores[CodeThreads];
    __shared__ int bestCodes[CodeThreads];
    const float* row = x + (i64)block_x() * d;
    double norm = norm_of(squares_of(row, d)), best = -__builtin_inf();
    int code = 0;
    for (int e = thread_index(); e < entries; e += thread_count())
    {
        double score = code_score(row, codebook + (i64)e * d, norm, d);
        if (score > best)
        {
            best = score;
            code = e;
        }
    }
    bestScores[thread_index()] = best;
    bestCodes[thread_index()] = code;
    for (u32 half = CodeThreads / 2; half > 0; half /= 2)
    {
        barrier();
        if (thread_index() >= half)
            continue;
        u32 other = thread_index() + half;
        double score = bestScores[other];
        // A thread that found nothing has the code 0 at −∞.
        if (score > bestScores[thread_index()] || (score == bestScores[thread_index()] && bestCodes[other] < bestCodes[thread_index()]))
        {
            bestScores[thread_index()] = score;
            bestCodes[thread_index()] = bestCodes[other];
        }
    }
    if (thread_index() == 0)
        codes[(i64)block_x() * codeStride] = bestCodes[0];
}
