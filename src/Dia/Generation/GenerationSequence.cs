using Dia.Backends;
using Dia.Configuration;

namespace Dia.Generation;

/// <summary>Why an item ended.</summary>
public enum GenerationStop
{
    /// <summary>The model gave EOS.</summary>
    Eos,

    /// <summary>It had as many rows as it may, or was forced to end in time for that.</summary>
    Length,

    /// <summary>max_time was over.</summary>
    Time,

    /// <summary>A stopping criterion said so.</summary>
    Criterion,
}

/// <summary>One item: its rows so far, and which of its channels have ended.</summary>
internal sealed class GenerationSequence
{
    private readonly int _channels;
    private readonly int[] _rows;
    private readonly bool[] _ended;
    private readonly ChannelIds? _ids;
    private readonly long _started = Stopwatch.GetTimestamp();
    private int _channelsLeft;
    private GenerationStop? _stop;

    /// <summary>Starts an item with its prompt rows.</summary>
    /// <param name="prompt">The rows of the batch.</param>
    /// <param name="item">The item's index in it.</param>
    /// <param name="config">The validated configuration.</param>
    /// <param name="vocabularySize">Number of ids per channel.</param>
    /// <param name="rowLimit">Rows at which the item ends, left padding included.</param>
    /// <param name="drawItem">The item that it draws as (numerics.md, "The draw").</param>
    /// <param name="processors">The caller's own.</param>
    public GenerationSequence(DecoderPrompt prompt, int item, GenerationConfig config, int vocabularySize, int rowLimit, int drawItem = 0,
        IReadOnlyList<ILogitsProcessor>? processors = null)
    {
        (Config, Prompt, Item, RowLimit, DrawItem) = (config, prompt, item, rowLimit, drawItem);
        Processors = new LogitsProcessors(config, vocabularySize, prompt.Rows, rowLimit, processors);
        _channels = _channelsLeft = config.Channels;
        _rows = new int[checked(rowLimit * _channels)];
        _ended = new bool[_channels];
        EosDelay = new EosDelayProcessor(config, rowLimit);
        for (int row = 0; row < prompt.Rows; row++)
            for (int channel = 0; channel < _channels; channel++)
                _rows[row * _channels + channel] = prompt.Id(item, row, channel);
        RowCount = prompt.Rows;
        _ids = Processors.NeedIds ? new ChannelIds(_channels, rowLimit) : null;
        for (int row = 0; row < RowCount; row++)
            _ids?.Add(_rows.AsSpan(row * _channels, _channels));
    }

    /// <summary>The rows of its batch that it starts from.</summary>
    public DecoderPrompt Prompt { get; }

    /// <summary>How its rows are generated.</summary>
    public GenerationConfig Config { get; }

    /// <summary>The item's index in its batch.</summary>
    public int Item { get; }

    /// <summary>The item that it draws as.</summary>
    public int DrawItem { get; }

    /// <summary>What turns its logits into scores, but for <see cref="EosDelay"/>.</summary>
    public LogitsProcessors Processors { get; }

    /// <summary>Its channels' ids so far, where a processor looks at them.</summary>
    public ChannelIds? Ids => _ids;

    /// <summary>Why it cannot go on, or null.</summary>
    public DiaException? Failure { get; private set; }

    /// <summary>The item's own last logits processor.</summary>
    public EosDelayProcessor EosDelay { get; }

    /// <summary>Rows at which it ends, left padding and prompt included.</summary>
    public int RowLimit { get; }

    /// <summary>Rows so far, left padding and prompt included.</summary>
    public int RowCount { get; private set; }

    /// <summary>Generated rows so far.</summary>
    public int Generated => RowCount - Prompt.Rows;

    /// <summary>Whether every channel gave EOS, the row limit is reached, or it cannot go on.</summary>
    public bool Finished => _channelsLeft == 0 || RowCount >= RowLimit || Failure is not null;

    /// <summary>Whether it ended before its channels did.</summary>
    public bool Stopped => _stop is not null;

