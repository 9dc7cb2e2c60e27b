# ctest: nightly serial timeout=2400
# SPDX-License-Identifier: Apache-2.0
"""Whole other Debians, older and newer than the one it was built on: the tarball runs there, and so do all tests of
the shim that need no big service, built there, against that glibc and that musl. Needs the package archive."""
import os
import re
import shutil
import subprocess

import pytest

import packages
from lifesign import BIN, SHIM, SOURCE, Place, clean_environment, free_port, mapped, wait_until

SUITES = {"bullseye": ("2.31", "1.2.2", "libtcmalloc-minimal4"), "trixie": ("2.41", "1.2.5", "libtcmalloc-minimal4t64")}  # glibc, musl
INCLUDE = ("python3,python3-pytest,gcc,g++,libc6-dev,musl-tools,strace,make,perl,procps,libcap2-bin,busybox-static,libjemalloc2,libfaketime,"
           "libfakeroot")
PROGRAMS = ["shim_zoo", "shim_moves", "shim_forks", "shim_errno", "shim_limits", "shim_traps", "shim_confined", "shim_storms", "example_service"]
TESTS = ["zoo", "moves", "api", "same", "company", "quiet", "directory", "traps", "traps_built", "versions"]
LEAST = 235  # tests that have to pass in each, of those
NOT_INSTALLED = ["clang", "node", "java", "redis", "nginx", "postgres", "git", "go_runs"]
NOT_IN_A_CHROOT = ["without_tmpfs", "two_containers", "pid_that_is_used_again", "agent_shows"]  # mounts of its own, a running agent
NOT_POSSIBLE = {
    "bullseye": ["call_once",  # an exception through pthread_once hangs in this glibc, with and without the shim
                 "cplusplus",  # no <latch>, no <semaphore> in its g++
                 "however_the_shim"],  # its headers do not declare what is wrapped; the shim is built on Debian 12
    "trixie": []}


class Debian:
    def __init__(self, suite, place):
        self.suite, self.passed = suite, 0
        self.root = place.directory("root")
        subprocess.run(["debootstrap", "--variant=minbase", f"--include={INCLUDE},{SUITES[suite][2]}", suite, self.root], check=True,
                       capture_output=True, timeout=1200)
        self.lifesign = f"/opt/{packages.unpack(packages.make('TGZ', place.path), self.root + '/opt')}/bin/lifesign"
        self.env = prepare(self.root)


@pytest.fixture(scope="module", params=SUITES, name="debian")
def debian_root(request):
    place = Place()
    yield Debian(request.param, place)
    place.remove()


def prepare(root):
    """Sources, the shim under test and programs that were built there; the environment that names them."""
    for name in ("include", "shim", "tests"):
        shutil.copytree(f"{SOURCE}/{name}", f"{root}/src/{name}")
    for directory in ("lib", "support", "bin"):
        os.makedirs(f"{root}/test/{directory}")
    shutil.copy(SHIM, f"{root}/test/lib/liblifesign.so")
    shutil.copy(BIN, f"{root}/test/bin/lifesign")  # looked at, never run
    for name in PROGRAMS:
        with open(f"{SOURCE}/tests/support/{name}.c", encoding="utf-8") as f:
            words = re.search(r"^/\* build: (.*) \*/$", f.read(), re.M).group(1).split()
        flags = ["-std=c17", "-D_GNU_SOURCE", "-O1", "-g", "-I/src/include", f"/src/tests/support/{name}.c",
                 *(word for word in words if word not in ("musl", "rooms"))]
        compile_there(root, "gcc", [*flags, "-o", f"/test/support/{name}", "-lrt", "-ldl"])
        if "musl" in words:
            compile_there(root, "musl-gcc", [*flags, "-o", f"/test/support/{name}-musl"])
    return {"LIFESIGN_BIN": "/test/bin/lifesign", "LIFESIGN_SHIM": "/test/lib/liblifesign.so", "LIFESIGN_SUPPORT": "/test/support",
            "LIFESIGN_SOURCE": "/src", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/tmp"}


def compile_there(root, compiler, words):
    subprocess.run(["chroot", root, compiler, *words], check=True, env=clean_environment())


def test_it_has_the_libcs_it_should_have(debian):
    glibc, musl, _ = SUITES[debian.suite]
    said = subprocess.run(["chroot", debian.root, "/usr/bin/ldd", "--version"], capture_output=True, text=True, check=True).stdout
    assert glibc in said.splitlines()[0]
    said = subprocess.run(["chroot", debian.root, "/lib/ld-musl-x86_64.so.1"], capture_output=True, text=True, check=False).stderr
    assert f"Version {musl}" in said


@pytest.mark.parametrize("name", TESTS)
def test_the_shims_own_tests_pass_there(debian, name):
    words = " and ".join(f"not {word}" for word in NOT_INSTALLED + NOT_IN_A_CHROOT + NOT_POSSIBLE[debian.suite])
    inside = f"cd /src/tests/e2e && exec /usr/bin/python3 -B -m pytest -q -p no:cacheprovider test_shim_{name}.py -k '{words}'"
    done = subprocess.run([*packages.enter(debian.root), "/bin/sh", "-c", inside], env=debian.env, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=600, check=False)
    print(debian.suite, name, done.stdout.splitlines()[-1:])
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    debian.passed += int(re.search(r"(\d+) passed", done.stdout).group(1))


def test_there_were_as_many_as_there_should_be(debian):
    """Words that leave out a test by chance must not leave out many."""
    assert debian.passed >= LEAST


def test_the_tarball_runs_there_and_sees_threads(debian, run):
    command = ["/usr/bin/python3", "-m", "http.server", str(free_port()), "--bind", "127.0.0.1"]
    started = run(command, program=debian.lifesign, shim=None, wrap=packages.enter(debian.root), root=debian.root)
    started.wait_started()
    process = started.status()["processes"][0]
    assert process["coverage"] == "shim" and mapped(process["pid"]), started.said()
    wait_until(lambda: [t for t in started.threads() if (t["op"], t["state"]) == ("poll", "idle")], 10, started.threads)
    started.stop()
