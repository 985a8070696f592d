using Dia.IO;

namespace Dia.Weights;

/// <summary>Writes a checkpoint's folder: its files appear once all of them are complete, or none does.</summary>
internal sealed class CheckpointWriter : IDisposable
{
    // Bytes, or values, at a time.
    private const int Step = 1 << 20;

    private static readonly Dictionary<string, string> Metadata = new() { ["format"] = "pt" };

    private readonly string _folder, _tensorsName;
    private readonly List<AtomicFile> _texts = [];
    private SafetensorsWriter? _tensors;

    /// <summary>Makes the folder, if need be.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="tensorsName">The name of the file of tensors.</param>
    /// <exception cref="DiaException">It cannot be made (Output).</exception>
    public CheckpointWriter(string folder, string tensorsName = ModelFolder.TensorsName)
    {
        (_folder, _tensorsName) = (folder, tensorsName);
        CheckpointConverter.MakeFolder(folder);
        AtomicFile.DeleteAbandoned(folder); // a file of gigabytes otherwise
    }

    /// <summary>Adds a small text file, UTF-8.</summary>
    /// <exception cref="DiaException">It cannot be written (Output).</exception>
    public void AddText(string name, string text)
    {
        _texts.Add(AtomicFile.Create(Path.Combine(_folder, name)));
        _texts[^1].Stream.Write(Encoding.UTF8.GetBytes(text));
    }

    /// <summary>Begins the file of tensors, which this completes.</summary>
    /// <exception cref="DiaException">It cannot be written (Output).</exception>
    public SafetensorsWriter BeginTensors(IEnumerable<SafetensorsEntry> entries) =>
        _tensors = SafetensorsWriter.Create(Path.Combine(_folder, _tensorsName), entries, Metadata);

    /// <summary>Writes the file of tensors.</summary>
    /// <param name="tensors">The tensors, in any order, and what writes each.</param>
    /// <param name="cancellationToken">Looked at before each.</param>
    /// <exception cref="DiaException">It cannot be written (Output), and what the tensors' own writers throw.</exception>
    public void AddTensors(
        IReadOnlyCollection<(SafetensorsEntry Entry, Action<SafetensorsWriter> Write)> tensors, CancellationToken cancellationToken = default)
    {
        var byName = tensors.ToDictionary(t => t.Entry.Name, t => t.Write, StringComparer.Ordinal);
        SafetensorsWriter writer = BeginTensors(tensors.Select(t => t.Entry));
        foreach (SafetensorsEntry entry in writer.Tensors)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (entry.ByteLength > 0)
                byName[entry.Name](writer);
        }
    }

    /// <summary>Writes the file of tensors: weights as they are stored, but for those that are missing.</summary>
    /// <param name="specs">What they are.</param>
    /// <param name="weights">Their values, in the same order.</param>
    /// <param name="name">A weight's name in the file; null: its own.</param>
    /// <param name="format">The format of all of them, none of integers; null: each has its own.</param>
    /// <returns>The format that most values that are no integers have.</returns>
    /// <exception cref="DiaException">It cannot be written (Output).</exception>
    public WeightFormat AddWeights(WeightSpec[] specs, StoredWeight[] weights, Func<string, string>? name = null, WeightFormat? format = null)
    {
        var tensors = new List<(SafetensorsEntry, Action<SafetensorsWriter>)>();
        foreach ((WeightSpec spec, StoredWeight stored) in specs.Zip(weights).Where(w => !w.Second.IsMissing))
            Add(tensors, spec with { Name = name?.Invoke(spec.Name) ?? spec.Name }, stored, format);
        AddTensors(tensors);
        return format ?? FormatOfMost(specs, weights);
    }

    /// <summary>The format that most values that are no integers have.</summary>
    public static WeightFormat FormatOfMost(WeightSpec[] specs, StoredWeight[] weights) => specs.Zip(weights, (spec, stored) => (spec.Count, Stored: stored))
        .Where(w => !w.Stored.IsMissing && !w.Stored.Storage.IsQuantized).GroupBy(w => w.Stored.Format).MaxBy(g => g.Sum(w => w.Count))!.Key;

    private static unsafe void Add(List<(SafetensorsEntry, Action<SafetensorsWriter>)> tensors, WeightSpec spec, StoredWeight stored, WeightFormat? format)
    {
        if (format is null && stored.Storage.IsQuantized)
        {
            var (values, scales, shape) = QuantizedTensors.Entries(spec.Name, spec.Shape, stored.Storage);
            tensors.Add((values, writer => Write(writer, values, (nint)stored.Data)));
            tensors.Add((scales, writer => Write(writer, scales, (nint)stored.Scales)));
            if (shape is not null)
                tensors.Add((shape, writer => writer.Write<long>(shape.Name, [spec.Shape[0], spec.Shape[1]])));
            return;
        }

        WeightFormat target = format ?? stored.Format;
        var entry = new SafetensorsEntry(spec.Name, WeightFormats.Type(target), Array.ConvertAll(spec.Shape, d => (long)d));
        tensors.Add((entry, writer =>
        {
            if (stored.Storage == target)
                Write(writer, entry, (nint)stored.Data);
            else
                Write(writer, spec, stored, target);
        }));
    }

    private static unsafe void Write(SafetensorsWriter writer, SafetensorsEntry entry, nint values)
    {
        for (long at = 0; at < entry.ByteLength; at += Step)
            writer.Write(entry.Name, new ReadOnlySpan<byte>((byte*)values + at, (int)Math.Min(Step, entry.ByteLength - at)));
    }

    private static unsafe void Write(SafetensorsWriter writer, WeightSpec spec, in StoredWeight stored, WeightFormat format)
    {
        float[] values = new float[Math.Min(Step, spec.Count)];
        byte[] converted = new byte[WeightFormats.Bytes(format, values.Length)];
        for (long at = 0; at < spec.Count; at += Step)
        {
            int part = (int)Math.Min(Step, spec.Count - at);
            stored.Read(at, values.AsSpan(0, part));
            fixed (byte* target = converted)
                WeightFormats.Write(values.AsSpan(0, part), format, target);
            writer.Write<byte>(spec.Name, converted.AsSpan(0, (int)WeightFormats.Bytes(format, part)));
        }
    }

    /// <summary>Completes all files.</summary>
    /// <exception cref="DiaException">One cannot be written (Output).</exception>
    public void Commit()
    {
        _tensors?.Commit();
        foreach (AtomicFile text in _texts)
            text.Commit();
    }

    /// <summary>Drops what was not completed.</summary>
    public void Dispose()
    {
        _tensors?.Dispose();
        foreach (AtomicFile text in _texts)
            text.Dispose();
    }
}
