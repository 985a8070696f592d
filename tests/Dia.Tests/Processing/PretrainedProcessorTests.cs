using System.Text.Json;
using Dia.Audio;
using Dia.Backends.Cpu;
using Dia.Codec;
using Dia.Configuration;
using Dia.Processing;
using Dia.Tests.Codec;
using Dia.Text;
using Dia.Weights;
using Xunit;

namespace Dia.Tests.Processing;

/// <summary>A processor's files as two versions of the reference write them: read, used, written again.</summary>
public sealed class PretrainedProcessorTests : IDisposable
{
    private static readonly string Older = Fixtures.Path("processor", "saved-4.56.2");

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("saved-4.56.2")]
    [InlineData("saved-5.24.0")]
    public void The_files_of_both_versions_are_read_and_written_as_the_older_does(string version)
    {
        var warnings = new List<string>();
        DiaProcessor processor = Read(Fixtures.Path("processor", version), warnings);
        Assert.Empty(warnings);
        Assert.Equal((1, 16000, 0f, 32), Of(processor.FeatureExtractor));
        Assert.Equal((0, 1024, null, PaddingSide.Right), Of(processor.Tokenizer));
        Assert.Equal("descript/dac_44khz", processor.AudioTokenizerName);
        processor.SavePretrained(_folder["made"]);
        AssertSameFiles(Older, _folder["made"]);
    }

    [Fact]
    public void The_released_models_files_are_written_as_they_are()
    {
        string released = Repository.At("configs", "dia-1.6b");
        DiaProcessor processor = Read(released);
        Assert.Equal((1, 44100, 0f, 512), Of(processor.FeatureExtractor));
        processor.SavePretrained(_folder.Path);
        Assert.Equal(["audio_tokenizer_config.json", "preprocessor_config.json", "special_tokens_map.json", "tokenizer_config.json"], Names(_folder.Path));
        Assert.True(JsonElement.DeepEquals(Json(released, "special_tokens_map.json"), Json(_folder.Path, "special_tokens_map.json")));
        foreach (string name in new[] { "preprocessor_config.json", "tokenizer_config.json" })
        {
            // That the whole was a processor is all that its files do not say.
            JsonProperty[] made = [.. Json(_folder.Path, name).EnumerateObject().Where(p => p.Name != "processor_class")];
            Assert.Equal(Json(released, name).EnumerateObject().Select(p => p.Name).Order(StringComparer.Ordinal), made.Select(p => p.Name));
            Assert.All(made, p => Assert.True(JsonElement.DeepEquals(Json(released, name).GetProperty(p.Name), p.Value), p.Name));
        }
    }

    [Fact]
    public void What_is_written_reads_back_equal()
    {
        var tokenizer = new DiaTokenizer(3) { MaxLength = 77, ModelMaxLength = 500, PaddingSide = PaddingSide.Left };
        var extractor = new DiaFeatureExtractor(2, 22050, -0.1f, 96);
        new DiaProcessor(extractor, tokenizer) { AudioTokenizerName = "a \"quoted\"\\\n\u00e9 name" }.SavePretrained(_folder["a"]);
        DiaProcessor again = Read(_folder["a"]);
        Assert.Equal(Of(extractor), Of(again.FeatureExtractor));
        Assert.Equal((3, 77, 500, PaddingSide.Left), Of(again.Tokenizer));
        Assert.Equal("a \"quoted\"\\\n\u00e9 name", again.AudioTokenizerName);
        again.SavePretrained(_folder["b"]);
        AssertSameFiles(_folder["a"], _folder["b"]);
        again.SavePretrained(_folder["a"]); // Over the old ones.
        Assert.Equal(4, Names(_folder["a"]).Length);

        // Its parts alone.
        again.Tokenizer.SavePretrained(_folder["c"]);
        Assert.Equal(Of(tokenizer), Of(DiaTokenizer.FromPretrained(ModelFolder.Open(_folder["c"]))));
        again.FeatureExtractor.SavePretrained(_folder["c"]);
        Assert.Equal(Of(extractor), Of(DiaFeatureExtractor.FromPretrained(ModelFolder.Open(_folder["c"]))));
        Assert.Equal(3, Names(_folder["c"]).Length);
    }

    [Fact]
    public void A_processor_that_was_read_works_with_the_codec_and_the_model_that_are_given()
    {
        using var device = new CpuDevice(1);
        using DacModel codec = DacModelTests.Load("processor", "dac", device);
        DiaConfig config = Networks.ModelCatalog.ReadConfig(ModelFolder.Open(Fixtures.Path("generate", "model")));
        DiaProcessor processor = DiaProcessor.FromPretrained(ModelFolder.Open(Older), codec, config);
        TensorFile expected = Fixtures.Tensors("processor", "cases.safetensors");
        AudioBuffer[] audio = [new(expected.Floats("audio0"), 16000), new(expected.Floats("audio1"), 16000)];
        DiaInputs inputs = processor.Process(["[S1] Hi.", "[S2] A longer line."], audio, generation: false, outputLabels: true);
        Assert.Equal(expected.Ints2("train2.labels"), inputs.Labels);
        Assert.Equal(expected.Ints3("train2.decoder_input_ids"), inputs.DecoderInputIds);

        // A checkpoint that has its processor's files gives its own ids; without a model they are the released model's.
        foreach (string name in Names(Older))
            _folder.Write(name, File.ReadAllBytes(Path.Combine(Older, name)));
        Assert.Equal(1024, Read(_folder.Path).EosTokenId);
        _folder.Write("config.json", File.ReadAllBytes(Fixtures.Path("generate", "model", "config.json")));
        Assert.Equal((64, 65, 66), (Read(_folder.Path).EosTokenId, Read(_folder.Path).PadTokenId, Read(_folder.Path).BosTokenId));
        using DacModel other = DacModelTests.Load("dac", "odd", device);
        Assert.Equal(DiaErrorKind.Model, Assert.Throws<DiaException>(() => DiaProcessor.FromPretrained(ModelFolder.Open(Older), other, config)).Kind);
    }

    [Theory]
    [InlineData("tokenizer_config.json", "\"pad_token\": \"<pad>\"", "\"pad_token\": \"[PAD]\"", "pad_token: must be \"<pad>\" here")]
    [InlineData("tokenizer_config.json", "\"unk_token\": \"<pad>\"", "\"unk_token\": null", "unk_token")]
    [InlineData("tokenizer_config.json", "\"[S2]\"", "\"[S3]\"", "added_tokens_decoder.2.content")]
    [InlineData("tokenizer_config.json", "\"added_tokens_decoder\": {", "\"added_tokens_decoder\": { \"300\": {\"content\": \"x\"},", "\"300\"")]
    [InlineData("tokenizer_config.json", "\"lstrip\": false", "\"lstrip\": true", "lstrip")]
    [InlineData("tokenizer_config.json", "\"max_length\": 1024", "\"split_special_tokens\": true", "split_special_tokens")]
    [InlineData("tokenizer_config.json", "\"max_length\": 1024", "\"bos_token\": \"<s>\"", "bos_token")]
    [InlineData("tokenizer_config.json", "\"max_length\": 1024", "\"truncation_side\": \"left\"", "truncation_side")]
    [InlineData("tokenizer_config.json", "\"max_length\": 1024", "\"padding_side\": \"middle\"", "padding_side")]
    [InlineData("tokenizer_config.json", "\"max_length\": 1024", "\"offset\": -3", "offset")]
    [InlineData("tokenizer_config.json", "\"clean_up_tokenization_spaces\": false", "\"clean_up_tokenization_spaces\": true", "clean_up")]
    [InlineData("tokenizer_config.json", "DiaTokenizer", "BertTokenizer", "tokenizer_class")]
    [InlineData("tokenizer_config.json", "1000000000000000019884624838656", "0", "model_max_length")]
    [InlineData("special_tokens_map.json", "\"<pad>\"", "\"</s>\"", "pad_token.content")]
    [InlineData("special_tokens_map.json", "\"unk_token\"", "\"cls_token\"", "cls_token")]
    [InlineData("preprocessor_config.json", "\"feature_size\": 1", "\"feature_size\": 80", "feature_size")]
    [InlineData("preprocessor_config.json", "16000", "1", "sampling_rate")]
    [InlineData("preprocessor_config.json", "\"hop_length\": 32", "\"hop_length\": 0", "hop_length")]
    [InlineData("preprocessor_config.json", "\"right\"", "\"left\"", "padding_side")]
    [InlineData("preprocessor_config.json", "DiaFeatureExtractor", "EncodecFeatureExtractor", "feature_extractor_type")]
    [InlineData("preprocessor_config.json", "\"padding_value\": 0.0", "\"padding_value\": 1e39", "padding_value")]
    [InlineData("audio_tokenizer_config.json", "DacModel", "EncodecModel", "audio_tokenizer_class")]
    [InlineData("audio_tokenizer_config.json", "\"descript/dac_44khz\"", "44", "audio_tokenizer_name_or_path")]
    public void What_would_change_the_meaning_is_refused_by_file_place_and_name(string file, string from, string to, string says)
    {
        CopyWith(file, from, to);
        DiaException error = Assert.Throws<DiaException>(() => Read(_folder.Path));
        Assert.Equal(DiaErrorKind.Model, error.Kind);
        Assert.Contains($"{_folder[file]}:", error.Message, StringComparison.Ordinal);
        Assert.Contains(says, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("tokenizer_config.json", "\"max_length\": 1024", "\"model_max_length_\": 3", 1)]
    [InlineData("tokenizer_config.json", "\"max_length\": 1024", "\"chat_template\": \"x\", \"name_or_path\": \"y\", \"additional_special_tokens\": [], \"bos_token\": null", 0)]
    [InlineData("tokenizer_config.json", "\"pad_token\": \"<pad>\"", "\"pad_token\": {\"__type\": \"AddedToken\", \"content\": \"<pad>\", \"special\": true}", 0)]
    [InlineData("special_tokens_map.json", "\"unk_token\": {", "\"unk_token\": \"<pad>\", \"other\": {", 1)]
    [InlineData("preprocessor_config.json", "\"return_attention_mask\": true", "\"return_attention_mask\": false, \"dither\": 0", 1)]
    public void What_changes_no_meaning_passes_and_what_is_unknown_is_a_warning(string file, string from, string to, int warned)
    {
        CopyWith(file, from, to);
        var warnings = new List<string>();
        DiaProcessor processor = Read(_folder.Path, warnings);
        Assert.Equal(warned, warnings.Count);
        processor.SavePretrained(_folder["again"]);
        AssertSameFiles(Older, _folder["again"]);
    }

    [Fact]
    public void Files_that_are_missing_or_contradict_are_named()
    {
        Assert.Contains("preprocessor_config.json", Refused(), StringComparison.Ordinal);
        foreach (string name in Names(Older).Where(n => n != "tokenizer_config.json"))
            _folder.Write(name, File.ReadAllBytes(Path.Combine(Older, name)));
        Assert.Contains("tokenizer_config.json", Refused(), StringComparison.Ordinal);
        string newer = Fixtures.Path("processor", "saved-5.24.0");
        foreach (string name in Names(newer))
            _folder.Write(name, File.ReadAllBytes(Path.Combine(newer, name)));
        _ = Read(_folder.Path); // Both say the same.
        Assert.Equal(DiaErrorKind.Output, Assert.Throws<DiaException>(() => Read(newer).SavePretrained(_folder.Path)).Kind);
        _folder.Write("preprocessor_config.json", File.ReadAllText(_folder["preprocessor_config.json"]).Replace("32", "64", StringComparison.Ordinal));
        Assert.Contains("different feature extractors", Refused(), StringComparison.Ordinal);

        string Refused()
        {
            DiaException error = Assert.Throws<DiaException>(() => Read(_folder.Path));
            Assert.Equal(DiaErrorKind.Model, error.Kind);
            return error.Message;
        }
    }

    private static DiaProcessor Read(string folder, ICollection<string>? warnings = null) =>
        DiaProcessor.FromPretrained(ModelFolder.Open(folder), warnings: warnings);

    private static (int, int, float, int) Of(DiaFeatureExtractor e) => (e.FeatureSize, e.SamplingRate, e.PaddingValue, e.HopLength);

    private static (int, int, int?, PaddingSide) Of(DiaTokenizer t) => (t.Offset, t.MaxLength, t.ModelMaxLength, t.PaddingSide);

    private static string[] Names(string folder) => [.. Directory.EnumerateFiles(folder).Select(f => Path.GetFileName(f)).Order(StringComparer.Ordinal)];

    private static JsonElement Json(string folder, string name) => JsonElement.Parse(File.ReadAllBytes(Path.Combine(folder, name)));

    private static void AssertSameFiles(string expected, string actual)
    {
        Assert.Equal(Names(expected), Names(actual));
        Assert.All(Names(expected), name => Assert.True(JsonElement.DeepEquals(Json(expected, name), Json(actual, name)), name));
    }

    /// <summary>The older version's files with another text in one of them.</summary>
    private void CopyWith(string file, string from, string to)
    {
        foreach (string name in Names(Older))
            _folder.Write(name, File.ReadAllText(Path.Combine(Older, name)));
        string text = File.ReadAllText(_folder[file]);
        Assert.Contains(from, text, StringComparison.Ordinal);
        _folder.Write(file, text.Replace(from, to, StringComparison.Ordinal));
    }
}
