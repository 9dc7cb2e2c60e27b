#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# A prober that does each wrong thing for a second and kills itself: garbage, floods, lies about another reading of the file,
# results of the far future, a beat that is overwritten, descriptors that are closed, or nothing at all.
import mmap, os, random, signal, socket, struct, sys, time
if "--serve" not in sys.argv: sys.exit(64)
with open(os.path.dirname(os.path.abspath(sys.argv[0])) + "/starts", "a") as f: f.write("x")
r = random.Random()
end = time.monotonic() + 1.1
s = socket.socket(fileno=3)
s.setblocking(True)
s.settimeout(0.05)
beat = mmap.mmap(4, 0)
what = r.randrange(6)
def tick():
    beat[:8] = r.randbytes(8)
    return time.monotonic() < end
def send(data):
    try: s.send(data)
    except OSError: pass
def result(epoch):
    now = time.clock_gettime_ns(time.CLOCK_BOOTTIME) + r.choice([0, 10 ** 18, -10 ** 18])
    return struct.pack("<IIQQQIIqq", 1, r.choice([0, 0, 1, 2 ** 31]), epoch, 1, 1, r.randrange(5), r.randrange(20), now, now) + r.randbytes(5 * 8 + 16 + 64 + 160 + 128)
while tick():
    if what == 0: send(r.randbytes(r.choice([0, 1, 15, 16, 519, 520, 528, 536, 60000])))
    elif what == 1: send(bytes(r.choice([16, 520, 528])))
    elif what == 2: send(result(r.getrandbits(64)))
    elif what == 3:
        beat[:] = r.randbytes(len(beat))
        time.sleep(0.02)
    elif what == 4:
        for fd in (3, 4): os.close(fd) if os.path.exists(f"/proc/self/fd/{fd}") else None
        time.sleep(0.1)
    else:
        try: s.recv(65536)
        except OSError: time.sleep(0.01)
os.kill(os.getpid(), signal.SIGKILL)
