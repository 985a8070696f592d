using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Dia.Audio;
using Dia.Backends;
using Dia.Backends.Cpu;
using Dia.Backends.Cuda;
using Dia.Backends.Scalar;
using Dia.Checks;
using Dia.Codec;
using Dia.Compiled;
using Dia.Configuration;
using Dia.Generation;
using Dia.Graph;
using Dia.Networks;
using Dia.Processing;
using Dia.Speech;
using Dia.Text;
using Dia.Weights;
using Xunit;

namespace Dia.Tests.Callers;

/// <summary>Arguments that fit nothing: an exception that names what is wrong, and no memory that is not the call's own.</summary>
public sealed class ArgumentTests
{
    public static TheoryData<string> Devices() => new() { "scalar", "cpu2" };

    public static TheoryData<int[], string> Patterns() => new()
    {
        { [0], "delay_pattern has 1 channels, the model 9" },
        { [0, 8, 9, 10, 11, 12, 13, 14], "delay_pattern has 8 channels, the model 9" },
        { [0, 8, 9, 10, 11, 12, 13, 14, 15, 16], "delay_pattern has 10 channels, the model 9" },
        { [.. Enumerable.Range(0, 4000)], "delay_pattern has 4000 channels, the model 9" },
        { [], "delay_pattern's length is 0" },
        { [0, 0, 0, 0, 0, 0, 0, 0, -1], "a delay of delay_pattern is -1" },
        { [0, 0, 0, 0, 0, 0, 0, 0, int.MaxValue], "a delay of delay_pattern is 2147483647" },
        { [int.MinValue, 0, 0, 0, 0, 0, 0, 0, 0], "a delay of delay_pattern is -2147483648" },
    };

    [Theory]
    [MemberData(nameof(Patterns))]
    public void A_delay_pattern_that_is_not_the_models_is_refused(int[] pattern, string message)
    {
        using var small = new SmallModel("cpu2");
        GenerationConfig config = small.Config() with { DelayPattern = pattern };

        // Rows that fit the pattern: nothing else stands in the way.
        DiaInputs inputs = small.Inputs();
        inputs = Given(inputs.InputIds, inputs.AttentionMask, new int[1, 1, Math.Max(pattern.Length, 1)], new int[,] { { 1 } });
        Refused(DiaErrorKind.Usage, message, () => small.Model.Generate(inputs, config));
        inputs = Given(inputs.InputIds, inputs.AttentionMask);
        Refused(DiaErrorKind.Usage, message, () => small.Model.Generate(inputs, config));
        using var engine = new SpeechEngine(small.Model, null);
        Refused(DiaErrorKind.Usage, message, () => engine.Run(new TestJob([1, 2], config)));
        Refused(DiaErrorKind.Usage, "delay_pattern is ", () => small.Model.Generate(inputs, config with { DelayPattern = null! }));
    }

    [Fact]
    public void A_pattern_of_other_delays_and_as_many_channels_is_the_callers_choice()
    {
        using var small = new SmallModel("cpu2");
        DiaInputs inputs = small.Inputs();
        inputs = Given(inputs.InputIds);
        foreach (int[] pattern in new[] { new int[9], [65535, 0, 0, 0, 0, 0, 0, 0, 0], [3, 3, 3, 3, 3, 3, 3, 3, 3] })
            Assert.Equal(9, small.Model.Generate(inputs, small.Config(5) with { DelayPattern = pattern }).GetLength(2));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(8)]
    [InlineData(10)]
    public void Rows_of_other_channels_are_refused(int channels)
    {
        using var small = new SmallModel("cpu2");
        DiaInputs inputs = small.Inputs();
        DiaInputs wrong = Given(inputs.InputIds, inputs.AttentionMask, new int[1, 3, channels], new int[,] { { 1, 1, 1 } });
        Refused(DiaErrorKind.Input, "Decoder input ids have the shape", () => small.Model.Generate(wrong, small.Config()));
        Refused(DiaErrorKind.Input, "decoder_input_ids is", () => small.Model.Forward(inputs.InputIds, decoderInputIds: wrong.DecoderInputIds));
        using var engine = new SpeechEngine(small.Model, small.Codec);
        Refused(DiaErrorKind.Input, $"{channels} channels", () => engine.Run(new TestJob([1], small.Config()) { Prompt = new int[4, channels] }));
    }

