using Dia.Cli.Tests.Support;

namespace Dia.Cli.Tests;

/// <summary>Checkpoints with more than they need: a warning that --strict makes an error, or an error where the numbers might be wrong.</summary>
public sealed class StrangeCheckpointTests : TestFolder
{
    private string Tiny => CopyOf(Fixtures.Path("generate/model"));

    [Fact]
    public void Extra_tensors_are_a_warning()
    {
        string model = Tiny, path = Path.Combine(model, "model.safetensors");
        Succeeds(Speak(Fixtures.Path("generate/model"), "plain"));
        Assert.DoesNotContain("holds", Succeeds(Speak(model, "copy")).Error, StringComparison.Ordinal);

        (string, int[], Array)[] extra = [.. Enumerable.Range(0, 10).Select(i => ($"lora.{i}", new[] { 2 }, (Array)new float[2]))];
        TensorFile.Write(path, [.. All(path), .. extra]);
        Outcome outcome = Succeeds(Speak(model, "extra"));
        Assert.Contains($"dia: warning: {path} holds 10 tensors that the model does not have, and that are ignored: lora.0, lora.1, ", outcome.Error,
            StringComparison.Ordinal);
        Assert.Contains("and 2 more", outcome.Error, StringComparison.Ordinal);
        Assert.Equal(1, Count(outcome.Error, " holds "));
        Assert.Equal(File.ReadAllBytes(In("plain")), File.ReadAllBytes(In("extra")));
        Assert.DoesNotContain("holds", Succeeds(Speak(model, "quiet", "-q")).Error, StringComparison.Ordinal);

        Fails(3, Speak(model, "strict", "--strict"), "--strict", "holds 10 tensors", "lora.0");
        Fails(3, Speak(model, "strict", "--strict", "-q"), "holds 10 tensors");
        Fails(3, Executable.WithFixtures.Run(["--jsonl", "--model", model, "--strict"], "{}\n"u8.ToArray()), "holds 10 tensors");
        Assert.False(File.Exists(In("strict")));
    }

    [Fact]
    public void Extra_tensors_of_a_codec_too()
    {
        string model = CopyOf(Fixtures.Demo), path = Path.Combine(model, "dac/model.safetensors");
        TensorFile.Write(path, [.. All(path), ("decoder.extra", [1], new float[1])]);
        Assert.Contains("dac/model.safetensors holds 1 tensor that the model does not have, and that is ignored: decoder.extra.",
            Succeeds(Dia.Run("[S1] Hi.", "--model", model, "-o", In("a.wav"), "--max-tokens", "30")).Error, StringComparison.Ordinal);
        Fails(3, Dia.Run("[S1] Hi.", "--model", model, "-o", In("b.wav"), "--max-tokens", "30", "--strict"), "decoder.extra");
        Assert.False(File.Exists(In("b.wav")));
    }

    [Theory]
    [InlineData("config.json", "\"model_type\": \"dia\"", "\"new_key\": 1")]
    [InlineData("generation_config.json", "\"max_length\"", "\"new_key\": 1")]
    [InlineData("generation_config.json", "\"max_length\"", "\"renormalize_logits\": true")]
    public void An_unknown_key_is_a_warning(string file, string before, string key)
    {
        string model = Tiny;
        Insert(Path.Combine(model, file), before, key);
        Assert.Contains("dia: warning: " + Path.Combine(model, file) + ":", Succeeds(Speak(model, "out")).Error, StringComparison.Ordinal);
        Fails(3, Speak(model, "strict", "--strict"), "--strict", file + ":", key.Split('"')[1]);
        Assert.False(File.Exists(In("strict")));
    }

