# SPDX-License-Identifier: Apache-2.0
"""What one wrapped call costs: the loops of calls.c bare, bare again, and below `lifesign run` with a real
segment. Everything on one core, lifesign itself on another. Instructions by callgrind (instr.), user side."""
import contextlib
import json
import os
import re
import subprocess
import time

from arms import LOAD_CPU, SERVER_CPU, on_cpu, pinned, program, rounds_of
from figures import Figure, Goal
from lifesign import BIN, Place, SHIM, ask, clean_environment

LOOP_SECONDS = 0.02  # long against the clock, short against what disturbs
CALLGRIND_TURNS = (1000, 11000)
VALGRIND = "/usr/bin/valgrind"


class Looper:
    """A running `calls LOOP` that turns as often as it is told."""

    def __init__(self, name, shim, place, lifesign_cpu=SERVER_CPU):
        command = pinned(LOAD_CPU, [program("calls"), name])
        if shim:
            command = lifesign_run(place) + command
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        stderr=subprocess.DEVNULL, env=clean_environment(), preexec_fn=on_cpu(lifesign_cpu))
        said = json.loads(self.process.stdout.readline())
        assert said["shim"] == shim, f"the shim is {'not ' if shim else ''}mapped: {said}"
        self.turns, self.total = 1, 0

    def turn(self):
        """ns a turn"""
        self.total += self.turns
        self.process.stdin.write(f"{self.turns}\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())["ns"] / self.turns

    def calibrate(self):
        while self.turn() * self.turns < LOOP_SECONDS * 5e8:
            self.turns *= 2

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        try:
            self.process.wait(10)
        finally:
            self.process.kill()


def lifesign_run(place):
    return [BIN, "run", "--dir", place.directory("d", mode=0o700), "--shim", SHIM, "--service", "calls",
            "--listen", f"unix:{place.path}/calls.http", "--"]


def slots_taken(place):
    """Slots that threads have had so far, their own process's first one too; as of the last tick."""
    text = ask(f"{place.path}/calls.http", "/metrics").text
    return int(float(re.search(r"^lifesign_workers_started_total(?:\{.*\})? ([0-9.e+]+)$", text, re.M)[1]))


def instructions(name, shim):
    """User instructions a turn: the difference of two runs that differ in turns alone."""
    counts = []
    for turns in CALLGRIND_TURNS:
        place = Place()
        command = [VALGRIND, "--tool=callgrind", "--callgrind-out-file=/dev/null", program("calls"), name,
                   "--count", str(turns)]
        done = subprocess.run((lifesign_run(place) if shim else []) + command, env=clean_environment(), capture_output=True,
                              text=True, timeout=120, check=True)
        place.remove()
        assert json.loads(done.stdout.split("\n")[0])["shim"] == shim, done.stdout
        counts.append(int(re.search(r"Collected : (\d+)", done.stderr)[1]))
    return (counts[1] - counts[0]) / (CALLGRIND_TURNS[1] - CALLGRIND_TURNS[0])


class Row:
    """A loop of calls.c. counted: callgrind can tell its instructions (one process, no waiting); joins: each
    turn makes a thread or process that takes a slot, and the note says how many really did; calls: wrapped
    ones a turn, where nothing else is added, so that this row says what one costs."""
    prices = []  # (ns, instructions or None) a wrapped call, of each such row of this run

    def __init__(self, loop, what, goal, counted=True, unit="ns", rounds=61, name=None, lifesign_cpu=SERVER_CPU,
                 joins=False, calls=0):
        self.name, self.loop, self.what, self.goal = f"call:{name or loop}", loop, what, goal
        self.counted, self.unit, self.rounds, self.lifesign_cpu = counted, unit, rounds, lifesign_cpu
        self.joins, self.calls = joins, calls

    def measure(self, rounds=None):
        place = Place()
        scale = {"ns": 1, "µs": 1000}[self.unit]
        try:
            with contextlib.ExitStack() as stack:
                arms = {name: stack.enter_context(Looper(self.loop, name == "ours", place, self.lifesign_cpu))
                        for name in ("base", "control", "ours")}
                arms["base"].calibrate()
                for arm in arms.values():
                    arm.turns = arms["base"].turns
                found = rounds_of(arms, rounds or self.rounds, Looper.turn)
                note = self.share_that_joined(place, arms["ours"].total) if self.joins else ""
        finally:
            place.remove()
        counted = self.counted and os.path.exists(VALGRIND)
        added = instructions(self.loop, True) - instructions(self.loop, False) if counted else None
        figure = Figure(self.what, self.unit, *([ns / scale for ns in found[name]] for name in ("base", "control", "ours")),
                        goal=self.goal, instructions=added, note=note)
        if self.calls:
            self.prices.append((figure.reached() / self.calls, added and added / self.calls))
        return [figure]

    @staticmethod
    def share_that_joined(place, turns):
        time.sleep(1.2)  # a snapshot is published once a second at least
        taken = slots_taken(place) - 2  # taskset and the program itself
        assert taken > 0, "nobody else has had a slot"
        return f"{100 * min(1, taken / turns):.0f} % joined"


def price():
    """What one wrapped call costs at most here, (ns, instructions or None); None when no row has told."""
    if not Row.prices:
        return None
    return max(1.0, *(ns for ns, _ in Row.prices)), max((count for _, count in Row.prices if count), default=None)


CALL, PAIR = Goal("added", 5, 7), Goal("added", 3, 4)
ROWS = [
    Row("mutex_single", "mutex lock+unlock, one thread", PAIR, calls=1),
    Row("mutex_threaded", "mutex lock+unlock, threaded", PAIR, calls=1),
    Row("rwlock", "rwlock rdlock+unlock", CALL, calls=1),
    Row("semaphore", "sem_post+sem_wait", CALL, calls=1),
    Row("read", "read(/dev/zero, 1)", CALL, calls=1),
    Row("poll", "poll(1 fd, 0)", CALL, calls=1),
    Row("epoll_wait", "epoll_wait(…, 0)", CALL, calls=1),
    Row("send_recv", "send+recv, TCP loopback", Goal("added", 14, 26), calls=2),
    Row("ping_pong", "cond ping-pong (2 waits, 1 lock)", Goal("added", 13, 18), counted=False),
    Row("thread", "pthread_create+join", None, joins=True),
    Row("fork", "fork+_exit+waitpid", Goal("ratio", 1.15), counted=False, unit="µs"),
    Row("fork_call", "fork+poll+_exit+waitpid", Goal("ratio", 1.15), counted=False, unit="µs", joins=True),
    Row("spawn", "process start (posix_spawn true), one core", Goal("added", 100), counted=False, unit="µs", name="spawn_near",
        lifesign_cpu=LOAD_CPU, joins=True),
    Row("spawn", "process start, supervisor elsewhere", Goal("added", 100), counted=False, unit="µs", name="spawn_far",
        joins=True),
]
