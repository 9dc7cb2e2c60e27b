# ctest: serial timeout=240
# SPDX-License-Identifier: Apache-2.0
"""`lifesign agent`: services that it did not start join, are named, watched, restarted and forgotten; it may die."""
import json
import os
import signal

import pytest

import lifesign
from joined import Agent, is_mapped
from lifesign import call, free_port, holds_for, wait_until

PYTHON = "/usr/bin/python3"


def redis(port=0):
    return ["/usr/bin/redis-server", "--port", str(port or free_port()), "--save", "", "--appendonly", "no"]


@pytest.fixture
def agent(place):
    started = Agent(place=place)
    yield started
    started.close()


def test_nobody_has_joined(agent):
    assert agent.get("/services").json() == []
    live, ready = agent.get("/livez"), agent.get("/readyz")
    assert (live.status, live.headers["Lifesign-Verdict"], ready.status) == (200, "unknown", 503)
    assert agent.get("/agent/livez").status == 200
    assert agent.get("/services/nobody/livez").status == 404
    assert "answers probes at" in agent.err().splitlines()[0] and agent.dir in agent.err()


def test_two_redis_and_a_python_join_and_are_told_apart(agent):
    one = agent.start(redis())
    first = agent.has("redis-server", one.pid)
    two = agent.start(redis())
    web = agent.start([PYTHON, "-m", "http.server", str(free_port())], service="web")
    agent.has("redis-server-2", two.pid)
    agent.has("web", web.pid)
    assert all(is_mapped(p.pid) for p in (one, two, web))
    assert agent.names() == ["redis-server", "redis-server-2", "web"]
    for name in agent.names():
        agent.is_ready(name)
        assert agent.get(f"/services/{name}/livez").text == "ok"
    assert first["service"] == "redis-server" and first["live"]["verdict"] == "alive"
    wait_until(lambda: agent.get("/readyz").status == 200, 10, agent.status)
    assert agent.get("/livez").headers["Lifesign-Verdict"] == "alive"
    metrics = agent.get("/metrics").text
    for name in agent.names():
        assert f'lifesign_live{{app="{name}"}} 1' in metrics
    assert metrics.count("# TYPE lifesign_live ") == 1


def test_the_worst_is_the_whole(agent):
    one, two = agent.start(redis(), service="a"), agent.start(redis(), service="b")
    for name, process in (("a", one), ("b", two)):
        agent.has(name, process.pid)
        agent.is_ready(name)
    wait_until(lambda: agent.get("/readyz").status == 200, 10, agent.status)
    os.kill(two.pid, signal.SIGKILL)
    two.wait()
    wait_until(lambda: agent.get("/services/b/livez").status == 503, 15, lambda: agent.status("b"))
    page = wait_until(lambda: (p := agent.get("/livez")).status == 503 and p, 15, agent.status)
    assert "[-]exited failed: exited" in page.text and page.headers["Lifesign-Verdict"] == "dead"
    assert agent.get("/services/a/livez").status == 200 and agent.get("/services/a/readyz").status == 200
    assert [r["detail"] for r in agent.status()["live"]["reasons"]] == ["b"]


def test_dependencies_are_those_of_the_whole(place):
    refused = f"tcp://127.0.0.1:{free_port()}"
    path = place.file("c.yaml", "readiness: {periodSeconds: 0.5, failureThreshold: 1}\n"
                                f"dependencies: [{{name: db, url: '{refused}', class: hard}}]\n")
    agent = Agent(["--config", path], place=place)
    try:
        for name in ("a", "b"):
            agent.has(name, agent.start(redis(), service=name).pid)
        reasons = wait_until(lambda: [r for r in agent.status()["ready"]["reasons"] if r["detail"].startswith("refused")], 15, agent.status)
        assert [(r["code"], r["dependency"]) for r in reasons] == [("dependency_down", "db")]
        assert [(d["name"], d["status"]) for d in agent.status()["dependencies"]] == [("db", "down")]
        assert (agent.get("/readyz/db").status, agent.get("/services/a/readyz/db").status) == (503, 503)
        wait_until(lambda: agent.get("/readyz?exclude=db&exclude=dependency_down").status == 200, 15, agent.status)
        series = [line.split(" ")[0] for line in agent.get("/metrics").text.splitlines() if not line.startswith("#")]
        assert len(series) == len(set(series)) and any("lifesign_dependency_up" in one for one in series)
    finally:
        agent.close()


