using Dia.Backends;
using Dia.Backends.Cpu;
using Dia.Compiled;
using Dia.Configuration;
using Dia.Generation;
using Dia.Modeling;
using Dia.Networks;
using Dia.Quantization;
using Dia.Speech;
using Dia.Text;
using Dia.Weights;
using Xunit;

namespace Dia.Tests.Quantization;

/// <summary>Calibration of a small model: what it records, that it goes on where it was stopped, what it is measured by.</summary>
public sealed unsafe class CalibrationTests : IDisposable
{
    private const string Text = "[S1] One two three. [S2] Four.\n\n[S2] Five.\n[S1] Six seven.\n";

    private readonly CpuDevice _device = new(1);
    private readonly DiaForConditionalGeneration _model;
    private readonly TemporaryFolder _folder = new();

    public CalibrationTests() => _model = DiaForConditionalGeneration.FromPretrained(
        ModelFolder.Open(Fixtures.Path("generate", "model")), CompiledModels.All, _device);

    public void Dispose()
    {
        _model.Dispose();
        _device.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void What_is_recorded_are_the_inputs_of_forward_passes()
    {
        int head = Array.FindIndex(_model.Specs, s => s.Name == "logits_dense.weight");
        GenerationConfig config = _model.GenerationConfig() with { MaxNewTokens = 20, DoSample = true, GuidanceScale = 3 };
        SpokenLine line = SpokenLine.Speak(_model, [Line("[S1] Hi.")], config, default)[0];
        int channels = _model.Config.DecoderConfig.NumChannels, rows = line.Rows.Length / channels, k = _model.Config.DecoderConfig.HiddenSize;
        var hessians = new Hessian?[_model.Specs.Length];
        using Hessian recorded = hessians[head] = new Hessian(k, 2);
        _model.UnconditionalCross();
        using var recorder = new InputRecorder(hessians);
        _model.Network.Adapter = recorder;
        line.Run(_model, guidance: true, pass => SpokenLine.Logits(_model, pass, pass.Rows, null));
        _model.Network.Adapter = null;

        int[,] ids = new int[2, line.Ids.Length];
        int[,,] decoder = new int[2, rows, channels];
        for (int i = 0; i < line.Ids.Length; i++)
            ids[0, i] = line.Ids[i]; // and zeros: the stream without the text
        for (int item = 0; item < 2; item++)
            for (int i = 0; i < line.Rows.Length; i++)
                decoder[item, i / channels, i % channels] = line.Rows[i];
        using DiaOutput output = _model.Forward(ids, null, decoder);
        float[] hidden = output.LastHiddenState;
        Assert.Equal(2 * rows * k, hidden.Length);
        Assert.Equal(2 * rows, recorded.Inputs);
        float[] expected = new float[k * (k + 1) / 2], actual = new float[expected.Length];
        for (int i = 0, at = 0; i < k; i++)
            for (int j = 0; j <= i; j++, at++)
            {
                expected[at] = (float)Enumerable.Range(0, 2 * rows).Sum(r => (double)hidden[r * k + i] * hidden[r * k + j]);
                actual[at] = recorded.Columns[i * k + j];
            }

        Tolerance.Equal("H", expected, actual, 1e-5); // sums of as many squares in float32
    }

    [Fact]
    public void Layers_of_one_input_share_it()
    {
        int[] shared = InputRecorder.SharedInputs(_model.Compiled.Operations(), _model.Specs.Length);
        string Of(string name) => shared[Array.FindIndex(_model.Specs, s => s.Name == name)] is >= 0 and var i ? _model.Specs[i].Name : "";

        const string Layer = "model.decoder.layers.1.";
        Assert.Equal(Layer + "self_attention.q_proj.weight", Of(Layer + "self_attention.v_proj.weight"));
        Assert.Equal(Layer + "self_attention.o_proj.weight", Of(Layer + "self_attention.o_proj.weight"));
        Assert.Equal(Layer + "mlp.gate_up_proj.weight", Of(Layer + "mlp.gate_up_proj.weight"));
        Assert.Equal(Layer + "mlp.down_proj.weight", Of(Layer + "mlp.down_proj.weight"));
        Assert.Equal("model.decoder.layers.0.cross_attention.k_proj.weight", Of("model.decoder.layers.2.cross_attention.v_proj.weight"));
        Assert.Equal("model.encoder.layers.1.self_attention.q_proj.weight", Of("model.encoder.layers.1.self_attention.k_proj.weight"));
        Assert.Equal("logits_dense.weight", Of("logits_dense.weight"));
        Assert.Equal("", Of("model.encoder.norm.weight"));
        Assert.Equal("", Of("model.decoder.embeddings.embed.weight"));
    }

    [Fact]
    public void Stopped_anywhere_or_with_little_memory_it_gives_the_same_integers()
    {
        using Calibration whole = Create("whole", null);
        whole.Run(null, default);
        var seen = new List<string>();
        using (Calibration little = Create("little", 0))
        {
            little.Run(p => seen.Add(p.What), default);
            AssertEqual(whole, little);
        }

        // Encoder: q k v, o, gate and up, down of 2 layers; cross keys and values; decoder: q k v, o, q, o, gate and up, down of 3; the head.
        Assert.Contains($"pass 28 of 28, line", seen);

        foreach (string at in new[] { "speaking line", "pass 3 of 28, line", "weight" })
        {
            string name = "stopped " + at;
            using (var source = new CancellationTokenSource())
            using (Calibration stopped = Create(name, 0))
                Assert.ThrowsAny<OperationCanceledException>(() => stopped.Run(p => Cancel(p, at, source), source.Token));
            seen.Clear();
            using Calibration resumed = Create(name, null);
            resumed.Run(p => seen.Add(Format(p)), default);
            AssertEqual(whole, resumed);
            if (at == "weight")
                Assert.DoesNotContain("weight 1", seen);
        }

        // A file that is damaged is made again, and one of another script is not taken.
        string part = Path.Combine(_folder["little"], "weight-00002.safetensors");
        File.Delete(part); // and not over it: it is mapped
        File.WriteAllBytes(part, [1, 2, 3]);
        using (Calibration repaired = Create("little", null))
        {
            repaired.Run(null, default);
            AssertEqual(whole, repaired);
        }

        using (Calibration other = Create("little", null, "[S1] Six seven."))
        {
            Assert.Null(other.RelativeError("logits_dense.weight"));
            other.Run(null, default);
            other.DeleteFiles();
        }

        Assert.False(Directory.Exists(_folder["little"]));

        static void Cancel(CalibrationProgress p, string at, CancellationTokenSource source)
        {
            if (p.What == at && (at != "weight" || p.Done >= 7))
                source.Cancel();
        }

        static string Format(CalibrationProgress p) => $"{p.What} {p.Done}";
    }

    [Fact]
    public void Two_do_not_work_in_one_folder()
    {
        using Calibration first = Create("both", null), second = Create("both", null);
        first.Run(null, default);
        var e = Assert.Throws<DiaException>(() => second.Run(null, default));
        Assert.Equal(DiaErrorKind.Output, e.Kind);
        Assert.Contains("another calibration", e.Message);
        first.DeleteFiles();
        Assert.False(Directory.Exists(_folder["both"]));
        second.Run(null, default);
    }

    [Fact]
    public void It_rounds_what_becomes_integers_and_nothing_else()
    {
        using Calibration calibration = Create("some", null, storageOf: s =>
            s.Name.Contains("encoder", StringComparison.Ordinal) ? new WeightStorage(WeightFormat.Int8, WeightFormat.BFloat16) : WeightFormat.BFloat16);
        calibration.Run(null, default);
        Assert.InRange(calibration.RelativeError("model.encoder.layers.0.mlp.down_proj.weight")!.Value, 1e-4, 0.02);
        Assert.Null(calibration.RelativeError("logits_dense.weight"));
        Assert.Equal(DiaErrorKind.Usage, Assert.Throws<DiaException>(() => Create("none", null, storageOf: _ => WeightFormat.BFloat16)).Kind);
    }

    [Fact]
    public void A_model_does_not_diverge_from_itself_and_does_from_one_of_four_bits()
    {
        SpokenLine[] lines = SpokenLine.Speak(_model, [Line("[S1] Hi there."), Line("[S2] No.")], _model.GenerationConfig() with { MaxNewTokens = 30 }, default);
        SpeechDivergence none = SpeechDivergence.Between(_model, _model, lines, null, default);
        Assert.All(none.Divergence, d => Assert.Equal(0, d));
        Assert.Equal((1, _model.Config.DecoderConfig.NumChannels), (none.Agreement, none.Divergence.Count));
        Assert.All(none.Frames, f => Assert.True(f.Source == f.Model && f.Source > 0));

        using Calibration calibration = Create("four", null);
        calibration.Run(null, default);
        using DiaForConditionalGeneration other = DiaForConditionalGeneration.FromPretrained(
            ModelFolder.Open(Fixtures.Path("generate", "model")), CompiledModels.All, _device);
        double[] compensated = [.. Rounded(other, calibration).Divergence], nearest = [.. Rounded(other, RoundToNearest.Instance).Divergence];
        Assert.All(compensated, d => Assert.InRange(d, 1e-9, 1));
        Assert.InRange(compensated.Sum() / nearest.Sum(), 0.01, 0.9);

        SpeechDivergence Rounded(DiaForConditionalGeneration model, IWeightQuantizer quantizer)
        {
            for (int i = 0; i < model.Specs.Length; i++)
            {
                if (model.Specs[i].Role != Dia.Graph.WeightRole.Linear)
                    continue;
                WeightSpec spec = model.Specs[i];
                WeightStorage storage = Int4(spec);
                float[] values = new float[spec.Count];
                WeightFormats.Read(_model.Weights.Weights[i].Data, WeightFormat.Float32, values);
                (sbyte[] q, float[] s) = Integers(quantizer, spec, values);
                float* to = model.MakeWritable(i);
                for (int at = 0; at < q.Length; at++)
                    to[at] = q[at] * s[at / spec.Columns * storage.Groups(spec.Columns) + (storage.Group == 0 ? 0 : at % spec.Columns / storage.Group)];
            }

            model.WeightsChanged(Enumerable.Range(0, model.Specs.Length));
            return SpeechDivergence.Between(_model, model, lines, null, default);
        }
    }

    [Fact]
    public void A_line_in_a_voice_goes_on_from_it_and_other_codes_are_another_calibration()
    {
        int channels = _model.Config.DecoderConfig.NumChannels;
        Voice voice = Voice(1);
        CalibrationLine own = Line("[S1] No."), inVoice = new(new ScriptPiece("[S1] Hi."), voice);
        GenerationConfig config = _model.GenerationConfig() with { MaxNewTokens = 20, DoSample = true, GuidanceScale = 3 };
        SpokenLine[] spoken = SpokenLine.Speak(_model, [inVoice, own], config, default);
        Assert.Equal(SpokenLine.Speak(_model, [own], config, default)[0].Rows, spoken[1].Rows);
        Assert.Equal([.. voice.TranscriptIds, .. inVoice.Piece.Ids], spoken[0].Ids);
        for (int t = 0; t < voice.Codes.GetLength(0); t++)
            for (int c = 0; c < channels; c++)
                Assert.Equal(voice.Codes[t, c], spoken[0].Rows[(1 + t + config.DelayPattern[c]) * channels + c]);

        using (Calibration calibration = InVoice(voice))
        {
            calibration.Run(null, default);
            Assert.NotNull(calibration.RelativeError("logits_dense.weight"));
        }

        using Calibration same = InVoice(Voice(1)), other = InVoice(Voice(2));
        Assert.NotNull(same.RelativeError("logits_dense.weight")); // It goes on from what is there, which is all.
        Assert.Null(other.RelativeError("logits_dense.weight"));

        Calibration InVoice(Voice voice) => new(_model, CalibrationScript.Of(
            [(1, own), (2, inVoice with { Voice = voice })], "script.jsonl", _model.Config), Int4, _folder["voice"], null, 2);

        Voice Voice(int first)
        {
            int[,] codes = new int[6, channels];
            for (int i = 0; i < codes.Length; i++)
                codes[i / channels, i % channels] = (first + 5 * i) % 7;
            return new Voice(codes, "[S2] Yes.", null);
        }
    }

    private static CalibrationLine Line(string text) => new(new ScriptPiece(text));

    private Calibration Create(string name, long? memory, string text = Text, Func<WeightSpec, WeightStorage>? storageOf = null) =>
        new(_model, CalibrationScript.Parse(System.Text.Encoding.UTF8.GetBytes(text), "script.txt", _model.Config.EncoderConfig.MaxPositionEmbeddings),
            storageOf ?? Int4, _folder[name], memory, 2);

    private static WeightStorage Int4(WeightSpec spec) => new(WeightFormat.Int4, WeightFormat.BFloat16, spec.Columns % 32 == 0 ? 32 : 0);

    private static (sbyte[] Integers, float[] Scales) Integers(IWeightQuantizer quantizer, WeightSpec spec, float[] values)
    {
        sbyte[] q = new sbyte[spec.Count];
        float[] s = new float[spec.Shape[0] * Int4(spec).Groups(spec.Columns)];
        quantizer.Quantize(spec, Int4(spec), WeightFormat.Float32, 0, values, q, s);
        return (q, s);
    }

    private void AssertEqual(Calibration expected, Calibration actual)
    {
        foreach (WeightSpec spec in _model.Specs.Where(s => s.Role == Dia.Graph.WeightRole.Linear))
        {
            (sbyte[] q, float[] s) = Integers(expected, spec, new float[spec.Count]);
            (sbyte[] otherQ, float[] otherS) = Integers(actual, spec, new float[spec.Count]);
            Assert.Equal(q, otherQ);
            Assert.Equal(s, otherS);
            Assert.Equal(expected.RelativeError(spec.Name), actual.RelativeError(spec.Name));
        }
    }
}
