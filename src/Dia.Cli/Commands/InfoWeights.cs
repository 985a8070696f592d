using Dia.Cli.Output;
using Dia.Graph;

namespace Dia.Cli.Commands;

/// <summary>How the weights of a checkpoint are stored.</summary>
internal static class InfoWeights
{
    /// <summary>Writes a line for each use of weights and format.</summary>
    public static void Write(StringBuilder text, string name, Checkpoint checkpoint)
    {
        text.Append(Format.Text($"\n{name}: {Format.Bytes(checkpoint.Parameters.Sum(w => w.Storage.Bytes(w.Spec)))}\n"));
        var table = new TextTable(false, false, true, true);
        foreach (var group in checkpoint.Parameters.OrderBy(w => w.Spec.Role).GroupBy(w => (Role: Name(w.Spec.Role), w.Storage)))
            table.Add("  " + group.Key.Role, Describe(group.Key.Storage), Format.Text($"{group.Count()}"), Format.Bytes(group.Sum(w => w.Storage.Bytes(w.Spec))));
        text.Append(table);
    }

    private static string Name(WeightRole role) => role switch
    {
        WeightRole.Linear => "linear layers",
        WeightRole.Embedding => "embeddings",
        WeightRole.Vector => "norms, biases",
        _ => "convolutions",
    };

    private static string Describe(WeightStorage storage) => !storage.IsQuantized ? storage.Name : Format.Text(
        $"{storage.Name}, a scale in {WeightFormats.ReferenceName(storage.ScaleFormat)} for each {(storage.Group == 0 ? "row" : Format.Text($"{storage.Group} of a row"))}");
}
