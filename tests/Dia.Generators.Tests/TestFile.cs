using System.Text;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.Text;

namespace Dia.Generators.Tests;

/// <summary>A configuration file as the compiler is given it.</summary>
internal sealed class TestFile(string root, string folder, string name, string json) : AdditionalText
{
    /// <summary>The value of the metadata DiaFolder.</summary>
    public string Folder => folder;

    public override string Path => $"{root}/{folder}/{name}";

    public override SourceText GetText(CancellationToken cancellationToken = default) => SourceText.From(json, Encoding.UTF8);

    /// <summary>The same file with another text.</summary>
    public TestFile With(string newJson) => new(root, folder, name, newJson);

    /// <summary>The files of a folder of the repository, as if the repository lay in <paramref name="root"/>.</summary>
    public static IEnumerable<TestFile> Read(string folder, string root = "/repository")
    {
        yield return new TestFile(root, folder, "config.json", File.ReadAllText(Repository.At(folder, "config.json")));
        if (File.Exists(Repository.At(folder, "dac", "config.json")))
            yield return new TestFile(root, folder, "dac/config.json", File.ReadAllText(Repository.At(folder, "dac", "config.json")));
    }
}
