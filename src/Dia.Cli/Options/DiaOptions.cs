namespace Dia.Cli.Options;

/// <summary>Every option of every command, each defined once.</summary>
internal static class DiaOptions
{
    private const string NotEmpty = "a name that is not empty";

    // Input.
    public static readonly OptionSpec<string> File = new("--file", "-f", "FILE", "Read the text from FILE (- is standard input).", NotEmpty, Parsers.Text);
    public static readonly OptionSpec<bool> NoFixText = Flag("--no-fix-text", null, "Do not put [S1] in front of a text that starts with no speaker tag.");
    public static readonly OptionSpec<bool> RawText =
        Flag("--raw-text", null,
        "Give the model every character as it stands: byte order mark, line ends, blanks at start and end, [s1]. Nothing is put in front, and nothing is split.");
    public static readonly OptionSpec<bool> Truncate =
        Flag("--truncate", null,
        "Cut a text that is too long for the model. Without it such a text is split (see Long scripts); with --raw-text or --no-split it is an error.");

    // Voice.
    public static readonly OptionSpec<string> Clone = new("--clone", null, "FILE",
        "Speak in the voice of this recording (WAV, FLAC, MP3, Opus or Vorbis; any rate and channels; - is standard input). Needs --clone-text.", NotEmpty, Parsers.Text);
    public static readonly OptionSpec<string> CloneText =
        new("--clone-text", null, "TEXT", "What is said in the recording, speaker tags included.", NotEmpty, Parsers.Text);
    public static readonly OptionSpec<string> Voice =
        new("--voice", null, "FILE", "Speak in the voice of this file, made by `dia voice`.", NotEmpty, Parsers.Text);
    public static readonly OptionSpec<string> PromptCodes =
        new("--prompt-codes", null, "FILE",
        "Continue in the voice of these codes (as --codes and `dia encode` write them). Their transcript must stand at the start of the text.", NotEmpty,
        Parsers.Text);
    public static readonly OptionSpec<bool> KeepPrompt = Flag("--keep-prompt", null, "Leave the voice's own recording at the start of the output.");
    public static readonly OptionSpec<bool> KeepSilence = Flag("--keep-silence", null,
        "Leave the silence in front of a recording as it is: more than 0.3 s of it, which is cut otherwise, makes the model say nothing.");
    public static readonly OptionSpec<string> VoiceText =
        new("--text", null, "TEXT", "What is said in the recording, speaker tags included.", NotEmpty, Parsers.Text) { HasVariable = false };

    // Output.
    public static readonly OptionSpec<string> Output = new("--output", "-o", "FILE", "Where the result goes (- is standard output).", NotEmpty,
        Parsers.Text) { Default = "standard output, unless it is a terminal" };
    public static readonly OptionSpec<string> OutputFolder =
        new("--output", "-o", "DIR", "The folder to write; it is made if need be.", "the name of a folder, not -", Parsers.RealFile);
    public static readonly OptionSpec<bool> Raw = Flag("--raw", null, "Write samples without a WAV header: signed 16 bits, little-endian, mono.");
    public static readonly OptionSpec<string> SoundFormat = new("--format", null, "FORMAT",
        "Write wav, flac or opus where no name says it: to standard output, and in the answers to JSON lines. A name that ends in .wav, .flac or .opus says it.",
        "wav, flac or opus", Parsers.OneOf("wav", "flac", "opus")) { Default = "wav", Choices = ["wav", "flac", "opus"] };
    public static readonly OptionSpec<int> SoundRate = new("--rate", null, "HZ", "Resample the sound to so many samples a second (Opus always has 48000).",
        "a whole number from 8000 to 192000", Parsers.Integer(8000, 192_000)) { Default = "the codec's" };
    public static readonly OptionSpec<double> Lufs = new("--lufs", null, "X",
        "Make the sound as loud as this (ITU-R BS.1770, in LUFS; -16 is usual for speech), but no peak higher than -1 dBFS. It leaves when all of it is there.",
        "from -50 to -5", Parsers.Number(x => x is >= -50 and <= -5));
    public static readonly OptionSpec<bool> Tags = Flag("--tags", null,
        "Say in a WAV too what FLAC and Opus always say: what is spoken, by which program, that it is generated speech, and the seed.");
    public static readonly OptionSpec<string> Codes =
        new("--codes", null, "FILE",
        "Write the audio codes (safetensors: codes, and rows, the model's own; of a text in pieces codes only). Without -o nothing else is made, and no codec is needed.", "the name of a file, not -", Parsers.RealFile);