    [Theory]
    [InlineData("config.json", "\"num_channels\"", "\"sliding_window\": 4", "decoder_config.\"sliding_window\"")]
    [InlineData("config.json", "\"model_type\": \"dia_encoder\"", "\"attention_bias\": true", "encoder_config.\"attention_bias\"")]
    [InlineData("config.json", "\"model_type\": \"dia\"", "\"quantization_config\": {\"quant_method\": \"bitsandbytes\"}",
        "quantised (\"bitsandbytes\")")]
    [InlineData("config.json", "\"model_type\": \"dia\"", "\"tie_encoder_decoder\": true", "tie_encoder_decoder")]
    [InlineData("dac/config.json", "\"model_type\": \"dac\"", "\"encoder_rates\": [2]", "\"encoder_rates\"")]
    [InlineData("dac/config.json", "\"model_type\": \"dac\"", "\"quantization_config\": {}", "quantised")]
    public void A_key_that_might_change_the_numbers_is_an_error(string file, string before, string key, string says)
    {
        string model = CopyOf(Fixtures.Demo);
        Insert(Path.Combine(model, file), before, key);
        Fails(3, Dia.Run("[S1] Hi.", "--model", model, "-o", In("a.wav")), file + ":", says);
        Assert.False(File.Exists(In("a.wav")));
    }

    [Theory]
    [InlineData("F8_E4M3", 1, 1, "8-bit floats are not supported")]
    [InlineData("F8_E5M2", 1, 1, "8-bit floats are not supported")]
    [InlineData("F8_E8M0", 1, 1, "8-bit floats are not supported")]
    [InlineData("F4", 1, 2, "4-bit floats are not supported")]
    [InlineData("F6_E2M3", 3, 4, "6-bit floats are not supported")]
    [InlineData("I8", 1, 1, "integers are not supported")]
    [InlineData("U8", 1, 1, "integers are not supported")]
    [InlineData("BOOL", 1, 1, "truth values are not supported")]
    [InlineData("C64", 8, 1, "complex numbers are not supported")]
    [InlineData("F64", 8, 1, "64-bit floats are not supported")]
    public void Weights_of_another_type_are_named(string type, int bytes, int values, string says)
    {
        string model = Tiny, path = Path.Combine(model, "model.safetensors");
        WriteAs(path, type, bytes, values);
        Fails(3, Speak(model, "out"), $"stored as {type}: {says} (", "F32, BF16 or F16");
        if (type is not ("I8" or "U8" or "BOOL"))
            Fails(3, Executable.WithFixtures.Run("convert", model, "--dtype", "bf16", "-o", In("converted")),
                $"is {type}: {says.Replace("supported", "converted", StringComparison.Ordinal)}");
    }

    [Fact]
    public void A_type_that_is_newer_than_this_program_is_not_called_damage()
    {
        string model = Tiny;
        WriteAs(Path.Combine(model, "model.safetensors"), "F3_E1M1", 1, 1);
        Fails(3, Speak(model, "out"), "has the unknown dtype F3_E1M1", "newer");
    }

    private Outcome Speak(string model, string codes, params string[] more) =>
        Executable.WithFixtures.Run(["[S1] Hi there.", "--model", model, "--codes", In(codes), "--max-tokens", "20", "--seed", "1", .. more]);

    private static (string, int[], Array)[] All(string path)
    {
        TensorFile file = TensorFile.Open(path);
        return [.. file.Names.Select(n => (n, file.Shape(n), (Array)file.Floats(n)))];
    }

    private static void Insert(string path, string before, string key)
    {
        string text = File.ReadAllText(path);
        int at = text.IndexOf(before, StringComparison.Ordinal);
        Assert.True(at > 0);
        File.WriteAllText(path, text.Insert(at, key + ",\n"));
    }

    /// <summary>The same names and shapes in another type, all zero; shapes may need values to the byte.</summary>
    private static void WriteAs(string path, string type, int bytes, int values)
    {
        (string Name, int[] Shape, Array Values)[] all = All(path);
        var json = new System.Text.StringBuilder("{");
        int at = 0;
        foreach (var (name, shape, array) in all)
        {
            Assert.Equal(0, array.Length % values);
            int length = array.Length / values * bytes;
            json.Append(System.Globalization.CultureInfo.InvariantCulture,
                $"{(json.Length == 1 ? "" : ",")}\"{name}\":{{\"dtype\":\"{type}\",\"shape\":[{string.Join(',', shape)}],\"data_offsets\":[{at},{at + length}]}}");
            at += length;
        }

        File.WriteAllBytes(path, TensorFile.Bytes(json.Append('}').ToString(), new byte[at]));
    }

    private static int Count(string text, string part) => text.Split(part).Length - 1;
}
