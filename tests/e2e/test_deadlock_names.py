# ctest: timeout=120
# SPDX-License-Identifier: Apache-2.0
"""A proof names its locks: in the status, the log and the note of death; a disk that hangs keeps nobody waiting."""
import ctypes
import json
import os
import re
import shutil
import time

import jsonschema

from lifesign import SOURCE, SUPPORT, call, holds_for, wait_until

WAITS = os.path.join(SUPPORT, "explain_waits")
FAN_CLASS_CONTENT, FAN_CLOEXEC_NONBLOCK, FAN_MARK_ADD, FAN_OPEN_PERM, AT_FDCWD = 4, 3, 1, 0x10000, -100


def reason_of(started):
    return next((r for r in started.status()["live"]["reasons"] if r["code"] == "deadlock"), None)


def symbols_of(started):
    reason = reason_of(started)
    return [link["symbol"] for link in reason["chain"]] if reason else None


class HangingFile:
    """Whoever opens it sleeps in the kernel, as on a disk that does not answer, until let_go()."""

    def __init__(self, path):
        libc = ctypes.CDLL(None, use_errno=True)
        libc.fanotify_mark.argtypes = [ctypes.c_int, ctypes.c_uint, ctypes.c_uint64, ctypes.c_int, ctypes.c_char_p]
        self.fd = libc.fanotify_init(FAN_CLASS_CONTENT | FAN_CLOEXEC_NONBLOCK, os.O_RDONLY)
        assert self.fd >= 0 and libc.fanotify_mark(self.fd, FAN_MARK_ADD, FAN_OPEN_PERM, AT_FDCWD, path.encode()) == 0, ctypes.get_errno()

    def let_go(self):
        os.close(self.fd)


def test_symbols_in_status_log_and_page(run):
    started = run([WAITS, "abba"])
    symbols = wait_until(lambda: (s := symbols_of(started)) and all(s) and s, 10, started.status)
    assert sorted(s.split(",")[0] for s in symbols) == ["accounts", "journal"]
    assert all(re.fullmatch(r"\w+, explain_waits\+0x[0-9a-f]+", s) for s in symbols)
    line = wait_until(lambda: next((line for line in started.err().splitlines() if "lifesign: deadlock: " in line), None), 15)
    with open(os.path.join(SOURCE, "agent/deploy/status.schema.json"), encoding="utf-8") as schema:
        jsonschema.validate(started.status(), json.load(schema))
    words = re.fullmatch(r"lifesign: deadlock: (poster) \(\d+\) waits for mutex 0x\w+ \(accounts, explain_waits\+0x\w+\) held by rotator \(\d+\), "
                         r"which waits for mutex 0x\w+ \(journal, explain_waits\+0x\w+\) held by poster \(\d+\)(; 2 threads wait behind them)?", line)
    assert words, line
    wait_until(lambda: reason_of(started)["detail"].endswith("; 2 threads wait behind them"), 15, started.status)
    shown = " ".join(call("status", "--dir", started.dir).stdout.split())
    assert "(journal, explain_waits+0x" in shown and "2 threads wait behind them" in shown


def test_a_disk_that_hangs_keeps_nobody_waiting(run, place):
    program = place.file("copied_waits")
    shutil.copy(WAITS, program)
    started = run([program, "abba"])
    wait_until(lambda: "ready" in started.out(), 10, started.said, every=0.005)
    agent, hanging = started.agent(), HangingFile(program)
    try:
        began = time.monotonic()
        wait_until(lambda: started.get("/livez").status == 503, 10, started.status)
        said = wait_until(lambda: "lifesign: deadlock: " in started.err() and started.err(), 10, started.status)
        assert time.monotonic() - began < 8 and "copied_waits+0x" not in said
        assert symbols_of(started) == [None, None]
        holds_for(lambda: started.get("/livez").status == 503 and started.agent() == agent, 3, started.said)
        beats = started.status()["time"]
        wait_until(lambda: started.status()["time"] > beats, 15)  # its sampler goes on
    finally:
        hanging.let_go()
    wait_until(lambda: all(symbols_of(started)), 10, started.status)


def test_an_agent_without_rights_names_them_too(run):
    started = run([WAITS, "three"], user="daemon")
    symbols = wait_until(lambda: (s := symbols_of(started)) and all(s) and s, 10, started.status)
    assert sorted(s.split(",")[0] for s in symbols) == ["accounts", "index_lock", "journal"]
