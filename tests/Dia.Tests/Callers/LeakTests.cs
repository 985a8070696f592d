using Dia.Backends;
using Dia.Backends.Cpu;
using Dia.Backends.Scalar;
using Dia.Codec;
using Dia.Compiled;
using Dia.Generation;
using Dia.Graph;
using Dia.Modeling;
using Dia.Speech;
using Dia.Weights;
using Xunit;

namespace Dia.Tests.Callers;

/// <summary>Whatever step fails, wherever memory ends: what was taken before is given back, the mapped files too.</summary>
public sealed class LeakTests
{
    public static TheoryData<string, string> Cases()
    {
        var data = new TheoryData<string, string>();
        foreach (string work in new[] { "load", "generate", "forward", "speak", "codec" })
            foreach (string device in new[] { "scalar", "cpu", "cpu as a device" })
                data.Add(work, device);
        return data;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void What_fails_at_any_allocation_leaves_nothing_behind(string work, string device)
    {
        int failed = 0;
        while (FailsAt(work, device, memory => memory.FailingAllocation = failed + 1))
            failed++;
        Assert.True(failed >= Least(work, device), $"only {failed} allocations of {work} on {device} were seen");
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void What_fails_at_any_copy_leaves_nothing_behind(string work, string device)
    {
        // There are thousands, most of them alike.
        int failed = 0;
        for (int at = 1; FailsAt(work, device, memory => memory.FailingTransfer = at); at += Math.Max(1, at / 8))
            failed++;
        Assert.True(failed > 0 || work == "load", $"no copy of {work} on {device} was seen");
    }

    [Fact]
    public void A_model_or_codec_that_does_not_load_unmaps_its_files()
    {
        // Copies: other tests have the fixtures mapped at the same time.
        using var folder = new TemporaryFolder();
        foreach (string name in new[] { "config.json", "generation_config.json", "model.safetensors" })
            folder.Write(name, File.ReadAllBytes(Path.Combine(SmallModel.Folder, name)));
        foreach (string name in new[] { "config.json", "model.safetensors" })
            folder.Write("dac/" + name, File.ReadAllBytes(Fixtures.Path("processor", "dac", name)));
        var files = ModelFolder.Open(folder.Path);
        using Device device = new CpuDevice(1, new CountedMemory(isHost: true) { FailingAllocation = 3 }),
            other = new CpuDevice(1, new CountedMemory(isHost: true) { FailingAllocation = 3 });
        Assert.Throws<DiaException>(() => DiaForConditionalGeneration.FromPretrained(files, CompiledModels.All, device));
        Assert.Throws<DiaException>(() => DacModel.FromPretrained(files.Sub("dac"), CompiledModels.All, other));
        Assert.DoesNotContain(File.ReadLines("/proc/self/maps"), line => line.Contains(folder.Path, StringComparison.Ordinal));
    }

    private static int Least(string work, string device) => (work, device) switch
    {
        ("load", "scalar") => 0, // its weights stay in the file
        ("load", _) => 20,
        ("codec", _) => 2,
        _ => 6,
    };

    /// <returns>Whether anything failed.</returns>
    private static bool FailsAt(string work, string device, Action<CountedMemory> prepare)
    {
        var memory = new CountedMemory(isHost: device == "cpu");
        prepare(memory);
        try
        {
            using Device counted = device == "scalar" ? new ScalarDevice(memory) : new CpuDevice(2, memory);
            Run(work, counted);
        }
        catch (DiaException e) when (e.Message == "the test's failure")
        {
        }

        Assert.Equal(0, memory.Live);
        Assert.Equal(0, memory.WrongFrees);
        return memory.HasFailed;
    }

    private static void Run(string work, Device device)
    {
        if (work == "codec")
        {
            using DacModel codec = SmallModel.LoadCodec(device);
            int[,] codes = codec.Encode(SmallModel.Sound(6 * codec.HopLength), null, out _);
            codec.Decode(codes);
            codec.Decode(codes, new RowRange(1, 5));
            return;
        }

        using var small = new SmallModel(device);
        switch (work)
        {
            case "generate":
                small.Model.Generate(small.Inputs("[S1] a", "[S2] bcd"), small.Config(4));
                break;
            case "forward":
                DiaOutput output = small.Model.Forward(small.Inputs("[S1] a").InputIds, decoderAttentionMask: new int[,] { { 1 } }, outputHiddenStates: true,
                    outputAttentions: true, useCache: true);
                Assert.NotEmpty(output.DecoderAttentions);
                using (PastKeyValues past = output.PastKeyValues!)
                {
                    // More rows than there was room for at first.
                    small.Model.Forward(decoderInputIds: new int[1, 20, 9], pastKeyValues: past);
                    using PastKeyValues copy = PastKeyValues.Create(small.Model, past.SelfAttention(), past.CrossAttention());
                    small.Model.Forward(encoderOutput: output.EncoderOutput);
                }

                break;
            case "speak":
                using (var engine = new SpeechEngine(small.Model, small.Codec, 2))
                {
                    engine.Run([small.Job(20), small.Job(20), small.Job(20)]);
                }

                break;
        }
    }
}
