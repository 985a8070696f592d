using Dia.Cli.Input;
using Dia.Cli.Lines;
using Dia.Cli.Options;
using Dia.Cli.Output;

namespace Dia.Cli.Commands;

/// <summary>Text to audio, or to its codes.</summary>
internal static class SpeakCommand
{
    public static CommandSpec Spec { get; } = new(
        "",
        "dia: text to dialogue. Text goes in, a WAV comes out.",
        "TEXT...",
        [
            new OptionGroup("Text", [DiaOptions.File, DiaOptions.NoFixText, DiaOptions.RawText, DiaOptions.Truncate]),
            DiaOptions.VoiceGroup,
            new OptionGroup("Output", [DiaOptions.Output, .. DiaOptions.SoundOptions, DiaOptions.Trim, DiaOptions.Play, DiaOptions.Codes, DiaOptions.Plot]),
            DiaOptions.ScriptGroup,
            DiaOptions.SamplingGroup,
            DiaOptions.LinesGroup,
            DiaOptions.SpeechGroup,
        ],
        $"""
        Examples:
          dia "[S1] Hello there. [S2] Hi. How are you today?" -o hello.wav
          echo "[S1] Hello there." | dia > hello.wav
          dia -f script.txt --lufs -16 -o podcast.opus
          dia -f script.txt --raw | aplay -f S16_LE -r 16000 -c 1     (the rate is the codec's)
          dia -f script.txt --clone me.wav --clone-text "[S1] What I say in me.wav." -o out.wav
          dia "[S1] Hello there." --seed 7 --model Dia-1.6B --codec dac_44khz -o hello.wav
          dia "[S1] Hello there." --codes hello.safetensors && dia decode hello.safetensors -o hello.wav

        [S1] and [S2] say who speaks; [s1] and [s2] are the same. Sounds stand in parentheses: (laughs). All else is read as text.
        The text is the arguments joined by spaces, -f FILE, or standard input, in UTF-8. A byte order mark is dropped, line ends are \n,
        white space before and after is left out; --raw-text leaves every character. A text without a letter or digit is an error.
        {ScriptOptions.Help}
        A first word that names a command is that command; after -- everything is text: dia -- info
        To a pipe, audio leaves as it is made: what comes out is the same as all at once.
        A voice's transcript is put in front of the text with a space between, and its recording is cut from the output.
        {LineRequest.Help}
        Every option can be set in the environment by the name in brackets; a flag there is 1 or 0.
        {InstructionLevel.Help}
        Exit codes: 0 done, 1 some lines failed (with --strict: a result is suspicious), 2 usage, 3 model, 4 input, 5 device, 6 output, 70 bug, 129, 130, 131 and 143 interrupted.
        """,
        Run);

