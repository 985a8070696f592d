using Dia.Configuration;
using Dia.Generation;
using Dia.Modeling;
using ManagedCuda;
using ManagedCuda.BasicTypes;

namespace Dia.Backends.Cuda;

/// <summary>
/// Steps that run by themselves on a GPU: the decoder, the sampler, and moving positions and ids on are captured once in a graph, which
/// is launched a few steps ahead of the host. The host only takes finished rows, all that are there at a time, so the GPU never waits for
/// it. When a sequence comes or goes, the device comes to rest and the step is arranged anew.
/// </summary>
internal sealed unsafe class CudaGenerationSteps : IGenerationSteps
{
    /// <summary>Steps that are under way at most: enough to hide the host's work, few enough that little is lost when a sequence ends.</summary>
    private const int Ahead = 4;

    private readonly CudaDevice _device;
    private readonly DecoderSession _session;
    private readonly CudaSampler _sampler;
    private readonly int _channels;
    private readonly bool _lengthChangesRope;
    private readonly GenerationSequence?[] _sequences;
    private readonly List<int> _active = [];
    private readonly CudaEvent[] _done = new CudaEvent[Ahead];
    private CudaGraphExec? _graph;
    private int _launched;
    private int _waited;
    private bool _arranged;
    private bool _warm;
    private DiaException? _failure;

    /// <summary>Makes room for the sequences' states.</summary>
    /// <param name="device">The GPU.</param>
    /// <param name="session">The network and its caches, on that GPU.</param>
    /// <param name="config">The model's configuration.</param>
    /// <param name="places">Most sequences at a time.</param>
    /// <exception cref="DiaException">No memory (Device).</exception>
    public CudaGenerationSteps(CudaDevice device, DecoderSession session, DiaConfig config, int places)
    {
        (_device, _session) = (device, session);
        _channels = config.DecoderConfig.NumChannels;
        _lengthChangesRope = RotaryFrequencies.For(config.DecoderConfig).DependsOnLength;
        _sequences = new GenerationSequence?[places];
        _sampler = new CudaSampler(device, places, _channels, config.DecoderConfig.VocabSize);
        try
        {
            for (int i = 0; i < Ahead; i++)
                _done[i] = new CudaEvent(CUEventFlags.DisableTiming);
        }
        catch (CudaException e)
        {
            Dispose();
            throw device.Failure("give events", e);
        }
    }

    /// <inheritdoc/>
    public int ActiveCount => _active.Count;

    /// <inheritdoc/>
    public void Start(int place, GenerationSequence sequence)
    {
        using Lock.Scope turn = _session.Tenant.Enter();
        ThrowIfFailed();
        Rest();

        // The sampler picks for every sequence that has a row in the logits: here only the new one's are there.
        foreach (int other in _active)
            _sampler.Move(other, -1, -1);
        _session.Prompt(place, sequence.PromptRows, sequence.PromptRows.Length / _channels);
        _sampler.Open(place, sequence, 0, 1);
        _sampler.Sample(_session.Logits, null, null, null);
        _device.Synchronize();
        _sampler.Move(place, -1, -1);
        _sequences[place] = sequence;
        Take(place);
        if (!sequence.Finished)
        {
            // Ascending places: the session is promised that.
            int at = _active.BinarySearch(place);
            _active.Insert(~at, place);
        }
    }

    /// <inheritdoc/>
    public void Stop(int place)
    {
        if (_sequences[place] is null)
            return;
        using Lock.Scope turn = _session.Tenant.EnterToFree();
        _active.Remove(place);
        _sequences[place] = null;
        if (_device.IsDisposed)
            return;
        try
        {
            Rest();
            _sampler.Close(place);
        }
        catch (DiaException e)
        {
            // A sequence is often stopped because the device failed, and the first exception is to be seen; the next operation throws this one.
            _failure ??= e;
        }
    }

    /// <inheritdoc/>
    public void Step()
    {
        if (_active.Count == 0)
            return;
        using Lock.Scope turn = _session.Tenant.Enter();
        _device.Enter(); // another device may be this thread's, or none
        ThrowIfFailed();
        if (!_arranged)
            Arrange();
        CountDone();
        while (_launched - _waited < (_lengthChangesRope ? 1 : Ahead))
            Launch();
        foreach (int place in _active)
        {
            while (!HasNews(place))
                WaitForOldest();
            Take(place);
        }

        if (RemoveFinished() || _lengthChangesRope)
            Rest();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        using Lock.Scope turn = _session.Tenant.EnterToFree();
        _graph?.Dispose();
        _sampler.Dispose(); // waits for what is under way
        foreach (CudaEvent? done in _done)
            done?.Dispose();
    }

