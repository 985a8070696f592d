using System.Buffers.Binary;

namespace Dia.Weights;

/// <summary>A tensor as a pickle of PyTorch's says it: where in which storage its values are.</summary>
/// <param name="Type">The type of its values.</param>
/// <param name="Storage">The storage's key: the name of its file in the archive.</param>
/// <param name="StorageBytes">Bytes that the storage is to have.</param>
/// <param name="First">Values before its first one.</param>
/// <param name="Shape">Its shape.</param>
/// <param name="Strides">Values from one to the next along each dimension.</param>
internal sealed record PickledTensor(SafetensorsDType Type, string Storage, long StorageBytes, long First, long[] Shape, long[] Strides);

/// <summary>
/// What a pickle of PyTorch's holds: null, <see cref="bool"/>, <see cref="long"/>, <see cref="double"/>, <see cref="string"/>, object?[] (a tuple),
/// List&lt;object?&gt;, Dictionary&lt;object, object?&gt; and <see cref="PickledTensor"/>. Nothing is executed: of the machine that unpickles (Python's
/// pickletools.py) only what torch.save needs is here, and of what a pickle can call only the functions that make these.
/// </summary>
internal sealed class Pickle
{
    /// <summary>Bytes that are read at most.</summary>
    public const int MaxLength = 32 << 20;

    // So that what a byte makes, an object, stays within a few hundred MB.
    private const int MaxObjects = 1 << 22;

    private readonly PickleReader _reader;
    private readonly List<object?> _stack = [];
    private readonly Stack<int> _marks = [];
    private readonly Dictionary<uint, object?> _memo = [];
    private int _objects;

    private Pickle(PickleReader reader) => _reader = reader;

    /// <summary>Reads a pickle.</summary>
    /// <param name="bytes">The pickle.</param>
    /// <param name="error">Makes the exception for what is wrong with it.</param>
    public static object? Read(byte[] bytes, Func<string, DiaException> error)
    {
        var reader = new PickleReader(bytes, error);
        var pickle = new Pickle(reader);
        while (pickle.Step(reader.Byte()))
        {
        }

        object? result = pickle.Pop();
        return result is PickledGlobal or PickledStorage ? throw reader.Error("holds no value") : result;
    }

    /// <returns>Whether it goes on.</returns>
    private bool Step(byte code)
    {
        switch ((char)code)
        {
            case '\x80': // PROTO
                if (_reader.Byte() is < 2 or > 5)
                    throw _reader.Error("is of a protocol other than 2 to 5");
                break;
            case '\x95': // FRAME: only says how much to read at once
                _reader.Take(8);
                break;
            case '.':
                return false;
            case '(':
                Count();
                _marks.Push(_stack.Count);
                break;
            case '0':
                Pop();
                break;
            case 'c':
                Push(PickledGlobal.Of(_reader.Line(), _reader.Line(), _reader));
                break;
            case '\x93': // STACK_GLOBAL
                object? name = Pop();
                Push(PickledGlobal.Of(Pop() as string ?? "?", name as string ?? "?", _reader));
                break;
            case 'R':
                object? arguments = Pop();
                Push(PickledGlobal.Call(Pop(), arguments as object?[] ?? throw _reader.Error("calls something without a tuple"), _reader));
                break;
            case 'Q':
                Push(PickledStorage.Of(Pop(), _reader));
                break;
            case 'b': // BUILD: of a dictionary, attributes that say nothing of its tensors
                if (Pop() is not Dictionary<object, object?> || Top() is not Dictionary<object, object?>)
                    throw _reader.Error("sets the state of something that is no dictionary");
                break;
            case '\x81' or '\x92' or 'i' or 'o': // NEWOBJ and older
                throw _reader.Error("makes objects of a class");
            default:
                if (!Memo(code) && !Constant(code) && !Collection(code))
                    throw _reader.Error(FormattableString.Invariant($"has the operation 0x{code:x2}, which torch.save never writes"));
                break;
        }

        return true;
    }

    private bool Memo(byte code)
    {
        switch ((char)code)
        {
            case 'q':
                Keep(_reader.Byte());
                return true;
            case 'r':
                Keep(_reader.UInt32());
                return true;
            case '\x94': // MEMOIZE
                Keep((uint)_memo.Count);
                return true;
            case 'h':
                Push(Known(_reader.Byte()));
                return true;
            case 'j':
                Push(Known(_reader.UInt32()));
                return true;
            default:
                return false;
        }

        object? Known(uint index) => _memo.TryGetValue(index, out object? value) ? value : throw _reader.Error("recalls what it has not kept");
    }

