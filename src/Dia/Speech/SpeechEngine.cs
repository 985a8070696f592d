using Dia.Codec;
using Dia.Configuration;
using Dia.Generation;
using Dia.Modeling;
using Dia.Networks;

namespace Dia.Speech;

/// <summary>
/// Speaks utterances, several at a time: they share each pass over the weights (continuous batching: a finished one's slot is taken by the
/// next at once). Each gets bit for bit what it gets alone. One run at a time: another thread's is refused (feed its utterances to the run that
/// is under way, or give it an engine of its own). Their methods are called between turns on the device: they may use it, and dispose of anything.
/// </summary>
public sealed class SpeechEngine : IDisposable
{
    /// <summary>Most utterances at a time.</summary>
    public const int MaxBatch = MemoryPlan.MaxBatch;

    // _state: disposed while a run is under way is what the run must see and finish.
    private const int Idle = 0, Running = 1, Ending = 2, Disposed = 3;

    private readonly DiaForConditionalGeneration _model;
    private readonly DacModel? _codec;
    private readonly DecoderSession _session;
    private IGenerationSteps _steps;
    private Utterance? _waiting; // for the host's steps, which nothing else must run in
    private readonly SpeechSlot?[] _slots;
    private readonly CodecPass? _pass;
    private readonly float[] _samples;
    private int _state;

    /// <summary>Makes room for the steps and for a window of the codec.</summary>
    /// <param name="model">The model; it stays the caller's.</param>
    /// <param name="codec">The codec; null: rows and codes only.</param>
    /// <param name="batch">Most utterances at a time, 1 to <see cref="MaxBatch"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">A smaller or larger batch.</exception>
    /// <exception cref="ObjectDisposedException">Model, codec or device is disposed.</exception>
    /// <exception cref="DiaException">Model: the codec is not the model's. Device: no memory.</exception>
    public SpeechEngine(DiaForConditionalGeneration model, DacModel? codec, int batch = 1)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentOutOfRangeException.ThrowIfLessThan(batch, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(batch, MaxBatch);
        DiaConfig config = model.Config;
        codec?.CheckFits(config);
        (_model, _codec) = (model, codec);
        _slots = new SpeechSlot?[batch];
        _pass = codec?.Pass;
        _samples = codec is null ? [] : new float[codec.WindowFrames * codec.HopLength];
        _session = model.CreateSession(batch, guidance: true);
        try
        {
            _steps = GenerationSteps.For(_session);
        }
        catch
        {
            _session.Dispose();
            throw;
        }
    }

    /// <summary>Most utterances at a time.</summary>
    public int Batch => _slots.Length;

    /// <summary>
    /// Generated rows after which the first frame of an utterance can be heard: its last channel comes max(delay) rows later, and the codec looks some
    /// frames ahead. 0 without a codec.
    /// </summary>
    public int FirstAudioRows => _codec is null ? 0 : _model.Config.DelayPattern.Max() + 1 + _codec.LookAheadFrames;

    /// <summary>Where the time went so far.</summary>
    public SpeechTimes Times { get; } = new();

    /// <summary>Speaks one utterance.</summary>
    /// <exception cref="InvalidOperationException">A run is under way.</exception>
    /// <exception cref="ObjectDisposedException">Engine, model, codec or device is disposed, also while this runs.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled; it is looked at before each step.</exception>
    public void Run(Utterance utterance, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(utterance);
        Run([utterance], cancellationToken);
    }

    /// <summary>Speaks utterances; each is asked for when a slot is free, and those that run wait for it.</summary>
    /// <exception cref="InvalidOperationException">A run is under way.</exception>
    /// <exception cref="ObjectDisposedException">Engine, model, codec or device is disposed, also while this runs.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled; it is looked at before each step.</exception>
    public void Run(IEnumerable<Utterance> utterances, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(utterances);
        using IEnumerator<Utterance> each = utterances.GetEnumerator();
        Run(_ => each.MoveNext() ? each.Current : null, cancellationToken);
    }

