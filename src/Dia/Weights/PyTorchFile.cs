using Dia.IO;

namespace Dia.Weights;

/// <summary>
/// A file of torch.save: a ZIP archive with a pickle, which names tensors, and a file for each storage that they lie in. Nothing is executed and nothing
/// is unpacked; the storages are mapped where they lie, and views stay views (<see cref="StoredTensor.IsContiguous"/>).
/// </summary>
public sealed unsafe class PyTorchFile : MappedTensorFile
{
    private const string PickleName = "/data.pkl";
    private const int MaxDepth = 32, MaxTensors = 1 << 17, MaxName = 512;

    // Bytes that a few values may be repeated to.
    private const long MaxRepeated = 1 << 20;

    /// <summary>Under these keys training programs put a model's tensors, beside what else they keep.</summary>
    private static readonly string[] Wrappers = ["state_dict", "model_state_dict", "model"];

    // Bytes of a storage that are read at a time to be checked.
    private const int Piece = 1 << 20;

    private readonly IReadOnlyDictionary<string, ArchiveEntry> _entries;
    private readonly SortedDictionary<string, string> _storages = new(StringComparer.Ordinal);
    private readonly string _prefix;
    private int _visited;
    private bool _isChecked;

    /// <summary>Checks a mapped file.</summary>
    internal PyTorchFile(MappedRange map, string description, DiaErrorKind kind)
        : base(map, description, kind)
    {
        var head = new ReadOnlySpan<byte>(map.Pointer, (int)Math.Min(map.Length, FileContent.HeadBytes));
        if (FileContent.IsPickle(head))
            throw new DiaException(kind,
                $"{description} is in the format that PyTorch wrote before version 1.6, no ZIP archive. Write it again: torch.save(torch.load(FILE, weights_only=True), NEW_FILE).");
        if (!head.StartsWith(Start))
            throw CheckpointAdvice.Other(head, description, "tensors", FileContentKind.Tensors)
                ?? new DiaException(kind, $"{description} is neither a PyTorch file, as torch.save writes one, nor a safetensors file. Fetch or write it again.");
        _entries = ArchiveDirectory.Read(map.Pointer, map.Length, Error);
        string[] pickles = [.. _entries.Keys.Where(n => n.IndexOf('/', StringComparison.Ordinal) == n.Length - PickleName.Length
            && n.EndsWith(PickleName, StringComparison.Ordinal))];
        if (pickles.Length != 1)
            throw Error(pickles.Length == 0 ? "is a ZIP archive, but none that torch.save wrote: it has no data.pkl. Unpack an archive first" : "has more than one data.pkl");
        _prefix = pickles[0][..^PickleName.Length];
        if (_entries.ContainsKey(_prefix + "/constants.pkl"))
            throw Error("is a program (TorchScript), not tensors. Write its state_dict() with torch.save");
        if (_entries.TryGetValue(_prefix + "/byteorder", out var order) && !Bytes(order).SequenceEqual("little"u8))
            throw Error("was written in another order of bytes (big-endian)");
        ArchiveEntry pickle = _entries[pickles[0]];
        if (pickle.Length > Pickle.MaxLength)
            throw Error(FormattableString.Invariant($"has a pickle of {pickle.Length} bytes; at most {Pickle.MaxLength} are read"));
        if (pickle.Check != 0 && Crc32.Of(Bytes(pickle)) != pickle.Check)
            throw Damaged(pickles[0], "");
        Root = Pickle.Read(Bytes(pickle).ToArray(), Error);
        Add("", Unwrapped(Root), 0);
    }

    /// <summary>What the file's pickle holds.</summary>
    internal object? Root { get; }

    /// <summary>Opens and checks a file.</summary>
    /// <param name="path">A regular file.</param>
    /// <param name="kind">The kind of error a bad file is.</param>
    /// <exception cref="DiaException">It cannot be opened, or is no such file.</exception>
    public static PyTorchFile Open(string path, DiaErrorKind kind = DiaErrorKind.Model)
    {
        ArgumentNullException.ThrowIfNull(path);
        return Open(FileRange.Whole(path, kind), path, kind) as PyTorchFile ?? throw new DiaException(kind, $"{path} is no file of torch.save.");
    }

    /// <summary>
    /// Reads the values of all tensors, and compares the archive's checks with them: the file is mapped, and nothing else would see a value that changed
    /// on its way. Who copies or converts the values asks for it once before.
    /// </summary>
    /// <exception cref="DiaException">Values are not those that were written; the message has file, entry and tensor.</exception>
    public override void CheckValues()
    {
        if (_isChecked)
            return;
        byte[] buffer = new byte[Piece];
        foreach ((string name, string tensor) in _storages)
        {
            ArchiveEntry entry = _entries[name];
            if (entry.Check == 0)
                continue;
            uint check = 0;
            for (long at = 0; at < entry.Length; at += Piece)
            {
                Span<byte> piece = buffer.AsSpan(0, (int)Math.Min(Piece, entry.Length - at));
                Read(entry.Offset + at, piece);
                check = Crc32.Of(piece, check);
            }

            if (check != entry.Check)
                throw Damaged(name, $", which holds the tensor {SafetensorsHeader.Show(tensor)},");
        }

        _isChecked = true;
    }

