namespace Dia.Audio.Formats;

/// <summary>All bytes of a compressed recording, and who hears of what is strange about it.</summary>
/// <param name="bytes">The bytes.</param>
/// <param name="name">What messages call it.</param>
/// <param name="warnings">Takes what is strange and passes.</param>
internal sealed class CompressedAudio(byte[] bytes, string name, ICollection<string>? warnings)
{
    /// <summary>The bytes.</summary>
    public byte[] Bytes => bytes;

    /// <summary>What is strange and passes.</summary>
    public void Warn(string message) => warnings?.Add($"{name}: {message}");

    /// <summary>An error at an offset.</summary>
    public DiaException Error(long offset, string message, Exception? inner = null) =>
        new(DiaErrorKind.Input, $"{name}, offset {offset}: {message}", inner);

    /// <summary>A sampling rate that is not handled, or channels.</summary>
    /// <exception cref="DiaException">Input.</exception>
    public void CheckForm(long offset, long samplingRate, int channels)
    {
        if (samplingRate is < AudioBuffer.MinSamplingRate or > AudioBuffer.MaxSamplingRate)
            throw Error(offset, $"a sampling rate of {samplingRate} Hz ({AudioBuffer.MinSamplingRate} to {AudioBuffer.MaxSamplingRate} Hz are read).");
        if (channels is < 1 or > MaxChannels)
            throw Error(offset, $"{channels} channels (1 to {MaxChannels} are read).");
    }

    /// <summary>Most channels: those whose order the formats define.</summary>
    public const int MaxChannels = 8;
}

/// <summary>Samples as they are decoded: grows with them, up to the limit.</summary>
/// <param name="audio">What is decoded.</param>
internal sealed class DecodedSamples(CompressedAudio audio)
{
    private float[] _samples = [];

    /// <summary>How many there are.</summary>
    public int Count { get; private set; }

    /// <summary>Refuses more than are read: before they are decoded, where a file says how many it has.</summary>
    /// <exception cref="DiaException">Input.</exception>
    public void Check(long more)
    {
        if (more > AudioReader.MaxSamples - Count)
            throw audio.Error(0, $"more than {AudioReader.MaxSamples} samples; cut the audio.");
    }

    /// <summary>Room for more, which count at once.</summary>
    /// <exception cref="DiaException">Input: there are more than are read.</exception>
    public Span<float> Add(int count)
    {
        Check(count);
        if (count > _samples.Length - Count)
            Array.Resize(ref _samples, (int)Math.Min(AudioReader.MaxSamples, Math.Max(Count + count, 2L * _samples.Length)));
        Count += count;
        return _samples.AsSpan(Count - count, count);
    }

    /// <summary>Adds samples of a lossy format, clipped to full scale as players do.</summary>
    public void AddClipped(ReadOnlySpan<float> samples)
    {
        Span<float> room = Add(samples.Length);
        for (int i = 0; i < room.Length; i++)
            room[i] = Math.Clamp(samples[i], -1, 1);
    }

    /// <summary>Drops samples at the end.</summary>
    public void Drop(int count) => Count -= count;

    /// <summary>All of them from one on.</summary>
    public float[] From(int start) => start == 0 && Count == _samples.Length ? _samples : _samples[Math.Min(start, Count)..Count];
}
