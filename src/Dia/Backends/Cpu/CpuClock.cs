namespace Dia.Backends.Cpu;

/// <summary>The processor's time.</summary>
/// <param name="threads">Threads that work at a time.</param>
internal sealed class CpuClock(int threads) : DeviceClock
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
