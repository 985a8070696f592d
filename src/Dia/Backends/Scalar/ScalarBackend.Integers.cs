using Dia.Weights;

namespace Dia.Backends.Scalar;

// Products with integer weights of activations that are rounded too.
public readonly unsafe partial struct ScalarBackend
{
    // Integers of 32 values are summed exactly, then multiplied by the scales of both sides.
    private static void RoundedLinear(float* y, float* x, in Weight w, int rows, int n, int k, bool accumulate)
    {
        sbyte* integers = stackalloc sbyte[RoundedRow.Group];
        double[] sums = new double[n];
        for (long r = 0; r < rows; r++)
        {
            for (int o = 0; o < n; o++)
                sums[o] = accumulate ? y[r * n + o] : 0;
            for (int first = 0; first < k; first += RoundedRow.Group)
            {
                int count = Math.Min(RoundedRow.Group, k - first);
                float scale = RoundedRow.Round(x + r * k + first, count, integers);
                for (int o = 0; o < n; o++)
                {
                    int sum = 0;
                    byte* row = (byte*)w.Stored.From((long)o * k).Data;
                    for (int i = 0; i < count; i++)
                        sum += WeightFormats.Integer(w.Format, row, first + i) * integers[i];
                    sums[o] += (double)scale * WeightFormats.Scale(w.Stored, o, first) * sum;
                }
            }
            for (int o = 0; o < n; o++)
                y[r * n + o] = (float)sums[o];
        }
    }
}
