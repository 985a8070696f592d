using System.Collections.Generic;
using System.Runtime.InteropServices;
using System.Text;

namespace Dia.SoftGpu.Driver;

/// <summary>Entry points: driver, device, contexts.</summary>
internal static unsafe class DeviceApi
{
    [UnmanagedCallersOnly(EntryPoint = "cuInit")]
    public static int Init(uint flags) => Machine.Bare("cuInit", () =>
    {
        Require(flags == 0);
        Machine.Initialised = true;
        Ending.Register();
    }, initialised: false);

    [UnmanagedCallersOnly(EntryPoint = "cuDriverGetVersion")]
    public static int DriverGetVersion(int* version) => Machine.Bare("cuDriverGetVersion", () =>
    {
        Require(version != null);
        *version = Settings.Current.DriverVersion;
    }, initialised: false);

    [UnmanagedCallersOnly(EntryPoint = "cuDeviceGetCount")]
    public static int DeviceGetCount(int* count) => Machine.Bare("cuDeviceGetCount", () => *count = Settings.Current.Memory.Length);

    [UnmanagedCallersOnly(EntryPoint = "cuDeviceGet")]
    public static int DeviceGet(int* device, int ordinal) => Machine.Bare("cuDeviceGet", () =>
    {
        RequireDevice(ordinal);
        *device = ordinal;
    });

    [UnmanagedCallersOnly(EntryPoint = "cuDeviceGetName")]
    public static int DeviceGetName(byte* name, int length, int device) => Machine.Bare("cuDeviceGetName", () =>
    {
        RequireDevice(device);
        Require(length > 0);
        byte[] text = Encoding.UTF8.GetBytes(device == 0 ? "Software GPU" : $"Software GPU {device}");
        int n = Math.Min(length - 1, text.Length);
        text.AsSpan(0, n).CopyTo(new Span<byte>(name, n));
        name[n] = 0;
    });

    [UnmanagedCallersOnly(EntryPoint = "cuDeviceGetUuid")]
    public static int DeviceGetUuid(byte* uuid, int device) => Uuid("cuDeviceGetUuid", uuid, device);

    [UnmanagedCallersOnly(EntryPoint = "cuDeviceGetUuid_v2")]
    public static int DeviceGetUuid2(byte* uuid, int device) => Uuid("cuDeviceGetUuid_v2", uuid, device);

    private static int Uuid(string name, byte* uuid, int device) => Machine.Bare(name, () =>
    {
        RequireDevice(device);
        for (int k = 0; k < 16; k++)
            uuid[k] = (byte)(0xD1 + k + 16 * device);
    });

    [UnmanagedCallersOnly(EntryPoint = "cuDeviceTotalMem_v2")]
    public static int DeviceTotalMem(nuint* bytes, int device) => Machine.Bare("cuDeviceTotalMem_v2", () =>
    {
        RequireDevice(device);
        *bytes = (nuint)Settings.Current.Memory[device];
    });

    [UnmanagedCallersOnly(EntryPoint = "cuDeviceGetAttribute")]
    public static int DeviceGetAttribute(int* value, int attribute, int device) => Machine.Bare("cuDeviceGetAttribute", () =>
    {
        RequireDevice(device);
        *value = Limits.Attribute(attribute) ?? throw new CudaError(Status.INVALID_VALUE);
    });

    [UnmanagedCallersOnly(EntryPoint = "cuCtxCreate_v2")]
    public static int CtxCreate(nint* context, uint flags, int device) => Machine.Bare("cuCtxCreate_v2", () =>
    {
        RequireDevice(device);
        _ = flags;
        var c = new Context(device);
        Machine.Stack.Add(c);
        *context = c.Handle;
    });

    [UnmanagedCallersOnly(EntryPoint = "cuCtxDestroy_v2")]
    public static int CtxDestroy(nint context) => Machine.Bare("cuCtxDestroy_v2", () =>
    {
        Context c = ContextOf(context);
        if (c.Primary)
            throw new CudaError(Status.INVALID_CONTEXT);
        if (c.Sticky == Status.SUCCESS)
            Machine.FinishAll(c);
        c.Destroyed = true;
        if (Machine.CurrentOrNull == c)
            Machine.Stack.RemoveAt(Machine.Stack.Count - 1);
    });

