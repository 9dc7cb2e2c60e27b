# ctest: asan
# SPDX-License-Identifier: Apache-2.0
"""Signals reach COMMAND once; TERM, INT and QUIT start the drain; a terminal works as without us."""
import fcntl
import os
import pty
import re
import signal
import subprocess
import termios
import time

import pytest

import lifesign
from lifesign import BIN, SHIM, holds_for, is_running, stat, wait_until

PYTHON = "/usr/bin/python3"
# Writes each signal's name as a line; TERM ends it with 0 when END is set.
COUNTER = """
import os, signal, sys
def got(number, frame):
    os.write(1, (signal.Signals(number).name if number < 34 else f'RT{number}').encode() + b'\\n')
    if os.environ.get('END') and number == signal.SIGTERM: os._exit(0)
for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}:
    signal.signal(number, got)
signal.signal(signal.SIGRTMIN + 5, got)
os.write(1, b'up\\n')
while True: signal.pause()
"""


def counter(run, **options):
    started = run([PYTHON, "-c", COUNTER], **options)
    wait_until(lambda: "up\n" in started.out(), 30, "COMMAND is up")
    return started


def names(started):
    return started.out().split()[1:]


def only(started, *expected):
    """These signals, and after a moment still no more."""
    wait_until(lambda: names(started) == list(expected), 30, lambda: names(started))
    holds_for(lambda: names(started) == list(expected), 0.3, lambda: names(started))


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH, signal.SIGALRM, signal.SIGPIPE,
                                    signal.SIGABRT, signal.SIGSEGV, signal.SIGIO, signal.SIGVTALRM, signal.SIGXCPU, signal.SIGCONT,
                                    signal.SIGTSTP, signal.SIGTTIN, signal.SIGURG])
def test_every_other_signal_is_forwarded_at_once_and_once(run, number):
    started = counter(run, options=["--drain", "1000"])
    os.kill(started.pid, number)
    only(started, number.name)
    assert started.process.poll() is None


def test_real_time_signals_too(run):
    started = counter(run)
    os.kill(started.pid, signal.SIGRTMIN + 5)
    only(started, f"RT{signal.SIGRTMIN + 5}")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_a_request_to_end_is_forwarded_after_the_drain(run, number):
    started = counter(run, options=["--drain", "4"])
    began = time.monotonic()
    started.send(number)
    wait_until(lambda: "[-]draining" in started.get("/readyz?verbose").text, 30, "readyz says so")
    assert started.get("/readyz").status == 503
    assert started.get("/livez").status == 200
    wait_until(lambda: names(started) == [number.name], 30)
    assert time.monotonic() - began > 3.9, "nothing is forwarded while the drain lasts"
    only(started, number.name)
    assert started.get("/livez").status == 200


def test_without_drain_it_is_forwarded_at_once(run):
    started = counter(run, env={"END": "1"})
    began = time.monotonic()
    started.send(signal.SIGTERM)
    assert started.wait() == 0
    assert time.monotonic() - began < 5 and names(started) == ["SIGTERM"]


def test_a_second_request_is_forwarded_at_once(run):
    started = counter(run, options=["--drain", "1000"])
    started.send(signal.SIGTERM)
    holds_for(lambda: names(started) == [], 0.3)
    started.send(signal.SIGINT)
    only(started, "SIGINT")
    started.send(signal.SIGTERM)
    only(started, "SIGINT", "SIGTERM")


def test_the_drain_ends_with_command(run, place):
    go = place.file("go")
    started = run(["sh", "-c", f"until [ -e {go} ]; do sleep 0.1; done; exit 8"], options=["--drain", "1000"])
    started.send(signal.SIGTERM)
    wait_until(lambda: "[-]draining" in started.get("/readyz?verbose").text, 30, "readyz says so")
    place.file("go", "")
    assert started.wait(60) == 8


def test_what_was_ignored_before_us_starts_no_drain(run):
    """`sh -c 'lifesign run … &'`: a Ctrl-C at the terminal is not meant for it."""
    started = counter(run, preexec=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN), options=["--drain", "1000"])
    started.send(signal.SIGINT)
    only(started, "SIGINT")
    assert "[+]draining ok" in started.get("/readyz?verbose").text


