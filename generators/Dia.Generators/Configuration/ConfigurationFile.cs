namespace Dia.Configuration;

/// <summary>What a configuration file says it is.</summary>
public static class ConfigurationFile
{
    /// <summary>The file's <c>model_type</c> (<c>dia</c>, <c>dac</c>, ...); null if the text is no JSON object or has none.</summary>
    /// <param name="json">The file's text.</param>
    public static string? ModelType(string json) => Text(json, "model_type");

    /// <summary>A string of the file; null if the text is no JSON object, or has something else or nothing there.</summary>
    /// <param name="json">The file's text.</param>
    /// <param name="key">Its key at the top level.</param>
    public static string? Text(string json, string key) => Member(json, key) is { Kind: JsonKind.String } value ? value.Text : null;

    /// <summary>Whether the file says that its checkpoint's weights are quantised.</summary>
    /// <param name="json">The file's text.</param>
    public static bool IsQuantized(string json) => Member(json, "quantization_config") is { Kind: not JsonKind.Null };

    private static JsonValue? Member(string json, string key) =>
        JsonReader.Read(json, new ProblemList(ProblemSeverity.Warning))?.Members.FirstOrDefault(m => m.Key == key)?.Value;

    /// <summary>The file's object, whose model_type (where one is given to check) is right; null if there is nothing to go on with.</summary>
    internal static ObjectReader? Open(string json, string? modelType, ProblemList problems)
    {
        JsonValue? value = JsonReader.Read(json, problems);
        if (value is null)
            return null;
        if (value.Kind != JsonKind.Object)
        {
            problems.Error(ProblemIds.WrongType, value.Position, $"a configuration must be an object, not {value.Describe()}");
            return null;
        }
        var file = new ObjectReader(value, "", problems);
        if (modelType is null)
            return file;
        if (modelType == "dia" && IsFirstGeneration(value))
        {
            problems.Error(ProblemIds.UnsupportedValue, value.Position, "this is the first generation of the model, whose checkpoints are another format; take nari-labs/Dia-1.6B-0626");
            return null;
        }
        file.Require("model_type");
        // The keys of another kind of model would all be reported as unknown: one problem says it better.
        return CheckModelType(file, modelType) ? file : null;
    }

    /// <summary>Sizes in "model", lengths and ids in "data": as the first generation's own code wrote them.</summary>
    private static bool IsFirstGeneration(JsonValue file) =>
        file.Members.All(m => m.Key != "model_type") && file.Members.Any(m => m.Key == "data") && file.Members.Any(m => m.Key == "model" && m.Value.Members.Any(n => n.Key == "decoder"));

    /// <summary>Whether model_type is as expected, or missing.</summary>
    internal static bool CheckModelType(ObjectReader file, string expected)
    {
        bool there = file.Has("model_type");
        string? actual = file.String("model_type");
        if (there && actual is not null && actual != expected)
            file.Error(ProblemIds.UnsupportedValue, "model_type", $"must be \"{expected}\" here, not {JsonValue.Quote(actual)}");
        return !there || actual == expected;
    }
}
