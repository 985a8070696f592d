using Dia.Backends;
using Dia.Cli.Lines;
using Dia.Cli.Options;
using Dia.Cli.Output;
using Dia.Codec;
using Dia.Generation;
using Dia.Modeling;
using Dia.Processing;
using Dia.Weights;

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
    private readonly Invocation _silent;
    private readonly CommandLine _options;
    private readonly ulong _seed;
    private readonly bool _json;
    private readonly int _batch;
    private readonly LineTargets _targets;
    private readonly AnswerOrder _order;
    private readonly OutputFile? _standardOutput;
    private readonly LineAnswers _answers;
    private readonly int[,]? _prompt;
    private readonly ModelFolder _folder;
    private readonly Device _device;
    private readonly DiaForConditionalGeneration _model;
    private DiaProcessor _processor;
    private DacModel? _codec;
    private bool _noted;

    private LinesCommand(Invocation run)
    {
        _run = run;
        // Notes on single lines would drown everything else.
        _silent = run with { Reporter = new Reporter(quiet: true, verbose: false) };
        _json = run.Line.Has(DiaOptions.JsonLines);
        _batch = run.Line.TryGet(DiaOptions.Batch, out int batch) ? batch : DefaultBatch;
        // One seed for all lines without their own: the run can be repeated with it.
        _seed = run.Line.TryGet(DiaOptions.Seed, out Seed seed) && seed.Value is ulong given ? given : Sampling.RandomSeed();
        _options = run.Line with { Values = new Dictionary<OptionSpec, object>(run.Line.Values) { [DiaOptions.Seed] = new Seed(_seed) } };
        _targets = new LineTargets(run);
        _prompt = run.Line.Get(DiaOptions.PromptCodes) is { } path ? CodesFile.Read(path) : null;
        _folder = ModelLoader.OpenModel(run);
        _device = ModelLoader.CreateDevice(run);
        _model = ModelLoader.Load(run, _folder, _device);
        _processor = SpeakCommand.CreateProcessor(_model.Config, null);
        if (_prompt is not null)
            CodesFile.Check(_prompt, run.Line.Get(DiaOptions.PromptCodes)!, _model.Config.DecoderConfig.NumChannels, _model.Config.EosTokenId);
        _order = new AnswerOrder(!run.Line.Has(DiaOptions.Unordered), WindowOfBatches * _batch);
        _standardOutput = _json || _targets.StandardOutput is not null ? run.Interruption.Open("-") : null;
        _answers = new LineAnswers(run, _order, _standardOutput);
        if (_targets.AlwaysAudio)
            LoadCodec();
        if (_targets.StandardOutput is not null)
            _answers.StartAudio();
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
        _codec?.Dispose();
        _model.Dispose();
        _device.Dispose();
    }

    private void Speak(Stream stream, string name)
    {
        using var lines = new LineQueue(stream, name, 2 * _batch, line => IsEmpty(line));
        try
        {
            while (Next(lines, wait: true) is { } job)
            {
                int[,,] rows = _model.Generate(job.Inputs, job.Config, null, drawAlone: true, _run.Interruption.Token);
                Complete(job, rows);
            }
        }
        finally
        {
            _run.Reporter.ClearProgress();
        }

        _answers.Dispose();
        _standardOutput?.Commit();
        _answers.Summarize(_seed);
        if (_answers.FailedLines > 0)
            _run.ExitCode = ExitCodes.SomeLinesFailed;
    }

    /// <summary>Blanks around JSON mean nothing; in a text they are part of it.</summary>
    private bool IsEmpty(InputLine line) => !line.TooLong && (_json ? line.Bytes.AsSpan().IndexOfAnyExcept(" \t\r"u8) < 0 : line.Bytes.Length == 0);

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
            catch (DiaException e)
            {
                _answers.Failed(place, line.Number, id, e);
            }
        }

        return null;
    }

    private LineJob Begin(long place, InputLine line, out string? id)
    {
        id = null;
        LineRequest request = _json ? LineRequest.FromJson(line, _options, DiaOptions.SamplingGroup.Options, out id) : LineRequest.FromText(line, _options);
        Invocation silent = _silent with { Line = request.Options };
        string text = SpeakCommand.FixText(silent, _processor.Tokenizer, request.Text);
        if (text != request.Text && !_noted)
        {
            _noted = true;
            _run.Reporter.Note(Format.Text($"line {line.Number} starts with no speaker tag: [S1] was put in front, as it will be in other lines (--no-fix-text leaves them as they are)."));
        }

        DiaInputs inputs = SpeakCommand.Process(silent, _processor, _model.Config, text, _prompt);
        int promptRows = _processor.GetAudioPromptLen(inputs.DecoderAttentionMask);
        GenerationConfig config = Sampling.Resolve(request.Options, _model, _folder, promptRows);
        LineFiles files = _targets.Open(line.Number, request.Output);
        try
        {
            if (files.MakesAudio)
                LoadCodec();
        }
        catch
        {
            files.Dispose();
            throw;
        }

        return new LineJob(place, line.Number, id, request, files, inputs, config, promptRows);
    }

    private void Complete(LineJob job, int[,,] rows)
    {
        try
        {
            int[,] codes = _processor.BatchCodes(rows, job.PromptRows)[0];
            float[] samples = !job.Files.MakesAudio || codes.GetLength(0) == 0 ? [] : _codec!.Decode(codes);
            bool toFile = job.Files.Write(codes, SpeakCommand.OnlyItem(rows), samples, _answers.SamplingRate, _run.Line.Has(DiaOptions.Raw));
            double? seconds = job.Files.MakesAudio ? samples.Length / (double)_answers.SamplingRate : null;
            var outcome = new LineOutcome(codes.GetLength(0), seconds, SpeakCommand.EndedByItself(rows, job.Config, job.PromptRows), job.Config.Seed, job.Clock.Elapsed.TotalSeconds);
            _answers.Done(job, outcome, toFile || !job.Files.MakesAudio ? null : samples);
        }
        catch (DiaException e)
        {
            job.Files.Dispose();
            _answers.Failed(job.Place, job.Line, job.Id, e);
        }
    }

    private void LoadCodec()
    {
        if (_codec is not null)
            return;
        DacModel codec = ModelLoader.LoadCodec(_run, _folder, _device);
        try
        {
            _processor = SpeakCommand.CreateProcessor(_model.Config, codec);
        }
        catch
        {
            codec.Dispose();
            throw;
        }

        (_codec, _answers.SamplingRate) = (codec, codec.SamplingRate);
    }
}
