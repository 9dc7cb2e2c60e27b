# ctest: asan
# SPDX-License-Identifier: Apache-2.0
"""What the command line understands, what it says to what it does not, and that the reference is the program's own."""
import json
import os
import re

import pytest

from lifesign import SOURCE, call

COMMANDS = ["run", "agent", "status", "explain", "check", "probe", "maintenance", "config", "reload", "version", "help"]


def test_help_lists_what_is_built():
    for words in ([], ["help"], ["--help"], ["-h"]):
        done = call(*words)
        assert done.returncode == 0 and not done.stderr
        assert re.findall(r"^  (\w+)  ", done.stdout, re.M)[:len(COMMANDS)] == COMMANDS
        assert "attach" not in done.stdout and "--debug" not in done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_in_80_columns(command):
    done = call("help", command)
    assert done.returncode == 0
    assert done.stdout.startswith(f"Usage: lifesign {command}")
    assert max(len(line) for line in done.stdout.splitlines()) <= 80
    assert not [line for line in done.stdout.splitlines() if line != line.rstrip()]
    for words in ([command, "--help"], [command, "-h"]):
        assert call(*words).stdout == done.stdout


def test_help_of_probe_speaks_of_no_agent():
    assert "--url" not in call("help", "probe").stdout


def test_help_of_run_wins_over_what_else_is_wrong():
    assert call("run", "--details", "--help", env={"LIFESIGN_DRAIN": "x"}).returncode == 0


@pytest.mark.parametrize("words", [["version"], ["--version"], ["-V"]])
def test_version(words):
    done = call(*words)
    assert done.returncode == 0
    assert re.fullmatch(r"lifesign \d+\.\d+\.\d+\n.+\n", done.stdout)


@pytest.mark.parametrize("words, said", [
    (["stauts"], "unknown command 'stauts' (did you mean 'status'?); see 'lifesign help'"),
    (["frobnicate"], "unknown command 'frobnicate'; see 'lifesign help'"),
    (["--listen"], "unknown option '--listen'; see 'lifesign help'"),
    (["help", "runn"], "unknown command 'runn' (did you mean 'run'?); see 'lifesign help'"),
    (["run", "--lisen", ":1", "true"], "unknown option '--lisen' (did you mean '--listen'?); see 'lifesign help run'"),
    (["run", "--drain", "1s", "true"],
     "option '--drain': found '1s', allowed: seconds from 0 to 3600; see 'lifesign help run'"),
    (["run", "--listen", "8081", "true"],
     "option '--listen': found '8081', allowed: ADDR:PORT, [v6]:PORT, :PORT or unix:/path; see 'lifesign help run'"),
    (["run", "--config"], "option '--config' needs a value: FILE; see 'lifesign help run'"),
    (["status", "--jsn"], "unknown option '--jsn' (did you mean '--json'?); see 'lifesign help status'"),
    (["status", "--json=yes"], "a switch takes no value; see 'lifesign help status'"),
    (["status", "orders"], "status takes no words besides options; see 'lifesign help status'"),
    (["check", "readz"], "unknown probe 'readz' (did you mean 'readyz'?); see 'lifesign help check'"),
    (["check", "x"], "unknown probe 'x', allowed: livez, readyz, startupz; see 'lifesign help check'"),
    (["check", "livez", "readyz"], "check asks one probe at a time; see 'lifesign help check'"),
    (["check", "--strict", "--nagios"], "--strict and --nagios exclude each other; see 'lifesign help check'"),
    (["check", "--url", "ftp://x"], "--url: found 'ftp://x', allowed: http://HOST:PORT or unix:/path"),
    (["check", "--url", "http://[::1"], "--url: found 'http://[::1', allowed: http://HOST:PORT or unix:/path"),
    (["check", "--url", "http://h/x"], "--url: found 'http://h/x', allowed: http://HOST:PORT or unix:/path"),
    (["check", "--url", "unix:x"], "--url: found 'unix:x', allowed: http://HOST:PORT or unix:/path"),
    (["config"], "config needs one of: check FILE, suggest [PID], reference; see 'lifesign help config'"),
    (["config", "check"], "config check needs a FILE; see 'lifesign help config'"),
    (["probe", "--timeout", "1x", "tcp://h:1"], "--timeout takes seconds from 0.001 to 3600; see 'lifesign help probe'"),
    (["probe", "--timeout", "0", "tcp://h:1"], "--timeout takes seconds from 0.001 to 3600; see 'lifesign help probe'"),
    (["probe", "--times", "2x", "tcp://h:1"], "--times takes a number from 1 to 1000000; see 'lifesign help probe'"),
    (["probe", "dns://127.0.0.1"], "query: a name is missing"),
    (["probe", "redis://127.0.0.1/x"], "url: the database is 'x', allowed is a number"),
    (["maintenance", "on", "--for", "367d"],
     "--for takes a number with s, m, h or d behind it, as in 10m, up to 366d; see 'lifesign help maintenance'"),
    (["version", "x"], "version takes no words; see 'lifesign help version'"),
    (["help", "run", "x"], "help takes one command; see 'lifesign help help'"),
    (["reload", "now"], "reload takes no words besides options; see 'lifesign help reload'"),
])
def test_usage_errors_are_64_and_one_line(words, said):
    done = call(*words)
    assert (done.returncode, done.stdout, done.stderr) == (64, "", f"lifesign: {said}\n")


