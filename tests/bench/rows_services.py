# SPDX-License-Identifier: Apache-2.0
"""What real services pay: CPU an operation bare, bare again, and below `lifesign run`, alive together. Noise of
a few percent hides what the shim costs, so the calls are counted too: calls/op × ns/call against CPU/op.
A new service is one row: how to start it on a private port, how to load it (returns operations done)."""
import contextlib
import os
import subprocess
import sys

import services
import services_languages
import services_more
from arms import HERE, LOAD_CPU, Place, cpu_ns, family, mapped, pinned, rounds_of, settled_beats, start_plain, start_run, wrk
from figures import Figure, Goal

NS_A_CALL = 5  # the goal of one wrapped call; rows_calls.py says what it is here


def load_redis(service, requests=150000):
    subprocess.run(pinned(LOAD_CPU, ["/usr/bin/redis-benchmark", "-p", str(service.port), "-t", "get", "-c", "16", "-q", "-n",
                                     str(requests)]), capture_output=True, timeout=60, check=True)
    return requests


def load_nginx(service):
    return wrk(service.port, "/", 16)["requests"]


def load_web(service):
    return wrk(service.port, "/", 16)["requests"]


def load_lines(request, reply, count):
    """Round trips on 8 connections; the client is slower than any of the services, and not measured."""
    def load(service):
        subprocess.run(pinned(LOAD_CPU, [sys.executable, os.path.join(HERE, "talk.py"), str(service.port), "8", str(count), request, reply]),
                       capture_output=True, timeout=120, check=True)
        return count // 8 * 8
    return load


def load_postgres(service, each=2500, clients=4):
    """Point queries on connections that stay; every backend has ended when this returns."""
    subprocess.run(pinned(LOAD_CPU, ["/usr/bin/pgbench", "-h", "127.0.0.1", "-p", str(service.port), "-U", "postgres", "-n", "-c", str(clients),
                                     "-t", str(each), "-f", "/dev/stdin", "postgres"]), input=b"select 1;\n", capture_output=True,
                   timeout=120, check=True, cwd="/")
    return each * clients


def reaped_ns(pid):
    """CPU time of children that have ended, in ticks of 10 ms."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[13]) + int(fields[14])) * 1000000000 // os.sysconf("SC_CLK_TCK")


class Arm:
    """One running service; pids: its processes, nothing of lifesign."""

    def __init__(self, stack, prepare, shim):
        place = stack.enter_context(contextlib.closing(Directory()))
        self.service, self.run = prepare(place), None
        if shim:
            self.run = start_run(stack, self.service.command, env=self.service.env)
            self.run.wait_started()
            self.pids = family(self.run.main())
            assert all(mapped(pid) for pid in self.pids), "not shimmed"
        else:
            self.pids = family(start_plain(stack, self.service.command, self.service.port, place).pid)


class Directory(Place):
    close = Place.remove


class Row:
    def __init__(self, name, prepare, load, rounds=14):
        self.name, self.prepare, self.load, self.rounds = f"service:{name}", prepare, load, rounds
        self.operations = 0

    def measure(self, rounds=None):
        with contextlib.ExitStack() as stack:
            arms = {name: Arm(stack, self.prepare, name == "ours") for name in ("base", "control", "ours")}
            for arm in arms.values():
                self.load(arm.service)  # warm
            ours = arms["ours"]
            before, self.operations = settled_beats(ours.run), 0
            found = rounds_of(arms, rounds or self.rounds, self.cpu_an_operation)
            calls = (settled_beats(ours.run) - before) / self.operations
        figure = Figure(f"{self.name} CPU", "ns/op", found["base"], found["control"], found["ours"])
        counted = Figure(f"{self.name} calls/op × {NS_A_CALL} ns", "ns/op", found["base"], found["control"],
                         [ns + calls * NS_A_CALL for ns in found["base"]], Goal("ratio", 1.01), f"{calls:.2f} calls/op")
        return [figure, counted]

    def cpu_an_operation(self, arm):
        before = self.spent(arm)
        operations = self.load(arm.service)
        if arm.run:
            self.operations += operations
        return (self.spent(arm) - before) / operations

    @staticmethod
    def spent(arm):
        return cpu_ns(arm.pids) + reaped_ns(arm.pids[0])


ROWS = [
    Row("redis", lambda place: services.redis(place, io_threads=1), load_redis),
    Row("nginx", lambda place: services.nginx(place, workers=1), load_nginx),
    Row("memcached", services_more.memcached, load_lines("get none\\r\\n", "END\\r\\n", 20000), rounds=9),
    Row("postgres", services.postgres, load_postgres, rounds=9),
    Row("node", services_languages.node, load_web, rounds=9),
    Row("java", services_languages.java, load_lines("abc\\n", "ABC\\n", 16000), rounds=9),
    Row("python", services_languages.python_threads, load_lines("abc\\n", "ABC\\n", 8000), rounds=9),
]
