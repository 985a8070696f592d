using System.Text;
using Dia.Cli.Tests.Support;

namespace Dia.Cli.Tests;

/// <summary>What people name as a model that is none: each is recognised, and the message says what to name or fetch instead.</summary>
public sealed class WrongModelPathTests : TestFolder
{
    private const string Snapshot = "models--nari-labs--Dia-1.6B-0626/snapshots/0123abcd";

    [Theory]
    [InlineData("models--nari-labs--Dia-1.6B-0626")]
    [InlineData("models--nari-labs--Dia-1.6B-0626/snapshots")]
    [InlineData("models--nari-labs--Dia-1.6B-0626/blobs")]
    [InlineData("")]
    public void A_download_cache_names_its_snapshot(string path)
    {
        Cache(Fixtures.Demo, Snapshot);
        Cache(Path.Combine(Fixtures.Demo, "dac"), "models--descript--dac_44khz/snapshots/ffff");
        string root = In("hub"), snapshot = Path.Combine(root, Snapshot), named = Path.Combine(root, path);
        foreach (string[] args in new string[][] { ["[S1] Hi.", "-o", In("a.wav"), "--model", named], ["bundle", named, "-o", In("a.wav")],
            ["convert", named, "--dtype", "f32", "-o", In("a.wav")] })
        {
            Outcome outcome = Dia.Run(args);
            Fails(3, outcome, "is no checkpoint itself. Name the folder ", snapshot + ".");
            Assert.DoesNotContain("dac_44khz", outcome.Error, StringComparison.Ordinal);
        }

        // Where a codec belongs, the codec's.
        if (path.Length == 0)
            Fails(3, Dia.Run("[S1] Hi.", "-o", In("a.wav"), "--codec", root), "models--descript--dac_44khz/snapshots/ffff.");
        Assert.False(File.Exists(In("a.wav")));

        // What it names works: its files are links to blobs.
        Succeeds(Dia.Run("[S1] Hi.", "-o", In("a.wav"), "--model", snapshot, "--max-tokens", "20"));
    }

