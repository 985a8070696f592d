using System.Globalization;
using Dia.Generators.Graph;
using Dia.Generators.Planning;

namespace Dia.Generators.Emission;

/// <summary>
/// Writes the codec of a configuration. Each direction works on a window: first the rows every value must hold are computed from the
/// last operation back to the first, then the operations run. So any window of a long sound comes out as if all of it had been computed.
/// </summary>
internal sealed class CodecWriter(string name, DacGraph graph, ParameterTable parameters)
{
    /// <summary>Frames of one window: enough rows for the first, widest convolutions to be bound by arithmetic, few enough for tens of megabytes.</summary>
    private const int WindowFrames = 64;

    /// <summary>NAME.Codec.g.cs.</summary>
    public string Write(string about)
    {
        var code = new CodeWriter(about, ("EncoderPlan", name + "EncoderPlan"), ("DecoderPlan", name + "DecoderPlan"), parameters.Alias);
        WritePlan(code, "Encoder", graph.Encoder, WindowFrames);
        code.Line();
        WritePlan(code, "Decoder", graph.Decoder, (long)WindowFrames * graph.Config.HopLength);
        code.Line();
        code.Summary($"The codec: {graph.Config.NCodebooks} codebooks of {graph.Config.CodebookSize} entries, hop {graph.Config.HopLength}, {graph.Config.SamplingRate} Hz.");
        using (code.Open($"internal sealed unsafe class {name}<TBackend>(TBackend b) : DacNetwork where TBackend : struct, IBackend"))
        {
            code.Line($"public override int WindowFrames => {WindowFrames};");
            code.Line();
            code.Line($"public override int HopLength => {CodeWriter.Number(graph.Config.HopLength)};");
            code.Line();
            code.Line($"public override long ArenaSize => Math.Max(EncoderPlan.Total, DecoderPlan.Total);");
            code.Line();
            WriteTimelines(code, "SamplesOf", "frames", graph.Decoder);
            WriteTimelines(code, "FramesOf", "samples", graph.Encoder);
            WriteFramesFor(code);
            WriteEncode(code);
            WriteDecode(code);
            WriteMemory(code);
        }

        return code.ToString();
    }

    private static void WriteMemory(CodeWriter code)
    {
        code.Line("public override DeviceMemory Memory => b.Memory;");
        code.Line();
        code.Line("protected override Weight Prepare(WeightSpec spec, in StoredWeight stored) => b.Prepare(spec, stored);");
        code.Line();
        code.Line("protected override void Release(WeightSpec spec, in Weight weight) => b.Release(spec, weight);");
    }

    private void WritePlan(CodeWriter code, string direction, CodecChain chain, long outputRows)
    {
        long[] rows = chain.MaximumRows(outputRows);
        var places = new Dictionary<int, (long Size, int First, int Last)>();
        void Touch(CodecValue value, int at)
        {
            long size = rows[value.Index] * value.Channels;
            places[value.Place] = places.TryGetValue(value.Place, out var p) ? (Math.Max(p.Size, size), p.First, at) : (size, at, at);
        }

        Touch(chain.Input, 0);
        for (int i = 0; i < chain.Operations.Count; i++)
        {
            Touch(chain.Operations[i].X, i);
            Touch(chain.Operations[i].Y, i);
            if (chain.Operations[i] is Convolution { Residual: { } residual })
                Touch(residual, i);
        }

        var values = places.Select(p => (PlaceName(p.Key), p.Value.Size, p.Value.First, p.Value.Last)).ToList();
        // The quantizers work at the rate of frames, at the end of the encoder and at the start of the decoder.
        CodecValue latents = direction == "Encoder" ? chain.Output : chain.Input;
        int end = direction == "Encoder" ? chain.Operations.Count : 0;
        if (direction == "Encoder")
            values[values.FindIndex(v => v.Item1 == PlaceName(latents.Place))] = (PlaceName(latents.Place), places[latents.Place].Size, places[latents.Place].First, end);
        values.Add(("Projected", rows[latents.Index] * graph.Config.CodebookDim, end, end));
        if (direction == "Encoder")
            values.Add(("Quantized", rows[latents.Index] * graph.Config.HiddenSize, end, end));
        string[] notes =
        [
            "shape: [rows, channels], the most rows a window can need. ValueNN is vNN of the code below and what continues in its memory.",
            "offset: in float32 values. operations: the first and last that need the value; values needed at different times share memory.",
        ];
        var channels = chain.Operations.Select(o => o.Y).Append(chain.Input).ToDictionary(v => PlaceName(v.Index), v => v.Channels);
        channels["Projected"] = graph.Config.CodebookDim;
        channels["Quantized"] = graph.Config.HiddenSize;
        var sizes = values.ToDictionary(v => v.Item1, v => v.Item2);
        PlanWriter.Write(code, $"{name}{direction}Plan", ArenaPlan.Place(values, 16), $"Where the values of the codec's {direction.ToLowerInvariant()} lie for a window of {WindowFrames} frames.",
            notes, buffer => $"[{CodeWriter.Number(sizes[buffer] / channels[buffer])}, {CodeWriter.Number(channels[buffer])}]");
    }

