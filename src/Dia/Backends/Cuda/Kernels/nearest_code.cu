// The nearest code in codebooks of 16 bits: tensor cores screen all entries, and those that can be the best are decided between as
// rows.cu does it, in double. So the codes are the scalar backend's, and the sound that they give has no error of its own.
//
// Screened is the cosine. A row x is taken with length 1, x/|x|, and in two halves (split, in product_mma.cu); entries are exact. With
// u = 2^-16 that the halves may lose of each value (2^-22 in float16, or 2^-25 at least), sums of 2·d products by tensor cores that may cut
// off 2^-22 of the greatest at each, and float32's rounding of the norms and of the quotient, a cosine is off by less than 2^-15 + d·2^-20.
// The entry that is the best in double is then less than twice that below the best screened one (what double rounds is far below the
// slack): those entries are decided between. All of them are where a row is NaN or infinite, or all are equally far; an entry
// whose norm is beyond what float32 squares, infinite, NaN, or below 1e-12, where it is scored as if longer, always is.
//
// Block x: 16 rows; each of 8 warps screens every 8th tile of 8 entries, twice: for the best, then for what is near it. In double about
// one entry a row is scored, where a block per row would score all: 1024 · (2·8 multiply-adds, a root and two quotients) for the codecs
// that there are. Bytes moved: the codebook twice for 16 rows, from the caches.
#include "product.h"

// Whether a code is better than another: the first of equals is. A thread that found nothing has the code 0 at -infinity.
INLINE bool better(double score, int code, double other, int otherCode) { return score > other || (score == other && code < otherCode); }

