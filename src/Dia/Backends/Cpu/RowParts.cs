namespace Dia.Backends.Cpu;

/// <summary>Divides rows (or, for one long row, ranges of values) among threads where there is enough to do.</summary>
internal static class RowParts
{
    // Values of a part; about 5 to 20 microseconds of elementwise work.
    private const long PartValues = 32768;

    /// <summary>Runs a job whose parts are ranges of <paramref name="rows"/> rows of <paramref name="width"/> values.</summary>
    public static void Run<TJob>(CpuThreads threads, ref TJob job, long rows, long width)
        where TJob : unmanaged, IRowJob
    {
        if (rows <= 0)
            return;
        RowRange<TJob> range = new() { Job = job, Rows = rows, PartRows = Math.Max(1, PartValues / Math.Max(1, width)) };
        long parts = (rows + range.PartRows - 1) / range.PartRows;
        if (parts == 1)
            job.Run(0, rows);
        else
            threads.Run(ref range, checked((int)parts));
    }

    private unsafe struct RowRange<TJob> : IParallelJob
        where TJob : unmanaged, IRowJob
    {
        public TJob Job;
        public long Rows;
        public long PartRows;

        public void Run(int part, int thread) => Job.Run(part * PartRows, Math.Min(Rows, (part + 1) * PartRows));
    }
}

/// <summary>Work on independent rows.</summary>
internal interface IRowJob
{
    /// <summary>Does the rows from <paramref name="first"/> up to but not including <paramref name="end"/>.</summary>
    void Run(long first, long end);
}