    /// <summary>Why it ended: EOS in channel 0 before the row where it is forced, or what else.</summary>
    public GenerationStop Stop
    {
        get
        {
            int forced = RowLimit - Config.MaxDelay - 1;
            for (int row = Prompt.Rows; row < Math.Min(RowCount, forced) && _stop is null; row++)
                if (_rows[row * _channels] == Config.EosTokenId)
                    return GenerationStop.Eos;
            return _stop ?? GenerationStop.Length;
        }
    }

    /// <summary>The prompt rows that the model sees [rows, channels]: without left padding.</summary>
    public ReadOnlySpan<int> PromptRows => _rows.AsSpan(.. (Prompt.Rows * _channels))[(Prompt.LeftPadding(Item) * _channels)..];

    /// <summary>All rows so far [RowCount, channels], still delayed.</summary>
    public ReadOnlySpan<int> Rows => _rows.AsSpan(0, RowCount * _channels);

    /// <summary>The row that the model sees next [channels].</summary>
    public ReadOnlySpan<int> LastRow => _rows.AsSpan((RowCount - 1) * _channels, _channels);

    /// <summary>Whether a channel gave EOS: it gives PAD from then on.</summary>
    public bool Ended(int channel) => _ended[channel];

    /// <summary>What a device's sampler is told of it.</summary>
    public SampledSequence Sampled()
    {
        int[] cells = new int[Prompt.InputRows * _channels];
        for (int i = 0; i < cells.Length; i++)
            cells[i] = Prompt.Id(Item, i / _channels, i % _channels);
        return new SampledSequence(Config, cells, RowCount, RowLimit, DrawItem);
    }

    /// <summary>Ends it with a row that it has: those behind that go, and every channel gives PAD from then on.</summary>
    public void End(GenerationStop why, int rows)
    {
        (_stop, RowCount, _channelsLeft) = (why, rows, 0);
        _ended.AsSpan().Fill(true);
    }

    /// <summary>Ends it without a further row.</summary>
    public void Fail(DiaException failure) => Failure = failure;

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
            int id = _ended[channel] ? Config.PadTokenId : picked[channel];
            if (!_ended[channel] && id == Config.EosTokenId)
            {
                _ended[channel] = true;
                _channelsLeft--;
            }

            row[channel] = Forced(RowCount, channel, id);
        }

        _ids?.Add(row);
        Added();
    }

    /// <summary>Adds a row that a device has already completed, as <see cref="Append"/> would have.</summary>
    /// <param name="row">The row [channels].</param>
    /// <param name="last">Whether every channel has ended with it.</param>
    public void AppendCompleted(ReadOnlySpan<int> row, bool last)
    {
        row.CopyTo(_rows.AsSpan(RowCount * _channels, _channels));
        if (last)
            _channelsLeft = 0;
        Added();
    }

    /// <summary>Copies the rows into the result [batch, rows, channels] and fills what is beyond them with PAD.</summary>
    public void CopyTo(int[,,] result)
    {
        for (int row = 0; row < result.GetLength(1); row++)
            for (int channel = 0; channel < _channels; channel++)
                result[Item, row, channel] = row < RowCount ? _rows[row * _channels + channel] : Forced(row, channel, Config.PadTokenId);
    }

    /// <summary>The step that passes the time is the last.</summary>
    private void Added()
    {
        RowCount++;
        if (Config.MaxTime is double seconds && !Finished && Stopwatch.GetElapsedTime(_started).TotalSeconds > seconds)
            End(GenerationStop.Time, RowCount);
    }

    private int Forced(int row, int channel, int id)
    {
        // The last cell of a voice in the channel with the longest delay is the model's to choose in the first generation.
        int rows = Config.IsFirstGeneration ? Prompt.InputRows - 1 : Prompt.InputRows;
        int known = row < rows ? Prompt.Id(Item, row, channel) : Config.PadTokenId;
        return known == Config.PadTokenId ? id : known;
    }
}
