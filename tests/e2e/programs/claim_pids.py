# SPDX-License-Identifier: Apache-2.0
"""claim_pids.py FIRST COUNT: a hostile child. Writes pids FIRST… over all process entries of the segment it has inherited."""
import ctypes
import select
import struct
import sys
import time

with open("/proc/self/maps", encoding="utf-8") as maps:
    start = int(next(line for line in maps if "/memfd:lifesign" in line).split("-")[0], 16)
header = ctypes.string_at(start, 56)
count, = struct.unpack_from("<I", header, 20)
offset, = struct.unpack_from("<Q", header, 24)
first, pids = int(sys.argv[1]), int(sys.argv[2])
rounds = 0
while True:
    for i in range(count):
        entry = start + offset + 128 * i
        ctypes.c_uint64.from_address(entry + 16).value = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        ctypes.c_uint64.from_address(entry).value = 7 << 32 | (first + i % pids)
    ctypes.c_uint64.from_address(start + 128).value += 1  # somebody has claimed
    rounds += 1
    if rounds == 2:
        print("claims", flush=True)
    select.select([], [], [], 0.002)
