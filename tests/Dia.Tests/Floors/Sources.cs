using System.Text.RegularExpressions;

namespace Dia.Tests.Floors;

/// <summary>What C# sources say of their namespaces: which needs which.</summary>
internal sealed partial class Sources
{
    private readonly List<(string Path, string Namespace, string Code)> _files = [];
    private readonly HashSet<string> _types = [];

    /// <summary>Takes in files, by their paths.</summary>
    public Sources(IEnumerable<(string Path, string Text)> files)
    {
        foreach ((string path, string text) in files)
        {
            string code = Comment().Replace(text, ""), space = Namespace().Match(code).Groups[1].Value;
            _files.Add((path, space, code));
            foreach (Match type in Type().Matches(code))
                _types.Add($"{space}.{type.Groups[1].Value}");
        }
    }

    /// <summary>Each file with the namespace that it is in.</summary>
    public IEnumerable<(string Path, string Namespace)> Files => _files.Select(f => (f.Path, f.Namespace));

    /// <summary>The files' namespaces.</summary>
    public IReadOnlySet<string> Namespaces => _files.Select(f => f.Namespace).ToHashSet();

    /// <summary>All C# files under a folder of the repository, by their paths from it.</summary>
    public static Sources Under(string folder) =>
        new(Repository.Sources(folder).Select(path => (path[(folder.Length + 1)..], File.ReadAllText(Repository.At(path)))));

    /// <summary>Every namespace that a file names, its own left out: in a using directive, or before a type.</summary>
    public IEnumerable<(string Path, string From, string To)> Arrows()
    {
        IReadOnlySet<string> known = Namespaces;
        foreach ((string path, string from, string code) in _files)
            foreach (string to in Directive().Matches(code).Select(m => m.Groups[1].Value).Where(known.Contains).Concat(Qualified(from, code))
                .Where(to => to != from).Distinct())
                yield return (path, from, to);
    }

    /// <summary>Files that name a word, in code.</summary>
    public IEnumerable<string> Naming(string word) => _files.Where(f => Regex.IsMatch(f.Code, $@"\b{word}\b")).Select(f => f.Path);

    /// <summary>Namespaces that stand before types: in full, or as they are seen from the namespace that they are named in.</summary>
    private IEnumerable<string> Qualified(string from, string code)
    {
        string[] scopes = ["", .. Enumerable.Range(1, from.Split('.').Length).Select(n => string.Join('.', from.Split('.').Take(n)) + ".")];
        foreach (Match name in Dotted().Matches(code))
        {
            string[] parts = name.Value.Split('.');
            for (int n = 1; n < parts.Length; n++)
                foreach (string scope in scopes)
                    if (_types.Contains($"{scope}{string.Join('.', parts.Take(n + 1))}"))
                        yield return scope + string.Join('.', parts.Take(n));
        }
    }

    [GeneratedRegex(@"//[^\n]*|/\*.*?\*/", RegexOptions.Singleline)]
    private static partial Regex Comment();

    [GeneratedRegex(@"^namespace ([\w.]+)", RegexOptions.Multiline)]
    private static partial Regex Namespace();

    [GeneratedRegex(
        @"^(?:public |internal |abstract |sealed |static |readonly |unsafe |partial |ref )*(?:class|struct|interface|enum|record struct|record|delegate [\w<>\[\]?.]+) (\w+)", RegexOptions.Multiline)]
    private static partial Regex Type();

    [GeneratedRegex(@"^(?:global )?using (?:static |unsafe |\w+ = )*([\w.]+);", RegexOptions.Multiline)]
    private static partial Regex Directive();

    [GeneratedRegex(@"\b[A-Z]\w*(?:\.[A-Z]\w*)+")]
    private static partial Regex Dotted();
}
