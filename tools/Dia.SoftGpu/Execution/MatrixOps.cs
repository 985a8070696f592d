using System.Numerics;
using System.Runtime.Intrinsics;
using Dia.SoftGpu.Ptx;

namespace Dia.SoftGpu.Execution;

/// <summary>ldmatrix and mma.sync: fragments as the PTX manual draws them.</summary>
internal static unsafe class MatrixOps
{
    private static bool Whole(Warp w, Instruction* i, uint mask, string name)
    {
        w.Order();
        if (mask == Warp.Full)
            return true;
        w.Report(Fault.Divergence, i, ~mask, 0, $"{name} without all 32 lanes");
        return false;
    }

    /// <summary>ldmatrix: Aux low bits the number of 8 x 8 matrices, bit 4 transposed; A the addresses of the rows; More the destinations.</summary>
    public static void LoadMatrix(Warp w, Instruction* i, uint mask)
    {
        if (!Whole(w, i, mask, "ldmatrix"))
            return;
        int count = i->Aux & 15;
        bool transposed = (i->Aux & 16) != 0;
        ulong* address = w.AddressesOf(i);
        ushort* rows = stackalloc ushort[8 * 8];
        for (int matrix = 0; matrix < count; matrix++)
        {
            for (int row = 0; row < 8; row++)
            {
                int lane = 8 * matrix + row;
                byte* p = w.Lane(i, lane, (Space)i->Space, address[lane] + (ulong)i->Imm, 16, false);
                Vector128.Load((ushort*)p).Store(rows + 8 * row);
            }
            uint* d = (uint*)(w.Regs + i->More[matrix]);
            for (int lane = 0; lane < 32; lane++)
            {
                int row = lane / 4, column = 2 * (lane % 4);
                d[lane] = transposed
                    ? rows[8 * column + row] | ((uint)rows[8 * (column + 1) + row] << 16)
                    : rows[8 * row + column] | ((uint)rows[8 * row + column + 1] << 16);
            }
        }
    }

    /// <summary>
    /// mma.sync m16n8k16 or m16n8k8 of 16-bit floats with sums in float32: More holds D[4], A[4 or 2], B[2 or 1], C[4].
    /// Products are exact; sums go up in k, rounded each time (a GPU sums in another order and cuts off bits).
    /// </summary>
    public static void Multiply<T>(Warp w, Instruction* i, uint mask) where T : struct, IHalfFormat
    {
        if (!Whole(w, i, mask, "mma.sync"))
            return;
        int depth = i->Aux, fragments = depth / 4;
        float* a = stackalloc float[16 * 16];
        float* b = stackalloc float[16 * 8];
        float* c = stackalloc float[16 * 8];
        int* more = i->More;
        for (int f = 0; f < fragments; f++)
        {
            // Fragment f: rows of the lower half where f is odd, columns 8 and up where f is 2 or 3.
            uint* r = (uint*)(w.Regs + more[4 + f]);
            for (int lane = 0; lane < 32; lane++)
            {
                int row = lane / 4 + (f & 1) * 8, column = 2 * (lane % 4) + f / 2 * 8;
                a[row * depth + column] = T.ToSingle(r[lane] & 0xFFFF);
                a[row * depth + column + 1] = T.ToSingle(r[lane] >> 16);
            }
        }
        for (int f = 0; f < fragments / 2; f++)
        {
            uint* r = (uint*)(w.Regs + more[4 + fragments + f]);
            for (int lane = 0; lane < 32; lane++)
            {
                int row = 2 * (lane % 4) + 8 * f, column = lane / 4;
                b[row * 8 + column] = T.ToSingle(r[lane] & 0xFFFF);
                b[(row + 1) * 8 + column] = T.ToSingle(r[lane] >> 16);
            }
        }
        int* sources = more + 4 + fragments * 3 / 2;
        for (int f = 0; f < 4; f++)
        {
            float* r = (float*)(w.Regs + sources[f]);
            for (int lane = 0; lane < 32; lane++)
                c[(lane / 4 + f / 2 * 8) * 8 + 2 * (lane % 4) + (f & 1)] = r[lane];
        }
        for (int row = 0; row < 16; row++)
        {
            Vector256<float> sum = Vector256.Load(c + 8 * row);
            for (int k = 0; k < depth; k++)
                sum = Vector256.FusedMultiplyAdd(Vector256.Create(a[row * depth + k]), Vector256.Load(b + 8 * k), sum);
            sum.Store(c + 8 * row);
        }
        for (int f = 0; f < 4; f++)
        {
            float* r = (float*)(w.Regs + more[f]);
            for (int lane = 0; lane < 32; lane++)
                r[lane] = c[(lane / 4 + f / 2 * 8) * 8 + 2 * (lane % 4) + (f & 1)];
        }
    }
}
