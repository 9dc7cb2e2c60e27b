# ctest: asan
# SPDX-License-Identifier: Apache-2.0
"""What a service manager hands over: LISTEN_FDS and NOTIFY_SOCKET work through `lifesign run`."""
import array
import contextlib
import os
import socket
import subprocess

import pytest

import lifesign
from lifesign import BIN, SHIM, clean_environment, wait_until

PYTHON = "/usr/bin/python3"
SERVE = """
import os, socket, sys
assert os.environ['LISTEN_PID'] == str(os.getpid()), 'LISTEN_PID is not mine'
n = int(os.environ['LISTEN_FDS'])
for i in range(n):
    s = socket.socket(fileno=3 + i)
    c, _ = s.accept()
    c.sendall(f"{i} {os.environ['LISTEN_FDNAMES']} {os.environ.get('WATCHDOG_PID') == str(os.getpid())}".encode())
    c.close()
"""


def run_words(place, *options):
    return [BIN, "run", "--dir", place.directory("d", mode=0o700), "--shim", SHIM, "--service", "svc",
            "--listen", "127.0.0.1:0", *options, "--"]


def test_inherited_sockets_reach_command_and_nobody_else(run, place):
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    script = 'exec 3<&%d 4<&%d; LISTEN_FDS=2 LISTEN_PID=$$ LISTEN_FDNAMES=a:b WATCHDOG_PID=$$ LISTEN_PIDFDID=77 exec "$@"' % tuple(
        s.fileno() for s in listeners)
    service = place.file("serve.py", SERVE)
    words = run_words(place) + [PYTHON, service]
    with lifesign.Plain(["bash", "-c", script, "bash", *words], place=place, pass_fds=[s.fileno() for s in listeners]) as started:
        wait_until(lambda: "answers probes" in started.err(), 30, started.said)
        inodes = {os.fstat(s.fileno()).st_ino for s in listeners}

        def holds(pid):
            found = set()
            for fd in os.listdir(f"/proc/{pid}/fd"):
                with contextlib.suppress(FileNotFoundError):
                    found.add(os.stat(f"/proc/{pid}/fd/{fd}").st_ino)
            return inodes & found
        wait_until(lambda: not holds(started.pid), 30, "the supervisor lets them go")
        agent = wait_until(lambda: next((p for p in lifesign.children(started.pid) if lifesign.comm(p) == "lifesign-agent"), None),
                           10, started.said)
        wait_until(lambda: not holds(agent), 30, "nor has the agent any")
        command = wait_until(lambda: next((p for p in lifesign.children(started.pid) if lifesign.comm(p) == "python3"), None), 30)
        assert b"LISTEN_PIDFDID" not in lifesign.environ(command)
        for i, listener in enumerate(listeners):
            with socket.create_connection(listener.getsockname(), 5) as s:
                assert s.recv(100) == f"{i} a:b True".encode()
        assert started.wait() == 0, started.said()


def test_variables_for_another_process_are_left_alone(place):
    done = subprocess.run(run_words(place) + ["sh", "-c", "echo $LISTEN_PID $WATCHDOG_PID"], capture_output=True, text=True, timeout=60,
                          check=False, env=clean_environment({"LISTEN_PID": "1", "WATCHDOG_PID": "1"}))
    assert done.stdout == "1 1\n"


class Manager:
    """The receiving end of NOTIFY_SOCKET, with the sender's credentials and descriptors."""

    def __init__(self, address):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.socket.bind("\0" + address[1:] if address[0] == "@" else address)
        self.socket.settimeout(60)
        self.address = address

    def next(self):
        """(lines, pid of the sender, descriptors)."""
        data, control, _, _ = self.socket.recvmsg(8192, 4096)
        pid, fds = 0, array.array("i")
        for level, kind, value in control:
            assert level == socket.SOL_SOCKET
            if kind == socket.SCM_CREDENTIALS:
                pid = array.array("i", value)[0]
            if kind == socket.SCM_RIGHTS:
                fds.frombytes(value)
        return data.decode().splitlines(), pid, list(fds)


