/* SPDX-License-Identifier: Apache-2.0 */
/* build: -Wno-unused-result */
/*
 * shim_limits WHAT COMMAND…: runs COMMAND under a limit, without its standard descriptors (closed), or under
 * a seccomp filter: one that kills at socket(2), one that kills at nothing that it will call.
 */
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

static void limit(int what, rlim_t value)
{
	setrlimit(what, &(struct rlimit){value, value});
}

static void filter(unsigned int number, unsigned int verdict)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, verdict),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

int main(int count, char **arguments)
{
	const char *what = count > 2 ? arguments[1] : "";

	if (!strcmp(what, "fsize0"))
		limit(RLIMIT_FSIZE, 0);
	else if (!strcmp(what, "nofile4"))
		limit(RLIMIT_NOFILE, 4);
	else if (!strcmp(what, "as8m"))
		limit(RLIMIT_AS, 8 << 20);
	else if (!strcmp(what, "memlock0"))
		limit(RLIMIT_MEMLOCK, 0);
	else if (!strcmp(what, "stack64k"))
		limit(RLIMIT_STACK, 64 << 10);
	else if (!strcmp(what, "closed"))
		(void)close(0), close(1), close(2);
	else if (!strcmp(what, "nosocket"))
		filter(SYS_socket, SECCOMP_RET_KILL_PROCESS);
	else if (!strcmp(what, "filtered"))
		filter(SYS_reboot, SECCOMP_RET_KILL_PROCESS);
	else
		return 64;
	execvp(arguments[2], arguments + 2);
	return 65;
}
