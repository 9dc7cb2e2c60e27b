# SPDX-License-Identifier: Apache-2.0
"""What the agent costs: the sweep alone, a service of 1000 threads, memory, the time to the first answer,
and to the next one after its death."""
import http.client
import json
import os
import signal
import subprocess
import time

from arms import LOAD_CPU, Place, Run, SERVER_CPU, anonymous_bytes, cpu_ns, free_port, mapped, pinned, program
from figures import Figure, Goal
from lifesign import BIN, SHIM, ask, clean_environment, is_running, wait_until


class Sweep:
    def __init__(self, slots, state, goal=Goal("value", 10)):
        self.name, self.slots, self.state, self.goal = f"sweep:{slots}:{state}", slots, state, goal

    def measure(self, rounds=None):
        command = pinned(LOAD_CPU, [program("sweep"), str(self.slots), self.state, str(rounds or 101)])
        said = json.loads(subprocess.run(command, capture_output=True, text=True, timeout=300, check=True).stdout)
        figure = Figure(f"sweep {self.slots} slots, {self.state}", "ns/slot", goal=self.goal)
        figure.ours = said["ns"]
        return [figure]


class Judge:
    """The judge alone, over threads that a program makes up."""

    def __init__(self, threads, state, goal):
        self.name, self.threads, self.state, self.goal = f"judge:{threads}:{state}", threads, state, goal

    def measure(self, rounds=None):
        command = pinned(LOAD_CPU, [program("judge"), str(self.threads), self.state, str(rounds or 101)])
        said = json.loads(subprocess.run(command, capture_output=True, text=True, timeout=300, check=True).stdout)
        figure = Figure(f"judge {self.threads} threads, {self.state}", "ns/thread", goal=self.goal)
        figure.ours = said["ns"]
        return [figure]


class Crowd:
    """The agent of a service with 1000 threads, watched for a while."""

    def __init__(self, state, threads=1000, seconds=20):
        self.name, self.state, self.threads, self.seconds = f"agent:{threads}:{state}", state, threads, seconds

    def measure(self, rounds=None):
        with Run([program("crowd"), str(self.threads), self.state]) as run:
            wait_until(lambda: "ready" in run.out(), 30, run.said)
            agent, main = run.agent(), run.main()
            assert mapped(main), "the crowd is not shimmed"
            wait_until(lambda: run.status()["workers"]["live"] > self.threads, 10, run.said)
            shares = [self.share(agent) for _ in range(rounds or 4)]
            memory = anonymous_bytes(agent)
            sweep = run.status()["agent"]["sweep_seconds"]
        what = f"agent, {self.threads} threads, {self.state}"
        return [Figure(f"{what}: CPU", "% core", ours=shares, goal=Goal("value", 0.5), note=f"sweep {sweep * 1e6:.0f} µs"),
                Figure(f"{what}: anonymous RSS", "MB", ours=[memory / 1e6], goal=Goal("value", 6))]

    def share(self, agent):
        """Percent of a core over a quarter of the time."""
        began, cpu = time.monotonic(), cpu_ns([agent])
        time.sleep(self.seconds / 4)
        return (cpu_ns([agent]) - cpu) / (time.monotonic() - began) / 1e7


class Start:
    """exec of `lifesign run` to the first 200, by a client that spins on another core."""

    def __init__(self, path):
        self.name, self.path = f"start:{path}", path

    def measure(self, rounds=None):
        return [Figure(f"exec to the first 200 of {self.path}", "ms", ours=[self.once() for _ in range(rounds or 21)],
                       goal=Goal("value", 20))]

    def once(self):
        place, port = Place(), free_port()
        command = [program("first_answer"), str(port), self.path]
        command += pinned(SERVER_CPU, [BIN, "run", "--dir", place.directory("d", mode=0o700), "--shim", SHIM, "--listen",
                                       f"127.0.0.1:{port}", "--", "/usr/bin/sleep", "1000"])
        try:
            done = subprocess.run(pinned(LOAD_CPU, command), capture_output=True, text=True, timeout=30, check=False,
                                  env=clean_environment())
        finally:
            place.remove()
        said = json.loads(done.stdout)
        assert said["answered"], done.stderr
        return said["us"] / 1000


class Death:
    """The agent killed by -9: how long a new connection, made at that moment, waits for its 200; how many were refused."""
    name = "death:/livez"

    def measure(self, rounds=None):
        refused, took = 0, []
        with Run(["/usr/bin/sleep", "100000"]) as run:
            wait_until(lambda: (answer := run.try_get("/livez")) and answer.status == 200, 20, run.said)
            for _ in range(rounds or 15):
                before = run.agent()
                os.kill(before, signal.SIGKILL)
                began, answered = time.monotonic(), False
                wait_until(lambda: not is_running(before), 5, "the killed one is gone", every=0.0002)
                while not answered:
                    try:
                        answered = ask(run.port, "/livez").status == 200
                    except ConnectionRefusedError:
                        refused += 1
                    except (OSError, http.client.HTTPException):
                        pass  # was in the hands of the dead one
                    assert time.monotonic() - began < 10, run.said()
                took.append((time.monotonic() - began) * 1000)
                wait_until(lambda: run.agent() != before, 10, "a new agent")
        return [Figure("agent killed -9: to the next answer", "ms", ours=took, goal=Goal("value", 100)),
                Figure("agent killed -9: slowest of them", "ms", ours=[max(took)]),
                Figure("agent killed -9: refused", "connections", ours=[refused], goal=Goal("value", 0))]


ROWS = [Sweep(slots, state) for slots in (8192, 65536) for state in ("free", "idle", "cold", "dirty", "elsewhere")]
ROWS += [Judge(threads, state, Goal("value", 400)) for threads in (1000, 50000) for state in ("home", "loops", "locks", "moving")]
ROWS += [Crowd("idle"), Crowd("active"), Start("/livez"), Death()]
