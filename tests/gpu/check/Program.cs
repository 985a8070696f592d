using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Dia.Audio;
using Dia.Weights;

namespace Dia.Gpu.Check;

/// <summary>
/// dia-check fixtures DIA FIXTURES DEVICE    the forward, codec and generate groups through an executable that has their configurations
/// dia-check rows A B                        how many rows of two --codes files are equal
/// Prints Markdown. Exit codes: 0 all as it must be, 1 not.
/// </summary>
internal static class Program
{
    // Ten times the fixtures' own: a GPU sums in another order, and its e^x is its own.
    private const double Forward = 2e-4;

    // Ten times the fixtures', and one step of the WAV's 16 bits.
    private const double Audio = 1e-4 + 1 / 32768.0;

    // Codes whose margin is smaller may change with the order of a sum.
    private const double CodeMargin = 1e-4;

    private static bool _failed;

    private static int Main(string[] args)
    {
        switch (args)
        {
            case ["fixtures", string dia, string fixtures, string device]:
                string scratch = Directory.CreateTempSubdirectory("dia-check-").FullName;
                try
                {
                    Console.WriteLine("| fixture | what | error | tolerance | |\n|---|---|--:|--:|---|");
                    Forwards(dia, fixtures, device, scratch);
                    Codecs(dia, fixtures, device, scratch);
                    Runs(dia, fixtures, device, scratch);
                }
                finally
                {
                    Directory.Delete(scratch, recursive: true);
                }

                return _failed ? 1 : 0;
            case ["rows", string a, string b]:
                return Rows(a, b);
            default:
                Console.Error.WriteLine("usage: dia-check fixtures DIA FIXTURES DEVICE | dia-check rows A B");
                return 2;
        }
    }

    private static void Line(string fixture, string what, double error, double tolerance)
    {
        bool passed = error <= tolerance;
        _failed |= !passed;
        Console.WriteLine(
            string.Create(CultureInfo.InvariantCulture, $"| {fixture} | {what} | {error:g2} | {tolerance:g2} | {(passed ? "pass" : "**FAIL**")} |"));
    }

    /// <summary>Runs the executable; where it fails, its words are the line.</summary>
    private static bool Run(string fixture, string dia, params string[] args)
    {
        var start = new ProcessStartInfo(dia, args) { RedirectStandardError = true };
        using Process process = Process.Start(start)!;
        string errors = process.StandardError.ReadToEnd();
        process.WaitForExit();
        if (process.ExitCode == 0)
            return true;
        _failed = true;
        Console.WriteLine($"| {fixture} | exit code {process.ExitCode}: {errors.Trim().ReplaceLineEndings(" ")} | | | **FAIL** |");
        return false;
    }

    private static void Forwards(string dia, string fixtures, string device, string scratch)
    {
        foreach (string folder in Directory.EnumerateDirectories(Path.Combine(fixtures, "tiny"))
            .Concat(Directory.EnumerateDirectories(Path.Combine(fixtures, "quantized"), "int*")).Order(StringComparer.Ordinal))
        {
            string name = Path.GetRelativePath(fixtures, folder), expected = Path.Combine(folder, "forward.safetensors"), output = Path.Combine(scratch, "out");
            if (!Run(name, dia, "forward", expected, output, "--model", folder, "--device", device, "--hidden-states", "--attentions", "-q"))
                continue;
            using var right = SafetensorsFile.Open(expected);
            using var actual = SafetensorsFile.Open(output);
            string[] names = [.. right.Tensors.Keys.Where(n => n.StartsWith("out.", StringComparison.Ordinal))];
            Line(name, $"{names.Length} tensors of forward", names.Max(n => Tolerance.Error(right[n].ToSingle(), actual[n[4..]].ToSingle())), Forward);
        }
    }

