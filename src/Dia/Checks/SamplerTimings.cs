using Dia.Backends;
using Dia.Configuration;
using Dia.Generation;

namespace Dia.Checks;

/// <summary>Times a device's own sampler, if it has one.</summary>
internal static unsafe class SamplerTimings
{
    // More than steps that are timed.
    private const int MostRows = 4096;

    // A sequence that ends is passed over from then on.
    private const float Unlikely = -100;

    /// <summary>Runs it on one utterance with guidance.</summary>
    public static void Run(Device device, DeviceClock clock, DiaForConditionalGeneration model, Action<KernelTiming> report)
    {
        DiaDecoderConfig d = model.Config.DecoderConfig;
        using DeviceSampler? sampler = device.CreateSampler(1, d.NumChannels, d.VocabSize);
        if (sampler is null)
            return;
        GenerationConfig config =
            model.GenerationConfig() with { GuidanceScale = 3, TopK = 45, TopP = 0.95, Temperature = 1.2, DoSample = true, Seed = 1, MaxNewTokens = MostRows };
        var prompt = new DecoderPrompt(null, null, 1, config, d.VocabSize);
        sampler.Open(0, new GenerationSequence(prompt, 0, config, d.VocabSize, config.RowLimit(prompt.Rows, 2 * MostRows), 0).Sampled(), 0, 1);
        var random = new Random(1);
        float[] logits = new float[2 * d.NumChannels * d.VocabSize];
        for (int i = 0; i < logits.Length; i++)
            logits[i] = i % d.VocabSize == config.EosTokenId ? Unlikely : (random.NextSingle() + random.NextSingle() + random.NextSingle()) * 4;
        float* onDevice = device.Memory.Allocate(logits.Length);
        try
        {
            fixed (float* from = logits)
                device.Memory.Upload(onDevice, from, logits.Length * (long)sizeof(float));
            (double seconds, int launches) = clock.TimeInStep(() => sampler.Sample(onDevice, null, null, null), 0);
            report(new KernelTiming("step", "sample_rows, advance", string.Create(CultureInfo.InvariantCulture, $"[2, {d.NumChannels}, {d.VocabSize}]"),
                logits.Length * (double)sizeof(float), 0, seconds, launches));
        }
        finally
        {
            device.Memory.Free(onDevice);
        }
    }
}
