# SPDX-License-Identifier: Apache-2.0
# ctest: asan timeout=300
"""Connections that live long, come in crowds, or mean harm: probes are answered all the same."""
import json
import os
import re
import resource
import socket
import threading
import time

import pytest

import lifesign
from http_demo import Demo, read_answer

GET = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture
def demo(place):
    demo = Demo(place)
    yield demo
    demo.close()


def is_closed(connection):
    """By the server; what it sent before is thrown away."""
    connection.setblocking(False)
    try:
        while connection.recv(65536):
            pass
        return True
    except BlockingIOError:
        return False
    except OSError:
        return True


def test_a_connection_is_kept_for_more_requests(demo):
    with demo.connect() as connection:
        for path in (b"/livez", b"/readyz", b"/nope", b"/health/status", b"/livez/deadlock", b"/metrics"):
            connection.sendall(b"GET " + path + b" HTTP/1.1\r\nHost: x\r\n\r\n")
            _, headers, _ = read_answer(connection)
            assert headers.get("Connection", "Keep-Alive") == "Keep-Alive"
    for request in (b"GET /livez HTTP/1.0\r\n\r\n", GET[:-2] + b"Connection: close\r\n\r\n"):
        with demo.connect() as connection:
            connection.sendall(request)
            assert read_answer(connection)[2] == b"ok"
            assert connection.recv(1) == b""


def test_pipelined_requests_are_answered_in_order(demo):
    paths = [b"/livez", b"/nope", b"/readyz", b"/livez/deadlock"] * 10
    with demo.connect() as connection:
        connection.sendall(b"".join(b"GET " + p + b" HTTP/1.1\r\nHost: x\r\n\r\n" for p in paths))
        assert [b"404" in read_answer(connection)[0].encode() for _ in paths] == [p == b"/nope" for p in paths]


def test_a_request_in_single_bytes_is_a_request(demo):
    with demo.connect() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in GET:
            connection.sendall(bytes([byte]))
        assert read_answer(connection)[2] == b"ok"


def test_a_client_that_is_done_sending_gets_its_answer(demo):
    with demo.connect() as connection:
        connection.sendall(GET)
        connection.shutdown(socket.SHUT_WR)
        assert read_answer(connection)[2] == b"ok"


def test_long_headers_are_no_reason_to_fail_a_probe(demo):
    assert demo.ask("/livez", {"X-Long": "x" * 10000}).body == b"ok"
    assert demo.ask("/livez?exclude=" + "y" * 10000).body == b"ok"
    assert demo.ask("/livez", {f"X-{i}": "z" * 50 for i in range(90)}).body == b"ok"
    for size in (40_000, 4_000_000):
        with demo.connect() as connection:
            try:
                connection.sendall(b"GET /livez HTTP/1.1\r\nX: " + b"x" * size + b"\r\n\r\n")
                assert re.match(rb"HTTP/1.1 4\d\d ", connection.recv(100) or b"HTTP/1.1 400 ")
            except ConnectionError:
                pass  # sent away before all was written
    assert demo.is_well()


GARBAGE = [b"\0" * 100 + b"\r\n\r\n", b"\r\n\r\n\r\n", b"GET\r\n\r\n", b"GET /livez\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
           b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET /livez HTTP/9.9\r\n\r\n", b"GET  /livez  HTTP/1.1\r\n\r\n", b"GET /livez HTTP/1.1\n\n",
           b"GET /livez?%zz&%&=%0 HTTP/1.1\r\n\r\n", b"GET http://evil.example/livez HTTP/1.1\r\nHost: x\r\n\r\n",
           b"GET /livez HTTP/1.1\r\nNoColon\r\n\r\n", b"GET /livez HTTP/1.1\r\n: empty\r\n\r\n", b"GET /readyz?" + b"exclude=a&" * 1000 + b" HTTP/1.1\r\n\r\n",
           b"CONNECT evil.example:443 HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /livez HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
           b"POST /livez HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nx",
           b"POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n", bytes(range(256)) * 40]


def test_garbage_hurts_nobody_else(demo):
    for garbage in GARBAGE + [os.urandom(3000) for _ in range(30)]:
        with demo.connect(timeout=0.2) as connection:
            try:
                connection.sendall(garbage)
                answer = connection.recv(65536)
                assert not answer or re.match(rb"HTTP/1\.[01] [2345]\d\d ", answer), (garbage[:60], answer[:60])
            except (ConnectionError, TimeoutError):
                pass  # sent away before all was written, or more is waited for: the guard's business
        assert demo.is_well(), garbage[:60]


def test_bodies_are_read_to_a_limit(demo):
    for length, chunked in ((10, False), (60_000, False), (10, True)):
        with demo.connect() as connection:
            head = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % length
            body = b"%x\r\n%s\r\n0\r\n\r\n" % (length, b"b" * length) if chunked else b"b" * length
            connection.sendall(b"POST /livez HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n\r\n" + body + GET)
            assert "405" in read_answer(connection)[0]
            assert read_answer(connection)[2] == b"ok"
    for expect in (b"", b"Expect: 100-continue\r\n"):  # who announces more is answered at once, and nothing after it
        with demo.connect() as connection:
            connection.sendall(b"POST /livez HTTP/1.1\r\nHost: x\r\n" + expect + b"Content-Length: 100000000\r\n\r\n")
            head = read_answer(connection)
            assert "405" in head[0] and connection.recv(1) == b""
    with demo.connect() as connection, pytest.raises(ConnectionError):
        connection.sendall(b"POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n")
        for _ in range(100):
            connection.sendall(b"b" * 1_000_000)
    assert demo.is_well()


