# ctest: asan timeout=180
# SPDX-License-Identifier: Apache-2.0
"""mysql against mariadbd with TLS, and servers that are wrong on purpose."""
import hashlib
import os
import shutil
import socket
import struct

import pytest

from kinds import GROWTH, PATIENT, Certificates, Faulty, Prober, Server, ask, closes_after, faults, outlives, side_by_side
from lifesign import free_port, wait_until
from services_more import _make_database, once, tool, user_of

SECRET = "se#cret"
USERS = f"""CREATE USER app@'%' IDENTIFIED BY '{SECRET}'; GRANT SELECT ON *.* TO app@'%';
CREATE USER open@'%'; CREATE USER locked@'%' IDENTIFIED BY '{SECRET}' ACCOUNT LOCK; CREATE USER far@'10.1.1.1' IDENTIFIED BY '{SECRET}';
CREATE USER one@'%' IDENTIFIED BY '{SECRET}' WITH MAX_USER_CONNECTIONS 1; CREATE USER strict@'%' IDENTIFIED BY '{SECRET}' REQUIRE SSL;
CREATE USER mutual@'%' REQUIRE X509; CREATE DATABASE orders;
"""


class Maria(Server):
    def __init__(self, place, plain, *options, certificate=None):
        self.port = free_port()
        top = place.directory(f"maria{self.port}", mode=0o777)
        self.socket = f"{top}/s"
        shutil.copytree(once("mariadb", _make_database), f"{top}/data")
        user = user_of("nobody")
        if user:
            tool("/bin/chown", "-R", "nobody", f"{top}/data")
        if certificate:
            options = (*options, f"--ssl-cert={certificate[0]}", f"--ssl-key={certificate[1]}", f"--ssl-ca={os.path.dirname(certificate[0])}/ca.pem")
        super().__init__(plain, ["/usr/sbin/mariadbd", "--no-defaults", f"--datadir={top}/data", f"--socket={self.socket}",
                                 f"--port={self.port}", "--bind-address=127.0.0.1", f"--pid-file={top}/pid", "--skip-name-resolve",
                                 "--innodb-log-file-size=8M", "--innodb-buffer-pool-size=16M", "--innodb-flush-log-at-trx-commit=0",
                                 *(["--user=nobody"] if user else []), *options], self.answers)
        self.say(USERS)

    def say(self, sql):
        return tool("/usr/bin/mariadb", "--no-defaults", "-S", self.socket, "-u", "root", "-N", "-B", stdin=sql)

    def answers(self):
        """At its unix socket, without a login that its log would complain of."""
        try:
            with socket.socket(socket.AF_UNIX) as link:
                link.connect(self.socket)
                link.settimeout(1)
                return link.recv(1) != b""
        except OSError:
            return False

    def url(self, user=f"app:{SECRET.replace('#', '%23')}@", rest="", host="127.0.0.1", scheme="mysql"):
        return f"{scheme}://{user}{host}:{self.port}{rest}"


def all_of(place, cases):
    """{name: (url, keys)} asked side by side; each name begins with what must be said."""
    seen = side_by_side({name: lambda d={"url": url, **keys}: ask(place, d) for name, (url, keys) in cases.items()}, workers=4)
    assert {name: result for name, result in seen.items() if result.said() != name.split()[0]} == {}
    return seen


def packet(number, payload):
    return struct.pack("<I", len(payload))[:3] + bytes([number]) + payload


def greeting(plugin=b"mysql_native_password", capabilities=0x81bfffdf, version=b"8.0.36"):
    return packet(0, b"\x0a" + version + b"\0" + struct.pack("<I", 7) + b"12345678\0" + struct.pack("<H", capabilities & 0xffff) +
                  b"\x2d\2\0" + struct.pack("<H", capabilities >> 16) + b"\x15" + b"\0" * 10 + b"abcdefghijkl\0" + plugin + b"\0")


def error(code, text, number=0):
    return packet(number, b"\xff" + struct.pack("<H", code) + b"#HY000" + text)


