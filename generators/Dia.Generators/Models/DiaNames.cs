using Dia.Generators.Graph;
using Dia.Graph;

namespace Dia.Generators.Models;

/// <summary>What Dia's checkpoints call the model's parameters.</summary>
internal static class DiaNames
{
    public const string Encoder = "model.encoder", Decoder = "model.decoder";

    public static Parameter TextEmbedding(int entries, int width) => new(Encoder + ".embedding.weight", WeightRole.Embedding, new([entries, width]));

    public static Parameter AudioEmbeddings(int entries, int width) => new(Decoder + ".embeddings.embed.weight", WeightRole.Embedding, new([entries, width]));

    public static Parameter Norm(string part, int width) => new(part + ".norm.weight", WeightRole.Vector, new([width]));

    public static Parameter Norm(string part, int layer, string norm, int width) => new($"{Layer(part, layer)}.{norm}.weight", WeightRole.Vector, new([width]));

    /// <summary>q_proj, k_proj, v_proj or o_proj of self_attention or cross_attention.</summary>
    public static Parameter Attention(string part, int layer, string attention, string projection, int outputs, int inputs) =>
        new($"{Layer(part, layer)}.{attention}.{projection}.weight", WeightRole.Linear, new([outputs, inputs]));

    /// <summary>gate_up_proj or down_proj.</summary>
    public static Parameter Mlp(string part, int layer, string projection, int outputs, int inputs) =>
        new($"{Layer(part, layer)}.mlp.{projection}.weight", WeightRole.Linear, new([outputs, inputs]));

    public static Parameter Logits(int outputs, int inputs) => new("logits_dense.weight", WeightRole.Linear, new([outputs, inputs]));

    private static string Layer(string part, int layer) => $"{part}.layers.{layer}";
}
