using System.Globalization;
using Microsoft.CodeAnalysis;
using Xunit;

namespace Dia.Generators.Tests.Emission;

/// <summary>Emitted text is the same on every host, and compiles without a warning.</summary>
public sealed class EmittedTextTests
{
    /// <summary>Every configuration of the repository, but those that are another spelling of others and would give the same names.</summary>
    private static readonly string[] Folders =
        [.. new[] { "configs", "tests/fixtures" }
            .SelectMany(root => Directory.EnumerateFiles(Repository.At(root), "config.json", SearchOption.AllDirectories))
            .Select(path => Path.GetRelativePath(Repository.At(), Path.GetDirectoryName(path)!).Replace('\\', '/'))
            .Where(folder => !Fixtures.IsOtherSpelling(folder))
            .Where(folder => !(folder.StartsWith("configs/", StringComparison.Ordinal) && folder.EndsWith("/dac", StringComparison.Ordinal)))
            .Order(StringComparer.Ordinal)];

    [Fact]
    public void Every_configuration_compiles_without_warnings_against_the_library()
    {
        GeneratorDriver driver = Drive.Create(Folders.SelectMany(f => TestFile.Read(f))).RunGenerators(Drive.Compilation());
        Assert.Empty(driver.GetRunResult().Diagnostics);
        Assert.Empty(Drive.Compile(driver));
        Assert.Equal(Folders.Length, Drive.Sources(driver).Keys.Where(name => name.EndsWith("Config.g.cs", StringComparison.Ordinal))
            .Select(name => name.Split('.')[0]).Distinct().Count());
    }

    [Fact]
    public void Without_training_nothing_is_emitted_for_it() => Assert.All(
        Drive.Emit(Folders.SelectMany(f => TestFile.Read(f))),
        emitted => Assert.DoesNotContain("Train", emitted.Key + emitted.Value, StringComparison.Ordinal));

    [Fact]
    public void Without_a_configuration_the_list_is_empty_and_compiles()
    {
        GeneratorDriver driver = Drive.Create([]).RunGenerators(Drive.Compilation());
        Assert.Equal(["CompiledModels.g.cs"], Drive.Sources(driver).Keys);
        Assert.Empty(Drive.Compile(driver));
    }

    /// <summary>Decimal commas (de-DE), a dotless i (tr-TR).</summary>
    [Theory]
    [InlineData("")]
    [InlineData("de-DE")]
    [InlineData("tr-TR")]
    public void A_second_run_in_another_directory_and_culture_emits_the_same(string culture)
    {
        SortedDictionary<string, string> first = Drive.Emit(Folders.SelectMany(f => TestFile.Read(f)));
        CultureInfo before = CultureInfo.CurrentCulture;
        try
        {
            CultureInfo.CurrentCulture = Culture(culture);
            Assert.Equal(first, Drive.Emit(Folders.Reverse().SelectMany(f => TestFile.Read(f, "/home/someone/else"))));
        }
        finally
        {
            CultureInfo.CurrentCulture = before;
        }
    }

    [Fact]
    public void Text_has_no_carriage_return_tab_byte_order_mark_path_or_trailing_space()
    {
        foreach (var (name, text) in Drive.Emit(Folders.SelectMany(f => TestFile.Read(f, "/somewhere"))))
        {
            Assert.DoesNotContain("/somewhere", name + text, StringComparison.Ordinal);
            Assert.False(text.AsSpan().ContainsAny('\r', '\t', '\uFEFF'), name);
            Assert.DoesNotContain(" \n", text, StringComparison.Ordinal);
            Assert.EndsWith("}\n", text, StringComparison.Ordinal);
            Assert.True(text.Split('\n').Max(l => l.Length) <= 200, name + " has a line that is too long to read");
        }
    }

    /// <summary>A folder's name is emitted as text: it must not end a string or a comment.</summary>
    [Fact]
    public void A_strange_folder_name_compiles()
    {
        string json = File.ReadAllText(Repository.At("tests/fixtures/tiny/odd/config.json"));
        GeneratorDriver driver = Drive.Create([new TestFile("/repository", "configs/7 \"odd\"\n{ <b>&", "config.json", json)])
            .RunGenerators(Drive.Compilation());
        Assert.Empty(driver.GetRunResult().Diagnostics);
        Assert.Contains("Model7OddB.Config.g.cs", Drive.Sources(driver).Keys);
        Assert.Empty(Drive.Compile(driver));
    }

    // Where there is no culture data, what matters of it.
    private static CultureInfo Culture(string name)
    {
        try
        {
            return CultureInfo.GetCultureInfo(name);
        }
        catch (CultureNotFoundException)
        {
            var culture = (CultureInfo)CultureInfo.InvariantCulture.Clone();
            culture.NumberFormat.NumberDecimalSeparator = ",";
            culture.NumberFormat.NegativeSign = "\u2212";
            return culture;
        }
    }
}