OK = b"\0\0\0\2\0\0\0"


@pytest.mark.parametrize("scheme", ["mysql", "mysqls"])
def test_every_fault_has_its_name_within_the_budget(place, scheme):
    seen = faults(place, lambda port: {"url": f"{scheme}://app:{SECRET.replace('#', '%23')}@127.0.0.1:{port}/"}, greeting()[40:60],
                  early=greeting()[:40], timeout=1.5)
    assert {fault: result.said() for fault, result in seen.items()} == {
        "refused": "refused", "black hole": "connect_timeout", "silent": "timeout", "garbage": "protocol_error", "drip": "timeout",
        "closes mid-answer": "protocol_error", "closes at once": "protocol_error", "resets": "protocol_error"}, seen


def test_tls_that_hangs_or_breaks_off_after_the_greeting(place):
    def greets(then):
        def treat(connection):
            connection.sendall(greeting())
            connection.recv(36)
            connection.recv(65536)
            then(connection)
        return treat

    def case(then, said):
        with Faulty(greets(then)) as server:
            result = ask(place, {"url": f"mysqls://app@127.0.0.1:{server.port}/", "tlsVerify": False}, 1 if said == "timeout" else PATIENT)
            assert result.said() == said, result
    cases = {"hangs": (lambda c: c.recv(1), "timeout"), "closes": (lambda c: c.close(), "tls_error"),
             "garbage": (lambda c: c.sendall(b"not TLS at all"), "tls_error")}
    side_by_side({name: lambda how=how: case(*how) for name, how in cases.items()})
    with Faulty(closes_after(greeting(capabilities=0x81bfffdf & ~0x800), wait=False)) as server:
        assert ask(place, {"url": f"mysqls://app@127.0.0.1:{server.port}/"}).said() == "tls_error"
    with Faulty(closes_after(greeting() + packet(2, OK), wait=False)) as server:  # said before TLS, to be believed after it
        assert ask(place, {"url": f"mysqls://app@127.0.0.1:{server.port}/"}).said() == "protocol_error"


def test_what_the_answer_must_be(place, plain):
    maria = Maria(place, plain)
    secret = {"passwordFile": place.file("password", SECRET + "\n", mode=0o600)}
    over = {"passwordFile": place.file("wrong", "other", mode=0o600)}
    seen = all_of(place, {
        "up": (maria.url(), {}),
        "up by name": (maria.url(host="localhost"), {}),
        "up scheme": (maria.url(scheme="mariadb"), {}),
        "up unix": (f"unix://open@{maria.socket}", {"kind": "mysql"}),
        "up passwordFile": (maria.url("app@"), secret),
        "up no password": (maria.url("open@"), {}),
        "up database": (maria.url(rest="/orders"), {"query": "SELECT DATABASE() = 'orders'", "min": 1}),
        "up primary": (maria.url(), {"role": "primary"}),
        "up number": (maria.url(), {"query": "SELECT 17 -- rows that wait", "min": 17, "max": 17, "role": "primary"}),
        "up many rows": (maria.url(rest="/orders"), {"query": "SELECT seq + 2, repeat('x', 1000) FROM seq_1_to_100000", "max": 3}),
        "up any answer": (maria.url(), {"query": "SELECT 'text'"}),
        "up no rows": (maria.url(), {"query": "SET @a = 1"}),
        "threshold": (maria.url(), {"query": "SELECT 17", "max": 16}),
        "wrong_role": (maria.url(), {"role": "replica"}),
        "protocol_error no number": (maria.url(), {"query": "SELECT NULL", "max": 16}),
        "protocol_error no such table": (maria.url(), {"query": "SELECT count(*) FROM orders.nothing", "max": 16}),
        "protocol_error too much": (maria.url(), {"query": "SELECT repeat('x', 1000000)", "max": 16}),
        "auth_failed may not": (maria.url("open@"), {"query": "SELECT count(*) FROM mysql.user"}),
        "auth_failed wrong": (maria.url("app@"), over),
        "auth_failed none": (maria.url("app@"), {}),
        "auth_failed nobody": (maria.url("nobody@"), secret),
        "auth_failed locked": (maria.url("locked@"), secret),
        "auth_failed from elsewhere": (maria.url("far@"), secret),
        "auth_failed only TLS": (maria.url("strict@"), secret),
        "not_ready no database yet": (maria.url(rest="/later"), {}),
        "tls_error it has none": (maria.url(scheme="mysqls"), {}),
    })
    assert (seen["up number"].value, seen["up many rows"].value, seen["up any answer"].value) == (17, 3, None)
    assert seen["up"].phases["auth"] > 0
    assert not any(SECRET in repr(r) or "se%23cret" in repr(r) for r in seen.values())
    maria.say("SET GLOBAL read_only = 1")
    all_of(place, {"wrong_role": (maria.url(), {"role": "primary"}), "up": (maria.url(), {"role": "replica"}),
                   "wrong_role writes": (maria.url(), {"query": "CREATE TABLE orders.t (a int)"})})
    assert int(maria.say("SHOW STATUS LIKE 'Aborted_clients'").split()[1]) <= 2  # too much was left to be read; the others said goodbye


