namespace Dia.Weights;

/// <summary>A storage as a pickle names it.</summary>
/// <param name="Type">The type of its values; null: it has none of its own.</param>
/// <param name="Key">The name of its file in the archive.</param>
/// <param name="Count">Its values; without a type, bytes.</param>
internal sealed record PickledStorage(SafetensorsDType? Type, string Key, long Count)
{
    /// <summary>The storage that a persistent id names: ("storage", its class, its key, the device it was on, its length).</summary>
    public static PickledStorage Of(object? id, PickleReader reader) =>
        id is object?[] { Length: 5 } parts && parts[0] is "storage" && parts[1] is PickledGlobal { Function: TorchFunction.Storage } type
            && parts[2] is string key && parts[4] is long and >= 0 and var count
            ? new PickledStorage(type.Type, key, (long)count) : throw reader.Error("refers to something that is no storage");
}

/// <summary>What a function that is called makes.</summary>
internal enum TorchFunction
{
    /// <summary>It is no function but a type of values.</summary>
    None,

    /// <summary>The class of a storage.</summary>
    Storage,

    /// <summary>A dictionary.</summary>
    Dictionary,

    /// <summary>A tensor, of a storage that has a type.</summary>
    Tensor,

    /// <summary>A tensor, which has a type of its own.</summary>
    TypedTensor,

    /// <summary>A tensor again.</summary>
    Parameter,

    /// <summary>Its only argument.</summary>
    Same,

    /// <summary>Nothing that counts.</summary>
    Nothing,
}

/// <summary>A name of Python's that a pickle may use: what is not in the table is refused by name.</summary>
/// <param name="Function">What calling it makes.</param>
/// <param name="Type">The type of values that it stands for.</param>
internal sealed record PickledGlobal(TorchFunction Function, SafetensorsDType? Type = null)
{
    private const int MaxDimensions = 16;

    private static readonly Dictionary<string, PickledGlobal> Known = new(StringComparer.Ordinal)
    {
        ["collections.OrderedDict"] = new(TorchFunction.Dictionary),
        ["torch._utils._rebuild_tensor_v2"] = new(TorchFunction.Tensor),
        ["torch._utils._rebuild_tensor_v3"] = new(TorchFunction.TypedTensor),
        ["torch._utils._rebuild_parameter"] = new(TorchFunction.Parameter),
        ["torch._utils._rebuild_parameter_with_state"] = new(TorchFunction.Parameter),
        ["torch.Size"] = new(TorchFunction.Same),
        ["torch.device"] = new(TorchFunction.Nothing),
        ["torch.storage.UntypedStorage"] = new(TorchFunction.Storage),
        ["torch.FloatStorage"] = new(TorchFunction.Storage, SafetensorsDType.F32),
        ["torch.DoubleStorage"] = new(TorchFunction.Storage, SafetensorsDType.F64),
        ["torch.HalfStorage"] = new(TorchFunction.Storage, SafetensorsDType.F16),
        ["torch.BFloat16Storage"] = new(TorchFunction.Storage, SafetensorsDType.BF16),
        ["torch.LongStorage"] = new(TorchFunction.Storage, SafetensorsDType.I64),
        ["torch.IntStorage"] = new(TorchFunction.Storage, SafetensorsDType.I32),
        ["torch.ShortStorage"] = new(TorchFunction.Storage, SafetensorsDType.I16),
        ["torch.CharStorage"] = new(TorchFunction.Storage, SafetensorsDType.I8),
        ["torch.ByteStorage"] = new(TorchFunction.Storage, SafetensorsDType.U8),
        ["torch.BoolStorage"] = new(TorchFunction.Storage, SafetensorsDType.BOOL),
        ["torch.ComplexFloatStorage"] = new(TorchFunction.Storage, SafetensorsDType.C64),
        ["torch.float32"] = new(TorchFunction.None, SafetensorsDType.F32),
        ["torch.float64"] = new(TorchFunction.None, SafetensorsDType.F64),
        ["torch.float16"] = new(TorchFunction.None, SafetensorsDType.F16),
        ["torch.bfloat16"] = new(TorchFunction.None, SafetensorsDType.BF16),
        ["torch.int64"] = new(TorchFunction.None, SafetensorsDType.I64),
        ["torch.int32"] = new(TorchFunction.None, SafetensorsDType.I32),
        ["torch.int16"] = new(TorchFunction.None, SafetensorsDType.I16),
        ["torch.int8"] = new(TorchFunction.None, SafetensorsDType.I8),
        ["torch.uint8"] = new(TorchFunction.None, SafetensorsDType.U8),
        ["torch.uint16"] = new(TorchFunction.None, SafetensorsDType.U16),
        ["torch.uint32"] = new(TorchFunction.None, SafetensorsDType.U32),
        ["torch.uint64"] = new(TorchFunction.None, SafetensorsDType.U64),
        ["torch.bool"] = new(TorchFunction.None, SafetensorsDType.BOOL),
        ["torch.complex64"] = new(TorchFunction.None, SafetensorsDType.C64),
        ["torch.float8_e5m2"] = new(TorchFunction.None, SafetensorsDType.F8_E5M2),
        ["torch.float8_e4m3fn"] = new(TorchFunction.None, SafetensorsDType.F8_E4M3),
        ["torch.float8_e8m0fnu"] = new(TorchFunction.None, SafetensorsDType.F8_E8M0),
        ["torch.float8_e4m3fnuz"] = new(TorchFunction.None, SafetensorsDType.F8_E4M3FNUZ),
        ["torch.float8_e5m2fnuz"] = new(TorchFunction.None, SafetensorsDType.F8_E5M2FNUZ),
    };

