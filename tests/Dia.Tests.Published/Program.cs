using System.Globalization;
using System.Reflection;
using Xunit;
using Xunit.Sdk;

namespace Dia.Tests;

/// <summary>
/// Runs the tests of this assembly, of xunit's attributes only those that they use. A line for each that fails, then for each class how many passed; the
/// last line is "N passed, N failed". Exit codes: 0 all passed, 1 not.
/// </summary>
internal static class Program
{
    private static int Main()
    {
        CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
        int passed = 0, failed = 0;
        foreach (Type type in typeof(Program).Assembly.GetTypes().OrderBy(t => t.FullName, StringComparer.Ordinal))
        {
            int before = passed;
            foreach (MethodInfo test in type.GetMethods().Where(m => m.GetCustomAttribute<FactAttribute>() is not null))
            {
                foreach (object?[] arguments in Cases(test))
                {
                    if (Failure(type, test, arguments) is not { } failure)
                    {
                        passed++;
                        continue;
                    }

                    failed++;
                    Console.WriteLine($"FAIL {type.FullName}.{test.Name}({string.Join(", ", arguments)}): {failure}");
                }
            }

            if (passed > before)
                Console.WriteLine($"{type.FullName}: {passed - before} passed");
        }

        Console.WriteLine($"{passed} passed, {failed} failed");
        return failed == 0 && passed > 0 ? 0 : 1;
    }

    private static IEnumerable<object?[]> Cases(MethodInfo test) =>
        test.GetCustomAttribute<TheoryAttribute>() is null ? [[]] : test.GetCustomAttributes<DataAttribute>().SelectMany(d => d.GetData(test));

    // A literal of an attribute is an int where the parameter is narrower.
    private static object? Converted(ParameterInfo parameter, object? value) =>
        value is int && parameter.ParameterType.IsPrimitive ? Convert.ChangeType(value, parameter.ParameterType, CultureInfo.InvariantCulture) : value;

    private static Exception? Failure(Type type, MethodInfo test, object?[] arguments)
    {
        try
        {
            object instance = Activator.CreateInstance(type)!;
            using (instance as IDisposable)
                test.Invoke(instance, BindingFlags.DoNotWrapExceptions, null, [.. test.GetParameters().Zip(arguments, Converted)], null);
            return null;
        }
        catch (Exception e)
        {
            return e;
        }
    }
}