def test_a_slow_question_does_not_go_on_in_the_server(place, plain):
    maria = Maria(place, plain)
    with Prober(place, {"url": maria.url(), "query": "SELECT SLEEP(60)"}, timeout=0.5) as prober:
        assert [prober.ask().said() for _ in range(3)] == ["timeout"] * 3
        wait_until(lambda: "SLEEP" not in maria.say("SHOW PROCESSLIST"), 30, lambda: maria.say("SHOW PROCESSLIST"))


def test_full_servers(place, plain):
    maria = Maria(place, plain, "--max-connections=10", "--connect-timeout=120")
    with Prober(place, {"url": maria.url(f"one:{SECRET.replace('#', '%23')}@")}) as kept:
        assert kept.ask().said() == "up"
        assert ask(place, {"url": maria.url(f"one:{SECRET.replace('#', '%23')}@")}).said() == "saturated"
        held = [socket.create_connection(("127.0.0.1", maria.port)) for _ in range(12)]
        assert all(link.recv(1) for link in held)
        assert "1040" in ask(place, {"url": maria.url()}).detail
        assert ask(place, {"url": maria.url()}).said() == "saturated"
        assert kept.ask().said() == "up"
        for link in held:
            link.close()
        wait_until(lambda: ask(place, {"url": maria.url()}).said() == "up", 30)


def test_tls_is_verified(place, plain):
    certificates = Certificates(place)
    os.chmod(certificates.client[1], 0o600)
    ca = {"caFile": certificates.ca}
    right, wrong, expired = (Maria(place, plain, certificate=pair) for pair in (certificates.right, certificates.wrong, certificates.expired))
    client = {"certFile": certificates.client[0], "keyFile": certificates.client[1]}
    host = {"host": "localhost", "scheme": "mysqls"}
    secret = f"strict:{SECRET.replace('#', '%23')}@"
    seen = all_of(place, {
        "up": (right.url(**host), ca), "up caFile asks for it": (right.url(secret), ca), "up address": (right.url(scheme="mysqls"), ca),
        "up unverified": (wrong.url(**host), {"tlsVerify": False}), "up client": (right.url("mutual@", **host), {**ca, **client}),
        "auth_failed no client certificate": (right.url("mutual@", **host), ca), "tls_error unknown authority": (right.url(**host), {}),
        "tls_error wrong host": (wrong.url(**host), ca), "tls_error expired": (expired.url(**host), ca)})
    assert seen["up"].phases["tls"] > 0


def test_one_kept_connection_survives_kill_and_stop(place, plain):
    side_by_side({tls: lambda t=tls: keeps_one_connection(place, plain, t) for tls in (False, True)})


