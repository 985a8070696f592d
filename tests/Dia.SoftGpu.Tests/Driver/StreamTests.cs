using Dia.SoftGpu.Driver;
using Dia.SoftGpu.Execution;
using Xunit;

namespace Dia.SoftGpu.Tests.Driver;

public sealed unsafe class StreamTests
{
    // Adds %d1 to the word at %d0, after copying it to %d2 where that is not null.
    private const string Increment = "ld.global.u32 %r5, [%d0]; cvt.u32.u64 %r6, %d1; add.s32 %r5, %r5, %r6; st.global.u32 [%d0], %r5;";

    [Fact]
    public void A_destination_holds_poison_until_synchronised()
    {
        var gpu = new Gpu();
        nint s = gpu.Stream();
        ulong a = gpu.Upload(1u);
        uint* host = (uint*)gpu.AllocateHost(4);
        *host = 5;
        Gpu.Good(gpu.ToHostAsync(host, a, 4, s));
        Assert.Equal(0xFEFEFEFE, *host);
        Gpu.Good(gpu.Synchronize(s));
        Assert.Equal(1u, *host);
    }

    [Fact]
    public void The_pinned_source_of_a_pending_copy_is_read_late()
    {
        var gpu = new Gpu();
        nint s = gpu.Stream();
        ulong a = gpu.Upload(0u);
        uint* host = (uint*)gpu.AllocateHost(4);
        *host = 5;
        Gpu.Good(gpu.ToDeviceAsync(a, host, 4, s));
        *host = 6;
        Gpu.Good(gpu.Synchronize(s));
        Assert.Equal(6u, gpu.Download<uint>(a, 1)[0]);
        // Pageable memory is staged at once.
        uint pageable = 7;
        Gpu.Good(gpu.ToDeviceAsync(a, &pageable, 4, s));
        pageable = 8;
        Gpu.Good(gpu.Synchronize(s));
        Assert.Equal(7u, gpu.Download<uint>(a, 1)[0]);
    }

    // A plain copy waits for no stream that was made not to block.
    [Fact]
    public void A_legacy_copy_does_not_wait_for_a_non_blocking_stream()
    {
        foreach (bool nonBlocking in (bool[])[true, false])
        {
            var gpu = new Gpu();
            nint s = gpu.Stream(nonBlocking), kernel = gpu.Compile(Increment);
            ulong a = gpu.Upload(1u);
            Gpu.Good(gpu.Launch(kernel, 1, 1, 0, s, a, 10, 0, 0));
            Assert.Equal(nonBlocking ? 1u : 11u, gpu.Download<uint>(a, 1)[0]);
            Gpu.Good(gpu.Synchronize(s));
            Assert.Equal(11u, gpu.Download<uint>(a, 1)[0]);
        }
    }

    [Fact]
    public void An_event_orders_two_streams_and_nothing_else_does()
    {
        foreach (bool wait in (bool[])[true, false])
        {
            var gpu = new Gpu();
            nint s = gpu.Stream(), t = gpu.Stream(), e = gpu.Event(), kernel = gpu.Compile(Increment);
            ulong a = gpu.Allocate(4);
            uint* host = (uint*)gpu.AllocateHost(4);
            *host = 1;
            Gpu.Good(gpu.ToDeviceAsync(a, host, 4, s));
            Gpu.Good(gpu.Record(e, s));
            if (wait)
                Gpu.Good(gpu.Wait(t, e));
            Gpu.Good(gpu.Launch(kernel, 1, 1, 0, t, a, 10, 0, 0));
            int status = gpu.Synchronize(t);
            if (wait)
            {
                Gpu.Good(status);
                Assert.Equal(11u, gpu.Download<uint>(a, 1)[0]);
            }
            else
            {
                Assert.NotEqual(0, status);
                Gpu.Caught(Fault.Uninitialised, "nothing wrote");
            }
        }
    }

    [Fact]
    public void Asking_an_event_brings_work_forward()
    {
        var gpu = new Gpu();
        nint s = gpu.Stream(), e = gpu.Event(), kernel = gpu.Compile(Increment);
        ulong a = gpu.Upload(1u);
        Gpu.Good(gpu.Launch(kernel, 1, 1, 0, s, a, 10, 0, 0));
        Gpu.Good(gpu.Record(e, s));
        Assert.Equal((int)Status.NOT_READY, gpu.QueryEvent(e));
        int asked = 1;
        while (gpu.QueryEvent(e) == (int)Status.NOT_READY)
            Assert.True(++asked < 10);
        Assert.Equal(11u, gpu.Download<uint>(a, 1)[0]);
    }

    [Fact]
    public void Freeing_what_a_pending_copy_uses_is_caught()
    {
        var gpu = new Gpu();
        nint s = gpu.Stream();
        ulong a = gpu.Upload(1u);
        byte* host = gpu.AllocateHost(4);
        Gpu.Good(gpu.ToDeviceAsync(a, host, 4, s));
        Gpu.Good(gpu.FreeHost(host));
        gpu.Synchronize(s);
        Gpu.Caught(Fault.Misuse, "was freed before the copy");

        gpu = new Gpu();
        s = gpu.Stream();
        a = gpu.Upload(1u);
        host = gpu.AllocateHost(4);
        Gpu.Good(gpu.ToDeviceAsync(a, host, 4, s));
        Gpu.Good(gpu.Free(a));
        Assert.NotEqual(0, gpu.Synchronize(s));
        Gpu.Caught(Fault.Misuse, "memory was freed before the copy");
    }

