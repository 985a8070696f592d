namespace Dia.Configuration;

/// <summary>The activation of a gated MLP (<c>hidden_act</c>).</summary>
public enum HiddenActivation
{
    /// <summary>x·sigmoid(x): <c>silu</c>, or <c>swish</c>.</summary>
    Silu,

    /// <summary>x·Φ(x), with the error function: <c>gelu</c>.</summary>
    Gelu,

    /// <summary>The tanh approximation of GELU: <c>gelu_new</c>.</summary>
    GeluNew,

    /// <summary>max(x, 0): <c>relu</c>.</summary>
    Relu,
}
