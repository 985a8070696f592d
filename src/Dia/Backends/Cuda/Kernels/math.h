// Functions from IEEE operations only: no approximating instruction (ex2.approx, sin.approx, ...), whose bits differ from one
// GPU to the next. So a value is the same on every GPU.
#ifndef DIA_MATH_H
#define DIA_MATH_H

#include "device.h"

INLINE float power_of_two(int n) { return __builtin_bit_cast(float, (n + 127) << 23); }
INLINE double power_of_two_double(int n) { return __builtin_bit_cast(double, (u64)(n + 1023) << 52); }

// e^x to 1.5 ulp: 2^n·e^r with n = round(x / ln 2) and the Taylor series of e^r for |r| ≤ 0.35 (remainder 6e-9).
INLINE float exponential(float x)
{
    x = x < -105.0f ? -105.0f : x; // 0 below, infinity above; a NaN fails both comparisons and goes through
    x = x > 90.0f ? 90.0f : x;
    float n = nearest(x * 1.44269504f);
    float r = fused(n, -0.693145752f, x); // ln 2 in two parts: n times the first is exact
    r = fused(n, -1.42860677e-6f, r);
    float p = 1.0f / 5040;
    p = fused(p, r, 1.0f / 720);
    p = fused(p, r, 1.0f / 120);
    p = fused(p, r, 1.0f / 24);
    p = fused(p, r, 1.0f / 6);
    p = fused(p, r, 0.5f);
    p = fused(p, r, 1.0f);
    p = fused(p, r, 1.0f);
    int whole = n == n ? (int)n : 0;
    int half = whole >> 1; // two factors: n itself may lie outside the exponents of a float
    return p * power_of_two(half) * power_of_two(whole - half);
}

// e^x to 1 ulp, for the sampler: the same, with the Taylor series to r^13 (remainder 5e-18).
INLINE double exponential(double x)
{
    if (x < -746)
        return 0;
    x = x > 710 ? 710 : x;
    double n = nearest(x * 1.4426950408889634);
    double r = fused(n, -6.93147180369123816490e-1, x); // 33 bits, so n times it is exact
    r = fused(n, -1.90821492927058770002e-10, r);
    double p = 1.0 / 6227020800;
    p = fused(p, r, 1.0 / 479001600);
    p = fused(p, r, 1.0 / 39916800);
    p = fused(p, r, 1.0 / 3628800);
    p = fused(p, r, 1.0 / 362880);
    p = fused(p, r, 1.0 / 40320);
    p = fused(p, r, 1.0 / 5040);
    p = fused(p, r, 1.0 / 720);
    p = fused(p, r, 1.0 / 120);
    p = fused(p, r, 1.0 / 24);
    p = fused(p, r, 1.0 / 6);
    p = fused(p, r, 0.5);
    p = 1 + fused(p, r * r, r);
    int whole = n == n ? (int)n : 0;
    int half = whole >> 1;
    return p * power_of_two_double(half) * power_of_two_double(whole - half);
}

// tanh to 3 ulp: its Taylor series up to 0.5, beyond it 1 − 2/(e^2x + 1).
INLINE float hyperbolic_tangent(float x)
{
    float a = absolute(x), s = x * x;
    float p = -929569.0f / 638512875.0f;
    p = fused(p, s, 21844.0f / 6081075);
    p = fused(p, s, -1382.0f / 155925);
    p = fused(p, s, 62.0f / 2835);
    p = fused(p, s, -17.0f / 315);
    p = fused(p, s, 2.0f / 15);
    p = fused(p, s, -1.0f / 3);
    float small = fused(p * s, x, x);
    float large = 1 - 2 / (exponential(2 * a) + 1);
    return a < 0.5f ? small : x < 0 ? -large : large;
}