def test_a_service_that_is_started_anew_takes_its_name_over(agent):
    one = agent.start(redis())
    agent.has("redis-server", one.pid)
    agent.is_ready("redis-server")
    beats = agent.status("redis-server")["workers"]["started"]
    os.kill(one.pid, signal.SIGKILL)
    one.wait()
    wait_until(lambda: agent.get("/services/redis-server/livez").status == 503, 15, agent.said)
    two = agent.start(redis())
    status = agent.has("redis-server", two.pid)
    agent.is_ready("redis-server")
    assert agent.names() == ["redis-server"]
    assert status["workers"]["started"] >= beats  # counters of the name never fall
    told = [(e["what"], e["to"]) for e in agent.status("redis-server")["events"]]
    assert ("live", "dead") in told and told.index(("live", "dead")) < len(told) - 1 - told[::-1].index(("startup", "started"))


def test_children_and_programs_that_it_starts_are_the_service_s(agent):
    script = ("import os, subprocess, time\n"
              "if os.fork() == 0:\n    time.sleep(1000)\n"
              "subprocess.run(['sleep', '1000'])\n")
    one = agent.start([PYTHON, "-c", script], service="family")

    def covered():
        rows = agent.status("family")["processes"]
        return len(rows) == 3 and all(row["coverage"] == "shim" for row in rows) and sorted(row["exe"] for row in rows)
    agent.has("family", one.pid)
    assert wait_until(covered, 15, lambda: agent.status("family")["processes"]) == ["python3", "python3", "sleep"]
    assert agent.names() == ["family"]


def test_the_same_pid_with_another_program_is_the_same_service(agent):
    one = agent.start(["/bin/sh", "-c", f"read line; exec {' '.join(redis())}".replace("''", "''").replace('--save  --', "--save '' --")],
                      stdin=lifesign.subprocess.PIPE)
    agent.has("sh", one.pid)
    one.process.stdin.write(b"\n")
    one.process.stdin.flush()
    agent.has("redis-server", one.pid)
    assert agent.names() == ["redis-server"]


def test_a_command_beside_comes_and_goes_without_a_trace(agent):
    one = agent.start(redis(), service="orders")
    agent.has("orders", one.pid)
    agent.is_ready("orders")
    wait_until(lambda: agent.get("/readyz").status == 200, 10, agent.status)
    shell = agent.start(["/bin/sh", "-c", "read line"], service="orders", stdin=lifesign.subprocess.PIPE)
    agent.has("orders-2", shell.pid)
    holds_for(lambda: agent.get("/readyz").status == 200 and agent.get("/livez").status == 200, 1, agent.status)
    shell.process.stdin.close()
    shell.wait()
    wait_until(lambda: agent.names() == ["orders"], 10, agent.said)
    holds_for(lambda: agent.get("/livez").status == 200, 1, agent.status)


def test_a_daemon_s_child_is_its_main_process(agent):
    port = free_port()
    config = agent.place.file("daemon.conf", f"daemonize yes\nport {port}\nsave \"\"\npidfile {agent.place.path}/redis.pid\n"
                              f"dir {agent.place.path}\nlogfile {agent.place.path}/redis.log\n")
    one = agent.start(["/usr/bin/redis-server", config], service="daemon")
    assert one.wait() == 0

    def main():
        rows = agent.status("daemon")["processes"] if "daemon" in agent.names() else []
        return rows and rows[0]["pid"] != one.pid and rows[0]["role"] == "main" and rows[0]["pid"]
    child = wait_until(main, 10, agent.said)
    agent.is_ready("daemon")
    assert agent.get("/services/daemon/livez").status == 200
    os.kill(child, signal.SIGTERM)
    wait_until(lambda: agent.get("/services/daemon/livez").status == 503, 10, lambda: agent.status("daemon"))


