using System.Globalization;

namespace Dia.Generation;

/// <summary>
/// Generates the rows of a batch over a decoder session: the prompt of each item, then one row at a time for the items that are not
/// finished. A step allocates nothing here.
/// </summary>
/// <remarks>
/// An item gets the rows that it gets alone, with two exceptions that come from the contract. max_length counts the rows of the
/// padded batch, as in the reference, so an item that is left-padded beside a longer voice prompt has fewer rows of its own left (with
/// max_new_tokens it makes no difference). And a draw has the item's index in it, unless every item is asked to draw as if alone.
/// </remarks>
internal sealed class GenerationLoop
{
    private readonly IDecoderSession _session;
    private readonly GenerationConfig _config;
    private readonly IGenerationObserver? _observer;
    private readonly bool _drawAlone;
    private readonly int _logitsLength;
    private readonly GenerationSequence[] _sequences;
    private readonly LogitsProcessors _processors;
    private readonly TokenSampler _sampler;
    private readonly float[] _conditional;
    private readonly float[] _unconditional;
    private readonly float[] _scores;
    private readonly int[] _active;
    private readonly int[] _inputRows;
    private readonly int[] _picked;
    private int _activeCount;
    private bool _started;

    /// <summary>Allocates what the whole generation needs.</summary>
    /// <param name="session">The network, with the caches of this batch.</param>
    /// <param name="config">The configuration, validated against the vocabulary.</param>
    /// <param name="prompt">The rows to start from.</param>
    /// <param name="vocabularySize">Number of ids per channel.</param>
    /// <param name="rowLimit">What <see cref="GenerationConfig.RowLimit"/> gave for the prompt.</param>
    /// <param name="drawAlone">Every item draws as item 0, as if it ran alone.</param>
    /// <param name="observer">Sees scores and rows.</param>
    public GenerationLoop(IDecoderSession session, GenerationConfig config, DecoderPrompt prompt, int vocabularySize, int rowLimit, bool drawAlone = false, IGenerationObserver? observer = null)
    {
        (_session, _config, _drawAlone, _observer) = (session, config, drawAlone, observer);
        int channels = config.Channels;
        _logitsLength = channels * vocabularySize;
        _processors = new LogitsProcessors(config, vocabularySize);
        _sampler = new TokenSampler(vocabularySize);
        _conditional = new float[checked(prompt.Batch * _logitsLength)];
        _unconditional = config.UsesGuidance ? new float[_conditional.Length] : [];
        _scores = new float[_logitsLength];
        _sequences = new GenerationSequence[prompt.Batch];
        for (int item = 0; item < _sequences.Length; item++)
            _sequences[item] = new GenerationSequence(prompt, item, config, rowLimit);
        _active = new int[prompt.Batch];
        _inputRows = new int[prompt.Batch * channels];
        _picked = new int[channels];
    }

    /// <summary>The items of the batch.</summary>
    public IReadOnlyList<GenerationSequence> Sequences => _sequences;

    /// <summary>Generates until every item is finished.</summary>
    /// <returns>The sequences [batch, rows, channels], prompt included and still delayed; shorter items end in PAD rows.</returns>
    /// <exception cref="DiaException">The model gave a logit that is not finite.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled; it is looked at before each step.</exception>
    public int[,,] Run(CancellationToken cancellationToken = default)
    {
        while (Step(cancellationToken))
        {
        }

        return Result();
    }

    /// <summary>Adds one row to every item that is not finished; the first call runs the prompts.</summary>
    /// <returns>Whether an item is left that is not finished.</returns>
    public bool Step(CancellationToken cancellationToken = default)
    {
        if (!_started)
            RunPrompts(cancellationToken);
        else if (_activeCount > 0)
            RunStep(cancellationToken);
        return _activeCount > 0;
    }

