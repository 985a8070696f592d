using System.Diagnostics;
using System.Text.Json;
using Dia.Cli.Tests.Support;

namespace Dia.Cli.Tests;

/// <summary>`dia train` on a small model and recordings of a fifth of a second.</summary>
public sealed class TrainTests : TestFolder
{
    private static readonly string Model = Fixtures.Path("generate", "model"), Codec = Fixtures.Path("processor", "dac");
    private static readonly string[] Texts = ["Hi.", "Yes.", "No.", "Oh!", "Why?", "Ah."];

    private static Executable Small => Executable.WithFixtures;

    private string[] Options => ["--model", Model, "--codec", Codec, "--data", In("data"), "--batch", "2", "--seed", "3"];

    [Fact]
    public void A_check_says_what_is_there_and_names_what_is_wrong()
    {
        Record();
        Outcome good = Succeeds(Train("--check"));
        Assert.Equal(
            "recordings                 6\nto learn from              5\nheld out                   1\nbad                        0\nstrange                    0\nwithout a speaker's tag    6\nminutes                  0.0\n",
            good.Text);
        Assert.Equal(["data"], Names().Where(n => !n.Contains('/', StringComparison.Ordinal)));

        File.WriteAllBytes(In("data/0.wav"), [1, 2, 3]);
        File.Delete(In("data/1.txt"));
        File.WriteAllText(In("data/2.txt"), "Somebody else's words.");
        Outcome bad = Train("--check");
        Assert.Equal(4, bad.ExitCode);
        Assert.Contains("\nbad                        2\nstrange                    1\n", bad.Text, StringComparison.Ordinal);
        foreach (string says in new[] { "2 of 6 recordings", $"\n{In("data/0.wav")}: ", $"\n{In("data/1.wav")}: there is no 1.txt", $"{In("data/2.wav")}: the transcript is far too long" })
            Assert.Contains(says, bad.Error, StringComparison.Ordinal);
        Outcome skipped = Succeeds(Train("--check", "--skip-bad"));
        Assert.Contains($"warning: left out: {In("data/1.wav")}: there is no", skipped.Error, StringComparison.Ordinal);
        Assert.Equal(1, Train("--check", "--skip-bad", "--strict").ExitCode); // what is strange

        Fails(4, Train("-o", In("out")), "2 of 6 recordings");
        Assert.False(Directory.Exists(In("out")));
    }

    [Fact]
    public void Other_data_can_be_held_out()
    {
        Record();
        Directory.Move(In("data"), In("other"));
        Record();
        Outcome check = Succeeds(Train("--check", "--held-out", In("other")));
        Assert.StartsWith("recordings                12\nto learn from              6\nheld out                   6\n", check.Text, StringComparison.Ordinal);
        Outcome trained = Succeeds(Train("-o", In("out"), "--steps", "1", "--held-out", In("other")));
        Assert.Contains("6 recordings to learn from and 6 held out", trained.Error, StringComparison.Ordinal);
        Assert.Contains("\"held_out_loss\"", File.ReadAllText(In("out/training.jsonl")), StringComparison.Ordinal);
        Fails(4, Train("--check", "--held-out", In("nothing")), In("nothing"));
        Fails(2, Train("-o", In("other"), "--steps", "1", "--held-out", In("other")), "which holds the data");
        Fails(2, Train("--check", "--held-out", "1.5"), "--held-out is '1.5'; it must be from 0, below 1, or the name");
    }

