using System.Buffers;
using System.Text.Json;
using Dia.Cli.Plot;

namespace Dia.Cli.Output;

/// <summary>
/// What a training did, as JSON lines: a line for each step, and one for each look at what is held out. It grows while the training runs; one that is gone on
/// with keeps the lines of the steps that it goes on after.
/// </summary>
internal sealed class TrainingLog : IDisposable
{
    private const int MaxLine = 4096;

    private readonly string _path;
    private readonly FileStream _file;
    private readonly List<LossPoint> _learned = [], _heldOut = [];

    /// <summary>Refuses to write over what is no log of a training.</summary>
    /// <param name="name">The option that names it.</param>
    /// <param name="path">The file.</param>
    /// <exception cref="DiaException">Usage: it is another file, or is called as one. Output: its folder is missing.</exception>
    public static void Check(string name, string path)
    {
        string ending = Path.GetExtension(path).ToLowerInvariant();
        if (ending is ".safetensors" or ".json" or ".wav" or ".png")
            throw new DiaException(DiaErrorKind.Usage, $"{name} is '{path}': JSON lines under a name of another kind of file. Call it .jsonl.");
        if (Path.GetDirectoryName(Path.GetFullPath(path)) is { } folder && !Directory.Exists(folder))
            throw new DiaException(DiaErrorKind.Output, $"{name} is '{path}', but there is no folder {folder}.");
        if (Directory.Exists(path))
            throw new DiaException(DiaErrorKind.Usage, $"{name} is '{path}', which is a folder. Name a file.");
        if (!File.Exists(path) || new FileInfo(path).Length == 0) // what is no regular file has no length
            return;
        try
        {
            using FileStream file = File.OpenRead(path);
            if (Read(file, int.MaxValue, [], []) == 0)
                throw new DiaException(DiaErrorKind.Usage, $"{name} is '{path}', which is there and is no log of a training. Name another file.");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new DiaException(DiaErrorKind.Output, $"cannot read {path}: {e.Message}", e);
        }
    }

    /// <summary>Opens it.</summary>
    /// <param name="path">The file, made if need be.</param>
    /// <param name="steps">The steps whose lines stay; the rest is cut off. Null: it begins anew.</param>
    /// <exception cref="DiaException">It cannot be written (Output).</exception>
    public TrainingLog(string path, int? steps)
    {
        _path = path;
        _file = Guard(() => new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read));
        try
        {
            Guard(() =>
            {
                if (!_file.CanSeek)
                    return false;
                _file.SetLength(steps is { } last ? Read(_file, last, _learned, _heldOut) : 0);
                _file.Seek(0, SeekOrigin.End);
                return true;
            });
        }
        catch
        {
            _file.Dispose();
            throw;
        }
    }

    /// <summary>The loss of each step, in order.</summary>
    public IReadOnlyList<LossPoint> Learned => _learned;

    /// <summary>The held-out losses.</summary>
    public IReadOnlyList<LossPoint> HeldOut => _heldOut;

    /// <summary>Adds a step.</summary>
    /// <param name="step">Its number, from 1.</param>
    /// <param name="loss">Its loss.</param>
    /// <param name="learningRate">Its learning rate.</param>
    /// <param name="gradientNorm">The norm of its gradients, before they were clipped.</param>
    /// <param name="speed">Seconds of sound that are learned from in a second.</param>
    /// <exception cref="DiaException">It cannot be written (Output).</exception>
    public void Add(int step, double loss, double learningRate, double gradientNorm, double speed)
    {
        _learned.Add(new LossPoint(step, loss));
        Write(json =>
        {
            json.WriteNumber("step", step);
            json.WriteNumber("loss", Math.Round(loss, 6));
            json.WriteNumber("learning_rate", learningRate);
            json.WriteNumber("gradient_norm", Math.Round(gradientNorm, 6));
            json.WriteNumber("audio_seconds_per_second", Math.Round(speed, 3));
            json.WriteNumber("memory_bytes", MemoryLimits.MostResident);
        });
    }

    /// <summary>Adds a held-out loss.</summary>
    /// <param name="step">The steps that were done.</param>
    /// <param name="loss">The loss.</param>
    /// <exception cref="DiaException">It cannot be written (Output).</exception>
    public void AddHeldOut(int step, double loss)
    {
        _heldOut.Add(new LossPoint(step, loss));
        Write(json =>
        {
            json.WriteNumber("step", step);
            json.WriteNumber("held_out_loss", Math.Round(loss, 6));
        });
    }

    /// <summary>Draws the losses.</summary>
    /// <param name="path">The picture, PNG.</param>
    /// <exception cref="DiaException">It cannot be written (Output).</exception>
    public void Plot(string path)
    {
        using var file = AtomicFile.Create(path);
        LossPlot.Write(file.Stream, _learned, _heldOut);
        file.Commit();
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    /// <summary>Reads a log as far as it is one.</summary>
    /// <param name="stream">The file's bytes.</param>
    /// <param name="steps">The last step that is wanted.</param>
    /// <param name="learned">Gets the losses of steps.</param>
    /// <param name="heldOut">Gets the held-out losses.</param>
    /// <returns>The bytes up to the last whole line of those steps.</returns>
    internal static long Read(Stream stream, int steps, List<LossPoint> learned, List<LossPoint> heldOut)
    {
        byte[] buffer = new byte[MaxLine];
        long end = 0;
        int held = 0;
        while (true)
        {
            int line = buffer.AsSpan(0, held).IndexOf((byte)'\n');
            if (line < 0)
            {
                int read = held < buffer.Length ? stream.Read(buffer, held, buffer.Length - held) : 0;
                if (read == 0)
                    return end;
                held += read;
                continue;
            }

            if (!TryRead(buffer.AsMemory(0, line), steps, learned, heldOut))
                return end;
            end += line + 1;
            held -= line + 1;
            buffer.AsSpan(line + 1, held).CopyTo(buffer);
        }
    }

    private static bool TryRead(ReadOnlyMemory<byte> line, int steps, List<LossPoint> learned, List<LossPoint> heldOut)
    {
        try
        {
            using var json = JsonDocument.Parse(line);
            JsonElement root = json.RootElement;
            if (root.ValueKind != JsonValueKind.Object || !root.TryGetProperty("step", out JsonElement number) || number.ValueKind != JsonValueKind.Number
                || !number.TryGetInt32(out int step) || step < 0 || step > steps)
                return false;
            (List<LossPoint> points, string name) = root.TryGetProperty("loss", out _) ? (learned, "loss") : (heldOut, "held_out_loss");
            if (!root.TryGetProperty(name, out JsonElement value) || value.ValueKind != JsonValueKind.Number || !value.TryGetDouble(out double loss)
                || (points.Count > 0 && step <= points[^1].Step))
                return false;
            points.Add(new LossPoint(step, loss));
            return true;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    private void Write(Action<Utf8JsonWriter> members) => Guard(() =>
    {
        var bytes = new ArrayBufferWriter<byte>(256);
        using (var json = new Utf8JsonWriter(bytes))
        {
            json.WriteStartObject();
            members(json);
            json.WriteEndObject();
        }

        bytes.Write("\n"u8);
        _file.Write(bytes.WrittenSpan);
        _file.Flush();
        return true;
    });

    private T Guard<T>(Func<T> write)
    {
        try
        {
            return write();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            throw new DiaException(DiaErrorKind.Output, $"cannot write {_path}: {e.Message}", e);
        }
    }
}
