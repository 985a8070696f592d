using Dia.Configuration;
using Dia.Generators.Models;

namespace Dia.Generators.Emission;

/// <summary>All files of one model, and the list of all models.</summary>
internal static class ModelEmitter
{
    /// <summary>The files of a model: hint name and text.</summary>
    /// <param name="spec">The model.</param>
    /// <param name="training">Bytes of an audio row that training may keep; null: nothing is emitted for training.</param>
    public static IEnumerable<(string HintName, string Text)> Emit(ModelSpec spec, long? training)
    {
        string name = spec.ClassName, about = $"Model {CodeWriter.Literal(spec.Name)}.";
        if (spec.Dia is { } dia)
        {
            var graph = new DiaGraph(dia);

            // Encoder and decoder first: in this order weights are prepared, and lie on a device.
            var parameters = new ParameterTable(name + "Weights", graph.Text.Take(1).Concat(graph.Audio.Take(1)).Concat(graph.Text).Concat(graph.Audio));
            var network = new NetworkWriter(name, graph, parameters);
            yield return (name + ".Weights.g.cs", parameters.Write(about));
            yield return (name + ".Plan.g.cs", network.WritePlan(about));
            yield return (name + ".Operations.g.cs", network.WriteOperations(about));
            yield return (name + ".Encoder.g.cs", network.WriteEncoder(about));
            yield return (name + ".Decoder.g.cs", network.WriteDecoder(about));
            yield return (name + ".Network.g.cs", network.WriteNetwork(about));
            yield return (name + ".Config.g.cs", WriteConfig(spec.Name, name, dia, about, training is not null));
            if (training is { } bytes)
            {
                var trained = new TrainingWriter(name + "Training", new DiaGraph(dia, bytes), parameters, bytes);
                yield return (name + ".TrainingPlan.g.cs", trained.WritePlan(about));
                yield return (name + ".TrainingOperations.g.cs", trained.WriteOperations(about));
                yield return (name + ".TrainingEncoder.g.cs", trained.WriteEncoder(about));
                yield return (name + ".TrainingDecoder.g.cs", trained.WriteDecoder(about));
                yield return (name + ".Training.g.cs", trained.WriteNetwork(about));
            }
        }

        if (spec.Dac is { } dac)
        {
            string codecName = name + "Codec";
            var graph = new DacGraph(dac);
            var parameters = new ParameterTable(codecName + "Weights", graph.Encoder.Concat(graph.Decoder));
            var codec = new CodecWriter(codecName, dac, graph, parameters);
            yield return (name + ".CodecWeights.g.cs", parameters.Write(about));
            yield return (name + ".CodecOperations.g.cs", codec.WriteOperations(about));
            yield return (name + ".Codec.g.cs", codec.Write(about));
            yield return (name + ".CodecConfig.g.cs", WriteConfig(spec.Name, codecName, dac, about, training is not null));
            if (training is not null)
                yield return (name + ".CodecTraining.g.cs",
                    new CodecTrainingWriter(codecName + "Training", dac, new DacGraph(dac, training: true), parameters).Write(about));
        }
    }

    /// <summary>The list of compiled models.</summary>
    public static string EmitList(IEnumerable<string> classNames)
    {
        var code = new CodeWriter("The models and codecs compiled into this program.");
        code.Summary("The models and codecs compiled into this program.");
        using (code.Open("internal static class CompiledModels"))
        {
            code.Summary("Those of each configuration folder, a model before its codec, in ordinal order of the folders.");
            code.Line("public static IReadOnlyList<CompiledNetwork> All { get; } =");
            code.Line("[");
            foreach (string name in classNames)
                code.Line($"    new {name}Configuration(),");
            code.Line("];");
        }

        return code.ToString();
    }

    /// <summary>The header of a network's class.</summary>
    public static string NetworkClass(string name, string baseClass) =>
        $"internal sealed unsafe partial class {name}<TBackend>(TBackend b) : {baseClass} where TBackend : struct, IBackend";

