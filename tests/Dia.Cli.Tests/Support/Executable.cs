using System.Diagnostics;
using System.Text;

namespace Dia.Cli.Tests.Support;

/// <summary>What a process did.</summary>
/// <param name="ExitCode">Its exit code.</param>
/// <param name="Output">Its standard output.</param>
/// <param name="Error">Its standard error.</param>
public sealed record Outcome(int ExitCode, byte[] Output, string Error)
{
    /// <summary>Standard output as text.</summary>
    public string Text => Encoding.UTF8.GetString(Output);
}

/// <summary>A published executable, run as a process.</summary>
public sealed class Executable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

    private static readonly Lazy<Executable> Published =
        new(() => new Executable("DIA_EXECUTABLE", "out/publish/dia", "dotnet publish src/Dia.Cli -o out/publish"));

    private static readonly Lazy<Executable> PublishedWithFixtures = new(() => new Executable("DIA_FIXTURES_EXECUTABLE", "out/publish-fixtures/dia",
        "dotnet publish src/Dia.Cli -o out/publish-fixtures -p:DiaBundle=none -p:DiaConfigs=" + string.Join("%3B", Fixtures.ConfigurationFolders)));

    private Executable(string variable, string fallback, string publish)
    {
        string root = Repository.Root;
        Path = Environment.GetEnvironmentVariable(variable) is { Length: > 0 } given ? given : System.IO.Path.Combine(root, fallback);
        if (!File.Exists(Path))
            throw new FileNotFoundException(
                $"{Path} is missing: these tests run the published executable. Make it with `{publish}` in {root}, or name one in {variable}.");
    }

    /// <summary>The executable people get, with the demo model inside.</summary>
    public static Executable Dia => Published.Value;

    /// <summary>The same program with every configuration under tests/fixtures compiled in.</summary>
    public static Executable WithFixtures => PublishedWithFixtures.Value;

    /// <summary>Where it is.</summary>
    public string Path { get; }

    /// <summary>Runs it with nothing on standard input.</summary>
    public Outcome Run(params string[] args) => Run(args, []);

    /// <summary>Runs it.</summary>
    /// <param name="args">Its arguments.</param>
    /// <param name="input">Its standard input.</param>
    /// <param name="environment">Variables to set; all other DIA_ variables are removed.</param>
    public Outcome Run(string[] args, byte[] input, params (string Name, string Value)[] environment) => Finish(Start(Path, args, environment), input);

    /// <summary>Runs a line of sh in which $DIA is the executable, and $1, $2, ... are the arguments.</summary>
    public Outcome Shell(string script, params string[] args) => Finish(StartShell(script, ["sh", .. args]), []);

    /// <summary>Starts a line of sh in which $DIA is the executable, and $0, $1, ... are the arguments.</summary>
    public Process StartShell(string script, params string[] args) => Start("/bin/sh", ["-c", script, .. args], [("DIA", Path)]);

    /// <summary>Starts it.</summary>
    public Process Start(params string[] args) => Start(Path, args, []);

    /// <summary>Gives a process its input and waits for it.</summary>
    public static Outcome Finish(Process process, byte[] input)
    {
        using (process)
        {
            var output = new MemoryStream();
            Task reading = process.StandardOutput.BaseStream.CopyToAsync(output);
            Task<string> errors = process.StandardError.ReadToEndAsync();
            try
            {
                process.StandardInput.BaseStream.Write(input);
                process.StandardInput.Close();
            }
            catch (IOException)
            {
                // It ended without reading all of it.
            }

            if (!process.WaitForExit(Patience))
            {
                process.Kill();
                Assert.Fail($"it did not end within {Patience}");
            }

            process.WaitForExit();
            reading.Wait();
            return new Outcome(process.ExitCode, output.ToArray(), errors.Result);
        }
    }

    private static Process Start(string path, string[] args, (string Name, string Value)[] environment)
    {
        // The signals of a terminal as they are at first: where a shell runs the tests as a background job, it ignores them.
        var start = new ProcessStartInfo("/usr/bin/env", ["--default-signal", path, .. args]) { RedirectStandardInput = true, RedirectStandardOutput = true,
            RedirectStandardError = true };
        foreach (string name in start.Environment.Keys.Where(k => k.StartsWith("DIA_", StringComparison.Ordinal)).ToList())
            start.Environment.Remove(name);
        foreach (var (name, value) in environment)
            start.Environment[name] = value;
        return Process.Start(start)!;
    }
}
