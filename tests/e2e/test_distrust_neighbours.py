# ctest: timeout=300
# SPDX-License-Identifier: Apache-2.0
"""Strangers at the hand-over, and names that are made to be mistaken for something else."""
import ctypes
import json
import os
import shutil
import socket
import statistics
import subprocess
import time

import pytest
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

import lifesign
from lifesign import children, comm, environ, mapped, wait_until

PYTHON = "/usr/bin/python3"
EVIL = "a\n) R 1 (\x1b[2J"  # 15 bytes: what a thread's name has room for
EVIL_FILE = "evil\n) Z 1 1\x1b]0;title\x07\"\\\x9b{}"


def name_of(pid):
    return "\0" + environ(pid)[b"LIFESIGN_SEGMENT"].decode()[1:]


def sleeper(started):
    return wait_until(lambda: next((p for p in children(started.pid) if comm(p) in ("sleep", "sh", "python3")), 0), 5, started.said)


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


FLOOD = """
import os, socket, sys, time
if os.getuid() == 0: os.setgroups([]); os.setgid(65534); os.setuid(65534)
name, end = '\\0' + sys.argv[1], time.monotonic() + float(sys.argv[2])
count, held = 0, []
while time.monotonic() < end:
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
    try:
        s.connect(name)
        s.send(b'x' * 100)
        count += 1
    except OSError: pass
    if len(held) < 500: held.append(s)
    else: s.close()
print(count)
"""


