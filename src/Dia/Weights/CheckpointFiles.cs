using System.Text.Json;

namespace Dia.Weights;

/// <summary>
/// The tensors of a checkpoint as the reference library writes one: model.safetensors (older: pytorch_model.bin), or several files and an index of it
/// that says which tensor is in which; or the one .pth that others write. Names and layouts of older code are made today's.
/// </summary>
internal sealed class CheckpointFiles : IDisposable
{
    private const string PyTorchName = "pytorch_model.bin", IndexSuffix = ".index.json";

    /// <summary>The small files that may lie beside the tensors, and that copies of a checkpoint take along.</summary>
    private static readonly string[] Texts =
    [
        "added_tokens.json", "config.json", "generation_config.json", "preprocessor_config.json", "processor_config.json",
        "special_tokens_map.json", "tokenizer.json", "tokenizer_config.json", "vocab.json",
    ];

    private readonly List<MappedTensorFile> _files = [];
    private Dictionary<string, StoredTensor> _tensors = new(StringComparer.Ordinal);
    private int _holders = 1;

    private CheckpointFiles(ModelFolder folder, string place) => (Folder, Place) = (folder, place);

    /// <summary>Where the checkpoint is.</summary>
    public ModelFolder Folder { get; }

    /// <summary>The file of the tensors as messages name it; of several, their folder.</summary>
    public string Place { get; }

    /// <summary>All tensors by name.</summary>
    public IReadOnlyDictionary<string, StoredTensor> Tensors => _tensors;

    /// <summary>Whether a folder holds tensors.</summary>
    public static bool Exists(ModelFolder folder) => Find(folder) is not (null, null);

    /// <summary>The names of the small files a folder has.</summary>
    public static IEnumerable<string> TextNames(ModelFolder folder) => folder.DescribesItself ? [ModelFolder.ConfigName] : Texts.Where(folder.Exists);

    /// <summary>The names of all files of a checkpoint; its tensors are opened and checked for that.</summary>
    /// <exception cref="DiaException">The checkpoint or its config.json is missing or malformed (Model).</exception>
    public static IReadOnlyList<string> Names(ModelFolder folder)
    {
        using var files = Open(folder);
        if (!folder.Exists(ModelFolder.ConfigName))
            throw new DiaException(DiaErrorKind.Model, $"{folder.Describe(ModelFolder.ConfigName)} is missing: it belongs to every checkpoint.");
        return NamesUnopened(folder);
    }

    /// <summary>The same, of a checkpoint that is opened beside or later.</summary>
    /// <exception cref="DiaException">The index of its shards is malformed (Model).</exception>
    internal static IReadOnlyList<string> NamesUnopened(ModelFolder folder)
    {
        (string? file, string? index) = Find(folder);
        IEnumerable<string> tensors = file is not null ? [file] : index is not null ? ReadIndex(folder, index).Values.Distinct().Append(index) : [];
        return [.. (folder.DescribesItself ? [] : TextNames(folder)).Concat(tensors)];
    }

    /// <summary>Opens a checkpoint.</summary>
    /// <exception cref="DiaException">It is missing or malformed (Model).</exception>
    public static CheckpointFiles Open(ModelFolder folder)
    {
        (string? file, string? index) = Find(folder);
        var files = new CheckpointFiles(folder, file is null ? folder.Description : folder.Describe(file));
        try
        {
            if (file is not null)
                files.Add(folder.OpenTensors(file));
            else if (index is not null)
                files.AddShards(index, ReadIndex(folder, index));
            else
                throw folder.Exists(ModelFolder.ConfigName) ? CheckpointAdvice.NoTensors(folder, ModelFolder.TensorsName + IndexSuffix)
                    : CheckpointAdvice.NoConfig(folder, "dia");
            if (FirstGenerationTensors.Are(files._tensors.Keys))
                files._tensors = FirstGenerationTensors.Renamed(files._tensors);
            else if (OriginalCodec.Are(files._tensors.Keys))
                files._tensors = OriginalCodec.Renamed(files._tensors);
            return files;
        }
        catch
        {
            files.Dispose();
            throw;
        }
    }

    /// <summary>Keeps all files mapped for one more holder, who disposes of this too.</summary>
    /// <exception cref="ObjectDisposedException">They are no longer mapped.</exception>
    public void Hold()
    {
        lock (_files)
        {
            ObjectDisposedException.ThrowIf(_holders == 0, this);
            _holders++;
        }
    }

