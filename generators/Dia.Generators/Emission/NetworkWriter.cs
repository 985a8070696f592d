using Dia.Configuration;
using Dia.Generators.Graph;
using Dia.Generators.Planning;

namespace Dia.Generators.Emission;

/// <summary>Writes the encoder and the decoder of a configuration: one method a layer, every operation with its sizes.</summary>
internal sealed class NetworkWriter(string name, DiaGraph graph, ParameterTable parameters)
{
    private readonly ArenaPlan _encoderPlan = ArenaPlan.ForStages(graph.Encoder, 1);
    private readonly ArenaPlan _decoderPlan = ArenaPlan.ForStages(graph.Decoder, 1);

    /// <summary>NAME.Plan.g.cs.</summary>
    public string WritePlan(string about)
    {
        var code = new CodeWriter(about);
        WritePlan(code, "Encoder", "text", graph.Encoder, _encoderPlan);
        code.Line();
        WritePlan(code, "Decoder", "audio", graph.Decoder, _decoderPlan);
        return code.ToString();
    }

    private void WritePlan(CodeWriter code, string part, string kind, IReadOnlyList<Stage> stages, ArenaPlan plan)
    {
        string[] notes =
        [
            $"offset: float32 values before the buffer for each of the arena's {kind} rows; times these rows it is where the buffer starts.",
            "operations: the first and last operation of a layer that need the buffer; buffers needed at different times share memory.",
        ];
        var shapes = stages.SelectMany(s => s.Operations).SelectMany(o => o.Reads.Concat(o.Writes)).Distinct().ToDictionary(v => v.Name, Shape);
        PlanWriter.Write(code, $"{name}{part}Plan", plan, $"Where the {part.ToLowerInvariant()}'s activations lie in its arena.", notes, buffer => shapes[buffer]);
    }

    private static string Shape(Value value) => $"[rows, {value.Width}]";

    /// <summary>The local variable for an activation: GateUp → gateUp.</summary>
    private static string Local(Value value) => char.ToLowerInvariant(value.Name[0]) + value.Name.Substring(1);

    /// <summary>NAME.Encoder.g.cs.</summary>
    public string WriteEncoder(string about)
    {
        var code = new CodeWriter(about, ("Plan", name + "EncoderPlan"), parameters.Alias);
        using (code.Open($"internal sealed unsafe partial class {name}<TBackend>"))
        {
            code.Line($"private static float EncoderEps => {CodeWriter.FloatBits(graph.Config.EncoderConfig.NormEps)};");
            code.Line();
            WritePass(code, "Encode", "EncoderPass", "Encoder", graph.Encoder, "The encoder over the text rows of a pass.");
            foreach (Stage stage in graph.Encoder)
                WriteStage(code, "Encoder", "EncoderPass", stage);
        }

        return code.ToString();
    }

    /// <summary>NAME.Decoder.g.cs: the variants Block (any number of rows) and Step (one row a sequence).</summary>
    public string WriteDecoder(string about)
    {
        var code = new CodeWriter(about, ("Plan", name + "DecoderPlan"), parameters.Alias);
        using (code.Open($"internal sealed unsafe partial class {name}<TBackend>"))
        {
            code.Line($"private static float DecoderEps => {CodeWriter.FloatBits(graph.Config.DecoderConfig.NormEps)};");
            code.Line();
            WritePass(code, "DecodeBlock", "DecoderPass", "Block", graph.Decoder, "The decoder over any number of rows of each sequence: prompts, forward passes.");
            WritePass(code, "DecodeStep", "DecoderPass", "Step", graph.Decoder, "The decoder over one row of each sequence.");
            WriteLogits(code, "Block");
            WriteLogits(code, "Step");
            WriteCrossKeyValues(code);
            WriteUnconditionalCross(code);
            foreach (string variant in new[] { "Block", "Step" })
                foreach (Stage stage in graph.Decoder)
                    WriteStage(code, variant, "DecoderPass", stage);
        }

        return code.ToString();
    }