@pytest.fixture(params=["abstract", "path"])
def manager(request, place):
    one = Manager(f"@lifesign-test-{os.getpid()}" if request.param == "abstract" else place.path + "/notify")
    yield one
    one.socket.close()


def notify(run, manager, script, **rest):
    send = ("import os, socket, array, time\n"
            "s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); a = os.environ['NOTIFY_SOCKET']\n"
            "s.connect('\\0' + a[1:] if a[0] == '@' else a)\n")
    return run([PYTHON, "-c", send + script], env={"NOTIFY_SOCKET": manager.address}, **rest)


def test_messages_arrive_in_our_name_with_our_pid_as_main(run, manager):
    started = notify(run, manager, "s.send(f'READY=1\\nMAINPID={os.getpid()}\\nSTATUS=up'.encode()); time.sleep(1000)", up=False)
    lines, pid, fds = manager.next()
    assert lines == ["READY=1", "STATUS=up", f"MAINPID={started.pid}"] and pid == started.pid and not fds


def test_descriptors_are_passed_on(run, manager, place):
    file = place.file("kept", "content")
    started = notify(run, manager, f"socket.send_fds(s, [b'FDSTORE=1\\nFDNAME=kept'], [os.open({file!r}, 0)]); time.sleep(1000)", up=False)
    lines, _, fds = manager.next()
    assert lines == ["FDSTORE=1", "FDNAME=kept", f"MAINPID={started.pid}"]
    assert os.read(fds[0], 100) == b"content"
    os.close(fds[0])

    def ours():
        found = []
        for fd in os.listdir(f"/proc/{started.pid}/fd"):
            with contextlib.suppress(FileNotFoundError):
                found.append(os.readlink(f"/proc/{started.pid}/fd/{fd}"))
        return found
    wait_until(lambda: file not in ours(), 30, "we keep none")


def test_a_barrier_comes_alone_and_is_waited_for(run, manager):
    """sd_notify_barrier: the pipe ends when the manager has read all that came before."""
    script = "s.send(b'READY=1'); r, w = os.pipe(); socket.send_fds(s, [b'BARRIER=1'], [w]); os.close(w); os.read(r, 1); s.send(b'STATUS=past')"
    notify(run, manager, script + "; time.sleep(1000)", up=False)
    assert manager.next()[0][0] == "READY=1"
    lines, _, fds = manager.next()
    assert lines == ["BARRIER=1"] and len(fds) == 1
    os.close(fds[0])
    assert manager.next()[0][0] == "STATUS=past"


def test_a_message_from_a_child_that_has_ended_counts(run, manager):
    send = ("import os, socket; a = os.environ['NOTIFY_SOCKET']; "
            "socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b'STATUS=child', chr(0) + a[1:] if a[0] == '@' else a)")
    started = run(["sh", "-c", f'/usr/bin/python3 -c "{send}"; sleep 1000'], env={"NOTIFY_SOCKET": manager.address}, up=False)
    assert f"MAINPID={started.pid}" in manager.next()[0]


def test_many_messages_keep_their_order_and_the_manager_may_be_slow(run, manager):
    notify(run, manager, "[s.send(f'STATUS={i}'.encode()) for i in range(600)]; time.sleep(1000)", up=False)
    assert [manager.next()[0][0] for _ in range(600)] == [f"STATUS={i}" for i in range(600)]


def test_the_last_words_are_passed_on(run, manager):
    started = notify(run, manager, "s.send(b'STOPPING=1')", up=False)
    assert started.wait() == 0
    assert manager.next()[0][0] == "STOPPING=1"


def test_a_manager_that_is_not_there_changes_nothing(run, place):
    for address in (place.path + "/nobody", "vsock:2:1234", "@nobody-at-all"):
        started = run(["sh", "-c", "echo $NOTIFY_SOCKET"], env={"NOTIFY_SOCKET": address}, up=False)
        assert started.wait() == 0 and started.out().strip() == address
