using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using Dia.Cli.Tests.Support;

namespace Dia.Cli.Tests;

/// <summary>Conversion to integers that are chosen for what the model's layers are given: what it prints, that it goes on where it was stopped.</summary>
public sealed class CalibrationTests : TestFolder
{
    private static readonly string Source = Fixtures.Path("quantized/source");

    [Fact]
    public void It_is_better_than_rounding_to_nearest_says_what_it_costs_and_leaves_nothing_behind()
    {
        Write("script.txt", 10);
        string[] convert = ["convert", Source, "--dtype", "int4", "--report", "-o"];
        Outcome calibrated = Succeeds(Executable.WithFixtures.Run([.. convert, In("calibrated"), "--calibrate", In("script.txt"), "-v"]));
        foreach (string step in new[] { "speaking line 1 of 10, 0:", "pass 1 of ", "weight 1 of " })
            Assert.Contains(step, calibrated.Error, StringComparison.Ordinal);
        string report = calibrated.Text;
        Assert.Contains("1 lines kept out of the calibration", report, StringComparison.Ordinal);
        Assert.Matches(@"logits_dense\.weight +int[48] +0\.\d{5}\n", report);
        Assert.Contains("of the layer's results on the calibration script", report, StringComparison.Ordinal);
        Assert.Matches(@"channel 8: divergence of the logits 0\.\d{5} nats\n  mean divergence 0\.\d{5} nats, top-1 agreement [01]\.\d{4}\n  greedy speech \d+ frames, the source's \d+; line by line \d+ for \d+\n$", report);

        string nearest = Succeeds(Executable.WithFixtures.Run([.. convert, In("nearest")])).Text;
        Assert.Contains("relative error: of the weight's values", nearest, StringComparison.Ordinal);
        Assert.InRange(Mean(nearest), 0.05, 0.12); // A step of 2/15 of the largest, uniform: 1/√12 of it, where values are a half of that.
        Assert.True(Mean(report) < Mean(nearest));
        Assert.Equal(Files("nearest"), Files("calibrated"));
        Assert.NotEqual(File.ReadAllBytes(In("nearest/model.safetensors")), File.ReadAllBytes(In("calibrated/model.safetensors")));
        Succeeds(Executable.WithFixtures.Run("[S1] Hi.", "--model", In("calibrated"), "--codes", In("codes"), "--max-tokens", "20"));
    }

    [Fact]
    public void Stopped_in_any_way_the_same_command_goes_on_to_the_same_bytes()
    {
        Write("script.txt", 12);
        string[] convert = ["convert", Source, "--dtype", "int8", "--calibrate", In("script.txt"), "-o"];
        Succeeds(Executable.WithFixtures.Run([.. convert, In("whole")]));
        int kept = 0;
        foreach ((string signal, int exitCode) in new[] { ("TERM", 143), ("KILL", 137), ("INT", 130) })
        {
            using Process process = Executable.WithFixtures.Start([.. convert, In("parts")]);
            for (int i = 0; i < 5000 && Kept() <= kept && !process.HasExited; i++)
                Thread.Sleep(1);
            Process.Start("kill", ["-s", signal, Format(process.Id)]).WaitForExit();
            Outcome stopped = Executable.Finish(process, []);
            Assert.True(stopped.ExitCode == exitCode || stopped.ExitCode == 0, $"{signal}: {stopped.ExitCode}: {stopped.Error}");
            if (stopped.ExitCode is 130 or 143)
                Assert.Contains("the same command goes on", stopped.Error, StringComparison.Ordinal);
            kept = Kept();
        }

        Succeeds(Executable.WithFixtures.Run([.. convert, In("parts")]));
        Assert.Equal(File.ReadAllBytes(In("whole/model.safetensors")), File.ReadAllBytes(In("parts/model.safetensors")));
        Assert.Equal(Files("whole"), Files("parts"));

        int Kept() => Directory.Exists(In("parts/.dia-calibration")) ? Directory.GetFiles(In("parts/.dia-calibration"), "*.safetensors").Length : 0;

        static string Format(int id) => id.ToString(CultureInfo.InvariantCulture);
    }

