using System.Text;
using Dia.IO;
using Dia.Weights;
using Xunit;

namespace Dia.Tests.Weights;

public sealed class SafetensorsFileTests : IDisposable
{
    private const string Good = """{"__metadata__":{"k":"v"},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"I16","shape":[],"data_offsets":[8,10]}}""";

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Every_type_is_read_by_its_name()
    {
        foreach (SafetensorsDType type in Enum.GetValues<SafetensorsDType>())
            Assert.Equal(type, SafetensorsTypes.Parse(type.ToString()));
        Assert.Null(SafetensorsTypes.Parse("f32"));
        Assert.Equal((3, 4), SafetensorsTypes.Group(SafetensorsDType.F6_E2M3));
        Assert.Equal(8, SafetensorsTypes.Size(SafetensorsDType.U64));
        Assert.Equal("complex numbers", SafetensorsTypes.Kind(SafetensorsDType.C64));
    }

    [Fact]
    public void Reads_tensors_and_metadata()
    {
        using var file =
            SafetensorsFile.Open(_folder.Write("f", TensorFile.Bytes(Good + "  ", [.. BitConverter.GetBytes(1f), .. BitConverter.GetBytes(-2f), 7, 1])));
        Assert.Equal("v", file.Metadata["k"]);
        Assert.Equal(2, file.Tensors.Count);
        Assert.Equal([1f, -2f], file["a"].ToSingle());
        Assert.Equal([1, -2], file["a"].ToInt32());
        Assert.Empty(file["b"].Shape);
        Assert.Equal(1, file["b"].Count);
        Assert.Equal([263], file["b"].ToInt32());
        Assert.Contains("holds no tensor c; it holds: a, b", Assert.Throws<DiaException>(() => file["c"]).Message);
    }

    [Fact]
    public void Reads_empty_files_and_empty_tensors()
    {
        using var none = SafetensorsFile.Open(_folder.Write("f", TensorFile.Bytes("{}", [])));
        Assert.Empty(none.Tensors);
        using var empty = SafetensorsFile.Open(_folder.Write("g", TensorFile.Bytes("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"z":{"dtype":"F32","shape":[0,9],"data_offsets":[0,0]}}""", new byte[8])));
        Assert.Empty(empty["z"].ToSingle());
    }

    [Fact]
    public unsafe void DataAreGoneAfterDispose()
    {
        var file = SafetensorsFile.Open(Fixtures.Path("tiny/base/model.safetensors"));
        var tensor = file.Tensors.Values.First();
        Assert.True(tensor.Data != null);
        file.Dispose();
        file.Dispose();
        Assert.Throws<ObjectDisposedException>(() => tensor.ToSingle());
    }

