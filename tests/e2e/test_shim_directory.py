# SPDX-License-Identifier: Apache-2.0
# ctest: timeout=120
"""LIFESIGN_DIR without LIFESIGN_SEGMENT: the shim asks DIR/join for its segment, creates nothing, and stands aside when it is odd."""
import os
import subprocess
import time

import pytest

from lifesign import clean_environment, wait_until
from shim_host import SHIM, Host, is_mapped

NOBODY = 65534
LONGEST = 107 - len("/join")  # of a socket's path


def run(env, **options):
    """(exit status, what it said, the shim was mapped) of a shell that looks at itself."""
    process = subprocess.run(["/bin/sh", "-c", "grep -c liblifesign /proc/$$/maps; exit 7"], env=env, stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=20, check=False, **options)
    count, _, said = process.stdout.decode().partition("\n")
    return process.returncode, said, count.isdigit() and int(count) > 0


@pytest.fixture
def served(place):
    host = Host(directory=place.directory("served"))
    yield host
    host.close()


def test_a_bare_preload_joins_and_creates_no_file(served):
    before = os.listdir(served.directory)
    process = served.start(["sleep", "1000"])
    wait_until(lambda: served.processes(process.pid), what="sleep to join")
    assert is_mapped(process.pid) and served.grants == 1
    assert os.listdir(served.directory) == before == ["join"]
    assert sorted(os.listdir(f"/proc/{process.pid}/fd")) == ["0", "1", "2"]


def test_a_program_that_it_starts_asks_for_itself(served):
    process = served.start(["/usr/bin/python3", "-c", "import subprocess; subprocess.run(['sleep', '1000'])"])
    wait_until(lambda: served.grants == 2, what="both to join")
    with open(f"/proc/{process.pid}/task/{process.pid}/children", encoding="ascii") as f:
        child = int(f.read().split()[0])
    wait_until(lambda: served.processes(child), what="sleep to join")
    assert is_mapped(child) and served.processes(process.pid)
    os.kill(child, 15)


def test_another_user_joins_as_far_as_the_socket_lets_it(served):
    process = served.start(["sleep", "1000"], user=NOBODY)
    wait_until(lambda: served.processes(process.pid), what="nobody's sleep to join")
    assert is_mapped(process.pid)


def test_another_network_namespace_is_no_hindrance(served):
    process = served.start(["unshare", "-n", "sleep", "1000"])
    wait_until(lambda: served.grants == 2, what="unshare and then sleep to join")
    wait_until(lambda: os.readlink(f"/proc/{process.pid}/exe").endswith("sleep"), what="sleep")
    assert is_mapped(process.pid) and served.processes(process.pid)
    assert os.readlink(f"/proc/{process.pid}/ns/net") != os.readlink("/proc/self/ns/net")


def test_a_named_segment_decides_alone(served):
    for name in ("", "@nobody-listens-here"):
        status, out, mapped = run(served.env({"LIFESIGN_SEGMENT": name}))
        assert (status, out, mapped, served.grants) == (7, "", True, 0)


def test_disabled_by_the_environment(served):
    status, out, mapped = run(served.env({"LIFESIGN_DISABLE": "1"}))
    assert (status, out, mapped, served.grants) == (7, "", True, 0)


def odd(place, kind):
    """The LIFESIGN_DIR of that kind."""
    if kind == "a file":
        return place.file("file", "text")
    if kind == "join is a file":
        directory = place.directory("plain")
        with open(os.path.join(directory, "join"), "w", encoding="ascii") as f:
            f.write("text")
        return directory
    if kind == "not readable":
        return place.directory("closed", mode=0o700)
    return {"none": "/nobody/is/here", "empty": "", "relative": "served", "root": "/", "long": "/" + "x" * LONGEST, "longest": "/" + "x" * 5000}[kind]


@pytest.mark.parametrize("kind", ["none", "empty", "relative", "root", "long", "longest", "a file", "join is a file", "not readable"])
def test_a_directory_that_leads_nowhere_is_silent(place, kind):
    directory = odd(place, kind)
    user = {"user": NOBODY} if kind == "not readable" else {}
    start = time.monotonic()
    status, out, mapped = run(clean_environment({"LD_PRELOAD": SHIM, "LIFESIGN_DIR": directory}), cwd="/", **user)
    assert (status, out, mapped) == (7, "", True)
    assert time.monotonic() - start < 5


def test_a_directory_that_may_not_be_entered_is_not(place):
    host = Host(directory=place.directory("closed", mode=0o700))
    try:
        os.chmod(host.directory, 0o700)
        status, out, mapped = run(host.env(), user=NOBODY, cwd="/")
        assert (status, out, mapped, host.grants) == (7, "", True, 0)
    finally:
        host.close()


def test_an_agent_that_does_not_answer_costs_little(place):
    host = Host(directory=place.directory("silent"), answer=False)
    try:
        start = time.monotonic()
        for _ in range(5):
            assert run(host.env()) == (7, "", True)
        assert time.monotonic() - start < 5
    finally:
        host.close()
