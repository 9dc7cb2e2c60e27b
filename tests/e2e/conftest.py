# SPDX-License-Identifier: Apache-2.0
"""Fixtures, and: a test that does not run is a test that failed."""
import pytest

import lifesign


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.skipped or hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid}: skipped, and a skipped test is a failed test: {call.excinfo}"


def pytest_collectreport(report):
    if report.skipped:
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid}: skipped while collecting"


@pytest.fixture
def place():
    """A private directory, removed at the end."""
    place = lifesign.Place()
    yield place
    place.remove()


def _starter(kind, place):
    started = []

    def start(command, **options):
        options.setdefault("place", place)
        started.append(kind(command, **options))
        return started[-1]

    def finish():
        for one in reversed(started):
            one.close()
    return start, finish


@pytest.fixture
def run(place):
    """run(COMMAND, options=[…], …) -> lifesign.Run; all are ended at the end of the test."""
    start, finish = _starter(lifesign.Run, place)
    yield start
    finish()


@pytest.fixture
def plain(place):
    """plain(COMMAND, …) -> lifesign.Plain: the same without lifesign."""
    start, finish = _starter(lifesign.Plain, place)
    yield start
    finish()
