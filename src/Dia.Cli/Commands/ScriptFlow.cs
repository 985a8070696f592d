using Dia.Audio;
using Dia.Cli.Output;
using Dia.Codec;
using Dia.Configuration;
using Dia.Generation;
using Dia.Modeling;
using Dia.Processing;
using Dia.Speech;
using Dia.Text;

namespace Dia.Cli.Commands;

/// <summary>
/// Speaks a script piece by piece: each in the voice of an earlier one or in a given voice, again where it ended too soon, joined and
/// stretched into one signal that leaves as it comes.
/// </summary>
/// <param name="run">Messages and interruption.</param>
/// <param name="model">The model.</param>
/// <param name="codec">Its codec; null where no audio is made.</param>
/// <param name="processor">Makes the model's inputs.</param>
/// <param name="config">How every piece is generated; a further attempt takes the next seed.</param>
/// <param name="retries">Further attempts for a piece, at most.</param>
internal sealed class ScriptFlow(Invocation run, DiaForConditionalGeneration model, DacModel? codec, DiaProcessor processor, GenerationConfig config, int retries)
{
    private readonly SpeakingPace _pace = new();
    private readonly ScriptVoices _voices = new();
    private readonly List<int[,]> _codes = [];

    /// <summary>Pieces that the length limit ended.</summary>
    public int CutPieces { get; private set; }

    /// <summary>Frames of all pieces.</summary>
    public int Frames => _codes.Sum(c => c.GetLength(0));

    private double? FramesPerSecond => codec is null ? null : codec.SamplingRate / (double)codec.HopLength;

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
    /// <param name="voice">The voice of all of them; null: each goes on from an earlier one.</param>
    /// <param name="write">Takes the samples of the script; null: codes only.</param>
    public void Speak(IReadOnlyList<ScriptPiece> pieces, (string Text, int[,] Codes)? voice, Action<ReadOnlySpan<float>>? write)
    {
        var joiner = codec is null || write is null ? null : new PieceJoiner(codec.SamplingRate, write);
        for (int i = 0; i < pieces.Count; i++)
        {
            string name = pieces.Count == 1 ? "the text" : Format.Text($"piece {i + 1} of {pieces.Count}");
            SpeakPiece(pieces[i], name, voice ?? _voices.Find(pieces[i].Text, (text, codes) => Fits(text, codes, pieces[i])), joiner);
            if (i + 1 < pieces.Count)
                joiner?.EndPiece();
        }

        joiner?.Finish();
    }

    /// <summary>Speaks a piece until it is long enough, or no attempt is left; then the longest counts.</summary>
    private void SpeakPiece(ScriptPiece piece, string name, (string Text, int[,] Codes)? voice, PieceJoiner? joiner)
    {
        Attempt best = Generate(piece, voice, config.Seed);
        bool tooShort = IsTooShort(piece, best);
        for (int retry = 1; retry <= retries && tooShort; retry++)
        {
            ulong seed = unchecked(config.Seed + (ulong)retry);
            run.Reporter.Note(Format.Text($"{name} ended after {Seconds(best):0.00} s, too soon for its {piece.Characters} characters: it is spoken again with seed {seed}."));
            Attempt next = Generate(piece, voice, seed);
            best = next.Frames > best.Frames ? next : best;
            tooShort = IsTooShort(piece, next);
        }

        if (tooShort && retries > 0)
            run.Reporter.Warning(Format.Text($"{name} ended too soon in all {retries + 1} attempts; the longest is kept."));
        CutPieces += best.Ended ? 0 : 1;
        _codes.Add(best.Codes);
        if (codec is not null && best.Frames > 0)
            joiner?.Write(codec.Decode(best.Codes));
        // A piece that was not spoken as its text asks is no voice to go on from.
        if (codec is null ? best.Ended : _pace.Add(piece.Characters, Seconds(best)))
            _voices.Add(piece.Text, best.Codes);
        run.Reporter.Detail(Format.Text($"{name}: {best.Frames} frames{(voice is null ? "" : $", after {voice.Value.Codes.GetLength(0)} frames of a voice")}: {piece.Text}"));
    }

    private Attempt Generate(ScriptPiece piece, (string Text, int[,] Codes)? voice, ulong seed)
    {
        string text = voice is { Text.Length: > 0 } v ? v.Text + " " + piece.Text : piece.Text;
        DiaInputs inputs = processor.Process([text]);
        inputs = voice is null ? inputs : processor.WithPrompt(inputs, [voice.Value.Codes]);
        int promptRows = processor.GetAudioPromptLen(inputs.DecoderAttentionMask);
        var progress = new GenerationProgress(run.Reporter, Sampling.RowLimit(config, promptRows), promptRows, FramesPerSecond);
        int[,,] rows = model.Generate(inputs, config with { Seed = seed }, progress, drawAlone: true, run.Interruption.Token);
        return new Attempt(processor.BatchCodes(rows, promptRows)[0], SpeakCommand.EndedByItself(rows, config, promptRows));
    }

    /// <summary>Whether an earlier piece leaves the next one room in the model: its text, and half as much again as it should take to say.</summary>
    private bool Fits(string text, int[,] codes, ScriptPiece next)
    {
        DiaConfig c = model.Config;
        if (processor.Tokenizer.Encode(text).Length + 1 + processor.Tokenizer.Encode(next.Text).Length > c.EncoderConfig.MaxPositionEmbeddings)
            return false;
        int promptRows = 1 + codes.GetLength(0), limit = Sampling.RowLimit(config, promptRows);
        return limit <= model.RowCapacity && limit - promptRows >= c.DelayPattern.Max() + 2 + (1.5 * next.Seconds * (FramesPerSecond ?? 0));
    }

    private bool IsTooShort(ScriptPiece piece, Attempt attempt) => attempt.Ended && _pace.IsTooShort(piece.Characters, Seconds(attempt));

    private double Seconds(Attempt attempt) => FramesPerSecond is double rate ? attempt.Frames / rate : 0;

    /// <summary>One run of the model.</summary>
    /// <param name="Codes">[frames, channels], the prompt's left out.</param>
    /// <param name="Ended">Whether it ended by itself.</param>
    private sealed record Attempt(int[,] Codes, bool Ended)
    {
        public int Frames => Codes.GetLength(0);
    }
}
