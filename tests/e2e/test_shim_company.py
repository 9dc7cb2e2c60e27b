# SPDX-License-Identifier: Apache-2.0
# ctest: timeout=240
"""Beside others who do what the shim does: interposers, sanitizers, allocators, constructors that call early,
C++ exceptions through call_once, Go, and programs built in other ways."""
import glob
import subprocess
import textwrap

import pytest

from lifesign import clean_environment, wait_until
from shim_host import CALLS, SHIM, Host, builder, end, is_mapped


DEEPBIND = 0x8  # PROCESS_DEEPBIND


@pytest.fixture
def host():
    host = Host()
    yield host
    host.close()


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    return builder(tmp_path_factory.mktemp("company"))


ONCE = """
    #include <mutex>
    #include <stdexcept>
    #include <cstdio>
    #include <unistd.h>
    static void raise_it(int levels) { volatile char room[256]; room[0] = 0; if (levels) raise_it(levels - 1); else throw std::runtime_error("x"); }
    static void deeper(int levels) { volatile char room[256]; room[0] = 0; char b; if (levels) deeper(levels - 1); else (void)!read(0, &b, 1); room[1] = 0; }
    int main() {
        std::once_flag flag;
        int caught = 0;
        for (int i = 0; i < 3; i++)
            try { std::call_once(flag, [i] { if (i < 2) raise_it(5); }); } catch (std::exception &) { caught++; }
        std::once_flag again;
        try { std::call_once(again, [] { raise_it(5); }); } catch (std::exception &) { caught++; }
        dprintf(1, "%d\\n", caught); /* not wrapped: nothing heals the slot before the read */
        deeper(5);
        return 0;
    }"""


