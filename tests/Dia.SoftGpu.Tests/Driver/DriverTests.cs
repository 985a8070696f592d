using Dia.SoftGpu.Driver;
using Dia.SoftGpu.Execution;
using Xunit;

namespace Dia.SoftGpu.Tests.Driver;

public sealed unsafe class DriverTests
{
    private const string Store = "st.global.u32 [%d0], %r0;";

    [Fact]
    public void Nothing_works_before_init_and_without_a_context()
    {
        var gpu = new Gpu(context: false);
        Assert.Equal((int)Status.NOT_INITIALIZED, gpu.TryAllocate(4, out _));
        Gpu.Good(Gpu.Init());
        Assert.Equal((int)Status.INVALID_CONTEXT, gpu.TryAllocate(4, out _));
    }

    [Fact]
    public void Memory_is_freed_once_and_from_its_start()
    {
        var gpu = new Gpu();
        ulong a = gpu.Allocate(100);
        Assert.Equal((int)Status.INVALID_VALUE, gpu.Free(a + 4));
        Gpu.Good(gpu.Free(a));
        Assert.Equal((int)Status.INVALID_VALUE, gpu.Free(a));
        Assert.Contains("freed twice", Gpu.Faults()[^1], StringComparison.Ordinal);
        Gpu.Good(gpu.Free(0));
    }

    [Fact]
    public void Copies_stay_inside_their_memory()
    {
        var gpu = new Gpu();
        ulong a = gpu.Upload(1u, 2u);
        Assert.Equal((int)Status.INVALID_VALUE, gpu.TryDownload(a, new uint[3]));
        Gpu.Caught(Fault.Misuse, "copy or fill of 12 bytes");
    }

    [Fact]
    public void A_copy_of_what_nothing_wrote_is_caught()
    {
        var gpu = new Gpu();
        ulong a = gpu.Allocate(8);
        Assert.NotEqual(0, gpu.TryDownload(a, new uint[2]));
        Gpu.Caught(Fault.Uninitialised, "byte 0 of device memory");
    }

    [Theory]
    [InlineData(0, 32, 0, 1)]
    [InlineData(1, 0, 0, 1)]
    [InlineData(1, 1025, 0, 1)]
    [InlineData(1, 32, 49153, 1)]
    [InlineData(1, 32, 49152, 0)]
    [InlineData(1, 1024, 0, 0)]
    public void Launches_have_limits(int grid, int block, int shared, int status)
    {
        var gpu = new Gpu();
        nint kernel = gpu.Compile("setp.ne.s32 %p1, %r0, 0; @%p1 ret; setp.ne.s32 %p1, %r1, 0; @%p1 ret; " + Store);
        Assert.Equal(status, gpu.Launch(kernel, grid, block, shared, 0, gpu.Allocate(4), 0, 0, 0));
        if (status == 0)
            Gpu.Good(gpu.Synchronize());
    }

    [Fact]
    public void More_shared_memory_must_be_asked_for()
    {
        var gpu = new Gpu();
        nint kernel = gpu.Compile("setp.ne.s32 %p1, %r0, 0; @%p1 ret; st.shared.u32 [d+163836], %r0;", ".extern .shared .align 16 .b8 d[];");
        Assert.Equal(1, gpu.Launch(kernel, 1, 32, 163 * 1024, 0, 0, 0, 0, 0));
        var set = (delegate* unmanaged<nint, int, int, int>)&ModuleApi.FuncSetAttribute;
        Assert.Equal(1, set(kernel, 8, 163 * 1024 + 1));
        Violations.Recent.Clear();
        Gpu.Good(set(kernel, 8, 163 * 1024));
        Gpu.Good(gpu.Launch(kernel, 1, 32, 163 * 1024, 0, 0, 0, 0, 0));
        Assert.Equal((int)Status.ILLEGAL_ADDRESS, gpu.Launch(kernel, 1, 32, 159 * 1024, 0, 0, 0, 0, 0) is 0 ? gpu.Synchronize() : -1);
        Gpu.Caught(Fault.OutOfBounds, "shared memory");
    }

    [Fact]
    public void The_bound_of_a_kernel_holds()
    {
        var gpu = new Gpu();
        nint kernel = gpu.Compile(Store, directives: ".maxntid 64, 1, 1");
        Assert.Equal(1, gpu.Launch(kernel, 1, 96, 0, 0, gpu.Allocate(4), 0, 0, 0));
        Gpu.Caught(Fault.Misuse, "its bound is 64");
    }

    [Fact]
    public void Stale_handles_are_recognised()
    {
        var gpu = new Gpu();
        nint s = gpu.Stream(), e = gpu.Event();
        Gpu.Good(((delegate* unmanaged<nint, int>)&StreamApi.StreamDestroy)(s));
        Gpu.Good(((delegate* unmanaged<nint, int>)&StreamApi.EventDestroy)(e));
        Assert.Equal((int)Status.INVALID_HANDLE, gpu.Synchronize(s));
        Assert.Equal((int)Status.INVALID_HANDLE, gpu.Record(e, 0));
        nint module = gpu.Load(Gpu.Source(Store)), kernel = gpu.Kernel(module, "k");
        Gpu.Good(((delegate* unmanaged<nint, int>)&ModuleApi.ModuleUnload)(module));
        Assert.Equal((int)Status.INVALID_HANDLE, gpu.Launch(kernel, 1, 1, 0, 0, 0, 0, 0, 0));
        Assert.Equal((int)Status.INVALID_HANDLE, gpu.Launch(12345, 1, 1, 0, 0, 0, 0, 0, 0));
    }

