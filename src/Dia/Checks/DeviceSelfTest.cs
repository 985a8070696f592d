using Dia.Backends;
using Dia.Networks;

namespace Dia.Checks;

/// <summary>Compares a device with the scalar backend: operation by operation, then a whole model.</summary>
public static class DeviceSelfTest
{
    /// <summary>Runs all checks; other threads' calls wait until they are done.</summary>
    /// <param name="device">What is checked.</param>
    /// <param name="models">What is compiled in: its shapes, and the classes that run the model.</param>
    /// <param name="model">A checkpoint to run; null: operations only.</param>
    /// <param name="codec">Its codec's, or null.</param>
    /// <param name="small">Odd shapes and the model only: for devices that are emulated.</param>
    /// <param name="report">Receives each check when it is done.</param>
    /// <exception cref="ObjectDisposedException">The device is disposed.</exception>
    /// <exception cref="DiaException">A weight is damaged (Model), or the device fails (Device).</exception>
    public static void Run(Device device, IReadOnlyList<CompiledModel> models, ModelCheckpoint? model, CodecCheckpoint? codec, bool small, Action<KernelCheck> report)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentNullException.ThrowIfNull(models);
        ArgumentNullException.ThrowIfNull(report);
        using Lock.Scope turn = device.Enter();
        switch (device.Kind)
        {
            case DeviceKind.Cuda:
                Kernels(device.Cuda, models, small, report);
                new SamplerChecks(device.Cuda.Device, report).Run();
                break;
            case DeviceKind.Cpu:
                Kernels(device.Cpu, models, small, report);
                break;
            default:
                Kernels(device.Scalar, models, small, report);
                break;
        }

        using Device reference = Device.CreateScalar();
        if (model is not null)
            new ModelChecks(device, reference, report).Run(model);
        if (codec is not null)
            new CodecChecks(device, reference, report).Run(codec);
    }

    private static void Kernels<TBackend>(TBackend backend, IReadOnlyList<CompiledModel> models, bool small, Action<KernelCheck> report)
        where TBackend : struct, IBackend
    {
        var checks = new KernelChecks<TBackend>(backend, report);
        checks.RunOdd();
        if (small)
            return;
        foreach (CompiledModel model in models)
            checks.RunCompiled(model);
    }
}
