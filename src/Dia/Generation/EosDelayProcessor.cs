using Dia.Configuration;

namespace Dia.Generation;

/// <summary>
/// The last processor, one per item: once channel 0's best id is EOS, or the item has as many rows as leave just room for the delay,
/// each channel is forced to EOS its delay's number of steps later. numerics.md, "Generation", point 3.
/// </summary>
internal sealed class EosDelayProcessor(GenerationConfig config, int rowLimit)
{
    private readonly int[] _delays = [.. config.DelayPattern];
    private readonly int _eos = config.EosTokenId;
    private readonly int _lastChance = rowLimit - config.MaxDelay - 1;
    private int _stepsSinceEnd = -1;

    /// <summary>Takes one step.</summary>
    /// <param name="scores">The scores [channels, vocabulary], changed in place.</param>
    /// <param name="rowCount">Rows the item has before this step, left padding included.</param>
    public void Apply(Span<float> scores, int rowCount)
    {
        int vocabularySize = scores.Length / _delays.Length;

        // Equals, not "at least", as in the reference: a prompt that is already longer is never forced to end.
        if (_stepsSinceEnd < 0 && (rowCount == _lastChance || TokenSampler.Best(scores[..vocabularySize]) == _eos))
            _stepsSinceEnd = 0;
        if (_stepsSinceEnd < 0)
            return;
        for (int channel = 0; channel < _delays.Length; channel++)
        {
            if (_delays[channel] != _stepsSinceEnd)
                continue;
            Span<float> forced = scores.Slice(channel * vocabularySize, vocabularySize);
            forced.Fill(float.NegativeInfinity);
            forced[_eos] = 0;
        }

        _stepsSinceEnd++;
    }
}
