using Dia.Backends;
using Dia.Backends.Cpu;
using Dia.Backends.Scalar;
using Dia.Codec;
using Dia.Compiled;
using Dia.Generation;
using Dia.Networks;
using Dia.Tests.Callers;
using Dia.Tests.Weights;
using Dia.Weights;
using Xunit;

namespace Dia.Tests.Modeling;

/// <summary>A checkpoint is opened once: plans and models are made of what is open.</summary>
public sealed class CheckpointTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    /// <summary>The files are gone once it is open: whoever opened one of them again would find nothing.</summary>
    [Fact]
    public void Plans_and_models_are_made_without_opening_a_file_again()
    {
        string path = Copy(SmallModel.Folder, "config.json", "generation_config.json", "model.safetensors");
        using Device cpu = new CpuDevice(1), scalar = new ScalarDevice();
        using var usual = new SmallModel("cpu1");
        using ModelCheckpoint other = Open(SmallModel.Folder);
        long planned = MemoryPlan.Of(cpu, other, null, 2).Bytes;
        using ModelCheckpoint checkpoint = Open(path);
        Directory.Delete(path, recursive: true);
        Assert.Equal(planned, MemoryPlan.Of(cpu, checkpoint, null, 2).Bytes);
        Assert.Equal(planned, MemoryPlan.Of(scalar, checkpoint, null, 2).Bytes);
        using var first = DiaForConditionalGeneration.FromPretrained(checkpoint, cpu);
        using var second = DiaForConditionalGeneration.FromPretrained(checkpoint, scalar);
        Assert.Equal(usual.Model.GenerationConfig(), first.GenerationConfig());
        Assert.Equal(usual.Model.Generate(usual.Inputs(), usual.Config()), first.Generate(usual.Inputs(), usual.Config()));
        Assert.Equal(1, Mappings(path));

        // In any order: the models hold what they use.
        checkpoint.Dispose();
        checkpoint.Dispose();
        first.Dispose();
        Assert.Equal(1, Mappings(path));
        Assert.Equal(usual.Model.Config, second.Config);
        int[,] text = { { 65, 66 } };
        Assert.Equal(usual.Model.Forward(text).Logits.Length, second.Forward(text).Logits.Length);
        second.Dispose();
        Assert.Equal(0, Mappings(path));
        Assert.Throws<ObjectDisposedException>(() => DiaForConditionalGeneration.FromPretrained(checkpoint, cpu));
    }

    [Fact]
    public void A_codec_too()
    {
        string path = Copy(Fixtures.Path("processor", "dac"), "config.json", "model.safetensors");
        using Device device = new CpuDevice(1);
        using DacModel usual = SmallModel.LoadCodec(device);
        using CodecCheckpoint checkpoint = CodecCheckpoint.Open(ModelFolder.Open(path), CompiledModels.All);
        Directory.Delete(path, recursive: true);
        Assert.True(MemoryPlan.Of(device, null, checkpoint, 1).Bytes > 0);
        using var codec = DacModel.FromPretrained(checkpoint, device);
        checkpoint.Dispose();
        float[] sound = SmallModel.Sound(10 * codec.HopLength);
        Assert.Equal(usual.Encode(sound), codec.Encode(sound));
        Assert.Equal(1, Mappings(path));
        codec.Dispose();
        Assert.Equal(0, Mappings(path));
        Assert.Throws<ObjectDisposedException>(() => DacModel.FromPretrained(checkpoint, device));
    }

    [Fact]
    public void What_cannot_be_opened_leaves_no_file_mapped()
    {
        string path = Copy(SmallModel.Folder, "config.json", "generation_config.json");
        File.Copy(Fixtures.Path("processor", "dac", "model.safetensors"), Path.Combine(path, "model.safetensors"));
        Assert.Contains("do not fit the model", Assert.Throws<DiaException>(() => Open(path)).Message, StringComparison.Ordinal);
        Assert.Equal(0, Mappings(path));
    }

    /// <inheritdoc/>
    public void Dispose() => _folder.Dispose();

    private static ModelCheckpoint Open(string path) => ModelCheckpoint.Open(ModelFolder.Open(path), CompiledModels.All);

    private static int Mappings(string path) => File.ReadLines("/proc/self/maps").Count(line => line.Contains(path, StringComparison.Ordinal));

    private string Copy(string from, params string[] names)
    {
        foreach (string name in names)
            _folder.Write("model/" + name, File.ReadAllBytes(Path.Combine(from, name)));
        return _folder["model"];
    }
}
