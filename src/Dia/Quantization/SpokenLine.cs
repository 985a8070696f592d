using Dia.Backends;
using Dia.Configuration;
using Dia.Generation;
using Dia.Modeling;
using Dia.Networks;
using Dia.Processing;
using Dia.Speech;

namespace Dia.Quantization;

/// <summary>A line of script, and the rows that a model spoke it in.</summary>
/// <param name="Line">The line.</param>
/// <param name="Ids">Its ids.</param>
/// <param name="Rows">The rows, the prompt's BOS row and the voice's frames first, ids [rows, channels] one after the other.</param>
internal sealed record SpokenLine(CalibrationLine Line, int[] Ids, int[] Rows)
{
    /// <summary>Has a model speak lines at the same time.</summary>
    /// <param name="model">The model.</param>
    /// <param name="lines">The lines.</param>
    /// <param name="config">How.</param>
    /// <param name="cancellationToken">Looked at before each step.</param>
    /// <exception cref="DiaException">Model: logits that are not finite. Device: no memory.</exception>
    public static SpokenLine[] Speak(DiaForConditionalGeneration model, CalibrationLine[] lines, GenerationConfig config, CancellationToken cancellationToken)
    {
        var spoken = new Queue<SpokenLine>(SpeakTexts(model, [.. lines.Where(l => l.Voice is null)], config, cancellationToken));
        Utterance[] inVoices = [.. lines.Where(l => l.Voice is not null)
            .Select((l, i) => new Utterance(model.Config, l.Piece, l.Voice, config with { Seed = config.Seed + (ulong)i }, null))];
        if (inVoices.Length > 0)
        {
            using var engine = new SpeechEngine(model, null, inVoices.Length);
            engine.Run(inVoices, cancellationToken);
        }

        var voiced = new Queue<Utterance>(inVoices);
        return [.. lines.Select(l => l.Voice is null ? spoken.Dequeue() : Of(l, voiced.Dequeue()))];
    }

    private static SpokenLine Of(CalibrationLine line, Utterance utterance) =>
        new(line, utterance.TextIds, [.. utterance.Result!.Rows.Cast<int>()]);

    /// <summary>Has a model speak lines in the voices that it chooses.</summary>
    /// <param name="model">The model.</param>
    /// <param name="texts">The lines.</param>
    /// <param name="config">How.</param>
    /// <param name="cancellationToken">Looked at before each step.</param>
    /// <exception cref="DiaException">Model: logits that are not finite. Device: no memory.</exception>
    private static SpokenLine[] SpeakTexts(
        DiaForConditionalGeneration model, CalibrationLine[] texts, GenerationConfig config, CancellationToken cancellationToken)
    {
        if (texts.Length == 0)
            return [];
        DiaInputs inputs = DiaProcessor.Create(model.Config).Process(Array.ConvertAll(texts, t => t.Piece.Text));
        int[,,] all = model.Generate(inputs, config, cancellationToken: cancellationToken);
        int channels = all.GetLength(2), length = inputs.InputIds.GetLength(1);
        var lines = new SpokenLine[texts.Length];
        for (int item = 0; item < lines.Length; item++)
        {
            int rows = all.GetLength(1);
            while (rows > 1 && Enumerable.Range(0, channels).All(c => all[item, rows - 1, c] == config.PadTokenId))
                rows--; // the batch's, not the line's
            int[] ids = [.. Enumerable.Range(0, length).Where(i => inputs.AttentionMask[item, i] != 0).Select(i => inputs.InputIds[item, i])];
            lines[item] = new SpokenLine(texts[item], ids, new int[rows * channels]);
            for (int i = 0; i < lines[item].Rows.Length; i++)
                lines[item].Rows[i] = all[item, i / channels, i % channels];
        }

        return lines;
    }

    /// <summary>Runs a model over the text and the rows, as generation does: where there is guidance, without the text too.</summary>
    /// <param name="model">The model.</param>
    /// <param name="guidance">Whether there is guidance.</param>
    /// <param name="see">Sees each block of rows, those with the text first, in a turn.</param>
    /// <exception cref="DiaException">No memory (Device).</exception>
    public void Run(DiaPreTrainedModel model, bool guidance, Action<DecoderPass> see)
    {
        int rows = Rows.Length / model.Config.DecoderConfig.NumChannels;
        using DecoderSession session = model.CreateSession(1, guidance);
        session.Open(0, Ids, default, rows, guidance);
        session.Prompt(0, Rows, rows, see);
    }

    /// <summary>Computes the logits of a block's first rows, in a turn, and hands them on.</summary>
    /// <exception cref="DiaException">No memory (Device).</exception>
    public static unsafe void Logits(DiaPreTrainedModel model, DecoderPass pass, int rows, Action<ReadOnlySpan<float>>? take)
    {
        DiaDecoderConfig d = model.Config.DecoderConfig;
        DeviceMemory memory = model.Network.Memory;
        long count = (long)rows * d.NumChannels * d.VocabSize;
        float* logits = memory.Allocate(count);
        try
        {
            model.Network.Logits(logits, pass.Output, rows, pass.Phase);
            take?.Invoke(memory.Read(logits, checked((int)count)));
        }
        finally
        {
            memory.Free(logits);
        }
    }
}