    private static string PlaceName(int place) => "Value" + place.ToString("00", CultureInfo.InvariantCulture);

    private void WriteTimelines(CodeWriter code, string method, string from, CodecChain chain)
    {
        code.Summary(method == "SamplesOf" ? "Samples that so many frames decode to." : "Frames that so many samples encode to.");
        using (code.Open($"public override long {method}(long {from})"))
        {
            WriteTimelineRows(code, chain, from);
            code.Line($"return rows{chain.Output.Timeline};");
        }

        code.Line();
    }

    private static void WriteTimelineRows(CodeWriter code, CodecChain chain, string input)
    {
        code.Line("// rows of each timeline: one more for every change of rate");
        code.Line($"long rows0 = {input};");
        foreach (CodecOperation operation in chain.Operations.Where(o => o.Y.Timeline != o.X.Timeline))
        {
            code.Line(operation switch
            {
                TransposedConvolution o => $"long rows{o.Y.Timeline} = RowRange.TransposedRows(rows{o.X.Timeline}, stride: {o.Stride}, padding: {o.Padding});",
                Convolution o => $"long rows{o.Y.Timeline} = RowRange.ConvolutionRows(rows{o.X.Timeline}, {Geometry(o)});",
                _ => throw new InvalidOperationException("Only convolutions change the rate."),
            });
        }
    }

    /// <summary>Which rows each value must hold, last first.</summary>
    private static void WriteRanges(CodeWriter code, CodecChain chain, string output)
    {
        code.Line();
        code.Line("// rN: the rows that vN must hold, from the last value back to the first: what the operation after it reads");
        var known = new HashSet<int> { chain.Output.Index };
        code.Line($"RowRange r{chain.Output.Index} = {output};");
        void Need(CodecValue value, string range)
        {
            if (known.Add(value.Index))
                code.Line($"RowRange r{value.Index} = {range};");
            else
                code.Line($"r{value.Index} = r{value.Index}.Union({range});");
        }

        foreach (CodecOperation operation in chain.Operations.Reverse())
        {
            string y = $"r{operation.Y.Index}";
            switch (operation)
            {
                case TransposedConvolution o:
                    code.Line($"{y} = {y}.TransposedGrid(stride: {o.Stride}, padding: {o.Padding});");
                    Need(o.X, $"{y}.TransposedInput(stride: {o.Stride}, padding: {o.Padding})");
                    break;
                case Convolution o:
                    Need(o.X, $"{y}.ConvolutionInput({Geometry(o)})");
                    if (o.Residual is { } residual)
                        Need(residual, y);
                    break;
                default:
                    Need(operation.X, y);
                    break;
            }
        }
    }

