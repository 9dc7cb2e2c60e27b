# ctest: timeout=400
# SPDX-License-Identifier: Apache-2.0
"""What dependencies do to readiness, and to nothing else: classes, thresholds, groups, roots, maintenance, real servers."""
import json
import os
import re
import subprocess
import time

from depending import Answers, Depending, part_of, refused, write_config
from kinds import Faulty, Server, silent
from kinds_postgres import Postgres
from lifesign import BIN, SUPPORT, accepts, call, free_port, wait_until


def test_hard_gates_soft_degrades_info_reports(run, place):
    service = Depending(run, place, [refused("h", **{"class": "hard"}), refused("s"), refused("i", **{"class": "info"})])
    for name in "hsi":
        service.until(name, "down", "refused")
    assert {name: why for name, why in service.checks().items() if why} == {"h": "refused", "dependency_down": "dependency_down"}
    status = service.status()
    assert [(r["dependency"], r["code"]) for r in status["ready"]["reasons"]] == [("h", "dependency_down"), ("s", "dependency_down")]
    assert status["available"] == {"h": False, "s": False, "i": False} and status["live"]["ok"]
    service.write([refused("s"), refused("i", **{"class": "info"})])
    service.until_ready()
    wait_until(lambda: service.status()["status"] == "warn", 10, service.said)
    assert call("check", "readyz", "--nagios", "--dir", service.run.dir).returncode == 1
    service.write([refused("i", **{"class": "info"})])
    wait_until(lambda: service.status()["status"] == "pass", 10, service.said)
    assert service.run.get("/livez").status == 200


def test_a_hard_one_gates_before_its_first_answer(run, place):
    with Faulty(silent) as mute:
        url = f"tcp://127.0.0.1:{mute.port}"
        service = Depending(run, place, [{"name": "db", "url": url, "expect": "x", "class": "hard"}],
                            readiness={"timeoutSeconds": 25, "periodSeconds": 30})
        assert service.of("db")["status"] == "unknown" and service.of("db")["age_seconds"] is None
        assert service.checks()["db"] == "unknown"
        assert service.run.get("/readyz/db").status == 503 and service.status()["available"] == {"db": None}
        assert "lifesign_dependency_up{" not in service.run.get("/metrics").body.decode()


def looks_until(service, status):
    """Each look at its only dependency, and whether it was ready then, until it is `status`."""
    looks = []

    def stands():
        page = service.status()
        looks.append((page["dependencies"][0], page["ready"]["ok"]))
        return looks[-1][0]["status"] == status
    wait_until(stands, 30, service.said)
    return looks


def test_failures_and_successes_are_counted_before_they_count(run, place):
    with Answers() as server:
        service = Depending(run, place, [server.dependency("db", **{"class": "hard"})],
                            readiness={"periodSeconds": 0.4, "timeoutSeconds": 0.4, "fastSeconds": 0.4, "failureThreshold": 6,
                                       "successThreshold": 5})
        service.until("db", "up")
        assert service.of("db")["consecutive_successes"] >= 5
        service.until_ready()
        server.answering = False
        looks = looks_until(service, "down")
        assert looks[-1][0]["consecutive_failures"] >= 6
        assert {1, 2, 3, 4, 5} & {found["consecutive_failures"] for found, _ in looks}, looks
        assert all(ready for found, ready in looks if found["status"] == "up" and found["consecutive_failures"])
        server.answering = True
        looks = looks_until(service, "up")
        assert looks[-1][0]["consecutive_successes"] >= 5
        assert {1, 2, 3, 4} & {found["consecutive_successes"] for found, _ in looks}, looks
        assert not [found for found, ready in looks if found["status"] == "down" and ready]
        service.until_ready()


def test_enough_of_a_group_is_enough(run, place):
    with Answers() as one, Answers() as two:
        def dependencies():
            return [one.dependency("a", group="replicas", **{"class": "hard"}), two.dependency("b", group="replicas", **{"class": "hard"}),
                    refused("c", group="replicas", **{"class": "hard"})]
        service = Depending(run, place, dependencies(), groups={"replicas": {"atLeast": 1}})
        service.until("c", "down")
        service.until_ready()
        one.answering = False
        service.until("a", "down")
        assert service.ready() and service.status()["status"] == "warn"
        two.answering = False
        service.until_ready(False)
        assert {name for name, why in service.checks().items() if why} == {"a", "b", "c", "dependency_down"}
        one.answering = True
        service.until_ready()


