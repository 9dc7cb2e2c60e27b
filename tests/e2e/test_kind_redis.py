# ctest: asan timeout=120
# SPDX-License-Identifier: Apache-2.0
"""redis: a primary, a replica, a cluster, ACL and TLS of the real server, and servers that are wrong on purpose."""
import socket

import pytest

from kinds import GROWTH, Certificates, Faulty, Prober, Server, ask, closes_after, faults, outlives, side_by_side
from lifesign import free_port, wait_until


class Redis(Server):
    def __init__(self, place, plain, *options, password=None, ready=b"+PONG", **more):
        self.port, self.password = free_port(), password
        self.socket = place.file(f"r{self.port}.s")
        self.top = place.directory(f"redis{self.port}")
        words = ["--port", self.port, "--bind", "127.0.0.1", "--dir", self.top, "--save", "", "--unixsocket", self.socket]
        words += ["--requirepass", password] if password else []
        super().__init__(plain, ["/usr/bin/redis-server", *words, *options], lambda: self.try_say(b"PING").startswith(ready), **more)

    def say(self, *commands):
        """The last command's answer as it came, over the unix socket."""
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(30)
            link.connect(self.socket)
            if self.password:
                link.sendall(b"AUTH %s\r\n" % self.password.encode())
                link.recv(65536)
            got = b""
            for command in commands:
                link.sendall(command + b"\r\n")
                got = link.recv(65536)
            return got

    def try_say(self, *commands):
        try:
            return self.say(*commands)
        except OSError:
            return b""

    def connections(self):
        return int(self.say(b"INFO stats").split(b"total_connections_received:")[1].split()[0])

    def url(self, user="", rest="", host="127.0.0.1"):
        return f"redis://{user}{host}:{self.port}{rest}"


def misses(seen):
    """Results whose first word of the name is not what was said."""
    return {name: result for name, result in seen.items() if result.said() != name.split()[0]}


def all_of(place, cases):
    """{name: (url, keys)} asked side by side; each name begins with what must be said."""
    seen = side_by_side({name: lambda d={"url": url, **keys}: ask(place, d) for name, (url, keys) in cases.items()})
    assert misses(seen) == {}
    return seen


def plain_one(port):
    return {"url": f"redis://127.0.0.1:{port}"}


def tls_one(port):
    return {"url": f"rediss://:secret@127.0.0.1:{port}", "tlsVerify": False}


@pytest.mark.parametrize("keys, start, broken", [(plain_one, b"+PON", "protocol_error"), (tls_one, b"\x16\x03\x03\x01\x01", "tls_error")],
                         ids=["plain", "TLS"])
def test_every_fault_has_its_name_within_the_budget(place, keys, start, broken):
    seen = faults(place, keys, start, timeout=1.5)
    said = {fault: result.said() for fault, result in seen.items()}
    assert said == {"refused": "refused", "black hole": "connect_timeout", "silent": "timeout", "garbage": broken, "drip": "timeout",
                    "closes mid-answer": broken, "closes at once": broken, "resets": broken}, seen


def test_answers_that_never_end_are_cut(place):
    def floods(start, more):
        def treat(connection):
            connection.recv(4096)
            connection.sendall(start)
            while True:
                connection.sendall(more)
        return treat
    for treat in (floods(b"$536870912\r\n", b"x" * 65536), floods(b"*2147483647\r\n", b"*2147483647\r\n"), floods(b"+", b"x" * 65536),
                  floods(b"", b"*1\r\n" * 10000)):
        with Faulty(treat) as server, Prober(place, plain_one(server.port), timeout=2) as prober:
            before = prober.rss()
            assert prober.ask().said() in ("protocol_error", "timeout")
            assert prober.rss() < before + 4 * GROWTH


