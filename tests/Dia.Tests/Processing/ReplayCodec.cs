using Dia.Codec;

namespace Dia.Tests.Processing;

/// <summary>A codec that knows a few pieces of audio and their codes, and fails on anything else.</summary>
internal sealed class ReplayCodec : IAudioCodec
{
    private readonly List<(float[] Samples, int[,] Codes)> _encodings = [], _decodings = [];

    public int SamplingRate => 16000;

    public int HopLength => 32;

    public int Codebooks { get; init; } = 9;

    public void AddEncoding(float[] samples, int[,] codes) => _encodings.Add((samples, codes));

    public void AddDecoding(int[,] codes, float[] samples) => _decodings.Add((samples, codes));

    public int[,] Encode(ReadOnlySpan<float> samples)
    {
        foreach ((float[] known, int[,] codes) in _encodings)
        {
            if (samples.SequenceEqual(known))
                return codes;
        }
        throw new InvalidOperationException($"unknown audio of {samples.Length} samples");
    }

    public float[] Decode(int[,] codes)
    {
        foreach ((float[] samples, int[,] known) in _decodings)
        {
            if (known.GetLength(0) == codes.GetLength(0) && known.Cast<int>().SequenceEqual(codes.Cast<int>()))
                return samples;
        }
        throw new InvalidOperationException($"unknown codes of {codes.GetLength(0)} frames");
    }
}
