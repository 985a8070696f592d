using ManagedCuda;
using ManagedCuda.BasicTypes;

namespace Dia.Backends.Cuda;

/// <summary>
/// Steps on a GPU. The first after the queue was drained runs kernel by kernel, since it may still take scratch memory, which a capture does not
/// allow; from the second on a step is one launch of a graph.
/// </summary>
internal sealed class CudaStepQueue : StepQueue
{
    private readonly CudaDevice _device;
    private readonly Action _step;
    private readonly CudaEvent[] _done = new CudaEvent[Ahead];
    private CudaGraphExec? _graph;
    private int _launched;
    private int _waited;

    /// <summary>Makes the events that tell when steps are done.</summary>
    /// <exception cref="DiaException">The device has failed (Device).</exception>
    public CudaStepQueue(CudaDevice device, Action step)
    {
        (_device, _step) = (device, step);
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
    public override void Fill(int count)
    {
        _device.MakeCurrent(); // another device may be this thread's, or none
        _device.Try("do a decoding step", this, static queue =>
        {
            while (queue._waited < queue._launched && queue._done[queue._waited % Ahead].Query())
                queue._waited++;
        });
        while (_launched - _waited < count)
            _device.Try("start a decoding step", this, static queue => queue.Launch());
    }

    /// <inheritdoc/>
    public override void WaitForOldest()
    {
        if (_waited == _launched)
            throw new InvalidOperationException("A sequence waits for a row that no step makes.");
        _device.Try("do a decoding step", _done[_waited++ % Ahead], static done => done.Synchronize());
    }

    /// <inheritdoc/>
    public override void Drain()
    {
        _device.Synchronize();
        (_launched, _waited) = (0, 0);
        _graph?.Dispose();
        _graph = null;
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        _graph?.Dispose();
        foreach (CudaEvent? done in _done)
            done?.Dispose();
    }

    private void Launch()
    {
        if (_launched == 0)
            _step();
        else
            (_graph ??= _device.CaptureStep(_step)).Launch(_device.Stream);
        _done[_launched++ % Ahead].Record(_device.Stream);
    }
}