    [Fact]
    public void What_it_writes_is_a_checkpoint_as_the_reference_writes_it()
    {
        Record();
        Outcome outcome = Succeeds(Train("-o", In("out"), "--steps", "4", "--sample-every", "2"));
        Assert.Contains("5 recordings to learn from and 1 held out", outcome.Error, StringComparison.Ordinal);
        string[] processor = [.. Directory.EnumerateFiles(Fixtures.Path("processor", "saved-4.56.2")).Select(f => Path.GetFileName(f)!)];
        string[] expected = ["best", "config.json", "dac", "dac/config.json", "dac/model.safetensors", "generation_config.json", "loss.png", "model.safetensors",
            .. processor, "samples", "samples/step-2.wav", "samples/step-4.wav", "training.jsonl", "training.safetensors"];
        Assert.Equal(expected.Order(StringComparer.Ordinal), Names().Where(n => n.StartsWith("out/", StringComparison.Ordinal)).Select(n => n[4..])
            .Where(n => !n.StartsWith("best/", StringComparison.Ordinal)));
        foreach (string file in new[] { "config.json", "generation_config.json" })
            Assert.Subset(Keys(In($"out/{file}")), Keys(Path.Combine(Model, file))); // the reference leaves out what is its default
        foreach (string file in processor)
            Assert.Equal(Keys(Fixtures.Path("processor", "saved-4.56.2", file)), Keys(In($"out/{file}")));
        TensorFile was = TensorFile.Open(Path.Combine(Model, "model.safetensors")), now = TensorFile.Open(In("out/model.safetensors"));
        Assert.Equal(was.Names, now.Names);
        Assert.All(was.Names, n => Assert.Equal((was.Type(n), string.Join(',', was.Shape(n))), (now.Type(n), string.Join(',', now.Shape(n)))));
        Assert.DoesNotContain(was.Names, n => was.Floats(n).AsSpan().SequenceEqual(now.Floats(n)));
        Succeeds(Small.Run("[S1] Hi.", "--model", In("out"), "--max-tokens", "40", "--seed", "1", "-o", In("a.wav")));

        JsonElement[] log = [.. File.ReadLines(In("out/training.jsonl")).Select(l => JsonElement.Parse(l))];
        Assert.Equal([1, 2, 3, 4], log.Where(l => l.TryGetProperty("loss", out _)).Select(l => l.GetProperty("step").GetInt32()));
        Assert.Equal([0, 3, 4], log.Where(l => l.TryGetProperty("held_out_loss", out _)).Select(l => l.GetProperty("step").GetInt32())); // 3 steps are an epoch
        foreach (string key in new[] { "learning_rate", "gradient_norm", "audio_seconds_per_second", "memory_bytes" })
            Assert.True(log[1].GetProperty(key).GetDouble() >= 0, key);

        // The codes are there now: another training finds them, and the recordings need not be encoded.
        Assert.Contains("; 0 were encoded", Succeeds(Train("-o", In("again"), "--steps", "1", "--dtype", "bf16")).Error, StringComparison.Ordinal);
        Assert.All(TensorFile.Open(In("again/model.safetensors")).Names, n => Assert.Equal("BF16", TensorFile.Open(In("again/model.safetensors")).Type(n)));
    }

    [Fact]
    public void An_adapter_is_written_as_PEFT_does_and_spoken_with()
    {
        Record();
        Succeeds(Train("-o", In("voice"), "--lora", "4", "--lora-alpha", "8", "--lora-dropout", "0.1", "--targets", "q_proj", "--targets", "o_proj", "--steps", "3"));
        Assert.Equal(["adapter_config.json", "adapter_model.safetensors", "best", "best/adapter_config.json", "best/adapter_model.safetensors", "loss.png",
            "training.jsonl", "training.safetensors"],
            Names().Where(n => n.StartsWith("voice/", StringComparison.Ordinal)).Select(n => n[6..]));
        JsonElement config = JsonElement.Parse(File.ReadAllBytes(In("voice/adapter_config.json")));
        Assert.Equal((4, 8, 0.1, Model), (config.GetProperty("r").GetInt32(), config.GetProperty("lora_alpha").GetDouble(),
            config.GetProperty("lora_dropout").GetDouble(), config.GetProperty("base_model_name_or_path").GetString()));
        TensorFile tensors = TensorFile.Open(In("voice/adapter_model.safetensors"));
        Assert.All(tensors.Names, n => Assert.Matches(@"^base_model\.model\.model\..*\.[qo]_proj\.lora_[AB]\.weight$", n));
        Assert.All(tensors.Names, n => Assert.Contains(tensors.Floats(n), v => v != 0));
        Succeeds(Small.Run("[S1] Hi.", "--model", Model, "--codec", Codec, "--adapter", In("voice"), "--max-tokens", "40", "--seed", "1", "-o", In("a.wav")));
    }

