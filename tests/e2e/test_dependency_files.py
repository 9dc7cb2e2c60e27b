# ctest: timeout=120
# SPDX-License-Identifier: Apache-2.0
"""Files of dependencies that are wrong in ways that people write: the line, what is allowed, and never a secret."""
import contextlib
import json
import socket

import pytest

from lifesign import call, free_port

SECRETS = [
    'url: "postgresql://app:hunter/2@db/orders"',
    'url: "postgresql://app:12/hunter@db/orders"',
    'url: "redis://:hun#ter@db:6379"',
    'url: "redis://:1#hunter@db:6379"',
    'url: "redis://:hunter?x@db:6379"',
    'url: "postgresql://db:99999/orders?password=hunter"',
    'url: "postgresql://d b/orders?password=hun@hunter"',
    'url: "redis://:hunter"',
    'url: "redis://app:hunter/0"',
    'url: "redis://:pass$hunter@db"',
    'url: "redis://:pass${hunter@db"',
    'url: "redis://:${NOPE:-hunter$}@db"',
    'kind: tcp, url: "tcp://h:1", send: "${LONG}"',
]


@pytest.mark.parametrize("keys", SECRETS)
def test_complaints_hold_no_secret(place, keys):
    path = place.file("c.yaml", f"dependencies:\n  - {{name: db, {keys}}}\n")
    done = call("config", "check", path, env={"LONG": "hunter" * 1000})
    assert done.returncode == 78 and f"{path}:2: " in done.stdout, done.stdout
    assert "hunter" not in done.stdout + done.stderr


@pytest.mark.parametrize("keys, said", [
    ('url: "foo://db"', "key 'kind' is missing, and 'foo://' does not say it, allowed: postgres, redis"),
    ('url: "db:1"', "key 'kind' is missing, and no scheme of a 'url' says it, allowed: postgres, redis"),
    ('kind: kafka, url: "a:1,b:x"', "url: found 'a:1,b:…', allowed: a port from 1 to 65535"),
    ('kind: kafka, url: "a:1,,b"', "url: found 'a:…', a host is missing in the list"),
    ('url: "mongodb://a:1,b:99999/x"', "url: found 'mongodb://a:1,b:99999/x', allowed: a port"),
    ('url: "redis://[::zz]:1"', "url: found 'redis://[::zz]:1', allowed: [v6]:PORT"),
    ('url: "redis://db/orders"', "url: allowed: a number as the database"),
    ('url: "redis://db", command: "GET \'x"', "command: allowed: words, each quote closed"),
    ('url: "kafka://app@db:9092", topic: events', "url: a user without a password, allowed: passwordFile"),
    ('url: "tcp://db:1", send: "a\\\\q"', "send: allowed: bytes"),
    ('url: "tcp://db:1", expect: "\\\\x1"', "expect: allowed: bytes"),
    ('url: "nats://db", stream: "a b", consumer: c', "stream: allowed: a name without blanks"),
    ('url: "nats://db", stream: a, consumer: "c.*"', "consumer: allowed: a name without blanks"),
    ('url: "http://db/a b"', "url: allowed: a URL without blanks, %20 instead"),
    ('url: "http://db", method: "GET / X"', "method: allowed: a method in capitals"),
    ('kind: exec, command: [""]', "command: allowed: a list of words that begins with a program"),
    ('url: "dns://db", query: a, expect: green', "expect: allowed: an IPv4 or IPv6 address"),
    ('url: "redis://db", passwordFile: /etc', "passwordFile: '/etc' cannot be read (Is a directory)"),
    ('url: "dns://db", query: "a b"', "query: allowed: a name of at most 253 bytes"),
])
def test_what_a_kind_cannot_use_is_told_with_its_line(place, keys, said):
    path = place.file("c.yaml", f"dependencies:\n  - {{name: db, {keys}}}\n")
    done = call("config", "check", path)
    assert done.returncode == 78 and f"{path}:2: dependency 'db': {said}" in done.stdout, done.stdout