def test_a_flood_of_strangers_costs_time_and_nothing_else(run):
    """Programs of the service start meanwhile, covered or not, in the time that the shim waits at most; afterwards all is
    as before."""
    script = "while read word; do /bin/echo $word; done; exec sleep 1000"
    started = run(["/bin/sh", "-c", script], stdin=subprocess.PIPE)
    shell = sleeper(started)
    before = descriptors(started.pid)
    floods = [subprocess.Popen([PYTHON, "-c", FLOOD, name_of(shell)[1:], "3"], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    took = []
    for i in range(40):
        began = time.monotonic()
        started.process.stdin.write(b"w%d\n" % i)
        started.process.stdin.flush()
        wait_until(lambda n=i: f"w{n}\n" in started.out(), 15, started.said, every=0.002)
        took.append(time.monotonic() - began)
        assert started.get("/livez").status == 200
    reached = [int(flood.communicate(timeout=40)[0]) for flood in floods]
    assert all(count > 500 for count in reached), reached
    assert statistics.median(took) < 0.5 and sorted(took)[-3] < 1, took  # a machine may stand still once or twice
    wait_until(lambda: descriptors(started.pid) <= before, 15, lambda: (before, descriptors(started.pid)))
    started.process.stdin.close()
    wait_until(lambda: comm(shell) == "sleep" and mapped(shell), 15, started.said)
    wait_until(lambda: started.process_of(shell)["coverage"] == "shim", 15, started.status)


@pytest.mark.parametrize("who", ["stranger", "service"])
def test_descriptors_sent_to_the_supervisor_do_not_stay(run, place, who):
    send = place.file("send.py", """
import array, os, socket, sys
name = sys.argv[1]
for _ in range(300):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.settimeout(2)
    try:
        s.connect('\\0' + name)
        for _ in range(3):
            s.sendmsg([b'y' * 64], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [0, 1, 2] * 50))])
    except OSError: pass
    s.close()
print('sent', flush=True)
import time
time.sleep(1000)
""")
    words = [PYTHON, send, "@"] if who == "stranger" else ["/bin/sh", "-c", f'exec {PYTHON} {send} "${{LIFESIGN_SEGMENT#@}}"']
    started = run(["sleep", "1000"] if who == "stranger" else words)
    before = descriptors(started.pid)
    if who == "stranger":
        stranger = subprocess.Popen([PYTHON, send, name_of(sleeper(started))[1:]], stdout=subprocess.PIPE)
        try:
            assert stranger.stdout.readline() == b"sent\n"
        finally:
            stranger.kill()
            stranger.wait()
    else:
        wait_until(lambda: "sent" in started.out(), 20, started.said)
    wait_until(lambda: descriptors(started.pid) <= before, 15, lambda: (before, descriptors(started.pid)))
    assert started.get("/livez").status == 200


def test_a_stranger_is_refused_whatever_it_calls_itself(run):
    """Its name and its parent's are no proof: the kernel's word is asked."""
    started = run(["sleep", "1000"])
    name = name_of(sleeper(started))
    libc = ctypes.CDLL(None)
    libc.prctl(15, f"x) S {started.pid} ".encode(), 0, 0, 0)  # PR_SET_NAME
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
            s.settimeout(5)
            s.connect(name)
            data, fds, _, _ = socket.recv_fds(s, 64, 1)
            assert not data and not fds
    except ConnectionResetError:
        pass
    finally:
        libc.prctl(15, b"python3", 0, 0, 0)


def has_controls(text, but="\n"):
    return [c for c in text if (ord(c) < 32 or 127 <= ord(c) < 160) and c not in but]


@pytest.mark.parametrize("style", ["text", "json"])
def test_names_say_what_they_say_and_nothing_more(run, place, style):
    """A thread and a program whose names look like lines, fields and orders to a terminal."""
    evil = place.file(EVIL_FILE)
    shutil.copy("/bin/busybox", evil)  # static: it is told in the log
    script = ("import ctypes, subprocess, sys, time\n"
              f"p = subprocess.Popen(['sleep', '1000'], executable={evil!r})\n"
              f"ctypes.CDLL(None).prctl(15, {EVIL.encode()!r}, 0, 0, 0)\n"
              "print(p.pid, flush=True); time.sleep(1000)")
    started = run([PYTHON, "-c", script], options=["--log-format", style])
    main = started.main()
    child = int(wait_until(lambda: started.out(), 10, started.said))
    row = wait_until(lambda: (p := started.process_of(child)) and p["coverage"] == "outside" and p, 10, started.status)
    assert row["parent"] == main and row["exe"] == EVIL_FILE
    wait_until(lambda: any(t["name"] == EVIL for t in started.threads(main)), 10, lambda: started.threads(main))
    wait_until(lambda: f"process {child} " in started.err(), 10, started.said)
    assert not has_controls(started.err()), started.err()
    lines = started.err().splitlines()
    if style == "json":
        assert [line["detail"] for line in map(json.loads, lines) if f"({EVIL_FILE})" in (line["detail"] or "")]
    else:
        assert all(line.startswith("lifesign: ") for line in lines), lines
    for accept, parse in (("text/plain", text_string_to_metric_families),
                          ("application/openmetrics-text", openmetrics.text_string_to_metric_families)):
        text = started.get("/metrics", headers={"Accept": accept}).text
        assert not has_controls(text) and list(parse(text))
    for path in ("/", "/readyz?verbose", "/health"):
        assert not has_controls(started.get(path, unix=True).text)
    page = lifesign.call("status", "--dir", started.dir)
    assert page.returncode in (0, 1) and not has_controls(page.stdout + page.stderr), page
    assert "evil" in page.stdout


def test_names_in_slots_come_out_as_json(run):
    """Random bytes where a shim writes a name."""
    scribble = os.path.join(lifesign.SUPPORT, "scribble")
    script = f'{scribble} 1000000000 5 names & exec {PYTHON} -c "import time; time.sleep(1000)"'
    started = run(["/bin/sh", "-c", script], options=["--slots", "64"])
    main = started.main()
    names = set()

    def seen():
        page = lifesign.call("status", "--dir", started.dir)
        assert not has_controls(page.stdout + page.stderr), page
        names.update(t["name"] for t in started.threads(main))
        return any(has_controls(name) or "\ufffd" in name for name in names)
    wait_until(seen, 90, lambda: names, every=0.2)
