/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every libc call that the shim wraps, in one table. The shim generates its wrappers, its resolver table
 * and its exports from it; the agent takes names and classes; tests compare it with the imports of real
 * services. A new wrapped call is one row.
 *
 * LS_CALLS(X):   X(number, symbol, class, kind, ret, params, args, object, extra, timed)
 *   number       the operation, stored in segment_slot.call; never reused, never changed
 *   symbol       the libc name; `op` in the status
 *   class, kind  what a thread inside it waits for, and what `object` is (enums below)
 *   ret … args   the signature, as libc declares it
 *   object, extra, timed   expressions over the parameters: stored in the slot; timed != 0 sets CALL_TIMED
 * LS_CALLS_BY_HAND(X): X(number, symbol, class, kind): the same, the wrapper is written by hand in shim/
 * LS_TWINS(X):   X(symbol, of, ret, params, args, object, extra, timed): another name of a call above
 * LS_CONTROLS(X): X(symbol): wrapped for correctness, no operation of their own, written by hand
 */
#ifndef LIFESIGN_CALLS_H
#define LIFESIGN_CALLS_H

/* What a thread inside the call waits for. Numbers are internal to a build, names are shown nowhere. */
enum call_class {
	CLASS_NONE = 0,
	CLASS_LOCK,    /* something that has an owner: mutex, rwlock, once, stdio lock */
	CLASS_COND,    /* a wake-up that has no owner: condition, semaphore, barrier, queue */
	CLASS_JOIN,    /* another thread's end */
	CLASS_CHILD,   /* another process's end or state */
	CLASS_EVENT,   /* one of many descriptors: poll, select, epoll */
	CLASS_ACCEPT,  /* a new connection */
	CLASS_SOCKET,  /* one socket: recv, send and kin */
	CLASS_CONNECT, /* a peer's answer to connect */
	CLASS_NAME,    /* name resolution */
	CLASS_FD,      /* one descriptor whose kind only the kernel knows: read, write and kin */
	CLASS_FILE,    /* a file system: open, fsync, locks on files */
	CLASS_SLEEP,   /* time */
	CLASS_SIGNAL,  /* a signal */
	CLASS_SYSCALL, /* syscall(2): `extra` holds the number, the agent looks further */
	CLASS_WORK,    /* lifesign_work_begin() of lifesign.h */
	CLASS_COUNT
};

/* What segment_slot.object is. */
enum call_object {
	OBJECT_NONE = 0,
	OBJECT_FD,     /* a file descriptor */
	OBJECT_LOCK,   /* address of a lock, condition, semaphore … */
	OBJECT_STREAM, /* address of a FILE */
	OBJECT_THREAD, /* a pthread_t */
	OBJECT_PID,    /* a pid as given to waitpid (may be -1) */
	OBJECT_FDS,    /* address of an array or set of descriptors */
	OBJECT_ADDRESS /* any other address */
};

#endif
