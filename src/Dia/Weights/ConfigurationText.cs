using System.Text.Encodings.Web;
using System.Text.Json;
using Dia.Configuration;

namespace Dia.Weights;

/// <summary>Texts of config.json that say how a checkpoint's weights are stored.</summary>
internal static class ConfigurationText
{
    // The version whose keys are written.
    private const string Version = "0.11.0";

    /// <summary>
    /// A config.json whose dtype (older: torch_dtype), if it states one, names <paramref name="format"/>. All else stays as it is,
    /// white space included; so do the dtypes inside sub-configurations, which the reference library leaves alone too.
    /// </summary>
    /// <param name="json">The text.</param>
    /// <param name="format">The format to name.</param>
    /// <param name="file">The file for messages.</param>
    /// <exception cref="DiaException">The text is not JSON (Model).</exception>
    public static string WithDType(string json, WeightFormat format, string file)
    {
        byte[] text = Encoding.UTF8.GetBytes(json);
        byte[] name = Encoding.UTF8.GetBytes($"\"{WeightFormats.ReferenceName(format)}\"");
        var result = new MemoryStream();
        int copied = 0;
        var reader = new Utf8JsonReader(text);
        try
        {
            while (reader.Read())
            {
                if (reader.TokenType != JsonTokenType.PropertyName || reader.CurrentDepth != 1
                    || !(reader.ValueTextEquals("dtype"u8) || reader.ValueTextEquals("torch_dtype"u8)))
                    continue;
                reader.Read();
                if (reader.TokenType is not (JsonTokenType.String or JsonTokenType.Null))
                    continue;
                result.Write(text.AsSpan(copied, (int)reader.TokenStartIndex - copied));
                result.Write(name);
                copied = (int)reader.BytesConsumed;
            }
        }
        catch (JsonException e)
        {
            throw new DiaException(DiaErrorKind.Model, $"{file} is not valid JSON near byte {reader.BytesConsumed}.", e);
        }

        result.Write(text.AsSpan(copied));
        return Encoding.UTF8.GetString(result.GetBuffer(), 0, (int)result.Length);
    }

    /// <summary>A config.json with other quantised weights, or none.</summary>
    /// <param name="json">The text, which is JSON.</param>
    /// <param name="layers">The linear layers, and how their weights are stored.</param>
    public static string WithQuantization(string json, IReadOnlyList<(string Module, WeightStorage Storage)> layers)
    {
        using JsonDocument document = JsonDocument.Parse(json);
        bool isDue = layers.Any(l => l.Storage.IsQuantized);
        return Text(writer =>
        {
            writer.WriteStartObject();
            foreach (JsonProperty property in document.RootElement.EnumerateObject())
            {
                // The reference library sorts keys.
                if (isDue && string.CompareOrdinal(property.Name, QuantizationConfigParser.Key) > 0)
                    Write();
                if (property.Name != QuantizationConfigParser.Key)
                    property.WriteTo(writer);
            }

            if (isDue)
                Write();
            writer.WriteEndObject();

            void Write()
            {
                writer.WritePropertyName(QuantizationConfigParser.Key);
                WriteQuantization(writer, layers);
                isDue = false;
            }
        });
    }

    /// <summary>
    /// What compressed-tensors says of layers: those stored as most of the integers are in a group of all, others in groups that name them, floats
    /// ignored. Keys and their order are that library's.
    /// </summary>
    private static void WriteQuantization(Utf8JsonWriter writer, IReadOnlyList<(string Module, WeightStorage Storage)> layers)
    {
        // Scales tell their own format.
        var groups = layers.Where(l => l.Storage.IsQuantized).GroupBy(l => (l.Storage.Format, l.Storage.Group)).OrderByDescending(g => g.Count()).ToList();
        string[] formats = [.. groups.Select(g => QuantizationConfigParser.FormatName(QuantizedTensors.IsPacked(g.Key.Format))).Distinct()];
        writer.WriteStartObject();
        writer.WriteStartObject("config_groups");
        for (int i = 0; i < groups.Count; i++)
        {
            writer.WriteStartObject(string.Create(CultureInfo.InvariantCulture, $"group_{i}"));
            WriteString(writer, "format", formats.Length == 1 ? null : QuantizationConfigParser.FormatName(QuantizedTensors.IsPacked(groups[i].Key.Format)));
            writer.WriteNull("input_activations");
            writer.WriteNull("output_activations");
            WriteStrings(writer, "targets", i == 0 ? [QuantizationConfig.LinearClass] : groups[i].Select(l => l.Module));
            WriteWeights(writer, groups[i].Key.Format == WeightFormat.Int4 ? 4 : 8, groups[i].Key.Group);
            writer.WriteEndObject();
        }

        writer.WriteEndObject();
        writer.WriteString("format", formats.Length == 1 ? formats[0] : QuantizationConfigParser.Mixed);
        writer.WriteNull("global_compression_ratio");
        WriteStrings(writer, "ignore", layers.Where(l => !l.Storage.IsQuantized).Select(l => l.Module));
        writer.WriteNull("kv_cache_scheme");
        writer.WriteString("quant_method", QuantizationConfigParser.Method);
        writer.WriteString("quantization_status", "compressed");
        WriteEmpty(writer, "sparsity_config");
        WriteEmpty(writer, "transform_config");
        writer.WriteString("version", Version);
        writer.WriteEndObject();
    }

    private static void WriteWeights(Utf8JsonWriter writer, int bits, int group)
    {
        writer.WriteStartObject("weights");
        writer.WriteNull("actorder");
        writer.WriteNull("block_structure");
        writer.WriteBoolean("dynamic", false);
        if (group == 0)
            writer.WriteNull("group_size");
        else
            writer.WriteNumber("group_size", group);
        writer.WriteNumber("num_bits", bits);
        writer.WriteString("observer", "minmax");
        WriteEmpty(writer, "observer_kwargs");
        writer.WriteString("strategy", group == 0 ? "channel" : "group");
        writer.WriteBoolean("symmetric", true);
        writer.WriteString("type", "int");
        writer.WriteEndObject();
    }

    private static void WriteString(Utf8JsonWriter writer, string key, string? value)
    {
        if (value is null)
            writer.WriteNull(key);
        else
            writer.WriteString(key, value);
    }

    private static void WriteStrings(Utf8JsonWriter writer, string key, IEnumerable<string> values)
    {
        writer.WriteStartArray(key);
        foreach (string value in values)
            writer.WriteStringValue(value);
        writer.WriteEndArray();
    }

    private static void WriteEmpty(Utf8JsonWriter writer, string key)
    {
        writer.WriteStartObject(key);
        writer.WriteEndObject();
    }

    private static string Text(Action<Utf8JsonWriter> write)
    {
        using var text = new MemoryStream();
        var options = new JsonWriterOptions { Indented = true, NewLine = "\n", Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
        using (var writer = new Utf8JsonWriter(text, options))
            write(writer);
        return Encoding.UTF8.GetString(text.GetBuffer(), 0, (int)text.Length) + "\n";
    }
}
