# ctest: asan timeout=240
# SPDX-License-Identifier: Apache-2.0
"""http and https against nginx with TLS and HTTP/2, another lifesign, and servers that are wrong on purpose."""
import json
import os
import socket
import subprocess

import pytest

from kinds import GROWTH, Certificates, Faulty, Prober, Server, ask, drips, faults, outlives, refused_port, side_by_side
from lifesign import accepts, free_port, wait_until
from services import python_http

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello"
PLACES = {
    "/ok": 'return 200 "ok\\n"',
    "/json": """return 200 '{"queue": {"length": 17, "names": ["a/b", "12.5"]}, "a/b": {"m~n": true}, "state": "green"}'""",
    "/error": "return 500", "/overloaded": "return 429", "/notready": "return 503", "/moved": "return 302 /ok", "/gone": "return 404",
    "/none": "return 204",
    "/secret": "auth_basic x; auth_basic_user_file $TOP/users; try_files /ok.txt =404",
}


class Web(Server):
    def __init__(self, place, plain, certificate, options=""):
        self.port, self.top = free_port(), place.directory(f"web{free_port()}")
        password = subprocess.run(["openssl", "passwd", "-apr1", "se cret"], capture_output=True, text=True, check=True).stdout
        for name, text in (("users", f"probe:{password}"), ("ok.txt", "ok"), ("big.txt", "x" * 3_000_000)):
            with open(f"{self.top}/{name}", "w", encoding="ascii") as f:
                f.write(text)
        os.chmod(self.top, 0o755)
        places = "".join(f"location = {path} {{ {what.replace('$TOP', self.top)}; }}\n" for path, what in PLACES.items())
        temp = "".join(f"{kind}_temp_path {self.top}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        listen = f"listen 127.0.0.1:{self.port} ssl http2; ssl_certificate {certificate[0]}; ssl_certificate_key {certificate[1]};" \
            if certificate else f"listen 127.0.0.1:{self.port};"
        config = place.file(f"{os.path.basename(self.top)}.conf", f"""
daemon off; worker_processes 1; pid {self.top}/pid; error_log {self.top}/error.log;
events {{ worker_connections 64; }}
http {{ log_format all '$connection $server_protocol "$http_user_agent" $request_method $request_uri $status';
access_log {self.top}/log all; {temp} {options} server {{ {listen} root {self.top}; {places} }} }}
""")
        super().__init__(plain, ["/usr/sbin/nginx", "-p", self.top, "-c", config, "-e", f"{self.top}/error.log"],
                         lambda: accepts(self.port))

    def url(self, path="/ok", user="", scheme="http"):
        return f"{scheme}://{user}localhost:{self.port}{path}"

    def log(self):
        with open(f"{self.top}/log", encoding="ascii") as f:
            return f.read().splitlines()


def test_every_fault_has_its_name_within_the_budget(place):
    for scheme, silent, broken in (("http", "timeout", "protocol_error"), ("https", "timeout", "tls_error")):
        seen = faults(place, lambda port: {"url": f"{scheme}://localhost:{port}/", "tlsVerify": False} if scheme == "https"
                      else {"url": f"http://localhost:{port}/"}, ANSWER)
        said = {fault: result.said() for fault, result in seen.items()}
        assert said == {"refused": "refused", "black hole": "connect_timeout", "silent": silent, "garbage": broken,
                        "drip": "timeout" if scheme == "http" else said["drip"], "closes mid-answer": broken,
                        "closes at once": broken, "resets": broken}, seen
        assert said["drip"] in ("timeout", "tls_error")


def test_headers_that_break_off_or_come_one_by_one_are_no_answer(place):
    with Faulty(lambda c: (c.recv(999), c.sendall(b"HTTP/1.1 200 OK\r\nContent-Le"), c.close())) as server:
        result = ask(place, {"url": f"http://127.0.0.1:{server.port}/"})
        assert (result.said(), "middle of the headers" in result.detail) == ("protocol_error", True)
    with Faulty(drips(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 50)) as server:
        result = ask(place, {"url": f"http://127.0.0.1:{server.port}/"}, timeout=1.2)
        assert (result.said(), result.phases["ask"] > result.seconds / 2) == ("timeout", True)


def test_names_that_are_not_there(place):
    result = ask(place, {"url": "http://nobody.invalid/"}, timeout=3)
    assert result.said() in ("dns_nxdomain", "dns_timeout")


def test_what_the_answer_must_be(place, plain):
    web = Web(place, plain, None)
    secret = place.file("password", "se cret\n", mode=0o600)
    wrong = place.file("wrong", "other", mode=0o600)
    cases = {
        "up": (web.url(), {}),
        "up 204": (web.url("/none"), {}),
        "up HEAD": (web.url(), {"method": "HEAD"}),
        "up big": (web.url("/big.txt"), {"body": "^x+$"}),
        "up status": (web.url("/gone"), {"status": ["200-299", 404]}),
        "up body": (web.url(), {"body": "^(ok|fine)$"}),
        "up pointer": (web.url("/json"), {"pointer": "/queue/length", "min": 1, "max": 17}),
        "up quoted": (web.url("/json"), {"pointer": "/queue/names/1", "max": 13}),
        "up escaped": (web.url("/json"), {"pointer": "/a~1b/m~0n", "expect": "true"}),
        "up text": (web.url("/json"), {"pointer": "/state", "expect": "green"}),
        "up secret": (web.url("/secret", "probe@"), {"passwordFile": secret}),
        "up secret in URL": (web.url("/secret", "probe:se%20cret@"), {}),
        "not_ready 500": (web.url("/error"), {}),
        "not_ready 503": (web.url("/notready"), {}),
        "not_ready body": (web.url(), {"body": "^fine$"}),
        "not_ready text": (web.url("/json"), {"pointer": "/state", "expect": "red"}),
        "saturated": (web.url("/overloaded"), {}),
        "protocol_error moved": (web.url("/moved"), {}),
        "protocol_error gone": (web.url("/gone"), {}),
        "protocol_error status": (web.url(), {"status": 204}),
        "protocol_error no JSON": (web.url(), {"pointer": "/a"}),
        "protocol_error nothing": (web.url("/json"), {"pointer": "/queue/names/2"}),
        "protocol_error no number": (web.url("/json"), {"pointer": "/state"}),
        "threshold": (web.url("/json"), {"pointer": "/queue/length", "max": 16}),
        "auth_failed none": (web.url("/secret"), {}),
        "auth_failed wrong": (web.url("/secret", "probe@"), {"passwordFile": wrong}),
        "protocol_error plain for TLS": (web.url("/", "", "https").replace("https", "http") + "gone", {}),
        "tls_error": (web.url(scheme="https"), {}),
    }
    seen = side_by_side({name: lambda d={"url": url, **keys}: ask(place, d) for name, (url, keys) in cases.items()})
    assert [(name, result) for name, result in seen.items() if result.said() != name.split()[0]] == []
    assert seen["up pointer"].value == 17 and seen["up quoted"].value == 12.5
    assert "redirect" in seen["protocol_error moved"].detail
    assert not any("se cret" in repr(r) or "se%20cret" in repr(r) for r in seen.values())
    assert all('"lifesign/' in line for line in web.log() if not line.endswith(" 400"))


def test_tls_is_verified_and_speaks_http2(place, plain):
    certificates = Certificates(place)
    ca = {"caFile": certificates.ca}
    right, wrong, expired, mutual = (Web(place, plain, pair, options) for pair, options in (
        (certificates.right, ""), (certificates.wrong, ""), (certificates.expired, ""),
        (certificates.right, f"ssl_client_certificate {certificates.ca}; ssl_verify_client on;")))
    client = {"certFile": certificates.client[0], "keyFile": certificates.client[1]}
    cases = {"up": (right, ca), "up unverified": (wrong, {"tlsVerify": False}), "tls_error unknown authority": (right, {}),
             "tls_error wrong host": (wrong, ca), "tls_error expired": (expired, ca), "up client": (mutual, {**ca, **client}),
             "protocol_error no client certificate": (mutual, ca)}
    seen = side_by_side({name: lambda d={"url": web.url(scheme="https"), **keys}: ask(place, d) for name, (web, keys) in cases.items()})
    assert [(name, result) for name, result in seen.items() if result.said() != name.split()[0]] == []
    assert seen["up"].phases["tls"] > 0
    assert " HTTP/2.0 " in wait_until(right.log, 10, "a line of the log, which comes after the answer")[0]


def test_one_kept_connection_survives_kill_and_stop(place, plain):
    side_by_side({tls: lambda t=tls: keeps_one_connection(place, plain, t) for tls in (False, True)})


def keeps_one_connection(place, plain, tls):
    certificates = Certificates(place) if tls else None
    web = Web(place, plain, certificates.right if tls else None)
    keys = {"url": web.url(scheme="https" if tls else "http"), **({"caFile": certificates.ca} if tls else {})}
    with Prober(place, keys) as prober:
        for _ in range(50):
            assert prober.ask().said() == "up"
        wait_until(web.log, 10, "a line of the log")
        assert len({line.split()[0] for line in web.log()}) == 1, web.log()
        outlives(web, prober)
        fds, rss = prober.fds(), prober.rss()
        for _ in range(300):
            assert prober.ask().said() == "up"
        assert prober.fds() == fds and prober.rss() < rss + GROWTH


def test_behind_haproxy(place, plain):
    """A proxy without a living server answers for it, and that is no answer of the service."""
    certificates = Certificates(place)
    port, full = free_port(), free_port()
    pem = place.file("haproxy.pem", "".join(open(file, encoding="ascii").read() for file in certificates.right))
    config = place.file("haproxy.cfg", f"""
defaults
  mode http
  timeout connect 1s
  timeout client 5s
  timeout server 5s
  retries 0
frontend one
  bind 127.0.0.1:{port} ssl crt {pem} alpn h2,http/1.1
  http-request return status 200 content-type text/plain string fine if {{ path /fine }}
  default_backend dead
frontend two
  bind 127.0.0.1:{full}
  http-request deny deny_status 429
backend dead
  server gone 127.0.0.1:{refused_port()}
""")
    Server(plain, ["/usr/sbin/haproxy", "-db", "-f", config], lambda: accepts(port) and accepts(full))
    ca = {"caFile": certificates.ca}
    cases = {"up": {"url": f"https://localhost:{port}/fine", "body": "^fine$", **ca}, "not_ready": {"url": f"https://localhost:{port}/", **ca},
             "saturated": {"url": f"http://localhost:{full}/"}}
    seen = side_by_side({name: lambda d=keys: ask(place, d) for name, keys in cases.items()})
    assert [(name, result) for name, result in seen.items() if result.said() != name] == []


# ---- follow

def instance(service):
    """As base/instance.c makes it of the service and this machine."""
    number = 0x811c9dc5
    for byte in service.encode() + b"\0" + socket.gethostname().encode() + b"\0":
        number = (number ^ byte) * 0x01000193 & 0xffffffff
    return f"{number:08x}"


ASKER, AUTH, OTHER = instance("asker"), instance("auth"), "0badcafe"


def status(service, ready, *reasons):
    return json.dumps({"schema": "lifesign.status/1", "service": service, "instance": instance(service), "ready": {
        "ok": ready, "reasons": [{"code": code, "dependency": dependency, "root": root} for code, dependency, root in reasons]}}).encode()


def lifesign_like(body, readyz=b"[+]x ok\n[-]db failed: connect_timeout\nreadyz check failed\n", code=b"503 x"):
    def treat(connection):
        while True:
            asked = connection.recv(65536)
            if not asked:
                return
            answer = body if b" /health/status " in asked else readyz
            number = b"200 OK" if b" /health/status " in asked and body is not None else code
            answer = answer or b""
            connection.sendall(b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (number, len(answer), answer))
    return treat


@pytest.mark.parametrize("what, body, expected", [
    ("its own trouble", status("auth", False, ("deadlock", None, None)), ("not_ready", f"auth/deadlock via {AUTH}")),
    ("its dependency", status("auth", False, ("dependency_down", "db", None)), ("not_ready", f"auth/db via {AUTH}")),
    ("what that one needs", status("auth", False, ("dependency_down", "db", "dns")), ("not_ready", f"auth/dns via {AUTH}")),
    ("through hops", status("auth", False, ("dependency_down", "users", f"store/disk via {OTHER}")),
     ("not_ready", f"store/disk via {OTHER},{AUTH}")),
    ("through many hops", status("auth", False, ("dependency_down", "users", "store/disk via " + ",".join(["11111111"] * 12))),
     ("not_ready", "store/disk via " + ",".join(["11111111"] * 11 + [AUTH]))),
    ("a cause before an effect", status("auth", False, ("no_progress", None, None), ("dependency_down", "db", None)),
     ("not_ready", f"auth/db via {AUTH}")),
    ("a ring", status("auth", False, ("dependency_down", "asker", f"asker/db via {OTHER},{ASKER}")), ("not_ready", None)),
    ("a ring and more", status("auth", False, ("dependency_down", "asker", f"x/db via {ASKER}"), ("draining", None, None)),
     ("not_ready", f"auth/draining via {AUTH}")),
    ("itself", status("asker", False, ("dependency_down", "db", f"asker/db via {OTHER}")),
     ("not_ready", None)),
    ("only its text", None, ("not_ready", "it/db")),
    ("no JSON", b"[1", ("not_ready", "it/db")),
])
def test_follow_names_where_the_trouble_begins(place, what, body, expected):
    with Faulty(lifesign_like(body)) as server:
        with Prober(place, {"url": f"http://localhost:{server.port}/readyz", "follow": True}) as prober:
            result = prober.ask()
            assert (result.said(), result.root) == expected
            assert result.status == ("down" if expected[1] else "degraded")
            assert prober.ask().root == expected[1]
        assert len(server.connections) == 1


def test_a_password_without_a_user_is_sent(place):
    heard = []

    def treat(connection):
        heard.append(connection.recv(4096))
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    with Faulty(treat) as server:
        assert ask(place, {"url": f"http://:token@127.0.0.1:{server.port}/"}).said() == "up"
    assert b"Authorization: Basic OnRva2Vu" in heard[0]


def test_a_host_alone_is_a_url_when_the_kind_is_given(place, plain):
    web = Web(place, plain, None)
    for host in (f"127.0.0.1:{web.port}", f"localhost:{web.port}"):
        assert ask(place, {"kind": "http", "url": f"{host}/ok", "body": "ok"}).said() == "up"
        assert ask(place, {"kind": "http", "url": f"user:pass@{host}/gone"}).detail == "HTTP 404"


def test_follow_asks_a_real_lifesign(place, run):
    one = run(python_http(place).command, service="auth")
    with Prober(place, {"url": f"http://127.0.0.1:{one.port}/readyz", "follow": True}) as prober:
        prober.until("up", 30)
        os.kill(one.main(), 19)
        result = prober.until("not_ready", 20)
        assert result.root == f"auth/suspended via {AUTH}", result
        os.kill(one.main(), 18)
        prober.until("up", 20)
