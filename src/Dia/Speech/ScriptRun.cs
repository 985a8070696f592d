using Dia.Audio;
using Dia.Configuration;
using Dia.Text;

namespace Dia.Speech;

/// <summary>
/// A script that is being spoken, one utterance after the other: each piece in the voice of an earlier one or in a given voice, and again where it ended too
/// soon. A <see cref="SpeechEngine"/> runs what <see cref="Next"/> gives; the utterances of several scripts may share its steps.
/// </summary>
public sealed class ScriptRun
{
    private readonly Speaker _speaker;
    private readonly IReadOnlyList<ScriptPiece> _pieces;
    private readonly SpeechOptions _options;
    private readonly GenerationConfig _config;
    private readonly ISpeechObserver? _observer;
    private readonly TimeStretch? _stretch;
    private readonly PieceJoiner? _joiner;
    private readonly Action<ReadOnlySpan<float>>? _sink;
    private readonly SpeakingPace _pace = new();
    private readonly ScriptVoices _voices = new();
    private readonly List<Utterance> _spoken = [];
    private Voice? _voice; // of the piece that is being spoken
    private Attempt? _best; // of that piece
    private int _retries; // of that piece
    private bool _underWay;
    private long _started;
    private TimeSpan? _firstAudio;
    private int _rows;

    /// <summary>Nothing is spoken yet.</summary>
    /// <param name="speaker">Whose model speaks it.</param>
    /// <param name="pieces">The pieces, at least one.</param>
    /// <param name="options">How.</param>
    /// <param name="config">How every piece is generated; a further attempt takes the next seed.</param>
    /// <param name="write">Takes the samples; null: codes only.</param>
    /// <param name="observer">Sees it; null: nobody.</param>
    internal ScriptRun(Speaker speaker, IReadOnlyList<ScriptPiece> pieces, SpeechOptions options, GenerationConfig config, Action<ReadOnlySpan<float>>? write,
        ISpeechObserver? observer)
    {
        (_speaker, _pieces, _options, _config, _observer) = (speaker, pieces, options, config, observer);
        // What there is no use for would hold samples back.
        _stretch = write is null || options.Speed == 1 ? null : new TimeStretch(speaker.SamplingRate, options.Speed, write);
        _sink = _stretch is null ? write : _stretch.Write;
        _joiner = _sink is null || (pieces.Count == 1 && !options.Trim) ? null : new PieceJoiner(speaker.SamplingRate, _sink);
        _sink = _joiner is null ? _sink : _joiner.Write;
    }

    /// <summary>What the script came to; null before its end.</summary>
    public SpokenScript? Spoken { get; private set; }

    /// <summary>Whether the next utterance can be run: none is under way, and there is one.</summary>
    public bool HasNext => !_underWay && _spoken.Count < _pieces.Count;

    /// <summary>The next utterance; it goes on from what the ones before it came to, so null while one is under way, and after the last.</summary>
    public Utterance? Next()
    {
        if (!HasNext)
            return null;
        if (_started == 0)
            _started = Stopwatch.GetTimestamp();
        int index = _spoken.Count;
        ScriptPiece piece = _pieces[index];
        if (_retries == 0)
            _voice = _options.Voice ?? _voices.Find(piece.Text, v => Fits(v, piece));
        _underWay = true;
        return new Attempt(this, index, piece, _voice, _config with { Seed = unchecked(_config.Seed + (ulong)_retries) })
        {
            Pace = _pace,
            KeepPrompt = index == 0 && _options.KeepVoice,
            WantsAudio = _sink is not null,
            Write = _sink,
            Kept = _options.Retries > 0 ? [] : null,
        };
    }

    /// <summary>A piece is spoken until it is as it should be, or no attempt is left; then the best counts.</summary>
    private void Completed(Attempt attempt)
    {
        int index = _spoken.Count;
        _underWay = false;
        _rows += attempt.Result!.GeneratedRows;
        _best = _best is null || attempt.IsBetterThan(_best) ? attempt : _best;
        if (_retries < _options.Retries && attempt.Doubt is { CanBeBetter: true })
        {
            _retries++;
            _observer?.SpokenAgain(index, attempt, unchecked(_config.Seed + (ulong)_retries));
            return;
        }

        Attempt best = _best;
        (_best, _retries) = (null, 0);
        _spoken.Add(best);
        _observer?.PieceSpoken(index, best);
        if (best.Kept is not null)
            _sink?.Invoke(CollectionsMarshal.AsSpan(best.Kept));
        // A piece that was not spoken as its text asks is no voice to go on from.
        if (best.PacedSeconds is double seconds && _pace.Add(best.Piece.Characters, seconds))
            _voices.Add(new Voice(best.Result!.Codes, best.Piece));
        if (_spoken.Count < _pieces.Count)
            _joiner?.EndPiece();
        else
            Finish();
    }

    private void Finish()
    {
        _joiner?.Finish(_options.Trim);
        _stretch?.Finish();
        Spoken = new SpokenScript { Pieces = _spoken, Codes = Codes(), GeneratedRows = _rows, FirstAudio = _firstAudio };
        _observer?.Completed(Spoken);
    }

    /// <summary>Whether an earlier piece leaves the next one room in the model: its text, and half as much again as it should take to say.</summary>
    private bool Fits(Voice voice, ScriptPiece next)
    {
        if (voice.TranscriptIds.Length + next.Ids.Length > _speaker.Model.Config.EncoderConfig.MaxPositionEmbeddings)
            return false;
        int promptRows = 1 + voice.Codes.GetLength(0);
        long limit = _config.RowLimit(promptRows);
        return limit <= _speaker.Model.RowCapacity && limit - promptRows >= _config.MaxDelay + 2 + 1.5 * next.Seconds * _speaker.FrameRate;
    }

    private int[,] Codes()
    {
        int[,] all = new int[_spoken.Sum(p => p.Result!.Frames), _config.Channels];
        int at = 0;
        foreach (int[,] codes in _spoken.Select(p => p.Result!.Codes))
        {
            Buffer.BlockCopy(codes, 0, all, at, codes.Length * sizeof(int));
            at += codes.Length * sizeof(int);
        }

        return all;
    }

    /// <summary>One run of the model. Where there may be another the samples are kept, else they go on at once.</summary>
    private sealed class Attempt(ScriptRun run, int index, ScriptPiece piece, Voice? voice, GenerationConfig config)
        : Utterance(run._speaker.Model.Config, piece, voice, config, run._speaker.FrameRate)
    {
        public List<float>? Kept { get; init; }

        /// <summary>What is as it should be; of two that are not: what ends by itself, then the longer.</summary>
        public bool IsBetterThan(Attempt other) => Doubt is not { CanBeBetter: true }
            || (Result!.Stop != other.Result!.Stop ? Result.Stop == SpeechStop.Eos : Result.Frames > other.Result.Frames);

        protected internal override void OnRow(int rows) => run._observer?.RowAdded(index, run._rows + rows);

        protected internal override void OnSamples(ReadOnlySpan<float> samples)
        {
            run._firstAudio ??= Stopwatch.GetElapsedTime(run._started);
            if (Kept is null)
                base.OnSamples(samples);
            else
                Kept.AddRange(samples);
        }

        protected internal override void OnCompleted(SpeechResult result)
        {
            base.OnCompleted(result);
            run.Completed(this);
        }

        protected internal override void OnFailed(Exception failure)
        {
            if (run._observer is null)
                base.OnFailed(failure);
            else
                run._observer.Failed(failure);
        }
    }
}
