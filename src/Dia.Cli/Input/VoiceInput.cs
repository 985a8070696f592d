using Dia.Cli.Options;
using Dia.Cli.Output;

namespace Dia.Cli.Input;

/// <summary>The voice that the options name, read before the model is loaded so that what is wrong with it is known early.</summary>
internal sealed class VoiceInput
{
    private const string StandardInput = "standard input";

    private readonly string _name;
    private readonly AudioBuffer? _audio;

    /// <summary>A recording and what is said in it.</summary>
    public VoiceInput(string name, AudioBuffer audio, string transcript)
        : this(name, new Voice(new int[0, 0], transcript, null)) => _audio = audio;

    /// <summary>A voice that is encoded already.</summary>
    public VoiceInput(string name, Voice voice) => (_name, Voice) = (name, voice);

    /// <summary>What is said in it, without the codes of a recording. No transcript: the text has it already.</summary>
    public Voice Voice { get; }

    /// <summary>Whether it takes a codec to use it.</summary>
    public bool NeedsCodec => _audio is not null;

    /// <summary>A hash of what is heard and said in it.</summary>
    public byte[] Hash()
    {
        int[] codes = [.. Voice.Codes.Cast<int>()];
        return Sha256.Hash([
            .. Sha256.Hash(Encoding.UTF8.GetBytes(Voice.Transcript)), .. Sha256.Hash(MemoryMarshal.AsBytes(codes.AsSpan())),
            .. Sha256.Hash(MemoryMarshal.AsBytes(_audio is null ? [] : _audio.Samples.AsSpan())),
            .. Encoding.UTF8.GetBytes(Format.Text($"{_audio?.SamplingRate} {_audio?.Channels}")),
        ]);
    }

    /// <summary>Reads what --clone, --voice or --prompt-codes name; null: none of them is given.</summary>
    /// <exception cref="DiaException">Usage: two of them, or options that do not go together. Input: it cannot be read.</exception>
    public static VoiceInput? Read(Invocation run)
    {
        CommandLine line = run.Line;
        OptionSpec<string>? option = Choose(line);
        bool saysTranscript = line.IsTyped(DiaOptions.CloneText); // Left over in the environment it means nothing.
        if (option is null)
            return !saysTranscript ? null : throw CommandLine.Usage("--clone-text says what a recording says: name the recording with --clone FILE.");
        string path = line.Get(option)!;
        if (option != DiaOptions.Clone && saysTranscript)
            throw CommandLine.Usage($"--clone-text says what the recording of --clone says: {option.Name} goes without it.");
        if (option == DiaOptions.Voice)
        {
            StandardDescriptors.RefuseInput(path, "a voice file");
            return new VoiceInput(path, Voice.Load(path));
        }

        if (option == DiaOptions.PromptCodes)
            return new VoiceInput(path, new Voice(CodesFile.Read(path, asPrompt: true), "", null));
        if (line.Get(DiaOptions.CloneText) is not { } transcript)
            throw CommandLine.Usage($"--clone needs what is said in {path}: give it with --clone-text \"[S1] ...\".");
        transcript = TextInput.Transcript(line, DiaOptions.CloneText, transcript);
        if (path == "-" && line.Words.Count == 0 && line.Get(DiaOptions.File) is null or "-")
            throw CommandLine.Usage(
                "--clone - and the text cannot both come from standard input: give the text as arguments or with -f FILE, or the recording as a file.");
        return new VoiceInput(Name(path), ReadVoice(run, path), transcript);
    }

    /// <summary>A recording; "-" is standard input.</summary>
    /// <exception cref="DiaException">Input: it cannot be read, or its samples are no sound.</exception>
    public static AudioBuffer ReadAudio(Invocation run, string path)
    {
        var warnings = new List<string>();
        AudioBuffer audio = path == "-" ? AudioReader.Read(StandardDescriptors.OpenInput(), StandardInput, warnings) : AudioReader.Read(path, warnings);
        Voice.CheckLevel(audio, Name(path), warnings);
        warnings.ForEach(run.Reporter.WarnOnce);
        return audio;
    }

    /// <summary>What messages call a file; "-" is standard input.</summary>
    public static string Name(string path) => path == "-" ? StandardInput : path;

    /// <summary>A recording to speak in the voice of: silence in front of it is cut, or the model goes on with more of it.</summary>
    /// <exception cref="DiaException">Input.</exception>
    public static AudioBuffer ReadVoice(Invocation run, string path)
    {
        AudioBuffer audio = ReadAudio(run, path);
        if (run.Line.Has(DiaOptions.KeepSilence))
            return audio;
        AudioBuffer rest = LeadingSilence.Cut(audio, out double cut);
        if (cut > 0)
            run.Reporter.NoteOnce(DiaOptions.KeepSilence.Name,
                Format.Text($"{Name(path)}: {cut:0.00} s of silence in front of the voice were left out ({DiaOptions.KeepSilence.Name} keeps them)."));
        return rest;
    }

    /// <summary>Checks that the model can speak with the voice, and encodes a recording.</summary>
    /// <param name="model">The model.</param>
    /// <param name="codec">The codec; null where none is needed.</param>
    /// <param name="encodes">Whether a recording is encoded; otherwise it is only checked, and its codes say nothing but how many there are.</param>
    /// <exception cref="DiaException">Input: the model cannot speak with it.</exception>
    public Voice Open(DiaForConditionalGeneration model, DacModel? codec, bool encodes = true)
    {
        int most = Voice.MaxFrames(model.Config), channels = model.Config.DecoderConfig.NumChannels;
        Voice voice = _audio is null ? Voice
            : encodes ? Voice.Encode(_audio, Voice.Transcript, codec!, _name, most)
            : Voice with { Codes = new int[Voice.CheckRecording(_audio, codec!, _name, most), channels] };
        voice.Check(_name, channels, model.Config.EosTokenId, most, codec);
        return voice;
    }

    /// <summary>The one option that names a voice; one from the environment gives way to one that is typed.</summary>
    private static OptionSpec<string>? Choose(CommandLine line)
    {
        OptionSpec<string>[] given = [.. new[] { DiaOptions.Clone, DiaOptions.Voice, DiaOptions.PromptCodes }.Where(o => line.Get(o) is not null)];
        OptionSpec<string>[] typed = [.. given.Where(line.IsTyped)];
        return typed.Length <= 1
            ? typed.FirstOrDefault() ?? given.FirstOrDefault()
            : throw CommandLine.Usage($"{typed[0].Name} and {typed[1].Name} both name a voice: give one of them.");
    }
}
