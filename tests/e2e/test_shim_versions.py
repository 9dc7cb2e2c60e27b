# ctest: timeout=120
# SPDX-License-Identifier: Apache-2.0
"""Old shim with new agent and new shim with old agent (T35): another major version stands aside, silently; another
minor one is no difference. What each version left is recorded in segments/; unit.view_recorded reads it as the agent does."""
import glob
import os
import subprocess

import pytest

import record_segment
from lifesign import SOURCE, wait_until
from shim_host import ENTRY_BYTES, HEADER_BYTES, NUMBERS, Host

RECORDINGS = sorted(glob.glob(f"{SOURCE}/tests/e2e/segments/*.txt"))
REPLAY = f"{SOURCE}/tests/e2e/programs/replay.py"
LOOK = "grep -c liblifesign.so /proc/$$/maps; exit 7"


def end_of(host):
    """(pid, status, lines) of a shell that looks whether it has the shim."""
    process = subprocess.Popen(["/bin/sh", "-c", LOOK], env=host.env(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True)
    out, _ = process.communicate(timeout=20)
    assert int(out.splitlines()[0]) > 0, "the shim is not mapped"
    return process.pid, process.returncode, out.splitlines()[1:]


# ---- this shim, a supervisor of another version

@pytest.mark.parametrize("minor", [1, 2, 255, 65535])
def test_a_supervisor_of_a_later_minor_version_is_joined(minor):
    host = Host(change={"abi_minor": minor, "reserved0": 0xffffffff})
    try:
        pid, status, said = end_of(host)
        assert (status, said) == (7, []) and host.processes(pid)
        assert host.header.abi_minor == minor and host.header.threads_started >= 1
    finally:
        host.close()


@pytest.mark.parametrize("change", [
    {"abi_major": 0}, {"abi_major": 2}, {"abi_major": 2, "abi_minor": 1}, {"abi_major": 65535}, {"abi_major": 0x100},
    {"slot_bytes": 64}, {"slot_bytes": 256}, {"slot_bytes": 136}, {"process_bytes": 64}, {"process_bytes": 256}])
def test_a_supervisor_of_another_major_version_is_left_alone_in_silence(change):
    """Other sizes are another major version, says segment.h: not one byte is written into such a segment."""
    host = Host(slots=64, processes=64, change=change, near=False)
    try:
        before = host.memory[:]
        _, status, said = end_of(host)
        assert (status, said, host.grants > 0) == (7, [], True)
        assert host.memory[:] == before
    finally:
        host.close()


def test_a_header_that_has_grown_is_no_hindrance():
    """The tables begin where the header says."""
    grown = HEADER_BYTES
    host = Host(slots=64, processes=64)
    try:
        count = host.process_count // 2  # the second half of the processes' table is the table now
        host.set("header_bytes", HEADER_BYTES + grown)
        host.set("process_count", count)
        host.set("process_offset", HEADER_BYTES + count * ENTRY_BYTES)
        pid, status, said = end_of(host)
        assert (status, said) == (7, [])
        assert [p.index >= count for p in host.processes(pid)] == [True]
    finally:
        host.close()


# ---- this agent, a shim of another version

@pytest.mark.parametrize("version", ["today", "tomorrow"])
@pytest.mark.parametrize("recording", RECORDINGS, ids=os.path.basename)
def test_the_agent_shows_the_threads_of_another_shim(run, recording, version):
    command = ["/usr/bin/env", "-u", "LD_PRELOAD", "/usr/bin/python3", "-u", REPLAY, recording, version]
    started = run(command, options=["--slots", "256"])
    wait_until(lambda: "ready" in started.out(), 30, started.said)
    expected = {int(tid): None if call == "null" else call for tid, call in
                (line.split() for line in started.out().splitlines() if line != "ready")}
    assert len(expected) >= 16

    def shown():
        return {t["tid"]: t["op"] for t in started.threads() if t["tid"] in expected}
    wait_until(lambda: shown() == expected, 30, lambda: (expected, shown(), started.status()["processes"]))
    assert started.status()["processes"][0]["coverage"] == "shim"
    assert started.get("/livez").status == 200
    beats = [t["beats"] for t in started.threads() if t["tid"] in expected]
    assert min(beats) >= 1


def test_a_recording_stands_for_this_version_of_the_abi():
    """Raise the version: record it (record_segment.py). The numbers of calls never change meaning."""
    host = Host()
    try:
        now = f"{host.header.abi_major}.{host.header.abi_minor}"
        assert f"{now}.txt" in [os.path.basename(r) for r in RECORDINGS]
        for path in RECORDINGS:
            with open(path, encoding="utf-8") as f:
                _, threads = record_segment.parse(f.read())
            assert len(threads) >= 16 and all(NUMBERS[call] == number for number, call, _ in threads.values())
    finally:
        host.close()


def test_the_script_records_what_is_recorded():
    """Same threads, same words but those of addresses, pids and times."""
    with open(f"{SOURCE}/tests/e2e/segments/1.0.txt", encoding="utf-8") as f:
        old_memory, old = record_segment.parse(f.read())
    new_memory, new = record_segment.parse("\n".join(record_segment.record()))
    assert sorted(old.values()) == sorted(new.values())
    assert old_memory[:56] == new_memory[:56], "the same geometry"
