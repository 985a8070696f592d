/*
 * The program is compiled for two instruction levels. The executable is the AVX2 image and holds the AVX-512 image as bytes. Where the
 * processor has AVX-512, that image takes the process over before the runtime starts: it is written into a file in memory, which is
 * executed. Neither /proc nor a folder is needed, and it is the same process: its number, descriptors, limits and signals stay.
 * Where that cannot be, the AVX2 image goes on, and `dia info` and -v say why.
 *
 * DIA_IMAGE_OF tells the second image what it was started as, NAME/PATH: the name of the process, and the path of the executable, which
 * holds the model. The second image takes the variable away before anything else sees it. Nothing else reads it, and the first image
 * overwrites one that was there before.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#define VARIABLE "DIA_IMAGE_OF"
#define LONGEST_NAME 16 /* of a process, with its end (prctl(2)) */

/* Why the second image does not run; empty where there is none, or where it does. */
static char why_not[160];

#ifdef DIA_HOLDS_SECOND_IMAGE

#ifndef MFD_EXEC
#define MFD_EXEC 0x10U
#endif

/* The linker driver is told the folder. */
__asm__(".section .rodata\n"
        "dia_second_image: .incbin \"Dia.Cli\"\n"
        "dia_second_image_end:\n"
        ".previous");
extern const char dia_second_image[] __attribute__((visibility("hidden")));
extern const char dia_second_image_end[] __attribute__((visibility("hidden")));

/* The first image goes on, without the second, which would take address space where that is limited. */
static void stay(const char *reason, int error)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t start = ((uintptr_t)dia_second_image + page - 1) & -page, end = (uintptr_t)dia_second_image_end & -page;

    snprintf(why_not, sizeof why_not, error == 0 ? "%s" : "%s: %s", reason, strerror(error));
    munmap((void *)start, end - start);
}

/* What an image for x86-64-v4 demands when it starts, above what this one does; whether the system saves the registers is part of each. */
static int has_avx512(void)
{
    __builtin_cpu_init(); /* constructors have no order */
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd")
        && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

/* A file in memory that is the second image, closed when it is executed; negative where there can be none. */
static int second_image(const char *name)
{
    const char *at = dia_second_image;
    int file = memfd_create(name, MFD_CLOEXEC | MFD_EXEC);

    if (file < 0 && errno == EINVAL) /* before Linux 6.3 */
        file = memfd_create(name, MFD_CLOEXEC);
    if (file < 0)
    {
        stay("memfd_create", errno);
        return -1;
    }
    while (at < dia_second_image_end)
    {
        ssize_t written = write(file, at, (size_t)(dia_second_image_end - at));

        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
        {
            stay("write", written < 0 ? errno : ENOSPC);
            close(file);
            return -1;
        }
        at += written;
    }
    return file;
}

/* What people and shells wait for: writing the second image took 17 ms on a virtual machine. */
static int computes_nothing(char **argv)
{
    if (argv[0] == NULL || argv[1] == NULL)
        return 0;
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "completion") == 0 || strcmp(argv[1], "man") == 0)
        return 1;
    for (argv++; *argv != NULL && strcmp(*argv, "--") != 0; argv++) /* behind it all is text */
        if (strcmp(*argv, "--help") == 0 || strcmp(*argv, "-h") == 0)
            return 1;
    return 0;
}

/* Where the executable is, as the runtime finds it: without /proc as it was called. */
static char *executable(void)
{
    char *path = realpath("/proc/self/exe", NULL);

    return path != NULL ? path : realpath((const char *)getauxval(AT_EXECFN), NULL);
}

void dia_choose_image(char **argv)
{
    const char *wanted = getenv("DIA_ISA");
    char name[LONGEST_NAME] = "", told[LONGEST_NAME + PATH_MAX];
    char *path;
    int file, error;

    if (getauxval(AT_SECURE)) /* its caller's environment must not choose, and the second image would not have these rights */
    {
        stay("the executable has rights that its caller has not", 0);
        return;
    }
    if ((wanted == NULL || *wanted == '\0') && computes_nothing(argv))
    {
        stay("nothing is computed", 0);
        return;
    }
    if (wanted != NULL && *wanted != '\0' && strcmp(wanted, "avx512") != 0 && strcmp(wanted, "avx512_bf16") != 0)
    {
        stay("DIA_ISA is set", 0);
        return;
    }
    if (!has_avx512())
    {
        stay("the processor or the system has none", 0);
        return;
    }
    if ((path = executable()) == NULL)
    {
        stay("the system does not say where the executable is", 0);
        return;
    }
    prctl(PR_GET_NAME, name);
    snprintf(told, sizeof told, "%s%s", name, path);
    free(path);
    if ((file = second_image(name)) < 0)
        return;
    setenv(VARIABLE, told, 1);
    execveat(file, "", argv, environ, AT_EMPTY_PATH);
    error = errno;
    unsetenv(VARIABLE);
    close(file);
    stay("execveat", error);
}

#elif defined(DIA_IS_SECOND_IMAGE)

/*
 * The runtime asks /proc/self/exe where the executable is, which is a file in memory now, and then the auxiliary vector, which the kernel
 * put behind the environment: it is told there. A library may have taken variables out before: then the environment ends earlier.
 */
static void set_executable(char **argv, char *path)
{
    char **word = argv;
    ElfW(auxv_t) *value;

    while (*word != NULL)
        word++;
    word++;
    while (*word != NULL)
        word++;
    while (*word == NULL)
        word++;
    for (value = (ElfW(auxv_t) *)word; value->a_type != AT_NULL; value++)
        if (value->a_type == AT_EXECFN)
            value->a_un.a_val = (unsigned long)path;
}

void dia_choose_image(char **argv)
{
    char *told = secure_getenv(VARIABLE), *path = told == NULL ? NULL : strchr(told, '/');

    if (path != NULL)
    {
        *path = '\0';
        prctl(PR_SET_NAME, told);
        *path = '/';
        set_executable(argv, path);
    }
    unsetenv(VARIABLE);
}

#else

void dia_choose_image(char **argv)
{
    (void)argv;
}

#endif

/* Below: for InstructionLevel.cs. */

int dia_image_count(void)
{
#if defined(DIA_HOLDS_SECOND_IMAGE) || defined(DIA_IS_SECOND_IMAGE)
    return 2;
#else
    return 1;
#endif
}

const char *dia_why_not_second(void)
{
    return why_not;
}

/* The executable, open to be read: where its path cannot be said as text. */
int dia_open_executable(void)
{
#ifdef DIA_IS_SECOND_IMAGE
    return open((const char *)getauxval(AT_EXECFN), O_RDONLY | O_CLOEXEC);
#else
    return open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
#endif
}
