using Dia.Cli.Output;

namespace Dia.Cli.Commands;

/// <summary>The tensors that `dia forward` reads.</summary>
internal sealed class ForwardFile
{
    // Far more than fits any model's memory. A tensor without values can claim any length in its other dimensions, so those count too.
    private const int MaxValues = 1 << 28;

    private const string TextName = "input_ids", EncodedName = "encoder_last_hidden_state";

    /// <summary>[batch, text], or null.</summary>
    public required int[,]? InputIds { get; init; }

    /// <summary>What stands for the text, or null.</summary>
    public required EncoderOutput? EncoderOutput { get; init; }

    /// <summary>[batch, text], or null.</summary>
    public required int[,]? AttentionMask { get; init; }

    /// <summary>Rows, or null.</summary>
    public required DecoderInputIds? DecoderInputIds { get; init; }

    /// <summary>[batch, rows], or null.</summary>
    public required int[,]? DecoderPositionIds { get; init; }

    /// <summary>[batch, rows of the cache and these], or null.</summary>
    public required int[,]? DecoderAttentionMask { get; init; }

    /// <summary>[rows], or null.</summary>
    public required int[]? CachePosition { get; init; }

    /// <summary>[batch·channels, rows], or null.</summary>
    public required int[,]? Labels { get; init; }

    /// <summary>Reads a file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="hasText">Whether the text is known without it.</param>
    /// <exception cref="DiaException">Input: not safetensors, a tensor of another type or rank, or no text.</exception>
    public static ForwardFile Read(string path, bool hasText)
    {
        StandardDescriptors.RefuseInput(path, "a file of tensors");
        FileContent.Refuse(path, "the inputs of a forward pass (safetensors)", DiaErrorKind.Input, FileContentKind.ForwardInputs, FileContentKind.Tensors);
        using var file = SafetensorsFile.Open(path, DiaErrorKind.Input);
        bool hasIds = Find(file, path, TextName) is not null, hasEncoded = Find(file, path, EncodedName) is not null;
        if (!hasIds && !hasEncoded && !hasText)
            _ = file[TextName]; // Says what is there instead.
        if (hasIds && hasEncoded)
            throw new DiaException(DiaErrorKind.Input, $"{path} holds both {TextName} and {EncodedName}, which stand for each other: leave one out.");
        return new ForwardFile
        {
            InputIds = Matrix(file, path, TextName),
            EncoderOutput = Encoded(file, path),
            AttentionMask = Matrix(file, path, "attention_mask"),
            DecoderInputIds = Rows(file, path),
            DecoderPositionIds = Matrix(file, path, "decoder_position_ids"),
            DecoderAttentionMask = Matrix(file, path, "decoder_attention_mask"),
            CachePosition = Find(file, path, "cache_position", 1)?.ToInt32(),
            Labels = Matrix(file, path, "labels"),
        };
    }

    /// <summary>A tensor of dimensions that an array can have; null where there is none.</summary>
    /// <param name="file">The file.</param>
    /// <param name="path">Its name.</param>
    /// <param name="name">The tensor's name, with or without the prefix.</param>
    /// <param name="ranks">How many dimensions it may have; none: any.</param>
    /// <exception cref="DiaException">Input: another rank, or too many values.</exception>
    public static StoredTensor? Find(SafetensorsFile file, string path, string name, params ReadOnlySpan<int> ranks)
    {
        StoredTensor? tensor = file.Tensors.GetValueOrDefault(name), prefixed = file.Tensors.GetValueOrDefault("in." + name);
        if (tensor is not null && prefixed is not null)
            throw new DiaException(DiaErrorKind.Input, $"{path} holds both {name} and in.{name}, and only one of them can be meant: leave one out.");
        tensor ??= prefixed;
        if (tensor is null)
            return null;
        if (tensor.Shape.Aggregate(1.0, (n, d) => n * Math.Max(d, 1)) > MaxValues)
            throw Error(path, name, tensor, $"at most {MaxValues} values are read");
        return ranks.IsEmpty || ranks.Contains(tensor.Shape.Length) ? tensor
            : throw Error(path, name, tensor, "it must have " + ranks switch { [1] => "one dimension", [2] => "two dimensions", [4] => "four dimensions",
                _ => "two dimensions or three" });
    }

    private static DiaException Error(string path, string name, StoredTensor tensor, string must) =>
        new(DiaErrorKind.Input, $"{path}: {name} has the shape [{string.Join(", ", tensor.Shape)}]; {must}.");

    private static int[,]? Matrix(SafetensorsFile file, string path, string name) =>
        Find(file, path, name, 2) is { } tensor ? CodesFile.Matrix(tensor) : null;

    private static DecoderInputIds? Rows(SafetensorsFile file, string path)
    {
        if (Find(file, path, "decoder_input_ids", 2, 3) is not { } tensor)
            return null;
        if (tensor.Shape.Length == 2)
            return CodesFile.Matrix(tensor);
        int[] values = tensor.ToInt32();
        int[,,] ids = new int[tensor.Shape[0], tensor.Shape[1], tensor.Shape[2]];
        Buffer.BlockCopy(values, 0, ids, 0, values.Length * sizeof(int));
        return ids;
    }

    private static EncoderOutput? Encoded(SafetensorsFile file, string path)
    {
        if (Find(file, path, EncodedName) is not { } tensor)
            return null;
        return tensor.Shape is [> 0, > 0, > 0] ? new EncoderOutput(tensor.ToSingle(), (int)tensor.Shape[0], (int)tensor.Shape[1])
            : throw Error(path, EncodedName, tensor, "it must be [batch, text, width], and not empty");
    }
}
