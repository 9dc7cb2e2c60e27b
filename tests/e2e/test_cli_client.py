# ctest: asan
# SPDX-License-Identifier: Apache-2.0
"""Where check, status and reload look for an agent, and what they make of what they find there."""
import json
import os
import socket
import subprocess
import threading
import time

import pytest

from fake_agent import FakeAgent, document, probe, reply, status_answers
from lifesign import BIN, call, clean_environment

OK = {"/livez": probe(), "/readyz": probe(), "/startupz": probe(), **status_answers()}


def agent(place, name="orders", answers=None):
    return FakeAgent(f"{place.directory('d')}/{name}.sock", OK if answers is None else answers)


def ask(place, *words, env=None):
    return call(*words, "--dir", place.path + "/d", env=env)


# ---- where

def test_the_only_socket_is_found(place):
    with agent(place):
        assert ask(place, "check").returncode == 0
        assert call("check", env={"LIFESIGN_DIR": place.path + "/d"}).stdout == "livez ok\n"
        assert call("check", env={"RUNTIME_DIRECTORY": place.path + "/d:/x"}).returncode == 0


def test_a_directory_may_be_told_from_here(place):
    with agent(place):
        assert call("check", "--dir", "d", cwd=place.path).returncode == 0
        assert call("check", cwd=place.path, env={"LIFESIGN_DIR": "./d"}).returncode == 0
        assert call("check", "--dir", "nothing", cwd=place.path).returncode == 3


def test_several_sockets_need_a_name(place):
    with agent(place, "orders"), agent(place, "billing"):
        done = ask(place, "status")
        assert (done.returncode, done.stderr) == (64, "lifesign: 2 services here (billing, orders): pick one by --service NAME\n")
        assert ask(place, "check", "--service", "billing").returncode == 0
        assert ask(place, "check", env={"LIFESIGN_SERVICE": "orders"}).returncode == 0


def test_what_killed_runs_left_is_passed_over(place):
    with agent(place, "orders"):
        agent(place, "dead").abandon()
        place.file("d/plain.sock", "a file, no socket")
        assert ask(place, "check").returncode == 0
        done = ask(place, "check", "--service", "dead")
        assert done.returncode == 3 and "no agent for service 'dead'" in done.stderr


def test_no_agent_is_3_and_says_where_it_looked(place):
    for words in (["check"], ["check", "readyz", "--nagios"], ["status"], ["reload"]):
        done = ask(place, *words)
        assert done.returncode == 3
        assert done.stderr == (f"lifesign: no agent: looked at {place.path}/d; start one by 'lifesign run COMMAND', "
                               "or say where it is by --dir or --url\n")


def test_url_beats_all_else(place):
    with agent(place, answers={}), FakeAgent(answers=OK) as other:
        for url in (f"http://127.0.0.1:{other.port}", f"http://localhost:{other.port}/"):
            assert ask(place, "check", "readyz", "--url", url, env={"LIFESIGN_LISTEN": ":1"}).returncode == 0
        assert "Host: localhost" in other.requests[-1]
        assert call("check", "readyz", "--url", f"unix:{place.path}/d/orders.sock").returncode == 1  # 404


def test_ipv6_urls():
    with FakeAgent(answers=OK, address="::1") as six:
        assert call("check", "readyz", "--url", f"http://[::1]:{six.port}").returncode == 0
        assert f"Host: [::1]:{six.port}" in six.requests[-1]


def test_listen_of_the_environment_beats_the_sockets(place):
    with agent(place, answers={}), FakeAgent(answers=OK) as other:
        for listen in (f"127.0.0.1:{other.port}", f":{other.port}", f"0.0.0.0:{other.port}", f"127.0.0.1:1,:{other.port}"):
            env = {"LIFESIGN_LISTEN": listen, "LIFESIGN_DIR": place.path + "/d"}
            assert call("check", "readyz", env=env).returncode == 0
        done = call("check", "readyz", "--service", "orders", env=env)
        assert done.returncode == 1, "a name given by hand means the socket"
    done = call("check", env={"LIFESIGN_LISTEN": "80"})
    assert done.returncode == 78 and done.stderr.startswith("lifesign: variable LIFESIGN_LISTEN: found '80', allowed: ")