def test_the_agent_dies_and_nothing_is_forgotten(agent):
    one, two = agent.start(redis(), service="a"), agent.start(redis(), service="b")
    for name, process in (("a", one), ("b", two)):
        agent.has(name, process.pid)
        agent.is_ready(name)
    for _ in range(5):
        old = agent.status("a")["agent"]["pid"]
        os.kill(old, signal.SIGKILL)
        answer = wait_until(lambda: agent.try_get("/services/a/readyz"), 15, agent.said)
        assert answer.status == 200  # a new agent has heard of all before it answers
        wait_until(lambda old=old: (s := agent.try_get("/services/b/health/status", unix=True)) and s.status == 200
                   and s.json()["agent"]["pid"] != old, 15, agent.said)
    agent.has("a", one.pid)
    agent.has("b", two.pid)
    assert agent.get("/services/a/startupz").status == 200
    assert agent.status("a")["agent"]["restarts"] == 5


def test_the_supervisor_dies_and_the_next_one_finds_its_services(agent, place):
    one, two = agent.start(redis(), service="a"), agent.start(redis())
    agent.has("a", one.pid)
    agent.has("redis-server", two.pid)
    wait_until(lambda: os.path.exists(f"{agent.dir}/agent.services") and
               len(open(f"{agent.dir}/agent.services", encoding="ascii").readlines()) == 2, 15, agent.said)
    os.kill(agent.pid, signal.SIGKILL)
    agent.wait()
    following = Agent(place=place, directory=agent.dir)
    try:
        following.has("a", one.pid)
        following.has("redis-server", two.pid)
        following.is_ready("a")
        child = following.start(["/bin/sleep", "1000"], service="c")
        following.has("c", child.pid)
        assert not following.stop() and not os.path.exists(f"{agent.dir}/join")
        assert one.process.poll() is None and two.process.poll() is None
    finally:
        following.close()


def test_a_second_agent_in_the_same_directory_is_told_so(agent):
    port = free_port()
    said = call("agent", "--dir", agent.dir, "--listen", f"127.0.0.1:{port}")
    assert said.returncode == 69 and agent.dir in said.stderr and said.stderr.startswith("lifesign:")
    assert agent.get("/agent/livez").status == 200
    taken = call("agent", "--dir", agent.place.directory("other"), "--listen", f"127.0.0.1:{agent.port}")
    assert taken.returncode == 69 and str(agent.port) in taken.stderr
    assert call("agent", "redis-server").returncode == 64
    assert call("agent", "--lisen", ":1").returncode == 64


def test_term_drains_first_and_services_run_on(place):
    agent = Agent(place=place, options=["--drain", "6"])
    try:
        one = agent.start(redis())
        agent.has("redis-server", one.pid)
        agent.is_ready("redis-server")
        agent.send(signal.SIGTERM)
        page = wait_until(lambda: (p := agent.get("/services/redis-server/readyz")).status == 503 and p, 10, agent.said)
        assert "[-]draining failed: draining" in page.text and agent.get("/livez").status == 200
        assert agent.wait(20) == 0
        assert one.process.poll() is None
    finally:
        agent.close()


def test_another_user_joins_but_cannot_take_a_name(agent):
    one = agent.start(redis(), service="orders")
    agent.has("orders", one.pid)
    agent.is_ready("orders")
    os.kill(one.pid, signal.SIGKILL)
    one.wait()
    wait_until(lambda: agent.get("/services/orders/livez").status == 503, 15, agent.said)
    stranger = agent.start(redis(), service="orders", user=65534)
    agent.has("orders-2", stranger.pid)
    assert agent.get("/services/orders/livez").status == 503
    again = agent.start(redis(), service="orders")
    agent.has("orders", again.pid)


def test_a_directory_that_only_its_owner_may_enter_keeps_others_out(place):
    agent = Agent(place=place, mode=0o700)
    try:
        stranger = agent.start(["/bin/sleep", "1000"], user=65534, joins=False)
        mine = agent.start(["/bin/sleep", "1000"], service="mine")
        agent.has("mine", mine.pid)
        wait_until(lambda: is_mapped(stranger.pid) and lifesign.comm(stranger.pid) == "sleep", 15, stranger.said)
        holds_for(lambda: agent.names() == ["mine"], 0.5, agent.said)
    finally:
        agent.close()


