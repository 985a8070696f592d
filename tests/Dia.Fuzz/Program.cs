using System.Globalization;
using Dia.Fuzz.Targets;

namespace Dia.Fuzz;

/// <summary>The long run: tests/fuzz.</summary>
internal static class Program
{
    /// <summary>
    /// Every reader of outside data, by name. Random bytes have no say elsewhere: what the compiler reads is the same configuration
    /// code as "config", and words of the command line are read by a parser of their own.
    /// </summary>
    public static IReadOnlyDictionary<string, Func<FuzzTarget>> Targets { get; } = new SortedDictionary<string, Func<FuzzTarget>>(StringComparer.Ordinal)
    {
        ["audio-tokenizer-config"] = () => new ProcessorTarget("audio-tokenizer-config", "audio_tokenizer_config.json"),
        ["adapter"] = () => new AdapterTarget(),
        ["adapter-config"] = () => new AdapterConfigTarget(),
        ["bundle"] = () => new BundleTarget(),
        ["calibration-script"] = () => new CalibrationScriptTarget(),
        ["cache"] = () => new CacheTarget(),
        ["codec-config"] = () => new DacConfigTarget(),
        ["codes"] = () => new CodesTarget(),
        ["voice"] = () => new VoiceTarget(),
        ["config"] = () => new DiaConfigTarget(),
        ["content"] = () => new ContentTarget(),
        ["flac"] = () => new FlacTarget(),
        ["forward"] = () => new ForwardTarget(),
        ["generation-config"] = () => new GenerationConfigTarget(),
        ["journal"] = () => new JournalTarget(),
        ["json-lines"] = () => new JsonLinesTarget(),
        ["line-paths"] = () => new LinePathsTarget(),
        ["manifest-csv"] = () => new ManifestTarget("manifest-csv", "metadata.csv"),
        ["manifest-json"] = () => new ManifestTarget("manifest-json", "data.jsonl"),
        ["mp3"] = () => new Mp3Target(),
        ["opus"] = () => new OggTarget("opus"),
        ["preprocessor-config"] = () => new ProcessorTarget("preprocessor-config", "preprocessor_config.json"),
        ["processor-config"] = () => new ProcessorTarget("processor-config", "processor_config.json"),
        ["pytorch"] = () => new PyTorchTarget(),
        ["quantization"] = () => new QuantizationTarget(),
        ["quantized-checkpoint"] = () => new QuantizedCheckpointTarget(),
        ["safetensors"] = () => new SafetensorsFileTarget(),
        ["safetensors-header"] = () => new SafetensorsHeaderTarget(),
        ["script-text"] = () => new ScriptTextTarget(),
        ["shards"] = () => new ShardsTarget(),
        ["special-tokens-map"] = () => new ProcessorTarget("special-tokens-map", "special_tokens_map.json"),
        ["text"] = () => new TextTarget(),
        ["tokenizer-config"] = () => new ProcessorTarget("tokenizer-config", "tokenizer_config.json"),
        ["training-log"] = () => new TrainingLogTarget(),
        ["vorbis"] = () => new OggTarget("ogg"),
        ["wav"] = () => new WavTarget(),
    };

    private static int Main(string[] args)
    {
        var options = new Dictionary<string, string>(StringComparer.Ordinal);
        for (int i = 0; i < args.Length; i++)
        {
            if (args[i] is not ("--target" or "--count" or "--seed" or "--first" or "--threads" or "--input") || i + 1 == args.Length)
            {
                Console.Error.WriteLine(
                    $"usage: tests/fuzz [--target NAME] [--count N] [--seed N] [--first N] [--threads N] [--input BASE64]\ntargets: {string.Join(' ', Targets.Keys)}");
                return 2;
            }

            options[args[i]] = args[++i];
        }

        long Number(string name, long otherwise) => options.TryGetValue(name, out string? text) ? long.Parse(text, CultureInfo.InvariantCulture) : otherwise;
        string? only = options.GetValueOrDefault("--target");
        if (only is not null && !Targets.ContainsKey(only))
        {
            Console.Error.WriteLine($"no target {only}; there are: {string.Join(' ', Targets.Keys)}");
            return 2;
        }

        if (options.TryGetValue("--input", out string? input))
        {
            using FuzzTarget target = Targets[only ?? "wav"]();
            Console.WriteLine(Fuzzer.Try(target, Convert.FromBase64String(input)));
            return 0;
        }

        bool failed = false;
        foreach (string name in only is null ? Targets.Keys : [only])
        {
            FuzzResult result = new Fuzzer(Targets[name], (ulong)Number("--seed", 1), Number("--first", 0), Number("--count", 1_000_000))
                .Run((int)Number("--threads", Environment.ProcessorCount));
            Console.WriteLine(result);
            foreach (string failure in result.Failures)
                Console.WriteLine(failure);
            failed |= result.Failures.Count > 0;
        }

        return failed ? 1 : 0;
    }
}
