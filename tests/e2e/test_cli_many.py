# SPDX-License-Identifier: Apache-2.0
# ctest: asan
"""check, status and reload where an agent has several services, beside those that `run` serves."""
import json
import os
import signal
import subprocess
import time
from contextlib import ExitStack

import pytest

from fake_agent import FakeAgent, document, probe, reply, status_answers
from http_demo import Demo
from lifesign import BIN, call, clean_environment, wait_until


def listing(*names):
    return reply(200, json.dumps([{"name": name, "status": "pass", "live": True, "ready": True, "startup": True, "pid": 1} for name in names]))


def run_of(place, name):
    """As `lifesign run --service NAME` leaves it in DIR: the same answers with and without its name before them."""
    answers = {"/livez": probe(), "/readyz": probe(), **status_answers(service=name)}
    named = {f"/services/{name}{path}": answer for path, answer in answers.items()}
    return FakeAgent(f"{place.directory('d')}/{name}.sock", {**answers, **named, "/services": listing(name)})


@pytest.fixture(name="agent")
def start_agent(place):
    """agent(NAME=SCENARIO …, socket=NAME, whole=SCENARIO): a demo whose unix socket is DIR/NAME.sock."""
    demos = []

    def start(*services, socket="agent", whole="dead"):
        demos.append(Demo(place, "--many", *services, scenario=whole))
        os.symlink(demos[-1].socket, f"{place.directory('d')}/{socket}.sock")
        return demos[-1]
    yield start
    for demo in demos:
        demo.close()


def ask(place, *words, env=None):
    return call(*words, "--dir", place.path + "/d", env=env)


def shown(done):
    return json.loads(done.stdout)["service"]


def test_the_only_service_is_meant(place, agent):
    agent("orders=draining")
    assert shown(ask(place, "status", "--json")) == "orders"
    assert (ask(place, "check").returncode, ask(place, "check", "readyz").stdout) == (0, "readyz failed: draining\n")


def test_status_of_several_needs_a_name(place, agent):
    demo = agent("orders=alive", "billing=dead")
    told = "lifesign: 2 services here (billing, orders): pick one by --service NAME\n"
    for where in (["--dir", place.path + "/d"], ["--url", f"http://127.0.0.1:{demo.port}"], ["--url", f"unix:{demo.socket}"]):
        done = call("status", *where)
        assert (done.returncode, done.stdout, done.stderr) == (64, "", told)
        for name, status in (("orders", 0), ("billing", 1)):
            done = call("status", "--json", "--service", name, *where)
            assert (done.returncode, shown(done)) == (status, name)
            assert call("status", "--service", name, *where).stdout.startswith(f"{name} 1.2.3, up ")


def test_check_without_a_name_is_of_the_worst(place, agent):
    agent("orders=alive", "billing=draining", whole="draining")
    assert ask(place, "check").stdout == "livez ok\n"
    done = ask(place, "check", "readyz")
    assert (done.returncode, done.stdout) == (1, "readyz failed: draining\n")
    assert (ask(place, "check", "readyz", "--service", "orders").stdout) == "readyz ok\n"
    assert ask(place, "check", "readyz", "--service", "billing").returncode == 1
    assert ask(place, "check", "startupz", "--nagios", "--service", "billing").returncode == 0
    assert ask(place, "check", "readyz", env={"LIFESIGN_SERVICE": "orders"}).returncode == 0


def test_without_a_service_nobody_can_tell(place, agent):
    agent(whole="nobody")
    assert (ask(place, "check").returncode, ask(place, "check").stdout) == (0, "livez cannot tell: verdict unknown\n")
    assert ask(place, "check", "readyz").returncode == 1
    assert ask(place, "status").returncode == 1
    done = ask(place, "check", "--service", "orders")
    assert done.returncode == 3 and "no agent for service 'orders'" in done.stderr


def test_a_name_is_found_among_sockets_and_agents(place, agent):
    agent("orders=alive", "billing=dead")
    with run_of(place, "redis"):
        for name, status in (("orders", 0), ("redis", 0), ("billing", 1)):
            done = ask(place, "status", "--json", "--service", name)
            assert (done.returncode, shown(done)) == (status, name)
            assert ask(place, "check", "--service", name).returncode == status
        assert shown(ask(place, "status", "--json", "--service", "agent")) == "demo", "by its socket, the whole"
        for command in ("status", "check", "reload"):
            done = ask(place, command)
            assert (done.returncode, done.stderr) == (64, "lifesign: 3 services here (billing, orders, redis): pick one by --service NAME\n")
        assert ask(place, "status", "--service", "nobody").returncode == 3