    [Fact]
    public void Arrays_that_change_during_generation_change_nothing()
    {
        using var small = new SmallModel("cpu2");
        DiaInputs inputs = small.Inputs("[S1] a", "[S1] abcd");
        int[,,] prompt = new int[2, 12, 9];
        for (int i = 0; i < prompt.Length; i++)
        {
            // Rows 6 to 11 are known of all channels but the first.
            prompt[i / 108, i / 9 % 12, i % 9] = i % 9 == 0 && i / 9 % 12 > 5 ? small.Model.Config.PadTokenId : i % 60;
        }

        int[] pattern = [.. small.Model.Config.DelayPattern];
        DiaInputs own = Given(inputs.InputIds, inputs.AttentionMask, prompt);
        GenerationConfig config = small.Config(30) with { DelayPattern = pattern };
        int[,,] expected = small.Model.Generate(own, config);
        void Spoil(int row)
        {
            foreach (Array array in new Array[] { own.InputIds, own.AttentionMask, own.DecoderInputIds })
                MemoryMarshal.CreateSpan(ref Unsafe.As<byte, int>(ref MemoryMarshal.GetArrayDataReference(array)), array.Length).Fill(int.MaxValue);
            pattern.AsSpan().Fill(-5);
        }

        Assert.Equal(expected, small.Model.Generate(own, config, new RowObserver(Spoil)));

        TestJob Job() => new([91, 83, 49, 93], small.Config(30) with { DelayPattern = small.Model.Config.DelayPattern.ToArray() }) { Prompt = small.Codes(4) };
        using var engine = new SpeechEngine(small.Model, small.Codec);
        TestJob plain = Job(), spoiled = Job();
        engine.Run(plain);
        spoiled.Row = _ =>
        {
            spoiled.TextIds.AsSpan().Fill(int.MinValue);
            ((int[])spoiled.Config.DelayPattern).AsSpan().Fill(int.MinValue);
            for (int t = 0; t < 4; t++)
                spoiled.Prompt![t, 0] = int.MinValue;
        };
        engine.Run(spoiled);
        Assert.Equal(plain.Result!.Rows, spoiled.Result!.Rows);
    }

    [Theory]
    [MemberData(nameof(Devices))]
    public void Texts_and_masks_that_do_not_fit_are_refused(string device)
    {
        using var small = new SmallModel(device);
        DiaForConditionalGeneration model = small.Model;
        Names<ArgumentNullException>("inputs", () => model.Generate(null!));
        Names<ArgumentException>("inputs", () => model.Generate(Given(null!)));
        Names<ArgumentNullException>("inputIds", () => model.GenerateOutputs(null!));
        Names<ArgumentException>("inputIds", () => model.Forward());
        int[,] ids = { { 1, 2, 3 } };
        foreach ((int[,] wrong, string message) in new (int[,], string)[]
        {
            (new int[0, 0], "empty"), (new int[1, 0], "empty"), (new int[,] { { 1, 256 } }, "256"), (new int[,] { { -1 } }, "-1"),
                (new int[,] { { int.MinValue } }, "-2147483648"),
        })
        {
            Refused(DiaErrorKind.Input, message, () => model.Forward(wrong));
            Refused(DiaErrorKind.Input, message, () => model.Generate(Given(wrong)));
        }

        foreach (int[,] wrong in new[] { new int[1, 2], new int[1, 4], new int[2, 3], new int[3, 1], new int[0, 3] })
        {
            Refused(DiaErrorKind.Input, "attention_mask is", () => model.Forward(ids, wrong));
            Refused(DiaErrorKind.Input, "attention_mask is", () => model.Generate(Given(ids, wrong)));
            Refused(DiaErrorKind.Input, "decoder_position_ids is", () => model.Forward(ids, decoderPositionIds: wrong));
            Refused(DiaErrorKind.Input, "decoder_attention_mask is", () => model.Forward(ids, decoderAttentionMask: wrong));
            Refused(DiaErrorKind.Input, "labels is", () => model.Forward(ids, labels: wrong));
            Refused(DiaErrorKind.Input, "mask has the shape", () => model.Generate(Given(ids, null, new int[1, 20, 9], wrong)));
        }

        foreach (int position in new[] { -1, int.MaxValue })
            Refused(DiaErrorKind.Input, $"decoder_position_ids holds {position}", () => model.Forward(ids, decoderPositionIds: new int[,] { { position } }));
        foreach (int label in new[] { -101, 68 })
        {
            int[,] labels = new int[9, 1];
            labels[3, 0] = label;
            Refused(DiaErrorKind.Input, $"labels holds {label}", () => model.Forward(ids, labels: labels));
        }

        foreach (double count in new[] { 0, -1, double.NaN, double.PositiveInfinity })
            Names<ArgumentOutOfRangeException>("numItemsInBatch", () => model.Forward(ids, labels: new int[9, 1], numItemsInBatch: count));

        // An all-zero mask hides everything, and still is nobody else's memory.
        model.Forward(ids, new int[1, 3], decoderAttentionMask: new int[1, 1]);
        model.Generate(Given(ids, new int[1, 3]), small.Config(2));
    }

