using Dia.Configuration;
using Dia.Graph;
using Dia.IO;
using Dia.Weights;

namespace Dia.Backends;

/// <summary>
/// Where models run, from any number of threads: what lives on a device takes turns, prompt by prompt and step by step, so that calls from several
/// threads go on side by side. Results do not depend on that. It may be disposed at any time: a turn under way ends first, and whatever lives on it
/// then throws <see cref="ObjectDisposedException"/>, but for its own Dispose.
/// </summary>
/// <remarks>What is virtual here is, unless overridden, as it is for a device that computes in the host's memory.</remarks>
public abstract class Device : IDisposable
{
    private readonly Lock _turns = new();

    private protected Device()
    {
    }

    /// <summary>What it is called.</summary>
    public abstract string Name { get; }

    /// <summary>The same, and what it is.</summary>
    public virtual string Description => Name;

    /// <summary>What else is to be known of it, a line each.</summary>
    public virtual IReadOnlyList<string> Details => [];

    /// <summary>The memory that it computes in.</summary>
    public abstract DeviceMemory Memory { get; }

    /// <summary>Bytes of that memory.</summary>
    public virtual long TotalMemory => GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;

    /// <summary>Bytes of it that no program has; null: it is the host's, of which each process gets what the system allows.</summary>
    /// <exception cref="DiaException">The device has failed (Device).</exception>
    public virtual long? FreeMemory => null;

    /// <summary>Kernels that one decoding step was when it was last captured, 0: none was yet; null: the device captures none.</summary>
    public virtual int? StepLaunches => null;

    /// <summary>What it keeps keys and values as where decoding is to be fast; it can keep them in float32 besides.</summary>
    public virtual WeightFormat CacheFormat => WeightFormat.Float16;

    /// <summary>Whether it has kernels for training.</summary>
    public virtual bool CanTrain => true;

    /// <summary>Whether it can do convolutions by minimal filtering: fewer multiplications, other rounding.</summary>
    internal virtual bool FiltersConvolutions => false;

    /// <summary>Whether convolutions of 16-bit weights take each activation as two 16-bit halves.</summary>
    internal virtual bool SplitsActivations => false;

    /// <summary>Whether it is disposed; asked in a turn.</summary>
    internal bool IsDisposed { get; private set; }

    /// <summary>Has something done with its backend, which works on pointers that it trusts, and takes no turns.</summary>
    /// <exception cref="ObjectDisposedException">The device is disposed.</exception>
    public T Accept<T>(IBackendVisitor<T> visitor)
    {
        ArgumentNullException.ThrowIfNull(visitor);
        ObjectDisposedException.ThrowIf(IsDisposed, typeof(Device));
        return Visit(visitor);
    }

    /// <summary>The same for training.</summary>
    /// <exception cref="DiaException">The device has no kernels for that (Device).</exception>
    /// <exception cref="ObjectDisposedException">The device is disposed.</exception>
    public T AcceptTraining<T>(ITrainingVisitor<T> visitor)
    {
        ArgumentNullException.ThrowIfNull(visitor);
        ObjectDisposedException.ThrowIf(IsDisposed, typeof(Device));
        return VisitTraining(visitor);
    }

    /// <summary>Ends its threads and frees its memory.</summary>
    public void Dispose()
    {
        using Lock.Scope turn = EnterToFree();
        if (IsDisposed)
            return;
        try
        {
            Free();
        }
        finally
        {
            IsDisposed = true;
        }
    }

    /// <summary>Waits until nobody else uses the device; disposing of the result ends the turn.</summary>
    /// <exception cref="ObjectDisposedException">It is disposed.</exception>
    internal Lock.Scope Enter()
    {
        Lock.Scope turn = EnterToFree();
        if (!IsDisposed)
            return turn;
        turn.Dispose();
        throw new ObjectDisposedException(typeof(Device).FullName);
    }

    /// <summary>The same to free memory, which can be done on a disposed device too.</summary>
    internal Lock.Scope EnterToFree() => _turns.EnterScope();

    /// <summary>Waits until everything that was started is done.</summary>
    /// <exception cref="DiaException">Something that was started has failed (Device).</exception>
    internal virtual void Synchronize()
    {
    }

    /// <summary>Its own sampler, for slots that sequences run in; null: ids are picked on the host.</summary>
    /// <exception cref="DiaException">No memory (Device), or the model is too large for it (Model).</exception>
    internal virtual DeviceSampler? CreateSampler(int slots, int channels, int vocabularySize) => null;

    /// <summary>A queue for steps that need nothing of the host, where there is a sampler.</summary>
    /// <param name="step">Starts the operations of a step; they are the same until the queue rests.</param>
    /// <exception cref="DiaException">The device has failed (Device).</exception>
    internal virtual StepQueue CreateQueue(Action step) => throw new NotSupportedException("This device runs no steps by itself.");

    /// <summary>A clock for what it does.</summary>
    /// <exception cref="DiaException">No memory for the measurements (Device).</exception>
    internal abstract DeviceClock CreateClock();

    /// <summary>Bytes of its memory that a prepared weight takes; 0: it is read where it is mapped.</summary>
    internal virtual long PreparedBytes(WeightSpec spec, WeightStorage format) => spec.Role switch
    {
        WeightRole.Vector => spec.Count * sizeof(float),
        WeightRole.Convolution or WeightRole.TransposedConvolution => format.Bytes(spec),
        _ => 0,
    };

    /// <summary>Bytes of its memory that are taken beside these while a weight is prepared.</summary>
    internal virtual long PreparingBytes(WeightSpec spec, WeightStorage format) => 0;

    /// <summary>What its kernels take for decoding, beside weights, activations and caches; of that, what is scratch memory.</summary>
    /// <param name="config">The model.</param>
    /// <param name="utterances">Utterances at a time.</param>
    /// <param name="narrow">Values of the model's largest matrix that is not float32; 0: all are.</param>
    internal virtual (MemoryPart[] Parts, long Scratch) DecodingMemory(DiaConfig config, int utterances, long narrow) => ([], 0);

    /// <summary>
    /// Takes what a plan needs, in a turn. The host's memory is taken as it is used: there what is needed in any case is compared with what the system
    /// lets this process have. What more a long text takes is refused where it is allocated, if it is too much.
    /// </summary>
    /// <exception cref="DiaException">It is too little (Device).</exception>
    internal virtual void Reserve(in MemoryNeeds needs)
    {
        if (needs.Least > MemoryLimits.AddressSpaceLeft || needs.Least > HostMemory.Left)
            throw MemoryLimits.TooLittle(
                $"the model ({MemoryLimits.Text(needs.Mapped)} of mapped weights, {MemoryLimits.Text(needs.Least)} of working memory, and up to {MemoryLimits.Text(needs.Bytes - needs.Least)} more by what is said)", needs.Least + needs.Mapped, taken: needs.Mapped);
    }

    private protected abstract T Visit<T>(IBackendVisitor<T> visitor);

    private protected virtual T VisitTraining<T>(ITrainingVisitor<T> visitor) => throw new DiaException(
        DiaErrorKind.Device, $"{Name} cannot train: its kernels run forward passes only. Train on the processor (--device cpu).");

    /// <summary>Ends its threads and frees its memory, in a turn.</summary>
    private protected abstract void Free();
}
