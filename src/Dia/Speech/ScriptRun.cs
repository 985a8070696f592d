using Dia.Audio;
using Dia.Configuration;
using Dia.Text;

namespace Dia.Speech;

/// <summary>A script that is being spoken: each piece in the voice of an earlier one or in a given voice, and again where it ended too soon.</summary>
/// <param name="speaker">Speaks it.</param>
/// <param name="options">How.</param>
/// <param name="config">How every piece is generated; a further attempt takes the next seed.</param>
/// <param name="observer">Sees it; null: nobody.</param>
/// <param name="cancellationToken">Looked at before each step.</param>
internal sealed class ScriptRun(Speaker speaker, SpeechOptions options, GenerationConfig config, ISpeechObserver? observer, CancellationToken cancellationToken)
{
    private readonly long _started = Stopwatch.GetTimestamp();
    private readonly SpeakingPace _pace = new();
    private readonly ScriptVoices _voices = new();
    private readonly List<Utterance> _spoken = [];
    private TimeSpan? _firstAudio;
    private int _rows;

    private Speaker Speaker => speaker;

    /// <summary>Speaks the pieces.</summary>
    /// <param name="pieces">The pieces, at least one.</param>
    /// <param name="write">Takes the samples; null: codes only.</param>
    public SpokenScript Speak(IReadOnlyList<ScriptPiece> pieces, Action<ReadOnlySpan<float>>? write)
    {
        // What there is no use for would hold samples back.
        TimeStretch? stretch = write is null || options.Speed == 1 ? null : new TimeStretch(speaker.SamplingRate, options.Speed, write);
        Action<ReadOnlySpan<float>>? sink = stretch is null ? write : stretch.Write;
        PieceJoiner? joiner = sink is null || (pieces.Count == 1 && !options.Trim) ? null : new PieceJoiner(speaker.SamplingRate, sink);
        sink = joiner is null ? sink : joiner.Write;
        for (int i = 0; i < pieces.Count; i++)
        {
            Voice? voice = options.Voice ?? _voices.Find(pieces[i].Text, v => Fits(v, pieces[i]));
            SpeakPiece(i, pieces[i], voice, sink);
            if (i + 1 < pieces.Count)
                joiner?.EndPiece();
        }

        joiner?.Finish(options.Trim);
        stretch?.Finish();
        return new SpokenScript { Pieces = _spoken, Codes = Codes(), GeneratedRows = _rows, FirstAudio = _firstAudio };
    }

    /// <summary>Speaks a piece until it is as it should be, or no attempt is left; then the best counts.</summary>
    private void SpeakPiece(int index, ScriptPiece piece, Voice? voice, Action<ReadOnlySpan<float>>? sink)
    {
        Attempt best = Generate(config.Seed), last = best;
        for (int retry = 1; retry <= options.Retries && last.Doubt is { CanBeBetter: true }; retry++)
        {
            ulong seed = unchecked(config.Seed + (ulong)retry);
            observer?.SpokenAgain(index, last, seed);
            last = Generate(seed);
            best = last.IsBetterThan(best) ? last : best;
        }

        _spoken.Add(best);
        observer?.PieceSpoken(index, best);
        if (best.Kept is not null)
            sink?.Invoke(CollectionsMarshal.AsSpan(best.Kept));
        // A piece that was not spoken as its text asks is no voice to go on from.
        if (best.PacedSeconds is double seconds && _pace.Add(piece.Characters, seconds))
            _voices.Add(new Voice(best.Result!.Codes, piece));

        Attempt Generate(ulong seed)
        {
            var attempt = new Attempt(this, index, piece, voice, config with { Seed = seed })
            {
                Pace = _pace,
                KeepPrompt = index == 0 && options.KeepVoice,
                WantsAudio = sink is not null,
                Write = sink,
                Kept = options.Retries > 0 ? [] : null,
            };
            speaker.Engine.Run(attempt, cancellationToken);
            _rows += attempt.Result!.GeneratedRows;
            return attempt;
        }
    }

    /// <summary>Whether an earlier piece leaves the next one room in the model: its text, and half as much again as it should take to say.</summary>
    private bool Fits(Voice voice, ScriptPiece next)
    {
        if (voice.TranscriptIds.Length + next.Ids.Length > speaker.Model.Config.EncoderConfig.MaxPositionEmbeddings)
            return false;
        int promptRows = 1 + voice.Codes.GetLength(0);
        long limit = config.RowLimit(promptRows);
        return limit <= speaker.Model.RowCapacity && limit - promptRows >= config.MaxDelay + 2 + 1.5 * next.Seconds * speaker.FrameRate;
    }

    private int[,] Codes()
    {
        int[,] all = new int[_spoken.Sum(p => p.Result!.Frames), config.Channels];
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
        : Utterance(run.Speaker.Model.Config, piece, voice, config, run.Speaker.FrameRate)
    {
        public List<float>? Kept { get; init; }

        /// <summary>What is as it should be; of two that are not: what ends by itself, then the longer.</summary>
        public bool IsBetterThan(Attempt other) => Doubt is not { CanBeBetter: true }
            || (Result!.Stop != other.Result!.Stop ? Result.Stop == SpeechStop.Eos : Result.Frames > other.Result.Frames);

        protected internal override void OnRow(int rows) => run.AddRow(index, rows);

        protected internal override void OnSamples(ReadOnlySpan<float> samples)
        {
            run._firstAudio ??= Stopwatch.GetElapsedTime(run._started);
            if (Kept is null)
                base.OnSamples(samples);
            else
                Kept.AddRange(samples);
        }
    }

    private void AddRow(int index, int rows) => observer?.RowAdded(index, _rows + rows);
}
