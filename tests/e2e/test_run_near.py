# SPDX-License-Identifier: Apache-2.0
"""How a program comes to its segment: by itself where it may look into the supervisor, else through the socket.
Not in the sanitizer trees: LeakSanitizer does not work under strace."""
import os
import subprocess

import pytest

import lifesign
from lifesign import SHIM


def started_under_strace(place, command):
    """What the programs under `lifesign run` asked the kernel for when they joined."""
    trace = place.file("trace")
    subprocess.run(["/usr/bin/strace", "-f", "-qq", "-o", trace, "-e", "trace=connect,readlinkat,execve", lifesign.BIN, "run", "--dir",
                    place.directory("d", mode=0o700), "--shim", SHIM, "--listen", f"unix:{place.path}/l", "--", *command],
                   env=lifesign.clean_environment(), stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=True)
    with open(trace, encoding="utf-8", errors="replace") as f:
        return f.read()


def test_who_may_look_into_the_supervisor_does_not_wake_it(place):
    text = started_under_strace(place, ["/bin/true"])
    assert '"/memfd:lifesign (deleted)"' in text and "@" + '"lifesign-segment' not in text, text


@pytest.mark.skipif(os.getuid() != 0, reason="changes its user")
def test_who_may_not_asks_the_socket(place):
    text = started_under_strace(place, ["/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "/bin/true"])
    assert '@"lifesign-segment' in text, text
