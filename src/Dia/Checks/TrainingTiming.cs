namespace Dia.Checks;

/// <summary>A training step, and what the device can do at most in the same second.</summary>
/// <param name="Forward">Seconds of the forward pass, the loss included.</param>
/// <param name="Backward">Seconds of the backward pass.</param>
/// <param name="Processor">Seconds of the processor's time that both passes took, all threads together: more wall time than that is other work's.</param>
/// <param name="Optimizer">Seconds of the optimizer's step, the gradients' norm included.</param>
/// <param name="Operations">Floating-point operations a second at most (a multiply-add is two).</param>
/// <param name="Bandwidth">Bytes a second that a copy reads and writes.</param>
public sealed record TrainingTiming(double Forward, double Backward, double Processor, double Optimizer, double Operations, double Bandwidth);
