using Dia.Configuration;

namespace Dia.Processing;

/// <summary>
/// The delay pattern: channel c of a frame stands delay[c] rows later. Everything that delays rows or undoes it does so here.
/// </summary>
public static class DelayPattern
{
    /// <summary>The released model's pattern.</summary>
    public static ReadOnlySpan<int> Default => [0, 8, 9, 10, 11, 12, 13, 14, 15];

    /// <summary>The largest delay.</summary>
    public static int Max(ReadOnlySpan<int> delay)
    {
        int max = 0;
        foreach (int d in delay)
            max = Math.Max(max, d);
        return max;
    }

    /// <summary>Rows and mask [B, T] of prompts: for each left padding, a BOS row, the codes, in training an EOS row; then the delay.</summary>
    /// <param name="codes">The codes [frames, C] of each item.</param>
    /// <param name="delay">The delay of each channel.</param>
    /// <param name="bosTokenId">The id that begins a channel.</param>
    /// <param name="eosTokenId">The id of the row at the end; null: none.</param>
    /// <param name="padTokenId">The id where a channel has nothing.</param>
    /// <param name="fewestFrames">Frames that there is room for at least.</param>
    internal static (int[,,] Rows, int[,] Mask) BuildRows(
        int[][,] codes, int[] delay, int bosTokenId, int? eosTokenId, int padTokenId, int fewestFrames = 0)
    {
        int longest = Math.Max(fewestFrames, codes.Max(c => c.GetLength(0))), endRows = eosTokenId is null ? 0 : 1;
        int length = longest + 1 + endRows + Max(delay);
        var rows = new int[codes.Length, length, delay.Length];
        var mask = new int[codes.Length, length];
        for (int b = 0; b < codes.Length; b++)
        {
            int frames = codes[b].GetLength(0), padding = longest - frames;
            for (int t = 0; t < length; t++)
            {
                mask[b, t] = t < padding ? 0 : 1;
                for (int c = 0; c < delay.Length; c++)
                {
                    int frame = t - delay[c] - padding - 1;
                    rows[b, t, c] = frame < 0 ? bosTokenId : frame < frames ? codes[b][frame, c] : frame < frames + endRows ? eosTokenId!.Value : padTokenId;
                }
            }
        }
        return (rows, mask);
    }

    /// <summary>
    /// Undoes the delay for the frames [start, end) of rows [T, C]: out[t, c] = rows[start + t + delay[c], c], past the last
    /// row that row itself (as the reference does).
    /// </summary>
    /// <returns>[end - start, C]; no rows where end is not after start.</returns>
    /// <exception cref="ArgumentException">The pattern is empty, start or a delay is negative, or end is past the last row.</exception>
    /// <exception cref="DiaException">Input: the rows have not the pattern's channels.</exception>
    public static int[,] Undo(int[,] rows, ReadOnlySpan<int> delay, int start, int end)
    {
        Check(rows, delay);
        int length = rows.GetLength(0);
        ArgumentOutOfRangeException.ThrowIfNegative(start);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(end, length);
        var frames = new int[Math.Max(0, end - start), delay.Length];
        for (int t = 0; t < frames.GetLength(0); t++)
            for (int c = 0; c < delay.Length; c++)
                frames[t, c] = rows[(int)Math.Min((long)start + t + delay[c], length - 1), c];
        return frames;
    }

    /// <summary>
    /// Which frames of finished rows [T, C] are audio. The first is the number of BOS in channel 0, or the prompt length
    /// given; the end leaves out channel 0's PADs and its EOS, and frames whose later channels were never generated (generation
    /// was cut before they came). No audio: end is not after start.
    /// </summary>
    /// <exception cref="ArgumentException">The pattern is empty, or a delay is negative.</exception>
    /// <exception cref="DiaException">Input: the rows have not the pattern's channels.</exception>
    public static (int Start, int End) AudioFrames(int[,] rows, ReadOnlySpan<int> delay, int bosTokenId, int padTokenId, int? audioPromptLen = null)
    {
        Check(rows, delay);
        int length = rows.GetLength(0), bos = 0, pad = 0;
        for (int t = 0; t < length; t++)
        {
            bos += rows[t, 0] == bosTokenId ? 1 : 0;
            pad += rows[t, 0] == padTokenId ? 1 : 0;
        }
        return (audioPromptLen ?? bos, EndOfAudio(length, pad, Max(delay)));
    }

    /// <summary>The end of the frames whose last channel is among so many rows, of which so many are PAD in channel 0.</summary>
    internal static int EndOfAudio(int rows, int pads, int maxDelay) => Math.Max(0, Math.Min(rows - pads - 1, rows - maxDelay));

    /// <summary>Refuses a pattern that is empty or has a delay that no configuration has.</summary>
    /// <exception cref="DiaException">Usage.</exception>
    internal static void Check(ReadOnlySpan<int> delay)
    {
        if (delay.IsEmpty)
            throw new DiaException(DiaErrorKind.Usage, "The delay pattern is empty; it has one delay for each channel.");
        foreach (int d in delay)
            if (d is < 0 or > DiaConfig.MaxDelay)
                throw new DiaException(DiaErrorKind.Usage, $"The delay pattern holds {d}; a delay is between 0 and {DiaConfig.MaxDelay} rows.");
    }

    private static void Check(int[,] rows, ReadOnlySpan<int> delay)
    {
        ArgumentNullException.ThrowIfNull(rows);
        CheckChannels(rows.GetLength(1), delay);
        if (delay.IsEmpty)
            throw new ArgumentException("The delay pattern is empty; it has one delay for each channel.", nameof(delay));
        foreach (int d in delay)
            ArgumentOutOfRangeException.ThrowIfNegative(d, nameof(delay));
    }

    /// <summary>Refuses rows whose channels are not the pattern's.</summary>
    /// <exception cref="DiaException">Input.</exception>
    internal static void CheckChannels(int channels, ReadOnlySpan<int> delay)
    {
        if (channels != delay.Length)
            throw new DiaException(DiaErrorKind.Input, $"The rows have {channels} channels but the delay pattern has {delay.Length}.");
    }
}