    [Fact]
    public void What_cannot_be_is_refused_before_anything_is_spoken()
    {
        Write("script.txt", 1);
        string[] calibrate = ["--calibrate", In("script.txt"), "-o", In("out")];
        Fails(2, Executable.WithFixtures.Run(["convert", Source, "--dtype", "bf16", .. calibrate]), "for weights that become integers");
        Fails(3, Executable.WithFixtures.Run(["convert", Fixtures.Path("quantized/int8"), "--dtype", "int4", .. calibrate]), "config.json", "Take the checkpoint");
        Fails(2, Executable.WithFixtures.Run(["convert", Source, "--dtype", "int4", "--keep", "*.q_project*=bf16", .. calibrate]), "*.q_project*");
        Fails(4, Executable.WithFixtures.Run("convert", Source, "--dtype", "int4", "--calibrate", In("nothing.txt"), "-o", In("out")), "nothing.txt");
        Assert.False(Directory.Exists(In("out")));
    }

    [Fact]
    public void Lines_may_be_in_a_voice_and_what_is_wrong_with_one_is_told_by_its_number()
    {
        string[] convert = ["convert", Source, "--dtype", "int8", "-o", In("out"), "--calibrate", In("lines")];
        Succeeds(Executable.WithFixtures.Run("[S2] Yes.", "--model", Source, "--codes", In("codes"), "--seed", "1", "--max-tokens", "30"));
        foreach ((string line, string says) in new[]
        {
            ("{\"text\":\"[S1] Hi.\",\"temperature\":1}", "leave out temperature"), ("{\"text\":\"[S1] Hi.\",\"output\":\"a.wav\"}", "leave out output"),
            ("{\"text\":\"[S1] Hi.\",\"voice\":\"gone.voice\"}", "gone.voice"), ("{\"text\":\"...\"}", "nothing to say"), ("[S1] Hi.", "this is no JSON object, and the file is one of JSON lines"),
            ("{\"txt\":1}", "unknown key txt. The keys are: id, text, clone, clone_text, voice."),
        })
        {
            File.WriteAllText(In("lines"), $"{{\"text\":\"[S1] One.\"}}\n\n{line}\n");
            Fails(4, Executable.WithFixtures.Run(convert), $"{In("lines")}, line 3: ", says);
        }

        File.WriteAllText(In("lines"), "{\"text\":\"[S1] One.\"}\n{\"id\":2,\"text\":\"[S2] Two.\"}\n");
        Succeeds(Executable.WithFixtures.Run(convert));
        Assert.True(File.Exists(In("out/model.safetensors")));
    }

    [Fact]
    public void A_full_disk_says_how_to_go_on_and_what_was_given_up_goes_with_a_plain_conversion()
    {
        Write("script.txt", 6);
        string[] plain = ["convert", Source, "--dtype", "int8", "-o", In("out")];
        Fails(6, Executable.WithFixtures.Shell("ulimit -f 8; exec $DIA convert $1 --dtype int8 --calibrate $2 -o $3", Source, In("script.txt"), In("out")),
            "the same command goes on", In("out/.dia-calibration"));
        Assert.True(Directory.Exists(In("out/.dia-calibration")));
        Succeeds(Executable.WithFixtures.Run(plain));
        Assert.False(Directory.Exists(In("out/.dia-calibration")));
        Fails(2, Executable.WithFixtures.Run(["convert", Source, "--dtype", "int8", "-o", "-"]), "-o", "the name of a folder, not -");
    }

    private void Write(string name, int lines) =>
        File.WriteAllLines(In(name), Enumerable.Range(0, lines).Select(i => $"[S{i % 2 + 1}] Line {i} is spoken."));

    private string[] Files(string folder) =>
        [.. Names().Where(n => n.StartsWith(folder + "/", StringComparison.Ordinal)).Select(n => n[(folder.Length + 1)..])];

    private static double Mean(string report) => double.Parse(Regex.Match(report, @"^mean +([\d.]+)$", RegexOptions.Multiline).Groups[1].Value,
        CultureInfo.InvariantCulture);
}
