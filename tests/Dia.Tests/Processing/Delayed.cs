namespace Dia.Tests.Processing;

/// <summary>Rows as the delay pattern is defined.</summary>
internal static class Delayed
{
    /// <summary>Rows [T, C] as [T + max(delay), C]: out[t, c] = rows[t - delay[c], c], BOS before the first row, PAD after the last.</summary>
    public static int[,] Of(int[,] rows, int[] delay, int bos, int pad)
    {
        int length = rows.GetLength(0);
        var delayed = new int[length + delay.Max(), delay.Length];
        for (int t = 0; t < delayed.GetLength(0); t++)
        {
            for (int c = 0; c < delay.Length; c++)
            {
                int source = t - delay[c];
                delayed[t, c] = source < 0 ? bos : source < length ? rows[source, c] : pad;
            }
        }

        return delayed;
    }
}