def test_sockets_are_tried_when_nobody_listens_there(place):
    with agent(place):
        env = {"LIFESIGN_LISTEN": "127.0.0.1:1", "LIFESIGN_DIR": place.path + "/d"}
        assert call("check", env=env).returncode == 0


def test_nobody_at_the_url_is_3():
    for words in (["check"], ["status"], ["reload"]):
        done = call(*words, "--url", "http://127.0.0.1:1")
        assert (done.returncode, done.stdout) == (3, "")
        assert done.stderr == "lifesign: no agent: http://127.0.0.1:1 (Connection refused)\n"


def test_a_host_that_does_not_exist_is_3():
    began = time.monotonic()
    done = call("check", "--url", "http://nowhere.invalid:80")
    assert done.returncode == 3 and done.stderr.startswith("lifesign: no agent: http://nowhere.invalid:80 (")
    assert time.monotonic() - began < 15


def test_a_directory_of_somebody_else_is_not_trusted(place):
    """The default may lie in /tmp, where anybody can be first."""
    directory = place.directory("x/lifesign")
    with FakeAgent(directory + "/orders.sock", OK):
        os.chown(directory, 12345, 12345)
        os.chown(directory + "/orders.sock", 12345, 12345)
        as_nobody = ["setpriv", "--reuid=23456", "--clear-groups"]
        os.chmod(directory + "/orders.sock", 0o777)
        done = subprocess.run([*as_nobody, BIN, "check"], env=clean_environment({"XDG_RUNTIME_DIR": place.path + "/x"}),
                              capture_output=True, text=True, timeout=20, check=False)
        assert done.returncode == 3, done


def test_a_socket_one_may_not_use_is_77(place):
    directory = place.directory("d")
    with agent(place):
        os.chmod(directory + "/orders.sock", 0o600)
        done = subprocess.run(["setpriv", "--reuid=23456", "--clear-groups", BIN, "check", "--dir", directory],
                              env=clean_environment(), capture_output=True, text=True, timeout=20, check=False)
        assert done.returncode == 77 and "no permission" in done.stderr and "CAP_DAC_OVERRIDE" in done.stderr


# ---- an agent that misbehaves

@pytest.mark.parametrize("words, status, out", [
    (["check"], 0, "livez cannot tell: no answer (Connection timed out)\n"),
    (["check", "readyz"], 1, "readyz cannot tell: no answer (Connection timed out)\n"),
    (["check", "--strict"], 2, "livez cannot tell: no answer (Connection timed out)\n"),
    (["check", "--nagios"], 3, "LIFESIGN UNKNOWN - livez cannot tell: no answer (Connection timed out)\n"),
    (["status"], 3, ""),
    (["reload"], 3, ""),
])
def test_silence_is_bounded(place, words, status, out):
    with agent(place, answers={"/livez": None, "/readyz": None, "/health/status": None}):
        began = time.monotonic()
        done = ask(place, *words)
        assert (done.returncode, done.stdout) == (status, out)
        assert 1.5 < time.monotonic() - began < 15


def test_a_drip_is_bounded(place):
    """One byte at a time keeps every single read alive: the deadline is for all of it."""
    with agent(place, answers={}) as one:
        one.answers["/livez"] = lambda line: None
        began = time.monotonic()

        def drip():
            while time.monotonic() - began < 16:
                for peer in one.held:
                    try:
                        peer.send(b"H")
                    except OSError:
                        return
                threading.Event().wait(0.05)
        threading.Thread(target=drip, daemon=True).start()
        assert ask(place, "check", "--strict").returncode == 2
        assert time.monotonic() - began < 15


