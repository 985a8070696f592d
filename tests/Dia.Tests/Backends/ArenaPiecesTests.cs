using Dia.Backends;
using Dia.Backends.Cpu;
using Xunit;

namespace Dia.Tests.Backends;

/// <summary>Places in one block of memory.</summary>
public sealed class ArenaPiecesTests
{
    [Fact]
    public void Pieces_are_aligned_and_the_last_fits_exactly()
    {
        var pieces = new ArenaPieces(1024);
        Assert.Equal(0, pieces.Take(1));
        Assert.Equal(256, pieces.Take(257));
        Assert.Equal(-1, pieces.Take(257));
        Assert.Equal(768, pieces.Take(0));
        Assert.Equal(-1, pieces.Take(0));
        Assert.Equal(1024, pieces.Used);
    }

    [Fact]
    public void The_lowest_gap_that_is_large_enough_is_taken()
    {
        var pieces = new ArenaPieces(2048);
        long[] at = [.. Enumerable.Range(0, 8).Select(_ => pieces.Take(256))];
        pieces.Return(at[1]);
        pieces.Return(at[4]);
        pieces.Return(at[5]);
        Assert.Equal(at[4], pieces.Take(512));
        Assert.Equal(at[1], pieces.Take(200));
        Assert.Equal(-1, pieces.Take(1));
        Assert.Throws<ArgumentException>(() => pieces.Return(at[5]));
        Assert.Equal((2048, 2048), (pieces.Used, pieces.MostUsed));
    }

    [Fact]
    public void Whatever_comes_and_goes_no_two_overlap()
    {
        const int Size = 1 << 16;
        var random = new Random(5);
        var pieces = new ArenaPieces(Size);
        List<(long Start, long Bytes)> live = [];
        for (int i = 0; i < 3000; i++)
        {
            if (live.Count > 0 && random.Next(5) < 2)
            {
                int at = random.Next(live.Count);
                pieces.Return(live[at].Start);
                live.RemoveAt(at);
                continue;
            }

            long bytes = random.Next(4000), start = pieces.Take(bytes);
            if (start < 0)
                continue;
            Assert.Equal(0, start % 256);
            Assert.True(start + bytes <= Size);
            Assert.DoesNotContain(live, other => start < other.Start + ArenaPieces.Size(other.Bytes) && other.Start < start + ArenaPieces.Size(bytes));
            live.Add((start, bytes));
        }

        Assert.Equal(live.Sum(l => ArenaPieces.Size(l.Bytes)), pieces.Used);
        live.ForEach(l => pieces.Return(l.Start));
        Assert.Equal(0, pieces.Take(Size));
    }
}
