using System.Text;
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

/// <summary>
/// Many utterances in one run: --lines and --jsonl. A line that fails is answered with its error, and the rest goes on.
/// </summary>
internal sealed class LinesCommand : IDisposable
{
    private const int DefaultBatch = 4;

    // Lines behind a slow one that may be complete and wait for it, for each line that is being spoken.
    private const int WindowOfBatches = 4;

    private readonly Invocation _run;
    private readonly CommandLine _options;
    private readonly ulong _seed;
    private readonly bool _json;
    private readonly int _batch;
    private readonly LineTargets _targets;
    private readonly AnswerOrder _order;
    private readonly OutputFile? _standardOutput;
    private readonly LineAnswers _answers;
    private readonly VoiceInput? _voice;
    private readonly (int[,]? Codes, int Frames) _prompt;
    private readonly Checkpoints _files;
    private readonly Device _device;
    private readonly DiaForConditionalGeneration _model;
    private readonly DacModel? _codec;
    private readonly DiaException? _noCodec;
    private readonly SpeechEngine? _engine; // null: nothing is spoken, only checked
    private readonly double? _frameRate;
    private readonly TextNotes _notes;

    private LinesCommand(Invocation run)
    {
        _run = run;
        _json = run.Line.Has(DiaOptions.JsonLines);
        bool check = run.Line.Has(DiaOptions.Check);
        _batch = run.Line.TryGet(DiaOptions.Batch, out int batch) ? batch : DefaultBatch;
        // One seed for all lines without their own: the run can be repeated with it.
        _seed = run.Line.TryGet(DiaOptions.Seed, out Seed seed) && seed.Value is ulong given ? given : Sampling.RandomSeed();
        _options = run.Line with { Values = new Dictionary<OptionSpec, object>(run.Line.Values) { [DiaOptions.Seed] = new Seed(_seed) } };
        _targets = new LineTargets(run);
        _voice = VoiceInput.Read(run);
        _files = new Checkpoints(run);
        bool needsCodec = _targets.AlwaysAudio || _voice?.NeedsCodec == true, mayNeedCodec = _json || needsCodec;
        _device = DeviceChoice.Create(run, _files, model: true, mayNeedCodec, _batch, reserve: !check);
        _model = _files.LoadModel(_device);
        _notes = new TextNotes(run, _model.Config);
        try
        {
            _codec = mayNeedCodec ? _files.LoadCodec(_device, _model.Config) : null;
        }
        catch (DiaException e) when (!needsCodec)
        {
            _noCodec = e; // Codes alone need none; it is the error of the lines that want audio.
        }

        _prompt = _voice?.Open(_model, _codec, encodes: !check) ?? default;
        _files.Report(_model, _device);
        _order = new AnswerOrder(!run.Line.Has(DiaOptions.Unordered), WindowOfBatches * _batch);
        _standardOutput = _json || (_targets.StandardOutput is not null && !check) ? run.Interruption.Open("-") : null;
        _frameRate = _codec?.FrameRate ?? _files.FrameRate;
        _answers = new LineAnswers(run, _order, _standardOutput, _codec?.SamplingRate ?? 0);
        if (check)
            return;
        _engine = new SpeechEngine(_model, _codec, _batch);
        if (_targets.StandardOutput is not null)
            _answers.StartAudio();
        if (_targets.Plays)
            _answers.StartPlaying();
    }

    /// <summary>Speaks every line.</summary>
    /// <exception cref="DiaException">What concerns the whole run: options, model, the input as a stream.</exception>
    public static void Run(Invocation run)
    {
        (Stream stream, string name) = TextInput.Open(run.Line);
        using (stream)
        using (var command = new LinesCommand(run))
            command.Speak(stream, name);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _answers.Dispose();
        _standardOutput?.Dispose();
        _engine?.Dispose();
        _codec?.Dispose();
        _model.Dispose();
        _files.Dispose();
        _device.Dispose();
    }

    private void Speak(Stream stream, string name)
    {
        var reader = new LineReader(
            stream,
            returns: !_json && !_options.Has(DiaOptions.RawText),
            start => TextInput.RefuseOther(start, name));
        using var lines = new LineQueue(reader, name, 2 * _batch, IsEmpty);
        try
        {
            if (_engine is null)
                Check(lines);
            else
                _engine.Run((bool wait, out SpeechJob? job) => (job = Next(lines, wait)) is not null || !wait, _run.Interruption.Token);
        }
        finally
        {
            _run.Reporter.ClearProgress();
        }

        _answers.Finish();
        _standardOutput?.Commit();
        if (_engine is not null)
            _run.Reporter.Detail(Format.Times(_engine.Times));
        _answers.Summarize(_engine is null ? null : _seed);
        if (_answers.FailedLines > 0 || (_answers.DoubtfulLines > 0 && _options.Has(DiaOptions.Strict)))
            _run.ExitCode = ExitCodes.Incomplete;
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
        while (_order.HasRoom && (wait ? lines.Take(out InputLine line, _run.Interruption.Token) : lines.TryTake(out line)))
        {
            long place = _order.Take();
            string? id = null;
            try
            {
                return Begin(place, line, out id);
            }
            catch (DiaException e) when (e.Kind != DiaErrorKind.Device)
            {
                _answers.Failed(place, line.Number, id, e);
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
            _answers.Checked(job, twice ?? job.Crowded);
        }
    }

    private LineJob Begin(long place, InputLine line, out string? id)
    {
        id = null;
        LineRequest request = _json ? LineRequest.FromJson(line, _options, out id) : LineRequest.FromText(line, _options);
        VoiceInput? voice = request.OwnVoice ? VoiceInput.Read(_run with { Line = request.Options }, _targets.Paths) : _voice;
        string text = _notes.Prepare(voice?.Before(request.Text) ?? request.Text, line.Number);
        // Notes on single lines would drown everything else.
        (int[] ids, string said) = SpeakCommand.Fit(request.Options, reporter: null, _model.Config, request.Text, text);
        if (request.OwnVoice && voice!.NeedsCodec && _codec is null)
            throw _noCodec!;
        (int[,]? prompt, int frames) = request.OwnVoice ? voice!.Open(_model, _codec, encodes: _engine is not null) : _prompt;
        GenerationConfig config = Sampling.Resolve(request.Options, _model, 1 + frames);
        var doubts = new Doubts(request.Options, _frameRate, config, voice?.Transcript);
        string? crowded = doubts.Room("the text", said, 1 + frames);
        LineFiles files = _targets.Open(line.Number, request.Output);
        try
        {
            if (files.MakesAudio)
                files.Start(_codec?.SamplingRate ?? throw _noCodec!, request.Options.Has(DiaOptions.Trim));
            return new LineJob(_answers, place, line.Number, id, request.Output, files, ids, config)
            {
                Doubts = doubts,
                Text = said,
                Crowded = crowded,
                Prompt = prompt,
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
