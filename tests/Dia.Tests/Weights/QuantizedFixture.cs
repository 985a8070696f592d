using System.Text.Json;
using Dia.Compiled;
using Dia.Networks;
using Dia.Weights;

namespace Dia.Tests.Weights;

/// <summary>The checkpoints that the compressed-tensors library made of one source.</summary>
internal static class QuantizedFixture
{
    public static string Source { get; } = Path("source");

    /// <summary>Those that are read.</summary>
    public static string[] Names { get; } = [.. Directory.GetDirectories(Fixtures.Path("quantized")).Select(f => System.IO.Path.GetFileName(f)!)
        .Where(n => n != "source" && !n.StartsWith("refused", StringComparison.Ordinal)).Order(StringComparer.Ordinal)];

    public static string Path(string name) => Fixtures.Path("quantized", name);

    public static JsonElement Case(string name) => Fixtures.Json("quantized", name, "case.json");

    public static WeightSpec[] Parameters() => ParametersOf(Source);

    /// <summary>The parameters of a checkpoint's compiled class.</summary>
    public static WeightSpec[] ParametersOf(string folder)
    {
        using ModelCheckpoint checkpoint = ModelCheckpoint.Open(ModelFolder.Open(folder), CompiledModels.All);
        return checkpoint.Compiled.Weights();
    }

    /// <summary>How the library stored a weight.</summary>
    public static WeightStorage Storage(string name)
    {
        JsonElement json = Case(name);
        bool isPacked = json.GetProperty("format").GetString() == "pack-quantized";
        WeightFormat format = json.GetProperty("bits").GetInt32() == 4 ? WeightFormat.Int4 : isPacked ? WeightFormat.Int8Packed : WeightFormat.Int8;
        return new WeightStorage(format, Format(name), json.GetProperty("group_size") is { ValueKind: JsonValueKind.Number } size ? size.GetInt32() : 0);
    }

    /// <summary>The format of what is not quantised, and of scales.</summary>
    public static WeightFormat Format(string name) => Case(name).GetProperty("dtype").GetString() switch
    {
        "bfloat16" => WeightFormat.BFloat16,
        "float16" => WeightFormat.Float16,
        _ => WeightFormat.Float32,
    };

    public static string[] Quantized(string name) => [.. Case(name).GetProperty("quantised").EnumerateArray().Select(n => n.GetString()!)];

    /// <summary>What the integers and scales of a weight stand for, by the format's description alone.</summary>
    public static float[] Values(string name, WeightSpec spec)
    {
        TensorFile file = TensorFile.Open(System.IO.Path.Combine(Path(name), "model.safetensors"));
        WeightStorage storage = Storage(name);
        float[] scales = file.Floats(spec.Name + "_scale"), values = new float[spec.Count];
        int bits = storage.Format == WeightFormat.Int4 ? 4 : 8, k = spec.Shape[1];
        int[] words = file.Ints(storage.Format == WeightFormat.Int8 ? spec.Name : spec.Name + "_packed");
        for (int i = 0; i < values.Length; i++)
        {
            (int row, int column) = Math.DivRem(i, k);
            int place = column * bits, width = words.Length / spec.Shape[0];
            int integer = storage.Format == WeightFormat.Int8 ? words[i]
                : ((words[row * width + place / 32] >> (place % 32)) & ((1 << bits) - 1)) - (1 << (bits - 1));
            values[i] = integer * scales[row * (scales.Length / spec.Shape[0]) + (storage.Group == 0 ? 0 : column / storage.Group)];
        }

        return values;
    }
}
