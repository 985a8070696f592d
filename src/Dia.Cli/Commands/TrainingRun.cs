using Dia.Cli.Options;
using Dia.Cli.Output;

namespace Dia.Cli.Commands;

/// <summary>The steps of a training, one after the other, and what is kept of them.</summary>
/// <param name="run">The options, messages and signals.</param>
/// <param name="trainer">What takes the steps.</param>
/// <param name="folder">Where it is kept.</param>
/// <param name="speaker">Speaks samples.</param>
/// <param name="text">What they say.</param>
/// <param name="epoch">Steps of an epoch.</param>
internal sealed class TrainingRun(Invocation run, Trainer trainer, TrainingFolder folder, Speaker speaker, string text, int epoch)
{
    // What is lost where a training is killed.
    private const int MostStepsBetween = 200;

    private readonly ProgressClock _clock = new(run.Reporter);
    private readonly int _every = Math.Min(epoch, MostStepsBetween), _sampleEvery = run.Line.GetValue(TrainOptions.SampleEvery) ?? 0;
    private int _saved = -1;
    private double? _heldOut;
    private long _frames;

    /// <summary>Takes all steps that are left.</summary>
    /// <exception cref="DiaException">Model: a loss is not finite, or the training that is to be gone on with is another's. Output: it cannot be
    /// written. Device: no memory.</exception>
    public void Go()
    {
        if (folder.HasState)
            Restore();
        using var log = new TrainingLog(run.Line.Get(TrainOptions.Log) ?? folder.Log, folder.HasState ? trainer.Steps : null);
        // What was learned since it was saved would be lost.
        run.Interruption.Patience = Timeout.InfiniteTimeSpan;
        int first = trainer.Steps;
        double loss = double.NaN;
        try
        {
            while (true)
            {
                Keep(log);
                if (trainer.Steps >= trainer.Options.Steps)
                    break;
                double began = _clock.Seconds;
                TrainingStep step = trainer.Step(run.Interruption.Token);
                (loss, _frames) = (step.Loss, _frames + step.Frames);
                log.Add(step.Step, step.Loss, step.LearningRate, step.GradientNorm, SoundOf(step.Frames) / (_clock.Seconds - began));
                Show(step, first);
            }

            run.Reporter.ClearProgress();
            Summarize(loss);
        }
        catch (OperationCanceledException) when (run.Interruption.Token.IsCancellationRequested)
        {
            run.Reporter.ClearProgress();
            SaveAtEnd();
            run.Reporter.Summary(Format.Text(
                $"dia: interrupted: {Math.Max(0, _saved)} of {trainer.Options.Steps} steps are kept in {folder.Path}; {TrainOptions.Resume.Name} goes on."));
            run.ExitCode = run.Interruption.ExitCode;
        }
        catch (DiaException e) when (e.Kind == DiaErrorKind.Model && _saved >= 0)
        {
            throw new DiaException(e.Kind, Format.Text($"{e.Message} What was kept after {_saved} steps is in {folder.Path}."), e);
        }
    }

    private void Restore()
    {
        trainer.Restore(folder.State, out bool hasOtherData);
        _saved = trainer.Steps;
        if (hasOtherData)
            run.Reporter.Warning("the data is not what the training began with: it goes on with what there is now.");
        if (trainer.Steps > trainer.Options.Steps)
            throw CommandLine.Usage(Format.Text($"{folder.Path} has {trainer.Steps} steps already, more than the {trainer.Options.Steps} that are asked for."));
        if (trainer.Steps < trainer.Options.Steps)
            run.Reporter.Summary(Format.Text($"going on after {trainer.Steps} of {trainer.Options.Steps} steps"));
        else
            Save(); // what may be missing beside the state
    }

    /// <summary>What is due after so many steps: a sample, the held-out loss, files.</summary>
    private void Keep(TrainingLog log)
    {
        int steps = trainer.Steps;
        if (_sampleEvery > 0 && steps > 0 && steps % _sampleEvery == 0 && !File.Exists(folder.Sample(steps)))
            Speak(folder.Sample(steps));
        if ((steps % _every != 0 && steps != trainer.Options.Steps) || trainer.EvaluatedStep == steps)
            return;
        _heldOut = trainer.Evaluate(run.Interruption.Token, out bool isBest);
        if (_heldOut is { } loss)
            log.AddHeldOut(steps, loss);
        log.Plot(folder.Plot);
        if (isBest && steps > 0)
            trainer.SaveModel(folder.Best, run.Line.GetValue(TrainOptions.DType));
        Save();
    }

    /// <summary>The state comes last: where the program is killed in between, what came before is written again, with the same bytes.</summary>
    private void Save()
    {
        trainer.SaveModel(folder.Path, run.Line.GetValue(TrainOptions.DType));
        trainer.Save(folder.State);
        _saved = trainer.Steps;
    }

    /// <summary>Keeps what a signal would lose. That it cannot be kept is told beside the signal's exit code.</summary>
    private void SaveAtEnd()
    {
        try
        {
            if (_saved != trainer.Steps)
                Save();
        }
        catch (DiaException e)
        {
            Reporter.Error(e.Message);
        }
    }

    private void Speak(string path)
    {
        TrainingFolder.Make(Path.GetDirectoryName(path)!);
        speaker.Speak(text, new SpeechOptions { Seed = trainer.Options.Seed }, cancellationToken: run.Interruption.Token).Save(path);
    }

    private void Show(TrainingStep step, int first)
    {
        if (!_clock.IsDue(out double seconds))
            return;
        double left = seconds / (step.Step - first) * (trainer.Options.Steps - step.Step);
        string heldOut = _heldOut is { } loss ? Format.Text($", held out {loss:0.000}") : "";
        run.Reporter.Progress(Format.Text(
            $"step {step.Step} of {trainer.Options.Steps}, loss {step.Loss:0.000}{heldOut}, {SoundOf(_frames) / seconds:0.0} s of sound a second, {TimeSpan.FromSeconds(left):h\\:mm\\:ss} left"));
    }

    private double SoundOf(long frames) => frames / speaker.FrameRate!.Value;

    private void Summarize(double loss)
    {
        string heldOut = _heldOut is { } last ? Format.Text($", held-out loss {last:0.0000}") : "";
        string learned = double.IsNaN(loss) ? ", all done before" : Format.Text($", loss {loss:0.0000}");
        run.Reporter.Summary(Format.Text($"{trainer.Steps} steps{learned}{heldOut}: {folder.Path}"));
        if (trainer.BestLoss is { } best && trainer.BestStep > 0 && Directory.Exists(folder.Best))
            run.Reporter.Summary(Format.Text($"the lowest held-out loss, {best:0.0000}, was after step {trainer.BestStep}: {folder.Best}"));
        else if (trainer.BestLoss is not null && trainer.BestStep == 0)
            run.Reporter.Warning("the held-out loss never fell below that of the model that it began with.");
    }
}
