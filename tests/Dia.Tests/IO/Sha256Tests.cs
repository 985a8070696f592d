using System.Security.Cryptography;
using System.Text;
using Dia.IO;
using Xunit;

namespace Dia.Tests.IO;

public sealed class Sha256Tests
{
    // The examples of FIPS 180-2, appendix B, and the empty message of NIST's SHA256ShortMsg.
    [Theory]
    [InlineData("", 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")]
    [InlineData("abc", 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")]
    [InlineData("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1")]
    [InlineData("a", 1_000_000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")]
    public void Published_hashes(string text, int times, string hash) =>
        Assert.Equal(hash, Convert.ToHexStringLower(Sha256.Hash(Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat(text, times))))));

    /// <summary>Where the padding begins another block, and where it does not.</summary>
    [Fact]
    public void Every_length_of_a_few_blocks()
    {
        byte[] data = new byte[300];
        new Random(1).NextBytes(data);
        for (int length = 0; length <= data.Length; length++)
            Assert.Equal(SHA256.HashData(data.AsSpan(0, length)), Sha256.Hash(data.AsSpan(0, length)));
    }

    /// <summary>A stream is read in parts of 64 KiB.</summary>
    [Theory]
    [InlineData(0)]
    [InlineData(100)]
    [InlineData((1 << 16) - 1)]
    [InlineData(1 << 16)]
    [InlineData((1 << 17) + 65)]
    public void A_stream_has_the_hash_of_its_bytes(int length)
    {
        byte[] data = new byte[length];
        new Random(2).NextBytes(data);
        Assert.Equal(SHA256.HashData(data), Sha256.Hash(new MemoryStream(data)));
    }
}
