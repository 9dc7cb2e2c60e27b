# SPDX-License-Identifier: Apache-2.0
"""What real services pay: CPU an operation bare, bare again, and below `lifesign run`, alive together. Noise of
a few percent hides what the shim costs, so the calls are counted too: calls/op × ns/call against CPU/op.
A new service is one row: how to start it on a private port, how to load it."""
import contextlib
import subprocess

import rows_calls
import services
import services_languages
import services_more
from arms import LOAD_CPU, Place, cpu_by_thread, cpu_since, family, mapped, pinned, program, settled_beats, start_plain, start_run, wrk
from arms import rounds_of
from figures import Figure, Goal

LOAD_S = 0.7
GOAL_NS = 5  # the goal of one wrapped call, where this run has not measured it


class RedisBenchmark:
    """Loads: made of a service, callable: one load of about LOAD_S, operations done."""

    def __init__(self, service, requests=100000):
        self.command = pinned(LOAD_CPU, ["/usr/bin/redis-benchmark", "-p", str(service.port), "-t", "get", "-c", "16", "-q",
                                         "-n", str(requests)])
        self.requests = requests

    def __call__(self):
        subprocess.run(self.command, capture_output=True, timeout=60, check=True)
        return self.requests

    def close(self):
        pass


class Wrk:
    def __init__(self, service, path="/"):
        self.port, self.path = service.port, path

    def __call__(self):
        return wrk(self.port, self.path, 16)["requests"]

    def close(self):
        pass


class Client:
    """load.c: connections that stay. The first loads find out how many requests take long enough."""

    def __init__(self, service, talk, connections=4):
        words = [word.encode("latin-1").hex() for word in talk]
        command = pinned(LOAD_CPU, [program("load"), str(service.port), str(connections), *words])
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.turns = 500
        assert self.process.stdout.readline() == "ready\n", "the client could not connect"

    def once(self, count):
        self.process.stdin.write(f"{count}\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline()) / 1e9

    def __call__(self):
        count = self.turns
        took = self.once(count)
        if took < LOAD_S / 2:  # also of who has become faster since
            self.turns = int(count * min(8.0, LOAD_S / took))
        return count

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.kill()
        self.process.wait()


MEMCACHED = ("set key 0 0 100\r\n" + "v" * 100 + "\r\n", "STORED\r\n", "get key\r\n", "END\r\n")
LINES = ("", "", "hello world\n", "HELLO WORLD\n")
IS_READY = "Z\0\0\0\5I"


def postgres_message(kind, body):
    return kind + (4 + len(body)).to_bytes(4, "big").decode("latin-1") + body


POSTGRES = (postgres_message("", "\0\3\0\0user\0postgres\0database\0postgres\0\0"), IS_READY,
            postgres_message("Q", "select b from bench where a = 4711\0"), IS_READY)


def postgres(place):
    """One row of a table by its key, as pgbench -S does. Nothing runs by its own clock meanwhile."""
    service = services.postgres(place, options=("-c", "autovacuum=off", "-c", "bgwriter_delay=10s", "-c", "shared_buffers=32MB"))
    service.prepare = lambda: service.say("create table bench as select a, -a as b from generate_series(1, 10000) a; "
                                          "alter table bench add primary key (a); vacuum analyze bench; checkpoint")
    return service


def steady_heap(prepare):
    """malloc learns from chance when it should map: asyncio's buffers of 256 KB then cost half as much again, in one
    arm and not in the other. Told beforehand it is the same in all."""
    def prepared(place):
        service = prepare(place)
        service.env = {**service.env, "MALLOC_MMAP_THRESHOLD_": 1 << 20, "MALLOC_TRIM_THRESHOLD_": 1 << 22}
        return service
    return prepared


class Arm:
    """One running service under its load."""

    def __init__(self, stack, prepare, load, shim):
        place = stack.enter_context(contextlib.closing(Directory()))
        self.service, self.run = prepare(place), None
        if shim:
            self.run = start_run(stack, self.service.command, env=self.service.env)
            self.run.wait_started()
            self.main = self.run.main()
        else:
            self.main = start_plain(stack, self.service.command, self.service.port, place, self.service.env).pid
        getattr(self.service, "prepare", lambda: None)()
        self.load = stack.enter_context(contextlib.closing(load(self.service)))
        assert not shim or all(mapped(pid) for pid in family(self.main)), "not shimmed"


class Directory(Place):
    close = Place.remove


class Row:
    def __init__(self, name, prepare, load, needs, rounds=14, warm=4):
        self.name, self.prepare, self.load, self.needs = f"service:{name}", prepare, load, needs
        self.rounds, self.warm, self.operations = rounds, warm, 0

    def measure(self, rounds=None):
        with contextlib.ExitStack() as stack:
            arms = {name: Arm(stack, self.prepare, self.load, name == "ours") for name in ("base", "control", "ours")}
            for _ in range(self.warm):
                for arm in arms.values():
                    arm.load()
            ours = arms["ours"]
            before, self.operations = settled_beats(ours.run), 0
            found = rounds_of(arms, rounds or self.rounds, self.cpu_an_operation)
            calls = (settled_beats(ours.run) - before) / self.operations
        return self.figures(found, calls)

    def figures(self, found, calls):
        """The same goal twice: as measured, and as counted."""
        ns, instructions = rows_calls.price() or (GOAL_NS, None)
        counted = [cpu + calls * ns for cpu in found["base"]]
        note = f"{calls:.2f} calls/op × {ns:.1f} ns" + (" (the goal of a call)" if not rows_calls.price() else "")
        return [Figure(f"{self.name[8:]}: CPU", "ns/op", found["base"], found["control"], found["ours"], Goal("ratio", 1.01),
                       "where noise hides it the next row decides"),
                Figure(f"{self.name[8:]}: counted", "ns/op", found["base"], [], counted, Goal("ratio", 1.01), note,
                       instructions and calls * instructions)]

    def cpu_an_operation(self, arm):
        before = cpu_by_thread(family(arm.main))
        operations = arm.load()
        if arm.run:
            self.operations += operations
        return cpu_since(before, family(arm.main)) / operations


def client(talk):
    return lambda service: Client(service, talk)


PYTHON = ("/usr/bin/python3", "python3")
WRK = ("/usr/bin/wrk", "wrk")
ROWS = [
    Row("redis", lambda place: services.redis(place, io_threads=1), RedisBenchmark, [("/usr/bin/redis-server", "redis-server")], warm=1),
    Row("nginx", lambda place: services.nginx(place, workers=1), Wrk, [("/usr/sbin/nginx", "nginx-light"), WRK], warm=1),
    Row("memcached", services_more.memcached, client(MEMCACHED), [("/usr/bin/memcached", "memcached")]),
    Row("postgres", postgres, client(POSTGRES), [("/usr/lib/postgresql", "postgresql")]),
    Row("node", services_languages.node, Wrk, [("/usr/bin/node", "nodejs"), WRK], warm=3),
    Row("node_pool", services_languages.node, lambda service: Wrk(service, "/file"), [("/usr/bin/node", "nodejs"), WRK], warm=3),
    Row("java", services_languages.java, client(LINES), [("/usr/bin/javac", "openjdk-17-jdk-headless")], warm=8),
    Row("python", steady_heap(services_languages.python_threads), client(LINES), [PYTHON]),
    Row("python_asyncio", steady_heap(services_languages.python_asyncio), client(LINES), [PYTHON]),
]
