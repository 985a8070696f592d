using System.Diagnostics;
using Dia.Codec;
using Dia.Configuration;
using Dia.Generation;
using Dia.Modeling;
using Dia.Networks;

namespace Dia.Speech;

/// <summary>Where a <see cref="SpeechEngine"/> takes its jobs from. It is asked only when a place is free.</summary>
/// <param name="wait">True: nothing runs, so wait for a job. False: give one if it is there, and do not wait.</param>
/// <param name="job">The next job; null: none is there yet (only where <paramref name="wait"/> is false), or none follows.</param>
/// <returns>False: none follows.</returns>
public delegate bool SpeechSource(bool wait, out SpeechJob? job);

/// <summary>
/// Speaks utterances, several at a time: they share each pass over the weights (continuous batching: a finished one's place is taken by the
/// next at once). What a job gets is bit for bit what it gets alone. One run at a time: another thread's is refused (feed its jobs to the one that
/// runs, or give it an engine of its own). Jobs' methods are called between turns on the device: they may use it, and dispose of anything.
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
    private readonly IGenerationSteps _steps;
    private readonly SpeechPlace?[] _places;
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
        _places = new SpeechPlace?[batch];
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
    public int Batch => _places.Length;

    /// <summary>
    /// Generated rows after which the first frame of a job can be heard: its last channel comes max(delay) rows later, and the codec looks some
    /// frames ahead. 0 without a codec.
    /// </summary>
    public int FirstAudioRows => _codec is null ? 0 : _model.Config.DelayPattern.Max() + 1 + _codec.LookAheadFrames;

    /// <summary>Where the time went so far.</summary>
    public SpeechTimes Times { get; } = new();

    /// <summary>Speaks one job.</summary>
    /// <exception cref="InvalidOperationException">A run is under way.</exception>
    /// <exception cref="ObjectDisposedException">Engine, model, codec or device is disposed, also while this runs.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled; it is looked at before each step.</exception>
    public void Run(SpeechJob job, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(job);
        SpeechJob? left = job;
        Run(() => Interlocked.Exchange(ref left, null), cancellationToken);
    }

    /// <summary>Speaks jobs until there are no more.</summary>
    /// <param name="next">Gives the next job, null: none follows. It is called only when a place is free, and the jobs that run wait for it.</param>
    /// <param name="cancellationToken">Looked at before each step.</param>
    /// <exception cref="InvalidOperationException">A run is under way.</exception>
    /// <exception cref="ObjectDisposedException">Engine, model, codec or device is disposed, also while this runs.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public void Run(Func<SpeechJob?> next, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(next);
        Run((bool _, out SpeechJob? job) => (job = next()) is not null, cancellationToken);
    }

    /// <summary>Speaks jobs until there are no more.</summary>
    /// <param name="source">Where they come from; the jobs that run need not wait for it.</param>
    /// <param name="cancellationToken">Looked at before each step.</param>
    /// <exception cref="InvalidOperationException">A run is under way.</exception>
    /// <exception cref="ObjectDisposedException">Engine, model, codec or device is disposed, also while this runs.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public void Run(SpeechSource source, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(source);
        int state = Interlocked.CompareExchange(ref _state, Running, Idle);
        ObjectDisposedException.ThrowIf(state is Ending or Disposed, this);
        if (state == Running)
            throw new InvalidOperationException("This engine is running: one run at a time. Feed the job to the run that is under way, or make another engine.");
        try
        {
            for (bool more = true; ;)
            {
                more = more && FillPlaces(source, cancellationToken);
                if (_steps.ActiveCount == 0)
                {
                    if (!more)
                        return;
                    continue;
                }

                ThrowIfCancelled(cancellationToken);
                long start = Stopwatch.GetTimestamp();
                _steps.Step();
                Times.Steps += Stopwatch.GetElapsedTime(start);
                foreach (SpeechPlace? place in _places)
                    if (place is not null)
                        Advance(place, cancellationToken);
            }
        }
        finally
        {
            for (int place = 0; place < _places.Length; place++)
                Leave(place);
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

    /// <returns>Whether jobs may follow.</returns>
    private bool FillPlaces(SpeechSource source, CancellationToken cancellationToken)
    {
        for (int i = 0; i < _places.Length; i++)
        {
            // A job that ends with its first row leaves its place at once.
            while (_places[i] is null)
            {
                ThrowIfCancelled(cancellationToken);
                if (!source(_steps.ActiveCount == 0, out SpeechJob? job))
                    return false;
                if (job is null)
                    return true;
                Start(i, job, cancellationToken);
            }
        }

        return true;
    }

    private void Start(int index, SpeechJob job, CancellationToken cancellationToken)
    {
        try
        {
            var place = new SpeechPlace(_model, job.WantsAudio ? _codec : null, job, index);
            long start = Stopwatch.GetTimestamp();
            _session.Open(index, place.TextIds, default, place.Sequence.RowLimit, place.Sequence.Config.UsesGuidance);
            Times.Encoder += Stopwatch.GetElapsedTime(start);
            _places[index] = place;
            start = Stopwatch.GetTimestamp();
            _steps.Start(index, place.Sequence);
            Times.Prompt += Stopwatch.GetElapsedTime(start);
        }
        catch (Exception e) when (!IsCancellation(e, cancellationToken))
        {
            Leave(index);
            job.OnFailed(e);
            return;
        }

        Advance(_places[index]!, cancellationToken);
    }

    /// <summary>Hands over what a place's newest row completes.</summary>
    private void Advance(SpeechPlace place, CancellationToken cancellationToken)
    {
        try
        {
            place.Advance(_pass, _samples, Times);
        }
        catch (Exception e) when (!IsCancellation(e, cancellationToken))
        {
            Leave(place.Index);
            place.Job.OnFailed(e);
            return;
        }

        if (place.Sequence.Finished)
            Leave(place.Index);
    }

    private void Leave(int place)
    {
        _steps.Stop(place);
        _session.Close(place);
        _places[place] = null;
    }

    private static bool IsCancellation(Exception e, CancellationToken cancellationToken) => e is OperationCanceledException && cancellationToken.IsCancellationRequested;
}
