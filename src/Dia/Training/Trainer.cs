using Dia.Generation;
using Dia.Modeling;
using Dia.Networks;
using Dia.Processing;
using Dia.Weights;

namespace Dia.Training;

/// <summary>What a step did.</summary>
/// <param name="Step">Its number, from 1.</param>
/// <param name="Loss">The mean loss of its labels, before it.</param>
/// <param name="LearningRate">The learning rate.</param>
/// <param name="GradientNorm">The norm of the gradients, before they were clipped.</param>
/// <param name="Frames">Frames of codes that were learned from.</param>
public sealed record TrainingStep(int Step, double Loss, double LearningRate, double GradientNorm, long Frames);

/// <summary>
/// Trains a model on examples: all of its weights, some, or the adapter that it has. Everything that is drawn depends on the seed and the step alone, so
/// that a training that is saved and gone on with gives the bits of one that never stopped.
/// </summary>
public sealed partial class Trainer : IDisposable
{
    private readonly DiaForConditionalGeneration _model;
    private readonly DiaProcessor _processor;
    private readonly IReadOnlyList<TrainingExample> _examples, _heldOut;
    private readonly LearningRate _rate;
    private readonly BatchOrder _order;
    private readonly ParameterGradients _gradients;
    private readonly AdamW _optimizer;
    private readonly WeightFormat _format;

    /// <summary>Gets ready. The weights that are trained become float32 ones of the model's own.</summary>
    /// <param name="model">The model.</param>
    /// <param name="processor">Its processor; no codec is needed.</param>
    /// <param name="examples">What to learn from.</param>
    /// <param name="heldOut">What its progress is measured with.</param>
    /// <param name="options">How.</param>
    /// <param name="isTrained">Whether a parameter, by its name in the checkpoint, is trained; null: all are, or those of the adapter where there is one.</param>
    /// <exception cref="ArgumentException">There are no examples.</exception>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of its range.</exception>
    /// <exception cref="DiaException">Device: no memory, or it cannot train. Model: it was compiled without training.</exception>
    /// <exception cref="ObjectDisposedException">The model or its device is disposed.</exception>
    public Trainer(DiaForConditionalGeneration model, DiaProcessor processor, IReadOnlyList<TrainingExample> examples,
        IReadOnlyList<TrainingExample> heldOut, TrainingOptions options, Func<string, bool>? isTrained = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(processor);
        ArgumentNullException.ThrowIfNull(examples);
        ArgumentNullException.ThrowIfNull(heldOut);
        ArgumentNullException.ThrowIfNull(options);
        if (examples.Count == 0)
            throw new ArgumentException("There is nothing to learn from.", nameof(examples));
        options.Check();
        (_model, _processor, _examples, _heldOut, Options) = (model, processor, examples, heldOut, options);
        _rate = new LearningRate(options.LearningRate, options.Warmup, options.Steps, options.Schedule);
        _order = new BatchOrder([.. examples.Select(e => e.Frames)], options.Batch, options.Seed);
        model.DropoutSeed = options.Seed;
        _gradients = model.CreateGradients(isTrained);
        try
        {
            (_modelHash, _format) = (HashOfWeights(), CheckpointWriter.FormatOfMost(model.Specs, model.Weights.Weights));
            _optimizer = new AdamW(model, _gradients, weightDecay: options.WeightDecay);
        }
        catch
        {
            _gradients.Dispose();
            throw;
        }
    }

    /// <summary>How.</summary>
    public TrainingOptions Options { get; }

    /// <summary>Steps that were done.</summary>
    public int Steps => (int)_optimizer.Steps;

    /// <summary>The lowest held-out loss that <see cref="Evaluate"/> found; null: it was not called.</summary>
    public double? BestLoss { get; private set; }

    /// <summary>The steps that were done when it was found.</summary>
    public int BestStep { get; private set; }

    /// <summary>The steps that were done when <see cref="Evaluate"/> was called last; −1: it was not.</summary>
    public int EvaluatedStep { get; private set; } = -1;

