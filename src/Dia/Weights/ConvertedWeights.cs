using Dia.Graph;

namespace Dia.Weights;

/// <summary>The tensors that those of a checkpoint are converted to, and how each is made, a part at a time.</summary>
internal sealed unsafe class ConvertedWeights : IDisposable
{
    // Bytes that are copied at a time, and values that are rounded, at least a row of integers.
    private const int CopyStep = 1 << 20, Step = 1 << 14;
    private const string Suffix = ".weight";

    private readonly CheckpointFiles _files;
    private readonly ConversionOptions _options;
    private readonly LoraWeights? _added;
    private readonly Dictionary<string, int> _addedTo = [];
    private readonly Dictionary<string, WeightSpec> _linear;
    private readonly List<WeightSpec> _specs = [];
    private float[] _values = new float[Step], _scales = [];
    private sbyte[] _integers = [];
    private byte[] _bytes = new byte[Step * sizeof(float)];

    /// <summary>Decides what each tensor becomes.</summary>
    /// <param name="files">The checkpoint.</param>
    /// <param name="options">What it is converted to.</param>
    /// <exception cref="DiaException">Model: a tensor cannot be converted, or the adapter is another model's. Usage: a pattern fits no weight.</exception>
    public ConvertedWeights(CheckpointFiles files, ConversionOptions options)
    {
        (_files, _options) = (files, options);
        _linear = options.Parameters.Where(p => p.Role == WeightRole.Linear).ToDictionary(p => p.Name, StringComparer.Ordinal);
        if (options.Adapter is { } adapter)
        {
            WeightSpec[] matrices = [.. files.Tensors.Values.Where(t => t.Shape.Length == 2 && t.Name.EndsWith(Suffix, StringComparison.Ordinal))
                .Select(t => new WeightSpec(t.Name, Array.ConvertAll(t.Shape, d => checked((int)d)), WeightRole.Linear))];
            _added = LoraWeights.Read(adapter.Folder, adapter.Config, matrices);
            for (int i = 0; i < _added.Layers.Length; i++)
                _addedTo.Add(matrices[_added.Layers[i].Weight].Name, i);
        }

        var integers = Integers();
        HashSet<string> parts = [.. integers.SelectMany(w => QuantizedTensors.Names(w.Name))];
        foreach ((string name, QuantizedTensors tensors) in integers)
            Add(name, Array.ConvertAll(tensors.Shape, d => (int)d), tensors.Mapped);
        foreach (StoredTensor tensor in files.Tensors.Values.Where(t => !parts.Contains(t.Name)))
        {
            if (Converts(tensor) is not { } format)
                Tensors.Add((tensor.Entry, writer => Copy(writer, tensor)));
            else
                Add(tensor.Name, Array.ConvertAll(tensor.Shape, d => checked((int)d)),
                    new StoredWeight { Data = tensor.IsContiguous ? tensor.Data : null, Format = format }, tensor);
        }

        CheckKept();
    }

