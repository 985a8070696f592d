using System.Text;
using Dia.SoftGpu.Blas;
using Dia.SoftGpu.Driver;
using Dia.SoftGpu.Execution;
using Xunit;

// The software GPU is one for the process, as a GPU is.
[assembly: CollectionBehavior(DisableTestParallelization = true)]

namespace Dia.SoftGpu.Tests;

/// <summary>A fresh software GPU with a context, driven through its entry points.</summary>
internal sealed unsafe class Gpu
{
    public Gpu(Settings? settings = null, bool context = true)
    {
        Machine.Reset(settings ?? new Settings());
        Violations.Quiet = true;
        if (!context)
            return;
        Good(Init());
        nint c;
        Good(((delegate* unmanaged<nint*, uint, int, int>)&DeviceApi.CtxCreate)(&c, 0, 0));
        Context = c;
    }

    public nint Context { get; }

    public static int Init() => ((delegate* unmanaged<uint, int>)&DeviceApi.Init)(0);

    public static void Good(int status) => Assert.True(status == 0, $"status {status} {(Status)status}: {string.Join("; ", Faults())}");

    public static string[] Faults() => [.. Violations.Recent.ConvertAll(v => $"{v.Fault}: {v.Text}")];

    public int TryAllocate(ulong bytes, out ulong address)
    {
        ulong a;
        int status = ((delegate* unmanaged<ulong*, nuint, int>)&MemoryApi.MemAlloc)(&a, (nuint)bytes);
        address = a;
        return status;
    }

    public ulong Allocate(long bytes)
    {
        Good(TryAllocate((ulong)bytes, out ulong a));
        return a;
    }

    public int Free(ulong address) => ((delegate* unmanaged<ulong, int>)&MemoryApi.MemFree)(address);

    public byte* AllocateHost(long bytes)
    {
        nint p;
        Good(((delegate* unmanaged<nint*, nuint, int>)&MemoryApi.MemAllocHost)(&p, (nuint)bytes));
        return (byte*)p;
    }

    public int FreeHost(byte* p) => ((delegate* unmanaged<nint, int>)&MemoryApi.MemFreeHost)((nint)p);

    public ulong Upload<T>(params T[] values) where T : unmanaged
    {
        ulong a = Allocate(values.Length * sizeof(T));
        fixed (T* p = values)
            Good(((delegate* unmanaged<ulong, nint, nuint, int>)&MemoryApi.HtoD)(a, (nint)p, (nuint)(values.Length * sizeof(T))));
        return a;
    }

    public int TryDownload<T>(ulong address, T[] to) where T : unmanaged
    {
        fixed (T* p = to)
            return ((delegate* unmanaged<nint, ulong, nuint, int>)&MemoryApi.DtoH)((nint)p, address, (nuint)(to.Length * sizeof(T)));
    }

    public T[] Download<T>(ulong address, int count) where T : unmanaged
    {
        var values = new T[count];
        Good(TryDownload(address, values));
        return values;
    }

    public int ToDeviceAsync(ulong to, void* from, long bytes, nint stream) =>
        ((delegate* unmanaged<ulong, nint, nuint, nint, int>)&MemoryApi.HtoDAsync)(to, (nint)from, (nuint)bytes, stream);

    public int ToHostAsync(void* to, ulong from, long bytes, nint stream) =>
        ((delegate* unmanaged<nint, ulong, nuint, nint, int>)&MemoryApi.DtoHAsync)((nint)to, from, (nuint)bytes, stream);

    public void Fill(ulong to, byte value, long bytes) =>
        Good(((delegate* unmanaged<ulong, byte, nuint, int>)&MemoryApi.SetD8)(to, value, (nuint)bytes));

    public int TryLoad(string ptx, out nint module, out string log)
    {
        byte[] text = Encoding.UTF8.GetBytes(ptx + "\0"), buffer = new byte[4096];
        nint m;
        int status;
        fixed (byte* p = text, b = buffer)
        {
            int* names = stackalloc int[] { 5, 6 };
            nint* values = stackalloc nint[] { (nint)b, buffer.Length };
            status = ((delegate* unmanaged<nint*, byte*, uint, int*, nint*, int>)&ModuleApi.ModuleLoadDataEx)(&m, p, 2, names, values);
        }
        module = m;
        log = Encoding.UTF8.GetString(buffer).TrimEnd('\0');
        return status;
    }

    public nint Load(string ptx)
    {
        int status = TryLoad(ptx, out nint module, out string log);
        Assert.True(status == 0, $"{(Status)status}: {log}");
        return module;
    }

    public nint Kernel(nint module, string name)
    {
        nint f;
        fixed (byte* p = Encoding.UTF8.GetBytes(name + "\0"))
            Good(((delegate* unmanaged<nint*, nint, byte*, int>)&ModuleApi.ModuleGetFunction)(&f, module, p));
        return f;
    }

