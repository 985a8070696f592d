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
/// <param name="speaker">Speaks the lines; null: they are only checked.</param>
internal sealed class LinesCommand(Invocation run, CommandLine options, LineTargets targets, LineAnswers answers, DiaForConditionalGeneration model,
    Speaker? speaker)
{
    private const int DefaultBatch = 4;

    // Lines behind a slow one that may be complete and wait for it, for each line that is being spoken.
    private const int WindowOfBatches = 4;

    private readonly bool _json = run.Line.Has(DiaOptions.JsonLines);
    private readonly Shard? _shard = run.Line.GetValue(DiaOptions.Shard);
    private readonly TextNotes _notes = new(run, model.Config);
    private readonly List<LineJob> _jobs = []; // that are being spoken

    private DacModel? Codec { get; init; }

    /// <summary>Why there is none: the error of the lines that want sound.</summary>
    private DiaException? NoCodec { get; init; }

    private double? FrameRate { get; init; }

    private VoiceInput? CommonVoice { get; init; }

    private Voice? OpenedVoice { get; init; }

    /// <summary>Knows what is complete; null: nobody asks.</summary>
    private JournalOfList? Journal { get; init; }

    /// <summary>Speaks every line.</summary>
    /// <exception cref="DiaException">What concerns the whole run: options, model, the input as a stream.</exception>
    public static void Run(Invocation run)
    {
        if (run.Line.Has(DiaOptions.Resume) && run.Line.Get(DiaOptions.Journal) is null)
            throw CommandLine.Usage($"{DiaOptions.Resume.Name} goes on from a journal: name it with {DiaOptions.Journal.Name} FILE.");
        run.KeepInputs([(DiaOptions.Journal.Name, run.Line.Get(DiaOptions.Journal))]);
        (Stream stream, string name) = TextInput.Open(run.Line);
        using Stream input = stream;
        CheckParts(run.Line, null);
        bool json = run.Line.Has(DiaOptions.JsonLines), check = run.Line.Has(DiaOptions.Check);
        int batch = run.Line.GetValue(DiaOptions.Batch) ?? DefaultBatch;
        var targets = new LineTargets(run);
        using LineJournal? journal = LineJournal.Open(run.Line);
        CheckParts(run.Line, journal);
        ulong seed = run.Line.GetValue(DiaOptions.Seed)?.Value ?? journal?.Seed ?? SpeechOptions.RandomSeed();
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
        using var answers = new LineAnswers(run, WindowOfBatches * batch, standardOutput, codec?.SamplingRate ?? 0, journal);
        double? frameRate = codec?.FrameRate ?? files.FrameRate;
        using Speaker? speaker = check ? null : new Speaker(model, codec, frameRate, batch);
        if (!check)
        {
            answers.Start(targets);
            journal?.Begin(seed);
        }

        var command = new LinesCommand(run, run.Line with { Values = new Dictionary<OptionSpec,
            object>(run.Line.Values) { [DiaOptions.Seed] = new Seed(seed) } }, targets, answers, model, speaker)
        {
            Codec = codec,
            NoCodec = noCodec,
            FrameRate = frameRate,
            CommonVoice = voice,
            OpenedVoice = opened,
            Journal = journal is null ? null : new JournalOfList(run, journal, model, codec, voice, device),
        };
        command.Speak(stream, name, batch);
        answers.Finish();
        standardOutput?.Commit();
        if (speaker is not null)
            run.Reporter.Detail(Format.Times(speaker.Times));
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

    /// <summary>Refuses a part of a list that would draw a seed of its own: together the parts would not be the list.</summary>
    /// <param name="line">The options.</param>
    /// <param name="journal">What may have the seed; null: it is not open yet.</param>
    /// <exception cref="DiaException">Usage.</exception>
    private static void CheckParts(CommandLine line, LineJournal? journal)
    {
        bool mayHaveSeed = line.Values.ContainsKey(DiaOptions.Seed) || line.Has(DiaOptions.Greedy)
            || (journal is null ? line.Has(DiaOptions.Resume) : journal.Seed is not null);
        if (line.GetValue(DiaOptions.Shard) is not null && !mayHaveSeed)
            throw CommandLine.Usage(
                $"{DiaOptions.Shard.Name} needs {DiaOptions.Seed.Name} N, the same for all parts: each would draw one of its own, and together they would not be the list.");
    }

    private void Speak(Stream stream, string name, int batch)
    {
        var reader = new LineReader(
            stream,
            returns: !_json && !options.Has(DiaOptions.RawText),
            start => TextInput.RefuseOther(start, name));
        using var lines = new LineQueue(reader, name, 2 * batch, line => _shard?.Has(line.Number) == false || IsEmpty(line));
        try
        {
            if (speaker is null)
                Check(lines);
            else
                speaker.Engine.Run(wait => NextUtterance(lines, wait), run.Interruption.Token);
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

    /// <summary>What is spoken next: of a line that was begun, else of the next line.</summary>
    private Utterance? NextUtterance(LineQueue lines, bool wait)
    {
        _jobs.RemoveAll(job => job.IsEnded);
        if (_jobs.Find(job => job.Script!.HasNext) is { } begun)
            return begun.Script!.Next();
        if (Next(lines, wait) is not { } job)
            return null;
        _jobs.Add(job);
        return job.Script!.Next();
    }

    /// <summary>The next line that can be spoken. Those before it that cannot, or need not, are answered.</summary>
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
                if (Begin(place, line, out id) is { } job)
                    return job;
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
            answers.Checked(job, twice ?? job.Doubts.Room(job.Pieces.Count == 1 ? "the text" : "the longest piece", job.Longest));
        }
    }

    /// <summary>Refuses files of a line that are read: the list, what the command names, the voice that the line names.</summary>
    private void KeepInputs(LineNames names, LineRequest request)
    {
        (string, string?)[] outputs = [("output", names.Audio), (DiaOptions.Codes.Name, names.Codes)];
        run.KeepInputs(outputs, request.OwnVoice ? request.VoiceFiles(targets.Paths) : []);
    }

    /// <summary>Begins a line; null: its output is there already, and it is answered.</summary>
    private LineJob? Begin(long place, InputLine line, out string? id)
    {
        id = null;
        LineRequest request = _json ? LineRequest.FromJson(line, options, out id) : LineRequest.FromText(line, options);
        VoiceInput? voice = request.OwnVoice ? request.ReadVoice(run, targets.Paths) : CommonVoice;
        // Notes on single lines would drown everything else.
        var prepared = new PreparedText(_notes, request.Text, voice?.Voice, line.Number);
        SpeechOptions speech = Sampling.Read(request.Options);
        int positions = model.Config.EncoderConfig.MaxPositionEmbeddings;
        // Where nothing says how long a frame is, what is too long stays an error.
        bool tooLong = prepared.Length > positions, splits = speech.Splits(tooLong && FrameRate is not null);
        bool asScript = speech is not { Speed: 1, Retries: 0 };
        ScriptPiece? whole = splits ? null : prepared.Whole(request.Options, positions, asScript, cuts: model.Config.IsFirstGeneration);
        if (request.OwnVoice && voice!.NeedsCodec && Codec is null)
            throw NoCodec!;
        LineNames names = targets.Names(line.Number, request.Output);
        KeepInputs(names, request);
        byte[]? hash = Journal?.Begin(line.Number, names, request, voice, speech);
        if (hash is not null && Journal!.Find(line.Number, hash, names) is { } entry)
        {
            answers.Kept(place, entry, id, request.Output, names.Codes);
            return null;
        }

        speech = speech with { Voice = prepared.Behind(request.OwnVoice ? voice!.Open(model, Codec, encodes: speaker is not null) : OpenedVoice) };
        GenerationConfig generation = Sampling.Resolve(request.Options, speech, model);
        IReadOnlyList<ScriptPiece> pieces = whole is null ? Speaker.Split(model, FrameRate, prepared.Script, speech) : [whole];
        if (tooLong && pieces.Count > 1)
            run.Reporter.NoteOnce(DiaOptions.NoSplit.Name,
                $"line {line.Number} is {prepared.Length} bytes long (a tag counts as one), the model takes {positions}: it was split into {pieces.Count} pieces, as others will be (--no-split makes that an error).");
        LineFiles files = targets.Open(names);
        try
        {
            if (files.MakesAudio)
                files.Start(Codec?.SamplingRate ?? throw NoCodec!, request.Text, speech.Seed);
            var job = new LineJob(run, answers, files, speech)
            {
                Place = place,
                Line = line.Number,
                Id = id,
                Output = request.Output,
                Request = hash,
                Pieces = pieces,
                Longest = new Utterance(model.Config, pieces.MaxBy(p => p.Characters)!, speech.Voice, generation, FrameRate),
                Doubts = new Doubts(request.Options),
            };
            if (speaker is not null)
                job.Begin(speaker);
            return job;
        }
        catch
        {
            files.Dispose();
            throw;
        }
    }
}
