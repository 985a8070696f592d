using System.Collections.Concurrent;

namespace Dia.Cli.Output;

/// <summary>
/// Plays sound through a program that the system has, while it is made. What the program has not taken yet is kept, so that the work does
/// not wait for the loudspeaker.
/// </summary>
internal sealed class Player : IDisposable
{
    private const string Rate = "{rate}";

    // ffplay ends with 0 where it finds no loudspeaker.
    private static readonly (string Name, string[] Arguments)[] Programs =
    [
        ("aplay", ["-q", "-t", "raw", "-f", "S16_LE", "-c", "1", "-r", Rate, "-"]),
        ("paplay", ["--raw", "--format=s16le", "--channels=1", "--rate=" + Rate]),
        ("ffplay", ["-nodisp", "-autoexit", "-loglevel", "error", "-f", "s16le", "-ar", Rate, "-i", "-"]),
    ];

    private readonly BlockingCollection<float[]> _samples = [];
    private readonly CancellationTokenRegistration _cancellation;
    private readonly Process _process;
    private readonly string _name;
    private readonly int _samplingRate;
    private readonly long _started = Stopwatch.GetTimestamp();
    private long _played;
    private readonly Thread _thread;

    /// <summary>Starts the first program that is there.</summary>
    /// <param name="samplingRate">Samples a second.</param>
    /// <param name="token">Ends the sound at once.</param>
    /// <exception cref="DiaException">Output: there is none, or it does not start.</exception>
    public Player(int samplingRate, CancellationToken token)
    {
        (string path, string[] arguments) = Find();
        _name = Path.GetFileName(path);
        _samplingRate = samplingRate;
        string rate = samplingRate.ToString(CultureInfo.InvariantCulture);
        // Its output is read and dropped: ours may be the sound itself.
        var start = new ProcessStartInfo(path, arguments.Select(a => a.Replace(Rate, rate, StringComparison.Ordinal)))
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        };
        try
        {
            _process = Process.Start(start)!;
        }
        catch (Exception e) when (e is System.ComponentModel.Win32Exception or IOException)
        {
            throw new DiaException(DiaErrorKind.Output, $"cannot start {path}: {e.Message}", e);
        }

        _process.BeginOutputReadLine();
        _thread = new Thread(() => Feed(samplingRate)) { IsBackground = true, Name = "player" };
        _thread.Start();
        _cancellation = token.Register(Stop);
    }

    /// <summary>Checks that there is a program to play with: said before the work.</summary>
    /// <exception cref="DiaException">Output: there is none.</exception>
    public static void Check() => Find();

    /// <summary>Takes samples; does not wait for them to be heard.</summary>
    public void Write(ReadOnlySpan<float> samples)
    {
        _played += samples.Length;
        _samples.Add(samples.ToArray());
    }

    /// <summary>Waits until everything was heard.</summary>
    /// <exception cref="DiaException">Output: the program failed.</exception>
    public void Finish()
    {
        _samples.CompleteAdding();
        _thread.Join();
        _process.WaitForExit();
        // Nothing can be heard in less than half of the time that it takes.
        bool tooSoon = _name == "ffplay" && Stopwatch.GetElapsedTime(_started).TotalSeconds * 2 < _played / (double)_samplingRate;
        if (_process.ExitCode != 0 || tooSoon)
            throw new DiaException(DiaErrorKind.Output,
                $"{_name} could not play the sound (it ended {(tooSoon ? "at once" : $"with {_process.ExitCode}")}; what it says is above). Write it to a file with -o FILE.");
    }

    /// <summary>Ends the program where it still runs.</summary>
    public void Dispose()
    {
        _cancellation.Dispose();
        Stop();
        _samples.CompleteAdding();
        _thread.Join();
        _process.Dispose();
        _samples.Dispose();
    }

    private static (string Path, string[] Arguments) Find()
    {
        string[] folders = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries);
        foreach (var (name, arguments) in Programs)
            foreach (string folder in folders)
                if (Path.Combine(folder, name) is var path && IsProgram(path))
                    return (path, arguments);
        throw new DiaException(DiaErrorKind.Output,
            $"--play finds nothing to play with: none of {string.Join(", ", Programs.Select(p => p.Name))} is in PATH. Install one (Debian: apt-get install alsa-utils), or write the sound with -o FILE.");
    }

    private static bool IsProgram(string path) =>
        !OperatingSystem.IsWindows() && File.Exists(path) && (File.GetUnixFileMode(path) & (UnixFileMode.UserExecute | UnixFileMode.OtherExecute)) != 0;

    private void Feed(int samplingRate)
    {
        try
        {
            using Stream stream = _process.StandardInput.BaseStream;
            var writer = AudioWriter.Create(stream, AudioFormat.Raw, samplingRate);
            foreach (float[] samples in _samples.GetConsumingEnumerable())
            {
                writer.Write(samples);
                writer.Flush();
            }
        }
        catch (IOException)
        {
            // The program has ended: its exit code says whether it should have.
        }
    }

    private void Stop()
    {
        try
        {
            if (!_process.HasExited)
                _process.Kill();
        }
        catch (Exception e) when (e is InvalidOperationException or System.ComponentModel.Win32Exception)
        {
            // It ended by itself.
        }
    }
}
