using System.Numerics;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Dia.SoftGpu.Execution;

/// <summary>ld and st: registers and memory, whatever the space.</summary>
internal static unsafe class LoadStore
{
    /// <summary>ld: Aux holds the number of elements; More their registers where there are several. E: keep 16 bits of a sign-extended byte.</summary>
    public static void Load<TElement, TLane>(Warp w, Instruction* i, uint mask)
        where TElement : unmanaged, INumberBase<TElement> where TLane : unmanaged, INumberBase<TLane>
    {
        int count = i->Aux & 15, bytes = sizeof(TElement) * count;
        int stride = w.Resolve(i, mask, bytes, false);
        if (stride >= 0 && sizeof(TElement) == 4 && sizeof(TLane) == 4)
        {
            Regular(w, i, count, stride);
            return;
        }
        for (int e = 0; e < count; e++)
        {
            TLane* d = (TLane*)(w.Regs + (count == 1 ? i->D : i->More[e]));
            if (stride >= 0)
            {
                byte* p = w.Pointers[0] + e * sizeof(TElement);
                for (int lane = 0; lane < 32; lane++, p += stride)
                    d[lane] = TLane.CreateTruncating(*(TElement*)p);
            }
            else
                for (uint m = mask; m != 0; m &= m - 1)
                {
                    int lane = BitOperations.TrailingZeroCount(m);
                    d[lane] = TLane.CreateTruncating(((TElement*)w.Pointers[lane])[e]);
                }
            if (i->E == 16 && sizeof(TLane) == 4)
                for (int lane = 0; lane < 32; lane++)
                    ((uint*)d)[lane] &= 0xFFFF;
        }
    }

    // All lanes, 32-bit elements, side by side or at one place.
    private static void Regular(Warp w, Instruction* i, int count, int stride)
    {
        uint* p = (uint*)w.Pointers[0];
        if (stride == 0)
        {
            for (int e = 0; e < count; e++)
            {
                uint* d = (uint*)(w.Regs + (count == 1 ? i->D : i->More[e]));
                Vector256<uint> value = Vector256.Create(p[e]);
                for (int k = 0; k < 32; k += 8)
                    value.Store(d + k);
            }
        }
        else if (count == 1)
        {
            uint* d = (uint*)(w.Regs + i->D);
            for (int k = 0; k < 32; k += 8)
                Vector256.Load(p + k).Store(d + k);
        }
        else if (count == 4)
        {
            float* d0 = (float*)(w.Regs + i->More[0]), d1 = (float*)(w.Regs + i->More[1]);
            float* d2 = (float*)(w.Regs + i->More[2]), d3 = (float*)(w.Regs + i->More[3]);
            float* f = (float*)p;
            for (int k = 0; k < 32; k += 4, f += 16)
            {
                Vector128<float> a = Vector128.Load(f), b = Vector128.Load(f + 4), c = Vector128.Load(f + 8), e = Vector128.Load(f + 12);
                Vector128<float> ab = Sse.UnpackLow(a, b), ce = Sse.UnpackLow(c, e), abHigh = Sse.UnpackHigh(a, b), ceHigh = Sse.UnpackHigh(c, e);
                Sse.MoveLowToHigh(ab, ce).Store(d0 + k);
                Sse.MoveHighToLow(ce, ab).Store(d1 + k);
                Sse.MoveLowToHigh(abHigh, ceHigh).Store(d2 + k);
                Sse.MoveHighToLow(ceHigh, abHigh).Store(d3 + k);
            }
        }
        else
        {
            uint* d0 = (uint*)(w.Regs + i->More[0]), d1 = (uint*)(w.Regs + i->More[1]);
            for (int lane = 0; lane < 32; lane++)
            {
                d0[lane] = p[2 * lane];
                d1[lane] = p[2 * lane + 1];
            }
        }
    }

    /// <summary>st: the same the other way. The source may be wider than what is stored.</summary>
    public static void Store<TElement, TLane>(Warp w, Instruction* i, uint mask)
        where TElement : unmanaged, INumberBase<TElement> where TLane : unmanaged, INumberBase<TLane>
    {
        int count = i->Aux & 15, bytes = sizeof(TElement) * count;
        int stride = w.Resolve(i, mask, bytes, true);
        for (int e = 0; e < count; e++)
        {
            TLane* d = (TLane*)(w.Regs + (count == 1 ? i->D : i->More[e]));
            if (stride == 4 && sizeof(TElement) == 4 && sizeof(TLane) == 4)
            {
                uint* p = (uint*)w.Pointers[0];
                for (int k = 0; k < 32; k += 8)
                    Vector256.Load((uint*)d + k).Store(p + k);
            }
            else if (stride >= 0)
            {
                byte* p = w.Pointers[0] + e * sizeof(TElement);
                for (int lane = 0; lane < 32; lane++, p += stride)
                    *(TElement*)p = TElement.CreateTruncating(d[lane]);
            }
            else
                for (uint m = mask; m != 0; m &= m - 1)
                {
                    int lane = BitOperations.TrailingZeroCount(m);
                    ((TElement*)w.Pointers[lane])[e] = TElement.CreateTruncating(d[lane]);
                }
        }
    }

    /// <summary>ld.param: the same for all threads; Imm is the offset.</summary>
    public static void Parameter<TElement, TLane>(Warp w, Instruction* i, uint mask)
        where TElement : unmanaged, INumberBase<TElement> where TLane : unmanaged, INumberBase<TLane>
    {
        int count = i->Aux & 15;
        for (int e = 0; e < count; e++)
        {
            TLane value = TLane.CreateTruncating(((TElement*)(w.Params + i->Imm))[e]);
            TLane* d = (TLane*)(w.Regs + (count == 1 ? i->D : i->More[e]));
            if (mask == Warp.Full)
                new Span<TLane>(d, 32).Fill(value);
            else
                for (uint m = mask; m != 0; m &= m - 1)
                    d[BitOperations.TrailingZeroCount(m)] = value;
        }
    }

    /// <summary>Members of a vector into the parts of a wide register: mov.b64 d, {a, b}.</summary>
    public static void Pack(Warp w, Instruction* i, uint mask)
    {
        // Aux: members; E: bits of the destination.
        int count = i->Aux, part = i->E / count;
        for (uint m = mask; m != 0; m &= m - 1)
        {
            int lane = BitOperations.TrailingZeroCount(m);
            ulong value = 0;
            for (int e = count - 1; e >= 0; e--)
                value = (value << part) | ((uint*)(w.Regs + i->More[e]))[lane];
            if (i->E == 64)
                ((ulong*)(w.Regs + i->D))[lane] = value;
            else
                ((uint*)(w.Regs + i->D))[lane] = (uint)value;
        }
    }

    /// <summary>The parts of a wide register into the members of a vector: mov.b64 {a, b}, d.</summary>
    public static void Unpack(Warp w, Instruction* i, uint mask)
    {
        int count = i->Aux, part = i->E / count;
        for (uint m = mask; m != 0; m &= m - 1)
        {
            int lane = BitOperations.TrailingZeroCount(m);
            ulong value = i->E == 64 ? ((ulong*)(w.Regs + i->A))[lane] : ((uint*)(w.Regs + i->A))[lane];
            for (int e = 0; e < count; e++)
                if (i->More[e] >= 0)
                    ((uint*)(w.Regs + i->More[e]))[lane] = (uint)((value >> (e * part)) & ((1ul << part) - 1));
        }
    }
}