def test_a_full_queue_is_bounded(place):
    """A socket that nobody accepts from."""
    path = place.directory("d") + "/orders.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(0)
        peers = []
        while True:
            peer = socket.socket(socket.AF_UNIX)
            peer.setblocking(False)
            peers.append(peer)
            try:
                peer.connect(path)
            except BlockingIOError:
                break
        began = time.monotonic()
        done = ask(place, "check", "readyz")
        assert (done.returncode, done.stdout) == (1, "readyz cannot tell: no answer (Connection timed out)\n")
        assert time.monotonic() - began < 15
        for peer in peers:
            peer.close()


GARBAGE = [b"", b"\n", b"SSH-2.0-x\r\n", b"HTTP/1.0 200\r\n", b"HTTP/1.1 9999 X\r\n\r\n", b"\0" * 100,
           b"HTTP/1.0 200 OK\r\nContent-Length: 50\r\nLifesign-Verdict: alive\r\n\r\nok",
           b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nok",
           b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nokxx0\r\n\r\n",
           b"HTTP/1.0 200 OK\r\nLifesign-Verdict: dead or alive, who knows, a very long one\r\n\r\n"]


def test_a_cause_is_named_where_its_address_is_hidden(place):
    """As an agent answers to another machine: no url, no detail, but the root."""
    auth = {"name": "auth", "kind": "http", "class": "hard", "status": "down", "error": "not_ready", "root": "auth/db via 1b2c3d4e",
            "url": None, "detail": None}
    reasons = [{"code": "dependency_down", "held": None, "dependency": "auth", "root": auth["root"], "detail": None}]
    status = document(ready={"ok": False, "reasons": reasons}, dependencies=[auth], processes=[])
    with agent(place, answers={"/health/status": reply(200, json.dumps(status))}):
        said = ask(place, "explain").stdout
        assert "because of auth (http, hard) down: not_ready" in said and "because of auth/db, as it says" in said, said


@pytest.mark.parametrize("garbage", GARBAGE)
def test_garbage_is_no_verdict(place, garbage):
    with agent(place, answers={path: garbage for path in ("/livez", "/readyz", "/health/status")}):
        assert ask(place, "check", "--strict").returncode == 2
        assert ask(place, "check").returncode == 0
        assert ask(place, "status").returncode == 3
        assert ask(place, "reload").returncode == 3


def test_chunks_are_understood(place):
    body = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    text = json.dumps(document()).encode()
    half = len(text) // 2
    for part in (text[:half], text[half:], b""):
        body += f"{len(part):x}\r\n".encode() + part + b"\r\n"
    with agent(place, answers={"/health/status": body}):
        done = ask(place, "status", "--json")
        assert done.returncode == 0 and json.loads(done.stdout)["service"] == "orders"


def test_too_much_is_refused(place):
    flood = b"HTTP/1.0 200 OK\r\n\r\n" + b"x" * (70 << 20)
    with agent(place, answers={"/health/status": flood}):
        done = ask(place, "status")
        assert done.returncode == 3 and "(Message too long)" in done.stderr


# ---- check

LIVEZ = [  # verdict, then the exit statuses: plain, --strict, --nagios
    ("alive", 0, 0, 0, "livez ok"), ("degraded", 0, 0, 1, "livez ok, degraded"),
    ("unknown", 0, 2, 3, "livez cannot tell: verdict unknown"), ("dead", 1, 1, 2, "livez failed: deadlock")]


@pytest.mark.parametrize("verdict, plain, strict, nagios, said", LIVEZ)
def test_livez(place, verdict, plain, strict, nagios, said):
    body = "[+]exited ok\n[-]deadlock failed: deadlock\nlivez check failed\n"
    with agent(place, answers={"/livez": probe(verdict, 503 if verdict == "dead" else 200, body)}) as one:
        done = ask(place, "check")
        assert (done.returncode, done.stdout, done.stderr) == (plain, said + "\n", "")
        assert one.requests[-1].startswith("GET /livez?verbose HTTP/1.0\r\n")
        assert ask(place, "check", "livez", "--strict").returncode == strict
        done = ask(place, "check", "--nagios", "livez")
        assert done.returncode == nagios
        assert done.stdout == f"LIFESIGN {['OK', 'WARNING', 'CRITICAL', 'UNKNOWN'][nagios]} - {said}\n"


