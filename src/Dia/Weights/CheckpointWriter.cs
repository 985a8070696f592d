using Dia.IO;

namespace Dia.Weights;

/// <summary>Writes a checkpoint's folder: its files appear once all of them are complete, or none does.</summary>
internal sealed class CheckpointWriter : IDisposable
{
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

    /// <summary>Writes the file of tensors: weights in the formats that they have, but for those that are missing.</summary>
    /// <param name="specs">What they are.</param>
    /// <param name="weights">Their values, in the same order.</param>
    /// <param name="name">A weight's name in the file; null: its own.</param>
    /// <param name="format">The format of all of them; null: each has its own.</param>
    /// <returns>The reference's name of the format that most values have.</returns>
    /// <exception cref="DiaException">It cannot be written (Output).</exception>
    public string AddWeights(WeightSpec[] specs, StoredWeight[] weights, Func<string, string>? name = null, WeightFormat? format = null)
    {
        var byName = specs.Zip(weights, (spec, stored) => (Name: name?.Invoke(spec.Name) ?? spec.Name, spec.Shape, spec.Count, Stored: stored))
            .Where(w => !w.Stored.IsMissing).ToDictionary(w => w.Name, StringComparer.Ordinal);
        SafetensorsWriter tensors = BeginTensors(byName.Values.Select(w =>
            new SafetensorsEntry(w.Name, WeightFormats.Type(format ?? w.Stored.Format), Array.ConvertAll(w.Shape, d => (long)d))));
        foreach (SafetensorsEntry entry in tensors.Tensors)
            Write(tensors, entry.Name, byName[entry.Name].Stored, byName[entry.Name].Count, format ?? byName[entry.Name].Stored.Format);
        return WeightFormats.ReferenceName(format ?? FormatOfMost(specs, weights));
    }

    /// <summary>The format that most values have.</summary>
    public static WeightFormat FormatOfMost(WeightSpec[] specs, StoredWeight[] weights) => specs.Zip(weights, (spec, stored) => (spec.Count, Stored: stored))
        .Where(w => !w.Stored.IsMissing).GroupBy(w => w.Stored.Format).MaxBy(g => g.Sum(w => w.Count))!.Key;

    private static unsafe void Write(SafetensorsWriter tensors, string name, StoredWeight stored, long count, WeightFormat format)
    {
        const int step = 1 << 20; // values at a time: whole blocks of any format
        float[] values = format == stored.Format ? [] : new float[Math.Min(step, count)];
        byte[] converted = format == stored.Format ? [] : new byte[WeightFormats.Bytes(format, values.Length)];
        for (long at = 0; at < count; at += step)
        {
            int part = (int)Math.Min(step, count - at);
            var bytes = new ReadOnlySpan<byte>(stored.From(at).Data, (int)WeightFormats.Bytes(stored.Format, part));
            if (format != stored.Format)
            {
                WeightFormats.Read(stored.From(at).Data, stored.Format, values.AsSpan(0, part));
                fixed (byte* target = converted)
                    WeightFormats.Write(values.AsSpan(0, part), format, target);
                bytes = converted.AsSpan(0, (int)WeightFormats.Bytes(format, part));
            }

            tensors.Write(name, bytes);
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