def test_a_closed_stderr_hurts_nobody(place):
    """Our log line then raises SIGPIPE in ourselves: it is not COMMAND's."""
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    script = f"exec 2>&{writer} {writer}>&-; exec \"$@\""
    words = [BIN, "run", "--dir", place.directory("x", mode=0o700), "--shim", SHIM, "--listen", "127.0.0.1:0", "--", PYTHON, "-c", COUNTER]
    with lifesign.Plain(["bash", "-c", script, "bash", *words], pass_fds=(writer,), place=place) as piped:
        os.close(writer)
        wait_until(lambda: "up\n" in piped.out(), 30)
        os.close(reader)
        agent = wait_until(lambda: next((p for p in lifesign.children(piped.pid) if lifesign.comm(p) == "lifesign-agent"), None), 30)
        os.kill(agent, signal.SIGKILL)  # is logged
        wait_until(lambda: any(lifesign.comm(p) == "lifesign-agent" and p != agent for p in lifesign.children(piped.pid)), 30)
        holds_for(lambda: piped.process.poll() is None and names(piped) == [], 0.3)


# ---- terminal

SHELL_PROMPT = "ready> "


class Shell(lifesign.Plain):
    """A real bash with job control on a terminal."""

    def __init__(self, place, **rest):
        super().__init__(["/bin/bash", "--norc", "--noprofile", "-i"], tty=True, place=place,
                         env={"PS1": SHELL_PROMPT, "TERM": "dumb", "HISTFILE": "/dev/null"}, **rest)
        self.port = lifesign.free_port()
        self.dir = place.directory("shell-d", mode=0o700)
        wait_until(lambda: self.out().endswith(SHELL_PROMPT), 30, self.said)

    def line(self, text):
        self.type(text.encode() + b"\n")

    def run_words(self, command, *options):
        return f"{BIN} run --dir {self.dir} --shim {SHIM} --service svc --listen 127.0.0.1:{self.port} {' '.join(options)} -- {command}"

    def sees(self, text, times=1, seconds=30):
        wait_until(lambda: self.out().replace("\r\n", "\n").count(text) >= times, seconds, lambda: f"{text!r}; {self.out()[-1500:]!r}")

    def asks(self, question):
        """The answer of the shell to `echo MARK$(…)`, at a fresh prompt."""
        mark = f"A{time.monotonic_ns()}"
        self.line(f"echo {mark[:3]}''{mark[3:]} {question} .")
        found = wait_until(lambda: re.search(mark + r" (.*?) \.\r?\n", self.out()), 30, self.said)
        return found.group(1)

    def supervisor(self):
        """Pid of its lifesign."""
        return wait_until(lambda: next((p for p in lifesign.descendants(self.pid) if lifesign.comm(p) == "lifesign"), None), 30)


@pytest.fixture
def shell(place):
    one = Shell(place)
    yield one
    one.close()


@pytest.fixture
def counting(shell, place):
    script = place.file("counter.py", COUNTER.replace("signal.SIGSTOP, ", "signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU, signal.SIGCONT, "))
    return shell.run_words(f"{PYTHON} {script}")


def test_ctrl_c_reaches_command_exactly_once(shell, counting):
    shell.line(counting)
    shell.sees("up\n")
    shell.type(b"\x03")
    shell.sees("SIGINT")
    holds_for(lambda: shell.out().count("SIGINT") == 1, 0.5, "once")
    shell.type(b"\x1c")
    shell.sees("SIGQUIT")
    holds_for(lambda: shell.out().count("SIGQUIT") == 1, 0.5, "once")


def test_ctrl_c_ends_command_and_the_shell_goes_on(shell):
    shell.line(shell.run_words("sleep 1000"))
    shell.sees("answers probes")
    shell.type(b"\x03")
    assert shell.asks("$?") == "130"


