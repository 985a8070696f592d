using System.Text;
using Dia.Cli.Tests.Support;

namespace Dia.Cli.Tests;

/// <summary>The picture that --plot draws.</summary>
public sealed class PlotTests : TestFolder
{
    private const int FirstSpeaker = 0x1A6FB5, SecondSpeaker = 0xCD5C08;
    private static readonly string[] Dialogue = ["[S1] Where is the dog? [S2] The dog is in the house.", "--seed", "1"];

    [Fact]
    public void Without_an_output_only_the_picture_is_made()
    {
        Outcome outcome = Succeeds(Dia.Run([.. Dialogue, "--plot", In("p.png")]));
        Assert.Empty(outcome.Output);
        Assert.Equal(["p.png"], Names());
        Png png = Png.Parse(File.ReadAllBytes(In("p.png")));
        Assert.InRange(png.Width, 1000, 2000);
        Assert.InRange(png.Height, 500, 1200);
    }

    [Fact]
    public void Audio_is_the_same_with_a_picture_as_without()
    {
        byte[] usual = Succeeds(Dia.Run(Dialogue)).Output;
        Assert.Equal(usual, Succeeds(Dia.Run([.. Dialogue, "-o", "-", "--plot", In("p.png")])).Output);
        byte[] first = File.ReadAllBytes(In("p.png"));
        Succeeds(Dia.Run([.. Dialogue, "-o", In("a.wav"), "--codes", In("c"), "--plot", In("p.png")]));
        Assert.Equal(["a.wav", "c", "p.png"], Names());
        Assert.Equal(first, File.ReadAllBytes(In("p.png")));
        Assert.Equal(Wav.Parse(usual).Samples, Wav.Parse(File.ReadAllBytes(In("a.wav"))).Samples);
    }

    [Fact]
    public void Turns_share_the_time_of_sound_by_their_characters()
    {
        Succeeds(Dia.Run([.. Dialogue, "-o", In("a.wav"), "--plot", In("p.png")]));
        Png png = Png.Parse(File.ReadAllBytes(In("p.png")));
        int[] row = [.. Enumerable.Range(0, png.Width).Select(x => png.At(x, 54))]; // above the letters of the turns' names
        int start = Array.IndexOf(row, FirstSpeaker), border = Array.IndexOf(row, SecondSpeaker), end = Array.LastIndexOf(row, SecondSpeaker) + 2;
        Assert.True(start > 0 && border > start && end > border);
        // "Whereisthedog?" has 14 characters, "Thedogisinthehouse." 19.
        Assert.InRange((border - start) / (double)(end - start), 14 / 33.0 - 0.003, 14 / 33.0 + 0.003); // whole pixels of about 1000

        short[] samples = Wav.Parse(File.ReadAllBytes(In("a.wav"))).Samples;
        int quiet = samples.Max(s => Math.Abs((int)s)) / 50;
        const int left = 96, width = 1200;
        // A pixel for rounding, another since a point of the envelope can be two samples.
        Assert.InRange(start, left + width * (double)Array.FindIndex(samples, s => Math.Abs((int)s) >= quiet) / samples.Length - 2,
            left + width * (double)Array.FindIndex(samples, s => Math.Abs((int)s) >= quiet) / samples.Length + 2);
        Assert.InRange(end, left + width * (double)Array.FindLastIndex(samples, s => Math.Abs((int)s) >= quiet) / samples.Length - 2,
            left + width * (double)Array.FindLastIndex(samples, s => Math.Abs((int)s) >= quiet) / samples.Length + 3);
    }

    [Fact]
    public void Turns_are_not_marked_where_the_prompt_s_transcript_is_part_of_the_text()
    {
        Succeeds(Dia.Run(["[S1] Hello world.", "--greedy", "--codes", In("c")]));
        Succeeds(Dia.Run("[S1] Hello world. [S2] Good day.", "--greedy", "--prompt-codes", In("c"), "--plot", In("p.png")));
        Png png = Png.Parse(File.ReadAllBytes(In("p.png")));
        Assert.DoesNotContain(Enumerable.Range(0, png.Width), x => png.At(x, 54) is FirstSpeaker or SecondSpeaker);
    }

    [Theory]
    [InlineData(false, false, new[] { FirstSpeaker, SecondSpeaker })]
    [InlineData(true, false, new[] { FirstSpeaker, FirstSpeaker, SecondSpeaker })]
    [InlineData(false, true, new[] { FirstSpeaker, SecondSpeaker })]
    [InlineData(true, true, new[] { FirstSpeaker, FirstSpeaker, SecondSpeaker })]
    public void Turns_are_marked_with_a_voice_too(bool kept, bool split, int[] turns)
    {
        string recording = Fixtures.Path("demo/voice.wav"), transcript = File.ReadAllText(Fixtures.Path("demo/voice.txt")).Trim();
        string[] options = [.. kept ? new[] { "--keep-prompt" } : [], .. split ? new[] { "--split" } : []];
        Succeeds(Dia.Run([.. Dialogue, "--clone", recording, "--clone-text", transcript, "--plot", In("p.png"), .. options]));
        Png png = Png.Parse(File.ReadAllBytes(In("p.png")));
        var found = new List<int>();
        for (int x = 0, last = 0; x < png.Width; x++)
        {
            // Turns end in a column of paper, which letters of names above this row do not reach.
            int color = png.At(x, 54) is FirstSpeaker or SecondSpeaker ? png.At(x, 54) : 0;
            if (color != 0 && color != last)
                found.Add(color);
            last = color;
        }

        Assert.Equal(turns, found);
    }

    [Theory]
    [InlineData("[S1] Hi.\n[S2] \u00DC\u00F1\u4E2D? [S1] a [S2] b [S1] c [S2] d", "-1")] // letters that the font lacks, turns too narrow for a name
    [InlineData("Hello.", "17")] // 32 ms
    public void Every_text_and_length_is_drawn(string text, string tokens)
    {
        string[] limit = tokens == "-1" ? [] : ["--max-tokens", tokens];
        Succeeds(Dia.Run(["--seed", "3", "--plot", In("p.png"), .. limit], Encoding.UTF8.GetBytes(text)));
        Png.Parse(File.ReadAllBytes(In("p.png")));
    }

    [Fact]
    public void A_picture_that_cannot_be_written_is_known_before_the_work()
    {
        Fails(2, Dia.Run([.. Dialogue, "--plot", "-"]), "--plot", "not -");
        Fails(2, Dia.Run([.. Dialogue, "-o", In("x"), "--plot", Folder + "/./x"]), "same file");
        Fails(2, Dia.Run([.. Dialogue, "--codes", In("x"), "--plot", In("x")]), "same file");
        Fails(6, Dia.Run([.. Dialogue, "-o", In("a.wav"), "--plot", In("no/p.png")]), "p.png");
        Assert.Equal(6, Dia.Shell("exec $DIA '[S1] Hi.' -q --greedy --plot /dev/full").ExitCode);
        Assert.Empty(Names());
    }
}