    /// <summary>What a name stands for.</summary>
    public static PickledGlobal Of(string module, string name, PickleReader reader)
    {
        string whole = $"{module}.{name}";
        return Known.GetValueOrDefault(whole) ?? throw reader.Error(
            $"names {(whole.Any(char.IsControl) ? "something" : SafetensorsHeader.Show(whole))}, which is no part of a tensor (nothing that a file names is executed; store a model's state_dict() alone)");
    }

    /// <summary>What calling something makes.</summary>
    public static object? Call(object? called, object?[] arguments, PickleReader reader)
    {
        object? result = (called as PickledGlobal)?.Function switch
        {
            TorchFunction.Dictionary => Dictionary(arguments),
            TorchFunction.Tensor => Tensor(arguments, null),
            TorchFunction.TypedTensor when arguments.Length >= 7 => Tensor(arguments, (arguments[6] as PickledGlobal)?.Type),
            TorchFunction.Parameter when arguments.Length >= 1 => arguments[0] as PickledTensor,
            TorchFunction.Same when arguments.Length == 1 => arguments[0] as object?[],
            TorchFunction.Nothing => "",
            _ => null,
        };
        return result ?? throw reader.Error("makes a value of something else than PyTorch does");
    }

    /// <summary>Empty, or of a list of pairs.</summary>
    private static Dictionary<object, object?>? Dictionary(object?[] arguments)
    {
        var result = new Dictionary<object, object?>();
        foreach (object? pair in arguments is [List<object?> pairs] ? pairs : [])
        {
            if (pair is not object?[] { Length: 2 } entry || entry[0] is not (string or long))
                return null;
            result[entry[0]!] = entry[1];
        }

        return arguments is [] or [List<object?>] ? result : null;
    }

    /// <summary>(storage, values before the first, shape, strides, ...)</summary>
    private static PickledTensor? Tensor(object?[] arguments, SafetensorsDType? type)
    {
        if (arguments is not [PickledStorage storage, long and >= 0 and var first, object?[] sizes, object?[] steps, ..]
            || (type ?? storage.Type) is not { } values || sizes.Length != steps.Length || sizes.Length > MaxDimensions)
            return null;
        long[] shape = [.. sizes.OfType<long>().Where(d => d >= 0)], strides = [.. steps.OfType<long>().Where(d => d >= 0)];
        int size = storage.Type is { } stored ? SafetensorsTypes.Size(stored) : 1;
        long bytes = storage.Count <= long.MaxValue / size ? storage.Count * size : -1;
        return shape.Length == sizes.Length && strides.Length == steps.Length && bytes >= 0
            ? new PickledTensor(values, storage.Key, bytes, (long)first, shape, strides) : null;
    }
}