def test_what_the_answer_must_be(place, plain):
    redis = Redis(place, plain)
    acl = Redis(place, plain, "--aclfile", place.file("acl", "user default off\nuser probe on >se#cret +ping +llen ~*\n"
                                                             "user mute on >se#cret -@all\nuser all on >se#cret ~* &* +@all\n"), ready=b"-NOAUTH")
    old = Redis(place, plain, password="se#cret")
    assert redis.say(b"RPUSH jobs a b c", b"SET text hello", b"SET number 12.5", b"SET 'a key' 7", b"SELECT 3", b"RPUSH jobs a") == b":1\r\n"
    secret = {"passwordFile": place.file("password", "se#cret\n", mode=0o600)}
    over = {"passwordFile": place.file("wrong", "other", mode=0o600)}
    number = {"command": "LLEN jobs", "max": 3}
    seen = all_of(place, {
        "up": (redis.url(), {}),
        "up by name": (redis.url(host="localhost"), {}),
        "up unix": (f"unix://{redis.socket}?db=3", {"kind": "redis", "command": "LLEN jobs", "max": 1}),
        "up number": (redis.url(), number),
        "up text number": (redis.url(), {"command": "GET number", "min": 12.5}),
        "up quoted": (redis.url(), {"command": 'GET "a key"', "min": 7, "max": 7}),
        "up any answer": (redis.url(), {"command": "GET text"}),
        "up database": (redis.url(rest="/3"), {"command": "LLEN jobs", "max": 1}),
        "up primary": (redis.url(), {"role": "primary"}),
        "threshold": (redis.url(), {**number, "max": 2}),
        "wrong_role": (redis.url(), {"role": "replica"}),
        "protocol_error no number": (redis.url(), {"command": "GET text", "max": 1}),
        "protocol_error no command": (redis.url(), {"command": "NONSENSE se#cret"}),
        "protocol_error database": (redis.url(rest="/99"), {}),
        "up password": (old.url(), secret),
        "up password in URL": (old.url(":se%23cret@"), {}),
        "auth_failed none": (old.url(), {}),
        "auth_failed wrong": (old.url(), over),
        "auth_failed not asked for": (redis.url(), secret),
        "up user": (acl.url("probe@"), {**secret, **number, "max": 0}),
        "up all": (acl.url("all@"), {**secret, "role": "primary"}),
        "auth_failed user": (acl.url("nobody@"), secret),
        "auth_failed user's password": (acl.url("probe@"), over),
        "auth_failed user may not": (acl.url("mute@"), secret),
        "auth_failed user may not ROLE": (acl.url("probe@"), {**secret, "role": "primary"}),
        "auth_failed no user": (acl.url(), {}),
    })
    assert (seen["up number"].value, seen["up text number"].value, seen["up any answer"].value) == (3, 12.5, None)
    assert seen["up password"].phases["auth"] > 0
    assert not any("se#cret" in repr(r) or "se%23cret" in repr(r) for r in seen.values())


def test_tls_is_verified(place, plain):
    certificates = Certificates(place)
    ca = {"caFile": certificates.ca}

    def secured(pair, clients="no"):
        port = free_port()
        redis = Redis(place, plain, "--tls-port", port, "--tls-cert-file", pair[0], "--tls-key-file", pair[1],
                      "--tls-ca-cert-file", certificates.ca, "--tls-auth-clients", clients)
        return f"rediss://localhost:{port}", redis
    (right, one), (wrong, _), (expired, _) = secured(certificates.right), secured(certificates.wrong), secured(certificates.expired)
    mutual, _ = secured(certificates.right, "yes")
    seen = all_of(place, {
        "up": (right, ca),
        "up address": (right.replace("localhost", "127.0.0.1"), ca),
        "up unverified": (wrong, {"tlsVerify": False}),
        "up client": (mutual, {**ca, "certFile": certificates.client[0], "keyFile": certificates.client[1]}),
        "tls_error unknown authority": (right, {}),
        "tls_error wrong host": (wrong, ca),
        "tls_error expired": (expired, ca),
        "tls_error no client certificate": (mutual, ca),
    })
    assert ask(place, {"url": one.url().replace("redis:", "rediss:"), **ca}, 0.7).said() == "timeout"  # it waits for the line's end
    assert "hostname mismatch" in seen["tls_error wrong host"].detail.lower()
    assert "expired" in seen["tls_error expired"].detail
    assert seen["up"].phases["tls"] > 0


def test_a_replica_and_its_link(place, plain):
    primary = Redis(place, plain, "--repl-diskless-sync-delay", 0)
    replica = Redis(place, plain, "--replicaof", "127.0.0.1", primary.port)
    strict = Redis(place, plain, "--replicaof", "127.0.0.1", primary.port, "--replica-serve-stale-data", "no")
    with Prober(place, {"url": replica.url(), "role": "replica"}) as prober, Prober(place, {"url": strict.url()}) as other, \
            Prober(place, {"url": replica.url(), "role": "primary"}) as writer:
        prober.until("up")
        other.until("up")
        assert writer.ask().said() == "wrong_role"
        primary.kill()
        assert "link to the primary" in prober.until("not_ready").detail
        assert "MASTERDOWN" in other.until("not_ready").detail
        assert replica.say(b"REPLICAOF NO ONE") == b"+OK\r\n"
        prober.until("wrong_role")
        writer.until("up")


