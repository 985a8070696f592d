using System.Runtime.ExceptionServices;
using Dia.IO;

namespace Dia.Backends.Cpu;

/// <summary>Work that is cut into independent parts. A part must not write what another part reads or writes.</summary>
internal interface IParallelJob
{
    /// <summary>Does one part, on thread <paramref name="thread"/> of the pool (0: the caller): the index of its scratch memory.</summary>
    void Run(int part, int thread);
}

/// <summary>
/// A fork-join pool made for many very short jobs: workers spin for some microseconds after a job before they park, and the caller waits only for
/// parts that were taken, never for a worker that has none, be it still waking up or off its processor. No more workers are awake than there are
/// processors for. One caller at a time: a second is refused where it is seen, and what lives on a <see cref="Device"/> takes turns.
/// </summary>
internal sealed unsafe class CpuThreads : IDisposable
{
    // About 50 microseconds: longer than the gaps between the operations of a decoding step, short on a shared machine.
    private const int SpinsBeforeParking = 600;

    // Who is woken wakes as many more, if there is work for them: the time until all are awake grows with the logarithm of their number.
    private const int WokenAtOnce = 2;

    private readonly Thread[] _workers;
    private readonly object _park = new();
    private readonly int _mostAwake;
    private int _parked; // under _park, and of these so many are called
    private int _called;
    private volatile bool _stop;
    private Exception? _failure;
    private byte* _scratch;
    private long _scratchBytes;
    private SharedFields _shared;

