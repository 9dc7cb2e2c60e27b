# SPDX-License-Identifier: Apache-2.0
"""Programs print, exit and fail the same with and without lifesign."""
import subprocess

import pytest

import lifesign

COMMANDS = [
    ["/bin/echo", "hello"],
    ["/bin/sh", "-c", "echo out; echo err >&2; exit 7"],
    ["/bin/bash", "-c", "for i in 1 2 3; do echo $i | cat | tr 1-3 a-c; done; printf '%s' \"$PPID\" >/dev/null"],
    ["/usr/bin/python3", "-c", "import threading,sys\n"
     "ts=[threading.Thread(target=sum,args=(range(1000),)) for _ in range(9)]\n"
     "[t.start() for t in ts]; [t.join() for t in ts]; print('done'); sys.exit(3)"],
    ["/usr/bin/perl", "-e", "print join(',', sort map {$_*2} 1..5), qq{\\n}; exit 4"],
    ["/usr/bin/redis-server", "--version"],
    ["/usr/sbin/nginx", "-V"],
    ["/bin/ls", "/definitely/not/there"],
    ["/bin/sort", "--parallel=4", "/etc/passwd"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: c[0].rsplit("/", 1)[1] + c[-1][:8].replace("/", ""))
def test_the_same_output_and_exit_status(place, command):
    plain = subprocess.run(command, env=lifesign.clean_environment(), capture_output=True, timeout=90, check=False)
    under = subprocess.run([lifesign.BIN, "run", "--dir", place.path, "--shim", lifesign.SHIM, "--listen", f"unix:{place.path}/l",
                            "--log-file", place.file("log"), "--", *command],
                           env=lifesign.clean_environment(), capture_output=True, timeout=90, check=False)
    assert (under.returncode, under.stdout, under.stderr) == (plain.returncode, plain.stdout, plain.stderr)


def test_a_pipe_of_binary_data_passes_unchanged(place):
    data = bytes(range(256)) * 4096
    done = subprocess.run([lifesign.BIN, "run", "--dir", place.path, "--shim", lifesign.SHIM, "--listen", f"unix:{place.path}/l",
                           "--", "/bin/cat"], input=data, env=lifesign.clean_environment(), capture_output=True, timeout=90, check=False)
    assert done.stdout == data