    private void WriteOperations(CodeWriter code, CodecChain chain, string plan)
    {
        for (int i = 0; i < chain.Operations.Count; i++)
        {
            foreach (CodecTitle title in chain.Titles.Where(t => t.Operation == i))
            {
                if (title.OpensBlock)
                    code.Line();
                code.Line("// " + title.Text);
            }

            CodecOperation operation = chain.Operations[i];
            string x = $"v{operation.X.Index}", y = $"v{operation.Y.Index}";
            CodecValue? source = operation is Convolution c ? c.Residual : operation.Y.Place == operation.X.Place ? operation.X : null;
            code.Line(source is { } from
                ? $"CodecRows {y} = v{from.Index}.Slice(r{operation.Y.Index}); // in place, {operation.Y.Channels} channels"
                : $"CodecRows {y} = p.Rows({plan}.{PlaceName(operation.Y.Place)}, r{operation.Y.Index}, channels: {operation.Y.Channels}, rows{operation.Y.Timeline});");
            code.Line(operation switch
            {
                Snake o => $"{y}.Snake(b, {x}.Slice(r{o.Y.Index}), {parameters[o.Alpha]});",
                Convolution o => $"{y}.Convolution(b, {x}, {parameters[o.W]}, {parameters[o.Bias]}, {Geometry(o)}, accumulate: {(o.Residual is null ? "false" : "true")});",
                TransposedConvolution o => $"{y}.TransposedConvolution(b, {x}, {parameters[o.W]}, {parameters[o.Bias]}, stride: {o.Stride}, padding: {o.Padding});",
                Tanh => $"{y}.Tanh(b);",
                _ => throw new InvalidOperationException($"No emitted form for {operation.GetType().Name}."),
            });
        }
    }

    private static string Geometry(Convolution o) => $"kernel: {o.Kernel}, stride: {o.Stride}, dilation: {o.Dilation}, padding: {o.Padding}";

    /// <summary>The same ranges without the work: what a stream must know before it can decode a window.</summary>
    private void WriteFramesFor(CodeWriter code)
    {
        code.Summary("The frames that a window of samples depends on; it may reach past either end of the sound.");
        using (code.Open("public override RowRange FramesFor(RowRange window)"))
        {
            WriteRanges(code, graph.Decoder, "window");
            code.Line($"return r{graph.Decoder.Input.Index};");
        }

        code.Line();
    }

    private void WriteDecode(CodeWriter code)
    {
        const string plan = "DecoderPlan";
        code.Summary("Decodes the samples of a window from the pass's codes.");
        using (code.Open("public override void Decode(CodecPass p, RowRange window)"))
        {
            WriteTimelineRows(code, graph.Decoder, "p.Frames");
            WriteRanges(code, graph.Decoder, "window");
            code.Line();
            CodecValue z = graph.Decoder.Input;
            code.Line($"// the residual vector quantizer: the sum of each codebook's code vector through its out_proj, latents of {graph.Config.HiddenSize}");
            code.Line($"CodecRows v0 = p.Rows({plan}.{PlaceName(z.Place)}, r0, channels: {z.Channels}, rows0);");
            code.Line("v0.ZeroOutside(b.Memory);");
            code.Line("RowRange inside = r0.Clip(rows0);");
            code.Line("int frames = (int)inside.Count;");
            code.Declarations(
            [
                ("int* codes = p.CodesAt(inside.Start);", "[frames, codebooks]"),
                ($"float* projected = p[{plan}.Projected];", $"[frames, {graph.Config.CodebookDim}]"),
                ("float* latents = v0.At(inside.Start);", $"[frames, {graph.Config.HiddenSize}]"),
            ]);
            for (int i = 0; i < graph.Quantizers.Count; i++)
            {
                Quantizer q = graph.Quantizers[i];
                if (i > 0)
                    code.Line($"if (p.Codebooks > {i})");
                if (i > 0)
                    code.Line("{");
                string indent = i > 0 ? "    " : "";
                code.Line($"{indent}b.LookUpCode(projected, codes + {i}, p.Codebooks, {parameters[q.Codebook]}, frames, {graph.Config.CodebookDim});");
                code.Line($"{indent}b.Convolution(latents, projected, {parameters[q.OutWeight]}, {parameters[q.OutBias]}, frames, {graph.Config.CodebookDim}, {graph.Config.HiddenSize}, kernel: 1, stride: 1, dilation: 1, accumulate: {(i > 0 ? "true" : "false")});");
                if (i > 0)
                    code.Line("}");
            }

            code.Line("p.Trace?.Quantized(latents, inside, v0.Channels);");
            WriteOperations(code, graph.Decoder, plan);
            code.Line($"p.StoreSamples(v{graph.Decoder.Output.Index}.At(window.Start), window);");
        }

        code.Line();
    }

