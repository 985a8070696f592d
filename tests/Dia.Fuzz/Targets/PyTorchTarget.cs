using Dia.Weights;

namespace Dia.Fuzz.Targets;

/// <summary>A file of torch.save; every tensor of it is read, and what it says a codec is.</summary>
internal sealed class PyTorchTarget() : FileTarget("pytorch", "input.pth")
{
    public override IReadOnlyList<byte[]> Seeds { get; } =
        [.. RealFiles.All("tests/fixtures/old/pth", "dict.pth").Concat(RealFiles.All("tests/fixtures/old/pth", "nested.pth")).Select(Unchecked)];

    // An operation of a byte makes an object of some 200 bytes; a name in the directory of 46 bytes a string and two entries. Tensors may share values:
    // some thirty names of a file as large as a storage each, as floats and as integers, or a megabyte of repeated ones.
    public override long AllocationLimit(byte[] input) => (16 << 20) + 1024L * input.Length;

    public override byte[] Mutate(Randomness random)
    {
        List<byte> bytes = RealFiles.ToList(random.Of(Seeds));
        Mutations.Binary(random, bytes, random.Of(Seeds));
        return [.. bytes];
    }

    /// <summary>Without the directory's checks, which would refuse most mutations before anything else sees them.</summary>
    private static byte[] Unchecked(byte[] archive)
    {
        byte[] changed = [.. archive];
        for (int at = 0; changed.AsSpan(at).IndexOf("PK\x01\x02"u8) is var next and >= 0; at += 4)
        {
            at += next;
            changed.AsSpan(at + 16, 4).Clear();
        }

        return changed;
    }

    public override bool Read(byte[] input)
    {
        Put(input);
        using var file = PyTorchFile.Open(FileName, DiaErrorKind.Input);
        file.CheckValues();
        SafetensorsInputs.ReadAll(file.Tensors.Values);
        _ = OriginalCodec.Configuration(file);
        return true;
    }
}
