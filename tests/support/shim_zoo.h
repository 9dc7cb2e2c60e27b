/* SPDX-License-Identifier: Apache-2.0 */
/* The animals of shim_zoo.c. */
#ifndef SHIM_ZOO_H
#define SHIM_ZOO_H

/* clang-format off */
/* X(call, how): statements that end up waiting in it. */
#define ANIMALS(X)                                                                              \
	X(pthread_mutex_lock, pthread_mutex_lock(&held))                                        \
	X(pthread_mutex_timedlock, pthread_mutex_timedlock(&held, LATER_OF(CLOCK_REALTIME)))    \
	X(pthread_rwlock_rdlock, pthread_rwlock_rdlock(&rwlock))                                \
	X(pthread_rwlock_wrlock, pthread_rwlock_wrlock(&rwlock))                                \
	X(pthread_rwlock_timedrdlock, pthread_rwlock_timedrdlock(&rwlock, LATER_OF(CLOCK_REALTIME))) \
	X(pthread_rwlock_timedwrlock, pthread_rwlock_timedwrlock(&rwlock, LATER_OF(CLOCK_REALTIME))) \
	X(pthread_cond_wait, pthread_mutex_lock(&cond_mutex[0]); pthread_cond_wait(&cond, &cond_mutex[0])) \
	X(pthread_cond_timedwait, pthread_mutex_lock(&cond_mutex[1]);                           \
	  pthread_cond_timedwait(&cond, &cond_mutex[1], LATER_OF(CLOCK_REALTIME)))              \
	X(sem_wait, sem_wait(&sem))                                                             \
	X(sem_timedwait, sem_timedwait(&sem, LATER_OF(CLOCK_REALTIME)))                         \
	X(pthread_barrier_wait, pthread_barrier_wait(&barrier))                                 \
	X(pthread_join, pthread_join(endless(), NULL))                                          \
	X(pthread_timedjoin_np, pthread_timedjoin_np(endless(), NULL, LATER_OF(CLOCK_REALTIME))) \
	X(mtx_lock, mtx_lock(&held_mtx))                                                        \
	X(mtx_timedlock, mtx_timedlock(&held_mtx, LATER_OF(CLOCK_REALTIME)))                    \
	X(cnd_wait, mtx_lock(&cnd_mtx[0]); cnd_wait(&cnd, &cnd_mtx[0]))                         \
	X(cnd_timedwait, mtx_lock(&cnd_mtx[1]); cnd_timedwait(&cnd, &cnd_mtx[1], LATER_OF(CLOCK_REALTIME))) \
	X(thrd_join, thrd_join(c11_endless(), NULL))                                            \
	X(pthread_once, once_loser())                                                           \
	X(flockfile, flockfile(locked_stream))                                                  \
	X(syscall, syscall(SYS_futex, &word, FUTEX_WAIT_FOR, 0, NULL))                              \
	X(poll, poll(NULL, 0, -1))                                                              \
	X(ppoll, ppoll(NULL, 0, LATER, NULL))                                                   \
	X(select, select(0, NULL, NULL, NULL, NULL))                                            \
	X(pselect, pselect(0, NULL, NULL, NULL, LATER, NULL))                                   \
	X(epoll_wait, epoll_wait(epoll_of_nothing(), &event, 1, -1))                            \
	X(epoll_pwait, epoll_pwait(epoll_of_nothing(), &event, 1, 10000000, NULL))              \
	X(nanosleep, nanosleep(LATER, NULL))                                                    \
	X(clock_nanosleep, clock_nanosleep(CLOCK_MONOTONIC, 0, LATER, NULL))                    \
	X(usleep, for (;;) usleep(999999999))                                                   \
	X(sleep, sleep(10000))                                                                  \
	X(thrd_sleep, thrd_sleep(LATER, NULL))                                                  \
	X(pause, pause())                                                                       \
	X(sigsuspend, sigsuspend(&nothing))                                                     \
	X(sigwait, sigwait(&some, &(int){0}))                                                   \
	X(sigwaitinfo, sigwaitinfo(&some, NULL))                                                \
	X(sigtimedwait, sigtimedwait(&some, NULL, LATER))                                       \
	X(read, read(empty_pipe(), &byte_, 1))                                                  \
	X(readv, readv(empty_pipe(), &part, 1))                                                 \
	X(write, write(full_pipe(), "", 1))                                                     \
	X(writev, writev(full_pipe(), &part, 1))                                                \
	X(recv, recv(silent_socket(), &byte_, 1, 0))                                            \
	X(recvfrom, recvfrom(silent_socket(), &byte_, 1, 0, NULL, NULL))                        \
	X(recvmsg, recvmsg(silent_socket(), &message, 0))                                       \
	X(recvmmsg, recvmmsg(silent_socket(), &many, 1, 0, NULL))                               \
	X(send, send(full_socket(), "", 1, 0))                                                  \
	X(sendto, sendto(full_socket(), "", 1, 0, NULL, 0))                                     \
	X(sendmsg, sendmsg(full_socket(), &message, 0))                                         \
	X(sendmmsg, sendmmsg(full_socket(), &many, 1, 0))                                       \
	X(accept, accept(listener(), NULL, NULL))                                               \
	X(accept4, accept4(listener(), NULL, NULL, 0))                                          \
	X(connect, connect_to_full())                                                           \
	X(sendfile, sendfile(full_pipe(), open("/etc/passwd", O_RDONLY), NULL, 1))              \
	X(splice, splice(empty_pipe(), NULL, full_pipe(), NULL, 1, 0))                          \
	X(eventfd_read, eventfd_read(eventfd(0, 0), &(eventfd_t){0}))                           \
	X(flock, flock(flocked(), LOCK_EX))                                                     \
	X(fcntl, ofd_wait())                                                                    \
	X(open, open(fifo(), O_RDONLY))                                                         \
	X(openat, openat(AT_FDCWD, fifo(), O_RDONLY))                                           \
	X(fopen, fopen(fifo(), "r"))                                                            \
	X(fread, fread(&byte_, 1, 1, empty_stream()))                                           \
	X(fgets, fgets(line, sizeof(line), empty_stream()))                                              \
	X(getline, getline_(&(char *){NULL}, &(size_t){0}, empty_stream()))                      \
	X(getdelim, getdelim(&(char *){NULL}, &(size_t){0}, ':', empty_stream()))               \
	X(fgetc, fgetc(empty_stream()))                                                         \
	X(getc, getc(empty_stream()))                                                           \
	X(fscanf, fscanf(empty_stream(), "%d", &(int){0}))                                      \
	X(fwrite, fwrite("x", 1, 1, full_stream(_IONBF)))                                       \
	X(fputs, fputs(text, full_stream(_IONBF)))                                               \
	X(fflush, FILE *stream = full_stream(_IOFBF); fputs(text, stream); fflush(stream))       \
	X(waitpid, waitpid(child, NULL, 0))                                                     \
	X(wait, wait(NULL))                                                                     \
	X(wait3, wait3(NULL, 0, NULL))                                                          \
	X(wait4, wait4(child, NULL, 0, NULL))                                                   \
	X(waitid, waitid(P_PID, child, &(siginfo_t){0}, WEXITED | WNOWAIT))                     \
	X(semop, semop(sem_id, &down, 1))                                                       \
	X(semtimedop, semtimedop(sem_id, &down, 1, LATER))                                      \
	X(msgrcv, msgrcv(msg_id, &letter, 1, 0, 0))                                             \
	X(msgsnd, msgsnd_to_full())                                                             \
	X(mq_receive, mq_receive(queue(0), &byte_, 1, NULL))                                    \
	X(mq_timedreceive, mq_timedreceive(queue(0), &byte_, 1, NULL, LATER_OF(CLOCK_REALTIME))) \
	X(mq_send, mq_send(queue(1), "", 1, 0))                                                 \
	X(mq_timedsend, mq_timedsend(queue(1), "", 1, 0, LATER_OF(CLOCK_REALTIME)))             \
	X(aio_suspend, aio_wait())

