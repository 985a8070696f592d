using Dia.Configuration;
using Dia.IO;

namespace Dia.Weights;

/// <summary>
/// A model's files by relative name, wherever they are: a folder on disk, a folder whose tensors are one given file, or the
/// bundle inside an executable. Names are separated by '/'.
/// </summary>
public sealed class ModelFolder
{
    /// <summary>Name of the configuration file in a model's and in a codec's folder.</summary>
    public const string ConfigName = "config.json";

    /// <summary>The folder of a model's codec, in its own.</summary>
    public const string CodecName = "dac";

    /// <summary>The name of a checkpoint's single file of tensors.</summary>
    internal const string TensorsName = "model.safetensors";

    private static readonly string[] PyTorchEndings = [".pth", ".pt", ".bin", ".ckpt"];

    private const int MaxText = 16 << 20;

    private readonly string _root;
    private readonly string _prefix;
    private readonly Bundle? _bundle;
    private readonly string? _tensors;
    private ConfigurationFile? _configuration;
    private QuantizationConfig? _quantization;
    private (bool IsKnown, string? Text) _inside;

    private ModelFolder(string root, string prefix, Bundle? bundle, string? tensors)
    {
        _root = root;
        _prefix = prefix;
        _bundle = bundle;
        _tensors = tensors;
    }

    /// <summary>The folder as messages name it.</summary>
    public string Description => _bundle is null ? Path.Combine(_root, _prefix) : $"{_root}!{_prefix}";

    /// <summary>Its config.json, read once.</summary>
    /// <exception cref="DiaException">As <see cref="ReadText"/>.</exception>
    public ConfigurationFile Configuration => _configuration ??= ConfigurationFile.Read(ReadText(ConfigName));

    /// <summary>Which weights its config.json says are stored as integers; null: none. Read once.</summary>
    /// <exception cref="DiaException">Model: malformed, or not supported; the message has file, line and column.</exception>
    internal QuantizationConfig? Quantization => _quantization ??= Exists(ConfigName) && Configuration.IsQuantized
        ? Checked(ConfigName, QuantizationConfigParser.Parse(Configuration), null) : null;

    /// <summary>What its config.json says it is (<c>dia</c>, <c>dac</c>, ...); null if it has none that says so.</summary>
    public string? ModelType => Exists(ConfigName) ? Configuration.ModelType : null;

    /// <summary>Whether its config.json says that it is a model that speaks, of any generation.</summary>
    public bool HoldsModel => DiaConfig.Has(ModelType);

    /// <summary>Whether the files lie in a bundle.</summary>
    public bool IsBundle => _bundle is not null;

    /// <summary>Opens what a user names as a model: a folder, a file of safetensors or PyTorch's in one, or an executable with a bundle.</summary>
    /// <exception cref="DiaException">There is no such thing there.</exception>
    public static ModelFolder Open(string path) => OpenAs("model", path);

    /// <summary>The same for a codec, as messages call it.</summary>
    /// <exception cref="DiaException">There is no such thing there.</exception>
    public static ModelFolder OpenCodec(string path) => OpenAs("codec", path);

    /// <summary>The same for an adapter.</summary>
    /// <exception cref="DiaException">There is no folder there.</exception>
    public static ModelFolder OpenAdapter(string path) => FileKinds.Of(path) == FileKind.Folder ? new ModelFolder(path, "", null, null)
        : throw new DiaException(DiaErrorKind.Model, $"{path} is no folder: name the adapter's, which holds {LoraConfig.FileName}.");

    /// <summary>The model inside an executable.</summary>
    public static ModelFolder FromBundle(Bundle bundle)
    {
        ArgumentNullException.ThrowIfNull(bundle);
        return new ModelFolder(bundle.Path, "", bundle, null);
    }

    /// <summary>The folder <paramref name="name"/> in this one; whether it holds anything is seen by <see cref="Exists"/>.</summary>
    public ModelFolder Sub(string name) => new(_root, _prefix + Checked(name) + "/", _bundle, null);

    /// <summary>A file of this folder as messages name it.</summary>
    public string Describe(string name) => name == ConfigName && Inside is not null ? $"{PlaceOf(PyTorchTensors!)} (metadata)" : PlaceOf(name);

    /// <summary>Whether there is a file of this name. A codec's own file says in itself what would be in its config.json.</summary>
    public bool Exists(string name) => HasFile(name) || (name == ConfigName && Inside is not null);

    /// <summary>Whether it is a file.</summary>
    internal bool HasFile(string name) => _bundle is not null
        ? _bundle.Find(_prefix + Checked(name)) is not null
        : FileKinds.Of(PlaceOf(Checked(name))) == FileKind.Regular;

    /// <summary>Whether its file of tensors says in itself what it is; files beside it are others'.</summary>
    internal bool DescribesItself => Inside is not null;

    /// <summary>The file of tensors that would have to say in itself what it is, and does not; null: there is none such.</summary>
    internal string? TensorsAlone => PyTorchTensors is { } name && Inside is null && !HasFile(ConfigName) ? PlaceOf(name) : null;

    /// <summary>The PyTorch file with a name of its own, where there is one and no other; null: there is none.</summary>
    internal string? OnlyPyTorchFile => PyTorchFiles is [var name] ? name : null;

    /// <summary>The PyTorch files with names of their own.</summary>
    internal string[] PyTorchFiles => [.. FileNames.Where(n => n.EndsWith(".pth", StringComparison.OrdinalIgnoreCase)
        || n.EndsWith(".pt", StringComparison.OrdinalIgnoreCase)).Order(StringComparer.Ordinal)];

