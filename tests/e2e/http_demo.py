# SPDX-License-Identifier: Apache-2.0
"""serve_demo: the HTTP side of an agent with made-up snapshots (tests/support/serve_demo.c)."""
import os
import select
import socket
import subprocess

import lifesign

SERVE_DEMO = os.path.join(lifesign.SUPPORT, "serve_demo")


class Demo:
    """Listens on 127.0.0.1, [::1] and a unix socket, and says `scenario` from the start (None: nothing yet)."""

    def __init__(self, place, *options, scenario="alive", preexec=None):
        self.socket = place.file(f"{os.urandom(4).hex()}.sock")
        self.log = place.file(f"{os.urandom(4).hex()}.log")
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [SERVE_DEMO, *options, "127.0.0.1:0", "[::1]:0", f"unix:{self.socket}"], stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=log, bufsize=0, preexec_fn=preexec)
        addresses = [self._line().split()[1] for _ in range(3)]
        assert self._line() == "serving"
        self.port, self.port6 = (int(address.rsplit(":", 1)[1]) for address in addresses[:2])
        self.pid = self.process.pid
        if scenario:
            self.say(scenario)

    def _line(self):
        ready, _, _ = select.select([self.process.stdout], [], [], 60)
        assert ready, "serve_demo says nothing"
        return self.process.stdout.readline().decode().strip()

    def say(self, *lines):
        for line in lines:
            self.process.stdin.write(line.encode() + b"\n")
            assert self._line() == "ok"

    def ask(self, path, headers=None, method="GET", where=None, timeout=20):
        return lifesign.ask(where or self.port, path, headers, method, timeout)

    def connect(self, timeout=20):
        return socket.create_connection(("127.0.0.1", self.port), timeout)

    def is_well(self):
        return self.process.poll() is None and self.ask("/livez").body == b"ok"

    def errors(self):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return f.read()

    def close(self):
        self.process.stdin.close()
        status = self.process.wait(60)
        self.process.stdout.close()
        assert status == 0, self.errors()
        assert "Sanitizer" not in self.errors(), self.errors()


def read_answer(connection):
    """(status line, headers, body) of one answer with a Content-Length on a raw socket."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(1)
        assert piece, f"closed after {data!r}"
        data += piece
    head = data.decode("latin-1").split("\r\n")
    headers = dict(line.split(": ", 1) for line in head[1:] if line)
    body = b""
    while len(body) < int(headers["Content-Length"]):
        piece = connection.recv(int(headers["Content-Length"]) - len(body))
        assert piece, "closed inside a body"
        body += piece
    return head[0], headers, body
