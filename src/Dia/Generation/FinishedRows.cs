namespace Dia.Generation;

/// <summary>
/// From generated rows to the codes that a codec decodes: which rows are audio, and the delay undone. numerics.md, "Rows to audio".
/// </summary>
internal static class FinishedRows
{
    /// <summary>The audio of one item.</summary>
    /// <param name="rows">The item's rows [rows, channels], delayed, with or without PAD rows behind them.</param>
    /// <param name="config">Token ids and delay pattern.</param>
    /// <param name="promptLength">Rows before the first one wanted (mask length − max(delay) leaves out a voice prompt); null: only the BOS rows.</param>
    /// <returns>
    /// First frame and the one after the last. Empty (start = end) where EOS came at once or generation was cut before a frame was
    /// complete in all channels.
    /// </returns>
    public static (int Start, int End) Window(ReadOnlySpan<int> rows, GenerationConfig config, int? promptLength = null)
    {
        int channels = config.Channels;
        int rowCount = rows.Length / channels;
        int begins = 0;
        int pads = 0;
        for (int row = 0; row < rowCount; row++)
        {
            if (rows[row * channels] == config.BosTokenId)
                begins++;
            else if (rows[row * channels] == config.PadTokenId)
                pads++;
        }

        // The row of EOS is not audio. A frame whose later channels were never generated cannot be decoded.
        int start = Math.Min(promptLength ?? begins, rowCount);
        int end = Math.Min(rowCount - pads - 1, rowCount - config.MaxDelay);
        return (start, Math.Max(start, end));
    }

    /// <summary>The codes of the frames start..end: out[t, c] = in[t + delay[c], c].</summary>
    /// <param name="rows">The item's rows [rows, channels], delayed; at least end + max(delay) of them where there is a frame.</param>
    /// <param name="config">Delay pattern.</param>
    /// <param name="start">First frame.</param>
    /// <param name="end">The frame after the last.</param>
    /// <returns>Codes [end − start, channels].</returns>
    public static int[,] Codes(ReadOnlySpan<int> rows, GenerationConfig config, int start, int end)
    {
        int channels = config.Channels;
        int[,] codes = new int[end - start, channels];
        for (int frame = start; frame < end; frame++)
            for (int channel = 0; channel < channels; channel++)
                codes[frame - start, channel] = rows[((frame + config.DelayPattern[channel]) * channels) + channel];
        return codes;
    }
}
