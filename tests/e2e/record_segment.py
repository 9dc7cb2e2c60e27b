# SPDX-License-Identifier: Apache-2.0
"""Records a segment as the shim of today leaves it, for the readers of tomorrow.

    LIFESIGN_SHIM=… LIFESIGN_SUPPORT=… python3 tests/e2e/record_segment.py > tests/e2e/segments/MAJOR.MINOR.txt

Run once for each version of the ABI, by whoever raises it; a file that stands is never recorded again. In it are the
size, what each thread of a shim_zoo said of itself ("thread TID NUMBER CALL TIMED"), and every word that is not zero.
"""
import subprocess
import tempfile

from lifesign import wait_until
from shim_host import NUMBERS, SUPPORT, Host, is_mapped

CALLS = ["pthread_mutex_lock", "pthread_rwlock_rdlock", "pthread_cond_timedwait", "sem_wait", "syscall", "poll", "epoll_wait", "nanosleep",
         "read", "recv", "accept", "flock", "open", "waitpid", "msgrcv", "getline"]
TIMED = {"pthread_cond_timedwait", "nanosleep"}
SLOTS, PROCESSES = 64, 16


def parse(text):
    """(bytes of the segment, {tid: (number, call, timed)}) of a recording."""
    memory, threads = None, {}
    for line in text.splitlines():
        kind, *words = line.split() or ["#"]
        if kind == "bytes":
            memory = bytearray(int(words[0]))
        elif kind == "thread":
            threads[int(words[0])] = (int(words[1]), words[2], words[3] == "1")
        elif kind == "word":
            memory[int(words[0], 0):int(words[0], 0) + 8] = int(words[1], 0).to_bytes(8, "little")
    return memory, threads


def record():
    """Lines of a recording."""
    with tempfile.TemporaryDirectory() as directory:
        host = Host(slots=SLOTS, processes=PROCESSES)
        try:
            process = host.start([f"{SUPPORT}/shim_zoo", *CALLS], cwd=directory, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            threads = dict(line.split() for line in iter(process.stdout.readline, b"ready\n"))
            threads = {int(tid): call.decode() for tid, call in threads.items()}
            assert is_mapped(process.pid) and sorted(threads.values()) == sorted(CALLS)
            wait_until(lambda: all(host.slot(tid) and host.slot(tid).op == call for tid, call in threads.items()), 10, host.slots)
            header = host.header
            yield "# SPDX-License-Identifier: Apache-2.0"
            yield f"# What a shim of ABI {header.abi_major}.{header.abi_minor} left of a shim_zoo; made by record_segment.py, which says how to read it."
            yield f"bytes {host.bytes}"
            yield from (f"thread {tid} {NUMBERS[call]} {call} {int(call in TIMED)}" for tid, call in sorted(threads.items()))
            memory = host.memory[:]
            for at in range(0, host.bytes, 8):
                value = int.from_bytes(memory[at:at + 8], "little")
                if value:
                    yield f"word {at:#06x} {value:#x}"
            process.stdin.close()
            process.wait(10)
        finally:
            host.close()


if __name__ == "__main__":
    print("\n".join(record()))
