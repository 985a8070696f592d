using System.Numerics;

namespace Dia.Audio.Formats;

/// <summary>How the residuals of a FLAC subframe are written: parts of one size, each with its own Rice parameter (RFC 9639, 9.2.7).</summary>
/// <param name="Order">There are 2^Order parts.</param>
/// <param name="Parameters">The parameter of each.</param>
/// <param name="Cost">Bits of all of it.</param>
internal readonly record struct RicePartitions(int Order, int[] Parameters, long Cost)
{
    private const int MaxOrder = 6, MaxParameter = 14, ParameterBits = 4, HeaderBits = 6;

    /// <summary>The cheapest.</summary>
    /// <param name="residuals">[samples], of which the first are not written.</param>
    /// <param name="skipped">How many.</param>
    public static RicePartitions Best(ReadOnlySpan<int> residuals, int skipped)
    {
        RicePartitions best = default;
        for (int order = 0; order <= MaxOrder; order++)
        {
            int parts = 1 << order, size = residuals.Length >> order;
            if (residuals.Length % parts != 0 || size < skipped)
                break;
            var parameters = new int[parts];
            long cost = HeaderBits;
            for (int p = 0; p < parts; p++)
                cost += ParameterBits + CostOf(residuals[(p == 0 ? skipped : p * size)..((p + 1) * size)], out parameters[p]);
            if (order == 0 || cost < best.Cost)
                best = new RicePartitions(order, parameters, cost);
        }

        return best;
    }

    /// <summary>Writes them.</summary>
    public void Write(BitWriter bits, ReadOnlySpan<int> residuals, int skipped)
    {
        bits.Write(0, 2); // parameters of four bits
        bits.Write(Order, 4);
        int size = residuals.Length >> Order;
        for (int i = skipped, p = 0; p < Parameters.Length; p++)
        {
            int parameter = Parameters[p];
            bits.Write(parameter, ParameterBits);
            for (; i < (p + 1) * size; i++)
            {
                uint folded = Fold(residuals[i]);
                bits.WriteUnary(folded >> parameter);
                bits.Write(folded, parameter);
            }
        }
    }

    private static uint Fold(int residual) => (uint)(residual << 1 ^ residual >> 31);

    /// <summary>Bits of a part with its best parameter: near the logarithm of the mean.</summary>
    private static long CostOf(ReadOnlySpan<int> part, out int parameter)
    {
        ulong sum = 0;
        foreach (int residual in part)
            sum += Fold(residual);
        int guess = part.IsEmpty ? 0 : BitOperations.Log2(Math.Max(1, sum / (uint)part.Length));
        parameter = 0;
        long least = long.MaxValue;
        for (int k = Math.Max(0, guess - 1); k <= Math.Min(MaxParameter, guess + 1); k++)
        {
            long cost = (k + 1L) * part.Length;
            foreach (int residual in part)
                cost += Fold(residual) >> k;
            if (cost < least)
                (least, parameter) = (cost, k);
        }

        return least == long.MaxValue ? CostOfLargest(part, out parameter) : least;
    }

    private static long CostOfLargest(ReadOnlySpan<int> part, out int parameter)
    {
        parameter = MaxParameter;
        long cost = (MaxParameter + 1L) * part.Length;
        foreach (int residual in part)
            cost += Fold(residual) >> MaxParameter;
        return cost;
    }
}
