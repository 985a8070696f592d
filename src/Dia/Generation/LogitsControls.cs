using Dia.Configuration;

namespace Dia.Generation;

/// <summary>The controls that a configuration sets, as the reference's processors of these names, in its order.</summary>
internal static class LogitsControls
{
    /// <summary>Whether there is one: then ids are picked on the host, since no device's sampler has them.</summary>
    public static bool AreSet(GenerationConfig config) => Before(config, 1, int.MaxValue).Length + Sampling(config).Length > 0;

    /// <summary>Those between guidance and temperature.</summary>
    /// <param name="config">The configuration, validated.</param>
    /// <param name="promptRows">Rows of the prompt, left padding included.</param>
    /// <param name="rowLimit">Rows at which the item ends.</param>
    public static ILogitsProcessor[] Before(GenerationConfig config, int promptRows, int rowLimit)
    {
        int eos = config.EosTokenId, shortest = config.MinNewTokens is int rows ? promptRows + rows : config.MinLength;
        List<ILogitsProcessor> list = [];
        if (config.SequenceBias.Length > 0)
            list.Add(new SequenceBiasProcessor(config.SequenceBias));
        if (config.RepetitionPenalty != 1)
            list.Add(new RepetitionPenaltyProcessor((float)config.RepetitionPenalty));
        if (config.NoRepeatNgramSize > 0)
            list.Add(new NoRepeatNgramProcessor(config.NoRepeatNgramSize));
        BiasedSequence[] badWords =
            [.. config.BadWordsIds.Where(ids => ids is not [var only] || only != eos).Select(ids => new BiasedSequence(ids, double.NegativeInfinity))];
        if (badWords.Length > 0)
            list.Add(new SequenceBiasProcessor(badWords));
        if (shortest > 0)
            list.Add(new SuppressProcessor([eos], rows => rows < shortest));
        if (config.ForcedBosTokenId is int bos)
            list.Add(new ForceProcessor([bos], 1));
        if (config.ForcedEosTokenId.Length > 0)
            list.Add(new ForceProcessor([.. config.ForcedEosTokenId], rowLimit - 1));
        if (config.ExponentialDecayLengthPenalty is { } decay)
            list.Add(new ExponentialDecayProcessor(eos, (long)promptRows + decay.Start, decay.Factor));
        if (config.SuppressTokens.Length > 0)
            list.Add(new SuppressProcessor([.. config.SuppressTokens], _ => true));
        if (config.BeginSuppressTokens.Length > 0)
        {
            int begin = promptRows > 1 || config.ForcedBosTokenId is null ? promptRows : promptRows + 1;
            list.Add(new SuppressProcessor([.. config.BeginSuppressTokens], rows => rows == begin));
        }

        return [.. list];
    }

    /// <summary>Those after top-p, of drawing.</summary>
    public static ILogitsProcessor[] Sampling(GenerationConfig config)
    {
        List<ILogitsProcessor> list = [];
        if (!config.DoSample)
            return [];
        if (config.MinP > 0)
            list.Add(new MinPProcessor(config.MinP.Value));
        if (config.TypicalP < 1)
            list.Add(new TypicalPProcessor(config.TypicalP));
        if (config.EpsilonCutoff > 0)
            list.Add(new CutoffProcessor(config.EpsilonCutoff, byEntropy: false));
        if (config.EtaCutoff > 0)
            list.Add(new CutoffProcessor(config.EtaCutoff, byEntropy: true));
        return [.. list];
    }
}

/// <summary>Scores of ids that the channel has are divided by the penalty where positive, else multiplied by it (Keskar et al. 2019, 1909.05858).</summary>
internal sealed class RepetitionPenaltyProcessor(float penalty) : ILogitsProcessor
{
    private bool[] _seen = [];

