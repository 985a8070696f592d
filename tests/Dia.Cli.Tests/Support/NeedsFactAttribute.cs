namespace Dia.Cli.Tests.Support;

/// <summary>A test that runs other programs, and is skipped, saying so, where one is not installed.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class NeedsFactAttribute : FactAttribute
{
    /// <summary>Names the programs.</summary>
    public NeedsFactAttribute(params string[] programs)
    {
        string[] folders = Environment.GetEnvironmentVariable("PATH")?.Split(':') ?? [];
        string[] missing = [.. programs.Where(p => !folders.Any(f => File.Exists(Path.Combine(f, p))))];
        if (missing.Length > 0)
            Skip = $"not installed here: {string.Join(", ", missing)}";
    }
}
