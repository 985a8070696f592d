namespace Dia.Configuration;

/// <summary>A configuration file, its JSON read once: what it says it is, and what a parser makes of it.</summary>
public sealed class ConfigurationFile
{
    private readonly ProblemList _problems = new(ProblemSeverity.Error);
    private readonly JsonValue? _value;

    private ConfigurationFile(string json) => _value = JsonReader.Read(json, _problems);

    /// <summary>The file's <c>model_type</c> (<c>dia</c>, <c>dac</c>, ...); null if the text is no JSON object or has none.</summary>
    public string? ModelType => Text("model_type") ?? (IsFirstGeneration ? "dia_first" : null);

    /// <summary>Whether it is a configuration of the model's first generation as its own code writes it.</summary>
    public bool IsFirstGeneration => _value is { Kind: JsonKind.Object } && FirstGenerationConfig.Is(_value);

    /// <summary>Whether the file says that its checkpoint's weights are quantised.</summary>
    public bool IsQuantized => Member("quantization_config") is { Kind: not JsonKind.Null };

    /// <summary>Reads a file's text; what is wrong with it is for a parser to tell.</summary>
    public static ConfigurationFile Read(string json) => new(json);

    /// <summary>A string of the file; null if the text is no JSON object, or has something else or nothing there.</summary>
    /// <param name="key">Its key at the top level.</param>
    public string? Text(string key) => Member(key) is { Kind: JsonKind.String } value ? value.Text : null;

    /// <summary>What <paramref name="read"/> makes of the file's object, where its model_type (if one is given to check) is right.</summary>
    internal ConfigurationResult<T> Parse<T>(string? modelType, ProblemSeverity unknownKeys, Func<ObjectReader, T?> read)
        where T : class
    {
        var problems = new ProblemList(unknownKeys, _problems);
        return problems.Result(Open(modelType, problems) is { } file ? read(file) : null);
    }

    /// <summary>The same of what the first generation's file says in today's keys.</summary>
    internal ConfigurationResult<T> ParseFirstGeneration<T>(ProblemSeverity unknownKeys, Func<ObjectReader, T?> read)
        where T : class
    {
        var problems = new ProblemList(unknownKeys, _problems);
        JsonValue current = FirstGenerationConfig.Translate(_value!, problems);
        return problems.Result(problems.ErrorCount == 0 ? read(new ObjectReader(current, "", problems)) : null);
    }

    private JsonValue? Member(string key) => _value?.Members.FirstOrDefault(m => m.Key == key)?.Value;

    /// <summary>The file's object; null if there is nothing to go on with.</summary>
    private ObjectReader? Open(string? modelType, ProblemList problems)
    {
        if (_value is null)
            return null;
        if (_value.Kind != JsonKind.Object)
        {
            problems.Error(ProblemIds.WrongType, _value.Position, $"a configuration must be an object, not {_value.Describe()}");
            return null;
        }
        var file = new ObjectReader(_value, "", problems);
        if (modelType is null)
            return file;
        file.Require("model_type");
        // The keys of another kind of model would all be reported as unknown: one problem says it better.
        return file.IsModelType(modelType) ? file : null;
    }
}
