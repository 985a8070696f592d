using Dia.Cli.Tests.Support;

namespace Dia.Cli.Tests;

/// <summary>The first generation of the model, and the codec's own file, through the command.</summary>
public sealed class OlderCheckpointTests : TestFolder
{
    private static readonly string Model = Fixtures.Path("old/dia/dia.pth"), Codec = Fixtures.Path("old/dac/weights.pth");

    [Theory]
    [InlineData("cpu")]
    [InlineData("cuda")]
    public void Greedy_codes_are_those_of_its_own_code_on_every_device(string device)
    {
        Succeeds(Executable.WithFixtures.RunOn(device, "[S1] Hi there. [S2] Hello!", "--model", Model, "--exact", "--greedy", "--cfg-scale", "3", "--max-tokens",
            "100", "--codes", In("codes")));
        TensorFile expected = Fixtures.Tensors("old/dia/cases.safetensors"), codes = TensorFile.Open(In("codes"));
        Assert.Equal(expected.Shape("natural.out.codes"), codes.Shape("codes"));
        Assert.Equal(expected.Ints("natural.out.codes"), codes.Ints("codes"));
    }

    [Fact]
    public void It_speaks_in_a_kept_voice_and_converted_the_same()
    {
        File.WriteAllBytes(In("me.wav"), Wav.OfFloats(16000, 1, [.. Enumerable.Range(0, 640).Select(i => (float)(0.5 * Math.Sin(i * 0.2)))]));
        string[] from = ["--model", Model, "--codec", Codec];
        Succeeds(Executable.WithFixtures.Run(["voice", In("me.wav"), "--text", "[S1] Yes.", "-o", In("me.voice"), .. from]));
        string[] speak = ["[S1] Hi.", "--voice", In("me.voice"), "--seed", "3", "--max-tokens", "40", "-o"];
        Succeeds(Executable.WithFixtures.Run([.. speak, In("own.wav"), .. from]));
        Succeeds(Executable.WithFixtures.Run("convert", Model, "--codec", Codec, "--dtype", "f32", "-o", In("converted")));
        Succeeds(Executable.WithFixtures.Run([.. speak, In("converted.wav"), "--model", In("converted")]));
        Assert.Equal(File.ReadAllBytes(In("own.wav")), File.ReadAllBytes(In("converted.wav")));
    }
}
