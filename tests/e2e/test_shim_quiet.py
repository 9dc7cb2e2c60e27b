# SPDX-License-Identifier: Apache-2.0
# ctest: timeout=120
"""The shim asks nothing of a process but its segment, stands aside when anything is odd, and leaves nothing open."""
import os
import re
import socket
import subprocess
import time

import pytest

from lifesign import clean_environment, wait_until
from shim_host import SHIM, SUPPORT, Host, is_mapped

TRUE = "/bin/true"
TID_BY_SYSCALL = 0x4  # PROCESS_TID_BY_SYSCALL


@pytest.fixture
def host():
    host = Host()
    yield host
    host.close()


def run(command, env, **options):
    """(pid, exit status, output) of a program that ends by itself."""
    process = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)
    out, _ = process.communicate(timeout=60)
    return process.pid, process.returncode, out.decode()


# ---- system calls

THREADS = """import threading, time
def work():
    for i in range(20): time.sleep(0)
for i in range(5): t = threading.Thread(target=work); t.start(); t.join()
open('/dev/null').read()"""


def syscalls(command, env, place):
    """Names of the calls after the marker of the program's own start, by thread in order of appearance."""
    trace = place.file("trace")
    settings = [word for key in ("LD_PRELOAD", "LIFESIGN_SEGMENT") if key in env for word in ("-E", f"{key}={env[key]}")]
    clean = {k: v for k, v in env.items() if k not in ("LD_PRELOAD", "LIFESIGN_SEGMENT")}
    _, status, out = run(["strace", "-f", "-o", trace, *settings, *command], clean)
    assert status == 0, out
    with open(trace, encoding="utf-8", errors="replace") as f:
        return [line.split(None, 1)[1] for line in f]


def counts(lines):
    """Only calls that do not depend on addresses, scheduling or memory."""
    found = {}
    for line in lines:
        name = line.split("(")[0]
        if re.match(r"\w+$", name) and name not in ("futex", "brk", "mmap", "munmap", "mprotect", "madvise", "sched_yield"):
            found[name] = found.get(name, 0) + 1
    return found


def test_after_the_constructor_there_is_no_system_call_more(host, place):
    command = ["/usr/bin/python3", "-S", "-E", "-c", THREADS]
    plain = syscalls(command, clean_environment(), place)
    shimmed = syscalls(command, host.env(), place)
    assert len(host.processes()) == 1 and host.header.threads_started == 6
    start = next(i for i, line in enumerate(shimmed) if "/proc/self/status" in line)
    end = next(i for i, line in enumerate(shimmed) if line.startswith("getppid"))
    own = shimmed[start:end + 1]
    assert len(own) < 24, own
    loading = [line for line in shimmed[:start] if "liblifesign" in line]
    assert len(loading) == 1, loading
    rest, expected = counts(shimmed[end + 1:]), counts(plain)
    before = counts(shimmed[:start])
    total = {name: rest.get(name, 0) + before.get(name, 0) for name in {*rest, *before}}
    for name in ("exit",  # the last thread may be overtaken by exit_group
                 "openat", "read", "close", "newfstatat", "fstat", "pread64", "execve", "clock_gettime"):
        total.pop(name, None), expected.pop(name, None)  # what the loader does to load it, and the clock before
    assert total == expected


def test_a_forked_child_makes_no_system_call_more(host, place):
    command = ["sh", "-c", "(read line </dev/null; exit 3); (exit 4); true"]
    shimmed, plain = syscalls(command, host.env(), place), syscalls(command, clean_environment(), place)
    assert host.header.threads_started == 2, "the shell and the child that reads"
    # glibc before 2.34 keeps no tid in a program without threads: one a thread then
    by_syscall = 2 if host.processes()[0].flags & TID_BY_SYSCALL else 0
    assert sum(line.startswith("gettid") for line in shimmed) == 1 + by_syscall, "the constructor's"
    assert [counts(lines).get("read", 0) for lines in (shimmed, plain)] == [counts(plain)["read"] + 2, counts(plain)["read"]]


def test_no_descriptor_stays_open(host):
    listing = "import os; print(sorted(os.listdir('/proc/self/fd')))"
    _, _, plain = run(["/usr/bin/python3", "-c", listing], clean_environment())
    pid, status, shimmed = run(["/usr/bin/python3", "-c", listing], host.env())
    assert (status, shimmed) == (0, plain) and host.processes(pid)


# ---- standing aside

def test_disabled_by_the_environment(host):
    pid, status, _ = run([TRUE], host.env({"LIFESIGN_DISABLE": "1"}))
    assert status == 0 and not host.processes(pid) and host.header.threads_started == 0
    pid, status, _ = run([TRUE], host.env({"LIFESIGN_DISABLE": "0"}))
    assert status == 0 and host.processes(pid)


@pytest.mark.parametrize("name", ["", "@", "x", "@nobody-listens-here", "@" + "x" * 107, "@" + "x" * 5000, "/tmp/x", "@+", "@x+99999999999999999999"])
def test_a_name_that_leads_nowhere(name):
    _, status, out = run([TRUE], clean_environment({"LD_PRELOAD": SHIM, "LIFESIGN_SEGMENT": name}))
    assert (status, out) == (0, "")


