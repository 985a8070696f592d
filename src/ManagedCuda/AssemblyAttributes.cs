using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

// Structs cross the border as they lie in memory, so that no call needs marshalling code.
[assembly: DisableRuntimeMarshalling]

// Only the system's search path: a library of that name beside the executable is not the driver.
[assembly: DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
