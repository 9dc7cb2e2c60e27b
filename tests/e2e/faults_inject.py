# SPDX-License-Identifier: Apache-2.0
"""Tools that break what a service stands on, all taken back by close(): file systems that hang, single threads that
are frozen, logs and backends that nobody reads. They need root, FUSE, loop devices and a cgroup2 somewhere."""
import os
import signal
import socket
import subprocess
import uuid

from lifesign import Plain, stat, wait_until
from services_more import LOCAL, tool


class Hanging:
    """A directory behind a FUSE daemon that is stopped: who touches a file in it waits, in state S, for ever."""

    def __init__(self, place, owner=None, name="hung"):
        self.behind = place.directory(f"{name}.behind", owner=owner)
        self.path = place.directory(name, owner=owner)
        options = "allow_other,attr_timeout=0,entry_timeout=0"
        self.daemon = Plain(["/usr/bin/bindfs", "-f", "-o", options, self.behind, self.path], place=place)
        wait_until(lambda: os.path.ismount(self.path), 10, self.daemon.said)

    def hang(self):
        os.kill(self.daemon.pid, signal.SIGSTOP)

    def heal(self):
        os.kill(self.daemon.pid, signal.SIGCONT)

    def close(self):
        self.heal()
        self.daemon.close()
        subprocess.run(["/bin/umount", "-l", self.path], check=False, capture_output=True)


class Disk:
    """A file system of its own on a loop device, which can be frozen: who writes then waits in state D."""

    def __init__(self, place, owner=None, name="disk", megabytes=64):
        image, self.path, self.frozen = place.file(f"{name}.image", ""), place.directory(name), False
        os.truncate(image, megabytes << 20)
        tool("/sbin/mkfs.ext4", "-q", "-F", image)
        tool("/bin/mount", "-o", "loop", image, self.path)
        if owner:
            tool("/bin/chown", owner, self.path)

    def hang(self):
        tool("/sbin/fsfreeze", "-f", self.path)
        self.frozen = True

    def heal(self):
        if self.frozen:
            tool("/sbin/fsfreeze", "-u", self.path)
        self.frozen = False

    def close(self):
        self.heal()
        subprocess.run(["/bin/umount", "-l", self.path], check=False, capture_output=True)


class OneThread:
    """Freezes one thread of a process by a threaded cgroup: the others run on, and nobody traces."""

    MOUNTS = ("/sys/fs/cgroup/unified", "/sys/fs/cgroup")

    def __init__(self, pid):
        self.top = next(path for path in self.MOUNTS if os.path.exists(f"{path}/cgroup.procs"))
        self.path = f"{self.top}/lifesign-{uuid.uuid4().hex[:8]}"
        self.pid = pid
        os.mkdir(self.path)
        os.mkdir(f"{self.path}/one")
        self._put("cgroup.procs", pid)
        self._put("one/cgroup.type", "threaded")

    def _put(self, name, text):
        with open(f"{self.path}/{name}", "w", encoding="ascii") as f:
            f.write(str(text))

    def freeze(self, tid):
        self._put("one/cgroup.threads", tid)
        self._put("one/cgroup.freeze", 1)

        def is_frozen():
            with open(f"{self.path}/one/cgroup.events", encoding="ascii") as f:
                return "frozen 1" in f.read()
        wait_until(is_frozen, 5)

    def thaw(self):
        self._put("one/cgroup.freeze", 0)

    def let_go(self, tid):
        self.thaw()
        self._put("cgroup.threads", tid)

    def close(self):
        self.thaw()
        if stat(self.pid):
            with open(f"{self.top}/cgroup.procs", "w", encoding="ascii") as f:
                f.write(str(self.pid))
        for path in (f"{self.path}/one", self.path):
            wait_until(lambda at=path: _gone(at), 10, path)


def _gone(path):
    try:
        os.rmdir(path)
    except OSError:
        return not os.path.exists(path)
    return True


class Stopped:
    """A process that is stopped as a whole."""

    def __init__(self, pid):
        self.pid = pid
        os.kill(pid, signal.SIGSTOP)

    def close(self):
        try:
            os.kill(self.pid, signal.SIGCONT)
        except ProcessLookupError:
            pass


class Fifo:
    """A FIFO whose reader, this process, reads nothing. writer=False: it has no other end at all."""

    def __init__(self, place, name="fifo", reader=True):
        self.path = place.file(name)
        os.mkfifo(self.path)
        os.chmod(self.path, 0o666)
        self.end = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK) if reader else -1

    def close(self):
        if self.end >= 0:
            os.close(self.end)


class Silent:
    """A backend that takes connections, by the kernel, and never says a word."""

    def __init__(self, kind=socket.SOCK_STREAM, address=(LOCAL, 0)):
        self.link = socket.socket(socket.AF_INET, kind)
        self.link.settimeout(20)
        self.link.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.link.bind(address)
        if kind == socket.SOCK_STREAM:
            self.link.listen(128)
        self.port = self.link.getsockname()[1]

    def let_one_go(self):
        """Hangs up on whoever has waited longest."""
        self.link.accept()[0].close()

    def close(self):
        self.link.close()


class Clients:
    """Connections to a port that stay open; each may say something first."""

    def __init__(self, port, count=1, says=b""):
        self.port, self.links = port, []
        for _ in range(count):
            self.more(says)

    def more(self, says=b""):
        link = socket.socket()
        link.setblocking(False)
        link.connect_ex((LOCAL, self.port))  # one to a full queue is not made yet
        self.links.append(link)
        if says:
            wait_until(lambda: self._say(link, says), 10, "the connection never came to be")
        return link

    @staticmethod
    def _say(link, says):
        try:
            return link.send(says) == len(says)
        except OSError:
            return False

    def close(self):
        for link in self.links:
            link.close()


def get(path, host="x"):
    """The bytes of a request."""
    return f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
