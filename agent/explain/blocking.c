/* SPDX-License-Identifier: Apache-2.0 */
#include "explain/blocking.h"

#include <stddef.h>
#include <sys/syscall.h>

#define CALL(name, ...)                                                                                        \
	{                                                                                                      \
		SYS_##name, #name, __VA_ARGS__                                                                 \
	}

static const struct blocking_call calls[] = {
	CALL(futex, "waits for", BLOCKING_FUTEX, WAY_NONE, LIMIT_POINTER, 3),
	CALL(read, "reads from", BLOCKING_FD, WAY_IN, LIMIT_NEVER, 0),
	CALL(readv, "reads from", BLOCKING_FD, WAY_IN, LIMIT_NEVER, 0),
	CALL(pread64, "reads from", BLOCKING_FD, WAY_IN, LIMIT_NEVER, 0),
	CALL(preadv, "reads from", BLOCKING_FD, WAY_IN, LIMIT_NEVER, 0),
	CALL(recvfrom, "receives from", BLOCKING_FD, WAY_IN, LIMIT_NEVER, 0),
	CALL(recvmsg, "receives from", BLOCKING_FD, WAY_IN, LIMIT_NEVER, 0),
	CALL(recvmmsg, "receives from", BLOCKING_FD, WAY_IN, LIMIT_POINTER, 4),
	CALL(write, "writes to", BLOCKING_FD, WAY_OUT, LIMIT_NEVER, 0),
	CALL(writev, "writes to", BLOCKING_FD, WAY_OUT, LIMIT_NEVER, 0),
	CALL(pwrite64, "writes to", BLOCKING_FD, WAY_OUT, LIMIT_NEVER, 0),
	CALL(pwritev, "writes to", BLOCKING_FD, WAY_OUT, LIMIT_NEVER, 0),
	CALL(sendto, "sends to", BLOCKING_FD, WAY_OUT, LIMIT_NEVER, 0),
	CALL(sendmsg, "sends to", BLOCKING_FD, WAY_OUT, LIMIT_NEVER, 0),
	CALL(sendmmsg, "sends to", BLOCKING_FD, WAY_OUT, LIMIT_NEVER, 0),
	CALL(sendfile, "sends a file to", BLOCKING_FD, WAY_OUT, LIMIT_NEVER, 0),
	CALL(splice, "splices from", BLOCKING_FD, WAY_NONE, LIMIT_NEVER, 0),
	CALL(accept, "waits for connections to", BLOCKING_FD, WAY_IN, LIMIT_NEVER, 0),
	CALL(accept4, "waits for connections to", BLOCKING_FD, WAY_IN, LIMIT_NEVER, 0),
	CALL(connect, "connects", BLOCKING_FD, WAY_NONE, LIMIT_ALWAYS, 0),
	CALL(close, "closes", BLOCKING_FD, WAY_NONE, LIMIT_NEVER, 0),
	CALL(fsync, "writes to disk:", BLOCKING_FD, WAY_NONE, LIMIT_NEVER, 0),
	CALL(fdatasync, "writes to disk:", BLOCKING_FD, WAY_NONE, LIMIT_NEVER, 0),
	CALL(sync_file_range, "writes to disk:", BLOCKING_FD, WAY_NONE, LIMIT_NEVER, 0),
	CALL(fallocate, "makes room in", BLOCKING_FD, WAY_NONE, LIMIT_NEVER, 0),
	CALL(ftruncate, "truncates", BLOCKING_FD, WAY_NONE, LIMIT_NEVER, 0),
	CALL(getdents64, "lists", BLOCKING_FD, WAY_NONE, LIMIT_NEVER, 0),
	CALL(ioctl, "asks the driver of", BLOCKING_FD, WAY_NONE, LIMIT_NEVER, 0),
	CALL(fstat, "asks about", BLOCKING_FD, WAY_NONE, LIMIT_NEVER, 0),
	CALL(io_uring_enter, "waits for completions of", BLOCKING_FD, WAY_NONE, LIMIT_NEVER, 0),
	CALL(io_getevents, "waits for completions", BLOCKING_NOTHING, WAY_NONE, LIMIT_POINTER, 4),
	CALL(epoll_pwait, "waits for events of", BLOCKING_EVENTS, WAY_NONE, LIMIT_MS, 3),
	CALL(ppoll, "waits for events of", BLOCKING_POLL, WAY_NONE, LIMIT_POINTER, 2),
	CALL(pselect6, "waits for events of descriptors (select)", BLOCKING_NOTHING, WAY_NONE, LIMIT_POINTER,
		4),
	CALL(wait4, "waits for", BLOCKING_CHILD, WAY_NONE, LIMIT_NEVER, 0),
	CALL(waitid, "waits for", BLOCKING_WAITID, WAY_NONE, LIMIT_NEVER, 0),
	CALL(fcntl, "waits for a lock on", BLOCKING_FCNTL, WAY_NONE, LIMIT_NEVER, 0),
	CALL(flock, "waits for a lock on", BLOCKING_FLOCK, WAY_NONE, LIMIT_NEVER, 0),
	CALL(nanosleep, "sleeps for some time", BLOCKING_NOTHING, WAY_NONE, LIMIT_ALWAYS, 0),
	CALL(clock_nanosleep, "sleeps for some time", BLOCKING_NOTHING, WAY_NONE, LIMIT_ALWAYS, 0),
	CALL(rt_sigsuspend, "waits for a signal", BLOCKING_NOTHING, WAY_NONE, LIMIT_NEVER, 0),
	CALL(rt_sigtimedwait, "waits for a signal", BLOCKING_NOTHING, WAY_NONE, LIMIT_POINTER, 2),
	CALL(restart_syscall, "goes on with a wait that was cut short", BLOCKING_NOTHING, WAY_NONE,
		LIMIT_ALWAYS, 0),
	CALL(semop, "waits for a System V semaphore", BLOCKING_NOTHING, WAY_NONE, LIMIT_NEVER, 0),
	CALL(semtimedop, "waits for a System V semaphore", BLOCKING_NOTHING, WAY_NONE, LIMIT_POINTER, 3),
	CALL(msgrcv, "waits for a System V message", BLOCKING_NOTHING, WAY_NONE, LIMIT_NEVER, 0),
	CALL(msgsnd, "sends a System V message", BLOCKING_NOTHING, WAY_NONE, LIMIT_NEVER, 0),
	CALL(mq_timedreceive, "waits for a message of", BLOCKING_FD, WAY_NONE, LIMIT_POINTER, 4),
	CALL(mq_timedsend, "sends a message to", BLOCKING_FD, WAY_NONE, LIMIT_POINTER, 4),
	CALL(openat, "opens a file", BLOCKING_PATH_AT, WAY_NONE, LIMIT_NEVER, 0),
	CALL(newfstatat, "asks about a file", BLOCKING_PATH_AT, WAY_NONE, LIMIT_NEVER, 0),
	CALL(unlinkat, "removes a file", BLOCKING_PATH_AT, WAY_NONE, LIMIT_NEVER, 0),
	CALL(sync, "writes everything to disk", BLOCKING_NOTHING, WAY_NONE, LIMIT_NEVER, 0),
	CALL(msync, "writes memory to its file", BLOCKING_NOTHING, WAY_NONE, LIMIT_NEVER, 0),
	CALL(clone, "starts a process or thread", BLOCKING_NOTHING, WAY_NONE, LIMIT_NEVER, 0),
	CALL(execve, "starts a program", BLOCKING_NOTHING, WAY_NONE, LIMIT_NEVER, 0),
	CALL(exit_group, "ends", BLOCKING_NOTHING, WAY_NONE, LIMIT_NEVER, 0),
#ifdef SYS_poll /* of x86-64; newer machines have only the general forms */
	CALL(poll, "waits for events of", BLOCKING_POLL, WAY_NONE, LIMIT_MS, 2),
	CALL(select, "waits for events of descriptors (select)", BLOCKING_NOTHING, WAY_NONE, LIMIT_POINTER, 4),
	CALL(epoll_wait, "waits for events of", BLOCKING_EVENTS, WAY_NONE, LIMIT_MS, 3),
	CALL(pause, "waits for a signal", BLOCKING_NOTHING, WAY_NONE, LIMIT_NEVER, 0),
	CALL(open, "opens a file", BLOCKING_PATH, WAY_NONE, LIMIT_NEVER, 0),
	CALL(stat, "asks about a file", BLOCKING_PATH, WAY_NONE, LIMIT_NEVER, 0),
	CALL(vfork, "starts a process", BLOCKING_NOTHING, WAY_NONE, LIMIT_NEVER, 0),
#endif
#ifdef SYS_clone3
	CALL(clone3, "starts a process or thread", BLOCKING_NOTHING, WAY_NONE, LIMIT_NEVER, 0),
#endif
#ifdef SYS_epoll_pwait2
	CALL(epoll_pwait2, "waits for events of", BLOCKING_EVENTS, WAY_NONE, LIMIT_POINTER, 3),
#endif
};

const struct blocking_call *blocking_find(long number)
{
	for (unsigned i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		if (calls[i].number == number)
			return &calls[i];
	}
	return NULL;
}

bool blocking_is_limited(const struct blocking_call *call, const uint64_t arguments[6])
{
	switch (call->limit) {
	case LIMIT_NEVER: return false;
	case LIMIT_ALWAYS: return true;
	case LIMIT_MS: return (int32_t)arguments[call->limit_argument] >= 0;
	case LIMIT_POINTER: return arguments[call->limit_argument] != 0;
	}
	return true; /* what is not understood proves nothing */
}
