# SPDX-License-Identifier: Apache-2.0
"""What real services import from libc and can wait in is wrapped, or stands here with the reason why not."""
import glob
import os
import re
import shutil
import subprocess

from shim_host import TWINS, WRAPPED

PROGRAMS = ["redis-server", "nginx", "python3", "node", "java", "bash", "perl", "memcached", "apache2", "haproxy", "mariadbd", "sshd",
            "dnsmasq", "named", "ruby", "nats-server"]
FILES = ["/usr/lib/postgresql/*/bin/postgres", "/usr/lib/x86_64-linux-gnu/libstdc++.so.6", "/usr/lib/jvm/java-17-*/lib/*.so",
         "/usr/lib/jvm/java-17-*/lib/server/libjvm.so", "/usr/sbin/php-fpm*", "/usr/lib/apache2/modules/mod_mpm_*.so",
         "/usr/lib/x86_64-linux-gnu/ruby/*/*.so"]

# Names of libc behind which a thread can wait: the cancellation points of POSIX (pthreads(7)) and what else
# may end up in a system call that waits, each with its group.
FILE = "file system: short, or D state, which /proc shows"
STREAM = "formats into a buffer; a full one shows as write in /proc"
NEVER = "does not wait for anybody"
START = "returns at once in the parent (vfork: when the child execs), cannot be wrapped or must not"
NAMES = "the name service: local files unless configured otherwise; /proc shows its poll"
CAN_WAIT = {
    **dict.fromkeys("""close closedir copy_file_range creat faccessat fallocate fchmod fchown fclose fdopen fgetxattr
        fpathconf freopen fseek fseeko fseeko64 fsetxattr fstat fstat64 fstatat64 ftruncate ftruncate64 getcwd getxattr glob
        glob64 lgetxattr link linkat lseek lseek64 lstat lstat64 mkdir mkdirat mkfifo mknod mkostemp mkostemp64 mkstemp
        mkstemp64 msync name_to_handle_at opendir openat2 posix_fadvise posix_fadvise64 posix_fallocate posix_fallocate64
        readdir readdir64 readlink readlinkat realpath rename renameat rewind rmdir scandir64 stat stat64 statfs statfs64
        statvfs statvfs64 statx symlink sync sync_file_range syncfs tmpfile tmpfile64 truncate truncate64 unlink unlinkat
        utime utimensat utimes fdopendir rewinddir setxattr shm_open mq_open __fxstat64 __lxstat64 __xstat64 fcloseall
        access chmod chown chdir ftell ftello ftello64 fts_read""".split(), FILE),
    **dict.fromkeys("""fprintf __fprintf_chk vfprintf __vfprintf_chk printf __printf_chk vprintf dprintf __dprintf_chk fputc putc
        putchar puts fputwc putwc ungetc perror getchar getwc fgetwc __uflow __overflow syslog vsyslog __syslog_chk __vsyslog_chk
        openlog closelog ftrylockfile putw fread_unlocked fwrite_unlocked fflush_unlocked fgets_unlocked""".split(), STREAM),
    **dict.fromkeys("""popen posix_spawn posix_spawnp fork vfork _Fork forkpty daemon execv execve execvp execl execlp
        execvpe fexecve""".split(), START),
    **dict.fromkeys("""getpwnam getpwnam_r getpwuid getpwuid_r getpwent getgrnam getgrnam_r getgrgid getgrgid_r getgrent getgrouplist
        initgroups getservbyname getservbyname_r getservbyport getservbyport_r getprotobyname getspnam getspnam_r getspent
        res_query res_nsearch res_search getaddrinfo_a __res_context_query __res_context_search getlogin
        getnetbyname gethostent""".split(), NAMES),
    **dict.fromkeys("""pthread_testcancel pthread_exit pthread_cancel dlclose sched_yield pthread_mutex_trylock
        pthread_rwlock_tryrdlock pthread_rwlock_trywrlock sem_trywait shutdown socket bind listen epoll_ctl epoll_create epoll_create1 sem_post
        eventfd_write ioctl tcsetattr tcflush tcsendbreak socketpair io_submit setsockopt getsockopt""".split(), NEVER),
}
# Must be wrapped if anybody imports them: all that waits for a peer, a lock, a thread, a child, time or a signal.
MUST = set("""read readv pread pread64 preadv preadv64 preadv2 write writev pwrite pwrite64 pwritev pwritev64 pwritev2 recv recvfrom recvmsg
    recvmmsg send sendto sendmsg sendmmsg accept accept4 connect sendfile sendfile64 splice fsync fdatasync flock fcntl fcntl64 lockf lockf64
    open open64 openat openat64 __open_2 __open64_2 __openat_2 __openat64_2 fopen fopen64 eventfd_read tcdrain poll ppoll select pselect
    epoll_wait epoll_pwait epoll_pwait2 nanosleep clock_nanosleep usleep sleep pause sigsuspend sigwait sigwaitinfo sigtimedwait
    pthread_mutex_lock pthread_mutex_timedlock pthread_mutex_clocklock pthread_cond_wait pthread_cond_timedwait pthread_cond_clockwait
    pthread_rwlock_rdlock pthread_rwlock_wrlock pthread_rwlock_timedrdlock pthread_rwlock_timedwrlock pthread_rwlock_clockrdlock
    pthread_rwlock_clockwrlock sem_wait sem_timedwait sem_clockwait pthread_join pthread_timedjoin_np pthread_clockjoin_np
    pthread_barrier_wait pthread_once mtx_lock mtx_timedlock cnd_wait cnd_timedwait thrd_join thrd_sleep flockfile syscall waitpid wait wait3
    wait4 waitid system pclose semop semtimedop msgrcv msgsnd mq_receive mq_timedreceive mq_send mq_timedsend aio_suspend getaddrinfo
    getnameinfo gethostbyname gethostbyname_r gethostbyname2 gethostbyname2_r gethostbyaddr gethostbyaddr_r fread fgets getline getdelim
    __getdelim fgetc getc _IO_getc fwrite fputs fflush fscanf __isoc99_fscanf __isoc23_fscanf __read_chk __pread_chk __pread64_chk
    __recv_chk __recvfrom_chk __poll_chk __ppoll_chk __fread_chk __fgets_chk longjmp _longjmp siglongjmp __longjmp_chk pthread_create""".split())
