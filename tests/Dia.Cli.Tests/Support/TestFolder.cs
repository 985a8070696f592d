namespace Dia.Cli.Tests.Support;

/// <summary>A folder of its own for each test, removed afterwards.</summary>
public abstract class TestFolder : IDisposable
{
    /// <summary>The executable people get.</summary>
    protected static Executable Dia => Executable.Dia;

    /// <summary>The folder.</summary>
    protected string Folder { get; } = Directory.CreateTempSubdirectory("dia-test-").FullName;

    /// <summary>A path in the folder.</summary>
    protected string In(string name) => Path.Combine(Folder, name);

    /// <summary>Names of all that is in the folder, sorted.</summary>
    protected string[] Names() =>
        [.. Directory.EnumerateFileSystemEntries(Folder, "*", new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = 0 })
        .Select(f => Path.GetRelativePath(Folder, f)).Order(StringComparer.Ordinal)];

    /// <summary>A copy of a checkpoint with its codec, to be spoiled.</summary>
    protected string CopyOf(string model, string name = "model")
    {
        foreach (string from in Directory.EnumerateFiles(model, "*", SearchOption.AllDirectories))
        {
            string relative = Path.GetRelativePath(model, from);
            if (relative.StartsWith("recipe", StringComparison.Ordinal))
                continue;
            string to = Path.Combine(In(name), relative);
            Directory.CreateDirectory(Path.GetDirectoryName(to)!);
            File.Copy(from, to);
        }

        return In(name);
    }

    /// <summary>Asserts an exit code, with the program's own words if it is another, and that the error says certain things.</summary>
    protected static void Fails(int exitCode, Outcome outcome, params string[] says)
    {
        Assert.True(exitCode == outcome.ExitCode, $"exit code {outcome.ExitCode} in place of {exitCode}: {outcome.Error}");
        Assert.StartsWith("dia: ", outcome.Error, StringComparison.Ordinal);
        foreach (string part in says)
            Assert.Contains(part, outcome.Error, StringComparison.Ordinal);
        Assert.Empty(outcome.Output);
    }

    /// <summary>Asserts success.</summary>
    protected static Outcome Succeeds(Outcome outcome)
    {
        Assert.True(outcome.ExitCode == 0, $"exit code {outcome.ExitCode}: {outcome.Error}");
        return outcome;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Directory.Delete(Folder, recursive: true);
        GC.SuppressFinalize(this);
    }
}
