using System.Security.Cryptography;
using Dia.IO;
using Xunit;

namespace Dia.Tests.IO;

public sealed class Md5Tests
{
    [Fact]
    public void Every_length_of_a_few_blocks_in_pieces()
    {
        byte[] data = new byte[300];
        new Random(1).NextBytes(data);
        for (int length = 0; length <= data.Length; length++)
        {
            var md5 = new Md5();
            md5.Add(data.AsSpan(0, length / 3));
            md5.Add(data.AsSpan(length / 3, length - length / 3));
            Assert.Equal(MD5.HashData(data.AsSpan(0, length)), md5.Finish());
        }
    }
}
