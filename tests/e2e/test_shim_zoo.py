# SPDX-License-Identifier: Apache-2.0
# ctest: timeout=240
"""Every way to wait shows in the thread's slot under libc's name for it."""
import os
import subprocess

import pytest

from lifesign import wait_until
from shim_host import CALLS, SUPPORT, Host, is_mapped

# Shown by other tests: they need a peer that does not answer, a terminal, another process, or a way to wait on a file.
ELSEWHERE = {"getaddrinfo", "getnameinfo", "gethostbyname", "gethostbyname_r", "gethostbyname2", "gethostbyname2_r",
             "gethostbyaddr", "gethostbyaddr_r", "tcdrain", "lockf", "fsync", "fdatasync", "pread", "pwrite", "preadv",
             "pwritev", "system", "pclose"}
TIMED = ("timed", "clock", "sleep", "ppoll", "pselect")


def is_right(slot, call):
    """Inside that call for good: one or two fill a queue first by the same call with IPC_NOWAIT."""
    return slot and slot.op == call and slot.timed == (any(word in call for word in TIMED) or call == "epoll_pwait")


def zoo(host, place, program):
    process = host.start([f"{SUPPORT}/{program}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=place.path)
    animals = {}
    for line in process.stdout:
        if line.strip() == b"ready":
            return process, animals
        tid, call = line.decode().split()
        animals[int(tid)] = call
    raise AssertionError(f"{program} ended with {process.wait()}")


@pytest.mark.parametrize("program", ["shim_zoo", "shim_zoo-musl"])
def test_every_wait_is_seen(place, program):
    host = Host()
    try:
        process, animals = zoo(host, place, program)
        assert is_mapped(process.pid)
        assert len(animals) > 80
        slots = {}

        def all_wait():
            slots.update({s.tid: s for s in host.slots(process.pid)})
            return all(is_right(slots.get(tid), call) for tid, call in animals.items())
        wait_until(all_wait, 30, lambda: {call: slots.get(tid) for tid, call in animals.items() if not is_right(slots.get(tid), call)})
        for tid, call in animals.items():
            slot = slots[tid]
            assert slot.start_routine and slot.stack_top > slot.frame and slot.caller and slot.entries > slot.base, call
            assert slot.nested == 0 and slot.inside is None, slot
        process.stdin.close()
        assert process.wait(60) == 0
    finally:
        host.close()


def test_the_zoo_holds_every_call():
    with open(os.path.join(os.path.dirname(__file__), "../support/shim_zoo.h"), encoding="utf-8") as f:
        text = f.read()
    assert {call for call in CALLS if f"X({call}," not in text} == ELSEWHERE
