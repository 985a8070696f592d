using System.Buffers.Binary;
using Dia.IO;

namespace Dia.Weights;

/// <summary>
/// A model's files appended to an executable: each at a multiple of 4096, so that tensors map as from a file of their own; then
/// an index; then a footer that ends the file.
/// </summary>
/// <remarks>
/// Footer, little-endian: magic (16 bytes), version u32, index length u32, index offset u64, length of the executable without
/// its bundle u64, FNV-1a 64 of the index and of the footer's bytes before this u64. Index: per entry the name's length u16,
/// the name in UTF-8, offset u64, length u64.
/// </remarks>
public sealed class Bundle
{
    private const int Page = 4096;
    private const int FooterLength = 48;
    private const int MaxIndex = 1 << 20;
    private const uint Version = 1;

    private readonly Dictionary<string, FileRange> _entries = new(StringComparer.Ordinal);

    private Bundle(string path, long executableLength)
    {
        Path = path;
        ExecutableLength = executableLength;
    }

    /// <summary>The file that holds the bundle.</summary>
    public string Path { get; }

    /// <summary>Names of the files in it, '/' between folders, sorted.</summary>
    public IEnumerable<string> Names => _entries.Keys.Order(StringComparer.Ordinal);

    /// <summary>Bytes of the executable that precede the bundle.</summary>
    internal long ExecutableLength { get; }

    private static ReadOnlySpan<byte> Magic => "DIA-MODEL-BUNDLE"u8;

    /// <summary>Opens the bundle at the end of a file; null if the file has none.</summary>
    /// <exception cref="DiaException">The file cannot be read, or its bundle is damaged (Model).</exception>
    public static Bundle? TryOpen(string path)
    {
        long length = FileRange.Whole(path, DiaErrorKind.Model).Length;
        if (length < FooterLength)
            return null;
        byte[] footer = new FileRange(path, length - FooterLength, FooterLength).ReadAll(DiaErrorKind.Model);
        if (!footer.AsSpan().StartsWith(Magic))
            return null;

        uint version = BinaryPrimitives.ReadUInt32LittleEndian(footer.AsSpan(16));
        if (version != Version)
            throw Damaged(path, $"its version is {version}, this program reads {Version}");
        uint indexLength = BinaryPrimitives.ReadUInt32LittleEndian(footer.AsSpan(20));
        ulong indexOffset = BinaryPrimitives.ReadUInt64LittleEndian(footer.AsSpan(24));
        ulong executable = BinaryPrimitives.ReadUInt64LittleEndian(footer.AsSpan(32));
        if (indexLength > MaxIndex || indexOffset > (ulong)length || indexOffset + indexLength + FooterLength != (ulong)length || executable > indexOffset)
            throw Damaged(path, "its footer points outside the file");
        byte[] index = new FileRange(path, (long)indexOffset, indexLength).ReadAll(DiaErrorKind.Model);
        if (Fnv1A.Hash(footer.AsSpan(0, 40), Fnv1A.Hash(index)) != BinaryPrimitives.ReadUInt64LittleEndian(footer.AsSpan(40)))
            throw Damaged(path, "its checksum does not match");

        var bundle = new Bundle(path, (long)executable);
        bundle.ReadIndex(index, (long)indexOffset);
        return bundle;
    }