def test_a_503_without_a_verdict_kills_nobody(place):
    with agent(place, answers={"/livez": reply(503, "too many connections")}):
        assert ask(place, "check").returncode == 0


OTHERS = [
    (probe("alive", 200, "ok"), 0, 0, 0, "ok"),
    (probe("degraded", 200, "ok"), 0, 0, 1, "ok, degraded"),
    (probe("alive", 503, "[+]exited ok\n[-]starting failed: starting\n[-]draining failed: draining\n"), 1, 1, 2,
     "failed: starting, draining"),
    (probe("unknown", 503, "[-]stale failed: stale\n"), 1, 2, 3, "cannot tell: stale"),
    (reply(404, ""), 1, 2, 3, "cannot tell: HTTP 404 is no answer of an agent"),
    (reply(503, "busy"), 1, 2, 3, "cannot tell: HTTP 503 is no answer of an agent"),
]


@pytest.mark.parametrize("name", ["readyz", "startupz"])
@pytest.mark.parametrize("answer, plain, strict, nagios, said", OTHERS)
def test_readyz_and_startupz(place, name, answer, plain, strict, nagios, said):
    with agent(place, answers={"/" + name: answer}):
        done = ask(place, "check", name)
        assert (done.returncode, done.stdout) == (plain, f"{name} {said}\n")
        assert ask(place, "check", name, "--strict").returncode == strict
        assert ask(place, "check", name, "--nagios").returncode == nagios


# ---- reload

class Reloading:
    """Answers as an agent whose file is read again `later` status requests after it was asked to."""

    def __init__(self, error=None, later=2, code=202):
        self.error, self.later, self.code, self.asked = error, later, code, False

    def reload(self, line):
        assert line.startswith("POST ")
        self.asked = True
        return reply(self.code)

    def status(self, _):
        if self.asked:
            self.later -= 1
        agent_fields = {"config_generation": 1 if self.later < 0 else 0, "config_error": self.error if self.later < 0 else "old"}
        return reply(200, json.dumps(document(agent=agent_fields)))

    def answers(self):
        return {"/reload": self.reload, "/health/status": self.status}


def test_reload_waits_for_the_new_file(place):
    with agent(place, answers=Reloading().answers()):
        done = ask(place, "reload")
        assert (done.returncode, done.stdout, done.stderr) == (0, "configuration taken over\n", "")


def test_reload_tells_why_a_file_was_refused(place):
    with agent(place, answers=Reloading("x.yaml:3: unknown key 'a'\x1b[2J").answers()):
        done = ask(place, "reload")
        assert done.returncode == 78
        assert done.stderr == "lifesign: the configuration was refused, nothing changed: x.yaml:3: unknown key 'a'?[2J\n"


def test_reload_does_not_wait_for_ever(place):
    with agent(place, answers=Reloading(later=10**6).answers()):
        began = time.monotonic()
        assert ask(place, "reload").returncode == 3
        assert time.monotonic() - began < 15


def test_reload_where_it_is_not_taken_is_77(place):
    with agent(place, answers=Reloading(code=405).answers()):
        assert ask(place, "reload").returncode == 77


def test_reload_goes_to_the_unix_socket(place):
    with agent(place, answers=Reloading().answers()), FakeAgent(answers=OK) as tcp:
        env = {"LIFESIGN_LISTEN": f":{tcp.port}", "LIFESIGN_DIR": place.path + "/d"}
        assert call("reload", env=env).returncode == 0
        assert tcp.requests == []
