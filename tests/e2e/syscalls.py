# SPDX-License-Identifier: Apache-2.0
"""Which system calls a service makes, and which of them the shim inside it, by `strace -f -i`: its own are those whose
instruction lies in its mapping. Read from strace's file: lines `TID [ADDRESS] NAME(…`."""
import collections
import re

CALL = re.compile(r"^(\d+) +\[([0-9a-f]+|\?+)\] (\w+)\(")
OPENED = re.compile(r'openat\(AT_FDCWD, "[^"]*/liblifesign\.so", .* = (\d+)$')
MAPPED = re.compile(r"mmap\(NULL, (\d+), PROT_READ\|PROT_EXEC, MAP_PRIVATE\|MAP_DENYWRITE, (\d+), 0\) = 0x([0-9a-f]+)$")
MADE = re.compile(r"(?:clone|clone3|fork|vfork)(?:\(| resumed>).* = (\d+)(?: \(.*\))?$")
LOOKS = re.compile(r'openat\(AT_FDCWD, "/proc/(?:self|\d+)/stat", ')
STRACE = ["/usr/bin/strace", "-f", "-i", "-qq", "-s", "64", "-o"]


class Trace:
    """counts: all calls by name, without those by which redis looks at its own size ten times a second. joined: for each
    exec that loaded the shim its own calls in one go, before anything else. later: for each thread the shim's own calls
    after that."""

    def __init__(self, text):
        self.counts = collections.Counter()
        self.joined, self.later = [], collections.defaultdict(list)
        self.parent, self.place, self.opened, self.joining = {}, {}, {}, {}
        lines = text.splitlines()
        for line in lines:  # first, because a child's lines may come before the end of the call that made it
            made = MADE.search(line)
            if made:
                self.parent.setdefault(int(made[1]), int(line.split()[0]))
        for line in lines:
            self._take(line)
        looks = sum(bool(LOOKS.search(line)) for line in lines)
        self.counts.subtract({"openat": looks, "read": looks, "close": looks})

    def _take(self, line):
        found = CALL.match(line)
        if not found:
            return
        tid, name = int(found[1]), found[3]
        self.counts[name] += 1
        if name == "execve" and line.endswith("= 0"):
            self.place[tid] = None
        if found[2][0] != "?" and self._is_own(tid, int(found[2], 16)):
            self._note_own(tid, name)
        elif self.joining.get(tid):
            self.joining[tid] = None  # somebody else's call: the constructor is over
        self._note_load(tid, line)

    def _note_load(self, tid, line):
        opened, mapped = OPENED.search(line), MAPPED.search(line)
        if opened:
            self.opened[tid] = opened[1]
        elif mapped and self.opened.get(tid) == mapped[2]:
            self.place[tid] = (int(mapped[3], 16), int(mapped[1]))
            self.joining[tid] = []
            self.joined.append(self.joining[tid])
            del self.opened[tid]

    def _is_own(self, tid, address):
        while tid not in self.place and tid in self.parent:
            tid = self.parent[tid]
        place = self.place.get(tid)
        return place is not None and place[0] <= address < place[0] + place[1]

    def _note_own(self, tid, name):
        joining = self.joining.get(tid)
        if joining is not None:
            joining.append(name)
        else:
            self.later[tid].append(name)