    private static void WritePass(CodeWriter code, string method, string pass, string variant, IReadOnlyList<Stage> stages, string summary)
    {
        code.Summary(summary);
        using (code.Open($"public override void {method}({pass} p)"))
            foreach (Stage stage in stages)
                code.Line($"{variant}{stage.Name}(p);");
        code.Line();
    }

    private void WriteStage(CodeWriter code, string variant, string pass, Stage stage)
    {
        code.Summary(stage.Summary);
        using (code.Open($"private void {variant}{stage.Name}({pass} p)"))
        {
            code.Declarations([.. stage.Operations.SelectMany(o => o.Reads.Concat(o.Writes)).Distinct().Select(v => ($"float* {Local(v)} = p[Plan.{v.Name}];", Shape(v)))]);
            foreach (Operation operation in stage.Operations)
            {
                if (operation is Remark)
                    code.Line();
                if (Statement(operation, variant) is { } statement)
                    code.Line(statement);
            }
        }

        code.Line();
    }

    /// <summary>The line of emitted code for an operation, null where the variant has none.</summary>
    private string? Statement(Operation operation, string variant)
    {
        switch (operation)
        {
            case Remark o:
                return "// " + o.Text;
            case Embed o:
                return $"b.Embed({Local(o.Y)}, p.Ids, {parameters[o.Table]}, p.Rows, {o.Y.Width});";
            case EmbedSum o:
                return $"b.EmbedSum({Local(o.Y)}, p.Ids, {parameters[o.Table]}, p.Rows, channels: {o.Channels}, vocabulary: {o.Vocabulary}, {o.Y.Width});";
            case RopeTable o:
                return $"p.RopeTable(b, {Local(o.Cos)}, {Local(o.Sin)}, {o.Cos.Width});";
            case Rope o:
                return $"b.Rope({Local(o.X)}, {Local(o.Cos)}, {Local(o.Sin)}, p.Rows, heads: {o.Heads}, half: {o.Half});";
            case RmsNorm o:
                return $"b.RmsNorm({Local(o.Y)}, {Local(o.X)}, {parameters[o.W]}, {RowCount(o.Rows)}, {o.X.Width}, {o.Eps}Eps);";
            case Linear o:
                return $"b.Linear({Local(o.Y)}, {Local(o.X)}, {parameters[o.W]}, {RowCount(o.Rows)}, n: {o.Y.Width}, k: {o.X.Width}, {Phase(variant)}, accumulate: {(o.Accumulate ? "true" : "false")});";
            case GatedActivation o:
                return $"b.GatedActivation({Local(o.Y)}, {Local(o.X)}, p.Rows, {o.Y.Width}, HiddenActivation.{o.Activation});";
            case RopeKeyValues o:
                return $"b.RopeKeyValues({Local(o.Keys)}, {Local(o.Values)}, {Local(o.Cos)}, {Local(o.Sin)}, p.SelfAttention, layer: {o.Layer}, keyHeads: {o.KeyHeads}, half: {o.Half});";
            case Attention { Kind: AttentionKind.Encoder } o:
                return Attend(o, $"p.SelfAttention({Local(o.Keys!)}, {Local(o.Values!)}, {o.Keys!.Width})", layer: 0, "SelfMaps");
            case Attention { Kind: AttentionKind.Self } o:
                return Attend(o, "p.SelfAttention", o.Layer, "SelfMaps");
            case Attention o:
                return Attend(o, "p.CrossAttention", o.Layer, "CrossMaps");
            case AddUnconditionalCross o:
                return $"b.AddRow({Local(o.Y)} + ((long)p.ConditionalRows * {o.Y.Width}), p.UnconditionalCross + {(long)o.Layer * o.Y.Width}, p.Rows - p.ConditionalRows, {o.Y.Width});";
            case HiddenState o:
                return variant == "Step" ? null : $"p.Trace?.{o.List}HiddenState({o.Index}, {Local(o.X)}, p.Rows, {o.X.Width});";
            default:
                throw new InvalidOperationException($"No emitted form for {operation.GetType().Name}.");
        }
    }