def test_who_needs_what_is_down_is_skipped_and_names_the_root(run, place):
    with Answers() as server:
        server.answering = False
        service = Depending(run, place, [server.dependency("net"), refused("db", needs="net"),
                                         refused("cache", needs=["db"], **{"class": "hard"}), refused("alone")])
        service.until("net", "down", "timeout")
        wait_until(lambda: [service.of(name)["root"] for name in ("cache", "db")] == ["net", "net"], 15, service.said)
        assert service.until("cache", "down", "skipped")["root"] == "net" and service.of("alone")["root"] is None
        reason = next(r for r in service.status()["ready"]["reasons"] if r["dependency"] == "cache")
        assert reason["root"] == "net" and service.checks()["cache"] == "skipped"
        server.answering = True
        service.until("net", "up")
        assert service.until("db", "down", "refused")["root"] is None
        wait_until(lambda: service.of("cache")["root"] == "db", 15, service.said)


def test_checks_by_name_can_be_asked_for_and_excluded(run, place):
    service = Depending(run, place, [refused("db", **{"class": "hard"}), refused("soft")])
    service.until("db", "down")
    service.until("soft", "down")
    one = service.run.get("/readyz/db")
    assert one.status == 503 and one.body.startswith(b"[-]db failed: refused\n")
    assert service.run.get("/readyz/soft").body == b"ok" and service.run.get("/readyz/nobody").status == 404
    assert service.run.get("/readyz?exclude=db").body == b"ok"
    assert service.run.get("/readyz?exclude=dependency_down").status == 200
    assert service.run.get("/readyz?exclude=soft").status == 503
    verbose = service.run.get("/readyz?exclude=db&verbose").body.decode()
    assert "[+]db excluded: ok\n" in verbose and verbose.endswith("readyz check passed\n")
    assert service.run.get("/livez/db").status == 404


def test_who_needs_dns_names_it_where_its_host_is_not_found(run, place):
    """The contract's example: `needs: dns`, and no dependency has that name."""
    lost = {"name": "lost", "kind": "tcp", "url": "tcp://nowhere.invalid:1", "needs": "dns"}
    service = Depending(run, place, [lost, refused("found", needs="dns"), {**lost, "name": "other", "needs": "found"}])
    service.until("found", "down", "refused")
    assert service.until("lost", "down")["root"] == "dns" and service.of("lost")["error"].startswith("dns_")
    assert service.of("found")["root"] is None
    assert service.until("other", "down")["root"] == "found"
    roots = {r["dependency"]: r["root"] for r in service.status()["ready"]["reasons"]}
    assert roots == {"lost": "dns", "found": None, "other": "found"}


def test_all_checks_can_be_excluded_at_once(run, place):
    names = [f"db-{i}" for i in range(100)]
    service = Depending(run, place, [refused(name, **{"class": "hard"}) for name in names])
    service.until(names[-1], "down")
    assert service.run.get("/readyz").status == 503
    assert service.run.get("/readyz?" + "&".join(f"exclude={name}" for name in names)).body == b"ok"
    assert service.run.get("/readyz?" + "&".join(f"exclude={name}" for name in names[1:])).status == 503


def maintenance_says(service):
    return next((reason["detail"] for reason in service.status()["ready"]["reasons"] if reason["code"] == "maintenance"), "")


def test_maintenance_takes_it_out_and_brings_it_back(run, place):
    with Answers() as server:
        service = Depending(run, place, [server.dependency("db")])
        service.until_ready()
        where = ["--dir", service.run.dir]
        assert call("maintenance", "on", *where).returncode == 0
        assert service.run.get("/readyz/maintenance").status == 503  # at once: who orders it need not ask twice
        assert not service.ready()
        assert maintenance_says(service) == "until 'lifesign maintenance off'"
        assert {name for name, why in service.checks().items() if why} == {"maintenance"}
        assert service.run.get("/livez").status == 200
        agent = service.run.agent()
        os.kill(agent, 9)
        service.run.next_agent(agent)
        assert service.status()["agent"]["restarts"] == 1
        assert not service.ready()
        assert call("maintenance", "off", *where).returncode == 0
        assert service.run.get("/readyz/maintenance").status == 200
        service.until_ready()
        told = call("maintenance", "on", "--for", "1h", *where).stdout.split()[-1]
        wait_until(lambda: maintenance_says(service).startswith("until 2"), 5, service.said)
        shown = maintenance_says(service).split()[-1]
        assert abs(time.mktime(time.strptime(shown, "%Y-%m-%dT%H:%M:%SZ")) - time.mktime(time.strptime(told, "%Y-%m-%dT%H:%M:%SZ"))) <= 5
        assert call("maintenance", "on", "--for", "2s", *where).returncode == 0
        service.until_ready(False)
        service.until_ready()
        assert service.run.get("/maintenance", method="POST").status == 404  # on its unix socket alone
        for words in (["on", "--for", "x"], ["off", "--for", "1m"], ["maybe"], []):
            assert call("maintenance", *words, *where).returncode == 64