    /// <summary>What every network asks of its backend.</summary>
    public static void WriteBackend(CodeWriter code)
    {
        code.Line("public override DeviceMemory Memory => b.Memory;");
        code.Line();
        code.Line("protected override Weight Prepare(WeightSpec spec, in StoredWeight stored) => b.Prepare(spec, stored);");
        code.Line();
        code.Line("protected override void Release(WeightSpec spec, in Weight weight) => b.Release(spec, weight);");
    }

    private static string WriteConfig(string folder, string name, DiaConfig config, string about, bool training)
    {
        var code = new CodeWriter(about);
        code.Summary($"Model {CodeWriter.Literal(folder)}: its configuration, its parameters and its network on each backend.");
        using (code.Open($"internal sealed class {name}Configuration : CompiledModel"))
        {
            WriteCommon(code, folder, name, nameof(DiaConfig), FieldList.Of(config));
            WriteFrequencies(code, "Encoder", RotaryFrequencies.For(config.EncoderConfig));
            WriteFrequencies(code, "Decoder", RotaryFrequencies.For(config.DecoderConfig));
            code.Line($"public override IReadOnlyList<OperationInfo> Operations() => {name}Operations.All();");
            code.Line();
            code.Line($"public override ArenaSizes Arenas => {name}Arenas.Sizes;");
            code.Line();
            WriteVisit(code, "DiaNetwork", name);
            if (training)
                WriteTrain(code, "TrainingNetwork", "DiaNetwork", name);
        }

        return code.ToString();
    }

    private static string WriteConfig(string folder, string name, DacConfig config, string about, bool training)
    {
        var code = new CodeWriter(about);
        code.Summary($"The codec of {CodeWriter.Literal(folder)}: its configuration, its parameters and its network on each backend.");
        using (code.Open($"internal sealed class {name}Configuration : CompiledCodec"))
        {
            WriteCommon(code, folder, name, nameof(DacConfig), FieldList.Of(config));
            code.Line($"public override CodecLayout Layout => {name}Layout.Layout;");
            code.Line();
            WriteVisit(code, "DacNetwork", name);
            if (training)
                WriteTrain(code, "DacTrainingNetwork", "DacNetwork", name);
        }

        return code.ToString();
    }

    private static void WriteCommon(CodeWriter code, string folder, string name, string type, IReadOnlyList<Field> fields)
    {
        code.Line($"public override string Name => {CodeWriter.Literal(folder)};");
        code.Line();
        ConfigurationWriter.Write(code, type, fields);
        code.Line($"public override WeightSpec[] Weights() => {name}Weights.Specs();");
        code.Line();
    }

    private static void WriteVisit(CodeWriter code, string type, string name) =>
        code.Line($"public override {type} Visit<TBackend>(TBackend backend) => new {name}<TBackend>(backend);");

    private static void WriteTrain(CodeWriter code, string type, string network, string name)
    {
        code.Line();
        code.Line($"public override {type} Train<TBackend>(TBackend backend, {network} network) => new {name}Training<TBackend>(backend, network);");
    }

    /// <summary>The frequencies that rotary positions start with, as bits: the build's numbers, whatever another machine's pow gives.</summary>
    private static void WriteFrequencies(CodeWriter code, string part, RotaryFrequencies frequencies)
    {
        float[] values = frequencies.Compute();
        code.Summary($"The {part.ToLowerInvariant()}'s inverse frequencies [{values.Length}] (rope_type {frequencies.Type.ToString().ToLowerInvariant()}), " +
            $"bits of float32: from {CodeWriter.Text(values[0])} to {CodeWriter.Text(values[values.Length - 1])}.");
        code.Line($"public override ReadOnlySpan<uint> {part}InverseFrequencies =>");
        code.Line("[");
        for (int i = 0; i < values.Length; i += 8)
            code.Line("    " + string.Join(", ", values.Skip(i).Take(8).Select(CodeWriter.Bits)) + ",");
        code.Line("];");
        code.Line();
    }
}
