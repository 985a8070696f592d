using Dia.Audio;
using Dia.Backends;
using Dia.Cli.Lines;
using Dia.Cli.Options;
using Dia.Cli.Output;
using Dia.Codec;
using Dia.Configuration;
using Dia.Generation;
using Dia.Speech;
using Dia.Text;

namespace Dia.Cli.Commands;

/// <summary>Text to audio, or to its codes.</summary>
internal static class SpeakCommand
{
    public static CommandSpec Spec { get; } = new(
        "",
        "dia: text to dialogue. Text goes in, a WAV comes out.",
        "TEXT...",
        [
            new OptionGroup("Text", [DiaOptions.File, DiaOptions.NoFixText, DiaOptions.RawText, DiaOptions.Truncate]),
            DiaOptions.VoiceGroup,
            new OptionGroup("Output", [DiaOptions.Output, DiaOptions.Raw, DiaOptions.Trim, DiaOptions.Play, DiaOptions.Codes, DiaOptions.Plot]),
            DiaOptions.ScriptGroup,
            DiaOptions.SamplingGroup,
            DiaOptions.LinesGroup,
            DiaOptions.CodecGroup,
        ],
        $"""
        Examples:
          dia "[S1] Hello there. [S2] Hi. How are you today?" -o hello.wav
          echo "[S1] Hello there." | dia > hello.wav
          dia -f script.txt --raw | aplay -f S16_LE -r 16000 -c 1     (the rate is the codec's)
          dia -f script.txt --clone me.wav --clone-text "[S1] What I say in me.wav." -o out.wav
          dia "[S1] Hello there." --seed 7 --model Dia-1.6B --codec dac_44khz -o hello.wav
          dia "[S1] Hello there." --codes hello.safetensors && dia decode hello.safetensors -o hello.wav

        [S1] and [S2] say who speaks; [s1] and [s2] are the same. Sounds stand in parentheses: (laughs). All else is read as text.
        The text is the arguments joined by spaces, -f FILE, or standard input, in UTF-8. A byte order mark is dropped, line ends are \n,
        white space before and after is left out; --raw-text leaves every character. A text without a letter or digit is an error.
        {ScriptOptions.Help}
        A first word that names a command is that command; after -- everything is text: dia -- info
        To a pipe, audio leaves as it is made: what comes out is the same as all at once.
        A voice's transcript is put in front of the text with a space between, and its recording is cut from the output.
        {LineRequest.Help}
        Every option can be set in the environment by the name in brackets; a flag there is 1 or 0.
        Exit codes: 0 done, 1 some lines failed (with --strict: a result is suspicious), 2 usage, 3 model, 4 input, 5 device, 6 output, 70 bug, 129, 130, 131 and 143 interrupted.
        """,
        Run);

    private static void Run(Invocation run)
    {
        CommandLine line = run.Line;
        CheckText(line);
        if (DiaOptions.LinesOf(line) is not null)
        {
            LinesCommand.Run(run);
            return;
        }

        if (line.Has(DiaOptions.Check))
            throw CommandLine.Usage($"{DiaOptions.Check.Name} reads a list: it goes with {DiaOptions.Lines.Name} or {DiaOptions.JsonLines.Name}.");
        var script = ScriptOptions.Read(line);
        var targets = SpeechTargets.Read(run);
        VoiceInput? voice = VoiceInput.Read(run);
        string text = TextInput.Read(line);

        using var files = new Checkpoints(run);
        using Device device = DeviceChoice.Create(run, files, model: true, codec: targets.WantsAudio || voice?.NeedsCodec == true);
        using DiaForConditionalGeneration model = files.LoadModel(device);
        string whole = new TextNotes(run, model.Config).Prepare(voice?.Before(text) ?? text);
        bool asScript = script.AskFor(new DiaTokenizer().Encode(whole).Length > model.Config.EncoderConfig.MaxPositionEmbeddings, line);
        using DacModel? codec = targets.WantsAudio || asScript || voice?.NeedsCodec == true ? files.LoadCodec(device, model.Config) : null;
        int[,]? prompt = voice?.Open(model, codec).Codes;
        files.Report(model, device);
        if (asScript)
        {
            // A transcript names the first speaker; without one the text has to.
            string transcript = voice is { Transcript.Length: > 0 } ? whole[..^(text.Length + 1)] : "";
            text = transcript.Length > 0 ? text : whole;
            new SpeakScript(run, script, model, codec!, targets).Speak(text, prompt is null ? null : (transcript, prompt));
            return;
        }

        (int[] ids, string said) = Fit(line, run.Reporter, model.Config, text, whole);
        SpeakWhole(run, model, files, codec, ids, said, voice, prompt, targets);
    }

