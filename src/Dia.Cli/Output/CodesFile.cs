namespace Dia.Cli.Output;

/// <summary>Files of audio codes: safetensors with `codes` [frames, channels] and, from a generation, `rows` [rows, channels], both int16.</summary>
internal static class CodesFile
{
    private const string CodesName = "codes";

    // Days of audio. A tensor without values can claim any length in its other dimension.
    private const int MaxFrames = 1 << 24;
    private const int MaxChannels = 1 << 10;

    /// <summary>Reads the codes.</summary>
    /// <param name="path">The file; a voice file has codes too.</param>
    /// <param name="asPrompt">Whether they are to be spoken on from: then a voice file's transcript would be missing.</param>
    /// <exception cref="DiaException">Input: no such file, not safetensors, or codes of another shape or type, or a prompt without frames.</exception>
    public static int[,] Read(string path, bool asPrompt = false)
    {
        StandardDescriptors.RefuseInput(path, "a file of audio codes");
        FileContent.Refuse(path, "a file of audio codes", DiaErrorKind.Input, FileContentKind.Codes, FileContentKind.Tensors, asPrompt
            ? FileContentKind.Codes : FileContentKind.Voice);
        using var file = SafetensorsFile.Open(path, DiaErrorKind.Input);
        StoredTensor tensor = file[CodesName];
        if (tensor.Shape is not [<= MaxFrames, > 0 and <= MaxChannels] || tensor.Count > MaxFrames * 16L)
            throw new DiaException(DiaErrorKind.Input,
                $"{path}: codes has the shape [{string.Join(", ", tensor.Shape)}]; it must be [frames, channels], at most {MaxFrames} frames of {MaxChannels} channels and {MaxFrames * 16L} codes.");
        return tensor.Shape[0] > 0 || !asPrompt ? Matrix(tensor)
            : throw new DiaException(DiaErrorKind.Input, $"{path} holds no frames, so no voice to go on in. Make it of a recording: dia encode IN.wav -o FILE");
    }

    /// <summary>The values of a tensor of two dimensions.</summary>
    public static int[,] Matrix(StoredTensor tensor)
    {
        int[] values = tensor.ToInt32();
        int[,] matrix = new int[tensor.Shape[0], tensor.Shape[1]];
        Buffer.BlockCopy(values, 0, matrix, 0, values.Length * sizeof(int));
        return matrix;
    }

    /// <summary>Writes codes, and rows where there are any.</summary>
    /// <exception cref="DiaException">Output.</exception>
    public static void Write(Stream stream, int[,] codes, int[,]? rows = null)
    {
        SafetensorsWriter.Save(stream, rows is null ? [Array(CodesName, codes)] : [Array(CodesName, codes), Array("rows", rows)]);
    }

    private static SafetensorsArray Array(string name, int[,] values)
    {
        short[] flat = [.. values.Cast<int>().Select(v => checked((short)v))];
        return new SafetensorsArray(name, [values.GetLength(0), values.GetLength(1)], flat);
    }
}
