using System.Globalization;
using Dia.Modeling;

namespace Dia.Generation;

/// <summary>Steps whose ids are picked here, on the host, from the session's logits. A step allocates nothing here.</summary>
internal sealed class GenerationSteps : IGenerationSteps
{
    private readonly IDecoderSession _session;
    private readonly IGenerationObserver? _observer;
    private readonly int _channels;
    private readonly int _logitsLength;
    private readonly TokenSampler _sampler;
    private readonly GenerationSequence?[] _sequences;
    private readonly float[] _conditional;
    private readonly float[] _unconditional;
    private readonly float[] _scores;
    private readonly int[] _active;
    private readonly int[] _inputRows;
    private readonly int[] _picked;

    /// <summary>Allocates what all steps need.</summary>
    /// <param name="session">The network, with the caches of each place.</param>
    /// <param name="places">Most sequences that run at a time.</param>
    /// <param name="channels">Channels of a row.</param>
    /// <param name="vocabularySize">Number of ids per channel.</param>
    /// <param name="observer">Sees scores and rows.</param>
    public GenerationSteps(IDecoderSession session, int places, int channels, int vocabularySize, IGenerationObserver? observer = null)
    {
        (_session, _observer, _channels) = (session, observer, channels);
        _logitsLength = channels * vocabularySize;
        _sampler = new TokenSampler(vocabularySize);
        _sequences = new GenerationSequence?[places];
        _conditional = new float[checked(places * _logitsLength)];
        _unconditional = new float[_conditional.Length];
        _scores = new float[_logitsLength];
        _active = new int[places];
        _inputRows = new int[places * channels];
        _picked = new int[channels];
    }

    /// <inheritdoc/>
    public int ActiveCount { get; private set; }

    /// <summary>The session's own way of making steps, if it has one and no observer wants to see scores; else this one.</summary>
    /// <param name="session">The network, with the caches of each place.</param>
    /// <param name="places">Most sequences that run at a time.</param>
    /// <param name="channels">Channels of a row.</param>
    /// <param name="vocabularySize">Number of ids per channel.</param>
    /// <param name="observer">Sees scores and rows.</param>
    public static IGenerationSteps For(IDecoderSession session, int places, int channels, int vocabularySize, IGenerationObserver? observer = null) =>
        (observer is null ? session.CreateSteps(places) : null) ?? new GenerationSteps(session, places, channels, vocabularySize, observer);

    /// <inheritdoc/>
    public void Start(int place, GenerationSequence sequence)
    {
        ReadOnlySpan<int> rows = sequence.PromptRows;
        Span<float> unconditional = sequence.Config.UsesGuidance ? _unconditional.AsSpan(0, _logitsLength) : [];
        _session.Prompt(place, rows, rows.Length / _channels, _conditional.AsSpan(0, _logitsLength), unconditional);
        _sequences[place] = sequence;
        AddRow(sequence, _conditional.AsSpan(0, _logitsLength), unconditional);
        if (sequence.Finished)
            return;

        // Ascending places: the session is promised that.
        int at = ActiveCount++;
        for (; at > 0 && _active[at - 1] > place; at--)
            _active[at] = _active[at - 1];
        _active[at] = place;
    }

    /// <inheritdoc/>
    public void Stop(int place)
    {
        int left = 0;
        for (int i = 0; i < ActiveCount; i++)
            if (_active[i] != place)
                _active[left++] = _active[i];
        ActiveCount = left;
    }

    /// <summary>Nothing to do.</summary>
    public void Dispose()
    {
    }

    /// <inheritdoc/>
    public void Step()
    {
        if (ActiveCount == 0)
            return;
        int guided = 0;
        for (int slot = 0; slot < ActiveCount; slot++)
        {
            GenerationSequence sequence = _sequences[_active[slot]]!;
            sequence.LastRow.CopyTo(_inputRows.AsSpan(slot * _channels));
            guided += sequence.Config.UsesGuidance ? 1 : 0;
        }

        _session.Step(_active.AsSpan(0, ActiveCount), _inputRows.AsSpan(0, ActiveCount * _channels), _conditional.AsSpan(0, ActiveCount * _logitsLength), _unconditional.AsSpan(0, guided * _logitsLength));
        int left = 0;
        guided = 0;
        for (int slot = 0; slot < ActiveCount; slot++)
        {
            GenerationSequence sequence = _sequences[_active[slot]]!;
            Span<float> unconditional = sequence.Config.UsesGuidance ? _unconditional.AsSpan(guided++ * _logitsLength, _logitsLength) : [];
            AddRow(sequence, _conditional.AsSpan(slot * _logitsLength, _logitsLength), unconditional);
            if (!sequence.Finished)
                _active[left++] = _active[slot];
        }

        ActiveCount = left;
    }

    /// <summary>Picks a sequence's next row from its logits, and adds it; a failure is kept there, for it is no other sequence's.</summary>
    private void AddRow(GenerationSequence sequence, ReadOnlySpan<float> conditional, ReadOnlySpan<float> unconditional)
    {
        if ((NotFinite(conditional) ?? NotFinite(unconditional)) is int i)
        {
            sequence.Fail(NotFiniteError("logit", sequence, i / (_logitsLength / _channels)));
            return;
        }

        sequence.Processors.Process(conditional, unconditional, _scores);
        sequence.EosDelay.Apply(_scores, sequence.RowCount);
        _observer?.Scored(sequence.Item, sequence.Generated, conditional, unconditional, _scores);
        for (int channel = 0; channel < _channels; channel++)
        {
            _picked[channel] = sequence.Ended(channel) ? sequence.Config.PadTokenId : Pick(sequence, channel);
            if (sequence.Failure is not null)
                return;
        }

        sequence.Append(_picked);
        _observer?.RowAdded(sequence.Item, sequence.RowCount - 1, sequence.LastRow);
    }

    private int Pick(GenerationSequence sequence, int channel)
    {
        int vocabularySize = _logitsLength / _channels;
        ReadOnlySpan<float> scores = _scores.AsSpan(channel * vocabularySize, vocabularySize);
        int best = TokenSampler.Best(scores);

        // Finite logits still overflow under a huge guidance scale or a tiny temperature.
        if (scores[best] == float.PositiveInfinity)
            sequence.Fail(NotFiniteError("score", sequence, channel));
        if (!sequence.Config.DoSample || sequence.Failure is not null)
            return best;
        return _sampler.Draw(scores, Philox4x32.Uniform(sequence.Config.Seed, sequence.Generated, channel, sequence.DrawItem));
    }

    /// <summary>Comparisons with NaN are false, so a broken model would speak some id or other: rather say so.</summary>
    private static int? NotFinite(ReadOnlySpan<float> logits)
    {
        for (int i = 0; i < logits.Length; i++)
            if (!float.IsFinite(logits[i]))
                return i;
        return null;
    }

    /// <summary>What is said of a sequence whose logits or scores are not finite.</summary>
    internal static DiaException NotFiniteError(string what, GenerationSequence sequence, int channel) => new(
        DiaErrorKind.Model,
        string.Create(CultureInfo.InvariantCulture, $"A {what} of item {sequence.Item}, row {sequence.RowCount}, channel {channel} is not a finite number. Check that the checkpoint is intact, and that guidance_scale and temperature are of ordinary size."));
}
