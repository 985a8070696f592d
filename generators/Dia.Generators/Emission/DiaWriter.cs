using Dia.Generators.Graph;
using Dia.Generators.Models;
using Dia.Generators.Planning;
using Dia.Graph;

namespace Dia.Generators.Emission;

/// <summary>What is written of the functions of a Dia, to speak or to be trained: plan, one method a layer, and the table of operations.</summary>
internal abstract class DiaWriter
{
    /// <param name="name">The class.</param>
    /// <param name="graph">The functions.</param>
    /// <param name="parameters">The names of parameters.</param>
    /// <param name="audioResults">Values of audio rows that are read after all functions.</param>
    protected DiaWriter(string name, DiaGraph graph, ParameterTable parameters, params Value[] audioResults)
    {
        (Name, Graph, Parameters) = (name, graph, parameters);
        Text = Plan.Of(graph.Text, [graph.EncoderOutput], _ => 1, 1);
        Audio = Plan.Of(graph.Audio, audioResults, _ => 1, 1);
    }

    protected string Name { get; }

    protected DiaGraph Graph { get; }

    protected ParameterTable Parameters { get; }

    /// <summary>Where the values of text rows lie.</summary>
    protected Plan Text { get; }

    /// <summary>Where the values of audio rows lie.</summary>
    protected Plan Audio { get; }

    /// <summary>The plans.</summary>
    public string WritePlan(string about)
    {
        var code = new CodeWriter(about);
        WritePlan(code, "Encoder", "text", Text, Graph.Text);
        code.Line();
        WritePlan(code, "Decoder", "audio", Audio, Graph.Audio);
        return code.ToString();
    }

    /// <summary>What works on text rows.</summary>
    public string WriteEncoder(string about) => Write(about, "Encoder", Text, Graph.Text);

    /// <summary>What works on audio rows.</summary>
    public string WriteDecoder(string about) => Write(about, "Decoder", Audio, Graph.Audio);

    /// <summary>The table of operations.</summary>
    public string WriteOperations(string about) => OperationTable.Write(
        about, Name + "Operations", Parameters, Graph.Text.Select(f => (Text, f)).Concat(Graph.Audio.Select(f => (Audio, f))), numbered: false);

    /// <summary>What all functions share.</summary>
    public abstract string WriteNetwork(string about);

    /// <summary>Whether a function gets a method.</summary>
    protected virtual bool IsWritten(Function function) => true;

    protected abstract Method MethodOf(Function function);

    /// <summary>What a plan is of, and what its operations are, for the reader of its table.</summary>
    protected abstract (string Summary, string[] Operations) PlanNotes(string part, Plan plan, IReadOnlyList<FunctionGraph> functions);

    /// <summary>The sizes of the arenas.</summary>
    protected void WriteSizes(CodeWriter code)
    {
        code.Line($"    {Name}EncoderPlan.Total, {Name}EncoderPlan.{Text.Name(Graph.EncoderOutput)},");
        code.Line($"    {Name}DecoderPlan.Total, {Name}DecoderPlan.{Audio.Name(Graph.DecoderOutput)});");
    }

    private void WritePlan(CodeWriter code, string part, string kind, Plan plan, IReadOnlyList<FunctionGraph> functions)
    {
        (string summary, string[] operations) = PlanNotes(part, plan, functions);
        string offset =
            $"offset: float32 values before the buffer for each of the arena's {kind} rows; times these rows it is where the buffer starts.";
        PlanWriter.Write(code, $"{Name}{part}Plan", plan, summary, [offset, .. operations]);
    }

    private string Write(string about, string part, Plan plan, IReadOnlyList<FunctionGraph> functions)
    {
        var code = new CodeWriter(about, ("Plan", $"{Name}{part}Plan"), Parameters.Alias);
        var writer = new FunctionWriter(plan, (v, name) => ($"float* {name} = p[Plan.{plan.Name(v)}];", $"[rows, {CodeWriter.Number(v.Width)}]"));
        using (code.Open($"internal sealed unsafe partial class {Name}<TBackend>"))
            foreach (FunctionGraph function in functions.Where(f => IsWritten(f.Function)))
                writer.Write(code, function, function.Function.ToString(), MethodOf(function.Function));
        return code.ToString();
    }
}
