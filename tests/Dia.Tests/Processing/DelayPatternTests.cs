using Dia.Processing;
using Xunit;

namespace Dia.Tests.Processing;

public sealed class DelayPatternTests
{
    private const int Eos = 64, Pad = 65, Bos = 66;

    [Fact]
    public void DelaysByDefinition()
    {
        int[,] delayed = DelayPattern.BuildDelayed(new[,] { { 1, 2, 3 }, { 4, 5, 6 } }, [0, 2, 1], Bos, Pad);
        Assert.Equal(new[,] { { 1, Bos, Bos }, { 4, Bos, 3 }, { Pad, 2, 6 }, { Pad, 5, Pad } }, delayed);
    }

    [Fact]
    public void UndoIsTheInverseForAnyPattern()
    {
        var random = new Random(7);
        for (int n = 0; n < 500; n++)
        {
            int channels = random.Next(1, 12), frames = random.Next(0, 40);
            int[] delay = [.. Enumerable.Range(0, channels).Select(_ => random.Next(0, 20))];
            int[,] rows = Random(random, frames, channels);
            int[,] delayed = DelayPattern.BuildDelayed(rows, delay, Bos, Pad);
            Assert.Equal(frames + delay.Max(), delayed.GetLength(0));
            Assert.Equal(rows, DelayPattern.Undo(delayed, delay, 0, frames));
            int start = random.Next(0, frames + 1), end = random.Next(start, frames + 1);
            int[,] part = DelayPattern.Undo(delayed, delay, start, end);
            Assert.Equal(end - start, part.GetLength(0));
            for (int t = start; t < end; t++)
                Assert.All(Enumerable.Range(0, channels), c => Assert.Equal(rows[t, c], part[t - start, c]));
        }
    }

    [Fact]
    public void FindsTheFramesThatAreAudio()
    {
        var random = new Random(8);
        for (int n = 0; n < 200; n++)
        {
            // As generation leaves rows: left padding and BOS, codes, EOS, then PAD for as long as the batch runs.
            int[] delay = [0, random.Next(0, 20), random.Next(0, 20)];
            int begins = random.Next(1, 5), frames = random.Next(0, 30), rest = random.Next(0, 9);
            int[,] plain = Random(random, begins + frames + 1 + rest, 3);
            for (int t = 0; t < plain.GetLength(0); t++)
            {
                for (int c = 0; c < 3; c++)
                    plain[t, c] = t < begins ? Bos : t < begins + frames ? plain[t, c] : t == begins + frames ? Eos : Pad;
            }
            int[,] rows = DelayPattern.BuildDelayed(plain, delay, Bos, Pad);
            Assert.Equal((begins, begins + frames), DelayPattern.AudioFrames(rows, delay, Bos, Pad));
            Assert.Equal((3, begins + frames), DelayPattern.AudioFrames(rows, delay, Bos, Pad, 3));
        }
    }

    [Fact]
    public void RowsPastTheLastAreTheLast() =>
        Assert.Equal(new[,] { { 3, 6 }, { 5, 6 } }, DelayPattern.Undo(new[,] { { 1, 2 }, { 3, 4 }, { 5, 6 } }, [0, 2], 1, 3));

    [Fact]
    public void RefusesAnotherNumberOfChannels() =>
        Assert.Equal(DiaErrorKind.Input, Assert.Throws<DiaException>(() => DelayPattern.BuildDelayed(new int[2, 3], [0, 1], Bos, Pad)).Kind);

    private static int[,] Random(Random random, int rows, int channels)
    {
        var codes = new int[rows, channels];
        for (int t = 0; t < rows; t++)
        {
            for (int c = 0; c < channels; c++)
                codes[t, c] = random.Next(0, Eos);
        }
        return codes;
    }
}
