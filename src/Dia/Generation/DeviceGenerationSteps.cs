using Dia.Backends;
using Dia.Configuration;
using Dia.Modeling;

namespace Dia.Generation;

/// <summary>
/// Steps that run by themselves on a device: the decoder, the sampler, and moving positions and ids on are one step of a queue, which runs a few of
/// them ahead of the host. The host only takes finished rows, all that are there at a time, so the device never waits for it. When a sequence comes or
/// goes, the device comes to rest and the step is arranged anew.
/// </summary>
internal sealed unsafe class DeviceGenerationSteps : IGenerationSteps
{
    private readonly DecoderSession _session;
    private readonly Device _device;
    private readonly DeviceSampler _sampler;
    private readonly StepQueue _queue;
    private readonly int _channels;
    private readonly bool _lengthChangesRope;
    private readonly GenerationSequence?[] _sequences;
    private readonly List<int> _active = [];
    private bool _arranged;
    private DiaException? _failure;

    /// <summary>Makes a queue of the session's steps.</summary>
    /// <param name="session">The network and its caches.</param>
    /// <param name="sampler">The device's sampler, with as many slots; it is disposed with this, also where this fails.</param>
    /// <exception cref="DiaException">No memory (Device).</exception>
    public DeviceGenerationSteps(DecoderSession session, DeviceSampler sampler)
    {
        (_session, _device, _sampler) = (session, session.Tenant.Device, sampler);
        DiaDecoderConfig d = session.Config.DecoderConfig;
        _channels = d.NumChannels;
        _lengthChangesRope = RotaryFrequencies.For(d).DependsOnLength;
        _sequences = new GenerationSequence?[session.Slots];
        try
        {
            _queue = _device.CreateQueue(Enqueue);
        }
        catch
        {
            sampler.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public int ActiveCount => _active.Count;

    /// <inheritdoc/>
    public void Start(int slot, GenerationSequence sequence)
    {
        using Lock.Scope turn = _session.Tenant.Enter();
        ThrowIfFailed();
        Drain();

        // The sampler picks for every sequence that has a row in the logits: here only the new one's are there.
        foreach (int other in _active)
            _sampler.Move(other, -1, -1);
        _session.Prompt(slot, sequence.PromptRows, sequence.PromptRows.Length / _channels);
        _sampler.Open(slot, sequence.Sampled(), 0, 1);
        _sampler.Sample(_session.Logits, null, null, null);
        _device.Synchronize();
        _sampler.Move(slot, -1, -1);
        _sequences[slot] = sequence;
        AppendRows(slot);
        if (!sequence.Finished)
            _active.Insert(~_active.BinarySearch(slot), slot); // ascending: the session is promised that
    }

    /// <inheritdoc/>
    public void Stop(int slot)
    {
        if (_sequences[slot] is null)
            return;
        using Lock.Scope turn = _session.Tenant.EnterToFree();
        _active.Remove(slot);
        _sequences[slot] = null;
        if (_device.IsDisposed)
            return;
        try
        {
            Drain();
            _sampler.Close(slot);
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
        ThrowIfFailed();
        if (!_arranged)
            Arrange();
        _queue.Fill(_lengthChangesRope ? 1 : StepQueue.Ahead);
        foreach (int slot in _active)
        {
            while (!HasNews(slot))
                _queue.WaitForOldest();
            AppendRows(slot);
        }

        if (RemoveFinished() || _lengthChangesRope)
            Drain();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        using Lock.Scope turn = _session.Tenant.EnterToFree();
        _sampler.Dispose(); // waits for what is under way
        _queue.Dispose();
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
    private bool HasNews(int slot)
    {
        SamplerProgress progress = _sampler.Progress(slot);
        return progress.Generated > _sequences[slot]!.Generated || progress.Status is SamplerStatus.LogitNotFinite or SamplerStatus.ScoreNotFinite;
    }

    /// <summary>Adds the rows of a sequence that are there: so it is never more than two arrangements' steps behind. Or its failure.</summary>
    private void AppendRows(int slot)
    {
        GenerationSequence sequence = _sequences[slot]!;
        SamplerProgress progress = _sampler.Progress(slot);
        while (progress.Generated > sequence.Generated && !sequence.Finished)
            sequence.AppendCompleted(_sampler.Row(slot, sequence.Generated), last: progress.Status == SamplerStatus.Finished
                && progress.Generated == sequence.Generated + 1);
        if (progress.Status is SamplerStatus.LogitNotFinite or SamplerStatus.ScoreNotFinite)
            sequence.Fail(GenerationSteps.NotFiniteError(progress.Status == SamplerStatus.LogitNotFinite ? "logit" : "score", sequence, progress.Channel));
    }

    /// <summary>Waits for what is under way; the next step is arranged anew.</summary>
    private void Drain()
    {
        _queue.Drain();
        _arranged = false;
    }

    /// <summary>
    /// Gives every sequence that goes on its rows in the step, behind what its caches hold: the device may have made rows that the host has
    /// not taken.
    /// </summary>
    private void Arrange()
    {
        List<int> running = [.. _active.Where(slot => _sampler.Progress(slot).Status == SamplerStatus.Running)];
        int[] rows = new int[running.Count * _channels];
        for (int i = 0; i < running.Count; i++)
        {
            int generated = _sampler.Progress(running[i]).Generated;
            _sampler.Row(running[i], generated - 1).CopyTo(rows.AsSpan(i * _channels));
            _session.SetCached(running[i], _sequences[running[i]]!.PromptRows.Length / _channels + generated - 1);
        }

        _session.PrepareStep([.. running], rows);
        int guided = running.Count;
        for (int i = 0; i < running.Count; i++)
            _sampler.Move(running[i], i, _sequences[running[i]]!.Config.UsesGuidance ? guided++ : -1);
        _arranged = true;
    }

    private void Enqueue()
    {
        _session.RunStep();
        _sampler.Sample(_session.Logits, _session.StepPass.Ids, _session.StepPass.Positions, _session.StepPass.SelfAttention.Items);
    }
}
