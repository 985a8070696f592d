namespace Dia.Checks;

/// <summary>One comparison of a backend's operation with the scalar backend's.</summary>
/// <param name="Name">The operation, and what is special about its operands.</param>
/// <param name="Shapes">Their sizes.</param>
/// <param name="Error">The greatest difference of a value, divided by the greater of the expected value and what values of the sum's size are; infinite where
/// one is NaN or infinite and the other is not.</param>
/// <param name="Tolerance">The greatest error that is right.</param>
public sealed record KernelCheck(string Name, string Shapes, double Error, double Tolerance)
{
    /// <summary>Whether the error is within the tolerance.</summary>
    public bool Passed => Error <= Tolerance;
}
