namespace Dia.Fuzz;

/// <summary>A reader of outside data, and how to make inputs for it. One object serves one thread.</summary>
/// <param name="name">What the command line calls it.</param>
internal abstract class FuzzTarget(string name) : IDisposable
{
    public string Name { get; } = name;

    /// <summary>Inputs of the run that goes with every test run.</summary>
    public virtual int ShortRun => 20_000;

    /// <summary>Real inputs, all of which are accepted.</summary>
    public abstract IReadOnlyList<byte[]> Seeds { get; }

    /// <summary>Most bytes that may be allocated on the managed heap for an input; says why in each target.</summary>
    public abstract long AllocationLimit(byte[] input);

    /// <summary>Whether the reader accepts the input. Anything but a DiaException that comes out is a bug.</summary>
    public abstract bool Read(byte[] input);

    /// <summary>A mutated copy of a seed.</summary>
    public abstract byte[] Mutate(Randomness random);

    public virtual void Dispose()
    {
    }
}

/// <summary>A target whose reader opens files: they lie in memory.</summary>
internal abstract class FileTarget : FuzzTarget
{
    private readonly FileStream _file;

    protected FileTarget(string name, string fileName)
        : base(name)
    {
        string memory = "/dev/shm";
        Folder = Path.Combine(Directory.Exists(memory) ? memory : Path.GetTempPath(), $"dia-fuzz-{Environment.ProcessId}-{name}-{Guid.NewGuid():N}");
        Directory.CreateDirectory(Folder);
        FileName = Path.Combine(Folder, fileName);
        _file = new FileStream(FileName, FileMode.Create, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
    }

    protected string Folder { get; }

    protected string FileName { get; }

    public override void Dispose()
    {
        _file.Dispose();
        Directory.Delete(Folder, recursive: true);
    }

    /// <summary>Makes the input the content of the file.</summary>
    protected void Put(byte[] input)
    {
        RandomAccess.SetLength(_file.SafeFileHandle, input.Length);
        RandomAccess.Write(_file.SafeFileHandle, input, 0);
    }
}
