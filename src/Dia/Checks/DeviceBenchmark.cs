using Dia.Backends;
using Dia.Codec;
using Dia.Generation;
using Dia.Modeling;

namespace Dia.Checks;

/// <summary>Speeds of a device, beside what it can do at most. While it measures, other threads' calls wait.</summary>
public sealed class DeviceBenchmark : IDisposable
{
    private readonly Device _device;
    private readonly DeviceClock _clock;

    /// <summary>Measures the device itself.</summary>
    /// <exception cref="DiaException">No memory for it (Device).</exception>
    public DeviceBenchmark(Device device)
    {
        ArgumentNullException.ThrowIfNull(device);
        using Lock.Scope turn = device.Enter();
        (_device, _clock) = (device, device.CreateClock());
    }

    /// <summary>What <see cref="Bandwidth"/> is.</summary>
    public string BandwidthName => _clock.BandwidthName;

    /// <summary>Bytes a second that the device moves at most.</summary>
    public double Bandwidth => _clock.Bandwidth;

    /// <summary>What <see cref="Operations"/> is.</summary>
    public string OperationsName => _clock.OperationsName;

    /// <summary>Floating-point operations a second at most (a multiply-add is two); 0: not measured, cuBLAS is absent.</summary>
    public double Operations => _clock.Operations;

    /// <summary>Times the operations of a step (two rows: guidance), of a block and of the codec's decoder, with the model's own weights.</summary>
    /// <param name="model">The model, on this device; null: none.</param>
    /// <param name="codec">The codec, on this device; null: none.</param>
    /// <param name="rows">Rows in the caches.</param>
    /// <param name="textLength">Bytes of the text.</param>
    /// <param name="report">Receives each timing.</param>
    /// <exception cref="ArgumentException">The model or the codec is on another device.</exception>
    /// <exception cref="ObjectDisposedException">The device, the model or the codec is disposed.</exception>
    /// <exception cref="DiaException">No memory, or the device fails (Device).</exception>
    public void TimeKernels(DiaForConditionalGeneration? model, DacModel? codec, int rows, int textLength, Action<KernelTiming> report)
    {
        ArgumentNullException.ThrowIfNull(report);
        ArgumentOutOfRangeException.ThrowIfLessThan(rows, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(textLength, 1);
        if (model is not null && model.Tenant.Device != _device)
            throw new ArgumentException("The model is on another device.", nameof(model));
        if (codec is not null && codec.Tenant.Device != _device)
            throw new ArgumentException("The codec is on another device.", nameof(codec));
        model?.CompleteWeights();
        using Lock.Scope turn = _device.Enter(), modelTurn = Turn(model?.Tenant), codecTurn = Turn(codec?.Tenant);
        if (model is not null)
            SamplerTimings.Run(_device, _clock, model, report);
        _device.Accept(new Timings(_clock, model, codec, rows, textLength, report))();
    }

    /// <summary>Times whole decoding steps on a device that computes in the host's memory; elsewhere there are none.</summary>
    /// <param name="model">The model, on this device.</param>
    /// <param name="textLength">Bytes of each text.</param>
    /// <param name="steps">Utterances, and rows in the caches of each, case by case.</param>
    /// <exception cref="ArgumentException">The model is on another device.</exception>
    /// <exception cref="ObjectDisposedException">The device or the model is disposed.</exception>
    /// <exception cref="DiaException">No memory, or the device fails (Device).</exception>
    public IReadOnlyList<StepTiming> TimeSteps(
        DiaForConditionalGeneration model, int textLength, params IReadOnlyList<(int Utterances, int Rows)> steps)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(steps);
        ArgumentOutOfRangeException.ThrowIfLessThan(textLength, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(steps.Select(s => s.Rows).DefaultIfEmpty(0).Min(), nameof(steps));
        ArgumentOutOfRangeException.ThrowIfLessThan(steps.Select(s => s.Utterances).DefaultIfEmpty(1).Min(), 1, nameof(steps));
        if (model.Tenant.Device != _device)
            throw new ArgumentException("The model is on another device.", nameof(model));
        model.CompleteWeights();
        if (!_device.Memory.IsHost || steps.Count == 0)
            return [];
        using Lock.Scope turn = _device.Enter(), modelTurn = model.Tenant.Enter();
        return _device.Accept(new Steps(model, textLength, steps))();
    }

    /// <summary>Times the encoder and a prompt on a device that computes in the host's memory; elsewhere null.</summary>
    /// <param name="model">The model, on this device.</param>
    /// <param name="textLength">Bytes of the text.</param>
    /// <param name="rows">The prompt's rows.</param>
    /// <exception cref="ArgumentException">The model is on another device.</exception>
    /// <exception cref="ObjectDisposedException">The device or the model is disposed.</exception>
    /// <exception cref="DiaException">No memory, or the device fails (Device).</exception>
    public PromptTiming? TimePrompt(DiaForConditionalGeneration model, int textLength, int rows)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentOutOfRangeException.ThrowIfLessThan(textLength, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(rows, 1);
        if (model.Tenant.Device != _device)
            throw new ArgumentException("The model is on another device.", nameof(model));
        if (!_device.Memory.IsHost)
            return null;
        using Lock.Scope turn = _device.Enter(), modelTurn = model.Tenant.Enter();
        return new PromptTimings(model).Run(textLength, rows);
    }

    /// <summary>Seconds of one run on the device, its end included.</summary>
    public double Time(Action run)
    {
        ArgumentNullException.ThrowIfNull(run);
        using Lock.Scope turn = _device.Enter();
        return _clock.Time(run);
    }

    /// <inheritdoc/>
    public void Dispose() => _clock.Dispose();

    private Lock.Scope Turn(Tenant? tenant) => tenant is null ? _device.Enter() : tenant.Enter();

    private sealed class Steps(
        DiaForConditionalGeneration model, int textLength, IReadOnlyList<(int Utterances, int Rows)> steps) : IBackendVisitor<Func<StepTiming[]>>
    {
        public Func<StepTiming[]> Visit<TBackend>(TBackend backend)
            where TBackend : struct, IBackend => () => new StepTimings<TBackend>(backend, model).Run(textLength, steps);
    }

    private sealed class Timings(DeviceClock clock, DiaPreTrainedModel? model, DacModel? codec, int rows, int textLength, Action<KernelTiming> report)
        : IBackendVisitor<Action>
    {
        public Action Visit<TBackend>(TBackend backend)
            where TBackend : struct, IBackend => () =>
            {
                var timings = new OperationTimings<TBackend>(backend, clock, report);
                if (model is not null)
                    timings.Run(model, rows, textLength);
                if (codec is not null)
                    timings.Run(codec);
            };
    }
}
