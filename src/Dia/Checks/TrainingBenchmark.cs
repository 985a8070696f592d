using Dia.Backends;
using Dia.Generation;
using Dia.Modeling;
using Dia.Networks;
using Dia.Processing;
using Dia.Training;
using Dia.Weights;

namespace Dia.Checks;

/// <summary>
/// Training steps of a model on utterances of noise, beside what the device can do at most: that changes from second to second on a shared machine, so it is
/// measured before each.
/// </summary>
public sealed unsafe class TrainingBenchmark : IDisposable
{
    private const double LearningRate = 1e-5;
    private const double MaxNorm = 1;

    private readonly Device _device;
    private readonly DiaForConditionalGeneration _model;
    private readonly DiaInputs _inputs;
    private readonly ParameterGradients _gradients;
    private readonly AdamW _optimizer;

    /// <summary>Makes gradients and moments: of all weights, which become float32 ones, or of a new adapter.</summary>
    /// <param name="device">The model's device.</param>
    /// <param name="model">The model; its weights change.</param>
    /// <param name="size">What a step works on.</param>
    /// <exception cref="DiaException">Device: no memory, or it cannot train. Model: it was compiled without training.</exception>
    public TrainingBenchmark(Device device, DiaForConditionalGeneration model, TrainingSize size)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentNullException.ThrowIfNull(model);
        (_device, _model, _inputs) = (device, model, Noise(model, size));
        Flops = TrainingFlops.Of(model.Training().Operations(), size);
        if (size.Rank > 0)
            model.AddAdapter(new LoraConfig { R = size.Rank, LoraAlpha = size.Rank }, 0);
        _gradients = model.CreateGradients();
        try
        {
            _optimizer = new AdamW(model, _gradients);
        }
        catch
        {
            _gradients.Dispose();
            throw;
        }

        Parameters = _gradients.Names.Sum(name => _gradients.ShapeOf(name).Aggregate(1L, (count, n) => count * n));
    }

    /// <summary>Values that are trained.</summary>
    public long Parameters { get; }

    /// <summary>
    /// Floating-point operations of the products and attentions of a forward and a backward pass, each counted once; those of adapters are left out.
    /// </summary>
    public double Flops { get; }

    /// <summary>Bytes that the optimizer's step must read and write.</summary>
    public double Bytes => BytesOfValue * Parameters;

    // Weights and two moments are read and written, gradients are read for their norm and for the step.
    private const long BytesOfValue = (2 * 3 + 2) * sizeof(float);

    /// <summary>A step.</summary>
    /// <param name="measure">Whether to measure the device too, before it; else those figures are NaN.</param>
    /// <exception cref="DiaException">No memory (Device).</exception>
    public TrainingTiming Step(bool measure = true)
    {
        double operations = double.NaN, bandwidth = double.NaN;
        if (measure)
        {
            using DeviceClock clock = _device.CreateClock();
            (operations, bandwidth) = (clock.Operations, _device.AcceptTraining(new CopyBandwidth()));
        }

        _gradients.Clear();
        TimeSpan before = Environment.CpuUsage.TotalTime;
        var watch = Stopwatch.StartNew();
        using DiaOutput output = _model.ForwardLoss(_inputs, _gradients);
        double forward = watch.Elapsed.TotalSeconds;
        output.Backward();
        double backward = watch.Elapsed.TotalSeconds - forward;
        double processor = (Environment.CpuUsage.TotalTime - before).TotalSeconds;
        watch.Restart();
        _optimizer.Step(LearningRate, MaxNorm);
        return new TrainingTiming(forward, backward, processor, watch.Elapsed.TotalSeconds, operations, bandwidth);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _optimizer.Dispose();
        _gradients.Dispose();
    }

    private static DiaInputs Noise(DiaForConditionalGeneration model, TrainingSize size)
    {
        var random = new Random(1);
        int channels = model.Config.DecoderConfig.NumChannels, codes = Math.Min(model.Config.EosTokenId, model.Config.DecoderConfig.VocabSize);
        var inputs = new DiaInputs
        {
            InputIds = new int[size.Batch, size.Characters],
            AttentionMask = new int[size.Batch, size.Characters],
            DecoderInputIds = new int[size.Batch, size.Rows, channels],
            DecoderAttentionMask = new int[size.Batch, size.Rows],
            Labels = new int[size.Batch * channels, size.Rows],
        };
        Fill(inputs.InputIds, model.Config.EncoderConfig.VocabSize);
        Fill(inputs.AttentionMask, 0);
        Fill(inputs.DecoderInputIds, codes);
        Fill(inputs.DecoderAttentionMask, 0);
        Fill(inputs.Labels, codes);
        return inputs;

        void Fill(Array array, int values)
        {
            foreach (ref int value in MemoryMarshal.CreateSpan(ref Unsafe.As<byte, int>(ref MemoryMarshal.GetArrayDataReference(array)), array.Length))
                value = values > 0 ? random.Next(values) : 1;
        }
    }

    /// <summary>A copy of more than the caches hold.</summary>
    private sealed class CopyBandwidth : ITrainingVisitor<double>
    {
        private const long Values = 1 << 25;
        private const int Passes = 10;

        public double Visit<TBackend>(TBackend backend)
            where TBackend : struct, ITrainingBackend
        {
            DeviceMemory memory = backend.Memory;
            float* from = memory.Allocate(Values), to = null;
            try
            {
                to = memory.Allocate(Values);
                // Pages that were never written are all the same page of zeros, which the caches hold.
                memory.Zero(from, Values);
                memory.Zero(to, Values);
                double best = double.PositiveInfinity;
                for (int pass = 0; pass < Passes; pass++)
                {
                    long start = Stopwatch.GetTimestamp();
                    backend.Copy(to, from, Values);
                    best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalSeconds);
                }

                return 2.0 * sizeof(float) * Values / best;
            }
            finally
            {
                memory.Free(from);
                memory.Free(to);
            }
        }
    }
}
