# SPDX-License-Identifier: Apache-2.0
# ctest: timeout=300
"""What disturbs a trace (jumps, signals, cancellation, every kind of fork, thread churn) leaves it right."""
import os
import signal
import subprocess

import pytest

from lifesign import wait_until
from shim_host import SUPPORT, Host, is_mapped

FORKS = {"fork", "raw_clone", "underscore_fork", "fork_in_thread", "fork_then_thread", "vfork", "spawn", "system", "daemon", "close_all"}  # of shim_forks


class Scene:
    """A scene of shim_moves or shim_forks; step() goes on to its next step and returns the tid that it names."""

    def __init__(self, host, libc, name):
        program = ("shim_forks" if name in FORKS else "shim_moves") + libc
        self.host = host
        self.command = [f"{SUPPORT}/{program}", name]
        self.begin()

    def begin(self):
        self.process = self.host.start(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.pid = self.process.pid
        self.first = True
        self.tries = getattr(self, "tries", 0) + 1

    def go_on(self):
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()

    def step(self, name, go_on=True):
        if not self.first and go_on:
            self.go_on()
        line = self.process.stdout.readline().decode().strip()
        said, _, tid = line.rpartition(" ")
        assert said == name, f"{line!r} instead of {name!r}; {self.host.slots()}"
        if self.first and not is_mapped(int(tid)) and self.tries < 4:
            self.process.kill()  # a host in Python may need more than the 20 ms that a shim waits for it
            self.process.wait()
            self.begin()
            return self.step(name)
        if self.first:
            assert is_mapped(int(tid))
            self.first = False
        return int(tid)

    def slot(self, tid=None):
        return self.host.slot(tid or self.pid)

    def end(self, status=0):
        self.go_on()
        assert self.process.wait(60) == status


@pytest.fixture(params=["", "-musl"], ids=["glibc", "musl"])
def scene(request):
    hosts = []

    def make(name, **options):
        hosts.append(Host(**options))
        return Scene(hosts[-1], request.param, name)
    make.is_musl = request.param == "-musl"
    yield make
    for host in hosts:
        host.close()


# ---- jumps, signals, cancellation

def test_a_jump_out_of_a_call_leaves_it(scene):
    it = scene("jump")
    it.host.shows(it.pid, "read")
    os.kill(it.pid, signal.SIGUSR1)
    it.step("jumped")
    assert it.slot().op is None
    it.go_on()
    slot = it.host.shows(it.pid, "read")
    assert slot.nested == 0


def test_a_jump_that_nobody_sees_is_healed_by_the_next_call(scene):
    it = scene("silent_jump")
    it.host.shows(it.pid, "read")
    os.kill(it.pid, signal.SIGUSR1)
    it.step("jumped")
    it.go_on()
    assert it.host.shows(it.pid, "poll").nested == 0


@pytest.mark.parametrize("name", ["handler", "altstack"])
def test_a_handlers_call_is_nested_and_the_outer_one_stays(scene, name):
    it = scene(name)
    tid = it.step("armed")
    it.go_on()
    before = it.host.shows(tid, "read")
    os.kill(it.pid, signal.SIGUSR1)
    nested = wait_until(lambda: it.slot(tid).nested and it.slot(tid), 30, lambda: it.slot(tid))
    assert (nested.op, nested.nested_op) == ("read", "read")
    assert nested.object == before.object and nested.frame == before.frame and nested.entries == before.entries
    it.go_on()  # the handler's read returns
    after = wait_until(lambda: not it.slot(tid).nested and it.slot(tid), 30, "no longer nested")
    assert (after.op, after.entries) == ("read", before.entries)


def test_a_cancelled_call_is_over_in_its_cleanup(scene):
    it = scene("cancel")
    it.step("made")
    it.go_on()
    tid = it.step("cleanup", go_on=False)
    if not scene.is_musl:  # cancels on top of the call's stack, without unwinding: the call is the outer one
        assert it.slot(tid).op is None
        it.go_on()
        slot = it.host.shows(tid, "poll")
        assert slot.nested == 0


# ---- containers

def test_once_is_a_container_for_what_its_routine_calls(scene):
    it = scene("once")
    it.step("body")
    once = it.slot()
    assert (once.op, once.inside) == ("pthread_once", None)
    it.go_on()
    inner = it.host.shows(it.pid, "read")
    assert inner.inside == "pthread_once" and inner.container & (1 << 48) - 1 == once.object
    assert inner.entries == once.entries + 1
    it.step("between")
    assert (it.slot().op, it.slot().inside, it.slot().object) == ("pthread_once", None, once.object)
    it.go_on()
    assert it.host.shows(it.pid, "read").inside == "pthread_once"  # an inner once shows the outer one
    it.step("after inner")
    assert (it.slot().op, it.slot().object) == ("pthread_once", once.object)
    it.step("done")
    assert it.slot().op is None
    it.end()


def test_work_is_a_container_that_spans_functions(scene):
    it = scene("work")
    it.step("working")
    assert it.slot().op == "lifesign_shim_work_begin"
    it.go_on()
    assert it.host.shows(it.pid, "read").inside == "lifesign_shim_work_begin"
    it.step("still working")
    assert it.slot().op == "lifesign_shim_work_begin"
    entries = it.slot().entries
    it.step("worked")
    assert it.slot().op is None and it.slot().entries == entries + 1
    process = it.host.processes(it.pid)[0]
    assert process.queue_depth == 42 and process.flags & 0x10
    it.end()


# ---- new processes

@pytest.mark.parametrize("name", ["fork", "underscore_fork", "raw_clone", "fork_in_thread", "fork_then_thread"])
def test_every_kind_of_child_has_its_own_slot(scene, name):
    it = scene(name)
    tids = {said: int(tid) for said, tid in (it.process.stdout.readline().decode().split() for _ in range(2))}
    it.first = False
    child, parent = tids["child"], tids["parent"]
    it.go_on()
    it.go_on()
    slot = it.host.shows(child, "read")
    it.host.shows(parent, "waitpid")
    assert slot.pid != it.pid and it.host.slot(parent).pid == it.pid
    entry = it.host.processes(slot.pid)[0]
    assert entry.parent == it.pid and entry.index == slot.process and entry.stamp <= slot.stamp
    assert bool(slot.start_routine) == (name == "fork_then_thread")
    os.kill(slot.pid, signal.SIGTERM)
    it.step("lost", go_on=False)


@pytest.mark.parametrize("name", ["vfork", "spawn"])
def test_a_child_on_the_parents_memory_leaves_the_parents_slot_in_order(scene, name):
    it = scene(name)
    it.step("parent")
    assert it.slot().op is None and it.slot().nested == 0
    assert len(it.host.slots(it.pid)) == 1
    it.step("reaped")
    assert it.slot().op is None
    it.end()


def test_system_and_popen_wait_for_a_child_that_joins_by_itself(scene):
    it = scene("system")
    it.step("before")
    it.go_on()
    it.host.shows(it.pid, "system")
    wait_until(lambda: len(it.host.processes()) == 2, 30, "the shell joined")
    it.step("reaped")
    it.step("opened")
    it.step("reaped")
    it.end()


def test_a_daemon_takes_its_slot_along(scene):
    it = scene("daemon")
    tid = it.step("daemon")
    assert tid != it.pid
    it.go_on()
    slot = it.host.shows(tid, "read")
    os.kill(slot.pid, signal.SIGTERM)


def test_closing_every_descriptor_changes_nothing(scene):
    it = scene("close_all")
    it.step("closed")
    it.go_on()
    it.host.shows(it.pid, "read")


# ---- many threads

def test_a_hundred_thousand_threads_leave_no_slot_behind(scene):
    it = scene("churn")
    it.step("churned")
    header = it.host.header
    assert (header.threads_started, header.threads_ended, header.threads_refused) == (100001, 100000, 0)
    assert [s.tid for s in it.host.slots()] == [it.pid]
    it.end()


@pytest.mark.parametrize("libc", ["", "-musl"], ids=["glibc", "musl"])
@pytest.mark.parametrize("how", ["forks", "exits", "mixed"])
def test_who_has_waited_for_a_child_frees_what_it_left(libc, how):
    """Nobody scans here: 64 entries are enough for 3000 children, because their parent frees them."""
    host = Host(slots=256)
    try:
        process = host.start([f"{SUPPORT}/shim_storms{libc}", how, "3000"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert process.stdout.readline() == b"8994 done\n" and is_mapped(process.pid)
        header, threads = host.header, 64 if how == "mixed" else 1
        assert header.threads_started == 3000 + threads
        assert (header.processes_refused, header.threads_refused) == (0, 0)
        assert len(host.processes()) < 8 and len(host.slots()) < 8 + threads
        process.stdin.close()
        assert process.wait(60) == 0
    finally:
        host.close()


def test_threads_without_a_slot_are_counted_and_later_ones_get_one(scene):
    it = scene("overflow", slots=64)
    it.step("full")
    wait_until(lambda: it.host.header.threads_started == 64, 30)
    wait_until(lambda: it.host.header.threads_refused == 37, 30, lambda: it.host.header.threads_refused)
    assert it.host.processes(it.pid)[0].refused == 37
    it.step("empty")
    assert len(it.host.slots()) == 1
    it.step("again")
    wait_until(lambda: len(it.host.slots()) == 2, 30)
    assert it.host.header.threads_refused == 37


def test_other_destructors_of_a_thread_still_have_its_slot(scene):
    it = scene("destructor")
    slot = wait_until(lambda: next((s for s in it.host.slots(it.pid) if s.op == "read"), None), 30, it.host.slots)
    assert slot.tid != it.pid
    it.go_on()
    it.step("joined", go_on=False)
    it.first = False
    assert it.slot(slot.tid) is None
    it.end()


def test_a_threads_name_stands_in_its_slot(scene):
    it = scene("name")
    it.step("named")
    assert it.slot().thread_name == "the-main-one"
    it.end()


def test_a_main_thread_that_ends_gives_its_slot_back(scene):
    it = scene("thread_only")
    it.step("main ends")
    it.go_on()
    wait_until(lambda: it.slot() is None, 30, it.host.slots)
    wait_until(lambda: [s.op for s in it.host.slots(it.pid)] == ["read"], 30, it.host.slots)
