# ctest: asan
# SPDX-License-Identifier: Apache-2.0
"""`lifesign status`: the page for people, on terminals and off, and what it makes of odd documents."""
import json
import os
import re
import signal
import subprocess
import time

import pytest

from fake_agent import FakeAgent, document, reply, status_answers
from lifesign import BIN, Plain, call, clean_environment, wait_until


def status(place, *words, env=None, **changes):
    with FakeAgent(f"{place.directory('d')}/orders.sock", status_answers(**changes)):
        return call("status", "--dir", place.path + "/d", *words, env=env)


def on_terminal(place, columns, env=None, **changes):
    """The page on a terminal of so many columns."""
    with FakeAgent(f"{place.directory('d')}/orders.sock", status_answers(**changes)):
        words = f"stty cols {columns} rows 50; exec {BIN} status --dir {place.path}/d"
        with Plain(["sh", "-c", words], tty=True, env={"COLUMNS": None, "TERM": "xterm", **(env or {})}) as page:
            page.wait()
            wait_until(lambda: ":6379" in page.out() and page.out().endswith("\n"), 5, page.said)
            return page.out().replace("\r\n", "\n")


def thread(**changes):
    return {**document()["processes"][0]["threads"][0], **changes}


def process(threads, **changes):
    return {**document()["processes"][0], "threads": threads, **changes}


def test_the_page(place):
    done = status(place)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == """\
orders, up 12.3s, at 2026-01-01T00:00:00.000Z
  live     alive
  ready    ready
  startup  done
  threads  1 live: 0 running, 1 idle, 0 lock, 0 io, 0 sleep, 0 unseen, 0 stuck
  agent    lifesign 0.1.0, pid 7, 0 restarts

process 41 redis-server, main, shim
  TID  NAME          ROLE  STATE  OP            FOR  BEATS  WAITS FOR
   41  redis-server  loop  idle   epoll_wait  400ms  20512

  LISTENER      QUEUE  BACKLOG  PID
  0.0.0.0:6379      0      511   41
"""


@pytest.mark.parametrize("live, ready, code", [(True, True, 0), (True, False, 1), (False, True, 1), (None, True, 1)])
def test_exit_status_is_alive_and_ready(place, live, ready, code):
    done = status(place, live={"ok": live, "verdict": "unknown", "reasons": []}, ready={"ok": ready, "reasons": []})
    assert done.returncode == code
    assert status(place, "--json", live={"ok": live}, ready={"ok": ready}).returncode == code


def test_reasons_are_told_whole(place):
    reasons = [{"code": "dependency_down", "since_seconds": 3.1, "held": None, "detail": "connect_timeout " * 12},
               {"code": "deadlock", "since_seconds": 90, "held": "observe", "detail": None}]
    done = status(place, ready={"ok": False, "reasons": reasons})
    text = " ".join(done.stdout.split())
    assert "ready not ready dependency_down for 3.1s " + "connect_timeout " * 12 + "deadlock for 1m30s held: observe" in text
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_waits_are_shown(place):
    threads = [thread(tid=1, waits_for={"kind": "lock", "object": "0x55f0c0ffee00", "owner": 42, "timed": False}),
               thread(tid=2, waits_for={"kind": "fd", "object": 7, "owner": None, "timed": True}), thread(tid=3, op=None)]
    out = status(place, processes=[process(threads)]).stdout
    assert "42's lock 0x55f0c0ffee00" in out or re.search(r"42's l\S*…|42's lock 0x55f0c\S*…", out)
    assert re.search(r" fd 7$", out, re.M)


@pytest.mark.parametrize("columns", [80, 100, 132])
def test_it_fits_the_terminal(place, columns):
    wide = thread(tid=4194304, name="a-very-long-nam", role="listener", state="running", op="pthread_cond_clockwait",
                  for_seconds=360000, beats=123456789012, waits_for={"kind": "lock", "object": "0x7fffffffffff", "owner": 4194303})
    verdict = {"ok": False, "reasons": [{"code": "pool_exhausted", "since_seconds": 1, "held": None, "detail": "word " * 40}]}
    out = on_terminal(place, columns, processes=[process([wide, thread()])], ready=verdict)
    plain = re.sub(r"\x1b\[\d*m", "", out)
    longest = max(map(len, plain.splitlines()))
    assert columns - 30 <= longest <= columns
    assert "not ready" in plain and " ".join(plain.split()).count("word") == 40
    assert (columns < 120) == ("…" in plain), "cells are cut only where there is no room"


def test_columns_of_the_environment(place):
    wide = thread(op="pthread_cond_clockwait", waits_for={"kind": "lock", "object": "0x7fffffffffff", "owner": 4194303})
    for columns in (60, 200):
        out = status(place, env={"COLUMNS": columns}, processes=[process([wide])]).stdout
        assert ("…" in out) == (columns < 100)
    assert status(place, env={"COLUMNS": "wide"}).returncode == 0
    assert status(place, env={"COLUMNS": "1"}).returncode == 0


def test_colours_are_for_terminals(place):
    assert "\x1b" not in status(place, env={"TERM": "xterm"}).stdout
    assert "\x1b[32malive\x1b[0m" in on_terminal(place, 80)
    assert "\x1b" not in on_terminal(place, 80, env={"NO_COLOR": "1"})
    assert "\x1b" not in on_terminal(place, 80, env={"TERM": "dumb"})


