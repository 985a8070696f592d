using Dia.Configuration;
using Dia.Modeling;

namespace Dia.Generation;

/// <summary>
/// The rows a generation starts from, as the processor makes them: ids [batch, rows, channels] (BOS, a voice prompt's codes, both
/// delayed, PAD where nothing is known yet) and their mask, checked. numerics.md, "Generation", point 2.
/// </summary>
internal sealed class DecoderPrompt
{
    private readonly int[,,] _ids;
    private readonly int[] _leftPadding;

    /// <summary>Checks the rows and takes a copy of them.</summary>
    /// <param name="ids">Ids [batch, rows, channels]; null: one BOS row, and no cell is forced (so no delay).</param>
    /// <param name="mask">Mask [batch, rows]: 0 for left padding, then 1; null: no padding.</param>
    /// <param name="batch">Number of items.</param>
    /// <param name="config">Token ids and number of channels, validated.</param>
    /// <param name="vocabularySize">Number of ids per channel.</param>
    /// <exception cref="DiaException">Shapes that do not fit, ids outside the vocabulary, a mask that is not left padding.</exception>
    public DecoderPrompt(int[,,]? ids, int[,]? mask, int batch, GenerationConfig config, int vocabularySize)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(batch, 1);
        _ids = (int[,,]?)ids?.Clone() ?? ForwardInputs.BosRows(batch, config.Channels, config.BosTokenId);
        mask = ids is null ? null : (int[,]?)mask?.Clone();
        int rows = _ids.GetLength(1);
        if (_ids.GetLength(0) != batch || rows == 0 || _ids.GetLength(2) != config.Channels)
            throw Input(
                $"Decoder input ids have the shape [{_ids.GetLength(0)}, {rows}, {_ids.GetLength(2)}]; expected [{batch}, rows, {config.Channels}] with at least one row.");
        if (mask is not null && (mask.GetLength(0) != batch || mask.GetLength(1) != rows))
            throw Input(
                $"The decoder attention mask has the shape [{mask.GetLength(0)}, {mask.GetLength(1)}]; expected [{batch}, {rows}], as the decoder input ids.");

        CheckIds(vocabularySize);
        Rows = rows - MostPads(config.PadTokenId);
        if (Rows == 0)
            throw Input($"Channel 0 of an item's decoder input ids is {config.PadTokenId} (PAD) in every row: there is no row to start from.");
        _leftPadding = new int[batch];
        for (int item = 0; item < batch && mask is not null; item++)
            _leftPadding[item] = CountLeftPadding(mask, item);
    }

    /// <summary>Number of items.</summary>
    public int Batch => _ids.GetLength(0);

    /// <summary>Rows that generation starts from, left padding included: the same for all items of a batch.</summary>
    public int Rows { get; }

    /// <summary>Rows with cells that may be forced: the prompt's and those its delay reaches into.</summary>
    public int InputRows => _ids.GetLength(1);

    /// <summary>Rows at the start of an item that the model must not see.</summary>
    public int LeftPadding(int item) => _leftPadding[item];

    /// <summary>The id of a cell, row below <see cref="InputRows"/>; PAD says that it is not known.</summary>
    public int Id(int item, int row, int channel) => _ids[item, row, channel];

    private void CheckIds(int vocabularySize)
    {
        for (int item = 0; item < Batch; item++)
            for (int row = 0; row < InputRows; row++)
                for (int channel = 0; channel < _ids.GetLength(2); channel++)
                    if ((uint)_ids[item, row, channel] >= (uint)vocabularySize)
                        throw Input(
                            $"Decoder input id {_ids[item, row, channel]} at item {item}, row {row}, channel {channel} is outside the vocabulary of {vocabularySize}.");
    }

    private int MostPads(int pad) =>
        Enumerable.Range(0, Batch).Max(item => Enumerable.Range(0, InputRows).Count(row => _ids[item, row, 0] == pad));

    private int CountLeftPadding(int[,] mask, int item)
    {
        int padding = 0;
        while (padding < Rows && mask[item, padding] == 0)
            padding++;
        if (padding == Rows)
            throw Input($"The decoder attention mask of item {item} is 0 in all of its {Rows} prompt rows; at least one row must be 1.");
        for (int row = padding; row < Rows; row++)
            if (mask[item, row] != 1)
                throw Input(
                    $"The decoder attention mask of item {item} is {mask[item, row]} at row {row}: only left padding is understood, zeros followed by ones.");
        return padding;
    }

    private static DiaException Input(FormattableString message) => new(DiaErrorKind.Input, message.ToString(CultureInfo.InvariantCulture));
}
