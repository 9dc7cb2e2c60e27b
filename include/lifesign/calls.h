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
 * LS_TWINS_BY_HAND(X): X(symbol, of)
 * LS_CONTROLS(X): X(symbol): wrapped for correctness, no operation of their own, written by hand
 * LS_API_CALLS(X): as LS_CALLS_BY_HAND, LS_API(X): X(symbol): what lifesign.h calls
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

/* clang-format off: one row, one call; calls of one group have neighbouring numbers. */
#define LS_CALLS(X)                                                                                     \
	/* locks and conditions */                                                                      \
	X(1, pthread_mutex_lock, CLASS_LOCK, OBJECT_LOCK, int, (pthread_mutex_t *mutex), (mutex),       \
	    mutex, 0, 0)                                                                                \
	X(2, pthread_mutex_timedlock, CLASS_LOCK, OBJECT_LOCK, int, (pthread_mutex_t *mutex,            \
	    const struct timespec *end), (mutex, end), mutex, 0, 1)                                     \
	X(3, pthread_mutex_clocklock, CLASS_LOCK, OBJECT_LOCK, int, (pthread_mutex_t *mutex,            \
	    clockid_t clock, const struct timespec *end), (mutex, clock, end), mutex, 0, 1)             \
	X(4, pthread_rwlock_rdlock, CLASS_LOCK, OBJECT_LOCK, int, (pthread_rwlock_t *lock), (lock),     \
	    lock, 0, 0)                                                                                 \
	X(5, pthread_rwlock_timedrdlock, CLASS_LOCK, OBJECT_LOCK, int, (pthread_rwlock_t *lock,         \
	    const struct timespec *end), (lock, end), lock, 0, 1)                                       \
	X(6, pthread_rwlock_clockrdlock, CLASS_LOCK, OBJECT_LOCK, int, (pthread_rwlock_t *lock,         \
	    clockid_t clock, const struct timespec *end), (lock, clock, end), lock, 0, 1)               \
	X(7, pthread_rwlock_wrlock, CLASS_LOCK, OBJECT_LOCK, int, (pthread_rwlock_t *lock), (lock),     \
	    lock, 0, 0)                                                                                 \
	X(8, pthread_rwlock_timedwrlock, CLASS_LOCK, OBJECT_LOCK, int, (pthread_rwlock_t *lock,         \
	    const struct timespec *end), (lock, end), lock, 0, 1)                                       \
	X(9, pthread_rwlock_clockwrlock, CLASS_LOCK, OBJECT_LOCK, int, (pthread_rwlock_t *lock,         \
	    clockid_t clock, const struct timespec *end), (lock, clock, end), lock, 0, 1)               \
	X(10, pthread_cond_wait, CLASS_COND, OBJECT_LOCK, int, (pthread_cond_t *cond,                   \
	    pthread_mutex_t *mutex), (cond, mutex), cond, mutex, 0)                                     \
	X(11, pthread_cond_timedwait, CLASS_COND, OBJECT_LOCK, int, (pthread_cond_t *cond,              \
	    pthread_mutex_t *mutex, const struct timespec *end), (cond, mutex, end), cond, mutex, 1)    \
	X(12, pthread_cond_clockwait, CLASS_COND, OBJECT_LOCK, int, (pthread_cond_t *cond,              \
	    pthread_mutex_t *mutex, clockid_t clock, const struct timespec *end), (cond, mutex,         \
	    clock, end), cond, mutex, 1)                                                                \
	X(13, sem_wait, CLASS_COND, OBJECT_LOCK, int, (sem_t *sem), (sem), sem, 0, 0)                   \
	X(14, sem_timedwait, CLASS_COND, OBJECT_LOCK, int, (sem_t *sem, const struct timespec *end),    \
	    (sem, end), sem, 0, 1)                                                                      \
	X(15, sem_clockwait, CLASS_COND, OBJECT_LOCK, int, (sem_t *sem, clockid_t clock,                \
	    const struct timespec *end), (sem, clock, end), sem, 0, 1)                                  \
	X(16, pthread_barrier_wait, CLASS_COND, OBJECT_LOCK, int, (pthread_barrier_t *barrier),         \
	    (barrier), barrier, 0, 0)                                                                   \
	X(17, pthread_join, CLASS_JOIN, OBJECT_THREAD, int, (pthread_t thread, void **value),           \
	    (thread, value), thread, 0, 0)                                                              \
	X(18, pthread_timedjoin_np, CLASS_JOIN, OBJECT_THREAD, int, (pthread_t thread, void **value,    \
	    const struct timespec *end), (thread, value, end), thread, 0, 1)                            \
	X(19, pthread_clockjoin_np, CLASS_JOIN, OBJECT_THREAD, int, (pthread_t thread, void **value,    \
	    clockid_t clock, const struct timespec *end), (thread, value, clock, end), thread, 0, 1)    \
	X(20, mtx_lock, CLASS_LOCK, OBJECT_LOCK, int, (mtx_t *mutex), (mutex), mutex, 0, 0)             \
	X(21, mtx_timedlock, CLASS_LOCK, OBJECT_LOCK, int, (mtx_t *mutex,                               \
	    const struct timespec *end), (mutex, end), mutex, 0, 1)                                     \
	X(22, cnd_wait, CLASS_COND, OBJECT_LOCK, int, (cnd_t *cond, mtx_t *mutex), (cond, mutex),       \
	    cond, mutex, 0)                                                                             \
	X(23, cnd_timedwait, CLASS_COND, OBJECT_LOCK, int, (cnd_t *cond, mtx_t *mutex,                  \
	    const struct timespec *end), (cond, mutex, end), cond, mutex, 1)                            \
	X(24, thrd_join, CLASS_JOIN, OBJECT_THREAD, int, (thrd_t thread, int *value), (thread,          \
	    value), thread, 0, 0)                                                                       \
	/* one of many descriptors; extra: the time-out in ms of epoll, else how many descriptors    */\
	X(40, poll, CLASS_EVENT, OBJECT_FDS, int, (struct pollfd *fds, nfds_t count, int timeout),      \
	    (fds, count, timeout), fds, count, timeout >= 0)                                            \
	X(41, ppoll, CLASS_EVENT, OBJECT_FDS, int, (struct pollfd *fds, nfds_t count,                   \
	    const struct timespec *timeout, const sigset_t *mask), (fds, count, timeout, mask), fds,    \
	    count, timeout != 0)                                                                        \
	X(42, select, CLASS_EVENT, OBJECT_FDS, int, (int count, fd_set *in, fd_set *out,                \
	    fd_set *other, struct timeval *timeout), (count, in, out, other, timeout), in, count,       \
	    timeout != 0)                                                                               \
	X(43, pselect, CLASS_EVENT, OBJECT_FDS, int, (int count, fd_set *in, fd_set *out,               \
	    fd_set *other, const struct timespec *timeout, const sigset_t *mask), (count, in, out,      \
	    other, timeout, mask), in, count, timeout != 0)                                             \
	X(44, epoll_wait, CLASS_EVENT, OBJECT_FD, int, (int fd, struct epoll_event *events,             \
	    int count, int timeout), (fd, events, count, timeout), fd, timeout, timeout >= 0)           \
	X(45, epoll_pwait, CLASS_EVENT, OBJECT_FD, int, (int fd, struct epoll_event *events,            \
	    int count, int timeout, const sigset_t *mask), (fd, events, count, timeout, mask), fd,      \
	    timeout, timeout >= 0)                                                                      \
	X(46, epoll_pwait2, CLASS_EVENT, OBJECT_FD, int, (int fd, struct epoll_event *events,           \
	    int count, const struct timespec *timeout, const sigset_t *mask), (fd, events, count,       \
	    timeout, mask), fd, 0, timeout != 0)                                                        \
	/* time and signals */                                                                          \
	X(60, nanosleep, CLASS_SLEEP, OBJECT_NONE, int, (const struct timespec *time,                   \
	    struct timespec *left), (time, left), 0, 0, 1)                                              \
	X(61, clock_nanosleep, CLASS_SLEEP, OBJECT_NONE, int, (clockid_t clock, int flags,              \
	    const struct timespec *time, struct timespec *left), (clock, flags, time, left), 0, 0, 1)   \
	X(62, usleep, CLASS_SLEEP, OBJECT_NONE, int, (useconds_t time), (time), 0, 0, 1)                \
	X(63, sleep, CLASS_SLEEP, OBJECT_NONE, unsigned int, (unsigned int time), (time), 0, 0, 1)      \
	X(64, thrd_sleep, CLASS_SLEEP, OBJECT_NONE, int, (const struct timespec *time,                  \
	    struct timespec *left), (time, left), 0, 0, 1)                                              \
	X(65, pause, CLASS_SIGNAL, OBJECT_NONE, int, (void), (), 0, 0, 0)                               \
	X(66, sigsuspend, CLASS_SIGNAL, OBJECT_NONE, int, (const sigset_t *mask), (mask), 0, 0, 0)      \
	X(67, sigwait, CLASS_SIGNAL, OBJECT_NONE, int, (const sigset_t *set, int *number), (set,        \
	    number), 0, 0, 0)                                                                           \
	X(68, sigwaitinfo, CLASS_SIGNAL, OBJECT_NONE, int, (const sigset_t *set, siginfo_t *info),      \
	    (set, info), 0, 0, 0)                                                                       \
	X(69, sigtimedwait, CLASS_SIGNAL, OBJECT_NONE, int, (const sigset_t *set, siginfo_t *info,      \
	    const struct timespec *timeout), (set, info, timeout), 0, 0, timeout != 0)                  \
	/* one descriptor */                                                                            \
	X(80, read, CLASS_FD, OBJECT_FD, ssize_t, (int fd, void *data, size_t bytes), (fd, data,        \
	    bytes), fd, 0, 0)                                                                           \
	X(81, readv, CLASS_FD, OBJECT_FD, ssize_t, (int fd, const struct iovec *parts, int count),      \
	    (fd, parts, count), fd, 0, 0)                                                               \
	X(82, pread, CLASS_FD, OBJECT_FD, ssize_t, (int fd, void *data, size_t bytes, off_t at), (fd,   \
	    data, bytes, at), fd, 0, 0)                                                                 \
	X(83, preadv, CLASS_FD, OBJECT_FD, ssize_t, (int fd, const struct iovec *parts, int count,      \
	    off_t at), (fd, parts, count, at), fd, 0, 0)                                                \
	X(84, preadv2, CLASS_FD, OBJECT_FD, ssize_t, (int fd, const struct iovec *parts, int count,     \
	    off_t at, int flags), (fd, parts, count, at, flags), fd, 0, 0)                              \
	X(85, write, CLASS_FD, OBJECT_FD, ssize_t, (int fd, const void *data, size_t bytes), (fd,       \
	    data, bytes), fd, 0, 0)                                                                     \
	X(86, writev, CLASS_FD, OBJECT_FD, ssize_t, (int fd, const struct iovec *parts, int count),     \
	    (fd, parts, count), fd, 0, 0)                                                               \
	X(87, pwrite, CLASS_FD, OBJECT_FD, ssize_t, (int fd, const void *data, size_t bytes,            \
	    off_t at), (fd, data, bytes, at), fd, 0, 0)                                                 \
	X(88, pwritev, CLASS_FD, OBJECT_FD, ssize_t, (int fd, const struct iovec *parts, int count,     \
	    off_t at), (fd, parts, count, at), fd, 0, 0)                                                \
	X(89, pwritev2, CLASS_FD, OBJECT_FD, ssize_t, (int fd, const struct iovec *parts, int count,    \
	    off_t at, int flags), (fd, parts, count, at, flags), fd, 0, 0)                              \
	X(90, recv, CLASS_SOCKET, OBJECT_FD, ssize_t, (int fd, void *data, size_t bytes, int flags),    \
	    (fd, data, bytes, flags), fd, 0, (flags & MSG_DONTWAIT) != 0)                               \
	X(91, recvfrom, CLASS_SOCKET, OBJECT_FD, ssize_t, (int fd, void *data, size_t bytes,            \
	    int flags, struct sockaddr *from, socklen_t *from_bytes), (fd, data, bytes, flags, from,    \
	    from_bytes), fd, 0, (flags & MSG_DONTWAIT) != 0)                                            \
	X(92, recvmsg, CLASS_SOCKET, OBJECT_FD, ssize_t, (int fd, struct msghdr *message, int flags),   \
	    (fd, message, flags), fd, 0, (flags & MSG_DONTWAIT) != 0)                                   \
	X(93, recvmmsg, CLASS_SOCKET, OBJECT_FD, int, (int fd, struct mmsghdr *messages,                \
	    unsigned int count, int flags, struct timespec *timeout), (fd, messages, count, flags,      \
	    timeout), fd, 0, timeout != 0)                                                              \
	X(94, send, CLASS_SOCKET, OBJECT_FD, ssize_t, (int fd, const void *data, size_t bytes,          \
	    int flags), (fd, data, bytes, flags), fd, 0, (flags & MSG_DONTWAIT) != 0)                   \
	X(95, sendto, CLASS_SOCKET, OBJECT_FD, ssize_t, (int fd, const void *data, size_t bytes,        \
	    int flags, const struct sockaddr *to, socklen_t to_bytes), (fd, data, bytes, flags, to,     \
	    to_bytes), fd, 0, (flags & MSG_DONTWAIT) != 0)                                              \
	X(96, sendmsg, CLASS_SOCKET, OBJECT_FD, ssize_t, (int fd, const struct msghdr *message,         \
	    int flags), (fd, message, flags), fd, 0, (flags & MSG_DONTWAIT) != 0)                       \
	X(97, sendmmsg, CLASS_SOCKET, OBJECT_FD, int, (int fd, struct mmsghdr *messages,                \
	    unsigned int count, int flags), (fd, messages, count, flags), fd, 0,                        \
	    (flags & MSG_DONTWAIT) != 0)                                                                \
	X(98, accept, CLASS_ACCEPT, OBJECT_FD, int, (int fd, struct sockaddr *peer,                     \
	    socklen_t *peer_bytes), (fd, peer, peer_bytes), fd, 0, 0)                                   \
	X(99, accept4, CLASS_ACCEPT, OBJECT_FD, int, (int fd, struct sockaddr *peer,                    \
	    socklen_t *peer_bytes, int flags), (fd, peer, peer_bytes, flags), fd, 0, 0)                 \
	X(100, connect, CLASS_CONNECT, OBJECT_FD, int, (int fd, const struct sockaddr *peer,            \
	    socklen_t peer_bytes), (fd, peer, peer_bytes), fd, 0, 0)                                    \
	X(101, sendfile, CLASS_FD, OBJECT_FD, ssize_t, (int out, int in, off_t *at, size_t bytes),      \
	    (out, in, at, bytes), out, in, 0)                                                           \
	X(102, splice, CLASS_FD, OBJECT_FD, ssize_t, (int in, off64_t *in_at, int out,                  \
	    off64_t *out_at, size_t bytes, unsigned int flags), (in, in_at, out, out_at, bytes,         \
	    flags), in, out, 0)                                                                         \
	X(103, eventfd_read, CLASS_FD, OBJECT_FD, int, (int fd, eventfd_t *value), (fd, value), fd,     \
	    0, 0)                                                                                       \
	X(104, tcdrain, CLASS_FD, OBJECT_FD, int, (int fd), (fd), fd, 0, 0)                             \
	/* files */                                                                                     \
	X(120, fsync, CLASS_FILE, OBJECT_FD, int, (int fd), (fd), fd, 0, 0)                             \
	X(121, fdatasync, CLASS_FILE, OBJECT_FD, int, (int fd), (fd), fd, 0, 0)                         \
	X(122, flock, CLASS_FILE, OBJECT_FD, int, (int fd, int how), (fd, how), fd, how,                \
	    (how & LOCK_NB) != 0)                                                                       \
	X(123, lockf, CLASS_FILE, OBJECT_FD, int, (int fd, int how, off_t bytes), (fd, how, bytes),     \
	    fd, how, how == F_TLOCK)                                                                    \
	X(124, fopen, CLASS_FILE, OBJECT_ADDRESS, FILE *, (const char *path, const char *mode),         \
	    (path, mode), path, 0, 0)                                                                   \
	/* streams */                                                                                   \
	X(140, fread, CLASS_FD, OBJECT_STREAM, size_t, (void *data, size_t size, size_t count,          \
	    FILE *stream), (data, size, count, stream), stream, 0, 0)                                   \
	X(141, fgets, CLASS_FD, OBJECT_STREAM, char *, (char *data, int bytes, FILE *stream), (data,    \
	    bytes, stream), stream, 0, 0)                                                               \
	X(142, getline, CLASS_FD, OBJECT_STREAM, ssize_t, (char **line, size_t *bytes, FILE *stream),   \
	    (line, bytes, stream), stream, 0, 0)                                                        \
	X(143, getdelim, CLASS_FD, OBJECT_STREAM, ssize_t, (char **line, size_t *bytes, int end,        \
	    FILE *stream), (line, bytes, end, stream), stream, 0, 0)                                    \
	X(144, fgetc, CLASS_FD, OBJECT_STREAM, int, (FILE *stream), (stream), stream, 0, 0)             \
	X(145, getc, CLASS_FD, OBJECT_STREAM, int, (FILE *stream), (stream), stream, 0, 0)              \
	X(146, fwrite, CLASS_FD, OBJECT_STREAM, size_t, (const void *data, size_t size, size_t count,   \
	    FILE *stream), (data, size, count, stream), stream, 0, 0)                                   \
	X(147, fputs, CLASS_FD, OBJECT_STREAM, int, (const char *text, FILE *stream), (text, stream),   \
	    stream, 0, 0)                                                                               \
	X(148, fflush, CLASS_FD, OBJECT_STREAM, int, (FILE *stream), (stream), stream, 0, 0)            \
	/* processes */                                                                                 \
	X(164, waitid, CLASS_CHILD, OBJECT_PID, int, (idtype_t type, id_t id, siginfo_t *info,          \
	    int how), (type, id, info, how), type == P_PID ? (pid_t)id : -1, how,                       \
	    (how & WNOHANG) != 0)                                                                       \
	X(165, system, CLASS_CHILD, OBJECT_NONE, int, (const char *command), (command), 0, 0, 0)        \
	X(166, pclose, CLASS_CHILD, OBJECT_STREAM, int, (FILE *stream), (stream), stream, 0, 0)         \
	/* System V and POSIX queues; object: the identifier */                                         \
	X(180, semop, CLASS_COND, OBJECT_NONE, int, (int id, struct sembuf *steps, size_t count),       \
	    (id, steps, count), id, 0, 0)                                                               \
	X(181, semtimedop, CLASS_COND, OBJECT_NONE, int, (int id, struct sembuf *steps, size_t count,   \
	    const struct timespec *timeout), (id, steps, count, timeout), id, 0, timeout != 0)          \
	X(182, msgrcv, CLASS_COND, OBJECT_NONE, ssize_t, (int id, void *data, size_t bytes,             \
	    long type, int flags), (id, data, bytes, type, flags), id, 0, (flags & IPC_NOWAIT) != 0)    \
	X(183, msgsnd, CLASS_COND, OBJECT_NONE, int, (int id, const void *data, size_t bytes,           \
	    int flags), (id, data, bytes, flags), id, 0, (flags & IPC_NOWAIT) != 0)                     \
	X(184, mq_receive, CLASS_COND, OBJECT_FD, ssize_t, (mqd_t queue, char *data, size_t bytes,      \
	    unsigned int *priority), (queue, data, bytes, priority), queue, 0, 0)                       \
	X(185, mq_timedreceive, CLASS_COND, OBJECT_FD, ssize_t, (mqd_t queue, char *data,               \
	    size_t bytes, unsigned int *priority, const struct timespec *end), (queue, data, bytes,     \
	    priority, end), queue, 0, 1)                                                                \
	X(186, mq_send, CLASS_COND, OBJECT_FD, int, (mqd_t queue, const char *data, size_t bytes,       \
	    unsigned int priority), (queue, data, bytes, priority), queue, 0, 0)                        \
	X(187, mq_timedsend, CLASS_COND, OBJECT_FD, int, (mqd_t queue, const char *data,                \
	    size_t bytes, unsigned int priority, const struct timespec *end), (queue, data, bytes,      \
	    priority, end), queue, 0, 1)                                                                \
	X(188, aio_suspend, CLASS_COND, OBJECT_ADDRESS, int, (const struct aiocb *const *list,          \
	    int count, const struct timespec *timeout), (list, count, timeout), list, count,            \
	    timeout != 0)                                                                               \
	/* names; object: address of the name asked for */                                              \
	X(200, getaddrinfo, CLASS_NAME, OBJECT_ADDRESS, int, (const char *node, const char *service,    \
	    const struct addrinfo *hints, struct addrinfo **answer), (node, service, hints, answer),    \
	    node, 0, 0)                                                                                 \
	X(201, getnameinfo, CLASS_NAME, OBJECT_ADDRESS, int, (const struct sockaddr *address,           \
	    socklen_t bytes, char *host, socklen_t host_bytes, char *service,                           \
	    socklen_t service_bytes, int flags), (address, bytes, host, host_bytes, service,            \
	    service_bytes, flags), address, 0, 0)                                                       \
	X(202, gethostbyname, CLASS_NAME, OBJECT_ADDRESS, struct hostent *, (const char *node),         \
	    (node), node, 0, 0)                                                                         \
	X(203, gethostbyname_r, CLASS_NAME, OBJECT_ADDRESS, int, (const char *node,                     \
	    struct hostent *entry, char *data, size_t bytes, struct hostent **answer, int *failure),    \
	    (node, entry, data, bytes, answer, failure), node, 0, 0)                                    \
	X(204, gethostbyname2, CLASS_NAME, OBJECT_ADDRESS, struct hostent *, (const char *node,         \
	    int family), (node, family), node, 0, 0)                                                    \
	X(205, gethostbyname2_r, CLASS_NAME, OBJECT_ADDRESS, int, (const char *node, int family,        \
	    struct hostent *entry, char *data, size_t bytes, struct hostent **answer, int *failure),    \
	    (node, family, entry, data, bytes, answer, failure), node, 0, 0)                            \
	X(206, gethostbyaddr, CLASS_NAME, OBJECT_ADDRESS, struct hostent *, (const void *address,       \
	    socklen_t bytes, int family), (address, bytes, family), address, 0, 0)                      \
	X(207, gethostbyaddr_r, CLASS_NAME, OBJECT_ADDRESS, int, (const void *address,                  \
	    socklen_t bytes, int family, struct hostent *entry, char *data, size_t size,                \
	    struct hostent **answer, int *failure), (address, bytes, family, entry, data, size,         \
	    answer, failure), address, 0, 0)

