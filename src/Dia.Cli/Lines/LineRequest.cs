using System.Text.Json;
using Dia.Cli.Input;
using Dia.Cli.Options;

namespace Dia.Cli.Lines;

/// <summary>What a line asks for.</summary>
/// <param name="Text">What to say.</param>
/// <param name="Output">Where the audio goes, as it stands in the line; null: into the answer.</param>
/// <param name="Options">The command's options, with those of the line in their place.</param>
/// <param name="OwnVoice">Whether the line names its own voice. The options then hold nothing of the command's voice.</param>
internal sealed record LineRequest(string Text, string? Output, CommandLine Options, bool OwnVoice = false)
{
    private static readonly OptionSpec[] VoiceKeys = [DiaOptions.Clone, DiaOptions.CloneText, DiaOptions.Voice];

    /// <summary>The keys of a line that is spoken to calibrate: a text, and whose voice.</summary>
    public static IReadOnlyList<string> CalibrationKeys { get; } = [IdKey, TextKey, .. VoiceKeys.Select(Key)];

    /// <summary>The options that may stand in a JSON line, under their long names with `_`.</summary>
    public static IReadOnlyList<OptionSpec> Keys { get; } = [.. DiaOptions.SamplingGroup.Options, .. VoiceKeys];

    /// <summary>Requests and answers, for the help.</summary>
    public static string Help { get; } = $$"""
        JSON lines: with --jsonl each line asks for an utterance, and is answered by a line on standard output:
          {"id":"a1","text":"[S1] Hello there.","output":"a1.wav","seed":7,"clone":"me.wav","clone_text":"[S1] What I say in me.wav."}
          {"line":1,"id":"a1","output":"a1.wav","seconds":2.31,"frames":199,"stop":"eos","seed":7,"rtf":3.1}
        Keys of a request, all but text optional; those that are options go before the command's: id, text, output,
          {{string.Join(", ", DiaOptions.SamplingGroup.Options.Select(Key))}}, {{string.Join(", ", VoiceKeys.Select(Key))}}.
          output is in the folder of --output-dir, clone and voice are in that of --input-dir. A line that names a voice has nothing
          of the command's.
        Keys of an answer: line (its number), id, output, codes (the file of --codes), seconds, frames, stop (eos: it ended by
          itself; length: by the limit), seed, rtf (seconds of audio for each second), warnings (where the speech may not be what
          the text asks for: code cut, endless, empty, short or silent, and message), audio (in base64, as --format says, where the
          request names no output), kept (true where an earlier run has made it, as --journal says). Of a line that failed: line, id,
          error with its code (usage, model, input, output) and message.
        Lists that are ended before their end: with --journal FILE and the same command and --resume, outputs that are complete stay,
          and what is left is made, to the same bytes. A line that asks for something else than before, of another voice or another model,
          on another kind of device or at another DIA_ISA, or whose output is not what it was, is spoken again, and a note says so. Without --seed the journal's is taken. The journals of
          all --shard parts, one after the other, are the journal of the list.
        With --check only lines that would fail or need a warning are answered, and nothing is spoken.
        """;

    // What an output does not follow from, or follows from by what is hashed in its place: the voice, the model, how it is generated.
    private static readonly HashSet<OptionSpec> NotOfOutput =
    [
        .. DiaOptions.LinesGroup.Options, .. DiaOptions.SamplingGroup.Options, .. DiaOptions.VoiceSources, DiaOptions.KeepSilence, DiaOptions.File,
        DiaOptions.Output, DiaOptions.Codes, DiaOptions.Play, DiaOptions.Model, DiaOptions.Adapter, DiaOptions.Codec, DiaOptions.Device, DiaOptions.Threads,
        DiaOptions.Weights, .. DiaOptions.Messages.Options,
    ];

    private const string IdKey = "id";
    private const string TextKey = "text";
    private const string OutputKey = "output";

    /// <summary>A line of plain text.</summary>
    /// <exception cref="DiaException">Input: too long, or not UTF-8.</exception>
    public static LineRequest FromText(InputLine line, CommandLine command)
    {
        CheckLength(line);
        return new LineRequest(TextInput.Prepare(command, ScriptText.Decode(line.Bytes, "the line"), "the line"), null, command);
    }

