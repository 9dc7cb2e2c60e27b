# SPDX-License-Identifier: Apache-2.0
"""Looking at what runs: processes and threads by /proc, answers by HTTP over TCP and unix sockets."""
import http.client
import json
import os
import socket

SHIM = os.path.realpath(os.environ["LIFESIGN_SHIM"])
MARK = "LSTEST_MARK"  # in the environment of everything that a test starts


def stat(pid, tid=None):
    """Fields of /proc/PID/stat after the name, [0] is the state; None when there is no such process."""
    try:
        with open(f"/proc/{pid}/task/{tid}/stat" if tid else f"/proc/{pid}/stat", encoding="latin-1") as f:
            return f.read().rsplit(")", 1)[1].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def is_running(pid, started=None):
    """Neither gone nor a zombie; with `started` (stat field 22) the same process as then."""
    fields = stat(pid)
    return bool(fields) and fields[0] not in "ZX" and (started is None or fields[19] == started)


def children(pid):
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            fields = stat(name)
            if fields and int(fields[1]) == pid:
                found.append(int(name))
    return sorted(found)


def descendants(pid):
    found = []
    for child in children(pid):
        found += [child] + descendants(child)
    return found


def comm(pid):
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as f:
            return f.read().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def tids(pid):
    """None of a process that has ended meanwhile."""
    try:
        return sorted(int(tid) for tid in os.listdir(f"/proc/{pid}/task"))
    except (FileNotFoundError, ProcessLookupError):
        return []


def mapped(pid):
    """Is the shim in this process? Read from /proc/PID/maps."""
    try:
        with open(f"/proc/{pid}/maps", encoding="utf-8", errors="replace") as f:
            return any(SHIM in line or "/liblifesign.so" in line for line in f)
    except (FileNotFoundError, ProcessLookupError):
        return False


def environ(pid):
    try:
        with open(f"/proc/{pid}/environ", "rb") as f:
            return dict(item.split(b"=", 1) for item in f.read().split(b"\0") if b"=" in item)
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return {}


def cwd(pid):
    try:
        return os.readlink(f"/proc/{pid}/cwd")
    except OSError:
        return ""


def marked(mark, directory):
    """Everything that runs with this mark in its environment, or in this directory: a program that renames
    itself (nginx) writes over its environment."""
    me = os.getpid()
    return [int(p) for p in os.listdir("/proc") if p.isdigit() and int(p) != me and is_running(p)
            and (environ(p).get(MARK.encode()) == mark.encode() or cwd(p) == directory)]


# ---- HTTP

class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def text(self):
        return self.body.decode()

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<{self.status} {self.body[:200]!r}>"


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def ask(where, path, headers=None, method="GET", timeout=20):
    """`where`: a port, (address, port), or the path of a unix socket."""
    if isinstance(where, str):
        connection = UnixConnection(where, timeout)
    else:
        address, port = where if isinstance(where, tuple) else ("127.0.0.1", where)
        connection = http.client.HTTPConnection(address, port, timeout=timeout)
    try:
        connection.request(method, path, headers=headers or {})
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())
    finally:
        connection.close()
