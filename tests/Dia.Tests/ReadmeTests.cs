using Xunit;

namespace Dia.Tests;

/// <summary>README's C# is the example that compiles.</summary>
public sealed class ReadmeTests
{
    [Fact]
    public void Its_code_is_the_examples()
    {
        string root = Repository.Root;
        string example = File.ReadAllText(Path.Combine(root, "examples", "Program.cs"));
        string[] blocks = File.ReadAllText(Path.Combine(root, "README.md")).Split("```csharp\n")[1..];
        Assert.NotEmpty(blocks);
        Assert.All(blocks, block => Assert.Contains(block[..block.IndexOf("```", StringComparison.Ordinal)].Trim(), example));
    }
}