    /// <summary>However it was stopped, and wherever, it comes to the same bytes.</summary>
    [Fact]
    public void A_training_that_was_stopped_goes_on_to_the_bytes_of_one_that_was_not()
    {
        Record();
        string[] steps = ["--steps", "30", "--accumulate", "2", "--unconditional", "0.3"];
        Succeeds(Train(["-o", In("whole"), .. steps]));
        string[] files = ["model.safetensors", "training.safetensors", "best/model.safetensors", "config.json"];
        foreach ((string signal, int exitCode) in new[] { ("TERM", 143), ("INT", 130), ("KILL", 137), ("KILL", 137) })
        {
            DateTime before = Saved();
            using Process process = Small.Start(["train", .. Options, "-o", In("parts"), .. steps, "--resume"]);
            // Somewhere among the steps after it was saved once more, wherever this machine is by then.
            for (int i = 0; i < 5000 && Saved() == before && !process.HasExited; i++)
                Thread.Sleep(2);
            Thread.Sleep(10);
            Process.Start("kill", ["-s", signal, $"{process.Id}"]).WaitForExit();
            Outcome stopped = Executable.Finish(process, []);
            Assert.True(stopped.ExitCode == exitCode || stopped.ExitCode == 0, $"{signal}: {stopped.ExitCode}: {stopped.Error}");
            if (stopped.ExitCode is 130 or 143)
                Assert.Matches(@"dia: interrupted: \d+ of 30 steps are kept in .*; --resume goes on\.", stopped.Error);
        }

        Succeeds(Train(["-o", In("parts"), .. steps, "--resume"]));
        foreach (string file in files)
            Assert.Equal(File.ReadAllBytes(In($"whole/{file}")), File.ReadAllBytes(In($"parts/{file}")));
        Assert.Equal(Losses("whole"), Losses("parts"));
        Assert.Equal(Relative("whole"), Relative("parts")); // nothing unfinished is left
        Fails(2, Train(["-o", In("parts"), .. steps]), "has a training already: go on with it with --resume");
        Fails(2, Train(["-o", In("parts"), .. steps, "--resume", "--weight-decay", "0.1"]), "began with weight-decay 0.01, not 0.1");

        string[] Losses(string folder) => [.. File.ReadLines(In($"{folder}/training.jsonl")).Select(l => l.Split(",\"audio_seconds")[0])];

        DateTime Saved() => File.GetLastWriteTimeUtc(In("parts/training.safetensors"));

        string[] Relative(string folder) => [.. Names().Where(n => n.StartsWith(folder + "/", StringComparison.Ordinal)).Select(n => n[(folder.Length + 1)..])];
    }

    [Fact]
    public void A_loss_that_is_not_finite_keeps_what_was_good()
    {
        Record();
        Fails(3, Train("-o", In("out"), "--steps", "9", "--lr", "1e30", "--warmup", "0", "--clip", "0", "-q"), "step ", In("data/"), "What was kept after 0 steps is in");
        Succeeds(Small.Run("[S1] Hi.", "--model", In("out"), "--max-tokens", "40", "--seed", "1", "-o", In("a.wav")));
    }

    [Fact]
    public void It_begins_with_random_weights_where_that_is_asked_for()
    {
        Record();
        foreach (string seed in new[] { "4", "5" })
            Succeeds(Small.Run("train", "--codec", Codec, "--data", In("data"), "--config", "generate/model", "--steps", "2", "--seed", seed, "-o", In(seed)));
        Assert.NotEqual(File.ReadAllBytes(In("4/model.safetensors")), File.ReadAllBytes(In("5/model.safetensors")));
        Fails(2, Small.Run("train", "--codec", Codec, "--data", In("data"), "--config", "none", "-o", In("out")), "--config is 'none'; it must be one of");
    }

    [Fact]
    public void Misuse_is_told()
    {
        Record();
        string[] output = ["-o", In("out")];
        Fails(2, Small.Run("train", "--model", Model), "dia train needs --data");
        Fails(2, Train(), "dia train needs -o DIR");
        Fails(2, Train([.. output, "--only", "model.decoder"]), "--only is 'model.decoder', which no weight of the model is called");
        Fails(2, Train([.. output, "--freeze", "*"]), "leaves nothing");
        Fails(2, Train([.. output, "--steps", "3", "--epochs", "2"]), "--steps and --epochs");
        Fails(2, Train([.. output, "--steps", "3", "--warmup", "4"]), "--warmup is 4, more than the 3 steps");
        Fails(2, Train([.. output, "--config", "x"]), "--config begins with random weights");
        Fails(2, Train([.. output, "--lora", "4", "--freeze", "*"]), "--freeze is of the model's weights");
        Fails(2, Train([.. output, "--lora-alpha", "4"]), "need --lora RANK");
        Fails(2, Train([.. output, "--memory", "much"]), "--memory is 'much'; it must be a number of bytes");
        Fails(5, Train([.. output, "--memory", "1M", "-q"]), "where --memory allows 1.0 MiB", "leave out the longest recordings");
        string[] many = ["train", .. Options[..6], "--batch", "1024", "-q", .. output];
        Fails(5, Small.Run([.. many, "--memory", "0.1G"]), "where --memory allows 102.4 MiB: audio rows ", " fits: --accumulate makes up for it");
        Fails(5, Small.Run([.. many, "--memory", "20M"]), "--lora 16 with --batch 1 fits");
        Fails(2, Train([.. output, "--lora", "4", "--targets", "none"]), "no linear layer of the model is called none");
        Fails(4, Small.Run(["train", .. Options[..4], "--data", In("none"), .. output]), "no such file");
        string copy = CopyOf(Model);
        Fails(6, Small.Run(["train", "--model", copy, .. Options[2..], "-o", copy]), "is the model's own folder");
        Assert.False(Directory.Exists(In("out")));
    }

