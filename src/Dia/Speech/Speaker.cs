using Dia.Audio;
using Dia.Backends;
using Dia.Codec;
using Dia.Configuration;
using Dia.Generation;
using Dia.Networks;
using Dia.Text;
using Dia.Weights;

namespace Dia.Speech;

/// <summary>
/// Speaks scripts of any length: splits them into pieces that the model speaks well, each in the voice of an earlier one or in a given voice,
/// joins them, and hands the sound on while it is made. It speaks one script at a time; two speakers of one model, in two threads, take turns.
/// </summary>
public sealed class Speaker : IDisposable
{
    // A piece and the voice before it together: what the model was trained on at most, 20 seconds, and in ids below what fits: the demo model, with
    // 256 positions, learned texts of up to about 100. It is the sum that counts, so a piece that goes on from another gets half. More was tried: the
    // demo model's word error over unseen sentences is 0.39 at 60 ids, 0.57 at 86, 0.76 at 120 and 0.91 at 180, and splitting such texts
    // this way brings it down to 0.42, 0.47 and 0.55. A larger share for pieces would bring them to where it is worse.
    private const double PartOfPositions = 3.0 / 8;

    private readonly bool _owns;

    /// <summary>A speaker with a model and a codec, which stay the caller's.</summary>
    /// <param name="model">The model.</param>
    /// <param name="codec">Its codec; null: codes only.</param>
    /// <param name="frameRate">Frames of a second of sound, where no codec says it; null: not known.</param>
    /// <param name="batch">Most texts at a time, where several are spoken.</param>
    /// <exception cref="DiaException">Model: the codec is not the model's. Device: no memory.</exception>
    /// <exception cref="ObjectDisposedException">Model, codec or device is disposed.</exception>
    public Speaker(DiaForConditionalGeneration model, DacModel? codec, double? frameRate = null, int batch = 1)
    {
        Engine = new SpeechEngine(model, codec, batch);
        (Model, Codec, FrameRate) = (model, codec, codec?.FrameRate ?? frameRate);
    }

    private Speaker(DiaForConditionalGeneration model, DacModel codec, int batch)
        : this(model, codec, null, batch) => _owns = true;

    /// <summary>The model.</summary>
    public DiaForConditionalGeneration Model { get; }

    /// <summary>The codec; null: there is none.</summary>
    public DacModel? Codec { get; }

    /// <summary>Frames of a second of sound; null: not known.</summary>
    public double? FrameRate { get; }

    /// <summary>Where the time went so far.</summary>
    public SpeechTimes Times => Engine.Times;

    /// <summary>Runs the model: utterances, and what <see cref="ScriptRun.Next"/> of one script or of several gives.</summary>
    public SpeechEngine Engine { get; }

    /// <summary>Samples a second.</summary>
    internal int SamplingRate => Codec?.SamplingRate
        ?? throw new DiaException(DiaErrorKind.Usage, "This speaker has no codec: it makes codes only.");

    /// <summary>Opens a model and its codec, and disposes of them with the speaker.</summary>
    /// <param name="folder">The model's folder, with its codec in dac/.</param>
    /// <param name="models">What is compiled in.</param>
    /// <param name="device">Where they run.</param>
    /// <param name="batch">Most texts at a time, where several are spoken.</param>
    /// <exception cref="DiaException">Model: missing, malformed, or no compiled class fits. Device: no memory.</exception>
    public static Speaker FromPretrained(ModelFolder folder, IEnumerable<CompiledNetwork> models, Device device, int batch = 1)
    {
        DiaForConditionalGeneration? model = null;
        DacModel? codec = null;
        try
        {
            model = DiaForConditionalGeneration.FromPretrained(folder, models, device);
            codec = DacModel.FromPretrained(folder.Sub(ModelFolder.CodecName), models, device);
            return new Speaker(model, codec, batch);
        }
        catch
        {
            codec?.Dispose();
            model?.Dispose();
            throw;
        }
    }

    /// <summary>Speaks a script.</summary>
    /// <param name="text">The script, as the model is to be given it: its speakers' tags included.</param>
    /// <param name="options">How; null: as the checkpoint says.</param>
    /// <param name="cancellationToken">Looked at before each step.</param>
    /// <exception cref="DiaException">
    /// Usage: options out of range, or no codec. Input: the text is too long and not to be split, or a voice does not fit.
    /// </exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public AudioBuffer Speak(string text, SpeechOptions? options = null, CancellationToken cancellationToken = default)
    {
        var samples = new List<float>();
        int rate = SamplingRate;
        Speak(text, options ?? new SpeechOptions(), chunk => samples.AddRange(chunk), null, cancellationToken);
        return new AudioBuffer([.. samples], rate);
    }