    /// <summary>Speaks utterances until there are no more.</summary>
    /// <param name="next">
    /// Gives the next utterance; asked only when a slot is free. True: nothing runs, so wait for one; null then means that none follows.
    /// False: give one if it is there, and do not wait.
    /// </param>
    /// <param name="cancellationToken">Looked at before each step.</param>
    /// <exception cref="InvalidOperationException">A run is under way.</exception>
    /// <exception cref="ObjectDisposedException">Engine, model, codec or device is disposed, also while this runs.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public void Run(Func<bool, Utterance?> next, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(next);
        int state = Interlocked.CompareExchange(ref _state, Running, Idle);
        ObjectDisposedException.ThrowIf(state is Ending or Disposed, this);
        if (state == Running)
            throw new InvalidOperationException(
                "This engine is running: one run at a time. Feed the job to the run that is under way, or make another engine.");
        try
        {
            while (FillSlots(next, cancellationToken))
            {
                ThrowIfCancelled(cancellationToken);
                long start = Stopwatch.GetTimestamp();
                _steps.Step();
                Times.Steps += Stopwatch.GetElapsedTime(start);
                foreach (SpeechSlot? slot in _slots)
                    if (slot is not null)
                        Advance(slot, cancellationToken);
            }
        }
        finally
        {
            for (int slot = 0; slot < _slots.Length; slot++)
                Leave(slot);
            _waiting = null;
            if (Interlocked.CompareExchange(ref _state, Idle, Running) == Ending)
                Free();
        }
    }

    /// <summary>Frees its memory. A run that is under way ends with <see cref="ObjectDisposedException"/> before its next step, and then does that.</summary>
    public void Dispose()
    {
        while (Volatile.Read(ref _state) is var state && state is Idle or Running)
        {
            if (Interlocked.CompareExchange(ref _state, state == Idle ? Disposed : Ending, state) != state)
                continue; // a run began or ended meanwhile
            if (state == Idle)
                Free();
            return;
        }
    }

    private void Free()
    {
        _state = Disposed;
        _steps.Dispose();
        _session.Dispose();
    }

    private void ThrowIfCancelled(CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(Volatile.Read(ref _state) != Running, this);
        cancellationToken.ThrowIfCancellationRequested();
    }

    /// <returns>Whether an utterance runs.</returns>
    private bool FillSlots(Func<bool, Utterance?> next, CancellationToken cancellationToken)
    {
        for (int i = 0; i < _slots.Length; i++)
        {
            // An utterance that ends with its first row leaves its slot at once.
            while (_slots[i] is null)
            {
                ThrowIfCancelled(cancellationToken);
                if ((_waiting ?? next(_steps.ActiveCount == 0)) is not { } utterance)
                    return _steps.ActiveCount > 0;
                _waiting = null;
                if (!PrepareSteps(utterance))
                    return true;
                Start(i, utterance, cancellationToken);
            }
        }

        return true;
    }

    /// <summary>Where an utterance has controls, which no device's sampler knows, ids are picked on the host from then on.</summary>
    /// <returns>Whether it can start; else it waits until nothing runs.</returns>
    private bool PrepareSteps(Utterance utterance)
    {
        if (_steps is GenerationSteps || !LogitsControls.AreSet(utterance.Config))
            return true;
        if (_steps.ActiveCount > 0)
        {
            _waiting = utterance;
            return false;
        }

        IGenerationSteps host = GenerationSteps.For(_session, onHost: true);
        _steps.Dispose();
        _steps = host;
        return true;
    }

    private void Start(int index, Utterance utterance, CancellationToken cancellationToken)
    {
        try
        {
            var slot = new SpeechSlot(_model, utterance.WantsAudio ? _codec : null, utterance, index);
            long start = Stopwatch.GetTimestamp();
            _session.Open(index, slot.TextIds, default, slot.Sequence.RowLimit, slot.Sequence.Config.UsesGuidance);
            Times.Encoder += Stopwatch.GetElapsedTime(start);
            _slots[index] = slot;
            start = Stopwatch.GetTimestamp();
            _steps.Start(index, slot.Sequence);
            Times.Prompt += Stopwatch.GetElapsedTime(start);
        }
        catch (Exception e) when (!IsCancellation(e, cancellationToken))
        {
            Leave(index);
            utterance.OnFailed(e);
            return;
        }

        Advance(_slots[index]!, cancellationToken);
    }

    /// <summary>Hands over what a slot's newest row completes.</summary>
    private void Advance(SpeechSlot slot, CancellationToken cancellationToken)
    {
        try
        {
            slot.Advance(_pass, _samples, Times);
        }
        catch (Exception e) when (!IsCancellation(e, cancellationToken))
        {
            Leave(slot.Index);
            slot.Utterance.OnFailed(e);
            return;
        }

        if (slot.Sequence.Finished)
            Leave(slot.Index);
    }

    private void Leave(int slot)
    {
        _steps.Stop(slot);
        _session.Close(slot);
        _slots[slot] = null;
    }

    private static bool IsCancellation(Exception e, CancellationToken cancellationToken) =>
        e is OperationCanceledException && cancellationToken.IsCancellationRequested;
}
