/* SPDX-License-Identifier: Apache-2.0 */
/* build: musl -pthread -Wno-unused-result -Wno-nonnull -Wno-stringop-overread -Wno-stringop-overflow */
/* Calls every wrapped function where it fails, and some where it does not; prints results and errno, which
 * were the same without the shim. */
#include <aio.h>
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <termios.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

enum { UNTOUCHED = 4321 };
#define TRY(...)                                                                                               \
	do {                                                                                                   \
		errno = UNTOUCHED;                                                                             \
		long result_ = (long)(__VA_ARGS__);                                                            \
		int error_ = errno;                                                                            \
		printf("%s = %ld, %d\n", #__VA_ARGS__, result_, error_);                                       \
	} while (0)

static struct timespec never = {0, -1}, past = {0, 0};
static pthread_mutex_t normal = PTHREAD_MUTEX_INITIALIZER, checked, robust;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_barrier_t barrier;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static sem_t sem;
static mtx_t mtx;
static sigset_t set;
static char data[64];
static struct iovec part = {data, 1};
static struct msghdr message;
static struct mmsghdr many;
static FILE *none;

static void *hold_robust(void *unused)
{
	pthread_mutex_lock(&robust);
	return unused;
}

static int c11_body(void *unused)
{
	(void)unused;
	return 5;
}

static void once_body(void)
{
	errno = UNTOUCHED + 1;
}

static void locks(void)
{
	pthread_mutexattr_t attributes;
	pthread_t thread;
	thrd_t c11;
	int value;

	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK);
	pthread_mutex_init(&checked, &attributes);
	pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&robust, &attributes);
	pthread_create(&thread, NULL, hold_robust, NULL);
	TRY(pthread_join(thread, NULL));
	TRY(pthread_mutex_lock(&robust));
	TRY(pthread_mutex_lock(&checked));
	TRY(pthread_mutex_lock(&checked));
	TRY(pthread_mutex_lock(&normal));
	TRY(pthread_mutex_timedlock(&normal, &past));
	TRY(pthread_mutex_timedlock(&normal, &never));
	TRY(pthread_cond_timedwait(&cond, &normal, &past));
	TRY(pthread_rwlock_rdlock(&rwlock));
	TRY(pthread_rwlock_timedwrlock(&rwlock, &past));
	TRY(pthread_rwlock_wrlock(&(pthread_rwlock_t)PTHREAD_RWLOCK_INITIALIZER));
	TRY(pthread_rwlock_timedrdlock(&rwlock, &past));
	pthread_barrier_init(&barrier, NULL, 1);
	TRY(pthread_barrier_wait(&barrier));
	sem_init(&sem, 0, 1);
	TRY(sem_wait(&sem));
	TRY(sem_timedwait(&sem, &past));
	TRY(pthread_once(&once, once_body));
	TRY(pthread_once(&once, once_body));
	mtx_init(&mtx, mtx_timed);
	TRY(mtx_lock(&mtx));
	TRY(mtx_timedlock(&mtx, &past));
	thrd_create(&c11, c11_body, NULL);
	TRY(thrd_join(c11, &value) + value);
#ifdef __GLIBC__
	TRY(pthread_join(pthread_self(), NULL)); /* musl waits for ever */
	TRY(pthread_mutex_clocklock(&normal, CLOCK_MONOTONIC, &past));
	TRY(pthread_mutex_clocklock(&normal, 99, &past));
	TRY(pthread_cond_clockwait(&cond, &normal, CLOCK_MONOTONIC, &past));
	TRY(pthread_rwlock_clockrdlock(&rwlock, CLOCK_MONOTONIC, &past));
	TRY(pthread_rwlock_clockwrlock(&rwlock, CLOCK_MONOTONIC, &past));
	TRY(sem_clockwait(&sem, CLOCK_MONOTONIC, &past));
	pthread_create(&thread, NULL, hold_robust, NULL);
	pthread_mutex_consistent(&robust);
	TRY(pthread_timedjoin_np(thread, NULL, &past));
	TRY(pthread_clockjoin_np(thread, NULL, CLOCK_MONOTONIC, &past));
	TRY(preadv2(-1, &part, 1, 0, 0));
	TRY(pwritev2(-1, &part, 1, 0, 0));
#if __GLIBC_PREREQ(2, 35)
	TRY(epoll_pwait2(-1, NULL, 1, NULL, NULL));
#endif
#endif
}

static void waits(void)
{
	TRY(poll(NULL, 0, 0));
	TRY(poll((struct pollfd *)1, 1, 0));
	TRY(ppoll(NULL, 0, &never, NULL));
	TRY(select(-1, NULL, NULL, NULL, NULL));
	TRY(pselect(0, NULL, NULL, NULL, &past, NULL));
	TRY(epoll_wait(-1, NULL, 1, 0));
	TRY(epoll_pwait(0, NULL, 0, 0, NULL));
	TRY(nanosleep(&never, NULL));
	TRY(clock_nanosleep(CLOCK_MONOTONIC, 0, &never, NULL));
	TRY(clock_nanosleep(99, 0, &past, NULL));
	TRY(usleep(0));
	TRY(sleep(0));
	TRY(thrd_sleep(&never, NULL));
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	TRY(sigtimedwait(&set, NULL, &past));
	raise(SIGUSR1);
	TRY(sigwaitinfo(&set, NULL));
	TRY(syscall(SYS_read, -1, NULL, 0));
	TRY(syscall(SYS_getppid) == getppid());
	TRY(syscall(SYS_futex, NULL, 0, 0, NULL));
	TRY(syscall(123456));
}

