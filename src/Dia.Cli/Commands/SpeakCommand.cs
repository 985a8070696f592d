using System.Diagnostics;
using Dia.Backends;
using Dia.Cli.Options;
using Dia.Cli.Output;
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
            new OptionGroup("Output", [DiaOptions.Output, DiaOptions.Raw, DiaOptions.Codes]),
            new OptionGroup("Sampling (an option goes before the checkpoint's generation_config.json, that before the defaults shown)", [DiaOptions.Temperature, DiaOptions.TopP, DiaOptions.TopK, DiaOptions.CfgScale, DiaOptions.MaxTokens, DiaOptions.Seed, DiaOptions.Greedy]),
            DiaOptions.CodecGroup,
        ],
        """
        Examples:
          dia "[S1] Hello there. [S2] Hi. How are you today?" -o hello.wav
          echo "[S1] Hello there." | dia > hello.wav
          dia -f script.txt --raw | aplay -f S16_LE -r 16000 -c 1     (the rate is the codec's)
          dia -f script.txt --clone me.wav --clone-text "[S1] What I say in me.wav." -o out.wav
          dia "[S1] Hello there." --seed 7 --model Dia-1.6B --codec dac_44khz -o hello.wav
          dia "[S1] Hello there." --codes hello.safetensors && dia decode hello.safetensors -o hello.wav

        [S1] and [S2] say who speaks. The text is the arguments joined by spaces, -f FILE, or standard input.
        A first word that names a command is that command; after -- everything is text: dia -- info
        To a pipe, audio leaves as it is made: what comes out is the same as all at once.
        A voice's transcript is put in front of the text with a space between, and its recording is cut from the output.
        Every option can be set in the environment by the name in brackets; a flag there is 1 or 0.
        Exit codes: 0 done, 2 usage, 3 model, 4 input, 5 device, 6 output, 70 bug, 130 and 143 interrupted.
        """,
        Run);

    private static void Run(Invocation run)
    {
        var clock = Stopwatch.StartNew();
        CommandLine line = run.Line;
        CheckText(line);
        (string? audioPath, string? codesPath) = OutputPaths(run);
        VoiceInput? voice = VoiceInput.Read(line);
        string text = TextInput.Read(line);
        text = voice?.Before(text) ?? text;

        var folder = ModelLoader.OpenModel(run);
        using Device device = ModelLoader.CreateDevice(run);
        using DiaForConditionalGeneration model = ModelLoader.Load(run, folder, device);
        using DacModel? codec = audioPath is null && voice?.NeedsCodec != true ? null : ModelLoader.LoadCodec(run, folder, device);
        using var engine = new SpeechEngine(model, codec);
        int[] ids = TextIds(run, model.Config, text);
        int[,]? prompt = voice?.Codes(model, codec);
        int promptRows = 1 + (prompt?.GetLength(0) ?? 0);
        GenerationConfig config = Sampling.Resolve(line, model, folder, promptRows);
        run.Reporter.Detail(Format.Text($"model {folder.Description} ({model.CompiledName}) on {ModelLoader.Describe(device)}, loaded in {clock.Elapsed.TotalSeconds:0.00} s"));

        // Opened before the work: that they cannot be written is better known now.
        using OutputFile? codesFile = codesPath is null ? null : run.Interruption.Open(codesPath);
        using OutputFile? audioFile = audioPath is null ? null : run.Interruption.Open(audioPath);
        AudioOutput? audio = audioFile is null ? null : new AudioOutput(audioFile, codec!.SamplingRate, line.Has(DiaOptions.Raw));
        var progress = new GenerationProgress(run.Reporter, Sampling.RowLimit(config, promptRows), promptRows, audio is null ? null : codec!.SamplingRate / (double)codec.HopLength);
        var job = new Job(ids, config, progress, audio) { Prompt = prompt, KeepPrompt = line.Has(DiaOptions.KeepPrompt), WantsAudio = audio is not null };
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
        Summarize(run, audio is null ? null : codec, config, result, progress.Seconds, clock.Elapsed.TotalSeconds);
    }

    /// <summary>Where audio and codes go; null where they are not made.</summary>
    private static (string? Audio, string? Codes) OutputPaths(Invocation run)
    {
        string? codes = run.Line.Get(DiaOptions.Codes);
        string? audio = codes is not null && run.Line.Get(DiaOptions.Output) is null ? null : run.OutputPath();
        if (audio is not null && codes is not null && audio != "-" && Path.GetFullPath(audio) == Path.GetFullPath(codes))
            throw CommandLine.Usage($"-o and --codes name the same file, {audio}.");
        return (audio, codes);
    }

    /// <summary>Two texts are a mistake; a file named in the environment gives way to the arguments.</summary>
    private static void CheckText(CommandLine line)
    {
        if (line.Words.Count > 0 && line.Get(DiaOptions.File) is { } file && Environment.GetEnvironmentVariable(DiaOptions.File.Variable) != file)
            throw CommandLine.Usage($"the text is given twice: as arguments and with -f {file}.");
    }

    /// <summary>The model was trained on text that says who speaks.</summary>
    private static string FixText(Invocation run, DiaTokenizer tokenizer, string text)
    {
        if (run.Line.Has(DiaOptions.NoFixText) || tokenizer.Encode(text)[0] is 1 or 2)
            return text;
        run.Reporter.Note("the text starts with no speaker tag: [S1] was put in front (--no-fix-text leaves it as it is).");
        return "[S1] " + text;
    }

    private static int[] TextIds(Invocation run, DiaConfig config, string text)
    {
        var tokenizer = new DiaTokenizer();
        int[] ids = tokenizer.Encode(FixText(run, tokenizer, text));
        int positions = config.EncoderConfig.MaxPositionEmbeddings;
        if (ids.Length <= positions)
            return ids;
        if (!run.Line.Has(DiaOptions.Truncate))
            throw new DiaException(DiaErrorKind.Input, $"the text is {ids.Length} bytes long (a tag counts as one), the model takes {positions}. Split it, or let --truncate cut it.");
        run.Reporter.Note($"the text was cut from {ids.Length} to {positions} bytes.");
        return ids[..positions];
    }

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

    private sealed class Job(int[] textIds, GenerationConfig config, GenerationProgress progress, AudioOutput? audio) : SpeechJob(textIds, config)
    {
        public SpeechResult? Result { get; private set; }

        protected override void OnRow(int rows) => progress.Rows(rows);

        protected override void OnSamples(ReadOnlySpan<float> samples) => audio!.Write(samples);

        protected override void OnCompleted(SpeechResult result) => Result = result;
    }
}
