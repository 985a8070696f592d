using System.Numerics;

namespace Dia.Quantization;

/// <summary>Sums of products of rows, which is what a calibration's time goes into. Each sum has one order, whatever is computed beside it.</summary>
internal static unsafe class Products
{
    // What the registers of AVX2 hold: 12 sums, 3 values of b and one of a.
    private const int TileRows = 4, TileColumns = 3;

    /// <summary>c[i, j] += sign · Σ a[i, m]·b[j, m].</summary>
    /// <param name="c">Rows of <paramref name="strideC"/> values.</param>
    /// <param name="strideC">What rows of c are apart.</param>
    /// <param name="a">So many rows.</param>
    /// <param name="rowsA">Rows of a and c.</param>
    /// <param name="strideA">What rows of a are apart.</param>
    /// <param name="b">So many rows.</param>
    /// <param name="rowsB">Rows of b, columns of c.</param>
    /// <param name="strideB">What rows of b are apart.</param>
    /// <param name="length">Values that are summed over.</param>
    /// <param name="sign">1 or −1.</param>
    public static void Add(float* c, long strideC, float* a, int rowsA, long strideA, float* b, int rowsB, long strideB, int length, float sign)
    {
        float* sums = stackalloc float[TileRows * TileColumns];
        for (int i = 0; i < rowsA; i += TileRows)
            for (int j = 0; j < rowsB; j += TileColumns)
            {
                int rows = Math.Min(TileRows, rowsA - i), columns = Math.Min(TileColumns, rowsB - j);
                // Rows that are not there are the last one again: their sums are left out.
                float* a0 = a + i * strideA, a1 = a0 + Math.Min(1, rows - 1) * strideA;
                float* a2 = a0 + Math.Min(2, rows - 1) * strideA, a3 = a0 + (rows - 1) * strideA;
                float* b0 = b + j * strideB, b1 = b0 + Math.Min(1, columns - 1) * strideB, b2 = b0 + (columns - 1) * strideB;
                Tile(a0, a1, a2, a3, b0, b1, b2, length, sums);
                for (int r = 0; r < rows; r++)
                    for (int s = 0; s < columns; s++)
                        c[(i + r) * strideC + j + s] += sign * sums[r * TileColumns + s];
            }
    }

    private static void Tile(float* a0, float* a1, float* a2, float* a3, float* b0, float* b1, float* b2, int length, float* sums)
    {
        Vector<float> s00 = default, s01 = default, s02 = default, s10 = default, s11 = default, s12 = default;
        Vector<float> s20 = default, s21 = default, s22 = default, s30 = default, s31 = default, s32 = default;
        int m = 0;
        for (; m <= length - Vector<float>.Count; m += Vector<float>.Count)
        {
            Vector<float> v0 = Vector.Load(b0 + m), v1 = Vector.Load(b1 + m), v2 = Vector.Load(b2 + m), x = Vector.Load(a0 + m);
            (s00, s01, s02) = (Vector.FusedMultiplyAdd(x, v0, s00), Vector.FusedMultiplyAdd(x, v1, s01), Vector.FusedMultiplyAdd(x, v2, s02));
            x = Vector.Load(a1 + m);
            (s10, s11, s12) = (Vector.FusedMultiplyAdd(x, v0, s10), Vector.FusedMultiplyAdd(x, v1, s11), Vector.FusedMultiplyAdd(x, v2, s12));
            x = Vector.Load(a2 + m);
            (s20, s21, s22) = (Vector.FusedMultiplyAdd(x, v0, s20), Vector.FusedMultiplyAdd(x, v1, s21), Vector.FusedMultiplyAdd(x, v2, s22));
            x = Vector.Load(a3 + m);
            (s30, s31, s32) = (Vector.FusedMultiplyAdd(x, v0, s30), Vector.FusedMultiplyAdd(x, v1, s31), Vector.FusedMultiplyAdd(x, v2, s32));
        }

        (sums[0], sums[1], sums[2]) = (Vector.Sum(s00), Vector.Sum(s01), Vector.Sum(s02));
        (sums[3], sums[4], sums[5]) = (Vector.Sum(s10), Vector.Sum(s11), Vector.Sum(s12));
        (sums[6], sums[7], sums[8]) = (Vector.Sum(s20), Vector.Sum(s21), Vector.Sum(s22));
        (sums[9], sums[10], sums[11]) = (Vector.Sum(s30), Vector.Sum(s31), Vector.Sum(s32));
        for (; m < length; m++)
        {
            (float x0, float x1, float x2, float x3) = (a0[m], a1[m], a2[m], a3[m]);
            (float y0, float y1, float y2) = (b0[m], b1[m], b2[m]);
            (sums[0], sums[1], sums[2]) = (sums[0] + x0 * y0, sums[1] + x0 * y1, sums[2] + x0 * y2);
            (sums[3], sums[4], sums[5]) = (sums[3] + x1 * y0, sums[4] + x1 * y1, sums[5] + x1 * y2);
            (sums[6], sums[7], sums[8]) = (sums[6] + x2 * y0, sums[7] + x2 * y1, sums[8] + x2 * y2);
            (sums[9], sums[10], sums[11]) = (sums[9] + x3 * y0, sums[10] + x3 * y1, sums[11] + x3 * y2);
        }
    }
}