    [UnmanagedCallersOnly(EntryPoint = "cuCtxSetCurrent")]
    public static int CtxSetCurrent(nint context) => Machine.Bare("cuCtxSetCurrent", () =>
    {
        if (Machine.Stack.Count > 0)
            Machine.Stack.RemoveAt(Machine.Stack.Count - 1);
        if (context != 0)
            Machine.Stack.Add(ContextOf(context));
    });

    [UnmanagedCallersOnly(EntryPoint = "cuCtxGetCurrent")]
    public static int CtxGetCurrent(nint* context) => Machine.Bare("cuCtxGetCurrent", () => *context = Machine.CurrentOrNull?.Handle ?? 0);

    [UnmanagedCallersOnly(EntryPoint = "cuCtxPushCurrent_v2")]
    public static int CtxPushCurrent(nint context) => Machine.Bare("cuCtxPushCurrent_v2", () => Machine.Stack.Add(ContextOf(context)));

    [UnmanagedCallersOnly(EntryPoint = "cuCtxPopCurrent_v2")]
    public static int CtxPopCurrent(nint* context) => Machine.Bare("cuCtxPopCurrent_v2", () =>
    {
        Context c = Machine.Current;
        Machine.Stack.RemoveAt(Machine.Stack.Count - 1);
        if (context != null)
            *context = c.Handle;
    });

    [UnmanagedCallersOnly(EntryPoint = "cuCtxSynchronize")]
    public static int CtxSynchronize() => Machine.Call("cuCtxSynchronize", () =>
    {
        Machine.RefuseWhileCapturing();
        Machine.FinishAll(Machine.Current);
    });

    [UnmanagedCallersOnly(EntryPoint = "cuDevicePrimaryCtxRetain")]
    public static int DevicePrimaryCtxRetain(nint* context, int device) => Machine.Bare("cuDevicePrimaryCtxRetain", () =>
    {
        RequireDevice(device);
        Context c = Machine.PrimaryContexts.GetValueOrDefault(device) is { Destroyed: false } old
            ? old : Machine.PrimaryContexts[device] = new Context(device) { Primary = true };
        c.Retained++;
        *context = c.Handle;
    });

    [UnmanagedCallersOnly(EntryPoint = "cuDevicePrimaryCtxRelease_v2")]
    public static int DevicePrimaryCtxRelease(int device) => Machine.Bare("cuDevicePrimaryCtxRelease_v2", () =>
    {
        RequireDevice(device);
        Context c = Machine.PrimaryContexts.GetValueOrDefault(device) is { Destroyed: false } p ? p : throw new CudaError(Status.INVALID_CONTEXT);
        if (--c.Retained > 0)
            return;
        if (c.Sticky == Status.SUCCESS)
            Machine.FinishAll(c);
        c.Destroyed = true;
    });

    [UnmanagedCallersOnly(EntryPoint = "cuGetErrorName")]
    public static int GetErrorName(int status, byte** text) => ErrorText(status, text, name: true);

    [UnmanagedCallersOnly(EntryPoint = "cuGetErrorString")]
    public static int GetErrorString(int status, byte** text) => ErrorText(status, text, name: false);

    private static int ErrorText(int status, byte** text, bool name)
    {
        if (text == null)
            return (int)Status.INVALID_VALUE;
        *text = null;
        if (!Enum.IsDefined((Status)status))
            return (int)Status.INVALID_VALUE;
        string plain = ((Status)status).ToString();
        *text = NativeText.Of(name ? (status == 0 ? "CUDA_SUCCESS" : "CUDA_ERROR_" + plain) : plain.ToLowerInvariant().Replace('_', ' '));
        return 0;
    }

    private static void Require(bool good)
    {
        if (!good)
            throw new CudaError(Status.INVALID_VALUE);
    }

    private static void RequireDevice(int device)
    {
        if (device < 0 || device >= Settings.Current.Memory.Length)
            throw new CudaError(Status.INVALID_DEVICE);
    }

    private static Context ContextOf(nint handle)
    {
        Context c = DriverObject.Find<Context>(handle) ?? throw new CudaError(Status.INVALID_CONTEXT);
        return c.Destroyed ? throw new CudaError(Status.CONTEXT_IS_DESTROYED) : c;
    }
}