def test_what_a_kind_can_use_is_taken(place):
    path = place.file("c.yaml", """dependencies:
  - {name: a, url: "redis://db/3?x=y", command: "HGET \\"my jobs\\" 'it''s'"}
  - {name: b, kind: redis, url: "unix:///run/app@1.sock?db=2&x=1"}
  - {name: c, url: "redis://[fd00::1]/", command: "LLEN a'b'c"}
  - {name: d, url: "tcp://db:1", send: "\\\\x00\\\\r\\\\n\\\\\\\\", expect: "+PONG"}
  - {name: e, url: "http://db/@me#there", method: HEAD}
  - {name: f, url: "postgresql://db/orders?user=app@azure"}
  - {name: g, kind: kafka, url: "a,b:1,[::1]:2"}
""")
    done = call("config", "check", path)
    assert done.returncode == 0, done.stdout


def test_a_variable_that_is_missing_is_all_that_is_told(place):
    path = place.file("c.yaml", f'dependencies:\n  - {{name: db, url: "${{NOPE}}://h:{free_port()}"}}\n')
    assert call("config", "check", path).stdout.count("\n") == 1


def test_probe_asks_a_name_server_for_the_name_in_the_path():
    """Nobody listens there: it is asked, and not refused for want of a name."""
    done = call("probe", "--timeout", "5", f"dns://127.0.0.1:{free_port()}/db.example")
    assert (done.returncode, done.stdout.split(":")[0]) == (2, "down refused"), done


def test_fail_open_is_among_what_may_stand_at_the_top(place):
    path = place.file("c.yaml", "failopen: {allHardDown: true}\n")
    said = call("config", "check", path).stdout
    assert "(did you mean 'failOpen'?)" in said and "groups, failOpen\n" in said, said


def test_peers_on_unix_sockets_are_suggested_where_their_path_tells_the_kind(place, plain):
    names = ["redis.sock", ".s.PGSQL.5433", "bus"]
    script = ("import socket,sys,time\nkept=[]\n"
              "for path in sys.argv[1:]:\n"
              "    s=socket.socket(socket.AF_UNIX);s.connect(path);kept.append(s)\n"
              "time.sleep(60)\n")
    with contextlib.ExitStack() as stack:
        accepted = []
        for name in names:
            listener = stack.enter_context(socket.socket(socket.AF_UNIX))
            listener.bind(f"{place.path}/{name}")
            listener.listen()
            accepted.append(listener)
        client = plain(["/usr/bin/python3", "-c", script, *[f"{place.path}/{name}" for name in names]])
        ends = [stack.enter_context(listener.accept()[0]) for listener in accepted]
        said = call("config", "suggest", client.pid).stdout
    assert len(ends) == 3 and f'kind: redis, url: "unix://{place.path}/redis.sock"' in said, said
    assert f'url: "postgresql://USER@/DATABASE?host={place.path}&port=5433"' in said and f"{place.path}/bus" not in said
    assert call("config", "check", place.file("suggested.yaml", said)).returncode == 0


@pytest.mark.parametrize("peers", ["a", "a:1,b,[::1]:9", ["a"], ["a:1", "b", "[::1]:9"], [f"10.0.0.{i}:8081" for i in range(60)]])
def test_siblings_are_a_name_or_a_list(place, peers):
    path = place.file("c.yaml", json.dumps({"failOpen": {"peers": peers}}))
    done = call("config", "check", path)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("peers, said", [([], "found an empty list"), ([["a"]], "found a list"), ({"a": 1}, "found keys"), (["a", None], "found a list"),
                                         (["a", "b:x"], "found 'lifesign://a,b:…', allowed: a port"), (["a,"], "a host is missing in the list")])
def test_siblings_that_cannot_be_asked_are_told(place, peers, said):
    path = place.file("c.yaml", json.dumps({"failOpen": {"peers": peers}}))
    done = call("config", "check", path)
    assert done.returncode == 78 and f"{path}:1: " in done.stdout and said in done.stdout and done.stdout.count("\n") == 1, done.stdout


def test_siblings_are_no_kind_of_a_dependency(place):
    path = place.file("c.yaml", 'dependencies: [{name: a, url: "lifesign://h"}]\n')
    assert "'lifesign://' does not say it, allowed: postgres" in call("config", "check", path).stdout


def test_fail_open_stands_at_one_place(place):
    path = place.file("c.yaml", "failOpen: {peers: a}\nreadiness:\n  failOpen: {peerShare: 0.9}\n")
    done = call("config", "check", path)
    assert (done.returncode, done.stdout) == (78, f"{path}:3: found failOpen twice, allowed: at the top (line 1) or in readiness\n")
