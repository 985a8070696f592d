using System.Diagnostics;
using Dia.Audio;
using Dia.Cli.Options;
using Dia.Cli.Output;
using Dia.Codec;
using Dia.Configuration;
using Dia.Generation;
using Dia.Speech;
using Dia.Text;

namespace Dia.Cli.Commands;

/// <summary>The way of a text that is split, stretched or spoken again: <see cref="ScriptFlow"/> between the text and the output.</summary>
/// <param name="run">The run.</param>
/// <param name="options">What is asked for.</param>
/// <param name="model">The model.</param>
/// <param name="codec">Its codec, also where only codes are made: a piece's length depends on it.</param>
/// <param name="targets">What is to be made of it.</param>
internal sealed class SpeakScript(Invocation run, ScriptOptions options, DiaForConditionalGeneration model, DacModel codec, SpeechTargets targets)
{
    /// <summary>Speaks a text.</summary>
    /// <param name="text">The text.</param>
    /// <param name="voice">The voice to speak in, with its transcript (empty: the text begins with it).</param>
    public void Speak(string text, (string Text, int[,] Codes)? voice)
    {
        int promptRows = 1 + (voice?.Codes.GetLength(0) ?? 0);
        GenerationConfig config = Sampling.Resolve(run.Line, model, promptRows);
        if (options.Retries > 0 && !config.DoSample)
            throw CommandLine.Usage($"{DiaOptions.Retries.Name} draws with another seed, and the checkpoint's generation_config.json says not to draw.");
        int rowLimit = Sampling.RowLimit(config, promptRows);
        IReadOnlyList<ScriptPiece> pieces = Pieces(text, voice, rowLimit);
        var doubts = new Doubts(run.Line, codec.FrameRate, config, voice?.Text);
        ScriptPiece longest = pieces.MaxBy(p => p.Characters)!;
        if (doubts.Room(pieces.Count == 1 ? "the text" : "the longest piece", longest.Text, promptRows) is { } crowded)
            run.Reporter.Alert(crowded);

        using var output = new SpeechOutput(run, targets, codec, SpeakCommand.HeardText(text, voice?.Text, run.Line.Has(DiaOptions.KeepPrompt)));
        using var engine = new SpeechEngine(model, codec);
        var flow = new ScriptFlow(run, model, codec, engine, config, options.Retries, doubts);
        var clock = Stopwatch.StartNew();
        try
        {
            var stretch = new TimeStretch(codec.SamplingRate, options.Speed, output.Write);
            flow.Speak(pieces, voice, targets.WantsAudio ? stretch.Write : null);
            stretch.Finish();
        }
        finally
        {
            run.Reporter.ClearProgress();
        }

        output.Complete(flow.Codes(), flow.Rows);
        Summarize(flow, config, pieces.Count, output.Seconds, engine.Times, clock.Elapsed.TotalSeconds);
        output.FinishPlaying();
    }

    private IReadOnlyList<ScriptPiece> Pieces(string text, (string Text, int[,] Codes)? voice, int rowLimit)
    {
        var tokenizer = new DiaTokenizer();
        string transcript = voice?.Text ?? "";
        int positions = model.Config.EncoderConfig.MaxPositionEmbeddings, voiceIds = transcript.Length == 0 ? 0 : tokenizer.Encode(transcript).Length + 1;
        int length = voiceIds + tokenizer.Encode(text).Length;
        bool tooLong = length > positions;
        if (!options.Splits(tooLong, run.Line))
        {
            text = SpeakCommand.Fit(run.Line, run.Reporter, model.Config, text, transcript.Length == 0 ? text : $"{transcript} {text}").Said;
            return [new ScriptPiece(0, text.Length, text)];
        }

        // The transcript's last speaker goes on where the text names none; every piece is to name its speaker.
        if (!ScriptText.StartsWithSpeaker(text) && ScriptSplitter.LastSpeaker(transcript) is { } speaker)
            text = speaker + " " + text;
        double rate = codec.FrameRate;
        IReadOnlyList<ScriptPiece> pieces = ScriptOptions.SplitText(
            text, positions, voiceIds, (voice?.Codes.GetLength(0) ?? 0) / rate, (rowLimit - model.Config.DelayPattern.Max() - 1) / rate);
        if (tooLong && pieces.Count > 1)
            run.Reporter.Note($"the text is {length} bytes long (a tag counts as one), the model takes {positions}: it was split into {pieces.Count} pieces (--no-split makes that an error).");
        return pieces;
    }

    private void Summarize(ScriptFlow flow, GenerationConfig config, int pieces, double? seconds, SpeechTimes times, double wall)
    {
        run.Reporter.Detail(Format.Text($"{flow.Steps} steps in {wall:0.00} s, {flow.Steps / wall:0.0} a second; {(flow.FirstAudioSeconds is double first ? $"first audio after {first:0.00} s; " : "")}memory {Format.Bytes(Environment.WorkingSet)}"));
        run.Reporter.Detail(Format.Times(times));
        string end = flow.CutPieces == 0 ? "ended by itself" : pieces == 1 ? "ended by the length limit" : $"{flow.CutPieces} ended by the length limit";
        run.Reporter.Summary(Format.Text($"{SpeakCommand.What(seconds, flow.Frames, wall)}; {(pieces == 1 ? "" : $"{pieces} pieces; ")}{end}; {(flow.Doubtful == 0 ? "" : $"{flow.Doubtful} with warnings; ")}{(config.DoSample ? "" : "greedy, ")}seed {config.Seed}"));
    }
}