    private bool Constant(byte code)
    {
        switch ((char)code)
        {
            case 'N':
                Push(null);
                return true;
            case '\x88' or '\x89': // NEWTRUE, NEWFALSE
                Push(code == 0x88);
                return true;
            case 'J':
                Push((long)(int)_reader.UInt32());
                return true;
            case 'K':
                Push((long)_reader.Byte());
                return true;
            case 'M':
                Push((long)BinaryPrimitives.ReadUInt16LittleEndian(_reader.Take(2)));
                return true;
            case '\x8a': // LONG1
                Push(_reader.Integer());
                return true;
            case 'G':
                Push(BinaryPrimitives.ReadDoubleBigEndian(_reader.Take(8)));
                return true;
            case 'X':
                Push(_reader.Text(_reader.UInt32()));
                return true;
            case '\x8c': // SHORT_BINUNICODE
                Push(_reader.Text(_reader.Byte()));
                return true;
            default:
                return false;
        }
    }

    private bool Collection(byte code)
    {
        switch ((char)code)
        {
            case ')':
                Push(Array.Empty<object?>());
                return true;
            case 't':
                Push(PopMarked());
                return true;
            case '\x85' or '\x86' or '\x87': // TUPLE1 to TUPLE3
                Push(PopMany(code - 0x84));
                return true;
            case ']':
                Push(new List<object?>());
                return true;
            case 'a':
                AddTo(PopMany(1));
                return true;
            case 'e':
                AddTo(PopMarked());
                return true;
            case '}':
                Push(new Dictionary<object, object?>());
                return true;
            case 's':
                SetIn(PopMany(2));
                return true;
            case 'u':
                SetIn(PopMarked());
                return true;
            default:
                return false;
        }
    }

    private void AddTo(object?[] items)
    {
        if (Top() is not List<object?> list)
            throw _reader.Error("adds to something that is no list");
        list.AddRange(items);
    }

    private void SetIn(object?[] items)
    {
        if (Top() is not Dictionary<object, object?> dictionary || items.Length % 2 != 0)
            throw _reader.Error("sets keys of something that is no dictionary");
        for (int i = 0; i < items.Length; i += 2)
            dictionary[items[i] is string or long ? items[i]! : throw _reader.Error("has a key that is neither text nor a whole number")] = items[i + 1];
    }

    private void Push(object? value)
    {
        Count();
        _stack.Add(value);
    }

    private void Keep(uint index)
    {
        Count();
        _memo[index] = Top();
    }

    private void Count()
    {
        if (++_objects > MaxObjects)
            throw _reader.Error(FormattableString.Invariant($"has more than {MaxObjects} values"));
    }

    private object? Pop()
    {
        object? top = Top();
        _stack.RemoveAt(_stack.Count - 1);
        return top;
    }

    /// <summary>Values below the last mark belong to what is under way there.</summary>
    private object? Top() => _stack.Count > (_marks.TryPeek(out int mark) ? mark : 0) ? _stack[^1] : throw _reader.Error("takes a value that is not there");

    private object?[] PopMarked() => _marks.TryPop(out int mark) ? PopMany(_stack.Count - mark) : throw _reader.Error("takes a mark that is not there");

    private object?[] PopMany(int count)
    {
        int from = _stack.Count - count;
        if (from < (_marks.TryPeek(out int mark) ? mark : 0))
            throw _reader.Error("takes values that are not there");
        object?[] values = [.. _stack[from..]];
        _stack.RemoveRange(from, count);
        return values;
    }
}

/// <summary>The bytes of a pickle.</summary>
/// <param name="bytes">The bytes.</param>
/// <param name="error">Makes the exception for what is wrong with them.</param>
internal sealed class PickleReader(byte[] bytes, Func<string, DiaException> error)
{
    private const int MaxText = 1 << 16;

    private int _at;

    public byte Byte() => Take(1)[0];

    public uint UInt32() => BinaryPrimitives.ReadUInt32LittleEndian(Take(4));

    public ReadOnlySpan<byte> Take(int count)
    {
        if (count > bytes.Length - _at)
            throw Error("ends too early: it is cut, or damaged");
        _at += count;
        return bytes.AsSpan(_at - count, count);
    }

    /// <summary>An integer in two's complement, its length before it.</summary>
    public long Integer()
    {
        ReadOnlySpan<byte> digits = Take(Byte());
        if (digits.Length > sizeof(long))
            throw Error("has a whole number of more than 64 bits");
        long value = digits.Length > 0 && digits[^1] >= 0x80 ? -1 : 0;
        for (int i = digits.Length - 1; i >= 0; i--)
            value = value << 8 | digits[i];
        return value;
    }

    public string Text(uint length) => length <= MaxText ? Encoding.UTF8.GetString(Take((int)length)) : throw Error("has a text of more than 64 KiB");

    public string Line()
    {
        int length = bytes.AsSpan(_at, Math.Min(bytes.Length - _at, MaxText)).IndexOf((byte)'\n');
        if (length < 0)
            throw Error("has a name without an end");
        string line = Encoding.UTF8.GetString(Take(length));
        Take(1);
        return line;
    }

    public DiaException Error(string what) => error(FormattableString.Invariant($"{what}, near byte {_at} of its pickle"));
}