@pytest.mark.parametrize("compiler", ["g++", "clang++"])
def test_an_exception_through_call_once_leaves_the_call(host, build, compiler):
    program = build(compiler, ONCE, "-std=c++17", "-O2", "-pthread", suffix=".cc")
    process = host.start([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"3\n"
    slot = host.shows(process.pid, "read")
    assert slot.inside is None and slot.nested == 0, "the once that was thrown through still stands in the slot"
    process.stdin.close()
    assert process.wait(60) == 0


CPP = """
    #include <atomic>
    #include <chrono>
    #include <condition_variable>
    #include <cstdio>
    #include <future>
    #include <latch>
    #include <semaphore>
    #include <shared_mutex>
    #include <thread>
    #include <unistd.h>
    #include <sys/syscall.h>
    using namespace std::chrono_literals;
    template <class F> static void one(const char *what, F f) {
        std::atomic<long> tid = 0;
        std::thread([&tid, f] { tid = syscall(SYS_gettid); f(); }).detach();
        while (!tid) sched_yield();
        std::printf("%ld %s\\n", tid.load(), what);
    }
    int main() {
        static std::mutex m, m2; static std::timed_mutex tm; static std::shared_timed_mutex sm; static std::condition_variable cv;
        static std::binary_semaphore sem(0); static std::latch latch(2); static std::promise<int> p; static auto f = p.get_future().share();
        m.lock(); tm.lock(); sm.lock();
        one("pthread_mutex_lock", [] { m.lock(); });
        one("pthread_mutex_clocklock", [] { tm.try_lock_for(1h); });
        one("pthread_rwlock_rdlock", [] { sm.lock_shared(); });
        one("pthread_rwlock_clockwrlock", [] { sm.try_lock_for(1h); });
        one("pthread_cond_wait", [] { std::unique_lock l(m2); cv.wait(l, [] { return false; }); });
        one("pthread_cond_clockwait", [] { std::unique_lock l(m2); cv.wait_for(l, 1h, [] { return false; }); });
        one("syscall", [] { sem.acquire(); });
        one("syscall", [] { latch.arrive_and_wait(); });
        one("syscall", [] { f.wait(); });
        std::puts("ready"); std::fflush(stdout);
        char b; (void)!read(0, &b, 1); _exit(0);
    }"""


def test_the_waits_of_cplusplus_are_seen(host, build):
    process = host.start([build("g++", CPP, "-std=c++20", "-O2", "-pthread", suffix=".cc")], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    expected = {}
    for line in iter(process.stdout.readline, b"ready\n"):
        tid, op = line.split()
        expected[int(tid)] = op.decode()
    wait_until(lambda: all(host.slot(tid) and host.slot(tid).op == op for tid, op in expected.items()), 30,
               lambda: [(op, host.slot(tid)) for tid, op in expected.items()])


# ---- other interposers

OTHER = """
    #define _GNU_SOURCE
    #include <dlfcn.h>
    #include <unistd.h>
    static int count;
    ssize_t read(int fd, void *data, size_t bytes) {
        ssize_t (*next)(int, void *, size_t) = (ssize_t (*)(int, void *, size_t))dlsym(RTLD_NEXT, "read");
        count++;
        return next(fd, data, bytes);
    }
    int other_count(void) { return count; }
    """
READER = """
    #define _GNU_SOURCE
    #include <dlfcn.h>
    #include <stdio.h>
    #include <unistd.h>
    int main(void) {
        int (*count)(void) = (int (*)(void))dlsym(RTLD_DEFAULT, "other_count");
        char b; int before = count();
        int r = (int)read(0, &b, 1);
        printf("%d %d\\n", r, count() - before);
        return 0; }
    """


@pytest.mark.parametrize("order", ["before", "after"])
def test_another_interposer_is_called_once_and_calls_on(host, build, order):
    other, program = build("gcc", OTHER, "-shared", "-fPIC", "-O2", "-ldl"), build("gcc", READER, "-O2", "-rdynamic", "-ldl")
    preload = f"{other}:{SHIM}" if order == "before" else f"{SHIM}:{other}"
    pid, ended = end([program], host.env({"LD_PRELOAD": preload}))
    assert ended == (0, "0 1\n", "") and host.processes(pid)


EARLY = """
    #include <pthread.h>
    #include <stdio.h>
    #include <unistd.h>
    static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
    static int seen;
    static void *body(void *u) { usleep(1000); pthread_mutex_lock(&m); seen++; pthread_mutex_unlock(&m); return u; }
    __attribute__((constructor)) static void early(void) {
        pthread_t t; FILE *f = fopen("/dev/null", "r"); char b[4];
        fgets(b, 4, f); fclose(f); usleep(1); pthread_create(&t, 0, body, 0); pthread_join(t, 0); pthread_create(&t, 0, body, 0); }
    int early_seen(void) { for (;;) { pthread_mutex_lock(&m); int s = seen; pthread_mutex_unlock(&m); if (s == 2) return s; usleep(100); } }
    """


def test_calls_and_threads_before_the_constructor_work(host, build):
    library = build("gcc", EARLY, "-shared", "-fPIC", "-O2", "-pthread")
    program = build("gcc", "#include <stdio.h>\nint early_seen(void); int main(void) { printf(\"%d\\n\", early_seen()); return 0; }",
                    library, f"-Wl,-rpath,{library.parent}", "-O1")
    for preload in (SHIM, f"{library}:{SHIM}", f"{SHIM}:{library}"):
        pid, ended = end([program], host.env({"LD_PRELOAD": preload}))
        assert ended == (0, "2\n", "") and host.processes(pid)


THREADS = """
    #include <pthread.h>
    #include <sched.h>
    #include <stdio.h>
    #include <stdlib.h>
    #include <sys/wait.h>
    #include <unistd.h>
    static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER; static int n;
    static void *body(void *u) { for (int i = 0; i < 1000; i++) { pthread_mutex_lock(&m); n++; pthread_mutex_unlock(&m); free(malloc(100)); }
        sched_yield(); return u; }
    int main(void) {
        pthread_t t[8];
        for (int i = 0; i < 8; i++) pthread_create(&t[i], 0, body, 0);
        for (int i = 0; i < 8; i++) pthread_join(t[i], 0);
        int status = 0; pid_t c = fork(); if (!c) _exit(n == 8000 ? 3 : 4);
        waitpid(c, &status, 0);
        printf("%d %d\\n", n, WEXITSTATUS(status)); return 0; }
    """


@pytest.mark.parametrize("compiler,flags", [
    ("gcc", ["-static-libasan", "-fsanitize=address"]), ("clang", ["-fsanitize=address"]), ("clang", ["-fsanitize=thread"]),
    ("gcc", ["-fsanitize=undefined"]), ("clang", ["-fsanitize=undefined"]), ("gcc", ["-fsanitize=thread", "-static-libtsan"]),
    ("gcc", ["-O3", "-flto"]), ("gcc", ["-no-pie"]), ("gcc", ["-D_FORTIFY_SOURCE=2", "-O2"]), ("gcc", ["-Wl,-z,now", "-Wl,--hash-style=sysv"])])
def test_however_a_program_was_built_it_ends_the_same(host, build, compiler, flags):
    program = build(compiler, THREADS, "-pthread", *flags)
    plain = end([program], clean_environment())[1]
    assert plain == (0, "8000 3\n", "")
    pid, ended = end([program], host.env())
    assert ended == plain
    assert host.processes(pid) and host.header.threads_started >= 9


OTHERS = {"jemalloc": "libjemalloc.so.2", "tcmalloc": "libtcmalloc_minimal.so.4", "fakeroot": "libfakeroot/libfakeroot-sysv.so",
          "faketime": "faketime/libfaketimeMT.so.1"}


@pytest.mark.parametrize("order", ["before", "after"])
@pytest.mark.parametrize("other", OTHERS)
def test_an_allocator_or_a_liar_that_is_preloaded_too_is_no_trouble(host, build, other, order):
    found = glob.glob(f"/usr/lib/*-linux-gnu/{OTHERS[other]}")
    assert found, f"install the package of {OTHERS[other]}"
    program = build("gcc", THREADS, "-pthread")
    preload = f"{found[0]}:{SHIM}" if order == "before" else f"{SHIM}:{found[0]}"
    pid, ended = end([program], host.env({"LD_PRELOAD": preload}))
    assert ended == (0, "8000 3\n", "") and host.processes(pid)
    assert all(s.op is None or s.op in CALLS for s in host.slots(pid))


GO = """
    package main
    import ("fmt"; "net"; "os/exec"; "sync"%s)
    %s
    func main() {
        var w sync.WaitGroup; for i := 0; i < 50; i++ { w.Add(1); go func() { defer w.Done(); exec.Command("/bin/true").Run() }() }
        w.Wait(); l, _ := net.Listen("tcp", "127.0.0.1:0"); l.Close(); fmt.Println("done") }
    """


@pytest.mark.parametrize("kind", ["static", "pie", "cgo"])
def test_go_runs_as_ever(host, tmp_path, kind):
    source = tmp_path / "main.go"
    source.write_text(textwrap.dedent(GO % (("; \"C\"", "") if kind == "cgo" else ("", ""))))
    env = {**clean_environment(), "CGO_ENABLED": "1" if kind == "cgo" else "0", "GOCACHE": "/tmp/lifesign-test-go-cache", "GOFLAGS": "-mod=mod",
           "HOME": str(tmp_path), "GO111MODULE": "off"}
    subprocess.run(["go", "build", *(["-buildmode=pie"] if kind == "pie" else []), "-o", tmp_path / "program", source], env=env, check=True)
    pid, ended = end([tmp_path / "program"], host.env())
    assert ended == (0, "done\n", "")
    assert bool(host.processes(pid)) == (kind == "cgo")


@pytest.mark.parametrize("deeply", [True, False], ids=["deeply", "not"])
def test_a_library_that_binds_deeply_is_no_trouble_and_is_noted(host, build, deeply):
    """T25: its calls go past the wrappers; the entry of the process and those of its children say so."""
    library = build("gcc", THREADS.replace("int main(void)", "int run(void)"), "-shared", "-fPIC", "-pthread")
    mode = "RTLD_NOW | RTLD_DEEPBIND" if deeply else "RTLD_NOW"
    program = build("gcc", f"""
        #define _GNU_SOURCE
        #include <dlfcn.h>
        #include <sys/wait.h>
        #include <unistd.h>
        int main(void) {{ int (*run)(void) = (int (*)(void))dlsym(dlopen("{library.name}", {mode}), "run");
            pid_t child = fork(); if (!child) {{ usleep(1); _exit(dlopen("/nonexistent", RTLD_LAZY) != 0); }}
            siginfo_t end; waitid(P_PID, child, &end, WEXITED | WNOWAIT); /* not waited for: its entry stays */
            return run(); }}""", "-ldl", f"-Wl,-rpath,{library.parent}")  # found by its caller's own path
    pid, ended = end([program], host.env())
    assert ended == (0, "8000 3\n", "") and host.processes(pid)
    assert len(host.processes()) >= 2 and all(bool(p.flags & DEEPBIND) == deeply for p in host.processes())


def test_redis_under_load_with_its_own_allocator(host, place):
    path = place.file("s")
    process = host.start(["redis-server", "--port", "0", "--unixsocket", path, "--save", "", "--io-threads", "2", "--dir", place.path],
                         stdout=subprocess.DEVNULL)
    wait_until(lambda: subprocess.run(["redis-cli", "-s", path, "ping"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                      check=False).stdout == b"PONG\n", 30, "redis answers")
    assert is_mapped(process.pid)
    before = host.slot(process.pid).entries
    out = subprocess.run(["redis-benchmark", "-s", path, "-n", "20000", "-c", "20", "-q", "-t", "set,get"], stdout=subprocess.PIPE, check=True).stdout
    assert b"SET" in out and host.slot(process.pid).entries > before + 1000
    for _ in range(3):
        assert subprocess.run(["redis-cli", "-s", path, "bgsave"], stdout=subprocess.PIPE, check=True).stdout
        wait_until(lambda: b"rdb_bgsave_in_progress:0" in subprocess.run(["redis-cli", "-s", path, "info", "persistence"],
                                                                         stdout=subprocess.PIPE, check=True).stdout, 60, "saved")
    host.shows(process.pid, "epoll_wait")
    assert host.header.threads_refused == 0
