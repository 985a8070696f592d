using System.Text.RegularExpressions;
using Xunit;

namespace Dia.Tests.Floors;

/// <summary>What the compiler does not check of how sources are written (.editorconfig says the rest).</summary>
public partial class SourceStyleTests
{
    private const int MostCharacters = 160, MostLines = 420;

    private static IEnumerable<string> Files => Repository.Sources("src", "generators", "tests", "bench", "tools", "examples");

    /// <summary>A text stands in one literal however long it is, so that it can be searched for: it does not count.</summary>
    [Fact]
    public void No_line_is_longer_than_160_characters_without_its_texts() => Assert.Empty(
        from file in Files
        from line in Block().Replace(File.ReadAllText(Repository.At(file)), text => new string('\n', text.Value.Count(c => c == '\n'))).Split('\n').Index()
        where Literal().Replace(line.Item, "").Length > MostCharacters
        select $"{file}:{line.Index + 1}: {line.Item.Trim()}");

    [Fact]
    public void No_file_is_longer_than_420_lines() => Assert.Empty(
        from file in Files
        let lines = File.ReadLines(Repository.At(file)).Count()
        where lines > MostLines
        select $"{file} has {lines} lines");

    [Fact]
    public void The_name_of_a_test_is_a_sentence() => Assert.Empty(
        from file in Files
        from test in Test().Matches(File.ReadAllText(Repository.At(file)))
        where Joined().IsMatch(test.Groups[1].Value)
        select $"{file}: {test.Groups[1].Value}");

    [GeneratedRegex("\"{3}.*?\"{3}", RegexOptions.Singleline)]
    private static partial Regex Block();

    [GeneratedRegex(@"[$@]*""(?:\\.|[^""\\])*""|'(?:\\.|[^'\\])'")]
    private static partial Regex Literal();

    [GeneratedRegex(@"\[\w*(?:Fact|Theory)\b[^\n]*\](?:\s*\[[^\n]*\])*\s*public (?:static )?(?:async )?\w+ (\w+)\(")]
    private static partial Regex Test();

    /// <summary>Words without underscores between them.</summary>
    [GeneratedRegex("^[A-Z][a-z0-9]*[A-Z][A-Za-z0-9]*$")]
    private static partial Regex Joined();
}