    /// <summary>Compares the values with the checks that the files have of them; before anything is made of the values.</summary>
    /// <exception cref="DiaException">They are others: the file is damaged (Model).</exception>
    public void CheckValues()
    {
        foreach (var file in _files)
            file.CheckValues();
    }

    /// <summary>Unmaps all files with the last holder, each of whom calls it once.</summary>
    public void Dispose()
    {
        lock (_files)
        {
            if (--_holders > 0)
                return;
        }

        foreach (var file in _files)
            file.Dispose();
    }

    /// <summary>The file that a folder's tensors are in, or the index of several.</summary>
    private static (string? File, string? Index) Find(ModelFolder folder)
    {
        foreach (string name in new[] { ModelFolder.TensorsName, PyTorchName })
        {
            if (folder.HasFile(name))
                return (name, null);
            if (folder.HasFile(name + IndexSuffix))
                return (null, name + IndexSuffix);
        }

        return (folder.OnlyPyTorchFile, null);
    }

    private void Add(MappedTensorFile file)
    {
        _files.Add(file);
        foreach (var (name, tensor) in file.Tensors)
            _tensors.Add(name, tensor);
    }

    private void AddShards(string indexName, Dictionary<string, string> index)
    {
        var wrong = new List<string>();
        string[] shards = [.. index.Values.Distinct().Order(StringComparer.Ordinal)], gone = [.. shards.Where(s => !Folder.Exists(s))];
        if (gone.Length > 0)
            throw new DiaException(DiaErrorKind.Model,
                $"{Folder.Describe(indexName)} names {(gone.Length == 1 ? $"the file {gone[0]}, which is missing. Fetch it too." : $"{gone.Length} files that are missing: {TextList.Shorten(gone)}. Fetch them too.")}");
        foreach (string shard in shards)
        {
            var file = Folder.OpenTensors(shard);
            _files.Add(file);
            foreach (var (name, tensor) in file.Tensors)
            {
                if (index.GetValueOrDefault(name) == shard)
                    _tensors.Add(name, tensor);
                else
                    wrong.Add($"{SafetensorsHeader.Show(name)} (in {shard})");
            }
        }

        var missing = index.Where(p => !_tensors.ContainsKey(p.Key)).Select(p => $"{SafetensorsHeader.Show(p.Key)} (not in {p.Value})")
            .Order(StringComparer.Ordinal);
        wrong.AddRange(missing);
        if (wrong.Count > 0)
            throw new DiaException(DiaErrorKind.Model,
                $"{Folder.Describe(indexName)} and the files it names disagree about {wrong.Count} tensors: {TextList.Shorten(wrong)}. Fetch the checkpoint again.");
    }

    /// <summary>The index's weight_map: tensor name to file name.</summary>
    private static Dictionary<string, string> ReadIndex(ModelFolder folder, string indexName)
    {
        string file = folder.Describe(indexName);
        var map = new Dictionary<string, string>(StringComparer.Ordinal);
        var reader = new Utf8JsonReader(Encoding.UTF8.GetBytes(folder.ReadText(indexName)), new JsonReaderOptions { MaxDepth = 8 });
        bool found = false;
        try
        {
            reader.Read();
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                bool isMap = reader.ValueTextEquals("weight_map"u8);
                reader.Read();
                if (!isMap)
                {
                    reader.Skip();
                    continue;
                }

                if (found || reader.TokenType != JsonTokenType.StartObject)
                    throw Bad("weight_map is not an object or appears twice");
                found = true;
                ReadMap(ref reader, map, Bad);
            }

            reader.Read();
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new DiaException(DiaErrorKind.Model, $"{file} is not valid JSON near byte {reader.BytesConsumed}. Fetch it again.", e);
        }

        return map.Count > 0 ? map : throw Bad("it has no weight_map");

        DiaException Bad(string what) => new(DiaErrorKind.Model, $"{file}: {what}. Fetch it again.");
    }

    private static void ReadMap(ref Utf8JsonReader reader, Dictionary<string, string> map, Func<string, DiaException> bad)
    {
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string name = reader.GetString()!;
            reader.Read();
            string? shard = reader.TokenType == JsonTokenType.String ? reader.GetString() : null;

            // Shards lie beside their index: no path may lead elsewhere.
            if (shard is null || shard.Contains('/') || !Bundle.IsName(shard))
                throw bad($"the file of tensor {SafetensorsHeader.Show(name)} is not a plain file name");
            if (!map.TryAdd(name, shard))
                throw bad($"tensor {SafetensorsHeader.Show(name)} appears twice");
        }
    }
}