    /// <summary>Whether a file is one of torch.save's, by its first bytes: an archive, or a pickle of before there were.</summary>
    internal static bool IsOne(ReadOnlySpan<byte> head) => head.StartsWith(Start) || FileContent.IsPickle(head);

    private static ReadOnlySpan<byte> Start => "PK\x03\x04"u8;

    /// <summary>The dictionary with a model's tensors.</summary>
    private static object? Unwrapped(object? root)
    {
        if (root is Dictionary<object, object?> all)
            foreach (string wrapper in Wrappers)
                if (all.GetValueOrDefault(wrapper) is Dictionary<object, object?> inside && inside.Values.Any(v => v is PickledTensor))
                    return inside;
        return root;
    }

    /// <summary>Takes up the tensors of dictionaries in dictionaries, their keys joined by '.'; values of other kinds are none of a model.</summary>
    private void Add(string name, object? value, int depth)
    {
        if (value is PickledTensor tensor)
        {
            if (name.Length is 0 or > MaxName || name.Any(char.IsControl))
                throw Error(name.Length == 0 ? "holds one tensor without a name, no dictionary of tensors" : "has a tensor name that is too long or has control characters");
            Add(name, tensor);
            return;
        }

        if (value is not Dictionary<object, object?> all)
        {
            if (depth == 0)
                throw Error("holds no dictionary of tensors. Write a model's state_dict() with torch.save");
            return;
        }

        // Dictionaries can hold each other many times over.
        if (depth == MaxDepth || (_visited += all.Count) > MaxTensors)
            throw Error(FormattableString.Invariant($"has dictionaries more than {MaxDepth} deep or with more than {MaxTensors} values"));
        foreach ((object key, object? inside) in all)
        {
            string part = Convert.ToString(key, CultureInfo.InvariantCulture)!;
            Add(depth == 0 ? part : $"{name}.{part}", inside, depth + 1);
        }
    }

    private void Add(string name, PickledTensor tensor)
    {
        string shown = SafetensorsHeader.Show(name);
        int size = SafetensorsTypes.Size(tensor.Type);
        var entry = new SafetensorsEntry(name, tensor.Type, tensor.Shape);
        string storage = $"{_prefix}/data/{tensor.Storage}";
        if (!_entries.TryGetValue(storage, out ArchiveEntry place))
            throw Error($"lacks the storage {SafetensorsHeader.Show(tensor.Storage)} of tensor {shown}: it is damaged");
        if (place.Length != tensor.StorageBytes)
            throw Error(FormattableString.Invariant($"has {place.Length} bytes for the storage of tensor {shown}, which says {tensor.StorageBytes}: it is damaged"));
        try
        {
            var view = new TensorView(this, checked(place.Offset + tensor.First * size), tensor.Shape, tensor.Strides);
            if (checked((tensor.First + view.Extent) * size) > place.Length)
                throw Error(FormattableString.Invariant(
                    $"has a tensor {shown} of {tensor.Type} {SafetensorsTypes.Show(tensor.Shape)} that reaches past its storage of {place.Length} bytes"));
            // One value can be a tensor of any size, along a stride of 0: no model has such, and its copy would fill the memory.
            if (!view.IsContiguous && entry.ByteLength > Math.Max(place.Length, MaxRepeated))
                throw Error(FormattableString.Invariant(
                    $"has a tensor {shown} of {entry.ByteLength} bytes that repeats the {place.Length} of its storage. Write it with .contiguous()"));
            if (!Named.TryAdd(name, new StoredTensor(entry, [view])))
                throw Error($"has two tensors {shown}");
            _storages.TryAdd(storage, name);
        }
        catch (OverflowException)
        {
            throw Error($"has a tensor {shown} of a size past 64 bits");
        }
    }

    private ReadOnlySpan<byte> Bytes(ArchiveEntry entry) => new(At(entry.Offset), checked((int)entry.Length));

    private DiaException Damaged(string entry, string holds) => new(Kind,
        $"{Description} is damaged: its file {SafetensorsHeader.Show(entry)}{holds} is not what was written (its CRC-32 is another). Fetch or write it again.");

    private DiaException Error(string what) => new(Kind, $"{Description} is a PyTorch file that is not read: it {what}.");
}
