using System.Text;
using Dia.Graph;
using Dia.Weights;

namespace Dia.Tests.Weights;

/// <summary>A temporary folder, and what tests of files need.</summary>
internal sealed class TestFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("dia-weights-").FullName;

    public static string Repository { get; } = FindRepository();

    public string this[string name] => System.IO.Path.Combine(Path, name);

    public static string Fixture(string name) => System.IO.Path.Combine(Repository, "tests", "fixtures", name);

    /// <summary>A safetensors file from its JSON and data, valid or not.</summary>
    public static byte[] File(string json, byte[] data)
    {
        byte[] text = Encoding.UTF8.GetBytes(json);
        return [.. BitConverter.GetBytes((long)text.Length), .. text, .. data];
    }

    public string Write(string name, byte[] bytes)
    {
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(this[name])!);
        System.IO.File.WriteAllBytes(this[name], bytes);
        return this[name];
    }

    public string Write(string name, string text) => Write(name, Encoding.UTF8.GetBytes(text));

    public string Save(string name, params SafetensorsArray[] arrays)
    {
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(this[name])!);
        SafetensorsWriter.Save(this[name], arrays);
        return this[name];
    }

    /// <summary>Specs that fit a checkpoint's tensors: [out, in, k] are convolutions.</summary>
    public static WeightSpec[] SpecsOf(string file)
    {
        using var tensors = SafetensorsFile.Open(file);
        return [.. tensors.Tensors.Values.OrderBy(t => t.Name, StringComparer.Ordinal).Select(t =>
            new WeightSpec(t.Name, Array.ConvertAll(t.Shape, d => (int)d), t.Name.EndsWith(".weight", StringComparison.Ordinal) && t.Shape.Length == 3 ? WeightRole.Convolution : WeightRole.Linear))];
    }

    /// <summary>The weights of a checkpoint, whose files they alone hold.</summary>
    public static LoadedWeights Load(ModelFolder folder, WeightSpec[] specs, ICollection<string>? warnings = null)
    {
        using var tensors = MatchedTensors.Open(folder, specs, warnings ?? new List<string>());
        return new LoadedWeights(tensors);
    }

    /// <summary>Tensors of a file as float arrays.</summary>
    public static SafetensorsArray[] ArraysOf(string file)
    {
        using var tensors = SafetensorsFile.Open(file);
        return [.. tensors.Tensors.Values.OrderBy(t => t.Name, StringComparer.Ordinal).Select(t => new SafetensorsArray(t.Name, t.Shape, t.ToSingle()))];
    }

    public void Dispose() => Directory.Delete(Path, recursive: true);

    private static string FindRepository()
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !System.IO.File.Exists(System.IO.Path.Combine(folder, "Dia.Aot.sln")))
            folder = System.IO.Path.GetDirectoryName(folder);
        return folder ?? throw new InvalidOperationException("the tests do not run inside the repository");
    }
}
