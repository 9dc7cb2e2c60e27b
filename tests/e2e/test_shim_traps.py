# SPDX-License-Identifier: Apache-2.0
# ctest: timeout=240
"""What is awkward in one process ends the same with the shim. Traps by number and the tests that stand for them:

T01 T07 T08 shim_build, shim_traps_built   T17 moves close_all, here close_range  T29 distrust_*, fuzz.segment
T02 shim_same, services_*                  T18 agent_sees (scrubbed)              T30 here a_writer_killed
T03 T05 install_suites (nightly), *-musl   T19 agent_sees (exec), distrust        T31 T32 here containers, pid reuse
T04 company go, same static                T20 quiet limits, here limits          T33 moves churn, shim_storms
T06 shim_traps_built cond versions         T21 quiet, here no_tmpfs               T34 run_segment (a sealed memfd)
T09 company early constructor              T22 here filter, services_syscalls    T35 shim_versions
T10 here tiny_stacks, moves altstack       T23 agent_sees setuid, here filecap    T42 services_*, T43 T48 tests/bench
T11 same errno   T12 here cancel           T24 company, shim_traps_built          T45 every file: is_mapped, host.processes
T13 moves jump   T14 T16 moves, here       T25 shim_traps_built deepbind          T46 here exits
T15 shim_storms, moves fork                T26 built fortified  T27 company c++   T47 no clock per call: shim_build
T28 here mutexes
"""
import os
import random
import re
import shutil
import signal
import subprocess
import time

import pytest

from lifesign import clean_environment, wait_until
from shim_host import CALLS, SUPPORT, Host, is_mapped

PROGRAMS = pytest.mark.parametrize("program", ["shim_traps", "shim_traps-musl"])


@pytest.fixture(name="host")
def host_fixture():
    host = Host()
    yield host
    host.close()


def end(command, env, **options):
    process = subprocess.Popen([str(w) for w in command], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True, **options)
    out, _ = process.communicate(timeout=60)
    return process.pid, (process.returncode, out)


def same(host, command, **options):
    """(pid under the shim, how it ends), after asserting that it ends so without the shim."""
    plain = end(command, clean_environment(), **options)[1]
    for _ in range(5):  # a start that missed the 20 ms of the hand-over on a busy machine is the same, too, but proves less
        pid, ended = end(command, host.env(), **options)
        assert ended == plain
        if host.processes(pid):
            return pid, ended
    raise AssertionError("it ran without the shim")


SCENES = {"tiny_stacks": 0, "exit": 11, "underscore_exit": 12, "quick_exit": 13, "abort": -signal.SIGABRT, "exit_in_thread": 14,
          "last_thread": 0, "killed": -signal.SIGKILL, "vfork_fails": 0, "clone_vm": 0, "close_range": 0, "mutexes": 0}
CONFINED = {"kill": 0, "refuse": 0, "strict": 4}


@PROGRAMS
@pytest.mark.parametrize("scene", SCENES)
def test_it_ends_the_same(host, program, scene):
    """T10, T14, T16, T17, T28, T46: each scene says what it found, too."""
    _, (status, out) = same(host, [f"{SUPPORT}/{program}", scene])
    assert status == SCENES[scene], out


@pytest.mark.parametrize("program", ["shim_confined", "shim_confined-musl"])
@pytest.mark.parametrize("scene", CONFINED)
def test_under_a_filter_of_its_own_it_ends_the_same(host, program, scene):
    """T22: all that the constructor has asked for is forbidden from then on, new threads and children included."""
    _, (status, out) = same(host, [f"{SUPPORT}/{program}", scene])
    assert status == CONFINED[scene] and "confined -1" not in out, out


@PROGRAMS
def test_children_on_the_parents_memory_leave_one_slot(host, program):
    """T14, T16: neither vfork children that fail to exec nor clone(CLONE_VM) children are somebody of their own."""
    for scene in ("vfork_fails", "clone_vm"):
        pid, _ = same(host, [f"{SUPPORT}/{program}", scene])
        assert len(host.processes(pid)) == 1 and len(host.slots(pid)) == 1
    assert host.header.threads_started == 2