@pytest.mark.parametrize("change", [
    {"magic": 0}, {"abi_major": 2}, {"slot_bytes": 64}, {"process_bytes": 0}, {"segment_bytes": 1 << 40},
    {"slot_count": 0}, {"slot_count": 3}, {"slot_count": 1 << 31}, {"process_count": 0xffffffff}, {"process_count": 128},
    {"slot_offset": 1 << 63}, {"slot_offset": 0xffffffffffffff80}, {"slot_offset": 1}, {"process_offset": 0}])
def test_a_segment_that_is_not_one(change):
    host = Host(change=change, near=False)
    try:
        pid, status, out = run([TRUE], host.env())
        assert (status, out) == (0, "") and host.grants == 1
        assert host.header.threads_started == 0 and not host.processes(pid)
    finally:
        host.close()


def test_a_segment_without_a_seal():
    host = Host(near=False)
    unsealed = os.memfd_create("unsealed")
    os.ftruncate(unsealed, host.bytes)
    os.pwrite(unsealed, host.memory[:], 0)
    sealed = host.serve_instead(unsealed)
    _, status, _ = run([TRUE], host.env())
    assert status == 0 and host.grants == 1 and os.pread(unsealed, host.bytes, 0) == host.memory[:]
    os.close(sealed)
    host.close()


def test_a_supervisor_that_does_not_answer_costs_little():
    host = Host(answer=False)
    try:
        start = time.monotonic()
        for _ in range(5):
            assert run([TRUE], host.env())[1] == 0
        assert time.monotonic() - start < 5
    finally:
        host.close()


@pytest.mark.parametrize("answer", ["nothing", "no descriptor", "half", "wrong magic", "two descriptors", "a socket"])
def test_answers_that_are_none(answer):
    host = Host(answer=False)
    try:
        process = subprocess.Popen([TRUE], env=host.env())
        peer, _ = host.socket.accept()
        grant = bytearray(b"LIFESIGN" + host.bytes.to_bytes(8, "little") + process.pid.to_bytes(8, "little"))
        fds = [host.fd]
        if answer == "no descriptor":
            fds = []
        elif answer == "half":
            grant = grant[:11]
        elif answer == "wrong magic":
            grant[0] = 0
        elif answer == "two descriptors":
            fds = [host.fd, host.fd]
        elif answer == "a socket":
            fds = [peer.fileno()]
        if answer != "nothing":
            socket.send_fds(peer, [grant], fds)
        peer.close()
        assert process.wait(60) == 0
        assert not host.processes(process.pid)
    finally:
        host.close()


# ---- less than usual

@pytest.mark.parametrize("what", ["fsize0", "nofile4", "as8m", "memlock0", "stack64k", "filtered", "nosocket"])
def test_under_limits_a_program_ends_the_same(host, what):
    command = [f"{SUPPORT}/shim_limits", what, "/bin/echo", "x"]
    if what == "nosocket":  # the filter comes first, then the exec
        status, out = run(command, host.env())[1:]
        assert (status, out) == (0, "x\n") and not [p for p in host.processes() if p.stamp and p.index > 0]
    else:
        assert run(command, host.env())[1:] == run(command, clean_environment())[1:]


def test_a_filter_that_everybody_has_is_no_reason_to_stand_aside():
    host = Host(filters=1)
    try:
        pid, status, _ = run([f"{SUPPORT}/shim_limits", "filtered", "/bin/echo", "x"], host.env())
        assert status == 0 and len(host.processes(pid)) == 2, "before and after the exec"
    finally:
        host.close()


def test_a_filter_of_its_own_is(host):
    pid, status, _ = run([f"{SUPPORT}/shim_limits", "filtered", "/bin/echo", "x"], host.env())
    assert status == 0 and len(host.processes(pid)) == 1, "only before the exec"


def test_closed_standard_descriptors_stay_closed(host, place):
    script = "import os; open(os.environ['OUT'], 'w').write(repr(sorted(os.listdir('/proc/self/fd'))))"
    said = []
    for number, env in enumerate((clean_environment(), host.env())):
        out = place.file(f"said{number}")
        process = subprocess.Popen([f"{SUPPORT}/shim_limits", "closed", "/usr/bin/python3", "-c", script], env={**env, "OUT": out})
        assert process.wait(60) == 0
        with open(out, encoding="utf-8") as f:
            said.append(f.read())
    assert said[0] == said[1] and host.processes(process.pid)


def test_a_program_of_another_uid_joins_too(host):
    for _ in range(4):  # it asks, and waits no longer than 20 ms for an answer
        pid, status, out = run(["setpriv", "--reuid=65534", "--clear-groups", TRUE], host.env())
        assert (status, out) == (0, "")
        if len(host.processes(pid)) == 2:
            return
    raise AssertionError("never joined")


def test_a_hostile_segment_hurts_nobody(host):
    """Everything but the sizes is random and changes all the time; the service runs on."""
    process = host.start(["/usr/bin/python3", "-c", "import threading, time, sys\n"
                          "def work():\n  for i in range(200): time.sleep(0)\n"
                          "end = time.monotonic() + 3\n"
                          "while time.monotonic() < end:\n"
                          "  t = [threading.Thread(target=work) for i in range(8)]\n"
                          "  [x.start() for x in t]; [x.join() for x in t]\n"
                          "sys.exit(5)"])
    wait_until(lambda: host.processes(process.pid))
    assert is_mapped(process.pid)
    while process.poll() is None:
        host.memory[:] = os.urandom(host.bytes)
    assert process.wait() == 5