    [Theory]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}""", "does not take the 4 bytes")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}""", "ends before it begins")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}""", "tensor b begins at data offset 4, but the data before it end at 8")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", "the data before it end at 8")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}}""", "the data before it end at 0")]
    [InlineData("""{"a":{"dtype":"F32","shape":[100],"data_offsets":[0,400]}}""", "truncated")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", "8 bytes follow the last tensor")]
    [InlineData("""{"a":{"dtype":"F32","shape":[9223372036854775807],"data_offsets":[0,8]}}""", "does not take")]
    [InlineData("""{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}}""", "does not take")]
    [InlineData("""{"a":{"dtype":"F32","shape":[4],"data_offsets":[9223372036854775792,9223372036854775807]}}""", "does not take")]
    [InlineData("""{"a":{"dtype":"F32","shape":[4],"data_offsets":[9223372036854775791,9223372036854775807]}}""", "the data before it end at 0")]
    [InlineData("""{"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}""", "integers from 0")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1e1],"data_offsets":[0,8]}}""", "integers from 0")]
    [InlineData("""{"a":{"dtype":"F32","shape":[9223372036854775808],"data_offsets":[0,8]}}""", "integers from 0")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1],"data_offsets":[0,4]}}""", "more than 16")]
    [InlineData("""{"a":{"dtype":"F32","shape":[[2]],"data_offsets":[0,8]}}""", "not valid JSON")]
    [InlineData("""{"a":{"dtype":"F32","shape":2,"data_offsets":[0,8]}}""", "its shape is not a list")]
    [InlineData("""{"a":{"dtype":"F31","shape":[2],"data_offsets":[0,8]}}""", "tensor a has the unknown dtype F31")]
    [InlineData("""{"a":{"dtype":3,"shape":[2],"data_offsets":[0,8]}}""", "dtype is not a string")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2]}}""", "lacks")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0]}}""", "lacks")]
    [InlineData("""{"a":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", "appears twice")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":1}}""", "the field x is unknown")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}}""", "the name a appears twice")]
    [InlineData("""{"a":3}""", "not described by a JSON object")]
    [InlineData("""{"":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", "is empty")]
    [InlineData("""{"\u001b[2J":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", "control characters")]
    [InlineData("""{"\ud800":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", "not valid JSON")]
    [InlineData("""{"__metadata__":{"a":1}}""", "not a string")]
    [InlineData("""{"__metadata__":{"a":"1","a":"2"}}""", "appears twice")]
    [InlineData("""{"__metadata__":{},"__metadata__":{}}""", "appears twice")]
    [InlineData("""[]""", "not a JSON object")]
    [InlineData("""{} x""", "not valid JSON")]
    [InlineData("""{"a":""", "not valid JSON")]
    [InlineData("", "not valid JSON")]
    public void Bad_headers_are_refused(string json, string expected)
    {
        string path = _folder.Write("bad.safetensors", TensorFile.Bytes(json, new byte[16]));
        var e = Assert.Throws<DiaException>(() => SafetensorsFile.Open(path, DiaErrorKind.Input).Dispose());
        Assert.Equal(DiaErrorKind.Input, e.Kind);
        Assert.Contains(expected, e.Message);
        Assert.Contains(path, e.Message);
        Assert.DoesNotContain('\u001b', e.Message);
    }

    /// <summary>The format knows them: the file is no damaged one. They are not turned into numbers.</summary>
    [Theory]
    [InlineData("F8_E4M3", 8, 8, "8-bit floats")]
    [InlineData("F8_E5M2", 8, 8, "8-bit floats")]
    [InlineData("F8_E8M0", 8, 8, "8-bit floats")]
    [InlineData("F8_E4M3FNUZ", 8, 8, "8-bit floats")]
    [InlineData("F8_E5M2FNUZ", 8, 8, "8-bit floats")]
    [InlineData("F6_E2M3", 8, 6, "6-bit floats")]
    [InlineData("F6_E3M2", 8, 6, "6-bit floats")]
    [InlineData("F4", 8, 4, "4-bit floats")]
    [InlineData("C64", 8, 64, "complex numbers")]
    public void Types_that_are_not_computed_in_are_known(string type, int count, int bytes, string kind)
    {
        using var file = SafetensorsFile.Open(_folder.Write("f", TensorFile.Bytes($$$"""{"a":{"dtype":"{{{type}}}","shape":[{{{count}}}],"data_offsets":[0,{{{bytes}}}]}}""", new byte[bytes])));
        Assert.Equal((type, (long)count, (long)bytes), (file["a"].DType.ToString(), file["a"].Count, file["a"].ByteLength));
        foreach (Action read in new Action[] { () => file["a"].ToInt32(), () => file["a"].ToSingle() })
            Assert.Contains($"tensor a is stored as {type}: {kind} are not supported", Assert.Throws<DiaException>(read).Message);
        Assert.Contains("does not take", Assert.Throws<DiaException>(() => SafetensorsFile.Open(_folder.Write("g", TensorFile.Bytes($$$"""{"a":{"dtype":"{{{type}}}","shape":[{{{count + 1}}}],"data_offsets":[0,{{{bytes}}}]}}""", new byte[bytes])))).Message);
    }

    [Fact]
    public void Names_in_messages_are_short()
    {
        string path = _folder.Write("f", TensorFile.Bytes($$"""{"{{new string('n', 100_000)}}":1}""", []));
        Assert.InRange(Assert.Throws<DiaException>(() => SafetensorsFile.Open(path)).Message.Length, 1, 500);
    }

    [Theory]
    [InlineData(new byte[0], "is empty")]
    [InlineData(new byte[] { 1, 0, 0, 0, 0, 0, 0 }, "too short")]
    [InlineData(new byte[] { 9, 0, 0, 0, 0, 0, 0, 0, 123, 125 }, "only 2 follow")]
    [InlineData(new byte[] { 0, 0, 0, 0, 0, 0, 0, 255, 123, 125 }, "the limit is 100000000")]
    [InlineData(new byte[] { 1, 225, 245, 5, 0, 0, 0, 0, 123, 125 }, "the limit is 100000000")]
    public void Bad_lengths_are_refused(byte[] bytes, string expected) =>
        Assert.Contains(expected, Assert.Throws<DiaException>(() => SafetensorsFile.Open(_folder.Write("f", bytes))).Message);

    [Fact]
    public void Other_things_than_files_are_refused()
    {
        Assert.Contains("no such file", Assert.Throws<DiaException>(() => SafetensorsFile.Open(_folder["gone"])).Message);
        Assert.Contains("it is a folder", Assert.Throws<DiaException>(() => SafetensorsFile.Open(_folder.Path)).Message);
        Assert.Contains("device or FIFO", Assert.Throws<DiaException>(() => SafetensorsFile.Open("/dev/null")).Message);
        string pointer = _folder.Write("f", "version https://git-lfs.github.com/spec/v1\noid sha256:0\n");
        Assert.Contains("git lfs pull", Assert.Throws<DiaException>(() => SafetensorsFile.Open(pointer)).Message);
    }

    [Fact]
    public void Converts_and_checks_the_range()
    {
        SafetensorsWriter.Save(_folder["f"],
        [
            new("bool", [2], new[] { true, false }), new("u8", [1], new byte[] { 255 }), new("i16", [1], new short[] { -3 }),
            new("i32", [1], new[] { int.MinValue }), new("i64", [1], new long[] { -7 }), new("i64.large", [2], new[] { 0, 1L << 31 }),
            new("f32", [1], new[] { 5f }), new("f32.fraction", [1], new[] { 0.5f }), new("f32.nan", [1], new[] { float.NaN }),
            new("f64", [1], new[] { -4.0 }), new("f64.large", [1], new[] { 1e300 }), new("f64.infinite", [1], new[] { double.PositiveInfinity }),
            new("i64.odd", [1], new[] { (1L << 60) + (1L << 36) + 1 }),
        ]);
        using var file = SafetensorsFile.Open(_folder["f"], DiaErrorKind.Input);
        Assert.Equal([1, 0], file["bool"].ToInt32());
        Assert.Equal([255], file["u8"].ToInt32());
        Assert.Equal([-3], file["i16"].ToInt32());
        Assert.Equal([int.MinValue], file["i32"].ToInt32());
        Assert.Equal([-7], file["i64"].ToInt32());
        Assert.Equal([5], file["f32"].ToInt32());
        Assert.Equal([-4], file["f64"].ToInt32());
        Assert.Equal([-4f], file["f64"].ToSingle());
        Assert.Equal([-7f], file["i64"].ToSingle());
        Assert.Equal([float.PositiveInfinity], file["f64.infinite"].ToSingle());

        // By way of double this would be a tie, and go to the even neighbour below.
        Assert.Equal([(float)(1L << 60) + (1L << 37)], file["i64.odd"].ToSingle());
        foreach (string name in new[] { "i64.large", "f32.fraction", "f32.nan", "f64.infinite" })
        {
            var e = Assert.Throws<DiaException>(() => file[name].ToInt32());
            Assert.Equal(DiaErrorKind.Input, e.Kind);
            Assert.Contains($"of tensor {name} is", e.Message);
        }

        Assert.Contains("value 1 of", Assert.Throws<DiaException>(() => file["i64.large"].ToInt32()).Message);
        Assert.Contains("too large for float32", Assert.Throws<DiaException>(() => file["f64.large"].ToSingle()).Message);
    }

    [Fact]
    public void Reads_halves()
    {
        using var file = SafetensorsFile.Open(_folder.Write("f", TensorFile.Bytes("""{"h":{"dtype":"F16","shape":[1],"data_offsets":[0,2]},"b":{"dtype":"BF16","shape":[1],"data_offsets":[2,4]}}""", [0, 0x3C, 0x40, 0x40])));
        Assert.Equal([1f], file["h"].ToSingle());
        Assert.Equal([3f], file["b"].ToSingle());
        Assert.Equal([3], file["b"].ToInt32());
    }

    [Fact]
    public void A_range_of_a_file_is_a_file()
    {
        byte[] inner = TensorFile.Bytes(Good, new byte[10]);
        string path = _folder.Write("f", [.. new byte[4099], .. inner, 1, 2, 3]);
        using var file = SafetensorsFile.Open(new FileRange(path, 4099, inner.Length), "inner", DiaErrorKind.Model);
        Assert.Equal([0f, 0f], file["a"].ToSingle());
        Assert.Contains("became shorter",
            Assert.Throws<DiaException>(() => SafetensorsFile.Open(new FileRange(path, 4099, inner.Length + 4), "inner", DiaErrorKind.Model)).Message);
    }

    [Fact]
    public void Mutated_headers_give_nothing_but_Dia_exceptions()
    {
        byte[] good = Encoding.UTF8.GetBytes(Good);
        string alphabet = "{}[]\",:\\0123456789-eE.u nulltrue\u0000\u007F";
        var random = new Random(20250611);
        int accepted = 0;
        for (int i = 0; i < 20_000; i++)
        {
            var bytes = good.ToList();
            for (int n = random.Next(1, 5); n > 0 && bytes.Count > 0; n--)
            {
                int at = random.Next(bytes.Count);
                byte value = random.Next(3) == 0 ? (byte)random.Next(256) : (byte)alphabet[random.Next(alphabet.Length)];
                switch (random.Next(4))
                {
                    case 0: bytes[at] = value; break;
                    case 1: bytes.Insert(at, value); break;
                    case 2: bytes.RemoveAt(at); break;
                    default: bytes.RemoveRange(at, Math.Min(random.Next(1, 20), bytes.Count - at)); break;
                }
            }

            try
            {
                var header = SafetensorsHeader.Parse(bytes.ToArray(), 10, "fuzz", DiaErrorKind.Model);
                Assert.Equal(10, header.Tensors.Sum(t => t.Entry.ByteLength));
                accepted++;
            }
            catch (DiaException)
            {
            }
        }

        Assert.InRange(accepted, 100, 19_000); // Harmless mutations (of a name, of white space) exist, and most are not.
    }
}