    /// <inheritdoc/>
    public void Process(int item, int channel, ReadOnlySpan<int> inputIds, Span<float> scores)
    {
        if (_seen.Length != scores.Length)
            _seen = new bool[scores.Length];
        _seen.AsSpan().Clear();
        foreach (int id in inputIds)
            _seen[id] = true;
        for (int id = 0; id < scores.Length; id++)
            if (_seen[id])
                scores[id] = scores[id] < 0 ? scores[id] * penalty : scores[id] / penalty;
    }
}

/// <summary>A run of ids of this length comes once: what followed the channel's latest ids before is no candidate.</summary>
internal sealed class NoRepeatNgramProcessor(int size) : ILogitsProcessor
{
    /// <inheritdoc/>
    public void Process(int item, int channel, ReadOnlySpan<int> inputIds, Span<float> scores)
    {
        if (inputIds.Length < size)
            return;
        ReadOnlySpan<int> latest = inputIds[(inputIds.Length - size + 1)..];
        for (int start = 0; start + size <= inputIds.Length; start++)
            if (inputIds.Slice(start, size - 1).SequenceEqual(latest))
                scores[inputIds[start + size - 1]] = float.NegativeInfinity;
    }
}

/// <summary>Adds to the score of an id that would complete a sequence; negative infinity forbids it.</summary>
internal sealed class SequenceBiasProcessor(IEnumerable<BiasedSequence> sequences) : ILogitsProcessor
{
    private readonly (int[] Before, int Last, float Bias)[] _sequences =
        [.. sequences.Where(s => s.Ids.Length > 0).Select(s => (s.Ids.ToArray()[..^1], s.Ids[s.Ids.Length - 1], (float)s.Bias))];

    /// <inheritdoc/>
    public void Process(int item, int channel, ReadOnlySpan<int> inputIds, Span<float> scores)
    {
        // As in the reference, a sequence is passed over while the channel is shorter than all of it.
        foreach ((int[] before, int last, float bias) in _sequences)
            if (before.Length == 0 || (before.Length < inputIds.Length && inputIds.EndsWith(before)))
                scores[last] += bias;
    }
}

/// <summary>Ids that are no candidates at some numbers of rows.</summary>
internal sealed class SuppressProcessor(int[] ids, Func<int, bool> holds) : ILogitsProcessor
{
    /// <inheritdoc/>
    public void Process(int item, int channel, ReadOnlySpan<int> inputIds, Span<float> scores)
    {
        if (!holds(inputIds.Length))
            return;
        foreach (int id in ids)
            scores[id] = float.NegativeInfinity;
    }
}

/// <summary>Ids that are the only candidates at a number of rows.</summary>
internal sealed class ForceProcessor(int[] ids, int rows) : ILogitsProcessor
{
    /// <inheritdoc/>
    public void Process(int item, int channel, ReadOnlySpan<int> inputIds, Span<float> scores)
    {
        if (inputIds.Length != rows)
            return;
        scores.Fill(float.NegativeInfinity);
        foreach (int id in ids)
            scores[id] = 0;
    }
}

/// <summary>EOS gains its magnitude times factor^n − 1, n rows after the start.</summary>
internal sealed class ExponentialDecayProcessor(int eos, long start, double factor) : ILogitsProcessor
{
    /// <inheritdoc/>
    public void Process(int item, int channel, ReadOnlySpan<int> inputIds, Span<float> scores)
    {
        // The filter that follows lets no other channel give EOS.
        if (channel != 0 || inputIds.Length <= start)
            return;
        double growth = Math.Min(Math.Pow(factor, inputIds.Length - start) - 1, float.MaxValue);
        if (scores[eos] > float.NegativeInfinity)
            scores[eos] = (float)Math.Min(scores[eos] + Math.Abs(scores[eos]) * growth, float.MaxValue);
        else if (growth >= 0)
        {
            // Where guidance's top_k left EOS out, the reference adds infinity to minus infinity, and its choice takes NaN for the best: it ends.
            scores.Fill(float.NegativeInfinity);
            scores[eos] = 0;
        }
    }
}
