namespace Dia.Generation;

/// <summary>One item: its rows so far, and which of its channels have ended.</summary>
internal sealed class GenerationSequence
{
    private readonly GenerationConfig _config;
    private readonly DecoderPrompt _prompt;
    private readonly int _item;
    private readonly int _channels;
    private readonly int[] _rows;
    private readonly bool[] _ended;
    private readonly int _rowLimit;
    private int _channelsLeft;

    /// <summary>Starts an item with its prompt rows.</summary>
    /// <param name="prompt">The rows of the batch.</param>
    /// <param name="item">The item's index in it.</param>
    /// <param name="config">The validated configuration.</param>
    /// <param name="rowLimit">Rows at which the item ends, left padding included.</param>
    public GenerationSequence(DecoderPrompt prompt, int item, GenerationConfig config, int rowLimit)
    {
        (_config, _prompt, _item, _rowLimit) = (config, prompt, item, rowLimit);
        _channels = _channelsLeft = config.Channels;
        _rows = new int[checked(rowLimit * _channels)];
        _ended = new bool[_channels];
        EosDelay = new EosDelayPattern(config, rowLimit);
        for (int row = 0; row < prompt.Rows; row++)
            for (int channel = 0; channel < _channels; channel++)
                _rows[(row * _channels) + channel] = prompt.Id(item, row, channel);
        RowCount = prompt.Rows;
    }

    /// <summary>The item's own last logits processor.</summary>
    public EosDelayPattern EosDelay { get; }

    /// <summary>Rows so far, left padding and prompt included.</summary>
    public int RowCount { get; private set; }

    /// <summary>Generated rows so far.</summary>
    public int Generated => RowCount - _prompt.Rows;

    /// <summary>Whether every channel gave EOS, or the row limit is reached.</summary>
    public bool Finished => _channelsLeft == 0 || RowCount >= _rowLimit;

    /// <summary>The prompt rows that the model sees [rows, channels]: without left padding.</summary>
    public ReadOnlySpan<int> PromptRows => _rows.AsSpan(.. (_prompt.Rows * _channels))[(_prompt.LeftPadding(_item) * _channels)..];

    /// <summary>All rows so far [RowCount, channels], still delayed.</summary>
    public ReadOnlySpan<int> Rows => _rows.AsSpan(0, RowCount * _channels);

    /// <summary>The row that the model sees next [channels].</summary>
    public ReadOnlySpan<int> LastRow => _rows.AsSpan((RowCount - 1) * _channels, _channels);

    /// <summary>Whether a channel gave EOS: it gives PAD from then on.</summary>
    public bool Ended(int channel) => _ended[channel];

    /// <summary>
    /// Adds a row. What was picked decides whether a channel ends, then the prompt's known cells overwrite it: in this order, as in
    /// the reference, so an EOS under a forced cell ends its channel all the same.
    /// </summary>
    /// <param name="picked">The ids picked for the row [channels]; ignored where the channel has ended.</param>
    public void Append(ReadOnlySpan<int> picked)
    {
        Span<int> row = _rows.AsSpan(RowCount * _channels, _channels);
        for (int channel = 0; channel < _channels; channel++)
        {
            int id = _ended[channel] ? _config.PadTokenId : picked[channel];
            if (!_ended[channel] && id == _config.EosTokenId)
            {
                _ended[channel] = true;
                _channelsLeft--;
            }

            row[channel] = Forced(RowCount, channel, id);
        }

        RowCount++;
    }

    /// <summary>Copies the rows into the result [batch, rows, channels] and fills what is beyond them with PAD.</summary>
    public void CopyTo(int[,,] result)
    {
        for (int row = 0; row < result.GetLength(1); row++)
            for (int channel = 0; channel < _channels; channel++)
                result[_item, row, channel] = row < RowCount ? _rows[(row * _channels) + channel] : Forced(row, channel, _config.PadTokenId);
    }

    private int Forced(int row, int channel, int id)
    {
        int known = row < _prompt.InputRows ? _prompt.Id(_item, row, channel) : _config.PadTokenId;
        return known == _config.PadTokenId ? id : known;
    }
}
