using System.Diagnostics;
using Dia.Backends;
using Dia.Backends.Cpu;
using Dia.Backends.Cuda;
using ManagedCuda;
using ManagedCuda.BasicTypes;

namespace Dia.Checks;

/// <summary>Times work on a device, and what the device can do at most: the denominators.</summary>
internal abstract class DeviceClock : IDisposable
{
    private const double Enough = 0.15;

    /// <summary>What <see cref="Bandwidth"/> is.</summary>
    public abstract string BandwidthName { get; }

    /// <summary>Bytes a second, measured once.</summary>
    public abstract double Bandwidth { get; }

    /// <summary>What <see cref="Operations"/> is.</summary>
    public abstract string OperationsName { get; }

    /// <summary>Floating-point operations a second (a multiply-add is two), measured once; 0: not known.</summary>
    public abstract double Operations { get; }

    /// <summary>A clock for a device.</summary>
    /// <exception cref="DiaException">No memory for the measurements (Device).</exception>
    public static DeviceClock For(Device device) => device.Kind switch
    {
        DeviceKind.Cuda => new CudaClock(device.Cuda),
        DeviceKind.Cpu => new CpuClock(device.Cpu.Threads),
        _ => new CpuClock(1),
    };

    /// <summary>Seconds that a run takes: the best of some, after one that does not count.</summary>
    public double Time(Action run)
    {
        double best = Seconds(run, 1), spent = best;
        if (spent > 4 * Enough)
            return best; // The run that brings everything into place is all there is time for.
        int runs = (int)Math.Clamp(Enough / 4 / Math.Max(best, 1e-7), 1, 1000);
        for (best = double.PositiveInfinity; spent < Enough || double.IsInfinity(best);)
        {
            double seconds = Seconds(run, runs);
            best = Math.Min(best, seconds / runs);
            spent += Math.Max(seconds, 1e-4);
        }

        return best;
    }

    /// <summary>The same for an operation of a decoding step, as it is there: behind others that moved so many bytes, and on a GPU in a graph.</summary>
    /// <param name="run">Starts the operation, for all layers.</param>
    /// <param name="others">Bytes that the rest of a step moves: as much is moved before each run, so that caches hold what they hold in a step.</param>
    /// <returns>Seconds, and the kernels that were launched; 0: not counted.</returns>
    public virtual (double Seconds, int Launches) TimeInStep(Action run, long others) => (Time(run), 0);

    /// <inheritdoc/>
    public virtual void Dispose()
    {
    }

    /// <summary>Seconds that so many runs take together.</summary>
    protected abstract double Seconds(Action run, int runs);

    private sealed class CpuClock(int threads) : DeviceClock
    {
        public override string BandwidthName => "measured read bandwidth";

        public override double Bandwidth { get; } = CpuMeasure.ReadBandwidth(threads);

        public override string OperationsName => "measured multiply-adds in registers";

        public override double Operations { get; } = CpuMeasure.PeakFlops(threads);

        protected override double Seconds(Action run, int runs)
        {
            long start = Stopwatch.GetTimestamp();
            for (int i = 0; i < runs; i++)
                run();
            return Stopwatch.GetElapsedTime(start).TotalSeconds;
        }
    }

    /// <summary>Time by events in the device's stream: the host's own is not in it where the device is behind.</summary>
    private sealed unsafe class CudaClock : DeviceClock
    {
        private const long LargestCopy = 1L << 30;

        // More than any GPU's cache holds.
        private const long LargestCache = 1L << 29;
        private const double WarmUp = 0.5;
        private const int LeastPasses = 5, MostPasses = 1000;

        private const int LargestProduct = 8192;

        private readonly CudaDevice _device;
        private readonly CudaEvent _start;
        private readonly CudaEvent _end;
        private float* _others;
        private long _othersBytes;

        public CudaClock(CudaBackend backend)
        {
            _device = backend.Device;
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
                _othersBytes = Math.Min(LargestCache, _device.FreeMemory / 4) / sizeof(float) * sizeof(float);
                _others = _device.Memory.Allocate(_othersBytes / sizeof(float));
            }

            half = Math.Min(half, _othersBytes / 2 / sizeof(float));
            if (half > 0)
                _device.DeviceMemory.Copy(_others, _others + half, half * sizeof(float));
        }

        /// <summary>The best over copies that grow until one takes some milliseconds.</summary>
        private double CopyBandwidth()
        {
            double best = 0;
            for (long bytes = 1 << 20; bytes <= Math.Min(LargestCopy, _device.FreeMemory / 4); bytes *= 2)
            {
                float* from = _device.Memory.Allocate(bytes / sizeof(float)), to = null;
                double seconds;
                try
                {
                    to = _device.Memory.Allocate(bytes / sizeof(float));
                    seconds = CopySeconds(to, from, bytes);
                }
                finally
                {
                    _device.Memory.Free(from);
                    _device.Memory.Free(to);
                }

                // Small copies stay in the cache: the largest counts.
                best = 2.0 * bytes / seconds;
                if (seconds > 0.005)
                    break;
            }

            return best;
        }

        private double CopySeconds(float* to, float* from, long bytes)
        {
            double seconds = double.PositiveInfinity;
            for (int pass = 0; pass < 6; pass++)
                seconds = Math.Min(seconds, Seconds(() => _device.DeviceMemory.Copy(to, from, bytes), 1));
            return seconds;
        }

        private double ProductRate()
        {
            double best = 0;
            for (int n = 256; n <= LargestProduct; n *= 2)
            {
                long count = (long)n * n;
                float* memory = _device.Memory.Allocate(3 * count);
                double seconds = double.PositiveInfinity;
                try
                {
                    for (int pass = 0; pass < 3; pass++)
                        seconds = Math.Min(seconds, Seconds(() => _device.BlasProduct(memory, memory + count, memory + (2 * count), n, n, n, false), 1));
                }
                finally
                {
                    _device.Memory.Free(memory);
                }

                best = Math.Max(best, 2.0 * count * n / seconds);
                if (seconds > 0.005)
                    break;
            }

            return best;
        }
    }
}
