# ctest: timeout=300
# SPDX-License-Identifier: Apache-2.0
"""Supervisor and agent under valgrind: no error, nothing definitely lost, while they serve and when they end."""
import glob
import re

from lifesign import Run, SUPPORT, free_port, holds_for

PATHS = ("/livez", "/readyz?verbose", "/startupz", "/health", "/health/status", "/metrics", "/nowhere", "/readyz/nobody")


def test_nothing_is_misread_or_lost(place):
    # COMMAND itself runs on the real CPU: valgrind does not follow exec, but it does follow the agent's fork
    valgrind = ["valgrind", "--trace-children=no", "--leak-check=full", "--errors-for-leak-kinds=definite",
                "--error-exitcode=99", "--child-silent-after-fork=no", f"--log-file={place.path}/valgrind.%p"]
    command = [f"{SUPPORT}/tiny_server", str(free_port())]
    with Run(command, place=place, wrap=valgrind, up=60) as run:
        run.wait_started(60)
        # long enough for the agent to look again at everything that it looks at now and then
        holds_for(lambda: all(run.get(path, unix=unix, timeout=30).status in (200, 404) for path in PATHS for unix in (False, True)), 4)
        assert run.get("/metrics", headers={"Accept": "application/openmetrics-text"}, timeout=30).status == 200
        status = run.stop(seconds=60)
        reports = {name: open(name, encoding="utf-8").read() for name in glob.glob(f"{place.path}/valgrind.*")}
        # a report without a summary is of the child that became COMMAND
        summaries = {name: re.findall(r"ERROR SUMMARY: (\d+) errors", report) for name, report in reports.items()}
        assert len([found for found in summaries.values() if found]) >= 2, f"supervisor and agent, not {summaries}"
        for name, found in summaries.items():
            assert set(found) <= {"0"}, f"{name}:\n{reports[name]}"
        assert status == 0, run.said()
