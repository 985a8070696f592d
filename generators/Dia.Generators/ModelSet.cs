using Dia.Configuration;

namespace Dia.Generators;

/// <summary>Something wrong with a folder as a whole, reported at the start of one of its files.</summary>
/// <param name="Path">The file, where it lies on this machine.</param>
/// <param name="Message">What is wrong and what would be right.</param>
internal sealed record FolderProblem(string Path, string Message);

/// <summary>The models to compile in.</summary>
/// <param name="Specs">In ordinal order of their folders.</param>
/// <param name="Problems">Why folders without an error in any file are left out all the same.</param>
internal sealed record ModelSet(EquatableArray<ModelSpec> Specs, EquatableArray<FolderProblem> Problems)
{
    /// <summary>Groups files to models. A folder with an error in any of its files is left out: the error is reported there, the rest compiles.</summary>
    public static ModelSet Group(IReadOnlyCollection<ParsedFile> files)
    {
        var folders = files.GroupBy(f => f.Folder).OrderBy(g => g.Key, StringComparer.Ordinal).ToArray();
        var specs = new List<ModelSpec>();
        var problems = new List<FolderProblem>();
        // A file system may not tell two names apart that differ in case, so neither may two emitted files'.
        var taken = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        foreach (var folder in folders.Where(g => !g.Any(f => f.IsBroken)))
        {
            ParsedFile? main = folder.FirstOrDefault(f => !f.IsInDac), codec = folder.FirstOrDefault(f => f.IsInDac);
            string name = ShortestName(folder.Key, folders.Select(f => f.Key));
            var spec = new ModelSpec(name, ModelSpec.Identifier(name), main?.Dia, main?.Dac ?? codec?.Dac);
            string? clash = spec.ClassNames.FirstOrDefault(taken.ContainsKey);
            FolderProblem? problem = Problem(main, codec)
                ?? (clash is null ? null
                    : new FolderProblem(main!.Path, $"'{folder.Key}' would give the class {clash}, as '{taken[clash]}' does; rename one of the two folders"));
            if (problem is not null)
            {
                problems.Add(problem);
                continue;
            }

            foreach (string className in spec.ClassNames)
                taken.Add(className, folder.Key);
            specs.Add(spec);
        }

        return new ModelSet(specs.ToArray(), problems.ToArray());
    }

    /// <summary>What is wrong between the two files of a folder.</summary>
    private static FolderProblem? Problem(ParsedFile? main, ParsedFile? codec)
    {
        if (main is null)
            return new FolderProblem(codec!.Path, $"'{codec.Folder}' has a dac/config.json but no config.json beside dac/");
        if (codec is null)
            return null;
        if (codec.Dac is not { } dac)
            return new FolderProblem(codec.Path, $"this is a model's configuration; dac/ of '{codec.Folder}' is for its codec's");
        if (main.Dia is not { } dia)
            return new FolderProblem(main.Path, $"this is a codec's configuration; beside dac/ '{main.Folder}' needs a model's");
        int channels = dia.DecoderConfig.NumChannels;
        if (dac.NCodebooks != channels)
            return new FolderProblem(codec.Path, FormattableString.Invariant(
                $"n_codebooks is {dac.NCodebooks} where the model's decoder_config.num_channels is {channels}; they must be equal"));
        // Every id below EOS is a code the model may give.
        return dac.CodebookSize >= dia.EosTokenId ? null : new FolderProblem(codec.Path, FormattableString.Invariant(
            $"codebook_size is {dac.CodebookSize} where the model's eos_token_id is {dia.EosTokenId}; ids below it must all be codes"));
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
}
