# SPDX-License-Identifier: Apache-2.0
# ctest: timeout=240
"""Programs built so that a trap is in them, and the shim built in other ways; the index is in test_shim_traps."""
import glob
import os
import re
import signal
import subprocess

import pytest

from lifesign import SOURCE, clean_environment, wait_until
from shim_host import SUPPORT, Host, builder, end, is_mapped


@pytest.fixture(name="host")
def host_fixture():
    host = Host()
    yield host
    host.close()


@pytest.fixture(scope="module", name="build")
def build_fixture(tmp_path_factory):
    return builder(tmp_path_factory.mktemp("built"))


def wait_for_ops(host, process):
    """Reads "TID OP" lines up to "ready" and waits until the slots say so."""
    expected = {}
    for line in iter(process.stdout.readline, b"ready\n"):
        assert line, "it ended"
        tid, op = line.split()
        expected[int(tid)] = op.decode()
    wait_until(lambda: all(host.slot(tid) and host.slot(tid).op == op for tid, op in expected.items()), 10,
               lambda: [(op, host.slot(tid)) for tid, op in expected.items()])
    assert is_mapped(process.pid)
    return expected


THREADS_OF = """
    #define _GNU_SOURCE
    #include <poll.h>
    #include <pthread.h>
    #include <stdio.h>
    #include <stdlib.h>
    #include <sys/socket.h>
    #include <sys/syscall.h>
    #include <unistd.h>
    static int in[2]; static int pair[2]; static FILE *stream; static volatile long tid;
    static size_t many; /* not known to the compiler: it has to check */
    %s
    static void start(const char *op, void *(*body)(void *)) {
        pthread_t t; tid = 0; pthread_create(&t, 0, body, 0); while (!tid) usleep(100); printf("%%ld %%s\\n", tid, op); }
    int main(int count, char **words) {
        pipe(in); socketpair(AF_UNIX, SOCK_STREAM, 0, pair); stream = fdopen(dup(in[0]), "r"); many = (size_t)count;
        %s
        puts("ready"); fflush(stdout); (void)!syscall(SYS_read, 0, words[0], 1); _exit(0); }
    """
FORTIFIED = {
    "__read_chk": ("read", "(void)!read(in[0], data, many);"), "__recv_chk": ("recv", "recv(pair[0], data, many, 0);"),
    "__recvfrom_chk": ("recvfrom", "recvfrom(pair[0], data, many, 0, 0, 0);"), "__poll_chk": ("poll", "poll(fds, many, -1);"),
    "__ppoll_chk": ("ppoll", "ppoll(fds, many, 0, 0);"), "__fread_chk": ("fread", "(void)!fread(data, 1, many, stream);"),
    "__fgets_chk": ("fgets", "(void)!fgets(data, (int)many + 1, stream2());"), "__pread64_chk": (None, "(void)!pread(in[0], data, many, 0);")}


