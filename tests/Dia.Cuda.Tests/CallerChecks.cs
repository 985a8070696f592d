using System.Globalization;
using Dia.Backends;
using Dia.Backends.Cuda;
using Dia.Checks;
using Dia.Compiled;
using Dia.Configuration;
using Dia.Generation;
using Dia.Speech;
using Dia.Text;
using Dia.Weights;

namespace Dia.Cuda.Tests;

/// <summary>What a caller may do to a GPU: let calls fail anywhere, dispose in any order, use it from several threads, or two of them.</summary>
internal static class CallerChecks
{
    private const int Steps = 20;

    /// <summary>
    /// Many rounds of loading and speaking, in which the settings let calls of the driver fail. What a round leaves allocated is reported; so is how
    /// many failed, which must be <paramref name="least"/> at least.
    /// </summary>
    public static void Leaks(string folder, int rounds, int least, Action<KernelCheck> report)
    {
        using var device = new CudaDevice(0);
        using (var warm = new Speaker(device, folder))
            warm.Everything(); // the device keeps what its kernels work in
        long before = device.BytesFree, most = 0;
        int failed = 0;
        for (int round = 0; round < rounds; round++)
        {
            try
            {
                using var speaker = new Speaker(device, folder);
                speaker.Everything();
            }
            catch (DiaException e) when (e.Kind == DiaErrorKind.Device)
            {
                failed++;
            }

            most = Math.Max(most, before - device.BytesFree);
        }

        report(new KernelCheck("bytes that a failed round leaves behind", Text($"{failed} of {rounds} rounds failed"), most, 0));
        report(new KernelCheck("rounds that should have failed", "", Math.Max(0, least - failed), 0));
    }

    /// <summary>Disposing in every order, and in the middle of a run with steps under way.</summary>
    public static void Lifetimes(string folder, Action<KernelCheck> report)
    {
        foreach (string order in new[] { "device model engine", "device engine model", "model device engine", "model engine device", "engine device model" })
        {
            Device device = new CudaDevice(0);
            var speaker = new Speaker(device, folder);
            speaker.Everything();
            foreach (string part in order.Split(' '))
            {
                (part switch { "device" => (IDisposable)device, "model" => speaker.Model, _ => speaker.Engine }).Dispose();
                report(new KernelCheck($"{order}: running after {part}", "", Throws(() => speaker.Engine.Run(speaker.Job(5))), 0));
            }

            speaker.Dispose();
            device.Dispose();
        }

        foreach (string part in new[] { "device", "model", "engine" })
        {
            Device device = new CudaDevice(0);
            var speaker = new Speaker(device, folder);
            RowJob job = speaker.Job(30);
            job.Row = rows =>
            {
                if (rows == 12) // steps run ahead of the host
                    (part switch { "device" => (IDisposable)device, "model" => speaker.Model, _ => speaker.Engine }).Dispose();
            };
            report(new KernelCheck($"{part} disposed by a job", "", Throws(() => speaker.Engine.Run(job)), 0));
            speaker.Dispose();
            device.Dispose();
        }
    }

    /// <summary>Two engines of one GPU in two threads, and two GPUs in one thread, in turn.</summary>
    public static void Threads(string folder, Action<KernelCheck> report)
    {
        int[] alone;
        using (Device device = new CudaDevice(0))
        using (var speaker = new Speaker(device, folder))
            alone = speaker.Rows();
        using (Device device = new CudaDevice(0))
        using (var first = new Speaker(device, folder))
        using (var second = new Speaker(device, folder))
        {
            int[][] rows = new int[2][];
            Thread[] threads = [.. new[] { first, second }.Select((speaker, i) => new Thread(() => rows[i] = speaker.Rows()))];
            Array.ForEach(threads, t => t.Start());
            Array.ForEach(threads, t => t.Join());
            for (int i = 0; i < rows.Length; i++)
                report(new KernelCheck($"rows of thread {i}", "", Same(rows[i], alone), 0));
        }

        using (Device device = new CudaDevice(0), other = new CudaDevice(1))
        using (var outer = new Speaker(device, folder))
        using (var inner = new Speaker(other, folder))
        {
            RowJob job = outer.Job(Steps);
            int different = 0;
            job.Row = rows => different += rows % 8 == 0 && Same(inner.Rows(), alone) != 0 ? 1 : 0;
            outer.Engine.Run(job);
            report(new KernelCheck("rows of the GPU whose thread uses another between steps", "", Same([.. job.Result!.Rows.Cast<int>()], alone), 0));
            report(new KernelCheck("rows of that other GPU", "", different, 0));
        }
    }

