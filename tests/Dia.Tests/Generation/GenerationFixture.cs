using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text.Json;
using Dia.Configuration;
using Xunit;

namespace Dia.Tests.Generation;

/// <summary>One safetensors file of the fixtures and the JSON beside it: only what these tests need (F32 and I64, trusted files).</summary>
internal sealed class GenerationFixture
{
    private readonly byte[] _bytes;
    private readonly JsonElement _header;
    private readonly int _dataStart;

    public GenerationFixture(string folder, string name)
    {
        string path = Path.Combine(Root(), folder, name);
        _bytes = File.ReadAllBytes(path + ".safetensors");
        int headerLength = (int)BinaryPrimitives.ReadInt64LittleEndian(_bytes);
        _dataStart = 8 + headerLength;
        _header = JsonDocument.Parse(_bytes.AsMemory(8, headerLength)).RootElement;
        Json = File.Exists(path + ".json") ? JsonDocument.Parse(File.ReadAllText(path + ".json")).RootElement : default;
    }

    public JsonElement Json { get; }

    public int[] Shape(string tensor) => [.. _header.GetProperty(tensor).GetProperty("shape").EnumerateArray().Select(e => e.GetInt32())];

    public float[] Floats(string tensor) => MemoryMarshal.Cast<byte, float>(Data(tensor)).ToArray();

    public int[] Ints(string tensor) => [.. MemoryMarshal.Cast<byte, long>(Data(tensor)).ToArray().Select(v => (int)v)];

    public int[,,] Ints3(string tensor)
    {
        int[] shape = Shape(tensor);
        int[,,] result = new int[shape[0], shape[1], shape[2]];
        Buffer.BlockCopy(Ints(tensor), 0, result, 0, result.Length * sizeof(int));
        return result;
    }

    public int[,] Ints2(string tensor)
    {
        int[] shape = Shape(tensor);
        int[,] result = new int[shape[0], shape[1]];
        Buffer.BlockCopy(Ints(tensor), 0, result, 0, result.Length * sizeof(int));
        return result;
    }

    /// <summary>Equal within a tolerance, where the fixtures write −1e30 for negative infinity.</summary>
    public static void AssertScores(ReadOnlySpan<float> expected, ReadOnlySpan<float> actual, float tolerance, string what)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (int i = 0; i < expected.Length; i++)
        {
            bool equal = expected[i] <= -1e29f ? actual[i] <= -1e29f : Math.Abs(expected[i] - actual[i]) <= tolerance;
            Assert.True(equal, $"{what}[{i}]: expected {expected[i]}, got {actual[i]}");
        }
    }

    /// <summary>One item's rows as generation keeps them.</summary>
    public static int[] Rows(int[,,] sequences, int item)
    {
        int[] rows = new int[sequences.GetLength(1) * sequences.GetLength(2)];
        Buffer.BlockCopy(sequences, item * rows.Length * sizeof(int), rows, 0, rows.Length * sizeof(int));
        return rows;
    }

    /// <summary>The ids and the delay pattern of the checkpoint that the fixtures were generated with.</summary>
    public static GenerationConfig TinyConfig => new() { EosTokenId = 64, PadTokenId = 65, BosTokenId = 66 };

    private ReadOnlySpan<byte> Data(string tensor)
    {
        JsonElement offsets = _header.GetProperty(tensor).GetProperty("data_offsets");
        return _bytes.AsSpan(_dataStart + offsets[0].GetInt32(), offsets[1].GetInt32() - offsets[0].GetInt32());
    }

    private static string Root()
    {
        for (DirectoryInfo? d = new(AppContext.BaseDirectory); d is not null; d = d.Parent)
            if (Directory.Exists(Path.Combine(d.FullName, "tests", "fixtures")))
                return Path.Combine(d.FullName, "tests", "fixtures");
        throw new DirectoryNotFoundException("tests/fixtures");
    }

    /// <summary>Rows one after the other as [rows, channels].</summary>
    public static int[,] Matrix(int[] rows, int channels)
    {
        var matrix = new int[rows.Length / channels, channels];
        Buffer.BlockCopy(rows, 0, matrix, 0, rows.Length * sizeof(int));
        return matrix;
    }
}
