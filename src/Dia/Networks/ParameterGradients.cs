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
    private readonly Tenant _tenant;
    private readonly WeightSpec[] _specs;
    private readonly nint[] _gradients;
    private readonly int _adapter;
    private bool _isDisposed; // changed in a turn only

    /// <summary>Zeros.</summary>
    /// <param name="memory">Where the model computes.</param>
    /// <param name="tenant">The model's turns on its device.</param>
    /// <param name="specs">The model's parameters, those of its adapter behind them.</param>
    /// <param name="adapter">Where the adapter's begin.</param>
    /// <param name="isTrained">Whether a parameter of this name is trained; null: all are.</param>
    /// <exception cref="DiaException">No memory (Device).</exception>
    internal ParameterGradients(DeviceMemory memory, Tenant tenant, WeightSpec[] specs, int adapter, Func<string, bool>? isTrained)
    {
        (_memory, _tenant, _specs, _adapter, _gradients) = (memory, tenant, specs, adapter, new nint[specs.Length]);
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

    /// <summary>The same of a parameter of the adapter.</summary>
    internal float* OfAdapter(int parameter) => this[_adapter + parameter];

    /// <summary>Refuses to be used once disposed, or with another model; in a turn.</summary>
    internal void CheckUsable(WeightSpec[]? specs = null)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        if (specs is not null && specs != _specs)
            throw new ArgumentException("These gradients are another model's, or were made before it got its adapter.", "gradients");
    }

    /// <summary>Where they are.</summary>
    internal DeviceMemory Memory => _memory;

    /// <summary>The parameters, trained or not.</summary>
    internal WeightSpec[] Specs => _specs;

    /// <summary>The names of the parameters that are trained.</summary>
    public IEnumerable<string> Names => _specs.Where((_, i) => _gradients[i] != 0).Select(s => s.Name);

    /// <summary>Zeroes them.</summary>
    /// <exception cref="ObjectDisposedException">They, the model or its device are disposed.</exception>
    public void Clear()
    {
        using Lock.Scope turn = _tenant.Enter();
        CheckUsable();
        for (int i = 0; i < _specs.Length; i++)
            if (_gradients[i] != 0)
                _memory.Zero(this[i], _specs[i].Count);
    }

    /// <summary>A copy of a parameter's gradient.</summary>
    /// <param name="name">Its name in the checkpoint.</param>
    /// <exception cref="ArgumentException">The model has no such parameter, or it is not trained.</exception>
    /// <exception cref="ObjectDisposedException">They, the model or its device are disposed.</exception>
    public float[] Read(string name)
    {
        using Lock.Scope turn = _tenant.Enter();
        CheckUsable();
        int i = Array.FindIndex(_specs, s => s.Name == name);
        if (i < 0 || _gradients[i] == 0)
            throw new ArgumentException($"'{name}' is no parameter that is trained.", nameof(name));
        float[] values = new float[_specs[i].Count];
        _memory.Download(values, this[i]);
        return values;
    }

    /// <summary>The shape of a parameter.</summary>
    /// <exception cref="ArgumentException">The model has no such parameter.</exception>
    public IReadOnlyList<int> ShapeOf(string name) => (Array.Find(_specs, s => s.Name == name)
        ?? throw new ArgumentException($"'{name}' is no parameter of the model.", nameof(name))).Shape;

    /// <summary>Frees them.</summary>
    public void Dispose()
    {
        using Lock.Scope turn = _tenant.EnterToFree();
        _isDisposed = true;
        for (int i = 0; i < _gradients.Length; i++)
        {
            _memory.Free(this[i]);
            _gradients[i] = 0;
        }
    }
}
