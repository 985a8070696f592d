using Microsoft.CodeAnalysis.Diagnostics;

namespace Dia.Generators;

/// <summary>
/// Which models get what training needs: the build properties DiaTraining (true, false, or names with commas between) and DiaTrainingRowBytes.
/// </summary>
/// <param name="Names">The names; true: all.</param>
/// <param name="RowBytes">Bytes of an audio row that may be kept.</param>
internal readonly record struct TrainingChoice(string Names, long RowBytes)
{
    /// <summary>The choice of a build.</summary>
    public static TrainingChoice Of(AnalyzerConfigOptions options) =>
        options.TryGetValue("build_property.DiaTraining", out string? names)
            && options.TryGetValue("build_property.DiaTrainingRowBytes", out string? bytes)
            && long.TryParse(bytes, NumberStyles.None, CultureInfo.InvariantCulture, out long number)
            ? new(names, number)
            : new("false", 0);

    /// <summary>Bytes of a model's row that may be kept; null: it is not trained.</summary>
    public long? BytesOf(ModelSpec model) => Names == "true" || Names.Split(',').Contains(model.Name) ? RowBytes : null;
}
