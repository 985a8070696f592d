using Dia.Processing;
using Xunit;

namespace Dia.Tests.Processing;

public sealed class DelayPatternTests
{
    private const int Pad = 65, Bos = 66;

    [Fact]
    public void DelaysByDefinition()
    {
        int[,] delayed = DelayPattern.BuildDelayed(new[,] { { 1, 2, 3 }, { 4, 5, 6 } }, [0, 2, 1], Bos, Pad);
        Assert.Equal(new[,] { { 1, Bos, Bos }, { 4, Bos, 3 }, { Pad, 2, 6 }, { Pad, 5, Pad } }, delayed);
    }

    [Fact]
    public void RowsPastTheLastAreTheLast() =>
        Assert.Equal(new[,] { { 3, 6 }, { 5, 6 } }, DelayPattern.Undo(new[,] { { 1, 2 }, { 3, 4 }, { 5, 6 } }, [0, 2], 1, 3));

    [Fact]
    public void RefusesAnotherNumberOfChannels() =>
        Assert.Equal(DiaErrorKind.Input, Assert.Throws<DiaException>(() => DelayPattern.BuildDelayed(new int[2, 3], [0, 1], Bos, Pad)).Kind);
}
