using Dia.Generation;
using Dia.Graph;
using Dia.Modeling;

namespace Dia.Checks;

/// <summary>How long the encoder and a voice's rows take, of one utterance with guidance.</summary>
/// <param name="TextLength">Bytes of the text.</param>
/// <param name="EncoderSeconds">The encoder, and the keys and values that decoder layers make of it.</param>
/// <param name="EncoderOperations">Floating-point operations of its products with weights (a multiply-add is two).</param>
/// <param name="Rows">The prompt's rows.</param>
/// <param name="PromptSeconds">The prompt, up to the logits of its last row.</param>
/// <param name="PromptOperations">Floating-point operations of its products with weights.</param>
public sealed record PromptTiming(
    int TextLength, double EncoderSeconds, double EncoderOperations, int Rows, double PromptSeconds, double PromptOperations);

/// <summary>Times the encoder and prompts of a device that computes in the host's memory; the best of some passes.</summary>
internal sealed class PromptTimings(DiaForConditionalGeneration model)
{
    private const int MostPasses = 5;

    // Seconds that are enough.
    private const double Patience = 4;

    /// <summary>Times them, in a turn.</summary>
    /// <param name="textLength">Bytes of the text.</param>
    /// <param name="rows">The prompt's rows.</param>
    public PromptTiming Run(int textLength, int rows)
    {
        using DecoderSession session = model.CreateSession(1, guidance: true);
        int channels = model.Config.DecoderConfig.NumChannels;
        int[] text = new int[textLength], ids = new int[rows * channels];
        text.AsSpan().Fill('a');
        float[] logits = new float[2 * channels * model.Config.DecoderConfig.VocabSize];
        double encoder = Best(() =>
        {
            session.Close(0);
            session.Open(0, text, default, rows + 1, guidance: true);
        });
        double prompt = Best(() =>
        {
            session.SetCached(0, 0);
            session.Prompt(0, ids, rows, logits);
        });
        return new PromptTiming(textLength, encoder, Operations(textLength, 1, Function.Encode, Function.CrossKeyValues), rows, prompt,
            Operations(rows, 2, Function.Decode));
    }

    private static double Best(Action run)
    {
        double best = double.MaxValue;
        long started = Stopwatch.GetTimestamp();
        for (int pass = 0; pass < MostPasses && (pass == 0 || Stopwatch.GetElapsedTime(started).TotalSeconds < Patience); pass++)
        {
            long start = Stopwatch.GetTimestamp();
            run();
            best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalSeconds);
        }

        return best;
    }

    // Rows of all streams, or of the one with the text alone.
    private double Operations(int rows, int streams, params Function[] functions) => model.Compiled.Operations()
        .Where(o => o.Kind == OperationKind.Linear && functions.Contains(o.Function))
        .Sum(o => 2.0 * o.N * o.K * rows * (o.Rows == Rows.All ? streams : 1));
}
