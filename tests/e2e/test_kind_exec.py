# ctest: asan timeout=240
# SPDX-License-Identifier: Apache-2.0
"""exec: commands that say by their exit status how things are, that hang, flood, fork and never die politely."""
import os

from depending import Depending
from kinds import GROWTH, PATIENT, Prober, ask, side_by_side
from lifesign import holds_for, wait_until
from services import python_http


def script(place, name, text):
    return place.file(name, f"#!/bin/sh\n{text}\n", mode=0o755)


def test_exit_statuses_and_output(place):
    def case(name, text):
        path = script(place, name, text)
        return lambda: ask(place, {"kind": "exec", "command": [path]})
    seen = side_by_side({name: case(f"s{number}", text) for number, (name, text) in enumerate({
        "up": "echo all good",
        "degraded": "echo 'DISK WARNING - 12% left | /=88%;80;90'; exit 1",
        "down": "echo 'DISK CRITICAL - full | free=3MB;;'; exit 2",
        "cannot tell": "echo who knows; exit 3",
        "strange": "exit 42",
        "no program in the script": "exec /nonexistent/program",
        "ended by a signal": "kill -SEGV $$",
        "binary": "head -c 4000 /dev/urandom; exit 2",
        "prints nothing": "exit 2",
        "stderr too": "echo to stderr >&2; exit 2",
    }.items())})
    said = {name: (result.status, result.error) for name, result in seen.items()}
    assert said == {"up": ("up", None), "degraded": ("degraded", "not_ready"), "down": ("down", "not_ready"),
                    "cannot tell": ("unknown", "internal"), "strange": ("down", "internal"),
                    "no program in the script": ("down", "internal"), "ended by a signal": ("down", "internal"),
                    "binary": ("down", "not_ready"), "prints nothing": ("down", "not_ready"), "stderr too": ("down", "not_ready")}, seen
    assert (seen["degraded"].detail, seen["degraded"].value) == ("DISK WARNING - 12% left", 88)
    assert (seen["down"].detail, seen["down"].value) == ("DISK CRITICAL - full", 3)
    assert "signal 11" in seen["ended by a signal"].detail and seen["stderr too"].detail == "to stderr"


def test_its_number_has_limits(place):
    path = script(place, "number", "echo 'fine | jobs=17'")
    for limits, said in (({"max": 17}, "up"), ({"max": 16}, "threshold"), ({"min": 18}, "threshold")):
        assert ask(place, {"kind": "exec", "command": [path], **limits}).said() == said


def test_words_are_no_shell(place):
    target = place.file("written")
    printer = script(place, "args", f'for a in "$@"; do echo "$a"; done >{target}')
    words = ["two words", "$HOME", "; rm x", "*"]
    assert ask(place, {"kind": "exec", "command": [printer, *words]}).said() == "up"
    with open(target, encoding="ascii") as f:
        assert f.read().splitlines() == words
    assert ask(place, {"kind": "exec", "command": ["true"]}).said() == "up"
    for missing in ("no-such-program-anywhere", "/no/such", place.path):
        result = ask(place, {"kind": "exec", "command": [missing]})
        assert (result.said(), "cannot be started" in result.detail) == ("internal", True)


def test_it_inherits_nothing(place, monkeypatch):
    """No secret of the environment, no descriptor, no ignored or blocked signal."""
    monkeypatch.setenv("DATABASE_PASSWORD", "geheim")
    out = place.file("inherited")
    path = script(place, "look", f"env >{out}; ls -l /proc/self/fd >>{out}; grep -E '^Sig(Blk|Ign)' /proc/self/status >>{out}; "
                                 f"ps -o pid,pgid -p $$ >>{out}")
    assert ask(place, {"kind": "exec", "command": [path], "name": "disk"}).said() == "up"
    with open(out, encoding="utf-8") as f:
        text = f.read()
    assert "geheim" not in text and "LIFESIGN_DEPENDENCY=disk" in text
    assert {line.split("=")[0] for line in text.splitlines() if "=" in line} <= {
        "PATH", "LC_ALL", "HOME", "LIFESIGN_DEPENDENCY", "PWD", "OLDPWD", "SHLVL", "_"}
    assert [line.split()[8] for line in text.splitlines() if " -> " in line and "/proc" not in line.split()[-1]] == ["0", "1", "2"]
    assert all(int(line.split()[1], 16) == 0 for line in text.splitlines() if line.startswith("Sig"))
    pid, group = text.splitlines()[-1].split()
    assert pid == group


def children_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
        return f.read().split()


