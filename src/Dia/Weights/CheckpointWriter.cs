using Dia.IO;

namespace Dia.Weights;

/// <summary>Writes a checkpoint's folder: its files appear once all of them are complete, or none does.</summary>
internal sealed class CheckpointWriter : IDisposable
{
    private static readonly Dictionary<string, string> Metadata = new() { ["format"] = "pt" };

    private readonly string _folder;
    private readonly List<AtomicFile> _texts = [];
    private SafetensorsWriter? _tensors;

    /// <summary>Makes the folder, if need be.</summary>
    /// <exception cref="DiaException">It cannot be made (Output).</exception>
    public CheckpointWriter(string folder)
    {
        _folder = folder;
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
        _tensors = SafetensorsWriter.Create(Path.Combine(_folder, ModelFolder.TensorsName), entries, Metadata);

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
