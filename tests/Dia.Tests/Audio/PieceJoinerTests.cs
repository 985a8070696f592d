using Dia.Audio;
using Xunit;

namespace Dia.Tests.Audio;

public sealed class PieceJoinerTests
{
    private const int Rate = 16000;

    [Fact]
    public void One_piece_comes_out_unchanged()
    {
        float[] piece = [.. Silence(0.3), .. Sound(0.5), .. Silence(0.9), .. Sound(0.2), .. Silence(1.234)];
        Assert.Equal(piece, Join(333, piece));
    }

    [Fact]
    public void Chunks_do_not_matter()
    {
        float[][] pieces = Pieces();
        float[] whole = Join(int.MaxValue, pieces);
        foreach (int chunk in (int[])[1, 7, 160, 512, 1000])
            Assert.Equal(whole, Join(chunk, pieces));
    }

    [Fact]
    public void Silence_at_a_joint_becomes_a_breath()
    {
        // 0.8 + 0.6 seconds become 0.2 + 0.05, each up to a block of 10 ms longer.
        float[] joined = Join(500, [.. Sound(0.5), .. Silence(0.8)], [.. Silence(0.6), .. Sound(0.5)]);
        Assert.InRange(joined.Length, (0.5 + 0.25 + 0.5) * Rate, (0.5 + 0.25 + 0.5) * Rate + 320);
    }

    [Fact]
    public void Pieces_that_touch_are_set_apart()
    {
        float[] joined = Join(500, Sound(0.5), Sound(0.5));
        Assert.Equal((0.5 + PieceJoiner.ShortestTail + 0.5) * Rate, joined.Length, 1.0);
    }

    [Fact]
    public void Joints_do_not_click()
    {
        // Pieces that break off at full strength: a cosine stands at its peak there.
        float[] loud = [.. Enumerable.Range(0, Rate).Select(i => (float)(0.8 * Math.Cos(2 * Math.PI * 100 * i / Rate)))];
        float[] joined = Join(512, loud, loud, loud);
        for (int i = 1; i < joined.Length; i++)
            // 0.8 · 2π · 100/16000 is the tone's own; a fade over 80 samples adds 0.8/80.
            Assert.InRange(Math.Abs(joined[i] - joined[i - 1]), 0, 0.05);
    }

    [Fact]
    public void Silence_inside_a_piece_stays()
    {
        float[] piece = [.. Sound(0.3), .. Silence(2), .. Sound(0.3)];
        float[] joined = Join(512, Sound(0.3), piece, Sound(0.3));
        Assert.Equal((0.3 + 0.1 + 2.6 + 0.1 + 0.3) * Rate, joined.Length, 1.0);
    }

    [Fact]
    public void Silent_and_empty_pieces_leave_no_gap()
    {
        float[] expected = Join(512, Sound(0.3), Sound(0.3));
        Assert.Equal(expected, Join(512, Sound(0.3), [], Silence(1), Sound(0.3)));
        Assert.Empty(Join(512, []));
        Assert.Equal(Sound(0.3).Length + (int)(PieceJoiner.ShortestTail * Rate), Join(512, Sound(0.3), Silence(1)).Length);
    }

    [Theory]
    [InlineData(0.9, PieceJoiner.TrimmedTail)]
    [InlineData(0.105, PieceJoiner.TrimmedTail)]
    [InlineData(0.05, 0.05)]
    [InlineData(0, 0)]
    public void The_end_can_be_trimmed(double silence, double kept)
    {
        float[] piece = [.. Silence(0.3), .. Sound(0.5), .. Silence(0.4), .. Sound(0.2), .. Silence(silence)];
        foreach (int chunk in (int[])[1, 160, 5000])
        {
            float[] trimmed = Join(chunk, trim: true, piece);
            Assert.Equal(piece[..trimmed.Length], trimmed);
            Assert.InRange(trimmed.Length / (double)Rate, 1.4 + kept - 0.0001, 1.4 + kept + 0.01); // a block
        }
    }

    [Fact]
    public void Only_silence_is_held_back()
    {
        long written = 0;
        var joiner = new PieceJoiner(Rate, s => written += s.Length);
        float[] sound = [.. Silence(1), .. Sound(2)];
        for (int i = 0; i < sound.Length; i += 100)
        {
            joiner.Write(sound.AsSpan(i, 100));
            Assert.InRange(written, i + 100 - 320, i + 100); // a block held, a block not full
        }
    }

    private static float[][] Pieces()
    {
        var random = new Random(3);
        return [.. Enumerable.Range(0, 12).Select(_ => (float[])[.. Silence(random.NextDouble()), .. Sound(random.NextDouble()),
            .. Silence(random.NextDouble() * 0.3), .. Sound(random.NextDouble()), .. Silence(random.NextDouble())])];
    }

    private static float[] Join(int chunk, params float[][] pieces) => Join(chunk, trim: false, pieces);

    private static float[] Join(int chunk, bool trim, params float[][] pieces)
    {
        var output = new List<float>();
        var joiner = new PieceJoiner(Rate, s => output.AddRange(s));
        for (int p = 0; p < pieces.Length; p++)
        {
            for (int i = 0; i < pieces[p].Length; i += Math.Min(chunk, pieces[p].Length))
                joiner.Write(pieces[p].AsSpan(i, Math.Min(chunk, pieces[p].Length - i)));
            if (p + 1 < pieces.Length)
                joiner.EndPiece();
        }

        joiner.Finish(trim);
        return [.. output];
    }

    /// <summary>The noise of a codec in a pause.</summary>
    private static float[] Silence(double seconds)
    {
        var random = new Random(1);
        return [.. Enumerable.Range(0, (int)(seconds * Rate)).Select(_ => (float)((random.NextDouble() - 0.5) * 0.002))];
    }

    private static float[] Sound(double seconds) =>
        [.. Enumerable.Range(0, (int)(seconds * Rate)).Select(i => (float)(0.3 * Math.Sin(2 * Math.PI * 150 * i / Rate)))];
}
