# SPDX-License-Identifier: Apache-2.0
"""Services that must stay alive whatever the machine, its operator and his tools do to them, see alive.py."""
import ctypes
import mmap
import os
import signal
import struct
import uuid

import services
import services_more
from alive import Scene
from alive_languages import clients_come, program, python
from alive_stores import Session
from faults_inject import Clients, Disk
from lifesign import SUPPORT, free_port, tids
from services_more import LOCAL

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
PTRACE_ATTACH, PTRACE_DETACH, WAIT_ALL = 16, 17, 0x40000000
PERF_EVENT_OPEN = {"x86_64": 298, "aarch64": 241}


def called(result):
    assert result >= 0, os.strerror(ctypes.get_errno())
    return result


# ---- control groups

class Group:
    """A control group of our own, `controller` of version 1 or, where there is none, of 2. `parts`: groups within."""

    def __init__(self, controller, inner=""):
        self.top = f"/sys/fs/cgroup/{controller}"
        self.first = controller != "unified" and os.path.isdir(self.top)
        if not self.first:
            self.top = next(path for path in ("/sys/fs/cgroup/unified", "/sys/fs/cgroup") if os.path.exists(f"{path}/cgroup.procs"))
        self.path = f"{self.top}/lifesign-{uuid.uuid4().hex[:8]}"
        self.inner = f"{self.path}/{inner}" if inner else self.path
        os.makedirs(self.inner)

    def put(self, name, text):
        with open(f"{self.path}/{name}", "w", encoding="ascii") as f:
            f.write(str(text))

    def take(self, pids):
        for pid in pids:
            move(pid, self.inner)

    def freeze(self, on):
        if self.first:
            self.put("freezer.state", "FROZEN" if on else "THAWED")
        else:
            self.put("cgroup.freeze", int(on))

    def close(self):
        with open(f"{self.inner}/cgroup.procs", encoding="ascii") as f:
            pids = f.read().split()
        for pid in pids:
            move(pid, self.top)
        for path in {self.inner, self.path}:
            if os.path.isdir(path) and path != self.path:
                os.rmdir(path)
        os.rmdir(self.path)


def move(pid, path):
    try:
        with open(f"{path}/cgroup.procs", "w", encoding="ascii") as f:
            f.write(str(pid))
    except ProcessLookupError:
        pass


def everybody(stage):
    """All processes of the service."""
    return [process["pid"] for process in stage.run.status()["processes"]]


def small_share(stage):
    """5 % of a CPU, and as much work as wrk makes."""
    group = stage.keep(Group("cpu"))
    if group.first:
        group.put("cpu.cfs_quota_us", 5000)
    else:
        group.put("cpu.max", "5000 100000")
    group.take(everybody(stage))
    stage.plain("/usr/bin/nice", "/usr/bin/wrk", "-t", 1, "-c", 20, "-d", 100000, f"http://{LOCAL}:{stage.port}/")
    stage.until(lambda: throttled(group), 100)  # others may leave it less than that
    yield
    group.put("cpu.cfs_quota_us" if group.first else "cpu.max", -1 if group.first else "max")


def throttled(group):
    with open(f"{group.path}/cpu.stat", encoding="ascii") as f:
        return int(dict(line.split() for line in f)["nr_throttled"]) > 0


def frozen(controller, inner=""):
    def disturb(stage):
        group = stage.keep(Group(controller, inner))
        group.take(everybody(stage))
        group.freeze(True)
        stage.stack.callback(group.freeze, False)  # before its processes are moved out
        clients = stage.keep(Clients(stage.port, 3, b"PING\r\n"))
        yield
        group.freeze(False)
        clients.close()
    return disturb


def paused_with_agent(stage):
    """The whole container: supervisor, agent and service, again and again, with clients that wait."""
    group = stage.keep(Group("freezer"))
    group.take([stage.run.pid, *stage.run.tree()])
    stage.stack.callback(group.freeze, False)

    def pause():
        with stage.link(b"PING\r\n"):
            group.freeze(True)
            stage.over.wait(6)
            group.freeze(False)
    stage.repeat(pause, every=3)
    stage.until(lambda: stage.done > 0)
    yield
    group.freeze(False)


def thrashing(place):
    """Begun in the group: pages that it has before are not counted there."""
    group = Group("memory")
    group.put("memory.limit_in_bytes" if group.first else "memory.max", 48 << 20)
    service = python("thrash")(place)
    service.command[:0] = ["/bin/sh", "-c", f'echo $$ > {group.path}/cgroup.procs; exec nice "$@"', "sh"]
    service.group, service.close = group, group.close
    return service


