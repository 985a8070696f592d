namespace Dia.Backends;

/// <summary>The activation of a gated MLP.</summary>
public enum Activation
{
    /// <summary>x·sigmoid(x), also called swish.</summary>
    Silu,

    /// <summary>x·Φ(x), with the error function.</summary>
    Gelu,

    /// <summary>The tanh approximation of GELU.</summary>
    GeluNew,

    /// <summary>max(x, 0).</summary>
    Relu,
}
