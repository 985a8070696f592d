using System.Globalization;
using System.Runtime.InteropServices;
using Dia.Backends;
using Dia.Checks;
using Dia.Codec;
using Dia.Compiled;
using Dia.Generation;
using Dia.Networks;
using Dia.Weights;
using Microsoft.Win32.SafeHandles;

namespace Dia.FullSize;

/// <summary>The checkpoint at full size: the model in bfloat16 and, in dac/, the codec in float32, as they are published.</summary>
internal static partial class Checkpoints
{
    /// <summary>Writes what is not there yet. Tensors are written to a temporary name first, so a file that is there is complete.</summary>
    public static void Prepare(string folder, int threads)
    {
        string config = Repository.At("configs", "dia-1.6b");
        Write(folder, config, Compiled, WeightFormat.BFloat16, threads);
        Write(Path.Combine(folder, "dac"), Path.Combine(config, "dac"), CompiledModels.All.OfType<CompiledCodec>().Single(c => c.Name == Compiled.Name),
            WeightFormat.Float32, threads);
        DropFromMemory(Path.Combine(folder, ModelFolder.TensorsName));
    }

    /// <summary>Writes a checkpoint again in so many files and an index of them, and its codec and small files beside them.</summary>
    public static void Split(string from, string to, int shards)
    {
        foreach (string file in Directory.GetFiles(from, "*", SearchOption.AllDirectories).Where(f => f != Path.Combine(from, ModelFolder.TensorsName)))
        {
            string copy = Path.Combine(to, Path.GetRelativePath(from, file));
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(file, copy, overwrite: true);
        }

        using SafetensorsFile whole = SafetensorsFile.Open(Path.Combine(from, ModelFolder.TensorsName));
        StoredTensor[] tensors = [.. whole.Tensors.Values.OrderBy(t => t.Name, StringComparer.Ordinal)];
        var index = new List<string>();
        for (int shard = 0; shard < shards; shard++)
        {
            string name = string.Create(CultureInfo.InvariantCulture, $"model-{shard + 1:00000}-of-{shards:00000}.safetensors");
            StoredTensor[] part = tensors[(tensors.Length * shard / shards)..(tensors.Length * (shard + 1) / shards)];
            index.AddRange(part.Select(t => $"    \"{t.Name}\": \"{name}\""));
            using SafetensorsWriter writer = SafetensorsWriter.Create(Path.Combine(to, name), part.Select(t => new SafetensorsEntry(t.Name, t.DType, t.Shape)));
            foreach (SafetensorsEntry entry in writer.Tensors)
                Write(writer, whole[entry.Name]);
            writer.Commit();
        }

        File.WriteAllText(Path.Combine(to, "model.safetensors.index.json"), $"{{\n  \"weight_map\": {{\n{string.Join(",\n", index)}\n  }}\n}}\n");
    }

    private static unsafe void Write(SafetensorsWriter writer, StoredTensor tensor)
    {
        const int Step = 1 << 20;
        for (long at = 0; at < tensor.ByteLength; at += Step)
            writer.Write(tensor.Name, new ReadOnlySpan<byte>(tensor.Data + at, (int)Math.Min(Step, tensor.ByteLength - at)));
    }

    // As after a start of the machine: a file that was just written is in memory in small pages, one that is read from the disk is not.
    private static void DropFromMemory(string path)
    {
        const int DontNeed = 4;
        using FileStream file = File.Open(path, FileMode.Open, FileAccess.ReadWrite);
        file.Flush(flushToDisk: true);
        if (OperatingSystem.IsLinux() && FileAdvise(file.SafeFileHandle, 0, 0, DontNeed) != 0)
            Console.Error.WriteLine($"{path} stays in memory: the step may be slower than it is after a start of the machine");
    }

    [LibraryImport("libc", EntryPoint = "posix_fadvise")]
    private static partial int FileAdvise(SafeFileHandle file, long offset, long length, int advice);

    /// <summary>The compiled 1.6B model.</summary>
    public static CompiledModel Compiled => CompiledModels.All.OfType<CompiledModel>().Single(m => m.Name == "dia-1.6b");

    /// <summary>Loads the model of a checkpoint.</summary>
    public static DiaForConditionalGeneration Model(string folder, Device device) =>
        DiaForConditionalGeneration.FromPretrained(ModelFolder.Open(folder), CompiledModels.All, device);

    /// <summary>Loads the codec of a checkpoint, as it is in the reference or with filtered convolutions.</summary>
    public static DacModel Codec(string folder, Device device, bool filters) =>
        DacModel.FromPretrained(ModelFolder.Open(Path.Combine(folder, "dac")), CompiledModels.All, device, filters: filters);

    private static void Write(string folder, string config, CompiledNetwork network, WeightFormat format, int threads)
    {
        if (File.Exists(Path.Combine(folder, ModelFolder.TensorsName)))
            return;
        Console.Error.WriteLine($"writing {folder}");
        var texts = Directory.GetFiles(config, "*.json").ToDictionary(f => Path.GetFileName(f), File.ReadAllText);
        CheckpointSynthesizer.Write(folder, network.Weights(), format, texts, threads);
    }
}
