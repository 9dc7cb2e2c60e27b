# ctest: serial timeout=600
# SPDX-License-Identifier: Apache-2.0
"""The first minute of a new user: quickstart with and without a command, with and without a terminal."""
import re
import signal
import subprocess

import pytest

from lifesign import Plain, SOURCE, SUPPORT, clean_environment, free_port, ask, wait_until

SCRIPT = f"{SOURCE}/agent/quickstart.sh"


@pytest.fixture(name="quickstart")
def quickstart_fixture(place):
    """quickstart(WORDS…, tty=…) -> Plain, once it says where to ask, and the port it serves probes at."""
    started = []

    def start(*words, **options):
        one = Plain(["sh", SCRIPT, *words], place=place, env={"RUNTIME_DIRECTORY": place.directory("run", mode=0o700)}, **options)
        started.append(one)
        said = wait_until(lambda: re.search(r"curl -i http://127.0.0.1:(\d+)/livez", one.out()), 300, one.said)
        return one, int(said.group(1))
    yield start
    for one in started:
        one.close()


def answers(port, path):
    try:
        return ask(port, path).status == 200
    except OSError:
        return False


def test_quickstart_runs_a_command_without_a_terminal(quickstart):
    one, port = quickstart("--", f"{SUPPORT}/tiny_server", str(free_port()))
    wait_until(lambda: answers(port, "/readyz"), 30, one.said)
    wait_until(lambda: one.out().count("tiny_server") >= 3, 30, one.said)  # its table, twice
    assert one.stop(signal.SIGTERM, 30) == 0, one.said()
    assert "ended" in one.out()


def test_quickstart_shows_redis_and_its_threads_on_a_terminal(quickstart):
    one, port = quickstart(tty=True)
    wait_until(lambda: answers(port, "/readyz"), 30, one.said)
    wait_until(lambda: "io_thd" in one.out(), 30, one.said)
    one.tree()
    one.type(b"\x03")
    assert one.wait(30) == 0, one.said()
    wait_until(lambda: not one.left(), 60, one.left)


def test_quickstart_ends_with_the_commands_status(quickstart):
    one, _ = quickstart("--", "/bin/sh", "-c", "exit 7")
    assert one.wait(60) == 7, one.said()


@pytest.mark.parametrize("words", [["redis-server"], ["--"], ["--help"]])
def test_quickstart_refuses_what_it_does_not_know(words):
    done = subprocess.run(["sh", SCRIPT, *words], capture_output=True, text=True, timeout=60, check=False, env=clean_environment())
    assert done.returncode == 64 and "usage: sh agent/quickstart.sh" in done.stderr