def test_a_service_in_another_pid_namespace_is_covered_by_its_slots(agent):
    one = agent.start(["unshare", "--pid", "--fork", "--kill-child", *redis()], service="boxed",
                      env={"LD_PRELOAD": None})
    assert agent.names() == []
    one.close()
    script = f"LD_PRELOAD={lifesign.SHIM} exec {' '.join(redis())}".replace("--save  ", "--save '' ")
    agent.start(["unshare", "--pid", "--fork", "--kill-child", "/bin/sh", "-c", script], service="boxed", env={"LD_PRELOAD": None})

    def boxed():
        rows = agent.status("boxed")["processes"] if "boxed" in agent.names() else []
        return rows and rows[0]["coverage"] == "slots" and rows[0]["threads"]
    wait_until(boxed, 10, agent.said)
    assert agent.get("/services/boxed/livez").headers["Lifesign-Verdict"] == "alive"


def test_an_agent_in_a_pid_namespace_of_its_own_sees_slots_and_ends(place):
    agent = Agent(place=place, wrap=["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"])
    try:
        one = agent.start(redis(), service="outside")

        def outside():
            rows = agent.status("outside")["processes"] if "outside" in agent.names() else []
            return rows and rows[0]["coverage"] == "slots" and rows[0]["threads"]
        wait_until(outside, 10, agent.said)
        assert is_mapped(one.pid)
        assert agent.get("/services/outside/livez").headers["Lifesign-Verdict"] == "alive"
        os.kill(one.pid, signal.SIGKILL)
        one.wait()
        wait_until(lambda: agent.get("/services/outside/livez").status == 503, 10, lambda: agent.status("outside"))
    finally:
        agent.close()


def test_a_service_in_another_network_joins_and_shows_its_listeners(agent):
    one = agent.start(["unshare", "--net", *redis(7777)], service="island")
    agent.has("island", one.pid)
    rows = wait_until(lambda: agent.status("island")["listeners"], 10, agent.said)
    assert "0.0.0.0:7777" in [row["address"] for row in rows]


def test_fifty_at_once_all_join(agent):
    """All but a few: a service waits 20 ms for its answer, and one that a busy machine stops for longer stays uncovered."""
    many = {f"s{i}": agent.start(["/bin/sleep", "1000"], service=f"s{i}", joins=False) for i in range(50)}
    wait_until(lambda: len(agent.names()) >= 47, 20, lambda: (agent.names(), agent.said()))

    def covered():
        rows = {name: agent.status(name)["processes"] for name in agent.names()}
        return {name for name, found in rows.items() if found and (found[0]["pid"], found[0]["coverage"]) == (many[name].pid, "shim")}
    wait_until(lambda: len(covered()) >= 47, 15, lambda: (sorted(set(many) - covered()), agent.said()))


def test_hup_and_a_changed_file_are_taken_over(place):
    config = place.file("config.yaml", "readiness: {periodSeconds: 10}\n")
    agent = Agent(place=place, options=["--config", config])
    try:
        one = agent.start(["/bin/sleep", "1000"], service="s")
        agent.has("s", one.pid)
        before = agent.status()["agent"]["config_generation"]
        agent.send(signal.SIGHUP)
        wait_until(lambda: agent.status()["agent"]["config_generation"] > before, 10, agent.said)
        place.file("config.yaml", "readines: {}\n")
        wait_until(lambda: agent.status()["agent"]["config_error"], 10, agent.said)
        assert f"{config}:1" in agent.status()["agent"]["config_error"]
    finally:
        agent.close()


def test_status_and_check_ask_for_one_of_them(agent):
    one, two = agent.start(redis(), service="a"), agent.start(redis(), service="b")
    for name, process in (("a", one), ("b", two)):
        agent.has(name, process.pid)
        agent.is_ready(name)
    page = call("status", "--dir", agent.dir, "--service", "b", "--json")
    assert page.returncode == 0 and json.loads(page.stdout)["processes"][0]["pid"] == two.pid
    several = call("status", "--dir", agent.dir)
    assert several.returncode == 64 and "a" in several.stderr and "b" in several.stderr
    assert call("check", "readyz", "--dir", agent.dir, "--service", "a").returncode == 0
    assert call("check", "--dir", agent.dir).returncode == 0
    assert call("status", "--dir", agent.dir, "--service", "nobody").returncode == 3
