using System.Runtime.InteropServices;
using System.Text;
using Dia.SoftGpu.Execution;
using Dia.SoftGpu.Ptx;

namespace Dia.SoftGpu.Driver;

/// <summary>Entry points: modules, functions, launches.</summary>
internal static unsafe class ModuleApi
{
    [UnmanagedCallersOnly(EntryPoint = "cuModuleLoadData")]
    public static int ModuleLoadData(nint* module, byte* image) => Machine.Call("cuModuleLoadData", () => *module = Load(image, null, 0).Handle);

    [UnmanagedCallersOnly(EntryPoint = "cuModuleLoadDataEx")]
    public static int ModuleLoadDataEx(nint* module, byte* image, uint options, int* names, nint* values) => Machine.Call("cuModuleLoadDataEx", () =>
    {
        // Options by pairs: 3 info log, 4 its size, 5 error log, 6 its size. A size is the value itself, not a pointer, and gets the length.
        nint log = 0;
        int room = 0;
        for (uint k = 0; k < options; k++)
        {
            if (names[k] is 3 && values[k] != 0)
                *(byte*)values[k] = 0;
            else if (names[k] == 5)
                log = values[k];
            else if (names[k] == 6)
                room = (int)values[k];
        }
        if (log != 0 && room > 0)
            *(byte*)log = 0;
        *module = Load(image, (byte*)log, room).Handle;
    });

    private static CudaModule Load(byte* image, byte* log, int room)
    {
        Machine.RefuseWhileCapturing();
        if (image == null)
            throw new CudaError(Status.INVALID_VALUE);
        if (*(uint*)image is 0x464C457F or 0xBA55ED50)
            throw new CudaError(Status.NO_BINARY_FOR_GPU); // ELF or a fat binary: there is no machine code for this GPU
        string text = Encoding.UTF8.GetString(MemoryMarshal.CreateReadOnlySpanFromNullTerminated(image));
        try
        {
            return Load(text);
        }
        catch (PtxException e)
        {
            Console.Error.WriteLine($"softgpu: module refused: {e.Message}");
            byte[] message = Encoding.UTF8.GetBytes($"ptxas application ptx input, {e.Message}");
            if (log != null && room > 0)
            {
                int n = Math.Min(message.Length, room - 1);
                message.AsSpan(0, n).CopyTo(new Span<byte>(log, n));
                log[n] = 0;
            }
            throw new CudaError(e.Version ? Status.UNSUPPORTED_PTX_VERSION : Status.INVALID_PTX);
        }
    }

    private static CudaModule Load(string text)
    {
        System.Threading.Thread.Sleep(Settings.Current.AssemblyMilliseconds);
        Parser parser = Parser.Parse(text);
        int newest = Limits.PtxVersion(Settings.Current.DriverVersion);
        if (parser.Version > newest)
            throw new PtxException(1, $"PTX {parser.Version / 10}.{parser.Version % 10}: the driver reads {newest / 10}.{newest % 10} at most", version: true);
        if (parser.Target > Settings.Current.Sm)
            throw new PtxException(1, $"the module is for sm_{parser.Target}, the device is sm_{Settings.Current.Sm}");
        var module = new CudaModule(Machine.Current);
        foreach (Variable v in parser.Variables)
        {
            if (v.Space == Space.Shared)
                continue;
            Allocation* a = DeviceMemory.Allocate((ulong)Math.Max(v.Size, 1), MemoryKind.Variable);
            // Variables without a value are zero.
            new Span<byte>(a->Host, (int)v.Size).Clear();
            v.Initial?.CopyTo(new Span<byte>(a->Host, (int)v.Size));
            DeviceMemory.MarkWritten(a, 0, a->Size);
            a->ReadOnly = v.Space == Space.Const;
            v.Address = a->Base;
            module.Allocations.Add((nint)a);
            module.Globals[v.Name] = (a->Base, (ulong)v.Size);
        }
        string[] source = text.Split('\n');
        foreach (Function f in parser.Functions)
            module.Functions[f.Name] = new CudaFunction(module, Ptx.Decoder.Decode(f, parser, source));
        return module;
    }