    private static void Run(Invocation run)
    {
        CommandLine line = run.Line;
        CheckText(line);
        ScriptOptions.Check(line);
        if (DiaOptions.LinesOf(line) is not null)
        {
            LinesCommand.Run(run);
            return;
        }

        OptionSpec? ofList = new OptionSpec[] { DiaOptions.Check, DiaOptions.Journal, DiaOptions.Resume, DiaOptions.Shard }.FirstOrDefault(line.Sets);
        if (ofList is not null)
            throw CommandLine.Usage($"{ofList.Name} is for a list: it goes with {DiaOptions.Lines.Name} or {DiaOptions.JsonLines.Name}.");
        var targets = SpeechTargets.Read(run);
        VoiceInput? voice = VoiceInput.Read(run);
        string text = TextInput.Read(line);

        using var files = new Checkpoints(run);
        using Device device = DeviceChoice.Create(run, files, model: true, codec: targets.WantsAudio || voice?.NeedsCodec == true);
        DiaConfig config = files.OpenModel().Config;
        int positions = config.EncoderConfig.MaxPositionEmbeddings;
        var prepared = new PreparedText(new TextNotes(run, config), text, voice?.Voice);
        SpeechOptions options = Sampling.Read(line);
        bool tooLong = prepared.Length > positions, splits = options.Splits(tooLong), asScript = splits || options is not { Speed: 1, Retries: 0 };
        ScriptPiece? whole = splits ? null : prepared.Whole(line, positions, asScript, cuts: config.IsFirstGeneration);

        using DiaForConditionalGeneration model = files.LoadSpeaking(device);
        using DacModel? codec = targets.WantsAudio || asScript || voice?.NeedsCodec == true ? files.LoadCodec(device, config) : null;
        options = options with { Voice = prepared.Behind(voice?.Open(model, codec)) };
        files.Report(model, device);
        if (tooLong && !splits)
            run.Reporter.Note($"the text was cut from {prepared.Length} to {positions} bytes.");
        GenerationConfig generation = Sampling.Resolve(line, options, model);

        using var speaker = new Speaker(model, codec, codec?.FrameRate ?? files.FrameRate);
        IReadOnlyList<ScriptPiece> pieces = whole is null ? speaker.Split(prepared.Script, options) : [whole];
        if (tooLong && pieces.Count > 1)
            run.Reporter.Note(
                $"the text is {prepared.Length} bytes long (a tag counts as one), the model takes {positions}: it was split into {pieces.Count} pieces (--no-split makes that an error).");
        var longest = new Utterance(config, pieces.MaxBy(p => p.Characters)!, options.Voice, generation, speaker.FrameRate);
        if (new Doubts(line).Room(pieces.Count == 1 ? "the text" : "the longest piece", longest) is { } crowded)
            run.Reporter.Alert(crowded);

        files.PlaceWeights(model, pieces.Sum(p => Rows(p, longest, speaker.FrameRate)));
        string? transcript = asScript ? options.Voice?.Transcript : voice?.Voice.Transcript;
        string? heard = HeardText(asScript ? prepared.Script.Text : whole!.Text, transcript, options.KeepVoice);
        using var output = new SpeechOutput(run, targets, codec, heard, options.Seed);
        Speak(speaker, pieces, options, output, targets.WantsAudio,
            new SpeechReport(run, speaker, options, pieces.Count, asScript, longest.RowsLeft, targets.WantsAudio), run);
    }

    private static void Speak(
        Speaker speaker, IReadOnlyList<ScriptPiece> pieces, SpeechOptions options, SpeechOutput output, bool wantsAudio, SpeechReport report, Invocation run)
    {
        SpokenScript spoken;
        try
        {
            spoken = speaker.Speak(pieces, options, wantsAudio ? output.Write : null, report, run.Interruption.Token);
        }
        finally
        {
            run.Reporter.ClearProgress();
        }

        output.Complete(spoken.Codes, spoken.Rows);
        report.Summarize(spoken, output.Seconds);
        output.FinishPlaying();
    }

    /// <summary>Rows that a piece will take, about: what its text asks for, and no more than it may.</summary>
    private static long Rows(ScriptPiece piece, Utterance longest, double? frameRate) =>
        Math.Min(longest.RowsLeft, frameRate is { } rate ? (long)(piece.Seconds * rate) + longest.Config.DelayPattern.Max() + 1 : long.MaxValue);

    /// <summary>
    /// What is said in the output; null: it is not known, since the text begins with the transcript of codes that are cut from it.
    /// </summary>
    /// <param name="text">The text.</param>
    /// <param name="transcript">What the voice's recording says; empty: the text begins with it; null: there is no voice.</param>
    /// <param name="keepPrompt">Whether that recording is part of the output.</param>
    private static string? HeardText(string text, string? transcript, bool keepPrompt) => transcript switch
    {
        null => text,
        "" => keepPrompt ? text : null,
        _ when keepPrompt => $"{transcript} {text}",
        // The transcript's last speaker goes on where the text names none.
        _ => !ScriptText.StartsWithSpeaker(text) && ScriptSplitter.LastSpeaker(transcript) is { } speaker ? $"{speaker} {text}" : text,
    };

    /// <summary>Two texts are a mistake; a file named in the environment gives way to the arguments.</summary>
    private static void CheckText(CommandLine line)
    {
        if (line.Words.Count > 0 && line.IsTyped(DiaOptions.File))
            throw CommandLine.Usage($"the text is given twice: as arguments and with -f {line.Get(DiaOptions.File)}.");
        TextInput.CheckNoFiles(line);
    }
}
