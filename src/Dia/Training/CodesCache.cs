using Dia.Codec;
using Dia.Configuration;
using Dia.IO;
using Dia.Weights;

namespace Dia.Training;

/// <summary>
/// Codes of recordings, kept in a folder: a file for each (as <c>dia encode</c> writes them), named by what it depends on, the bytes of the recording
/// and those of the codec. What was encoded once is found again wherever the recording is moved to.
/// </summary>
public sealed unsafe class CodesCache
{
    private const string CodesName = "codes";
    private readonly DacModel _codec;
    private readonly byte[] _codecHash;

    /// <summary>A cache of a codec's codes.</summary>
    /// <param name="codec">The codec.</param>
    /// <param name="folder">The folder, which is made when there is something to keep.</param>
    /// <exception cref="ObjectDisposedException">The codec or its device is disposed.</exception>
    public CodesCache(DacModel codec, string folder)
    {
        ArgumentNullException.ThrowIfNull(codec);
        ArgumentNullException.ThrowIfNull(folder);
        (_codec, Folder, _codecHash) = (codec, folder, HashOf(codec));
    }

    /// <summary>Where the codes are.</summary>
    public string Folder { get; }

    /// <summary>The codes of a recording [frames · codebooks]; null: they are not there, or the file is damaged.</summary>
    /// <param name="hash">The SHA-256 of its bytes.</param>
    internal short[]? Find(byte[] hash)
    {
        string path = PathOf(hash);
        if (FileKinds.Of(path) != FileKind.Regular)
            return null;
        try
        {
            using var file = SafetensorsFile.Open(path, DiaErrorKind.Input);
            StoredTensor codes = file[CodesName];
            if (codes.DType != SafetensorsDType.I16 || codes.Shape is not [> 0 and <= int.MaxValue, _] || codes.Shape[1] != _codec.Codebooks)
                return null;
            short[] values = Array.ConvertAll(codes.ToInt32(), v => (short)v);
            return values.All(v => v >= 0 && v < _codec.Config.CodebookSize) ? values : null;
        }
        catch (DiaException)
        {
            return null; // It is made again.
        }
    }

    /// <summary>Keeps a recording's codes.</summary>
    /// <exception cref="DiaException">They cannot be written (Output).</exception>
    internal void Keep(byte[] hash, short[] codes)
    {
        CheckpointConverter.MakeFolder(Folder);
        SafetensorsWriter.Save(PathOf(hash), [new SafetensorsArray(CodesName, [codes.Length / _codec.Codebooks, _codec.Codebooks], codes)]);
    }

    private string PathOf(byte[] hash) => Path.Combine(Folder, Convert.ToHexStringLower(Sha256.Hash([.. _codecHash, .. hash])) + ".safetensors");

    /// <summary>A hash of a codec's configuration and weights: rounded to another format it may give other codes.</summary>
    private static byte[] HashOf(DacModel codec)
    {
        using Lock.Scope turn = codec.Tenant.Enter();
        List<byte> all = [.. Encoding.UTF8.GetBytes(CanonicalJson.Write(codec.Config))];
        for (int i = 0; i < codec.Specs.Length; i++)
        {
            StoredWeight weight = codec.Weights.Weights[i];
            all.AddRange(Sha256.Hash(new ReadOnlySpan<byte>(weight.Data, checked((int)WeightFormats.Bytes(weight.Format, codec.Specs[i].Count)))));
        }

        return Sha256.Hash(CollectionsMarshal.AsSpan(all));
    }
}
