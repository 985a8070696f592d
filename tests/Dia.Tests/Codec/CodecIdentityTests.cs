using System.Text.Json;
using Dia.Backends;
using Dia.Backends.Cpu;
using Dia.Codec;
using Dia.Compiled;
using Dia.Speech;
using Dia.Weights;
using Xunit;

namespace Dia.Tests.Codec;

/// <summary>A codec is known in every format of weights, and no other is taken for it.</summary>
public sealed class CodecIdentityTests : IDisposable
{
    private static readonly string Root = Repository.Root;
    private readonly string _folder = Directory.CreateTempSubdirectory("dia-identity-").FullName;

    [Theory]
    [InlineData("tests/fixtures/dac/base")] // float32 as it was made
    [InlineData("tests/fixtures/dac/odd")]
    [InlineData("configs/dia-demo/dac")] // bfloat16
    public void Conversions_accept_each_others_voices(string codec)
    {
        WeightFormat[] formats = [WeightFormat.Float32, WeightFormat.BFloat16, WeightFormat.Float16];
        var folders = new List<string> { Path.Combine(Root, codec) };
        // Every format, and every format of each of these: f32 to bf16 to f16, f32 to f16 to bf16, ...
        for (int from = 0, step = 0; step < 2; step++)
            for (int count = folders.Count; from < count; from++)
                foreach (WeightFormat format in formats)
                    folders.Add(Converted(folders[from], format));
        using Device device = new CpuDevice(1);
        List<DacModel> codecs = [.. folders.Select(f => DacModel.FromPretrained(ModelFolder.Open(f), CompiledModels.All, device))];
        DacModel[] others = [.. Others(codec).Select(f => DacModel.FromPretrained(ModelFolder.Open(f), CompiledModels.All, device))];
        Assert.Equal(1 + 3 + 9, codecs.Count);
        foreach (DacModel a in codecs)
        {
            Voice voice = Kept(a);
            foreach (DacModel b in codecs)
                voice.Check("v", a.Codebooks, a.Config.CodebookSize, 10, b);
            foreach (DacModel other in others)
            {
                Assert.Contains("another codec", Assert.Throws<DiaException>(() => voice.Check("v", a.Codebooks, a.Config.CodebookSize, 10, other)).Message);
                Assert.Throws<DiaException>(() => Kept(other).Check("v", other.Codebooks, other.Config.CodebookSize, 10, a));
            }
        }

        foreach (DacModel loaded in codecs.Concat(others))
            loaded.Dispose();
    }

    [Fact]
    public void Values_that_are_not_numbers_match_nothing()
    {
        var strange = new CodecIdentity("a codec", new[,] { { 1f, float.NaN } });
        Assert.False(strange.Matches(strange));
        Assert.False(new CodecIdentity("a codec", new[,] { { float.PositiveInfinity } })
            .Matches(new CodecIdentity("a codec", new[,] { { float.PositiveInfinity } })));
        Assert.True(new CodecIdentity("a codec", new[,] { { 1f, 1e-8f } }).Matches(new CodecIdentity("a codec", new[,] { { 1.0078f, 0f } })));
        Assert.False(new CodecIdentity("a codec", new[,] { { 1f, 0f } }).Matches(new CodecIdentity("a codec", new[,] { { 1.01f, 0f } })));
        Assert.False(new CodecIdentity("a codec", new[,] { { 1f } }).Matches(new CodecIdentity("another", new[,] { { 1f } })));
        Assert.False(new CodecIdentity("a codec", new[,] { { 1f } }).Matches(new CodecIdentity("a codec", new[,] { { 1f, 1f } })));
    }

    /// <inheritdoc/>
    public void Dispose() => Directory.Delete(_folder, recursive: true);

    /// <summary>The other fixtures, and a codec of the same shape with other codebooks.</summary>
    private IEnumerable<string> Others(string codec)
    {
        foreach (string other in new[] { "tests/fixtures/dac/base", "tests/fixtures/dac/odd", "configs/dia-demo/dac" })
            if (other != codec)
                yield return Path.Combine(Root, other);
        string altered = Converted(Path.Combine(Root, codec), WeightFormat.Float32);
        Alter(Path.Combine(altered, "model.safetensors"));
        yield return altered;
    }

    /// <summary>Turns the signs of the last codebook, as if it was trained apart.</summary>
    private static void Alter(string path)
    {
        byte[] bytes = File.ReadAllBytes(path);
        int data = 8 + (int)BitConverter.ToInt64(bytes);
        using JsonDocument header = JsonDocument.Parse(bytes.AsMemory(8, data - 8));
        JsonElement place = header.RootElement.EnumerateObject().Where(t => t.Name.EndsWith(".codebook.weight", StringComparison.Ordinal))
            .MaxBy(t => t.Name, StringComparer.Ordinal).Value.GetProperty("data_offsets");
        for (int at = data + place[0].GetInt32(); at < data + place[1].GetInt32(); at += sizeof(float))
            bytes[at + 3] ^= 0x80;
        File.WriteAllBytes(path, bytes);
    }

    private string Converted(string from, WeightFormat format)
    {
        string to = Path.Combine(_folder, Guid.NewGuid().ToString("N"));
        CheckpointConverter.Convert(ModelFolder.Open(from), null, format, to);
        return to;
    }

    /// <summary>A voice of a codec after it was in a file.</summary>
    private Voice Kept(DacModel codec)
    {
        string path = Path.Combine(_folder, "voice");
        using (FileStream stream = File.Create(path))
            new Voice(new int[3, codec.Codebooks], "[S1] Hello.", codec.Identity).Save(stream);
        return Voice.Load(path);
    }
}