@PROGRAMS
def test_after_chroot_and_setuid_a_forked_child_is_seen(host, program):
    """It needs no file and no name: it inherits the mapping."""
    process = host.start([f"{SUPPORT}/{program}", "chroot"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    tids = {said: int(tid) for said, tid in (process.stdout.readline().decode().split() for _ in range(2))}
    assert is_mapped(process.pid) and os.stat(f"/proc/{tids['child']}").st_uid == 65534
    process.stdin.write(b"\n\n")
    process.stdin.flush()
    try:
        slot = host.shows(tids["child"], "read")
        assert host.processes(slot.pid)[0].parent == process.pid
    finally:
        os.kill(tids["child"], signal.SIGTERM)
        assert process.wait(60) == 0


# ---- T12: cancellation

@pytest.mark.parametrize("program", ["shim_zoo", "shim_zoo-musl"])
def test_a_cancelled_thread_ends_as_without_the_shim_whatever_it_was_in(place, program):
    """Every animal of the zoo is cancelled; who ends, and with its cleanup, is the same; who ended left no slot."""
    host = Host()
    try:
        ended = {}
        for name, env in (("plain", clean_environment()), ("shim", host.env())):
            process = subprocess.Popen([f"{SUPPORT}/{program}", "--cancel"], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                       cwd=place.directory(name), text=True)
            out, _ = process.communicate(timeout=60)
            assert process.returncode == 0
            ended[name] = dict(line.split() for line in out.splitlines())
        assert ended["shim"] == ended["plain"]
        assert len(ended["shim"]) > 80 and set(ended["shim"]) <= CALLS
        assert host.processes(process.pid)
        cleaned = [call for call, how in ended["shim"].items() if how == "cleaned"]
        assert len(cleaned) > 40 and host.header.threads_ended >= len(cleaned)
    finally:
        host.close()


# ---- T20, T21: less than usual

@pytest.mark.parametrize("limits", ["-n 0", "-n 3", "-v 65536", "-v 20480", "-d 1000", "-f 1", "-l 0", "-s 64", "-u 1", "-c 0"])
def test_under_limits_it_ends_the_same(host, limits):
    """Where the loader itself cannot read files it says so, and that is the loader's."""
    command = ["/bin/sh", "-c", f"ulimit {limits}; exec /bin/sh -c 'exit 5'"]
    plain, shimmed = end(command, clean_environment())[1], end(command, host.env())[1]
    assert shimmed[0] == plain[0]
    loaders = [line for line in shimmed[1].splitlines() if "cannot be preloaded" not in line]
    assert loaders == plain[1].splitlines()
    assert host.header.threads_started > 0


@pytest.mark.parametrize("change", ["umount -l /dev/shm", "mount -t tmpfs -o size=4k tmpfs /dev/shm; head -c 4096 /dev/zero >/dev/shm/full",
                                    "mount -t tmpfs -o ro tmpfs /dev/shm", "mount -t tmpfs -o ro tmpfs /tmp", "umount -l /proc"])
def test_without_tmpfs_or_proc_it_joins(change):
    """Nothing of the shim lives in a file system."""
    host = Host(filters=1)  # without /proc only a supervisor that knows of filters can say that they are its own
    try:
        inside = f"mkdir -p /dev/shm; mount -t tmpfs tmpfs /dev/shm; {change} 2>/dev/null; exec \"$@\""
        command = ["unshare", "-m", "sh", "-c", inside, "sh", "env", f"LD_PRELOAD={host.env()['LD_PRELOAD']}", "/bin/sh", "-c", "read x; exit 5"]
        env = {k: v for k, v in host.env().items() if k != "LD_PRELOAD"}
        process = host.start(command, stdin=subprocess.PIPE, env={**env, "LD_PRELOAD": None})
        host.shows(process.pid, "read")
        assert is_mapped(process.pid)
        process.stdin.close()
        assert process.wait(60) == 5
    finally:
        host.close()


# ---- T23: programs with more rights than their caller

@pytest.mark.parametrize("kind", ["setuid", "setgid", "filecap"])
def test_a_privileged_program_has_no_shim_and_makes_no_noise(host, place, kind):
    program = place.file("privileged")
    shutil.copy("/bin/sh", program)
    os.chmod(program, {"setuid": 0o4755, "setgid": 0o2755, "filecap": 0o755}[kind])
    if kind == "filecap":
        subprocess.run(["setcap", "cap_net_raw+ep", program], check=True)
    process = host.start(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", program, "-c", "read x; echo $x; exit 5"],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    wait_until(lambda: os.readlink(f"/proc/{process.pid}/exe") == program, 30, "its exec")
    with open(f"/proc/{process.pid}/maps", encoding="ascii") as maps:
        assert "liblifesign" not in maps.read()
    assert process.communicate(b"said\n", timeout=10)[0] == b"said\n" and process.returncode == 5
    assert len(host.processes(process.pid)) == 1, "setpriv, before its exec"


# ---- T30: killed at any moment

BUSY = "import threading, time\ndef work():\n  while True: time.sleep(0)\n[threading.Thread(target=work).start() for _ in range(6)]\n"


def test_a_writer_killed_at_any_moment_leaves_words_that_mean_something():
    """G1, G2: `call` is 0 or a call there is, `entries` never falls; nothing has to be mended before it can be read."""
    host, random_ = Host(slots=1024), random.Random(30)
    try:
        total = 0
        for _ in range(15):
            process = host.start(["/usr/bin/python3", "-S", "-E", "-c", BUSY])
            wait_until(lambda: len(host.slots(process.pid)) == 7, 30, host.slots)  # pylint: disable=cell-var-from-loop
            assert is_mapped(process.pid)
            time.sleep(random_.random() / 50)  # any moment is as good as another
            process.kill()
            process.wait()
            slots = host.slots(process.pid)
            assert all(s.call == 0 or s.op for s in slots) and all(s.entries >= s.base for s in slots), slots
            assert all(s.nested == 0 or s.nested_op for s in slots)
            now = sum(s.entries for s in host.slots())
            assert now > total
            total = now
    finally:
        host.close()


# ---- T31, T32: equal pids

def test_two_containers_with_equal_pids_are_two(host):
    """The supervisor's number for them stands in the claim; a child that cannot know its own has no slot."""
    words = ["unshare", "-pf", "--kill-child", "--mount-proc", "/bin/sh", "-c", "read a; (read b </dev/null; exit 3); exit 5"]
    found = [host.start(words, stdin=subprocess.PIPE) for _ in range(2)]

    def inner():
        return [s for s in host.slots() if s.op == "read" and s.tid == 1]
    wait_until(lambda: len(inner()) == 2, 30, host.slots)
    assert len({s.pid for s in inner()}) == 2 and len({s.process for s in inner()}) == 2
    for slot in inner():
        assert is_mapped(slot.pid)
    for process in found:
        process.stdin.close()
        assert process.wait(60) == 5


SAME_PID = """import os, select, time
number = 1000
def fork_as_it():
    global number
    while True:
        with open('/proc/sys/kernel/ns_last_pid', 'w') as f: f.write(str(number - 1))
        pid = os.fork()
        if pid in (0, number): return pid
        os.kill(pid, 9); os.waitpid(pid, 0)
        number += 10  # a thread of the agent took it
for i in range(300):
    if fork_as_it():
        assert os.waitpid(number, 0)[1] == 0
    elif os.getpid() == number:
        select.select([], [], [], 0); os._exit(0)
    else:
        select.select([], [], [])
if not fork_as_it(): time.sleep(1000)
print('reused', number, flush=True)
time.sleep(1000)
"""


def test_a_pid_that_is_used_again_and_again_is_one_process_at_a_time(run):
    """Under a supervisor in the same namespace: what the dead left is freed, and the living one has one slot."""
    started = run(["/usr/bin/python3", "-S", "-E", "-c", SAME_PID], wrap=["unshare", "-pf", "--kill-child", "--mount-proc"], listen=None,
                  options=["--slots", "4096"], up=False)
    wait_until(lambda: "reused" in started.out() and started.out().endswith("\n"), 30, started.said)
    started.wait_up()
    number = int(re.search(r"reused (\d+)", started.out()).group(1))

    def child():
        return [p for p in started.status()["processes"] if p["ns_pid"] == number]
    wait_until(lambda: [[t["op"] for t in p["threads"]] for p in child()] in ([["clock_nanosleep"]], [["select"]]), 15,
               lambda: started.status()["processes"])
    assert started.get("/livez", unix=True).status == 200
