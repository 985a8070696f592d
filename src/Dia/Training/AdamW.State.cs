using Dia.Networks;
using Dia.Weights;

namespace Dia.Training;

// What a run is gone on with: the weights in float32, and their gradients' running means.
public sealed unsafe partial class AdamW
{
    private const int Part = 1 << 18;

    /// <summary>Steps that were done.</summary>
    internal long Steps => _steps;

    /// <summary>The tensors of the state: of each parameter its weights, and the means.</summary>
    internal IEnumerable<SafetensorsEntry> StateEntries() => Tensors().Select(t => new SafetensorsEntry(t.Name, SafetensorsDType.F32, t.Shape));

    /// <summary>Writes them.</summary>
    /// <param name="writer">Begun with the entries, maybe among others' after whose tensors these come.</param>
    /// <exception cref="DiaException">Output.</exception>
    internal void WriteState(SafetensorsWriter writer)
    {
        using Lock.Scope turn = _model.Tenant.Enter();
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        var byName = Tensors().ToDictionary(t => t.Name, StringComparer.Ordinal);
        float[] part = new float[Part];
        foreach (SafetensorsEntry entry in writer.Tensors)
        {
            StateTensor tensor = byName[entry.Name];
            for (long at = 0; at < tensor.Count; at += Part)
            {
                Span<float> values = part.AsSpan(0, (int)Math.Min(Part, tensor.Count - at));
                _model.Network.Memory.Download(values, (float*)tensor.Values + at);
                writer.Write<float>(entry.Name, values);
            }
        }
    }

    /// <summary>Takes the state of a run that had done so many steps.</summary>
    /// <exception cref="DiaException">Model: the file has not these tensors.</exception>
    internal void ReadState(SafetensorsFile file, long steps)
    {
        using Lock.Scope turn = _model.Tenant.Enter();
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        StateTensor[] tensors = [.. Tensors()];
        foreach (StateTensor tensor in tensors)
        {
            StoredTensor given = file[tensor.Name];
            if (given.DType != SafetensorsDType.F32 || !given.Shape.AsSpan().SequenceEqual(tensor.Shape))
                throw new DiaException(file.Kind,
                    $"{file.Description}: {tensor.Name} is {given.DType} [{string.Join(", ", given.Shape)}]; it must be F32 [{string.Join(", ", tensor.Shape)}].");
        }

        if (file.Tensors.Count != tensors.Length)
            throw new DiaException(file.Kind, $"{file.Description} has {file.Tensors.Count} tensors, {tensors.Length} are trained: it is of another training.");
        foreach (StateTensor tensor in tensors)
            _model.Network.Memory.Upload((void*)tensor.Values, file[tensor.Name].Data, tensor.Count * sizeof(float));
        _steps = steps;
        _model.WeightsChanged(_parameters.Select(p => p.Index));
    }

    private IEnumerable<StateTensor> Tensors() => _parameters.SelectMany(p =>
    {
        WeightSpec spec = _gradients.Specs[p.Index];
        long[] shape = Array.ConvertAll(spec.Shape, d => (long)d);
        return new[] { ("weights", Address(p.Values)), ("mean", Address(p.Mean)), ("square", Address(p.Square)) }
            .Select(t => new StateTensor($"{t.Item1}.{spec.Name}", shape, p.Count, t.Item2));
    });

    private static nint Address(float* values) => (nint)values;

    private readonly record struct StateTensor(string Name, long[] Shape, long Count, nint Values);
}
