using System.Diagnostics;
using ManagedCuda;
using ManagedCuda.BasicTypes;

namespace Dia.Backends.Benchmark;

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
        private const int LargestProduct = 8192;

        private readonly CudaDevice _device;
        private readonly CudaEvent _start;
        private readonly CudaEvent _end;

        public CudaClock(CudaBackend backend)
        {
            _device = backend.Device;
            try
            {
                _start = new CudaEvent(CUEventFlags.Default);
                _end = new CudaEvent(CUEventFlags.Default);
                Bandwidth = CopyBandwidth();
                Operations = _device.HasBlas ? ProductRate(backend) : 0;
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

        public override void Dispose()
        {
            _start?.Dispose();
            _end?.Dispose();
        }

        protected override double Seconds(Action run, int runs)
        {
            try
            {
                _start.Record(_device.Stream.Stream);
                for (int i = 0; i < runs; i++)
                    run();
                _end.Record(_device.Stream.Stream);
                _end.Synchronize();
                return CudaEvent.ElapsedTime(_start, _end) / 1e3;
            }
            catch (CudaException e)
            {
                throw _device.Failure("time its work", e);
            }
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

        private double ProductRate(CudaBackend backend)
        {
            double best = 0;
            for (int n = 256; n <= LargestProduct; n *= 2)
            {
                long count = (long)n * n;
                float* memory = _device.Memory.Allocate(3 * count);
                Weights.Weight w = new() { Format = Weights.WeightFormat.Float32, Packed = memory + (2 * count) };
                double seconds = double.PositiveInfinity;
                try
                {
                    for (int pass = 0; pass < 3; pass++)
                        seconds = Math.Min(seconds, Seconds(() => backend.BlasLinear(memory, memory + count, w, n, n, n, false), 1));
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
