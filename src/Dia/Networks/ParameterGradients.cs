using Dia.Backends;
using Dia.Weights;

namespace Dia.Networks;

/// <summary>
/// The gradients of a model's parameters, float32 in the order and the shape of the checkpoint's: backward passes add to them. They are there for the
/// parameters that are trained alone.
/// </summary>
public sealed unsafe class ParameterGradients : IDisposable
{
    private readonly DeviceMemory _memory;
    private readonly WeightSpec[] _specs;
    private readonly nint[] _gradients;

    /// <summary>Zeros.</summary>
    /// <param name="memory">Where the model computes.</param>
    /// <param name="specs">The model's parameters.</param>
    /// <param name="isTrained">Whether a parameter of this name is trained; null: all are.</param>
    /// <exception cref="DiaException">No memory (Device).</exception>
    internal ParameterGradients(DeviceMemory memory, WeightSpec[] specs, Func<string, bool>? isTrained = null)
    {
        (_memory, _specs, _gradients) = (memory, specs, new nint[specs.Length]);
        try
        {
            for (int i = 0; i < specs.Length; i++)
                if (isTrained?.Invoke(specs[i].Name) != false)
                    _gradients[i] = (nint)memory.Allocate(specs[i].Count);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The gradient of the parameter of this number, in device memory; null: it is not trained.</summary>
    public float* this[int parameter] => (float*)_gradients[parameter];

    /// <summary>The names of the parameters that are trained.</summary>
    public IEnumerable<string> Names => _specs.Where((_, i) => _gradients[i] != 0).Select(s => s.Name);

    /// <summary>Zeroes them.</summary>
    public void Clear()
    {
        for (int i = 0; i < _specs.Length; i++)
            if (_gradients[i] != 0)
                _memory.Zero(this[i], _specs[i].Count);
    }

    /// <summary>A copy of a parameter's gradient.</summary>
    /// <param name="name">Its name in the checkpoint.</param>
    /// <exception cref="ArgumentException">The model has no such parameter, or it is not trained.</exception>
    public float[] Read(string name)
    {
        int i = Array.FindIndex(_specs, s => s.Name == name);
        if (i < 0 || _gradients[i] == 0)
            throw new ArgumentException($"'{name}' is no parameter that is trained.", nameof(name));
        float[] values = new float[_specs[i].Count];
        _memory.Download(values, this[i]);
        return values;
    }

    /// <summary>Frees them.</summary>
    public void Dispose()
    {
        for (int i = 0; i < _gradients.Length; i++)
        {
            _memory.Free(this[i]);
            _gradients[i] = 0;
        }
    }
}
