# ctest: asan timeout=240
# SPDX-License-Identifier: Apache-2.0
"""nats against nats-server with every kind of identity, TLS and JetStream, and servers that are wrong on purpose."""
import base64
import binascii
import json
import signal
import socket
import subprocess

from kinds import GROWTH, PATIENT, Certificates, Faulty, Prober, Server, ask, faults, outlives, side_by_side, silent
from lifesign import accepts, free_port

INFO = b'INFO {"server_id":"X","version":"2.9.10","proto":1,"max_payload":1048576}\r\n'


class Nats(Server):
    def __init__(self, place, plain, config="", options=()):
        self.port = free_port()
        file = place.file(f"nats-{self.port}.conf", f"listen: 127.0.0.1:{self.port}\n{config}\n")
        super().__init__(plain, ["/usr/sbin/nats-server", "-c", file, *options], lambda: accepts(self.port))

    def url(self, user="", scheme="nats"):
        return f"{scheme}://{user}localhost:{self.port}"

    def request(self, subject, what):
        """The answer to one request."""
        with socket.create_connection(("127.0.0.1", self.port), 5) as s, s.makefile("rb") as lines:
            body = what if isinstance(what, bytes) else json.dumps(what).encode()
            s.sendall(b'CONNECT {"verbose":false}\r\nSUB answer 1\r\nPUB %s answer %d\r\n%s\r\n' % (subject.encode(), len(body), body))
            while True:
                words = lines.readline().split()
                assert words and words[0] != b"-ERR", words
                if words[0] == b"MSG":
                    return json.loads(lines.read(int(words[-1])))


def test_every_fault_has_its_name_within_the_budget(place):
    def dependency(port):
        return {"kind": "nats", "url": f"nats://127.0.0.1:{port}"}
    seen = faults(place, dependency, b"PON", early=INFO)
    assert {fault: result.said() for fault, result in seen.items()} == {
        "refused": "refused", "black hole": "connect_timeout", "silent": "timeout", "garbage": "protocol_error", "drip": "timeout",
        "closes mid-answer": "protocol_error", "closes at once": "protocol_error", "resets": "protocol_error"}, seen

    def answering(text, timeout=PATIENT):
        def case():
            with Faulty(lambda c: (c.sendall(text), silent(c))) as server:
                return ask(place, dependency(server.port), timeout)
        return case
    seen = side_by_side({
        "INFO and then nothing": answering(INFO, 1), "INFO that is no JSON": answering(b"INFO {]\r\n"),
        "too long": answering(b"INFO " + b"x" * 70000), "a message nobody asked for": answering(INFO + b"MSG a 1 99999999\r\n"),
        "talks on": answering(INFO + b"+OK\r\n" * 100, 1)})
    assert {case: result.said() for case, result in seen.items()} == {
        "INFO and then nothing": "timeout", "INFO that is no JSON": "protocol_error", "too long": "protocol_error",
        "a message nobody asked for": "protocol_error", "talks on": "timeout"}, seen


# ---- who we are

def nkey(prefix, place):
    """A new Ed25519 key as NATS writes it: seed, public; `prefix` 20 << 3 for a user."""
    file = place.file(f"key-{free_port()}.der")
    subprocess.run(["openssl", "genpkey", "-algorithm", "ED25519", "-outform", "DER", "-out", file], check=True, timeout=30)
    public = subprocess.run(["openssl", "pkey", "-inform", "DER", "-in", file, "-pubout", "-outform", "DER"], check=True,
                            capture_output=True, timeout=30).stdout[-32:]
    with open(file, "rb") as f:
        secret = f.read()[-32:]

    def text(data):
        return base64.b32encode(data + binascii.crc_hqx(data, 0).to_bytes(2, "little")).decode().rstrip("=")
    return text(bytes([(18 << 3) | (prefix >> 5), (prefix & 31) << 3]) + secret), text(bytes([prefix]) + public), file


def test_identities(place, plain):
    seed, public, _ = nkey(20 << 3, place)
    other, _, _ = nkey(20 << 3, place)
    users = Nats(place, plain, f'authorization {{ users: [{{user: probe, password: "se cret"}}, {{nkey: {public}}}] }}')
    token = Nats(place, plain, 'authorization { token: "to ken" }')

    def file(name, text):
        return {"passwordFile": place.file(name, text, mode=0o600)}
    cases = {
        "up in URL": (users.url("probe:se%20cret@"), {}), "up in file": (users.url("probe@"), file("p1", "se cret\n")),
        "up nkey": (users.url(), file("p2", seed + "\n")), "up token": (token.url("to%20ken@"), {}),
        "up token in file": (token.url(), file("p3", "to ken")),
        "auth_failed none": (users.url(), {}), "auth_failed password": (users.url("probe:other@"), {}),
        "auth_failed nkey": (users.url(), file("p4", other)), "auth_failed token": (token.url("other@"), {}),
        "internal broken nkey": (users.url(), file("p5", seed[:20] + ("A" if seed[20] != "A" else "B") + seed[21:])),
    }
    seen = side_by_side({name: lambda d={"kind": "nats", "url": url, **keys}: ask(place, d) for name, (url, keys) in cases.items()})
    assert [(name, result) for name, result in seen.items() if result.said() != name.split()[0]] == []
    assert not any(word in repr(result) for result in seen.values() for word in ("se cret", "to ken", seed))


