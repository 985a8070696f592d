using System.Runtime.InteropServices;
using Dia.Backends;
using Dia.Backends.Cpu;
using Dia.Configuration;
using Dia.Modeling;
using Dia.Processing;
using Dia.Speech;
using Xunit;

namespace Dia.Tests.Callers;

/// <summary>Several threads on one model, one codec, one device: each gets what it gets alone.</summary>
public sealed class ThreadTests
{
    [Theory]
    [InlineData("scalar")]
    [InlineData("cpu1")]
    [InlineData("cpu3")]
    public void Calls_from_several_threads_give_what_they_give_alone(string deviceName)
    {
        using var alone = new SmallModel(deviceName);
        // Fresh, so that the threads make its scratch memory and its constants; two models and two codecs share it.
        using Device device = TestDevice.Create(deviceName);
        using var first = new SmallModel(device);
        using var second = new SmallModel(device);
        Action[] work = [.. Enumerable.Range(0, 4).SelectMany(i => Work(alone, i % 2 == 0 ? first : second, i))];
        Exception?[] failures = new Exception?[work.Length];
        Thread[] threads = [.. work.Select((run, i) => new Thread(() =>
        {
            try
            {
                for (int round = 0; round < 3; round++)
                    run();
            }
            catch (Exception e)
            {
                failures[i] = e;
            }
        }))];
        foreach (Thread thread in threads)
            thread.Start();
        foreach (Thread thread in threads)
            thread.Join();
        Assert.All(failures, Assert.Null);
    }

    [Fact]
    public void A_second_run_of_an_engine_is_refused_and_the_first_goes_on()
    {
        using var small = new SmallModel("cpu2");
        using var engine = new SpeechEngine(small.Model, small.Codec);
        TestJob job = small.Job(40);
        int refused = 0;
        job.Row = rows =>
        {
            if (rows != 4)
                return;
            Assert.Throws<InvalidOperationException>(() => engine.Run(small.Job()));
            Task.Run(() => Assert.Throws<InvalidOperationException>(() => engine.Run(small.Job()))).Wait();
            refused++;
        };
        engine.Run(job);
        Assert.Equal(1, refused);
        Assert.NotNull(job.Result);
        TestJob again = small.Job(40);
        engine.Run(again);
        Assert.Equal(job.Result.Rows, again.Result!.Rows);
        Assert.Equal(job.Samples, again.Samples);
    }

    [Fact]
    public void A_job_may_use_its_model_and_codec()
    {
        using var small = new SmallModel("cpu2");
        using var engine = new SpeechEngine(small.Model, small.Codec);
        TestJob plain = small.Job(40), busy = small.Job(40);
        engine.Run(plain);
        int[,,]? inner = null;
        busy.Row = rows =>
        {
            small.Codec.Decode(small.Codes(70));
            if (rows == 3)
                inner = small.Model.Generate(small.Inputs(), small.Config());
        };
        engine.Run(busy);
        Assert.Equal(plain.Result!.Rows, busy.Result!.Rows);
        Assert.Equal(plain.Samples, busy.Samples);
        Assert.Equal(small.Model.Generate(small.Inputs(), small.Config()), inner);
    }

    [Fact]
    public unsafe void A_backend_in_use_refuses_to_move_its_scratch_memory()
    {
        using var pool = new CpuThreads(1);
        nint scratch = (nint)pool.Scratch(100, out _);
        ScratchJob job = new() { Pool = GCHandle.ToIntPtr(GCHandle.Alloc(pool)) };
        pool.Run(ref job, 1);
        GCHandle.FromIntPtr(job.Pool).Free();
        Assert.True(job.Refused);
        Assert.Equal(scratch, (nint)pool.Scratch(100, out _));
    }

    private static IEnumerable<Action> Work(SmallModel alone, SmallModel small, int i)
    {
        // Texts and sounds of growing lengths: whoever comes later needs more scratch memory.
        string text = "[S1] " + new string('a', 1 + 12 * i);
        GenerationConfig config = alone.Config(20 + i) with { Seed = (ulong)i };
        int[,,] rows = alone.Model.Generate(alone.Inputs(text), config);
        yield return () => Assert.Equal(rows, small.Model.Generate(small.Inputs(text), config));
        DiaInputs inputs = alone.Inputs(text);
        DiaOutput output = alone.Model.Forward(inputs.InputIds, outputAttentions: true);
        yield return () => Assert.Equal(output.Logits, small.Model.Forward(inputs.InputIds, outputAttentions: true).Logits);
        int[,] codes = alone.Codes(5 + 40 * i);
        float[] samples = alone.Codec.Decode(codes);
        yield return () => Assert.Equal(samples, small.Codec.Decode(codes));
        float[] sound = SmallModel.Sound((3 + 30 * i) * alone.Codec.HopLength);
        int[,] encoded = alone.Codec.Encode(sound);
        yield return () => Assert.Equal(encoded, small.Codec.Encode(sound));
    }

    private struct ScratchJob : IParallelJob
    {
        public nint Pool;
        public bool Refused;

        public unsafe void Run(int part, int thread)
        {
            try
            {
                ((CpuThreads)GCHandle.FromIntPtr(Pool).Target!).Scratch(1 << 20, out _);
            }
            catch (InvalidOperationException)
            {
                Refused = true;
            }
        }
    }
}
