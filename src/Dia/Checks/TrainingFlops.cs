using Dia.Graph;
using Dia.Networks;

namespace Dia.Checks;

/// <summary>What a forward and a backward pass must compute, counted from the table of operations: products and attention.</summary>
internal static class TrainingFlops
{
    /// <summary>Floating-point operations (a multiply-add is two). What a backward pass computes again is not counted, nor what adapters add.</summary>
    /// <param name="operations">The operations of a model's training.</param>
    /// <param name="size">What a step works on.</param>
    public static double Of(IEnumerable<OperationInfo> operations, TrainingSize size) => operations.Sum(o => Of(o, size));

    private static double Of(OperationInfo o, TrainingSize size)
    {
        // The weights that an adapter stands beside get no gradients.
        if (size.Rank > 0 && o.Kind == OperationKind.LinearWeightGradient)
            return 0;
        bool ofText = o.Function is Function.Encode or Function.EncodeBackward or Function.CrossKeyValues or Function.CrossKeyValuesBackward;
        bool again = o.Function is Function.EncodeBackward or Function.CrossKeyValuesBackward or Function.DecodeBackward or Function.LogitsBackward;
        double rows = (double)size.Batch * (ofText ? size.Characters : size.Rows);
        double keys = ofText || o.Rows == Rows.Conditional ? size.Characters : (size.Rows + 1) / 2.0; // a row sees those before it
        return o.Kind switch
        {
            OperationKind.Linear => again ? 0 : rows * o.Flops,
            OperationKind.LinearInputGradient or OperationKind.LinearWeightGradient => rows * o.Flops,
            OperationKind.Attention => again ? 0 : rows * keys * o.FlopsOfKey,
            OperationKind.AttentionGradient => rows * keys * o.FlopsOfKey * 4 / 5, // its fifth product is the scores, again
            _ => 0,
        };
    }
}
