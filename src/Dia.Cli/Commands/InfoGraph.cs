using Dia.Cli.Output;
using Dia.Graph;

namespace Dia.Cli.Commands;

/// <summary>The graph and the plan of a compiled configuration as text.</summary>
internal static class InfoGraph
{
    /// <summary>Writes all functions.</summary>
    public static void Write(StringBuilder text, IReadOnlyList<CompiledNetwork> networks)
    {
        text.Append(Format.Text(
            $"{networks[0].Name}: operations in order; [rows, values of a row]; where a result lies in its arena (float32 values); what a row costs\n"));
        foreach (CompiledNetwork network in networks)
        {
            WeightSpec[] weights = network.Weights();
            foreach (var function in network.Operations().GroupBy(o => o.Function))
            {
                (long arena, string unit) = network is CompiledModel model
                    ? (function.Key is Function.Decode or Function.Logits or Function.Loss ? model.Arenas.DecoderWidth : model.Arenas.EncoderWidth, "a row")
                    : (((CompiledCodec)network).Layout.ArenaSize, $"a window of {((CompiledCodec)network).Layout.WindowFrames} frames");
                Write(text, function, weights, arena, unit);
            }
        }
    }

    private static void Write(StringBuilder text, IGrouping<Function, OperationInfo> function, WeightSpec[] weights, long arena, string unit)
    {
        // The codec's rows are of many rates: a sum over them says nothing.
        bool isCodec = function.Key is Function.CodecEncode or Function.CodecQuantize or Function.CodecDecode;
        string cost = isCodec
            ? "" : Format.Text(
            $"{function.Sum(o => o.Flops):N0} floating-point operations a row{(function.Any(o => o.FlopsOfKey > 0) ? Format.Text($", {function.Sum(o => o.FlopsOfKey):N0} more a key") : "")}; ");
        text.Append($"\n{function.Key}: {cost}arena of {Format.Bytes(arena * sizeof(float))} {unit}\n");
        var table = new TextTable(false, false, false, true, true, true);
        table.Add("  stage", "operation", "weight", "at", "operations", "values moved");
        string last = "";
        foreach (OperationInfo o in function)
        {
            string weight = o.Weight < 0 ? "" : $"{weights[o.Weight].Name} [{string.Join(", ", weights[o.Weight].Shape)}]"
                + (o.Alpha < 0 ? "" : $", {weights[o.Alpha].Name}");
            table.Add("  " + (o.Stage == last ? "" : o.Stage), Statement(o), weight, o.Offset < 0
                ? "" : Format.Text($"{o.Offset}{(o.SnakeResult > 0 ? Format.Text($", {o.SnakeOffset}") : "")}"), Cost(o.Flops, o.FlopsOfKey), Cost(o.Values + o.TableValues, o.ValuesOfKey));
            last = o.Stage;
        }

        text.Append(table);
    }

    private static string Statement(OperationInfo o)
    {
        string rows = o.Rows == Rows.All ? "rows" : $"{o.Rows.ToString().ToLowerInvariant()} rows";
        string result = o.Y.Length == 0 ? "" : $"{o.Y} [{rows}{(o.N == 0 ? "" : $", {o.N}")}] = ";
        string sizes = o.Kernel == 0 ? "" : $", kernel {o.Kernel}, stride {o.Stride}, dilation {o.Dilation}, padding {o.Padding}";
        string heads = o.HeadDim == 0 ? "" : $", {(o.Heads > 0 ? $"{o.Heads}" : "")}{(o.KeyHeads > 0 ? $"/{o.KeyHeads}" : "")} heads of {o.HeadDim}";
        string snake = o.Alpha < 0 ? "" : o.SnakeResult > 0 ? ", and Snake of it" : ", through Snake";
        return $"{result}{o.Kind}({o.X}{heads}{sizes}{snake}{(o.Kind == OperationKind.GatedActivation ? $", {o.Activation}" : "")})";
    }

    private static string Cost(long row, long key) => (row, key) switch
    {
        (0, 0) => "",
        (_, 0) => Format.Text($"{row}"),
        (0, _) => Format.Text($"{key} a key"),
        _ => Format.Text($"{row} + {key} a key"),
    };
}