    [Fact]
    public void Results_larger_than_an_array_are_refused_before_any_work()
    {
        using var small = new SmallModel("cpu1");
        Refused(DiaErrorKind.Input, "more than an array holds", () => small.Model.Forward(new int[1, 1], decoderInputIds: new int[1, 3_600_000, 9]));
        Refused(DiaErrorKind.Input, "attention maps", () => small.Model.Forward(new int[1, 30_000], outputAttentions: true));
    }

    [Theory]
    [InlineData(double.NaN)]
    [InlineData(double.NegativeInfinity)]
    [InlineData(double.PositiveInfinity)]
    [InlineData(-1)]
    [InlineData(0)]
    public void Settings_that_are_no_numbers_are_refused(double value)
    {
        using var small = new SmallModel("cpu1");
        foreach (Func<GenerationConfig, GenerationConfig> change in new Func<GenerationConfig, GenerationConfig>[]
        {
            c => c with { Temperature = value }, c => c with { TopP = value }, c => c with { GuidanceScale = value }, c =>
                c with { TopK = (int)Math.Min(value, 0) },
            c => c with { MaxNewTokens = -1 }, c => c with { MaxNewTokens = null, MaxLength = 0 }, c => c with { EosTokenId = 0 },
            c => c with { EosTokenId = 68 }, c => c with { PadTokenId = -1 }, c => c with { BosTokenId = int.MaxValue },
            c => c with { MaxNewTokens = int.MaxValue }, c => c with { MaxNewTokens = null, MaxLength = int.MaxValue },
        })
        {
            Assert.Equal(DiaErrorKind.Usage, Assert.Throws<DiaException>(() => small.Model.Generate(small.Inputs(), change(small.Config()))).Kind);
        }
    }

    [Theory]
    [MemberData(nameof(Devices))]
    public void Codes_and_windows_that_do_not_fit_are_refused(string device)
    {
        using var small = new SmallModel(device);
        DacModel codec = small.Codec;
        int books = codec.Codebooks, size = codec.Config.CodebookSize;
        Names<ArgumentNullException>("codes", () => codec.Decode(null!));
        Names<ArgumentNullException>("recording", () => codec.Encode((AudioBuffer)null!));
        foreach (int width in new[] { 0, books + 1 })
            Refused(DiaErrorKind.Input, $"{width} codebooks", () => codec.Decode(new int[3, width]));
        foreach (int code in new[] { -1, size, int.MaxValue, int.MinValue })
        {
            int[,] codes = small.Codes(3);
            codes[2, 1] = code;
            Refused(DiaErrorKind.Input, $"Frame 2, codebook 1: code {code}", () => codec.Decode(codes));
            Refused(DiaErrorKind.Input, $"Frame 2, codebook 1: code {code}", () => codec.Decode(codes, new RowRange(0, 1)));
            using CodecPass own = codec.CreatePass();
            int[] flat = [.. codes.Cast<int>()];
            Refused(DiaErrorKind.Input, $"Frame 2, codebook 1: code {code}", () =>
                own.Decode(flat, books, 3, new RowRange(0, codec.SamplesOf(3)), new float[10_000]));
        }

        foreach (RowRange window in new RowRange[]
        {
            new(0, 0), new(0, -1), new(-1, 5), new(0, long.MaxValue), new(long.MaxValue, 1), new(long.MinValue, 5), new(0, codec.SamplesOf(3) + 1),
                new(codec.SamplesOf(3), 1),
        })
            Names<ArgumentOutOfRangeException>("window", () => codec.Decode(small.Codes(3), window));
        foreach (long frames in new[] { -1, long.MaxValue })
            Names<ArgumentOutOfRangeException>("frames", () => codec.SamplesOf(frames));
        Assert.Empty(codec.Decode(new int[0, books]));
        Assert.Empty(codec.Encode([]));
        foreach (int quantizers in new[] { 0, -1, books + 1 })
            Refused(DiaErrorKind.Usage, "quantizers", () => codec.Encode(new float[codec.HopLength], quantizers, out _));
    }

