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

/// <summary>How far logits move where activations of the encoder and of prompts are rounded to bfloat16: over rows that the model speaks of itself.</summary>
internal static class Rounding
{
    private const int MostRows = 160;

    private static readonly string[] Lines =
        ["[S1] The letter is fast again, and the voice is blue now.", "[S1] You know the quiet voice. [S2] Hello world, what do you want?"];

    public static void Run(int threads, string folder)
    {
        if (!CpuDevice.HasBFloat16Products)
            throw new DiaException(DiaErrorKind.Device, "The processor has no products of bfloat16 values (AVX512_BF16).");
        using Device device = new CpuDevice(threads, bfloat16Products: true);
        using DiaForConditionalGeneration exact = Load(folder, device), rounded = Load(folder, device);
        rounded.RoundsActivations = true;
        GenerationConfig config = exact.GenerationConfig() with { DoSample = true, Seed = 1, MaxNewTokens = MostRows };
        SpokenLine[] lines = SpokenLine.Speak(exact, [.. Lines.Select(line => new CalibrationLine(new ScriptPiece(line)))], config, default);
        SpeechDivergence divergence = SpeechDivergence.OfLogits(exact, rounded, lines);
        float[] a = SpeechDivergence.Logits(exact, lines[0]), b = SpeechDivergence.Logits(rounded, lines[0]);
        double difference = a.Zip(b, (x, y) => Math.Abs(x - y)).Max() / a.Max(Math.Abs);
        Console.WriteLine($"{folder}: mean KL {divergence.Divergence.Average():g3}, the same id best {divergence.Agreement:P2}, logits differ by {difference:g2} of the largest");
    }

    private static DiaForConditionalGeneration Load(string folder, Device device) =>
        DiaForConditionalGeneration.FromPretrained(ModelFolder.Open(folder), CompiledModels.All, device);
}