    [Fact]
    public void A_captured_stream_becomes_a_graph_that_runs_often()
    {
        var gpu = new Gpu();
        nint s = gpu.Stream(), t = gpu.Stream(), fork = gpu.Event(), join = gpu.Event(), kernel = gpu.Compile(Increment);
        ulong a = gpu.Upload(1u), b = gpu.Upload(100u);
        Gpu.Good(gpu.BeginCapture(s));
        Gpu.Good(gpu.Launch(kernel, 1, 1, 0, s, a, 10, 0, 0));
        Gpu.Good(gpu.Record(fork, s));
        Gpu.Good(gpu.Wait(t, fork));
        Gpu.Good(gpu.Launch(kernel, 1, 1, 0, t, b, 1, 0, 0));
        Gpu.Good(gpu.Record(join, t));
        Gpu.Good(gpu.Launch(kernel, 1, 1, 0, s, a, 20, 0, 0));
        Gpu.Good(gpu.Wait(s, join));
        Gpu.Good(gpu.EndCapture(s, out nint graph));
        Assert.Equal(1u, gpu.Download<uint>(a, 1)[0]);
        nint exec = gpu.Instantiate(graph);
        for (int k = 0; k < 3; k++)
            Gpu.Good(gpu.LaunchGraph(exec, s));
        Gpu.Good(gpu.Synchronize(s));
        Assert.Equal(91u, gpu.Download<uint>(a, 1)[0]);
        Assert.Equal(103u, gpu.Download<uint>(b, 1)[0]);
    }

    // Each of these ends the capture: the driver's status for the call, then "invalidated".
    [Theory]
    [InlineData("synchronize", 900)]
    [InlineData("context", 900)]
    [InlineData("allocate", 900)]
    [InlineData("free", 900)]
    [InlineData("copy", 900)]
    [InlineData("event", 907)]
    public void What_a_capture_forbids(string what, int expected)
    {
        var gpu = new Gpu();
        nint s = gpu.Stream(), e = gpu.Event();
        ulong a = gpu.Upload(1u);
        Gpu.Good(gpu.BeginCapture(s));
        Gpu.Good(gpu.Record(e, s));
        int status = what switch
        {
            "synchronize" => gpu.Synchronize(s),
            "context" => gpu.Synchronize(),
            "allocate" => gpu.TryAllocate(4, out _),
            "free" => gpu.Free(a),
            "copy" => gpu.TryDownload(a, new uint[1]),
            _ => gpu.QueryEvent(e),
        };
        Assert.Equal(expected, status);
        Assert.Equal((int)Status.STREAM_CAPTURE_INVALIDATED, gpu.EndCapture(s, out _));
    }

    [Fact]
    public void Other_rules_of_captures()
    {
        var gpu = new Gpu();
        nint s = gpu.Stream(), t = gpu.Stream(), blocking = gpu.Stream(nonBlocking: false), e = gpu.Event(), kernel = gpu.Compile(Increment);
        ulong a = gpu.Upload(1u);
        Assert.Equal((int)Status.STREAM_CAPTURE_UNSUPPORTED, gpu.BeginCapture(0));
        Assert.Equal((int)Status.ILLEGAL_STATE, gpu.EndCapture(s, out _));
        // A branch that does not come back.
        Gpu.Good(gpu.BeginCapture(s));
        Gpu.Good(gpu.Record(e, s));
        Gpu.Good(gpu.Wait(t, e));
        Gpu.Good(gpu.Launch(kernel, 1, 1, 0, t, a, 1, 0, 0));
        Assert.Equal((int)Status.STREAM_CAPTURE_UNMATCHED, gpu.EndCapture(t, out _));
        Assert.Equal((int)Status.STREAM_CAPTURE_UNJOINED, gpu.EndCapture(s, out _));
        // The legacy stream would have to wait for the one that captures.
        Gpu.Good(gpu.BeginCapture(blocking, 2));
        Assert.Equal((int)Status.STREAM_CAPTURE_IMPLICIT, gpu.Launch(kernel, 1, 1, 0, 0, a, 1, 0, 0));
        Assert.Equal((int)Status.STREAM_CAPTURE_INVALIDATED, gpu.EndCapture(blocking, out _));
        // Relaxed captures allow allocation.
        Gpu.Good(gpu.BeginCapture(s, 2));
        Gpu.Good(gpu.TryAllocate(16, out _));
        Gpu.Good(gpu.EndCapture(s, out _));
    }

    [Fact]
    public void A_graph_that_uses_freed_memory_is_caught()
    {
        var gpu = new Gpu();
        nint s = gpu.Stream(), kernel = gpu.Compile(Increment);
        ulong a = gpu.Upload(1u);
        Gpu.Good(gpu.BeginCapture(s));
        Gpu.Good(gpu.Launch(kernel, 1, 1, 0, s, a, 10, 0, 0));
        Gpu.Good(gpu.EndCapture(s, out nint graph));
        nint exec = gpu.Instantiate(graph);
        Gpu.Good(gpu.Free(a));
        Gpu.Good(gpu.LaunchGraph(exec, s));
        Assert.Equal((int)Status.ILLEGAL_ADDRESS, gpu.Synchronize(s));
        Gpu.Caught(Fault.OutOfBounds, "after it was freed");
    }
}
