using Dia.IO;

namespace Dia.Weights;

/// <summary>
/// The weights of a model, in the order of its specs. They point into mapped files, or into memory of this object where values
/// had to be computed; both are released by <see cref="Dispose"/>.
/// </summary>
public sealed unsafe class LoadedWeights : IDisposable
{
    private readonly CheckpointFiles? _files;
    private readonly WeightSource[] _sources = [];
    private readonly List<nint> _owned = [];
    private bool _disposed;

    /// <summary>
    /// Makes the weights of a checkpoint. Convolutions may be stored as weight-norm pairs (NAME_g and NAME_v, or
    /// parametrizations.weight.original0 and original1): w = g·v/‖v‖, the norm over all but the first dimension, is computed here
    /// (Salimans and Kingma 2016, eq. 2).
    /// </summary>
    /// <param name="tensors">Where they are; it may be disposed before this.</param>
    /// <param name="isUsed">Which of them the model uses, by their number; null: all.</param>
    /// <exception cref="DiaException">A damaged file, a pair that gives no weight, a scale that is none (Model), or no memory (Device).</exception>
    /// <exception cref="ObjectDisposedException"><paramref name="tensors"/> is disposed.</exception>
    internal LoadedWeights(MatchedTensors tensors, Func<int, bool>? isUsed = null)
    {
        (_files, _sources) = (tensors.Files, tensors.Sources);
        _files.Hold();
        try
        {
            _files.CheckValues();
            Weights = [.. tensors.Specs.Select((spec, i) => isUsed is null || isUsed(i) ? Make(spec, tensors.Sources[i]) : default)];
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Weights that no checkpoint has, in float32.</summary>
    /// <param name="specs">What the model needs.</param>
    /// <param name="fill">Computes the values of the weight of a number; asked for those that the model uses.</param>
    /// <param name="isUsed">Which of them the model uses, by their number.</param>
    /// <exception cref="DiaException">No memory (Device).</exception>
    internal LoadedWeights(WeightSpec[] specs, Func<int, bool> isUsed, Action<int, nint> fill)
    {
        try
        {
            Weights = new StoredWeight[specs.Length];
            for (int i = 0; i < specs.Length; i++)
            {
                if (!isUsed(i))
                    continue;
                void* values = Allocate(specs[i].Count * sizeof(float));
                fill(i, (nint)values);
                Weights[i] = new StoredWeight { Data = values, Format = WeightFormat.Float32 };
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The weights, one per spec. Pointers in it are valid until this object is disposed.</summary>
    public StoredWeight[] Weights { get; } = [];

    /// <summary>Whether any is stored as integers.</summary>
    internal bool IsQuantized => Weights.Any(w => w.Storage.IsQuantized);

    /// <summary>The error of changing such weights.</summary>
    internal static DiaException NotTrained() => new(DiaErrorKind.Model,
        "the model's weights are integers of 8 or 4 bits, which are not changed: train on the checkpoint that they were made from, and merge adapters into that one. An adapter that was learned there works over these weights too.");

    /// <summary>Makes a weight one in float32 that can be changed, with the same values; its memory is this object's.</summary>
    /// <exception cref="DiaException">No memory (Device).</exception>
    internal float* MakeWritable(int index, WeightSpec spec)
    {
        const int Step = 1 << 20; // values at a time
        StoredWeight stored = Weights[index];
        if (stored.Format == WeightFormat.Float32 && _owned.Contains((nint)stored.Data))
            return (float*)stored.Data;
        if (stored.Storage.IsQuantized)
            throw NotTrained();
        float* values = (float*)Allocate(spec.Count * sizeof(float));
        for (long at = 0; at < spec.Count; at += Step)
            WeightFormats.Read((byte*)stored.From(at).Data, stored.Format, new Span<float>(values + at, (int)Math.Min(Step, spec.Count - at)));
        if (!_owned.Contains((nint)stored.Data))
            MappedRange.Forget(stored.Data, WeightFormats.Bytes(stored.Format, spec.Count));
        Weights[index] = new StoredWeight { Data = values, Format = WeightFormat.Float32 };
        return values;
    }

    /// <summary>The tensors that a weight is read from where they are mapped, its values' first; none: it lies elsewhere.</summary>
    internal StoredTensor[] MappedTensors(int index)
    {
        if (index >= _sources.Length || Weights[index].IsMissing)
            return [];
        StoredWeight stored = Weights[index];
        return _sources[index] switch
        {
            { Plain: { IsContiguous: true } tensor } when stored.Data == tensor.Data => [tensor],
            { Quantized: { } integers } when stored.Data == integers.Values.Data && stored.Scales == integers.Scales.Data => [integers.Values, integers.Scales],
            _ => [],
        };
    }

    /// <summary>Memory of this object for copies of weights, which <see cref="Move"/> puts in place of the mapped ones.</summary>
    /// <exception cref="DiaException">No memory (Device).</exception>
    internal byte* AllocateCopies(long bytes) => (byte*)Allocate(bytes);

    /// <summary>Has a mapped weight read from a copy from now on, and gives the mapping's memory back.</summary>
    /// <param name="index">The weight.</param>
    /// <param name="values">Its values as they are stored, in memory of <see cref="AllocateCopies"/>.</param>
    /// <param name="scales">Its scales, where it has any.</param>
    internal void Move(int index, byte* values, byte* scales)
    {
        StoredTensor[] tensors = MappedTensors(index);
        if (tensors.Length == 0)
            throw new ArgumentException("This weight is not mapped.", nameof(index));
        foreach (StoredTensor tensor in tensors)
            MappedRange.Forget(tensor.Data, tensor.ByteLength);
        Weights[index] = Weights[index] with { Data = values, Scales = scales };
    }

    /// <summary>Unmaps the files and frees what was computed: every pointer is invalid from here on.</summary>
    public void Dispose()
    {
        if (_disposed)
            return;
        _disposed = true;
        Array.Clear(Weights);
        foreach (nint memory in _owned)
            HostMemory.Free((void*)memory);
        _owned.Clear();
        _files?.Dispose();
    }

    private StoredWeight Make(WeightSpec spec, WeightSource source)
    {
        if (source.Quantized is { } integers)
        {
            integers.CheckScales(_files!.Folder.Description);
            return new StoredWeight { Data = Aligned(integers.Values), Scales = Aligned(integers.Scales), Storage = integers.Storage, Columns = spec.Columns };
        }

        return source.Plain is { } tensor
            ? new StoredWeight { Data = Aligned(tensor), Format = WeightFormats.Of(tensor.DType)!.Value }
            : new StoredWeight { Data = Normalised(spec, source.Magnitude!, source.Direction!), Format = WeightFormat.Float32 };
    }

    /// <summary>
    /// A tensor's values, in memory of this object where they do not lie as kernels read them: in order, with loads that may demand alignment.
    /// </summary>
    private void* Aligned(StoredTensor tensor)
    {
        if (tensor.IsAligned)
            return tensor.Data;
        void* data = Allocate(tensor.ByteLength);
        tensor.CopyTo((byte*)data);
        tensor.Forget(); // What was copied is not needed twice.
        return data;
    }

    /// <summary>g·v/‖v‖ per row of v seen as [first dimension, rest]; the sum of squares in double.</summary>
    private float* Normalised(WeightSpec spec, StoredTensor magnitude, StoredTensor direction)
    {
        float* result = (float*)Allocate(spec.Count * sizeof(float));
        float[] scale = magnitude.ToSingle();
        using StoredTensor.OrderedValues values = direction.Ordered();
        int width = checked((int)(spec.Count / spec.Shape[0]));
        var format = WeightFormats.Of(direction.DType)!.Value;
        for (int r = 0; r < spec.Shape[0]; r++)
        {
            var row = new Span<float>(result + (long)r * width, width);
            WeightFormats.Read(values.Data + WeightFormats.Bytes(format, (long)r * width), format, row);
            double squares = 0;
            foreach (float v in row)
                squares += (double)v * v;
            if (!(squares > 0))
                throw new DiaException(DiaErrorKind.Model,
                    $"{_files!.Folder.Description}: row {r} of {direction.Name} has no length, so its weight norm gives no weight. The checkpoint is damaged.");
            float factor = scale[r] / (float)Math.Sqrt(squares);
            for (int i = 0; i < width; i++)
                row[i] *= factor;
        }

        return result;
    }

    private void* Allocate(long bytes)
    {
        void* memory = HostMemory.AllocateBytes(bytes);
        _owned.Add((nint)memory);
        return memory;
    }
}