    /// <summary>Speaks a text in one run of the model.</summary>
    private static void SpeakWhole(
        Invocation run, DiaForConditionalGeneration model, Checkpoints files, DacModel? codec, int[] ids, string text, VoiceInput? voice, int[,]? prompt,
        SpeechTargets targets)
    {
        bool keepPrompt = run.Line.Has(DiaOptions.KeepPrompt);
        int promptRows = 1 + (prompt?.GetLength(0) ?? 0);
        GenerationConfig config = Sampling.Resolve(run.Line, model, promptRows);
        int rowLimit = Sampling.RowLimit(config, promptRows);
        var doubts = new Doubts(run.Line, codec?.FrameRate ?? files.FrameRate, config, voice?.Transcript);
        string? crowded = doubts.Room("the text", text, promptRows);
        if (crowded is not null)
            run.Reporter.Alert(crowded);

        using var engine = new SpeechEngine(model, codec);
        using var output = new SpeechOutput(run, targets, codec, HeardText(text, voice?.Transcript, keepPrompt));
        var clock = new ProgressClock(run.Reporter);
        PieceJoiner? trim = targets.WantsAudio && run.Line.Has(DiaOptions.Trim) ? new PieceJoiner(codec!.SamplingRate, output.Write) : null;
        var job = new Job(ids, config, ShowProgress, trim is null ? output.Write : trim.Write)
        {
            Prompt = prompt,
            KeepPrompt = keepPrompt,
            WantsAudio = targets.WantsAudio,
        };
        try
        {
            engine.Run(job, run.Interruption.Token);
        }
        finally
        {
            run.Reporter.ClearProgress();
        }

        SpeechResult result = job.Result!;
        trim?.Finish(trim: true);
        output.Complete(result.Codes, result.Rows);
        if (doubts.Of(result, job, text) is { } doubt)
            run.Reporter.Suspicion(doubts.Describe("the speech", doubt, crowded is not null));
        Summarize(run, config, result, output.Seconds, engine.Times, run.Clock.Elapsed.TotalSeconds);
        output.FinishPlaying();

        void ShowProgress(int rows)
        {
            if (!clock.IsDue(out double now))
                return;
            double left = (rowLimit - promptRows - rows) * now / rows;
            run.Reporter.Progress(targets.WantsAudio
                ? Format.Text($"{rows / codec!.FrameRate:0.0} s of audio, {rows / codec.FrameRate / now:0.00} times real time, at most {left:0} s left")
                : Format.Text($"{rows} rows, {rows / now:0.0} a second, at most {left:0} s left"));
        }
    }

    /// <summary>
    /// What is said in the output; null: it is not known, since the text begins with the transcript of codes that are cut from it.
    /// </summary>
    /// <param name="text">The text.</param>
    /// <param name="transcript">What the voice's recording says; empty: the text begins with it; null: there is no voice.</param>
    /// <param name="keepPrompt">Whether that recording is part of the output.</param>
    internal static string? HeardText(string text, string? transcript, bool keepPrompt) => transcript switch
    {
        null => text,
        "" => keepPrompt ? text : null,
        _ when keepPrompt => $"{transcript} {text}",
        // The transcript's last speaker goes on where the text names none.
        _ => !ScriptText.StartsWithSpeaker(text) && ScriptSplitter.LastSpeaker(transcript) is { } speaker ? $"{speaker} {text}" : text,
    };

