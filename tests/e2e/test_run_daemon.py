# SPDX-License-Identifier: Apache-2.0
"""Services that daemonize, orphans, and life as PID 1."""
import os
import signal
import subprocess

import pytest

import lifesign
import services
from lifesign import BIN, SHIM, children, clean_environment, comm, holds_for, is_running, stat, wait_until

PYTHON = "/usr/bin/python3"
# fork, setsid, fork: the classic; the daemon writes its pid and ends with 7 on TERM.
DAEMON = """
import os, signal, sys, time
if os.fork(): os._exit(0)
time.sleep(float(sys.argv[2]))
os.setsid()
if sys.argv[1] == 'twice' and os.fork(): os._exit(0)
signal.signal(signal.SIGTERM, lambda *_: os._exit(7))
signal.signal(signal.SIGHUP, lambda *_: open('hup', 'a').write('x'))
open('pid.new', 'w').write(str(os.getpid()))
os.rename('pid.new', 'pid')
while True: signal.pause()
"""


def daemon(run, place, how="once", delay=0.0, **rest):
    started = run([PYTHON, place.file("daemon.py", DAEMON), how, str(delay)], **rest)

    def pid():
        path = started.cwd + "/pid"
        return os.path.exists(path) and int(open(path, encoding="ascii").read())
    started.daemon = wait_until(pid, 30, started.said)
    return started


def assert_stays_until_the_daemon_ends(started):
    assert stat(started.daemon)[1] == str(started.pid), "we are its parent now"
    wait_until(lambda: started.main() == started.daemon, 30, "it counts as main")
    os.kill(started.pid, signal.SIGHUP)
    wait_until(lambda: os.path.exists(started.cwd + "/hup"), 30, "signals go to it")
    holds_for(lambda: started.process.poll() is None, 0.5)
    assert started.stop() == 7, "its status is ours"


def test_a_daemon_counts_as_main(run, place):
    assert_stays_until_the_daemon_ends(daemon(run, place))


def test_a_daemon_that_forks_twice_counts_as_main(run, place):
    assert_stays_until_the_daemon_ends(daemon(run, place, "twice"))


def test_a_daemon_that_leads_its_session_late_counts_as_main(run, place):
    assert_stays_until_the_daemon_ends(daemon(run, place, delay=1.5))


@pytest.mark.parametrize("delay", [0, 1.5])
def test_the_oldest_session_leader_counts_not_the_oldest_child(run, place, delay):
    script = place.file("both.sh", f"sleep 1000 & {PYTHON} {place.file('daemon.py', DAEMON)} once {delay}; exit 0")
    started = run(["sh", script])
    wait_until(lambda: os.path.exists(started.cwd + "/pid"), 30)
    pid = int(open(started.cwd + "/pid", encoding="ascii").read())
    wait_until(lambda: started.main() == pid, 30)
    os.kill(pid, signal.SIGKILL)
    sleep = wait_until(lambda: next((p for p in children(started.pid) if comm(p) == "sleep"), None), 30)
    wait_until(lambda: started.main() == sleep, 30, "until the last of them ends")
    os.kill(sleep, signal.SIGTERM)
    assert started.wait() == 128 + signal.SIGTERM


def test_ctrl_c_on_a_terminal_that_a_daemon_left(run, place):
    """Nobody has the terminal any more: it is ours again, and we tell the daemon."""
    started = daemon(run, place, tty=True)
    wait_until(lambda: started.main() == started.daemon, 30)
    started.type(b"\x03")
    assert started.wait() in (1, 130)


def test_nginx_as_a_daemon(run, place):
    service = services.nginx(place, daemon=True)
    started = run(service.command)
    wait_until(service.ping, 30, "nginx answers")

    def leads_its_session():
        main = started.main()
        return comm(main) == "nginx" and stat(main)[1] == str(started.pid) and stat(main)[3] == str(main)
    wait_until(leads_its_session, 30, "its master counts as main")
    assert started.stop(signal.SIGQUIT) == 0


