using Dia.IO;
using Dia.Weights;

namespace Dia.Modeling;

/// <summary>
/// Copies what a decoding step reads from the mapped file to large pages, on a thread of its own, while the model works: until a matrix is copied it is
/// read where it is mapped. The file is read, not the mapping, so that no page is in memory twice.
/// </summary>
internal sealed unsafe class WeightCopy : IDisposable
{
    /// <summary>
    /// What each copy begins: a page, so that a block of a row that a step multiplies at a time lies within one. With 16 rows of x that was an eighth faster
    /// than where rows begin at some cache line, and two fifths faster than where they begin within one.
    /// </summary>
    public const int PageBytes = 4096;

    private const int ChunkBytes = 4 << 20;

    // Matrices change places a few at a time: each time is a turn on the device, which work that is under way gives seldom.
    private const int Moves = 8;

    private readonly DiaPreTrainedModel _model;
    private readonly int[] _matrices;
    private readonly byte* _block;
    private readonly Thread _thread;
    private volatile bool _stop;

    /// <summary>Takes the memory and begins.</summary>
    /// <param name="model">The model; it disposes of this before its weights.</param>
    /// <param name="matrices">The numbers of mapped weights.</param>
    /// <exception cref="DiaException">No memory (Device).</exception>
    public WeightCopy(DiaPreTrainedModel model, int[] matrices)
    {
        (_model, _matrices) = (model, matrices);
        _block = (byte*)Aligned((nint)model.Weights.AllocateCopies(Size(model, matrices)));
        _thread = new Thread(Run) { IsBackground = true, Name = "Dia weights" };
        _thread.Start();
    }

    /// <summary>Bytes of copies of mapped weights.</summary>
    public static long Size(DiaPreTrainedModel model, int[] matrices) =>
        matrices.Sum(i => model.Weights.MappedTensors(i).Sum(t => Aligned(t.ByteLength))) + PageBytes;

    /// <summary>Waits for the end; not in a turn on the device.</summary>
    public void Wait() => _thread.Join();

    /// <summary>Ends it; what is copied stays so.</summary>
    public void Dispose()
    {
        _stop = true;
        _thread.Join();
    }

    /// <summary>Bytes, or an address, rounded up to pages.</summary>
    internal static long Aligned(long bytes) => (bytes + PageBytes - 1) & -PageBytes;

    private void Run()
    {
        try
        {
            StoredTensor[][] tensors = Array.ConvertAll(_matrices, _model.Weights.MappedTensors);
            long share = tensors.Sum(m => m.Sum(t => t.ByteLength)) / Moves, copied = 0;
            byte* to = _block;
            List<(int Matrix, nint[] Copies)> ready = [];
            for (int i = 0; i < tensors.Length; i++)
            {
                var copies = new List<nint>();
                foreach (StoredTensor tensor in tensors[i])
                {
                    if (!Read(tensor, to))
                        return;
                    copies.Add((nint)to);
                    copied += tensor.ByteLength;
                    to += Aligned(tensor.ByteLength);
                }

                ready.Add((_matrices[i], [.. copies]));
                if (copied >= share || i == tensors.Length - 1)
                {
                    Move(ready);
                    copied = 0;
                }
            }
        }
        catch (Exception e) when (e is ObjectDisposedException or DiaException)
        {
            // The device is gone, or the file cannot be read: what is left stays where it is mapped.
        }
    }

    private bool Read(StoredTensor tensor, byte* to)
    {
        for (long done = 0; done < tensor.ByteLength && !_stop; done += ChunkBytes)
            tensor.Read(done, new Span<byte>(to + done, (int)Math.Min(ChunkBytes, tensor.ByteLength - done)));
        return !_stop;
    }

    private void Move(List<(int Matrix, nint[] Copies)> ready)
    {
        using Lock.Scope turn = _model.Tenant.Enter();
        foreach ((int matrix, nint[] copies) in ready)
        {
            // Training may have made it one that can be changed meanwhile.
            if (_model.Weights.MappedTensors(matrix).Length == 0)
                continue;
            _model.Weights.Move(matrix, (byte*)copies[0], copies.Length == 1 ? null : (byte*)copies[1]);
            _model.Network.Prepare(matrix, _model.Weights.Weights[matrix]);
        }

        ready.Clear();
    }
}
