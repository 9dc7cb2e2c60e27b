# ctest: nightly serial timeout=900
# SPDX-License-Identifier: Apache-2.0
"""T15, T33: a million threads and a hundred thousand forks under `lifesign run` never exhaust the segment; who finds no
place is counted and shown; what the service does is the same."""
import os
import re
import struct
import subprocess
import time

import pytest

import distrust
from lifesign import SUPPORT, clean_environment, mapped, wait_until

LIBCS = pytest.mark.parametrize("libc", ["", "-musl"], ids=["glibc", "musl"])
COUNTERS = 128  # segment_header.threads_started, threads_ended, threads_refused, processes_refused


def plain_result(words):
    done = subprocess.run(words, env=clean_environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=True, timeout=600)
    return done.stdout


def counters(started):
    """(started, ended, threads refused, processes refused) as they stand in the supervisor's mapping."""
    with open(f"/proc/{started.pid}/maps", encoding="ascii") as maps:
        line = next(line for line in maps if "memfd:lifesign " in line and "rw-s" in line)
    with open(f"/proc/{started.pid}/mem", "rb", 0) as memory:
        memory.seek(int(line.split("-")[0], 16) + COUNTERS)
        return struct.unpack("<4Q", memory.read(32))


def storm(run, words, seconds, **options):
    """A Run whose storm is over; it waits now. While it lasted /livez was 200."""
    inner, outer = os.pipe()
    started = run([f"{SUPPORT}/{words[0]}", *words[1:]], stdin=inner, **options)
    os.close(inner)
    assert mapped(started.main()), started.said()
    began = time.monotonic()
    with distrust.Watch(started) as watch:
        wait_until(lambda: "done" in started.out(), seconds, started.said)
    watch.judge()
    print(f"{words}: {time.monotonic() - began:.1f} s, {counters(started)}, {watch.answers} answers, the slowest {watch.slowest * 1000:.0f} ms")
    return started, outer


def finish(started, outer):
    os.close(outer)
    assert started.wait(15) == 0, started.said()


@LIBCS
def test_a_million_threads(run, libc):
    words = [f"shim_storms{libc}", "threads", "1000000"]
    started, outer = storm(run, words, 300)
    begun, ended, threads, processes = counters(started)
    assert begun >= 1000005 and begun - ended <= 1 and (threads, processes) == (0, 0)
    assert started.out() == plain_result([f"{SUPPORT}/{words[0]}", *words[1:]])
    wait_until(lambda: started.status()["workers"]["live"] == 1, 10, started.status)
    assert started.status()["workers"]["finished"] >= 1000000
    finish(started, outer)


@LIBCS
@pytest.mark.parametrize("how,count", [("forks", 100000), ("exits", 100000), ("mixed", 10000)])
def test_a_hundred_thousand_forks(run, libc, how, count):
    """mixed: of fork, _Fork and clone, in a process of 64 threads that all make calls."""
    words = [f"shim_storms{libc}", how, str(count)]
    started, outer = storm(run, words, 300)
    begun, _, threads, processes = counters(started)
    assert begun >= count + 1 and (threads, processes) == (0, 0)
    assert started.out() == plain_result([f"{SUPPORT}/{words[0]}", *words[1:]])
    wait_until(lambda: len(started.status()["processes"]) == 1, 10, started.status)
    finish(started, outer)


def test_who_finds_no_place_is_counted_and_shown(run):
    """The smallest segment, and 300 threads at once: the service does not notice, status and metric say how many."""
    body = ("import threading\nm = threading.Event()\n[threading.Thread(target=m.wait, daemon=True).start() for _ in range(300)]\n"
            "print('made', flush=True)\nm.wait()")
    started = run(["/usr/bin/python3", "-c", body], options=["--slots", "64"])
    wait_until(lambda: "made" in started.out(), 20, started.said)
    refused = wait_until(lambda: counters(started)[2], 10, started.said)
    assert refused >= 300 + 1 - 64
    shown = re.compile(rf"^lifesign_threads_refused_total{{.*}} {refused}$", re.M)
    wait_until(lambda: shown.search(started.get("/metrics").text), 10, lambda: started.get("/metrics").text)
    assert started.status()["agent"]["threads_refused"] == refused
    assert started.get("/livez").status == 200