def test_an_own_socket_beats_a_service_of_that_name_elsewhere(place, agent):
    agent("redis=dead")
    with run_of(place, "redis"):
        assert ask(place, "check", "--service", "redis").returncode == 0


def test_an_agent_that_waits_for_services_is_in_nobodys_way(place, agent):
    agent(whole="nobody")
    with run_of(place, "redis"):
        assert shown(ask(place, "status", "--json")) == "redis"
        assert ask(place, "check", "readyz").returncode == 0


def test_one_name_at_two_agents_is_no_answer(place, agent):
    agent("orders=alive", "a=alive")
    agent("orders=alive", "b=alive", socket="node2")
    done = ask(place, "status", "--service", "orders")
    assert done.returncode == 64 and done.stderr.startswith("lifesign: 2 agents in ") and "--url" in done.stderr
    assert ask(place, "check", "--service", "b").returncode == 0


def test_what_an_address_does_not_have_is_3_and_told(agent):
    demo = agent("orders=alive", "billing=dead")
    url = f"http://127.0.0.1:{demo.port}"
    done = call("status", "--url", url, "--service", "redis")
    assert (done.returncode, done.stderr) == (3, f"lifesign: no service 'redis' at {url}, which has: billing, orders\n")
    assert call("check", "--url", url, "--service", "orders").returncode == 0


def test_a_variable_for_run_is_no_demand_on_an_address(agent):
    demo = agent("orders=alive", "billing=dead")
    env = {"LIFESIGN_LISTEN": f"127.0.0.1:{demo.port}", "LIFESIGN_SERVICE": "orders"}
    assert call("check", env=env).returncode == 0
    assert call("check", env={**env, "LIFESIGN_SERVICE": "elsewhere"}).returncode == 1, "the worst of all"


def test_watching_a_service_goes_on_when_it_comes_back(place, agent):
    demo = agent("orders=alive", "billing=dead")
    words = [BIN, "status", "--watch", "--service", "orders", "--dir", place.path + "/d"]
    with subprocess.Popen(words, env=clean_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as page:
        assert page.stdout.readline().startswith("orders 1.2.3, up ")
        demo.say("orders=gone")
        assert page.stderr.readline() == f"lifesign: unix:{place.path}/d/agent.sock has that service no longer\n"
        demo.say("orders=alive")
        wait_until(lambda: page.stdout.readline().startswith("orders 1.2.3, up "), 10, every=0)
        page.send_signal(signal.SIGTERM)
        page.communicate(timeout=10)
        assert page.returncode == 0


def test_reload_is_the_agents_whatever_the_service(place, agent):
    agent("orders=alive", "billing=dead")
    for words in ([], ["--service", "billing"], ["--service", "agent"]):
        done = ask(place, "reload", *words)
        assert (done.returncode, done.stdout) == (0, "configuration taken over\n")


def test_agents_that_hang_hide_no_other(place, agent):
    agent("orders=alive", "billing=dead")
    silence = {"/services": None, "/services/billing/livez": None, "/services/orders/livez": None}
    with ExitStack() as stack:
        for i in range(3):
            stack.enter_context(FakeAgent(f"{place.path}/d/hangs-{i}.sock", silence))
        began = time.monotonic()
        assert ask(place, "check", "--service", "orders").returncode == 0
        assert ask(place, "status").stderr == \
            "lifesign: 5 services here (billing, hangs-0, hangs-1, hangs-2, orders): pick one by --service NAME\n"
        assert time.monotonic() - began < 20


def test_strange_names_are_asked_for_as_they_are(place, agent):
    agent("we ird%\\é?#=alive", "b=dead")
    assert ask(place, "check", "--service", "we ird%\\é?#").returncode == 0
    for name in ("we", "../b", "b/livez?", "b/", "x" * 3000, ""):
        assert ask(place, "status", "--service", name).returncode == 3, name


def test_a_long_list_is_cut(place, agent):
    agent(*(f"service-{i:03}=alive" for i in range(100)))
    done = ask(place, "status")
    assert done.returncode == 64 and done.stderr.startswith("lifesign: 100 services here (service-000, service-001, ")
    assert done.stderr.endswith(", …): pick one by --service NAME\n") and len(done.stderr) < 700


@pytest.mark.parametrize("garbage", [reply(200, "{}"), reply(200, "[1, {}, null]"), reply(200, "["), reply(500), b""])
def test_a_list_that_is_none_is_no_reason_to_refuse(place, garbage):
    answers = {"/services": garbage, **status_answers(service=document()["service"])}
    with FakeAgent(f"{place.directory('d')}/orders.sock", answers):
        assert shown(ask(place, "status", "--json")) == "orders"