    [UnmanagedCallersOnly(EntryPoint = "cuModuleUnload")]
    public static int ModuleUnload(nint module) => Machine.Call("cuModuleUnload", () =>
    {
        Machine.RefuseWhileCapturing();
        CudaModule m = DriverObject.Get<CudaModule>(module);
        m.Destroyed = true;
        foreach (CudaFunction f in m.Functions.Values)
            f.Destroyed = true;
        foreach (nint a in m.Allocations)
            DeviceMemory.Free((Allocation*)a);
    });

    [UnmanagedCallersOnly(EntryPoint = "cuModuleGetFunction")]
    public static int ModuleGetFunction(nint* function, nint module, byte* name) => Machine.Call("cuModuleGetFunction", () =>
    {
        CudaModule m = DriverObject.Get<CudaModule>(module);
        *function = m.Functions.TryGetValue(Text(name), out CudaFunction? f) ? f.Handle : throw new CudaError(Status.NOT_FOUND);
    });

    [UnmanagedCallersOnly(EntryPoint = "cuModuleGetGlobal_v2")]
    public static int ModuleGetGlobal(ulong* address, nuint* bytes, nint module, byte* name) => Machine.Call("cuModuleGetGlobal_v2", () =>
    {
        CudaModule m = DriverObject.Get<CudaModule>(module);
        if (!m.Globals.TryGetValue(Text(name), out (ulong Address, ulong Bytes) g))
            throw new CudaError(Status.NOT_FOUND);
        if (address != null)
            *address = g.Address;
        if (bytes != null)
            *bytes = (nuint)g.Bytes;
    });

    private static string Text(byte* text) =>
        text == null ? throw new CudaError(Status.INVALID_VALUE) : Encoding.UTF8.GetString(MemoryMarshal.CreateReadOnlySpanFromNullTerminated(text));

    [UnmanagedCallersOnly(EntryPoint = "cuFuncGetAttribute")]
    public static int FuncGetAttribute(int* value, int attribute, nint function) => Machine.Call("cuFuncGetAttribute", () =>
    {
        Kernel k = DriverObject.Get<CudaFunction>(function).Kernel;
        *value = attribute switch
        {
            0 => k.MaxThreads, 1 => k.SharedBytes, 2 => 0, 3 => k.LocalBytes, 4 => k.Registers, 5 => k.PtxVersion, 6 => Settings.Current.Sm, 7 => 0,
            8 => DynamicLimit(k), 9 => -1, _ => throw new CudaError(Status.INVALID_VALUE),
        };
    });

    [UnmanagedCallersOnly(EntryPoint = "cuFuncSetAttribute")]
    public static int FuncSetAttribute(nint function, int attribute, int value) => Machine.Call("cuFuncSetAttribute", () =>
    {
        Kernel k = DriverObject.Get<CudaFunction>(function).Kernel;
        if (attribute == 9 && value is >= -1 and <= 100)
            return; // preferred carve-out: a hint
        if (attribute != 8 || value < 0 || value + k.SharedBytes > Limits.SharedOptIn)
            throw new CudaError(Status.INVALID_VALUE);
        k.MaxDynamicShared = value;
    });

    private static int DynamicLimit(Kernel k) => k.MaxDynamicShared >= 0 ? k.MaxDynamicShared : Limits.SharedPerBlock - k.SharedBytes;

    [UnmanagedCallersOnly(EntryPoint = "cuOccupancyMaxActiveBlocksPerMultiprocessor")]
    public static int Occupancy(int* blocks, nint function, int blockSize, nuint dynamicShared) =>
        Machine.Call("cuOccupancyMaxActiveBlocksPerMultiprocessor", () =>
    {
        Kernel k = DriverObject.Get<CudaFunction>(function).Kernel;
        if (blockSize <= 0)
            throw new CudaError(Status.INVALID_VALUE);
        int warps = (blockSize + 31) / 32;
        int shared = k.SharedBytes + (int)dynamicShared + 1024;
        *blocks = blockSize > k.MaxThreads
            ? 0 : Math.Min(Math.Min(32, 64 / warps), Math.Min(Limits.SharedPerMultiprocessor / shared, 65536 / (k.Registers * 32 * warps)));
    });

