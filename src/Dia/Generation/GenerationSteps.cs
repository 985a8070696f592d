using Dia.Configuration;
using Dia.Modeling;

namespace Dia.Generation;

/// <summary>Steps whose ids are picked here, on the host, from the session's logits. A step allocates nothing here.</summary>
internal sealed class GenerationSteps : IGenerationSteps
{
    private readonly IDecoderSession _session;
    private readonly IScoreObserver? _observer;
    private readonly bool _together;
    private readonly int _channels;
    private readonly int _logitsLength;
    private readonly TokenSampler _sampler;
    private readonly GenerationSequence?[] _sequences;
    private readonly float[] _logits; // all items', then behind them those without the text
    private readonly float[] _scores;
    private readonly List<int> _active;
    private readonly int[] _inputRows;
    private readonly int[] _picked;

    /// <summary>Allocates what all steps need.</summary>
    /// <param name="session">The network, with the caches of each slot.</param>
    /// <param name="slots">Most sequences that run at a time.</param>
    /// <param name="channels">Channels of a row.</param>
    /// <param name="vocabularySize">Number of ids per channel.</param>
    /// <param name="observer">Sees scores.</param>
    /// <param name="together">
    /// Whether sequences that have finished take part, with PAD rows, until all have, as in the reference: what is recorded of a step then has all of them.
    /// </param>
    public GenerationSteps(IDecoderSession session, int slots, int channels, int vocabularySize, IScoreObserver? observer = null, bool together = false)
    {
        (_session, _observer, _together, _channels) = (session, observer, together, channels);
        _logitsLength = channels * vocabularySize;
        _sampler = new TokenSampler(vocabularySize);
        _sequences = new GenerationSequence?[slots];
        _logits = new float[checked(2 * slots * _logitsLength)];
        _scores = new float[_logitsLength];
        _active = new List<int>(slots);
        _inputRows = new int[slots * channels];
        _picked = new int[channels];
    }

    /// <inheritdoc/>
    public int ActiveCount
    {
        get
        {
            int count = 0;
            foreach (int slot in _active)
                count += _sequences[slot]!.Finished ? 0 : 1;
            return count;
        }
    }

    /// <summary>Steps whose ids are picked where the logits are, if the device has a sampler and nothing needs the scores; else these.</summary>
    /// <param name="session">The network, with the caches of each slot.</param>
    /// <param name="onHost">Whether something needs them: <see cref="LogitsControls.AreSet"/>, or a caller.</param>
    /// <param name="observer">Sees scores.</param>
    /// <param name="together">Whether sequences that have finished take part until all have.</param>
    /// <exception cref="DiaException">No memory (Device).</exception>
    public static IGenerationSteps For(DecoderSession session, bool onHost = false, IScoreObserver? observer = null, bool together = false)
    {
        using Lock.Scope turn = session.Tenant.Enter();
        DiaDecoderConfig d = session.Config.DecoderConfig;
        onHost |= session.Config.IsFirstGeneration; // Devices' samplers choose as the reference does.
        return !onHost && observer is null && !together && session.Tenant.Device.CreateSampler(session.Slots, d.NumChannels, d.VocabSize) is { } sampler
            ? new DeviceGenerationSteps(session, sampler)
            : new GenerationSteps(session, session.Slots, d.NumChannels, d.VocabSize, observer, together);
    }

    /// <inheritdoc/>
    public void Start(int slot, GenerationSequence sequence)
    {
        ReadOnlySpan<int> rows = sequence.PromptRows;
        Span<float> logits = _logits.AsSpan(0, (sequence.Config.UsesGuidance ? 2 : 1) * _logitsLength);
        _session.Prompt(slot, rows, rows.Length / _channels, logits);
        _sequences[slot] = sequence;
        AddRow(sequence, logits[.._logitsLength], logits[_logitsLength..]);
        if (!sequence.Finished || _together)
            _active.Insert(~_active.BinarySearch(slot), slot); // ascending: the session is promised that
    }

    /// <inheritdoc/>
    public void Stop(int slot)
    {
        if (!_together)
            _active.Remove(slot);
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
        int row = _active.Count;
        for (int i = 0; i < _active.Count; i++)
        {
            GenerationSequence sequence = _sequences[_active[i]]!;
            sequence.LastRow.CopyTo(_inputRows.AsSpan(i * _channels));
            row += sequence.Config.UsesGuidance ? 1 : 0;
        }

        _session.Step(CollectionsMarshal.AsSpan(_active), _inputRows.AsSpan(0, _active.Count * _channels), _logits.AsSpan(0, row * _logitsLength));
        row = _active.Count;
        for (int i = 0; i < _active.Count; i++)
        {
            GenerationSequence sequence = _sequences[_active[i]]!;
            AddRow(sequence, Logits(i), sequence.Config.UsesGuidance ? Logits(row++) : []);
        }

        for (int i = _active.Count - 1; i >= 0; i--)
            if (_sequences[_active[i]]!.Finished && !_together)
                _active.RemoveAt(i);
    }

    private ReadOnlySpan<float> Logits(int row) => _logits.AsSpan(row * _logitsLength, _logitsLength);

    /// <summary>Picks a sequence's next row from its logits, and adds it; a failure is kept there, for it is no other sequence's.</summary>
    private void AddRow(GenerationSequence sequence, ReadOnlySpan<float> conditional, ReadOnlySpan<float> unconditional)
    {
        if ((NotFinite(conditional) ?? NotFinite(unconditional)) is int i)
        {
            sequence.Fail(NotFiniteError("logit", sequence, i / (_logitsLength / _channels)));
            return;
        }

        sequence.Processors.Process(conditional, unconditional, _scores, sequence.Ids, sequence.Item);
        // What is drawn depends on the scores alone: it can be drawn again after them.
        int? first = sequence.Config.IsFirstGeneration ? Pick(sequence, 0) : null;
        if (sequence.Failure is not null)
            return;
        sequence.EosDelay.Apply(_scores, sequence.RowCount, first);
        _observer?.Scored(sequence.Item, sequence.Generated, conditional, unconditional, _scores);
        for (int channel = 0; channel < _channels; channel++)
        {
            _picked[channel] = sequence.Ended(channel) ? sequence.Config.PadTokenId : Pick(sequence, channel);
            if (sequence.Failure is not null)
                return;
        }

        sequence.Append(_picked);
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
        if (scores[best] == float.NegativeInfinity)
        {
            sequence.Fail(new DiaException(DiaErrorKind.Usage, string.Create(CultureInfo.InvariantCulture,
                $"No id is left to draw for item {sequence.Item}, row {sequence.RowCount}, channel {channel}: the controls forbid all of them. Forbid fewer.")));
            return best;
        }

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
        string.Create(CultureInfo.InvariantCulture,
            $"A {what} of item {sequence.Item}, row {sequence.RowCount}, channel {channel} is not a finite number. Check that the checkpoint is intact, and that guidance_scale and temperature are of ordinary size."));
}
