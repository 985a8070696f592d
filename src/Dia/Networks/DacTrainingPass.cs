using Dia.Backends;
using Dia.Configuration;
using Dia.Graph;

namespace Dia.Networks;

/// <summary>
/// A forward pass of a codec over a whole sound whose backward pass may follow: what the one keeps for the other lies in its arena until it is disposed.
/// What emitted code calls is of use to it alone.
/// </summary>
public sealed unsafe class DacTrainingPass : IDisposable
{
    private readonly Tenant _tenant;
    private readonly DacTrainingNetwork _training;
    private readonly DacConfig _config;
    private readonly ParameterGradients _gradients;
    private readonly DeviceMemory _memory;
    private readonly CodecTimeline[] _timelines;
    private readonly long[] _totals;
    private readonly long _frames;
    private readonly float* _arena;
    private readonly int* _codes;
    private float* _samples;
    private bool _isDone;
    private bool _isDisposed; // changed in a turn only

    /// <summary>Runs the forward pass, in a turn.</summary>
    /// <param name="tenant">The codec's turns.</param>
    /// <param name="training">The codec.</param>
    /// <param name="config">The checkpoint's configuration: weights of the losses.</param>
    /// <param name="gradients">What the backward pass adds to.</param>
    /// <param name="trace">Gets what lies between samples and codes.</param>
    /// <param name="samples">The sound.</param>
    /// <param name="codes">Receives its codes [frames, codebooks].</param>
    /// <param name="audio">Receives what they decode to.</param>
    /// <exception cref="DiaException">No memory (Device).</exception>
    internal DacTrainingPass(Tenant tenant, DacTrainingNetwork training, DacConfig config, ParameterGradients gradients, CodecTrace trace,
        ReadOnlySpan<float> samples, int[,] codes, Span<float> audio)
    {
        (_tenant, _training, _config, _gradients, _memory) = (tenant, training, config, gradients, gradients.Memory);
        _timelines = [.. training.Timelines];
        _totals = new long[_timelines.Length];
        for (int i = 0; i < _totals.Length; i++)
        {
            _totals[i] = _timelines[i].Rows(_totals, samples.Length);
            _frames = Math.Max(_frames, _timelines[i].Frames(_totals[i]));
        }

        try
        {
            _arena = _memory.Allocate(checked(training.ArenaSize * _frames));
            _codes = (int*)_memory.Allocate(codes.LongLength);
            Trace = trace;
            fixed (float* from = samples, to = audio)
                Forward(from, to);
            fixed (int* to = codes)
                _memory.Download(to, _codes, codes.LongLength * sizeof(int));
        }
        catch
        {
            Dispose();
            throw;
        }
        finally
        {
            Trace = null;
            _samples = null;
        }
    }

    /// <summary>The sum of the quantizers' losses, each with its weight.</summary>
    public double Loss { get; private set; }

    /// <summary>The gradient of what is minimised by <see cref="Loss"/>, in the backward pass.</summary>
    public double LossGradient { get; private set; }

    /// <summary>Weight of the commitment loss.</summary>
    public double CommitmentLossWeight => _config.CommitmentLossWeight;

    /// <summary>Weight of the codebook loss.</summary>
    public double CodebookLossWeight => _config.CodebookLossWeight;

    /// <summary>What to record, or null.</summary>
    public CodecTrace? Trace { get; private set; }

    /// <summary>The codes of the sound's frames.</summary>
    public CodecCodes Codes => new(_codes, 0, _config.NCodebooks);

    /// <summary>All rows of a value, and the margins, at its planned offset.</summary>
    /// <param name="timeline">The number of its timeline.</param>
    /// <param name="offset">Where it begins in the arena, in values of a frame.</param>
    /// <param name="channels">Values of a row.</param>
    /// <exception cref="ArgumentOutOfRangeException">They are not in the arena.</exception>
    public CodecRows Rows(int timeline, long offset, int channels)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(timeline);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(timeline, _totals.Length);
        (long total, int margin) = (_totals[timeline], _timelines[timeline].Margin);
        var range = new RowRange(-margin, total + 2L * margin);
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        if (offset < 0 || channels < 1 || offset > _training.ArenaSize || range.Count > (_training.ArenaSize - offset) * _frames / channels)
            throw new ArgumentOutOfRangeException(nameof(offset), offset, "These rows are not in the codec's arena.");
        return new(_arena + offset * _frames, range, channels, total);
    }

    /// <summary>Copies the samples, or their gradient, to rows of one channel.</summary>
    /// <exception cref="InvalidOperationException">The pass does not run.</exception>
    public void LoadSamples(CodecRows rows) => rows.Load(_memory, Running());

    /// <summary>Hands over decoded samples.</summary>
    /// <exception cref="InvalidOperationException">The pass does not run.</exception>
    public void StoreSamples(CodecRows rows) => rows.Store(_memory, Running());

    /// <summary>Adds the mean squared error of two values, times a weight, to the loss.</summary>
    public void AddMeanSquaredError(CodecRows x, CodecRows target, double weight)
    {
        int count = checked((int)(x.Inside.Count * x.Channels));
        float[] a = new float[count], b = new float[count];
        _memory.Download(a, x.At(x.Inside.Start));
        _memory.Download(b, target.At(target.Inside.Start));
        double sum = 0;
        for (int i = 0; i < count; i++)
            sum += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
        Loss += weight * sum / count;
    }

    /// <summary>Adds the gradients of the parameters; once.</summary>
    /// <param name="audio">The gradient of what was decoded.</param>
    /// <param name="loss">That of the loss.</param>
    /// <exception cref="InvalidOperationException">It was done: the gradients of a pass are added once.</exception>
    /// <exception cref="DiaException">No memory (Device).</exception>
    /// <exception cref="ObjectDisposedException">This, the codec, its device or the gradients are disposed.</exception>
    internal void Backward(ReadOnlySpan<float> audio, float loss)
    {
        using Lock.Scope turn = _tenant.Enter();
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        if (_isDone)
            throw new InvalidOperationException("The gradients of this pass are there already: run another forward pass.");
        _gradients.CheckUsable();
        (_isDone, LossGradient) = (true, loss);
        fixed (float* from = audio)
        {
            _samples = from;
            try
            {
                _training.DecodeBackward(this, _gradients);
                _training.QuantizeBackward(this, _gradients);
                _training.EncodeBackward(this, _gradients);
            }
            finally
            {
                _samples = null;
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        using Lock.Scope turn = _tenant.EnterToFree();
        if (_isDisposed)
            return;
        _isDisposed = true;
        _memory.Free(_arena);
        _memory.Free(_codes);
    }

    private void Forward(float* samples, float* audio)
    {
        _samples = samples;
        _training.Encode(this);
        _training.Quantize(this);
        _samples = audio;
        _training.Decode(this);
    }

    private float* Running() => _samples is not null ? _samples : throw new InvalidOperationException("Samples come and go while the pass runs.");
}
