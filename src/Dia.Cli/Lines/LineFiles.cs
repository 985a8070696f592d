using System.Buffers;
using Dia.Cli.Options;
using Dia.Cli.Output;

namespace Dia.Cli.Lines;

/// <summary>
/// The results of a line. Its files are opened before the work (that one cannot be written is better known then), written as the sound
/// comes, and get their names when its turn has come: so two lines with the same name leave what the later one made.
/// </summary>
/// <param name="audio">Gets the audio; null: it is kept for the answer or for standard output, or is not made.</param>
/// <param name="codes">Gets the codes; null: they are not written.</param>
/// <param name="makesAudio">Whether audio is made.</param>
/// <param name="form">How audio is written.</param>
/// <param name="note">Takes what there is to say of its loudness.</param>
internal sealed class LineFiles(OutputFile? audio, OutputFile? codes, bool makesAudio, SoundForm form, Action<string> note) : IDisposable
{
    private readonly ArrayBufferWriter<float> _kept = new();
    private SoundWriter? _writer;
    private int _samplingRate;
    private bool _isWhole;

    /// <summary>Samples so far.</summary>
    public long Samples { get; private set; }

    /// <summary>Whether audio is made.</summary>
    public bool MakesAudio { get; } = makesAudio;

    /// <summary>Whether the audio goes to no file.</summary>
    public bool KeepsAudio { get; } = makesAudio && audio is null;

    /// <summary>The audio that is kept and may be written: where its loudness is set, not before all of it is there.</summary>
    public ReadOnlySpan<float> Kept => form.Lufs is null || _isWhole ? _kept.WrittenSpan : [];

    /// <summary>The audio's file; null: there is none.</summary>
    public string? Name => audio?.Name;

    /// <summary>The names of the files.</summary>
    public LineNames Names => new(audio?.Name, codes?.Name, MakesAudio);

    /// <summary>What answers call the codes' file; null: there is none.</summary>
    public string? CodesName => codes?.Name;

    /// <summary>What the audio's file says of it; null: nothing.</summary>
    public AudioTags? Tags { get; private set; }

    /// <summary>Begins the audio.</summary>
    /// <param name="samplingRate">Samples a second.</param>
    /// <param name="text">What is said.</param>
    /// <param name="seed">The seed.</param>
    /// <exception cref="DiaException">Output.</exception>
    public void Start(int samplingRate, string text, ulong? seed)
    {
        _samplingRate = samplingRate;
        Tags = form.Tags(text, seed);
        _writer = audio is null ? null : new SoundWriter(audio.Stream, form, samplingRate, Tags, note);
    }

    /// <summary>Takes the next samples.</summary>
    /// <exception cref="DiaException">Output.</exception>
    public void Add(ReadOnlySpan<float> samples)
    {
        Samples += samples.Length;
        if (_writer is null)
            _kept.Write(samples);
        else
            _writer.Write(samples);
    }

    /// <summary>Forgets the audio that might be written: it was.</summary>
    public void DropKept()
    {
        if (Kept.Length > 0)
            _kept.ResetWrittenCount();
    }

    /// <summary>Everything is there: the codes too, and the model's rows where there is one run of them.</summary>
    /// <exception cref="DiaException">Output.</exception>
    public void Finish(int[,] frames, int[,]? rows)
    {
        _writer?.Finish();
        _isWhole = true;
        if (form.Lufs is { } lufs && KeepsAudio)
        {
            float[] samples = _kept.WrittenSpan.ToArray();
            SoundWriter.SetLoudness(samples, _samplingRate, lufs, note);
            _kept.ResetWrittenCount();
            _kept.Write(samples);
        }

        if (codes is not null)
            CodesFile.Write(codes.Stream, frames, rows);
    }

    /// <summary>Gives the files their names.</summary>
    /// <exception cref="DiaException">Output.</exception>
    public void Commit()
    {
        using (this)
        {
            codes?.Commit();
            audio?.Commit();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        codes?.Dispose();
        audio?.Dispose();
    }
}

/// <summary>Where the results of lines go, from the options: the audio to files, into the answers or to standard output, the codes to files.</summary>
internal sealed class LineTargets
{
    private readonly Invocation _run;
    private readonly LinePaths? _paths;
    private readonly FilePattern? _audio;
    private readonly FilePattern? _codes;

