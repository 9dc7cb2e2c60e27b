# SPDX-License-Identifier: Apache-2.0
"""Faults injected into real services from outside, and what lifesign says of each: scenes with short limits that are
looked at from the first moment on, played at once, and a table of what was found after how long.

    @fault
    def test_fault_05_what_is_wrong(scene):
        scene.start(services.redis(scene.place))      # `lifesign run`, limits of 4 s, until it is ready
        scene.inject("DEBUG SLEEP", do_it)            # the clock of the table starts
        scene.live("loop_blocked", "dead")            # livez says so, with that code
        scene.never("dead")                           # … or has never said so
Tools to inject with: faults_inject.py.

What this machine has none of, and what stands in for it:
    device mapper (8, 23)        fsfreeze of an ext4 on a loop device: writers wait in state D
    sssd, LDAP (38)              UseDNS before a name server that says nothing: getnameinfo in each child
What only a client meets, all threads being well, is known when the service is its own hard dependency: 9, 11, 12, 13,
23, 37. Children of one connection never add up to dead.
"""
import concurrent.futures
import inspect
import os
import threading
import time

import pytest

from lifesign import Place, Run, call, wait_until

AT_ONCE = 5
WITH_CHAIN = ("deadlock", "orphaned_lock", "loop_blocked", "loop_spinning", "pool_exhausted")
_table = []  # (fault, verdict, code, seconds)


class Watch(threading.Thread):
    """Takes the status all the time: what was ever said, and when first."""

    def __init__(self, run):
        super().__init__(daemon=True)
        self.run_, self.over = run, threading.Event()
        self.seen = {}  # ("live", verdict) | ("live", code, held) | ("ready", bool) | ("ready", code) -> first time
        self.start()

    def run(self):
        while not self.over.wait(0.05):
            try:
                self.take(self.run_.status())
            except (OSError, ValueError, KeyError):
                continue

    def take(self, status):
        now = time.monotonic()
        found = [("live", status["live"]["verdict"]), ("ready", status["ready"]["ok"])]
        found += [("live", r["code"], r["held"]) for r in status["live"]["reasons"]]
        found += [("ready", r["code"]) for r in status["ready"]["reasons"]]
        for what in found:
            self.seen.setdefault(what, now)


