using Dia.Cli.Input;
using Dia.Cli.Lines;
using Dia.Cli.Options;
using Dia.Quantization;

namespace Dia.Cli.Commands;

/// <summary>The JSON lines of a calibration: a text each and, as those of --jsonl name it, a voice.</summary>
internal static class CalibrationLines
{
    /// <summary>Whether a file holds JSON lines: it is called so, or begins with an object.</summary>
    /// <exception cref="DiaException">Input: it cannot be read.</exception>
    public static bool IsJson(string path)
    {
        if (path.EndsWith(".jsonl", StringComparison.OrdinalIgnoreCase))
            return true;
        using FileStream file = Open(path);
        Span<byte> start = stackalloc byte[4];
        ReadOnlySpan<byte> read = start[..file.ReadAtLeast(start, start.Length, throwOnEndOfStream: false)];
        return (read.StartsWith(Encoding.UTF8.Preamble) ? read[Encoding.UTF8.Preamble.Length..] : read).StartsWith("{"u8);
    }

    /// <summary>Reads the lines, and encodes the voices.</summary>
    /// <param name="run">The run.</param>
    /// <param name="path">The file.</param>
    /// <param name="model">The model that is to speak them.</param>
    /// <param name="openCodec">Opens its codec, where a recording is to be encoded.</param>
    /// <exception cref="DiaException">Input: a line is wrong; the message has file and line. Model: there is no codec.</exception>
    public static CalibrationScript Read(Invocation run, string path, DiaForConditionalGeneration model, Func<DacModel> openCodec)
    {
        DacModel? codec = null;
        try
        {
            using FileStream file = Open(path);
            var reader = new LineReader(file, start: head => FileContent.Refuse(head, path, "JSON lines to calibrate with", DiaErrorKind.Input, FileContentKind.Text));
            var paths = new LinePaths(".", ".", anyPath: true);
            var lines = new List<(int, CalibrationLine)>();
            while (reader.Next() is { } line)
            {
                if (!line.TooLong && line.Bytes.AsSpan().IndexOfAnyExcept(" \t\r"u8) < 0)
                    continue;
                if (lines.Count > CalibrationScript.MaxLines)
                    break; // It is said below.
                lines.Add(((int)line.Number, ReadLine(line, paths)));
            }

            return CalibrationScript.Of(lines, path, model.Config);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Unreadable(path, e);
        }
        finally
        {
            codec?.Dispose();
        }

        CalibrationLine ReadLine(InputLine line, LinePaths paths)
        {
            try
            {
                if (!line.TooLong && !IsObject(line))
                    throw new DiaException(DiaErrorKind.Input,
                        "this is no JSON object, and the file is one of JSON lines, by its name or its first line: write {\"text\":\"[S1] Hello there.\"}, or make all lines plain text.");
                LineRequest request = LineRequest.FromJson(line, run.Line, out _, LineRequest.CalibrationKeys);
                string[] others = [.. request.Options.Values.Keys.Except(run.Line.Values.Keys).Except(DiaOptions.VoiceSources).Select(LineRequest.Key)];
                if (request.Output is not null || others.Length > 0)
                    throw CommandLine.Usage($"a calibration speaks as the checkpoint says, and writes no sound: leave out {(request.Output is not null ? "output" : others[0])}.");
                VoiceInput? voice = request.OwnVoice ? request.ReadVoice(run, paths) : null;
                Voice? opened = voice?.Open(model, voice.NeedsCodec ? codec ??= openCodec() : codec);
                CheckRoom(opened);
                return new CalibrationLine(new ScriptPiece(request.Text), opened);
            }
            catch (DiaException e) when (e.Kind is DiaErrorKind.Usage or DiaErrorKind.Input)
            {
                throw new DiaException(DiaErrorKind.Input, $"{path}, line {line.Number}: {e.Message}", e);
            }
        }

        static bool IsObject(InputLine line) =>
            (line.Number == 1 ? line.Bytes.AsSpan().TrimStart(Encoding.UTF8.Preamble) : line.Bytes.AsSpan()).TrimStart(" \t"u8).StartsWith("{"u8);

        void CheckRoom(Voice? voice)
        {
            GenerationConfig config = model.GenerationConfig();
            int frames = voice?.Codes.GetLength(0) ?? 0, needed = config.DelayPattern.Max() + 2;
            if (config.RowLimit(1 + frames) - 1 - frames < needed)
                throw new DiaException(DiaErrorKind.Input, $"the voice has {frames} frames, and leaves fewer than {needed} rows to speak in. Use a shorter one.");
        }
    }

    private static FileStream Open(string path)
    {
        try
        {
            return File.OpenRead(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Unreadable(path, e);
        }
    }

    private static DiaException Unreadable(string path, Exception e) => new(DiaErrorKind.Input, $"cannot read {path}: {e.Message}", e);
}
