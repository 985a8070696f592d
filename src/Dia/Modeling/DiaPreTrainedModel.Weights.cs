using Dia.Backends;
using Dia.Configuration;
using Dia.IO;
using Dia.Networks;
using Dia.Weights;

namespace Dia.Modeling;

// Where its weights are read.
public abstract unsafe partial class DiaPreTrainedModel
{
    private const int MostProbes = 32, SampledBytes = 1 << 12, Samples = 16;

    private WeightCopy? _copy;

    /// <summary>
    /// Rows from which on a copy has paid; what it takes and what a step saves both grow with the model. Measured at 1.6B in bfloat16 (bench/run weights)
    /// on two processors of a busy virtual machine that reads 30 GB/s: 2.5 GB take 1 to 2 s of processor time to copy, and a step that finds them in small
    /// pages 0 to 6 ms more. Where memory gives 70 GB/s, small pages were read at 0.4 to 0.5 of that and large ones at 0.7: 20 ms and more.
    /// </summary>
    internal const int CopyPaysFromRows = 300;

    /// <summary>
    /// Says where the matrices that a decoding step reads are to lie, on a device that reads them where they are mapped. A copy is made while the model
    /// works, once; results are the same before, meanwhile and after.
    /// </summary>
    /// <param name="placement">Where.</param>
    /// <param name="rows">Steps that will be made, about.</param>
    /// <param name="batch">Utterances at a time, of which a copy is to leave the memory.</param>
    /// <returns>What is done and why, as a phrase.</returns>
    /// <exception cref="DiaException">There is too little memory for the copy that is asked for (Device).</exception>
    /// <exception cref="ObjectDisposedException">The model or its device is disposed.</exception>
    public string PlaceWeights(WeightPlacement placement, long rows, int batch = 1)
    {
        using Lock.Scope turn = Tenant.Enter();
        if (!Network.Memory.IsHost)
            return "in the device's memory";
        if (_copy is not null)
            return "copied already";
        int[] matrices = [.. Compiled.StepMatrices().Where(i => Weights.MappedTensors(i).Length > 0)];
        long bytes = WeightCopy.Size(this, matrices);
        if (matrices.Length == 0)
            return "not mapped";
        string size = MemoryLimits.Text(bytes);
        if (placement == WeightPlacement.Map)
            return $"{size} of what a step reads stay mapped";
        if (placement == WeightPlacement.Auto && NoCopy(matrices, bytes, rows, batch) is { } reason)
            return $"{size} of what a step reads stay mapped: {reason}";
        if (bytes > MemoryLimits.Available)
            throw MemoryLimits.TooLittle("a copy of what a step reads of the weights", bytes);
        _copy = new WeightCopy(this, matrices);
        return $"{size} of what a step reads are copied to {(LargePages.AreThere() ? "large pages" : "memory, in small pages: large ones are switched off")}";
    }

    /// <summary>What tells one model from another: a hash of its configuration and of samples of each weight, an adapter beside them left out.</summary>
    /// <exception cref="ObjectDisposedException">The model or its device is disposed.</exception>
    public byte[] Hash()
    {
        using Lock.Scope turn = Tenant.Enter();
        List<byte> all = [.. Encoding.UTF8.GetBytes(CanonicalJson.Write(Config))];
        for (int i = 0; i < Specs.Length; i++)
        {
            StoredWeight weight = Weights.Weights[i];
            int columns = Specs[i].Columns;
            long rows = Specs[i].Count / columns;
            AddSamples(all, weight.Data, rows * weight.Storage.RowBytes(columns));
            AddSamples(all, weight.Scales, rows * weight.Storage.ScaleBytes(columns));
        }

        return Sha256.Hash(CollectionsMarshal.AsSpan(all));
    }

    private static void AddSamples(List<byte> all, void* data, long bytes)
    {
        for (long at = 0; at < bytes; at += Math.Max(SampledBytes, bytes / Samples))
            all.AddRange(new ReadOnlySpan<byte>((byte*)data + at, (int)Math.Min(SampledBytes, bytes - at)));
    }

    /// <summary>Waits until what is copied is; not in a turn. For those who measure.</summary>
    internal void CompleteWeights() => _copy?.Wait();

    /// <summary>Why a copy is not worth it; null: it is.</summary>
    private string? NoCopy(int[] matrices, long bytes, long rows, int batch)
    {
        if (bytes < LargePages.LeastBytes)
            return "they are few";
        if (rows < CopyPaysFromRows)
            return string.Create(CultureInfo.InvariantCulture, $"a copy pays from {CopyPaysFromRows} rows on, and these are about {rows}");
        if (!LargePages.AreThere())
            return "large pages are switched off";
        // Two rows at a time are read as fast wherever they begin.
        if ((batch == 1 || BeginPages(matrices)) && AreInLargePages(matrices))
            return "they lie in large pages already";
        // With all that may be said, and as much again as a fifth of it: what others take meanwhile.
        MemoryPlan plan = MemoryPlan.Of(Tenant.Device, Compiled, Weights.Weights, batch, CacheFormat);
        long needed = bytes + plan.Bytes, left = MemoryLimits.Available;
        return needed + needed / 5 > left ? $"there is too little memory for a copy ({MemoryLimits.Text(left)} are left)" : null;
    }

    /// <summary>Whether no tensor begins within a page. Files promise 8 bytes, where the products of 16 rows made 0.7 of the speed.</summary>
    private bool BeginPages(int[] matrices) =>
        Array.TrueForAll(matrices, i => Array.TrueForAll(Weights.MappedTensors(i), t => (nint)t.Data % WeightCopy.PageBytes == 0));

    /// <summary>Touches a page here and there, and asks the system how it mapped them: three of four are to be large.</summary>
    private bool AreInLargePages(int[] matrices)
    {
        List<nint> probes = [];
        int step = Math.Max(1, matrices.Length / MostProbes);
        for (int i = 0; i < matrices.Length; i += step)
        {
            StoredTensor tensor = Weights.MappedTensors(matrices[i])[0];
            nint first = ((nint)tensor.Data + LargePages.Bytes - 1) & -LargePages.Bytes;
            if (first + LargePages.Bytes > (nint)tensor.Data + tensor.ByteLength)
                continue; // has no whole large page
            _ = Volatile.Read(ref *(byte*)first);
            probes.Add(first);
        }

        return probes.Count > 0 && LargePages.Mapped(probes) >= probes.Count * (long)LargePages.Bytes * 3 / 4;
    }
}
