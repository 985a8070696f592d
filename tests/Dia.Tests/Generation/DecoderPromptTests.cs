using Dia.Configuration;
using Dia.Generation;
using Xunit;

namespace Dia.Tests.Generation;

public sealed class DecoderPromptTests
{
    private static readonly GenerationConfig Config = new() { EosTokenId = 4, PadTokenId = 5, BosTokenId = 6, DelayPattern = [0, 1] };

    [Fact]
    public void Valid_rows_are_all_less_the_most_pads_in_channel0()
    {
        DecoderPrompt prompt = new(new int[,,] { { { 6, 6 }, { 6, 6 }, { 1, 6 }, { 5, 2 } }, { { 6, 6 }, { 1, 6 }, { 2, 1 }, { 3, 2 } } },
            new int[,] { { 0, 1, 1, 1 }, { 1, 1, 1, 1 } }, 2, Config, 8);
        Assert.Equal((3, 4, 1, 0), (prompt.Rows, prompt.InputRows, prompt.LeftPadding(0), prompt.LeftPadding(1)));
    }

    [Fact]
    public void Other_shapes_are_refused()
    {
        Refused("shape [1, 1, 3]", new int[1, 1, 3], null);
        Refused("shape [1, 0, 2]", new int[1, 0, 2], null);
        Refused("shape [2, 1, 2]", new int[2, 1, 2], null);
        Refused("mask has the shape [1, 2]", new int[1, 1, 2], new int[1, 2]);
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(8)]
    public void An_id_outside_the_vocabulary_is_refused_by_its_place(int id) =>
        Refused($"id {id} at item 0, row 1, channel 1", new[,,] { { { 6, 6 }, { 1, id } } }, null);

    [Fact]
    public void Masks_that_are_not_left_padding_are_refused()
    {
        int[,,] ids = { { { 6, 6 }, { 1, 6 }, { 5, 1 } } };
        Refused("0 in all of its 2 prompt rows", ids, new[,] { { 0, 0, 1 } });
        Refused("is 0 at row 1", ids, new[,] { { 1, 0, 1 } });
        Refused("is 7 at row 0", ids, new[,] { { 7, 1, 1 } });
    }

    [Fact]
    public void A_channel0_of_pads_is_refused() => Refused("no row to start from", new[,,] { { { 5, 6 } } }, null);

    private static void Refused(string message, int[,,] ids, int[,]? mask)
    {
        DiaException error = Assert.Throws<DiaException>(() => new DecoderPrompt(ids, mask, 1, Config, 8));
        Assert.Equal(DiaErrorKind.Input, error.Kind);
        Assert.Contains(message, error.Message);
    }
}
