using Dia.Cli.Output;

namespace Dia.Cli.Commands;

/// <summary>The tensors that `dia forward` reads.</summary>
/// <param name="path">The file.</param>
/// <param name="decoderIds">decoder_input_ids; null: there are none.</param>
/// <param name="decoderShape">Their shape.</param>
internal sealed class ForwardFile(string path, int[]? decoderIds, long[] decoderShape)
{
    // Far more than fits any model's memory. A tensor without values can claim any length in its other dimensions, so those count too.
    private const int MaxValues = 1 << 28;

    /// <summary>[batch, text].</summary>
    public required int[,] InputIds { get; init; }

    /// <summary>[batch, text], or null.</summary>
    public required int[,]? AttentionMask { get; init; }

    /// <summary>[batch, rows], or null.</summary>
    public required int[,]? DecoderPositionIds { get; init; }

    /// <summary>[batch, rows], or null.</summary>
    public required int[,]? DecoderAttentionMask { get; init; }

    /// <summary>[batch·channels, rows], or null.</summary>
    public required int[,]? Labels { get; init; }

    /// <summary>Reads a file.</summary>
    /// <exception cref="DiaException">Input: not safetensors, a tensor of another type or rank, or no input_ids.</exception>
    public static ForwardFile Read(string path)
    {
        StandardDescriptors.RefuseInput(path, "a file of tensors");
        FileContent.Refuse(path, "the inputs of a forward pass (safetensors)", DiaErrorKind.Input, FileContentKind.ForwardInputs, FileContentKind.Tensors);
        using var file = SafetensorsFile.Open(path, DiaErrorKind.Input);
        if (Find(file, path, "input_ids") is null)
            _ = file["input_ids"]; // Says what is there instead.
        SafetensorsTensor? ids = Find(file, path, "decoder_input_ids");
        return new ForwardFile(path, ids?.ToInt32(), ids?.Shape ?? [])
        {
            InputIds = Matrix(file, path, "input_ids")!,
            AttentionMask = Matrix(file, path, "attention_mask"),
            DecoderPositionIds = Matrix(file, path, "decoder_position_ids"),
            DecoderAttentionMask = Matrix(file, path, "decoder_attention_mask"),
            Labels = Matrix(file, path, "labels"),
        };
    }

    /// <summary>decoder_input_ids [batch, rows, channels], or null; a matrix [batch·channels, rows] is turned.</summary>
    /// <exception cref="DiaException">Input: of another rank, or not of that many channels.</exception>
    public int[,,]? DecoderInputIds(int channels)
    {
        if (decoderIds is null)
            return null;
        bool turned = decoderShape.Length == 2;
        if ((!turned && decoderShape.Length != 3) || (turned && decoderShape[0] % channels != 0))
            throw new DiaException(DiaErrorKind.Input,
                $"{path}: decoder_input_ids has the shape [{string.Join(", ", decoderShape)}]; it must be [batch, rows, {channels}] or [batch·{channels}, rows].");
        int rows = (int)decoderShape[1];
        int[,,] ids = turned ? new int[decoderShape[0] / channels, rows, channels] : new int[decoderShape[0], rows, decoderShape[2]];
        if (!turned)
            Buffer.BlockCopy(decoderIds, 0, ids, 0, decoderIds.Length * sizeof(int));
        for (int i = 0; turned && i < decoderIds.Length; i++)
            ids[i / rows / channels, i % rows, i / rows % channels] = decoderIds[i];
        return ids;
    }

    /// <summary>A tensor of dimensions that an array can have; null where there is none.</summary>
    private static SafetensorsTensor? Find(SafetensorsFile file, string path, string name)
    {
        SafetensorsTensor? tensor = file.Tensors.GetValueOrDefault(name) ?? file.Tensors.GetValueOrDefault("in." + name);
        if (tensor is not null && tensor.Shape.Aggregate(1.0, (n, d) => n * Math.Max(d, 1)) > MaxValues)
            throw new DiaException(DiaErrorKind.Input,
                $"{path}: {name} has the shape [{string.Join(", ", tensor.Shape)}]; at most {MaxValues} values are read.");
        return tensor;
    }

    private static int[,]? Matrix(SafetensorsFile file, string path, string name)
    {
        if (Find(file, path, name) is not { } tensor)
            return null;
        return tensor.Shape.Length == 2
            ? CodesFile.Matrix(tensor)
            : throw new DiaException(DiaErrorKind.Input, $"{path}: {name} has the shape [{string.Join(", ", tensor.Shape)}]; it must have two dimensions.");
    }
}
