using Dia.Backends;
using Dia.Backends.Cpu;
using Dia.Compiled;
using Dia.Configuration;
using Dia.Generation;
using Dia.Modeling;
using Dia.Quantization;
using Dia.Text;
using Dia.Weights;

namespace Dia.Bench;

/// <summary>
/// How far logits move where activations of the encoder and of prompts are rounded to bfloat16, or where weights are integers: over rows that the model
/// speaks of itself.
/// </summary>
internal static class Rounding
{
    private const int MostRows = 160;

    private static readonly string[] Lines =
        ["[S1] The letter is fast again, and the voice is blue now.", "[S1] You know the quiet voice. [S2] Hello world, what do you want?"];

    /// <param name="threads">Threads.</param>
    /// <param name="folder">The model.</param>
    /// <param name="quantized">The same with weights of integers; none: its own are used with rounded activations.</param>
    public static void Run(int threads, string folder, string[] quantized)
    {
        if (quantized.Length == 0 && !CpuDevice.HasBFloat16Products)
            throw new DiaException(DiaErrorKind.Device, "The processor has no products of bfloat16 values (AVX512_BF16).");
        using Device device = new CpuDevice(threads, bfloat16Products: quantized.Length == 0);
        using DiaForConditionalGeneration exact = Load(folder, device);
        GenerationConfig config = exact.GenerationConfig() with { DoSample = true, Seed = 1, MaxNewTokens = MostRows };
        SpokenLine[] lines = SpokenLine.Speak(exact, [.. Lines.Select(line => new CalibrationLine(new ScriptPiece(line)))], config, default);
        foreach (string other in quantized.DefaultIfEmpty(folder))
        {
            using DiaForConditionalGeneration rounded = Load(other, device);
            rounded.RoundsActivations = quantized.Length == 0;
            Compare(other, exact, rounded, lines);
        }
    }

    private static void Compare(string name, DiaForConditionalGeneration exact, DiaForConditionalGeneration rounded, SpokenLine[] lines)
    {
        SpeechDivergence divergence = SpeechDivergence.OfLogits(exact, rounded, lines);
        float[] a = SpeechDivergence.Logits(exact, lines[0]), b = SpeechDivergence.Logits(rounded, lines[0]);
        double difference = a.Zip(b, (x, y) => Math.Abs(x - y)).Max() / a.Max(Math.Abs);
        Console.WriteLine($"{name}: {lines.Sum(l => l.Rows.Length) / exact.Config.DecoderConfig.NumChannels} rows, mean KL {divergence.Divergence.Average():g3}, the same id best {divergence.Agreement:P2}, logits differ by {difference:g2} of the largest");
    }

    private static DiaForConditionalGeneration Load(string folder, Device device) =>
        DiaForConditionalGeneration.FromPretrained(ModelFolder.Open(folder), CompiledModels.All, device);
}