    /// <summary>What failed when a sequence was stopped: the device may still draw for it.</summary>
    private void ThrowIfFailed()
    {
        if (_failure is not null)
            throw _failure;
    }

    /// <returns>Whether there was any. Not List.RemoveAll, whose condition would be an object made in each step.</returns>
    private bool RemoveFinished()
    {
        int before = _active.Count;
        for (int i = before - 1; i >= 0; i--)
            if (_sequences[_active[i]]!.Finished)
                _active.RemoveAt(i);
        return _active.Count < before;
    }

    /// <summary>Whether the host has not yet taken what the device last said of a sequence.</summary>
    private bool HasNews(int place)
    {
        CudaProgress progress = _sampler.Progress(place);
        return progress.Generated > _sequences[place]!.Generated || progress.Status is CudaSequenceStatus.LogitNotFinite or CudaSequenceStatus.ScoreNotFinite;
    }

    /// <summary>Adds the rows of a sequence that are there: so it is never more than two arrangements' steps behind. Or its failure.</summary>
    private void Take(int place)
    {
        GenerationSequence sequence = _sequences[place]!;
        CudaProgress progress = _sampler.Progress(place);
        while (progress.Generated > sequence.Generated)
            sequence.AppendCompleted(_sampler.Row(place, sequence.Generated), last: progress.Status == CudaSequenceStatus.Finished && progress.Generated == sequence.Generated + 1);
        if (progress.Status is CudaSequenceStatus.LogitNotFinite or CudaSequenceStatus.ScoreNotFinite)
        {
            sequence.Fail(GenerationSteps.NotFiniteError(progress.Status == CudaSequenceStatus.LogitNotFinite ? "logit" : "score", sequence, progress.Channel));
        }
    }

    /// <summary>Waits for what is under way; the next step is arranged anew.</summary>
    private void Rest()
    {
        _device.Synchronize();
        (_launched, _waited, _arranged) = (0, 0, false);
        _graph?.Dispose();
        _graph = null;
    }

    /// <summary>
    /// Gives every sequence that goes on its rows in the step, behind what its caches hold: the device may have made rows that the host has
    /// not taken.
    /// </summary>
    private void Arrange()
    {
        List<int> running = [.. _active.Where(place => _sampler.Progress(place).Status == CudaSequenceStatus.Running)];
        int[] rows = new int[running.Count * _channels];
        for (int i = 0; i < running.Count; i++)
        {
            int generated = _sampler.Progress(running[i]).Generated;
            _sampler.Row(running[i], generated - 1).CopyTo(rows.AsSpan(i * _channels));
            _session.SetCached(running[i], (_sequences[running[i]]!.PromptRows.Length / _channels) + generated - 1);
        }

        _session.PrepareStep([.. running], rows);
        int guided = running.Count;
        for (int i = 0; i < running.Count; i++)
            _sampler.Move(running[i], i, _sequences[running[i]]!.Config.UsesGuidance ? guided++ : -1);
        (_arranged, _warm) = (true, false);
    }

    /// <summary>
    /// Starts a step. The first after an arrangement runs kernel by kernel, since it may still take scratch memory, which a capture does
    /// not allow; from the second on it is one launch.
    /// </summary>
    private void Launch() => _device.Try("start a decoding step", this, static steps =>
    {
        if (steps._warm)
            (steps._graph ??= steps.Capture()).Launch(steps._device.Stream);
        else
            steps.Enqueue();
        steps._warm = true;
        steps._done[steps._launched++ % Ahead].Record(steps._device.Stream);
    });

    private void Enqueue()
    {
        _session.RunStep();
        _sampler.Sample(_session.Logits, _session.StepPass.Ids, _session.StepPass.Positions, _session.StepPass.SelfAttention.Items);
    }

    private CudaGraphExec Capture()
    {
        long before = _device.Launches;
        CudaGraphExec graph = _device.Capture(Enqueue);
        _device.StepLaunches = (int)(_device.Launches - before);
        return graph;
    }

    private void CountDone() => _device.Try("do a decoding step", this, static steps =>
    {
        while (steps._waited < steps._launched && steps._done[steps._waited % Ahead].Query())
            steps._waited++;
    });

    private void WaitForOldest()
    {
        if (_waited == _launched)
            throw new InvalidOperationException("A sequence waits for a row that no step makes.");
        _device.Try("do a decoding step", _done[_waited++ % Ahead], static done => done.Synchronize());
    }
}