def little_memory(stage):
    stage.repeat(lambda: stage.link(b"line\n").close())
    stage.until(lambda: at_limit(stage.service.group))
    yield


def at_limit(group):
    with open(f"{group.path}/{'memory.failcnt' if group.first else 'memory.events'}", encoding="ascii") as f:
        return int(f.read()) > 0 if group.first else "max 0" not in f.read()


# ---- CPUs and disks

def starved(stage):
    """The lowest priority on a CPU that somebody else uses; with default limits he is a real-time task."""
    cpu = max(os.sched_getaffinity(0))
    for pid in everybody(stage):
        for tid in tids(pid):
            os.sched_setaffinity(tid, {cpu})
            os.sched_setscheduler(tid, os.SCHED_IDLE, os.sched_param(0))
    real_time = ["/usr/bin/chrt", "-f", "50"] if stage.seconds > 100 else []
    stage.plain("/usr/bin/taskset", "-c", cpu, *real_time, "/usr/bin/python3", "-c", "while True: pass")
    stage.repeat(lambda: stage.link(b"PING\r\n").close())
    yield
    for pid in everybody(stage):
        for tid in tids(pid):
            os.sched_setscheduler(tid, os.SCHED_OTHER, os.sched_param(0))


def redis_of_disk(place):
    disk = Disk(place)
    service = services.redis(place, options=("--appendonly", "yes", "--appendfsync", "everysec", "--dir", disk.path))
    service.disk, service.close = disk, disk.close
    return service


def busy_disk(stage):
    """Its own disk is written to by others as fast as it goes."""
    copy = f"while :; do dd if=/dev/zero of={stage.service.disk.path}/junk bs=1M count=20 oflag=direct conv=fsync 2>/dev/null; done"
    writer = stage.plain("/usr/bin/nice", "/bin/sh", "-c", copy)
    stage.repeat(lambda: stage.link(b"SET k v\r\n" * 1000, reads=5000).close(), every=0.05)
    stage.until(lambda: stage.done > 1)
    yield
    writer.close()


# ---- operators and their tools

def stopped(stage):
    main = stage.main()
    os.kill(main, signal.SIGSTOP)
    clients = stage.keep(Clients(stage.port, 3, b"PING\r\n"))
    yield
    os.kill(main, signal.SIGCONT)
    clients.close()


def at_breakpoint(stage):
    main = stage.main()
    called(LIBC.ptrace(PTRACE_ATTACH, main, None, None))
    os.waitpid(main, WAIT_ALL)
    clients = stage.keep(Clients(stage.port, 3, b"PING\r\n"))
    yield
    clients.close()
    called(LIBC.ptrace(PTRACE_DETACH, main, None, None))


def straced(stage):
    tracer = stage.plain("/usr/bin/strace", "-f", "-p", stage.main(), "-o", "/dev/null")
    stage.repeat(stage.service.load)
    stage.until(lambda: stage.done > 0)
    yield
    tracer.stop(signal.SIGINT)


def perf_event(stage, kind, tid, period, flags=0, more=b""):
    """perf_event_open() on one thread, closed with the scene."""
    attributes = struct.pack("=IIQQQQQII", kind, 112, 0, period, 1 | 4, 0, flags, 0, 0) + more  # samples of address and time
    fd = called(LIBC.syscall(PERF_EVENT_OPEN[os.uname().machine], attributes.ljust(112, b"\0"), tid, -1, -1, 0))
    stage.stack.callback(os.close, fd)
    stage.stack.enter_context(mmap.mmap(fd, 9 * mmap.PAGESIZE))
    return fd


def has_counted(fd):
    return int.from_bytes(os.read(fd, 8), "little") > 0


def sampled(stage):
    """As perf record does, each thread a thousand times a second."""
    events = [perf_event(stage, 1, tid, 1000, 1 << 10) for tid in tids(stage.main())]  # the CPU's clock, by frequency
    stage.repeat(stage.service.load)
    stage.until(lambda: any(map(has_counted, events)))
    yield