    public static readonly OptionSpec<bool> Trim = Flag("--trim", null, "Cut silence at the end of the speech, but for 0.1 s. Codes stay whole.");
    public static readonly OptionSpec<bool> Play =
        Flag("--play", null, "Play the speech while it is made, with aplay, paplay or ffplay, whichever is found first. Without -o nothing else is made.");

    // Looking.
    public static readonly OptionSpec<string> Plot =
        new("--plot", null, "FILE.png",
        "Draw the waveform and a mel spectrogram. Speaker turns are marked where they should be: each has the share of time that it has of the text's characters, between the first and the last sound. Without -o nothing else is made.", "the name of a file, not -", Parsers.RealFile);

    // Sampling. The released model's values are shown; a checkpoint's generation_config.json goes before them.
    public static readonly OptionSpec<double> Temperature = new("--temperature", null, "X", "Higher is livelier, lower steadier.",
        "greater than 0 (1.2e-38 to 3.4e38)", Parsers.Number(x => float.IsNormal((float)x) && x > 0)) { Default = "1.2" };
    public static readonly OptionSpec<double> TopP = new("--top-p", null, "X", "Draw among the best ids that together have this probability; 1: all.",
        "greater than 0 and at most 1", Parsers.Number(x => x is > 0 and <= 1)) { Default = "0.95" };
    public static readonly OptionSpec<int> TopK = new("--top-k", null, "N", "Draw among the N best ids; 0: all.", "a whole number from 0 (off) to 2147483647",
        Parsers.Integer(0, int.MaxValue)) { Default = "45" };
    public static readonly OptionSpec<double> CfgScale =
        new("--cfg-scale", null, "X", "How closely to follow the text (classifier-free guidance); 1: off, and twice as fast.",
        "at least 1 (off) and at most 3.4e38", Parsers.Number(x => x is >= 1 and <= float.MaxValue)) { Default = "3.0" };
    public static readonly OptionSpec<int> MaxTokens =
        new("--max-tokens", null, "N",
        "At most N rows of codes: the largest delay and one more than there are frames of audio. At least the largest delay plus 2.",
        "a whole number from the model's largest delay plus 2 to what it holds", Parsers.Integer(1, int.MaxValue)) { Default = "the checkpoint's max_length" };
    public static readonly OptionSpec<Seed> Seed = new("--seed", null, "N", "Same seed, same audio; -1: a random one. The seed used is reported.",
        "-1 (random) or a whole number from 0 to 18446744073709551615", Parsers.Seed) { Default = "-1" };
    public static readonly OptionSpec<bool> Greedy = Flag("--greedy", null, "Take the best id each time instead of drawing.");

    // Many utterances.
    public static readonly OptionSpec<bool> Lines =
        Flag("--lines", null,
        "Each line that says something is an utterance of its own. -o and --codes then name a folder, or hold {n}, the line's number; on standard output the utterances follow each other.");
    public static readonly OptionSpec<bool> JsonLines =
        Flag("--jsonl", null, "Each line is a JSON object that asks for an utterance, and is answered by one on standard output.");
    public static readonly OptionSpec<int> Batch =
        new("--batch", null, "N",
        "How many utterances are spoken at a time: they share each pass over the weights. The result does not depend on it, the memory needed does.",
        "a whole number from 1 to 64", Parsers.Integer(1, 64)) { Default = "4" };
    public static readonly OptionSpec<bool> Unordered = Flag("--unordered", null, "Answer as soon as an utterance is complete, not in the order of the lines.");
    public static readonly OptionSpec<bool> Check =
        Flag("--check", null, "With --lines or --jsonl: read the whole list, open what it names, and speak nothing. Lines that would fail are answered.");
    public static readonly OptionSpec<string> Journal = new("--journal", null, "FILE",
        "Keep in FILE which outputs of a list are complete, a line each: what --resume goes on from.", "the name of a file, not -", Parsers.RealFile);
    public static readonly OptionSpec<bool> Resume = new("--resume", null, null,
        "Go on with the list of --journal: outputs that are complete, and whose request is the same, are not made again.", "", Parsers.Flag) { HasVariable = false };
    public static readonly OptionSpec<Shard> Shard = new("--shard", null, "K/N",
        "Speak the part of the list whose line numbers modulo N are K, for one of N machines. Numbers and names stay those of the whole list; give all parts one --seed.",
        "K/N, two whole numbers, K from 1 to N", Parsers.Shard);
    public static readonly OptionSpec<string> InputFolder =
        new("--input-dir", null, "DIR", "The folder that paths of JSON lines to read are in.", NotEmpty, Parsers.Text) { Default = "the current folder" };
    public static readonly OptionSpec<string> OutputFolderOfLines = new("--output-dir", null, "DIR",
        "The folder that paths of JSON lines to write are in; it is made if need be.", NotEmpty, Parsers.Text) { Default = "the current folder" };
    public static readonly OptionSpec<bool> AnyPath =
        Flag("--any-path", null, "Let JSON lines name absolute paths, paths with `..`, and links that lead out of these folders.");

