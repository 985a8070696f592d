/*
 * The one instruction that C# cannot say: vdpbf16ps, two products of bfloat16 values added to a float32 sum. Compiled to bfloat16_tile.s by
 * `build`, which is linked into what is compiled ahead of time; BFloat16Products.cs calls it where the processor has the instruction.
 */
#include <immintrin.h>
#include <stdint.h>

enum
{
    ROWS = 12,
    COLUMNS = 32
};

/*
 * sums[12, 32] += rows[12, 2 * pairs] * panel[2 * pairs, 32]. A word holds two values of k that follow each other: rows is [pairs][12] words,
 * panel [pairs][32]. Sums stay in 24 registers; of each pair, 2 registers of the panel are read and 12 words of rows spread. The words of the
 * next rows, which lie behind these, are asked for.
 */
void dia_bfloat16_tile(const uint32_t *rows, const uint32_t *panel, float *sums, long pairs)
{
    __m512 s[ROWS][2];

#pragma clang loop unroll(full)
    for (int r = 0; r < ROWS; r++)
    {
        s[r][0] = _mm512_loadu_ps(sums + r * COLUMNS);
        s[r][1] = _mm512_loadu_ps(sums + r * COLUMNS + 16);
    }
    for (long k = 0; k < pairs; k++)
    {
        __m512bh first = (__m512bh)_mm512_loadu_si512(panel + k * COLUMNS), second = (__m512bh)_mm512_loadu_si512(panel + k * COLUMNS + 16);

        _mm_prefetch((const char *)(rows + (pairs + k) * ROWS), _MM_HINT_T0);
#pragma clang loop unroll(full)
        for (int r = 0; r < ROWS; r++)
        {
            __m512bh row = (__m512bh)_mm512_set1_epi32((int)rows[k * ROWS + r]);

            s[r][0] = _mm512_dpbf16_ps(s[r][0], first, row);
            s[r][1] = _mm512_dpbf16_ps(s[r][1], second, row);
        }
    }
#pragma clang loop unroll(full)
    for (int r = 0; r < ROWS; r++)
    {
        _mm512_storeu_ps(sums + r * COLUMNS, s[r][0]);
        _mm512_storeu_ps(sums + r * COLUMNS + 16, s[r][1]);
    }
}
