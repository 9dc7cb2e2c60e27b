# ctest: timeout=300
# SPDX-License-Identifier: Apache-2.0
"""Supervisor and agent under valgrind: no error, nothing definitely lost, while they serve and when they end."""
import glob
import re

from lifesign import Run, SUPPORT, free_port

PATHS = ("/livez", "/readyz?verbose", "/startupz", "/health", "/health/status", "/metrics", "/nowhere", "/readyz/nobody")


def test_nothing_is_misread_or_lost(place):
    # COMMAND itself runs on the real CPU: valgrind does not follow exec, but it does follow the agent's fork
    valgrind = ["valgrind", "--trace-children=no", "--leak-check=full", "--errors-for-leak-kinds=definite",
                "--error-exitcode=99", "--child-silent-after-fork=no", f"--log-file={place.path}/valgrind.%p"]
    command = [f"{SUPPORT}/tiny_server", str(free_port())]
    with Run(command, place=place, wrap=valgrind, up=60) as run:
        run.wait_started(60)
        for _ in range(5):
            for path in PATHS:
                for unix in (False, True):
                    assert run.get(path, unix=unix, timeout=30).status in (200, 404), path
        assert run.get("/metrics", headers={"Accept": "application/openmetrics-text"}, timeout=30).status == 200
        status = run.stop(seconds=60)
        reports = {name: open(name, encoding="utf-8").read() for name in glob.glob(f"{place.path}/valgrind.*")}
        assert len(reports) >= 2, "supervisor and agent each leave a report"
        for name, report in reports.items():
            summaries = re.findall(r"ERROR SUMMARY: (\d+) errors", report)
            assert summaries and set(summaries) == {"0"}, f"{name}:\n{report}"
        assert status == 0, run.said()