    // Long scripts.
    public static readonly OptionSpec<bool> Split =
        Flag("--split", null,
        "Split the text even where the model could take it whole. A text that is longer than the model can hold is split anyway.");
    public static readonly OptionSpec<bool> NoSplit = Flag("--no-split", null, "Split nothing: a text that is too long for the model is an error.");
    public static readonly OptionSpec<double> Speed = new("--speed", null, "X", "Speak X times as fast at the same pitch, from 0.5 to 2.", "from 0.5 to 2",
        Parsers.Number(x => x is >= 0.5 and <= 2)) { Default = "1" };
    public static readonly OptionSpec<int> Retries =
        new("--retries", null, "N",
        "Speak a piece again with the next seed where it ended before its text can have been spoken, or went on until the length limit long after, at most N times. Audio then leaves piece by piece.", "a whole number from 0 to 100", Parsers.Integer(0, 100)) { Default = "0" };

    // Model and machine.
    public static readonly OptionSpec<string> Model =
        new("--model", null, "DIR_OR_FILE", "A checkpoint's folder, its file of safetensors or PyTorch's (.pth, .pt, .bin), or an executable with a model inside.", NotEmpty,
        Parsers.Text) { Default = "the model inside this executable" };
    public static readonly OptionSpec<string> Adapter =
        new("--adapter", null, "DIR", "Add the LoRA adapter in this folder (adapter_config.json, adapter_model.safetensors) to the model.", NotEmpty, Parsers.Text);
    public static readonly OptionSpec<double> AdapterStrength = new("--adapter-strength", null, "X", "How much of what the adapter adds; 1: as it was trained.",
        "a number from -1000 to 1000", Parsers.Number(x => Math.Abs(x) <= 1000)) { Default = "1" };
    public static readonly OptionSpec<string> Codec =
        new("--codec", null, "DIR_OR_FILE", "The audio codec (DAC): its folder, or its authors' own .pth.", NotEmpty, Parsers.Text) { Default = "dac/ in the model's folder" };
    public static readonly OptionSpec<string> Device =
        new("--device", null, "DEVICE",
        "auto (the first NVIDIA GPU whose memory the model fits into, else the processor), cpu, cuda (cuda:1 is the second GPU), or scalar (plain loops: the reference, slow).", "auto, cpu, cuda, cuda:N or scalar", Parsers.Device) { Default = "auto", Choices = ["auto", "cpu", "cuda", "scalar"] };
    public static readonly OptionSpec<int> Threads = new("--threads", null, "N", "Threads of the processor. The result does not depend on it.",
        "a whole number from 1 to 1024", Parsers.Integer(1, 1024)) { Default = "one for each core that is not a small one" };
    public static readonly OptionSpec<WeightPlacement> Weights = new("--weights", null, "WHERE",
        "What the processor reads in a step: map (the file where it is mapped), copy (a copy in large pages, which is made meanwhile), or auto (a copy where that is faster, pays for the length, and fits). The result does not depend on it.", "map, copy or auto", Parsers.Placement) { Default = "auto", Choices = ["auto", "map", "copy"] };
    public static readonly OptionSpec<bool> Exact = Flag("--exact", null,
        "For comparing: keep keys and values in float32, as the reference does, not in 16 bits, do not round activations (to 8 bits beside weights of 8 or 4 bits, of a text's and a voice's rows to bfloat16), and multiply the codec's convolutions out, which takes nearly twice as long. GPUs, `dia forward` and `dia generate` always do.");

