using Dia.IO;

namespace Dia.Fuzz.Targets;

/// <summary>The first bytes of any file: what it is called before a reader sees it.</summary>
internal sealed class ContentTarget() : FuzzTarget("content")
{
    public override IReadOnlyList<byte[]> Seeds { get; } =
    [
        RealFiles.All("tests/fixtures/wav", "*.wav")[0], SafetensorsInputs.Of("I16", 2, ("codes", [5, 9])),
            SafetensorsInputs.Of("I64", 8, ("input_ids", [1, 5])),
        [.. "riff"u8, 0x2E, 0x91, 0xCF, 0x11], [.. "fLaC\0\0\0\""u8], [.. "OggS\0\u0002"u8], [.. "ID3\u0003\0\0"u8], [0xFF, 0xFB, 0x90, 0xC4],
            [0, 0, 0, 32, .. "ftypM4A "u8],
        [0xFF, 0xD8, 0xFF, 0xE0], [0xFF, 0xFE, (byte)'H', 0], [0, 0, 0xFE, 0xFF], [0x80, 2, .. "}q\0(X\u000E"u8], "<!DOCTYPE html>"u8.ToArray(),
            "[S1] Hello. [S2] Grüße."u8.ToArray(), "{\"text\":\"[S1] Hi.\"}"u8.ToArray(),
    ];

    // A few words, and the name as a shell takes it.
    public override long AllocationLimit(byte[] input) => 8 * 1024;

    public override byte[] Mutate(Randomness random)
    {
        List<byte> bytes = RealFiles.ToList(random.Of(Seeds));
        Mutations.Binary(random, bytes, random.Of(Seeds));
        return [.. bytes];
    }

    public override bool Read(byte[] input) => FileContent.Recognise(input, "it's.wav") is { What.Length: > 0 };
}
