using System.Runtime.InteropServices;

namespace Dia.Weights;

/// <summary>
/// The weights of a model, in the order of its specs. They point into mapped files, or into memory of this object where values
/// had to be computed; both are released by <see cref="Dispose"/>.
/// </summary>
public sealed unsafe class LoadedWeights : IDisposable
{
    private readonly CheckpointFiles _files;
    private readonly List<nint> _owned = [];
    private bool _disposed;

    private LoadedWeights(CheckpointFiles files, int count)
    {
        _files = files;
        Weights = new Weight[count];
    }

    /// <summary>The weights, one per spec. Pointers in it are valid until this object is disposed.</summary>
    public Weight[] Weights { get; }

    /// <summary>
    /// Finds every weight in a checkpoint. Convolutions may be stored as weight-norm pairs (NAME_g and NAME_v, or
    /// parametrizations.weight.original0 and original1): w = g·v/‖v‖, the norm over all but the first dimension, is computed here
    /// (Salimans and Kingma 2016, eq. 2).
    /// </summary>
    /// <param name="folder">Where the checkpoint is.</param>
    /// <param name="specs">What the model needs, in the order of the result.</param>
    /// <exception cref="DiaException">
    /// The checkpoint is malformed or does not fit (Model): one message tells all missing, unexpected and differing tensors.
    /// </exception>
    public static LoadedWeights Load(ModelFolder folder, IReadOnlyList<WeightSpec> specs)
    {
        var loaded = new LoadedWeights(CheckpointFiles.Open(folder), specs.Count);
        try
        {
            var sources = new WeightMatcher(loaded._files).Match(specs);
            for (int i = 0; i < specs.Count; i++)
                loaded.Weights[i] = loaded.Make(specs[i], sources[i]);
            return loaded;
        }
        catch
        {
            loaded.Dispose();
            throw;
        }
    }

    /// <summary>Unmaps the files and frees what was computed: every pointer is invalid from here on.</summary>
    public void Dispose()
    {
        if (_disposed)
            return;
        _disposed = true;
        Array.Clear(Weights);
        foreach (nint memory in _owned)
            NativeMemory.AlignedFree((void*)memory);
        _owned.Clear();
        _files.Dispose();
    }

    private Weight Make(WeightSpec spec, WeightSource source)
    {
        if (source.Plain is not { } tensor)
            return new Weight { Data = Normalised(spec, source.Magnitude!, source.Direction!), Format = WeightFormat.Float32 };
        void* data = tensor.Data;
        if (!tensor.IsAligned)
        {
            // Kernels read values where they lie, with loads that may demand alignment.
            data = Allocate(tensor.ByteLength);
            Buffer.MemoryCopy(tensor.Data, data, tensor.ByteLength, tensor.ByteLength);
        }

        return new Weight { Data = data, Format = SafetensorsTypes.Format(tensor.DType)!.Value };
    }

    /// <summary>g·v/‖v‖ per row of v seen as [first dimension, rest]; the sum of squares in double.</summary>
    private float* Normalised(WeightSpec spec, SafetensorsTensor magnitude, SafetensorsTensor direction)
    {
        float* result = (float*)Allocate(spec.Count * sizeof(float));
        float[] scale = magnitude.ToSingle();
        int width = checked((int)(spec.Count / spec.Shape[0]));
        int size = SafetensorsTypes.Size(direction.DType);
        var format = SafetensorsTypes.Format(direction.DType)!.Value;
        for (int r = 0; r < spec.Shape[0]; r++)
        {
            var row = new Span<float>(result + ((long)r * width), width);
            WeightFormats.Read(direction.Data + ((long)r * width * size), format, row);
            double squares = 0;
            foreach (float v in row)
                squares += (double)v * v;
            if (!(squares > 0))
                throw new DiaException(DiaErrorKind.Model, $"{_files.Folder.Description}: row {r} of {direction.Name} has no length, so its weight norm gives no weight. The checkpoint is damaged.");
            float factor = scale[r] / (float)Math.Sqrt(squares);
            for (int i = 0; i < width; i++)
                row[i] *= factor;
        }

        return result;
    }

    private void* Allocate(long bytes)
    {
        void* memory = NativeMemory.AlignedAlloc((nuint)Math.Max(bytes, 64), 64);
        _owned.Add((nint)memory);
        return memory;
    }
}

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
            throw new DiaException(DiaErrorKind.Model, $"the tensors in {files.Folder.Description} do not fit the model: {string.Join("; ", complaints)}. Check that the checkpoint belongs to this configuration.");
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
