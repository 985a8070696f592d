using Dia.Backends;
using Dia.Backends.Scalar;
using Dia.Networks;

namespace Dia.Checks;

/// <summary>Compares a device with the scalar backend: operation by operation, those of training where it can train, then a whole model.</summary>
public static class DeviceSelfTest
{
    /// <summary>Runs all checks; other threads' calls wait until they are done.</summary>
    /// <param name="device">What is checked.</param>
    /// <param name="networks">What is compiled in: its shapes, and the classes that run the model.</param>
    /// <param name="model">A checkpoint to run; null: operations only.</param>
    /// <param name="codec">Its codec's, or null.</param>
    /// <param name="small">Odd shapes and the model only: for devices that are emulated.</param>
    /// <param name="report">Receives each check when it is done.</param>
    /// <exception cref="ObjectDisposedException">The device is disposed.</exception>
    /// <exception cref="DiaException">A weight is damaged (Model), or the device fails (Device).</exception>
    public static void Run(Device device, IReadOnlyList<CompiledNetwork> networks, ModelCheckpoint? model, CodecCheckpoint? codec, bool small,
        Action<KernelCheck> report)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentNullException.ThrowIfNull(networks);
        ArgumentNullException.ThrowIfNull(report);
        using Lock.Scope turn = device.Enter();
        device.Accept(new Operations(small ? [] : networks, report))();
        if (device.CanTrain)
            device.AcceptTraining(new TrainingOperations(report))();
        SamplerChecks.Run(device, report);
        using var reference = new ScalarDevice();
        if (model is not null)
            new ModelChecks(device, reference, report).Run(model);
        if (codec is not null)
            new CodecChecks(device, reference, report).Run(codec);
    }

    private sealed class TrainingOperations(Action<KernelCheck> report) : ITrainingVisitor<Action>
    {
        public Action Visit<TBackend>(TBackend backend)
            where TBackend : struct, ITrainingBackend => new TrainingChecks<TBackend>(backend, new KernelChecks<TBackend>(backend, report)).RunOdd;
    }

    private sealed class Operations(IReadOnlyList<CompiledNetwork> networks, Action<KernelCheck> report) : IBackendVisitor<Action>
    {
        public Action Visit<TBackend>(TBackend backend)
            where TBackend : struct, IBackend => () =>
            {
                var checks = new KernelChecks<TBackend>(backend, report);
                checks.RunOdd();
                foreach (CompiledNetwork network in networks)
                    checks.RunCompiled(network);
            };
    }
}
