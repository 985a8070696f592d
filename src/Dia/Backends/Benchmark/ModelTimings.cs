using System.Globalization;
using Dia.Configuration;
using Dia.Modeling;
using Dia.Weights;

namespace Dia.Backends.Benchmark;

/// <summary>Times the operations of a decoding step and of a block on a model's own weights, all layers in turn: so caches hold no more of them than in real work.</summary>
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
            Embedding(d);
            Norms(d);
            Linears("step", StepRows, IsInStep, step: true);
            Gated(d);
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

    private float* Floats(long count)
    {
        float* memory = _memory.Allocate(count);
        _allocated.Add((nint)memory);
        return memory;
    }

    private List<(WeightSpec Spec, Weight Weight)> Weights(Func<WeightSpec, bool> wanted)
    {
        WeightSpec[] specs = _model.Specs;
        return [.. Enumerable.Range(0, specs.Length).Where(i => wanted(specs[i])).Select(i => (specs[i], _model.Weights.Weights[i]))];
    }

    private void Embedding(DiaDecoderConfig d)
    {
        (WeightSpec _, Weight table) = Weights(s => s.Role == WeightRole.Embedding && s.Name.StartsWith("model.decoder", StringComparison.Ordinal)).Single();
        float* y = Floats(StepRows * d.HiddenSize);
        int* ids = (int*)Floats(StepRows * d.NumChannels);
        double seconds = _clock.Time(() => _backend.EmbedSum(y, ids, table, StepRows, d.NumChannels, d.VocabSize, d.HiddenSize));
        double bytes = StepRows * (double)d.HiddenSize * ((d.NumChannels * WeightFormats.ByteSize(table.Format)) + sizeof(float));
        _report(new KernelTiming("step", "embed_sum", Text($"[{StepRows}, {d.NumChannels}, {d.HiddenSize}]"), bytes, 0, seconds));
    }

    private void Norms(DiaDecoderConfig d)
    {
        var norms = Weights(s => s.Role == WeightRole.Vector && s.Name.StartsWith("model.decoder", StringComparison.Ordinal));
        float* x = Floats(StepRows * d.HiddenSize), y = Floats(StepRows * d.HiddenSize);
        double seconds = _clock.Time(() =>
        {
            foreach ((WeightSpec _, Weight weight) in norms)
                _backend.RmsNorm(y, x, weight, StepRows, d.HiddenSize, 1e-5f);
        });
        _report(new KernelTiming("step", "rms_norm", Text($"{norms.Count} x [{StepRows}, {d.HiddenSize}]"), norms.Count * (double)d.HiddenSize * sizeof(float) * ((2 * StepRows) + 1), 0, seconds));
    }

    /// <summary>The matrices, shape by shape.</summary>
    private void Linears(string part, int rows, Func<WeightSpec, bool> wanted, bool step)
    {
        foreach (var group in Weights(s => s.Role == WeightRole.Linear && wanted(s)).GroupBy(w => (N: w.Spec.Shape[0], K: w.Spec.Shape[1], w.Weight.Format)))
        {
            (int n, int k, WeightFormat format) = group.Key;
            var weights = group.Select(w => w.Weight).ToArray();

            // One block of arithmetic is as good as all layers' and takes less time.
            if (!step)
                weights = weights[..1];
            float* x = Floats((long)rows * k), y = Floats((long)rows * n);
            double seconds = _clock.Time(() =>
            {
                foreach (Weight weight in weights)
                {
                    if (step)
                        _backend.StepLinear(y, x, weight, rows, n, k, false);
                    else
                        _backend.BlockLinear(y, x, weight, rows, n, k, false);
                }
            });
            double bytes = weights.Length * (((double)n * k * WeightFormats.ByteSize(format)) + ((double)rows * (n + k) * sizeof(float)));
            _report(new KernelTiming(part, $"{(step ? "step" : "block")}_linear {format}", Text($"{weights.Length} x [{rows}, {n}, {k}]"), bytes, 2.0 * weights.Length * rows * n * k, seconds));
        }
    }

    private void Gated(DiaDecoderConfig d)
    {
        float* x = Floats(2L * StepRows * d.IntermediateSize), y = Floats(StepRows * d.IntermediateSize);
        double seconds = _clock.Time(() =>
        {
            for (int layer = 0; layer < d.NumHiddenLayers; layer++)
                _backend.GatedActivation(y, x, StepRows, d.IntermediateSize, d.HiddenAct);
        });
        _report(new KernelTiming("step", "gated_activation", Text($"{d.NumHiddenLayers} x [{StepRows}, {d.IntermediateSize}]"), 3.0 * d.NumHiddenLayers * StepRows * d.IntermediateSize * sizeof(float), 0, seconds));
    }

    private void Rotary(DiaDecoderConfig d, int rows)
    {
        int half = d.HeadDim / 2, width = d.NumKeyValueHeads * d.HeadDim;
        float* q = Floats(StepRows * d.NumAttentionHeads * d.HeadDim), k = Floats(StepRows * width), v = Floats(StepRows * width), cos = Floats(StepRows * half), sin = Floats(StepRows * half);
        AttentionBatch batch = Sequences(StepRows, 1, rows, width, causal: true);
        double seconds = _clock.Time(() =>
        {
            for (int layer = 0; layer < d.NumHiddenLayers; layer++)
            {
                _backend.Rope(q, cos, sin, StepRows, d.NumAttentionHeads, half);
                _backend.RopeKeyValues(k, v, cos, sin, batch, 0, d.NumKeyValueHeads, half);
            }
        });
        double bytes = (double)d.NumHiddenLayers * StepRows * sizeof(float) * ((2 * d.NumAttentionHeads * d.HeadDim) + (5 * width));
        _report(new KernelTiming("step", "rope, rope_key_values", Text($"{d.NumHiddenLayers} x [{StepRows}, {d.NumAttentionHeads} and {d.NumKeyValueHeads}, {d.HeadDim}]"), bytes, 0, seconds));
    }

    private void Attention(string part, string name, int layers, int heads, int keyHeads, int headDim, int sequences, int rows, int keys, bool causal)
    {
        int width = keyHeads * headDim;
        float* q = Floats((long)sequences * rows * heads * headDim), y = Floats((long)sequences * rows * heads * headDim);
        AttentionBatch batch = Sequences(sequences, rows, keys, width, causal);
        double seconds = _clock.Time(() =>
        {
            for (int layer = 0; layer < layers; layer++)
                _backend.Attention(y, q, batch, 0, heads, keyHeads, headDim, null);
        });
        double bytes = (double)layers * sequences * sizeof(float) * ((2.0 * keys * width) + (2.0 * rows * heads * headDim));
        double operations = rows == 1 ? 0 : 4.0 * layers * sequences * rows * keys * heads * headDim;
        _report(new KernelTiming(part, name, Text($"{layers} x {sequences} x [{rows}, {heads}/{keyHeads}, {headDim}], {keys} keys"), bytes, operations, seconds));
    }

    /// <summary>Sequences with a layer's caches each.</summary>
    private AttentionBatch Sequences(int sequences, int rows, int keys, int width, bool causal)
    {
        AttentionItem[] items = new AttentionItem[sequences];
        for (int i = 0; i < sequences; i++)
        {
            float* cache = Floats(2L * (keys + 1) * width);
            items[i] = new AttentionItem { FirstRow = i * rows, Rows = rows, Keys = cache, Values = cache + ((long)(keys + 1) * width), LayerStride = 0, KeyCount = keys, CausalStart = causal ? keys - rows : -1 };
        }

        byte* placed = _memory.Place(System.Runtime.InteropServices.MemoryMarshal.AsBytes<AttentionItem>(items));
        _allocated.Add((nint)placed);
        return new AttentionBatch((AttentionItem*)placed, sequences, rows, keys);
    }
}
