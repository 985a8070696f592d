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
/// A fork-join pool made for many very short jobs: workers spin for some microseconds after a job before they park, and the
/// caller waits only for workers that joined, never for one that is still waking up. One caller at a time: a second is refused where it is seen,
/// and what lives on a <see cref="Device"/> takes turns.
/// </summary>
internal sealed unsafe class CpuThreads : IDisposable
{
    // About 50 microseconds: longer than the gaps between the operations of a decoding step, short on a shared machine.
    private const int SpinsBeforeParking = 600;

    // _state: the number of jobs so far in the high half; below it a bit that says the job takes no more workers, and the count of workers in it.
    private const long Job = 1L << 32;
    private const long Closed = 1L << 31;
    private const long Active = Closed - 1;

    private readonly Thread[] _workers;
    private readonly object _park = new();
    private long _state = Closed;
    private int _parked;
    private int _inUse;
    private volatile bool _stop;
    private delegate*<void*, int, int, void> _body;
    private void* _job;
    private int _parts;
    private int _next;
    private Exception? _failure;
    private byte* _scratch;
    private long _scratchBytes;

    /// <summary>A pool of <paramref name="count"/> threads, the caller being one of them.</summary>
    public CpuThreads(int count)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        _workers = new Thread[count - 1];
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
        ThrowIfInUse(Volatile.Read(ref _inUse));
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
        ThrowIfInUse(Interlocked.Exchange(ref _inUse, 1));
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
            Volatile.Write(ref _inUse, 0);
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
        _body = body;
        _job = job;
        _parts = parts;
        _next = 0;
        _failure = null;
        // Opens the job: from here on workers may join. The full fence orders this before the look at _parked (see Park).
        Interlocked.Exchange(ref _state, (_state & ~(Job - 1)) + Job);
        if (Volatile.Read(ref _parked) > 0)
        {
            lock (_park)
                Monitor.PulseAll(_park);
        }

        TakeParts(0);
        Interlocked.Or(ref _state, Closed);
        SpinWait wait = default;
        while ((Volatile.Read(ref _state) & Active) != 0)
            wait.SpinOnce(-1);
        _job = null;
        if (_failure is { } failure)
            ExceptionDispatchInfo.Throw(failure);
    }

    private void TakeParts(int thread)
    {
        try
        {
            int part;
            while ((part = Interlocked.Increment(ref _next) - 1) < _parts)
                _body(_job, part, thread);
        }
        catch (Exception e)
        {
            // Kept for the caller, the first one; the parts that are left are not started.
            Interlocked.CompareExchange(ref _failure, e, null);
            Volatile.Write(ref _next, _parts);
        }
    }

    private void Work(int thread)
    {
        long seen = 0;
        while (!_stop)
        {
            if (!TryJoin(ref seen))
            {
                Park(seen);
                continue;
            }
            TakeParts(thread);
            Interlocked.Decrement(ref _state);
        }
    }

    private bool TryJoin(ref long seen)
    {
        for (int spin = 0; spin < SpinsBeforeParking && !_stop; spin++)
        {
            long state = Volatile.Read(ref _state);
            long job = state & ~(Job - 1);
            if (job != seen && (state & Closed) == 0)
            {
                if (Interlocked.CompareExchange(ref _state, state + 1, state) == state)
                {
                    seen = job;
                    return true;
                }
                continue;
            }
            Thread.SpinWait(2);
        }
        return false;
    }

    private bool HasJob(long seen)
    {
        long state = Volatile.Read(ref _state);
        return (state & ~(Job - 1)) != seen && (state & Closed) == 0;
    }

    // Announces itself before it looks for a job once more, and Fork opens the job before it looks for parked workers: one of the two sees the other.
    private void Park(long seen)
    {
        lock (_park)
        {
            Interlocked.Increment(ref _parked);
            while (!_stop && !HasJob(seen))
                Monitor.Wait(_park);
            Interlocked.Decrement(ref _parked);
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
}
