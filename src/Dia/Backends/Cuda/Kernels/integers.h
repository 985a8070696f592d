// Weights of 8 and 4 bits: integers, and scales that several of a row share (WeightStorage in Weights/Weight.cs). A value is integer·scale in float32, rounded
// once, so a product is bit for bit that with a float32 matrix of these values.
#ifndef DIA_INTEGERS_H
#define DIA_INTEGERS_H

#include "device.h"

// What a kernel is given of them. Integers lie lowest bits first, as value + 2^(BITS − 1); where bytes are in two's complement instead, flip turns the
// sign bits around. A row has rowBytes, of which the last may be beyond its values, and `groups` scales, each of `group` values: a multiple of 32, or
// the row's. Scales are float32, or bfloat16 where narrowScales is 1; then they end with a whole word.
#define INTEGER_PARAMETERS const u8 *w, const u32 *scales, int narrowScales, int rowBytes, int group, int groups, int flip
#define INTEGERS(BITS) (Integers<BITS>{w, scales, narrowScales, rowBytes, group, groups, flip})

template <int BITS> struct Integers
{
    const u8* w;
    const u32* scales;
    int narrowScales, rowBytes, group, groups, flip;

    INLINE_MEMBER const u8* row(int row) const { return w + (i64)row * rowBytes; }

    // A scale's word, and its value. Both types are read the same way, which takes no branch.
    INLINE_MEMBER u32 load_scale(u32 at) const { return scales[at >> narrowScales]; }

    INLINE_MEMBER float scale(u32 word, u32 at) const
    {
        return __builtin_bit_cast(float, word >> (at & narrowScales) * 16 << narrowScales * 16);
    }

    // Four of the values in a word, from the one of index `first` on: its bytes, or four of its halves of bytes.
    INLINE_MEMBER float4 four(u32 word, int first, float scale) const
    {
        float4 values;
#pragma unroll
        for (int j = 0; j < 4; j++)
        {
            int at = first + j;
            u32 bytes = BITS == 8 ? word ^ flip : ((at % 2 ? word >> 4 : word) ^ flip) & 0x0F0F0F0F;
            values[j] = (byte_and_two_to_23(bytes, BITS == 8 ? at : at / 2) - (0x1p23f + (1 << (BITS - 1)))) * scale;
        }
        return values;
    }

    // The value of an index in a row, whose first scale is that of index scaleRow.
    INLINE_MEMBER float value(const u8* row, u32 scaleRow, int at) const
    {
        u32 byte = (u8)(row[BITS == 8 ? at : at / 2] ^ flip), scaleAt = scaleRow + (u32)at / (u32)group;
        u32 bits = BITS == 8 ? byte : at % 2 ? byte >> 4 : byte & 15;
        return (float)((int)bits - (1 << (BITS - 1))) * scale(load_scale(scaleAt), scaleAt);
    }
};

#endif
