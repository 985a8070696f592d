using System.Text.Json;
using Dia.Weights;

namespace Dia.Cli.Tests.Support;

/// <summary>Reads and writes safetensors files.</summary>
public static class Tensors
{
    /// <summary>A tensor's integers.</summary>
    public static int[] Integers(string path, string name)
    {
        using var file = SafetensorsFile.Open(path);
        return file[name].ToInt32();
    }

    /// <summary>A tensor's numbers.</summary>
    public static float[] Numbers(string path, string name)
    {
        using var file = SafetensorsFile.Open(path);
        return file[name].ToSingle();
    }

    /// <summary>A tensor's shape.</summary>
    public static long[] Shape(string path, string name)
    {
        using var file = SafetensorsFile.Open(path);
        return file[name].Shape;
    }

    /// <summary>Names of all tensors, sorted.</summary>
    public static string[] Names(string path)
    {
        using var file = SafetensorsFile.Open(path);
        return [.. file.Tensors.Keys.Order(StringComparer.Ordinal)];
    }

    /// <summary>Writes a file.</summary>
    public static void Write(string path, params (string Name, long[] Shape, Array Values)[] tensors) =>
        SafetensorsWriter.Save(path, [.. tensors.Select(t => new SafetensorsArray(t.Name, t.Shape, t.Values))]);

    /// <summary>Overwrites part of a bfloat16 tensor in its file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="name">The tensor.</param>
    /// <param name="first">Index of the first value.</param>
    /// <param name="values">The values.</param>
    public static void OverwriteBFloat16(string path, string name, int first, float[] values)
    {
        byte[] bytes = File.ReadAllBytes(path);
        int header = 8 + (int)BitConverter.ToInt64(bytes);
        using JsonDocument json = JsonDocument.Parse(bytes.AsMemory(8, header - 8));
        JsonElement tensor = json.RootElement.GetProperty(name);
        Assert.Equal("BF16", tensor.GetProperty("dtype").GetString());
        int at = header + tensor.GetProperty("data_offsets")[0].GetInt32() + (2 * first);
        for (int i = 0; i < values.Length; i++)
            BitConverter.TryWriteBytes(bytes.AsSpan(at + (2 * i)), WeightFormats.ToBFloat16(values[i]));
        File.WriteAllBytes(path, bytes);
    }

    /// <summary>Asserts that values are within a fraction of the largest expected one.</summary>
    public static void Close(float[] expected, float[] actual, double tolerance, string name)
    {
        Assert.Equal(expected.Length, actual.Length);
        double largest = expected.Max(Math.Abs), worst = expected.Zip(actual, (e, a) => Math.Abs((double)e - a)).Max();
        Assert.True(worst <= tolerance * largest, $"{name}: off by {worst}, allowed {tolerance * largest}");
    }
}