    /// <summary>A pool of <paramref name="count"/> threads, the caller being one of them.</summary>
    /// <param name="count">How many; results do not depend on it.</param>
    /// <param name="processors">How many run at a time at most; 0: as many as this process has processors.</param>
    public CpuThreads(int count, int processors = 0)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        _mostAwake = Math.Min(count, processors > 0 ? processors : Environment.ProcessorCount) - 1;
        _workers = new Thread[count - 1];
        _shared.Awake = _workers.Length;
        for (int i = 0; i < _workers.Length; i++)
        {
            int thread = i + 1;
            var worker = new Thread(() => Work(thread)) { IsBackground = true, Name = $"Dia worker {thread}" };
            try
            {
                worker.Start();
            }
            catch
            {
                // The system gives no further thread: those that run would wait for work for ever.
                Array.Resize(ref _workers, i);
                Dispose();
                throw;
            }

            _workers[i] = worker;
        }
    }

    /// <summary>Number of threads, the caller included.</summary>
    public int Count => _workers.Length + 1;

    /// <summary>Jobs so far that threads shared: as often the caller waited for all parts.</summary>
    public long Forks => _shared.Forks;

    /// <summary>Parts of these.</summary>
    public long Parts => _shared.AllParts;

    /// <summary>
    /// Scratch memory of at least <paramref name="bytesPerThread"/> bytes for each thread, 64-byte aligned, thread t's at t times the
    /// returned stride; behind it <paramref name="sharedBytes"/>, at <see cref="Count"/> times the stride. It grows and is never given back
    /// before Dispose: contents are valid until the next call.
    /// </summary>
    public byte* Scratch(long bytesPerThread, out long stride, long sharedBytes = 0)
    {
        // A page between the threads' parts: what a processor fetches ahead at the end of one would otherwise be the beginning of the next,
        // which its thread is writing (measured: two threads were slower than one). And an odd cache line, so that they do not all start in
        // the same cache set.
        ThrowIfInUse(Volatile.Read(ref _shared.InUse));
        ObjectDisposedException.ThrowIf(_stop, this);
        stride = ((bytesPerThread + 63) & ~63L) + 4096 + 64;
        long bytes = stride * Count + sharedBytes;
        if (bytes > _scratchBytes)
        {
            HostMemory.Free(_scratch);
            _scratch = null;
            _scratchBytes = 0;
            // Twice what is needed: scratch that follows a growing cache is renewed rarely.
            _scratch = (byte*)HostMemory.AllocateBytes(2 * bytes);
            LargePages.AskToFill(_scratch, 2 * bytes);
            _scratchBytes = 2 * bytes;
        }
        return _scratch;
    }

    /// <summary>Runs all parts and returns when they are done; an exception of any part is thrown here.</summary>
    /// <param name="job">The work.</param>
    /// <param name="parts">How many parts it has.</param>
    /// <param name="alone">The caller does them all: waking threads would cost more than it saves.</param>
    public void Run<TJob>(ref TJob job, int parts, bool alone = false)
        where TJob : unmanaged, IParallelJob
    {
        ThrowIfInUse(Interlocked.Exchange(ref _shared.InUse, 1));
        try
        {
            ObjectDisposedException.ThrowIf(_stop, this);
            fixed (TJob* pointer = &job)
            {
                if (alone || _workers.Length == 0 || parts <= 1)
                {
                    for (int part = 0; part < parts; part++)
                        pointer->Run(part, 0);
                }
                else
                {
                    Fork(&Invoke<TJob>, pointer, parts);
                }
            }
        }
        finally
        {
            Volatile.Write(ref _shared.InUse, 0);
        }
    }

    private static void ThrowIfInUse(int inUse)
    {
        if (inUse != 0)
            throw new InvalidOperationException("A CPU backend runs one operation at a time; use one backend per thread of the caller.");
    }

    private static void Invoke<TJob>(void* job, int part, int thread)
        where TJob : unmanaged, IParallelJob => ((TJob*)job)->Run(part, thread);

    private void Fork(delegate*<void*, int, int, void> body, void* job, int parts)
    {
        _shared.Forks++;
        _shared.AllParts += parts;
        _shared.Body = body;
        _shared.Job = job;
        _shared.Parts = parts;
        _shared.Done = 0;
        _failure = null;
        // Opens the job: from here on parts are taken. The full fence orders this before the look at who is awake (see Park).
        Interlocked.Exchange(ref _shared.Left, parts);
        Wake();
        TakeParts(0);
        SpinWait wait = default;
        while (Volatile.Read(ref _shared.Done) != parts)
            wait.SpinOnce(-1);
        if (_failure is { } failure)
            ExceptionDispatchInfo.Throw(failure);
    }

    private void TakeParts(int thread)
    {
        int done = 0;
        while (TryTake(out int part))
            done += RunPart(part, thread);
        if (done > 0)
            Interlocked.Add(ref _shared.Done, done);
    }

    // Who has a part keeps its job from ending, so that what belongs to the job is valid until the part is counted as done. Who comes late takes one of
    // the job that is open by then.
    private bool TryTake(out int part)
    {
        int left = Volatile.Read(ref _shared.Left);
        while (left > 0)
        {
            int seen = Interlocked.CompareExchange(ref _shared.Left, left - 1, left);
            if (seen == left)
            {
                part = _shared.Parts - left;
                return true;
            }
            left = seen;
        }
        part = 0;
        return false;
    }

    /// <returns>How many parts are done by that.</returns>
    private int RunPart(int part, int thread)
    {
        try
        {
            _shared.Body(_shared.Job, part, thread);
            return 1;
        }
        catch (Exception e)
        {
            // Kept for the caller, the first one; the parts that are left are not started.
            Interlocked.CompareExchange(ref _failure, e, null);
            return 1 + Interlocked.Exchange(ref _shared.Left, 0);
        }
    }

    private void Work(int thread)
    {
        for (int spins = 0; !_stop; spins++)
        {
            if (Volatile.Read(ref _shared.Left) > 0)
            {
                TakeParts(thread);
                spins = 0;
            }
            else if (spins < SpinsBeforeParking && Volatile.Read(ref _shared.Awake) <= _mostAwake)
            {
                Thread.SpinWait(2);
            }
            else
            {
                Park();
                spins = 0;
            }
        }
    }

    // Says that it is not awake before it looks for work once more, and Fork opens the job before it looks who is awake: one of the two sees the other.
    private void Park()
    {
        lock (_park)
        {
            _parked++;
            Interlocked.Decrement(ref _shared.Awake);
            while (!_stop && _called == 0 && Volatile.Read(ref _shared.Left) == 0)
                Monitor.Wait(_park);
            Interlocked.Increment(ref _shared.Awake);
            _called = Math.Min(Math.Max(0, _called - 1), --_parked);
        }

        Wake();
    }

    private void Wake()
    {
        // While there are parts that nobody has, as many are to be awake as there are parts, and processors. The number may be a later job's.
        int wanted = Math.Min(_mostAwake, Volatile.Read(ref _shared.Parts) - 1);
        if (Volatile.Read(ref _shared.Awake) >= wanted || Volatile.Read(ref _shared.Left) == 0)
            return;
        lock (_park)
        {
            for (int i = 0; i < WokenAtOnce && _called < _parked && _shared.Awake + _called < wanted; i++)
            {
                _called++;
                Monitor.Pulse(_park);
            }
        }
    }

    /// <summary>Stops and joins the workers and frees the scratch memory.</summary>
    public void Dispose()
    {
        _stop = true;
        lock (_park)
            Monitor.PulseAll(_park);
        foreach (Thread worker in _workers)
            worker.Join();
        HostMemory.Free(_scratch);
        _scratch = null;
        _scratchBytes = 0;
    }

    /// <summary>
    /// What threads write while others look at something else: each on cache lines of its own, in pairs, since processors fetch the neighbour too.
    /// </summary>
    [StructLayout(LayoutKind.Explicit, Size = 6 * Line)]
    private struct SharedFields
    {
        private const int Line = 128;

        /// <summary>Parts of the job that nobody has taken.</summary>
        [FieldOffset(Line)]
        public int Left;

        /// <summary>Parts of the job that are done.</summary>
        [FieldOffset(2 * Line)]
        public int Done;

        /// <summary>Workers that are not parked.</summary>
        [FieldOffset(3 * Line)]
        public int Awake;

        // The job, written before it opens.
        [FieldOffset(4 * Line)]
        public delegate*<void*, int, int, void> Body;
        [FieldOffset(4 * Line + 8)]
        public void* Job;
        [FieldOffset(4 * Line + 16)]
        public int Parts;

        // The caller's.
        [FieldOffset(5 * Line)]
        public int InUse;
        [FieldOffset(5 * Line + 8)]
        public long Forks;
        [FieldOffset(5 * Line + 16)]
        public long AllParts;
    }
}
