# ctest: asan timeout=180
# SPDX-License-Identifier: Apache-2.0
"""mongodb against a stand-in that the official driver takes for one, and servers that are wrong on purpose."""
import os
import struct
import subprocess

import pytest

from kinds import GROWTH, Certificates, Faulty, Prober, Server, ask, black_hole, closes_after, faults, node_modules, outlives, side_by_side
from lifesign import SOURCE, clean_environment, free_port

SECRET = "se#cret"
STAND_IN = os.path.join(SOURCE, "tests/support/mongo_stand_in.py")


class Mongo(Server):
    def __init__(self, place, plain, *options, state="primary", port=None, **more):
        self.port = port or free_port()
        self.word = place.file(f"mongo{self.port}.state")
        self.be(state)
        super().__init__(plain, ["/usr/bin/python3", STAND_IN, "--port", self.port, "--state", self.word, *options],
                         lambda: "listening" in self.running.out(), **more)

    def be(self, state):
        with open(self.word + ".new", "w", encoding="ascii") as f:
            f.write(state)
        os.rename(self.word + ".new", self.word)

    def url(self, user="", rest="", host="127.0.0.1"):
        return f"mongodb://{user}{host}:{self.port}{rest}"

    def connections(self):
        return self.running.out().count("connection")


def all_of(place, cases):
    """{name: (url, keys)} asked side by side; each name begins with what must be said."""
    seen = side_by_side({name: lambda d={"url": url, **keys}: ask(place, d) for name, (url, keys) in cases.items()}, workers=4)
    assert {name: result for name, result in seen.items() if result.said() != name.split()[0]} == {}
    return seen


HEAD = struct.pack("<iiiiiqii", 36 + 400, 1, 1, 1, 8, 0, 0, 1)  # an OP_REPLY that goes on


@pytest.mark.parametrize("rest, start, broken", [("", HEAD[:20], "protocol_error"), ("?tls=true&tlsInsecure=true", b"\x16\x03\x03", "tls_error")],
                         ids=["plain", "TLS"])
def test_every_fault_has_its_name_within_the_budget(place, rest, start, broken):
    seen = faults(place, lambda port: {"url": f"mongodb://127.0.0.1:{port}/{rest}"}, start, timeout=2)
    assert {fault: result.said() for fault, result in seen.items()} == {
        "refused": "refused", "black hole": "connect_timeout", "silent": "timeout", "garbage": broken, "drip": "timeout",
        "closes mid-answer": broken, "closes at once": broken, "resets": broken}, seen


@pytest.mark.parametrize("options, url, said", [
    ((), "", '{"ok":1}\n{"ok":1}\nprimary'), (("--user", f"app:{SECRET}"), "app:se%23cret@", '{"ok":1}\n{"ok":1}\nprimary'),
    (("--user", f"app:{SECRET}"), "app:wrong@", "MongoServerError Authentication failed."),
    (("--set", "rs0"), "", '{"ok":1}\n{"ok":1}\nprimary rs0')], ids=["plain", "login", "wrong", "set"])
def test_the_official_driver_takes_the_stand_in_for_a_server(place, plain, options, url, said):
    mongo = Mongo(place, plain, *options)
    done = subprocess.run(["node", os.path.join(SOURCE, "tests/e2e/programs/mongo_ping.js"), mongo.url(url)], capture_output=True, text=True,
                          timeout=60, check=False, env=clean_environment({"NODE_PATH": node_modules()}))
    assert done.stdout.strip() == said, done


def test_what_the_answer_must_be(place, plain):
    mongo, locked = Mongo(place, plain), Mongo(place, plain, "--user", f"app:{SECRET}")
    ending, recovering, full, old = (Mongo(place, plain, state=state) for state in ("ending", "recovering", "full", "old"))
    secret = {"passwordFile": place.file("password", SECRET + "\n", mode=0o600)}
    over = {"passwordFile": place.file("wrong", "other", mode=0o600)}
    seen = all_of(place, {
        "up": (mongo.url(), {}),
        "up by name": (mongo.url(host="localhost"), {}),
        "up old": (old.url(), {"role": "primary"}),
        "up database and options": (mongo.url(rest="/orders?retryWrites=true&w=majority"), {}),
        "up password": (locked.url("app@"), secret),
        "up password in URL": (locked.url("app:se%23cret@", "/?authSource=admin&authMechanism=SCRAM-SHA-256"), {}),
        "up primary": (mongo.url(), {"role": "primary"}),
        "wrong_role": (mongo.url(), {"role": "replica"}),
        "auth_failed": (locked.url("app@"), over),
        "auth_failed user": (locked.url("nobody@"), secret),
        "not_ready ending": (ending.url(), {}),
        "not_ready recovering": (recovering.url(), {}),
        "protocol_error full": (full.url(), {}),
    })
    assert seen["up password"].phases["auth"] > 0
    assert not any("se#cret" in repr(r) or "se%23cret" in repr(r) for r in seen.values())
    with Prober(place, {"url": mongo.url()}) as any_role, Prober(place, {"url": mongo.url(), "role": "primary"}) as primary, \
            Prober(place, {"url": mongo.url(), "role": "replica"}) as replica:
        for state, expected in (("primary", ("up", "up", "wrong_role")), ("secondary", ("up", "wrong_role", "up")),
                                ("recovering", ("not_ready",) * 3), ("primary", ("up", "up", "wrong_role"))):
            mongo.be(state)
            assert tuple(prober.ask().said() for prober in (any_role, primary, replica)) == expected, state