def test_a_soft_only_file_says_once_what_that_means(run, place):
    service = Depending(run, place, [refused("a")])
    wait_until(lambda: service.run.err().count("no dependency is hard") == 1, 10, service.said)


def test_metrics_count_phases_and_outcomes(run, place):
    with Answers() as server:
        service = Depending(run, place, [server.dependency("db"), refused("gone")])
        service.until("db", "up")
        service.until("gone", "down")
        text = service.run.get("/metrics").body.decode()
        assert re.search(r'^lifesign_dependency_up\{app="svc",dependency="db",kind="tcp"\} 1$', text, re.M)
        assert re.search(r'^lifesign_dependency_up\{app="svc",dependency="gone",kind="tcp"\} 0$', text, re.M)
        assert re.search(r'^lifesign_dependency_probes_total\{app="svc",dependency="gone",kind="tcp",result="failure"\} [1-9]', text, re.M)
        stamp = re.search(r'^lifesign_dependency_last_success_timestamp_seconds\{app="svc",dependency="db",kind="tcp"\} ([0-9.e+]+)$', text, re.M)
        assert abs(float(stamp[1]) - time.time()) < 60
        for phase in ("connect", "ask"):
            labels = f'app="svc",dependency="db",kind="tcp",phase="{phase}"'
            family = "lifesign_dependency_probe_duration_seconds"
            buckets = [int(n) for n in re.findall(rf'^{family}_bucket\{{{labels},le="[^"]+"\}} (\d+)$', text, re.M)]
            total = int(re.search(rf"^{family}_count\{{{labels}\}} (\d+)$", text, re.M)[1])
            assert len(buckets) == 13 and buckets == sorted(buckets) and buckets[-1] == total > 0
        assert list(dict.fromkeys(re.findall(r'le="([^"]+)"', text))) == \
            "0.0005 0.001 0.0025 0.005 0.01 0.025 0.05 0.1 0.25 1.0 2.5 5.0 +Inf".split()  # as others write them
        assert 0 < service.of("db")["latency_seconds"] < 1  # what is near takes less than a millisecond


def test_health_shows_each_dependency(run, place):
    service = Depending(run, place, [refused("db", **{"class": "hard"})])
    service.until("db", "down")
    answer = service.run.get("/health")
    check = answer.json()["checks"]["db:responseTime"][0]
    assert answer.status == 503 and (check["componentId"], check["status"]) == ("db", "fail")


def test_real_servers_die_and_come_back(run, place, plain):
    port = free_port()
    redis = Server(plain, ["/usr/bin/redis-server", "--port", port, "--save", "", "--dir", place.directory("redis")], lambda: accepts(port))
    database = Postgres(place, plain)
    service = Depending(run, place, [{"name": "cache", "kind": "redis", "url": f"redis://127.0.0.1:{port}"},
                                     {"name": "db", "kind": "postgres", "url": f"postgresql://app:se%23cret@127.0.0.1:{database.port}/postgres",
                                      "class": "hard", "role": "primary"}], readiness={"timeoutSeconds": 3})
    service.until("cache", "up")
    service.until("db", "up")
    service.until_ready()
    database.kill()
    service.until("db", "down", "refused")
    service.until_ready(False)
    assert service.checks()["db"] == "refused"
    newest = [event for event in service.status()["events"] if event["what"] == "dependency" and event["subject"] == "db"][-1]
    assert (newest["from"], newest["to"], newest["reason"]) == ("up", "down", "refused")
    database.start()
    service.until("db", "up")
    service.until_ready()
    with redis.stopped():
        service.until("cache", "down", "timeout")
        assert service.ready()
    service.until("cache", "up")
    assert service.run.get("/livez").status == 200