    private IEnumerable<string> FileNames => _bundle is not null
        ? _bundle.Names.Where(n => n.StartsWith(_prefix, StringComparison.Ordinal)).Select(n => n[_prefix.Length..]).Where(n => !n.Contains('/'))
        : CheckpointAdvice.Files(Description);

    /// <summary>The file of tensors that may say in itself what it is: one that is named, or the only one of a folder without config.json.</summary>
    private string? PyTorchTensors => _tensors is not null ? (IsPyTorch(_tensors) ? TensorsName : null) : HasFile(ConfigName) ? null : OnlyPyTorchFile;

    /// <summary>What stands for a config.json in the file of tensors; null: nothing does.</summary>
    private string? Inside
    {
        get
        {
            if (!_inside.IsKnown)
            {
                string? text = null;
                if (PyTorchTensors is { } name)
                {
                    using MappedTensorFile file = OpenTensors(name);
                    text = file is PyTorchFile own ? OriginalCodec.Configuration(own) : null;
                }

                _inside = (true, text);
            }

            return _inside.Text;
        }
    }

    /// <summary>Reads a JSON file's text, UTF-8, at most 16 MiB.</summary>
    /// <exception cref="DiaException">It is missing, empty, too long, not UTF-8, what a failed download left, or another kind of file (Model).</exception>
    public string ReadText(string name)
    {
        if (name == ConfigName && Inside is { } inside)
            return inside;
        var range = Locate(name);
        if (range.Length > MaxText)
            throw new DiaException(DiaErrorKind.Model, $"{Describe(name)} is {range.Length} bytes long; at most {MaxText} are read.");
        var bytes = range.ReadAll(DiaErrorKind.Model).AsSpan();
        if (CheckpointAdvice.Other(bytes, Describe(name), "JSON", FileContentKind.Text) is { } other)
            throw other;
        if (bytes.StartsWith("\uFEFF"u8))
            bytes = bytes[3..];
        try
        {
            return new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(bytes);
        }
        catch (DecoderFallbackException e)
        {
            throw new DiaException(DiaErrorKind.Model, $"{Describe(name)} is not UTF-8 text at byte {e.Index}.", e);
        }
    }

    /// <summary>Opens a file of tensors.</summary>
    /// <exception cref="DiaException">It is missing, or no valid file of safetensors or PyTorch's (Model).</exception>
    public MappedTensorFile OpenTensors(string name) => MappedTensorFile.Open(Locate(name), PlaceOf(name), DiaErrorKind.Model);

    /// <summary>What a parser made of a file of this folder.</summary>
    /// <exception cref="DiaException">Model: nothing, because of errors; the message has file, line and column of each.</exception>
    internal T Checked<T>(string name, ConfigurationResult<T> result, ICollection<string>? warnings)
        where T : class
    {
        string file = Describe(name);
        var errors = result.Problems.Where(p => p.Severity == ProblemSeverity.Error).ToList();
        if (errors.Count > 0 || result.Config is null)
            throw new DiaException(DiaErrorKind.Model, string.Join('\n', errors.Select(p => $"{file}:{p}")));
        foreach (ConfigurationProblem problem in result.Problems)
            warnings?.Add($"{file}:{problem}");
        return result.Config;
    }

    /// <summary>Where a file's bytes are.</summary>
    /// <exception cref="DiaException">There is no such file (Model).</exception>
    internal FileRange Locate(string name)
    {
        if (_bundle is null)
            return FileRange.Whole(PlaceOf(Checked(name)), DiaErrorKind.Model);
        return _bundle.Find(_prefix + Checked(name))
            ?? throw new DiaException(DiaErrorKind.Model, $"the model inside {_root} has no file {_prefix}{name}.");
    }

    private static ModelFolder OpenAs(string what, string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        switch (FileKinds.Of(path))
        {
            case FileKind.Folder:
                return new ModelFolder(path, "", null, null);
            case FileKind.Regular when path.EndsWith(".safetensors", StringComparison.OrdinalIgnoreCase):
                // What a download may leave here is for who reads the tensors to tell.
                FileContent.Refuse(
                    path, $"a {what}'s weights", DiaErrorKind.Model,
                    FileContentKind.Tensors, FileContentKind.Text, FileContentKind.Page, FileContentKind.Empty, FileContentKind.Foreign);
                return new ModelFolder(Path.GetDirectoryName(Path.GetFullPath(path))!, "", null, path);
            case FileKind.Regular when Bundle.TryOpen(path) is { } bundle:
                return FromBundle(bundle);
            case FileKind.Regular when IsPyTorch(path):
                return new ModelFolder(Path.GetDirectoryName(Path.GetFullPath(path))!, "", null, path);
            case FileKind.Regular:
                throw CheckpointAdvice.NoModelFile(path, what);
            default:
                throw CheckpointAdvice.Nothing(path, what);
        }
    }

    private string PlaceOf(string name) => name == TensorsName && _tensors is not null ? _tensors
        : _bundle is null ? Path.Combine(_root, _prefix + name) : $"{_root}!{_prefix}{name}";

    /// <summary>Whether a file has a name that PyTorch's have.</summary>
    internal static bool IsPyTorch(string path) => PyTorchEndings.Contains(Path.GetExtension(path), StringComparer.OrdinalIgnoreCase);

    /// <summary>Names come from files of a checkpoint too: none may lead out of the folder.</summary>
    private static string Checked(string name) => name is null ? throw new ArgumentNullException(nameof(name))
        : Bundle.IsName(name) ? name
        : throw new DiaException(DiaErrorKind.Model, $"'{SafetensorsHeader.Show(name)}' is not the name of a file inside a model's folder.");
}
