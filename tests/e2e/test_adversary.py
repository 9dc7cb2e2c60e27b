# ctest: timeout=300
# SPDX-License-Identifier: Apache-2.0
"""Programs written to fool the judge: some look dead and are not, and must never be called so; some are stuck for good
and look alive, and must be found. What they do is in support/adversary_*.c."""
import contextlib
import os
import socket

from faults import at_once, fault, table  # noqa: F401 pylint: disable=unused-import
from faults_inject import Clients, Silent
from lifesign import SUPPORT, accepts, free_port, holds_for, wait_until
from services import Service
from services_more import LOCAL

FAULT, LINE = b"fault\n", b"line\n"


def program(kind, name, *word):
    """Used before anything is tried, so that it is known where its threads are at home."""
    port = free_port()

    def load(requests):
        for _ in range(requests):
            with socket.create_connection((LOCAL, port), 5) as link, contextlib.suppress(ConnectionError):  # some answer before they are asked
                link.settimeout(10)
                link.sendall(LINE)
                link.recv(16)
    return Service(kind, [os.path.join(SUPPORT, kind), name, str(port), *map(str, word)], port, lambda: accepts(port), load)


def clients(scene, count=1, says=LINE):
    return scene.also(Clients(scene.service.port, count, says))


# ---- looks dead and is not

LOCKS = ("timer", "owners", "forgery", "names", "storm")


def begin(scene, name, *word, used=1, **rest):
    return scene.start(program("adversary_locks" if name in LOCKS else "adversary_alive", name, *word), used=used, **rest)


def looks_well(scene, name, *word, seconds=8, **rest):
    """… and is: clients come all the time, and lifesign has nothing against it."""
    run = begin(scene, name, *word, **rest)
    scene.inject(name)
    for _ in range(seconds):
        clients(scene, 2, b"").close()
        scene.stays(1, "dead", "not ready")
    scene.well(name, 1)
    return run


def looks_stuck(scene, name, *word, says=LINE, count=6, seconds=12, heals=True, used=1):
    """Not ready it may be, as long as nobody is served."""
    run = begin(scene, name, *word, used=used)
    scene.inject(name, lambda: clients(scene, count, says))
    scene.stays(seconds, "dead")
    if heals:
        scene.recovers(60)
    return run


@fault
def test_alive_a_loop_that_naps_a_hundred_times_longer_than_usual(scene):
    begin(scene, "naps")
    scene.inject("naps")
    for _ in range(60):
        clients(scene, 1, b"").close()
        scene.stays(0.2, "dead")
    scene.recovers()


@fault
def test_alive_a_loop_that_serves_one_client_at_a_time_and_sleeps(scene):
    looks_stuck(scene, "slowly", used=0)


@fault
def test_alive_a_loop_that_serves_one_client_at_a_time_and_computes(scene):
    looks_stuck(scene, "computing", used=0)


@fault
def test_alive_a_listener_that_is_paused_on_purpose(scene):
    other = free_port()
    begin(scene, "paused", other)
    scene.also(Clients(other, 5, LINE))
    scene.inject("paused")
    scene.well("paused", 8)


@fault
def test_alive_a_child_that_keeps_the_listener_and_never_accepts(scene):
    looks_well(scene, "spare")


@fault
def test_alive_a_parent_that_keeps_the_listener_and_never_accepts(scene):
    looks_well(scene, "keeper")


@fault
def test_alive_half_requests_unread_while_the_loop_asks_somebody_else(scene):
    peer = scene.also(Silent())
    begin(scene, "halves", peer.port, used=0)
    scene.inject("halves", lambda: clients(scene, 6, b"half a li"))
    scene.unready("dependency_wait")
    scene.stays(8, "dead")


@fault
def test_alive_all_of_a_pool_in_long_computations(scene):
    looks_stuck(scene, "jobs", says=FAULT, count=8, seconds=20)


@fault
def test_alive_all_of_a_pool_asleep_for_long(scene):
    looks_stuck(scene, "sleepers", says=FAULT, count=8, seconds=20)


@fault
def test_alive_waits_with_limits_that_are_made_anew(scene):
    looks_well(scene, "rearmed")


