using Dia.Cli.Tests.Support;

namespace Dia.Cli.Tests;

/// <summary>A run opens each file of its checkpoint once: for what it says, for the memory plan, for loading, and for all its lines.</summary>
public sealed class OpenedOnceTests : TestFolder
{
    private static readonly string[] Model = ["./config.json", "./generation_config.json", "./model.safetensors"];
    private static readonly string[] Codec = ["dac/config.json", "dac/model.safetensors"];

    [Fact]
    public void Speaking() => Opens([.. Model, .. Codec], "'[S1] Hello world.' --seed 1 -o $1/made.wav");

    [Fact]
    public void A_script() => Opens([.. Model, .. Codec], "'[S1] Hello world. [S2] Hello.' --seed 1 --split --max-tokens 30 -o $1/made.wav");

    [Fact]
    public void Lines() => Opens([.. Model, .. Codec], "--jsonl -f $1/jobs --max-tokens 30 -q");

    [Fact]
    public void Codes_alone_take_of_the_codec_what_it_is() => Opens([.. Model, "dac/config.json"], "'[S1] Hello world.' --seed 1 --codes $1/made");

    [Fact]
    public void Other_commands()
    {
        Opens(["./config.json", .. Codec], "encode $1/voice.wav -o $1/made");
        Opens(["./config.json", .. Codec], "voice $1/voice.wav --text '[S1] The letter is fast again.' -o $1/made");
        Opens([.. Model, .. Codec], "info --device cpu");
        Opens(Model, "forward $1/forward $1/made");
    }

    /// <summary>With a limit on memory, since without one nothing is planned.</summary>
    private void Opens(string[] files, string call)
    {
        if (!Directory.Exists(In("model")))
        {
            CopyOf(Fixtures.Demo);
            File.Copy(Fixtures.Path("demo/voice.wav"), In("voice.wav"));
            File.WriteAllText(In("jobs"), string.Concat(Enumerable.Repeat("{\"text\":\"[S1] Hello world.\"}\n", 5)));
            TensorFile.Write(In("forward"), ("input_ids", [1, 3], new long[] { 1, 72, 105 }));
        }

        using var counter = new OpenCounter(In("model"));
        Succeeds(Dia.Shell($"ulimit -v 4000000; exec $DIA {call} --model $1/model", Folder));
        Assert.Equal(files.Select(f => (f, 1)).Order(), counter.Read().Select(c => (c.Key, c.Value)));
    }
}
