/*
 * Runs before the runtime of .NET starts; in C since nothing of C# runs that early. The linker driver compiles it.
 *
 * `ulimit -f`: a file that grows over its limit is an error of writing, not the end of the program. (A handler of .NET's runs on a thread of
 * its own: a signal that it took up after the run's end, when handlers are given back, ended the program all the same.)
 *
 * `ulimit -s`: below half a megabyte the runtime ends with a segmentation fault before its first message.
 *
 * `ulimit -v`:
 * - The heap reserves half of the limit. Here it is at most a quarter, and the rest is for weights and caches.
 * - A heap that fills what it reserved ended the program with a segmentation fault: without concurrent collection the runtime (measured with
 *   10.0.12) does not commit the page that describes its last regions. https://github.com/dotnet/runtime/issues/129681
 * - A thread that allocates reserves an arena of 128 MiB for a moment, which can fail what another thread reserves meanwhile, and keeps 64.
 */
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

static void check_stack(void)
{
    const rlim_t least = 512 << 10;
    struct rlimit limit;

    if (getrlimit(RLIMIT_STACK, &limit) != 0 || limit.rlim_cur >= least)
        return;
    if (limit.rlim_max >= least)
    {
        limit.rlim_cur = least; /* the stack of the main thread grows up to what is allowed when it grows */
        if (setrlimit(RLIMIT_STACK, &limit) == 0)
            return;
    }
    fprintf(stderr, "dia: too little memory: the stack may have %llu KiB (ulimit -s), and %llu are needed. Raise the limit.\n",
        (unsigned long long)limit.rlim_max >> 10, (unsigned long long)least >> 10);
    _exit(5);
}

void dia_choose_image(char **argv); /* SecondImage.c */

__attribute__((constructor)) static void before_runtime(int argc, char **argv)
{
    const unsigned long long least = 32ULL << 20, most = 64ULL << 30;
    unsigned long long heap = least;
    char text[32];
    struct rlimit limit;

    (void)argc;
    signal(SIGXFSZ, SIG_IGN); /* the second image is written into a file, too */
    check_stack();
    dia_choose_image(argv);
    if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return;
    while (heap < most && heap * 8 <= limit.rlim_cur)
        heap *= 2;
    snprintf(text, sizeof text, "%llX", heap);
    setenv("DOTNET_GCRegionRange", text, 0);
    setenv("DOTNET_gcConcurrent", "1", 0);
    mallopt(M_ARENA_MAX, 1);
}
