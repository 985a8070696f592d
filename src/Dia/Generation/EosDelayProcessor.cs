using Dia.Configuration;

namespace Dia.Generation;

/// <summary>
/// The last processor, one per item: once channel 0's best id is EOS, or the item has as many rows as leave just room for the delay,
/// each channel is forced to EOS its delay's number of steps later. numerics.md, "Generation", point 3. In the first generation once channel 0's id,
/// chosen or drawn, is EOS.
/// </summary>
internal sealed class EosDelayProcessor(GenerationConfig config, int rowLimit)
{
    private readonly int[] _delays = [.. config.DelayPattern];
    private readonly int _eos = config.EosTokenId;
    private readonly int _lastChance = rowLimit - config.MaxDelay - 1;
    private readonly bool _isFirstGeneration = config.IsFirstGeneration;
    private int _stepsSinceEnd = -1;

    /// <summary>Takes one step.</summary>
    /// <param name="scores">The scores [channels, vocabulary], changed in place.</param>
    /// <param name="rowCount">Rows the item has before this step, left padding included.</param>
    /// <param name="first">The id that channel 0 gets of these scores; null: their best.</param>
    public void Apply(Span<float> scores, int rowCount, int? first = null)
    {
        int vocabularySize = scores.Length / _delays.Length;

        // Equals, not "at least", as in the reference: a prompt that is already longer is never forced to end. But in the first generation.
        bool isLast = _isFirstGeneration ? rowCount >= _lastChance : rowCount == _lastChance;
        if (_stepsSinceEnd < 0 && (isLast || (first ?? TokenSampler.Best(scores[..vocabularySize])) == _eos))
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
