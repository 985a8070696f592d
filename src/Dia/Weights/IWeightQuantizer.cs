namespace Dia.Weights;

/// <summary>Finds the integers and scales that stand for the weight of a linear layer.</summary>
public interface IWeightQuantizer
{
    /// <summary>
    /// Finds those of some rows. It is asked more than once for the same rows, some at a time and in any order of layers, and answers the same each time.
    /// </summary>
    /// <param name="spec">The weight [n, k].</param>
    /// <param name="storage">How the integers will be stored.</param>
    /// <param name="source">The format that the weight comes in.</param>
    /// <param name="first">The first of the rows.</param>
    /// <param name="rows">Their values [rows, k].</param>
    /// <param name="integers">Receives the integers [rows, k]: from -8 to 7, or from -128 to 127.</param>
    /// <param name="scales">Receives the scales [rows, groups], from 0, each a value of the storage's format of scales. One that is not finite is refused.</param>
    void Quantize(WeightSpec spec, WeightStorage storage, WeightFormat source, int first, ReadOnlySpan<float> rows, Span<sbyte> integers, Span<float> scales);
}

/// <summary>
/// Round to nearest, as the compressed-tensors library does it: a scale is the largest magnitude of its group divided by half the range of the integers, 7.5 or
/// 127.5; ties go to even. Where weights and scales have one format, quotients are rounded to it too, since that library divides in it.
/// </summary>
public sealed class RoundToNearest : IWeightQuantizer
{
    // The library's least scale: the distance from 1 to the next float32.
    private const float LeastScale = 1f / (1 << 23);

    /// <summary>It has no state.</summary>
    public static RoundToNearest Instance { get; } = new();

    /// <summary>Half the range of the integers of a format.</summary>
    public static float HalfRange(WeightFormat format) => format == WeightFormat.Int4 ? 7.5f : 127.5f;

    /// <summary>The scale of some values that share one.</summary>
    /// <param name="group">The values.</param>
    /// <param name="storage">How they will be stored.</param>
    public static float Scale(ReadOnlySpan<float> group, WeightStorage storage)
    {
        float largest = 0;
        foreach (float value in group)
            largest = MathF.Max(largest, MathF.Abs(value)); // NaN stays
        return Rounded(MathF.Max(largest / HalfRange(storage.Format), LeastScale), storage.ScaleFormat);
    }

    /// <inheritdoc/>
    public void Quantize(
        WeightSpec spec, WeightStorage storage, WeightFormat source, int first, ReadOnlySpan<float> rows, Span<sbyte> integers, Span<float> scales)
    {
        ArgumentNullException.ThrowIfNull(spec);
        int k = spec.Columns, size = storage.Group == 0 ? k : storage.Group, most = (int)HalfRange(storage.Format);
        WeightFormat division = source == storage.ScaleFormat ? source : WeightFormat.Float32;
        for (int at = 0, group = 0; at < rows.Length; group++)
        {
            // The last group of a row may be shorter.
            int count = Math.Min(size, k - at % k);
            float scale = scales[group] = Scale(rows.Slice(at, count), storage);
            for (int end = at + count; at < end; at++)
                integers[at] = (sbyte)Math.Clamp(MathF.Round(Rounded(rows[at] / scale, division)), -most - 1, most);
        }
    }

    /// <summary>The value of a format that is nearest to a value.</summary>
    internal static float Rounded(float value, WeightFormat format) => format switch
    {
        WeightFormat.BFloat16 => WeightFormats.FromBFloat16(WeightFormats.ToBFloat16(value)),
        WeightFormat.Float16 => WeightFormats.FromFloat16(WeightFormats.ToFloat16(value)),
        _ => value,
    };
}
