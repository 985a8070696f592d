using ManagedCuda;
using Xunit;

namespace Dia.Tests;

public sealed class ReferencesTests
{
    /// <summary>Parts of the runtime that load other libraries when they are used: OpenSSL, GSSAPI, what a program that is started needs.</summary>
    [Fact]
    public void The_library_uses_nothing_that_loads_other_libraries()
    {
        string[] names =
            [.. new[] { typeof(DiaException).Assembly, typeof(CudaContext).Assembly }.SelectMany(a => a.GetReferencedAssemblies()).Select(a => a.Name!)];
        Assert.Contains("System.Runtime", names);
        Assert.DoesNotContain(names, n => n.StartsWith("System.Security", StringComparison.Ordinal) || n.StartsWith("System.Net", StringComparison.Ordinal)
            || n == "System.Diagnostics.Process");
    }
}
