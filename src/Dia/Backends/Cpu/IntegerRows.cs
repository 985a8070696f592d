using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Dia.Weights;

namespace Dia.Backends.Cpu;

/// <summary>
/// Rows of integer weights as float32: each integer times its scale, as <see cref="WeightFormats.Read(in StoredWeight, long, int, Span{float})"/> reads them.
/// </summary>
internal static unsafe class IntegerRows
{
    /// <summary>Widens values of a row.</summary>
    /// <param name="weight">The weight.</param>
    /// <param name="row">The row.</param>
    /// <param name="first">The first value, a multiple of 8.</param>
    /// <param name="count">How many.</param>
    /// <param name="to">Receives them.</param>
    public static void Widen(in StoredWeight weight, long row, int first, int count, float* to)
    {
        byte* integers = (byte*)weight.Data + row * weight.Storage.RowBytes(weight.Columns);
        int group = weight.Storage.Group == 0 ? int.MaxValue : weight.Storage.Group;
        for (int done = 0; done < count;)
        {
            int at = first + done, run = Math.Min(count - done, group - at % group);
            Widen(weight.Format, integers, at, run, WeightFormats.Scale(weight, row, at), to + done);
            done += run;
        }
    }

    // Values that share a scale.
    private static void Widen(WeightFormat format, byte* integers, int first, int count, float scale, float* to)
    {
        int i = 0;
        if (Avx2.IsSupported)
        {
            Vector256<float> scales = Vector256.Create(scale);
            Vector256<int> flip = Vector256.Create(format == WeightFormat.Int8Packed ? 128 : 0);
            for (; format == WeightFormat.Int4 && i <= count - 8; i += 8)
                (Vector256.ConvertToSingle(Eight(integers + (first + i) / 2)) * scales).Store(to + i);
            for (; format == WeightFormat.Int8 && i <= count - 8; i += 8)
                (Vector256.ConvertToSingle(Avx2.ConvertToVector256Int32((sbyte*)integers + first + i)) * scales).Store(to + i);
            for (; format == WeightFormat.Int8Packed && i <= count - 8; i += 8)
                (Vector256.ConvertToSingle(Avx2.ConvertToVector256Int32(integers + first + i) - flip) * scales).Store(to + i);
        }
        for (; i < count; i++)
            to[i] = WeightFormats.Integer(format, integers, first + i) * scale;
    }

    // Integers of 4 bits from the first of four bytes on.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Eight(byte* p) =>
        (Avx2.ShiftRightLogicalVariable(Vector256.Create(*(int*)p), Vector256.Create(0u, 4, 8, 12, 16, 20, 24, 28)) & Vector256.Create(15))
        - Vector256.Create(8);
}
