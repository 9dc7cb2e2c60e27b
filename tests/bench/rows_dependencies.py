# SPDX-License-Identifier: Apache-2.0
"""Readiness while everything it depends on hangs: how soon the verdict is there, what an answer takes meanwhile, what
is held, and how soon it is good again; beside Go's two usual ways on the same black holes. And a crowd of replicas
that share one dependency which dies: how many of them stay in rotation."""
import contextlib
import http.client
import json
import os
import signal
import socket
import time

from arms import Place, anonymous_bytes, descendants, free_port, program, start_plain, start_run
from figures import Figure, Goal
from holes import Holes
from lifesign import ask, wait_until
from rows_http import prepare_nginx

HUNG = 64
TIMEOUT_S = 3.0


def configuration(ports, **readiness):
    return json.dumps({"readiness": {"periodSeconds": 4, "timeoutSeconds": TIMEOUT_S, **readiness},
                       "dependencies": [{"name": f"d{i}", "kind": "redis", "url": f"redis://127.0.0.1:{port}/", "class": "hard"}
                                        for i, port in enumerate(ports)]})


def latencies(port, seconds=3, path="/readyz"):
    """Sorted seconds of one answer after the other, for so long."""
    found, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.monotonic()
        ask(port, path, timeout=30)
        found.append(time.monotonic() - began)
    return sorted(found)


def beside(port, other, seconds=20):
    """The same of two servers that are asked in turn, the second one for any page."""
    found, end = ([], []), time.monotonic() + seconds
    while time.monotonic() < end:
        for times, whom, path in ((found[0], port, "/readyz"), (found[1], other, "/")):
            began = time.monotonic()
            ask(whom, path, timeout=30)
            times.append(time.monotonic() - began)
    return sorted(found[0]), sorted(found[1])


def at(sorted_values, share):
    return sorted_values[min(len(sorted_values) - 1, int(len(sorted_values) * share))]


def holds(pids):
    """Threads, descriptors, anonymous bytes."""
    threads = sum(len(os.listdir(f"/proc/{pid}/task")) for pid in pids)
    return threads, sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in pids), sum(anonymous_bytes(pid) for pid in pids)


def wait_status(port, status, seconds):
    wait_until(lambda: ask(port, "/readyz", timeout=30).status == status, seconds, f"/readyz never said {status}")
    return time.monotonic()


def goroutines(port):
    return int(ask(port, "/goroutines").text)


class Hung:
    """One way of answering beside the same holes, from the first question to the recovery."""

    name = "hung64"
    needs = [(program("blackholes"), "golang-go, and the target bench-programs"), ("/usr/sbin/nginx", "nginx-light")]

    def measure(self, rounds=None):
        figures = []
        for way in ("ours", "background", "handler"):
            place = Place()
            try:
                with contextlib.ExitStack() as stack:
                    holes = stack.enter_context(Holes(HUNG))
                    figures += getattr(self, way)(stack, place, holes)
            finally:
                place.remove()
        return figures

    @staticmethod
    def told(way, port, holes, pids):
        slow, before = latencies(port), holds(pids)
        healed = holes.heal()
        good = wait_status(port, 200, 30) - healed
        return [Figure(f"64 hung, {way}: /readyz p50", "ms", ours=[at(slow, 0.5) * 1e3]),
                Figure(f"64 hung, {way}: /readyz p99.9", "ms", ours=[at(slow, 0.999) * 1e3]),
                Figure(f"64 hung, {way}: answers over 1 s", "answers", ours=[sum(s > 1 for s in slow)],
                       goal=Goal("value", 0) if way == "lifesign" else None),
                Figure(f"64 hung, {way}: threads / fds / MB", "threads", ours=[before[0]], note=f"{before[1]} fds, {before[2] / 1e6:.1f} MB"),
                Figure(f"64 hung, {way}: good again after healing", "s", ours=[good])]

    def ours(self, stack, place, holes):
        port = free_port()
        config = place.file("c.yaml", configuration(holes.ports))
        run = start_run(stack, ["/usr/bin/python3", "-m", "http.server", port, "--bind", "127.0.0.1"], ["--config", config], place=place)
        said = []
        for _ in range(3):
            said.append(self.verdict_after(run, holes))
        pids = [run.agent()] + [pid for pid in descendants(run.pid) if "prober" in open(f"/proc/{pid}/comm", encoding="ascii").read()]
        return [Figure("64 hung, lifesign: verdict after the cycle's start", "s", ours=said, goal=Goal("value", 3.05))] + \
            self.beside_nginx(stack, place, run.port) + self.told("lifesign", run.port, holes, pids)

    @staticmethod
    def beside_nginx(stack, place, port):
        command, other = prepare_nginx(place, "beside")
        start_plain(stack, command, other, place)
        ours, nginx = beside(port, other)
        more = [(at(ours, share) - at(nginx, share)) * 1e3 for share in (0.5, 0.999)]
        return [Figure("64 hung, lifesign: /readyz p50 over nginx's", "ms", ours=[more[0]]),
                Figure("64 hung, lifesign: /readyz p99.9 over nginx's", "ms", ours=[more[1]], goal=Goal("value", 1),
                       note=f"{len(ours)} each; {at(ours, 0.999) * 1e3:.2f} and {at(nginx, 0.999) * 1e3:.2f} ms")]

    @staticmethod
    def verdict_after(run, holes):
        """From the first connection of a cycle to the moment when all are told to be down of that cycle."""
        del holes.heard[:]
        began = wait_until(lambda: holes.heard and holes.heard[0], 20, "no cycle began")

        def all_told():
            now = time.monotonic()
            ages = [d["age_seconds"] for d in run.status()["dependencies"] if d["status"] == "down"]
            fresh = len(ages) == HUNG and all(now - age > began + 1 for age in ages)
            return fresh and max(now - age for age in ages)
        return wait_until(all_told, 20, "not all are down") - began

    def background(self, stack, place, holes):
        return self.go(stack, place, holes, "background")

    def handler(self, stack, place, holes):
        return self.go(stack, place, holes, "handler")

    def go(self, stack, place, holes, way):
        port = free_port()
        peer = start_plain(stack, [program("blackholes"), way, f"127.0.0.1:{port}"] + [f"127.0.0.1:{p}" for p in holes.ports], port, place)
        found = self.told(f"Go {way}", port, holes, [peer.pid])
        return found + [Figure(f"64 hung, Go {way}: goroutines", "count", ours=[goroutines(port)])]


