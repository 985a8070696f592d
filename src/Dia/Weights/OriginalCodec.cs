using System.Text.Json;

namespace Dia.Weights;

/// <summary>
/// The codec's own file, as its authors' code writes it (descript-audio-codec): a state_dict, and in metadata.kwargs the arguments that made the codec,
/// which are its configuration.
/// </summary>
internal static class OriginalCodec
{
    private static readonly string[] UnitParts = ["snake1", "conv1", "snake2", "conv2"];

    /// <summary>The reference library's keys of the arguments.</summary>
    private static readonly Dictionary<string, string> Keys = new(StringComparer.Ordinal)
    {
        ["encoder_dim"] = "encoder_hidden_size", ["encoder_rates"] = "downsampling_ratios", ["latent_dim"] = "hidden_size",
        ["decoder_dim"] = "decoder_hidden_size", ["decoder_rates"] = "upsampling_ratios", ["sample_rate"] = "sampling_rate",
    };

    /// <summary>What would be the config.json of a codec's own file; null: it is none.</summary>
    public static string? Configuration(PyTorchFile file)
    {
        if (file.Root is not Dictionary<object, object?> root || root.GetValueOrDefault("metadata") is not Dictionary<object, object?> metadata
            || metadata.GetValueOrDefault("kwargs") is not Dictionary<object, object?> arguments || !Are(file.Tensors.Keys))
            return null;
        using var text = new MemoryStream();
        using (var json = new Utf8JsonWriter(text, new JsonWriterOptions { Indented = true, NewLine = "\n" }))
        {
            json.WriteStartObject();
            json.WriteString("model_type", "dac");
            foreach ((object key, object? value) in arguments)
            {
                // What is not said follows from the rest.
                if (value is null)
                    continue;
                string name = Convert.ToString(key, CultureInfo.InvariantCulture)!;
                json.WritePropertyName(Keys.GetValueOrDefault(name, name));
                Write(json, value);
            }

            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(text.GetBuffer(), 0, (int)text.Length) + "\n";
    }

    /// <summary>Whether tensors have the names of the authors' code.</summary>
    public static bool Are(IEnumerable<string> names) => names.Any(n => n.StartsWith("decoder.model.0.", StringComparison.Ordinal));

    /// <summary>The same tensors with the reference library's names; what is none of the codec's keeps its own.</summary>
    public static Dictionary<string, StoredTensor> Renamed(IReadOnlyDictionary<string, StoredTensor> tensors)
    {
        var renamed = new Dictionary<string, StoredTensor>(StringComparer.Ordinal);
        foreach (StoredTensor tensor in tensors.Values)
        {
            SafetensorsEntry entry = tensor.Entry with { Name = Current(tensor.Name) };
            renamed[entry.Name] = new StoredTensor(entry, [.. tensor.Parts]);
        }

        return renamed;
    }

    private static void Write(Utf8JsonWriter json, object value)
    {
        switch (value)
        {
            case bool flag:
                json.WriteNumberValue(flag ? 1 : 0); // quantizer_dropout, a fraction
                break;
            case long number:
                json.WriteNumberValue(number);
                break;
            case double number when double.IsFinite(number):
                json.WriteNumberValue(number);
                break;
            case List<object?> or object?[]:
                json.WriteStartArray();
                foreach (object? item in value as IEnumerable<object?> ?? [])
                    if (item is long whole)
                        json.WriteNumberValue(whole);
                    else
                        json.WriteNullValue();
                json.WriteEndArray();
                break;
            default:
                json.WriteStringValue(value as string ?? "?");
                break;
        }
    }

    /// <summary>
    /// Modules are numbered there: encoder.block.0 is the first convolution, the last two are a snake and a convolution, and those between are blocks, in
    /// which three residual units come before a snake and a convolution; in the decoder's (decoder.model) they come behind.
    /// </summary>
    private static string Current(string name)
    {
        string[] parts = name.Split('.');
        bool isEncoder = name.StartsWith("encoder.block.", StringComparison.Ordinal);
        if (!(isEncoder || name.StartsWith("decoder.model.", StringComparison.Ordinal)) || parts.Length < 4 || !Number(parts[2], out int module))
            return name;
        if (parts[3] != "block")
            return $"{parts[0]}.{(parts[3] == "alpha" ? "snake1" : module == 0 ? "conv1" : "conv2")}.{Rest(3)}";
        if (parts.Length < 6 || !Number(parts[4], out int inside))
            return name;
        string block = $"{parts[0]}.block.{module - 1}";
        if (parts[5] != "block")
            return $"{block}.{(parts[5] == "alpha" ? "snake1" : isEncoder ? "conv1" : "conv_t1")}.{Rest(5)}";
        return parts.Length >= 8 && Number(parts[6], out int part) && part < UnitParts.Length
            ? $"{block}.res_unit{inside + (isEncoder ? 1 : -1)}.{UnitParts[part]}.{Rest(7)}" : name;

        string Rest(int from) => string.Join('.', parts[from..]);

        static bool Number(string text, out int number) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number);
    }
}