static void descriptors(int in, int out)
{
	TRY(read(-1, data, 1));
	TRY(readv(-1, &part, 1));
	TRY(pread(in, data, 1, 0));
	TRY(preadv(in, &part, 1, 0));
	TRY(write(out, "ab", 2));
	TRY(read(in, NULL, 1));
	TRY(write(-1, "", 1));
	TRY(read(in, data, 1));
	TRY(readv(in, &part, 1));
	TRY(writev(out, NULL, 1));
	TRY(pwrite(out, "", 1, 0));
	TRY(pwritev(out, &part, 1, 0));
	TRY(recv(in, data, 1, 0));
	TRY(recvfrom(-1, data, 1, 0, NULL, NULL));
	TRY(recvmsg(in, &message, 0));
	TRY(recvmmsg(in, &many, 1, 0, NULL));
	TRY(send(out, data, 1, 0));
	TRY(sendto(-1, data, 1, 0, NULL, 0));
	TRY(sendmsg(out, &message, 0));
	TRY(sendmmsg(out, &many, 1, 0));
	TRY(accept(in, NULL, NULL));
	TRY(accept4(-1, NULL, NULL, 0));
	TRY(connect(in, NULL, 0));
	TRY(sendfile(-1, in, NULL, 1));
	TRY(splice(in, &(off_t){0}, out, NULL, 1, 0));
	TRY(eventfd_read(-1, &(eventfd_t){0}));
	TRY(tcdrain(in));
	TRY(fsync(in));
	TRY(fdatasync(-1));
	TRY(flock(-1, LOCK_EX));
	TRY(lockf(-1, F_LOCK, 0));
	TRY(fcntl(-1, F_SETLKW, NULL));
	TRY(fcntl(in, F_GETFL));
	TRY(fcntl(in, F_SETFL, O_NONBLOCK));
	TRY(read(in, data, 1));
	TRY(open("/nonexistent", O_RDONLY));
	TRY(open("/nonexistent/file", O_CREAT | O_WRONLY, 0600));
	TRY(openat(-1, "x", O_RDONLY));
	TRY(close(open("made", O_CREAT | O_EXCL | O_RDWR, 0640)));
	TRY(unlink("made"));
}

static void streams(void)
{
	char *text = NULL;
	size_t bytes = 0;

	TRY(fopen("/nonexistent", "r"));
	TRY(fopen("/dev/null", "?"));
	none = fopen("/dev/null", "r+");
	TRY(fread(data, 1, 1, none));
	TRY(fgets(data, 10, none));
	TRY(getline(&text, &bytes, none));
	TRY(getdelim(&text, &bytes, ':', none));
	TRY(fgetc(none));
	TRY(getc(none));
	TRY(fscanf(none, "%d", &(int){0}));
	TRY(fwrite("x", 1, 1, none));
	TRY(fputs("x", none));
	TRY(fflush(none));
	TRY(fflush(NULL));
	flockfile(none);
	funlockfile(none);
	fclose(none);
	none = fopen("/dev/full", "w");
	TRY(fputs("x", none));
	TRY(fflush(none));
}

static void others(void)
{
	struct addrinfo *answer, hints = {.ai_flags = AI_NUMERICHOST};
	struct hostent entry, *found;
	int failure = 0;
	const struct aiocb *list[] = {NULL};

	TRY(waitpid(-1, NULL, 0));
	TRY(wait(NULL));
	TRY(wait3(NULL, WNOHANG, NULL));
	TRY(wait4(1, NULL, 0, NULL));
	TRY(waitid(P_ALL, 0, NULL, 0));
	TRY(system("exit 3"));
	TRY(system(NULL));
	TRY(pclose(popen("exit 4", "r")));
	TRY(semop(-1, NULL, 0));
	TRY(semtimedop(-1, NULL, 0, NULL));
	TRY(msgrcv(-1, data, 1, 0, 0));
	TRY(msgsnd(-1, data, 1, 0));
	TRY(mq_receive((mqd_t)-1, data, 1, NULL));
	TRY(mq_timedreceive((mqd_t)-1, data, 1, NULL, &past));
	TRY(mq_send((mqd_t)-1, data, 1, 0));
	TRY(mq_timedsend((mqd_t)-1, data, 1, 0, &past));
	TRY(aio_suspend(list, 1, &past));
	TRY(getaddrinfo("not a number", NULL, &hints, &answer));
	TRY(getaddrinfo("127.0.0.1", "80", NULL, &answer));
	TRY(getnameinfo(answer->ai_addr, answer->ai_addrlen, data, 64, NULL, 0, NI_NUMERICHOST));
	TRY(gethostbyname("127.0.0.1") != NULL);
	TRY(gethostbyname2("127.0.0.1", AF_INET) != NULL);
	TRY(gethostbyname_r("127.0.0.1", &entry, data, 1, &found, &failure));
	TRY(gethostbyname2_r("127.0.0.1", AF_INET, &entry, data, 1, &found, &failure));
	TRY(gethostbyaddr("x", 1, AF_INET) != NULL);
	TRY(gethostbyaddr_r("x", 1, AF_INET, &entry, data, 1, &found, &failure));
	TRY(pthread_setname_np(pthread_self(), "a name that is far too long"));
	TRY(pthread_setname_np(pthread_self(), "short"));
}

int main(void)
{
	int pipe_ends[2];

	setvbuf(stdout, NULL, _IOFBF, 65536);
	pipe(pipe_ends);
	locks();
	waits();
	descriptors(pipe_ends[0], pipe_ends[1]);
	streams();
	others();
	return 0;
}