def test_a_cluster_is_up_when_all_its_slots_are(place, plain):
    node = Redis(place, plain, "--cluster-enabled", "yes", "--cluster-port", free_port())
    with Prober(place, {"url": node.url()}) as prober, Prober(place, {"url": node.url(), "command": "LLEN jobs", "max": 1}) as other:
        assert "cluster_state" in prober.ask().detail
        assert prober.ask().said() == "not_ready"
        node.say(b"CLUSTER ADDSLOTSRANGE 0 16383")
        prober.until("up")
        assert other.until("up").value == 0
        node.say(b"CLUSTER DELSLOTS 7")
        prober.until("not_ready")
        node.say(b"CLUSTER ADDSLOTS 7")
        prober.until("up")


def test_loading_busy_and_full_servers(place, plain):
    redis = Redis(place, plain, "--maxclients", 4, "--lua-time-limit", 50, "--enable-debug-command", "yes")
    with Prober(place, {"url": redis.url()}) as prober:
        prober.until("up")
        with socket.create_connection(("127.0.0.1", redis.port)) as link:
            link.settimeout(10)
            link.sendall(b"EVAL 'while true do end' 0\r\n")
            assert "BUSY" in prober.until("not_ready").detail
            assert redis.say(b"SCRIPT KILL") == b"+OK\r\n"
            prober.until("up")
            link.recv(4096)
            redis.say(b"DEBUG POPULATE 20000", b"CONFIG SET key-load-delay 1000", b"CONFIG SET loading-process-events-interval-bytes 1024")
            link.sendall(b"DEBUG RELOAD\r\n")
            assert "LOADING" in prober.until("not_ready").detail
            assert prober.ask().said() == "not_ready"
            redis.say(b"CONFIG SET key-load-delay 0")
            prober.until("up")
        held = [socket.create_connection(("127.0.0.1", redis.port)) for _ in range(4)]
        assert prober.ask().said() == "up"  # its connection is kept
        for tries in range(3):
            assert ask(place, {"url": redis.url()}).said() == "saturated", tries
            assert ask(place, {"url": redis.url(":password@", "/1")}).said() == "saturated", tries
        for link in held:
            link.close()
        wait_until(lambda: ask(place, {"url": redis.url()}).said() == "up", 30)


def test_one_kept_connection_survives_kill_and_stop(place, plain):
    redis = Redis(place, plain, password="secret")
    with Prober(place, {"url": redis.url(":secret@", "/2"), "role": "primary", "command": "LLEN jobs", "max": 5}) as prober:
        prober.ask()
        before = redis.connections()
        for _ in range(50):
            assert prober.ask().said() == "up"
        assert redis.connections() == before + 1  # this question's own
        outlives(redis, prober)
        fds, rss = prober.fds(), prober.rss()
        for _ in range(500):
            assert prober.ask().said() == "up"
        assert prober.fds() == fds and prober.rss() < rss + GROWTH and prober.threads() == 1
        redis.say(b"CLIENT KILL TYPE normal SKIPME yes")  # as `timeout` does with idle ones
        assert prober.ask().said() == "up"


def test_a_proxy_that_hangs_up_at_what_it_does_not_know(place):
    def proxy(connection):
        while True:
            asked = connection.recv(4096)
            if not asked or b"CLUSTER" in asked:
                connection.close()
                return
            connection.sendall(b"+PONG\r\n")
    with Faulty(proxy) as server, Prober(place, plain_one(server.port)) as prober:
        assert [prober.ask().said() for _ in range(5)] == ["up"] * 5
        assert len(server.connections) == 2


@pytest.mark.parametrize("answer, said", [
    (b"-LOADING Redis is loading the dataset in memory\r\n", "not_ready"), (b"-CLUSTERDOWN The cluster is down\r\n", "not_ready"),
    (b"-DENIED Redis is running in protected mode\r\n", "auth_failed"), (b"-ERR unknown\r\n", "protocol_error"),
    (b"-BUSYKEY x\r\n", "protocol_error"), (b":1\r\n", "protocol_error"), (b"+OK\r\n", "protocol_error"), (b"$-1\r\n", "protocol_error"),
    (b"HTTP/1.1 400 Bad Request\r\n\r\n", "protocol_error"), (b"-ERR max number of clients + cluster connections reached\r\n", "saturated")])
def test_what_else_a_server_says_to_ping(place, answer, said):
    with Faulty(closes_after(answer)) as server:
        assert ask(place, plain_one(server.port)).said() == said


@pytest.mark.parametrize("keys, complaint", [
    ({"url": "redis://127.0.0.1/x"}, "database"), ({"url": "redis://127.0.0.1", "command": "GET 'a"}, "quote")])
def test_wrong_configurations_say_what_is_allowed(place, keys, complaint):
    prober = Prober(place, keys)
    assert prober.process.wait(10) > 2
    assert complaint in prober.complaint()
