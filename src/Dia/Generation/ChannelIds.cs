namespace Dia.Generation;

/// <summary>The ids of an item, channel by channel: what processors are given.</summary>
/// <param name="channels">Number of channels.</param>
/// <param name="capacity">Most rows.</param>
internal sealed class ChannelIds(int channels, int capacity)
{
    private readonly int[] _ids = new int[checked(channels * capacity)];
    private int _rows;

    /// <summary>Adds a row [channels].</summary>
    public void Add(ReadOnlySpan<int> row)
    {
        for (int channel = 0; channel < channels; channel++)
            _ids[channel * capacity + _rows] = row[channel];
        _rows++;
    }

    /// <summary>A channel's ids so far.</summary>
    public ReadOnlySpan<int> Of(int channel) => _ids.AsSpan(channel * capacity, _rows);
}
