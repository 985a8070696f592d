using Dia.Backends;
using Dia.Backends.Cpu;
using Dia.Backends.Scalar;
using Dia.Compiled;
using Dia.Generation;
using Dia.Graph;
using Dia.Modeling;
using Dia.Networks;
using Dia.Speech;
using Dia.Tests.Weights;
using Dia.Weights;
using Xunit;

namespace Dia.Tests.Callers;

/// <summary>Disposed first, twice, in the middle of a call, or from another thread: an exception that says so, and memory that is freed once.</summary>
public sealed class LifetimeTests
{
    private static readonly string[] Parts = ["device", "model", "codec", "engine", "pass", "cache"];

    public static TheoryData<string, string> Orders()
    {
        var data = new TheoryData<string, string>();
        foreach (string device in new[] { "scalar", "cpu" })
            foreach (string first in Parts)
                foreach (string second in Parts)
                    data.Add(device, $"{first} {second}");
        return data;
    }

    [Theory]
    [MemberData(nameof(Orders))]
    public void Any_order_of_disposing_is_right(string deviceName, string order)
    {
        var memory = new CountedMemory(isHost: deviceName == "cpu");
        using Device device = deviceName == "cpu" ? new CpuDevice(2, memory) : new ScalarDevice(memory);
        var small = new SmallModel(device);
        var engine = new SpeechEngine(small.Model, small.Codec);
        CodecPass pass = small.Codec.CreatePass();
        PastKeyValues cache = small.Model.Forward(small.Inputs().InputIds, useCache: true).PastKeyValues!;
        engine.Run(small.Job(20));
        small.Codec.Decode(small.Codes(3));
        foreach (string part in order.Split(' ').Concat(Parts).Concat(Parts))
        {
            IDisposable disposed = part switch { "device" => device, "model" => small.Model, "codec" => small.Codec, "engine" => engine, "cache" => cache, _ => pass };
            disposed.Dispose();
            float[] samples = new float[small.Codec.HopLength];
            if (part is "device" or "model")
            {
                Assert.Throws<ObjectDisposedException>(() => small.Model.Generate(small.Inputs(), small.Config()));
                Assert.Throws<ObjectDisposedException>(() => small.Model.Forward(new int[,] { { 1 } }));
                Assert.Throws<ObjectDisposedException>(() => new SpeechEngine(small.Model, null));
            }

            if (part is "device" or "codec")
            {
                Assert.Throws<ObjectDisposedException>(() => small.Codec.Decode(small.Codes(3)));
                Assert.Throws<ObjectDisposedException>(() => small.Codec.Decode(small.Codes(3), new RowRange(0, 1)));
                Assert.Throws<ObjectDisposedException>(() => small.Codec.Encode(new float[small.Codec.HopLength]));
                Assert.Throws<ObjectDisposedException>(() => small.Codec.CreatePass());
                Assert.Throws<ObjectDisposedException>(() => small.Codec.Identity);
            }

            if (part is "device" or "model" or "cache")
                Assert.Throws<ObjectDisposedException>(cache.SelfAttention);
            if (part is "device" or "codec" or "pass")
                Assert.Throws<ObjectDisposedException>(() =>
                    pass.Decode(new int[small.Codec.Codebooks], small.Codec.Codebooks, 1, new RowRange(0, 1), samples));
            if (part is "device" or "model" or "engine")
                Assert.Throws<ObjectDisposedException>(() => engine.Run(small.Job()));
            if (part is "device")
            {
                Assert.Throws<ObjectDisposedException>(() => device.Accept(new BackendItself()));
                Assert.Throws<ObjectDisposedException>(() => SmallModel.LoadCodec(device));
                Assert.Throws<ObjectDisposedException>(() =>
                    DiaForConditionalGeneration.FromPretrained(ModelFolder.Open(SmallModel.Folder), CompiledModels.All, device));
            }
        }

        Assert.Equal(0, memory.Live);
        Assert.Equal(0, memory.WrongFrees);
    }

