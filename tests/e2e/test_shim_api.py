# SPDX-License-Identifier: Apache-2.0
"""The optional header: what a service says itself stands in the segment, and without the shim it is nothing."""
import subprocess

import pytest

from lifesign import SOURCE, clean_environment, wait_until
from shim_host import SUPPORT, Host

QUEUE_DEPTH_KNOWN = 0x10  # PROCESS_QUEUE_DEPTH


@pytest.mark.parametrize("standard", ["c89", "gnu89", "c99", "c17"])
def test_the_header_is_for_old_services_too(place, standard):
    source = place.file("api.c", """#include <lifesign.h>
int main(void)
{
	lifesign_beat();
	lifesign_work_begin("x");
	lifesign_queue_depth(1);
	lifesign_work_end();
	return 0;
}
""")
    subprocess.run(["cc", f"-std={standard}", "-pedantic", "-Wall", "-Wextra", "-Werror", f"-I{SOURCE}/include", source, "-o", source[:-2]],
                   check=True, timeout=60)
    assert subprocess.run([source[:-2]], env=clean_environment(), check=False, timeout=20).returncode == 0


@pytest.mark.parametrize("program", ["example_service", "example_service-musl"])
def test_the_example_is_the_same_without_the_shim(program):
    done = subprocess.run([f"{SUPPORT}/{program}"], input="100\n", stdout=subprocess.PIPE, env=clean_environment(), text=True, check=True)
    assert done.stdout == "25 primes below 100\n"


@pytest.mark.parametrize("program", ["example_service", "example_service-musl"])
def test_work_progress_and_queue_are_seen(program):
    host = Host()
    try:
        process = host.start([f"{SUPPORT}/{program}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

        def worker():
            return next((s for s in host.slots(process.pid) if s.tid != process.pid), None)
        idle = wait_until(lambda: worker() and worker().op == "pthread_cond_wait" and worker(), 30, host.slots)
        process.stdin.write(b"50000000\n")
        process.stdin.flush()
        busy = wait_until(lambda: worker().op == "lifesign_shim_work_begin" and worker(), 30, host.slots)
        wait_until(lambda: worker().entries > busy.entries + 10, 30, "beats while it computes")
        assert busy.entries > idle.entries
        process.stdin.write(b"7\n8\n")
        process.stdin.flush()
        wait_until(lambda: host.processes(process.pid)[0].queue_depth >= 1, 30, "two jobs wait")
        assert host.processes(process.pid)[0].flags & QUEUE_DEPTH_KNOWN
    finally:
        host.close()
