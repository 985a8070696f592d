using System.Runtime.InteropServices;
using Dia.SoftGpu.Execution;

namespace Dia.SoftGpu.Driver;

/// <summary>Copies and fills: checked when asked for, done when the stream gets there, checked again then.</summary>
internal static unsafe class Copies
{
    private enum Direction
    {
        ToDevice, ToHost, OnDevice,
    }

    public static void ToDevice(ulong to, nint from, ulong bytes, CudaStream? stream) => Copy(Direction.ToDevice, to, (ulong)from, bytes, stream);

    public static void ToHost(nint to, ulong from, ulong bytes, CudaStream? stream) => Copy(Direction.ToHost, (ulong)to, from, bytes, stream);

    public static void OnDevice(ulong to, ulong from, ulong bytes, CudaStream? stream) => Copy(Direction.OnDevice, to, from, bytes, stream);

    // Without a stream: at once, in the order of the legacy stream.
    private static void Copy(Direction direction, ulong to, ulong from, ulong bytes, CudaStream? stream)
    {
        if (bytes == 0)
            return;
        if (direction != Direction.ToHost)
            Live(to, bytes, "destination");
        if (direction != Direction.ToDevice)
            Live(from, bytes, "source");
        ulong host = direction == Direction.ToDevice ? from : to;
        if (direction != Direction.OnDevice && host == 0)
            throw new CudaError(Status.INVALID_VALUE);
        if (stream == null)
        {
            Machine.RefuseWhileCapturing();
            // A copy on the device may return before it is done, like every copy that no host memory takes part in.
            Operation? now = Machine.Enqueue(Machine.Current.Default, () => Run(direction, to, from, bytes));
            if (now != null && direction != Direction.OnDevice)
                Machine.RunTo(now);
            return;
        }
        bool pinned = direction != Direction.OnDevice && Pinned(host, bytes);
        bool capturing = stream.Capture != null;
        if (direction == Direction.ToDevice && !pinned && !capturing)
        {
            // Pageable memory is staged before the call returns.
            var staged = new byte[bytes];
            new Span<byte>((void*)from, (int)bytes).CopyTo(staged);
            Machine.Enqueue(stream, () =>
            {
                fixed (byte* p = staged)
                    Run(direction, to, (ulong)p, bytes);
            });
            return;
        }
        Operation? operation = Machine.Enqueue(stream, () =>
        {
            if (pinned && !Pinned(host, bytes))
                Violations.Report($"host memory 0x{host:x} was freed before the copy of {bytes} bytes that uses it was done", Fault.Misuse);
            else
                Run(direction, to, from, bytes);
        });
        if (direction != Direction.ToHost || capturing)
            return;
        if (pinned)
            NativeMemory.Fill((void*)to, (nuint)bytes, DeviceMemory.Poison); // whoever looks before the copy is done shall not find old bytes
        else
            Machine.RunTo(operation!);
    }

    private static bool Pinned(ulong host, ulong bytes)
    {
        Allocation* a = DeviceMemory.Find(host);
        if (a == null || a->Kind != MemoryKind.Pinned)
            return false;
        if (host - a->Base + bytes > a->Size)
            Machine.Misuse($"a copy of {bytes} bytes runs past the end of {DeviceMemory.Describe(host)}", Status.INVALID_VALUE);
        return true;
    }

    private static Allocation* Live(ulong address, ulong bytes, string what)
    {
        Allocation* a = DeviceMemory.Find(address);
        if (a == null || a->Freed || address - a->Base + bytes > a->Size)
            Machine.Misuse($"{what} of a copy or fill of {bytes} bytes: {DeviceMemory.Describe(address)}", Status.INVALID_VALUE);
        return a;
    }

    private static void Run(Direction direction, ulong to, ulong from, ulong bytes)
    {
        Allocation* target = direction == Direction.ToHost ? null : Then(to, bytes);
        Allocation* source = direction == Direction.ToDevice ? null : Then(from, bytes);
        if ((direction != Direction.ToHost && target == null) || (direction != Direction.ToDevice && source == null))
            return;
        byte* d = target == null ? (byte*)to : target->Host + (to - target->Base);
        byte* s = source == null ? (byte*)from : source->Host + (from - source->Base);
        Buffer.MemoryCopy(s, d, bytes, bytes);
        if (target != null && source != null && target->Written != null && source->Written != null)
        {
            // What was never written stays so.
            if (!(source->AllWritten && target->AllWritten))
            {
                target->AllWritten = false;
                Buffer.MemoryCopy(source->Written + (from - source->Base), target->Written + (to - target->Base), bytes, bytes);
            }
        }
        else if (target != null)
            DeviceMemory.MarkWritten(target, to - target->Base, bytes);
        else if (source != null && DeviceMemory.FirstUnwritten(source, from - source->Base, bytes) is >= 0 and var at)
        {
            Violations.Report($"a copy to the host reads what nothing wrote: {DeviceMemory.Describe(from + (ulong)at)}", Fault.Uninitialised);
            Machine.Current.Sticky = Status.LAUNCH_FAILED;
        }
    }

    private static Allocation* Then(ulong address, ulong bytes)
    {
        Allocation* a = DeviceMemory.Find(address);
        if (a != null && !a->Freed && address - a->Base + bytes <= a->Size)
            return a;
        Violations.Report($"memory was freed before the copy or fill of {bytes} bytes that uses it was done: {DeviceMemory.Describe(address)}", Fault.Misuse);
        Machine.Current.Sticky = Status.ILLEGAL_ADDRESS;
        return null;
    }

    public static void Fill(ulong to, uint value, ulong count, int unit, CudaStream? stream)
    {
        if (count == 0)
            return;
        ulong bytes = count * (uint)unit;
        if (to % (uint)unit != 0)
            throw new CudaError(Status.INVALID_VALUE);
        Live(to, bytes, "destination");
        if (stream == null)
            Machine.RefuseWhileCapturing();
        // Fills never wait for the host: even the plain call may return first.
        Machine.Enqueue(stream ?? Machine.Current.Default, () =>
        {
            Allocation* a = Then(to, bytes);
            if (a == null)
                return;
            byte* p = a->Host + (to - a->Base);
            if (unit == 1)
                NativeMemory.Fill(p, (nuint)bytes, (byte)value);
            else
                for (ulong k = 0; k < count; k++)
                    ((uint*)p)[k] = value;
            DeviceMemory.MarkWritten(a, to - a->Base, bytes);
        });
    }
}
