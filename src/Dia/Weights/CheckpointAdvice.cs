using Dia.Configuration;
using Dia.IO;

namespace Dia.Weights;

/// <summary>
/// What to do about a file of a checkpoint that is something else, and what to name in place of a path that is no checkpoint. It looks a few
/// folders down and up, as far as people are off: the root of a download cache (refs/, blobs/, snapshots/HASH/), the folder that holds several, a
/// folder inside a checkpoint.
/// </summary>
internal static class CheckpointAdvice
{
    private const string AdapterName = "adapter_config.json";

    // hub/models--OWNER--NAME/snapshots/HASH is the deepest.
    private const int MaxDepth = 4;

    // A path may be the root of a file system.
    private const int MaxFolders = 2000;
    private const int MaxNamed = 4;
    private const long MaxConfig = 1 << 20;

    /// <summary>The error of a folder without a configuration.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="modelType">What it should hold: dia or dac.</param>
    public static DiaException NoConfig(ModelFolder folder, string modelType)
    {
        string missing = $"{folder.Describe(ModelFolder.ConfigName)} is missing, and every checkpoint has one.";
        if (folder.IsBundle)
            return Error(missing);
        if (folder.TensorsAlone is { } file)
            return Error(
                $"{file} is a PyTorch file with tensors alone: {(modelType == "dac" ? "it has no metadata with the codec's arguments, as the authors' own file has, and " : "")}{folder.Describe(ModelFolder.ConfigName)}, which would say what they are of, is missing. Fetch that too, or name another file.");
        string path = folder.Description;
        if (Adapter(path) is { } adapter)
            return Error(adapter);
        List<string> others = [.. Choose(Below(path), modelType)];
        if (others.Count == 0)
            others = [.. Choose(Above(path), modelType)];
        if (others.Count > 0)
            return Error(
                $"{path} is no checkpoint itself. {(others.Count == 1 ? "Name the folder" : "Name one of the folders")} {string.Join(", ", others.Take(MaxNamed))}{(others.Count > MaxNamed ? $", ... ({others.Count} in all)" : "")}.");
        return OtherFormat(path) is { } format ? Error(format) : Error($"{missing} Name a checkpoint's folder, or fetch the file.");
    }

    /// <summary>The error of a folder with a configuration, but without the tensors it should have.</summary>
    public static DiaException NoTensors(ModelFolder folder, string indexName)
    {
        string neither = $"{folder.Description} holds neither {ModelFolder.TensorsName} nor {indexName}.";
        if (folder.IsBundle)
            return Error(neither);
        string path = folder.Description;
        if ((Adapter(path) ?? OtherFormat(path)) is { } advice)
            return Error(advice);
        if (folder.PyTorchFiles is { Length: > 1 } several)
            return Error($"{neither} It holds several PyTorch files ({TextList.Shorten(several)}): name the one that is the model, {Path.Combine(path, several[0])}.");
        string[] tensors = [.. Files(path).Where(f => f.EndsWith(".safetensors", StringComparison.Ordinal))];
        if (tensors.Length > 1 && tensors.All(f => f.Contains("-of-", StringComparison.Ordinal)))
            return Error($"{neither} It holds parts ({TextList.Shorten(tensors)}): fetch {indexName} too, which says what is in which.");
        return Error(tensors.Length > 0
            ? $"{neither} It holds {TextList.Shorten(tensors)}: name the file that is the model, {Path.Combine(path, tensors[0])}."
            : $"{neither} Fetch it, or name the folder of a checkpoint in safetensors format.");
    }