    /// <summary>Steps in which every example comes once, rounded up.</summary>
    public static int StepsOfEpoch(int examples, int batch, int accumulate)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(examples, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(batch, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(accumulate, 1);
        return (int)(((examples + (long)batch - 1) / batch + accumulate - 1) / accumulate);
    }

    /// <summary>The next step: forward and backward passes, then the optimizer's.</summary>
    /// <param name="cancellationToken">Looked at between passes; a step that is given up changes nothing.</param>
    /// <exception cref="DiaException">Model: the loss or the gradients are not finite; no weight was changed, and the message names the batch. Device: no
    /// memory.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">This, the model or its device is disposed.</exception>
    public TrainingStep Step(CancellationToken cancellationToken = default)
    {
        long first = (long)Steps * Options.Accumulate;
        int[][] batches = [.. Enumerable.Range(0, Options.Accumulate).Select(i => _order[first + i])];
        DiaInputs[] inputs = [.. batches.Select((batch, i) => Unconditional(Inputs([.. batch.Select(e => _examples[e])]), first + i))];
        long labels = inputs.Sum(CountLabels);
        double loss = 0;
        _gradients.Clear();
        _model.DropoutPass = (uint)first;
        foreach (DiaInputs batch in inputs)
        {
            cancellationToken.ThrowIfCancellationRequested();
            using DiaOutput output = _model.ForwardLoss(batch, _gradients, labels);
            loss += output.Loss!.Value;
            if (!double.IsFinite(loss))
                throw NotFinite($"the loss is {loss}", batches, null);
            output.Backward();
        }

        cancellationToken.ThrowIfCancellationRequested();
        double rate = _rate.At(Steps);
        try
        {
            double norm = _optimizer.Step(rate, Options.Clip);
            return new TrainingStep(Steps, loss, rate, norm, batches.Sum(b => b.Sum(e => (long)_examples[e].Frames)));
        }
        catch (DiaException e) when (e.Kind == DiaErrorKind.Model)
        {
            throw NotFinite("the gradients are not finite", batches, e);
        }
    }

    /// <summary>The mean loss of the labels of what was held out; null where nothing was.</summary>
    /// <param name="cancellationToken">Looked at between passes.</param>
    /// <param name="isBest">Whether it is lower than each before.</param>
    /// <exception cref="DiaException">Model: it is not finite. Device: no memory.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">The model or its device is disposed.</exception>
    public double? Evaluate(CancellationToken cancellationToken, out bool isBest)
    {
        double loss = 0;
        long labels = 0;
        // The longest first: if memory does not last, that is seen at once.
        foreach (TrainingExample[] batch in _heldOut.OrderByDescending(e => e.Frames).Chunk(Options.Batch))
        {
            cancellationToken.ThrowIfCancellationRequested();
            DiaInputs inputs = Inputs(batch);
            long count = CountLabels(inputs);
            using DiaOutput output = _model.ForwardLoss(inputs, null);
            loss += output.Loss!.Value * count;
            labels += count;
        }

        double? mean = labels == 0 ? null : loss / labels;
        if (mean is { } value && !double.IsFinite(value))
            throw new DiaException(DiaErrorKind.Model,
                $"the held-out loss after {Steps} steps is {value}: {(Steps == 0 ? "the model was broken before." : "training has ruined the weights. Lower the learning rate.")}");
        isBest = mean < (BestLoss ?? double.PositiveInfinity);
        if (isBest)
            (BestLoss, BestStep) = (mean, Steps);
        EvaluatedStep = Steps;
        return mean;
    }

    /// <summary>
    /// Writes the model as it is now: a checkpoint's config.json and model.safetensors, and generation_config.json where it came with one; or its adapter.
    /// </summary>
    /// <param name="folder">The folder, made if need be.</param>
    /// <param name="format">The format of its weights; null: bfloat16 where the model came in that, else float32. An adapter has float32.</param>
    /// <exception cref="DiaException">Model: a weight is not finite. Output: it cannot be written.</exception>
    /// <exception cref="ObjectDisposedException">The model or its device is disposed.</exception>
    public void SaveModel(string folder, WeightFormat? format = null)
    {
        if (!_optimizer.HasFiniteWeights())
            throw new DiaException(DiaErrorKind.Model,
                $"after {Steps} steps there are weights that are not finite, so they are not written. Lower the learning rate.");
        if (_model.Adapter is null)
            _model.SavePretrained(folder, format ?? (_format == WeightFormat.BFloat16 ? _format : WeightFormat.Float32));
        else
            _model.SaveAdapter(folder);
    }

    /// <summary>Frees gradients and means; the model keeps its weights.</summary>
    public void Dispose()
    {
        _optimizer.Dispose();
        _gradients.Dispose();
    }

    private DiaInputs Inputs(TrainingExample[] batch) =>
        _processor.WithLabels(_processor.Process([.. batch.Select(e => e.Text)]), [.. batch.Select(e => e.Codes())]);

    /// <summary>Some of the texts are zeros under their own mask, as the rows without the text are in a generation.</summary>
    private DiaInputs Unconditional(DiaInputs inputs, long pass)
    {
        for (int item = 0; item < inputs.InputIds.GetLength(0); item++)
            if (Philox4x32.Uniform(Options.Seed, pass, item, Drawn.Unconditional) < Options.Unconditional)
                for (int i = 0; i < inputs.InputIds.GetLength(1); i++)
                    inputs.InputIds[item, i] = 0;
        return inputs;
    }

    private static long CountLabels(DiaInputs inputs) => inputs.Labels!.Cast<int>().Count(l => l != CrossEntropy.Ignored);

    private DiaException NotFinite(string what, int[][] batches, Exception? inner) => new(DiaErrorKind.Model,
        $"step {Steps + 1}: {what}. No weight was changed. Lower the learning rate, or look at what it was learned from: {string.Join("; ", batches.SelectMany(b => b).Select(e => _examples[e].Place))}.",
        inner!);
}