def test_a_value_is_compared_and_shown(run, place, plain):
    port = free_port()
    Server(plain, ["/usr/bin/redis-server", "--port", port, "--save", "", "--dir", place.directory("redis")], lambda: accepts(port))

    def push(count):
        subprocess.run(["/usr/bin/redis-cli", "-p", str(port), "RPUSH", "jobs", *["x"] * count], check=True, capture_output=True)
    service = Depending(run, place, [{"name": "jobs", "kind": "redis", "url": f"redis://127.0.0.1:{port}", "command": "LLEN jobs", "max": 3}])
    service.until("jobs", "up")
    push(5)
    assert service.until("jobs", "down", "threshold")["value"] == 5
    assert re.search(r'^lifesign_dependency_value\{app="svc",dependency="jobs",kind="redis"\} 5$', service.run.get("/metrics").body.decode(), re.M)


def test_status_shows_a_table_and_probe_the_phases(run, place):
    with Answers() as server:
        service = Depending(run, place, [server.dependency("db"), refused("gone")], readiness={"timeoutSeconds": 5})
        service.until("db", "up")
        service.until("gone", "down")
        text = call("status", "--dir", service.run.dir).stdout
        assert re.search(r"^ +db +tcp +soft +up ", text, re.M) and re.search(r"^ +gone +tcp +soft +down .*refused", text, re.M)
        done = call("probe", "db", "--config", service.path)
        assert done.returncode == 0 and done.stdout.startswith("up\n") and "connect" in done.stdout
        done = call("probe", f"tcp://127.0.0.1:{free_port()}")
        assert done.returncode == 2 and done.stdout.startswith("down refused")
        assert call("probe", "nobody", "--config", service.path).returncode == 64
        assert call("probe", "nothing://x").returncode == 64
        assert call("probe").returncode == 64


def test_config_check_tells_what_probes_would_answer(place):
    path = write_config(place.file("c.yaml"), [{"name": "db", "url": "tcp://db:1", "class": "hard"}, {"name": "cache", "url": "tcp://c:1"},
                                               {"name": "jobs", "url": "tcp://c:2", "needs": "cache", "class": "hard"}])
    done = call("config", "check", path, "--down", "cache,jobs")
    assert done.returncode == 0, done.stdout
    assert "/livez    200" in done.stdout and "/readyz   503 dependency_down\n" in done.stdout
    assert "[-]jobs down skipped because of cache\n" in done.stdout and "[+]cache down timeout\n" in done.stdout
    done = call("config", "check", path, "--down", "cache")  # without which jobs cannot be up
    assert "/readyz   503 dependency_down\n" in done.stdout and "[-]jobs down skipped because of cache\n" in done.stdout
    assert "/readyz   503" in call("config", "check", path, "--down", "jobs").stdout
    done = call("config", "check", path, "--down", "nobody")
    assert done.returncode == 78 and "there is no dependency 'nobody'" in done.stderr