    /// <summary>Two texts are a mistake; a file named in the environment gives way to the arguments.</summary>
    private static void CheckText(CommandLine line)
    {
        if (line.Words.Count > 0 && line.IsTyped(DiaOptions.File))
            throw CommandLine.Usage($"the text is given twice: as arguments and with -f {line.Get(DiaOptions.File)}.");
        TextInput.CheckNoFiles(line);
    }

    /// <summary>A text that is not split: whole, or cut where that is allowed.</summary>
    /// <param name="line">The options.</param>
    /// <param name="reporter">Told that it was cut; null: nobody is.</param>
    /// <param name="config">The model's configuration.</param>
    /// <param name="text">The text.</param>
    /// <param name="whole">All that the model is given: a transcript before the text too.</param>
    /// <returns>The ids of all, and what is left of the text.</returns>
    /// <exception cref="DiaException">Input: it is too long.</exception>
    internal static (int[] Ids, string Said) Fit(CommandLine line, Reporter? reporter, DiaConfig config, string text, string whole)
    {
        var tokenizer = new DiaTokenizer();
        int[] ids = tokenizer.Encode(whole);
        int length = ids.Length, positions = config.EncoderConfig.MaxPositionEmbeddings;
        if (length <= positions)
            return (ids, text);
        if (!line.Has(DiaOptions.Truncate))
            throw new DiaException(DiaErrorKind.Input, $"the text is {length} bytes long (a tag counts as one), the model takes {positions}. {(line.Has(DiaOptions.RawText) ? "Leave out --raw-text, split" : line.Has(DiaOptions.NoSplit) ? "Leave out --no-split, split" : "Split")} it yourself, or let --truncate cut it.");
        reporter?.Note($"the text was cut from {length} to {positions} bytes.");
        return (ids[..positions], ScriptText.First(text, positions - (length - tokenizer.Encode(text).Length)));
    }

    private static void Summarize(Invocation run, GenerationConfig config, SpeechResult result, double? seconds, SpeechTimes times, double wall)
    {
        if (result.FirstAudio is { } first)
            run.Reporter.Detail(Format.Text($"first audio after {first.TotalSeconds:0.000} s ({result.FirstAudioRows} steps), {wall - result.Elapsed.TotalSeconds + first.TotalSeconds:0.00} s after the program's start"));
        double generated = result.Elapsed.TotalSeconds;
        run.Reporter.Detail(Format.Text($"{result.GeneratedRows} steps in {generated:0.00} s, {result.GeneratedRows / generated:0.0} a second; memory {Format.Bytes(Environment.WorkingSet)}"));
        run.Reporter.Detail(Format.Times(times));
        run.Reporter.Summary(Format.Text($"{What(seconds, result.Frames, wall)}; {(result.Stop == SpeechStop.Eos ? "ended by itself" : "ended by the length limit")}; {(config.DoSample ? "" : "greedy, ")}seed {config.Seed}"));
    }

    /// <summary>What was made, and how fast; without seconds of audio it is codes.</summary>
    internal static string What(double? seconds, int frames, double wall) => seconds is double s
        ? Format.Text($"{s:0.00} s of audio ({frames} frames) in {wall:0.0} s, {s / wall:0.00} times real time")
        : Format.Text($"{frames} frames of codes in {wall:0.0} s");

    /// <summary>An utterance whose rows and samples go on at once.</summary>
    /// <param name="textIds">The text's ids.</param>
    /// <param name="config">How to generate.</param>
    /// <param name="row">Told how many rows there are.</param>
    /// <param name="write">Takes the samples.</param>
    internal sealed class Job(int[] textIds, GenerationConfig config, Action<int> row, Action<ReadOnlySpan<float>> write) : SpeechJob(textIds, config)
    {
        public SpeechResult? Result { get; private set; }

        protected override void OnRow(int rows) => row(rows);

        protected override void OnSamples(ReadOnlySpan<float> samples) => write(samples);

        protected override void OnCompleted(SpeechResult result) => Result = result;
    }
}
