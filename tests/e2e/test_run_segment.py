# ctest: asan
# SPDX-License-Identifier: Apache-2.0
"""The segment is handed to descendants and to nobody else; what died in it is freed."""
import contextlib
import os
import signal
import socket
import struct
import subprocess

import pytest

import lifesign
from lifesign import SHIM, children, comm, is_running, mapped, wait_until

PYTHON = "/usr/bin/python3"
GRANT = struct.Struct("<QQII")
MAGIC = 0x4E4749534546494C


def name_of(pid):
    return lifesign.environ(pid)[b"LIFESIGN_SEGMENT"].decode()


def child_named(started, name):
    return wait_until(lambda: next((p for p in children(started.pid) if comm(p) == name), None), 30, started.said)


def ask_for_it(name):
    """(grant, descriptor) or None when refused."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
        s.settimeout(30)
        s.connect("\0" + name[1:])
        try:
            data, fds, _, _ = socket.recv_fds(s, 64, 1)
        except ConnectionResetError:
            return None
        return (GRANT.unpack(data), fds[0]) if data else None


ASK = """
import os, socket, struct, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.connect('\\0' + os.environ['LIFESIGN_SEGMENT'][1:])
data, fds, _, _ = socket.recv_fds(s, 64, 1)
magic, size, pid, _ = struct.unpack('<QQII', data)
import fcntl
print(hex(magic), size == os.fstat(fds[0]).st_size, pid == os.getpid(), fcntl.fcntl(fds[0], 1034))
try: os.ftruncate(fds[0], 0); print('shrunk')
except PermissionError: print('sealed')
"""


@pytest.mark.parametrize("depth", [0, 1, 6])
def test_a_descendant_gets_it(run, depth):
    command = [PYTHON, "-c", ASK]
    for _ in range(depth):
        command = ["sh", "-c", 'setsid "$@"; exit $?', "sh", *command]
    started = run(command, up=False)
    assert started.wait() == 0, started.said()
    assert started.out() == f"{hex(MAGIC)} True True {1 | 2 | 4}\nsealed\n"


def test_an_orphan_gets_it_too(run):
    started = run(["sh", "-c", '(setsid "$@" &); sleep 1', "sh", PYTHON, "-c", "import time; time.sleep(0.3)\n" + ASK], up=False)
    assert started.wait() == 0
    assert "sealed" in started.out()


def test_a_stranger_does_not(run):
    started = run(["sleep", "1000"])
    sleep = child_named(started, "sleep")
    assert ask_for_it(name_of(sleep)) is None
    child = subprocess.run([PYTHON, "-c", ASK], env={"LIFESIGN_SEGMENT": name_of(sleep)}, capture_output=True, text=True, timeout=20, check=False)
    assert "sealed" not in child.stdout


def test_a_peer_that_says_nothing_holds_up_nobody(run):
    started = run(["sleep", "1000"])
    name = name_of(child_named(started, "sleep"))
    idle = []
    for _ in range(300):
        s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        s.connect("\0" + name[1:])
        idle.append(s)
    os.kill(started.pid, signal.SIGTERM)
    assert started.wait() == 128 + signal.SIGTERM
    for s in idle:
        s.close()


CONFINED = os.path.join(lifesign.SUPPORT, "run_confined")


def test_in_a_container_with_a_seccomp_filter_the_shim_joins(place):
    """The name says how many filters we have ourselves: those are not the service's doing."""
    directory = place.directory("d", mode=0o700)
    words = [lifesign.BIN, "run", "--dir", directory, "--shim", SHIM, "--service", "svc", "--listen", "127.0.0.1:0", "--", "sleep", "1000"]
    with lifesign.Plain([CONFINED, *words], place=place) as started:
        sleep = wait_until(lambda: next((p for p in children(started.pid) if comm(p) == "sleep"), None), 30, started.said)
        assert "+1." in name_of(sleep)
        wait_until(lambda: View(started.pid).claims()[0] == [sleep], 30, "it has claimed its entry")


def test_a_service_that_confined_itself_is_left_alone(run):
    started = run([CONFINED, "sleep", "1000"])
    wait_until(lambda: comm(started.main()) == "sleep", 30)
    assert mapped(started.main())
    wait_until(lambda: view(started).claims()[0] == [], 30, lambda: view(started).claims())


def test_a_run_within_a_run_has_a_segment_of_its_own(run, place):
    inner = [lifesign.BIN, "run", "--dir", place.directory("inner", mode=0o700), "--shim", SHIM, "--listen", "127.0.0.1:0", "--", "sleep", "1000"]
    started = run(inner, env={"ASAN_OPTIONS": "verify_asan_link_order=0"})  # the shim comes first there
    second = child_named(started, "lifesign")
    sleep = wait_until(lambda: next((p for p in children(second) if comm(p) == "sleep"), None), 30)
    wait_until(lambda: View(second).claims()[0] == [sleep], 30)
    assert sleep not in view(started).claims()[0]
    assert started.stop() == 128 + signal.SIGTERM