    [Theory]
    [MemberData(nameof(Devices))]
    public void Sounds_that_are_no_numbers_encode_to_codes(string device)
    {
        using var small = new SmallModel(device);
        foreach (float value in new[] { float.NaN, float.PositiveInfinity, float.MaxValue, float.MinValue, 1e30f })
        {
            float[] sound = SmallModel.Sound(4 * small.Codec.HopLength);
            sound.AsSpan(small.Codec.HopLength).Fill(value);
            foreach (int code in small.Codec.Encode(sound))
                Assert.InRange(code, 0, small.Codec.Config.CodebookSize - 1);
        }
    }

    [Fact]
    public void A_pass_and_a_stream_trust_nobody()
    {
        using var small = new SmallModel("cpu2");
        using Device device = new CpuDevice(1);
        using DacModel other = SmallModel.LoadCodec(device);
        DacModel codec = small.Codec;
        using CodecPass pass = codec.CreatePass();
        int books = codec.Codebooks;
        float[] samples = new float[codec.WindowFrames * codec.HopLength];
        foreach (int wrong in new[] { 0, -1, books + 1, int.MaxValue })
        {
            Names<ArgumentOutOfRangeException>("codebooks", () => pass.Decode(new int[books], wrong, 1, new RowRange(0, 1), samples));
            Names<ArgumentOutOfRangeException>("codebooks", () => pass.Encode(samples, wrong));
            Names<ArgumentOutOfRangeException>("codebooks", () => new CodecStream(codec, wrong));
        }

        Names<ArgumentException>("codes", () => pass.Decode(new int[books + 1], books, 2, new RowRange(0, 1), samples));
        foreach (long frames in new[] { -1, 0, 1, long.MaxValue })
            Names<ArgumentOutOfRangeException>("frames", () => pass.Decode(new int[2 * books], books, frames, new RowRange(0, 1), samples));
        Names<ArgumentOutOfRangeException>("samples", () => pass.Decode(new int[2 * books], books, 2, new RowRange(0, 9), samples.AsSpan(0, 8)));

        // A trace of another sound, or in another device's memory.
        codec.Encode(SmallModel.Sound(codec.HopLength * 2), null, out CodecTrace trace);
        Names<ArgumentException>("trace", () => codec.Decode(small.Codes(3), trace));
        Names<ArgumentException>("trace", () => pass.Encode(SmallModel.Sound(codec.HopLength * 3), books, trace));
        var foreign = new CodecTrace(new CountedMemory(true), 3, codec.Config.HiddenSize, books, codec.Config.CodebookDim);
        Names<ArgumentException>("trace", () => codec.Decode(small.Codes(3), foreign));

        // What emitted code calls.
        pass.Decode(new int[books], books, 1, new RowRange(0, 1), samples);
        foreach ((int value, int place, long offset, int channels) in new[] { (-1, 0, 0L, 1), (100_000, 0, 0L, 1), (int.MaxValue, 0, 0L, 1), (1, 2, 0L, 1),
            (1, -1, 0L, 1), (0, 0, -1L, 1), (0, 0, 1L << 40, 1), (0, 0, 0L, int.MaxValue), (0, 0, 0L, 0) })
            Assert.Throws<ArgumentOutOfRangeException>(() => pass.Rows(value, place, offset, channels));
        using CodecPass idle = codec.CreatePass();
        Assert.Throws<ArgumentOutOfRangeException>(() => idle.Rows(0, 0, 0, 1));
        Assert.Throws<InvalidOperationException>(() => idle.LoadSamples(pass.Rows(0, 0, 0, 1)));
        Assert.Throws<InvalidOperationException>(() => idle.StoreSamples(pass.Rows(0, 0, 0, 1)));

        var stream = new CodecStream(codec, books);
        Names<ArgumentException>("codes", () => stream.Add(new int[books - 1]));
        Names<ArgumentException>("codes", () => stream.Add(new int[books + 1]));
        for (int i = 0; i < 20; i++)
            stream.Add(new int[books]);
        using CodecPass another = other.CreatePass();
        Names<ArgumentException>("pass", () => stream.Read(another, samples));
        Names<ArgumentNullException>("pass", () => stream.Read(null!, samples));
        Names<ArgumentException>("to", () => stream.Read(pass, samples.AsSpan(1)));
        stream.Complete();
        Assert.Throws<InvalidOperationException>(() => stream.Add(new int[books]));
        Names<ArgumentNullException>("codec", () => new CodecStream(null!, 1));
        foreach (int capacity in new[] { -1, int.MaxValue })
            Names<ArgumentOutOfRangeException>("capacity", () => new CodecStream(codec, books, capacity));
    }