def gone(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as f:
            return f.read().rpartition(")")[2].split()[0] == "Z"  # its new parent has yet to look
    except OSError:
        return True


def test_what_does_not_end_is_killed_with_its_group(place):
    pids = place.file("pids", "")
    cases = {
        "sleeps": f"echo $$ >>{pids}; exec sleep 1000",
        "ignores TERM": f"trap '' TERM INT HUP; echo $$ >>{pids}; while :; do sleep 1000; done",
        "with children": f"for i in 1 2 3; do sleep 1000 & echo $! >>{pids}; done; wait",
        "floods": f"echo $$ >>{pids}; exec yes",
        "one byte a second": f"echo $$ >>{pids}; while :; do printf x; sleep 1; done",
        "closes its output": f"echo $$ >>{pids}; exec sleep 1000 >/dev/null 2>&1",
    }

    def case(name, text):
        path = script(place, name.replace(" ", "-"), text)

        def run():
            most = 4 if name == "with children" else 2  # of one question: killed, and reaped next time at the latest
            with Prober(place, {"kind": "exec", "command": [path]}, timeout=0.6) as prober:
                results = [prober.ask()]
                fds = prober.fds()
                for _ in range(3):
                    wait_until(lambda: all(gone(pid) for pid in children_of(prober.pid)), 20, lambda: children_of(prober.pid))
                    results.append(prober.ask())
                assert prober.fds() == fds and len(children_of(prober.pid)) <= most
                return results
        return run
    for name, results in side_by_side({name: case(name, text) for name, text in cases.items()}).items():
        assert [result.said() for result in results] == ["timeout"] * 4, (name, results)
    with open(pids, encoding="ascii") as f:
        started = f.read().split()
    assert len(started) > len(cases)
    wait_until(lambda: all(gone(pid) for pid in started), 20, lambda: [pid for pid in started if not gone(pid)])


def test_those_it_left_behind_end_with_it(place):
    pids = place.file("pids", "")
    path = script(place, "leaves", f"sleep 1000 & echo $! >>{pids}; echo fine")
    with Prober(place, {"kind": "exec", "command": [path]}) as prober:
        result = prober.ask()
        assert (result.said(), result.seconds < PATIENT / 2) == ("up", True)  # it does not wait for whoever holds the output
    with open(pids, encoding="ascii") as f:
        left = f.read().split()
    wait_until(lambda: all(gone(pid) for pid in left), 20)


def test_those_it_left_in_a_session_of_their_own_end_with_it(place, run):
    """They are no processes of the service's: `run` does not wait for them."""
    pids = place.file("pids", "")
    path = script(place, "leaves", f"setsid sleep 1000 & sleep 0.2; echo $! >>{pids}; echo fine")
    web = python_http(place)
    service = Depending(run, place, [{"name": "disk", "kind": "exec", "command": [path]}], command=web.command,
                        readiness={"timeoutSeconds": 5})
    service.until("disk", "up")

    def left():
        with open(pids, encoding="ascii") as f:
            return f.read().split()
    wait_until(lambda: len(left()) >= 3, 30, service.said)
    wait_until(lambda: all(gone(pid) for pid in left()[:2]), 20, left)
    assert len(service.status()["processes"]) == 1, service.status()["processes"]
    assert not [pid for pid in children_of(service.prober()) if not gone(pid)][1:]


def test_it_ends_with_the_prober(place):
    pids = place.file("pids", "")
    path = script(place, "sleeps", f"echo $$ >>{pids}; exec sleep 1000")
    prober = Prober(place, {"kind": "exec", "command": [path]}, timeout=60)
    prober.process.stdin.write("\n")
    prober.process.stdin.flush()
    wait_until(lambda: os.path.getsize(pids), 30)
    prober.process.kill()
    prober.process.wait(10)
    with open(pids, encoding="ascii") as f:
        pid = f.read().strip()
    wait_until(lambda: gone(pid), 20)


def test_nothing_grows(place):
    path = script(place, "quick", "echo 'fine | n=1'; exit 0")
    with Prober(place, {"kind": "exec", "command": [path]}) as prober:
        prober.ask()
        fds, rss = prober.fds(), prober.rss()
        for _ in range(200):
            assert prober.ask().said() == "up"
        assert prober.fds() == fds and prober.rss() < rss + GROWTH
        holds_for(lambda: children_of(prober.pid) == [], 0.2)


def test_who_cannot_tell_changes_nothing(place, run):
    """Exit status 3 is as if nobody had asked: what was known holds, and its age says so."""
    status = place.file("status", "0")
    path = script(place, "check", f"exit $(cat {status})")
    config = place.file("config.yaml", "readiness: {periodSeconds: 1, timeoutSeconds: 10, fastSeconds: 0.3, failureThreshold: 1}\n"
                        f"dependencies:\n  - {{name: disk, kind: exec, command: [{path}], class: hard}}\n")
    one = run(python_http(place).command, options=["--config", config])

    def disk():
        return one.status()["dependencies"][0]
    wait_until(lambda: disk()["status"] == "up", 20, disk)
    place.file("status", "3")
    wait_until(lambda: disk()["age_seconds"] > 3, 20, disk)
    assert disk()["status"] == "up" and one.status()["dependencies"][0]["consecutive_failures"] == 0
    place.file("status", "2")
    wait_until(lambda: (disk()["status"], disk()["error"]) == ("down", "not_ready"), 20, disk)
