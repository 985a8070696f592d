using System.Globalization;
using Dia.Configuration;
using Dia.Modeling;
using Dia.Weights;

namespace Dia.Backends.Benchmark;

/// <summary>
/// Times the operations of a decoding step and of a block on a model's own weights. Those of a step run over all layers, each with its own weights
/// and caches, with the rows that they have there, and behind as many bytes as the rest of the step moves: so the device's caches hold no more of
/// them than in real work.
/// </summary>
internal sealed unsafe class ModelTimings<TBackend> : IDisposable
    where TBackend : struct, IBackend
{
    private const int StepRows = 2;
    private const int BlockRows = 128;

    private readonly TBackend _backend;
    private readonly DeviceClock _clock;
    private readonly DiaForConditionalGeneration _model;
    private readonly Action<KernelTiming> _report;
    private readonly DeviceMemory _memory;
    private readonly List<nint> _allocated = [];
    private long _stepBytes;

    public ModelTimings(TBackend backend, DeviceClock clock, DiaForConditionalGeneration model, Action<KernelTiming> report)
    {
        (_backend, _clock, _model, _report) = (backend, clock, model, report);
        _memory = backend.Memory;
    }

    /// <summary>Runs all of them.</summary>
    /// <param name="rows">Rows in the caches.</param>
    /// <param name="textLength">Bytes of the text.</param>
    public void Run(int rows, int textLength)
    {
        using (this)
        {
            DiaDecoderConfig d = _model.Config.DecoderConfig;
            _stepBytes = Weights(s => s.Role == WeightRole.Linear && IsInStep(s)).Sum(w => w.Spec.Count * WeightFormats.ByteSize(w.Format));
            Embedding(d);
            Norms(d);
            Linears("step", StepRows, s => IsInStep(s) && !IsOfText(s), step: true);
            Linears("step", 1, s => IsInStep(s) && IsOfText(s), step: true);
            Gated(d);
            ConstantRow(d);
            Rotary(d, rows);
            Attention("step", "attention over the rows", d.NumHiddenLayers, d.NumAttentionHeads, d.NumKeyValueHeads, d.HeadDim, StepRows, 1, rows, causal: true);
            Attention("step", "attention over the text", d.NumHiddenLayers, d.CrossNumAttentionHeads, d.CrossNumKeyValueHeads, d.CrossHeadDim, 1, 1, textLength, causal: false);
            Linears("block", BlockRows, s => s.Name.StartsWith("model.encoder", StringComparison.Ordinal) || IsInStep(s), step: false);
            DiaEncoderConfig e = _model.Config.EncoderConfig;
            Attention("block", "attention of the encoder", e.NumHiddenLayers, e.NumAttentionHeads, e.NumKeyValueHeads, e.HeadDim, 1, BlockRows, BlockRows, causal: false);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _allocated.ForEach(m => _memory.Free((void*)m));
        _allocated.Clear();
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    // Keys and values of the text are made once, not in each step.
    private static bool IsInStep(WeightSpec spec) => !spec.Name.StartsWith("model.encoder", StringComparison.Ordinal)
        && !spec.Name.EndsWith("cross_attention.k_proj.weight", StringComparison.Ordinal) && !spec.Name.EndsWith("cross_attention.v_proj.weight", StringComparison.Ordinal);

    // The row without the text has a constant in their place.
    private static bool IsOfText(WeightSpec spec) => spec.Name.Contains("cross_attention", StringComparison.Ordinal);

    private void Report(string name, string shapes, double bytes, Action run, double operations = 0)
    {
        (double seconds, int launches) = _clock.TimeInStep(run, _stepBytes);
        _report(new KernelTiming("step", name, shapes, bytes, operations, seconds, launches));
    }

    private float* Floats(long count)
    {
        float* memory = _memory.Allocate(count);
        _allocated.Add((nint)memory);
        return memory;
    }

    private List<(WeightSpec Spec, WeightFormat Format, Weight Weight)> Weights(Func<WeightSpec, bool> wanted)
    {
        WeightSpec[] specs = _model.Specs;
        return [.. Enumerable.Range(0, specs.Length).Where(i => wanted(specs[i])).Select(i => (specs[i], _model.Weights.Weights[i].Format, _model.Network.Weights[i]))];
    }

    private void Embedding(DiaDecoderConfig d)
    {
        (_, WeightFormat format, Weight table) = Weights(s => s.Role == WeightRole.Embedding && s.Name.StartsWith("model.decoder", StringComparison.Ordinal)).Single();
        float* y = Floats(StepRows * d.HiddenSize);
        int* ids = (int*)Floats(StepRows * d.NumChannels);
        double bytes = StepRows * (double)d.HiddenSize * ((d.NumChannels * WeightFormats.ByteSize(format)) + sizeof(float));
        Report("embed_sum", Text($"[{StepRows}, {d.NumChannels}, {d.HiddenSize}]"), bytes, () => _backend.EmbedSum(y, ids, table, StepRows, d.NumChannels, d.VocabSize, d.HiddenSize));
    }

    private void Norms(DiaDecoderConfig d)
    {
        var norms = Weights(s => s.Role == WeightRole.Vector && s.Name.StartsWith("model.decoder", StringComparison.Ordinal));
        float* x = Floats(StepRows * d.HiddenSize), y = Floats(StepRows * d.HiddenSize);
        Report("rms_norm", Text($"{norms.Count} x [{StepRows}, {d.HiddenSize}]"), norms.Count * (double)d.HiddenSize * sizeof(float) * ((2 * StepRows) + 1), () =>
        {
            foreach ((_, _, Weight weight) in norms)
                _backend.RmsNorm(y, x, weight, StepRows, d.HiddenSize, 1e-5f);
        });
    }

    /// <summary>The matrices, shape by shape.</summary>
    private void Linears(string part, int rows, Func<WeightSpec, bool> wanted, bool step)
    {
        foreach (var group in Weights(s => s.Role == WeightRole.Linear && wanted(s)).GroupBy(w => (N: w.Spec.Shape[0], K: w.Spec.Shape[1], w.Format)))
        {
            (int n, int k, WeightFormat format) = group.Key;
            var weights = group.Select(w => w.Weight).ToArray();

            // One block of arithmetic is as good as all layers' and takes less time.
            if (!step)
                weights = weights[..1];
            float* x = Floats((long)rows * k), y = Floats((long)rows * n);
            double bytes = weights.Length * (((double)n * k * WeightFormats.ByteSize(format)) + ((double)rows * (n + k) * sizeof(float)));
            string shapes = Text($"{weights.Length} x [{rows}, {n}, {k}]");
            if (step)
            {
                Report($"step_linear {format}", shapes, bytes, () =>
                {
                    foreach (Weight weight in weights)
                        _backend.Linear(y, x, weight, rows, n, k, Phase.Decode, false);
                }, 2.0 * weights.Length * rows * n * k);
            }
            else
            {
                double seconds = _clock.Time(() => _backend.Linear(y, x, weights[0], rows, n, k, Phase.Prefill, false));
                _report(new KernelTiming(part, $"block_linear {format}", shapes, bytes, 2.0 * rows * n * k, seconds));
            }
        }
    }

    private void Gated(DiaDecoderConfig d)
    {
        float* x = Floats(2L * StepRows * d.IntermediateSize), y = Floats(StepRows * d.IntermediateSize);
        Report("gated_activation", Text($"{d.NumHiddenLayers} x [{StepRows}, {d.IntermediateSize}]"), 3.0 * d.NumHiddenLayers * StepRows * d.IntermediateSize * sizeof(float), () =>
        {
            for (int layer = 0; layer < d.NumHiddenLayers; layer++)
                _backend.GatedActivation(y, x, StepRows, d.IntermediateSize, d.HiddenAct);
        });
    }

    /// <summary>What the row without the text gets in place of cross-attention.</summary>
    private void ConstantRow(DiaDecoderConfig d)
    {
        float* constants = Floats((long)d.NumHiddenLayers * d.HiddenSize), y = Floats(d.HiddenSize);
        Report("add_row", Text($"{d.NumHiddenLayers} x [1, {d.HiddenSize}]"), 3.0 * d.NumHiddenLayers * d.HiddenSize * sizeof(float), () =>
        {
            for (int layer = 0; layer < d.NumHiddenLayers; layer++)
                _backend.AddRow(y, constants + ((long)layer * d.HiddenSize), 1, d.HiddenSize);
        });
    }

    private void Rotary(DiaDecoderConfig d, int rows)
    {
        int half = d.HeadDim / 2, width = d.NumKeyValueHeads * d.HeadDim;
        float* q = Floats(StepRows * d.NumAttentionHeads * d.HeadDim), k = Floats(StepRows * width), v = Floats(StepRows * width), cos = Floats(StepRows * half), sin = Floats(StepRows * half);
        AttentionBatch batch = Sequences(d.NumHiddenLayers, StepRows, 1, rows, width, causal: true);
        int* positions = (int*)Floats(StepRows);
        float* frequencies = Floats(StepRows * half);
        Report("rope_table", Text($"[{StepRows}, {half}]"), 3.0 * StepRows * half * sizeof(float), () => _backend.RopeTable(cos, sin, positions, frequencies, batch, half, 1));
        double bytes = (double)d.NumHiddenLayers * StepRows * sizeof(float) * ((2 * d.NumAttentionHeads * d.HeadDim) + (5 * width));
        Report("rope, rope_key_values", Text($"{d.NumHiddenLayers} x [{StepRows}, {d.NumAttentionHeads} and {d.NumKeyValueHeads}, {d.HeadDim}]"), bytes, () =>
        {
            for (int layer = 0; layer < d.NumHiddenLayers; layer++)
            {
                _backend.Rope(q, cos, sin, StepRows, d.NumAttentionHeads, half);
                _backend.RopeKeyValues(k, v, cos, sin, batch, layer, d.NumKeyValueHeads, half);
            }
        });
    }

    private void Attention(string part, string name, int layers, int heads, int keyHeads, int headDim, int sequences, int rows, int keys, bool causal)
    {
        int width = keyHeads * headDim;
        float* q = Floats((long)sequences * rows * heads * headDim), y = Floats((long)sequences * rows * heads * headDim);
        AttentionBatch batch = Sequences(layers, sequences, rows, keys, width, causal);
        double bytes = (double)layers * sequences * sizeof(float) * ((2.0 * keys * width) + (2.0 * rows * heads * headDim));
        string shapes = Text($"{layers} x {sequences} x [{rows}, {heads}/{keyHeads}, {headDim}], {keys} keys");
        Action run = () =>
        {
            for (int layer = 0; layer < layers; layer++)
                _backend.Attention(y, q, batch, layer, heads, keyHeads, headDim, null);
        };
        if (part == "step")
            Report(name, shapes, bytes, run);
        else
            _report(new KernelTiming(part, name, shapes, bytes, 4.0 * layers * sequences * rows * keys * heads * headDim, _clock.Time(run)));
    }

    /// <summary>Sequences with the caches of all layers each.</summary>
    private AttentionBatch Sequences(int layers, int sequences, int rows, int keys, int width, bool causal)
    {
        AttentionItem[] items = new AttentionItem[sequences];
        for (int i = 0; i < sequences; i++)
        {
            long size = (long)(keys + 1) * width;
            float* cache = Floats(2 * layers * size);
            items[i] = new AttentionItem
            {
                FirstRow = i * rows,
                Rows = rows,
                Keys = cache,
                Values = cache + size,
                LayerStride = 2 * size,
                KeyCount = keys,
                CausalStart = causal ? keys - rows : -1,
            };
        }

        byte* placed = _memory.Place(System.Runtime.InteropServices.MemoryMarshal.AsBytes<AttentionItem>(items));
        _allocated.Add((nint)placed);
        return new AttentionBatch((AttentionItem*)placed, sequences, rows, keys);
    }
}
