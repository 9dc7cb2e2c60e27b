#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A Kafka broker to be asked for its health: versions, logins by SASL PLAIN and SCRAM-SHA-256, TLS, metadata, where a log
ends; no data. librdkafka takes it for one. As a real broker it hangs up on who asks for anything before the login.

    kafka_stand_in.py --port N [--advertise HOST:PORT] [--topic NAME] [--sasl MECHANISM,… --user NAME:PASSWORD]
                      [--tls CERTIFICATE KEY]

Each connection, each request and each login is a line on its standard output.
"""
import argparse
import socket
import ssl
import struct
import threading

from scram import Login
from stand_in import receive

LIST_OFFSETS, METADATA, HANDSHAKE, VERSIONS, AUTHENTICATE = 2, 3, 17, 18, 36
KNOWN = {LIST_OFFSETS: (1, 1), METADATA: (4, 4), HANDSHAKE: (0, 1), VERSIONS: (0, 3), AUTHENTICATE: (0, 0)}  # versions
UNKNOWN_TOPIC, NO_MECHANISM, NO_LOGIN_HERE, UNSUPPORTED_VERSION, LOGIN_FAILED = 3, 33, 34, 35, 58
MOST = 1 << 20  # bytes of a request
MESSAGES = 7    # where each log ends


def text(value):
    return struct.pack(">h", -1) if value is None else struct.pack(">h", len(value.encode())) + value.encode()


def array(items):
    return struct.pack(">i", len(items)) + b"".join(items)


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def number(self, kind):
        value = struct.unpack_from(">" + kind, self.data, self.at)[0]
        self.at += struct.calcsize(">" + kind)
        return value

    def bytes(self, kind):
        size = max(self.number(kind), 0)
        self.at += size
        return self.data[self.at - size:self.at]

    def text(self):
        return self.bytes("h").decode()


class Broker:
    def __init__(self, options):
        self.options = options
        self.mechanisms = options.sasl.split(",") if options.sasl else []
        self.user, _, self.password = (options.user or "").partition(":")
        self.host, _, self.port = (options.advertise or f"127.0.0.1:{options.port}").rpartition(":")
        self.tls = None
        if options.tls:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(*options.tls)
        self.answers = {VERSIONS: self.versions, HANDSHAKE: self.handshake, AUTHENTICATE: self.authenticate, METADATA: self.metadata,
                        LIST_OFFSETS: self.list_offsets}

    def versions(self, _, version, __):
        if version < 3:
            return struct.pack(">h", 0) + array([struct.pack(">hhh", api, *known) for api, known in KNOWN.items()])
        if version > 3:
            return struct.pack(">hi", UNSUPPORTED_VERSION, 0)
        rows = [struct.pack(">hhhB", api, *known, 0) for api, known in KNOWN.items()]
        return struct.pack(">hB", 0, len(rows) + 1) + b"".join(rows) + struct.pack(">iB", 0, 0)

    def handshake(self, session, _, request):
        mechanism = request.text()
        session["mechanism"] = mechanism if mechanism in self.mechanisms else None
        code = NO_LOGIN_HERE if not self.mechanisms else 0 if session["mechanism"] else NO_MECHANISM
        return struct.pack(">h", code) + array([text(name) for name in self.mechanisms])

    def authenticate(self, session, _, request):
        said = self._step(session, request.bytes("i").decode())
        if said is None:
            session["over"] = True
            return struct.pack(">h", LOGIN_FAILED) + text("Authentication failed") + struct.pack(">i", 0)
        if session["in"]:
            print("login", session["mechanism"], flush=True)
        return struct.pack(">h", 0) + text(None) + struct.pack(">i", len(said)) + said.encode()

    def _step(self, session, payload):
        """The answer, or None: that login is wrong."""
        if session.get("mechanism") == "PLAIN":
            session["in"] = payload.split("\0")[1:] == [self.user, self.password]
            return "" if session["in"] else None
        if session.get("mechanism") is None:
            return None
        login = session.setdefault("login", Login(self.user, self.password, tail=True))
        said = login.step(payload)
        session["in"] = login.done
        return said

    def metadata(self, _, __, request):
        count = request.number("i")
        names = [request.text() for _ in range(max(count, 0))] if count >= 0 else [self.options.topic] * bool(self.options.topic)
        broker = struct.pack(">i", 1) + text(self.host) + struct.pack(">i", int(self.port)) + text(None)
        return (struct.pack(">i", 0) + array([broker]) + text("stand-in") + struct.pack(">i", 1) +
                array([self._topic(name) for name in names]))

    def _topic(self, name):
        if name != self.options.topic:
            return struct.pack(">h", UNKNOWN_TOPIC) + text(name) + b"\0" + array([])
        partition = struct.pack(">hii", 0, 0, 1) + array([struct.pack(">i", 1)]) * 2
        return struct.pack(">h", 0) + text(name) + b"\0" + array([partition])

    def list_offsets(self, _, __, request):
        request.number("i")

        def partition():
            index, _ = request.number("i"), request.number("q")
            return struct.pack(">ihqq", index, 0, -1, MESSAGES)

        def topic():
            return text(request.text()) + array([partition() for _ in range(request.number("i"))])
        return array([topic() for _ in range(request.number("i"))])

    def serve(self, link):
        print("connection", flush=True)
        session = {"in": not self.mechanisms}
        try:
            link = self.tls.wrap_socket(link, server_side=True) if self.tls else link
            while not session.get("over"):
                self._one(link, session)
        except (OSError, EOFError, struct.error, UnicodeDecodeError):
            pass
        finally:
            link.close()

    def _one(self, link, session):
        size = struct.unpack(">i", receive(link, 4))[0]
        if not 0 < size <= MOST:
            raise EOFError
        request = Reader(receive(link, size))
        api, version, number = request.number("h"), request.number("h"), request.number("i")
        request.text()
        print("request", api, version, flush=True)
        low, high = KNOWN.get(api, (0, -1))
        if api != VERSIONS and (not low <= version <= high or not (session["in"] or api in (HANDSHAKE, AUTHENTICATE))):
            raise EOFError
        answer = struct.pack(">i", number) + self.answers[api](session, version, request)
        link.sendall(struct.pack(">i", len(answer)) + answer)


def main():
    parser = argparse.ArgumentParser()
    for option in ("--advertise", "--topic", "--sasl", "--user"):
        parser.add_argument(option)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--tls", nargs=2)
    options = parser.parse_args()
    broker = Broker(options)
    with socket.create_server(("127.0.0.1", options.port), backlog=64) as listener:
        print("listening", flush=True)
        while True:
            link, _ = listener.accept()
            threading.Thread(target=broker.serve, args=(link,), daemon=True).start()


main()
