using System.Diagnostics;
using Dia.Backends;
using Dia.Cli.Lines;
using Dia.Cli.Options;
using Dia.Cli.Output;
using Dia.Cli.Plot;
using Dia.Codec;
using Dia.Configuration;
using Dia.Generation;
using Dia.Modeling;
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
        null,
        [
            new OptionGroup("Text", [DiaOptions.File, DiaOptions.NoFixText, DiaOptions.Truncate]),
            DiaOptions.VoiceGroup,
            new OptionGroup("Output", [DiaOptions.Output, DiaOptions.Raw, DiaOptions.Codes, DiaOptions.Plot]),
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

        [S1] and [S2] say who speaks. The text is the arguments joined by spaces, -f FILE, or standard input.
        {ScriptOptions.Help}
        A first word that names a command is that command; after -- everything is text: dia -- info
        To a pipe, audio leaves as it is made: what comes out is the same as all at once.
        A voice's transcript is put in front of the text with a space between, and its recording is cut from the output.
        {LineRequest.Help}
        Every option can be set in the environment by the name in brackets; a flag there is 1 or 0.
        Exit codes: 0 done, 1 some lines failed, 2 usage, 3 model, 4 input, 5 device, 6 output, 70 bug, 129, 130 and 143 interrupted.
        """,
        Run);

    private static void Run(Invocation run)
    {
        var clock = Stopwatch.StartNew();
        CommandLine line = run.Line;
        CheckText(line);
        if (line.Has(DiaOptions.Lines) || line.Has(DiaOptions.JsonLines))
        {
            LinesCommand.Run(run);
            return;
        }

        var script = ScriptOptions.Read(line);
        (string? audioPath, string? codesPath, string? plotPath) = OutputPaths(run);
        VoiceInput? voice = VoiceInput.Read(line, run.Reporter.Warning);
        string text = TextInput.Read(line);

        var folder = ModelLoader.OpenModel(run);
        using Device device = DeviceChoice.Create(run, folder, codec: audioPath is not null || plotPath is not null || voice?.NeedsCodec == true);
        using DiaForConditionalGeneration model = ModelLoader.Load(run, folder, device);
        string whole = voice?.Before(text) ?? text;
        bool asScript = script.AskFor(new DiaTokenizer().Encode(whole).Length > model.Config.EncoderConfig.MaxPositionEmbeddings, line);
        bool wantsAudio = audioPath is not null || plotPath is not null;
        using DacModel? codec = wantsAudio || asScript || voice?.NeedsCodec == true ? ModelLoader.LoadCodec(run, folder, device, model.Config) : null;
        int[,]? prompt = voice?.Codes(model, codec);
        if (asScript)
        {
            // A transcript names the first speaker; without one the text has to.
            text = voice is { Transcript.Length: > 0 } ? text : FixText(run, new DiaTokenizer(), text);
            SpeakScript.Run(run, script, model, folder, codec!, text, prompt is null ? null : (voice!.Transcript, prompt), line.Has(DiaOptions.KeepPrompt), audioPath, codesPath, plotPath);
            return;
        }

        using var engine = new SpeechEngine(model, codec);
        int[] ids = TextIds(run, model.Config, whole);
        int promptRows = 1 + (prompt?.GetLength(0) ?? 0);
        GenerationConfig config = Sampling.Resolve(line, model, folder, promptRows);
        run.Reporter.Detail(Format.Text($"model {folder.Description} ({model.CompiledName}) on {DeviceChoice.Describe(device)}, loaded in {clock.Elapsed.TotalSeconds:0.00} s"));

        // Opened before the work: that they cannot be written is better known now.
        using OutputFile? codesFile = codesPath is null ? null : run.Interruption.Open(codesPath);
        using OutputFile? audioFile = audioPath is null ? null : run.Interruption.Open(audioPath);
        using OutputFile? plotFile = plotPath is null ? null : run.Interruption.Open(plotPath);
        AudioOutput? audio = audioFile is null ? null : new AudioOutput(audioFile, codec!.SamplingRate, line.Has(DiaOptions.Raw));
        PlotBuilder? plot = plotFile is null ? null : new PlotBuilder(codec!.SamplingRate, HeardText(text, voice?.Transcript, line.Has(DiaOptions.KeepPrompt)));
        var progress = new GenerationProgress(run.Reporter, Sampling.RowLimit(config, promptRows), promptRows, wantsAudio ? codec!.SamplingRate / (double)codec.HopLength : null);
        var job = new Job(ids, config, progress, audio, plot) { Prompt = prompt, KeepPrompt = line.Has(DiaOptions.KeepPrompt), WantsAudio = wantsAudio };
        try
        {
            engine.Run(job, run.Interruption.Token);
        }
        finally
        {
            run.Reporter.ClearProgress();
        }

        SpeechResult result = job.Result!;
        if (codesFile is not null)
        {
            CodesFile.Write(codesFile.Stream, result.Codes, result.Rows);
            codesFile.Commit();
        }

        audio?.Complete();
        if (plotFile is not null)
        {
            plot!.Write(plotFile.Stream);
            plotFile.Commit();
        }

        Summarize(run, wantsAudio ? codec : null, config, result, progress.Seconds, clock.Elapsed.TotalSeconds);
    }

    /// <summary>Where audio, codes and the picture go; null where they are not made. Audio is made where no other is named.</summary>
    private static (string? Audio, string? Codes, string? Plot) OutputPaths(Invocation run)
    {
        string? codes = run.Line.Get(DiaOptions.Codes), plot = run.Line.Get(DiaOptions.Plot);
        string? audio = (codes ?? plot) is not null && run.Line.Get(DiaOptions.Output) is null ? null : run.OutputPath(OutputContent.Audio);
        if (codes is not null)
            OutputNames.Check(DiaOptions.Codes.Name, codes, OutputContent.Codes, run.Line.Command.Title);
        if (plot is not null)
            OutputNames.Check(DiaOptions.Plot.Name, plot, OutputContent.Picture, run.Line.Command.Title);
        (string Name, string? Path)[] files = [("-o", audio == "-" ? null : audio), (DiaOptions.Codes.Name, codes), (DiaOptions.Plot.Name, plot)];
        foreach (var (name, path) in files)
            foreach (var (other, same) in files)
                if (name != other && path is not null && same is not null && Path.GetFullPath(path) == Path.GetFullPath(same))
                    throw CommandLine.Usage($"{name} and {other} name the same file, {path}.");
        return (audio, codes, plot);
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
        _ => new DiaTokenizer().Encode(text)[0] is not (1 or 2) && ScriptSplitter.LastSpeaker(transcript) is { } speaker ? $"{speaker} {text}" : text,
    };

    /// <summary>Two texts are a mistake; a file named in the environment gives way to the arguments.</summary>
    private static void CheckText(CommandLine line)
    {
        if (line.Words.Count > 0 && line.Get(DiaOptions.File) is { } file && Environment.GetEnvironmentVariable(DiaOptions.File.Variable) != file)
            throw CommandLine.Usage($"the text is given twice: as arguments and with -f {file}.");
    }

    /// <summary>The model was trained on text that says who speaks.</summary>
    internal static string FixText(Invocation run, DiaTokenizer tokenizer, string text)
    {
        if (run.Line.Has(DiaOptions.NoFixText) || tokenizer.Encode(text)[0] is 1 or 2)
            return text;
        run.Reporter.Note("the text starts with no speaker tag: [S1] was put in front (--no-fix-text leaves it as it is).");
        return "[S1] " + text;
    }

    internal static int[] TextIds(Invocation run, DiaConfig config, string text)
    {
        var tokenizer = new DiaTokenizer();
        int[] ids = tokenizer.Encode(FixText(run, tokenizer, text));
        int positions = config.EncoderConfig.MaxPositionEmbeddings;
        if (ids.Length <= positions)
            return ids;
        if (!run.Line.Has(DiaOptions.Truncate))
            throw TooLong(run.Line, ids.Length, positions);
        run.Reporter.Note($"the text was cut from {ids.Length} to {positions} bytes.");
        return ids[..positions];
    }

    /// <summary>The error of a text that is not split.</summary>
    public static DiaException TooLong(CommandLine line, int length, int positions) =>
        new(DiaErrorKind.Input, $"the text is {length} bytes long (a tag counts as one), the model takes {positions}. {(line.Has(DiaOptions.NoSplit) ? "Leave out --no-split, split" : "Split")} it yourself, or let --truncate cut it.");

    private static void Summarize(Invocation run, DacModel? codec, GenerationConfig config, SpeechResult result, double wall, double sinceStart)
    {
        if (result.Frames == 0)
            run.Reporter.Note("the model ended at once: there is no audio. Another seed or text may help.");
        if (result.FirstAudio is { } first)
            run.Reporter.Detail(Format.Text($"first audio after {first.TotalSeconds:0.000} s ({result.FirstAudioRows} steps), {sinceStart - result.Elapsed.TotalSeconds + first.TotalSeconds:0.00} s after the program's start"));
        double generated = result.Elapsed.TotalSeconds;
        run.Reporter.Detail(Format.Text($"{result.GeneratedRows} steps in {generated:0.00} s, {result.GeneratedRows / generated:0.0} a second; memory {Format.Bytes(Environment.WorkingSet)}"));
        double seconds = codec is null ? 0 : (double)result.Samples / codec.SamplingRate;
        string what = codec is null
            ? Format.Text($"{result.Frames} frames of codes in {wall:0.0} s")
            : Format.Text($"{seconds:0.00} s of audio ({result.Frames} frames) in {wall:0.0} s, {seconds / wall:0.00} times real time");
        run.Reporter.Summary(Format.Text($"{what}; {(result.Stop == SpeechStop.Eos ? "ended by itself" : "ended by the length limit")}; {(config.DoSample ? "" : "greedy, ")}seed {config.Seed}"));
    }

    private sealed class Job(int[] textIds, GenerationConfig config, GenerationProgress progress, AudioOutput? audio, PlotBuilder? plot) : SpeechJob(textIds, config)
    {
        public SpeechResult? Result { get; private set; }

        protected override void OnRow(int rows) => progress.Rows(rows);

        protected override void OnSamples(ReadOnlySpan<float> samples)
        {
            audio?.Write(samples);
            plot?.Add(samples);
        }

        protected override void OnCompleted(SpeechResult result) => Result = result;
    }
}
