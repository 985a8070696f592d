using ManagedCuda;
using ManagedCuda.BasicTypes;

namespace Dia.Backends.Cuda;

/// <summary>Time by events in the device's stream: the host's own is not in it where the device is behind.</summary>
internal sealed unsafe class CudaClock : DeviceClock
{
    private const long LargestCopy = 1L << 30;

    // More than any GPU's cache holds.
    private const long LargestCache = 1L << 29;
    private const double WarmUp = 0.5, LongEnough = 0.005;
    private const int LeastPasses = 5, MostPasses = 1000;
    private const int LargestProduct = 8192;

    private readonly CudaDevice _device;
    private readonly CudaEvent _start;
    private readonly CudaEvent _end;
    private float* _others;
    private long _othersBytes;

    public CudaClock(CudaDevice device)
    {
        _device = device;
        try
        {
            _start = new CudaEvent(CUEventFlags.Default);
            _end = new CudaEvent(CUEventFlags.Default);
            // A GPU that was idle raises its clock while it works.
            for (long start = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(start).TotalSeconds < WarmUp;)
                Move(LargestCache);
            Bandwidth = CopyBandwidth();
            Operations = _device.HasBlas ? ProductRate() : 0;
        }
        catch (Exception e)
        {
            Dispose();
            if (e is CudaException)
                throw _device.Failure("give events", e);
            throw;
        }
    }

    public override string BandwidthName => "measured copy bandwidth (device to device, bytes read and written)";

    public override double Bandwidth { get; }

    public override string OperationsName => "measured float32 product of cuBLAS";

    public override double Operations { get; }

    public override (double Seconds, int Launches) TimeInStep(Action run, long others)
    {
        try
        {
            // Once outside of a graph: it may take working memory.
            long before = _device.Launches;
            run();
            int launches = (int)(_device.Launches - before);
            using CudaGraphExec graph = _device.Capture(run);
            double best = double.PositiveInfinity;
            long start = Stopwatch.GetTimestamp();
            for (int pass = 0; pass < MostPasses; pass++)
            {
                double spent = Stopwatch.GetElapsedTime(start).TotalSeconds;
                if (pass > 0 && spent > (pass < LeastPasses ? 4 * Enough : Enough))
                    break;

                // The host is done with starting the graph while the device still moves these.
                Enqueue(others);
                best = Math.Min(best, Seconds(() => graph.Launch(_device.Stream), 1));
            }

            return (best, launches);
        }
        catch (CudaException e)
        {
            throw _device.Failure("time its work", e);
        }
    }

    public override void Dispose()
    {
        _device.Memory.Free(_others);
        _start?.Dispose();
        _end?.Dispose();
    }

    protected override double Seconds(Action run, int runs)
    {
        try
        {
            _start.Record(_device.Stream);
            for (int i = 0; i < runs; i++)
                run();
            _end.Record(_device.Stream);
            _end.Synchronize();
            return CudaEvent.ElapsedTime(_start, _end) / 1e3;
        }
        catch (CudaException e)
        {
            throw _device.Failure("time its work", e);
        }
    }

    private void Move(long bytes)
    {
        Enqueue(bytes);
        _device.Synchronize();
    }

    /// <summary>Starts reading and writing so many bytes, half each, up to more than any cache holds.</summary>
    private void Enqueue(long bytes)
    {
        long half = Math.Min(bytes, LargestCache) / 2 / sizeof(float);
        if (_others == null)
        {
            _othersBytes = Math.Min(LargestCache, _device.BytesFree / 4) / sizeof(float) * sizeof(float);
            _others = _device.Memory.Allocate(_othersBytes / sizeof(float));
        }

        half = Math.Min(half, _othersBytes / 2 / sizeof(float));
        if (half > 0)
            _device.DeviceMemory.Copy(_others, _others + half, half * sizeof(float));
    }

    /// <summary>The best over copies that grow until one takes some milliseconds.</summary>
    private double CopyBandwidth()
    {
        double rate = 0, seconds = 0;
        for (long bytes = 1 << 20; seconds <= LongEnough && bytes <= Math.Min(LargestCopy, _device.BytesFree / 4); bytes *= 2)
        {
            // Small copies stay in the cache: the largest counts.
            seconds = Shortest(6, 2 * bytes / sizeof(float), from => _device.DeviceMemory.Copy((byte*)from + bytes, (void*)from, bytes));
            rate = 2.0 * bytes / seconds;
        }

        return rate;
    }

    private double ProductRate()
    {
        double best = 0, seconds = 0;
        for (int n = 256; seconds <= LongEnough && n <= LargestProduct; n *= 2)
        {
            long count = (long)n * n;
            seconds = Shortest(3, 3 * count, y => _device.BlasProduct((float*)y, (float*)y + count, (float*)y + 2 * count, n, n, n, false));
            best = Math.Max(best, 2.0 * count * n / seconds);
        }

        return best;
    }

    /// <summary>Seconds of the shortest of some runs, in memory of so many values.</summary>
    private double Shortest(int runs, long values, Action<nint> run)
    {
        float* memory = _device.Memory.Allocate(values);
        try
        {
            return Enumerable.Range(0, runs).Min(_ => Seconds(() => run((nint)memory), 1));
        }
        finally
        {
            _device.Memory.Free(memory);
        }
    }
}
