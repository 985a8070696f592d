using Dia.Configuration;

namespace Dia.Generators;

/// <summary>One configuration file that was read without errors.</summary>
/// <param name="Folder">Its configuration folder as the project names it, '/' between parts.</param>
/// <param name="Dia">The model it configures, or null.</param>
/// <param name="Dac">The codec it configures, or null.</param>
internal sealed record ConfigurationPart(string Folder, DiaConfig? Dia, DacConfig? Dac);

/// <summary>One model to compile in: a model with a codec, a model alone, or a codec alone.</summary>
/// <param name="Name">What people call it: the folder's name.</param>
/// <param name="ClassName">What the emitted class is called.</param>
/// <param name="Dia">The model, or null for a codec alone.</param>
/// <param name="Dac">The codec, or null.</param>
internal sealed record ModelSpec(string Name, string ClassName, DiaConfig? Dia, DacConfig? Dac)
{
    /// <summary>Groups the files of each folder; folders in ordinal order. Where last names are equal, as many parent folders as it takes tell them apart.</summary>
    public static EquatableArray<ModelSpec> Group(IEnumerable<ConfigurationPart> parts)
    {
        var folders = parts.GroupBy(p => p.Folder).OrderBy(g => g.Key, StringComparer.Ordinal).ToArray();
        var specs = new List<ModelSpec>();
        foreach (var folder in folders)
        {
            string name = ShortestName(folder.Key, folders.Select(f => f.Key));
            specs.Add(new ModelSpec(name, Identifier(name), folder.Select(p => p.Dia).FirstOrDefault(d => d is not null), folder.Select(p => p.Dac).FirstOrDefault(d => d is not null)));
        }

        return new(specs.ToArray());
    }

    private static string ShortestName(string folder, IEnumerable<string> all)
    {
        string[] parts = folder.Split('/');
        for (int take = 1; take < parts.Length; take++)
        {
            string end = string.Join("/", parts.Skip(parts.Length - take));
            if (all.Count(f => f == end || f.EndsWith("/" + end, StringComparison.Ordinal)) == 1)
                return end;
        }

        return folder.TrimStart('/');
    }

    /// <summary>dia-1.6b → Dia16B: letters and digits, a capital where a word begins.</summary>
    private static string Identifier(string name)
    {
        var text = new System.Text.StringBuilder();
        bool start = true;
        foreach (char c in name)
        {
            bool letter = c is (>= 'a' and <= 'z') or (>= 'A' and <= 'Z');
            if (letter || c is >= '0' and <= '9')
                text.Append(start && letter ? char.ToUpperInvariant(c) : c);
            start = !letter;
        }

        return text.Length > 0 && text[0] is >= 'A' and <= 'Z' ? text.ToString() : "Model" + text;
    }
}
