using Dia.Cli.Output;

namespace Dia.Cli.Commands;

/// <summary>
/// Keys and values of earlier rows and of the text, as `dia forward` writes and takes them: self.N.keys, self.N.values, cross.N.keys, cross.N.values
/// [batch, heads, rows, width of a head], and the rotary state.
/// </summary>
internal sealed class CacheFile
{
    private const string SelfPart = "self", CrossPart = "cross", RopeName = "rope_length";
    private const int MaxLayers = 1024;

    private readonly string _path;

    private CacheFile(string path, SafetensorsFile file)
    {
        _path = path;
        (Self, Cross) = (Layers(file, SelfPart), Layers(file, CrossPart));
        RopeLength = ForwardFile.Find(file, path, RopeName, 1) is not { } tensor ? null
            : tensor.Count == 1 ? tensor.ToInt32()[0]
            : throw new DiaException(DiaErrorKind.Input, $"{path}: {RopeName} has {tensor.Count} values; it must have one.");
    }

    /// <summary>Self-attention, layer by layer.</summary>
    public CacheLayer[] Self { get; }

    /// <summary>Cross-attention, layer by layer.</summary>
    public CacheLayer[] Cross { get; }

    /// <summary>The rotary state; null: the file does not say it.</summary>
    public int? RopeLength { get; }

    /// <summary>Reads a file.</summary>
    /// <exception cref="DiaException">Input: not safetensors, or tensors of other shapes.</exception>
    public static CacheFile Read(string path)
    {
        StandardDescriptors.RefuseInput(path, "a cache");
        FileContent.Refuse(path, "a cache of `dia forward` (safetensors)", DiaErrorKind.Input, FileContentKind.Tensors);
        using var file = SafetensorsFile.Open(path, DiaErrorKind.Input);
        return new CacheFile(path, file);
    }

    /// <summary>What a file of a cache holds.</summary>
    public static IEnumerable<SafetensorsArray> Arrays(PastKeyValues cache) =>
    [
        .. Arrays(SelfPart, cache.SelfAttention()), .. Arrays(CrossPart, cache.CrossAttention()),
        new(RopeName, [1], new[] { cache.RopeLength }),
    ];

    /// <summary>Makes the cache of a model.</summary>
    /// <exception cref="DiaException">Input: its layers and shapes are not the model's. Device: no memory.</exception>
    public PastKeyValues Load(DiaPreTrainedModel model)
    {
        try
        {
            return PastKeyValues.Create(model, Self, Cross, RopeLength);
        }
        catch (DiaException e) when (e.Kind == DiaErrorKind.Input)
        {
            throw new DiaException(e.Kind, $"{_path}: {e.Message}", e);
        }
    }

    private CacheLayer[] Layers(SafetensorsFile file, string part)
    {
        var layers = new List<CacheLayer>();
        while (layers.Count < MaxLayers && Find(file, $"{part}.{layers.Count}.keys") is { } keys)
        {
            string name = $"{part}.{layers.Count}.values";
            StoredTensor values = Find(file, name) ?? file[name]; // Which says what is there instead.
            long[] s = keys.Shape;
            if (!s.AsSpan().SequenceEqual(values.Shape))
                throw new DiaException(DiaErrorKind.Input,
                    $"{_path}: {name} has the shape [{string.Join(", ", values.Shape)}] where the keys have [{string.Join(", ", s)}]; they must be the same.");
            layers.Add(new CacheLayer(keys.ToSingle(), values.ToSingle(), (int)s[0], (int)s[1], (int)s[2], (int)s[3]));
        }

        if (layers.Count == 0)
            _ = file[$"{part}.0.keys"];
        return [.. layers];
    }

    private StoredTensor? Find(SafetensorsFile file, string name) => ForwardFile.Find(file, _path, name, 4);

    private static IEnumerable<SafetensorsArray> Arrays(string part, IReadOnlyList<CacheLayer> layers)
    {
        for (int i = 0; i < layers.Count; i++)
        {
            CacheLayer layer = layers[i];
            long[] shape = [layer.Batch, layer.Heads, layer.Rows, layer.HeadDim];
            yield return new SafetensorsArray($"{part}.{i}.keys", shape, layer.Keys);
            yield return new SafetensorsArray($"{part}.{i}.values", shape, layer.Values);
        }
    }
}
