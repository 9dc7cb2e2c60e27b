# SPDX-License-Identifier: Apache-2.0
"""What is measured against each other, alive at the same time: where it runs, what CPU it took, what wrk says."""
import contextlib
import json
import os
import re
import subprocess
import time

from lifesign import BIN, Place, Plain, Run, accepts, descendants, free_port, mapped, wait_until  # noqa: F401

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAMS = os.path.join(os.environ["LIFESIGN_BUILD"], "tests", "bench")
CPUS = sorted(os.sched_getaffinity(0))
SERVER_CPU, LOAD_CPU = CPUS[0], CPUS[-1]  # the same on a machine of one


def program(name):
    return os.path.join(PROGRAMS, name)


def on_cpu(cpu):
    """For preexec: this process and all below it stay there."""
    return lambda: os.sched_setaffinity(0, {cpu})


def pinned(cpu, command):
    return ["/usr/bin/taskset", "-c", str(cpu), *command]


def cpu_by_thread(pids):
    """CPU time in ns of each thread that these processes have now."""
    found = {}
    for pid in pids:
        tids = []  # of a process that has ended
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            tids = os.listdir(f"/proc/{pid}/task")
        for tid in tids:
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                with open(f"/proc/{pid}/task/{tid}/schedstat", encoding="ascii") as f:
                    found[tid] = int(f.read().split()[0])
    return found


def cpu_since(before, pids):
    """What the threads that are there now have used since; one that has ended meanwhile is left out."""
    return sum(ns - before.get(tid, 0) for tid, ns in cpu_by_thread(pids).items())


def cpu_ns(pids):
    return sum(cpu_by_thread(pids).values())


def anonymous_bytes(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
        return next(int(line.split()[1]) * 1024 for line in f if line.startswith("Anonymous:"))


def family(pid):
    return [pid] + descendants(pid)


def beats(run):
    """Wrapped calls entered so far, all threads that ever were; as of the last tick."""
    text = run.get("/metrics", unix=True).text
    return int(float(re.search(r"^lifesign_beats_total(?:\{.*\})? ([0-9.e+]+)$", text, re.M)[1]))


def settled_beats(run):
    """Once the ticks have seen all of the load that has just ended."""
    time.sleep(0.5)
    return beats(run)


def rounds_of(arms, rounds, measure):
    """measure(arm) of each arm in turn, so many rounds, each round in another order: {name: [results]}."""
    names = list(arms)
    found = {name: [] for name in names}
    for number in range(rounds):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            found[name].append(measure(arms[name]))
    return found


def wrk(port, path="/", connections=8, seconds=1, close=False):
    """One run (whole seconds) on the load's CPU: requests, us, p50, p99, p999 (µs), all answered 200."""
    words = ["/usr/bin/wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", os.path.join(HERE, "wrk.lua")]
    words += ["-H", "Connection: close"] if close else []
    out = subprocess.run(pinned(LOAD_CPU, [*words, f"http://127.0.0.1:{port}{path}"]), capture_output=True, text=True,
                         timeout=seconds + 30, check=True).stdout
    result = json.loads(out.strip().split("\n")[-1])
    assert result["requests"] > 0 and (close or not result["errors"]), f"wrk: {result}"
    return result


def start_plain(stack, command, port, place, env=None):
    """COMMAND on the server's CPU, accepting."""
    arm = stack.enter_context(Plain(command, env, place=place, preexec=on_cpu(SERVER_CPU)))
    wait_until(lambda: accepts(port), 20, arm.said)
    return arm


def start_run(stack, command, options=(), **rest):
    """The same below `lifesign run`, all of it on the server's CPU."""
    return stack.enter_context(Run(command, options, preexec=on_cpu(SERVER_CPU), **rest))
