using Dia.Configuration;
using Dia.Graph;

namespace Dia.Weights;

/// <summary>Where a weight's values come from: a tensor, a weight-norm pair, or integers and scales.</summary>
internal readonly record struct WeightSource(StoredTensor? Plain, StoredTensor? Magnitude = null, StoredTensor? Direction = null,
    QuantizedTensors? Quantized = null);

/// <summary>A checkpoint's mapped files and the tensors in them that hold a model's weights.</summary>
internal sealed class MatchedTensors : IDisposable
{
    private const string Suffix = ".weight";
    private const string OtherTypes =
        "Take the checkpoint that it was made from, or store it as F32, BF16 or F16 (in the reference library: from_pretrained(..., dtype=torch.bfloat16), then save_pretrained).";

    private readonly List<string> _missing = [];
    private readonly List<string> _shapes = [];
    private readonly SortedDictionary<SafetensorsDType, List<string>> _types = [];
    private readonly List<string> _quantized = [];
    private readonly QuantizationConfig? _quantization;
    private readonly HashSet<string> _used = new(StringComparer.Ordinal);
    private readonly string _leftOut;
    private bool _disposed;

    private MatchedTensors(CheckpointFiles files, WeightSpec[] specs, string prefix, Func<int, bool>? mayMiss)
    {
        Files = files;
        _quantization = files.Folder.Quantization;
        Specs = specs;
        _leftOut = files.Tensors.Keys.Any(name => name.StartsWith(prefix, StringComparison.Ordinal)) ? "" : prefix;
        Sources = new WeightSource[specs.Length];
        for (int i = 0; i < specs.Length; i++)
            if (mayMiss?.Invoke(i) != true || QuantizedTensors.Names(specs[i].Name).Any(files.Tensors.ContainsKey))
                Sources[i] = Find(specs[i]);
    }

    /// <summary>What the model needs.</summary>
    public WeightSpec[] Specs { get; }

    /// <summary>Where it is, one for each spec.</summary>
    public WeightSource[] Sources { get; }

    /// <summary>The files; who uses them for longer than this holds them.</summary>
    public CheckpointFiles Files { get; }

    /// <summary>How the weights are stored, one for each spec; a weight-norm pair gives float32.</summary>
    public WeightStorage[] Formats => Array.ConvertAll(Sources, s => s.Quantized is { } quantized ? quantized.Storage
        : (WeightStorage)(s.Plain is { } tensor ? WeightFormats.Of(tensor.DType)!.Value : WeightFormat.Float32));

    /// <summary>Opens a checkpoint and finds every weight in it.</summary>
    /// <param name="folder">Where the checkpoint is.</param>
    /// <param name="specs">What the model needs.</param>
    /// <param name="warnings">Gets a message if the checkpoint holds tensors that no spec asks for: they are left alone.</param>
    /// <param name="prefix">What names begin with, and do not in a checkpoint of a model's base alone; empty: nothing.</param>
    /// <param name="mayMiss">Which weights may be missing, by their number; null: none. Their source is then empty.</param>
    /// <exception cref="DiaException">
    /// The checkpoint is malformed or does not fit (Model): one message tells all missing, unexpected and differing tensors.
    /// </exception>
    public static MatchedTensors Open(ModelFolder folder, WeightSpec[] specs, ICollection<string> warnings, string prefix = "",
        Func<int, bool>? mayMiss = null)
    {
        _ = folder.Quantization; // Its problems go before those of the tensors.
        var files = CheckpointFiles.Open(folder);
        try
        {
            var matched = new MatchedTensors(files, specs, prefix, mayMiss);
            matched.Check(files.Place, warnings);
            return matched;
        }
        catch
        {
            files.Dispose();
            throw;
        }
    }

    /// <summary>Unmaps the files once nobody holds them.</summary>
    public void Dispose()
    {
        if (!Interlocked.Exchange(ref _disposed, true))
            Files.Dispose();
    }