def keeps_one_connection(place, plain, tls):
    certificates = Certificates(place) if tls else None
    maria = Maria(place, plain, certificate=certificates.right if tls else None)
    keys = {"caFile": certificates.ca} if tls else {}
    with Prober(place, {"url": maria.url(), "role": "primary", "query": "SELECT 17", "max": 17, **keys}) as prober:
        outlives(maria, prober)
        fds, rss = prober.fds(), prober.rss()
        before = int(maria.say("SHOW STATUS LIKE 'Connections'").split()[1])
        for _ in range(300):
            assert prober.ask().said() == "up"
        assert int(maria.say("SHOW STATUS LIKE 'Connections'").split()[1]) == before + 1
        assert prober.fds() == fds and prober.rss() < rss + GROWTH and prober.threads() == 1


@pytest.mark.parametrize("code, said", [(1040, "saturated"), (1203, "saturated"), (1045, "auth_failed"), (1129, "auth_failed"),
                                        (1130, "auth_failed"), (1049, "not_ready"), (1053, "not_ready"), (4242, "protocol_error")])
def test_what_else_a_server_says_for_a_greeting(place, code, said):
    with Faulty(closes_after(error(code, b"in any language"), wait=False)) as server:
        assert ask(place, {"url": f"mysql://app@127.0.0.1:{server.port}/"}).said() == said


def sha(*texts):
    return hashlib.sha256(b"".join(texts)).digest()


def caching_server(connection, fast):
    """A MySQL 8: its plugin, its two ways to let somebody in."""
    connection.sendall(greeting(b"caching_sha2_password"))
    answer = connection.recv(4096)
    once_hashed = sha(SECRET.encode())
    proof = bytes(a ^ b for a, b in zip(once_hashed, sha(sha(once_hashed), b"12345678abcdefghijkl")))
    if proof not in answer:
        connection.sendall(error(1045, b"Access denied", 2))
        return
    connection.sendall(packet(2, b"\1\3") + packet(3, OK) if fast else packet(2, b"\1\4"))
    while True:
        asked = connection.recv(4096)
        if not asked:
            return
        connection.sendall(packet(1, OK))


def test_a_server_of_mysql_8(place):
    with Faulty(lambda c: caching_server(c, True)) as server:
        url = f"127.0.0.1:{server.port}/"
        assert ask(place, {"url": f"mysql://app:se%23cret@{url}"}).said() == "up"
        assert ask(place, {"url": f"mysql://app:wrong@{url}"}).said() == "auth_failed"
    with Faulty(lambda c: caching_server(c, False)) as server:
        result = ask(place, {"url": f"mysql://app:se%23cret@127.0.0.1:{server.port}/"})
        assert (result.said(), "needs TLS" in result.detail) == ("auth_failed", True)


@pytest.mark.parametrize("plugin, said", [(b"client_ed25519", "auth_failed"), (b"mysql_clear_password", "auth_failed")])
def test_plugins_that_cannot_be_had(place, plugin, said):
    def treat(connection):
        connection.sendall(greeting())
        connection.recv(4096)
        connection.sendall(packet(2, b"\xfe" + plugin + b"\0" + b"x" * 20 + b"\0"))
        assert SECRET.encode() not in connection.recv(4096)
    with Faulty(treat) as server:
        assert ask(place, {"url": f"mysql://app:se%23cret@127.0.0.1:{server.port}/"}).said() == said


def test_answers_that_never_end_are_cut(place):
    def floods(start, more):
        def treat(connection):
            connection.sendall(start)
            while True:
                connection.sendall(more)
        return treat
    for treat in (floods(greeting(), packet(2, b"\xfemysql_native_password\0" + b"x" * 21) * 1000), floods(greeting(), b"\xff\xff\xff" * 10000),
                  floods(b"", b"\0" * 10000)):
        with Faulty(treat) as server:
            assert ask(place, {"url": f"mysql://app:x@127.0.0.1:{server.port}/"}).said() == "protocol_error"
