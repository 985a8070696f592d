using Dia.Graph;
using Dia.Weights;

namespace Dia.Tests.Weights;

/// <summary>Checkpoints of tests, by the library's own reader and writer.</summary>
internal static class WeightFiles
{
    /// <summary>Writes a file of tensors into a folder.</summary>
    /// <returns>Its path.</returns>
    public static string Save(this TemporaryFolder folder, string name, params SafetensorsArray[] arrays)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(folder[name])!);
        SafetensorsWriter.Save(folder[name], arrays);
        return folder[name];
    }

    /// <summary>Specs that fit a checkpoint's tensors: [out, in, k] are convolutions.</summary>
    public static WeightSpec[] SpecsOf(string file)
    {
        using var tensors = SafetensorsFile.Open(file);
        return [.. tensors.Tensors.Values.OrderBy(t => t.Name, StringComparer.Ordinal).Select(t =>
            new WeightSpec(t.Name, Array.ConvertAll(t.Shape, d => (int)d), t.Name.EndsWith(".weight", StringComparison.Ordinal) && t.Shape.Length == 3
                ? WeightRole.Convolution : WeightRole.Linear))];
    }

    /// <summary>The weights of a checkpoint, whose files they alone hold.</summary>
    public static LoadedWeights Load(ModelFolder folder, WeightSpec[] specs, ICollection<string>? warnings = null)
    {
        using var tensors = MatchedTensors.Open(folder, specs, warnings ?? new List<string>());
        return new LoadedWeights(tensors);
    }

    /// <summary>Tensors of a file as float arrays.</summary>
    public static SafetensorsArray[] ArraysOf(string file)
    {
        using var tensors = SafetensorsFile.Open(file);
        return [.. tensors.Tensors.Values.OrderBy(t => t.Name, StringComparer.Ordinal).Select(t => new SafetensorsArray(t.Name, t.Shape, t.ToSingle()))];
    }
}
