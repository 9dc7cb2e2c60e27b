# ctest: nightly serial timeout=1800
# SPDX-License-Identifier: Apache-2.0
"""The tarball in whole other Debians, older and newer than the one it was built on: needs the package archive."""
import subprocess

import pytest

import packages
from lifesign import free_port, mapped

SUITES = {"bullseye": "2.31", "trixie": "2.41"}  # with their glibc


@pytest.mark.parametrize("suite", SUITES)
def test_tarball_in_another_debian(suite, run, place):
    root = place.directory("root")
    subprocess.run(["debootstrap", "--variant=minbase", "--include=python3-minimal,libpython3-stdlib", suite, root],
                   check=True, capture_output=True, timeout=900)
    top = packages.unpack(packages.make("TGZ", place.path), f"{root}/opt")
    libc = subprocess.run(["chroot", root, "/usr/bin/ldd", "--version"], capture_output=True, text=True, check=True).stdout
    assert SUITES[suite] in libc.splitlines()[0]
    command = ["/usr/bin/python3", "-m", "http.server", str(free_port()), "--bind", "127.0.0.1"]
    started = run(command, program=f"/opt/{top}/bin/lifesign", shim=None, wrap=packages.enter(root), root=root)
    started.wait_started()
    process = started.status()["processes"][0]
    assert process["coverage"] == "shim" and mapped(process["pid"]), started.said()
    started.stop()