def test_credentials_of_a_file_with_a_jwt(place, plain):
    keys = {name: nkey(prefix << 3, place) for name, prefix in (("operator", 14), ("account", 0), ("user", 20))}

    def part(what):
        return base64.urlsafe_b64encode(what).decode().rstrip("=")

    def jwt(kind, subject, issuer):
        claims = {"jti": "x", "iat": 1600000000, "iss": keys[issuer][1], "sub": keys[subject][1], "name": subject,
                  "nats": {"type": kind, "version": 2}}
        if kind == "account":
            claims["nats"]["limits"] = {"subs": -1, "conn": -1, "leaf": -1, "imports": -1, "exports": -1, "data": -1, "payload": -1}
        elif kind == "user":
            claims["nats"].update(subs=-1, data=-1, payload=-1)
        text = part(b'{"typ":"JWT","alg":"ed25519-nkey"}') + "." + part(json.dumps(claims).encode())
        signed = subprocess.run(["openssl", "pkeyutl", "-sign", "-rawin", "-keyform", "DER", "-inkey", keys[issuer][2], "-in",
                                 place.file("claims", text)], check=True, capture_output=True, timeout=30).stdout
        return f"{text}.{part(signed)}"
    server = Nats(place, plain, f"operator: {jwt('operator', 'operator', 'operator')}\nresolver: MEMORY\n"
                  f"resolver_preload: {{ {keys['account'][1]}: {jwt('account', 'account', 'operator')} }}")
    token = jwt("user", "user", "account")
    for seed, said in ((keys["user"][0], "up"), (keys["account"][0], "auth_failed")):
        file = place.file("user.creds", f"-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n"
                          f"-----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n", mode=0o600)
        result = ask(place, {"kind": "nats", "url": server.url(), "passwordFile": file})
        assert result.said() == said, (result, server.running.said())


def test_tls_after_info(place, plain):
    certificates = Certificates(place)
    right, wrong, expired, mutual = (Nats(place, plain, f"tls {{ cert_file: {pair[0]}\n key_file: {pair[1]}\n {more} }}")
                                     for pair, more in ((certificates.right, ""), (certificates.wrong, ""), (certificates.expired, ""),
                                                        (certificates.right, f"ca_file: {certificates.ca}\n verify: true")))
    bare = Nats(place, plain)
    ca = {"caFile": certificates.ca}
    client = {"certFile": certificates.client[0], "keyFile": certificates.client[1]}
    cases = {"up": (right.url(scheme="tls"), ca), "up because the server wants it": (right.url(), ca),
             "up unverified": (wrong.url(), {"tlsVerify": False}), "up client": (mutual.url(), {**ca, **client}),
             "tls_error unknown authority": (right.url(), {}), "tls_error wrong host": (wrong.url(), ca),
             "tls_error expired": (expired.url(), ca), "tls_error no client certificate": (mutual.url(), ca),
             "tls_error the server has none": (bare.url(scheme="nats+tls"), ca)}
    seen = side_by_side({name: lambda d={"kind": "nats", "url": url, **keys}: ask(place, d) for name, (url, keys) in cases.items()})
    assert [(name, result) for name, result in seen.items() if result.said() != name.split()[0]] == []
    assert seen["up"].phases["tls"] > 0


def test_full_and_lame(place, plain):
    server = Nats(place, plain, "max_connections: 1\nlame_duck_duration: 30s\nlame_duck_grace_period: 5s")
    with Prober(place, {"kind": "nats", "url": server.url()}) as first:
        first.until("up")
        assert ask(place, {"kind": "nats", "url": server.url()}).said() == "saturated"
        server.running.process.send_signal(signal.SIGUSR2)
        result = first.until("not_ready")
        assert "lame duck" in result.detail
        first.until("refused")


def test_how_far_a_consumer_is_behind(place, plain):
    server = Nats(place, plain, f'jetstream {{ store_dir: "{place.directory("jetstream")}" }}')
    without = Nats(place, plain)
    keys = {"kind": "nats", "url": server.url(), "stream": "ORDERS", "consumer": "worker", "max": 10}
    with Prober(place, keys) as prober:
        result = prober.ask()
        assert (result.said(), "not found" in result.detail) == ("not_ready", True), result
        server.request("$JS.API.STREAM.CREATE.ORDERS", {"name": "ORDERS", "subjects": ["orders"], "storage": "memory"})
        assert prober.ask().said() == "not_ready"
        server.request("$JS.API.CONSUMER.DURABLE.CREATE.ORDERS.worker", {
            "stream_name": "ORDERS", "config": {"durable_name": "worker", "ack_policy": "explicit"}})
        assert (prober.ask().said(), prober.ask().value) == ("up", 0)
        for _ in range(7):
            server.request("orders", b"one")
        assert (prober.ask().said(), prober.ask().value) == ("up", 7)
        for _ in range(7):
            server.request("orders", b"one")
        assert (prober.ask().said(), prober.ask().value) == ("threshold", 14)
    result = ask(place, {**keys, "url": without.url()})
    assert (result.said(), "not enabled" in result.detail) == ("not_ready", True), result


def test_one_kept_connection_survives_kill_and_stop(place, plain):
    certificates = Certificates(place)
    pair = certificates.right

    def case(config, more):
        server = Nats(place, plain, config)
        with Prober(place, {"kind": "nats", "url": server.url(), **more}) as prober:
            outlives(server, prober)
            fds, rss = prober.fds(), prober.rss()
            for _ in range(300):
                result = prober.ask()
                assert result.said() == "up" and "auth" not in result.phases, result
            assert prober.fds() == fds and prober.rss() < rss + GROWTH
    side_by_side({"plain": lambda: case("", {}), "tls": lambda: case(f"tls {{ cert_file: {pair[0]}\n key_file: {pair[1]} }}", {
        "caFile": certificates.ca})})
