/*
 * forbid NUMBER ERRNO MASK COMMAND...: runs a command for which a call of the system fails with an error (seccomp), as in a container that
 * forbids it. Only calls whose second argument has a bit of MASK, unless MASK is 0.
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    unsigned number = argc > 4 ? (unsigned)atoi(argv[1]) : 0, error = argc > 4 ? (unsigned)atoi(argv[2]) : 0, mask = argc > 4 ? (unsigned)atoi(argv[3]) : 0;
    struct sock_filter filter[] =
    {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, mask == 0 ? ~0u : mask, 0, mask == 0 ? 0 : 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { sizeof filter / sizeof *filter, filter };

    if (argc <= 4 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
    {
        perror("forbid");
        return 99;
    }
    execv(argv[4], argv + 4);
    perror(argv[4]);
    return 99;
}
