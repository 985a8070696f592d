using System.Diagnostics;

namespace Dia.Cuda.Tests;

/// <summary>A fault that is put into the kernels' sources: tests/gpu/mutations.txt, which tells the format.</summary>
/// <param name="Name">Which.</param>
/// <param name="File">The source.</param>
/// <param name="Checks">The checks that must find it.</param>
/// <param name="From">The lines it changes, with those around them.</param>
/// <param name="To">What they become.</param>
internal sealed record Mutation(string Name, string File, string Checks, string[] From, string[] To)
{
    /// <summary>The kernels' folder.</summary>
    public static string Sources => Repository.At("src/Dia/Backends/Cuda/Kernels");

    /// <summary>The whole list.</summary>
    public static List<Mutation> ReadList()
    {
        List<Mutation> list = [];
        string[] lines = [.. System.IO.File.ReadAllLines(Repository.At("tests/gpu/mutations.txt")).Where(l => !l.StartsWith('#'))];
        for (int at = 0; at < lines.Length;)
        {
            if (!lines[at].StartsWith("== ", StringComparison.Ordinal))
            {
                at++;
                continue;
            }

            string name = lines[at][3..];
            string[] place = lines[at + 1][..lines[at + 1].IndexOf(':')].Split(", ");
            int end = Array.FindIndex(lines, at + 2, l => l.StartsWith("== ", StringComparison.Ordinal));
            string[] hunk = [.. lines[(at + 2)..(end < 0 ? lines.Length : end)].Where(l => l.Trim().Length > 0)];
            list.Add(new Mutation(name, place[0], place[1], [.. hunk.Where(l => l[0] != '+').Select(l => l[1..].Trim())],
                [.. hunk.Where(l => l[0] != '-').Select(l => l[1..])]));
            at += 2;
        }

        return list;
    }

    /// <summary>Compiles the kernels with the fault in them.</summary>
    /// <returns>The PTX.</returns>
    /// <exception cref="InvalidOperationException">The sources have changed, so that the fault cannot be put in, or do not compile with it.</exception>
    public string Compile(string folder)
    {
        foreach (string source in Directory.EnumerateFiles(Sources).Where(f => !f.EndsWith(".ptx", StringComparison.Ordinal)))
            System.IO.File.Copy(source, Path.Combine(folder, Path.GetFileName(source)));
        string path = Path.Combine(folder, File), ptx = Path.Combine(folder, "mutant.ptx");
        List<string> lines = [.. System.IO.File.ReadAllLines(path)];

        // Empty lines do not count: the list is free to leave them out.
        int[] full = [.. Enumerable.Range(0, lines.Count).Where(i => lines[i].Trim().Length > 0)];
        int[] places = [.. Enumerable.Range(0, Math.Max(0, full.Length - From.Length + 1))
            .Where(i => From.Select((line, j) => line == WithoutContinuation(lines[full[i + j]])).All(same => same))];
        if (places.Length != 1)
            throw new InvalidOperationException(
                $"{File} has its lines {places.Length} times; they must be there once. Bring tests/gpu/mutations.txt up to date.");
        int first = full[places[0]], count = full[places[0] + From.Length - 1] - first + 1;
        string[] to = [.. To.Select((line, i) => count == 1 && lines[first].EndsWith('\\') && i == To.Length - 1 ? line + " \\" : line)];
        lines.RemoveRange(first, count);
        lines.InsertRange(first, to);
        System.IO.File.WriteAllLines(path, lines);
        var start = new ProcessStartInfo(Path.Combine(folder, "build"), ptx) { RedirectStandardError = true };
        using Process build = Process.Start(start)!;
        string errors = build.StandardError.ReadToEnd();
        build.WaitForExit();
        return build.ExitCode == 0 ? ptx : throw new InvalidOperationException($"it does not compile: {errors}");
    }

    /// <summary>Puts the fault in and runs the checks.</summary>
    /// <returns>Whether they found it, and what they say.</returns>
    public (bool Caught, string Says) Run()
    {
        string folder = Directory.CreateTempSubdirectory("dia-mutation-").FullName;
        try
        {
            string log = Path.Combine(folder, "violations");
            (int exitCode, string[] lines) = GpuProcess.Run($"{Checks.Split(' ')[0]} \"{Compile(folder)}\"", "DIA_SOFTGPU_LOG=" + log,
                "DIA_SOFTGPU_DRIVER=" + (Checks.EndsWith(" with cuBLAS", StringComparison.Ordinal) ? 12000 : 11040));

            // What the software GPU has seen says more than that the launch failed.
            string? violation = System.IO.File.Exists(log) ? System.IO.File.ReadLines(log).FirstOrDefault() : null;
            string? failure = lines.FirstOrDefault(line => line.StartsWith("FAIL\t", StringComparison.Ordinal));

            // A crash of the program is not what a check says.
            return exitCode is 1 or 5 && failure is not null ? (true, violation
                ?? failure[5..].Replace('\t', ' ')) : (false, $"exit code {exitCode}, {lines.Length} lines, the last: {lines.LastOrDefault()}");
        }
        catch (InvalidOperationException e)
        {
            return (false, e.Message);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>Runs the whole list, or those whose name has a part, two at a time.</summary>
    /// <returns>How many were not caught.</returns>
    public static int RunAll(string part)
    {
        List<Mutation> list = [.. ReadList().Where(m => m.Name.Contains(part, StringComparison.Ordinal))];
        int survivors = 0;
        Parallel.ForEach(list, new ParallelOptions { MaxDegreeOfParallelism = 2 }, mutation =>
        {
            (bool caught, string says) = mutation.Run();
            if (!caught)
                Interlocked.Increment(ref survivors);
            Console.WriteLine($"{(caught ? "caught" : "SURVIVED")}\t{mutation.Name}\t{says}");
        });
        Console.WriteLine($"{list.Count} mutations, {survivors} not caught");
        return list.Count == 0 ? 1 : survivors;
    }

    private static string WithoutContinuation(string line) => line.TrimEnd('\\').Trim();
}
