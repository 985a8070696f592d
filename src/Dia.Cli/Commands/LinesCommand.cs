using Dia.Cli.Input;
using Dia.Cli.Lines;
using Dia.Cli.Options;
using Dia.Cli.Output;

namespace Dia.Cli.Commands;

/// <summary>
/// Many utterances in one run: --lines and --jsonl. A line that fails is answered with its error, and the rest goes on.
/// </summary>
/// <param name="run">The run.</param>
/// <param name="options">Its options, with the seed of the lines that have none.</param>
/// <param name="targets">Where the results go.</param>
/// <param name="answers">Takes what is said of each line.</param>
/// <param name="model">The model.</param>
/// <param name="engine">Speaks the lines; null: they are only checked.</param>
internal sealed class LinesCommand(Invocation run, CommandLine options, LineTargets targets, LineAnswers answers, DiaForConditionalGeneration model,
    SpeechEngine? engine)
{
    private const int DefaultBatch = 4;

    // Lines behind a slow one that may be complete and wait for it, for each line that is being spoken.
    private const int WindowOfBatches = 4;

    private readonly bool _json = run.Line.Has(DiaOptions.JsonLines);
    private readonly TextNotes _notes = new(run, model.Config);

    private DacModel? Codec { get; init; }

    /// <summary>Why there is none: the error of the lines that want sound.</summary>
    private DiaException? NoCodec { get; init; }

    private double? FrameRate { get; init; }

    private VoiceInput? CommonVoice { get; init; }

    private Voice? OpenedVoice { get; init; }

    /// <summary>Speaks every line.</summary>
    /// <exception cref="DiaException">What concerns the whole run: options, model, the input as a stream.</exception>
    public static void Run(Invocation run)
    {
        (Stream stream, string name) = TextInput.Open(run.Line);
        using Stream input = stream;
        bool json = run.Line.Has(DiaOptions.JsonLines), check = run.Line.Has(DiaOptions.Check);
        int batch = run.Line.GetValue(DiaOptions.Batch) ?? DefaultBatch;
        ulong seed = run.Line.GetValue(DiaOptions.Seed)?.Value ?? SpeechOptions.RandomSeed();
        var targets = new LineTargets(run);
        VoiceInput? voice = VoiceInput.Read(run);
        using var files = new Checkpoints(run);
        bool needsCodec = targets.AlwaysAudio || voice?.NeedsCodec == true, mayNeedCodec = json || needsCodec;
        using Device device = DeviceChoice.Create(run, files, model: true, mayNeedCodec, batch, reserve: !check);
        using DiaForConditionalGeneration model = files.LoadSpeaking(device);
        DiaException? noCodec = null;
        using DacModel? codec = !mayNeedCodec ? null : needsCodec ? files.LoadCodec(device, model.Config) : TryLoadCodec();
        Voice? opened = voice?.Open(model, codec, encodes: !check);
        files.Report(model, device);
        if (!check)
            files.PlaceWeights(model, rows: long.MaxValue, batch); // how many lines there will be is not known
        using OutputFile? standardOutput = json || (targets.StandardOutput is not null && !check) ? run.Interruption.Open("-") : null;
        using var answers = new LineAnswers(run, WindowOfBatches * batch, standardOutput, codec?.SamplingRate ?? 0);
        using SpeechEngine? engine = check ? null : new SpeechEngine(model, codec, batch);
        if (!check)
            answers.Start(targets);
        var command = new LinesCommand(run, run.Line with { Values = new Dictionary<OptionSpec,
            object>(run.Line.Values) { [DiaOptions.Seed] = new Seed(seed) } }, targets, answers, model, engine)
        {
            Codec = codec,
            NoCodec = noCodec,
            FrameRate = codec?.FrameRate ?? files.FrameRate,
            CommonVoice = voice,
            OpenedVoice = opened,
        };
        command.Speak(stream, name, batch);
        answers.Finish();
        standardOutput?.Commit();
        if (engine is not null)
            run.Reporter.Detail(Format.Times(engine.Times));
        answers.Summarize(check ? null : seed);
        if (answers.FailedLines > 0 || (answers.DoubtfulLines > 0 && run.Line.Has(DiaOptions.Strict)))
            run.ExitCode = ExitCodes.Incomplete;

        // Codes alone need none.
        DacModel? TryLoadCodec()
        {
            try
            {
                return files.LoadCodec(device, model.Config);
            }
            catch (DiaException e)
            {
                noCodec = e;
                return null;
            }
        }
    }

    private void Speak(Stream stream, string name, int batch)
    {
        var reader = new LineReader(
            stream,
            returns: !_json && !options.Has(DiaOptions.RawText),
            start => TextInput.RefuseOther(start, name));
        using var lines = new LineQueue(reader, name, 2 * batch, IsEmpty);
        try
        {
            if (engine is null)
                Check(lines);
            else
                engine.Run(wait => Next(lines, wait), run.Interruption.Token);
        }
        finally
        {
            run.Reporter.ClearProgress();
        }
    }

    /// <summary>Blanks around JSON mean nothing, nor does a text that says nothing; what is not UTF-8 is an error of its line.</summary>
    private bool IsEmpty(InputLine line) => !line.TooLong && (_json
        ? line.Bytes.AsSpan().IndexOfAnyExcept(" \t\r"u8) < 0
        : DiaTokenizer.IndexOfInvalidUtf8(line.Bytes) < 0 && !ScriptText.HasSpeech(Encoding.UTF8.GetString(line.Bytes)));

    /// <summary>The next line that can be spoken. Those before it that cannot are answered.</summary>
    /// <param name="lines">The lines.</param>
    /// <param name="wait">Whether to wait for a line; without, none may be there yet.</param>
    /// <returns>Null after the last line, and where there is none yet or no room for its answer.</returns>
    private LineJob? Next(LineQueue lines, bool wait)
    {
        while (answers.HasRoom && (wait ? lines.Take(out InputLine line, run.Interruption.Token) : lines.TryTake(out line)))
        {
            long place = answers.Take();
            string? id = null;
            try
            {
                return Begin(place, line, out id);
            }
            catch (DiaException e) when (e.Kind != DiaErrorKind.Device)
            {
                answers.Failed(place, line.Number, id, e);
            }
        }

        return null;
    }

    /// <summary>Opens what the lines name, and speaks nothing.</summary>
    private void Check(LineQueue lines)
    {
        var outputs = new Dictionary<string, long>(StringComparer.Ordinal);
        while (Next(lines, wait: true) is { } job)
        {
            using LineFiles files = job.Files;
            string? twice = files.Name is { } name && !outputs.TryAdd(name, job.Line)
                ? Format.Text($"{name} is the output of line {outputs[name]} too: only the later one will be there.")
                : null;
            answers.Checked(job, twice ?? job.Doubts.Room("the text", job));
        }
    }

    private LineJob Begin(long place, InputLine line, out string? id)
    {
        id = null;
        LineRequest request = _json ? LineRequest.FromJson(line, options, out id) : LineRequest.FromText(line, options);
        VoiceInput? voice = request.OwnVoice ? request.ReadVoice(run, targets.Paths) : CommonVoice;
        // Notes on single lines would drown everything else.
        var prepared = new PreparedText(_notes, request.Text, voice?.Voice, line.Number);
        ScriptPiece piece = prepared.Whole(request.Options, model.Config.EncoderConfig.MaxPositionEmbeddings);
        if (request.OwnVoice && voice!.NeedsCodec && Codec is null)
            throw NoCodec!;
        Voice? opened = prepared.Behind(request.OwnVoice ? voice!.Open(model, Codec, encodes: engine is not null) : OpenedVoice);
        SpeechOptions how = Sampling.Read(request.Options) with { Voice = opened };
        GenerationConfig generation = Sampling.Resolve(request.Options, how, model);
        LineFiles files = targets.Open(line.Number, request.Output);
        try
        {
            if (files.MakesAudio)
                files.Start(Codec?.SamplingRate ?? throw NoCodec!, request.Options.Has(DiaOptions.Trim), request.Text, how.Seed);
            return new LineJob(answers, files, model.Config, piece, opened, generation, FrameRate)
            {
                Place = place,
                Line = line.Number,
                Id = id,
                Output = request.Output,
                Doubts = new Doubts(request.Options),
                KeepPrompt = request.Options.Has(DiaOptions.KeepPrompt),
                WantsAudio = files.MakesAudio,
            };
        }
        catch
        {
            files.Dispose();
            throw;
        }
    }
}
