using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Dia.SoftGpu.Execution;

/// <summary>An operation on eight 32-bit or four 64-bit lanes with one source.</summary>
internal interface IVector1<T>
{
    static abstract Vector256<T> Of(Vector256<T> a);
}

/// <summary>The same with two sources.</summary>
internal interface IVector2<T>
{
    static abstract Vector256<T> Of(Vector256<T> a, Vector256<T> b);
}

/// <summary>The same with three sources.</summary>
internal interface IVector3<T>
{
    static abstract Vector256<T> Of(Vector256<T> a, Vector256<T> b, Vector256<T> c);
}

/// <summary>An operation on one lane.</summary>
internal interface ILane1<TA, TD>
{
    static abstract TD Of(TA a);
}

/// <summary>The same with two sources.</summary>
internal interface ILane2<TA, TB, TD>
{
    static abstract TD Of(TA a, TB b);
}

/// <summary>The same with three sources.</summary>
internal interface ILane3<TA, TB, TC, TD>
{
    static abstract TD Of(TA a, TB b, TC c);
}

/// <summary>Handlers that run an operation over the lanes of a mask.</summary>
internal static unsafe class Vectors
{
    /// <summary>All ones in the lanes k, k+1, ... whose bit is set in <paramref name="mask"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<T> Lanes<T>(uint mask, int k) where T : unmanaged
    {
        if (sizeof(T) == 4)
        {
            Vector256<uint> bits = Vector256.Create(1u, 2, 4, 8, 16, 32, 64, 128);
            return Vector256.Equals(Vector256.Create(mask >> k) & bits, bits).As<uint, T>();
        }
        Vector256<ulong> wide = Vector256.Create(1ul, 2, 4, 8);
        return Vector256.Equals(Vector256.Create((ulong)(mask >> k)) & wide, wide).As<ulong, T>();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Put<T>(Vector256<T> value, T* d, uint mask, int k) where T : unmanaged =>
        Vector256.ConditionalSelect(Lanes<T>(mask, k), value, Vector256.Load(d + k)).Store(d + k);

    public static void Run1<TOp, T>(Warp w, Instruction* i, uint mask) where TOp : struct, IVector1<T> where T : unmanaged
    {
        T* d = (T*)(w.Regs + i->D), a = (T*)(w.Regs + i->A);
        if (mask == Warp.Full)
            for (int k = 0; k < 32; k += Vector256<T>.Count)
                TOp.Of(Vector256.Load(a + k)).Store(d + k);
        else
            for (int k = 0; k < 32; k += Vector256<T>.Count)
                Put(TOp.Of(Vector256.Load(a + k)), d, mask, k);
    }

    public static void Run2<TOp, T>(Warp w, Instruction* i, uint mask) where TOp : struct, IVector2<T> where T : unmanaged
    {
        T* d = (T*)(w.Regs + i->D), a = (T*)(w.Regs + i->A), b = (T*)(w.Regs + i->B);
        if (mask == Warp.Full)
            for (int k = 0; k < 32; k += Vector256<T>.Count)
                TOp.Of(Vector256.Load(a + k), Vector256.Load(b + k)).Store(d + k);
        else
            for (int k = 0; k < 32; k += Vector256<T>.Count)
                Put(TOp.Of(Vector256.Load(a + k), Vector256.Load(b + k)), d, mask, k);
    }

    public static void Run3<TOp, T>(Warp w, Instruction* i, uint mask) where TOp : struct, IVector3<T> where T : unmanaged
    {
        T* d = (T*)(w.Regs + i->D), a = (T*)(w.Regs + i->A), b = (T*)(w.Regs + i->B), c = (T*)(w.Regs + i->C);
        if (mask == Warp.Full)
            for (int k = 0; k < 32; k += Vector256<T>.Count)
                TOp.Of(Vector256.Load(a + k), Vector256.Load(b + k), Vector256.Load(c + k)).Store(d + k);
        else
            for (int k = 0; k < 32; k += Vector256<T>.Count)
                Put(TOp.Of(Vector256.Load(a + k), Vector256.Load(b + k), Vector256.Load(c + k)), d, mask, k);
    }

    public static void Map1<TOp, TA, TD>(Warp w, Instruction* i, uint mask)
        where TOp : struct, ILane1<TA, TD> where TA : unmanaged where TD : unmanaged
    {
        TD* d = (TD*)(w.Regs + i->D);
        TA* a = (TA*)(w.Regs + i->A);
        if (mask == Warp.Full)
            for (int lane = 0; lane < 32; lane++)
                d[lane] = TOp.Of(a[lane]);
        else
            for (uint m = mask; m != 0; m &= m - 1)
            {
                int lane = System.Numerics.BitOperations.TrailingZeroCount(m);
                d[lane] = TOp.Of(a[lane]);
            }
    }

    public static void Map2<TOp, TA, TB, TD>(Warp w, Instruction* i, uint mask)
        where TOp : struct, ILane2<TA, TB, TD> where TA : unmanaged where TB : unmanaged where TD : unmanaged
    {
        TD* d = (TD*)(w.Regs + i->D);
        TA* a = (TA*)(w.Regs + i->A);
        TB* b = (TB*)(w.Regs + i->B);
        for (uint m = mask; m != 0; m &= m - 1)
        {
            int lane = System.Numerics.BitOperations.TrailingZeroCount(m);
            d[lane] = TOp.Of(a[lane], b[lane]);
        }
    }

    public static void Map3<TOp, TA, TB, TC, TD>(Warp w, Instruction* i, uint mask)
        where TOp : struct, ILane3<TA, TB, TC, TD> where TA : unmanaged where TB : unmanaged where TC : unmanaged where TD : unmanaged
    {
        TD* d = (TD*)(w.Regs + i->D);
        TA* a = (TA*)(w.Regs + i->A);
        TB* b = (TB*)(w.Regs + i->B);
        TC* c = (TC*)(w.Regs + i->C);
        for (uint m = mask; m != 0; m &= m - 1)
        {
            int lane = System.Numerics.BitOperations.TrailingZeroCount(m);
            d[lane] = TOp.Of(a[lane], b[lane], c[lane]);
        }
    }

    /// <summary>Product of 32-bit lanes in 64 bits; with Aux, plus C.</summary>
    public static void Wide<TSigned>(Warp w, Instruction* i, uint mask) where TSigned : struct
    {
        ulong* d = (ulong*)(w.Regs + i->D), c = (ulong*)(w.Regs + i->C);
        uint* a = (uint*)(w.Regs + i->A), b = (uint*)(w.Regs + i->B);
        for (int k = 0; k < 32; k += 4)
        {
            Vector128<uint> x = Vector128.Load(a + k), y = Vector128.Load(b + k);
            Vector256<ulong> product;
            if (typeof(TSigned) == typeof(int))
                product = System.Runtime.Intrinsics.X86.Avx2.Multiply(
                    System.Runtime.Intrinsics.X86.Avx2.ConvertToVector256Int64(x.AsInt32()).AsInt32(),
                    System.Runtime.Intrinsics.X86.Avx2.ConvertToVector256Int64(y.AsInt32()).AsInt32()).AsUInt64();
            else
                product = System.Runtime.Intrinsics.X86.Avx2.Multiply(
                    System.Runtime.Intrinsics.X86.Avx2.ConvertToVector256Int64(x).AsUInt32(),
                    System.Runtime.Intrinsics.X86.Avx2.ConvertToVector256Int64(y).AsUInt32());
            if (i->Aux != 0)
                product += Vector256.Load(c + k);
            Put(product, d, mask, k);
        }
    }

    /// <summary>
    /// setp: the comparison's bits into D and their complement into E, after combining with the predicate C (Aux: 1 and, 2 or, 3 xor;
    /// Imm: all ones where C is negated).
    /// </summary>
    public static void Compare<TOp, T>(Warp w, Instruction* i, uint mask) where TOp : struct, IVector2<T> where T : unmanaged
    {
        T* a = (T*)(w.Regs + i->A), b = (T*)(w.Regs + i->B);
        uint bits = 0;
        for (int k = 0; k < 32; k += Vector256<T>.Count)
            bits |= TOp.Of(Vector256.Load(a + k), Vector256.Load(b + k)).ExtractMostSignificantBits() << k;
        SetPredicates(w, i, mask, bits);
    }

    public static void SetPredicates(Warp w, Instruction* i, uint mask, uint bits)
    {
        uint other = ~bits;
        if (i->Aux != 0)
        {
            uint c = *(uint*)(w.Regs + i->C) ^ (uint)i->Imm;
            (bits, other) = i->Aux switch { 1 => (bits & c, other & c), 2 => (bits | c, other | c), _ => (bits ^ c, other ^ c) };
        }
        uint* d = (uint*)(w.Regs + i->D);
        *d = (*d & ~mask) | (bits & mask);
        if (i->E >= 0)
        {
            uint* e = (uint*)(w.Regs + i->E);
            *e = (*e & ~mask) | (other & mask);
        }
    }

    /// <summary>selp: A where the predicate C holds, else B; GuardFlip of C in Imm.</summary>
    public static void Choose<T>(Warp w, Instruction* i, uint mask) where T : unmanaged
    {
        T* d = (T*)(w.Regs + i->D), a = (T*)(w.Regs + i->A), b = (T*)(w.Regs + i->B);
        uint c = *(uint*)(w.Regs + i->C) ^ (uint)i->Imm;
        for (int k = 0; k < 32; k += Vector256<T>.Count)
            Put(Vector256.ConditionalSelect(Lanes<T>(c, k), Vector256.Load(a + k), Vector256.Load(b + k)), d, mask, k);
    }

    /// <summary>Logic of predicates: Aux 0 move, 1 and, 2 or, 3 xor, 4 not.</summary>
    public static void Predicates(Warp w, Instruction* i, uint mask)
    {
        uint a = *(uint*)(w.Regs + i->A) ^ (uint)i->Imm, b = i->Aux is >= 1 and <= 3 ? *(uint*)(w.Regs + i->B) ^ (uint)(i->Imm >> 32) : 0;
        uint value = i->Aux switch { 0 => a, 1 => a & b, 2 => a | b, 3 => a ^ b, _ => ~a };
        uint* d = (uint*)(w.Regs + i->D);
        *d = (*d & ~mask) | (value & mask);
    }
}
