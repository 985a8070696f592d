using Dia.Cli.Options;
using Dia.Cli.Plot;

namespace Dia.Cli.Output;

/// <summary>What is to be made of a script; audio where nothing else is named.</summary>
/// <param name="Audio">Where audio goes; null: nowhere.</param>
/// <param name="Codes">Where codes go; null: nowhere.</param>
/// <param name="Plot">Where the picture goes; null: nowhere.</param>
/// <param name="Play">Whether it is played.</param>
/// <param name="Form">How audio is written.</param>
internal sealed record SpeechTargets(string? Audio, string? Codes, string? Plot, bool Play, SoundForm Form)
{
    /// <summary>Whether sound has to be made.</summary>
    public bool WantsAudio => Audio is not null || Plot is not null || Play;

    /// <summary>Reads the options.</summary>
    /// <exception cref="DiaException">Usage: nowhere to write, or two results in one file. Output: nothing to play with.</exception>
    public static SpeechTargets Read(Invocation run)
    {
        string? codes = run.Line.Get(DiaOptions.Codes), plot = run.Line.Get(DiaOptions.Plot);
        bool play = run.Line.Has(DiaOptions.Play), named = codes is not null || plot is not null || play;
        string? audio = named && run.Line.Get(DiaOptions.Output) is null ? null : run.OutputPath(OutputContent.Audio);
        if (codes is not null)
            OutputNames.Check(DiaOptions.Codes.Name, codes, OutputContent.Codes, run.Line.Command.Title);
        if (plot is not null)
            OutputNames.Check(DiaOptions.Plot.Name, plot, OutputContent.Picture, run.Line.Command.Title);
        (string Name, string? Path)[] files = [("-o", audio == "-" ? null : audio), (DiaOptions.Codes.Name, codes), (DiaOptions.Plot.Name, plot)];
        foreach (var (name, path) in files)
            foreach (var (other, same) in files)
                if (name != other && path is not null && same is not null && Path.GetFullPath(path) == Path.GetFullPath(same))
                    throw CommandLine.Usage($"{name} and {other} name the same file, {path}.");
        run.KeepInputs(files);
        var form = SoundForm.Read(run.Line, audio);
        if (play)
            Player.Check();
        return new SpeechTargets(audio, codes, plot, play, form);
    }
}

/// <summary>The results of a script, opened before the work: that one of them cannot be written is better known then.</summary>
internal sealed class SpeechOutput : IDisposable
{
    private readonly OutputFile? _audioFile;
    private readonly OutputFile? _codesFile;
    private readonly OutputFile? _plotFile;
    private readonly PlotBuilder? _plot;
    private readonly Player? _player;
    private readonly int _samplingRate;
    private readonly SoundForm _form;
    private readonly AudioTags? _tags;
    private readonly Action<string> _note;
    private SoundWriter? _sound;
    private long _samples;

    /// <summary>Opens what is asked for.</summary>
    /// <param name="run">The run.</param>
    /// <param name="targets">What is asked for.</param>
    /// <param name="codec">The codec, where sound is made.</param>
    /// <param name="heard">What is said, for the picture and the title; null: not known.</param>
    /// <param name="seed">The seed.</param>
    /// <exception cref="DiaException">Output.</exception>
    public SpeechOutput(Invocation run, SpeechTargets targets, DacModel? codec, string? heard, ulong? seed)
    {
        _samplingRate = codec?.SamplingRate ?? 0;
        (_form, _tags, _note) = (targets.Form, targets.Form.Tags(heard, seed), run.Reporter.Note);
        try
        {
            _codesFile = targets.Codes is null ? null : run.Interruption.Open(targets.Codes);
            _audioFile = targets.Audio is null ? null : run.Interruption.Open(targets.Audio);
            _plotFile = targets.Plot is null ? null : run.Interruption.Open(targets.Plot);
            _plot = _plotFile is null ? null : new PlotBuilder(_samplingRate, heard);
            _player = targets.Play ? new Player(_samplingRate, run.Interruption.Token) : null;
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Seconds of sound so far; null where none is made.</summary>
    public double? Seconds => _audioFile is null && _plot is null && _player is null ? null : (double)_samples / _samplingRate;

    /// <summary>Begun with the first samples: a failure before them leaves not even a header.</summary>
    private SoundWriter Sound => _sound ??= new SoundWriter(_audioFile!.Stream, _form, _samplingRate, _tags, _note);

    /// <summary>Takes the next samples, and hands them on at once.</summary>
    /// <exception cref="DiaException">Output.</exception>
    public void Write(ReadOnlySpan<float> samples)
    {
        _samples += samples.Length;
        if (_audioFile is not null)
        {
            Sound.Write(samples);
            Sound.Flush();
        }

        _plot?.Add(samples);
        _player?.Write(samples);
    }

    /// <summary>Everything was made: the files get their names.</summary>
    /// <param name="codes">Codes [frames, channels].</param>
    /// <param name="rows">The model's rows [rows, channels], where there is one run of them.</param>
    /// <exception cref="DiaException">Output.</exception>
    public void Complete(int[,] codes, int[,]? rows)
    {
        Complete(_codesFile, stream => CodesFile.Write(stream, codes, rows));
        Complete(_audioFile, _ => Sound.Finish());
        Complete(_plotFile, stream => _plot!.Write(stream));

        static void Complete(OutputFile? file, Action<Stream> write)
        {
            if (file is null)
                return;
            write(file.Stream);
            file.Commit();
        }
    }

    /// <summary>Waits until what is played was heard.</summary>
    /// <exception cref="DiaException">Output: it was not.</exception>
    public void FinishPlaying() => _player?.Finish();

    /// <inheritdoc/>
    public void Dispose()
    {
        _player?.Dispose();
        _plotFile?.Dispose();
        _audioFile?.Dispose();
        _codesFile?.Dispose();
    }
}
