using Dia.Generators.Graph;
using Dia.Graph;

namespace Dia.Generators.Differentiation;

/// <summary>Functions walked backwards (reverse mode: Griewank and Walther, Evaluating Derivatives, chapter 3).</summary>
internal static class Backward
{
    /// <summary>Writes the backward function of each function behind them, the last one's first: stage by stage, operation by operation.</summary>
    /// <param name="g">The functions.</param>
    public static void Differentiate(GraphBuilder g)
    {
        FunctionGraph[] forward = [.. g.Functions];
        var adjoints = new Adjoints(g);
        foreach (FunctionGraph function in forward.AsEnumerable().Reverse())
        {
            g.Function(Of(function.Function));
            foreach (Stage stage in function.Stages.AsEnumerable().Reverse())
            {
                g.Stage(stage.Name, "Gradients. Forward: " + stage.Summary);
                foreach (Operation operation in stage.Operations.AsEnumerable().Reverse())
                    operation.Differentiate(adjoints);
            }
        }
    }

    /// <summary>Whether a function is one of these.</summary>
    public static bool Is(Function function) => function is (>= Function.EncodeBackward and <= Function.LossBackward)
        or (>= Function.CodecEncodeBackward and <= Function.CodecDecodeBackward);

    private static Function Of(Function function) => function switch
    {
        Function.Encode => Function.EncodeBackward,
        Function.CrossKeyValues => Function.CrossKeyValuesBackward,
        Function.Decode => Function.DecodeBackward,
        Function.Logits => Function.LogitsBackward,
        Function.Loss => Function.LossBackward,
        Function.CodecEncode => Function.CodecEncodeBackward,
        Function.CodecQuantize => Function.CodecQuantizeBackward,
        Function.CodecDecode => Function.CodecDecodeBackward,
        _ => throw new InvalidOperationException($"{function} is not trained."),
    };
}