    /// <summary>
    /// Who picks the ids: the GPU, unless a control needs the scores. Who looks at rows alone, or ends an item by them, changes nothing of that.
    /// </summary>
    public static void Picking(string folder, Action<KernelCheck> report)
    {
        int[,] text = { { 1, 72, 105, 46 } };
        using (Device device = new CudaDevice(0))
        using (var speaker = new Speaker(device, folder))
        {
            GenerationConfig config = speaker.Job(Steps).Config;
            int[,,] all = speaker.Model.GenerateOutputs(text, config: config).Sequences;
            int end = all.GetLength(1) - 6, width = all.GetLength(2);
            var seen = new Rows();
            GenerationResult cut = speaker.Model.GenerateOutputs(text, config: config,
                options: new GenerationOptions { Observer = seen, StoppingCriteria = [(_, rows) => rows.Length == end * width] });
            int[] expected = [.. all.Cast<int>().Take(end * width)];
            report(new KernelCheck("rows until a criterion ends them", "", Same([.. cut.Sequences.Cast<int>()], expected), 0));
            report(new KernelCheck("rows that an observer sees", "", Same([.. seen.Ids], expected), 0));
            report(new KernelCheck("an item that is ended says so", "", cut.Stops[0] == GenerationStop.Criterion ? 0 : 1, 0));
            report(new KernelCheck("steps are captured beside an observer", "", device.StepLaunches > 0 ? 0 : 1, 0));
        }

        using (Device device = new CudaDevice(0))
        using (var speaker = new Speaker(device, folder))
        {
            speaker.Model.GenerateOutputs(text, config: speaker.Job(Steps).Config with { RepetitionPenalty = 1.5 });
            report(new KernelCheck("steps are the host's with a control", "", device.StepLaunches == 0 ? 0 : 1, 0));

            // The second waits until nothing runs on the GPU's own steps; the third runs beside it.
            RowJob[] Jobs() => [speaker.Job(Steps), speaker.Job(Steps, c => c with { RepetitionPenalty = 1.5 }), speaker.Job(Steps - 2)];
            RowJob[] together = Jobs();
            speaker.Engine.Run(together);
            for (int i = 0; i < together.Length; i++)
            {
                using var alone = new Speaker(device, folder);
                RowJob job = Jobs()[i];
                alone.Engine.Run(job);
                report(new KernelCheck($"rows of utterance {i} beside others", "", Same([.. together[i].Result!.Rows.Cast<int>()],
                    [.. job.Result!.Rows.Cast<int>()]), 0));
            }
        }
    }

    private static double Same(int[]? rows, int[] expected) => rows is not null && rows.AsSpan().SequenceEqual(expected) ? 0 : double.PositiveInfinity;

    private static double Throws(Action call)
    {
        try
        {
            call();
            return double.PositiveInfinity;
        }
        catch (ObjectDisposedException)
        {
            return 0;
        }
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    private sealed class Speaker : IDisposable
    {
        public Speaker(Device device, string folder)
        {
            Model = DiaForConditionalGeneration.FromPretrained(ModelFolder.Open(folder), CompiledModels.All, device);
            try
            {
                Engine = new SpeechEngine(Model, null, 2);
            }
            catch
            {
                Model.Dispose();
                throw;
            }
        }

        public DiaForConditionalGeneration Model { get; }

        public SpeechEngine Engine { get; }

        public RowJob Job(int rows, Func<GenerationConfig, GenerationConfig>? change = null)
        {
            GenerationConfig config = Model.GenerationConfig() with { MaxNewTokens = rows, GuidanceScale = 3, DoSample = true, Seed = 3 };
            return new RowJob(new DiaTokenizer().Encode("[S1] Hi."), change?.Invoke(config) ?? config);
        }

        public int[] Rows()
        {
            RowJob job = Job(Steps);
            Engine.Run(job);
            return [.. job.Result!.Rows.Cast<int>()];
        }

        public void Everything()
        {
            Engine.Run(Job(4)); // the third step is captured
            Model.Forward(new int[,] { { 1, 2, 3 } }, decoderAttentionMask: new int[,] { { 1 } }, outputAttentions: true);
        }

        public void Dispose()
        {
            Engine.Dispose();
            Model.Dispose();
        }
    }

    private sealed class Rows : IGenerationObserver
    {
        public List<int> Ids { get; } = [];

        public void Started(int item, ReadOnlySpan<int> rows) => Ids.AddRange(rows);

        public void RowAdded(int item, int row, ReadOnlySpan<int> ids) => Ids.AddRange(ids);
    }

    private sealed class RowJob(int[] ids, GenerationConfig config) : Utterance(ids, config)
    {
        public Action<int>? Row { get; set; }

        protected internal override void OnRow(int rows) => Row?.Invoke(rows);
    }
}
