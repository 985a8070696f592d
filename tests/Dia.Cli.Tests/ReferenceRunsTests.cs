using System.Globalization;
using System.Text.Json;
using Dia.Cli.Tests.Support;

namespace Dia.Cli.Tests;

/// <summary>The reference's greedy runs, through the command.</summary>
public sealed class ReferenceRunsTests : TestFolder
{
    private const int Channels = 9;
    private const int Pad = 65;

    [Theory]
    [InlineData("cfg", "cpu")]
    [InlineData("cfg", "scalar")]
    [InlineData("cfg-no-top_k", "cpu")]
    [InlineData("cfg-scale-1_5-top_k-5", "cpu")]
    [InlineData("no-cfg", "cpu")]
    [InlineData("cut-at-20", "cpu")]
    [InlineData("batch", "cpu")]
    [InlineData("prompt", "cpu")]
    [InlineData("cfg", SoftGpu.Avx2)]
    [InlineData("no-cfg", SoftGpu.Avx2)]
    [InlineData("prompt", SoftGpu.Avx2)]
    [InlineData("cfg", "cuda")]
    [InlineData("cfg-scale-1_5-top_k-5", "cuda")]
    [InlineData("no-cfg", "cuda")]
    [InlineData("cut-at-20", "cuda")]
    [InlineData("prompt", "cuda")]
    public void Rows_are_the_references(string name, string device)
    {
        string fixture = Fixtures.Path($"generate/{name}.safetensors");
        using JsonDocument about = JsonDocument.Parse(File.ReadAllText(Fixtures.Path($"generate/{name}.json")));
        string Setting(string key, string none) => about.RootElement.GetProperty(key) is { ValueKind: JsonValueKind.Number } number
            ? number.GetRawText() : none;
        string[] args =
        [
            "--exact", "--model", Fixtures.Path("generate/model"), "--greedy", "--codes", In("c"),
            "--cfg-scale", Setting("guidance_scale", "1"), "--top-k", Setting("top_k", "0"), "--max-tokens", Setting("max_new_tokens", ""),
        ];
        if (name == "prompt")
        {
            int[] shape = TensorFile.Open(fixture).Shape("in.prompt_codes");
            TensorFile.Write(In("prompt"), ("codes", shape[1..], TensorFile.Open(fixture).Ints("in.prompt_codes")));
            args = [.. args, "--prompt-codes", In("prompt")];
        }

        int[] sequences = TensorFile.Open(fixture).Ints("out.sequences");
        string[] texts = [.. about.RootElement.GetProperty("texts").EnumerateArray().Select(t => t.GetString()!)];
        int perText = sequences.Length / texts.Length;
        for (int i = 0; i < texts.Length; i++)
        {
            Succeeds(Executable.WithFixtures.RunOn(device, [texts[i], .. args]));
            int[] rows = TensorFile.Open(In("c")).Ints("rows"), expected = sequences[(i * perText)..((i + 1) * perText)];
            Assert.Equal(expected[..rows.Length], rows);
            Assert.All(expected[rows.Length..], id => Assert.Equal(Pad, id)); // the rest of a batch's shorter run
        }
    }

    [Fact]
    public void Fewer_rows_than_the_delay_needs_are_refused()
    {
        // The reference runs them and gets no frame: generate/cut-at-16-shortest.
        for (int rows = 1; rows <= 16; rows += 5)
            Fails(2, Executable.WithFixtures.Run("[S1] Hi.", "--model", Fixtures.Path("generate/model"), "--codes", In("c"), "--max-tokens",
                rows.ToString(CultureInfo.InvariantCulture)), "from 17");
    }

    [Fact]
    public void Rows_do_not_depend_on_the_number_of_threads()
    {
        foreach (string threads in new[] { "1", "2" })
            Succeeds(Executable.WithFixtures.Run("[S1] Hi there.", "--model", Fixtures.Path("generate/model"), "--seed", "3", "--threads", threads, "--codes",
                In(threads)));
        Assert.Equal(File.ReadAllBytes(In("1")), File.ReadAllBytes(In("2")));
    }
}