def test_a_fortified_program_is_seen(host, build):
    """T26: its compiler calls the checking twins."""
    functions = "static FILE *stream2(void) { return fdopen(dup(in[0]), \"r\"); }\n" + "".join(
        f"static void *f{i}(void *u) {{ char data[8]; struct pollfd fds[2] = {{{{in[0], POLLIN, 0}}, {{in[0], POLLIN, 0}}}}; tid = syscall(SYS_gettid);"
        f" {how} (void)fds; (void)data; for (;;) pause(); return u; }}\n" for i, (_, how) in enumerate(FORTIFIED.values()))
    starts = "".join(f'start("{op or "pause"}", f{i});' for i, (op, _) in enumerate(FORTIFIED.values()))
    program = build("gcc", THREADS_OF % (functions, starts), "-O2", "-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=2", "-pthread", "-Wno-unused-result",
                    "-D_FILE_OFFSET_BITS=64")
    imports = subprocess.run(["nm", "-D", program], stdout=subprocess.PIPE, text=True, check=True).stdout
    for twin in FORTIFIED:
        assert re.search(rf"\b{twin}\b", imports), twin
    assert len(wait_for_ops(host, host.start([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE))) == len(FORTIFIED)


COROUTINES = """
    #define _GNU_SOURCE
    #include <poll.h>
    #include <setjmp.h>
    #include <signal.h>
    #include <stdio.h>
    #include <stdlib.h>
    #include <sys/mman.h>
    #include <sys/syscall.h>
    #include <ucontext.h>
    #include <unistd.h>
    static ucontext_t home, co[2]; static sigjmp_buf out; static char b; static int silent[2];
    static void jump(int n) { (void)n; siglongjmp(out, 1); }
    static void step(const char *s) { char l[64]; int n = snprintf(l, 64, "%s\\n", s); (void)!syscall(SYS_write, 1, l, n); (void)!syscall(SYS_read, 0, &b, 1); }
    static void body(int i) {
        for (int k = 0; k < 1000; k++) { poll(0, 0, 0); swapcontext(&co[i], &home); }
        if (i) (void)!read(silent[0], &b, 1);
        else if (!sigsetjmp(out, 1)) (void)!read(silent[0], &b, 1);
        step("jumped"); swapcontext(&co[i], &home); }
    int main(void) {
        (void)!pipe(silent); signal(SIGUSR1, jump);
        for (int i = 0; i < 2; i++) { /* one above the main stack's heap, one wherever mmap puts it */
            getcontext(&co[i]); co[i].uc_stack.ss_size = 65536;
            co[i].uc_stack.ss_sp = i ? mmap(0, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) : malloc(65536);
            makecontext(&co[i], (void (*)(void))body, 1, i); }
        for (int k = 0; k < 1000; k++) for (int i = 0; i < 2; i++) { swapcontext(&home, &co[i]); poll(0, 0, 0); }
        swapcontext(&home, &co[0]);
        swapcontext(&home, &co[1]); return 0; }
    """


def test_coroutines_on_stacks_of_their_own(host, build):
    """Neither a frame elsewhere nor a jump out of a call there leaves a trace that is taken for another."""
    process = host.start([build("gcc", COROUTINES, "-O1")], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    slot = host.shows(process.pid, "read")
    assert slot.nested == 0 and slot.entries >= 4000 and is_mapped(process.pid)
    os.kill(process.pid, signal.SIGUSR1)
    assert process.stdout.readline() == b"jumped\n"
    assert host.slot(process.pid).op is None
    process.stdin.write(b"\n")
    process.stdin.flush()
    slot = wait_until(lambda: host.slot(process.pid).op == "read" and host.slot(process.pid), 30, host.slots)
    assert slot.nested == 0


COPIED = """
    #include <errno.h>
    #include <stdio.h>
    #include <stdlib.h>
    #include <string.h>
    #include <unistd.h>
    #include <poll.h>
    extern char **environ;
    typedef ssize_t reader(int, void *, size_t);
    static reader *const table[] = {read};
    int main(void) { char b; setenv("X", "1", 1); int n = 0; for (char **e = environ; *e; e++) n += !strcmp(*e, "X=1");
        int r = (int)table[0](-1, &b, 1); fprintf(stdout, "%d %d %d %d\\n", n, r, errno == EBADF, table[0] == read); return poll(0, 0, 0); }
    """


def test_copy_relocations_and_addresses_of_functions(host, build):
    """A program without PIE has data of libc in itself, and one address for each function."""
    program = build("gcc", COPIED, "-no-pie", "-fno-pic", "-O1")
    relocations = subprocess.run(["readelf", "-rW", program], stdout=subprocess.PIPE, text=True, check=True).stdout
    assert "R_X86_64_COPY" in relocations or "R_AARCH64_COPY" in relocations
    pid, ended = end([program], host.env())
    assert ended == end([program], clean_environment())[1] == (0, "1 -1 1 1\n", "")
    assert host.processes(pid) and host.slot(pid).entries >= 2


TWO_VERSIONS = """
    #include <pthread.h>
    #include <stdio.h>
    #include <unistd.h>
    extern int create_old(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    __asm__(".symver create_old, pthread_create@GLIBC_2.2.5");
    static void *body(void *u) { usleep(1); return u; }
    int main(void) { pthread_t a, b; int r = create_old(&a, 0, body, 0) + pthread_create(&b, 0, body, 0);
        r += pthread_join(a, 0) + pthread_join(b, 0); printf("%d\\n", r); return 0; }
    """


def test_both_versions_of_pthread_create_are_wrapped(host, build):
    """T07: what was linked before glibc 2.34 and what after."""
    program = build("gcc", TWO_VERSIONS, "-pthread")
    pid, ended = end([program], host.env())
    assert ended == (0, "0\n", "") and host.processes(pid)
    assert host.header.threads_started == host.header.threads_ended + 1 == 3


TWO_CONDITIONS = """
    #include <pthread.h>
    #include <stdio.h>
    #include <time.h>
    #include <unistd.h>
    extern int wait_old(void *, pthread_mutex_t *), signal_old(void *), timed_old(void *, pthread_mutex_t *, const struct timespec *);
    __asm__(".symver wait_old, pthread_cond_wait@GLIBC_2.2.5");
    __asm__(".symver timed_old, pthread_cond_timedwait@GLIBC_2.2.5");
    __asm__(".symver signal_old, pthread_cond_signal@GLIBC_2.2.5");
    static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER; static pthread_cond_t fresh = PTHREAD_COND_INITIALIZER;
    static struct { long words[6]; } old; /* what LinuxThreads called PTHREAD_COND_INITIALIZER */
    static int go_old, go_new; static char b;
    static void *body(void *u) {
        pthread_mutex_lock(&m); while (!go_old) wait_old(&old, &m); while (!go_new) pthread_cond_wait(&fresh, &m); pthread_mutex_unlock(&m); return u; }
    int main(void) {
        pthread_t t; struct timespec past = {1, 0};
        pthread_mutex_lock(&m); printf("%d %d\\n", timed_old(&old, &m, &past), pthread_cond_timedwait(&fresh, &m, &past)); fflush(stdout);
        pthread_mutex_unlock(&m); pthread_create(&t, 0, body, 0); (void)!read(0, &b, 1);
        pthread_mutex_lock(&m); go_old = 1; signal_old(&old); pthread_mutex_unlock(&m); (void)!read(0, &b, 1);
        pthread_mutex_lock(&m); go_new = 1; pthread_cond_signal(&fresh); pthread_mutex_unlock(&m);
        pthread_join(t, 0); puts("done"); return 0; }
    """


def test_conditions_of_before_glibc_2_3_2_and_of_today_in_one_process(host, build):
    """T06: each reference reaches the function of its own version, and both are seen."""
    process = host.start([build("gcc", TWO_CONDITIONS, "-pthread")], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"110 110\n" and is_mapped(process.pid)

    def waits():
        return next((s for s in host.slots(process.pid) if s.tid != process.pid and s.op == "pthread_cond_wait"), None)
    old = wait_until(waits, 30, host.slots)
    process.stdin.write(b"x")
    process.stdin.flush()
    wait_until(lambda: waits() and waits().object != old.object and waits().extra == old.extra, 30, host.slots)
    process.stdin.write(b"x")
    process.stdin.flush()
    assert process.stdout.readline() == b"done\n" and process.wait(60) == 0


# ---- the shim built in other ways (T08)

def shim_flags():
    with open(f"{SOURCE}/shim/CMakeLists.txt", encoding="utf-8") as f:
        text = f.read()
    compile_, link = (re.search(rf"target_{kind}_options\(ls_shim PRIVATE (-{first}[^)]*)\)", text).group(1).split()
                      for kind, first in (("compile", "O2"), ("link", "nostdlib")))
    return [word for word in compile_ if word != "-O2"], link


def versions():
    return [f"-Wl,--version-script={SOURCE}/shim/versions.map"] if os.uname().machine == "x86_64" else []


@pytest.mark.parametrize("compiler,level", [("gcc", "-O0"), ("gcc", "-O1"), ("gcc", "-O3"), ("gcc", "-Os"), ("clang", "-O1"), ("clang", "-O2"),
                                            ("clang", "-O3")])
def test_however_the_shim_was_compiled_programs_end_the_same(host, tmp_path, compiler, level):
    compile_, link = shim_flags()
    shim = tmp_path / "liblifesign.so"
    flags = [word for word in compile_ if compiler == "gcc" or word not in ("-fno-tree-loop-distribute-patterns",)]
    subprocess.run([compiler, "-std=c17", "-D_GNU_SOURCE", f"-I{SOURCE}/include", f"-I{SOURCE}/shim", "-w", level, *flags, "-fPIC",
                    "-fvisibility=hidden", "-shared", "-o", shim, *glob.glob(f"{SOURCE}/shim/*.c"), *link, *versions()], check=True)
    for command in (["/bin/true"], ["/bin/sh", "-c", "echo $(echo x); exit 3"], [f"{SUPPORT}/shim_errno"]):
        plain = end(command, clean_environment())[1]
        pid, ended = end(command, host.env({"LD_PRELOAD": shim}))
        assert ended == plain and host.processes(pid)


# ---- sanitizers that want to be first (T24)

def test_a_program_with_a_shared_asan_wants_it_first(host, build):
    """The runtime refuses whatever is preloaded before it; with its library first in the user's own LD_PRELOAD, or with its
    check off, all is well. `lifesign run` keeps the user's entries in front."""
    program = build("gcc", "#include <poll.h>\n#include <stdio.h>\nint main(void) { puts(\"ran\"); return poll(0, 0, 0); }", "-fsanitize=address")
    runtime = subprocess.run(["gcc", "-print-file-name=libasan.so"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    status, _, err = end([program], host.env())[1]
    assert status != 0 and "runtime does not come first" in err
    for extra in ({"LD_PRELOAD": f"{os.path.realpath(runtime)}:{host.env()['LD_PRELOAD']}"}, {"ASAN_OPTIONS": "verify_asan_link_order=0"}):
        pid, ended = end([program], host.env(extra))
        assert ended == (0, "ran\n", "") and host.processes(pid)
