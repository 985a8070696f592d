namespace Dia.Weights;

/// <summary>
/// The tensors of the model's first generation under the names and in the layouts that all of this program knows. Nothing is copied: a layout is another
/// view of the same values. There, a linear layer's weight begins with its inputs ([in, heads, width], [heads, width, out], [in, 2, hidden]), and each
/// channel has an embedding of its own.
/// </summary>
internal static class FirstGenerationTensors
{
    private const string Suffix = ".weight", OldGateUp = ".mlp.wi_fused.weight", OldDown = ".mlp.wo.weight", OldHead = "decoder.logits_dense.weight";
    private const string Embeddings = "decoder.embeddings.";

    private static readonly string[] InputsFirst = [".q_proj.weight", ".k_proj.weight", ".v_proj.weight", OldGateUp, OldHead];
    private static readonly string[] OutputsLast = [".o_proj.weight", OldDown];

    /// <summary>Whether tensors are the first generation's.</summary>
    public static bool Are(IEnumerable<string> names) => names.Any(n => n.EndsWith(OldGateUp, StringComparison.Ordinal));

    /// <summary>The same tensors with today's names and layouts; what is none of the model's keeps its own.</summary>
    public static Dictionary<string, StoredTensor> Renamed(IReadOnlyDictionary<string, StoredTensor> tensors)
    {
        var renamed = new Dictionary<string, StoredTensor>(StringComparer.Ordinal);
        StoredTensor[] channels = [.. Enumerable.Range(0, tensors.Count).Select(c => tensors.GetValueOrDefault($"{Embeddings}{c}{Suffix}"))
            .TakeWhile(t => t is not null).Select(t => t!)];
        bool fit = channels.Length > 0 && channels[0].Shape.Length == 2
            && channels.All(t => t.DType == channels[0].DType && t.Shape.AsSpan().SequenceEqual(channels[0].Shape));
        if (fit)
        {
            long[] table = [channels.Length * channels[0].Shape[0], channels[0].Shape[1]];
            Add(new SafetensorsEntry("model.decoder.embeddings.embed.weight", channels[0].DType, table), [.. channels.SelectMany(t => t.Parts)]);
        }

        foreach (StoredTensor tensor in tensors.Values.Where(t => !fit || !channels.Contains(t)))
        {
            TensorView view = tensor.Parts[0];
            int last = view.Shape.Length - 1;
            bool begins = EndsWith(tensor.Name, InputsFirst), ends = EndsWith(tensor.Name, OutputsLast);
            if (last < 1 || !(begins || ends) || SafetensorsTypes.Group(tensor.DType) is not (_, 1))
            {
                Add(tensor.Entry with { Name = Current(tensor.Name) }, tensor.Parts);
                continue;
            }

            view = begins ? view.WithMoved(0, last) : view.WithMoved(last, 0);
            long outputs = begins ? Product(view.Shape[..last]) : view.Shape[0];
            Add(new SafetensorsEntry(Current(tensor.Name), tensor.DType, [outputs, begins ? view.Shape[last] : Product(view.Shape[1..])]), [view]);
        }

        return renamed;

        void Add(SafetensorsEntry entry, IReadOnlyList<TensorView> parts) => renamed[entry.Name] = new StoredTensor(entry, [.. parts]);
    }

    private static string Current(string name) => name == OldHead ? "logits_dense.weight"
        : !name.StartsWith("encoder.", StringComparison.Ordinal) && !name.StartsWith("decoder.", StringComparison.Ordinal) ? name
        : "model." + (name.EndsWith(OldGateUp, StringComparison.Ordinal) ? name[..^OldGateUp.Length] + ".mlp.gate_up_proj.weight"
            : name.EndsWith(OldDown, StringComparison.Ordinal) ? name[..^OldDown.Length] + ".mlp.down_proj.weight" : name);

    private static bool EndsWith(string name, string[] ends) => ends.Any(end => name.EndsWith(end, StringComparison.Ordinal));

    private static long Product(long[] sizes) => sizes.Aggregate(1L, (product, d) => product * d);
}