    /// <summary>A kernel from its body: parameters p0, p1, ... of 64 bits; see <see cref="Header"/>.</summary>
    public nint Compile(string body, string outside = "", string directives = "", int parameters = 4) =>
        Kernel(Load(Source(body, outside, directives, parameters)), "k");

    public const string Header = ".version 7.0\n.target sm_80\n.address_size 64\n";

    public static string Source(string body, string outside = "", string directives = "", int parameters = 4)
    {
        var names = new List<string>();
        for (int k = 0; k < parameters; k++)
            names.Add($".param .u64 p{k}");
        var loads = new StringBuilder();
        for (int k = 0; k < parameters; k++)
            loads.Append($"ld.param.u64 %d{k}, [p{k}];\n");
        return $$"""
            {{Header}}{{outside}}
            .visible .entry k({{string.Join(", ", names)}}) {{directives}}
            {
            .reg .pred %p<16>;
            .reg .b16 %h<32>;
            .reg .b32 %r<64>;
            .reg .f32 %f<64>;
            .reg .b64 %d<64>;
            .reg .f64 %fd<32>;
            mov.u32 %r0, %tid.x;
            mov.u32 %r1, %ctaid.x;
            {{loads}}{{body}}
            ret;
            }
            """;
    }

    public int Launch(nint kernel, int grid, int block, int shared, nint stream, params ulong[] arguments)
    {
        void** pointers = stackalloc void*[arguments.Length + 1];
        fixed (ulong* p = arguments)
        {
            for (int k = 0; k < arguments.Length; k++)
                pointers[k] = p + k;
            return ((delegate* unmanaged<nint, uint, uint, uint, uint, uint, uint, uint, nint, void**, void**, int>)&ModuleApi.LaunchKernel)(
                kernel, (uint)grid, 1, 1, (uint)block, 1, 1, (uint)shared, stream, pointers, null);
        }
    }

    public int Synchronize() => ((delegate* unmanaged<int>)&DeviceApi.CtxSynchronize)();

    /// <summary>Launches, waits, and returns the status of waiting.</summary>
    public int Run(nint kernel, int grid, int block, params ulong[] arguments)
    {
        Good(Launch(kernel, grid, block, 0, 0, arguments));
        return Synchronize();
    }

    /// <summary>The run ended with this fault and no other kind.</summary>
    public static void Caught(Fault fault, string contains)
    {
        Assert.True(Violations.Recent.Count > 0, "nothing was reported");
        Assert.All(Violations.Recent, v => Assert.Equal(fault, v.Fault));
        Assert.Contains(contains, Violations.Recent[0].Text, StringComparison.Ordinal);
    }

    public nint Stream(bool nonBlocking = true)
    {
        nint s;
        Good(((delegate* unmanaged<nint*, uint, int>)&StreamApi.StreamCreate)(&s, nonBlocking ? 1u : 0));
        return s;
    }

    public int Synchronize(nint stream) => ((delegate* unmanaged<nint, int>)&StreamApi.StreamSynchronize)(stream);

    public nint Event()
    {
        nint e;
        Good(((delegate* unmanaged<nint*, uint, int>)&StreamApi.EventCreate)(&e, 0));
        return e;
    }

    public int Record(nint e, nint stream) => ((delegate* unmanaged<nint, nint, int>)&StreamApi.EventRecord)(e, stream);

    public int Wait(nint stream, nint e) => ((delegate* unmanaged<nint, nint, uint, int>)&StreamApi.StreamWaitEvent)(stream, e, 0);

    public int QueryEvent(nint e) => ((delegate* unmanaged<nint, int>)&StreamApi.EventQuery)(e);

    public int SynchronizeEvent(nint e) => ((delegate* unmanaged<nint, int>)&StreamApi.EventSynchronize)(e);

    public int BeginCapture(nint stream, int mode = 0) => ((delegate* unmanaged<nint, int, int>)&StreamApi.StreamBeginCapture)(stream, mode);

    public int EndCapture(nint stream, out nint graph)
    {
        nint g;
        int status = ((delegate* unmanaged<nint, nint*, int>)&StreamApi.StreamEndCapture)(stream, &g);
        graph = g;
        return status;
    }

    public nint Instantiate(nint graph)
    {
        nint e;
        Good(((delegate* unmanaged<nint*, nint, ulong, int>)&StreamApi.GraphInstantiate)(&e, graph, 0));
        return e;
    }

    public int LaunchGraph(nint exec, nint stream) => ((delegate* unmanaged<nint, nint, int>)&StreamApi.GraphLaunch)(exec, stream);

    public int Sgemm(nint blas, int opA, int opB, int m, int n, int k, float alpha, ulong a, int lda, ulong b, int ldb, float beta, ulong c, int ldc) =>
        ((delegate* unmanaged<nint, int, int, int, int, int, float*, ulong, int, ulong, int, float*, ulong, int, int>)&BlasApi.Sgemm)(
            blas, opA, opB, m, n, k, &alpha, a, lda, b, ldb, &beta, c, ldc);
}
