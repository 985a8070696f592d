namespace Dia.Configuration;

/// <summary>What a <c>generation_config.json</c> says.</summary>
/// <param name="Config">What it configures; for keys that are missing, the reference's general defaults. Delays are no file's.</param>
/// <param name="Keys">The keys that it has, whatever they say; but for a max_length of null, which gives none.</param>
public sealed record GenerationFile(GenerationConfig Config, IReadOnlyList<string> Keys)
{
    /// <summary>The file's text; null: there is no file.</summary>
    internal string? Text { get; init; }
}

/// <summary>Reads <c>generation_config.json</c>.</summary>
public static class GenerationConfigParser
{
    /// <summary>The settings in a file's text, and everything that is wrong with it.</summary>
    /// <param name="json">The file's text.</param>
    /// <param name="unknownKeys">How an unknown key counts: an error when compiled, a warning at run time.</param>
    public static ConfigurationResult<GenerationFile> Parse(string json, ProblemSeverity unknownKeys) =>
        ConfigurationFile.Read(json).Parse(null, unknownKeys, Read);

    /// <summary>A configuration with one key as a file would state it.</summary>
    /// <param name="start">The configuration.</param>
    /// <param name="key">The key, one that is used.</param>
    /// <param name="json">Its value.</param>
    public static ConfigurationResult<GenerationConfig> With(GenerationConfig start, string key, string json)
    {
        var problems = new ProblemList(ProblemSeverity.Error);
        if (JsonReader.Read(json, problems) is not { } value)
            return problems.Result<GenerationConfig>(null);
        var file = new JsonValue(JsonKind.Object, value.Position) { Members = [new JsonMember(key, value.Position, value)] };
        return problems.Result(new GenerationConfig(start, new ObjectReader(file, "", problems)));
    }

    private static GenerationFile Read(ObjectReader file)
    {
        var config = new GenerationConfig(new GenerationConfig(), file);
        if (config is { GuidanceScale: > 1, TopK: 0 })
            file.Error(ProblemIds.Contradiction, "top_k", "0 cannot go with guidance_scale above 1, which keeps the top_k best; write null to keep all");
        GenerationConfigKeys.Check(file);
        file.Finish(_ => false);
        return new GenerationFile(config, [.. file.Keys.Where(key => key != "max_length" || file.GetNotNull(key) is not null)]);
    }
}
