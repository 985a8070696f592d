namespace Dia.Generation;

/// <summary>The first generation's scores (numerics.md, "The first generation").</summary>
internal sealed partial class LogitsProcessors
{
    // What its authors found to end speech in time.
    private const float EosFactor = 0.8f;

    /// <summary>
    /// x = c + g·(c − u); no id above EOS, in channels from 1 on no EOS, and channel 0's times 0.8. Where ids are drawn: divided by the temperature, EOS
    /// only where it is the best, then the k best of x itself and the likeliest of those.
    /// </summary>
    private void ProcessFirstGeneration(ReadOnlySpan<float> conditional, ReadOnlySpan<float> unconditional, Span<float> scores, ChannelIds? ids, int item)
    {
        for (int i = 0; i < scores.Length; i++)
            scores[i] = _config.UsesGuidance ? conditional[i] + _guidanceScale * (conditional[i] - unconditional[i]) : conditional[i];
        Apply(_controls, scores, ids, item);
        int eos = _config.EosTokenId;
        for (int start = 0; start < scores.Length; start += _vocabularySize)
        {
            Span<float> channel = scores.Slice(start, _vocabularySize);
            channel[(start == 0 ? eos + 1 : eos)..].Fill(float.NegativeInfinity);
            if (start == 0)
                channel[eos] *= EosFactor;
        }

        if (!_config.DoSample)
            return;
        DivideByTemperature(scores);
        if (TokenSampler.Best(scores[.._vocabularySize]) != eos)
            scores[eos] = float.NegativeInfinity;
        Sample(scores, ids, item);
    }
}
