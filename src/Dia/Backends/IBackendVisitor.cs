namespace Dia.Backends;

/// <summary>What is done with a device's backend, compiled for each of them (<see cref="Device.Accept"/>).</summary>
/// <typeparam name="T">What comes of it.</typeparam>
public interface IBackendVisitor<T>
{
    /// <summary>Does it.</summary>
    T Visit<TBackend>(TBackend backend)
        where TBackend : struct, IBackend;
}