WAITING_WORD = re.compile(r"(wait|sleep|recv|send|poll|select|lock$|join|read$|write$|accept|connect|sync$|_chk$)")
NOT_THAT = re.compile(r"(^__?(mem|str|stp|v?s?n?printf|v?as?printf|wcs|fprintf|vfprintf|printf|realpath|sprintf|explicit|fdelt|"
                      r"snprintf|vsnprintf|vsprintf|vasprintf|asprintf|syslog|vsyslog|stack|dprintf|longjmp|gets|mbs|wmem|getcwd|readlink|"
                      r"gethostname|ttyname|confstr|getgroups)|unlock$|trylock$|^tz|mlock|clock$|_exit)")


def objects():
    """The files of the services and every library that they load, but libc and the loader."""
    found = {path for pattern in FILES for path in glob.glob(pattern)}
    for name in PROGRAMS:
        path = shutil.which(name, path="/usr/bin:/usr/sbin:/bin")
        assert path, f"install {name}"
        found.add(os.path.realpath(path))
    assert all(any(name in path for path in found) for name in ("postgres", "php-fpm", "mpm_event")), "install postgres, php-fpm, apache2"
    for path in sorted(found):
        listing = subprocess.run(["ldd", path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False).stdout
        found |= set(re.findall(r"=> (/\S+)", listing))
    return sorted(path for path in found if not re.search(r"/(libc\.so|ld-linux|libm\.so|libdl|librt|libpthread)", path))


def imports():
    """{name: a file that imports it from glibc}"""
    found = {}
    for path in objects():
        symbols = subprocess.run(["readelf", "--dyn-syms", "-W", path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
        for name in re.findall(r" UND (\w+)@GLIBC_", symbols.stdout):
            found.setdefault(name, path)
    assert len(found) > 500
    return found


def test_what_must_be_wrapped_is():
    assert not MUST - WRAPPED
    assert not set(CAN_WAIT) & WRAPPED, "wrapped and excused"


def test_every_import_that_can_wait_is_wrapped_or_excused():
    unknown = {name: path for name, path in imports().items()
               if WAITING_WORD.search(name) and not NOT_THAT.search(name) and name not in WRAPPED and name not in CAN_WAIT}
    assert not unknown, f"wrap them (a row of calls.h) or say why not: {unknown}"


def test_twins_have_an_original():
    assert set(TWINS.values()) <= WRAPPED