#ifdef __GLIBC__
#define ANIMALS_OF_GLIBC(X)                                                                     \
	X(pwritev2, pwritev2(full_pipe(), &part, 1, -1, 0))                                     \
	X(preadv2, preadv2(empty_pipe(), &part, 1, -1, 0))                                      \
	X(pthread_mutex_clocklock, pthread_mutex_clocklock(&held, CLOCK_MONOTONIC, LATER_OF(CLOCK_MONOTONIC))) \
	X(pthread_rwlock_clockrdlock, pthread_rwlock_clockrdlock(&rwlock, CLOCK_MONOTONIC, LATER_OF(CLOCK_MONOTONIC))) \
	X(pthread_rwlock_clockwrlock, pthread_rwlock_clockwrlock(&rwlock, CLOCK_MONOTONIC, LATER_OF(CLOCK_MONOTONIC))) \
	X(pthread_cond_clockwait, pthread_mutex_lock(&cond_mutex[2]);                           \
	  pthread_cond_clockwait(&cond, &cond_mutex[2], CLOCK_MONOTONIC, LATER_OF(CLOCK_MONOTONIC))) \
	X(sem_clockwait, sem_clockwait(&sem, CLOCK_MONOTONIC, LATER_OF(CLOCK_MONOTONIC)))       \
	X(pthread_clockjoin_np, pthread_clockjoin_np(endless(), NULL, CLOCK_MONOTONIC, LATER_OF(CLOCK_MONOTONIC)))
#if __GLIBC_PREREQ(2, 35)
#define ANIMALS_OF_LATER_GLIBC(X) X(epoll_pwait2, epoll_pwait2(epoll_of_nothing(), &event, 1, NULL, NULL))
#else
#define ANIMALS_OF_LATER_GLIBC(X)
#endif
#else
#define ANIMALS_OF_GLIBC(X)
#define ANIMALS_OF_LATER_GLIBC(X)
#endif
/* clang-format on */

#endif