    [UnmanagedCallersOnly(EntryPoint = "cuLaunchKernel")]
    public static int LaunchKernel(nint function, uint gridX, uint gridY, uint gridZ, uint blockX, uint blockY, uint blockZ, uint shared, nint stream,
        void** parameters, void** extra) =>
        Machine.Call("cuLaunchKernel", () =>
        {
            CudaFunction f = DriverObject.Get<CudaFunction>(function);
            CudaStream s = Machine.StreamOf(stream);
            if (f.Module.Context != s.Context)
                Machine.Misuse($"kernel {f.Kernel.Name} is launched in a stream of another context", Status.INVALID_HANDLE);
            Kernel k = f.Kernel;
            if (gridX == 0 || gridY == 0 || gridZ == 0 || blockX == 0 || blockY == 0 || blockZ == 0
                || gridX > int.MaxValue || gridY > 65535 || gridZ > 65535 || blockX > 1024 || blockY > 1024 || blockZ > 64
                    || (ulong)blockX * blockY * blockZ > 1024)
                Machine.Misuse($"kernel {k.Name}: grid ({gridX},{gridY},{gridZ}) of blocks ({blockX},{blockY},{blockZ}) is not possible", Status.INVALID_VALUE);
            if (blockX * blockY * blockZ > k.MaxThreads)
                Machine.Misuse($"kernel {k.Name}: {blockX * blockY * blockZ} threads, its bound is {k.MaxThreads}", Status.INVALID_VALUE);
            if (shared > (uint)DynamicLimit(k))
                Machine.Misuse(
                    $"kernel {k.Name}: {shared} bytes of dynamic shared memory, allowed are {DynamicLimit(k)} (cuFuncSetAttribute raises it up to {Limits.SharedOptIn - k.SharedBytes})", Status.INVALID_VALUE);
            byte[] block = ParametersOf(k, parameters, extra);
            Machine.Enqueue(s, () =>
            {
                if (f.Destroyed)
                {
                    Violations.Report($"kernel {k.Name}: its module was unloaded before the launch was done", Fault.Misuse);
                    s.Context.Sticky = Status.LAUNCH_FAILED;
                    return;
                }
                Machine.LaunchKernel(s.Context, new Launch
                {
                    Kernel = k, Grid = ((int)gridX, (int)gridY, (int)gridZ), BlockSize = ((int)blockX, (int)blockY, (int)blockZ), DynamicShared = (int)shared,
                }, block);
            });
        });

    private static byte[] ParametersOf(Kernel k, void** parameters, void** extra)
    {
        var block = new byte[k.ParameterBytes];
        if (extra != null)
        {
            // CU_LAUNCH_PARAM_BUFFER_POINTER (1) and _SIZE (2), ended by 0.
            byte* buffer = null;
            nuint size = 0;
            for (; *extra != null; extra += 2)
            {
                if ((nint)extra[0] == 1)
                    buffer = (byte*)extra[1];
                else if ((nint)extra[0] == 2)
                    size = *(nuint*)extra[1];
                else
                    throw new CudaError(Status.INVALID_VALUE);
            }
            if (buffer == null || size < (nuint)block.Length)
                Machine.Misuse($"kernel {k.Name}: {size} bytes of parameters, it has {block.Length}", Status.INVALID_VALUE);
            new Span<byte>(buffer, block.Length).CopyTo(block);
            return block;
        }
        if (k.Parameters.Length > 0 && parameters == null)
            Machine.Misuse($"kernel {k.Name}: no parameters, it has {k.Parameters.Length}", Status.INVALID_VALUE);
        for (int p = 0; p < k.Parameters.Length; p++)
        {
            (int offset, int size) = k.Parameters[p];
            if (parameters[p] == null)
                Machine.Misuse($"kernel {k.Name}: parameter {p} is null", Status.INVALID_VALUE);
            new Span<byte>(parameters[p], size).CopyTo(block.AsSpan(offset));
        }
        return block;
    }
}