def test_a_terminal_is_safe_from_what_was_typed():
    done = call("\x1b[2J\n")
    assert done.returncode == 64 and "\x1b" not in done.stderr and done.stderr.count("\n") == 1


def test_a_bad_variable_is_78_and_named():
    done = call("run", "true", env={"LIFESIGN_LOG_FORMAT": "xml", "LIFESIGN_PORT": "tcp://10.0.0.1:80"})
    assert done.returncode == 78
    assert done.stderr == "lifesign: variable LIFESIGN_LOG_FORMAT: found 'xml', allowed: text or json\n"


def test_the_reference_is_current():
    with open(os.path.join(SOURCE, "agent/deploy/configuration.md"), encoding="utf-8") as f:
        assert call("config", "reference").stdout == f.read(), \
            "run: lifesign config reference > agent/deploy/configuration.md"


def test_the_reference_has_every_option_of_help():
    reference = call("config", "reference").stdout
    for option in re.findall(r"^  (--[a-z-]+)", call("help", "run").stdout, re.M):
        assert option == "--help" or f"`{option}" in reference


# ---- config check

def test_good_files_are_ok(place):
    one = place.file("one.yaml", "service: orders\n")
    two = place.file("two.json", json.dumps({"startup": {"port": "none"}}))
    done = call("config", "check", one, two)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{one}: ok\n{two}: ok\n", "")


def test_everything_that_is_wrong_is_told(place):
    path = place.file("bad.yaml", "servise: x\nstartup:\n  port: 99999\nlisten: [\"80\"]\n")
    done = call("config", "check", path)
    assert done.returncode == 78
    lines = done.stdout.splitlines()
    assert [line[:len(path) + 2] for line in lines] == [f"{path}:1", f"{path}:3", f"{path}:4"]
    assert "did you mean 'service'?" in lines[0] and "'99999', allowed: a port from 1 to 65535" in lines[1]


def test_one_bad_file_of_two_is_78(place):
    done = call("config", "check", place.file("good.yaml", ""), place.path + "/missing.yaml")
    assert done.returncode == 78
    assert "good.yaml: ok" in done.stdout and "missing.yaml: cannot be read (No such file or directory)" in done.stdout


def test_variables_of_the_environment_are_seen(place):
    path = place.file("v.yaml", "service: ${NAME}\n")
    assert call("config", "check", path, env={"NAME": "orders"}).returncode == 0
    done = call("config", "check", path)
    assert done.returncode == 78 and f"{path}:1: found '${{NAME}}', but that variable is not set" in done.stdout


def test_a_pipe_is_refused_at_once(place):
    path = place.file("pipe")
    os.mkfifo(path)
    done = call("config", "check", path, seconds=10)
    assert done.returncode == 78 and "not a regular file" in done.stdout


def test_a_growing_bomb_is_refused(place):
    layers = "".join(f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(9))
    done = call("config", "check", place.file("bomb.yaml", "a: &a [x]\n" + layers), seconds=10)
    assert done.returncode == 78 and "found an anchor (&)" in done.stdout and "found an alias (*)" in done.stdout
    assert "more" in done.stdout.splitlines()[-1] and len(done.stdout.splitlines()) == 21


def test_run_refuses_a_wrong_file_before_it_starts(place):
    path = place.file("bad.yaml", "dependencies: 7\nslots: 3\n")
    done = call("run", "--dir", place.path, "--config", path, "touch", place.path + "/started")
    assert done.returncode == 78
    assert done.stderr.splitlines() == [
        f"lifesign: {path}:1: dependencies: allowed: a list of {{name: …, kind: …, url: …}}",
        f"lifesign: {path}:2: slots: found '3', allowed: a whole number from 64 to 65536"]
    assert not os.path.exists(place.path + "/started")
