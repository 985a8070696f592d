using Dia.Backends;
using Dia.Codec;
using Dia.Graph;
using Dia.Modeling;
using Dia.Weights;

namespace Dia.Checks;

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
    public void Run(DiaPreTrainedModel model, int rows, int textLength)
    {
        Work[] all = [.. model.Compiled.Operations().Select(o => new Work(o, model.Specs, model.Weights.Weights, model.Network.Weights))];
        Work[] step = [.. all.Where(w => w.Operation.Function is Function.Decode or Function.Logits)];
        double stepBytes = step.Where(w => w.Operation.Kind == OperationKind.Linear).Sum(w => w.WeightBytes);
        foreach (var group in step.Where(w => w.Operation.Kind is not (OperationKind.Store or OperationKind.Observe)).GroupBy(w => w.Shape))
        {
            Work[] works = [.. group];
            OperationInfo o = works[0].Operation;
            int keys = o.Rows == Rows.Conditional ? textLength : rows;
            var load = new Load(o.Rows == Rows.All ? 2 : 1, 1, keys, o.Rows == Rows.All, model.StepPhase, model.CacheFormat);
            Time("step", works, load, run => clock.TimeInStep(run, (long)stepBytes));
        }

        // One block of arithmetic is as good as all layers' and takes less time.
        foreach (var group in all.Where(w => w.Operation.Kind == OperationKind.Linear
            && w.Operation.Function is not (Function.CrossKeyValues or Function.UnconditionalCross)).GroupBy(w => w.Shape with { Rows = Rows.All }))
            Time("block", [group.First()], new Load(1, BlockRows, 0, false, model.PromptPhase), run => (clock.Time(run), 0));
        Work[] attention = [.. all.Where(w => w.Operation is { Function: Function.Encode, Kind: OperationKind.Attention })];
        Time("block", attention, new Load(1, BlockRows, BlockRows, false, model.PromptPhase), run => (clock.Time(run), 0));
    }

    /// <summary>The operations of a codec's decoder.</summary>
    public void Run(DacModel codec)
    {
        double few = clock.Time(() => codec.Decode(new int[FewFrames, codec.Codebooks]));
        int frames = few > Patience ? FewFrames : codec.WindowFrames;
        OperationInfo[] operations = [.. codec.Network.Layout.Operations.Where(o => o.Function == Function.CodecDecode)];
        var rates = new Dictionary<int, int> { [0] = 1 };
        foreach (OperationInfo o in operations.Where(o => o.Result > 0))
        {
            rates[o.Result] = rates[o.Operand] * (o.Window.Transposed ? o.Stride : 1);
            if (o.SnakeResult > 0)
                rates[o.SnakeResult] = rates[o.Result];
        }

        var works = operations.Where(o => o.Kind is OperationKind.Convolution or OperationKind.TransposedConvolution)
            .Select(o => (Rate: rates[o.Result], Work: new Work(o, codec.Specs, codec.Weights.Weights, codec.Network.Weights)));
        foreach (var group in works.GroupBy(w => (w.Rate, w.Work.Shape)).OrderBy(g => g.Key.Shape.Kind))
            Time("codec", [.. group.Select(g => g.Work)], new Load(1, group.First().Work.Rows(checked(frames * group.Key.Rate)), 0, false, Phase.Prefill),
                run => (clock.Time(run), 0));
    }

    private void Time(string part, Work[] works, Load load, Func<Action, (double Seconds, int Launches)> time)
    {
        using var memory = new Memory(backend.Memory);
        OperationInfo o = works[0].Operation;
        Operands operands = memory.Operands(o, load, works.Length);
        (double seconds, int launches) = time(() =>
        {
            for (int layer = 0; layer < works.Length; layer++)
            {
                Operands p = operands;
                (p.Layer, p.Weight, p.Bias, p.Alpha) = (layer, works[layer].Weight, works[layer].Bias, works[layer].Alpha);
                OperationRunner.Run(backend, o, p);
            }
        });
        double flops = part == "step" && o.Kind != OperationKind.Linear ? 0 : works.Sum(w => w.Flops(load));
        report(new KernelTiming(part, Name(works[0], load), Sizes(works, load), works.Sum(w => w.Bytes(load)), flops, seconds, launches));
    }

    private static string Name(Work work, Load load) => (work.Weight.IsFiltered ? "filtered " : "") + OperationRunner.Name(work.Operation.Kind, load.Phase)
        + work.Operation.Kind switch
    {
        OperationKind.Linear or OperationKind.Convolution or OperationKind.TransposedConvolution =>
            $" {work.Storage.Format}{work.Snake}",
        OperationKind.Attention => work.Operation.Function == Function.Encode ? " of the encoder" : load.IsCausal ? " over the rows" : " over the text",
        _ => "",
    };

    private static string Sizes(Work[] works, Load load)
    {
        OperationInfo o = works[0].Operation;
        string count = works.Length > 1 || o.Kernel > 0 || o.Kind == OperationKind.Linear ? $"{works.Length} x " : "";
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
    private readonly record struct Load(int Sequences, int RowsOfSequence, int Keys, bool IsCausal, Phase Phase, WeightFormat Caches = WeightFormat.Float32)
    {
        public int Rows => Sequences * RowsOfSequence;
    }

    /// <summary>An operation with its weights.</summary>
    private sealed record Work(OperationInfo Operation, WeightSpec[] Specs, StoredWeight[] Stored, Weight[] Prepared)
    {
        public Weight Weight => Operation.Weight < 0 ? default : Prepared[Operation.Weight];

        public Weight Bias => Operation.Weight + 1 < Prepared.Length ? Prepared[Operation.Weight + 1] : default; // of those that have one

        public Weight Alpha => Operation.Alpha < 0 ? default : Prepared[Operation.Alpha];

        /// <summary>So many rows, or to the next whole tile of minimal filtering.</summary>
        public int Rows(int rows) => Weight.IsFiltered ? (rows + Operation.Tile - 1) / Operation.Tile * Operation.Tile : rows;

        public WeightStorage Storage => Operation.Weight < 0 ? default : Stored[Operation.Weight].Storage;

        // Vectors are float32 wherever they are read.
        public double WeightBytes => Operation.Weight < 0 ? 0
            : (Specs[Operation.Weight].Role == WeightRole.Vector ? WeightFormat.Float32 : Storage).Bytes(Specs[Operation.Weight]);

        public (OperationKind Kind, int N, int K, int Heads, int KeyHeads, Rows Rows, int Kernel, int Dilation, string Snake, WeightStorage Storage) Shape =>
            (Operation.Kind, Operation.N, Operation.K, Operation.Heads, Operation.KeyHeads, Operation.Rows, Operation.Kernel, Operation.Dilation, Snake,
                Storage);

        /// <summary>What becomes of its results besides.</summary>
        public string Snake => Operation.Alpha < 0 ? "" : Operation.SnakeResult > 0 ? " beside snake" : " through snake";

        public double Flops(Load load) => load.Rows * (Operation.Flops + (double)load.Keys * Operation.FlopsOfKey);

        /// <summary>What it must read and write.</summary>
        public double Bytes(Load load) =>
            load.Rows * (double)Operation.Values * sizeof(float) + load.Sequences * (double)load.Keys * WeightFormats.Bytes(load.Caches, Operation.ValuesOfKey)
            + (Operation.TableValues > 0 ? load.Rows * (double)WeightFormats.Bytes(Storage.Format, Operation.TableValues) : WeightBytes);
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

        /// <summary>Operands of the largest sizes that the operation has.</summary>
        public Operands Operands(OperationInfo o, Load load, int layers)
        {
            int rows = load.Rows, half = Math.Max(o.HeadDim / 2, o.Kind == OperationKind.RotaryTable ? o.N : 0);
            float* y = Floats((long)rows * o.N);
            return new Operands
            {
                Y = y,
                Snake = o.Alpha < 0 ? null : o.SnakeResult > 0 ? Floats((long)rows * o.N) : y,
                X = Floats(OperationRunner.InputValues(o, rows)),
                Ids = (int*)Floats((long)rows * Math.Max(o.Heads, 1)),
                Cos = Floats((long)rows * half),
                Sin = Floats((long)rows * half),
                Frequencies = Floats((long)load.Sequences * half),
                Batch = Sequences(load, layers, o.KeyHeads * o.HeadDim),
                Rows = rows,
                Phase = load.Phase,
            };
        }

        /// <summary>Sequences with the caches of all layers each.</summary>
        public AttentionBatch Sequences(Load load, int layers, int width)
        {
            AttentionItem[] items = new AttentionItem[load.Sequences];
            for (int i = 0; i < items.Length; i++)
            {
                long size = (load.Keys + 1L) * width;
                byte* cache = Cache(WeightFormats.Bytes(load.Caches, 2 * layers * size));
                items[i] = new AttentionItem
                {
                    FirstRow = i * load.RowsOfSequence,
                    Rows = load.RowsOfSequence,
                    Keys = cache,
                    Values = cache + WeightFormats.Bytes(load.Caches, size),
                    LayerStride = 2 * size,
                    KeyCount = load.Keys,
                    CausalStart = load.IsCausal ? load.Keys - load.RowsOfSequence : -1,
                };
            }

            byte* placed = memory.Place(MemoryMarshal.AsBytes<AttentionItem>(items));
            _allocated.Add((nint)placed);
            return new AttentionBatch((AttentionItem*)placed, load.Sequences, load.RowsOfSequence, load.Keys, load.Caches);
        }

        private byte* Cache(long bytes)
        {
            byte* cache = (byte*)Floats(bytes / sizeof(float) + 1);

            // Of the host's memory, pages that were never written are all the same page of zeros, which the processor's caches hold.
            for (long done = 0; memory.IsHost && done < bytes; done += int.MaxValue)
                new Span<byte>(cache + done, (int)Math.Min(int.MaxValue, bytes - done)).Fill(0x3c);
            return cache;
        }

        public void Dispose() => _allocated.ForEach(m => memory.Free((void*)m));
    }
}
