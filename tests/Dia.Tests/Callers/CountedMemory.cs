using System.Diagnostics.CodeAnalysis;
using Dia.Backends;
using Dia.Backends.Cpu;
using Dia.IO;

namespace Dia.Tests.Callers;

/// <summary>The host's memory, counted: what is allocated and not freed, and one operation that fails.</summary>
/// <param name="isHost">False: as the memory of a device of its own, to which everything is copied.</param>
internal sealed unsafe class CountedMemory(bool isHost) : DeviceMemory
{
    private readonly Dictionary<nint, long> _live = [];

    /// <summary>Which allocation fails, and no other; 0: none.</summary>
    public int FailingAllocation { get; set; }

    /// <summary>Which copy or zeroing fails, and no other; 0: none.</summary>
    public int FailingTransfer { get; set; }

    public int Allocations { get; private set; }

    public int Transfers { get; private set; }

    public bool HasFailed { get; private set; }

    /// <summary>Allocations that nobody freed.</summary>
    public int Live => _live.Count;

    /// <summary>Frees of what was not allocated, or was freed before.</summary>
    public int WrongFrees { get; private set; }

    public override bool IsHost => isHost;

    public override float* Allocate(long count)
    {
        if (++Allocations == FailingAllocation)
            Fail();
        float* memory = HostMemory.Allocate(count);
        _live.Add((nint)memory, count);
        return memory;
    }

    public override void Free(void* memory)
    {
        if (memory is null)
            return;
        if (!_live.Remove((nint)memory, out long count))
        {
            WrongFrees++;
            return;
        }

        // Who still reads it gets numbers that nothing survives.
        for (long i = 0; i < count; i++)
            ((float*)memory)[i] = float.NaN;
        HostMemory.Free(memory);
    }

    public override void Upload(void* to, void* from, long bytes)
    {
        Transfer();
        Host.Upload(to, from, bytes);
    }

    public override void Download(void* to, void* from, long bytes)
    {
        Transfer();
        Host.Download(to, from, bytes);
    }

    public override void Zero(float* memory, long count)
    {
        Transfer();
        Host.Zero(memory, count);
    }

    private void Transfer()
    {
        if (++Transfers == FailingTransfer)
            Fail();
    }

    [DoesNotReturn]
    private void Fail()
    {
        HasFailed = true;
        throw new DiaException(DiaErrorKind.Device, "the test's failure");
    }
}