def probed(stage):
    """As bpftrace's uprobes do: breakpoints in libc's functions, of this service alone, which nobody is told of."""
    with open("/proc/self/maps", encoding="utf-8") as f:
        words = next(line.split() for line in f if "r-xp" in line and "/libc.so.6" in line)
    path = ctypes.create_string_buffer(words[5].encode())
    with open("/sys/bus/event_source/devices/uprobe/type", encoding="ascii") as f:
        kind = int(f.read())
    events = []
    for name in ("epoll_wait", "read", "write"):
        address = ctypes.cast(getattr(LIBC, name), ctypes.c_void_p).value
        offset = address - int(words[0].split("-")[0], 16) + int(words[2], 16)
        for tid in tids(stage.main()):
            events.append(perf_event(stage, kind, tid, 1, 0, struct.pack("=QQ", ctypes.addressof(path), offset)))
    stage.repeat(stage.service.load)
    stage.until(lambda: any(map(has_counted, events)))
    yield


def agent_stopped(stage):
    """An agent that stands is replaced after 2 s."""
    def stop():
        os.kill(stage.run.agent(), signal.SIGSTOP)
        stage.over.wait(5)
    stage.repeat(stop, every=4)
    yield from agent_is_another(stage)


def agent_killed(stage):
    stage.repeat(lambda: os.kill(stage.run.agent(), signal.SIGKILL), every=5)
    yield from agent_is_another(stage)


def agent_is_another(stage):
    first = stage.run.agent()
    stage.repeat(stage.service.ping, every=1)
    yield
    assert stage.run.wait_ready(20) and stage.run.agent() != first


def draining(stage):
    session = Session(stage, "select pg_sleep(3600)")
    os.kill(stage.run.pid, signal.SIGTERM)
    yield
    session.link.close()


# ---- programs

def locks(scene):
    def make(_place):
        port = free_port()
        return program("alive_locks", ["/usr/bin/nice", f"{SUPPORT}/alive_locks", scene, port], port)
    return make


def busybox(place):
    port = free_port()
    place.file("www/index.html", "hello\n")
    return program("busybox", ["/bin/busybox", "httpd", "-f", "-p", f"{LOCAL}:{port}", "-h", f"{place.path}/www"], port)


def waits_to_start(service):
    return {"startup": {"port": service.port, "failureThreshold": 100000}}


SCENES = [
    Scene("nginx with 5 % of a CPU", "3 2", services.nginx, small_share),
    Scene("redis starved by priority", "4", services.redis, starved),
    # who is stopped or frozen takes no traffic, and nobody knows for how long: CONTRACT, after 2 s
    Scene("redis stopped", "9", services.redis, stopped, may=["suspended"], shows=["suspended"]),
    Scene("redis frozen", "10", services.redis, frozen("freezer"), may=["frozen"], shows=["frozen"]),
    Scene("redis frozen by cgroup 2", "10", services.redis, frozen("unified"), may=["frozen"], shows=["frozen"]),
    Scene("redis frozen by a group above its own", "10", services.redis, frozen("unified", "inner"), may=["frozen"], shows=["frozen"]),
    Scene("redis paused with its agent", "5 10 11", services.redis, paused_with_agent, deaf=True),
    Scene("redis at a breakpoint", "8", services.redis, at_breakpoint, shows=["traced"]),
    Scene("redis under strace", "8", services.redis, straced, shows=["traced"]),
    Scene("redis sampled as by perf", "29", services.redis, sampled),
    Scene("redis with breakpoints as of bpftrace", "29", services.redis, probed),
    Scene("redis, its agent stopped and replaced", "11", services.redis, agent_stopped, deaf=True),
    Scene("memcached, its agent killed", "11", services_more.memcached, agent_killed, deaf=True),
    Scene("redis on a disk that is busy", "21", redis_of_disk, busy_disk, may=["io_wait"]),
    Scene("python with a third of the memory that it uses", "21", thrashing, little_memory),
    Scene("a child of python dumps its core", "22", python("dump_core", nice=True)),
    Scene("threads by the thousand a second", "25", locks("churn"), clients_come),
    Scene("owners of robust and inheriting locks die", "26", locks("inherit"), clients_come),
    Scene("readers starve a writer", "27", locks("starve"), clients_come),
    Scene("64 threads at one lock", "28", locks("convoy"), clients_come),
    Scene("postgres drained for long", "30", services.postgres, draining, may=["draining"], shows=["draining"], heals=False,
          options=["--drain", "3600"]),
    Scene("python that starts for long", "31", python("late"), may=["starting"], shows=["starting"], heals=False, starts=False,
          config=waits_to_start),
    Scene("busybox, a static program", "32", busybox, unseen=True),
]