    private static string Attend(Attention o, string batch, int layer, string maps) =>
        $"b.Attention({Local(o.Y)}, {Local(o.Q)}, {batch}, layer: {layer}, heads: {o.Heads}, keyHeads: {o.KeyHeads}, headDim: {o.HeadDim}, p.{maps}(layer: {o.Layer}, {o.Heads}));";

    private static string Phase(string variant) => variant == "Step" ? "Phase.Decode" : "Phase.Prefill";

    private static string RowCount(Rows rows) => rows == Rows.All ? "p.Rows" : "p.ConditionalRows";

    private void WriteLogits(CodeWriter code, string variant)
    {
        Linear o = graph.Logits;
        code.Summary($"Logits [rows, {o.Y.Width}] of decoder outputs [rows, {o.X.Width}].");
        using (code.Open($"public override void {variant}Logits(float* logits, float* output, int rows)"))
            code.Line($"b.Linear(logits, output, {parameters[o.W]}, rows, n: {o.Y.Width}, k: {o.X.Width}, {Phase(variant)}, accumulate: false);");
        code.Line();
    }

    private void WriteCrossKeyValues(CodeWriter code)
    {
        code.Summary($"Keys and values [rows, {graph.CrossKeyValues[0].Keys.Y.Width}] of every decoder layer's cross-attention for an encoder output [rows, {graph.CrossKeyValues[0].Keys.X.Width}].");
        using (code.Open("public override void CrossKeyValues(KeyValueCache cache, float* output, int rows)"))
        {
            for (int i = 0; i < graph.CrossKeyValues.Count; i++)
            {
                var (keys, values) = graph.CrossKeyValues[i];
                code.Line($"b.Linear(cache.Keys({i}), output, {parameters[keys.W]}, rows, n: {keys.Y.Width}, k: {keys.X.Width}, Phase.Prefill, accumulate: false);");
                code.Line($"b.Linear(cache.Values({i}), output, {parameters[values.W]}, rows, n: {values.Y.Width}, k: {values.X.Width}, Phase.Prefill, accumulate: false);");
            }
        }

        code.Line();
    }

    /// <summary>Attention over equal values returns that value whatever the scores: one key is enough (numerics.md, the exact saving).</summary>
    private void WriteUnconditionalCross(CodeWriter code)
    {
        Operation[] operations = graph.Decoder.SelectMany(s => s.Operations).ToArray();
        Linear output = graph.CrossKeyValues[0].Keys;
        Attention attention = operations.OfType<Attention>().First(a => a.Kind == AttentionKind.Cross);
        code.Summary($"What cross-attention adds to a row without text [{graph.Config.DecoderConfig.HiddenSize}] in each layer: o_proj of v_proj of a zero byte's encoder output [{output.X.Width}].");
        using (code.Open("public override void CrossOfUnconditional(float* constants, float* output, float* scratch, in AttentionBatch one)"))
        {
            code.Declarations(
            [
                ("float* value = scratch;", $"[{output.Y.Width}]"),
                ($"float* query = value + {output.Y.Width};", $"[{attention.Q.Width}]"),
                ($"float* mixed = query + {attention.Q.Width};", $"[{attention.Y.Width}]"),
            ]);
            code.Line("// One key has all the weight whatever the query is: attention only repeats its value for the heads that share it.");
            foreach (Attention o in operations.OfType<Attention>().Where(a => a.Kind == AttentionKind.Cross))
            {
                Linear values = graph.CrossKeyValues[o.Layer].Values;
                Linear project = operations.OfType<Linear>().Where(l => l.X == o.Y).ElementAt(o.Layer);
                code.Line($"b.Linear(value, output, {parameters[values.W]}, rows: 1, n: {values.Y.Width}, k: {values.X.Width}, Phase.Decode, accumulate: false);");
                code.Line($"b.Attention(mixed, query, one, layer: 0, heads: {o.Heads}, keyHeads: {o.KeyHeads}, headDim: {o.HeadDim}, maps: null);");
                code.Line($"b.Linear(constants + {(long)o.Layer * project.Y.Width}, mixed, {parameters[project.W]}, rows: 1, n: {project.Y.Width}, k: {project.X.Width}, Phase.Decode, accumulate: false);");
            }
        }

        code.Line();
    }
}
