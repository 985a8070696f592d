using System.Text.RegularExpressions;
using Xunit;

namespace Dia.Tests.Floors;

/// <summary>What the compiler does not check of how sources are written (.editorconfig says the rest).</summary>
public partial class SourceStyleTests
{
    private const int MostCharacters = 160, MostLines = 420;

    private static IEnumerable<string> Sources => new[] { "src", "generators", "tests", "bench", "tools", "examples" }
        .SelectMany(folder => Directory.EnumerateFiles(Repository.At(folder), "*.cs", SearchOption.AllDirectories))
        .Where(file => !Built().IsMatch(file));

    /// <summary>A text stands in one literal however long it is, so that it can be searched for: it does not count.</summary>
    [Fact]
    public void No_line_is_longer_than_160_characters_without_its_texts() => Assert.Empty(
        from file in Sources
        from line in Block().Replace(File.ReadAllText(file), text => new string('\n', text.Value.Count(c => c == '\n'))).Split('\n').Index()
        where Literal().Replace(line.Item, "").Length > MostCharacters
        select $"{Path.GetRelativePath(Repository.Root, file)}:{line.Index + 1}: {line.Item.Trim()}");

    [Fact]
    public void No_file_is_longer_than_two_screens_can_tell() => Assert.Empty(
        from file in Sources
        let lines = File.ReadLines(file).Count()
        where lines > MostLines
        select $"{Path.GetRelativePath(Repository.Root, file)} has {lines} lines");

    [Fact]
    public void The_name_of_a_test_is_a_sentence() => Assert.Empty(
        from file in Sources
        from test in Test().Matches(File.ReadAllText(file))
        where Joined().IsMatch(test.Groups[1].Value)
        select $"{Path.GetRelativePath(Repository.Root, file)}: {test.Groups[1].Value}");

    [GeneratedRegex(@"[/\\](bin|obj)[/\\]")]
    private static partial Regex Built();

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
