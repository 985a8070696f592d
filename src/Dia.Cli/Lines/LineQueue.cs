using System.Collections.Concurrent;

namespace Dia.Cli.Lines;

/// <summary>
/// Lines read on a thread of their own, so that a slow writer of the input never holds up the lines that are being spoken. It reads only
/// a few lines ahead.
/// </summary>
internal sealed class LineQueue : IDisposable
{
    private readonly BlockingCollection<InputLine> _lines;
    private readonly CancellationTokenSource _closed = new();
    private readonly string _name;
    private Exception? _failure;

    /// <summary>Starts to read.</summary>
    /// <param name="reader">Where to read.</param>
    /// <param name="name">What messages call it.</param>
    /// <param name="ahead">Lines to read ahead at most, empty ones not counted.</param>
    /// <param name="isEmpty">Which lines are passed over.</param>
    public LineQueue(LineReader reader, string name, int ahead, Func<InputLine, bool> isEmpty)
    {
        _name = name;
        _lines = new BlockingCollection<InputLine>(ahead);
        // In the background: a read from a terminal or pipe cannot be interrupted, and must not keep the program from ending.
        new Thread(() => Read(reader, isEmpty)) { IsBackground = true, Name = "lines" }.Start();
    }

    /// <summary>A line that is there already.</summary>
    /// <exception cref="DiaException">Input: the stream failed, and every line before that was taken.</exception>
    public bool TryTake(out InputLine line) => _lines.TryTake(out line) || (_lines.IsCompleted && Ended());

    /// <summary>The next line, waited for; false after the last.</summary>
    /// <exception cref="DiaException">Input: the stream failed, and every line before that was taken.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public bool Take(out InputLine line, CancellationToken token) => _lines.TryTake(out line, Timeout.Infinite, token) || Ended();

    /// <summary>Stops reading at the next line.</summary>
    public void Dispose() => _closed.Cancel();

    private bool Ended() => _failure is null
        ? false
        : throw (_failure as DiaException ?? new DiaException(DiaErrorKind.Input, $"cannot read {_name}: {_failure.Message}", _failure));

    private void Read(LineReader reader, Func<InputLine, bool> isEmpty)
    {
        try
        {
            while (reader.Next() is { } line)
                if (!isEmpty(line))
                    _lines.Add(line, _closed.Token);
        }
        catch (OperationCanceledException)
        {
            // Nobody wants the rest.
        }
        catch (Exception e)
        {
            _failure = e; // Thrown where the lines are taken.
        }
        finally
        {
            _lines.CompleteAdding();
        }
    }
}
