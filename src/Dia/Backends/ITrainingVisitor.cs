namespace Dia.Backends;

/// <summary>What is done with the backend of a device that can train, compiled for each of them (<see cref="Device.AcceptTraining"/>).</summary>
/// <typeparam name="T">What comes of it.</typeparam>
public interface ITrainingVisitor<T>
{
    /// <summary>Does it.</summary>
    T Visit<TBackend>(TBackend backend)
        where TBackend : struct, ITrainingBackend;
}
