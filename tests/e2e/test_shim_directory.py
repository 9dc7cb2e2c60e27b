# SPDX-License-Identifier: Apache-2.0
# ctest: timeout=240
"""LIFESIGN_DIR without LIFESIGN_SEGMENT: the shim asks DIR/join for its segment, creates nothing, and stands aside when it is odd."""
import contextlib
import os
import subprocess
import time

import pytest

from lifesign import children, clean_environment, wait_until
from shim_host import SHIM, Host, is_mapped

NOBODY = 65534
LONGEST = 107 - len("/join")  # of a socket's path


def run(env, **options):
    """(exit status, what it said, the shim was mapped) of a shell that looks at itself."""
    process = subprocess.run(["/bin/sh", "-c", "grep -c liblifesign /proc/$$/maps; exit 7"], env=env, stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=90, check=False, **options)
    count, _, said = process.stdout.decode().partition("\n")
    return process.returncode, said, count.isdigit() and int(count) > 0


def start(served, command, has_joined, **options):
    """Begun again when a shim was not answered within its 20 ms, as on a machine that stood still."""
    for _ in range(5):
        process = served.start(command, **options)
        with contextlib.suppress(AssertionError):
            wait_until(lambda: has_joined(process), 5)  # pylint: disable=cell-var-from-loop
            return process
        process.kill()
        process.wait()
    raise AssertionError(f"{command} never joined: {served.processes()}")


@pytest.fixture
def served(place):
    host = Host(directory=place.directory("served"))
    yield host
    host.close()


def test_a_bare_preload_joins_and_creates_no_file(served):
    before = os.listdir(served.directory)
    process = start(served, ["sleep", "1000"], lambda sleep: served.processes(sleep.pid))
    assert is_mapped(process.pid) and served.grants >= 1
    assert os.listdir(served.directory) == before == ["join"]
    assert sorted(os.listdir(f"/proc/{process.pid}/fd")) == ["0", "1", "2"]


def test_a_program_that_it_starts_asks_for_itself(served):
    def both(python):
        found = children(python.pid)
        return found and served.processes(found[0]) and served.processes(python.pid)
    process = start(served, ["/usr/bin/python3", "-c", "import subprocess; subprocess.run(['sleep', '60'])"], both)
    child, = children(process.pid)
    assert is_mapped(child)
    os.kill(child, 15)


def test_another_user_joins_as_far_as_the_socket_lets_it(served):
    process = start(served, ["sleep", "1000"], lambda sleep: served.processes(sleep.pid), user=NOBODY)
    assert is_mapped(process.pid)


def test_another_network_namespace_is_no_hindrance(served):
    def both(sleep):
        return os.readlink(f"/proc/{sleep.pid}/exe").endswith("sleep") and len(served.processes(sleep.pid)) == 2
    process = start(served, ["unshare", "-n", "sleep", "1000"], both)
    assert is_mapped(process.pid)
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