def test_a_file_is_suggested_from_what_is_open(place, plain):
    """A server that is connected to redis: the file names it, and is valid."""
    port, own = free_port(), free_port()
    Server(plain, ["/usr/bin/redis-server", "--port", port, "--save", "", "--dir", place.directory("redis")], lambda: accepts(port))
    script = ("import socket,time\n"
              f"c=socket.create_connection(('127.0.0.1',{port}))\nl=socket.create_server(('127.0.0.1',{own}))\n"
              "l.accept()[0].sendall(b'x')\nl.accept()\n")
    client = plain(["/usr/bin/python3", "-c", script])
    wait_until(lambda: accepts(own), 10, client.said)
    done = call("config", "suggest", client.pid)
    assert done.returncode == 0, done.stderr
    assert f"startup: {{port: {own}}}" in done.stdout and f"# listens on 127.0.0.1:{own} " in done.stdout
    assert re.search(rf'^  - \{{name: tcp1, kind: tcp, url: "tcp://127.0.0.1:{port}"\}}$', done.stdout, re.M), done.stdout
    path = place.file("suggested.yaml", done.stdout)
    assert call("config", "check", path).returncode == 0
    assert call("probe", "tcp1", "--config", path).returncode == 0
    done = subprocess.run(["setpriv", "--reuid=65534", "--clear-groups", BIN, "config", "suggest", str(client.pid)],
                          capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 77 and "CAP_SYS_PTRACE" in done.stderr
    assert call("config", "suggest", 2 ** 22 + 1).returncode == 3 and call("config", "suggest", "x").returncode == 64


def test_wrong_files_are_told_line_by_line(place):
    path = place.file("bad.yaml", """dependencies:
  - {name: db, kind: postgre, url: "postgresql://app@db/orders"}
  - {name: db, kind: redis, url: "http://user:secret@cache"}
  - {name: draining, url: "redis://cache:99999"}
  - {name: a, url: "tcp://h:1", needs: b}
  - {name: b, url: "tcp://h:1", needs: a, passwordFile: /x}
  - {name: c, kind: redis, url: "redis://h", passwordFile: /nope/nope, needs: nobody}
""")
    done = call("config", "check", path)
    assert done.returncode == 78 and "secret" not in done.stdout
    for line in ("2: dependency 'db': kind: found 'postgre', allowed: postgres, redis",
                 "3: dependency 'db': name: found twice, first in line 2",
                 "3: dependency 'db': url: found 'http://…@cache', allowed: redis://, rediss://",
                 "4: dependency 'draining': name: is a check of readyz already",
                 "4: dependency 'draining': url: found 'redis://cache:99999', allowed: a port from 1 to 65535",
                 "5: dependency 'a': needs: leads back to itself",
                 "6: dependency 'b': found key 'passwordFile', allowed for kind tcp: name, kind, url",
                 "7: dependency 'c': passwordFile: '/nope/nope' cannot be read (No such file or directory)",
                 "7: dependency 'c': needs: there is no dependency 'nobody'"):
        assert f"{path}:{line}" in done.stdout, (line, done.stdout)


def test_values_of_variables_are_encoded_inside_a_url(run, place):
    """A password that would break the URL as it stands."""
    with Answers() as server:
        url = f"tcp://u:${{PASSWORD}}@127.0.0.1:{server.port}"
        service = Depending(run, place, [{**server.dependency("db"), "url": url}, {**server.dependency("whole"), "url": "${WHOLE}"}],
                            env={"PASSWORD": "a/b@c:d%e#f", "WHOLE": f"tcp://127.0.0.1:{server.port}"})
        service.until("db", "up")
        service.until("whole", "up")


def test_the_status_keeps_to_its_schema(run, place):
    service = Depending(run, place, [refused("db", **{"class": "hard"})], command=[f"{SUPPORT}/tiny_server", free_port()])
    found = service.until("db", "down")
    wanted = {"name", "kind", "class", "status", "error", "since_seconds", "value", "latency_seconds", "age_seconds",
              "consecutive_failures", "consecutive_successes", "root"}
    assert wanted <= set(found) and json.loads(service.run.get("/health/status").body)["dependencies"][0]["detail"] is not None


def test_explain_walks_to_the_cause(run, place):
    """Three services in a row, the last one without its database."""
    gone = refused("db", **{"class": "hard"})
    third = Depending(run, part_of(place, "c"), [gone], service="third")
    second = Depending(run, part_of(place, "b"), [follow("third", third)], service="second")
    first = Depending(run, part_of(place, "a"), [{**refused("other"), "needs": "second"}, follow("second", second)], service="first")
    first.until("second", "down")
    second.until("third", "down")
    third.until("db", "down", "refused")
    first.until_ready(False)
    said = wait_until(lambda: (lambda text: text if "because of db (tcp, hard) down: refused" in text else "")(
        call("explain", "--url", f"http://127.0.0.1:{first.run.port}").stdout), 20, first.said)
    words = [line.split(" at ")[0].strip() for line in said.splitlines()]
    assert words[0].startswith("first") and "because of second (http, hard)" in said and "because of third (http, hard)" in said
    assert said.index("second (http") < said.index("third (http") < said.index("because of db")
    wait_until(lambda: first.of("second")["root"], 15, first.said)  # by follow
    steps = json.loads(call("explain", "--json", "--url", f"http://127.0.0.1:{first.run.port}").stdout)["because"]
    assert [step["depth"] for step in steps] == sorted(step["depth"] for step in steps) and steps[0]["text"].startswith("first")
    assert "because of db (tcp, hard) down: refused" in steps[-1]["text"]


def follow(name, service):
    return {"name": name, "kind": "http", "url": f"http://127.0.0.1:{service.run.port}/readyz", "follow": True, "class": "hard"}