    [Fact]
    public void No_file_of_anyone_else_is_written_over()
    {
        Record();
        string recording = Directory.GetFiles(In("data"), "*.wav")[0], transcript = Path.ChangeExtension(recording, ".txt");
        byte[] before = File.ReadAllBytes(transcript);
        string[] output = ["--steps", "1", "-o", In("out")];
        Fails(2, Train([.. output, "--log", recording]), "a name of another kind of file");
        Fails(2, Train([.. output, "--log", In("out/training.safetensors")]), "a name of another kind of file");
        Fails(2, Train([.. output, "--log", transcript]), "is no log of a training");
        Fails(6, Train([.. output, "--log", In("none/a.jsonl")]), "there is no folder");
        Fails(2, Train("--steps", "1", "-o", In("data")), "which holds the data");
        Assert.Equal(before, File.ReadAllBytes(transcript));
        Directory.CreateDirectory(In("other"));
        File.Copy(Path.Combine(Model, "config.json"), In("other/config.json"));
        Fails(2, Train("--steps", "1", "-o", In("other")), "of what was not trained here");
        Assert.False(Directory.Exists(In("out")));
    }

    [Fact]
    public void Weights_that_are_ruined_are_told_and_not_written()
    {
        Record();
        Fails(3, Train("--steps", "1", "--warmup", "0", "--lr", "1e10", "-o", In("out"), "-q"), "Lower the learning rate", "kept after 0 steps");
        Fails(3, Train("--steps", "1", "--warmup", "0", "--lr", "1e10", "--weight-decay", "1e38", "--held-out", "0", "-o", In("no-look"), "-q"),
            "weights that are not finite");
        Assert.False(Directory.Exists(In("out/best")));
    }

    [Fact]
    public void A_finished_training_is_completed_and_its_end_is_not_moved_back()
    {
        Record();
        string[] train = ["--steps", "2", "--warmup", "0", "--lora", "2", "-o", In("out"), "--resume"];
        Succeeds(Train(train));
        byte[] made = File.ReadAllBytes(In("out/adapter_model.safetensors"));
        File.Delete(In("out/adapter_model.safetensors"));
        Assert.Contains("2 steps, all done before", Succeeds(Train(train)).Error, StringComparison.Ordinal);
        Assert.Equal(made, File.ReadAllBytes(In("out/adapter_model.safetensors")));
        train[1] = "1";
        Fails(2, Train(train), "has 2 steps already");
    }

    private Outcome Train(params string[] more) => Small.Run(["train", .. Options, .. more]);

    /// <summary>The paths of all keys but that of the reference's own version, which this is not.</summary>
    private static HashSet<string> Keys(string path) =>
        [.. Keys("", JsonElement.Parse(File.ReadAllBytes(path))).Where(k => k != "/transformers_version")];

    private static IEnumerable<string> Keys(string path, JsonElement value) => value.ValueKind != JsonValueKind.Object ? [path]
        : value.EnumerateObject().SelectMany(p => Keys($"{path}/{p.Name}", p.Value));

    /// <summary>Noises with a text each, of a rate of their own.</summary>
    private void Record()
    {
        Directory.CreateDirectory(In("data"));
        for (int i = 0; i < Texts.Length; i++)
        {
            int count = 8000 + 300 * i, seed = i;
            float[] samples = [.. Enumerable.Range(0, count).Select(t => 0.3f * MathF.Sin(0.02f * (1 + seed) * t) * MathF.Sin(0.001f * t))];
            File.WriteAllBytes(In($"data/{i}.wav"), Wav.OfFloats(44100, 1, samples));
            File.WriteAllText(In($"data/{i}.txt"), Texts[i]);
        }
    }
}
