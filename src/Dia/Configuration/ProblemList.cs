namespace Dia.Configuration;

/// <summary>The problems of one file while it is parsed.</summary>
internal sealed class ProblemList(ProblemSeverity unknownKeys)
{
    private readonly List<ConfigurationProblem> _problems = [];

    /// <summary>Goes on where another list ends.</summary>
    public ProblemList(ProblemSeverity unknownKeys, ProblemList before)
        : this(unknownKeys)
    {
        _problems.AddRange(before._problems);
        ErrorCount = before.ErrorCount;
    }

    public int ErrorCount { get; private set; }

    public void Error(string id, JsonPosition position, string message) => Add(id, ProblemSeverity.Error, position, message);

    public void Warning(string id, JsonPosition position, string message) => Add(id, ProblemSeverity.Warning, position, message);

    public void UnknownKey(JsonPosition position, string message, bool computed) =>
        Add(ProblemIds.UnknownKey, computed ? ProblemSeverity.Error : unknownKeys, position, message);

    /// <summary>The result: no configuration if there is an error, problems in the order of the file.</summary>
    public ConfigurationResult<T> Result<T>(T? config)
        where T : class =>
        new(ErrorCount > 0 ? null : config, _problems.OrderBy(p => p.Line).ThenBy(p => p.Column).ToArray());

    private void Add(string id, ProblemSeverity severity, JsonPosition position, string message)
    {
        if (severity == ProblemSeverity.Error)
            ErrorCount++;
        _problems.Add(new ConfigurationProblem(id, severity, message, position.Line, position.Column, position.EndColumn));
    }
}
