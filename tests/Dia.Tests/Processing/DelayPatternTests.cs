using Dia.Processing;
using Xunit;

namespace Dia.Tests.Processing;

public sealed class DelayPatternTests
{
    [Fact]
    public void Rows_past_the_last_are_the_last() =>
        Assert.Equal(new[,] { { 3, 6 }, { 5, 6 } }, DelayPattern.Undo(new[,] { { 1, 2 }, { 3, 4 }, { 5, 6 } }, [0, 2], 1, 3));

    [Fact]
    public void Refuses_another_number_of_channels() =>
        Assert.Equal(DiaErrorKind.Input, Assert.Throws<DiaException>(() => DelayPattern.Undo(new int[2, 3], [0, 1], 0, 1)).Kind);
}
