# ctest: timeout=240
# SPDX-License-Identifier: Apache-2.0
"""Real servers under `lifesign run`: the shim in every process, every thread in its right state and role, idle and
under load, and nothing of what they do is changed."""
import signal
import threading

import pytest

import lifesign
import services
from lifesign import wait_until

KINDS = {
    "redis": services.redis,
    "nginx": services.nginx,
    "nginx-daemon": lambda place: services.nginx(place, daemon=True),
    "postgres": services.postgres,
    "python": services.python_http,
}


def start(run, place, kind):
    service = KINDS[kind](place)
    started = run(service.command, env=service.env, service=kind)
    wait_until(service.ping, 60, lambda: f"{kind} does not answer; {started.said()}")
    started.wait_ready()
    wait_until(lambda: started.get("/livez").headers["Lifesign-Verdict"] == "alive", 30, started.said)
    return service, started


def by_exe(status, exe):
    return [p for p in status["processes"] if p["exe"] == exe]


@pytest.mark.parametrize("kind", KINDS)
def test_the_shim_is_in_every_process(run, place, kind):
    _, started = start(run, place, kind)

    def differs():
        processes = started.status()["processes"]
        return [p for p in processes if p["coverage"] != "shim" or not lifesign.mapped(p["pid"])] if processes else "none"
    wait_until(lambda: not differs(), 30, differs)
    assert "not covered" not in started.err()


@pytest.mark.parametrize("kind", KINDS)
def test_every_thread_of_the_kernel_is_shown(run, place, kind):
    _, started = start(run, place, kind)

    def differs():
        for process in started.status()["processes"]:
            shown = sorted(t["tid"] for t in process["threads"])
            there = lifesign.tids(process["pid"])
            if shown != there:
                return f"{process['exe']} {process['pid']}: shown {shown}, there {there}"
        return ""
    wait_until(lambda: not differs(), 30, differs)


def settled(started, check, seconds=60):
    """The status once check(status) says nothing; what it says is the failure."""
    wait_until(lambda: not check(started.status()), seconds, lambda: check(started.status()))
    return started.status()


def named_beats(started):
    return {t["name"]: t["beats"] for t in started.threads()}


def test_redis_idle_and_loaded(run, place):
    service, started = start(run, place, "redis")

    def loop_is_idle(status):
        main = (status["processes"][0]["threads"] or [{"role": None}])[0]
        good = main["role"] == "loop" and main["state"] == "idle" and main["op"] == "epoll_wait" and main["home"]
        return "" if good else f"main is {main}"

    def threads_have_their_names(status):
        named = {t["name"] for t in status["processes"][0]["threads"]}
        return "" if {"io_thd_1", "io_thd_2", "io_thd_3", "bio_close_file"} <= named else f"{named}"

    settled(started, loop_is_idle)
    settled(started, threads_have_their_names)

    def threads_wait(status):
        names = {t["name"]: t for t in status["processes"][0]["threads"]}
        bio, io = names["bio_close_file"], names["io_thd_1"]
        good = bio["op"] == "pthread_cond_wait" and bio["state"] == "idle" and io["op"] == "pthread_mutex_lock"
        return "" if good else f"{bio} {io}"
    settled(started, threads_wait)
    before = named_beats(started)

    def io_threads(check):
        def differs(status):
            threads = [t for t in status["processes"][0]["threads"] if t["name"].startswith("io_thd_")]
            return "" if threads and all(check(t) for t in threads) else f"{threads}"
        return differs

    def home():
        return not io_threads(lambda t: t["state"] == "idle" and t["home"])(started.status())

    rounds = 0
    while not home():  # redis gives them work in some rounds only; each time they come home to their mutex
        rounds += 1
        assert rounds < 60, f"never at home: {started.threads()}"
        assert service.load() == 2000
        settled(started, io_threads(lambda t: t["op"] == "pthread_mutex_lock" and t["for_seconds"] > 0.25))
        settled(started, loop_is_idle)
    after = named_beats(started)
    assert after["redis-server"] > before["redis-server"] and after["io_thd_1"] >= before["io_thd_1"] + 3
    assert started.status()["live"]["verdict"] == "alive"