    [Fact]
    public void Devices_engines_and_plans_have_limits()
    {
        foreach (int threads in new[] { int.MinValue, 0, 1025, int.MaxValue })
            Names<ArgumentOutOfRangeException>("threads", () => new CpuDevice(threads));
        Names<ArgumentOutOfRangeException>("ordinal", () => new CudaDevice(-1));
        using var small = new SmallModel("cpu2");
        foreach (int batch in new[] { int.MinValue, 0, 1025, int.MaxValue })
        {
            Names<ArgumentOutOfRangeException>("batch", () => new SpeechEngine(small.Model, null, batch));
            Names<ArgumentOutOfRangeException>("batch", () => MemoryPlan.Of(small.Device, null, null, batch));
            Names<ArgumentOutOfRangeException>("batch", () => MemoryPlan.Of(small.Device, CompiledModels.All, WeightFormat.Float32, batch));
        }

        Names<ArgumentNullException>("visitor", () => small.Device.Accept<object>(null!));
        Names<ArgumentNullException>("model", () => new SpeechEngine(null!, null));
        using var engine = new SpeechEngine(small.Model, null);
        Names<ArgumentNullException>("utterance", () => engine.Run((Utterance)null!));
        Names<ArgumentNullException>("utterances", () => engine.Run((IEnumerable<Utterance>)null!));
        Names<ArgumentNullException>("next", () => engine.Run((Func<bool, Utterance?>)null!));
        Names<ArgumentNullException>("textIds", () => new Utterance(null!, small.Config()));
        Names<ArgumentNullException>("config", () => new Utterance([1], null!));

        // A backend that is not the model's would take its weights for its own.
        using Device scalar = new ScalarDevice();
        using var benchmark = new DeviceBenchmark(scalar);
        Names<ArgumentException>("model", () => benchmark.TimeKernels(small.Model, null, 1, 1, _ => { }));
        Names<ArgumentException>("codec", () => benchmark.TimeKernels(null, small.Codec, 1, 1, _ => { }));
        Names<ArgumentNullException>("report", () => DeviceSelfTest.Run(scalar, CompiledModels.All, null, null, true, null!));
    }

