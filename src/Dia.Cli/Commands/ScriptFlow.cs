using System.Runtime.InteropServices;
using Dia.Audio;
using Dia.Cli.Options;
using Dia.Cli.Output;
using Dia.Codec;
using Dia.Configuration;
using Dia.Generation;
using Dia.Speech;
using Dia.Text;

namespace Dia.Cli.Commands;

/// <summary>
/// Speaks a script piece by piece: each in the voice of an earlier one or in a given voice, again where it ended too soon, joined and
/// stretched into one signal that leaves as it comes.
/// </summary>
/// <param name="run">Messages and interruption.</param>
/// <param name="model">The model.</param>
/// <param name="codec">Its codec, for the length of a frame.</param>
/// <param name="engine">Runs the model, with the codec where audio is made.</param>
/// <param name="config">How every piece is generated; a further attempt takes the next seed.</param>
/// <param name="retries">Further attempts for a piece, at most.</param>
/// <param name="doubts">Words for pieces that are not as they should be.</param>
internal sealed class ScriptFlow(
    Invocation run, DiaForConditionalGeneration model, DacModel codec, SpeechEngine engine, GenerationConfig config, int retries, Doubts doubts)
{
    private readonly DiaTokenizer _tokenizer = new();
    private readonly ProgressClock _clock = new(run.Reporter);
    private readonly SpeakingPace _pace = new();
    private readonly ScriptVoices _voices = new();
    private readonly List<int[,]> _codes = [];

    /// <summary>Pieces that the length limit ended.</summary>
    public int CutPieces { get; private set; }

    /// <summary>Pieces that may not be what their text asked for.</summary>
    public int Doubtful { get; private set; }

    /// <summary>Frames of all pieces.</summary>
    public int Frames => _codes.Sum(c => c.GetLength(0));

    /// <summary>Seconds until the first samples were there; null: there were none so far.</summary>
    public double? FirstAudioSeconds { get; private set; }

    /// <summary>Rows generated so far, those of attempts that were dropped too.</summary>
    public int Steps { get; private set; }

    /// <summary>The rows of the only piece; null where there are several: each has its own prompt and its own end.</summary>
    public int[,]? Rows { get; private set; }

    /// <summary>The codes of all pieces, one after the other [frames, channels].</summary>
    public int[,] Codes()
    {
        int channels = model.Config.DecoderConfig.NumChannels, at = 0;
        int[,] all = new int[Frames, channels];
        foreach (int[,] codes in _codes)
        {
            Buffer.BlockCopy(codes, 0, all, at * channels * sizeof(int), codes.Length * sizeof(int));
            at += codes.GetLength(0);
        }

        return all;
    }

    /// <summary>Speaks the pieces.</summary>
    /// <param name="pieces">The pieces.</param>
    /// <param name="voice">The voice of all of them, with its transcript (empty: the first piece begins with it); null: each goes on from an earlier one.</param>
    /// <param name="write">Takes the samples of the script; null: codes only.</param>
    public void Speak(IReadOnlyList<ScriptPiece> pieces, (string Text, int[,] Codes)? voice, Action<ReadOnlySpan<float>>? write)
    {
        PieceJoiner? joiner = write is null ? null : new PieceJoiner(codec.SamplingRate, write);
        for (int i = 0; i < pieces.Count; i++)
        {
            ScriptPiece piece = pieces[i];
            string name = pieces.Count == 1 ? "the text" : Format.Text($"piece {i + 1} of {pieces.Count}");
            (string Text, int[,] Codes)? before = voice ?? _voices.Find(piece.Text, (text, codes) => Fits(text, codes, piece));
            SpeakPiece(piece, name, pieces.Count > 1, before, i == 0 && run.Line.Has(DiaOptions.KeepPrompt), joiner);
            if (i + 1 < pieces.Count)
                joiner?.EndPiece();
        }

        joiner?.Finish(run.Line.Has(DiaOptions.Trim));
    }

    /// <summary>Speaks a piece until it is long enough, or no attempt is left; then the best counts.</summary>
    private void SpeakPiece(ScriptPiece piece, string name, bool inPieces, (string Text, int[,] Codes)? voice, bool keepVoice, PieceJoiner? joiner)
    {
        Attempt best = Generate(piece, name, voice, keepVoice, config.Seed, joiner), last = best;
        for (int retry = 1; retry <= retries && last.CanBeBetter; retry++)
        {
            ulong seed = unchecked(config.Seed + (ulong)retry);
            run.Reporter.Note(Format.Text($"{name} {last.Doubt!.Message}: it is spoken again with seed {seed}."));
            last = Generate(piece, name, voice, keepVoice, seed, joiner);
            best = last.IsBetterThan(best) ? last : best;
        }

        if (best.Doubt is { } doubt)
        {
            Doubtful++;
            Doubts own = doubts with { Transcript = voice?.Text };
            bool crowded = own.Room(name, piece.Text, 1 + (voice?.Codes.GetLength(0) ?? 0)) is not null;
            run.Reporter.Suspicion(own.Describe(name, doubt, crowded, best.CanBeBetter ? retries + 1 : 1, inPieces));
        }

        if (retries > 0)
            joiner?.Write(CollectionsMarshal.AsSpan(best.Samples));
        CutPieces += best.Result.Stop == SpeechStop.Length ? 1 : 0;
        Rows = _codes.Count == 0 ? best.Result.Rows : null;
        _codes.Add(best.Result.Codes);
        // A piece that was not spoken as its text asks is no voice to go on from.
        if (_pace.Add(piece.Characters, best.PacedSeconds))
            _voices.Add(piece.Text, best.Result.Codes);
        run.Reporter.Detail(Format.Text($"{name}: {best.Seconds:0.00} s, {piece.Characters} characters{(voice is null ? "" : $", after {voice.Value.Codes.GetLength(0)} frames of a voice")}: {piece.Text}"));
    }

    /// <summary>Runs the model once. Where there may be another attempt the samples are kept, else they go on at once.</summary>
    private Attempt Generate(ScriptPiece piece, string name, (string Text, int[,] Codes)? voice, bool keepVoice, ulong seed, PieceJoiner? joiner)
    {
        string text = voice is { Text.Length: > 0 } v ? v.Text + " " + piece.Text : piece.Text;
        int[] ids = _tokenizer.Encode(text);
        int positions = model.Config.EncoderConfig.MaxPositionEmbeddings;
        var kept = new List<float>();
        // Only a text that is to be truncated is longer here.
        var job = new SpeakCommand.Job(ids[..Math.Min(ids.Length, positions)], config with { Seed = seed }, _ => ShowProgress(name), Write)
        {
            Prompt = voice?.Codes,
            KeepPrompt = keepVoice,
            WantsAudio = joiner is not null,
        };
        engine.Run(job, run.Interruption.Token);
        SpeechResult result = job.Result ?? throw new InvalidOperationException("a job ended without a result");
        int frames = result.Frames - (keepVoice ? voice!.Value.Codes.GetLength(0) : 0);
        // A transcript that is part of the piece was spoken in the voice's own frames.
        double paced = (frames + (voice is { Text.Length: 0 } own ? own.Codes.GetLength(0) : 0)) / codec.FrameRate;
        return new Attempt(result, kept, frames / codec.FrameRate, paced, SpeechDoubt.Of(result.Stop, frames, paced, result.Peak, piece.Characters, _pace));

        void Write(ReadOnlySpan<float> samples)
        {
            FirstAudioSeconds ??= _clock.Seconds;
            if (retries > 0)
                kept.AddRange(samples);
            else
                joiner!.Write(samples);
        }
    }

    private void ShowProgress(string name)
    {
        Steps++;
        if (!_clock.IsDue(out double now))
            return;
        double seconds = Steps / codec.FrameRate;
        run.Reporter.Progress(Format.Text($"{name}, {seconds:0.0} s of audio, {seconds / now:0.00} times real time"));
    }

    /// <summary>Whether an earlier piece leaves the next one room in the model: its text, and half as much again as it should take to say.</summary>
    private bool Fits(string text, int[,] codes, ScriptPiece next)
    {
        DiaConfig c = model.Config;
        if (_tokenizer.Encode(text).Length + 1 + _tokenizer.Encode(next.Text).Length > c.EncoderConfig.MaxPositionEmbeddings)
            return false;
        int promptRows = 1 + codes.GetLength(0), limit = Sampling.RowLimit(config, promptRows);
        return limit <= model.RowCapacity && limit - promptRows >= c.DelayPattern.Max() + 2 + (1.5 * next.Seconds * codec.FrameRate);
    }

    /// <summary>One run of the model.</summary>
    /// <param name="Result">What it came to.</param>
    /// <param name="Samples">Its samples where they were kept.</param>
    /// <param name="Seconds">How long that is, a voice that is kept left out.</param>
    /// <param name="PacedSeconds">How long all of the piece's characters took.</param>
    /// <param name="Doubt">Why it may not be what the piece asks for; null: nothing says so.</param>
    private sealed record Attempt(SpeechResult Result, List<float> Samples, double Seconds, double PacedSeconds, SpeechDoubt? Doubt)
    {
        /// <summary>Whether another seed may help.</summary>
        public bool CanBeBetter => Doubt?.Kind is SpeechDoubtKind.Empty or SpeechDoubtKind.Short or SpeechDoubtKind.Endless;

        /// <summary>What is as it should be; of two that are not: what ends by itself, then the longer.</summary>
        public bool IsBetterThan(Attempt other) => !CanBeBetter
            || (Result.Stop != other.Result.Stop ? Result.Stop == SpeechStop.Eos : Seconds > other.Seconds);
    }
}