class Drippers:
    """Connections of several clients that send one byte of a request each half second and never finish it."""

    def __init__(self, demo, count):
        self.connections = [socket.create_connection(("127.0.0.1", demo.port), 5, (f"127.0.1.{1 + i % 30}", 0))
                            for i in range(count)]
        self.ends = threading.Event()
        self.thread = threading.Thread(target=self._drip)
        for connection in self.connections:
            connection.sendall(b"GET /livez HTTP/1.1\r\nX: ")
        self.thread.start()

    def _drip(self):
        while not self.ends.wait(0.5):
            for connection in self.connections:
                try:
                    connection.send(b"x", socket.MSG_DONTWAIT)
                except OSError:
                    pass  # sent away: that is what they are for

    def alive(self):
        return sum(not is_closed(connection) for connection in self.connections)

    def close(self):
        self.ends.set()
        self.thread.join()
        for connection in self.connections:
            connection.close()


def few_descriptors():
    resource.setrlimit(resource.RLIMIT_NOFILE, (400, 400))


@pytest.mark.parametrize("count, preexec", [(200, None), (1500, None), (600, few_descriptors)])
def test_slow_clients_never_lock_a_probe_out(place, count, preexec):
    demo = Demo(place, preexec=preexec)
    drippers = Drippers(demo, count)
    try:
        slowest, deadline = 0, time.monotonic() + 3
        while time.monotonic() < deadline:
            before = time.monotonic()
            assert lifesign.ask(demo.port, "/livez", timeout=5).body == b"ok"
            slowest = max(slowest, time.monotonic() - before)
        print(f"{count} drippers: slowest probe {slowest * 1000:.1f} ms")
        if count == 200:
            lifesign.wait_until(lambda: drippers.alive() == 0, 60, "a dripping connection lives for ever")
    finally:
        drippers.close()
    demo.close()


def test_idle_connections_go_after_a_while_and_scrapers_stay(demo):
    idle, scraper = demo.connect(), demo.connect()
    scraper.sendall(GET)
    assert read_answer(scraper)[2] == b"ok"
    lifesign.wait_until(lambda: is_closed(idle), 60, "a connection without a request lives for ever")
    assert not is_closed(scraper)
    scraper.setblocking(True)
    scraper.sendall(GET)
    assert read_answer(scraper)[2] == b"ok"
    idle.close()
    scraper.close()


def test_listening_sockets_survive_a_stop(demo):
    """What comes while nobody serves waits in the queue: never a refused connection, as with a killed agent."""
    ends, failed, served = threading.Event(), [], []

    def knock(where):
        while not ends.is_set():
            try:
                if demo.ask("/livez", where=where).body == b"ok":
                    served.append(where)
            except ConnectionRefusedError as error:
                failed.append(error)
            except (OSError, lifesign.http.client.HTTPException):
                pass  # cut while it was answered
    knockers = [threading.Thread(target=knock, args=(where,)) for where in (demo.port, ("::1", demo.port6), demo.socket)]
    for knocker in knockers:
        knocker.start()
    for _ in range(20):
        demo.say("restart")
    lifesign.wait_until(lambda: all(served.count(w) > 20 for w in (demo.port, demo.socket)), 60, "nobody was served")
    ends.set()
    for knocker in knockers:
        knocker.join()
    assert not failed and demo.is_well()


def test_threads_are_named_and_block_every_signal(demo):
    demo.ask("/livez")
    demo.ask("/livez", where=("::1", demo.port6))
    demo.ask("/livez", where=demo.socket)

    def serving():
        return [tid for tid in lifesign.tids(demo.pid) if lifesign.comm(f"{demo.pid}/task/{tid}") == "lifesign-http"]
    lifesign.wait_until(lambda: len(serving()) == 4, what=serving)  # three listeners and the one that ends connections
    named = serving()
    for tid in named:
        with open(f"/proc/{demo.pid}/task/{tid}/status", encoding="utf-8") as f:
            blocked = int(re.search(r"SigBlk:\s*(\w+)", f.read())[1], 16)
        assert blocked & (1 << 14) and blocked & (1 << 12) and blocked & (1 << 1)  # TERM, PIPE, INT


def test_a_big_status_is_whole_for_everyone_who_asks(demo):
    demo.say("threads 8192")
    results = []

    def fetch():
        for _ in range(3):
            threads = demo.ask("/health/status", timeout=60).json()["processes"][0]["threads"]
            results.append(len(threads) == 8192 and threads[-1]["tid"] == 10 + 8191)
    clients = [threading.Thread(target=fetch) for _ in range(20)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    assert len(results) == 60 and all(results)


def test_a_client_that_never_reads_costs_one_connection_only(demo):
    demo.say("threads 8192")
    with demo.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(b"GET /health/status HTTP/1.1\r\nHost: localhost\r\n\r\n" * 20)
        for scenario in ("alive", "draining", "dead", "alive") * 5:
            demo.say(scenario)
            assert demo.ask("/livez").status == (503 if scenario == "dead" else 200)
    assert demo.is_well()
    assert json.loads(demo.ask("/health/status").body)["live"]["ok"]
