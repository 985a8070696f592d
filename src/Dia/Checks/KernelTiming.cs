namespace Dia.Checks;

/// <summary>How long an operation takes in one decoding step, block or window.</summary>
/// <param name="Part">Which: "step", "block" or "codec".</param>
/// <param name="Name">The operation.</param>
/// <param name="Shapes">Its sizes, and how often it is done there.</param>
/// <param name="Bytes">What it must read and write of weights, caches and activations, all times together.</param>
/// <param name="Operations">Floating-point operations (a multiply-add is two); 0 where they are not what it is bound by.</param>
/// <param name="Seconds">How long that takes.</param>
/// <param name="Launches">Kernels that it is on a GPU; 0: not counted.</param>
public sealed record KernelTiming(string Part, string Name, string Shapes, double Bytes, double Operations, double Seconds, int Launches = 0);
