# SPDX-License-Identifier: Apache-2.0
"""Something that answers where an agent would, with what a test wants: on a unix socket or a port of its own."""
import json
import os
import socket
import threading

VERDICTS = {"alive": 200, "degraded": 200, "unknown": 200, "dead": 503}


def reply(status=200, body=b"", headers=()):
    body = body if isinstance(body, bytes) else body.encode()
    head = "".join(f"{k}: {v}\r\n" for k, v in dict({"Content-Length": len(body)}, **dict(headers)).items())
    return f"HTTP/1.0 {status} X\r\n{head}\r\n".encode() + body


def probe(verdict="alive", status=200, body="ok"):
    return reply(status, body, {"Lifesign-Verdict": verdict})


def document(**changes):
    thread = {"tid": 41, "name": "redis-server", "role": "loop", "state": "idle", "op": "epoll_wait", "for_seconds": 0.4,
              "beats": 20512, "home": True, "waits_for": None, "why": None}
    value = {"schema": "lifesign.status/1", "service": "orders", "version": None, "status": "pass",
             "time": "2026-01-01T00:00:00.000Z", "uptime_seconds": 12.3,
             "live": {"ok": True, "verdict": "alive", "reasons": []}, "ready": {"ok": True, "reasons": []},
             "startup": {"ok": True, "reasons": []},
             "workers": {"live": 1, "started": 1, "finished": 0, "peak": 1, "running": 0, "idle": 1, "lock": 0, "io": 0,
                         "sleep": 0, "unseen": 0, "stuck": 0},
             "processes": [{"pid": 41, "ns_pid": 1, "parent": 7, "exe": "redis-server", "role": "main", "coverage": "shim",
                            "threads": [thread]}],
             "listeners": [{"address": "0.0.0.0:6379", "queue": 0, "backlog": 511, "pid": 41}], "dependencies": [],
             "events": [], "agent": {"version": "0.1.0", "pid": 7, "restarts": 0, "config_generation": 0, "config_error": None}}
    value.update(changes)
    return value


class FakeAgent:
    """answers: {path without query: bytes to send, a function of the request line that returns them, or None: silence}."""

    def __init__(self, path=None, answers=None, address="127.0.0.1"):
        self.answers = answers or {}
        self.requests = []
        if path:
            if os.path.exists(path):
                os.unlink(path)  # of one before it
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(path)
        else:
            self.listener = socket.create_server((address, 0), family=socket.AF_INET6 if ":" in address else socket.AF_INET)
            self.port = self.listener.getsockname()[1]
        self.path = path
        self.listener.listen(16)
        self.held = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(peer,), daemon=True).start()

    def _answer(self, peer):
        try:
            data = b""
            while b"\r\n\r\n" not in data:
                more = peer.recv(4096)
                if not more:
                    return
                data += more
            self.requests.append(data.decode())
            line = data.split(b"\r\n")[0].decode()
            answer = self.answers.get(line.split()[1].split("?")[0], reply(404))
            answer = answer(line) if callable(answer) else answer
            if answer is None:
                self.held.append(peer)
                return
            peer.sendall(answer)
            peer.close()
        except OSError:
            pass  # whoever asked has gone

    def close(self):
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        for peer in self.held:
            peer.close()

    def abandon(self):
        """As a killed run leaves it: nobody listens, the file stays."""
        self.close()
        assert self.path and os.path.exists(self.path)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def status_answers(**changes):
    return {"/health/status": reply(200, json.dumps(document(**changes)), {"Content-Type": "application/json"})}