    // Commands.
    public static readonly OptionSpec<bool> HiddenStates = Flag("--hidden-states", null, "Write the hidden states of every layer too.");
    public static readonly OptionSpec<bool> Attentions = Flag("--attentions", null, "Write the attention maps of every layer too.");
    public static readonly OptionSpec<string> Cache =
        new("--cache", null, "FILE", "Go on after the rows whose keys and values are in this file, made by --cache-out.", NotEmpty, Parsers.Text);
    public static readonly OptionSpec<string> CacheOut =
        new("--cache-out", null, "FILE", "Write keys and values of all rows so far, and of the text.", "the name of a file, not -", Parsers.RealFile);
    public static readonly OptionSpec<string> Texts =
        new("--text", null, "TEXT", "A text, every character as it stands. Given several times, the texts make a batch.", "a text that is not empty",
        Parsers.Text) { IsRepeatable = true, HasVariable = false };
    public static readonly OptionSpec<string> Recordings = new("--audio", null, "FILE",
        "A recording (WAV, FLAC, MP3, Opus or Vorbis; any rate and channels; - is standard input) for each text: a voice prompt, or with --labels what is to be learned.", NotEmpty,
        Parsers.Text) { IsRepeatable = true, HasVariable = false };
    public static readonly OptionSpec<bool> Labels =
        Flag("--labels", null, "Make training rows: an EOS row after the codes, and the labels that `dia forward` computes the loss of. Needs --audio.");
    public static readonly OptionSpec<int> Quantizers = new("--quantizers", null, "N", "Make the codes of the first N codebooks only.",
        "a whole number from 1 to the codec's codebooks", Parsers.Integer(1, int.MaxValue)) { Default = "all of the codec's" };
    public static readonly OptionSpec<bool> Grad =
        Flag("--grad", null, "Write the gradient of the loss by every parameter too: grad.PARAMETER. IN.safetensors must have labels.");
    public static readonly OptionSpec<string> Config =
        new("--config", null, "NAME", "The compiled configuration, as `dia info` lists it.", NotEmpty, Parsers.Text);
    public static readonly OptionSpec<string> Graph =
        new("--graph", null, "NAME",
        "Show the graph and the plan of this compiled configuration instead: every operation with its sizes, its weight, where its result lies, and what a row of it costs.", NotEmpty, Parsers.Text) { HasVariable = false };
    public static readonly OptionSpec<WeightFormat> SynthDType = new("--dtype", null, "TYPE", "Format of the weights: bf16 or f32 (the same values).",
        "bf16 or f32", ParseSynthDType) { Default = "bf16", Choices = ["bf16", "f32"] };
    public static readonly OptionSpec<WeightFormat> ConvertDType = new("--dtype", null, "TYPE",
        "Format of the weights: bf16, f16 or f32; or int8 or int4 for those of the model's linear layers, bf16 for the rest and the codec.",
        "bf16, f16, f32, int8 or int4", ParseConvertDType) { Choices = ["bf16", "f16", "f32", "int8", "int4"] };
    public static readonly OptionSpec<string> Keep = new("--keep", null, "PATTERN=TYPE",
        "Another format for the model's weights of this name, * for any characters: \"*cross_attention*=bf16\". May be given several times; the last that fits a name holds.",
        "a name, * for any characters, then =bf16, =f16, =f32, =int8 or =int4", ParseKeep) { IsRepeatable = true, HasVariable = false };

    public static readonly OptionSpec<string> Calibrate = new("--calibrate", null, "FILE",
        "Choose integers for what the model's layers are given while it speaks the lines of this script (JSON lines with a voice each are taken too).", "the name of a file, not -", Parsers.RealFile) { HasVariable = false };
    public static readonly OptionSpec<bool> Report = Flag("--report", null,
        "Print what rounding did to each weight, and with --calibrate how far the model is from its source over lines that were kept out.");

    public static readonly OptionSpec<bool> Small =
        Flag("--small", null, "Odd small sizes and the model only, not the sizes of every compiled configuration: for devices that are emulated.");

    // Messages.
    public static readonly OptionSpec<bool> Strict =
        Flag("--strict", null,
        "For scripts: exit code 1 where a result is suspicious (the warnings that -q does not silence), and a checkpoint with extra tensors or unknown keys is refused before any work.");
    public static readonly OptionSpec<bool> Quiet =
        Flag("--quiet", "-q", "No messages but errors, and warnings of results that may not be what was asked for.");
    public static readonly OptionSpec<bool> Verbose = Flag("--verbose", "-v", "Also say load time, device, memory and speed.");
    public static readonly OptionSpec<bool> Help = new("--help", "-h", null, "Show this help.", "", Parsers.Flag) { HasVariable = false };
    public static readonly OptionSpec<bool> Version = new("--version", null, null, "Show the version.", "", Parsers.Flag) { HasVariable = false };

