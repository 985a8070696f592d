using System.Text.Json;
using Dia.Configuration;
using Dia.Graph;
using Dia.IO;

namespace Dia.Weights;

/// <summary>Writes a checkpoint in another format of weights, as one folder that the reference library reads.</summary>
public static unsafe class CheckpointConverter
{
    // What is in memory at a time: 4 MiB of float32.
    // Bytes that are copied at a time, and values that are rounded: buffers so small that the heap needs no room of its own for them.
    private const int CopyStep = 1 << 20, Step = 1 << 14;

    /// <summary>
    /// Writes <paramref name="outDir"/>: model.safetensors with every F32, BF16 and F16 tensor in <paramref name="format"/> (rounded
    /// to the nearest, ties to even) and the others as they are, config.json with its dtype changed, the other small files as they
    /// are, and the codec likewise in dac/. Weight-norm pairs stay pairs. The same inputs give the same bytes.
    /// </summary>
    /// <param name="model">The checkpoint.</param>
    /// <param name="codec">Its codec; null: the one in the checkpoint's dac/, if any.</param>
    /// <param name="format">The format to write.</param>
    /// <param name="outDir">A folder, made if need be; not the checkpoint's own.</param>
    /// <param name="adapter">What is added to the model's weights before they are rounded; null: nothing.</param>
    /// <param name="cancellationToken">Looked at before each tensor; no unfinished file stays.</param>
    /// <exception cref="DiaException">
    /// The checkpoint is malformed, holds F64 tensors, or values too large for the format (Model); <paramref name="outDir"/> cannot be
    /// written (Output).
    /// </exception>
    public static void Convert(ModelFolder model, ModelFolder? codec, WeightFormat format, string outDir, MergedAdapter? adapter = null,
        CancellationToken cancellationToken = default)
    {
        var inside = model.Sub(ModelFolder.CodecName);
        codec ??= CheckpointFiles.Exists(inside) ? inside : null;
        ConvertFolder(model, format, outDir, adapter, cancellationToken);
        if (codec is not null)
            ConvertFolder(codec, format, Path.Combine(outDir, ModelFolder.CodecName), null, cancellationToken);
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

    /// <summary>
    /// A config.json whose dtype (older: torch_dtype), if it states one, names <paramref name="format"/>. All else stays as it is,
    /// white space included; so do the dtypes inside sub-configurations, which the reference library leaves alone too.
    /// </summary>
    /// <param name="json">The text.</param>
    /// <param name="format">The format to name.</param>
    /// <param name="file">The file for messages.</param>
    /// <exception cref="DiaException">The text is not JSON (Model).</exception>
    internal static string WithDType(string json, WeightFormat format, string file)
    {
        byte[] text = Encoding.UTF8.GetBytes(json);
        byte[] name = Encoding.UTF8.GetBytes($"\"{WeightFormats.ReferenceName(format)}\"");
        var result = new MemoryStream();
        int copied = 0;
        var reader = new Utf8JsonReader(text);
        try
        {
            while (reader.Read())
            {
                if (reader.TokenType != JsonTokenType.PropertyName || reader.CurrentDepth != 1
                    || !(reader.ValueTextEquals("dtype"u8) || reader.ValueTextEquals("torch_dtype"u8)))
                    continue;
                reader.Read();
                if (reader.TokenType is not (JsonTokenType.String or JsonTokenType.Null))
                    continue;
                result.Write(text.AsSpan(copied, (int)reader.TokenStartIndex - copied));
                result.Write(name);
                copied = (int)reader.BytesConsumed;
            }
        }
        catch (JsonException e)
        {
            throw new DiaException(DiaErrorKind.Model, $"{file} is not valid JSON near byte {reader.BytesConsumed}.", e);
        }

        result.Write(text.AsSpan(copied));
        return Encoding.UTF8.GetString(result.GetBuffer(), 0, (int)result.Length);
    }

    private static void ConvertFolder(ModelFolder from, WeightFormat format, string to, MergedAdapter? adapter, CancellationToken cancellationToken)
    {
        if (adapter is not null && Path.GetFullPath(adapter.Folder.Describe(LoraConfig.FileName)) == Path.GetFullPath(Path.Combine(to, LoraConfig.FileName)))
            throw new DiaException(DiaErrorKind.Output, $"{to} is the adapter's own folder. Name another one.");
        using var files = CheckpointFiles.Open(from);
        WeightSpec[] matrices = [.. files.Tensors.Values.Where(t => t.Shape.Length == 2 && t.Name.EndsWith(".weight", StringComparison.Ordinal))
            .Select(t => new WeightSpec(t.Name, Array.ConvertAll(t.Shape, d => checked((int)d)), WeightRole.Linear))];
        using LoraWeights? added = adapter is null ? null : LoraWeights.Read(adapter.Folder, adapter.Config, matrices);
        using var folder = new CheckpointWriter(to);
        foreach (string name in CheckpointFiles.TextNames(from))
        {
            // A file over itself would be harmless; tensors over the shards they come from leave a folder of two checkpoints.
            if (!from.IsBundle && Path.GetFullPath(from.Describe(name)) == Path.GetFullPath(Path.Combine(to, name)))
                throw new DiaException(DiaErrorKind.Output, $"{to} is the checkpoint's own folder. Name another one.");
            string text = from.ReadText(name);
            if (name == ModelFolder.ConfigName && ConfigurationFile.Read(text).IsQuantized)
                throw new DiaException(DiaErrorKind.Model,
                    $"{from.Describe(name)} has a quantization_config: quantised weights are not converted. Take the checkpoint that they were made from.");
            folder.AddText(name, name == ModelFolder.ConfigName ? WithDType(text, format, from.Describe(name)) : text);
        }

        var entries = files.Tensors.Values.Select(t => Converts(files, t) ? t.Entry with { DType = WeightFormats.Type(format) } : t.Entry);
        SafetensorsWriter writer = folder.BeginTensors(entries);
        var rounding = new Rounding(files, format);
        foreach (var entry in writer.Tensors)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var tensor = files.Tensors[entry.Name];
            int layer = added is null ? -1 : Array.FindIndex(added.Layers, l => matrices[l.Weight].Name == entry.Name);
            if (layer >= 0)
                rounding.Write(writer, tensor, (at, values) => added!.AddTo(layer, adapter!.Strength, at, values));
            else if (tensor.DType == entry.DType)
                Copy(writer, tensor);
            else
                rounding.Write(writer, tensor);
        }

        folder.Commit();
    }

