# ctest: asan timeout=240
# SPDX-License-Identifier: Apache-2.0
"""tcp and tls: send and expect against redis and servers that are wrong on purpose; what a bare connection proves."""
import socket
import ssl

from kinds import GROWTH, PATIENT, Certificates, Faulty, Prober, Server, ask, faults, outlives, side_by_side
from lifesign import accepts
from services import redis


def test_every_fault_has_its_name_within_the_budget(place):
    for scheme, broken in (("tcp", "protocol_error"), ("tls", "tls_error")):
        seen = faults(place, lambda port: {"kind": "tcp", "url": f"{scheme}://127.0.0.1:{port}", "send": "PING\\r\\n", "expect": "+PONG",
                                           **({"tlsVerify": False} if scheme == "tls" else {})}, b"+PO")
        said = {fault: result.said() for fault, result in seen.items()}
        assert said == {"refused": "refused", "black hole": "connect_timeout", "silent": "timeout", "garbage": broken,
                        "drip": said["drip"], "closes mid-answer": broken, "closes at once": broken, "resets": broken}, seen
        assert said["drip"] in ("timeout", broken)


def test_what_is_sent_and_what_must_come(place):
    def echo(connection):
        connection.sendall(b"220 mail.test ESMTP\r\n")
        connection.sendall(connection.recv(999))
    with Faulty(echo) as server:
        cases = {"up greeting": {"expect": "220 "}, "up bytes": {"send": "\\x00\\xffa", "expect": "220 mail.test ESMTP\\r\\n\\0\\xffa"},
                 "protocol_error": {"expect": "221 "}, "timeout": {"expect": "220 mail.test ESMTP\\r\\nmore"}}
        seen = side_by_side({name: lambda d={"url": f"tcp://localhost:{server.port}", **keys}, budget=1 if name == "timeout" else PATIENT:
                             ask(place, d, budget) for name, keys in cases.items()})
    assert [(name, result) for name, result in seen.items() if result.said() != name.split()[0]] == []


def test_a_bare_connection_proves_only_the_kernel(place):
    """A listener whose program never accepts is `up` without expect, and that is why the docs say so."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"tcp://127.0.0.1:{listener.getsockname()[1]}"
        assert ask(place, {"url": url}).said() == "up"
        assert ask(place, {"url": url, "expect": "x"}, timeout=0.5).said() == "timeout"


def test_unix_sockets(place):
    with socket.socket(socket.AF_UNIX) as listener:
        path = place.file("socket")
        listener.bind(path)
        listener.listen()
        assert ask(place, {"kind": "tcp", "url": f"unix://{path}"}).said() == "up"
    for gone in (path, place.file("never")):
        assert ask(place, {"kind": "tcp", "url": f"unix://{gone}"}).said() == "refused"


def test_tls_is_verified(place):
    certificates = Certificates(place)

    def server(pair):
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*pair)
        return Faulty(lambda connection: connection.sendall(b"hello"), tls=context)
    with server(certificates.right) as right, server(certificates.wrong) as wrong, server(certificates.expired) as expired:
        ca = {"caFile": certificates.ca}
        cases = {"up": (right, ca), "up unverified": (wrong, {"tlsVerify": False}), "tls_error unknown authority": (right, {}),
                 "tls_error wrong host": (wrong, ca), "tls_error expired": (expired, ca)}
        seen = side_by_side({name: lambda d={"kind": "tcp", "url": f"tls://localhost:{one.port}", "expect": "hello", **keys}: ask(place, d)
                             for name, (one, keys) in cases.items()})
    assert [(name, result) for name, result in seen.items() if result.said() != name.split()[0]] == []


def test_it_survives_kill_and_stop(place, plain):
    service = redis(place)
    server = Server(plain, service.command, lambda: accepts(service.port))
    with Prober(place, {"url": f"tcp://127.0.0.1:{service.port}", "send": "PING\\r\\n", "expect": "+PONG\\r\\n"}) as prober:
        outlives(server, prober)
        fds, rss = prober.fds(), prober.rss()
        for _ in range(200):
            assert prober.ask().said() == "up"
        assert prober.fds() == fds and prober.rss() < rss + GROWTH
