namespace Dia.Configuration;

/// <summary>What a configuration file says it is.</summary>
public static class ConfigurationFile
{
    /// <summary>The file's <c>model_type</c> (<c>dia</c>, <c>dac</c>, ...); null if the text is no JSON object or has none.</summary>
    /// <param name="json">The file's text.</param>
    public static string? ModelType(string json)
    {
        JsonValue? value = JsonReader.Read(json, new ProblemList(ProblemSeverity.Warning));
        JsonMember? member = value?.Members.FirstOrDefault(m => m.Key == "model_type");
        return member is { Value.Kind: JsonKind.String } ? member.Value.Text : null;
    }

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
        file.Require("model_type");
        // The keys of another kind of model would all be reported as unknown: one problem says it better.
        return CheckModelType(file, modelType) ? file : null;
    }

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