template <typename T> INLINE void screened_code(int* codes, const float* x, const T* codebook, int codeStride, int rows, int entries, int d)
{
    __shared__ double norms[CodeRows];
    __shared__ float sharedMost[CodeWarps][CodeRows];
    __shared__ double sharedScores[CodeWarps][CodeRows];
    __shared__ int sharedCodes[CodeWarps][CodeRows];
    int firstRow = (int)block_x() * CodeRows, thread = (int)thread_index(), warp = (int)warp_index();
    int group = (int)lane_index() / 4, inGroup = (int)lane_index() % 4;
    if (thread < CodeRows)
        norms[thread] = firstRow + thread < rows ? norm_of(squares_of(x + (i64)(firstRow + thread) * d, d)) : 1;
    barrier();

    // The halves of this thread's values of its two rows, from value k on: columns of the matrix are 8 high halves and 8 low ones.
    auto halves = [&](int k, u32 (&a)[4]) {
#pragma unroll
        for (int h = 0; h < 2; h++)
        {
            int row = group + 8 * h, at = k + 2 * inGroup;
            const float* from = x + (i64)(firstRow + row) * d + at;
            double scale = 1 / norms[row];
            bool there = firstRow + row < rows;
            split<T>(there && at < d ? (float)(from[0] * scale) : 0, there && at + 1 < d ? (float)(from[1] * scale) : 0, a[h], a[h + 2]);
        }
    };
    u32 firstHalves[4];
    halves(0, firstHalves);

    // Cosines of this thread's two rows with two entries of a tile; NaN where only double can tell, and past the last entry.
    auto screen = [&](int tile, float (&cosines)[4]) {
        warp_barrier();
        float squares = 0;
        int entry = tile + group;
#pragma unroll
        for (int j = 0; j < 4; j++)
            cosines[j] = 0;
        for (int k = 0; k < d; k += 8)
        {
            u32 a[4] = {firstHalves[0], firstHalves[1], firstHalves[2], firstHalves[3]};
            if (k > 0)
                halves(k, a);
            int at = k + 2 * inGroup;
            const T* from = codebook + (i64)entry * d + at;
            u32 pair = entry < entries && at < d ? from[0].bits : 0;
            if (entry < entries && at + 1 < d)
                pair |= (u32)from[1].bits << 16;
            float2 c = widen_pair(pair, T{});
            squares = fused(c.x, c.x, fused(c.y, c.y, squares));
            u32 b[2] = {pair, pair};
            multiply_add(cosines, a, b, T{});
        }
        squares += shuffle_xor(squares, 1);
        squares += shuffle_xor(squares, 2);
        float scale = squares > 0x1p-78f && squares < 0x1p120f ? 1 / root(squares) : __builtin_nanf("");
#pragma unroll
        for (int j = 0; j < 2; j++)
        {
            float other = shuffle(scale, 4 * (2 * inGroup + j));
            cosines[j] *= other;
            cosines[j + 2] *= other;
        }
    };

    float cosines[4], most[2] = {-Infinity, -Infinity};
    for (int tile = warp * 8; tile < entries; tile += CodeWarps * 8)
    {
        screen(tile, cosines);
#pragma unroll
        for (int j = 0; j < 4; j++)
            most[j / 2] = greater(most[j / 2], cosines[j]); // passes over NaN
    }
#pragma unroll
    for (int h = 0; h < 2; h++)
    {
        most[h] = greater(most[h], shuffle_xor(most[h], 1));
        most[h] = greater(most[h], shuffle_xor(most[h], 2));
        if (inGroup == 0)
            sharedMost[warp][group + 8 * h] = most[h];
    }
    barrier();

    float least[2];
#pragma unroll
    for (int h = 0; h < 2; h++)
    {
        float all = sharedMost[0][group + 8 * h];
        for (int w = 1; w < CodeWarps; w++)
            all = greater(all, sharedMost[w][group + 8 * h]);
        least[h] = all - (0x1p-14f + (float)d * 0x1p-19f);
    }
    double best[2] = {-__builtin_inf(), -__builtin_inf()};
    int bestCodes[2] = {};
    for (int tile = warp * 8; tile < entries; tile += CodeWarps * 8)
    {
        screen(tile, cosines);
#pragma unroll
        for (int j = 0; j < 4; j++)
        {
            int row = group + j / 2 * 8, entry = tile + 2 * inGroup + j % 2;
            if (cosines[j] < least[j / 2] || entry >= entries || firstRow + row >= rows)
                continue;
            double score = code_score(x + (i64)(firstRow + row) * d, codebook + (i64)entry * d, norms[row], d);
            if (score > best[j / 2])
            {
                best[j / 2] = score;
                bestCodes[j / 2] = entry;
            }
        }
    }
    warp_barrier();
#pragma unroll
    for (int h = 0; h < 2; h++)
    {
        for (int mask = 1; mask <= 2; mask *= 2)
        {
            double score = shuffle_xor(best[h], mask);
            int code = shuffle_xor(bestCodes[h], mask);
            bool take = better(score, code, best[h], bestCodes[h]);
            best[h] = take ? score : best[h];
            bestCodes[h] = take ? code : bestCodes[h];
        }
        if (inGroup == 0)
        {
            sharedScores[warp][group + 8 * h] = best[h];
            sharedCodes[warp][group + 8 * h] = bestCodes[h];
        }
    }
    barrier();
    if (thread >= CodeRows || firstRow + thread >= rows)
        return;
    int code = 0;
    double score = -__builtin_inf();
    for (int w = 0; w < CodeWarps; w++)
        if (better(sharedScores[w][thread], sharedCodes[w][thread], score, code))
        {
            score = sharedScores[w][thread];
            code = sharedCodes[w][thread];
        }
    codes[(i64)(firstRow + thread) * codeStride] = code;
}

extern "C" __global__ __launch_bounds__(CodeWarps * WarpSize) void nearest_code_bf16(int* codes, const float* x, const bf16* codebook, int codeStride, int rows, int entries, int d) { screened_code(codes, x, codebook, codeStride, rows, entries, d); }
extern "C" __global__ __launch_bounds__(CodeWarps * WarpSize) void nearest_code_f16(int* codes, const float* x, const f16* codebook, int codeStride, int rows, int entries, int d) { screened_code(codes, x, codebook, codeStride, rows, entries, d); }