    /// <summary>Speaks a script, and hands its sound on while it is made.</summary>
    /// <param name="text">The script, as the model is to be given it: its speakers' tags included.</param>
    /// <param name="options">How.</param>
    /// <param name="write">Takes the next samples, which are valid during the call only; what it throws ends the script. Null: codes only.</param>
    /// <param name="observer">Sees how it goes; null: nobody.</param>
    /// <param name="cancellationToken">Looked at before each step.</param>
    /// <exception cref="DiaException">As for <see cref="Speak(string, SpeechOptions?, CancellationToken)"/>.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public SpokenScript Speak(
        string text, SpeechOptions options, Action<ReadOnlySpan<float>>? write, ISpeechObserver? observer = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        var script = new ScriptPiece(text);
        bool splits = options.Splits(tooLong: LengthOf(script, options) > Positions);
        return Speak(splits ? Split(script, options) : [Fit(script, options)], options, write, observer, cancellationToken);
    }

    /// <summary>Speaks the pieces of a script one after the other.</summary>
    /// <param name="pieces">The pieces, at least one.</param>
    /// <param name="options">How; its splitting is done.</param>
    /// <param name="write">Takes the next samples, which are valid during the call only; what it throws ends the script. Null: codes only.</param>
    /// <param name="observer">Sees how it goes; null: nobody.</param>
    /// <param name="cancellationToken">Looked at before each step.</param>
    /// <exception cref="DiaException">Usage: options out of range, or no codec. Input: a voice does not fit.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public SpokenScript Speak(
        IReadOnlyList<ScriptPiece> pieces, SpeechOptions options, Action<ReadOnlySpan<float>>? write, ISpeechObserver? observer = null,
        CancellationToken cancellationToken = default)
    {
        ScriptRun script = Begin(pieces, options, write, observer);
        Engine.Run(_ => script.Next(), cancellationToken);
        return script.Spoken!;
    }

    /// <summary>Begins a script, whose utterances the caller has the <see cref="Engine"/> run, maybe beside those of other scripts.</summary>
    /// <param name="pieces">The pieces, at least one.</param>
    /// <param name="options">How; its splitting is done.</param>
    /// <param name="write">Takes the next samples, which are valid during the call only. Null: codes only.</param>
    /// <param name="observer">Sees how it goes, and takes its end; null: nobody.</param>
    /// <exception cref="DiaException">Usage: options out of range, or no codec. Input: a voice does not fit.</exception>
    public ScriptRun Begin(IReadOnlyList<ScriptPiece> pieces, SpeechOptions options, Action<ReadOnlySpan<float>>? write, ISpeechObserver? observer = null)
    {
        ArgumentNullException.ThrowIfNull(pieces);
        ArgumentOutOfRangeException.ThrowIfZero(pieces.Count, nameof(pieces));
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfNegative(options.Retries, nameof(options));
        Check(options, write is not null);
        GenerationConfig config = options.Generation(Model);
        if (options.Retries > 0 && !config.DoSample)
            throw new DiaException(DiaErrorKind.Usage, "A piece is spoken again with another seed, and nothing is to be drawn: leave out the retries.");
        return new ScriptRun(this, pieces, options, config, write, observer);
    }

    /// <summary>Speaks several texts, each by itself and as many at a time as the speaker's batch: each gets what it gets alone.</summary>
    /// <param name="texts">The texts; none is split.</param>
    /// <param name="options">How; speed, trimming and retries are of one script.</param>
    /// <param name="write">Takes the next samples of the text of a number, from 0. Null: codes only.</param>
    /// <param name="cancellationToken">Looked at before each step.</param>
    /// <returns>What each came to, in order.</returns>
    /// <exception cref="DiaException">Usage: options out of range, or no codec. Input: a text is too long, or a voice does not fit.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public IReadOnlyList<Utterance> SpeakAll(
        IReadOnlyList<string> texts, SpeechOptions options, Action<int, ReadOnlySpan<float>>? write, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(texts);
        ArgumentNullException.ThrowIfNull(options);
        if (options is not { Retries: 0, Speed: 1, Trim: false } || options.Splitting == ScriptSplitting.Always)
            throw new DiaException(DiaErrorKind.Usage,
                "Speed, trimming, retries and splitting are of one script: leave them out where several texts are spoken.");
        Check(options, write is not null);
        GenerationConfig config = options.Generation(Model);
        Utterance[] utterances = [.. texts.Select((text, i) => new Utterance(
            Model.Config, Fit(new ScriptPiece(text), options), options.Voice, config, FrameRate)
        {
            KeepPrompt = options.KeepVoice,
            WantsAudio = write is not null,
            Write = samples => write!(i, samples),
        })];
        Engine.Run(utterances, cancellationToken);
        return utterances;
    }

    /// <summary>
    /// Splits a script into pieces that the model speaks well: of 5 to 10 seconds, longer after a short voice of the options', shorter where the
    /// model holds less. What has nothing to say is left out.
    /// </summary>
    /// <param name="script">The script.</param>
    /// <param name="options">How it is to be spoken.</param>
    /// <exception cref="DiaException">Input: the voice's transcript leaves no room. Usage: nothing says how long a frame is.</exception>
    public IReadOnlyList<ScriptPiece> Split(ScriptPiece script, SpeechOptions options) => Split(Model, FrameRate, script, options);

    /// <summary>The same of a model that is not to speak yet.</summary>
    /// <param name="model">The model.</param>
    /// <param name="frameRate">Frames of a second of sound; null: not known.</param>
    /// <param name="script">The script.</param>
    /// <param name="options">How it is to be spoken.</param>
    /// <exception cref="DiaException">As for <see cref="Split(ScriptPiece, SpeechOptions)"/>.</exception>
    public static IReadOnlyList<ScriptPiece> Split(DiaForConditionalGeneration model, double? frameRate, ScriptPiece script, SpeechOptions options)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(script);
        ArgumentNullException.ThrowIfNull(options);
        double rate = frameRate
            ?? throw new DiaException(DiaErrorKind.Usage, "Splitting a script needs to know how long a frame is: give the speaker a codec, or its frame rate.");
        GenerationConfig config = options.Generation(model);
        int positions = model.Config.EncoderConfig.MaxPositionEmbeddings, voiceIds = 0, voiceFrames = 0;
        if (options.Voice is { } voice)
        {
            if (voice.Transcript.Length == 0)
                throw new DiaException(DiaErrorKind.Usage,
                    "A script that begins with a voice's transcript is not split: it is not known where that ends. Give the voice its transcript.");
            (voiceIds, voiceFrames) = (voice.TranscriptIds.Length, voice.Codes.GetLength(0));
            // The transcript's last speaker goes on where the text names none; every piece is to name its speaker.
            if (!ScriptText.StartsWithSpeaker(script.Text) && ScriptSplitter.LastSpeaker(voice.Transcript) is { } speaker)
                script = script.Behind(speaker);
        }

        int well = (int)(positions * PartOfPositions), half = Math.Max(well / 2, ScriptSplitter.LowestLimit);
        if (positions - voiceIds < half)
            throw new DiaException(DiaErrorKind.Input,
                $"the voice's transcript takes {voiceIds} of the {positions} bytes that the model holds, and leaves too few for the text. Use a shorter voice.");
        double voiceSeconds = voiceFrames / rate, rowSeconds = (config.RowLimit(1 + voiceFrames) - config.MaxDelay - 1) / rate;
        // Half of the rows that are left, so that slow speech is not cut off; the voice of an earlier piece takes as much as the piece.
        (int ids, double seconds, double room) = voiceIds == 0
            ? (half, ScriptSplitter.LongestSeconds / 2, rowSeconds / 4)
            : (Math.Max(half, well - voiceIds),
                Math.Max(ScriptSplitter.ShortestSeconds, ScriptSplitter.LongestSeconds - voiceSeconds),
                (rowSeconds - voiceSeconds) / 2);
        IReadOnlyList<ScriptPiece> pieces = ScriptSplitter.Split(script, ids, Math.Max(1, Math.Min(seconds, room)));
        // Full stops or tags that fill a piece: spoken alone they are babble.
        ScriptPiece[] said = [.. pieces.Where(p => ScriptText.HasSpeech(p.Text))];
        return said.Length > 0 ? said : pieces;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Engine.Dispose();
        if (!_owns)
            return;
        Codec!.Dispose();
        Model.Dispose();
    }

    private int Positions => Model.Config.EncoderConfig.MaxPositionEmbeddings;

    private static int LengthOf(ScriptPiece script, SpeechOptions options) => script.Ids.Length + (options.Voice?.TranscriptIds.Length ?? 0);

    /// <summary>A text that is not split: whole, or as much of it as the model takes.</summary>
    private ScriptPiece Fit(ScriptPiece script, SpeechOptions options)
    {
        int length = LengthOf(script, options);
        return length <= Positions ? script
            : options.Splitting == ScriptSplitting.Truncate || Model.Config.IsFirstGeneration ? script.WithoutEnd(length - Positions)
            : throw new DiaException(DiaErrorKind.Input,
                $"The text is {length} bytes long (a tag counts as one), the model takes {Positions}. Split or shorten it.");
    }

    private void Check(SpeechOptions options, bool wantsAudio)
    {
        DiaConfig config = Model.Config;
        _ = wantsAudio ? SamplingRate : 0;
        options.Voice?.Check("The voice", config.DecoderConfig.NumChannels, config.EosTokenId, Voice.MaxFrames(config), Codec);
    }
}
