using Dia.Backends;
using Dia.Backends.Cuda;
using Dia.Compiled;
using Dia.Configuration;
using Dia.Generation;
using Dia.Speech;
using Dia.Text;
using Dia.Weights;

namespace Dia.Cuda.Tests;

/// <summary>An utterance of which only the managed bytes that its steps allocate are of interest.</summary>
internal sealed class SteppingJob(int[] ids, GenerationConfig config) : Utterance(ids, config)
{
    // From the step that is captured on, everything is there that steps need; the last rows end the sequence.
    private const int First = 12, Last = 40;

    private long _before;
    private long _after = -1;

    /// <summary>What the steps of two utterances of a model allocate, one of them with guidance; −1: they were not made.</summary>
    /// <param name="folder">A model that is compiled into this assembly.</param>
    public static long AllocatedBytes(string folder)
    {
        using Device device = new CudaDevice(0);
        using DiaForConditionalGeneration model = DiaForConditionalGeneration.FromPretrained(ModelFolder.Open(folder), CompiledModels.All, device);
        using var engine = new SpeechEngine(model, null, 2);
        SteppingJob[] jobs = [.. new[] { 3.0, 1 }.Select(scale =>
            new SteppingJob(new DiaTokenizer().Encode("[S1] Hi."),
                model.GenerationConfig() with { MaxNewTokens = 60, GuidanceScale = scale, DoSample = true, TopK = 30, Seed = 3 }))];
        engine.Run(jobs);
        return jobs[0]._after - jobs[0]._before;
    }

    /// <inheritdoc/>
    protected internal override void OnRow(int rows)
    {
        if (rows == First)
            _before = GC.GetAllocatedBytesForCurrentThread();
        if (rows == Last)
            _after = GC.GetAllocatedBytesForCurrentThread();
    }

    /// <inheritdoc/>
    protected internal override void OnSamples(ReadOnlySpan<float> samples)
    {
    }

    /// <inheritdoc/>
    protected internal override void OnCompleted(SpeechResult result)
    {
    }
}