class View:
    """Reads the segment through its supervisor."""

    def __init__(self, pid):
        self.pid = pid

    def inode(self):
        """Of the one that it holds: a process under the shim has another one mapped."""
        names = [f"/proc/{self.pid}/fd/{fd}" for fd in os.listdir(f"/proc/{self.pid}/fd")]
        for name in names:
            with contextlib.suppress(FileNotFoundError):  # read and closed again
                if os.readlink(name) == "/memfd:lifesign (deleted)":
                    return os.stat(name).st_ino
        raise AssertionError(f"{self.pid} holds none")

    def read(self):
        with open(f"/proc/{self.pid}/maps", encoding="ascii") as maps:
            line = [line for line in maps if "memfd:lifesign " in line and "rw-s" in line and int(line.split()[4]) == self.inode()][0]
        start, end = (int(x, 16) for x in line.split()[0].split("-"))
        with open(f"/proc/{self.pid}/mem", "rb", 0) as memory:
            memory.seek(start)
            return memory.read(end - start)

    def claims(self):
        """Pids of claimed processes, of claimed slots, and (started, ended, refused, processes refused)."""
        data = self.read()
        process_count, process_offset, slot_count, slot_offset = struct.unpack_from("<20xIQ4xIQ", data)
        processes = [c & 0xFFFFFFFF for i in range(process_count) if (c := struct.unpack_from("<Q", data, process_offset + 128 * i)[0])]
        slots = [c & 0xFFFFFFFF for i in range(slot_count) if (c := struct.unpack_from("<Q", data, slot_offset + 128 * i + 64)[0])]
        return processes, slots, struct.unpack_from("<QQQQ", data, 128)


def view(started):
    """The supervisor's own mapping: it is there whatever COMMAND does."""
    return View(started.pid)


def test_the_size_follows_slots(run):
    for slots in (64, 8192):
        started = run(["sleep", "1000"], options=["--slots", str(slots)])
        assert len(view(started).read()) == 4096 + 128 * max(64, slots // 8) + 128 * slots
        started.stop()


FORKS = """
import os, signal, sys, time
count, how = int(sys.argv[1]), sys.argv[2]
for i in range(count):
    pid = os.fork()
    if pid == 0:
        if how == 'kill': os.kill(os.getpid(), 9)
        os._exit(0)
    os.waitpid(pid, 0)
os.write(1, b'done')
time.sleep(1000)
"""


@pytest.mark.parametrize("how", ["kill", "exit"])
def test_children_killed_free_what_they_had(run, how):
    started = run([PYTHON, "-c", FORKS, "3000", how], options=["--slots", "128"])
    main = started.main()
    assert mapped(main)
    wait_until(lambda: started.out() == "done", 60)
    wait_until(lambda: view(started).claims()[0] == [main] and set(view(started).claims()[1]) == {main}, 5,
               lambda: view(started).claims())
    begun, ended, _, _ = view(started).claims()[2]
    assert begun - ended == len(view(started).claims()[1]), "counters agree with what is claimed"


def test_orphans_that_we_reap_are_freed_at_once(run):
    """Before they are reaped, not by the next look."""
    started = run([PYTHON, "-c", "import os, time\nif not os.fork():\n if not os.fork(): time.sleep(1000)\n os._exit(0)\nos.wait(); time.sleep(1000)"])
    main = started.main()
    orphan = wait_until(lambda: next((p for p in children(started.pid) if p != main and p in view(started).claims()[0]), None), 30)
    os.kill(orphan, signal.SIGKILL)
    wait_until(lambda: not is_running(orphan), 30)
    wait_until(lambda: not os.path.exists(f"/proc/{orphan}"), 30, "reaped", every=0.001)
    assert orphan not in sum(view(started).claims()[:2], [])


def test_threads_that_end_without_a_word_are_freed(run, place):
    """exec kills all threads but one, and gives the process another entry."""
    script = ("import os, threading, time\n"
              "for _ in range(20): threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()\n"
              f"while not os.path.exists('{place.path}/go'): time.sleep(0.05)\n"
              "os.execv('/bin/sleep', ['sleep', '1000'])")
    started = run([PYTHON, "-c", script])
    main = started.main()
    wait_until(lambda: len(view(started).claims()[1]) >= 20, 30, lambda: view(started).claims())
    place.file("go", "")
    wait_until(lambda: comm(main) == "sleep", 30)
    wait_until(lambda: view(started).claims()[1] in ([], [main]) and len(view(started).claims()[0]) == 1, 30, lambda: view(started).claims())


def test_the_living_keep_theirs(run):
    """Looks at it for seconds: nothing that lives is ever freed."""
    script = ("import os, threading, time\n"
              "for _ in range(300): threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()\n"
              "for _ in range(20):\n if not os.fork(): time.sleep(1000)\n"
              "os.write(1, b'up'); time.sleep(1000)")
    started = run([PYTHON, "-c", script], options=["--slots", "512"])
    wait_until(lambda: started.out().count("up") == 1, 30)
    wait_until(lambda: len(view(started).claims()[0]) == 21 and len(view(started).claims()[1]) >= 321, 30, lambda: [len(c) for c in view(started).claims()])
    before = view(started).claims()
    lifesign.holds_for(lambda: view(started).claims() == before, 4, every=0.2)
    assert is_running(started.main())