    [Fact]
    public void Nothing_is_loaded_from_nothing()
    {
        using Device device = new ScalarDevice();
        var folder = ModelFolder.Open(SmallModel.Folder);
        Names<ArgumentNullException>("folder", () => DiaForConditionalGeneration.FromPretrained(null!, CompiledModels.All, device));
        Names<ArgumentNullException>("models", () => DiaForConditionalGeneration.FromPretrained(folder, null!, device));
        Names<ArgumentNullException>("device", () => DiaForConditionalGeneration.FromPretrained(folder, CompiledModels.All, null!));
        Names<ArgumentNullException>("folder", () => DacModel.FromPretrained(null!, CompiledModels.All, device));
        Names<ArgumentNullException>("models", () => DacModel.FromPretrained(folder, null!, device));
        Names<ArgumentNullException>("device", () => DacModel.FromPretrained(folder, CompiledModels.All, null!));
        Names<ArgumentNullException>("path", () => ModelFolder.Open(null!));
        Names<ArgumentNullException>("path", () => SafetensorsFile.Open(null!));
        Names<ArgumentNullException>("config", () => DiaProcessor.Create(null!));
        Refused(DiaErrorKind.Model, "no model compiled in", () => DiaForConditionalGeneration.FromPretrained(folder, [], device));
    }

    [Fact]
    public void A_processor_refuses_what_is_missing()
    {
        using var small = new SmallModel("cpu1");
        DiaProcessor processor = DiaProcessor.Create(small.Model.Config, small.Codec);
        Names<ArgumentException>("text", () => processor.Process(["a", null!]));
        Names<ArgumentException>("audio", () => processor.Process(["a"], [null!]));
        Names<ArgumentException>("audio", () => processor.FeatureExtractor.Extract([null!]));
        Names<ArgumentException>("text", () => new DiaTokenizer().EncodeBatch([null!]));
        Names<ArgumentException>("codes", () => processor.WithPrompt(processor.Process(["a"]), [null!]));
        Names<ArgumentNullException>("DelayPattern", () => new DiaProcessor(new DiaFeatureExtractor(), new DiaTokenizer()) { DelayPattern = null! });
        Names<ArgumentNullException>("path", () => processor.SaveAudio([], (string)null!));
        foreach (int channels in new[] { 0, 1, 10 })
            Refused(DiaErrorKind.Input, $"{channels} channels", () => processor.BatchDecode(new int[1, 30, channels]));
        Assert.Single(processor.BatchDecode(new int[1, 0, 9]));
        int[,] rows = new int[5, 2];
        Names<ArgumentOutOfRangeException>("delay", () => DelayPattern.Undo(rows, [0, -9], 0, 3));
        Names<ArgumentException>("delay", () => DelayPattern.AudioFrames(new int[2, 0], [], 0, 0));
        Refused(DiaErrorKind.Input, "2 channels", () => DelayPattern.AudioFrames(rows, [0], 0, 0));
    }

    [Fact]
    public void A_voice_is_whole_or_refused()
    {
        using var small = new SmallModel("cpu1");
        Names<ArgumentNullException>("Codes", () => new Voice(null!, "a", null));
        Names<ArgumentNullException>("Transcript", () => new Voice(new int[1, 9], null!, null));
        var audio = new AudioBuffer(SmallModel.Sound(small.Codec.HopLength), small.Codec.SamplingRate);
        Names<ArgumentNullException>("codec", () => Voice.Encode(audio, "a", null!, "x", 10));
        Names<ArgumentNullException>("transcript", () => Voice.Encode(audio, null!, small.Codec, "x", 10));
        Refused(DiaErrorKind.Input, "100000 is no code", () => new Voice(new int[,] { { 100_000 } }, "a", null).Save(Stream.Null));
        Refused(DiaErrorKind.Input, "cannot be kept", () => new Voice(new int[0, 9], "a", null).Save(Stream.Null));
        Refused(DiaErrorKind.Input, "cannot be kept", () => new Voice(new int[1, 9], "", null).Save(Stream.Null));
    }

    private static DiaInputs Given(int[,] ids, int[,]? mask = null, int[,,]? rows = null, int[,]? rowMask = null) =>
        new() { InputIds = ids, AttentionMask = mask!, DecoderInputIds = rows!, DecoderAttentionMask = rowMask! };

    private static void Names<TException>(string argument, Action call)
        where TException : ArgumentException =>
        Assert.Equal(argument, Assert.Throws<TException>(call).ParamName);

    private static void Refused(DiaErrorKind kind, string message, Action call)
    {
        DiaException error = Assert.Throws<DiaException>(call);
        Assert.Equal(kind, error.Kind);
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
    }
}
