// Stands in for the CUDA headers: what the kernels use of the language and of PTX, nothing else. Everything that is an instruction
// of its own, and not plain C++, is here.
#ifndef DIA_DEVICE_H
#define DIA_DEVICE_H

#define __global__ __attribute__((global))
#define __device__ __attribute__((device))
#define __shared__ __attribute__((shared))
// Threads of a block at most; and, where given, blocks that a multiprocessor must have room for (which bounds the registers).
#define __launch_bounds__(...) __attribute__((launch_bounds(__VA_ARGS__)))
#define INLINE __device__ static inline __attribute__((always_inline))
#define INLINE_MEMBER __device__ inline __attribute__((always_inline))

using u8 = unsigned char;
using u16 = unsigned short;
using u32 = unsigned int;
using u64 = unsigned long long;
using i64 = long long;

#include "shared.h"

constexpr u32 AllLanes = 0xFFFFFFFF;

// ---- Where a thread is. ----

INLINE u32 thread_index() { return __nvvm_read_ptx_sreg_tid_x(); }
INLINE u32 thread_count() { return __nvvm_read_ptx_sreg_ntid_x(); }
INLINE u32 lane_index() { return thread_index() % WarpSize; }
INLINE u32 warp_index() { return thread_index() / WarpSize; }
INLINE u32 block_x() { return __nvvm_read_ptx_sreg_ctaid_x(); }
INLINE u32 block_y() { return __nvvm_read_ptx_sreg_ctaid_y(); }
INLINE u32 block_z() { return __nvvm_read_ptx_sreg_ctaid_z(); }
INLINE u32 grid_x() { return __nvvm_read_ptx_sreg_nctaid_x(); }

// ---- Threads of a block, lanes of a warp. ----

INLINE void barrier() { __nvvm_bar_sync(0); }
INLINE void fence_system() { __nvvm_membar_sys(); }
// After branches in which lanes part: what all lanes execute together (shuffles, tensor cores) needs them together. All lanes must come to
// it, so it may stand only where conditions are the same for the whole warp. The assembler moves no load across it.
INLINE void warp_barrier() { __nvvm_bar_warp_sync(AllLanes); }
// The lanes that say yes, as bits, to every lane.
INLINE u32 ballot(bool yes) { return __nvvm_vote_ballot_sync(AllLanes, yes); }
INLINE float shuffle(float value, int lane) { return __nvvm_shfl_sync_idx_f32(AllLanes, value, lane, 31); }
INLINE int shuffle_xor(int value, int mask) { return __nvvm_shfl_sync_bfly_i32(AllLanes, value, mask, 31); }
INLINE float shuffle_xor(float value, int mask) { return __nvvm_shfl_sync_bfly_f32(AllLanes, value, mask, 31); }
INLINE double shuffle_xor(double value, int mask)
{
    u64 bits = __builtin_bit_cast(u64, value);
    u64 low = (u32)shuffle_xor((int)(u32)bits, mask), high = (u32)shuffle_xor((int)(u32)(bits >> 32), mask);
    return __builtin_bit_cast(double, high << 32 | low);
}

// ---- Vectors: one load or store of 8 or 16 bytes, which must be aligned to its size. ----

typedef float float2 __attribute__((ext_vector_type(2)));
typedef float float4 __attribute__((ext_vector_type(4)));
typedef u32 uint2 __attribute__((ext_vector_type(2)));
typedef u32 uint4 __attribute__((ext_vector_type(4)));

// A pointer that was read from memory, where the compiler cannot see that it points to global memory: with this it can.
template <typename T> INLINE T* global(T* p) { return (T*)(T __attribute__((address_space(1)))*)(u64)p; }

template <typename T> INLINE bool aligned16(const T* p) { return ((u64)p & 15) == 0; }

// ---- 16-bit formats. ----

struct bf16 { u16 bits; };
struct f16 { u16 bits; };

INLINE float widen(float value) { return value; }
INLINE float widen(bf16 value) { return __builtin_bit_cast(float, (u32)value.bits << 16); }
INLINE float widen(f16 value) { return (float)__builtin_bit_cast(_Float16, value.bits); }

// The two values of a pair, the first in the low half.
INLINE float2 widen_pair(u32 pair, bf16) { return {__builtin_bit_cast(float, pair << 16), __builtin_bit_cast(float, pair & 0xFFFF0000)}; }
INLINE float2 widen_pair(u32 pair, f16) { return {widen(f16{(u16)pair}), widen(f16{(u16)(pair >> 16)})}; }

// Rounds two values to the nearest, ties to even; the first becomes the low half.
INLINE u32 narrow_pair(float low, float high, bf16)
{
    u32 pair;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
    return pair;
}

INLINE u32 narrow_pair(float low, float high, f16)
{
    u32 pair;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
    return pair;
}

// 2^23 plus a byte of a word, exact: the byte is put into the lowest bits of a float of that size, which costs one instruction where a conversion
// costs as much as four or sixteen.
INLINE float byte_and_two_to_23(u32 word, int byte) { return __builtin_bit_cast(float, __nvvm_prmt(word, 0x4B000000, 0x7540 + byte)); }

// ---- Tensor cores: d[16, 8] += a[16, 16] · b[16, 8], sums in float32. ----
// With g = lane / 4 and t = lane % 4: a holds the pairs (g, 2t), (g + 8, 2t), (g, 2t + 8), (g + 8, 2t + 8); b the pairs (2t, g), (2t + 8, g) along
// its first index; d the values (g, 2t), (g, 2t + 1), (g + 8, 2t), (g + 8, 2t + 1).

INLINE void multiply_add(float (&d)[4], const u32 (&a)[4], const u32 (&b)[2], bf16)
{
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

INLINE void multiply_add(float (&d)[4], const u32 (&a)[4], const u32 (&b)[2], f16)
{
    asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// ---- Arithmetic of one instruction. The module is compiled with -ffp-contract=off: a fused multiply-add is one that says so. ----

INLINE float fused(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
INLINE double fused(double a, double b, double c) { return __builtin_fma(a, b, c); }
INLINE float root(float x) { return __nvvm_sqrt_rn_f(x); }
INLINE double root(double x) { return __nvvm_sqrt_rn_d(x); }
INLINE float nearest(float x) { return __builtin_rintf(x); }
INLINE double nearest(double x) { return __builtin_rint(x); }
INLINE float absolute(float x) { return __builtin_fabsf(x); }
// The greater of the two; a NaN only where both are.
INLINE float greater(float a, float b) { return __builtin_fmaxf(a, b); }
template <typename T> INLINE T least(T a, T b) { return a < b ? a : b; }

constexpr float Infinity = __builtin_inff();

#endif
