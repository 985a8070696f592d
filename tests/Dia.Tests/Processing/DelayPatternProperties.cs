using Dia.Processing;
using FsCheck;
using FsCheck.Xunit;

namespace Dia.Tests.Processing;

public sealed class DelayPatternProperties
{
    private const int Eos = 64, Pad = 65, Bos = 66;

    [Property]
    public void Undo_is_the_inverse_for_any_pattern(NonEmptyArray<byte> delays, byte[] values, byte from, byte to)
    {
        int[] delay = Delay(delays.Get);
        int[,] rows = Rows(values, delay.Length);
        int frames = rows.GetLength(0);
        int[,] delayed = Delayed.Of(rows, delay, Bos, Pad);
        Xunit.Assert.Equal(rows, DelayPattern.Undo(delayed, delay, 0, frames));

        int start = Math.Min(from, frames), end = Math.Clamp(to, start, frames);
        int[,] part = DelayPattern.Undo(delayed, delay, start, end);
        Xunit.Assert.Equal(end - start, part.GetLength(0));
        for (int t = start; t < end; t++)
        {
            for (int c = 0; c < delay.Length; c++)
                Xunit.Assert.Equal(rows[t, c], part[t - start, c]);
        }
    }

    [Property]
    public void The_frames_that_are_audio_are_found(NonEmptyArray<byte> delays, byte[] values, byte begins, byte rest)
    {
        // As generation leaves rows: left padding and BOS, codes, EOS, then PAD for as long as the batch runs. Channel 0 has no delay.
        int[] delay = [0, .. Delay(delays.Get)];
        int[,] codes = Rows(values, delay.Length);
        int first = 1 + begins % 5, frames = codes.GetLength(0), after = rest % 9;
        int[,] plain = new int[first + frames + 1 + after, delay.Length];
        for (int t = 0; t < plain.GetLength(0); t++)
        {
            for (int c = 0; c < delay.Length; c++)
                plain[t, c] = t < first ? Bos : t < first + frames ? codes[t - first, c] : t == first + frames ? Eos : Pad;
        }

        int[,] rows = Delayed.Of(plain, delay, Bos, Pad);
        Xunit.Assert.Equal((first, first + frames), DelayPattern.AudioFrames(rows, delay, Bos, Pad));
        Xunit.Assert.Equal((3, first + frames), DelayPattern.AudioFrames(rows, delay, Bos, Pad, 3));
        Xunit.Assert.Equal(codes, DelayPattern.Undo(rows, delay, first, first + frames));
    }

    private static int[] Delay(byte[] delays) => [.. delays.Take(12).Select(d => d % 20)];

    private static int[,] Rows(byte[] values, int channels)
    {
        int[,] rows = new int[values.Length / channels, channels];
        for (int i = 0; i < rows.Length; i++)
            rows[i / channels, i % channels] = values[i] % Eos;
        return rows;
    }
}