    private void WriteEncode(CodeWriter code)
    {
        const string plan = "EncoderPlan";
        CodecValue z = graph.Encoder.Output;
        code.Summary("Encodes the frames of a window of the pass's samples to codes.");
        using (code.Open("public override void Encode(CodecPass p, RowRange window)"))
        {
            WriteTimelineRows(code, graph.Encoder, "p.SampleCount");
            WriteRanges(code, graph.Encoder, "window");
            code.Line();
            code.Line($"CodecRows v0 = p.Rows({plan}.{PlaceName(graph.Encoder.Input.Place)}, r0, channels: 1, rows0);");
            code.Line("p.LoadSamples(v0);");
            WriteOperations(code, graph.Encoder, plan);
            code.Line();
            code.Line("// the residual vector quantizer: the nearest code vector of each codebook, its out_proj subtracted from what is left");
            code.Line("int frames = (int)window.Count;");
            code.Declarations(
            [
                ("int* codes = p.CodesAt(window.Start);", "[frames, codebooks]"),
                ($"float* residual = v{z.Index}.At(window.Start);", $"[frames, {graph.Config.HiddenSize}]"),
                ($"float* projected = p[{plan}.Projected];", $"[frames, {graph.Config.CodebookDim}]"),
                ($"float* quantized = p[{plan}.Quantized];", $"[frames, {graph.Config.HiddenSize}]"),
            ]);
            code.Line($"p.Trace?.Latents(residual, window, {graph.Config.HiddenSize});");
            for (int i = 0; i < graph.Quantizers.Count; i++)
            {
                Quantizer q = graph.Quantizers[i];
                code.Line();
                if (i > 0)
                {
                    code.Line($"if (p.Codebooks == {i})");
                    code.Line("    return;");
                }

                code.Line($"b.Convolution(projected, residual, {parameters[q.InWeight]}, {parameters[q.InBias]}, frames, {graph.Config.HiddenSize}, {graph.Config.CodebookDim}, kernel: 1, stride: 1, dilation: 1, accumulate: false);");
                code.Line($"p.Trace?.Projected({i}, projected, window, {graph.Config.CodebookDim});");
                code.Line($"b.NearestCode(codes + {i}, p.Codebooks, projected, {parameters[q.Codebook]}, frames, entries: {graph.Config.CodebookSize}, {graph.Config.CodebookDim});");
                code.Line($"b.LookUpCode(projected, codes + {i}, p.Codebooks, {parameters[q.Codebook]}, frames, {graph.Config.CodebookDim});");
                code.Line($"b.Convolution(quantized, projected, {parameters[q.OutWeight]}, {parameters[q.OutBias]}, frames, {graph.Config.CodebookDim}, {graph.Config.HiddenSize}, kernel: 1, stride: 1, dilation: 1, accumulate: false);");
                code.Line($"b.Subtract(residual, quantized, (long)frames * {graph.Config.HiddenSize});");
            }
        }

        code.Line();
    }
}