    private static bool Converts(CheckpointFiles files, SafetensorsTensor tensor)
    {
        if (tensor.DType == SafetensorsDType.F64 || !SafetensorsTypes.IsRead(tensor.DType))
            throw new DiaException(DiaErrorKind.Model,
                $"tensor {SafetensorsHeader.Show(tensor.Name)} in {files.Folder.Description} is {tensor.DType}: {SafetensorsTypes.Kind(tensor.DType)} are not converted. Store it as F32 first.");
        return WeightFormats.Of(tensor.DType) is not null;
    }

    private static void Copy(SafetensorsWriter writer, SafetensorsTensor tensor)
    {
        for (long at = 0; at < tensor.ByteLength; at += CopyStep)
            writer.Write(tensor.Name, new ReadOnlySpan<byte>(tensor.Data + at, (int)Math.Min(CopyStep, tensor.ByteLength - at)));
    }

    /// <summary>Writes tensors in another format, a part at a time.</summary>
    private sealed class Rounding(CheckpointFiles files, WeightFormat format)
    {
        private readonly float[] _values = new float[Step];
        private readonly float[] _back = new float[Step];
        private readonly byte[] _rounded = new byte[Step * sizeof(float)];

        /// <param name="writer">Where it goes.</param>
        /// <param name="tensor">What is written.</param>
        /// <param name="add">Adds to values of it, from one of an index on; null: nothing.</param>
        public void Write(SafetensorsWriter writer, SafetensorsTensor tensor, Action<long, Span<float>>? add = null)
        {
            var from = WeightFormats.Of(tensor.DType)!.Value;
            for (long at = 0; at < tensor.Count; at += Step)
            {
                int count = (int)Math.Min(Step, tensor.Count - at);
                WeightFormats.Read(tensor.Data + WeightFormats.Bytes(from, at), from, _values.AsSpan(0, count));
                add?.Invoke(at, _values.AsSpan(0, count));
                fixed (byte* rounded = _rounded)
                {
                    WeightFormats.Write(_values.AsSpan(0, count), format, rounded);
                    WeightFormats.Read(rounded, format, _back.AsSpan(0, count));
                }

                // A weight that became infinite would silently ruin the model.
                for (int i = 0; i < count; i++)
                    if (float.IsInfinity(_back[i]) && float.IsFinite(_values[i]))
                        throw new DiaException(DiaErrorKind.Model,
                            string.Create(CultureInfo.InvariantCulture,
                            $"value {at + i} of tensor {SafetensorsHeader.Show(tensor.Name)} in {files.Folder.Description} is {_values[i]}, too large for {WeightFormats.ReferenceName(format)}. Convert to another format."));
                writer.Write<byte>(tensor.Name, _rounded.AsSpan(0, (int)WeightFormats.Bytes(format, count)));
            }
        }
    }
}