ASKS_FIRST = """
import socket, sys
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    client = listener.accept()[0]
    database = socket.create_connection(("127.0.0.1", int(sys.argv[2])))
    database.sendall(b"PING\\r\\n")
    client.sendall(database.recv(100))
    client.close()
"""


class Cascade:
    """Replicas under real agents, one hard dependency of all; it hangs, and each has a client that waits for it. The
    limits are so short that all of them would be restarted within the time if that wait were taken for their own."""

    needs = [("/usr/bin/redis-server", "redis-server")]
    REPLICAS, SECONDS = 50, 20
    SIBLINGS = 15  # of whom each asks: as many as the key's list holds

    def __init__(self, name, words, fail_open):
        self.name, self.words, self.fail_open = f"cascade:{name}", words, fail_open

    def measure(self, rounds=None):
        place = Place()
        try:
            with contextlib.ExitStack() as stack:
                return self.play(stack, place, self.words)
        finally:
            place.remove()

    def config(self, place, db, ports, own):
        content = {"startup": {"port": "none"}, "readiness": {"periodSeconds": 2, "timeoutSeconds": 1, "fastSeconds": 0.5},
                   "liveness": {"loopBlockedSeconds": 6, "noProgressSeconds": 6},
                   "dependencies": [{"name": "db", "kind": "redis", "url": f"redis://127.0.0.1:{db}/", "class": "hard"}]}
        if self.fail_open:
            siblings = [ports[(own + 1 + i) % len(ports)] for i in range(self.SIBLINGS)]
            content["readiness"]["failOpen"] = {"peers": ",".join(f"127.0.0.1:{port}" for port in siblings), **self.fail_open}
        return place.file(f"c{own}.yaml", json.dumps(content))

    def play(self, stack, place, words):
        db, ports = free_port(), [free_port() for _ in range(self.REPLICAS)]
        redis = start_plain(stack, ["/usr/bin/redis-server", "--port", db, "--save", ""], db, place)
        serves = [free_port() for _ in ports]
        runs = [start_run(stack, ["/usr/bin/python3", "-S", "-c", ASKS_FIRST, serves[own], db],
                          ["--config", self.config(place, db, ports, own)], listen=f"127.0.0.1:{port}", up=serves[own], place=place)
                for own, port in enumerate(ports)]
        wait_until(lambda: self.share(ports) == 1, 120, lambda: f"{self.share(ports):.2f} are ready; {runs[0].said()}")
        os.kill(redis.pid, signal.SIGSTOP)
        stack.callback(os.kill, redis.pid, signal.SIGCONT)
        for port in serves * 2:  # one is served, one waits
            stack.enter_context(socket.create_connection(("127.0.0.1", port), 5))
        killed, line, dead = time.monotonic(), [], 0
        while time.monotonic() < killed + self.SECONDS:
            line.append((time.monotonic() - killed, self.share(ports)))
            dead += self.share(ports, "/livez") < 1
        ready = [share for _, share in line]
        named = sum(self.names_it(run) for run in runs)
        shown = " ".join(f"{moment:.0f}s:{share:.0%}" for moment, share in line[::max(1, len(line) // 8)])
        return [Figure(f"50 replicas, their database hangs, {words}: least share that is ready", "%", ours=[min(ready) * 100], note=shown),
                Figure(f"50 replicas, {words}: looks at which some livez failed", "looks", ours=[dead], goal=Goal("value", 0)),
                Figure(f"50 replicas, {words}: do not name what they wait for", "replicas", ours=[len(runs) - named], goal=Goal("value", 0))]

    @staticmethod
    def names_it(run):
        status = run.status()
        return any(r["code"] == "dependency_wait" and r["dependency"] == "db" for r in status["ready"]["reasons"])

    @staticmethod
    def share(ports, path="/readyz"):
        def ok(port):
            try:
                return ask(port, path, timeout=5).status == 200
            except (OSError, http.client.HTTPException):
                return False
        return sum(map(ok, ports)) / len(ports)


ROWS = [Hung(), Cascade("closed", "without failOpen", {}), Cascade("open", "failOpen peers", {"peerShare": 0.5})]
