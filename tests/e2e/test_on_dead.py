# ctest: timeout=240
# SPDX-License-Identifier: Apache-2.0
"""liveness.onDead: once a death, before livez says so, for no longer than it may; and what recovers was never dead."""
import os
import threading

import asleep
from joined import Agent
from lifesign import SUPPORT, holds_for, is_running, wait_until

WAITS = os.path.join(SUPPORT, "explain_waits")


def configured(place, script, wait=10, more="", name="dead"):
    """A file of configuration whose command is that script; each run of it writes a line into `runs`."""
    command = place.file(f"{name}.sh", f"#!/bin/sh\necho \"$LIFESIGN_SERVICE $LIFESIGN_PID $LIFESIGN_REASON $LIFESIGN_THREAD\" >> {place.path}/runs\n"
                         f"{script}\n", 0o755)
    return ["--config", place.file(f"{name}.yaml", f"liveness: {{{more} onDead: {{command: [\"{command}\"], waitSeconds: {wait}}}}}\n")]


def runs(place):
    path = place.file("runs")
    return [line.split() for line in open(path, encoding="ascii")] if os.path.exists(path) else []


def is_dead(started):
    return lambda: (p := started.try_get("/livez")) and p.status == 503


def test_it_runs_before_livez_says_dead(run, place):
    go = place.file("go")
    script = f"echo 'state of the heap'; echo to-stderr >&2; env | sort > {place.path}/env; until [ -e {go} ]; do sleep 0.05; done; echo 'last words'; exit 3"
    started = run([WAITS, "abba"], options=configured(place, script, 30))
    wait_until(lambda: runs(place), 60, started.said)
    page = started.get("/livez?verbose")
    assert page.status == 200 and "[+]deadlock ok" in page.text
    status = started.status()
    assert status["live"]["ok"] and status["live"]["verdict"] != "dead"
    assert [(r["code"], r["held"]) for r in status["live"]["reasons"]] == [("deadlock", None)]
    assert started.get("/readyz").status == 503  # nobody is sent there meanwhile
    holds_for(lambda: started.get("/livez").status == 200 and len(started.status()["processes"]) == 1, 2.5, started.status)
    place.file("go", "")
    wait_until(is_dead(started), 60, started.said)
    name, pid, reason, thread = runs(place)[0]
    chain = next(r for r in started.status()["live"]["reasons"] if r["code"] == "deadlock")["threads"]
    assert (name, int(pid), reason) == ("svc", started.main(), "deadlock") and int(thread) in chain
    with open(f"{place.path}/env", encoding="utf-8") as f:
        names = {line.split("=")[0] for line in f}
    assert {n for n in names if n.startswith("LIFESIGN_")} == {"LIFESIGN_SERVICE", "LIFESIGN_PID", "LIFESIGN_REASON", "LIFESIGN_THREAD"}
    for text in ("state of the heap", "to-stderr", "last words", "ended with status 3"):
        assert text in started.err(), started.said()
    holds_for(is_dead(started), 1, started.said)
    assert len(runs(place)) == 1


def test_it_is_killed_with_its_group_when_its_time_is_over(run, place):
    started = run([WAITS, "abba"], options=configured(place, f"sleep 1000 & echo $! > {place.path}/child; sleep 1000", 4))
    wait_until(is_dead(started), 60, started.said)
    with open(f"{place.path}/child", encoding="ascii") as f:
        child = int(f.read())
    wait_until(lambda: not is_running(child), 30)
    assert "did not end within 4 s: it was killed" in started.err() and len(runs(place)) == 1


def test_what_recovers_meanwhile_was_never_dead(run, place):
    limits = "loopBlockedSeconds: 1, loopSpinningSeconds: 1, noProgressSeconds: 1,"
    service, started = asleep.start(run, place, configured(place, "sleep 120", 120, limits))
    over, pages = threading.Event(), []

    def look():
        while not over.wait(0.02):
            pages.append(started.get("/livez").status)
    looking = threading.Thread(target=look)
    looking.start()
    asleep.sleep_until(service, lambda: runs(place))
    wait_until(lambda: "it went on by itself before livez said dead" in started.err(), 60, started.said)
    over.set()
    looking.join()
    assert set(pages) == {200} and len(pages) > 50, pages
    name, pid, reason, thread = runs(place)[0]
    assert (name, int(pid), int(thread)) == ("svc", started.main(), started.main()) and reason == "loop_blocked", started.said()
    wait_until(lambda: started.status()["live"] == {"ok": True, "verdict": "alive", "reasons": []}, 60, started.status)
    assert not [e for e in started.status()["events"] if e["what"] == "live" and e["to"] == "dead"]


def test_each_death_runs_it(run, place):
    service, started = asleep.start(run, place, configured(place, "true", 60, "loopBlockedSeconds: 1, noProgressSeconds: 60,"))
    for death in (1, 2):
        asleep.sleep_until(service, is_dead(started))
        assert len(runs(place)) == death, started.said()
        wait_until(lambda: started.get("/livez").status == 200, 60, started.said)


def test_a_command_that_cannot_be_run_keeps_nobody_waiting(run, place):
    config = place.file("none.yaml", "liveness: {onDead: {command: [/nonexistent/dump], waitSeconds: 60}}\n")
    started = run([WAITS, "abba"], options=["--config", config])
    wait_until(is_dead(started), 60, started.said)
    assert "cannot be executed: No such file" in started.err() and "ended with status 127" in started.err()


def test_it_is_not_run_while_lifesign_only_observes(run, place):
    started = run([WAITS, "abba"], options=["--observe", *configured(place, "true")])
    wait_until(lambda: "would be run now if lifesign did not only observe" in started.err(), 60, started.said)
    holds_for(lambda: started.get("/livez").status == 200 and not runs(place), 1, started.said)


def test_the_next_agent_does_not_run_it_again(run, place):
    go = place.file("go")
    started = run([WAITS, "abba"], options=configured(place, f"until [ -e {go} ]; do sleep 0.05; done", 60))
    wait_until(lambda: runs(place), 60, started.said)
    before = started.agent()
    os.kill(before, 9)
    wait_until(lambda: (p := started.try_get("/health/status", unix=True)) and p.json()["agent"]["pid"] != before, 60, started.said)
    place.file("go", "")
    wait_until(is_dead(started), 60, started.said)
    os.kill(started.agent(), 9)
    wait_until(is_dead(started), 60, started.said)
    assert len(runs(place)) == 1


def test_an_agent_of_many_runs_it_for_each(place):
    with Agent(place=place, options=configured(place, "echo heap of $LIFESIGN_SERVICE", 20)) as agent:
        for one in ("one0", "one1"):
            agent.has(one, agent.start([WAITS, "abba"], service=one).pid)
        for one in ("one0", "one1"):
            wait_until(lambda name=one: agent.get(f"/services/{name}/livez").status == 503, 60, agent.said)
        assert sorted(r[0] for r in runs(place)) == ["one0", "one1"]
        assert "one0: heap of one0" in agent.err() and "one1: heap of one1" in agent.err()