    /// <summary>The error of a file that is neither tensors nor an executable with a model.</summary>
    /// <param name="path">The file.</param>
    /// <param name="what">What it should be: a model or a codec.</param>
    public static DiaException NoModelFile(string path, string what)
    {
        string folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        if (path.EndsWith(".json", StringComparison.OrdinalIgnoreCase) && File.Exists(Path.Combine(folder, ModelFolder.ConfigName)))
            return Error($"{path} is one file of a checkpoint. Name its folder, {folder}.");
        FileContent.Refuse(path, $"a {what}", DiaErrorKind.Model, FileContentKind.Tensors);
        return Error($"{path} {FormatByName(path) ?? $"is neither a safetensors file nor an executable with a model inside. Name the {what}'s folder."}");
    }

    /// <summary>The error of a checkpoint's file that is recognised as something else, often what a failed download left; null: it is not.</summary>
    /// <param name="head">Its first bytes, as <see cref="FileContent.Recognise"/> takes them.</param>
    /// <param name="name">What messages call it.</param>
    /// <param name="wanted">What should be there.</param>
    /// <param name="right">The kinds that may be.</param>
    public static DiaException? Other(ReadOnlySpan<byte> head, string name, string wanted, params ReadOnlySpan<FileContentKind> right)
    {
        const string fetch = "the download failed. Fetch it again.";
        if (FileContent.Recognise(head, name) is not { } found || right.Contains(found.Kind))
            return null;
        return found.Kind switch
        {
            FileContentKind.Empty => Error($"{name} is empty: {fetch}"),
            FileContentKind.Page => Error($"{name} is {found.What}, not {wanted}: {fetch}"),
            FileContentKind.Text => Error($"{name} is text (\"{FirstLine(head)}\"), not {wanted}: {fetch}"),
            _ => FileContent.Other(head, name, wanted, DiaErrorKind.Model),
        };
    }

    /// <summary>The error of a path where nothing is.</summary>
    /// <param name="path">The path.</param>
    /// <param name="what">What should be there: a model or a codec.</param>
    public static DiaException Nothing(string path, string what)
    {
        bool isOwnerAndName = path.Count(c => c == '/') == 1 && !path.StartsWith('/') && !path.StartsWith('.') && !path.EndsWith('/');
        bool isHubName = isOwnerAndName && !Directory.Exists(Path.GetDirectoryName(path));
        return Error(isHubName
            ? $"{path}: no such folder. Nothing is downloaded here: fetch the checkpoint {path} with another program (hf download {path}) and name its folder."
            : $"{path}: no such folder or file. Name the {what}'s folder.");
    }

    /// <summary>What format weights are in by their file's name, and what to do; null: none that is known.</summary>
    private static string? FormatByName(string name)
    {
        string? format = Path.GetExtension(name).ToLowerInvariant() switch
        {
            ".gguf" or ".ggml" => "a GGUF file",
            ".onnx" => "an ONNX file",
            ".h5" or ".keras" => "an HDF5 file",
            ".msgpack" => "a Flax file",
            _ => null,
        };
        return format is null ? null : $"is {format}. {FileContent.Convert}";
    }

    /// <summary>Of a text, not long, and nothing that a terminal obeys.</summary>
    private static string FirstLine(ReadOnlySpan<byte> text)
    {
        text = text.TrimStart(" \t\r\n"u8);
        int end = text.IndexOfAnyExceptInRange((byte)' ', (byte)'~');
        string line = Encoding.ASCII.GetString(end < 0 ? text : text[..end]).TrimEnd();
        return line.Length <= 60 ? line : line[..57] + "...";
    }

    private static string? Adapter(string path)
    {
        if (!File.Exists(Path.Combine(path, AdapterName)))
            return null;
        string? model = ReadText(Path.Combine(path, AdapterName)) is { } json ? ConfigurationFile.Read(json).Text("base_model_name_or_path") : null;
        return $"{path} is an adapter (LoRA){(model is null ? "" : $" for {SafetensorsHeader.Show(model)}")}, not a whole model. Merge it where it was trained (PEFT: merge_and_unload, then save_pretrained), and name the merged checkpoint.";
    }

    private static string? OtherFormat(string path)
    {
        string[] files = Files(path);
        string? other = files.FirstOrDefault(f => FormatByName(f) is not null);
        return other is null || files.Any(f => f.EndsWith(".safetensors", StringComparison.Ordinal))
            ? null : $"{Path.Combine(path, other)} {FormatByName(other)}";
    }

    /// <summary>Those whose configuration is of the kind; where none is, those that do not say.</summary>
    private static IEnumerable<string> Choose(IEnumerable<string> folders, string modelType)
    {
        var all = folders.Select(f =>
            (Path: f, Type: ReadText(Path.Combine(f, ModelFolder.ConfigName)) is { } json ? ConfigurationFile.Read(json).ModelType : null)).ToList();
        bool Fits(string? type) => type == modelType || (modelType == "dia" && DiaConfig.Has(type));
        return all.Any(f => Fits(f.Type)) ? all.Where(f => Fits(f.Type)).Select(f => f.Path) : all.Where(f => f.Type is null).Select(f => f.Path);
    }

    /// <summary>Folders with a configuration in a folder, the nearest first. Of a cache with several snapshots only the one that its refs/main names.</summary>
    private static IEnumerable<string> Below(string folder)
    {
        var queue = new Queue<(string Path, int Depth)>([(folder, 0)]);
        int looked = 0;
        while (queue.TryDequeue(out var at))
        {
            string main = Path.Combine(at.Path, "snapshots", ReadText(Path.Combine(at.Path, "refs", "main"))?.Trim() ?? "");
            if (File.Exists(Path.Combine(main, ModelFolder.ConfigName)))
            {
                yield return main;
                continue;
            }

            foreach (string inside in Folders(at.Path))
            {
                if (++looked > MaxFolders)
                    yield break;
                if (File.Exists(Path.Combine(inside, ModelFolder.ConfigName)))
                    yield return inside;
                else if (at.Depth + 1 < MaxDepth)
                    queue.Enqueue((inside, at.Depth + 1));
            }
        }
    }

    /// <summary>The checkpoint that a folder is inside of, or whose cache it is a part of.</summary>
    private static IEnumerable<string> Above(string folder)
    {
        string? parent = Path.GetDirectoryName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder)));
        if (parent is null)
            return [];
        return File.Exists(Path.Combine(parent, ModelFolder.ConfigName)) ? [parent] : Directory.Exists(Path.Combine(parent, "snapshots")) ? Below(parent) : [];
    }

    private static string[] Folders(string path) => Entries(path, Directory.EnumerateDirectories);

    /// <summary>The names of a folder's files; none where it cannot be read.</summary>
    internal static string[] Files(string path) => [.. Entries(path, Directory.EnumerateFiles).Select(f => Path.GetFileName(f))];

    private static string[] Entries(string path, Func<string, IEnumerable<string>> list) =>
        Attempt<string[]>(() => [.. list(path).Take(MaxFolders).Order(StringComparer.Ordinal)]) ?? [];

    private static string? ReadText(string path) =>
        Attempt(() => FileKinds.Of(path) == FileKind.Regular && new FileInfo(path).Length <= MaxConfig ? File.ReadAllText(path) : null);

    /// <summary>It is only advice: what cannot be read is not there.</summary>
    private static T? Attempt<T>(Func<T?> read)
        where T : class
    {
        try
        {
            return read();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static DiaException Error(string message) => new(DiaErrorKind.Model, message);
}
