using System.Text.Json;
using Dia.Audio;
using Dia.Backends;
using Dia.Backends.Cpu;
using Dia.Codec;
using Dia.Processing;
using Dia.Tests.Codec;
using Dia.Text;
using Xunit;

namespace Dia.Tests.Processing;

public sealed class DiaProcessorTests : IDisposable
{
    private const int Hop = 32, Channels = 9;
    private static readonly TensorFile Tensors = Fixtures.Tensors("processor", "cases.safetensors");
    private static readonly JsonElement Meta = Fixtures.Json("processor", "cases.json");
    private static readonly string[] Texts = ["[S1] Hi.", "[S2] A longer line."];
    private static readonly int[] Delay = [.. Meta.GetProperty("delay_pattern").EnumerateArray().Select(e => e.GetInt32())];
    private static readonly AudioBuffer[] Audio = [new(Tensors.Floats("audio0"), 16000), new(Tensors.Floats("audio1"), 16000)];

    private readonly Device _device = new CpuDevice(1);
    private readonly DacModel _codec;
    private readonly DiaProcessor _processor;
    private readonly string _folder = Directory.CreateTempSubdirectory("dia-processor-").FullName;

    public DiaProcessorTests()
    {
        _codec = DacModelTests.Load("processor", "dac", _device);
        _processor = new DiaProcessor(new DiaFeatureExtractor(samplingRate: 16000, hopLength: Hop), new DiaTokenizer(), _codec)
        {
            EosTokenId = Meta.GetProperty("eos_token_id").GetInt32(),
            PadTokenId = Meta.GetProperty("pad_token_id").GetInt32(),
            BosTokenId = Meta.GetProperty("bos_token_id").GetInt32(),
            DelayPattern = Delay,
        };
    }