def test_redis_waits_say_who_holds_the_lock(run, place):
    """redis's main thread holds each io thread's mutex: the owner comes from the service's memory, the futex from the kernel."""
    _, started = start(run, place, "redis")

    def owners_unknown(status):
        main = status["processes"][0]["pid"]
        for thread in status["processes"][0]["threads"]:
            waits = thread["waits_for"]
            if thread["name"].startswith("io_thd_") and (not waits or waits["owner"] != main):
                return f"{thread}, main {main}"
        return ""
    settled(started, owners_unknown)


@pytest.mark.parametrize("kind", ["nginx", "nginx-daemon"])
def test_nginx_master_and_workers(run, place, kind):
    service, started = start(run, place, kind)

    def workers_idle(status):
        processes = status["processes"]
        loops = [p for p in processes[1:] if p["threads"] and p["threads"][0]["role"] == "loop"
                 and p["threads"][0]["state"] == "idle" and p["threads"][0]["op"] == "epoll_wait" and p["role"] == "worker"]
        master = processes[0]["threads"][0] if processes[0]["threads"] else {}
        good = len(loops) == 2 and master.get("op") == "sigsuspend" and processes[0]["role"] == "main"
        return "" if good else f"{processes}"

    settled(started, workers_idle)
    assert service.load() == 200
    settled(started, workers_idle)
    old = {p["pid"] for p in started.status()["processes"][1:]}
    started.send(signal.SIGHUP)  # reload: new workers under the same master

    def reloaded(status):
        now = {p["pid"] for p in status["processes"][1:]}
        return "" if len(now) == 2 and not now & old else f"{old} {now}"
    settled(started, reloaded)
    settled(started, workers_idle)
    assert started.get("/readyz").status == 200
    assert any(entry["address"] == f"127.0.0.1:{service.port}" for entry in started.status()["listeners"])


def test_postgres_processes(run, place):
    service, started = start(run, place, "postgres")

    def postmaster_is_loop(status):
        main = status["processes"][0]
        thread = main["threads"][0] if main["threads"] else {}
        return "" if main["exe"] == "postgres" and thread.get("role") == "loop" and thread["state"] == "idle" else f"{main}"

    settled(started, postmaster_is_loop)
    settled(started, lambda status: "" if len(by_exe(status, "postgres")) >= 5 else f"{status['processes']}")
    assert service.load() == 20

    def sleeping(status):
        names = [t["name"] for p in status["processes"] for t in p["threads"] if t["op"] in ("epoll_wait", "epoll_pwait")]
        return "" if len(names) >= 4 else f"{status['processes']}"
    settled(started, sleeping)


def test_python_accepts_and_serves(run, place):
    service, started = start(run, place, "python")

    def loop_idle(status):
        thread = (status["processes"][0]["threads"] or [{"role": None}])[0]
        return "" if thread["role"] == "loop" and thread["state"] == "idle" else f"{thread}"
    settled(started, loop_idle)
    assert service.load() == 200
    settled(started, loop_idle)


@pytest.mark.parametrize("kind", ["redis", "nginx", "python", "postgres"])
def test_under_load_nothing_is_accused(run, place, kind):
    service, started = start(run, place, kind)
    stop = threading.Event()

    def work():
        while not stop.is_set():
            service.load()
    thread = threading.Thread(target=work)
    thread.start()
    try:
        for _ in range(15):
            assert started.get("/livez").status == 200
            assert started.get("/readyz").status == 200
            status = started.status()
            assert status["live"] == {"ok": True, "verdict": "alive", "reasons": []}, status["processes"]
            counts = status["workers"]
            assert counts["live"] == sum(counts[s] for s in ("running", "idle", "lock", "io", "sleep", "unseen"))
            lifesign.wait_until(lambda at=status["time"]: started.status()["time"] != at, 30, "a newer snapshot")
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize("kind", KINDS)
def test_the_end_is_the_same_with_and_without(run, plain, place, kind):
    """TERM: the same exit status, and nothing left behind. A daemon is compared through its foreground twin."""
    service, started = start(run, place, kind)
    status = started.stop()
    other = lifesign.Place()
    try:
        twin = services.nginx(other) if kind == "nginx-daemon" else KINDS[kind](other)
        alone = plain(twin.command, env=twin.env)
        wait_until(twin.ping, 60, lambda: f"{kind} alone does not answer; {alone.said()}")
        expected = alone.stop()
    finally:
        other.remove()
    assert status == (128 - expected if expected < 0 else expected), started.said()
