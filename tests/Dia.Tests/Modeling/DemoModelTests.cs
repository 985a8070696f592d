using System.Text.Json;
using Dia.Backends;
using Dia.Backends.Cpu;
using Dia.Codec;
using Dia.Compiled;
using Dia.Configuration;
using Dia.Generation;
using Dia.Modeling;
using Dia.Processing;
using Dia.Text;
using Dia.Weights;
using Xunit;

namespace Dia.Tests.Modeling;

/// <summary>The model inside the executable: what it says, greedily, is what the reference says with the same weights.</summary>
public sealed class DemoModelTests
{
    // Rows may differ from the first row on where the two best scores are closer than this (rounding decides).
    private const float Gap = 1e-3f;

    public static TheoryData<int> Cases() => new(Enumerable.Range(0, Fixtures.Json("demo", "greedy.json").GetArrayLength()));

    [Theory]
    [MemberData(nameof(Cases))]
    public void Greedy_rows_are_the_references_and_so_is_their_sound(int index)
    {
        JsonElement json = Fixtures.Json("demo", "greedy.json")[index];
        string name = json.GetProperty("case").GetString()!;
        TensorFile tensors = Fixtures.Tensors("demo", "greedy.safetensors");
        int[,] expected = tensors.Ints2(name + ".rows");
        float[] gaps = tensors.Floats(name + ".gap");

        using Device device = new CpuDevice(2);
        ModelFolder folder = ModelFolder.Open(Fixtures.Demo);
        using var model = DiaForConditionalGeneration.FromPretrained(folder, CompiledModels.All, device);
        using var codec = DacModel.FromPretrained(folder.Sub("dac"), CompiledModels.All, device);
        DiaProcessor processor = Processor(codec, model.Config);
        DiaInputs inputs = processor.Process([json.GetProperty("text").GetString()!]);
        GenerationConfig config = model.GenerationConfig() with
        {
            DoSample = false,
            MaxNewTokens = 300,
            GuidanceScale = GenerateTests.Number(json, "guidance_scale"),
            TopK = (int?)GenerateTests.Number(json, "top_k") ?? 50,
        };
        int[,,] rows = model.Generate(inputs, config);

        int channels = expected.GetLength(1), prompt = inputs.DecoderInputIds.GetLength(1) - config.DelayPattern.Max();
        int certain = FirstUncertainStep(gaps, channels);
        Assert.True(certain > 20, "too few rows are certain to show anything");
        for (int t = 0; t < Math.Min(expected.GetLength(0), prompt + certain); t++)
            for (int c = 0; c < channels; c++)
                Assert.True(expected[t, c] == rows[0, t, c], $"{name}: row {t}, channel {c} is {rows[0, t, c]}, expected {expected[t, c]}");

        var reference = new int[1, expected.GetLength(0), channels];
        Buffer.BlockCopy(expected, 0, reference, 0, expected.Length * sizeof(int));
        // The demo model's README: audio of the given rows within 1e-4 (of full scale).
        float[] audio = processor.Decode(reference), wanted = tensors.Floats(name + ".audio");
        Assert.Equal(wanted.Length, audio.Length);
        for (int i = 0; i < audio.Length; i++)
            Assert.True(Math.Abs(audio[i] - wanted[i]) <= 1e-4, $"{name}: sample {i} is {audio[i]}, expected {wanted[i]}");
    }

    // Without guidance: the best of guided scores needs the processors, which the other test runs step by step.
    public static TheoryData<int> Unguided() => new(Fixtures.Json("demo", "greedy.json").EnumerateArray().Index()
        .Where(c => GenerateTests.Number(c.Item, "guidance_scale") is null).Select(c => c.Index));

    [Theory]
    [MemberData(nameof(Unguided))]
    public void The_references_own_rows_fed_back_have_the_same_best_ids(int index)
    {
        JsonElement json = Fixtures.Json("demo", "greedy.json")[index];
        string name = json.GetProperty("case").GetString()!;
        TensorFile tensors = Fixtures.Tensors("demo", "greedy.safetensors");
        int[,] expected = tensors.Ints2(name + ".rows");
        float[] gaps = tensors.Floats(name + ".gap");
        using Device device = new CpuDevice(2);
        ModelFolder folder = ModelFolder.Open(Fixtures.Demo);
        using var model = DiaForConditionalGeneration.FromPretrained(folder, CompiledModels.All, device);
        int rows = expected.GetLength(0), channels = expected.GetLength(1), vocabulary = model.Config.DecoderConfig.VocabSize;
        var input = new int[1, rows, channels];
        Buffer.BlockCopy(expected, 0, input, 0, expected.Length * sizeof(int));
        DiaOutput output = model.Forward(Processor(null, model.Config).Process([json.GetProperty("text").GetString()!]).InputIds, null, input);

        int checkedCells = 0;
        for (int t = 0; t + 1 < rows; t++)
        {
            for (int c = 0; c < channels; c++)
            {
                // A cell that generation forced (delay, end) is not the model's choice.
                int wanted = expected[t + 1, c];
                if (gaps[t * channels + c] <= Gap || wanted >= model.Config.EosTokenId)
                    continue;
                ReadOnlySpan<float> logits = output.Logits.AsSpan((c * rows + t) * vocabulary, model.Config.EosTokenId);
                Assert.Equal(wanted, TokenSampler.Best(logits));
                checkedCells++;
            }
        }

        Assert.True(checkedCells > 100);
    }

    private static DiaProcessor Processor(IAudioCodec? codec, Dia.Configuration.DiaConfig config) =>
        new(new DiaFeatureExtractor(samplingRate: codec?.SamplingRate ?? 16000, hopLength: codec?.HopLength ?? 512), new DiaTokenizer(), codec)
        {
            BosTokenId = config.BosTokenId,
            EosTokenId = config.EosTokenId,
            PadTokenId = config.PadTokenId,
            DelayPattern = config.DelayPattern,
        };

    private static int FirstUncertainStep(float[] gaps, int channels)
    {
        for (int step = 0; step < gaps.Length / channels; step++)
            for (int c = 0; c < channels; c++)
                // A gap of zero is a channel whose scores are all equal or forced.
                if (gaps[step * channels + c] is > 0 and < Gap)
                    return step;
        return gaps.Length / channels;
    }
}