    /// <summary>Refuses a pattern that is a slip: it fits no weight that it could be for.</summary>
    private void CheckKept()
    {
        foreach (KeptWeights kept in _options.Keep)
            if (!_specs.Exists(kept.Contains))
                throw new DiaException(DiaErrorKind.Usage,
                    $"no {(WeightFormats.IsQuantized(kept.Format) ? "linear layer's weight" : "weight")} in {_files.Folder.Description} is called {kept.Pattern}.");
    }

    /// <summary>Refuses a weight with a value that is no finite number: nothing can be spoken with it.</summary>
    /// <exception cref="DiaException">Model; the message names file and tensor.</exception>
    public void CheckFinite()
    {
        foreach (StoredTensor tensor in _files.Tensors.Values.Where(t => WeightFormats.Of(t.DType) is not null))
        {
            using StoredTensor.OrderedValues ordered = tensor.Ordered();
            var stored = new StoredWeight { Data = ordered.Data, Format = WeightFormats.Of(tensor.DType)!.Value };
            for (long at = 0; at < tensor.Count; at += Step)
            {
                Span<float> values = _values.AsSpan(0, (int)Math.Min(Step, tensor.Count - at));
                stored.Read(at, values);
                for (int i = 0; i < values.Length; i++)
                    if (!float.IsFinite(values[i]))
                        throw Wrong(tensor.Name, string.Create(CultureInfo.InvariantCulture, $"has a value that is not finite ({values[i]}, value {at + i}). Check the checkpoint."));
            }
        }
    }

    /// <summary>What is written, in any order.</summary>
    public List<(SafetensorsEntry Entry, Action<SafetensorsWriter> Write)> Tensors { get; } = [];

    /// <summary>The linear layers, in the order of the model's parameters, and how their weights are stored; where the parameters are given.</summary>
    public IReadOnlyList<(string Module, WeightStorage Storage)> Layers =>
        [.. _options.Parameters.Where(p => p.Role == WeightRole.Linear).Select(p => (LoraWeights.Module(p), _options.StorageOf(p)))];

    /// <inheritdoc/>
    public void Dispose() => _added?.Dispose();

    /// <summary>The weights that the checkpoint stores as integers.</summary>
    /// <exception cref="DiaException">Model: their tensors are not what config.json says.</exception>
    private List<(string Name, QuantizedTensors Tensors)> Integers()
    {
        var weights = new List<(string, QuantizedTensors)>();
        var wrong = new List<string>();
        IEnumerable<string> scales = _files.Tensors.Keys.Where(n => n.EndsWith(Suffix + QuantizedTensors.Scale, StringComparison.Ordinal));
        foreach (string name in scales.Order(StringComparer.Ordinal))
        {
            string weight = name[..^QuantizedTensors.Scale.Length];
            if (_files.Folder.Quantization?.SchemeOf(weight[..^Suffix.Length]) is not { } scheme)
                wrong.Add($"{SafetensorsHeader.Show(name)}: config.json says nothing of these integers");
            else if (QuantizedTensors.Find(_files.Tensors, weight, scheme, null, wrong.Add) is { } tensors)
                weights.Add((weight, tensors));
        }

        if (wrong.Count > 0)
            throw new DiaException(DiaErrorKind.Model, $"{_files.Folder.Description}: the tensors of quantised layers are not as config.json says: {TextList.Shorten(wrong)}.");
        foreach ((_, QuantizedTensors tensors) in weights)
            tensors.CheckScales(_files.Folder.Description);
        return weights;
    }

    /// <param name="name">The weight's name.</param>
    /// <param name="shape">Its shape.</param>
    /// <param name="stored">Its values; without them where <paramref name="tensor"/> does not have them in order.</param>
    /// <param name="tensor">The tensor that they are; null: they are integers.</param>
    private void Add(string name, int[] shape, StoredWeight stored, StoredTensor? tensor = null)
    {
        bool isLinear = _linear.TryGetValue(name, out WeightSpec? spec);
        spec ??= new WeightSpec(name, shape, WeightRole.Vector);
        _specs.Add(spec);
        WeightStorage storage = _options.StorageOf(spec);
        if (isLinear && storage.IsQuantized && spec.Shape.AsSpan().SequenceEqual(shape))
        {
            var (values, scales, shapeOf) = QuantizedTensors.Entries(name, shape, storage);
            Tensors.Add((values, writer => Ordered(tensor, stored, weight => Quantize(writer, spec, weight, storage, values.Name, true))));
            Tensors.Add((scales, writer => Ordered(tensor, stored, weight => Quantize(writer, spec, weight, storage, scales.Name, false))));
            if (shapeOf is not null)
                Tensors.Add((shapeOf, writer => writer.Write<long>(shapeOf.Name, [shape[0], shape[1]])));
            return;
        }

        var entry = new SafetensorsEntry(name, WeightFormats.Type(storage.Format), Array.ConvertAll(shape, d => (long)d));
        bool isCopy = stored.Storage == storage && !_addedTo.ContainsKey(name);
        Tensors.Add((entry, writer =>
        {
            if (isCopy)
                Copy(writer, _files.Tensors[name]);
            else
                Ordered(tensor, stored, weight => Round(writer, name, spec.Count, weight, storage.Format));
        }));
    }

    /// <summary>The format of a tensor of floats; null: it is none.</summary>
    private WeightFormat? Converts(StoredTensor tensor)
    {
        if (tensor.DType == SafetensorsDType.F64 || !SafetensorsTypes.IsRead(tensor.DType))
            throw Wrong(tensor.Name, $"is {tensor.DType}: {SafetensorsTypes.Kind(tensor.DType)} are not converted. Store it as F32 first.");
        if (tensor.Name.EndsWith(Suffix + QuantizedTensors.Packed, StringComparison.Ordinal))
            throw Wrong(tensor.Name, "has no scales. The checkpoint is damaged: fetch or make it again.");
        return WeightFormats.Of(tensor.DType);
    }

    private static void Copy(SafetensorsWriter writer, StoredTensor tensor)
    {
        using StoredTensor.OrderedValues values = tensor.Ordered();
        for (long at = 0; at < tensor.ByteLength; at += CopyStep)
            writer.Write(tensor.Name, new ReadOnlySpan<byte>(values.Data + at, (int)Math.Min(CopyStep, tensor.ByteLength - at)));
    }

    /// <summary>Uses a weight, whose values are in memory in their order for as long: one tensor at a time.</summary>
    private static void Ordered(StoredTensor? tensor, StoredWeight stored, Action<StoredWeight> use)
    {
        if (tensor is null or { IsContiguous: true })
        {
            use(stored);
            return;
        }

        using StoredTensor.OrderedValues values = tensor.Ordered();
        tensor.Forget();
        use(stored with { Data = values.Data });
    }

    /// <summary>Reads values of a weight, with what the adapter adds.</summary>
    private void Read(string name, in StoredWeight stored, long at, Span<float> values)
    {
        stored.Read(at, values);
        if (_addedTo.TryGetValue(name, out int layer))
            _added!.AddTo(layer, _options.Adapter!.Strength, at, values);
    }

    /// <summary>Writes a weight as floats.</summary>
    private void Round(SafetensorsWriter writer, string name, long total, in StoredWeight stored, WeightFormat format)
    {
        Span<float> back = stackalloc float[256];
        for (long at = 0; at < total; at += Step)
        {
            Span<float> values = _values.AsSpan(0, (int)Math.Min(Step, total - at));
            Read(name, stored, at, values);
            fixed (byte* rounded = _bytes)
            {
                WeightFormats.Write(values, format, rounded);
                for (int i = 0; i < values.Length; i += back.Length)
                {
                    int count = Math.Min(back.Length, values.Length - i);
                    WeightFormats.Read(rounded + WeightFormats.Bytes(format, i), format, back[..count]);
                    // A weight that became infinite would silently ruin the model.
                    for (int j = 0; j < count; j++)
                        if (float.IsInfinity(back[j]) && float.IsFinite(values[i + j]))
                            throw TooLarge(name, at + i + j, values[i + j], WeightFormats.ReferenceName(format));
                }
            }

            writer.Write<byte>(name, _bytes.AsSpan(0, (int)WeightFormats.Bytes(format, values.Length)));
        }
    }

    /// <summary>Writes the integers of a weight, or their scales.</summary>
    private void Quantize(SafetensorsWriter writer, WeightSpec spec, in StoredWeight stored, WeightStorage storage, string name, bool integers)
    {
        int n = spec.Shape[0], k = spec.Columns, groups = storage.Groups(k), step = Math.Max(1, Step / k);
        int rowBytes = (int)(integers ? storage.RowBytes(k) : storage.ScaleBytes(k));
        Grow(ref _values, step * k);
        Grow(ref _integers, step * k);
        Grow(ref _scales, step * groups);
        Grow(ref _bytes, step * rowBytes);
        WeightFormat source = _addedTo.ContainsKey(spec.Name) ? WeightFormat.Float32 : stored.Format;
        for (int first = 0; first < n; first += step)
        {
            int rows = Math.Min(step, n - first);
            Span<float> values = _values.AsSpan(0, rows * k), scales = _scales.AsSpan(0, rows * groups);
            Read(spec.Name, stored, (long)first * k, values);
            _options.Quantizer.Quantize(spec, storage, source, first, values, _integers.AsSpan(0, rows * k), scales);
            for (int i = 0; i < scales.Length; i++)
                if (!float.IsFinite(scales[i]))
                    throw Wrong(spec.Name, string.Create(CultureInfo.InvariantCulture,
                        $"has in row {first + i / groups} a value that is not finite, or too large for scales in {WeightFormats.ReferenceName(storage.ScaleFormat)}. Check the checkpoint."));
            for (int row = 0; integers && row < rows; row++)
                QuantizedTensors.Pack(_integers.AsSpan(row * k, k), storage.Format, _bytes.AsSpan(row * rowBytes, rowBytes));
            if (!integers)
                fixed (byte* bytes = _bytes)
                    WeightFormats.Write(scales, storage.ScaleFormat, bytes);
            writer.Write<byte>(name, _bytes.AsSpan(0, rows * rowBytes));
        }
    }

    private static void Grow<T>(ref T[] buffer, int length)
    {
        if (buffer.Length < length)
            buffer = new T[length];
    }

    private DiaException TooLarge(string name, long index, float value, string format) => new(DiaErrorKind.Model, string.Create(CultureInfo.InvariantCulture,
        $"value {index} of tensor {SafetensorsHeader.Show(name)} in {_files.Folder.Description} is {value}, too large for {format}. Convert to another format."));

    private DiaException Wrong(string name, string what) =>
        new(DiaErrorKind.Model, $"tensor {SafetensorsHeader.Show(name)} in {_files.Folder.Description} {what}");
}