class Scene:
    """One service under lifesign with short limits and a place of its own; what `also` was given ends with it."""

    def __init__(self, name):
        self.name = name
        self.place = Place()
        self.run = self.watch = self.service = None
        self.began, self.what = time.monotonic(), name
        self.others, self.last = [], None

    def start(self, service, seconds=4, liveness=None, config="", options=(), ready=True, used=0, **rest):
        """`seconds`: every limit of liveness, None: as they are; `liveness`: more keys of it; `config`: more of the file.
        `used`: rounds of so many requests first, as homes are learned from what comes back to them."""
        limits = ("loopBlockedSeconds", "loopSpinningSeconds", "noProgressSeconds") if seconds else ()
        keys = {**dict.fromkeys(limits, seconds), **(liveness or {})}
        text = "liveness: {" + ", ".join(f"{k}: {v}" for k, v in keys.items()) + "}\n" + config
        self.service = service
        options = ["--config", self.place.file("limits.yaml", text), *options]
        self.run = self.also(Run(service.command, options, env=service.env, place=self.place, **rest))
        if ready:
            wait_until(service.ping, 40, lambda: f"does not answer; {self.run.said()}")
            self.run.wait_ready(40)
            wait_until(self.is_known, 20, lambda: f"who serves is not known; {self.run.status()}")
            self.use(used)
        self.watch = Watch(self.run)
        return self.run

    def is_known(self):
        """Is it known of each process that takes connections which of its threads does?"""
        processes = self.run.status()["processes"]
        takers = [p for p in processes if p["role"] == "worker"] or processes[:1]
        return all(any(t["role"] in ("loop", "listener") for t in p["threads"]) for p in takers)

    def use(self, requests, rounds=8):
        for _ in range(rounds if requests else 0):
            self.service.load(requests)
            wait_until(lambda at=time.monotonic() + 0.2: time.monotonic() > at, 2)

    def also(self, one):
        """one.close() at the end, in reverse order."""
        self.others.append(one)
        return one

    def inject(self, what, do=lambda: None):
        """What was said before does not count any more."""
        self.what = what
        self.watch.seen.clear()
        result = do()
        self.began = time.monotonic()
        return result

    def said(self):
        return f"{self.what}: seen {sorted(map(str, self.watch.seen))}\n{self.run.status()}\n{self.run.said()}"

    def note(self, verdict, code):
        self.last = (f"{self.name}: {self.what}", verdict, code, time.monotonic() - self.began)
        _table.append(self.last)
        if os.environ.get("FAULTS_DETAIL") and self.run.process.poll() is None:
            listed = "live" if verdict in ("dead", "degraded") else "ready"
            print([(r["code"], r["detail"], r["chain"]) for r in self.run.status()[listed]["reasons"]])

    def live(self, code, verdict, seconds=60):
        """That reason of livez, once the verdict is so."""
        def found():
            live = self.run.status()["live"]
            return live["verdict"] == verdict and next((r for r in live["reasons"] if r["code"] == code and not r["held"]), None)
        reason = wait_until(found, seconds, self.said, every=0.05)
        self.note(verdict, code)
        assert self.run.get("/livez").status == (503 if verdict == "dead" else 200)
        assert code not in WITH_CHAIN or [link["tid"] for link in reason["chain"]], reason
        return reason

    def unready(self, code, seconds=60):
        """That reason of readyz, once it is 503."""
        def found():
            ready = self.run.status()["ready"]
            return not ready["ok"] and next((r for r in ready["reasons"] if r["code"] == code), None)
        reason = wait_until(found, seconds, self.said, every=0.05)
        self.note("not ready", code)
        assert self.run.get("/readyz").status == 503
        return reason

    def well(self, code="", seconds=3):
        """Stays alive and ready for so long."""
        until = time.monotonic() + seconds
        wait_until(lambda: time.monotonic() > until, seconds + 5)
        assert self.run.get("/readyz").status == 200, self.said()
        self.never("dead", "degraded", "not ready")
        self.note("alive", code or "-")

    def recovers(self, seconds=30):
        """By itself, once the fault is gone."""
        wait_until(lambda: self.run.status()["ready"]["ok"] and self.run.status()["live"]["verdict"] == "alive", seconds, self.said)

    def never(self, *verdicts):
        """Since the injection: dead, degraded, not ready."""
        seen = {("live", "dead"): "dead", ("live", "degraded"): "degraded", ("ready", False): "not ready"}
        was = {name for what, name in seen.items() if what in self.watch.seen}
        assert not was & set(verdicts), f"{was & set(verdicts)}; {self.said()}"

    def stays(self, seconds, *verdicts):
        """For so long from now: never one of those."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.never(*verdicts)
            wait_until(lambda at=time.monotonic() + 0.2: time.monotonic() > at, 2)

    def note_what_was_seen(self):
        """A row of the table also for what is only never to be said."""
        worst = next(name for name, what in (("dead", ("live", "dead")), ("not ready", ("ready", False)), ("degraded", ("live", "degraded")),
                                             ("alive", None)) if not what or what in self.watch.seen)
        codes = sorted(w[1] for w in self.watch.seen if w[0] == "live" and len(w) == 3)
        self.note(worst, codes[0] if codes else "-")

    def explains(self, pid, *words):
        """`lifesign explain PID` says all of these words."""
        page = call("explain", pid).stdout
        assert all(word in page for word in words), f"{words} are not all in:\n{page}"

    def says(self, line, count=1, seconds=20):
        """The service has printed it so many times: what it does next keeps whoever comes after."""
        wait_until(lambda: self.run.out().split("\n").count(line) >= count, seconds, self.said)

    def thread(self, condition, seconds=20):
        """The first thread of the status of which that is true."""
        return wait_until(lambda: next((t for t in self.run.threads() if condition(t)), None), seconds, self.said)

    def close(self):
        if self.watch:
            self.watch.over.set()
            self.watch.join()
        for one in reversed(self.others):
            one.close()
        self.place.remove()


def _play(function):
    scene = Scene(function.__name__.removeprefix("test_fault_").replace("_", " "))
    try:
        function(scene)
        if scene.watch and not scene.last:
            scene.note_what_was_seen()
    finally:
        scene.close()


def fault(function):
    """Makes a test of function(scene). All the chosen ones of a file are played at once, a few at a time."""
    def test(at_once):
        at_once(function)
    test.fault = function
    test.__name__, test.__doc__, test.__module__ = function.__name__, function.__doc__, function.__module__
    return test


@pytest.fixture(scope="module")
def at_once(request):
    chosen = [item.function.fault for item in request.session.items
              if item.module is request.module and inspect.isfunction(item.function) and hasattr(item.function, "fault")]
    with concurrent.futures.ThreadPoolExecutor(int(os.environ.get("FAULTS_AT_ONCE", AT_ONCE))) as pool:
        becoming = {one: pool.submit(_play, one) for one in chosen}
        yield lambda one: becoming[one].result()


@pytest.fixture(scope="session", autouse=True)
def table(request):
    """fault | verdict | code | seconds, at the end."""
    yield
    plugins = request.config.pluginmanager
    with plugins.getplugin("capturemanager").global_and_fixture_disabled():
        print()
        for name, verdict, code, seconds in sorted(_table):
            print(f"{name[:90]:90} | {verdict:9} | {code:15} | {seconds:6.2f}")
    _table.clear()
