using System.Runtime.Intrinsics;
using System.Threading.Tasks;
using Dia.SoftGpu.Execution;

namespace Dia.SoftGpu.Blas;

/// <summary>A matrix by columns; type 0 float32, 2 float16, 14 bfloat16.</summary>
internal readonly record struct Matrix(ulong Address, int Leading, int Type)
{
    public int ElementBytes => Type == 0 ? 4 : 2;
}

/// <summary>C = alpha op(A) op(B) + beta C, sums in float32.</summary>
internal sealed unsafe class Product
{
    public bool TransposeA { get; init; }

    public bool TransposeB { get; init; }

    public int M { get; init; }

    public int N { get; init; }

    public int K { get; init; }

    public float Alpha { get; init; }

    public float Beta { get; init; }

    public Matrix A { get; init; }

    public Matrix B { get; init; }

    public Matrix C { get; init; }

    /// <summary>Factors lose 13 bits, as they do on tensor cores.</summary>
    public bool Tf32 { get; set; }

    /// <summary>Multiplies; false where memory is not what it must be, which is reported.</summary>
    public bool Run(string name)
    {
        byte* a = Check(name, "A", A, TransposeA ? K : M, TransposeA ? M : K, read: K > 0 && Alpha != 0, write: false);
        byte* b = Check(name, "B", B, TransposeB ? N : K, TransposeB ? K : N, read: K > 0 && Alpha != 0, write: false);
        byte* c = Check(name, "C", C, M, N, read: Beta != 0, write: true);
        if (a == null || b == null || c == null)
            return false;
        // Both factors with k side by side: rows of op(A), columns of op(B).
        float[] left = Pack(a, A, M, TransposeA), right = Pack(b, B, N, !TransposeB);
        int k = K, m = M;
        Parallel.For(0, N, column =>
        {
            for (int row = 0; row < m; row++)
            {
                float value = Alpha * Dot(left.AsSpan(row * k, k), right.AsSpan(column * k, k));
                byte* p = c + ((long)column * C.Leading + row) * C.ElementBytes;
                if (Beta != 0)
                    value += Beta * Load(p, C.Type);
                Store(p, C.Type, value);
            }
        });
        return true;
    }

    private static float Dot(ReadOnlySpan<float> x, ReadOnlySpan<float> y)
    {
        Vector256<float> sum = Vector256<float>.Zero;
        int k = 0;
        for (; k + 8 <= x.Length; k += 8)
            sum = Vector256.FusedMultiplyAdd(Vector256.Create(x[k..]), Vector256.Create(y[k..]), sum);
        float rest = 0;
        for (; k < x.Length; k++)
            rest += x[k] * y[k];
        return Vector256.Sum(sum) + rest;
    }

    // "Across": the k elements of a line lie side by side in memory; otherwise a leading dimension apart.
    private float[] Pack(byte* p, Matrix matrix, int lines, bool across)
    {
        var packed = new float[lines * K];
        for (int line = 0; line < lines; line++)
            for (int k = 0; k < K; k++)
            {
                long at = across ? (long)line * matrix.Leading + k : (long)k * matrix.Leading + line;
                float value = Load(p + at * matrix.ElementBytes, matrix.Type);
                packed[line * K + k] = Tf32 ? BitConverter.UInt32BitsToSingle((BitConverter.SingleToUInt32Bits(value) + 0x1000) & 0xFFFFE000) : value;
            }
        return packed;
    }

    private static float Load(byte* p, int type) => type switch
    {
        0 => *(float*)p, 2 => Binary16.ToSingle(*(ushort*)p), _ => Brain16.ToSingle(*(ushort*)p),
    };

    private static void Store(byte* p, int type, float value)
    {
        if (type == 0)
            *(float*)p = value;
        else
            *(ushort*)p = (ushort)(type == 2 ? Binary16.FromDouble(value) : Brain16.FromDouble(value));
    }

    private static byte* Check(string name, string which, Matrix matrix, int rows, int columns, bool read, bool write)
    {
        ulong bytes = ((ulong)Math.Max(columns - 1, 0) * (ulong)matrix.Leading + (ulong)rows) * (ulong)matrix.ElementBytes;
        Allocation* at = DeviceMemory.Find(matrix.Address);
        if (at == null || at->Freed || matrix.Address - at->Base + bytes > at->Size || matrix.Address % (ulong)matrix.ElementBytes != 0)
        {
            if (rows == 0 || columns == 0)
                return (byte*)1; // nothing of it is touched
            Violations.Report(
                $"{name}: {which} of {rows} rows, {columns} columns, leading dimension {matrix.Leading}: {DeviceMemory.Describe(matrix.Address)}",
                Fault.OutOfBounds);
            return null;
        }
        ulong offset = matrix.Address - at->Base;
        for (int column = 0; column < columns; column++)
        {
            ulong start = offset + (ulong)column * (ulong)matrix.Leading * (ulong)matrix.ElementBytes, length = (ulong)rows * (ulong)matrix.ElementBytes;
            if (read && DeviceMemory.FirstUnwritten(at, start, length) is >= 0 and var first)
            {
                Violations.Report($"{name}: {which} holds what nothing wrote: {DeviceMemory.Describe(at->Base + start + (ulong)first)}", Fault.Uninitialised);
                return null;
            }
            if (write)
                DeviceMemory.MarkWritten(at, start, length);
        }
        return at->Host + offset;
    }
}