    /// <summary>The options that every command has.</summary>
    public static OptionGroup Messages { get; } = new("Messages", [Quiet, Verbose, Strict, Help, Version]);

    /// <summary>How to draw. Each may also stand in a JSON line.</summary>
    public static OptionGroup SamplingGroup { get; } = new(
        "Sampling (an option goes before the checkpoint's generation_config.json, that before the defaults shown)",
        [Temperature, TopP, TopK, CfgScale, MaxTokens, Seed, Greedy]);

    /// <summary>How sound is written.</summary>
    public static IReadOnlyList<OptionSpec> SoundOptions { get; } = [Raw, SoundFormat, SoundRate, Lufs, Tags];

    /// <summary>Options of many utterances in one run.</summary>
    public static OptionGroup LinesGroup { get; } =
        new("Many utterances", [Lines, JsonLines, Check, Journal, Resume, Shard, Batch, Unordered, InputFolder, OutputFolderOfLines, AnyPath]);

    /// <summary>Which option makes an utterance of each line; null: none is given.</summary>
    public static OptionSpec<bool>? LinesOf(CommandLine line) => line.Has(Lines) ? Lines : line.Has(JsonLines) ? JsonLines : null;

    /// <summary>Options for long scripts.</summary>
    public static OptionGroup ScriptGroup { get; } = new("Long scripts", [Split, NoSplit, Speed, Retries]);

    /// <summary>Whose voice to speak in.</summary>
    public static OptionGroup VoiceGroup { get; } = new("Voice", [Clone, CloneText, Voice, PromptCodes, KeepSilence, KeepPrompt]);

    /// <summary>Those that name a voice and its transcript.</summary>
    public static IReadOnlyList<OptionSpec> VoiceSources { get; } = [Clone, CloneText, Voice, PromptCodes];

    /// <summary>Those that name a file which is read; what is written must be another.</summary>
    public static IReadOnlyList<OptionSpec<string>> OfInputs { get; } = [File, Clone, Voice, PromptCodes, Cache, Model, Codec];

    /// <summary>Options of commands that load a model.</summary>
    public static OptionGroup ModelGroup { get; } = new("Model and machine", [Model, Adapter, AdapterStrength, Device, Threads, Weights]);

    /// <summary>Options of commands that load a model and a codec.</summary>
    public static OptionGroup SpeechGroup { get; } = new("Model and machine", [Model, Adapter, AdapterStrength, Codec, Device, Threads, Weights, Exact]);

    /// <summary>Options of commands that load a codec.</summary>
    public static OptionGroup CodecGroup { get; } = new("Model and machine", [Model, Codec, Device, Threads, Exact]);

    /// <summary>Options of what says how much memory a model takes.</summary>
    public static OptionGroup PlanGroup { get; } = new("Model and machine", [Model, Codec, Device, Threads, Weights]);

    private static OptionSpec<bool> Flag(string name, string? shortName, string help) =>
        new(name, shortName, null, help, "1 or 0 (also true or false, yes or no, on or off)", Parsers.Flag);

    /// <summary>What a value of <see cref="Keep"/> says.</summary>
    public static KeptWeights KeptBy(string text)
    {
        int at = text.LastIndexOf('=');
        return ParseConvertDType(text[(at + 1)..], out WeightFormat format) ? new KeptWeights(text[..at], format)
            : throw new ArgumentException(text, nameof(text));
    }

    private static bool ParseKeep(string text, out string value)
    {
        value = text;
        int at = text.LastIndexOf('=');
        return at > 0 && ParseConvertDType(text[(at + 1)..], out _);
    }

    private static bool ParseConvertDType(string text, out WeightFormat value)
    {
        value = text == "int8" ? WeightFormat.Int8 : WeightFormat.Int4;
        return text is "int8" or "int4" || WeightFormats.TryParse(text, out value);
    }

    private static bool ParseSynthDType(string text, out WeightFormat value) => WeightFormats.TryParse(text, out value) && value != WeightFormat.Float16;
}

/// <summary>Options under one heading of the help.</summary>
/// <param name="Title">The heading.</param>
/// <param name="Options">The options, in the order of the help.</param>
internal sealed record OptionGroup(string Title, IReadOnlyList<OptionSpec> Options)
{
    /// <summary>Whether the options' defaults hold here, so that the help shows them.</summary>
    public bool ShowsDefaults { get; init; } = true;
}