    /// <summary>A JSON line. Its keys are strict: one that is not known or stands twice is an error, and null is "not given".</summary>
    /// <param name="line">The line.</param>
    /// <param name="command">The command's options.</param>
    /// <param name="id">The line's id as JSON text, set as soon as it is known: an error's answer carries it too.</param>
    /// <param name="keys">What messages say the keys are; null: all.</param>
    /// <exception cref="DiaException">Input: too long, not UTF-8, no JSON, or no text. Usage: a key or value that is wrong.</exception>
    public static LineRequest FromJson(InputLine line, CommandLine command, out string? id, IEnumerable<string>? keys = null)
    {
        id = null;
        CheckLength(line);
        ScriptText.CheckUtf8(line.Bytes, "the line");
        ReadOnlyMemory<byte> json = line.Bytes;
        if (line.Number == 1 && json.Span.StartsWith(Encoding.UTF8.Preamble))
            json = json[Encoding.UTF8.Preamble.Length..];
        try
        {
            using JsonDocument document = JsonDocument.Parse(json);
            if (document.RootElement.ValueKind != JsonValueKind.Object)
                throw new DiaException(DiaErrorKind.Input, "the line is JSON, but no object: a request looks like {\"text\":\"[S1] Hello.\"}.");
            return FromObject(document.RootElement, command, out id, keys ?? [IdKey, TextKey, OutputKey, .. Keys.Select(Key)]);
        }
        catch (JsonException e)
        {
            throw new DiaException(DiaErrorKind.Input, $"the line is not valid JSON at byte {e.BytePositionInLine}: {e.Message.Split(" LineNumber:")[0]}", e);
        }
        catch (InvalidOperationException e)
        {
            // Half of a surrogate pair as an escape: valid JSON, and no text.
            throw new DiaException(DiaErrorKind.Input, "a string of the line is not valid Unicode: it holds half of a surrogate pair.", e);
        }
    }

    /// <summary>A hash of all that the output follows from.</summary>
    /// <param name="voice">A hash of the voice; empty: none.</param>
    /// <param name="generation">How it is generated, its seed included.</param>
    /// <param name="model">A hash of model and codec, and of what computes them.</param>
    public byte[] Hash(byte[] voice, GenerationConfig generation, byte[] model)
    {
        // A line that wants any seed asks for the same whatever was drawn.
        if (Options.GetValue(DiaOptions.Seed) is { Value: null })
            generation = generation with { Seed = 0 };
        var said = new StringBuilder(Format.Text($"{generation}\n"));
        foreach ((OptionSpec option, object value) in Options.Values.Where(v => Options.Sets(v.Key) && !NotOfOutput.Contains(v.Key))
            .OrderBy(v => v.Key.Name, StringComparer.Ordinal))
            said.Append(Format.Text($"{option.Name} {value}\n"));
        return Sha256.Hash([.. Encoding.UTF8.GetBytes(said.Append(Text).ToString()), .. voice, .. model]);
    }

    /// <summary>What the line names to be read, and where that is.</summary>
    /// <exception cref="DiaException">Usage, Input: a path that is not allowed.</exception>
    public IEnumerable<(string Source, string? Path)> VoiceFiles(LinePaths paths) => new[] { DiaOptions.Clone, DiaOptions.Voice }
        .Where(o => Options.Get(o) is not null).Select(o => (Key(o), (string?)paths.Input(Key(o), Options.Get(o)!)));