def test_ctrl_z_stops_the_job_and_fg_continues_it(shell):
    shell.line(shell.run_words("cat"))
    shell.sees("answers probes")
    shell.line("first")
    shell.sees("first\n", 2)
    shell.type(b"\x1a")
    shell.sees("Stopped")
    supervisor = shell.supervisor()
    cat = next(p for p in lifesign.children(supervisor) if lifesign.comm(p) == "cat")
    assert stat(supervisor)[0] == "T" and stat(cat)[0] == "T"
    assert lifesign.ask(shell.port, "/livez").status == 200, "the agent answers meanwhile"
    shell.line("fg")
    wait_until(lambda: stat(cat)[0] == "S", 30, "it goes on")
    shell.line("second")
    shell.sees("second\n", 2)
    shell.type(b"\x04")
    assert shell.asks("$?") == "0"


def test_bg_lets_it_run_and_fg_gives_the_terminal_back(shell):
    shell.line(shell.run_words("sh -c 'while read x; do echo got-$x; done; sleep 0.2; exit 4'"))
    shell.sees("answers probes")
    shell.line("one")
    shell.sees("got-one")
    shell.type(b"\x1a")
    shell.sees("Stopped")
    supervisor = shell.supervisor()
    wait_until(lambda: stat(supervisor)[0] == "T", 30)
    shell.line("bg")
    shell.sees(" &\n")
    wait_until(lambda: stat(supervisor)[0] == "T", 30, "it reads: a background job may not")
    shell.line("fg")
    wait_until(lambda: stat(shell.supervisor())[0] == "S", 30)
    shell.line("two")
    shell.sees("got-two")
    shell.type(b"\x04")
    assert shell.asks("$?") == "4"


def test_a_job_started_in_the_background_and_fetched(shell):
    shell.line(shell.run_words("sleep 1000") + " &")
    shell.sees("answers probes")
    supervisor = shell.supervisor()
    shell.line("fg")
    sleep = wait_until(lambda: next((p for p in lifesign.children(supervisor) if lifesign.comm(p) == "sleep"), None))
    wait_until(lambda: stat(sleep)[5] == stat(sleep)[2], 30, "the terminal's foreground group is COMMAND's")
    shell.type(b"\x03")
    assert shell.asks("$?") == "130"


def test_in_a_script_the_next_command_has_the_terminal(shell, place):
    script = place.file("script", f"{shell.run_words('true')}\nread answer\necho said-$answer\n", mode=0o755)
    shell.line(f"bash {script}")
    shell.sees("answers probes")
    shell.line("hello")
    shell.sees("said-hello")


def test_a_size_change_and_stop_keys_with_a_full_screen_program(shell):
    """less handles Ctrl-Z itself, then stops its own group."""
    shell.line(shell.run_words("less /etc/services"))
    shell.sees("answers probes")
    less = wait_until(lambda: next((p for p in lifesign.descendants(shell.pid) if lifesign.comm(p) == "less"), None), 30)
    wait_until(lambda: stat(less)[0] == "S", 30)
    shell.type(b"\x1a")
    shell.sees("Stopped")
    shell.line("fg")
    wait_until(lambda: stat(less)[0] == "S", 30)
    shell.type(b"q")
    wait_until(lambda: not is_running(less), 30, "q ends it")
    assert shell.asks("$?") == "0"


def test_without_a_shell_above_ctrl_z_stops_nothing(run):
    """As `docker run -it`: COMMAND alone would be in an orphaned group, which the terminal cannot stop."""
    started = run(["cat"], tty=True)
    started.type(b"one\n")
    wait_until(lambda: started.out().count("one") == 2, 30)
    started.type(b"\x1a")
    started.type(b"two\n")
    wait_until(lambda: started.out().count("two") == 2, 30, started.said)
    started.type(b"\x03")
    assert started.wait() == 130


def test_a_hangup_of_the_terminal_ends_both(place):
    master, inner = pty.openpty()

    def take_terminal():
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    words = [BIN, "run", "--dir", place.directory("d", mode=0o700), "--shim", SHIM, "--listen", "127.0.0.1:0", "--", "sleep", "1000"]
    with subprocess.Popen(words, stdin=inner, stdout=inner, stderr=inner, preexec_fn=take_terminal) as process:
        os.close(inner)
        sleep = wait_until(lambda: next((p for p in lifesign.children(process.pid) if lifesign.comm(p) == "sleep"), None), 30)
        os.close(master)
        assert process.wait(30) == 129
    assert not is_running(sleep)