    [Fact]
    public void Of_several_snapshots_the_current_one_is_named()
    {
        Cache(Fixtures.Demo, Snapshot);
        Cache(Fixtures.Demo, "models--nari-labs--Dia-1.6B-0626/snapshots/0000", main: false);
        Outcome outcome = Dia.Run("[S1] Hi.", "-o", In("a.wav"), "--model", In("hub"));
        Fails(3, outcome, Snapshot + ".");
        Assert.DoesNotContain("0000", outcome.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_folder_above_or_below_names_the_checkpoint()
    {
        string model = CopyOf(Fixtures.Demo, "all/model");
        Directory.CreateDirectory(Path.Combine(model, "onnx"));
        Fails(3, Dia.Run("[S1] Hi.", "--model", In("all"), "-o", In("a.wav")), $"{In("all")} is no checkpoint itself. Name the folder {model}.");
        Fails(3, Dia.Run("[S1] Hi.", "--model", Path.Combine(model, "onnx"), "-o", In("a.wav")), $"Name the folder {model}.");
        Fails(3, Dia.Run("encode", Fixtures.Path("demo/voice.wav"), "--model", In("all"), "-o", In("c")), $"Name the folder {model}.");
        Fails(3, Dia.Run("[S1] Hi.", "--model", Path.Combine(model, "config.json"), "-o", In("a.wav")),
            $"is one file of a checkpoint. Name its folder, {model}.");
    }

    [Fact]
    public void A_codec_and_a_model_in_each_others_place()
    {
        string model = CopyOf(Fixtures.Demo);
        Fails(3, Dia.Run("[S1] Hi.", "--codec", model, "-o", In("a.wav")), "holds a model that speaks, not a codec", Path.Combine(model, "dac"));
        Fails(3, Dia.Run("encode", Fixtures.Path("demo/voice.wav"), "--codec", model, "-o", In("c")), Path.Combine(model, "dac"));
        Directory.Delete(Path.Combine(model, "dac"), recursive: true);
        Fails(3, Dia.Run("[S1] Hi.", "--codec", model, "-o", In("a.wav")), "holds a model that speaks, not a codec", "DAC");
        Fails(3, Dia.Run("[S1] Hi.", "--model", Path.Combine(Fixtures.Demo, "dac"), "-o", In("a.wav")), "codec", "--model");
    }

    [Fact]
    public void A_configuration_of_the_first_generation_is_read_and_what_it_lacks_is_named()
    {
        File.WriteAllText(In("config.json"), """
            {
              "version": "0.1",
              "model": { "encoder": { "n_layer": 12 }, "decoder": { "n_layer": 18 }, "src_vocab_size": 256 },
              "training": {},
              "data": { "text_length": 1024, "channels": 9 }
            }
            """);
        Fails(3, Dia.Run("[S1] Hi.", "--model", Folder, "-o", In("a.wav")), "config.json:1:1:", "model.encoder.n_embd is missing");
    }

    [Fact]
    public void An_adapter_is_named()
    {
        File.WriteAllText(In("adapter_config.json"), "{\"base_model_name_or_path\": \"nari-labs/Dia-1.6B-0626\", \"peft_type\": \"LORA\"}");
        File.WriteAllText(In("adapter_model.safetensors"), "x");
        Fails(3, Dia.Run("[S1] Hi.", "--model", Folder, "-o", In("a.wav")), "is an adapter (LoRA) for nari-labs/Dia-1.6B-0626", "merge_and_unload");
    }

    [Theory]
    [InlineData("dia.gguf", "GGUF")]
    [InlineData("model.onnx", "ONNX")]
    public void Other_formats_are_named(string name, string format)
    {
        File.WriteAllBytes(In(name), [0, 1, 2, 3]);
        Fails(3, Dia.Run("[S1] Hi.", "--model", In(name), "-o", In("a.wav")), name, format, "safetensors");
        Fails(3, Dia.Run("[S1] Hi.", "--model", Folder, "-o", In("a.wav")), name, format, "safetensors");
        File.Copy(Path.Combine(Fixtures.Demo, "config.json"), In("config.json"));
        Fails(3, Dia.Run("[S1] Hi.", "--model", Folder, "-o", In("a.wav")), name, format, "safetensors");
    }

    [Fact]
    public void What_is_no_file_of_PyTorch_by_its_name_is_refused()
    {
        File.Copy(Path.Combine(Fixtures.Demo, "config.json"), In("config.json"));
        foreach (string name in new[] { "pytorch_model.bin", "dia.pth" })
        {
            File.WriteAllBytes(In(name), [0, 1, 2, 3]);
            Fails(3, Dia.Run("[S1] Hi.", "--model", Folder, "-o", In("a.wav")), name, "neither a PyTorch file", "safetensors");
            File.Delete(In(name));
        }
    }

    public static TheoryData<string, byte[], string> Impostors() => new()
    {
        { "empty", [], "is empty: the download failed" },
        { "LFS", Encoding.ASCII.GetBytes("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 6\n"), "git lfs pull" },
        { "HTML", Encoding.ASCII.GetBytes("\n<!DOCTYPE html>\n<html><body>Not found</body></html>"), "is a web page" },
        { "text", Encoding.ASCII.GetBytes("Entry not found"), "is text (\"Entry not found\"), not tensors" },
        { "JSON", Encoding.ASCII.GetBytes("{\"error\":\"Repository not found\"}"), "is text (\"{\"error\":\"Repository not found\"}\"), not tensors" },
        { "zip", [.. "PK\x03\x04"u8, .. new byte[200]], "PyTorch" },
        { "pickle", [0x80, 2, .. "}q\x00(X\x0E\x00\x00\x00"u8, .. new byte[200]], "PyTorch" },
        { "GGUF", [.. "GGUF"u8, 3, 0, 0, 0, 1, 0, 0, 0, .. new byte[100]], "GGUF" },
        { "HDF5", [0x89, .. "HDF\r\n\x1A\n"u8, .. new byte[100]], "HDF5" },
    };

    [Theory]
    [MemberData(nameof(Impostors))]
    public void Other_things_in_the_place_of_tensors_are_recognised(string what, byte[] bytes, string says)
    {
        string model = CopyOf(Fixtures.Demo);
        File.WriteAllBytes(Path.Combine(model, "model.safetensors"), bytes);
        Fails(3, Dia.Run("[S1] Hi.", "--model", model, "-o", In("a.wav")),
            "model.safetensors " + (says.StartsWith("is ", StringComparison.Ordinal) ? says : "is "), says);
        if (what is "empty" or "LFS" or "HTML")
        {
            File.WriteAllBytes(Path.Combine(model, "config.json"), bytes);
            Fails(3, Dia.Run("[S1] Hi.", "--model", model, "-o", In("a.wav")), "config.json is ", says);
        }
    }

    [Fact]
    public void Missing_parts_are_all_named()
    {
        string model = CopyOf(Fixtures.Demo), index = Path.Combine(model, "model.safetensors.index.json");
        File.Delete(Path.Combine(model, "model.safetensors"));
        File.WriteAllText(index, "{\"weight_map\": {\"a\": \"model-1-of-2.safetensors\", \"b\": \"model-2-of-2.safetensors\"}}");
        Fails(3, Dia.Run("[S1] Hi.", "--model", model, "-o", In("a.wav")),
            "names 2 files that are missing: model-1-of-2.safetensors, model-2-of-2.safetensors");
        File.Move(index, Path.Combine(model, "model-1-of-2.safetensors"));
        File.WriteAllText(Path.Combine(model, "model-2-of-2.safetensors"), "x");
        Fails(3, Dia.Run("[S1] Hi.", "--model", model, "-o", In("a.wav")), "fetch model.safetensors.index.json too");
        File.Delete(Path.Combine(model, "model-2-of-2.safetensors"));
        File.Move(Path.Combine(model, "model-1-of-2.safetensors"), Path.Combine(model, "fine-tuned.safetensors"));
        Fails(3, Dia.Run("[S1] Hi.", "--model", model, "-o", In("a.wav")), $"name the file that is the model, {Path.Combine(model, "fine-tuned.safetensors")}");
    }

    [Fact]
    public void A_name_on_the_hub_is_not_fetched() =>
        Fails(3, Dia.Run("[S1] Hi.", "--model", "nari-labs/Dia-1.6B-0626", "-o", In("a.wav")), "nari-labs/Dia-1.6B-0626: no such folder",
            "Nothing is downloaded here");

    /// <summary>A cache as the hub's library lays it out: files are links to blobs.</summary>
    private void Cache(string model, string snapshot, bool main = true)
    {
        string folder = Path.Combine(In("hub"), snapshot), root = Path.GetDirectoryName(Path.GetDirectoryName(folder))!;
        Directory.CreateDirectory(Path.Combine(root, "blobs"));
        Directory.CreateDirectory(Path.Combine(root, "refs"));
        if (main)
            File.WriteAllText(Path.Combine(root, "refs/main"), Path.GetFileName(snapshot));
        int n = Directory.EnumerateFiles(Path.Combine(root, "blobs")).Count();
        foreach (string file in Directory.EnumerateFiles(model, "*.*", SearchOption.AllDirectories).Where(f => !f.Contains("recipe", StringComparison.Ordinal)))
        {
            string blob = Path.Combine(root, "blobs", $"{n++}"), link = Path.Combine(folder, Path.GetRelativePath(model, file));
            File.Copy(file, blob);
            Directory.CreateDirectory(Path.GetDirectoryName(link)!);
            File.CreateSymbolicLink(link, blob);
        }
    }
}
