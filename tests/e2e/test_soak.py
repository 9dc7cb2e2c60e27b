# ctest: nightly soak serial timeout=9000
# SPDX-License-Identifier: Apache-2.0
"""All services at once under default limits, idle and loaded by turns, LIFESIGN_SOAK_SECONDS long (1800): nobody is dead,
nobody is not ready, and no agent grows. What each agent cost is printed."""
import functools
import http.client
import os
import subprocess
import time

import pytest

import alive
import services
import services_languages
import services_more
import services_net
import services_web
from lifesign import stat

SECONDS = float(os.environ.get("LIFESIGN_SOAK_SECONDS", "1800"))
TURN = min(60.0, SECONDS / 6)
KINDS = [services.redis, services.nginx, services.python_http, services.postgres, services_more.memcached, services_more.nats,
         services_more.mariadb, services_net.dnsmasq, services_net.named, services_net.sshd, services_web.apache,
         services_web.apache_prefork, services_web.haproxy, services_web.php_fpm, services_languages.python_threads,
         services_languages.python_asyncio, services_languages.java, services_languages.ruby, services_languages.node,
         services_languages.gunicorn, services_languages.puma, services_languages.puma_cluster]
MOST_KB = 6144  # of anonymous memory
TICKS = os.sysconf("SC_CLK_TCK")
_samples = {}  # name -> [(time, loaded, agent's pid, cpu seconds, rss, anonymous, fds)]
_loads = {}    # name -> [requests answered, requests that were not]


def is_loaded_turn(began):
    return int((time.monotonic() - began) / TURN) % 2 == 1


def sample(stage, began):
    pid = stage.run.agent()
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        memory = {line.split(":")[0]: int(line.split()[1]) for line in f if line.startswith(("VmRSS", "RssAnon"))}
    fields = stat(pid)
    _samples[stage.scene.name].append((time.monotonic(), is_loaded_turn(began), pid, (int(fields[11]) + int(fields[12])) / TICKS,
                                       memory["VmRSS"], memory["RssAnon"], len(os.listdir(f"/proc/{pid}/fd"))))


def load(stage, began):
    if not is_loaded_turn(began):
        return
    requests = getattr(stage.service, "requests", 20 if stage.service.name == "postgres" else 200)
    done = 0
    try:
        done = stage.service.load(requests)
    except (OSError, AssertionError, http.client.HTTPException, subprocess.SubprocessError):
        pass
    _loads[stage.scene.name][done < requests // 2] += requests


def soak(stage):
    began = time.monotonic()
    _samples[stage.scene.name], _loads[stage.scene.name] = [], [0, 0]
    stage.repeat(functools.partial(load, stage, began), every=0.3)
    stage.repeat(functools.partial(sample, stage, began), every=2)
    yield


# With the default of 8192 slots whoever makes threads or processes all the time touches one after the other, and the
# agent's tables with them: up to 3 MB more in half an hour, and then no more. With these few that is over at once.
SLOTS = ["--slots", "512"]
SCENES = [alive.Scene(make.__name__, "1 2", make, soak, unseen=make is services_more.nats, every=0.5, options=SLOTS) for make in KINDS]


def share(samples, loaded):
    """CPU of the agent in turns of that kind, percent of one."""
    used = passed = 0.0
    for before, after in zip(samples, samples[1:]):
        if before[1] == after[1] == loaded and before[2] == after[2]:
            used, passed = used + after[3] - before[3], passed + after[0] - before[0]
    return 100 * used / passed if passed else float("nan")


def row(name):
    samples = _samples[name]
    warm = samples[len(samples) // 4:]
    return (f"{name:18}{len(samples):6}{warm[0][4]:8}{max(s[4] for s in warm):8}{warm[-1][4]:8}{warm[-1][5]:8}{warm[0][6]:6}"
            f"{max(s[6] for s in warm):5}{warm[-1][6]:5}{share(samples, False):8.2f}{share(samples, True):8.2f}"
            f"{_loads[name][0]:10}{_loads[name][1]:7}")


HEAD = ("agent of          samples  RSS/4  RSSmax RSSlast    anon fds/4  max last idle %  load %  requests  failed\n"
        "(kB; /4: after a quarter of the time; CPU in percent of one; requests of the service)")


@pytest.fixture(scope="module")
def soaked(request):
    found = alive.told(request, SCENES, SECONDS, limits={})
    alive.tell(request, "\n".join([HEAD, *(row(name) for name in _samples)]))
    return found


@pytest.mark.parametrize("name", alive.names(SCENES))
def test_is_alive_and_ready_all_the_time(soaked, name):
    soaked[name].check()


@pytest.mark.parametrize("name", alive.names(SCENES))
def test_its_agent_does_not_grow(soaked, name):
    assert not soaked[name].error, soaked[name].error
    samples = _samples[name]
    warm = samples[len(samples) // 4:]
    assert len({s[2] for s in samples}) == 1, "it was replaced"
    # who comes under suspicion for the first time costs some tables, once
    assert warm[-1][5] <= warm[0][5] + 1024 and warm[-1][5] <= MOST_KB, row(name)
    assert warm[-1][6] <= warm[0][6] + 2, row(name)
    assert _loads[name][0] > 0, "nothing was ever asked of it"
