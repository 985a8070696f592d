using System.Diagnostics;
using Dia.Audio;
using Dia.Backends;
using Dia.Cli.Options;
using Dia.Cli.Output;
using Dia.Cli.Plot;
using Dia.Codec;
using Dia.Configuration;
using Dia.Generation;
using Dia.Modeling;
using Dia.Processing;
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
            new OptionGroup("Text", [DiaOptions.File, DiaOptions.PromptCodes, DiaOptions.NoFixText, DiaOptions.Truncate]),
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
          dia "[S1] Hello there." --seed 7 --model Dia-1.6B --codec dac_44khz -o hello.wav
          dia "[S1] Hello there." --codes hello.safetensors && dia decode hello.safetensors -o hello.wav

        [S1] and [S2] say who speaks. The text is the arguments joined by spaces, -f FILE, or standard input.
        {ScriptOptions.Help}
        A first word that names a command is that command; after -- everything is text: dia -- info
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
        string text = TextInput.Read(line);
        string? promptPath = line.Get(DiaOptions.PromptCodes);
        int[,]? prompt = promptPath is null ? null : CodesFile.Read(promptPath);

        var folder = ModelLoader.OpenModel(run);
        using Device device = ModelLoader.CreateDevice(run);
        using DiaForConditionalGeneration model = ModelLoader.Load(run, folder, device);
        using DacModel? codec = audioPath is null && plotPath is null ? null : ModelLoader.LoadCodec(run, folder, device);
        DiaProcessor processor = CreateProcessor(model.Config, codec);
        if (prompt is not null)
            CodesFile.Check(prompt, promptPath!, model.Config.DecoderConfig.NumChannels, model.Config.EosTokenId);
        text = FixText(run, processor.Tokenizer, text);
        if (script.AskFor(processor.Tokenizer.Encode(text).Length > model.Config.EncoderConfig.MaxPositionEmbeddings, line))
        {
            using DacModel? own = codec is null ? ModelLoader.LoadCodec(run, folder, device) : null;
            SpeakScript.Run(run, script, model, folder, codec ?? own!, text, prompt is null ? null : ("", prompt), false, audioPath, codesPath, plotPath);
            return;
        }

        DiaInputs inputs = Process(run, processor, model.Config, text, prompt);
        int promptRows = processor.GetAudioPromptLen(inputs.DecoderAttentionMask);
        GenerationConfig config = Sampling.Resolve(line, model, folder, promptRows);
        run.Reporter.Detail(Format.Text($"model {folder.Description} ({model.CompiledName}) on {ModelLoader.Describe(device)}, loaded in {clock.Elapsed.TotalSeconds:0.00} s"));

        // Opened before the work: that they cannot be written is better known now.
        using OutputFile? codesFile = codesPath is null ? null : run.Interruption.Open(codesPath);
        using OutputFile? audioFile = audioPath is null ? null : run.Interruption.Open(audioPath);
        using OutputFile? plotFile = plotPath is null ? null : run.Interruption.Open(plotPath);
        var progress = new GenerationProgress(run.Reporter, Sampling.RowLimit(config, promptRows), promptRows, codec is null ? null : codec.SamplingRate / (double)codec.HopLength);
        int[,,] rows;
        try
        {
            rows = model.Generate(inputs, config, progress, drawAlone: true, run.Interruption.Token);
        }
        finally
        {
            run.Reporter.ClearProgress();
        }

        double generated = progress.Seconds;
        int[,] codes = processor.BatchCodes(rows, promptRows)[0];
        if (codesFile is not null)
        {
            CodesFile.Write(codesFile.Stream, codes, OnlyItem(rows));
            codesFile.Commit();
        }

        float[] samples = codec is null ? [] : Samples(codec, codes, progress, run);
        if (audioFile is not null)
            AudioOutput.Write(audioFile, samples, codec!.SamplingRate, line.Has(DiaOptions.Raw));
        if (plotFile is not null)
            Draw(plotFile, samples, codec!.SamplingRate, prompt is null ? text : null);
        Summarize(run, codec, config, codes.GetLength(0), progress, generated, EndedByItself(rows, config, promptRows));
    }

    /// <summary>Where audio, codes and the picture go; null where they are not made. Audio is made where no other is named.</summary>
    private static (string? Audio, string? Codes, string? Plot) OutputPaths(Invocation run)
    {
        string? codes = run.Line.Get(DiaOptions.Codes), plot = run.Line.Get(DiaOptions.Plot);
        string? audio = (codes ?? plot) is not null && run.Line.Get(DiaOptions.Output) is null ? null : run.OutputPath();
        (string Name, string? Path)[] files = [("-o", audio == "-" ? null : audio), (DiaOptions.Codes.Name, codes), (DiaOptions.Plot.Name, plot)];
        foreach (var (name, path) in files)
            foreach (var (other, same) in files)
                if (name != other && path is not null && same is not null && Path.GetFullPath(path) == Path.GetFullPath(same))
                    throw CommandLine.Usage($"{name} and {other} name the same file, {path}.");
        return (audio, codes, plot);
    }

    /// <summary>Two texts are a mistake; a file named in the environment gives way to the arguments.</summary>
    private static void CheckText(CommandLine line)
    {
        if (line.Words.Count > 0 && line.Get(DiaOptions.File) is { } file && Environment.GetEnvironmentVariable(DiaOptions.File.Variable) != file)
            throw CommandLine.Usage($"the text is given twice: as arguments and with -f {file}.");
    }

    internal static DiaProcessor CreateProcessor(DiaConfig config, DacModel? codec)
    {
        if (codec is not null && codec.Codebooks != config.DecoderConfig.NumChannels)
            throw new DiaException(DiaErrorKind.Model, $"the codec has {codec.Codebooks} codebooks, the model {config.DecoderConfig.NumChannels} channels: name the model's own codec with --codec DIR.");
        if (codec is not null && codec.Config.CodebookSize < config.EosTokenId)
            throw new DiaException(DiaErrorKind.Model, $"the codec's codebooks have {codec.Config.CodebookSize} entries, the model's codes go up to {config.EosTokenId - 1}: name the model's own codec with --codec DIR.");
        var extractor = codec is null ? new DiaFeatureExtractor() : new DiaFeatureExtractor(samplingRate: codec.SamplingRate, hopLength: codec.HopLength);
        return new DiaProcessor(extractor, new DiaTokenizer(), codec)
        {
            BosTokenId = config.BosTokenId,
            EosTokenId = config.EosTokenId,
            PadTokenId = config.PadTokenId,
            DelayPattern = config.DelayPattern,
        };
    }

    /// <summary>The model was trained on text that says who speaks.</summary>
    internal static string FixText(Invocation run, DiaTokenizer tokenizer, string text)
    {
        if (run.Line.Has(DiaOptions.NoFixText) || tokenizer.Encode(text)[0] is 1 or 2)
            return text;
        run.Reporter.Note("the text starts with no speaker tag: [S1] was put in front (--no-fix-text leaves it as it is).");
        return "[S1] " + text;
    }

    internal static DiaInputs Process(Invocation run, DiaProcessor processor, DiaConfig config, string text, int[,]? prompt)
    {
        int positions = config.EncoderConfig.MaxPositionEmbeddings, length = processor.Tokenizer.Encode(text).Length;
        bool truncate = run.Line.Has(DiaOptions.Truncate);
        if (length > positions && !truncate)
            throw TooLong(length, positions);
        if (length > positions)
            run.Reporter.Note($"the text was cut from {length} to {positions} bytes.");
        DiaInputs inputs = processor.Process([text], truncation: truncate, maxLength: positions);
        return prompt is null ? inputs : processor.WithPrompt(inputs, [prompt]);
    }

    /// <summary>The error of a text that is not split.</summary>
    public static DiaException TooLong(int length, int positions) =>
        new(DiaErrorKind.Input, $"the text is {length} bytes long (a tag counts as one), the model takes {positions}. Leave out --no-split, split it yourself, or let --truncate cut it.");

    private static float[] Samples(DacModel codec, int[,] codes, GenerationProgress progress, Invocation run)
    {
        run.Interruption.Token.ThrowIfCancellationRequested();
        float[] samples = codes.GetLength(0) == 0 ? [] : codec.Decode(codes);
        run.Reporter.Detail(Format.Text($"audio complete after {progress.Seconds:0.00} s"));
        return samples;
    }

    /// <summary>The picture; a prompt's transcript is part of the text, its audio is cut: turns are then not known.</summary>
    private static void Draw(OutputFile file, float[] samples, int samplingRate, string? text)
    {
        var plot = new PlotBuilder(samplingRate, text);
        plot.Add(samples);
        plot.Write(file.Stream);
        file.Commit();
    }

    private static void Summarize(Invocation run, DacModel? codec, GenerationConfig config, int frames, GenerationProgress progress, double generated, bool ended)
    {
        if (frames == 0)
            run.Reporter.Note("the model ended at once: there is no audio. Another seed or text may help.");
        run.Reporter.Detail(Format.Text($"{progress.Steps} steps in {generated:0.00} s, {progress.Steps / generated:0.0} a second; memory {Format.Bytes(Environment.WorkingSet)}"));
        double seconds = codec is null ? 0 : (double)frames * codec.HopLength / codec.SamplingRate, wall = progress.Seconds;
        string what = codec is null
            ? Format.Text($"{frames} frames of codes in {wall:0.0} s")
            : Format.Text($"{seconds:0.00} s of audio ({frames} frames) in {wall:0.0} s, {seconds / wall:0.00} times real time");
        run.Reporter.Summary(Format.Text($"{what}; {(ended ? "ended by itself" : "ended by the length limit")}; {(config.DoSample ? "" : "greedy, ")}seed {config.Seed}"));
    }

    /// <summary>Whether channel 0's EOS came before the row where it is forced.</summary>
    internal static bool EndedByItself(int[,,] rows, GenerationConfig config, int promptRows)
    {
        int forced = Sampling.RowLimit(config, promptRows) - config.DelayPattern.Max() - 1;
        for (int t = promptRows; t < rows.GetLength(1); t++)
            if (rows[0, t, 0] == config.EosTokenId)
                return t < forced;
        return false;
    }

    internal static int[,] OnlyItem(int[,,] rows)
    {
        int[,] item = new int[rows.GetLength(1), rows.GetLength(2)];
        Buffer.BlockCopy(rows, 0, item, 0, item.Length * sizeof(int));
        return item;
    }
}
