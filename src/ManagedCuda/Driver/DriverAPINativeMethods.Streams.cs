#pragma warning disable IDE1006 // The names are the driver's.
using System.Runtime.InteropServices;
using ManagedCuda.BasicTypes;

namespace ManagedCuda;

public static unsafe partial class DriverAPINativeMethods
{
    /// <summary>Streams.</summary>
    public static partial class Streams
    {
        /// <summary>A new stream.</summary>
        /// <param name="phStream">The stream.</param>
        /// <param name="flags">Its properties.</param>
        [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
        public static partial CUResult cuStreamCreate(ref CUstream phStream, CUStreamFlags flags);

        /// <summary>Destroys a stream once its work is done; the call does not wait for that.</summary>
        /// <param name="hStream">The stream.</param>
        [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
        public static partial CUResult cuStreamDestroy_v2(CUstream hStream);

        /// <summary>Waits for a stream's work.</summary>
        /// <param name="hStream">The stream.</param>
        [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
        public static partial CUResult cuStreamSynchronize(CUstream hStream);

        /// <summary>Lets a stream's further work wait for an event.</summary>
        /// <param name="hStream">The stream.</param>
        /// <param name="hEvent">The event.</param>
        /// <param name="flags">0.</param>
        [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
        public static partial CUResult cuStreamWaitEvent(CUstream hStream, CUevent hEvent, uint flags);

        /// <summary>From here on a stream's work is recorded instead of done.</summary>
        /// <param name="hStream">The stream, not the null stream.</param>
        /// <param name="mode">Which calls are refused meanwhile.</param>
        [LibraryImport(CUDA_DRIVER_API_DLL_NAME, EntryPoint = "cuStreamBeginCapture_v2")]
        public static partial CUResult cuStreamBeginCapture(CUstream hStream, CUstreamCaptureMode mode);

        /// <summary>Ends recording.</summary>
        /// <param name="hStream">The stream in which it began.</param>
        /// <param name="phGraph">What was recorded; zero where the capture was spoiled.</param>
        [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
        public static partial CUResult cuStreamEndCapture(CUstream hStream, ref CUgraph phGraph);
    }

    /// <summary>Events.</summary>
    public static partial class Events
    {
        /// <summary>A new event.</summary>
        /// <param name="phEvent">The event.</param>
        /// <param name="flags">Its properties.</param>
        [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
        public static partial CUResult cuEventCreate(ref CUevent phEvent, CUEventFlags flags);

        /// <summary>The event happens when a stream's work up to here is done.</summary>
        /// <param name="hEvent">The event.</param>
        /// <param name="hStream">The stream.</param>
        [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
        public static partial CUResult cuEventRecord(CUevent hEvent, CUstream hStream);

        /// <summary>Whether an event has happened.</summary>
        /// <param name="hEvent">The event.</param>
        /// <returns>Success or ErrorNotReady.</returns>
        [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
        public static partial CUResult cuEventQuery(CUevent hEvent);

        /// <summary>Waits for an event.</summary>
        /// <param name="hEvent">The event.</param>
        [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
        public static partial CUResult cuEventSynchronize(CUevent hEvent);

        /// <summary>The time between two events.</summary>
        /// <param name="pMilliseconds">In milliseconds, to about half a microsecond.</param>
        /// <param name="hStart">The first.</param>
        /// <param name="hEnd">The second.</param>
        [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
        public static partial CUResult cuEventElapsedTime(ref float pMilliseconds, CUevent hStart, CUevent hEnd);

        /// <summary>Destroys an event.</summary>
        /// <param name="hEvent">The event.</param>
        [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
        public static partial CUResult cuEventDestroy_v2(CUevent hEvent);
    }

    /// <summary>Graphs (the class is spelt as in the package).</summary>
    public static partial class GraphManagment
    {
        /// <summary>An executable graph of a graph.</summary>
        /// <param name="phGraphExec">The executable graph.</param>
        /// <param name="hGraph">The graph, which is no longer needed after that.</param>
        /// <param name="flags">Properties.</param>
        [LibraryImport(CUDA_DRIVER_API_DLL_NAME, EntryPoint = "cuGraphInstantiateWithFlags")]
        public static partial CUResult cuGraphInstantiate(ref CUgraphExec phGraphExec, CUgraph hGraph, ulong flags);

        /// <summary>Launches an executable graph.</summary>
        /// <param name="hGraphExec">The executable graph.</param>
        /// <param name="hStream">The stream.</param>
        [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
        public static partial CUResult cuGraphLaunch(CUgraphExec hGraphExec, CUstream hStream);

        /// <summary>Destroys an executable graph.</summary>
        /// <param name="hGraphExec">The executable graph.</param>
        [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
        public static partial CUResult cuGraphExecDestroy(CUgraphExec hGraphExec);

        /// <summary>Destroys a graph.</summary>
        /// <param name="hGraph">The graph.</param>
        [LibraryImport(CUDA_DRIVER_API_DLL_NAME)]
        public static partial CUResult cuGraphDestroy(CUgraph hGraph);
    }
}