// The error function to 3e-7 relative: its Maclaurin series up to 1, beyond it 1 − e^(−x²)·P(1/(1 + x/2)), P interpolating
// erfc(x)·e^(x²) at 8 Chebyshev points of 1 ≤ x ≤ 4.2 (beyond 4.2 erf is 1 in float32 whatever P gives).
INLINE float error_function(float x)
{
    float a = absolute(x), s = x * x;
    float series = -1.0f / 6894720; // (−1)^n / (n!·(2n + 1)), n = 9
    series = fused(series, s, 1.0f / 685440);
    series = fused(series, s, -1.0f / 75600);
    series = fused(series, s, 1.0f / 9360);
    series = fused(series, s, -1.0f / 1320);
    series = fused(series, s, 1.0f / 216);
    series = fused(series, s, -1.0f / 42);
    series = fused(series, s, 1.0f / 10);
    series = fused(series, s, -1.0f / 3);
    series = fused(series, s, 1.0f);
    series = series * x * 1.12837917f;
    float t = 1 / fused(a, 0.5f, 1.0f);
    float p = 0.119894504f;
    p = fused(p, t, -0.473083068f);
    p = fused(p, t, 0.566008221f);
    p = fused(p, t, -0.105786556f);
    p = fused(p, t, 0.348818722f);
    p = fused(p, t, 0.259408957f);
    p = fused(p, t, 0.284954021f);
    p = fused(p, t, -0.000156763741f);
    float tail = 1 - exponential(-s) * p;
    tail = x < 0 ? -tail : tail;
    return a < 1 ? series : tail;
}

// sin²(x) to 4e-7 absolute where |x| < 2^22: x less the nearest multiple of π, subtracted in three parts, then the Taylor series to
// r^13. Beyond 2^25 it is 1/2: Snake adds sin²(αx)/α to x, where even an error of 1 is below half a float32 spacing of x.
INLINE float sine_squared(float x)
{
    float n = nearest(x * 0.318309886f);
    float r = fused(n, -3.14159274f, x);
    r = fused(n, 8.74227766e-8f, r);
    r = fused(n, 3.4302e-15f, r);
    float s = r * r;
    float p = 1.0f / 6227020800.0f;
    p = fused(p, s, -1.0f / 39916800);
    p = fused(p, s, 1.0f / 362880);
    p = fused(p, s, -1.0f / 5040);
    p = fused(p, s, 1.0f / 120);
    p = fused(p, s, -1.0f / 6);
    p = fused(p * s, r, r);
    return absolute(x) < 33554432.0f ? p * p : 0.5f + (x - x); // infinity and NaN give NaN
}

// The sine and cosine of a float32 angle, |angle| < 2^31, rounded from double (error below 1e-15 before the rounding): so a rotary
// table is the CPU's. The few angles of a step cost nothing even where double is slow.
INLINE void sine_cosine(float angle, float& sine, float& cosine)
{
    double x = angle, n = nearest(x * 0.63661977236758134);
    double r = fused(n, -1.5707963267948966, x); // π/2 in two doubles; the first step is exact but for its last rounding
    r = fused(n, -6.123233995736766e-17, r);
    double s = r * r;
    double p = -1.0 / 1307674368000;
    p = fused(p, s, 1.0 / 6227020800);
    p = fused(p, s, -1.0 / 39916800);
    p = fused(p, s, 1.0 / 362880);
    p = fused(p, s, -1.0 / 5040);
    p = fused(p, s, 1.0 / 120);
    p = fused(p, s, -1.0 / 6);
    double sin = fused(p * s, r, r);
    double q = 1.0 / 20922789888000;
    q = fused(q, s, -1.0 / 87178291200);
    q = fused(q, s, 1.0 / 479001600);
    q = fused(q, s, -1.0 / 3628800);
    q = fused(q, s, 1.0 / 40320);
    q = fused(q, s, -1.0 / 720);
    q = fused(q, s, 1.0 / 24);
    q = fused(q, s, -0.5);
    double cos = fused(q, s, 1.0);
    int quadrant = absolute(angle) < 2147483648.0f ? (int)((i64)n & 3) : 0;
    double first = quadrant & 1 ? cos : sin, second = quadrant & 1 ? sin : cos;
    sine = (float)(quadrant & 2 ? -first : first);
    cosine = (float)((quadrant + 1) & 2 ? -second : second);
}

// The sum over a warp's lanes, in every lane; a fixed order.
template <typename T> INLINE T warp_sum(T value)
{
    for (int mask = 16; mask > 0; mask >>= 1)
        value += shuffle_xor(value, mask);
    return value;
}

INLINE float warp_maximum(float value)
{
    for (int mask = 16; mask > 0; mask >>= 1)
        value = greater(value, shuffle_xor(value, mask));
    return value;
}

// The sum over a block's threads, in every thread: warps first, then their sums in ascending order. shared: one value per warp.
template <typename T> INLINE T block_sum(T value, T* shared)
{
    value = warp_sum(value);
    barrier(); // the last use of shared
    if (lane_index() == 0)
        shared[warp_index()] = value;
    barrier();
    T sum = 0;
    for (u32 w = 0; w < thread_count() / WarpSize; w++)
        sum += shared[w];
    return sum;
}

#endif
