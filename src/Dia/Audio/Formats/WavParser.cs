namespace Dia.Audio.Formats;

/// <summary>Makes samples of one WAV: finds format and samples among its chunks.</summary>
/// <param name="source">Its bytes.</param>
/// <param name="warnings">Takes what is strange and passes.</param>
internal sealed class WavParser(AudioSource source, ICollection<string>? warnings)
{
    private const int FirstBuffer = 1 << 16;

    /// <summary>Reads up to the point where both format and samples are known.</summary>
    /// <exception cref="DiaException">Input: not a WAV that is read here.</exception>
    public AudioBuffer Parse()
    {
        var chunks = WavChunks.Open(source);
        WavFormat? format = null;
        ReadOnlyMemory<byte>? data = null;
        long dataOffset = 0;
        while (format is null || data is null)
        {
            long end = source.Offset;
            if (chunks.Next() is not { } chunk)
                throw source.Error(end, $"the file ends without a '{(format is null ? "fmt " : "data")}' chunk: it is truncated or damaged.");
            if (chunk.Kind == WavChunkKind.Format ? format is not null : data is not null)
                throw source.Error(chunk.Start, "a second chunk of the same kind; only files with one 'fmt ' and one 'data' chunk are read.");
            if (chunk.Kind == WavChunkKind.Format)
                format = ReadFormat(chunk);
            else
                (dataOffset, data) = (source.Offset, ReadData(chunk, chunks, isLast: format is not null));
        }

        return Decode(format.Value, data.Value.Span, dataOffset);
    }

    private WavFormat ReadFormat(WavChunk chunk)
    {
        long size = chunk.Size ?? long.MaxValue;
        if (size < 16)
            throw source.Error(chunk.Start, $"the 'fmt ' chunk has {size} bytes; it must have at least 16.");
        int wanted = (int)Math.Min(size, 40);
        ReadOnlySpan<byte> bytes = source.Take(wanted);
        if (bytes.Length < wanted)
            throw source.Error(chunk.Start, "the file ends inside the 'fmt ' chunk: it is truncated.");
        if (WavFormat.TryParse(bytes, out WavFormat format) is string wrong)
        {
            throw source.Error(
                chunk.Start,
                $"{wrong}. Read are PCM of 8 to 32 bits and float of 32 and 64; convert it, for example with: ffmpeg -i IN -c:a pcm_s16le OUT.wav");
        }

        source.Skip(size, size - wanted);
        return format;
    }

    /// <summary>
    /// The bytes of the samples. A program that was cut off leaves a size of 0, or one that the file never reached: then they go on to the
    /// end. Where the format comes later a size has to be believed.
    /// </summary>
    private ReadOnlyMemory<byte> ReadData(WavChunk chunk, WavChunks chunks, bool isLast)
    {
        long start = source.Offset;
        bool unsized = chunk.Size == 0 && isLast;
        long most = unsized ? long.MaxValue : chunk.Size ?? long.MaxValue;
        long? rest = source.Rest;
        if (rest is long left)
        {
            most = Math.Min(most, left);
            if (most > AudioReader.MaxDataBytes)
                throw TooLong(start);
        }

        // A pipe's claim is believed only as the bytes arrive.
        byte[] buffer = new byte[rest is null ? Math.Min(most, FirstBuffer) : most];
        int count = source.Fill(buffer);
        while (count == buffer.Length && count < most)
        {
            if (count >= AudioReader.MaxDataBytes)
                throw TooLong(start);
            Array.Resize(ref buffer, (int)Math.Min(most, 2L * count));
            count += source.Fill(buffer.AsSpan(count));
        }

        if (unsized && chunks.AreChunks(buffer.AsSpan(0, count)))
            return ReadOnlyMemory<byte>.Empty;
        if (unsized || chunk.Size > count)
            warnings?.Add(
                $"{source.Name}: the 'data' chunk says {chunk.Size} bytes but {count} follow: its recorder was cut off, or the file is. Everything up to the end is read.");
        return buffer.AsMemory(0, count);
    }

    private AudioBuffer Decode(WavFormat format, ReadOnlySpan<byte> data, long dataOffset)
    {
        // A rest of a frame at the end (an interrupted recording) is dropped.
        var samples = new float[data.Length / format.BlockAlign * format.Channels];
        format.Decode(data, samples);
        for (int i = 0; format.IsFloat && i < samples.Length; i++)
            if (!float.IsFinite(samples[i]))
                throw source.Error(dataOffset + (long)i * format.BytesPerSample, "a sample that is not a finite number: the file is damaged.");

        return new AudioBuffer(samples, format.SamplingRate, format.Channels);
    }

    private DiaException TooLong(long offset) =>
        source.Error(offset, $"more than {AudioReader.MaxDataBytes >> 20} MiB of samples; cut the audio.");
}
