using System.Globalization;
using System.Runtime.InteropServices;
using Dia.Codec;
using Dia.Graph;
using Dia.Modeling;
using Dia.Weights;

namespace Dia.Backends.Benchmark;

/// <summary>
/// Times the operations of a decoding step, of a block and of a codec's window, as the tables of operations list them, on the loaded weights. Those of a
/// step run over all layers, each with its own weights and caches, with the rows that they have there, and behind as many bytes as the rest of the step
/// moves: so the device's caches hold no more of them than in real work.
/// </summary>
internal sealed unsafe class OperationTimings<TBackend>(TBackend backend, DeviceClock clock, Action<KernelTiming> report)
    where TBackend : struct, IBackend
{
    private const int BlockRows = 128;

    // Where a few frames take so long, a whole window would take minutes.
    private const int FewFrames = 4;
    private const double Patience = 0.3;

    /// <summary>The operations of a model.</summary>
    /// <param name="model">The model.</param>
    /// <param name="rows">Rows in the caches.</param>
    /// <param name="textLength">Bytes of the text.</param>
    public void Run(DiaForConditionalGeneration model, int rows, int textLength)
    {
        Work[] all = [.. model.Operations.Select(o => new Work(o, model.Specs, model.Weights.Weights, model.Network.Weights))];
        Work[] step = [.. all.Where(w => w.Operation.Function is Function.Decode or Function.Logits)];
        double stepBytes = step.Where(w => w.Operation.Kind == OperationKind.Linear).Sum(w => w.WeightBytes);
        foreach (var group in step.Where(w => w.Operation.Kind is not (OperationKind.Store or OperationKind.Observe)).GroupBy(w => w.Shape))
        {
            Work[] works = [.. group];
            OperationInfo o = works[0].Operation;
            int keys = o.Rows == Rows.Conditional ? textLength : rows;
            Time("step", works, new Load(o.Rows == Rows.All ? 2 : 1, 1, keys, o.Rows == Rows.All, Phase.Decode), run => clock.TimeInStep(run, (long)stepBytes));
        }

        // One block of arithmetic is as good as all layers' and takes less time.
        foreach (var group in all.Where(w => w.Operation.Kind == OperationKind.Linear && w.Operation.Function is not (Function.CrossKeyValues or Function.UnconditionalCross)).GroupBy(w => w.Shape with { Rows = Rows.All }))
            Time("block", [group.First()], new Load(1, BlockRows, 0, false, Phase.Prefill), run => (clock.Time(run), 0));
        Work[] attention = [.. all.Where(w => w.Operation is { Function: Function.Encode, Kind: OperationKind.Attention })];
        Time("block", attention, new Load(1, BlockRows, BlockRows, false, Phase.Prefill), run => (clock.Time(run), 0));
    }

    /// <summary>The operations of a codec's decoder.</summary>
    public void Run(DacModel codec)
    {
        double few = clock.Time(() => codec.Decode(new int[FewFrames, codec.Codebooks]));
        int frames = few > Patience ? FewFrames : codec.WindowFrames;
        OperationInfo[] operations = [.. codec.Network.Layout.Operations.Where(o => o.Function == Function.CodecDecode)];
        var rates = new Dictionary<int, int> { [0] = 1 };
        foreach (OperationInfo o in operations.Where(o => o.Result > 0))
            rates[o.Result] = rates[o.Operand] * (o.Window.Transposed ? o.Stride : 1);
        var works = operations.Where(o => o.Kind is OperationKind.Convolution or OperationKind.TransposedConvolution or OperationKind.Snake)
            .Select(o => (Rate: rates[o.Result], Work: new Work(o, codec.Specs, codec.Weights.Weights, codec.Network.Weights)));
        foreach (var group in works.GroupBy(w => (w.Rate, w.Work.Shape)).OrderBy(g => g.Key.Shape.Kind))
            Time("codec", [.. group.Select(g => g.Work)], new Load(1, checked(frames * group.Key.Rate), 0, false, Phase.Prefill), run => (clock.Time(run), 0));
    }

    private void Time(string part, Work[] works, Load load, Func<Action, (double Seconds, int Launches)> time)
    {
        using var memory = new Memory(backend.Memory);
        OperationInfo o = works[0].Operation;
        Action<Work> run = Runner(o, load, works.Length, memory);
        (double seconds, int launches) = time(() =>
        {
            foreach (Work work in works)
                run(work);
        });
        double bytes = works.Sum(w => w.Bytes(load)), flops = part == "step" && o.Kind != OperationKind.Linear || o.Kind == OperationKind.Snake ? 0 : works.Sum(w => w.Flops(load));
        report(new KernelTiming(part, Name(works[0], load), Sizes(works, load), bytes, flops, seconds, launches));
    }

    /// <summary>What runs an operation of this shape, with memory for it.</summary>
    private Action<Work> Runner(OperationInfo o, Load load, int layers, Memory memory)
    {
        TBackend b = backend;
        int rows = load.Rows, half = o.HeadDim / 2;
        float* y = memory.Floats((long)rows * Math.Max(o.N, o.KeyHeads * o.HeadDim)), x = memory.Floats(InputValues(o, rows));
        AttentionBatch batch = memory.Sequences(load, layers, o.KeyHeads * o.HeadDim);
        int width = o.Kind == OperationKind.RotaryTable ? o.N : half;
        float* cos = memory.Floats((long)rows * width), sin = memory.Floats((long)rows * width), frequencies = memory.Floats(width * (long)load.Sequences);
        int* ids = (int*)memory.Floats((long)rows * Math.Max(o.Heads, 1));
        int layer = 0;
        int Next() => layer++ % layers;
        return o.Kind switch
        {
            OperationKind.EmbeddingSum => w => b.EmbedSum(y, ids, w.Weight, rows, o.Heads, o.Entries, o.N),
            OperationKind.RmsNorm => w => b.RmsNorm(y, x, w.Weight, rows, o.N, 1e-5f),
            OperationKind.Linear => w => b.Linear(y, x, w.Weight, rows, o.N, o.K, load.Phase, false),
            OperationKind.GatedActivation => _ => b.GatedActivation(y, x, rows, o.N, o.Activation),
            OperationKind.AddConstant => _ => b.AddRow(y, x, rows, o.N),
            OperationKind.RotaryTable => _ => b.RopeTable(cos, sin, ids, frequencies, batch, o.N, 1),
            OperationKind.Rotation => _ => b.Rope(y, cos, sin, rows, o.Heads, half),
            OperationKind.AppendKeyValues => _ => b.RopeKeyValues(y, x, cos, sin, batch, Next(), o.KeyHeads, half),
            OperationKind.Attention => _ => b.Attention(y, x, batch, Next(), o.Heads, o.KeyHeads, o.HeadDim, null),
            OperationKind.Convolution => w => b.Convolution(y, x, w.Weight, w.Bias, rows, o.K, o.N, o.Kernel, o.Stride, o.Dilation, false),
            OperationKind.TransposedConvolution => w => b.TransposedConvolution(y, x, w.Weight, w.Bias, rows / o.Stride, o.K, o.N, o.Stride),
            OperationKind.Snake => w => b.Snake(y, x, w.Weight, rows, o.N),
            _ => throw new InvalidOperationException($"{o.Kind} is not timed."),
        };
    }

    private static long InputValues(OperationInfo o, int rows) => o.Kind switch
    {
        OperationKind.GatedActivation => 2L * rows * o.N,
        OperationKind.Convolution or OperationKind.TransposedConvolution => o.Window.MostRead(rows) * o.K,
        _ => (long)rows * Math.Max(o.N, o.K),
    };

    private static string Name(Work work, Load load) => work.Operation.Kind switch
    {
        OperationKind.EmbeddingSum => "embed_sum",
        OperationKind.RmsNorm => "rms_norm",
        OperationKind.Linear => $"{(load.Phase == Phase.Decode ? "step" : "block")}_linear {work.Format}",
        OperationKind.GatedActivation => "gated_activation",
        OperationKind.AddConstant => "add_row",
        OperationKind.RotaryTable => "rope_table",
        OperationKind.Rotation => "rope",
        OperationKind.AppendKeyValues => "rope_key_values",
        OperationKind.Attention => work.Operation.Function == Function.Encode ? "attention of the encoder" : load.IsCausal ? "attention over the rows" : "attention over the text",
        OperationKind.Convolution => $"convolution {work.Format}",
        OperationKind.TransposedConvolution => $"transposed_convolution {work.Format}",
        _ => "snake",
    };

    private static string Sizes(Work[] works, Load load)
    {
        OperationInfo o = works[0].Operation;
        string count = works.Length > 1 || o.Kernel > 0 || o.Kind is OperationKind.Linear or OperationKind.Snake ? $"{works.Length} x " : "";
        FormattableString sizes = o.Kind switch
        {
            OperationKind.EmbeddingSum => $"[{load.Rows}, {o.Heads}, {o.N}]",
            OperationKind.Linear => $"[{load.Rows}, {o.N}, {o.K}]",
            OperationKind.Rotation => $"[{load.Rows}, {o.Heads}, {o.HeadDim}]",
            OperationKind.AppendKeyValues => $"[{load.Rows}, {o.KeyHeads}, {o.HeadDim}]",
            OperationKind.Attention => $"{load.Sequences} x [{load.RowsOfSequence}, {o.Heads}/{o.KeyHeads}, {o.HeadDim}], {load.Keys} keys",
            OperationKind.Convolution => $"[{load.Rows}, {o.K}, {o.N}] k{o.Kernel}{(o.Dilation > 1 ? $" d{o.Dilation}" : "")}",
            OperationKind.TransposedConvolution => $"[{load.Rows / o.Stride}, {o.K}, {o.N}] k{o.Kernel}",
            _ => $"[{load.Rows}, {o.N}]",
        };
        return count + sizes.ToString(CultureInfo.InvariantCulture);
    }

    /// <summary>How much an operation is given to do.</summary>
    private readonly record struct Load(int Sequences, int RowsOfSequence, int Keys, bool IsCausal, Phase Phase)
    {
        public int Rows => Sequences * RowsOfSequence;
    }

    /// <summary>An operation with its weights.</summary>
    private sealed record Work(OperationInfo Operation, WeightSpec[] Specs, StoredWeight[] Stored, Weight[] Prepared)
    {
        public Weight Weight => Prepared[Operation.Weight];

        public Weight Bias => Prepared[Operation.Weight + 1];

        public WeightFormat Format => Operation.Weight < 0 ? default : Stored[Operation.Weight].Format;

        public double WeightBytes => Operation.Weight < 0 ? 0 : Specs[Operation.Weight].Count * (double)ValueBytes;

        public (OperationKind Kind, int N, int K, int Heads, int KeyHeads, Rows Rows, int Kernel, int Dilation, WeightFormat Format) Shape =>
            (Operation.Kind, Operation.N, Operation.K, Operation.Heads, Operation.KeyHeads, Operation.Rows, Operation.Kernel, Operation.Dilation, Format);

        // Vectors are float32 wherever they are read.
        private int ValueBytes => Specs[Operation.Weight].Role == WeightRole.Vector ? sizeof(float) : WeightFormats.ByteSize(Format);

        public double Flops(Load load) => load.Rows * (Operation.Flops + ((double)load.Keys * Operation.FlopsOfKey));

        /// <summary>What it must read and write.</summary>
        public double Bytes(Load load) =>
            (((load.Rows * (double)Operation.Values) + (load.Sequences * (double)load.Keys * Operation.ValuesOfKey)) * sizeof(float))
            + (Operation.TableValues > 0 ? load.Rows * (double)Operation.TableValues * ValueBytes : WeightBytes);
    }

    /// <summary>Memory of one operation.</summary>
    private sealed class Memory(DeviceMemory memory) : IDisposable
    {
        private readonly List<nint> _allocated = [];

        public float* Floats(long count)
        {
            float* floats = memory.Allocate(Math.Max(count, 1));
            _allocated.Add((nint)floats);
            return floats;
        }

        /// <summary>Sequences with the caches of all layers each.</summary>
        public AttentionBatch Sequences(Load load, int layers, int width)
        {
            AttentionItem[] items = new AttentionItem[load.Sequences];
            for (int i = 0; i < items.Length; i++)
            {
                long size = (load.Keys + 1L) * width;
                float* cache = Floats(2 * layers * size);
                items[i] = new AttentionItem
                {
                    FirstRow = i * load.RowsOfSequence,
                    Rows = load.RowsOfSequence,
                    Keys = cache,
                    Values = cache + size,
                    LayerStride = 2 * size,
                    KeyCount = load.Keys,
                    CausalStart = load.IsCausal ? load.Keys - load.RowsOfSequence : -1,
                };
            }

            byte* placed = memory.Place(MemoryMarshal.AsBytes<AttentionItem>(items));
            _allocated.Add((nint)placed);
            return new AttentionBatch((AttentionItem*)placed, load.Sequences, load.RowsOfSequence, load.Keys);
        }

        public void Dispose() => _allocated.ForEach(m => memory.Free((void*)m));
    }
}
