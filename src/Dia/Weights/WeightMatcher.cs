namespace Dia.Weights;

/// <summary>Where a weight's values come from: a tensor, or a weight-norm pair.</summary>
internal readonly record struct WeightSource(SafetensorsTensor? Plain, SafetensorsTensor? Magnitude = null, SafetensorsTensor? Direction = null);

/// <summary>Finds the tensors of a checkpoint that hold a model's weights, and tells everything that does not fit.</summary>
internal sealed class WeightMatcher(CheckpointFiles files)
{
    private const string Suffix = ".weight";
    private const string OtherTypes = "Take the checkpoint that it was made from, or store it as F32, BF16 or F16 (in the reference library: from_pretrained(..., dtype=torch.bfloat16), then save_pretrained).";

    private readonly List<string> _missing = [];
    private readonly List<string> _shapes = [];
    private readonly SortedDictionary<SafetensorsDType, List<string>> _types = [];
    private readonly HashSet<string> _used = new(StringComparer.Ordinal);

    /// <summary>Tensors that no spec asked for, sorted; they are left alone.</summary>
    public IReadOnlyList<string> Unexpected { get; private set; } = [];

    /// <summary>Where the tensors are, as messages name it.</summary>
    public string Place => files.Folder.Exists(ModelFolder.TensorsName) ? files.Folder.Describe(ModelFolder.TensorsName) : files.Folder.Description;

    /// <summary>One source per spec.</summary>
    /// <exception cref="DiaException">The checkpoint does not fit the specs (Model).</exception>
    public WeightSource[] Match(IReadOnlyList<WeightSpec> specs)
    {
        var sources = new WeightSource[specs.Count];
        for (int i = 0; i < specs.Count; i++)
            sources[i] = Find(specs[i]);
        List<string> unexpected = [.. files.Tensors.Keys.Where(n => !_used.Contains(n)).Order(StringComparer.Ordinal).Select(SafetensorsHeader.Show)];
        Unexpected = unexpected;

        var complaints = new List<string>();
        Complain(complaints, _missing, "missing");
        Complain(complaints, _shapes, "of another shape");
        foreach (var (type, tensors) in _types)
            Complain(complaints, tensors, $"stored as {type}: {SafetensorsTypes.Kind(type)} are not supported");
        if (complaints.Count == 0)
            return sources;
        Complain(complaints, unexpected, "unexpected");
        bool onlyTypes = _missing.Count == 0 && _shapes.Count == 0;
        throw new DiaException(DiaErrorKind.Model, $"the tensors in {Place} do not fit the model: {string.Join("; ", complaints)}. {(onlyTypes ? OtherTypes : "Check that the checkpoint belongs to this configuration.")}");
    }

    private static void Complain(List<string> complaints, IReadOnlyCollection<string> tensors, string what)
    {
        if (tensors.Count > 0)
            complaints.Add($"{tensors.Count} {what} ({Lists.Shorten(tensors)})");
    }

    private WeightSource Find(WeightSpec spec)
    {
        long[] shape = Array.ConvertAll(spec.Shape, d => (long)d);
        if (files.Tensors.ContainsKey(spec.Name))
            return new WeightSource(Take(spec.Name, shape));

        if (spec.Role is WeightRole.Convolution or WeightRole.TransposedConvolution && spec.Name.EndsWith(Suffix, StringComparison.Ordinal))
        {
            string layer = spec.Name[..^Suffix.Length];
            long[] perRow = new long[shape.Length];
            Array.Fill(perRow, 1);
            perRow[0] = shape[0];
            foreach (var (g, v) in new[] { (".weight_g", ".weight_v"), (".parametrizations.weight.original0", ".parametrizations.weight.original1") })
            {
                if (files.Tensors.ContainsKey(layer + g) || files.Tensors.ContainsKey(layer + v))
                    return new WeightSource(null, Take(layer + g, perRow), Take(layer + v, shape));
            }
        }

        _missing.Add(spec.Name);
        return default;
    }

    private SafetensorsTensor? Take(string name, long[] shape)
    {
        if (!files.Tensors.TryGetValue(name, out var tensor))
        {
            _missing.Add(name);
            return null;
        }

        _used.Add(name);
        if (!tensor.Shape.AsSpan().SequenceEqual(shape))
            _shapes.Add($"{name}: {SafetensorsTypes.Show(tensor.Shape)} where the model has {SafetensorsTypes.Show(shape)}");
        if (WeightFormats.Of(tensor.DType) is null)
            (_types.TryGetValue(tensor.DType, out var others) ? others : _types[tensor.DType] = []).Add(name);
        return tensor;
    }
}
