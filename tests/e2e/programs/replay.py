# SPDX-License-Identifier: Apache-2.0
"""A shim of another version, as far as an agent can tell: writes recorded slots into its segment under its own name.

replay.py RECORDING today|tomorrow [seconds]: each recorded thread becomes one of this process's threads, which waits.
`tomorrow` fills whatever 1.0 keeps reserved, and one thread is in an operation that no table of today has.
Prints "TID CALL" for each and "ready".
"""
import array
import ctypes
import mmap
import os
import socket
import struct
import sys
import threading
import time

PROCESS_RESERVED = slice(64, 128)
UNKNOWN = 0xffff | 0xfff << 48


def join():
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as link:
        link.connect("\0" + os.environ["LIFESIGN_SEGMENT"][1:])
        data, found, _, _ = link.recvmsg(64, socket.CMSG_SPACE(4))
    fds = array.array("i", found[0][2])
    return mmap.mmap(fds[0], struct.unpack_from("<QQ", data)[1])


def parse(path):
    memory, threads = bytearray(), {}
    with open(path, encoding="utf-8") as f:
        for line in f:
            words = line.split()
            if words[0] == "bytes":
                memory = bytearray(int(words[1]))
            elif words[0] == "thread":
                threads[int(words[1])] = words[3]
            elif words[0] == "word":
                struct.pack_into("<Q", memory, int(words[1], 0), int(words[2], 0))
    return memory, threads


def tables(memory):
    """(offset, bytes, count) of processes and slots."""
    size, count, offset, slot_size, slot_count, slot_offset = struct.unpack_from("<IIQIIQ", memory, 16)
    return (offset, size, count), (slot_offset, slot_size, slot_count)


class Replay:
    def __init__(self, path, tomorrow):
        self.old, self.threads = parse(path)
        self.new, self.tomorrow = join(), tomorrow
        self.stamp = ctypes.c_uint64(time.clock_gettime_ns(time.CLOCK_BOOTTIME))
        self.generation = 1 << 32
        self.last = 0  # tid of the thread that was made last

    def free_place(self, table):
        offset, size, count = tables(self.new)[table]
        claimed = offset if table == 0 else offset + 64
        return next(i for i in range(count) if struct.unpack_from("<Q", self.new, claimed + i * size) == (0,))

    def process(self):
        at, size, _ = tables(self.old)[0]
        entry = bytearray(self.old[at:at + size])
        index = self.free_place(0)
        if self.tomorrow:
            entry[PROCESS_RESERVED] = b"\xff" * 64
            struct.pack_into("<I", entry, 24, 0xffffff00)  # flags that nobody knows
        struct.pack_into("<Q", entry, 0, self.generation | os.getpid())
        struct.pack_into("<I", entry, 8, os.getppid())
        struct.pack_into("<Q", entry, 16, self.stamp.value)
        struct.pack_into("<Q", entry, 56, ctypes.addressof(self.stamp))
        offset, new_size, _ = tables(self.new)[0]
        self.new[offset + index * new_size:offset + index * new_size + size] = bytes(entry)
        return index

    def slot(self, recorded, process, call=None):
        """Of the calling thread."""
        offset, size, count = tables(self.old)[1]
        tids = {struct.unpack_from("<I", self.old, offset + i * size + 72)[0]: i for i in range(count)}
        entry = bytearray(self.old[offset + tids[recorded] * size:offset + (tids[recorded] + 1) * size])
        index = self.free_place(1)
        struct.pack_into("<QIIQ", entry, 64, self.generation | os.getpid(), threading.get_native_id(), process,
                         time.clock_gettime_ns(time.CLOCK_BOOTTIME))  # a thread that began after its claim is another one
        if call is not None:
            struct.pack_into("<Q", entry, 0, call)
        new_offset, new_size, _ = tables(self.new)[1]
        self.new[new_offset + index * new_size:new_offset + index * new_size + size] = bytes(entry)

    def run(self):
        process = self.process()
        known = sorted(self.threads)
        for i, tid in enumerate(known):
            unknown = self.tomorrow and i == len(known) - 1
            self.play(tid, process, UNKNOWN if unknown else None)
            print(self.last, "null" if unknown else self.threads[tid], flush=True)
        print("ready", flush=True)
        time.sleep(float(sys.argv[3]) if len(sys.argv) > 3 else 1000)

    def play(self, tid, process, call):
        if not self.last:  # the main thread is the first
            self.last = threading.get_native_id()
            self.slot(tid, process, call)
            return
        ready = threading.Event()

        def body():
            self.last = threading.get_native_id()
            self.slot(tid, process, call)
            ready.set()
            threading.Event().wait()
        threading.Thread(target=body, daemon=True).start()
        ready.wait()


Replay(sys.argv[1], sys.argv[2] == "tomorrow").run()
