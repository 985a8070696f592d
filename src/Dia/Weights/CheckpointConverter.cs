using Dia.Configuration;
using Dia.IO;

namespace Dia.Weights;

/// <summary>Writes a checkpoint in another format of weights, as one folder that the reference library reads.</summary>
public static unsafe class CheckpointConverter
{
    /// <summary>
    /// Writes <paramref name="outDir"/>: model.safetensors with every F32, BF16 and F16 tensor, and every weight of integers, in the formats that
    /// <paramref name="options"/> say (rounded to the nearest, ties to even; integers by <see cref="ConversionOptions.Quantizer"/>) and the others as they
    /// are, config.json with its dtype and quantization_config changed, the other small files as they are, and the codec likewise in dac/, but never as
    /// integers. Weight-norm pairs stay pairs. The same inputs give the same bytes. A part of a tensor is in memory at a time.
    /// </summary>
    /// <param name="model">The checkpoint.</param>
    /// <param name="codec">Its codec; null: the one in the checkpoint's dac/, if any.</param>
    /// <param name="options">What to write.</param>
    /// <param name="outDir">A folder, made if need be; not the checkpoint's own.</param>
    /// <param name="cancellationToken">Looked at before each tensor; no unfinished file stays.</param>
    /// <exception cref="DiaException">
    /// The checkpoint is malformed, holds F64 tensors, or values too large for the format, or has integers that would be rounded again (Model);
    /// <paramref name="outDir"/> cannot be written (Output); a pattern fits no weight (Usage).
    /// </exception>
    public static void Convert(ModelFolder model, ModelFolder? codec, ConversionOptions options, string outDir, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(options);
        codec = Codec(model, codec);
        CheckFolders(model, codec, options, outDir);
        ConvertFolder(model, options, outDir, cancellationToken);
        if (codec is not null)
            ConvertFolder(codec, new ConversionOptions(options.Rest), Path.Combine(outDir, ModelFolder.CodecName), cancellationToken);
    }

    /// <summary>Refuses what <see cref="Convert"/> would refuse before it writes: for those who have work to do first.</summary>
    /// <param name="model">The checkpoint.</param>
    /// <param name="codec">Its codec, as for <see cref="Convert"/>.</param>
    /// <param name="options">What to write.</param>
    /// <param name="outDir">The folder.</param>
    /// <exception cref="DiaException">As <see cref="Convert"/>. Model: also a value that is not finite, with which nothing can be spoken.</exception>
    public static void Check(ModelFolder model, ModelFolder? codec, ConversionOptions options, string outDir)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(options);
        CheckFolders(model, Codec(model, codec), options, outDir);
        using var files = CheckpointFiles.Open(model);
        files.CheckValues();
        using var weights = new ConvertedWeights(files, options);
        weights.CheckFinite();
    }

    /// <summary>Makes a folder to write into.</summary>
    /// <exception cref="DiaException">It cannot be made (Output).</exception>
    internal static void MakeFolder(string path)
    {
        try
        {
            Directory.CreateDirectory(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new DiaException(DiaErrorKind.Output, $"cannot make the folder {path}: {e.Message}", e);
        }
    }

    /// <summary>Writes a small text file, UTF-8.</summary>
    /// <exception cref="DiaException">It cannot be written (Output).</exception>
    internal static void WriteText(string path, string text)
    {
        using var file = AtomicFile.Create(path);
        file.Stream.Write(Encoding.UTF8.GetBytes(text));
        file.Commit();
    }

    private static ModelFolder? Codec(ModelFolder model, ModelFolder? codec) =>
        codec ?? (model.Sub(ModelFolder.CodecName) is var inside && CheckpointFiles.Exists(inside) ? inside : null);

    private static void CheckFolders(ModelFolder from, ModelFolder? codec, ConversionOptions options, string to)
    {
        if (from.Quantization is not null && (options.Quantizes || options.Adapter is not null))
            throw new DiaException(DiaErrorKind.Model,
                $"{from.Describe(ModelFolder.ConfigName)} has a quantization_config: integers are not rounded again, and nothing is added to them. Take the checkpoint that they were made from.");
        // What is read stays, by whatever name: a file over itself would be harmless, but tensors over the shards they come from leave a folder of two
        // checkpoints.
        HashSet<string> written = [.. Written(from, to), .. codec is null ? [] : Written(codec, Path.Combine(to, ModelFolder.CodecName))];
        (ModelFolder? Folder, string What)[] read = [(from, "checkpoint"), (codec, "codec"), (options.Adapter?.Folder, "adapter")];
        foreach ((ModelFolder? folder, string what) in read)
            if (folder is { IsBundle: false } && Read(folder).Any(written.Contains))
                throw new DiaException(DiaErrorKind.Output, $"{to} is the {what}'s own folder, or leads to files of it. Name another one.");
    }

    private static IEnumerable<string> Written(ModelFolder from, string to) =>
        CheckpointFiles.TextNames(from).Append(ModelFolder.TensorsName).Append(LoraConfig.FileName).Select(name => RealPath(Path.Combine(to, name)));

    private static IEnumerable<string> Read(ModelFolder from) => from.Exists(LoraConfig.FileName)
        ? [RealPath(from.Describe(LoraConfig.FileName))] : CheckpointFiles.NamesUnopened(from).Select(name => RealPath(from.Describe(name)));

    /// <summary>A path with its links followed; one that cannot be is told when it is read or written.</summary>
    private static string RealPath(string path)
    {
        try
        {
            return AtomicFile.Target(path);
        }
        catch (IOException)
        {
            return Path.GetFullPath(path);
        }
    }

    private static void ConvertFolder(ModelFolder from, ConversionOptions options, string to, CancellationToken cancellationToken)
    {
        using var files = CheckpointFiles.Open(from);
        files.CheckValues();
        using var weights = new ConvertedWeights(files, options);
        using var folder = new CheckpointWriter(to);
        foreach (string name in CheckpointFiles.TextNames(from))
        {
            string text = from.ReadText(name);
            if (name == ModelFolder.ConfigName)
            {
                if (from.Configuration.IsFirstGeneration)
                    text = CanonicalJson.Write(from.Checked(name, DiaConfigParser.Parse(from.Configuration, ProblemSeverity.Warning), null),
                        WeightFormats.ReferenceName(options.Rest));
                text = ConfigurationText.WithDType(text, options.Rest, from.Describe(name));
                if (from.Quantization is not null || weights.Layers.Any(l => l.Storage.IsQuantized))
                    text = ConfigurationText.WithQuantization(text, weights.Layers);
            }

            folder.AddText(name, text);
        }

        folder.AddTensors(weights.Tensors, cancellationToken);
        folder.Commit();
    }
}