    [Theory]
    [InlineData("scalar", "model")]
    [InlineData("scalar", "device")]
    [InlineData("cpu", "model")]
    [InlineData("cpu", "device")]
    public void Disposing_while_rows_are_generated_ends_that_before_the_next_step(string deviceName, string part)
    {
        foreach (bool otherThread in new[] { false, true })
        {
            var memory = new CountedMemory(isHost: deviceName == "cpu");
            using Device device = deviceName == "cpu" ? new CpuDevice(2, memory) : new ScalarDevice(memory);
            using var small = new SmallModel(device);
            int rows = 0;
            var observer = new RowObserver(_ =>
            {
                if (++rows != 5)
                    return;
                IDisposable disposed = part == "model" ? small.Model : device;
                if (otherThread)
                    Task.Run(disposed.Dispose).Wait();
                else
                    disposed.Dispose();
            });
            Assert.Throws<ObjectDisposedException>(() => small.Model.Generate(small.Inputs(), small.Config(), observer));
            Assert.Equal(5, rows);
            small.Dispose();
            Assert.Equal(0, memory.Live);
            Assert.Equal(0, memory.WrongFrees);
        }
    }

    [Theory]
    [InlineData("engine")]
    [InlineData("model")]
    [InlineData("codec")]
    [InlineData("device")]
    public void A_job_may_dispose_of_what_speaks_it(string part)
    {
        foreach (bool otherThread in new[] { false, true })
        {
            var memory = new CountedMemory(isHost: true);
            using Device device = new CpuDevice(2, memory);
            using var small = new SmallModel(device);
            var engine = new SpeechEngine(small.Model, small.Codec, 2);
            int last = 0;
            TestJob job = small.Job(60);
            job.Row = rows =>
            {
                last = rows;
                if (rows != 8)
                    return;
                IDisposable disposed = part switch { "engine" => engine, "model" => small.Model, "codec" => small.Codec, _ => device };
                if (otherThread)
                    Task.Run(disposed.Dispose).Wait();
                else
                    disposed.Dispose();
            };
            Assert.Throws<ObjectDisposedException>(() => engine.Run(job));
            if (part != "codec") // whose turn comes with the first sound
                Assert.Equal(8, last);
            if (part == "codec")
                Assert.Throws<ObjectDisposedException>(() => engine.Run(small.Job(60)));
            engine.Dispose();
            small.Dispose();
            Assert.Equal(0, memory.Live);
            Assert.Equal(0, memory.WrongFrees);
        }
    }

    [Fact]
    public void A_mapped_tensor_says_that_its_file_is_gone()
    {
        StoredTensor tensor;
        using (var file = SafetensorsFile.Open(Path.Combine(SmallModel.Folder, "model.safetensors")))
            tensor = file.Tensors.Values.First();
        Assert.Throws<ObjectDisposedException>(() => tensor.ToSingle());
        Assert.Throws<ObjectDisposedException>(() => tensor.ToInt32());
        Assert.Throws<ObjectDisposedException>(() => tensor.IsAligned);
    }

    [Fact]
    public void A_file_may_be_disposed_while_it_is_read()
    {
        using var folder = new TemporaryFolder();
        string path = folder.Save("x.safetensors", new SafetensorsArray("x", [1 << 20], new float[1 << 20]));
        for (int round = 0; round < 40; round++)
        {
            var file = SafetensorsFile.Open(path);
            StoredTensor tensor = file["x"];
            using var started = new ManualResetEventSlim();
            int read = -1;
            var reader = new Thread(() =>
            {
                started.Set();
                try
                {
                    read = tensor.ToInt32().Length;
                }
                catch (ObjectDisposedException)
                {
                    read = 0;
                }
            });
            reader.Start();
            started.Wait();
            if (round % 2 == 0)
                Thread.SpinWait(round * 500);
            file.Dispose();
            reader.Join();
            Assert.True(read is 0 or 1 << 20);
        }
    }

    [Fact]
    public void A_backend_that_is_disposed_refuses_work()
    {
        using Device device = new CpuDevice(2);
        using var small = new SmallModel(device);
        ((IDisposable)device.Accept(new BackendItself())).Dispose();
        Assert.Throws<ObjectDisposedException>(() => small.Model.Generate(small.Inputs(), small.Config()));
        Assert.Throws<ObjectDisposedException>(() => small.Codec.Decode(small.Codes(3)));
    }

    private sealed class BackendItself : IBackendVisitor<IBackend>
    {
        public IBackend Visit<TBackend>(TBackend backend)
            where TBackend : struct, IBackend => backend;
    }
}