    public void Dispose()
    {
        _codec.Dispose();
        _device.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public void Makes_inputs_for_text() => AssertSame("text", _processor.Process(Texts));

    [Fact]
    public void Makes_inputs_for_a_voice_prompt() => AssertSame("clone1", _processor.Process(Texts[..1], Audio[..1]));

    [Fact]
    public void Makes_inputs_for_a_batch_of_voice_prompts() => AssertSame("clone2", _processor.Process(Texts, Audio));

    [Fact]
    public void Makes_training_rows_and_labels() => AssertSame("train2", _processor.Process(Texts, Audio, generation: false, outputLabels: true));

    [Fact]
    public void Makes_training_rows_and_labels_of_codes() => AssertSame("train2", _processor.WithLabels(_processor.Process(Texts),
        [.. Audio.Select(a => ((DacModel)_processor.AudioTokenizer!).Encode(a))]));

    [Fact]
    public void Makes_training_rows_without_labels() => AssertSame("train2_nolabels", _processor.Process(Texts, Audio, generation: false));

    [Theory]
    [InlineData("decode", null, 1)]
    [InlineData("decode.prompt5", 5, 5)]
    public void Decodes_the_rows_of_a_batch(string name, int? promptLen, int start)
    {
        int[,,] rows = Tensors.Ints3("decode.rows");
        float[][] expected = [Tensors.Floats(name + ".audio0"), Tensors.Floats(name + ".audio1")];
        // Items of 14 and 10 frames after one BOS row.
        for (int i = 0; i < 2; i++)
        {
            int frames = (i == 0 ? 14 : 10) + 1 - start;
            Assert.Equal(frames * Hop, expected[i].Length);
            // Float32 sums in another order through the codec's convolutions: the fixtures' own bound.
            Tolerance.Equal($"{name}.audio{i}", expected[i], _processor.BatchDecode(rows, promptLen)[i], 1e-5);
        }

        int[,,] first = new int[1, rows.GetLength(1), Channels];
        Array.Copy(rows, first, first.Length);
        Assert.Equal(_processor.BatchDecode(rows, promptLen)[0], _processor.Decode(first, promptLen));
        Assert.Equal(expected[0].Length / Hop, _processor.BatchCodes(rows, promptLen)[0].GetLength(0));
    }

    [Fact]
    public void A_single_text_and_recording_are_a_batch_of_one()
    {
        AssertSame("clone1", _processor.Process(Texts[0], Audio[0]));
        Assert.Equal(_processor.Process(Texts[..1]).DecoderInputIds, _processor.Process(Texts[0]).DecoderInputIds);
        Assert.Equal(_processor.Process(Texts[..1], Audio[..1], generation: false, outputLabels: true).Labels,
            _processor.Process(Texts[0], Audio[0], generation: false, outputLabels: true).Labels);
    }

    [Fact]
    public void Training_rows_decode_to_their_recordings_as_in_the_reference()
    {
        TensorFile tensors = Fixtures.Tensors("processor", "decode-audio.safetensors");
        int index = 0;
        foreach (JsonElement item in Fixtures.Json("processor", "decode-audio.json").EnumerateArray())
        {
            string name = $"case{index++}";
            int[] lengths = [.. item.GetProperty("lengths").EnumerateArray().Select(e => e.GetInt32())];
            AudioBuffer[] audio = [.. lengths.Select((_, i) => new AudioBuffer(tensors.Floats($"{name}.in{i}"), 16000))];
            string[] texts = [.. audio.Select(_ => "[S1] a")];
            int[,,] rows = _processor.Process(texts, audio, generation: false).DecoderInputIds;
            Assert.Equal(tensors.Ints3(name + ".rows"), rows);
            float[][] decoded = _processor.BatchDecode(rows);
            for (int i = 0; i < lengths.Length; i++)
            {
                Assert.Equal(lengths[i], decoded[i].Length);
                // Float32 sums in another order through the codec's convolutions: the fixtures' own bound.
                Tolerance.Equal($"{name}.out{i}", tensors.Floats($"{name}.out{i}"), decoded[i], 1e-5);
            }
        }
        Assert.Equal(3, index);
    }

    [Fact]
    public void Options_of_text_and_audio_are_the_tokenizers_and_the_extractors()
    {
        DiaInputs usual = _processor.Process(Texts, Audio);
        var left = new EncodingOptions { PaddingSide = PaddingSide.Left, PadToMultipleOf = 10 };
        BatchEncoding text = _processor.Tokenizer.EncodeBatch(Texts, null, left with { Padding = PaddingStrategy.Longest });
        DiaInputs inputs = _processor.Process(Texts, Audio, textOptions: left);
        Assert.Equal(text.InputIds.SelectMany(ids => ids), inputs.InputIds.Cast<int>());
        Assert.Equal(text.AttentionMask!.SelectMany(mask => mask), inputs.AttentionMask.Cast<int>());
        Assert.Equal(usual.DecoderInputIds, inputs.DecoderInputIds);

        // Audio that is padded has more rows in front, under the mask; what is cut has the codes of what is left.
        var padded = new FeatureOptions { Padding = PaddingStrategy.MaxLength, MaxLength = 12 * Hop };
        inputs = _processor.Process(Texts, Audio, audioOptions: padded);
        int more = inputs.DecoderInputIds.GetLength(1) - usual.DecoderInputIds.GetLength(1);
        Assert.Equal(12 - 10, more);
        Assert.Equal(_processor.BatchCodes(usual.DecoderInputIds), _processor.BatchCodes(inputs.DecoderInputIds));
        Assert.Equal(usual.DecoderAttentionMask.Cast<int>().Sum(), inputs.DecoderAttentionMask.Cast<int>().Sum());
        inputs = _processor.Process(Texts, Audio, audioOptions: new FeatureOptions { Truncation = true, MaxLength = 4 * Hop - 1 });
        AudioBuffer[] cut = [.. Audio.Select(a => new AudioBuffer(a.Samples[..(4 * Hop)], a.SamplingRate))];
        Assert.Equal(_processor.Process(Texts, cut).DecoderInputIds, inputs.DecoderInputIds);

        var no = new FeatureOptions { Padding = PaddingStrategy.DoNotPad };
        Assert.Equal(DiaErrorKind.Input, Assert.Throws<DiaException>(() => _processor.Process(Texts, Audio, audioOptions: no)).Kind);
        Assert.Equal(DiaErrorKind.Input,
            Assert.Throws<DiaException>(() => _processor.Process(Texts, textOptions: new EncodingOptions { Padding = PaddingStrategy.DoNotPad })).Kind);
        Assert.Equal(DiaErrorKind.Usage,
            Assert.Throws<DiaException>(() => _processor.Process(Texts, textOptions: new EncodingOptions { ReturnLength = true })).Kind);
    }

    [Fact]
    public void Truncation_without_a_length_is_the_models()
    {
        var truncate = new EncodingOptions { Truncation = TruncationStrategy.LongestFirst };
        var config = new Dia.Configuration.DiaConfig();
        int positions = config.EncoderConfig.MaxPositionEmbeddings;
        string text = new('a', positions + 5);
        Assert.Equal(positions, DiaProcessor.Create(config).Process([text, "b"], textOptions: truncate).InputIds.GetLength(1));
        Assert.Equal(positions + 5, DiaProcessor.Create(config).Process(text).InputIds.GetLength(1));
        Assert.Equal(DiaErrorKind.Usage, Assert.Throws<DiaException>(() => _processor.Process(text, textOptions: truncate)).Kind);
    }

    [Fact]
    public void No_frames_are_empty_audio()
    {
        // BOS, and EOS at once: `generate/cut-at-16-shortest` ends so.
        int[,] plain = new int[2, Channels];
        for (int c = 0; c < Channels; c++)
            (plain[0, c], plain[1, c]) = (66, 64);
        int[,] rows = Delayed.Of(plain, Delay, 66, 65);
        Assert.Empty(_processor.Decode(Batch(rows)));
        Assert.Empty(_processor.Decode(Batch(rows), audioPromptLen: 1000));
    }

    [Fact]
    public void Decodes_generated_rows()
    {
        // Rows of the reference's generate(): what the processor takes for codes must all be codes.
        foreach (string run in new[] { "cfg", "cut-at-20", "batch", "cut-at-16-shortest", "prompt" })
        {
            int[,,] rows = Fixtures.Tensors("generate", run + ".safetensors").Ints3("out.sequences");
            int[][,] codes = _processor.BatchCodes(rows);
            Assert.Equal(run == "cut-at-16-shortest", codes[0].GetLength(0) == 0);
            Assert.All(codes, item => Assert.All(item.Cast<int>(), id => Assert.InRange(id, 0, 63)));
        }
        // Without a prompt length the voice prompt is part of the audio, and comes first.
        TensorFile prompted = Fixtures.Tensors("generate", "prompt.safetensors");
        int[] prompt = prompted.Ints("in.prompt_codes");
        Assert.Equal(prompt, _processor.BatchCodes(prompted.Ints3("out.sequences"))[0].Cast<int>().Take(prompt.Length));
    }

    [Fact]
    public void Frames_that_were_cut_are_not_audio()
    {
        // Nine rows: the last channels, fifteen rows later, never came.
        int[,] rows = Delayed.Of(new int[20, Channels], Delay, 66, 65);
        int[,] cut = new int[9, Channels];
        Array.Copy(rows, cut, cut.Length);
        Assert.Empty(_processor.Decode(Batch(cut)));
    }

    [Fact]
    public void Refuses_what_the_reference_refuses()
    {
        // In C# there are no other tensor types to ask for, so `numpy` has no counterpart.
        var calls = new Dictionary<string, (Action Call, string Says)>
        {
            ["labels_with_generation"] = (() => _processor.Process(Texts, Audio, outputLabels: true), "outputLabels makes no sense with generation"),
            ["train_without_audio"] = (() => _processor.Process(Texts, generation: false), "Training needs audio"),
            ["counts"] = (() => _processor.Process(Texts, Audio[..1]), "text has 2 items but audio has 1"),
            ["no_text"] = (() => _processor.Process((string[])null!), "The text is missing"),
            ["decode_two"] = (() => _processor.Decode(Tensors.Ints3("decode.rows")), "a single item but got 2"),
            ["rate"] =
                (() => _processor.Process(Texts[..1], [new AudioBuffer(Audio[0].Samples, 8000)]), "8000 Hz but this feature extractor was made for 16000"),
        };
        foreach (JsonElement item in Fixtures.Json("processor", "errors.json").EnumerateArray())
        {
            string name = item.GetProperty("case").GetString()!;
            if (name == "numpy")
                continue;
            Assert.Contains(calls[name].Says, Assert.Throws<DiaException>(calls[name].Call).Message);
            calls.Remove(name);
        }
        Assert.Empty(calls.Keys);
    }

    [Fact]
    public void Refuses_parts_that_do_not_fit()
    {
        var tokenizer = new DiaTokenizer();
        Assert.Equal(DiaErrorKind.Model,
            Assert.Throws<DiaException>(() => new DiaProcessor(new DiaFeatureExtractor(samplingRate: 44100, hopLength: 32), tokenizer, _codec)).Kind);
        Assert.Equal(DiaErrorKind.Model, Assert.Throws<DiaException>(() => new DiaProcessor(new DiaFeatureExtractor(hopLength: 40), tokenizer, _codec)).Kind);
        var extractor = new DiaFeatureExtractor(hopLength: Hop);
        Assert.Equal(DiaErrorKind.Model,
            Assert.Throws<DiaException>(() => new DiaProcessor(extractor, tokenizer, new NarrowCodec()).Process(Texts, Audio)).Kind);
        Assert.Equal(DiaErrorKind.Usage, Assert.Throws<DiaException>(() => new DiaProcessor(extractor, tokenizer).Process(Texts, Audio)).Kind);
        Assert.Equal(DiaErrorKind.Usage, Assert.Throws<DiaException>(() => new DiaProcessor(extractor, tokenizer) { DelayPattern = [0, -1] }).Kind);
        Assert.Equal(DiaErrorKind.Input, Assert.Throws<DiaException>(() => _processor.Process(Texts[..1], [new AudioBuffer([], 16000)])).Kind);
        Assert.Equal(DiaErrorKind.Input, Assert.Throws<DiaException>(() => _processor.BatchDecode(new int[1, 5, 3])).Kind);
        Assert.Equal(DiaErrorKind.Input, Assert.Throws<DiaException>(() => _processor.Process([""])).Kind);
    }

    [Fact]
    public void Saves_audio()
    {
        string[] paths = [Path.Combine(_folder, "a.wav"), Path.Combine(_folder, "b.wav")];
        _processor.SaveAudio([[0.5f, -0.25f], []], paths);
        AudioBuffer read = AudioReader.Read(paths[0]);
        Assert.Equal([0.5f, -0.25f], read.Samples);
        Assert.Equal(16000, read.SamplingRate);
        Assert.Empty(AudioReader.Read(paths[1]).Samples);
        Assert.Equal(DiaErrorKind.Usage, Assert.Throws<DiaException>(() => _processor.SaveAudio([[0f]], paths)).Kind);
        Assert.Equal(DiaErrorKind.Output, Assert.Throws<DiaException>(() => _processor.SaveAudio([0f], Path.Combine(_folder, "no", "a.wav"))).Kind);
        foreach (string ending in new[] { ".mp3", ".aiff", ".safetensors", ".Wav.png" })
        {
            DiaException error = Assert.Throws<DiaException>(() => _processor.SaveAudio([0f], Path.Combine(_folder, "c" + ending)));
            Assert.Equal(DiaErrorKind.Usage, error.Kind);
            Assert.Contains(".wav", error.Message, StringComparison.Ordinal);
        }
        _processor.SaveAudio([0f], Path.Combine(_folder, "C.WAVE"));
        Assert.Equal(["C.WAVE", "a.wav", "b.wav"], Directory.EnumerateFileSystemEntries(_folder).Select(Path.GetFileName).Order(StringComparer.Ordinal));
    }

    private void AssertSame(string name, DiaInputs inputs)
    {
        Assert.Equal(Tensors.Ints2(name + ".input_ids"), inputs.InputIds);
        Assert.Equal(Tensors.Ints2(name + ".attention_mask"), inputs.AttentionMask);
        Assert.Equal(Tensors.Ints3(name + ".decoder_input_ids"), inputs.DecoderInputIds);
        Assert.Equal(Tensors.Ints2(name + ".decoder_attention_mask"), inputs.DecoderAttentionMask);
        Assert.Equal(Tensors.Contains(name + ".labels") ? Tensors.Ints2(name + ".labels") : null, inputs.Labels);
        if (Meta.GetProperty(name).TryGetProperty("audio_prompt_len", out JsonElement length))
            Assert.Equal(length.GetInt32(), _processor.GetAudioPromptLen(inputs.DecoderAttentionMask));
    }

    private static int[,,] Batch(int[,] rows)
    {
        var batch = new int[1, rows.GetLength(0), rows.GetLength(1)];
        Buffer.BlockCopy(rows, 0, batch, 0, rows.Length * sizeof(int));
        return batch;
    }

    /// <summary>A codec of four codebooks: too few for nine channels.</summary>
    private sealed class NarrowCodec : IAudioCodec
    {
        public int SamplingRate => 16000;

        public int HopLength => Hop;

        public int Codebooks => 4;

        public int[,] Encode(ReadOnlySpan<float> samples) => throw new NotSupportedException();

        public float[] Decode(int[,] codes) => throw new NotSupportedException();
    }
}