def test_long_lists_are_cut(place):
    threads = [thread(tid=i) for i in range(150)]
    listeners = [{"address": f"0.0.0.0:{i}", "queue": 0, "backlog": 1, "pid": 1} for i in range(50)]
    processes = [process(threads)] + [process([thread()], pid=i) for i in range(60)]
    out = status(place, processes=processes, listeners=listeners).stdout
    assert "… and 50 more (--json has all)" in out
    assert "… and 21 more processes (--json has all)" in out
    assert "… and 30 more (--json has all)" in out
    assert len(out.splitlines()) < 400


def test_json_is_the_document_as_it_is(place):
    text = '{"live":{"ok":true},  "ready":{"ok":true},"new":[1.50,null]}'
    with FakeAgent(f"{place.directory('d')}/orders.sock", {"/health/status": reply(200, text)}):
        done = call("status", "--json", "--dir", place.path + "/d")
    assert (done.returncode, done.stdout) == (0, text + "\n")


ODD = [{}, {"live": 5, "ready": "x", "startup": None, "workers": [], "processes": {}, "listeners": 1, "agent": []},
       {"service": 1, "uptime_seconds": "x", "live": {"ok": "yes", "reasons": [5, None, {"code": 7}]}},
       {"processes": [None, 5, {"threads": 7}, {"threads": [None, {"tid": "x", "for_seconds": -5, "waits_for": 7}]}]},
       {"uptime_seconds": 1e300, "processes": [{"pid": -1, "threads": [{"beats": 2**63 - 1, "waits_for": "x" * 500}]}]},
       {"service": "x" * 5000, "live": {"verdict": "y" * 5000, "reasons": [{"code": "z" * 5000, "detail": "w " * 5000}]}},
       {"processes": [{"coverage_why": "it is static: \n" * 50, "exe": "ä" * 300, "threads": [{"name": "ö" * 300}]}]},
       {"listeners": [{"address": "[" * 500}, {}]}]


@pytest.mark.parametrize("odd", ODD)
def test_odd_documents_are_shown_as_far_as_they_go(place, odd):
    with FakeAgent(f"{place.directory('d')}/orders.sock", {"/health/status": reply(200, json.dumps(odd))}):
        done = call("status", "--dir", place.path + "/d")
    assert done.returncode == 1 and "live" in done.stdout and not done.stderr


@pytest.mark.parametrize("text", ["", "[]", "7", "{", '{"a":', "\xff", '{"a":"\\u0000"}', "[" * 100000])
def test_what_is_no_document_is_3(place, text):
    with FakeAgent(f"{place.directory('d')}/orders.sock", {"/health/status": reply(200, text.encode("latin-1"))}):
        done = call("status", "--dir", place.path + "/d")
    assert done.returncode == 3 and done.stderr.startswith("lifesign: unix:"), done


def test_texts_cannot_move_the_cursor(place):
    evil = "a\x1b[2J\r\nb\x9bc"
    done = status(place, service=evil, agent={"version": evil, "config_error": evil},
                  live={"ok": False, "verdict": evil, "reasons": [{"code": evil, "held": evil, "detail": evil}]},
                  processes=[process([thread(name=evil, op=evil, role=evil, state=evil, waits_for={"kind": evil}),
                                      thread(waits_for=evil), thread(waits_for={"object": evil})], exe=evil)],
                  listeners=[{"address": evil}])
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", done.stdout)


def test_the_shortest_name_stands_apart(place):
    assert status(place, service="b").stdout.startswith("b, up 12.3s, at ")


# ---- --watch

def watch(place, **options):
    words = [BIN, "status", "--watch", "--dir", place.path + "/d"]
    return subprocess.Popen(words, env=clean_environment(), stdout=subprocess.PIPE, text=True, **options)


def test_watch_prints_blocks_until_it_is_interrupted(place):
    with FakeAgent(f"{place.directory('d')}/orders.sock", status_answers()) as agent:
        page = watch(place)
        wait_until(lambda: sum("/health/status" in request for request in agent.requests) >= 4, 20)  # the fourth is asked when the third is printed
        page.send_signal(signal.SIGINT)
        out, _ = page.communicate(timeout=15)
    assert page.returncode == 0
    assert "\x1b" not in out and out.count("\n\norders, up ") == out.count("orders, up ") - 1 >= 2


def test_watch_goes_on_while_the_agent_is_replaced(place):
    path = f"{place.directory('d')}/orders.sock"
    page = None
    try:
        with FakeAgent(path, status_answers()) as agent:
            page = watch(place, stderr=subprocess.DEVNULL)
            wait_until(lambda: agent.requests, 10)
        os.unlink(path)
        with FakeAgent(path, status_answers()) as agent:
            wait_until(lambda: agent.requests, 10)
    finally:
        if page:
            page.terminate()
            page.communicate(timeout=15)
    assert page.returncode in (0, 3)


def test_watch_without_an_agent_ends_at_once(place):
    place.directory("d")
    began = time.monotonic()
    assert call("status", "--watch", "--dir", place.path + "/d").returncode == 3
    assert call("status", "--watch", "--url", "http://127.0.0.1:1").returncode == 3
    assert time.monotonic() - began < 15


def test_watch_ends_when_nobody_reads(place):
    with FakeAgent(f"{place.directory('d')}/orders.sock", status_answers()):
        page = watch(place)
        page.stdout.close()
        page.wait(10)


def test_watch_redraws_a_terminal_and_ctrl_c_ends_it(place):
    with FakeAgent(f"{place.directory('d')}/orders.sock", status_answers()):
        with Plain([BIN, "status", "--watch", "--dir", place.path + "/d"], tty=True, env={"TERM": "xterm"}) as page:
            wait_until(lambda: page.out().count("\x1b[H\x1b[J") >= 2, 10, page.said)
            page.type(b"\x03")
            assert page.wait(15) == 0