    [Fact]
    public void Another_contexts_stream_is_refused()
    {
        var gpu = new Gpu();
        nint s = gpu.Stream();
        nint second;
        Gpu.Good(((delegate* unmanaged<nint*, uint, int, int>)&DeviceApi.CtxCreate)(&second, 0, 0));
        Assert.Equal((int)Status.INVALID_CONTEXT, gpu.Synchronize(s));
        Gpu.Caught(Fault.Misuse, "another context");
        Gpu.Good(((delegate* unmanaged<nint, int>)&DeviceApi.CtxDestroy)(second));
        Gpu.Good(gpu.Synchronize(s));
        Assert.Equal((int)Status.CONTEXT_IS_DESTROYED, ((delegate* unmanaged<nint, int>)&DeviceApi.CtxSetCurrent)(second));
    }

    // After a fault nothing works any more in the context.
    [Fact]
    public void Faults_are_sticky()
    {
        var gpu = new Gpu();
        nint kernel = gpu.Compile(Store);
        Gpu.Good(gpu.Launch(kernel, 1, 1, 0, 0, 16, 0, 0, 0));
        Assert.Equal((int)Status.ILLEGAL_ADDRESS, gpu.Synchronize());
        Assert.Equal((int)Status.ILLEGAL_ADDRESS, gpu.TryAllocate(4, out _));
        Assert.Equal((int)Status.ILLEGAL_ADDRESS, gpu.Launch(kernel, 1, 1, 0, 0, 16, 0, 0, 0));
    }

    [Fact]
    public void Failures_can_be_asked_for()
    {
        var settings = new Settings();
        settings.Failures.Add(("cuMemAlloc_v2", 3, 2));
        settings.Failures.Add(("cuCtxSynchronize", 2, 719));
        var gpu = new Gpu(settings);
        gpu.Allocate(4);
        gpu.Allocate(4);
        Assert.Equal(2, gpu.TryAllocate(4, out _));
        gpu.Allocate(4);
        Gpu.Good(gpu.Synchronize());
        Assert.Equal(719, gpu.Synchronize());
        Assert.Equal(719, gpu.TryAllocate(4, out _));
    }

    [Fact]
    public void Memory_ends_where_it_is_said_to()
    {
        var gpu = new Gpu(new Settings { Memory = [1000] });
        Assert.Equal(2, gpu.TryAllocate(1001, out _));
        ulong a = gpu.Allocate(600);
        Assert.Equal(2, gpu.TryAllocate(600, out _));
        Gpu.Good(gpu.Free(a));
        gpu.Allocate(1000);
        gpu = new Gpu(new Settings { OutOfMemoryAt = 2 });
        gpu.Allocate(4);
        Assert.Equal(2, gpu.TryAllocate(4, out _));
        gpu.Allocate(4);
    }

    [Fact]
    public unsafe void EachDeviceHasItsOwnMemory()
    {
        var gpu = new Gpu(new Settings { Memory = [1000, 2000] });
        int count;
        Gpu.Good(((delegate* unmanaged<int*, int>)&DeviceApi.DeviceGetCount)(&count));
        Assert.Equal(2, count);
        gpu.Allocate(900);
        nint second;
        Assert.Equal(101, ((delegate* unmanaged<nint*, uint, int, int>)&DeviceApi.CtxCreate)(&second, 0, 2));
        Gpu.Good(((delegate* unmanaged<nint*, uint, int, int>)&DeviceApi.CtxCreate)(&second, 0, 1));
        gpu.Allocate(2000);
        Gpu.Good(((delegate* unmanaged<nint, int>)&DeviceApi.CtxSetCurrent)(gpu.Context));
        Assert.Equal(2, gpu.TryAllocate(101, out _));
        gpu.Allocate(100);
    }

    [Fact]
    public void A_lost_device_stays_lost()
    {
        var gpu = new Gpu(new Settings { Lost = (4, 46) }); // init, context, two more
        gpu.Allocate(4);
        gpu.Allocate(4);
        Assert.Equal(46, gpu.TryAllocate(4, out _));
        Assert.Equal(46, gpu.Synchronize());
    }

    [Fact]
    public void Leaks_are_reported()
    {
        var gpu = new Gpu();
        ulong a = gpu.Allocate(48), b = gpu.Allocate(4);
        Gpu.Good(gpu.Free(b));
        Ending.ReportLeaks();
        Assert.Contains(Gpu.Faults(), f =>
            f.Contains("never freed: byte 0 of device memory", StringComparison.Ordinal) && f.Contains("of 48 bytes", StringComparison.Ordinal));
        Assert.DoesNotContain(Gpu.Faults(), f => f.Contains("of 4 bytes", StringComparison.Ordinal));
        Assert.NotEqual(0ul, a);
    }

    [Fact]
    public void Errors_have_the_drivers_names()
    {
        byte* text;
        var name = (delegate* unmanaged<int, byte**, int>)&DeviceApi.GetErrorName;
        Gpu.Good(name(700, &text));
        Assert.Equal("CUDA_ERROR_ILLEGAL_ADDRESS", System.Runtime.InteropServices.Marshal.PtrToStringUTF8((nint)text));
        Gpu.Good(name(0, &text));
        Assert.Equal("CUDA_SUCCESS", System.Runtime.InteropServices.Marshal.PtrToStringUTF8((nint)text));
        Assert.Equal(1, name(12345, &text));
    }
}