    /// <summary>
    /// Writes <paramref name="output"/>: the executable without the bundle it may have, then the files of a model's folder, its
    /// codec in dac/ included. The same inputs give the same bytes.
    /// </summary>
    /// <param name="executable">Any file; <paramref name="output"/> takes over its permissions.</param>
    /// <param name="modelFolder">What <see cref="ModelFolder.Open"/> takes.</param>
    /// <param name="output">The file to write, which may be <paramref name="executable"/> itself.</param>
    /// <param name="cancellationToken">Looked at before each file; no unfinished file stays.</param>
    /// <exception cref="DiaException">An input is missing or invalid (Model), or the output cannot be written (Output).</exception>
    public static void Append(string executable, string modelFolder, string output, CancellationToken cancellationToken = default)
    {
        var model = ModelFolder.Open(modelFolder);
        var files = CheckpointFiles.Names(model).Select(n => (Name: n, Range: model.Locate(n)))
            .Concat(CheckpointFiles.Exists(model.Sub(ModelFolder.CodecName)) ? CheckpointFiles.Names(model.Sub(ModelFolder.CodecName))
                .Select(n => (Name: $"{ModelFolder.CodecName}/{n}", Range: model.Sub(ModelFolder.CodecName).Locate(n))) : [])
            .OrderBy(f => f.Name, StringComparer.Ordinal).ToList();

        long executableLength = TryOpen(executable)?.ExecutableLength ?? FileRange.Whole(executable, DiaErrorKind.Model).Length;
        UnixFileMode? mode = OperatingSystem.IsWindows() ? null : File.GetUnixFileMode(executable);
        using var file = AtomicFile.Create(output, mode);
        new FileRange(executable, 0, executableLength).CopyTo(file.Stream, DiaErrorKind.Model);

        long at = executableLength;
        var index = new MemoryStream();
        var entries = new BinaryWriter(index);
        foreach (var (name, range) in files)
        {
            cancellationToken.ThrowIfCancellationRequested();
            int padding = (int)((Page - at % Page) % Page);
            file.Stream.Write(new byte[padding]);
            range.CopyTo(file.Stream, DiaErrorKind.Model);
            at += padding;
            byte[] utf8 = Encoding.UTF8.GetBytes(name);
            entries.Write((ushort)utf8.Length);
            entries.Write(utf8);
            entries.Write(at);
            entries.Write(range.Length);
            at += range.Length;
        }

        file.Stream.Write(index.ToArray());
        file.Stream.Write(Footer(index.ToArray(), at, executableLength));
        file.Commit();
    }

    /// <summary>Whether a name is a relative one that stays inside its folder: no empty part, no "..", no control characters.</summary>
    internal static bool IsName(string name)
    {
        if (name.Length is 0 or > 255 || name.Any(c => c is '\\' or ':' || char.IsControl(c)))
            return false;
        return name.Split('/').All(part => part is not ("" or "." or ".."));
    }

    /// <summary>Where a file of the bundle is; null if there is none of this name.</summary>
    internal FileRange? Find(string name) => _entries.TryGetValue(name, out var range) ? range : null;

    private void ReadIndex(ReadOnlySpan<byte> index, long end)
    {
        long free = ExecutableLength;
        while (!index.IsEmpty)
        {
            int nameLength = index.Length >= 2 ? BinaryPrimitives.ReadUInt16LittleEndian(index) : int.MaxValue;
            if (index.Length - 18 < nameLength)
                throw Damaged(Path, "its index is cut");
            string name = Encoding.UTF8.GetString(index.Slice(2, nameLength));
            ulong offset = BinaryPrimitives.ReadUInt64LittleEndian(index[(2 + nameLength)..]);
            ulong length = BinaryPrimitives.ReadUInt64LittleEndian(index[(10 + nameLength)..]);
            if (!IsName(name) || offset % Page != 0 || offset < (ulong)free || offset > (ulong)end || length > (ulong)end - offset)
                throw Damaged(Path, "its index points outside the bundle");
            free = (long)(offset + length);
            if (!_entries.TryAdd(name, new FileRange(Path, (long)offset, (long)length)))
                throw Damaged(Path, $"{name} appears twice");
            index = index[(18 + nameLength)..];
        }
    }

    private static byte[] Footer(byte[] index, long indexOffset, long executableLength)
    {
        byte[] footer = new byte[FooterLength];
        Magic.CopyTo(footer);
        BinaryPrimitives.WriteUInt32LittleEndian(footer.AsSpan(16), Version);
        BinaryPrimitives.WriteUInt32LittleEndian(footer.AsSpan(20), (uint)index.Length);
        BinaryPrimitives.WriteInt64LittleEndian(footer.AsSpan(24), indexOffset);
        BinaryPrimitives.WriteInt64LittleEndian(footer.AsSpan(32), executableLength);
        BinaryPrimitives.WriteUInt64LittleEndian(footer.AsSpan(40), Fnv1A.Hash(footer.AsSpan(0, 40), Fnv1A.Hash(index)));
        return footer;
    }

    private static DiaException Damaged(string path, string what) =>
        new(DiaErrorKind.Model, $"the model inside {path} is damaged: {what}. Copy the executable again, or name a model's folder.");
}

/// <summary>FNV-1a, 64 bits (http://www.isthe.com/chongo/tech/comp/fnv/).</summary>
internal static class Fnv1A
{
    private const ulong Basis = 0xCBF29CE484222325;
    private const ulong Prime = 0x100000001B3;

    /// <summary>The hash of some bytes, continuing from <paramref name="hash"/>.</summary>
    public static ulong Hash(ReadOnlySpan<byte> bytes, ulong hash = Basis)
    {
        foreach (byte b in bytes)
            hash = (hash ^ b) * Prime;
        return hash;
    }
}