@fault
def test_alive_as_many_clients_as_there_may_be(scene):
    """A thread for each; they say nothing, and the next must wait until one of them leaves."""
    run = begin(scene, "house")
    guests = clients(scene, 4)
    for _ in range(8):
        scene.stays(0.3, "dead")
        for link in guests.links:
            link.send(LINE)
    assert run.process.poll() is None
    scene.inject("house", lambda: clients(scene, 4, b""))
    scene.stays(14, "dead")
    guests.close()
    scene.recovers()


@fault
def test_alive_as_many_clients_as_one_loop_may_carry(scene):
    begin(scene, "carried")
    guests = clients(scene, 4)
    scene.inject("carried", lambda: clients(scene, 4, b""))
    scene.stays(14, "dead")
    guests.close()
    scene.recovers()


@fault
def test_alive_workers_at_home_in_locks_that_a_timer_gives_them(scene):
    looks_well(scene, "timer")


@fault
def test_alive_owners_of_locks_that_it_writes_itself(scene):
    looks_well(scene, "owners", liveness={"deadlock": "any"})


@fault
def test_alive_slots_that_say_what_no_thread_does(scene):
    looks_well(scene, "forgery", liveness={"deadlock": "any"})


@fault
def test_alive_threads_by_the_thousand_with_new_names(scene):
    looks_well(scene, "names", seconds=5)


@fault
def test_alive_a_storm_of_programs(scene):
    looks_well(scene, "storm", seconds=5)


# ---- is stuck and looks alive

def stuck(scene, name, count=1, **rest):
    run = scene.start(program("adversary_dead", name), used=1, **rest)
    scene.inject(name, lambda: clients(scene, count, FAULT))
    return run


@fault
def test_dead_a_deadlock_whose_members_get_a_signal_each_millisecond(scene):
    stuck(scene, "signals", liveness={"deadlock": "any"})
    assert len(scene.live("deadlock", "dead")["chain"]) == 2


@fault
def test_dead_a_cycle_of_fifty_locks(scene):
    stuck(scene, "ring", liveness={"deadlock": "any"})
    reason = scene.live("deadlock", "dead")
    assert "50" in reason["detail"] or len(reason["chain"]) == 50, reason


@fault
def test_dead_three_threads_that_join_one_another(scene):
    stuck(scene, "joins")
    reason = scene.live("deadlock", "dead")
    assert {link["op"] for link in reason["chain"]} == {"pthread_join"} and len(reason["chain"]) == 3


@fault
def test_dead_a_whole_pool_beside_a_thread_that_spins(scene):
    stuck(scene, "pool", 3)
    assert len(scene.live("deadlock", "dead")["chain"]) == 3


@fault
def test_dead_a_loop_beside_timers_that_beat(scene):
    run = stuck(scene, "heartbeat")
    clients(scene, 2)
    assert scene.live("loop_blocked", "dead")["threads"] == [run.main()]


@fault
def test_dead_a_loop_in_a_system_call_that_libc_does_not_know_of(scene):
    run = stuck(scene, "unwrapped")
    clients(scene, 2)
    assert scene.live("loop_blocked", "dead")["threads"] == [run.main()]


@fault
def test_dead_a_loop_that_writes_to_its_own_child_which_waits(scene):
    """A child may still end: not ready, and no more is proven."""
    run = stuck(scene, "child")
    clients(scene, 2)
    assert scene.unready("loop_blocked")["threads"] == [run.main()]


@fault
def test_dead_a_lock_whose_dead_owner_has_a_namesake(scene):
    """The tid of the owner belongs to a new thread by and by, which never had the lock."""
    run = stuck(scene, "reused", wrap=["/usr/bin/unshare", "--pid", "--fork", "--mount-proc"])
    scene.live("orphaned_lock", "dead")
    wait_until(lambda: "reused" in run.out(), 20, scene.said)
    holds_for(lambda: run.status()["live"]["verdict"] == "dead", 4, scene.said, every=0.1)
    assert [r["code"] for r in run.status()["live"]["reasons"]][0] == "orphaned_lock"