    /// <summary>Reads the voice that the line names.</summary>
    /// <param name="run">The run.</param>
    /// <param name="paths">Where its paths may lead.</param>
    /// <exception cref="DiaException">Usage: keys that do not go together, or a path that is not allowed. Input: it cannot be read.</exception>
    public VoiceInput ReadVoice(Invocation run, LinePaths paths)
    {
        string cloneKey = Key(DiaOptions.Clone), textKey = Key(DiaOptions.CloneText), voiceKey = Key(DiaOptions.Voice);
        string? clone = Options.Get(DiaOptions.Clone), transcript = Options.Get(DiaOptions.CloneText), voice = Options.Get(DiaOptions.Voice);
        if (clone is not null && voice is not null)
            throw CommandLine.Usage($"{cloneKey} and {voiceKey} both name a voice: give one of them.");
        if ((clone is null) != (transcript is null))
            throw CommandLine.Usage($"{cloneKey} names a recording, and {textKey} says what is said in it: give both or neither.");
        return voice is not null
            ? new VoiceInput(voice, Voice.Load(paths.Input(voiceKey, voice)))
            : new VoiceInput(clone!, VoiceInput.ReadVoice(run with { Line = Options }, paths.Input(cloneKey, clone!)),
                TextInput.Prepare(Options, transcript!, textKey));
    }

    private static LineRequest FromObject(JsonElement request, CommandLine command, out string? id, IEnumerable<string> keys)
    {
        id = request.TryGetProperty(IdKey, out JsonElement given) && given.ValueKind is JsonValueKind.String or JsonValueKind.Number
            ? given.GetRawText() : null;
        if (id is null && given.ValueKind is not (JsonValueKind.Undefined or JsonValueKind.Null))
            throw CommandLine.Usage($"{IdKey} must be a string or a number.");
        string? text = null, output = null;
        var own = new Dictionary<OptionSpec, object>();
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (JsonProperty property in request.EnumerateObject())
        {
            string key = property.Name;
            if (!seen.Add(key))
                throw CommandLine.Usage($"the key {key} stands twice in the line.");
            OptionSpec? option = Keys.FirstOrDefault(o => Key(o) == key);
            if (key == Key(DiaOptions.Adapter) || key == Key(DiaOptions.AdapterStrength))
                throw CommandLine.Usage($"{key}: all lines share one adapter; give the command {DiaOptions.Adapter.Name} DIR instead.");
            if (option is null && key is not (IdKey or TextKey or OutputKey))
                throw CommandLine.Usage($"unknown key {key}. The keys are: {string.Join(", ", keys)}.");
            if (property.Value.ValueKind == JsonValueKind.Null)
                continue;
            if (option is not null)
                own[option] = Value(option, key, property.Value);
            else if (key == TextKey)
                text = String(key, property.Value);
            else if (key == OutputKey)
                output = String(key, property.Value);
        }

        if (text is null)
            throw new DiaException(DiaErrorKind.Input, $"the key {TextKey} is missing: there is nothing to say.");
        text = TextInput.Prepare(command, text, TextKey);
        bool ownVoice = VoiceKeys.Any(own.ContainsKey);
        // A recording of the line and a transcript of the command would not belong together.
        IEnumerable<KeyValuePair<OptionSpec,
            object>> kept = command.Values.Where(v => !own.ContainsKey(v.Key) && !(ownVoice && DiaOptions.VoiceSources.Contains(v.Key)));
        return new LineRequest(text, output, command with { Values = new Dictionary<OptionSpec, object>(kept.Concat(own)) }, ownVoice);
    }

    /// <summary>An option's key in a line: --top-k is top_k.</summary>
    public static string Key(OptionSpec option) => option.Name[2..].Replace('-', '_');

    /// <summary>A value is read as on the command line, so it has the same range there and here.</summary>
    private static object Value(OptionSpec option, string key, JsonElement value)
    {
        string text = option switch
        {
            OptionSpec<string> => String(key, value),
            OptionSpec<bool> => value.ValueKind is JsonValueKind.True or JsonValueKind.False
                ? value.GetRawText()
                : throw CommandLine.Usage($"{key} must be true or false."),
            _ => value.ValueKind == JsonValueKind.Number
                ? value.GetRawText()
                : throw CommandLine.Usage($"{key} must be a number."),
        };
        return option.Parse(text, key);
    }

    private static string String(string key, JsonElement value) => value.ValueKind == JsonValueKind.String
        ? value.GetString()!
        : throw CommandLine.Usage($"{key} must be a string.");

    private static void CheckLength(InputLine line)
    {
        if (line.TooLong)
            throw new DiaException(DiaErrorKind.Input, $"the line is longer than {LineReader.MaxBytes} bytes.");
    }
}
