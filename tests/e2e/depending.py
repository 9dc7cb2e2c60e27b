# SPDX-License-Identifier: Apache-2.0
"""A service with dependencies: its file, its prober, what its answers say of them."""
import contextlib
import json
import os
import shutil
import socket
import threading

from lifesign import BIN, SUPPORT, descendants, free_port, wait_until

PROBER = os.path.join(os.path.dirname(BIN), "lifesign-prober")
QUICK = {"periodSeconds": 0.5, "timeoutSeconds": 0.6, "fastSeconds": 0.1, "failureThreshold": 2}


def write_config(path, dependencies, **rest):
    """The file whole, by rename: JSON is YAML."""
    readiness = {**QUICK, **rest.pop("readiness", {})}
    with open(path + ".new", "w", encoding="utf-8") as f:
        json.dump({"readiness": readiness, "dependencies": dependencies, **rest}, f)
    os.rename(path + ".new", path)
    return path


class Depending:
    """`run` with such a file; `command` None: a small server."""

    def __init__(self, run, place, dependencies, command=None, **rest):
        options = {key: rest.pop(key) for key in ("program", "wrap", "env", "shim", "listen", "service") if key in rest}
        self.path = write_config(place.file("dependencies.yaml"), dependencies, **rest)
        self.run = run(command or [f"{SUPPORT}/tiny_server", free_port()], options=["--config", self.path], place=place, **options)
        self.run.wait_started()

    def write(self, dependencies, **rest):
        write_config(self.path, dependencies, **rest)

    def status(self):
        return self.run.status()

    def of(self, name):
        return next((d for d in self.status()["dependencies"] if d["name"] == name), None)

    def said(self):
        return f"{self.status()['dependencies']} {self.run.said()}"

    def until(self, name, status, error="any", seconds=30):
        def stands():
            found = self.of(name)
            return found and found["status"] == status and error in ("any", found["error"]) and found
        return wait_until(stands, seconds, lambda: f"{name} {status} {error}: {self.said()}")

    def ready(self):
        return self.run.get("/readyz").status == 200

    def until_ready(self, ready=True, seconds=30):
        wait_until(lambda: self.ready() == ready, seconds, lambda: f"ready {ready}: {self.said()}")

    def checks(self):
        """{name: None or what it failed with} of /readyz?verbose."""
        found = {}
        for line in self.run.get("/readyz?verbose").body.decode().splitlines():
            if line.startswith("[+]"):
                found[line[3:].rsplit(" ", 1)[0]] = None
            elif line.startswith("[-]"):
                name, _, why = line[3:].partition(" failed: ")
                found[name] = why
        return found

    def prober(self):
        """Pid of the prober, 0 while there is none."""
        for pid in descendants(self.run.pid):
            with contextlib.suppress(OSError):
                with open(f"/proc/{pid}/cmdline", "rb") as f:
                    if os.path.basename(f.read().split(b"\0")[0]) == b"lifesign-prober":
                        return pid
        return 0

    def until_prober(self, other_than=0, seconds=30):
        return wait_until(lambda: self.prober() not in (0, other_than) and self.prober(), seconds, self.said)


def with_prober(place, script):
    """A copy of lifesign beside which lies another prober: its path."""
    top = place.directory("copy/bin")
    shutil.copy(BIN, f"{top}/lifesign")
    place.file("copy/bin/lifesign-prober", script, 0o755)
    return f"{top}/lifesign"


MUTE = "127.0.0.77"


@contextlib.contextmanager
def mute_dns(place):
    place.file("resolv.conf", f"nameserver {MUTE}\noptions timeout:30\n")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((MUTE, 53))
        yield server


def in_place_of_resolv_conf(place):
    """Words that start a program where /etc/resolv.conf is ours."""
    script = f'mount --bind {place.path}/resolv.conf /etc/resolv.conf && exec "$@"'
    return ["/usr/bin/unshare", "--mount", "--propagation", "private", "/bin/sh", "-c", script, "sh"]


def refused(name, **keys):
    return {"name": name, "url": f"tcp://127.0.0.1:{free_port()}", **keys}


class Answers:
    """A server that says `answer` to each line it gets, while `answering`; else it accepts and is silent."""

    def __init__(self, answer=b"PONG\n"):
        self.answer, self.answering = answer, True
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.asked = 0
        self.open = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                self.open.append(connection)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with contextlib.suppress(OSError):
            while connection.recv(4096):
                self.asked += 1
                if self.answering:
                    connection.sendall(self.answer)

    def dependency(self, name, **keys):
        return {"name": name, "kind": "tcp", "url": f"tcp://127.0.0.1:{self.port}", "send": "PING\\n", "expect": "PONG", **keys}

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        for one in [self.listener, *self.open]:
            one.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def part_of(place, name):
    """A part of the place, so that files of the same name do not meet."""
    class Part:
        path = place.directory(name)

        def file(self, file, *rest):
            return place.file(f"{name}/{file}", *rest)

        def directory(self, directory, *rest, **options):
            return place.directory(f"{name}/{directory}", *rest, **options)
    return Part()
