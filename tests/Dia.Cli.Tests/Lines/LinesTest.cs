using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Dia.Cli.Tests.Support;

namespace Dia.Cli.Tests.Lines;

/// <summary>Runs over lines. The smallest model makes codes, which is fast; the demo model makes audio.</summary>
public abstract class LinesTest : TestFolder
{
    /// <summary>The smallest model, codes into the folder "codes", as few rows as it can.</summary>
    protected string[] Small =>
        ["--jsonl", "--model", Fixtures.Path("generate/model"), "--cfg-scale", "1", "--max-tokens", "17", "--seed", "5", "--codes", In("codes")];

    /// <summary>Runs it in the folder, with text as its input.</summary>
    protected static Outcome Run(Executable executable, string[] args, string input) => executable.Run(args, Encoding.UTF8.GetBytes(input));

    /// <summary>The answers, each a line that ends in a newline.</summary>
    protected static JsonElement[] Answers(Outcome outcome)
    {
        Assert.True(outcome.Text.Length == 0 || outcome.Text.EndsWith('\n'), "the last answer is not complete");
        return [.. outcome.Text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(Parse)];
    }

    /// <summary>One answer.</summary>
    protected static JsonElement Parse(string line)
    {
        using JsonDocument document = JsonDocument.Parse(line);
        return document.RootElement.Clone();
    }

    /// <summary>The number of the line that an answer is for.</summary>
    protected static int Line(JsonElement answer) => answer.GetProperty("line").GetInt32();

    /// <summary>An error's code; null where the line was spoken.</summary>
    protected static string? Error(JsonElement answer) => answer.TryGetProperty("error", out JsonElement error) ? error.GetProperty("code").GetString() : null;

    /// <summary>The most memory that a process has had, in MiB.</summary>
    protected static double PeakMemory(Process process)
    {
        string line = File.ReadLines($"/proc/{process.Id}/status").Single(l => l.StartsWith("VmHWM:", StringComparison.Ordinal));
        return double.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[^2], CultureInfo.InvariantCulture) / 1024;
    }

    /// <summary>Writes a process's input on a thread, so that its output can be read meanwhile; the input stays open.</summary>
    protected static Thread Feed(Process process, Action<Stream> write)
    {
        var thread = new Thread(() =>
        {
            try
            {
                write(process.StandardInput.BaseStream);
                process.StandardInput.BaseStream.Flush();
            }
            catch (IOException)
            {
                // It was stopped before it had read everything.
            }
        });
        thread.Start();
        return thread;
    }

    /// <summary>Sends a signal.</summary>
    protected static void Signal(Process process, string signal) =>
        Process.Start("kill", [$"-{signal}", process.Id.ToString(CultureInfo.InvariantCulture)])!.WaitForExit();
}
