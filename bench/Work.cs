using Dia.Graph;
using Dia.Weights;

namespace Dia.Bench;

/// <summary>What a model must at least read and compute, counted from its table of operations.</summary>
internal sealed class Work(IReadOnlyList<OperationInfo> operations, WeightSpec[] specs)
{
    /// <summary>Bytes of weights that a decoding step reads, whatever the number of its rows (embeddings: of one row).</summary>
    public long StepBytes(WeightFormat format) => InStep.Where(o => o.Weight >= 0)
        .Sum(o => WeightFormats.Bytes(format, o.TableValues > 0 ? o.TableValues : specs[o.Weight].Count));

    /// <summary>Floating-point operations (a multiply-add is two) of the products and attentions of the encoder over one text.</summary>
    public double EncoderFlops(int rows) => Flops(operations.Where(o => o.Function == Function.Encode), rows, (double)rows * rows, 0);

    /// <summary>The same of the decoder over a prompt, with guidance its unconditional rows too, whose cross-attention is a constant.</summary>
    public double PromptFlops(int rows, int textRows, bool guidance) => DecoderFlops(Function.Decode, rows, rows * (rows + 1) / 2.0, textRows, guidance);

    /// <summary>The same of a decoding step of one utterance, logits included, over so many cached rows.</summary>
    public double StepFlops(int cachedRows, int textRows, bool guidance) =>
        DecoderFlops(Function.Decode, 1, cachedRows, textRows, guidance) + DecoderFlops(Function.Logits, 1, 0, 0, guidance);

    private IEnumerable<OperationInfo> InStep => operations.Where(o => o.Function is Function.Decode or Function.Logits);

    private double DecoderFlops(Function function, int rows, double pairs, int textRows, bool guidance)
    {
        var all = operations.Where(o => o.Function == function).ToLookup(o => o.Rows == Rows.Conditional);
        return (guidance ? 2 : 1) * Flops(all[false], rows, pairs, 0) + Flops(all[true], rows, 0, (double)rows * textRows);
    }

    /// <summary>Products, and scores and weighted values of so many pairs of query and key.</summary>
    private static double Flops(IEnumerable<OperationInfo> of, int rows, double pairs, double textPairs) =>
        of.Sum(o => o.Kind == OperationKind.Linear ? (double)o.Flops * rows : o.FlopsOfKey * (o.Rows == Rows.Conditional ? textPairs : pairs));
}
