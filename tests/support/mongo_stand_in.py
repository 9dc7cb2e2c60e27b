#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A MongoDB to be asked for its health: hello, ping, logins by SCRAM-SHA-256, TLS; no data. The official drivers
connect to it and ping it. Its state is a word in a file, read at each command: primary, secondary, recovering, ending
(answers that it shuts down), silent (does not answer), old (knows no hello), full (hangs up at once).

    mongo_stand_in.py --port N [--state FILE] [--set NAME --members HOST:PORT,…] [--user NAME:PASSWORD] [--tls CERTIFICATE KEY]

Each connection and each command is a line on its standard output.
"""
import argparse
import socket
import ssl
import struct
import threading
import time

from scram import Login
from stand_in import receive

OP_REPLY, OP_QUERY, OP_MSG = 1, 2004, 2013
FREE = ("hello", "ismaster", "ping", "saslstart", "saslcontinue", "endsessions", "buildinfo")  # without a login


def encode(document):
    out = b""
    for name, value in document.items():
        kind, body = _encode_value(value)
        out += bytes([kind]) + name.encode() + b"\0" + body
    return struct.pack("<i", len(out) + 5) + out + b"\0"


def _encode_value(value):
    if isinstance(value, bool):
        return 8, bytes([value])
    if isinstance(value, int):
        return (16, struct.pack("<i", value)) if -2**31 <= value < 2**31 else (18, struct.pack("<q", value))
    if isinstance(value, float):
        return 1, struct.pack("<d", value)
    if isinstance(value, str):
        return 2, struct.pack("<i", len(value.encode()) + 1) + value.encode() + b"\0"
    if isinstance(value, bytes):
        return 5, struct.pack("<i", len(value)) + b"\0" + value
    if isinstance(value, list):
        return 4, encode({str(i): item for i, item in enumerate(value)})
    return 3, encode(value)


def decode(data):
    """The top of a document: texts, numbers, bytes and documents; the rest is None."""
    at, out = 4, {}
    while data[at]:
        kind, end = data[at], data.index(0, at + 1)
        name, at = data[at + 1:end].decode(), end + 1
        length = struct.unpack_from("<i", data, at)[0] if kind in (2, 3, 4, 5) else 0
        size = {1: 8, 2: 4 + length, 3: length, 4: length, 5: 5 + length, 7: 12, 8: 1, 9: 8, 10: 0, 16: 4, 17: 8, 18: 8}[kind]
        body, at = data[at:at + size], at + size
        out[name] = {1: lambda b: struct.unpack("<d", b)[0], 2: lambda b: b[4:-1].decode(), 3: decode, 5: lambda b: b[5:],
                     8: lambda b: b != b"\0", 16: lambda b: struct.unpack("<i", b)[0],
                     18: lambda b: struct.unpack("<q", b)[0]}.get(kind, lambda b: None)(body)
    return out


class Server:
    def __init__(self, options):
        self.options = options
        self.tls = None
        if options.tls:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(*options.tls)

    def state(self):
        if not self.options.state:
            return "primary"
        with open(self.options.state, encoding="ascii") as file:
            return file.read().strip()

    def hello(self, asked):
        state = self.state()
        answer = {"isWritablePrimary": state in ("primary", "old"), "ismaster": state in ("primary", "old"), "helloOk": state != "old",
                  "maxBsonObjectSize": 16777216, "maxMessageSizeBytes": 48000000, "maxWriteBatchSize": 100000, "minWireVersion": 0,
                  "maxWireVersion": 21, "readOnly": False, "logicalSessionTimeoutMinutes": 30, "connectionId": 1}
        if self.options.set or state != "primary":
            me = f"{self.options.host}:{self.options.port}"
            members = (self.options.members or me).split(",")
            answer.update({"setName": self.options.set or "rs", "setVersion": 1, "hosts": members, "me": me, "secondary": state == "secondary"})
            if state == "primary":
                answer["primary"] = me
        if "saslSupportedMechs" in asked:
            answer["saslSupportedMechs"] = ["SCRAM-SHA-256"]
        return answer

    def answer(self, session, asked):
        name = next(iter(asked)).lower()
        print("command", name, flush=True)
        while self.state() == "silent":
            time.sleep(0.02)
        if name in ("hello", "ismaster"):
            if self.state() == "old" and name == "hello":
                return {"ok": 0.0, "errmsg": "no such command: 'hello'", "code": 59, "codeName": "CommandNotFound"}
            return {**self.hello(asked), "ok": 1.0}
        if name in ("saslstart", "saslcontinue"):
            return self.log_in(session, name, asked)
        if self.state() == "ending":
            return {"ok": 0.0, "errmsg": "The server is in quiesce mode", "code": 91, "codeName": "ShutdownInProgress"}
        if self.options.user and not session.get("in") and name not in FREE:
            return {"ok": 0.0, "errmsg": "command requires authentication", "code": 13, "codeName": "Unauthorized"}
        return {"ok": 1.0}

    def log_in(self, session, name, asked):
        if name == "saslstart":
            user, _, password = (self.options.user or "nobody:").partition(":")
            session["login"] = Login(user, password)
        login = session["login"]
        said = "" if login.done else login.step(asked["payload"].decode())
        if said is None:
            return {"ok": 0.0, "errmsg": "Authentication failed.", "code": 18, "codeName": "AuthenticationFailed"}
        session["in"] = login.done
        return {"conversationId": 1, "done": login.done, "payload": said.encode(), "ok": 1.0}

    def serve(self, link):
        print("connection", flush=True)
        session = {}
        try:
            if self.state() == "full":
                return
            link = self.tls.wrap_socket(link, server_side=True) if self.tls else link
            while self._one(link, session):
                pass
        except (OSError, EOFError):
            pass
        finally:
            link.close()

    def _one(self, link, session):
        size, number, _, kind = struct.unpack("<iiii", receive(link, 16))
        body = receive(link, size - 16)
        if kind == OP_QUERY:
            answer = self.answer(session, decode(body[body.index(0, 4) + 9:]))
            reply = struct.pack("<iqii", 8, 0, 0, 1) + encode(answer)
        else:
            answer = self.answer(session, decode(body[5:]))
            if body[0] & 2:  # wants no answer
                return True
            reply = struct.pack("<ib", 0, 0) + encode(answer)
        link.sendall(struct.pack("<iiii", 16 + len(reply), 1, number, OP_REPLY if kind == OP_QUERY else OP_MSG) + reply)
        return True


def main():
    parser = argparse.ArgumentParser()
    for option in ("--state", "--set", "--members", "--user"):
        parser.add_argument(option)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--tls", nargs=2)
    options = parser.parse_args()
    server = Server(options)
    with socket.create_server((options.host, options.port), backlog=64) as listener:
        print("listening", flush=True)
        while True:
            link, _ = listener.accept()
            threading.Thread(target=server.serve, args=(link,), daemon=True).start()


main()
