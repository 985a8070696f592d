using System.Runtime.InteropServices;
using Dia.SoftGpu.Execution;

namespace Dia.SoftGpu.Driver;

/// <summary>Entry points: memory, copies, fills.</summary>
internal static unsafe class MemoryApi
{
    [UnmanagedCallersOnly(EntryPoint = "cuMemGetInfo_v2")]
    public static int MemGetInfo(nuint* free, nuint* total) => Machine.Call("cuMemGetInfo_v2", () =>
    {
        int device = Machine.Current.Device;
        *free = (nuint)(Settings.Current.Memory[device] - DeviceMemory.UsedOf(device));
        *total = (nuint)Settings.Current.Memory[device];
    });

    [UnmanagedCallersOnly(EntryPoint = "cuMemAlloc_v2")]
    public static int MemAlloc(ulong* address, nuint bytes) => Machine.Call("cuMemAlloc_v2", () =>
    {
        Machine.RefuseWhileCapturing();
        if (bytes == 0 || address == null)
            throw new CudaError(Status.INVALID_VALUE);
        *address = Machine.AllocateDevice(bytes);
    });

    [UnmanagedCallersOnly(EntryPoint = "cuMemFree_v2")]
    public static int MemFree(ulong address) => Machine.Call("cuMemFree_v2", () =>
    {
        Machine.RefuseWhileCapturing();
        if (address == 0)
            return;
        Allocation* a = DeviceMemory.Find(address);
        if (a == null || a->Base != address || a->Kind != MemoryKind.Device || a->Freed)
            Machine.Misuse($"cuMemFree: {(a != null && a->Freed ? "freed twice" : "not the start of an allocation")}: {DeviceMemory.Describe(address)}",
                Status.INVALID_VALUE);
        DeviceMemory.Free(a);
    });

    [UnmanagedCallersOnly(EntryPoint = "cuMemHostAlloc")]
    public static int MemHostAlloc(nint* p, nuint bytes, uint flags) => HostAlloc("cuMemHostAlloc", p, bytes, flags);

    [UnmanagedCallersOnly(EntryPoint = "cuMemAllocHost_v2")]
    public static int MemAllocHost(nint* p, nuint bytes) => HostAlloc("cuMemAllocHost_v2", p, bytes, 0);

    private static int HostAlloc(string name, nint* p, nuint bytes, uint flags) => Machine.Call(name, () =>
    {
        Machine.RefuseWhileCapturing();
        if (bytes == 0 || p == null || flags > 7)
            throw new CudaError(Status.INVALID_VALUE);
        *p = (nint)DeviceMemory.Allocate(bytes, MemoryKind.Pinned)->Host;
    });

    [UnmanagedCallersOnly(EntryPoint = "cuMemFreeHost")]
    public static int MemFreeHost(nint p) => Machine.Call("cuMemFreeHost", () =>
    {
        Machine.RefuseWhileCapturing();
        Allocation* a = DeviceMemory.Find((ulong)p);
        if (a == null || a->Host != (byte*)p || a->Kind != MemoryKind.Pinned)
            Machine.Misuse("cuMemFreeHost: not the start of page-locked memory, or freed twice", Status.INVALID_VALUE);
        DeviceMemory.Free(a);
    });

    [UnmanagedCallersOnly(EntryPoint = "cuMemHostGetDevicePointer_v2")]
    public static int MemHostGetDevicePointer(ulong* address, nint p, uint flags) => Machine.Call("cuMemHostGetDevicePointer_v2", () =>
    {
        Allocation* a = DeviceMemory.Find((ulong)p);
        if (a == null || a->Kind != MemoryKind.Pinned || flags != 0)
            throw new CudaError(Status.INVALID_VALUE);
        *address = (ulong)p;
    });

    [UnmanagedCallersOnly(EntryPoint = "cuMemcpyHtoD_v2")]
    public static int HtoD(ulong to, nint from, nuint bytes) => Machine.Call("cuMemcpyHtoD_v2", () => Copies.ToDevice(to, from, bytes, null));

    [UnmanagedCallersOnly(EntryPoint = "cuMemcpyDtoH_v2")]
    public static int DtoH(nint to, ulong from, nuint bytes) => Machine.Call("cuMemcpyDtoH_v2", () => Copies.ToHost(to, from, bytes, null));

    [UnmanagedCallersOnly(EntryPoint = "cuMemcpyDtoD_v2")]
    public static int DtoD(ulong to, ulong from, nuint bytes) => Machine.Call("cuMemcpyDtoD_v2", () => Copies.OnDevice(to, from, bytes, null));

    [UnmanagedCallersOnly(EntryPoint = "cuMemcpyHtoDAsync_v2")]
    public static int HtoDAsync(ulong to, nint from, nuint bytes, nint stream) =>
        Machine.Call("cuMemcpyHtoDAsync_v2", () => Copies.ToDevice(to, from, bytes, Machine.StreamOf(stream)));

    [UnmanagedCallersOnly(EntryPoint = "cuMemcpyDtoHAsync_v2")]
    public static int DtoHAsync(nint to, ulong from, nuint bytes, nint stream) =>
        Machine.Call("cuMemcpyDtoHAsync_v2", () => Copies.ToHost(to, from, bytes, Machine.StreamOf(stream)));

    [UnmanagedCallersOnly(EntryPoint = "cuMemcpyDtoDAsync_v2")]
    public static int DtoDAsync(ulong to, ulong from, nuint bytes, nint stream) =>
        Machine.Call("cuMemcpyDtoDAsync_v2", () => Copies.OnDevice(to, from, bytes, Machine.StreamOf(stream)));

    [UnmanagedCallersOnly(EntryPoint = "cuMemsetD8_v2")]
    public static int SetD8(ulong to, byte value, nuint count) => Machine.Call("cuMemsetD8_v2", () => Copies.Fill(to, value, count, 1, null));

    [UnmanagedCallersOnly(EntryPoint = "cuMemsetD32_v2")]
    public static int SetD32(ulong to, uint value, nuint count) => Machine.Call("cuMemsetD32_v2", () => Copies.Fill(to, value, count, 4, null));

    [UnmanagedCallersOnly(EntryPoint = "cuMemsetD8Async")]
    public static int SetD8Async(ulong to, byte value, nuint count, nint stream) =>
        Machine.Call("cuMemsetD8Async", () => Copies.Fill(to, value, count, 1, Machine.StreamOf(stream)));

    [UnmanagedCallersOnly(EntryPoint = "cuMemsetD32Async")]
    public static int SetD32Async(ulong to, uint value, nuint count, nint stream) =>
        Machine.Call("cuMemsetD32Async", () => Copies.Fill(to, value, count, 4, Machine.StreamOf(stream)));
}