def test_a_set_is_what_its_members_are_together(place, plain):
    ports = [free_port() for _ in range(3)]
    members = ",".join(f"127.0.0.1:{port}" for port in ports)
    first, second = (Mongo(place, plain, "--set", "rs0", "--members", members, state=state, port=port)
                     for state, port in (("primary", ports[0]), ("secondary", ports[1])))  # the third is down
    url = f"mongodb://127.0.0.1:{ports[2]},127.0.0.1:{ports[1]}/?replicaSet=rs0"
    with Prober(place, {"url": url, "role": "primary"}) as primary, Prober(place, {"url": url}) as any_role, \
            Prober(place, {"url": url, "role": "replica"}) as replica:
        assert [prober.ask().said() for prober in (primary, any_role, replica)] == ["up"] * 3
        first.be("recovering")
        assert primary.ask().said() == "not_ready"
        assert primary.ask().said() == "not_ready"
        any_role.until("up")
        second.be("primary")
        primary.until("up")
        replica.until("not_ready")
        second.kill()
        any_role.until("refused")  # both that the URL names


def test_tls_is_verified(place, plain):
    certificates = Certificates(place)
    ca = {"caFile": certificates.ca}
    right, wrong, expired = (Mongo(place, plain, "--tls", *pair) for pair in (certificates.right, certificates.wrong, certificates.expired))
    seen = all_of(place, {
        "up": (right.url(host="localhost"), ca),
        "up by the URL": (right.url(host="localhost", rest=f"/?tls=true&tlsCAFile={certificates.ca}"), {}),
        "up unverified": (wrong.url(rest="/?tls=true"), {"tlsVerify": False}),
        "tls_error unknown authority": (right.url(host="localhost", rest="/?tls=true"), {}),
        "tls_error wrong host": (wrong.url(host="localhost"), ca),
        "tls_error expired": (expired.url(host="localhost"), ca),
        "protocol_error no TLS": (right.url(host="localhost"), {}),
    })
    assert seen["up"].phases["tls"] > 0


def test_one_kept_connection_survives_kill_and_stop(place, plain):
    side_by_side({tls: lambda t=tls: keeps_one_connection(place, plain, t) for tls in (False, True)})


def keeps_one_connection(place, plain, tls):
    certificates = Certificates(place) if tls else None
    mongo = Mongo(place, plain, "--user", f"app:{SECRET}", *(("--tls", *certificates.right) if tls else ()))
    keys = {"caFile": certificates.ca} if tls else {}
    with Prober(place, {"url": mongo.url("app:se%23cret@"), "role": "primary", **keys}) as prober:
        prober.until("up")
        for _ in range(30):
            assert prober.ask().said() == "up"
        assert mongo.connections() == 1
        outlives(mongo, prober)
        fds, rss = prober.fds(), prober.rss()
        for _ in range(300):
            assert prober.ask().said() == "up"
        assert prober.fds() == fds and prober.rss() < rss + GROWTH and prober.threads() == 1
        mongo.be("silent")
        assert [prober.ask(1).said() for _ in range(2)] == ["timeout"] * 2
        mongo.be("primary")
        prober.until("up")


def test_hosts_that_swallow_packets_leave_time_for_the_others(place, plain):
    mongo = Mongo(place, plain, "--set", "rs0")
    with black_hole() as hole:
        result = ask(place, {"url": f"mongodb://127.0.0.1:{hole},127.0.0.1:{mongo.port}/?replicaSet=rs0"}, timeout=8)
        assert result.said() == "up", result
        result = ask(place, {"url": f"mongodb://127.0.0.1:{hole},127.0.0.1:{free_port()}/?replicaSet=rs0"}, timeout=1)
        assert result.said() in ("refused", "connect_timeout"), result


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", struct.pack("<i", 2**31 - 1) * 100, struct.pack("<i", 1) * 100,
                                    struct.pack("<iiiiiqii", 36 + 5, 1, 1, 1, 8, 0, 0, 1) + b"\5\0\0\0\0"], ids=["HTTP", "long", "short", "empty"])
def test_what_else_a_server_says(place, answer):
    with Faulty(closes_after(answer)) as server:
        result = ask(place, {"url": f"mongodb://127.0.0.1:{server.port}"})
        assert result.said() in ("protocol_error", "not_ready"), result


@pytest.mark.parametrize("url, complaint", [
    ("mongodb+srv://db.example.org", "allowed: mongodb://"), ("mongodb://127.0.0.1/?authMechanism=SCRAM-SHA-256", "url: ")])
def test_wrong_configurations_say_what_is_allowed(place, url, complaint):
    prober = Prober(place, {"url": url, "kind": "mongodb"})
    assert prober.process.wait(10) > 2
    assert complaint in prober.complaint()
