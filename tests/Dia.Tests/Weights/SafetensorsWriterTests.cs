using System.Text;
using Dia.Weights;
using Xunit;

namespace Dia.Tests.Weights;

public sealed class SafetensorsWriterTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("tests/fixtures/tiny/base/model.safetensors")]
    [InlineData("tests/fixtures/tiny/odd/forward.safetensors")]
    [InlineData("tests/fixtures/wav/expected.safetensors")]
    [InlineData("configs/dia-demo/dac/model.safetensors")]
    public unsafe void WritesTheReferenceLibrarysBytes(string name)
    {
        string path = Repository.At(name);
        using (var file = SafetensorsFile.Open(path))
        {
            using var writer = SafetensorsWriter.Create(_folder["out"],
                file.Tensors.Values.Reverse().Select(t => new SafetensorsEntry(t.Name, t.DType, t.Shape)), file.Metadata);
            foreach (var entry in writer.Tensors)
            {
                // In two parts: tensors need not be written at once.
                var data = new ReadOnlySpan<byte>(file[entry.Name].Data, (int)file[entry.Name].ByteLength);
                writer.Write(entry.Name, data[..(data.Length / 2)]);
                writer.Write(entry.Name, data[(data.Length / 2)..]);
            }

            Assert.False(File.Exists(_folder["out"]));
            writer.Commit();
        }

        Assert.Equal(File.ReadAllBytes(path), File.ReadAllBytes(_folder["out"]));
    }

    [Fact]
    public void Lays_tensors_out_by_type_then_name()
    {
        var output = new MemoryStream();
        SafetensorsWriter.Save(output,
            [new("b", [1], new float[1]), new("a", [], new float[1]), new("z", [1], new long[1]), new("c", [2, 0], Array.Empty<short>())]);
        string text = Encoding.UTF8.GetString(output.ToArray().AsSpan(8));
        Assert.StartsWith("""{"z":{"dtype":"I64","shape":[1],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[],"data_offsets":[8,12]},"b":{"dtype":"F32","shape":[1],"data_offsets":[12,16]},"c":{"dtype":"I16","shape":[2,0],"data_offsets":[16,16]}} """, text);
        Assert.Equal(0, (output.Length - 16) % 8);
        Assert.Equal(0, BitConverter.ToInt64(output.ToArray(), 0) % 8);
    }

    [Fact]
    public void Misuse_is_an_error()
    {
        var entry = new SafetensorsEntry("a", SafetensorsDType.F32, [2]);
        Assert.Throws<ArgumentException>(() => new SafetensorsWriter(Stream.Null, [entry, entry]));
        Assert.Throws<ArgumentException>(() => new SafetensorsWriter(Stream.Null, [entry with { Name = "__metadata__" }]));
        Assert.Throws<ArgumentException>(() => SafetensorsWriter.Save(Stream.Null, [new("a", [3], new float[2])]));
        Assert.Throws<ArgumentException>(() => SafetensorsWriter.Save(Stream.Null, [new("a", [2], new sbyte[2])]));
        var writer = new SafetensorsWriter(Stream.Null, [entry]);
        Assert.Throws<InvalidOperationException>(() => writer.Write<float>("b", [1]));
        Assert.Throws<InvalidOperationException>(writer.Commit);
        Assert.Throws<InvalidOperationException>(() => writer.Write<float>("a", [1, 2, 3]));
    }
}