    /// <summary>Reads the options.</summary>
    /// <exception cref="DiaException">Usage: options that contradict each other. Input or Output: a folder is none.</exception>
    public LineTargets(Invocation run)
    {
        _run = run;
        CommandLine line = run.Line;
        string? output = line.Get(DiaOptions.Output);
        bool json = line.Has(DiaOptions.JsonLines), typed = line.IsTyped(DiaOptions.Output);
        if (json && line.Has(DiaOptions.Lines))
            throw CommandLine.Usage("--lines and --jsonl are two ways to read lines: give one of them.");
        if (json && typed)
            throw CommandLine.Usage(
                "with --jsonl the answers go to standard output, and each line names its own file as \"output\": leave out -o (--output-dir DIR names the folder they are in).");
        OptionSpec[] ofOneScript = [DiaOptions.Plot, .. json ? [DiaOptions.Play] : Array.Empty<OptionSpec>()];
        foreach (OptionSpec option in ofOneScript)
            if (line.Values.ContainsKey(option))
                throw CommandLine.Usage(
                    $"{option.Name} works on one script, not with {(json ? DiaOptions.JsonLines.Name : DiaOptions.Lines.Name)}: speak such a script in a run of its own.");
        CheckName(DiaOptions.Codes, OutputContent.Codes);
        if (!json)
            CheckName(DiaOptions.Output, OutputContent.Audio);
        if (line.Get(DiaOptions.Codes) is { } codes)
            _codes = new FilePattern(DiaOptions.Codes.Name, codes, ".safetensors");
        if (json)
            _paths = new LinePaths(line.Get(DiaOptions.InputFolder) ?? ".", line.Get(DiaOptions.OutputFolderOfLines) ?? ".", line.Has(DiaOptions.AnyPath));
        else if (line.Has(DiaOptions.Play))
            Plays = !typed ? true : throw CommandLine.Usage("--play with --lines plays the lines in place of writing them: leave out -o.");
        else if (output is not null and not "-")
            _audio = new FilePattern(DiaOptions.Output.Name, output, "." + SoundForm.Read(line, null).Format.ToString().ToLowerInvariant());
        else if (output is not null || _codes is null)
            StandardOutput = line.Has(DiaOptions.Check) ? "-" : run.OutputPath(OutputContent.Audio);
        SoundForm.Read(line, _audio?.For(1) ?? StandardOutput); // What contradicts itself is said before the work.
        if (line.Get(DiaOptions.Journal) is not null && (Plays || StandardOutput is not null))
            throw CommandLine.Usage($"{DiaOptions.Journal.Name} says which files are complete: name a folder for them with -o DIR.");
        if (Plays)
            Player.Check();
        AlwaysAudio = _audio is not null || Plays || StandardOutput is not null || (json && _codes is null);
        if (_audio is not null && _codes is not null && Path.GetFullPath(_audio.For(1)) == Path.GetFullPath(_codes.For(1)))
            throw CommandLine.Usage("-o and --codes name the same files.");
    }

    /// <summary>A pattern of names must not promise another format; of a folder the endings are ours.</summary>
    private void CheckName(OptionSpec<string> option, OutputContent content)
    {
        if (_run.Line.Get(option) is { } name && FilePattern.IsPattern(name))
            _run.CheckName(option.ShortName ?? option.Name, name, content);
    }

    /// <summary>Whether audio is made of every line; otherwise of those that name an output.</summary>
    public bool AlwaysAudio { get; }

    /// <summary>Whether the audio of all lines is played.</summary>
    public bool Plays { get; }

    /// <summary>"-" where the audio of all lines goes to standard output, and null where it does not.</summary>
    public string? StandardOutput { get; }

    /// <summary>The paths of JSON lines.</summary>
    public LinePaths Paths => _paths ?? throw new InvalidOperationException("Only JSON lines name paths.");

    /// <summary>The names of a line's files.</summary>
    /// <param name="line">Its number.</param>
    /// <param name="output">The output that it names, or null.</param>
    /// <exception cref="DiaException">Usage: the output is not allowed. Output: its folder is missing.</exception>
    public LineNames Names(long line, string? output)
    {
        string? path = output is null ? _audio?.For(line) : Paths.Output("output", output);
        if (output is not null)
            _run.CheckName("output", output, OutputContent.Audio, path);
        return new LineNames(path, _codes?.For(line), AlwaysAudio || output is not null);
    }

    /// <summary>Opens the files of a line.</summary>
    /// <exception cref="DiaException">Output: a file cannot be written.</exception>
    public LineFiles Open(LineNames names)
    {
        OutputFile? codes = names.Codes is null ? null : _run.Interruption.Open(names.Codes);
        try
        {
            SoundForm form = SoundForm.Read(_run.Line, names.Audio, nameIsFirst: _paths is not null && names.Audio is not null);
            return new LineFiles(names.Audio is null ? null : _run.Interruption.Open(names.Audio), codes, names.MakesAudio, form, _run.Reporter.Note);
        }
        catch
        {
            codes?.Dispose();
            throw;
        }
    }
}

/// <summary>The names of a line's files.</summary>
/// <param name="Audio">The audio's; null: it goes elsewhere, or is not made.</param>
/// <param name="Codes">The codes'; null: they are not written.</param>
/// <param name="MakesAudio">Whether audio is made.</param>
internal readonly record struct LineNames(string? Audio, string? Codes, bool MakesAudio)
{
    /// <summary>All that there are.</summary>
    public IEnumerable<string> All => new[] { Audio, Codes }.OfType<string>();
}
