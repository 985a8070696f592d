/*
 * Runs before the runtime of .NET starts, where `ulimit -v` limits the address space; in C since nothing of C# runs that early. The linker
 * driver compiles it.
 *
 * - The heap reserves half of the limit. Measured with 10.0.12: where that is no power of two, its second large region can end the program
 *   with a segmentation fault. Here it is one: at most a quarter of the limit, and the rest is for weights and caches.
 * - A thread that allocates reserves an arena of 128 MiB for a moment, which can fail what another thread reserves meanwhile, and keeps 64.
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

__attribute__((constructor)) static void share_address_space(void)
{
    const unsigned long long least = 32ULL << 20, most = 64ULL << 30;
    unsigned long long heap = least;
    char text[32];
    struct rlimit limit;

    if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return;
    while (heap < most && heap * 8 <= limit.rlim_cur)
        heap *= 2;
    snprintf(text, sizeof text, "%llX", heap);
    setenv("DOTNET_GCRegionRange", text, 0);
    mallopt(M_ARENA_MAX, 1);
}
