using Dia.Backends;
using Dia.Codec;
using Dia.Compiled;
using Dia.Configuration;
using Dia.Generation;
using Dia.Processing;
using Dia.Speech;
using Dia.Text;
using Dia.Weights;

namespace Dia.Tests.Callers;

/// <summary>A small model, a codec that fits it, and what is given to them.</summary>
internal sealed class SmallModel : IDisposable
{
    public SmallModel(string device)
        : this(TestDevice.Create(device))
    {
    }

    /// <summary>On a device that is disposed with it, also where this fails.</summary>
    public SmallModel(Device device)
    {
        Device = device;
        try
        {
            Model = DiaForConditionalGeneration.FromPretrained(ModelFolder.Open(Folder), CompiledModels.All, device);
            Codec = LoadCodec(device);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public static string Folder => Fixtures.Path("generate", "model");

    public Device Device { get; }

    public DiaForConditionalGeneration Model { get; } = null!;

    public DacModel Codec { get; } = null!;

    public static DacModel LoadCodec(Device device) =>
        DacModel.FromPretrained(ModelFolder.Open(Fixtures.Path("processor", "dac")), CompiledModels.All, device);

    public GenerationConfig Config(int rows = 30) => Model.GenerationConfig() with { MaxNewTokens = rows, DoSample = true, GuidanceScale = 3, Seed = 5 };

    public DiaInputs Inputs(params string[] texts) => DiaProcessor.Create(Model.Config).Process(texts.Length == 0 ? ["[S1] Hello."] : texts);

    public int[,] Codes(int frames)
    {
        var codes = new int[frames, Codec.Codebooks];
        for (int t = 0; t < frames; t++)
            for (int c = 0; c < Codec.Codebooks; c++)
                codes[t, c] = (31 * t + 7 * c) % Math.Min(Codec.Config.CodebookSize, Model.Config.EosTokenId);
        return codes;
    }

    public static float[] Sound(int length) => [.. Enumerable.Range(0, length).Select(i => (float)Math.Sin(i * 0.07) / 2)];

    public TestJob Job(int rows = 30) => new(new DiaTokenizer().Encode("[S1] Hello."), Config(rows));

    public void Dispose()
    {
        Codec?.Dispose();
        Model?.Dispose();
        Device.Dispose();
    }
}

/// <summary>A job that does what a test wants when a row comes, and keeps what it got.</summary>
internal sealed class TestJob(int[] ids, GenerationConfig config) : Utterance(ids, config)
{
    public Action<int>? Row { get; set; }

    public List<float> Samples { get; } = [];

    protected internal override void OnRow(int rows) => Row?.Invoke(rows);

    protected internal override void OnSamples(ReadOnlySpan<float> samples) => Samples.AddRange(samples);
}

/// <summary>An observer that does what a test wants when a row comes.</summary>
internal sealed class RowObserver(Action<int> row) : IGenerationObserver
{
    public void RowAdded(int item, int index, ReadOnlySpan<int> ids) => row(index);
}
