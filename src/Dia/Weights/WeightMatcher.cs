namespace Dia.Weights;

/// <summary>Where a weight's values come from: a tensor, or a weight-norm pair.</summary>
internal readonly record struct WeightSource(SafetensorsTensor? Plain, SafetensorsTensor? Magnitude = null, SafetensorsTensor? Direction = null);

/// <summary>Finds the tensors of a checkpoint that hold a model's weights, and tells everything that does not fit.</summary>
internal sealed class WeightMatcher(CheckpointFiles files)
{
    private const string Suffix = ".weight";

    private readonly List<string> _missing = [];
    private readonly List<string> _shapes = [];
    private readonly List<string> _types = [];
    private readonly HashSet<string> _used = new(StringComparer.Ordinal);

    /// <summary>One source per spec.</summary>
    /// <exception cref="DiaException">The checkpoint does not fit the specs (Model).</exception>
    public WeightSource[] Match(IReadOnlyList<WeightSpec> specs)
    {
        var sources = new WeightSource[specs.Count];
        for (int i = 0; i < specs.Count; i++)
            sources[i] = Find(specs[i]);
        var unexpected = files.Tensors.Keys.Where(n => !_used.Contains(n)).Order(StringComparer.Ordinal).Select(SafetensorsHeader.Show).ToList();

        var complaints = new List<string>();
        Complain(complaints, _missing, "missing");
        Complain(complaints, unexpected, "unexpected");
        Complain(complaints, _shapes, "of another shape");
        Complain(complaints, _types, "of a dtype that is not F32, BF16 or F16");
        if (complaints.Count > 0)
            throw new DiaException(DiaErrorKind.Model, $"the tensors in {(files.Folder.Exists(ModelFolder.TensorsName) ? files.Folder.Describe(ModelFolder.TensorsName) : files.Folder.Description)} do not fit the model: {string.Join("; ", complaints)}. Check that the checkpoint belongs to this configuration.");
        return sources;
    }

    private static void Complain(List<string> complaints, List<string> tensors, string what)
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
        if (SafetensorsTypes.Format(tensor.DType) is null)
            _types.Add($"{name}: {tensor.DType}");
        return tensor;
    }
}
