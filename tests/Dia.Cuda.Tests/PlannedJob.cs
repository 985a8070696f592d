using Dia.Backends;
using Dia.Backends.Cuda;
using Dia.Checks;
using Dia.Compiled;
using Dia.Configuration;
using Dia.Generation;
using Dia.Networks;
using Dia.Speech;
using Dia.Weights;

namespace Dia.Cuda.Tests;

/// <summary>An utterance as long as the model allows, which is left once everything that it needs was allocated.</summary>
internal sealed class PlannedJob(int[] ids, GenerationConfig config, Action onRow) : Utterance(ids, config)
{
    private const int Batch = 2;

    /// <summary>Compares the plan with what is taken of its arena: all lies in it, and the plan is not much more than that.</summary>
    /// <param name="folder">A model that is compiled into this assembly.</param>
    /// <param name="report">Receives the checks.</param>
    public static void Check(string folder, Action<KernelCheck> report)
    {
        using var device = new CudaDevice(0);
        CudaMemory memory = device.DeviceMemory;
        using ModelCheckpoint checkpoint = ModelCheckpoint.Open(ModelFolder.Open(folder), CompiledModels.All);
        var plan = MemoryPlan.Of(device, checkpoint, null, Batch);
        plan.Reserve();
        using (DiaForConditionalGeneration model = DiaForConditionalGeneration.FromPretrained(checkpoint, device))
        {
            report(new KernelCheck("weights: bytes that are not as planned", "", Math.Abs(memory.Pieces!.Used - Setup(plan) - plan.Parts[0].Bytes), 0));
            using var engine = new SpeechEngine(model, null, Batch);
            using var enough = new CancellationTokenSource();
            int[] text = [.. Enumerable.Range(0, model.Config.EncoderConfig.MaxPositionEmbeddings).Select(i => 'a' + i % 26)];
            int rows = 0;
            GenerationConfig config = model.GenerationConfig() with { MaxNewTokens = null, MaxLength = model.Config.DecoderConfig.MaxPositionEmbeddings,
                GuidanceScale = 3, DoSample = true, Seed = 3 };
            PlannedJob[] jobs = [.. Enumerable.Range(0, Batch).Select(i => new PlannedJob(text, config, () =>
            {
                if (++rows == 8)
                    enough.Cancel();
            })
            {
                // Its ids are the rows that the sampler must keep, and a prompt of several rows is a pass of its own.
                Prompt = new int[model.RowCapacity / 2, model.Config.DecoderConfig.NumChannels],
            })];
            try
            {
                engine.Run(jobs, enough.Token);
            }
            catch (OperationCanceledException)
            {
            }

            report(new KernelCheck("bytes outside the arena", "", memory.BytesOutsideArena, 0));

            // Half the prompt's rows are not there, or a text's activations are fewer than a prompt's.
            report(new KernelCheck("part of the plan that nothing took", $"{memory.Pieces.MostUsed} of {plan.Bytes}",
                1 - memory.Pieces.MostUsed / (double)plan.Bytes, 0.2));
        }

        report(new KernelCheck("bytes of the arena that a model leaves behind", "", memory.Pieces.Used - Setup(plan), 0));
    }

    /// <summary>What is taken with the arena and stays.</summary>
    private static long Setup(MemoryPlan plan) => plan.Parts.Where(p => p.Name is "working memory of the kernels" or "cuBLAS").Sum(p => p.Bytes);

    /// <inheritdoc/>
    protected internal override void OnRow(int rows) => onRow();
}
