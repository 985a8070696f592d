using Dia.Configuration;
using Dia.Generators.Graph;
using Dia.Generators.Models;
using Dia.Generators.Planning;
using Dia.Graph;

namespace Dia.Generators.Emission;

/// <summary>
/// Writes what a codec needs for training: its functions once more, over a whole sound and by a plan that keeps what is read again, and their backward
/// functions.
/// </summary>
internal sealed class CodecTrainingWriter
{
    private readonly string _name;
    private readonly DacGraph _graph;
    private readonly ParameterTable _parameters;
    private readonly Timelines _timelines;
    private readonly Plan _plan;

    /// <param name="name">The class.</param>
    /// <param name="config">The configuration.</param>
    /// <param name="graph">The functions, differentiated.</param>
    /// <param name="parameters">The parameters, numbered as the network's.</param>
    public CodecTrainingWriter(string name, DacConfig config, DacGraph graph, ParameterTable parameters)
    {
        (_name, _graph, _parameters) = (name, graph, parameters);
        _timelines = new Timelines(graph.Trained, config.HopLength);

        // In sixteens, so that every buffer starts on a 64-byte line.
        _plan = Plan.Of(graph.Trained, [], v => _timelines.All[_timelines[v]].RowsPerFrame, 16);
    }

    /// <summary>Plan and class.</summary>
    public string Write(string about)
    {
        var code = new CodeWriter(about, ("Plan", _name + "Plan"), _parameters.Alias);
        string[] notes =
        [
            "shape: [rows of a frame, channels]. VN is vN of the code below and what continues in its memory, DVN the gradient of vN.",
            "offset: float32 values before the buffer for each of the arena's frames; times these frames it is where the buffer starts.",
            .. PlanWriter.Kept(_plan, _graph.Trained, "frame", ""),
        ];
        PlanWriter.Write(code, _name + "Plan", _plan, "Where the codec's values lie in its arena while it is trained.", notes);
        code.Line();
        code.Summary("Training of the codec.");
        using (code.Open(
            $"internal sealed unsafe class {_name}<TBackend>(TBackend b, DacNetwork network) : DacTrainingNetwork(network) where TBackend : struct, ITrainingBackend"))
        {
            code.Line("public override long ArenaSize => Plan.Total;");
            code.Line();
            WriteTimelines(code);
            code.Line();
            var writer = new FunctionWriter(_plan, Declare);
            foreach (FunctionGraph function in _graph.Trained)
                writer.Write(code, function, CodecWriter.NameOf(function.Function), MethodOf(function.Function));
        }

        return code.ToString();
    }

    private void WriteTimelines(CodeWriter code)
    {
        code.Line("public override IReadOnlyList<CodecTimeline> Timelines { get; } =");
        code.Line("[");
        foreach (Timeline t in _timelines.All)
        {
            ConvolutionWindow w = t.Window;
            string window = $"new({w.Kernel}, {w.Stride}, {w.Dilation}, {w.Padding}, {(w.Transposed ? "true" : "false")})";
            code.Line($"    new(from: {CodeWriter.Number(t.From)}, {window}, rowsPerFrame: {CodeWriter.Number(t.RowsPerFrame)}, margin: {CodeWriter.Number(t.Margin)}),");
        }

        code.Line("];");
    }

    private Method MethodOf(Function function)
    {
        string summary = function switch
        {
            Function.CodecEncode => "The pass's samples to latents.",
            Function.CodecQuantize => "Latents to codes and code vectors, and the loss.",
            Function.CodecDecode => "Code vectors to the pass's samples.",
            Function.CodecDecodeBackward => "From the gradient of the samples to those of the code vectors, and of the decoder's parameters.",
            Function.CodecQuantizeBackward => "From there, and from the loss, to the gradients of the latents and of the quantizers' parameters.",
            _ => "From there through the encoder.",
        };
        Scope names = CodecWriter.Names(_parameters);
        return Differentiation.Backward.Is(function)
            ? new(summary, "DacTrainingPass p, ParameterGradients g", "p, g", names) : new(summary, "DacTrainingPass p", "p", names);
    }

    private (string, string) Declare(Value value, string name)
    {
        Value root = _plan.Root(value);
        return (
            $"CodecRows {name} = p.Rows(timeline: {_timelines[value]}, Plan.{_plan.Name(value)}, channels: {value.Width});",
            root.Name == value.Name ? $"[rows, {CodeWriter.Number(value.Width)}]" : $"in place of {root.Name}");
    }
}
