using Dia.IO;
using Dia.Weights;

namespace Dia.Quantization;

/// <summary>
/// What a calibration has done so far, a file for each part of it: each appears once it is complete, so that a calibration that was ended in any way goes on
/// with the next. A file of another calibration is not found, and written over.
/// </summary>
/// <param name="folder">The folder, which is made.</param>
/// <param name="key">What all results depend on.</param>
internal sealed class CalibrationFiles(string folder, string key) : IDisposable
{
    private const string KeyName = "calibration", Ending = ".safetensors", LockName = "lock";

    private FileStream? _lock;

    /// <summary>Keeps others out of the folder until this is disposed, or the process ends in any way.</summary>
    /// <exception cref="DiaException">Another calibration is there, or the folder cannot be written (Output).</exception>
    public void Lock()
    {
        CheckpointConverter.MakeFolder(folder);
        string path = Path.Combine(folder, LockName);
        try
        {
            _lock ??= new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new DiaException(DiaErrorKind.Output,
                $"cannot lock {path}: {e.Message} If another calibration writes there, wait for it, or name another folder.", e);
        }
    }

    /// <summary>Lets others in.</summary>
    public void Dispose()
    {
        _lock?.Dispose();
        _lock = null;
    }

    /// <summary>A part that was done; null: it is not there, or damaged.</summary>
    public SafetensorsFile? Find(string part)
    {
        string path = PathOf(part);
        if (FileKinds.Of(path) != FileKind.Regular)
            return null;
        SafetensorsFile? file = null;
        try
        {
            file = SafetensorsFile.Open(path);
            if (file.Metadata.GetValueOrDefault(KeyName) == key)
                return file;
        }
        catch (DiaException)
        {
            // It is made again.
        }

        file?.Dispose();
        return null;
    }

    /// <summary>Keeps a part.</summary>
    /// <exception cref="DiaException">It cannot be written (Output).</exception>
    public void Keep(string part, IReadOnlyList<SafetensorsArray> arrays, Dictionary<string, string>? metadata = null)
    {
        try
        {
            CheckpointConverter.MakeFolder(folder);
            SafetensorsWriter.Save(PathOf(part), arrays, new Dictionary<string, string>(metadata ?? []) { [KeyName] = key });
        }
        catch (DiaException e) when (e.Kind == DiaErrorKind.Output)
        {
            throw new DiaException(e.Kind, $"{e.Message.TrimEnd('.')}. What was done before is kept in {folder}: once there is room, the same command goes on.", e);
        }
    }

    /// <summary>Deletes all of it.</summary>
    public void Delete()
    {
        if (!Directory.Exists(folder))
            return;
        foreach (string path in Directory.EnumerateFiles(folder))
            if (path.EndsWith(Ending, StringComparison.Ordinal) || path.EndsWith(".tmp", StringComparison.Ordinal) || Path.GetFileName(path) == LockName)
                File.Delete(path);
        if (!Directory.EnumerateFileSystemEntries(folder).Any())
            Directory.Delete(folder);
    }

    private string PathOf(string part) => Path.Combine(folder, part + Ending);
}