    /// <summary>The sequences so far [batch, rows, channels], shorter items filled with PAD.</summary>
    public int[,,] Result()
    {
        int[,,] result = new int[_sequences.Length, _sequences.Max(s => s.RowCount), _config.Channels];
        foreach (GenerationSequence sequence in _sequences)
            sequence.CopyTo(result);
        return result;
    }

    private void RunPrompts(CancellationToken cancellationToken)
    {
        _started = true;
        for (int item = 0; item < _sequences.Length; item++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            ReadOnlySpan<int> rows = _sequences[item].PromptRows;
            _session.Prompt(item, rows, rows.Length / _config.Channels, Logits(_conditional, 0), Logits(_unconditional, 0));
            AddRow(item, slot: 0);
            if (!_sequences[item].Finished)
                _active[_activeCount++] = item;
        }
    }

    private void RunStep(CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        int channels = _config.Channels;
        for (int slot = 0; slot < _activeCount; slot++)
            _sequences[_active[slot]].LastRow.CopyTo(_inputRows.AsSpan(slot * channels));
        int length = _activeCount * _logitsLength;
        _session.Step(_active.AsSpan(0, _activeCount), _inputRows.AsSpan(0, _activeCount * channels), _conditional.AsSpan(0, length), _unconditional.AsSpan(0, Math.Min(length, _unconditional.Length)));

        int left = 0;
        for (int slot = 0; slot < _activeCount; slot++)
        {
            int item = _active[slot];
            AddRow(item, slot);
            if (!_sequences[item].Finished)
                _active[left++] = item;
        }

        _activeCount = left;
    }

    /// <summary>Picks the item's next row from the logits at a slot, and adds it.</summary>
    private void AddRow(int item, int slot)
    {
        GenerationSequence sequence = _sequences[item];
        ReadOnlySpan<float> conditional = Logits(_conditional, slot);
        ReadOnlySpan<float> unconditional = Logits(_unconditional, slot);
        CheckFinite(conditional, item);
        CheckFinite(unconditional, item);
        _processors.Process(conditional, unconditional, _scores);
        sequence.EosDelay.Apply(_scores, sequence.RowCount);
        _observer?.Scored(item, sequence.Generated, conditional, unconditional, _scores);
        for (int channel = 0; channel < _picked.Length; channel++)
            _picked[channel] = sequence.Ended(channel) ? _config.PadTokenId : Pick(item, channel);
        sequence.Append(_picked);
        _observer?.RowAdded(item, sequence.RowCount - 1, sequence.LastRow);
    }

    private int Pick(int item, int channel)
    {
        int vocabularySize = _logitsLength / _picked.Length;
        ReadOnlySpan<float> scores = _scores.AsSpan(channel * vocabularySize, vocabularySize);
        int best = TokenSampler.Best(scores);

        // Finite logits still overflow under a huge guidance scale or a tiny temperature.
        if (scores[best] == float.PositiveInfinity)
            throw NotFinite("score", item, channel);
        if (!_config.DoSample)
            return best;
        return _sampler.Draw(scores, Philox4x32.Uniform(_config.Seed, _sequences[item].Generated, channel, _drawAlone ? 0 : item));
    }

    /// <summary>Comparisons with NaN are false, so a broken model would speak some id or other: rather say so.</summary>
    private void CheckFinite(ReadOnlySpan<float> logits, int item)
    {
        for (int i = 0; i < logits.Length; i++)
            if (!float.IsFinite(logits[i]))
                throw NotFinite("logit", item, i / (_logitsLength / _picked.Length));
    }

    private DiaException NotFinite(string what, int item, int channel) => new(
        DiaErrorKind.Model,
        string.Create(CultureInfo.InvariantCulture, $"A {what} of item {item}, row {_sequences[item].RowCount}, channel {channel} is not a finite number. Check that the checkpoint is intact, and that guidance_scale and temperature are of ordinary size."));

    private Span<float> Logits(float[] buffer, int slot) => buffer.Length == 0 ? [] : buffer.AsSpan(slot * _logitsLength, _logitsLength);
}