#define LS_CALLS_BY_HAND(X)                                                                             \
	X(26, pthread_once, CLASS_LOCK, OBJECT_LOCK)                                                    \
	X(27, flockfile, CLASS_LOCK, OBJECT_STREAM)                                                     \
	X(28, syscall, CLASS_SYSCALL, OBJECT_ADDRESS)                                                   \
	X(125, open, CLASS_FILE, OBJECT_ADDRESS)                                                        \
	X(126, openat, CLASS_FILE, OBJECT_ADDRESS)                                                      \
	X(127, fcntl, CLASS_FILE, OBJECT_FD)                                                            \
	X(149, fscanf, CLASS_FD, OBJECT_STREAM)                                                         \
	X(160, waitpid, CLASS_CHILD, OBJECT_PID)                                                        \
	X(161, wait, CLASS_CHILD, OBJECT_PID)                                                           \
	X(162, wait3, CLASS_CHILD, OBJECT_PID)                                                          \
	X(163, wait4, CLASS_CHILD, OBJECT_PID)

#define LS_TWINS(X)                                                                                     \
	/* 64-bit offsets */                                                                            \
	X(pread64, pread, ssize_t, (int fd, void *data, size_t bytes, off64_t at), (fd, data, bytes,    \
	    at), fd, 0, 0)                                                                              \
	X(pwrite64, pwrite, ssize_t, (int fd, const void *data, size_t bytes, off64_t at), (fd, data,   \
	    bytes, at), fd, 0, 0)                                                                       \
	X(preadv64, preadv, ssize_t, (int fd, const struct iovec *parts, int count, off64_t at), (fd,   \
	    parts, count, at), fd, 0, 0)                                                                \
	X(preadv64v2, preadv2, ssize_t, (int fd, const struct iovec *parts, int count, off64_t at,      \
	    int flags), (fd, parts, count, at, flags), fd, 0, 0)                                        \
	X(pwritev64, pwritev, ssize_t, (int fd, const struct iovec *parts, int count, off64_t at),      \
	    (fd, parts, count, at), fd, 0, 0)                                                           \
	X(pwritev64v2, pwritev2, ssize_t, (int fd, const struct iovec *parts, int count, off64_t at,    \
	    int flags), (fd, parts, count, at, flags), fd, 0, 0)                                        \
	X(sendfile64, sendfile, ssize_t, (int out, int in, off64_t *at, size_t bytes), (out, in, at,    \
	    bytes), out, in, 0)                                                                         \
	X(lockf64, lockf, int, (int fd, int how, off64_t bytes), (fd, how, bytes), fd, how,             \
	    how == F_TLOCK)                                                                             \
	X(fopen64, fopen, FILE *, (const char *path, const char *mode), (path, mode), path, 0, 0)       \
	/* what _FORTIFY_SOURCE calls instead */                                                        \
	X(__read_chk, read, ssize_t, (int fd, void *data, size_t bytes, size_t room), (fd, data,        \
	    bytes, room), fd, 0, 0)                                                                     \
	X(__pread_chk, pread, ssize_t, (int fd, void *data, size_t bytes, off_t at, size_t room),       \
	    (fd, data, bytes, at, room), fd, 0, 0)                                                      \
	X(__pread64_chk, pread, ssize_t, (int fd, void *data, size_t bytes, off64_t at, size_t room),   \
	    (fd, data, bytes, at, room), fd, 0, 0)                                                      \
	X(__recv_chk, recv, ssize_t, (int fd, void *data, size_t bytes, size_t room, int flags), (fd,   \
	    data, bytes, room, flags), fd, 0, (flags & MSG_DONTWAIT) != 0)                              \
	X(__recvfrom_chk, recvfrom, ssize_t, (int fd, void *data, size_t bytes, size_t room,            \
	    int flags, struct sockaddr *from, socklen_t *from_bytes), (fd, data, bytes, room, flags,    \
	    from, from_bytes), fd, 0, (flags & MSG_DONTWAIT) != 0)                                      \
	X(__poll_chk, poll, int, (struct pollfd *fds, nfds_t count, int timeout, size_t room), (fds,    \
	    count, timeout, room), fds, count, timeout >= 0)                                            \
	X(__ppoll_chk, ppoll, int, (struct pollfd *fds, nfds_t count, const struct timespec *timeout,   \
	    const sigset_t *mask, size_t room), (fds, count, timeout, mask, room), fds, count,          \
	    timeout != 0)                                                                               \
	X(__fread_chk, fread, size_t, (void *data, size_t room, size_t size, size_t count,              \
	    FILE *stream), (data, room, size, count, stream), stream, 0, 0)                             \
	X(__fgets_chk, fgets, char *, (char *data, size_t room, int bytes, FILE *stream), (data,        \
	    room, bytes, stream), stream, 0, 0)                                                         \
	X(__open_2, open, int, (const char *path, int flags), (path, flags), path, 0, 0)                \
	X(__open64_2, open, int, (const char *path, int flags), (path, flags), path, 0, 0)              \
	X(__openat_2, openat, int, (int fd, const char *path, int flags), (fd, path, flags), path,      \
	    fd, 0)                                                                                      \
	X(__openat64_2, openat, int, (int fd, const char *path, int flags), (fd, path, flags), path,    \
	    fd, 0)                                                                                      \
	/* other names of the same function */                                                          \
	X(__getdelim, getdelim, ssize_t, (char **line, size_t *bytes, int end, FILE *stream), (line,    \
	    bytes, end, stream), stream, 0, 0)                                                          \
	X(_IO_getc, getc, int, (FILE *stream), (stream), stream, 0, 0)                                  \
	X(__read, read, ssize_t, (int fd, void *data, size_t bytes), (fd, data, bytes), fd, 0, 0)       \
	X(__write, write, ssize_t, (int fd, const void *data, size_t bytes), (fd, data, bytes), fd,     \
	    0, 0)                                                                                       \
	X(__send, send, ssize_t, (int fd, const void *data, size_t bytes, int flags), (fd, data,        \
	    bytes, flags), fd, 0, (flags & MSG_DONTWAIT) != 0)                                          \
	X(__connect, connect, int, (int fd, const struct sockaddr *peer, socklen_t peer_bytes), (fd,    \
	    peer, peer_bytes), fd, 0, 0)                                                                \
	X(__poll, poll, int, (struct pollfd *fds, nfds_t count, int timeout), (fds, count, timeout),    \
	    fds, count, timeout >= 0)                                                                   \
	X(__select, select, int, (int count, fd_set *in, fd_set *out, fd_set *other,                    \
	    struct timeval *timeout), (count, in, out, other, timeout), in, count, timeout != 0)        \
	X(__nanosleep, nanosleep, int, (const struct timespec *time, struct timespec *left), (time,     \
	    left), 0, 0, 1)                                                                             \
	X(__pthread_mutex_lock, pthread_mutex_lock, int, (pthread_mutex_t *mutex), (mutex), mutex, 0,   \
	    0)                                                                                          \
	X(__pthread_rwlock_rdlock, pthread_rwlock_rdlock, int, (pthread_rwlock_t *lock), (lock),        \
	    lock, 0, 0)                                                                                 \
	X(__pthread_rwlock_wrlock, pthread_rwlock_wrlock, int, (pthread_rwlock_t *lock), (lock),        \
	    lock, 0, 0)

/* Twins whose wrapper is written by hand: X(symbol, of). */
#define LS_TWINS_BY_HAND(X)                                                                             \
	X(open64, open)                                                                                 \
	X(openat64, openat)                                                                             \
	X(fcntl64, fcntl)                                                                               \
	X(__isoc99_fscanf, fscanf)                                                                      \
	X(__isoc23_fscanf, fscanf)

/* They store through other functions before the real one runs; see shim/wrap_control.c. */
#define LS_CONTROLS(X)                                                                                  \
	X(pthread_create)                                                                               \
	X(pthread_setname_np)                                                                           \
	X(longjmp)                                                                                      \
	X(_longjmp)                                                                                     \
	X(siglongjmp)                                                                                   \
	X(__longjmp_chk)                                                                                \
	X(dlopen)

/* lifesign.h: calls of no libc. LS_API: exported, no operation of their own. */
#define LS_API_CALLS(X) X(250, lifesign_shim_work_begin, CLASS_WORK, OBJECT_ADDRESS)
#define LS_API(X)                                                                                       \
	X(lifesign_shim_beat)                                                                           \
	X(lifesign_shim_work_end)                                                                       \
	X(lifesign_shim_queue_depth)
/* clang-format on */

#endif
