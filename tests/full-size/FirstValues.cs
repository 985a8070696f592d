using System.Text.Json;
using Dia.Weights;

namespace Dia.FullSize;

/// <summary>Whether the checkpoint holds the weights that the reference was run on.</summary>
internal static class FirstValues
{
    /// <summary>Compares the first values of some tensors with full.json's.</summary>
    public static void Check(Report report, string folder, string part)
    {
        using SafetensorsFile file = SafetensorsFile.Open(Path.Combine(folder, ModelFolder.TensorsName));
        int different = 0, compared = 0;
        foreach (JsonProperty tensor in Fixtures.Json("full", "full.json").GetProperty(part).GetProperty("first_values").EnumerateObject())
        {
            float[] values = file[tensor.Name].ToSingle();
            foreach (JsonElement value in tensor.Value.EnumerateArray())
                different += values[compared++ % 4] == value.GetSingle() ? 0 : 1;
        }

        report.Judge($"{part}: first values of recomputed weights that differ", $"{different} of {compared}", "0", different == 0 && compared > 0);
    }
}
