namespace Dia.Cli.Tests.Support;

/// <summary>A test that runs in a root of its own, and is skipped, saying so, where that is not allowed.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class BareRootFactAttribute : FactAttribute
{
    /// <summary>Tries it.</summary>
    public BareRootFactAttribute()
    {
        if (!BareRoot.IsPossible)
            Skip = "changing the root needs root or user namespaces, and neither is allowed here";
    }
}
