using Dia.Backends;
using Dia.Modeling;
using Dia.Networks;

namespace Dia.Training;

/// <summary>
/// The optimizer AdamW (Loshchilov and Hutter 2019) as PyTorch computes it, over the parameters that gradients are there for. Their weights become float32
/// ones of the model's own; the checkpoint that it was loaded from stays as it is.
/// </summary>
public sealed unsafe partial class AdamW : IDisposable
{
    private readonly DiaPreTrainedModel _model;
    private readonly ParameterGradients _gradients;
    private readonly double _beta1, _beta2, _epsilon, _weightDecay;
    private readonly List<Moments> _parameters = [];
    private long _steps;
    private bool _isDisposed; // changed in a turn only

    /// <summary>Makes the model's weights writable; moments are zeros.</summary>
    /// <param name="model">The model.</param>
    /// <param name="gradients">Its gradients: of what is trained.</param>
    /// <param name="beta1">How much of the gradients' running mean stays, from 0, below 1.</param>
    /// <param name="beta2">How much of the running mean of their squares stays, from 0, below 1.</param>
    /// <param name="epsilon">What is added to the root of that mean, from 0.</param>
    /// <param name="weightDecay">The part of each weight that goes in a step, times the learning rate; from 0.</param>
    /// <exception cref="ArgumentException">The gradients are another model's.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A number is outside its range.</exception>
    /// <exception cref="DiaException">No memory (Device).</exception>
    /// <exception cref="ObjectDisposedException">The gradients, the model or its device is disposed.</exception>
    public AdamW(DiaPreTrainedModel model, ParameterGradients gradients, double beta1 = 0.9, double beta2 = 0.999, double epsilon = 1e-8,
        double weightDecay = 0.01)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(gradients);
        Check(beta1 is >= 0 and < 1, beta1, nameof(beta1), "from 0, below 1");
        Check(beta2 is >= 0 and < 1, beta2, nameof(beta2), "from 0, below 1");
        Check(epsilon >= 0 && double.IsFinite(epsilon), epsilon, nameof(epsilon), "a finite number from 0");
        Check(weightDecay >= 0 && double.IsFinite(weightDecay), weightDecay, nameof(weightDecay), "a finite number from 0");
        (_model, _gradients, _beta1, _beta2, _epsilon, _weightDecay) = (model, gradients, beta1, beta2, epsilon, weightDecay);
        using Lock.Scope turn = model.Tenant.Enter();
        gradients.CheckUsable(model.Parameters);
        try
        {
            for (int i = 0; i < model.Parameters.Length; i++)
                if (gradients[i] != null)
                    _parameters.Add(new Moments(i, model.Parameters[i].Count, model.MakeWritable(i), model.Network.Memory));
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Moves the weights against their gradients. The gradients stay: clear them before the next pass.</summary>
    /// <param name="learningRate">The learning rate, from 0.</param>
    /// <param name="maxNorm">Gradients whose norm over all parameters is greater are scaled down to it (PyTorch's clip_grad_norm_); null: they are not.</param>
    /// <returns>That norm, before.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A number is outside its range.</exception>
    /// <exception cref="DiaException">Model: a gradient is not finite; nothing was changed. Device: no memory.</exception>
    /// <exception cref="ObjectDisposedException">This, the gradients, the model or its device is disposed.</exception>
    public double Step(double learningRate, double? maxNorm = null)
    {
        Check(learningRate >= 0 && double.IsFinite(learningRate), learningRate, nameof(learningRate), "a finite number from 0");
        Check(maxNorm is null or > 0, maxNorm, nameof(maxNorm), "above 0");
        using Lock.Scope turn = _model.Tenant.Enter();
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        _gradients.CheckUsable();
        double squared = _model.Tenant.Device.AcceptTraining(new Norm(this));
        if (!double.IsFinite(squared))
            throw new DiaException(DiaErrorKind.Model, "The gradients are not finite: the loss of this batch was not, or they have grown out of range. No weight was changed.");
        var step = new AdamWStep(++_steps, learningRate, _beta1, _beta2, _epsilon, _weightDecay, maxNorm is { } most ? AdamWStep.Clipping(squared, most) : 1);
        _model.Tenant.Device.AcceptTraining(new Update(this, step));
        _model.WeightsChanged(_parameters.Select(p => p.Index));
        return Math.Sqrt(squared);
    }

    /// <summary>Frees the moments; the model keeps its weights.</summary>
    public void Dispose()
    {
        using Lock.Scope turn = _model.Tenant.EnterToFree();
        if (_isDisposed)
            return;
        _isDisposed = true;
        foreach (Moments parameter in _parameters)
            parameter.Dispose();
    }

    private static void Check(bool holds, double? value, string name, string range)
    {
        if (!holds)
            throw new ArgumentOutOfRangeException(name, value, $"It must be {range}.");
    }

    /// <summary>A parameter, and the running means of its gradient and of its square.</summary>
    private sealed class Moments : IDisposable
    {
        private readonly DeviceMemory _memory;

        public Moments(int index, long count, float* values, DeviceMemory memory)
        {
            (Index, Count, _memory) = (index, count, memory);
            Values = values;
            Mean = memory.Allocate(2 * count);
        }

        public int Index { get; }

        public long Count { get; }

        public float* Values { get; }

        public float* Mean { get; }

        public float* Square => Mean + Count;

        public void Dispose() => _memory.Free(Mean);
    }

    private sealed class Norm(AdamW optimizer, bool ofWeights = false) : ITrainingVisitor<double>
    {
        public double Visit<TBackend>(TBackend backend)
            where TBackend : struct, ITrainingBackend
        {
            double squared = 0;
            foreach (Moments p in optimizer._parameters)
                squared += backend.SquaredNorm(ofWeights ? p.Values : optimizer._gradients[p.Index], p.Count);
            return squared;
        }
    }

    /// <summary>Whether all weights that are trained are finite: squares of float32 values do not overflow in double.</summary>
    internal bool HasFiniteWeights()
    {
        using Lock.Scope turn = _model.Tenant.Enter();
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        return double.IsFinite(_model.Tenant.Device.AcceptTraining(new Norm(this, ofWeights: true)));
    }

    private sealed class Update(AdamW optimizer, AdamWStep step) : ITrainingVisitor<bool>
    {
        public bool Visit<TBackend>(TBackend backend)
            where TBackend : struct, ITrainingBackend
        {
            foreach (Moments p in optimizer._parameters)
                backend.AdamW(p.Values, p.Mean, p.Square, optimizer._gradients[p.Index], p.Count, step);
            return true;
        }
    }
}