def test_zombies_are_reaped(run):
    script = "import os\nfor _ in range(300):\n if not os.fork():\n  if not os.fork(): os._exit(0)\n  os._exit(0)\n os.wait()\nos.write(1, b'done'); os.read(0, 1)"
    reader, writer = os.pipe()
    started = run([PYTHON, "-c", script], stdin=reader)
    wait_until(lambda: started.out() == "done", 30)
    wait_until(lambda: len(children(started.pid)) == 2, 30, lambda: [stat(p) for p in children(started.pid)])
    os.write(writer, b"x")
    assert started.wait() == 0
    os.close(reader)
    os.close(writer)


def test_asked_to_end_it_does_not_wait_for_what_command_left(run):
    """A script that ends on TERM and forgets its children is no daemon."""
    started = run(["sh", "-c", "trap 'exit 0' TERM; sleep 1000 & echo up; wait"])
    wait_until(lambda: started.out() == "up\n")
    started.send(signal.SIGTERM)
    assert started.wait() == 0


# ---- PID 1

def as_pid_1(place, command, *options, mount=True, **rest):
    words = ["unshare", "--pid", "--fork", *(["--mount-proc"] if mount else []), "--kill-child", BIN, "run", "--dir",
             place.directory("d", mode=0o700), "--shim", SHIM, "--service", "svc", "--listen", "127.0.0.1:0", *options, "--", *command]
    return lifesign.Plain(words, place=place, **rest)


def test_as_pid_1_status_and_orphans(place):
    script = "(sleep 0.2 & ) ; sleep 0.5; ls /proc | grep -c '^[0-9]'; exit 6"
    with as_pid_1(place, ["sh", "-c", script]) as started:
        assert started.wait() == 6, started.said()
        assert "(pid 2)" in started.err() or "(pid" in started.err()
        assert int(started.out()) <= 6, "no zombie is left"


def test_as_pid_1_every_signal_arrives(place):
    """The kernel ignores signals for PID 1 that have their default action."""
    counter = ("import os, signal\nfor n in (1, 2, 3, 10, 12, 14, 15): signal.signal(n, lambda n, f: os.write(1, f'{n} '.encode()) and n == 15 and os._exit(3))\n"
               "os.write(1, b'up ')\nwhile True: signal.pause()")
    with as_pid_1(place, [PYTHON, "-c", counter], "--drain", "0") as started:
        wait_until(lambda: "up" in started.out(), 30, started.said)
        inner = children(started.pid)[0]
        expected = "up "
        for number in (1, 10, 12, 14, 15):
            os.kill(inner, number)
            expected += f"{number} "
            wait_until(lambda: started.out() == expected, 30, lambda: (expected, started.out()))
        assert started.wait() == 3


def test_as_pid_1_the_agent_is_replaced(place):
    with as_pid_1(place, ["sleep", "1000"]) as started:
        inner = wait_until(lambda: next((p for p in lifesign.descendants(started.pid) if comm(p) == "lifesign"), None), 30)
        agent = wait_until(lambda: next((p for p in children(inner) if comm(p) == "lifesign-agent"), None), 30)
        os.kill(agent, signal.SIGKILL)
        wait_until(lambda: any(comm(p) == "lifesign-agent" and p != agent for p in children(inner)), 30)
        assert lifesign.ask(place.path + "/d/svc.sock", "/livez").status == 200


def test_without_proc_command_runs_all_the_same(place):
    script = f"mount -t tmpfs none /proc && exec {BIN} run --dir {place.directory('d', mode=0o700)} --shim {SHIM} --listen 127.0.0.1:0 -- sh -c 'echo out; exit 5'"
    done = subprocess.run(["unshare", "--mount", "sh", "-c", script], capture_output=True, text=True, timeout=30, check=False,
                          env=clean_environment())
    assert (done.returncode, done.stdout) == (5, "out\n"), done.stderr


def test_killed_itself_it_takes_its_agent_along(run):
    started = run(["sleep", "1000"])
    agent = next(p for p in children(started.pid) if comm(p) == "lifesign-agent")
    os.kill(agent, signal.SIGSTOP)  # not even one that cannot notice
    sleep = wait_until(lambda: next((p for p in children(started.pid) if comm(p) == "sleep"), None))
    started.tree()
    started.process.kill()
    started.process.wait()
    wait_until(lambda: not is_running(agent), 30, "nobody answers in the name of a supervisor that is gone")
    assert is_running(sleep), "the service is not ours to kill"