    private void Check(string place, ICollection<string> warnings)
    {
        string[] unexpected = [.. Files.Tensors.Keys.Where(n => !_used.Contains(n)).Order(StringComparer.Ordinal).Select(SafetensorsHeader.Show)];
        if (unexpected.Length > 0)
            warnings.Add(
                $"{place} holds {unexpected.Length} tensor{(unexpected.Length == 1 ? "" : "s")} that the model does not have, and that {(unexpected.Length == 1 ? "is" : "are")} ignored: {TextList.Shorten(unexpected)}.");
        var complaints = new List<string>();
        Complain(complaints, _missing, "missing");
        Complain(complaints, _shapes, "of another shape");
        foreach (var (type, tensors) in _types)
            Complain(complaints, tensors, $"stored as {type}: {SafetensorsTypes.Kind(type)} are not supported");
        Complain(complaints, _quantized, $"of quantised layers, not as the {QuantizationConfigParser.Key} of {ModelFolder.ConfigName} says");
        if (complaints.Count == 0)
            return;
        Complain(complaints, unexpected, "unexpected");
        bool onlyTypes = _missing.Count == 0 && _shapes.Count == 0 && _quantized.Count == 0;
        throw new DiaException(DiaErrorKind.Model,
            $"the tensors in {place} do not fit the model: {string.Join("; ", complaints)}. {(onlyTypes ? OtherTypes : "Check that the checkpoint belongs to this configuration.")}");
    }

    private static void Complain(List<string> complaints, IReadOnlyCollection<string> tensors, string what)
    {
        if (tensors.Count > 0)
            complaints.Add($"{tensors.Count} {what} ({TextList.Shorten(tensors)})");
    }

    private WeightSource Find(WeightSpec spec)
    {
        long[] shape = Array.ConvertAll(spec.Shape, d => (long)d);
        string name = spec.Name.StartsWith(_leftOut, StringComparison.Ordinal) ? spec.Name[_leftOut.Length..] : spec.Name;
        if (spec.Role == WeightRole.Linear && name.EndsWith(Suffix, StringComparison.Ordinal) && FindQuantized(name, shape, out WeightSource source))
            return source;
        if (Files.Tensors.ContainsKey(name))
            return new WeightSource(Take(name, shape));

        if (spec.Role is WeightRole.Convolution or WeightRole.TransposedConvolution && name.EndsWith(Suffix, StringComparison.Ordinal))
        {
            string layer = name[..^Suffix.Length];
            long[] perRow = new long[shape.Length];
            Array.Fill(perRow, 1);
            perRow[0] = shape[0];
            foreach (var (g, v) in new[] { (".weight_g", ".weight_v"), (".parametrizations.weight.original0", ".parametrizations.weight.original1") })
            {
                if (Files.Tensors.ContainsKey(layer + g) || Files.Tensors.ContainsKey(layer + v))
                    return new WeightSource(null, Take(layer + g, perRow), Take(layer + v, shape));
            }
        }

        _missing.Add(spec.Name);
        return default;
    }

    /// <summary>The tensors of a weight that is stored as integers, or is to be by the configuration.</summary>
    private bool FindQuantized(string name, long[] shape, out WeightSource source)
    {
        source = default;
        string[] there = [.. QuantizedTensors.Names(name).Where(Files.Tensors.ContainsKey)];
        if (_quantization?.SchemeOf(name[..^Suffix.Length]) is { } scheme)
        {
            source = new WeightSource(null, Quantized: QuantizedTensors.Find(Files.Tensors, name, scheme, shape, _quantized.Add));
            if (scheme.IsPacked && Files.Tensors.ContainsKey(name))
                _quantized.Add($"{SafetensorsHeader.Show(name)}: the same weight is there as integers too");
        }
        else if (there.FirstOrDefault(n => n != name) is { } strange)
            _quantized.Add($"{SafetensorsHeader.Show(strange)}: {name} is not to be quantised");
        else
            return false;
        _used.UnionWith(there);
        return true;
    }

    private StoredTensor? Take(string name, long[] shape)
    {
        if (!Files.Tensors.TryGetValue(name, out var tensor))
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
