using System.Runtime.Intrinsics;

namespace Dia.Cli.Tests.Support;

/// <summary>A test of the AVX-512 image, which is skipped, saying so, where the processor cannot run it.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class Avx512FactAttribute : FactAttribute
{
    /// <summary>Asks the processor.</summary>
    public Avx512FactAttribute()
    {
        if (!IsPossible)
            Skip = Reason;
    }

    /// <summary>Why such a test is skipped.</summary>
    internal const string Reason = "the AVX-512 image needs a processor that has AVX-512, and this one has not";

    /// <summary>Whether the processor runs it.</summary>
    public static bool IsPossible => Vector512.IsHardwareAccelerated;
}

/// <summary>Such a test with several cases.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class Avx512TheoryAttribute : TheoryAttribute
{
    /// <summary>Asks the processor.</summary>
    public Avx512TheoryAttribute()
    {
        if (!Avx512FactAttribute.IsPossible)
            Skip = Avx512FactAttribute.Reason;
    }
}
