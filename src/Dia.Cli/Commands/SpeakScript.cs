using System.Diagnostics;
using Dia.Audio;
using Dia.Cli.Options;
using Dia.Cli.Output;
using Dia.Codec;
using Dia.Generation;
using Dia.Modeling;
using Dia.Processing;
using Dia.Text;
using Dia.Weights;

namespace Dia.Cli.Commands;

/// <summary>The way of a text that is split, stretched or spoken again: <see cref="ScriptFlow"/> between the text and the output.</summary>
internal static class SpeakScript
{
    /// <summary>Speaks a text.</summary>
    /// <param name="run">The run.</param>
    /// <param name="options">What is asked for.</param>
    /// <param name="model">The model.</param>
    /// <param name="folder">Its folder.</param>
    /// <param name="codec">Its codec; null where no audio is made.</param>
    /// <param name="processor">Makes the model's inputs.</param>
    /// <param name="text">The text.</param>
    /// <param name="voice">The voice to speak in, with its transcript (empty: the text begins with it).</param>
    /// <param name="audioPath">Where audio goes; null: nowhere.</param>
    /// <param name="codesPath">Where codes go; null: nowhere.</param>
    public static void Run(
        Invocation run, ScriptOptions options, DiaForConditionalGeneration model, ModelFolder folder, DacModel? codec, DiaProcessor processor, string text, (string Text, int[,] Codes)? voice, string? audioPath, string? codesPath)
    {
        int promptRows = 1 + (voice?.Codes.GetLength(0) ?? 0);
        GenerationConfig config = Sampling.Resolve(run.Line, model, folder, promptRows);
        if (options.Retries > 0 && !config.DoSample)
            throw CommandLine.Usage($"{DiaOptions.Retries.Name} draws with another seed, and the checkpoint's generation_config.json says not to draw.");
        IReadOnlyList<ScriptPiece> pieces = Pieces(run, options, model, codec, processor, text, voice, Sampling.RowLimit(config, promptRows));

        using OutputFile? codesFile = codesPath is null ? null : run.Interruption.Open(codesPath);
        using OutputFile? audioFile = audioPath is null ? null : run.Interruption.Open(audioPath);
        var clock = Stopwatch.StartNew();
        var flow = new ScriptFlow(run, model, codec, processor, config, options.Retries);
        long samples = 0;
        try
        {
            samples = Speak(run, options, flow, pieces, voice, codec, audioFile);
        }
        finally
        {
            run.Reporter.ClearProgress();
        }

        if (codesFile is not null)
        {
            CodesFile.Write(codesFile.Stream, flow.Codes());
            codesFile.Commit();
        }

        Summarize(run, flow, config, pieces.Count, codec is null ? null : samples / (double)codec.SamplingRate, clock.Elapsed.TotalSeconds);
    }

    private static long Speak(Invocation run, ScriptOptions options, ScriptFlow flow, IReadOnlyList<ScriptPiece> pieces, (string Text, int[,] Codes)? voice, DacModel? codec, OutputFile? file)
    {
        if (file is null)
        {
            flow.Speak(pieces, voice, null);
            return 0;
        }

        using var writer = new WavWriter(file.Stream, codec!.SamplingRate, run.Line.Has(DiaOptions.Raw));
        var stretch = new TimeStretch(codec.SamplingRate, options.Speed, samples =>
        {
            writer.Write(samples);
            writer.Flush();
        });
        flow.Speak(pieces, voice, stretch.Write);
        stretch.Finish();
        writer.Dispose(); // makes the sizes true before the file is complete
        file.Commit();
        return writer.Samples;
    }

    private static IReadOnlyList<ScriptPiece> Pieces(
        Invocation run, ScriptOptions options, DiaForConditionalGeneration model, DacModel? codec, DiaProcessor processor, string text, (string Text, int[,] Codes)? voice, int rowLimit)
    {
        int positions = model.Config.EncoderConfig.MaxPositionEmbeddings, length = processor.Tokenizer.Encode(text).Length;
        int voiceIds = voice is { Text.Length: > 0 } v ? processor.Tokenizer.Encode(v.Text).Length + 1 : 0;
        bool tooLong = length + voiceIds > positions;
        if (!options.Splits(tooLong, run.Line))
        {
            if (tooLong)
                throw SpeakCommand.TooLong(length + voiceIds, positions);
            return [new ScriptPiece(0, text.Length, text)];
        }

        // Without a codec nothing says how long a row sounds; 86 a second is the released model's.
        double rate = codec is null ? 86 : codec.SamplingRate / (double)codec.HopLength;
        IReadOnlyList<ScriptPiece> pieces = ScriptOptions.SplitText(
            text, positions, voiceIds, (voice?.Codes.GetLength(0) ?? 0) / rate, (rowLimit - model.Config.DelayPattern.Max() - 1) / rate);
        if (tooLong)
            run.Reporter.Note($"the text is {length + voiceIds} bytes long (a tag counts as one), the model takes {positions}: it was split into {pieces.Count} pieces (--no-split makes that an error).");
        return pieces;
    }

    private static void Summarize(Invocation run, ScriptFlow flow, GenerationConfig config, int pieces, double? seconds, double wall)
    {
        if (flow.Frames == 0)
            run.Reporter.Note("the model ended at once: there is no audio. Another seed or text may help.");
        string what = seconds is double s
            ? Format.Text($"{s:0.00} s of audio ({flow.Frames} frames) in {wall:0.0} s, {s / wall:0.00} times real time")
            : Format.Text($"{flow.Frames} frames of codes in {wall:0.0} s");
        string end = flow.CutPieces == 0 ? "ended by itself" : pieces == 1 ? "ended by the length limit" : $"{flow.CutPieces} ended by the length limit";
        run.Reporter.Summary(Format.Text($"{what}; {(pieces == 1 ? "" : $"{pieces} pieces; ")}{end}; {(config.DoSample ? "" : "greedy, ")}seed {config.Seed}"));
    }
}
