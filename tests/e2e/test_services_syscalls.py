# ctest: timeout=400
# SPDX-License-Identifier: Apache-2.0
"""What the shim asks of the kernel inside real services, from their start through some work to their end: its
constructor's calls, and at most one gettid a thread. What the services ask is the same with and without it."""
import collections
import contextlib
import os
import signal

import pytest

import services
import services_languages
import services_more
import services_net
import services_web
from lifesign import Place, Plain, Run, children, comm, descendants, mapped, wait_until
from syscalls import STRACE, Trace

KINDS = {
    "memcached": services_more.memcached, "nats": services_more.nats, "mariadb": services_more.mariadb, "redis": services.redis,
    "nginx": services.nginx, "nginx-1": lambda place: services.nginx(place, workers=1), "postgres": services.postgres,
    "apache-event": services_web.apache, "apache-prefork": services_web.apache_prefork, "haproxy": services_web.haproxy,
    "php-fpm": services_web.php_fpm, "sshd": services_net.sshd,
    "dnsmasq": services_net.dnsmasq, "named": services_net.named, "python-threads": services_languages.python_threads,
    "python-asyncio": services_languages.python_asyncio, "gunicorn": services_languages.gunicorn, "node": services_languages.node,
    "java": services_languages.java, "ruby": services_languages.ruby, "puma": services_languages.puma,
    "puma-cluster": services_languages.puma_cluster,
}
# Of these each start and the same work make the same calls, but for how often they wait and how they wake.
STEADY = ["memcached", "redis", "nginx-1", "dnsmasq", "python-asyncio"]
TIMED = set("""futex epoll_wait epoll_pwait poll ppoll select pselect6 clock_nanosleep nanosleep restart_syscall sched_yield rt_sigreturn
    munmap madvise brk""".split())
CONSTRUCTOR = set("""openat readlinkat read close socket setsockopt connect recvmsg fcntl lseek mmap madvise getpid gettid
    getppid clock_gettime""".split())
LOADER = {"openat": 1, "read": 1, "newfstatat": 1, "mmap": 3, "mprotect": 1, "close": 1}  # what ld.so needs to load one more library


def end(run, main):
    """Some forget a request that comes while they start their workers (gunicorn 20): it is said again."""
    for _ in range(3):
        with contextlib.suppress(ProcessLookupError):  # gone, and strace has yet to end
            os.kill(main, signal.SIGTERM)
        try:
            return run.wait(8)
        except AssertionError:
            continue
    return run.wait(60)


def traced(kind, shim):
    """Started, used once and ended under strace, which runs below `lifesign run` like any part of the service."""
    place = Place()
    service = KINDS[kind](place)
    path = place.file("trace")
    run = (Run if shim else Plain)([*STRACE, path, *service.command], place=place, env=service.env)
    try:
        wait_until(service.ping, 90, run.said)
        assert service.ping()
        tracer = next(pid for pid in [run.pid, *descendants(run.pid)] if comm(pid) == "strace")
        main = children(tracer)[0]
        assert mapped(main) == shim
        end(run, main)
        with open(path, encoding="utf-8", errors="replace") as f:
            return Trace(f.read())
    finally:
        run.close()
        if hasattr(service, "close"):
            service.close()
        place.remove()


@pytest.mark.parametrize("kind", KINDS)
def test_the_shim_asks_the_kernel_for_no_more_than_to_join(kind):
    trace = traced(kind, True)
    assert trace.joined, "the shim was loaded"
    for names in trace.joined:
        count = collections.Counter(names)
        assert set(names) <= CONSTRUCTOR and 5 <= len(names) <= 24, names
        assert count["close"] == count["openat"] + count["socket"] + count["recvmsg"], f"no descriptor stays: {names}"
    for tid, names in trace.later.items():
        assert names == ["gettid"], f"thread {tid}: {names}"


@pytest.mark.parametrize("kind", STEADY)
def test_services_make_the_same_calls_with_and_without(kind):
    """A service has moods of its own (a read that comes in two pieces), a shim that calls twice would do it each time."""
    differences = []
    for _ in range(5):
        alone, together = traced(kind, False), traced(kind, True)
        expected = alone.counts + collections.Counter({name: count * len(together.joined) for name, count in LOADER.items()})
        for names in [*together.joined, *together.later.values()]:
            expected += collections.Counter(names)
        differs = {name: together.counts[name] - expected[name] for name in {*expected, *together.counts} - TIMED
                   if together.counts[name] != expected[name]}
        if 0 < differs.get("mmap", 0) <= len(together.joined):
            del differs["mmap"]  # ld.so needs a page of its own for its list of libraries now and then
        if not differs:
            return
        differences.append(differs)
    raise AssertionError(f"each time: {differences}")


def test_a_call_too_many_would_be_found():
    """In a thread, in a forked child whose lines come first, not any more after an exec."""
    trace = Trace('''1  [00007f0000000001] execve("/bin/x", ["x"], 0x7ffe /* 9 vars */) = 0
1  [00007f0000000002] openat(AT_FDCWD, "/a/liblifesign.so", O_RDONLY|O_CLOEXEC) = 3
1  [00007f0000000003] mmap(NULL, 4096, PROT_READ|PROT_EXEC, MAP_PRIVATE|MAP_DENYWRITE, 3, 0) = 0x7f1000000000
1  [00007f1000000010] socket(AF_UNIX, SOCK_SEQPACKET|SOCK_CLOEXEC, 0) = 3
1  [00007f1000000020] close(3) = 0
1  [00007f0000000004] read(4, "", 8) = 0
2  [00007f1000000030] gettid() = 2
1  [00007f0000000005] clone3({flags=CLONE_VM|CLONE_THREAD} => {parent_tid=[2]}, 88) = 2
3  [00007f1000000040] getpid( <unfinished ...>
1  [00007f0000000006] clone(child_stack=NULL <unfinished ...>
3  [00007f1000000040] <... getpid resumed>) = 3
1  [00007f0000000006] <... clone resumed>, child_tidptr=0x7f) = 3
3  [00007f0000000007] execve("/bin/y", ["y"], 0x7ffe /* 9 vars */) = 0
3  [00007f1000000040] getpid() = 3
''')
    assert trace.joined == [["socket", "close"]]
    assert dict(trace.later) == {2: ["gettid"], 3: ["getpid"]}
    assert trace.counts["getpid"] == 2 and trace.counts["execve"] == 2