    private static void Codecs(string dia, string fixtures, string device, string scratch)
    {
        foreach (string folder in Directory.EnumerateDirectories(Path.Combine(fixtures, "dac")).Order(StringComparer.Ordinal))
        {
            string name = "dac/" + Path.GetFileName(folder), wav = Path.Combine(scratch, "a.wav"), file = Path.Combine(scratch, "codes");
            using var cases = SafetensorsFile.Open(Path.Combine(folder, "cases.safetensors"));
            using JsonDocument about = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "cases.json")));
            int hop = about.RootElement.GetProperty("hop_length").GetInt32(), index = 0;
            double[] margins = [.. about.RootElement.GetProperty("smallest_code_margin").EnumerateArray().Select(e => e.GetDouble())];
            foreach (int length in about.RootElement.GetProperty("encode_lengths").EnumerateArray().Select(e => e.GetInt32()))
            {
                // The command pads to whole frames.
                if (margins[index++] < CodeMargin || length % hop != 0)
                    continue;
                using (FileStream stream = File.Create(wav))
                    stream.Write(FloatWav(cases[$"encode{length}.audio"].ToSingle()));
                if (!Run(name, dia, "encode", wav, "-o", file, "--codec", folder, "--device", device, "-q"))
                    continue;
                using var codes = SafetensorsFile.Open(file);
                int[] right = Turned(cases[$"encode{length}.codes"]);
                Line(name, $"codes of {length} samples", codes["codes"].ToInt32().SequenceEqual(right) ? 0 : double.PositiveInfinity, 0);
            }

            foreach (string key in cases.Tensors.Keys.Where(n =>
                n.StartsWith("decode", StringComparison.Ordinal) && n.EndsWith(".codes", StringComparison.Ordinal)).Order(StringComparer.Ordinal))
            {
                long[] shape = cases[key].Shape;
                SafetensorsWriter.Save(file, [new SafetensorsArray("codes", [shape[1], shape[0]], Turned(cases[key]))]);
                if (!Run(name, dia, "decode", file, "-o", wav, "--codec", folder, "--device", device, "-q"))
                    continue;
                float[] right = cases[key.Replace(".codes", ".audio", StringComparison.Ordinal)].ToSingle(), samples = AudioReader.Read(wav).ToMono();
                double error = samples.Length == right.Length ? samples.Zip(right).Max(p => Math.Abs((double)p.First - p.Second)) : double.PositiveInfinity;
                Line(name, $"audio of {shape[1]} frames", error, Audio);
            }
        }
    }

    /// <summary>The reference's greedy runs.</summary>
    private static void Runs(string dia, string fixtures, string device, string scratch)
    {
        string folder = Path.Combine(fixtures, "generate");
        foreach (string path in Directory.EnumerateFiles(folder, "*.json").Order(StringComparer.Ordinal))
        {
            string name = Path.GetFileNameWithoutExtension(path), output = Path.Combine(scratch, "rows");
            if (name == "cut-at-16-shortest")
                continue; // The command refuses it.
            using JsonDocument about = JsonDocument.Parse(File.ReadAllText(path));
            using var right = SafetensorsFile.Open(Path.ChangeExtension(path, ".safetensors"));
            string Setting(string key, string none) => about.RootElement.GetProperty(key) is { ValueKind: JsonValueKind.Number } number
                ? number.GetRawText() : none;
            List<string> args =
            [
                "--model", Path.Combine(folder, "model"), "--device", device, "--exact", "--greedy", "--codes", output, "-q",
                "--cfg-scale", Setting("guidance_scale", "1"), "--top-k", Setting("top_k", "0"), "--max-tokens", Setting("max_new_tokens", ""),
            ];
            if (name == "prompt")
            {
                StoredTensor prompt = right["in.prompt_codes"];
                SafetensorsWriter.Save(Path.Combine(scratch, "prompt"), [new SafetensorsArray("codes", prompt.Shape[1..], prompt.ToInt32())]);
                args.AddRange(["--prompt-codes", Path.Combine(scratch, "prompt")]);
            }

            string[] texts = [.. about.RootElement.GetProperty("texts").EnumerateArray().Select(t => t.GetString()!)];
            int[] sequences = right["out.sequences"].ToInt32();
            int perText = sequences.Length / texts.Length;
            for (int i = 0; i < texts.Length; i++)
            {
                if (!Run($"generate/{name}", dia, [texts[i], .. args]))
                    continue;
                using var file = SafetensorsFile.Open(output);
                int[] rows = file["rows"].ToInt32();
                bool equal = rows.Length <= perText && rows.AsSpan().SequenceEqual(sequences.AsSpan(i * perText, rows.Length));
                Line($"generate/{name}", $"greedy rows of text {i + 1}", equal ? 0 : double.PositiveInfinity, 0);
            }
        }
    }

    private static int Rows(string a, string b)
    {
        using SafetensorsFile first = SafetensorsFile.Open(a), second = SafetensorsFile.Open(b);
        int channels = (int)first["rows"].Shape[1];
        int[] x = first["rows"].ToInt32(), y = second["rows"].ToInt32();
        int same = x.AsSpan().CommonPrefixLength(y) / channels, rows = Math.Max(x.Length, y.Length) / channels;
        Console.WriteLine($"{same} of {rows} rows equal{(same == rows ? "" : ": look whether the first that differs has two scores closer than rounding")}");
        return same == rows ? 0 : 1;
    }

    /// <summary>[channels, frames] to [frames, channels].</summary>
    private static int[] Turned(StoredTensor codes)
    {
        int channels = (int)codes.Shape[^2], frames = (int)codes.Shape[^1];
        int[] values = codes.ToInt32(), turned = new int[values.Length];
        for (int c = 0; c < channels; c++)
            for (int t = 0; t < frames; t++)
                turned[t * channels + c] = values[c * frames + t];
        return turned;
    }

    /// <summary>A WAV of 32-bit floats at 16 kHz.</summary>
    private static byte[] FloatWav(float[] samples)
    {
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        writer.Write("RIFF"u8);
        writer.Write(36 + samples.Length * 4);
        writer.Write("WAVEfmt "u8);
        writer.Write(16);
        writer.Write((short)3);
        writer.Write((short)1);
        writer.Write(16000);
        writer.Write(64000);
        writer.Write((short)4);
        writer.Write((short)32);
        writer.Write("data"u8);
        writer.Write(samples.Length * 4);
        foreach (float sample in samples)
            writer.Write(sample);
        writer.Flush();
        return stream.ToArray();
    }
}
