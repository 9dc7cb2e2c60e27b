# ctest: serial timeout=600
# SPDX-License-Identifier: Apache-2.0
"""200 random programs of locks, really run, whose outcome is known: dead exactly those with a cycle, stuck exactly who is on a way into one."""
import os
import random

from joined import Agent
from lifesign import SUPPORT, holds_for, wait_until

PROGRAMS, AT_ONCE = 200, 50


def draw(dice):
    """Nobody wants his own lock (that is another fault), about a third want none."""
    count = dice.randint(2, 12)
    return [-1 if dice.random() < 0.35 else dice.choice([other for other in range(count) if other != n]) for n in range(count)]


def stuck(wants):
    """Who follows what he wants for ever."""
    found = set()
    for start in range(len(wants)):
        at = start
        for _ in range(len(wants)):
            at = wants[at] if at >= 0 else -1
        if at >= 0:
            found.add(f"t{start}")
    return found


def judged(agent, name):
    """(verdict, the names of all threads that it says are stuck)"""
    status = agent.status(name)
    reasons = [r for r in status["live"]["reasons"] if r["code"] == "deadlock"]
    names = {t["tid"]: t["name"] for p in status["processes"] for t in p["threads"]}
    worst = {names.get(tid) for r in reasons for tid in r["threads"]}
    return status["live"]["verdict"], status["workers"]["stuck"], worst


def start_all(agent, programs):
    """A process that finds the machine too busy for 20 ms runs unseen: then another one is started."""
    def missing():
        return [name for name in programs if name not in agent.names()]
    for _ in range(5):
        for name in missing():
            agent.start([os.path.join(SUPPORT, "lock_map"), *programs[name]], service=name, joins=False)
        try:
            return wait_until(lambda: not missing(), 5, missing, every=0.2)
        except AssertionError:
            pass
    raise AssertionError(f"never joined: {missing()}; {agent.said()}")


def seen(agent, programs):
    """Who asked and then gave up waiting for the answer has a name, and runs unseen, too."""
    found = [None]

    def all_seen():
        found[0] = [name for name in programs if judged(agent, name)[0] != "unknown"]
        return len(found[0]) == len(programs)
    try:
        wait_until(all_seen, 8, every=0.3)
    except AssertionError:
        pass
    return found[0]


def test_random_programs(place):
    dice = random.Random(20261121)
    config = place.file("any.yaml", "liveness: {deadlock: any}\n")
    for batch in range(PROGRAMS // AT_ONCE):
        agent = Agent(place=place, options=["--config", config])
        try:
            programs = {f"p{batch}-{i}": draw(dice) for i in range(AT_ONCE)}
            start_all(agent, programs)
            programs = {name: programs[name] for name in seen(agent, programs)}
            assert len(programs) >= AT_ONCE // 2
            expected = {name: stuck(wants) for name, wants in programs.items()}

            def wrong():
                return {name: (programs[name], found, expected[name]) for name in programs
                        if (found := judged(agent, name)) and (found[0] == "dead") != bool(expected[name])
                        or found[1] != len(expected[name]) or not found[2] <= expected[name]}
            wait_until(lambda: not wrong(), 20, wrong, every=0.3)
            holds_for(lambda: not wrong(), 1, wrong, every=0.3)
            assert {bool(e) for e in expected.values()} == {True, False}
        finally:
            agent.close()
