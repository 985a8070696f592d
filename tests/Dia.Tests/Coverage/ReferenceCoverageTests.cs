using System.Reflection;
using System.Text.RegularExpressions;
using Dia.Configuration;
using Dia.Modeling;
using Xunit;

namespace Dia.Tests.Coverage;

/// <summary>
/// docs/reference-coverage.md against what it speaks of: the names on the reference's page (surface.txt), the members here, and the tests.
/// </summary>
public sealed partial class ReferenceCoverageTests
{
    private static readonly Row[] Rows = [.. File.ReadLines(Repository.At("docs", "reference-coverage.md"))
        .TakeWhile(l => !l.StartsWith("## Keys", StringComparison.Ordinal)).Select(l => RowPattern().Match(l)).Where(m => m.Success)
        .Select(m => new Row(m.Groups["name"].Value, Spans(m.Groups["members"].Value), Spans(m.Groups["tests"].Value), m.Groups["tests"].Value.Trim()))];

    [Fact]
    public void Every_name_on_the_references_page_has_one_row_and_no_other_has()
    {
        string[] surface = File.ReadAllLines(Repository.At("tests", "Dia.Tests", "Coverage", "surface.txt"));
        Assert.Equal(surface.Order(StringComparer.Ordinal), Rows.Select(r => r.Name).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Every_member_it_names_is_there()
    {
        string[] missing = [.. Rows.SelectMany(r => r.Members).Where(m => !Exists(m)).Distinct()];
        Assert.True(missing.Length == 0, $"docs/reference-coverage.md names what the library has not: {string.Join(", ", missing)}.");
    }

    [Fact]
    public void Every_test_it_names_is_there()
    {
        var tests = Repository.Sources("tests").Select(path => File.ReadAllText(Repository.At(path)))
            .SelectMany(s => ClassPattern().Matches(s).SelectMany(c => MethodPattern().Matches(s).Select(m => $"{c.Groups[1].Value}.{m.Groups[1].Value}")))
            .ToHashSet(StringComparer.Ordinal);
        string[] missing = [.. Rows.SelectMany(r => r.Tests).Where(t => !tests.Contains(t)).Distinct()];
        Assert.True(missing.Length == 0, $"docs/reference-coverage.md names tests that are not there: {string.Join(", ", missing)}.");
    }

    [Fact]
    public void What_is_here_names_a_test_and_what_is_not_says_why()
    {
        string[] unheld = [.. Rows.Where(r => r.Members.Length > 0 ? r.Tests.Length == 0 : r.Remark.Length < 10).Select(r => r.Name)];
        Assert.True(unheld.Length == 0, $"docs/reference-coverage.md gives neither a test nor a reason for: {string.Join(", ", unheld)}.");
    }

    [Fact]
    public void The_keys_of_a_generation_configuration_are_the_parsers()
    {
        string page = Repository.At("docs", "reference-coverage.md"), head = "| key | here | why |\n|---|---|---|\n", text = File.ReadAllText(page);
        int start = text.IndexOf(head, StringComparison.Ordinal) + head.Length;
        string table = string.Concat(GenerationConfigKeys.All.OrderBy(k => k.Name, StringComparer.Ordinal).Select(Line));
        if (Environment.GetEnvironmentVariable("DIA_UPDATE_BASELINES") == "1")
            File.WriteAllText(page, text[..start] + table);
        else
            Assert.Equal(table, text[start..]);

        static string Line(GenerationKey key) => key.Use switch
        {
            GenerationKeyUse.Used => $"| `{key.Name}` | used | |\n",
            GenerationKeyUse.Passed => $"| `{key.Name}` | passed | {key.Why} |\n",
            GenerationKeyUse.Warned => $"| `{key.Name}` | warned, unless {key.Neutral} | {key.Why} |\n",
            _ => $"| `{key.Name}` | refused, unless {key.Neutral} | {key.Why} |\n",
        };
    }

    /// <summary>`Type`, `Type.Member`, `Type.Method(parameter)` or `Type(parameter)`, a constructor's.</summary>
    private static bool Exists(string member)
    {
        string[] parts = member.TrimEnd(')').Split('(');
        string[] path = parts[0].Split('.');
        return typeof(DiaPreTrainedModel).Assembly.GetExportedTypes().Any(type => type.Name.Split('`')[0] == path[0] && (path.Length, parts.Length) switch
        {
            (1, 1) => true,
            (1, _) => type.GetConstructors().Any(c => Takes(c, parts[1])),
            (_, 1) => type.GetMember(path[1]).Length > 0,
            _ => type.GetMember(path[1]).OfType<MethodInfo>().Any(m => Takes(m, parts[1])),
        });
    }

    private static bool Takes(MethodBase method, string parameter) => parameter.Length == 0 || method.GetParameters().Any(p => p.Name == parameter);

    private static string[] Spans(string cell) => [.. SpanPattern().Matches(cell).Select(m => m.Groups[1].Value)];

    [GeneratedRegex(@"^\| `(?<name>[^`]+)` \| (?<members>.*?) \| (?<tests>.*?) \|$")]
    private static partial Regex RowPattern();

    [GeneratedRegex("`([^`]+)`")]
    private static partial Regex SpanPattern();

    [GeneratedRegex(@"\bclass (\w+)")]
    private static partial Regex ClassPattern();

    [GeneratedRegex(@"\bpublic (?:async )?(?:void|Task) (\w+)\(")]
    private static partial Regex MethodPattern();

    private sealed record Row(string Name, string[] Members, string[] Tests, string Remark);
}
