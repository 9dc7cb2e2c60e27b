# SPDX-License-Identifier: Apache-2.0
"""Services that must stay alive: a Scene is a service, what is done to it, and what it may be not ready for. All scenes
of a table run side by side, each watched from its start to its end; the tables are alive_stores.py, alive_web.py,
alive_languages.py and alive_machine.py.

Numbers behind `of` are those of the catalogue of what must stay alive:
 1 idle  2 full load  3 CPU quota  4 starved by priority  5 machine paused  6 suspend  7 clock set  8 debuggers  9 stopped
10 frozen  11 agent stopped or replaced  12 postgres waits  13 redis waits  14 mariadb waits  15 web servers' long requests
16 java pauses  17 python  18 node  19 ruby  20 slow dependencies  21 disk and memory pressure  22 core dump  23 parents
24 forks  25 thread churn  26 robust locks  27 rwlock starvation  28 convoy  29 profilers  30 drain  31 long start
32 no coverage; + a scene that the catalogue has not.

What no test sets up here, and why:
  5, 6   the machine is one that others use, and is given no machine of its own to pause: what a gap between two samples
         does is in unit/test_judge_sample.c
  7      the clock is everybody's; the agent reads CLOCK_BOOTTIME and CLOCK_MONOTONIC only (lint clock-in-base-only)
 12, 13  10 GB of WAL to recover, 10 GB to fork: the same with what fits in seconds
 21      swap: there is none; pages of a file that do not fit instead
  1      24 h idle: the soak, as long as LIFESIGN_SOAK_SECONDS says
"""
import collections
import contextlib
import http.client
import json
import re
import socket
import subprocess
import threading
import time
import traceback

from lifesign import Place, Plain, Run, ask, mapped, wait_until

# not ready after min(5, N/2): 2 s; `no_progress` too. pool_exhausted has no limit of its own here: 5 s and 60 s.
SHORT = {"loopBlockedSeconds": 4, "loopSpinningSeconds": 4, "noProgressSeconds": 4}
EVERY = 0.2
WARM = 4.0
STARTERS = threading.Semaphore(4)  # services that start at a time
ALWAYS = {"starting"}              # before a scene is ready for the first time


def idle(_stage):
    yield


class Scene:
    """make(place): the service. disturb(stage): a generator, `yield` is when it holds; what follows undoes it. may: codes
    that readyz may say 503 for, each with its reason in the scene. shows: codes that must have been seen, else nothing
    was disturbed. unseen: there is no shim in it. heals: it gets ready again by itself. liveness: other limits than the
    table's. config(service): what else is in its file. starts: it is ready before it is disturbed. deaf: nobody may be
    there to answer for some seconds. seconds: at least so long."""

    def __init__(self, name, of, make, disturb=idle, may=(), shows=(), unseen=False, heals=True, starts=True, options=(),
                 config=lambda service: {}, liveness=None, seconds=0, deaf=False, every=EVERY):
        self.name, self.of, self.make, self.disturb = name, of, make, disturb
        self.may, self.shows, self.unseen, self.heals, self.starts = set(may), set(shows), unseen, heals, starts
        self.options, self.config, self.liveness, self.seconds, self.deaf = options, config, liveness, seconds, deaf
        self.every = every


def failing(page):
    """Codes that a page of /readyz or /livez fails for."""
    return re.findall(r"^\[-\]\S+ failed: (\S+)", page, re.M)


class Watcher(threading.Thread):
    """Asks all three probes of a run all the time; `wrong` is what should never have been said, with the status of then."""

    def __init__(self, run, scene):
        super().__init__(daemon=True)
        self.run_, self.scene, self.over = run, scene, threading.Event()
        self.counts, self.wrong, self.polls, self.silent, self.seen = collections.Counter(), [], 0, 0, set()
        self.began = time.monotonic()
        self.ready_once = self.known = False
        self.unknown = 0  # looks at which the agent had not run for too long
        self.start()

    def run(self):
        while not self.over.wait(self.scene.every):
            try:
                self.look()
            except (OSError, http.client.HTTPException) as error:
                self.silent += 1
                if not self.scene.deaf and self.run_.process.poll() is None and not self.over.is_set():
                    self.note("no answer", repr(error))

    def look(self):
        live, ready = (ask(self.run_.socket, path, timeout=5) for path in ("/livez?verbose", "/readyz?verbose"))
        status = ask(self.run_.socket, "/health/status", timeout=5).json()
        self.polls += 1
        reasons = {(r["code"], r["held"]) for side in ("live", "ready") for r in status[side]["reasons"]}
        self.seen |= {code for code, _ in reasons}
        words = [live.headers["Lifesign-Verdict"], "ready" if ready.status == 200 else "NOT READY",
                 *sorted(f"{code}({held})" if held else code for code, held in reasons)]
        self.counts[" ".join(words)] += 1
        self.ready_once |= ready.status == 200
        self.known |= live.headers["Lifesign-Verdict"] == "alive"
        if live.status != 200 or live.headers["Lifesign-Verdict"] == "dead":
            self.note("dead", live.text, status)
        self.unknown += self.known and live.headers["Lifesign-Verdict"] == "unknown"
        if ready.status != 200 and not self.allowed(failing(ready.text)):
            self.note("not ready", ready.text, status)
        self.look_at_events(status)

    def allowed(self, codes):
        return codes and set(codes) <= self.scene.may | (set() if self.ready_once else ALWAYS)

    def look_at_events(self, status):
        """What came and went between two polls."""
        for event in status["events"]:
            if event["what"] == "live" and event["to"] == "dead" and event["reason"] != "exited":
                self.note("dead", f"event {event}", status)
            if event["what"] == "ready" and event["to"] == "not_ready" and event["reason"] not in self.scene.may | ALWAYS:
                self.note("not ready", f"event {event}", status)

    def note(self, what, why, status=None):
        if len(self.wrong) < 200:
            self.wrong.append((round(time.monotonic() - self.began, 1), what, why, status))

    def finish(self):
        self.over.set()
        self.join(30)


class Stage:
    """A scene while it is played. Whatever it makes is ended with it."""

    def __init__(self, scene, seconds):
        self.scene, self.seconds = scene, max(scene.seconds, seconds)
        self.stack, self.over = contextlib.ExitStack(), threading.Event()
        self.place, self.service, self.run, self.watcher, self.done = None, None, None, None, 0

    @property
    def port(self):
        return self.service.port

    def main(self):
        """Of the service: under a shell or a setuid starter it is the first that holds its program."""
        return self.run.main()

    def keep(self, closer):
        """It is closed with the scene."""
        self.stack.callback(closer.close)
        return closer

    def plain(self, *words, **options):
        return self.keep(Plain(words, place=self.place, **options))

    def link(self, data=b"", port=None, reads=0):
        """A connection to the service that stays; `data` is sent, and so many bytes of an answer awaited."""
        link = self.keep(socket.create_connection(("127.0.0.1", port or self.port), 10))
        link.settimeout(30)
        if data:
            link.sendall(data)
        while reads > 0:
            got = link.recv(65536)
            assert got, "hung up"
            reads -= len(got)
        return link

    def repeat(self, work, every=0.2):
        """work() again and again until the scene ends; that it fails is the disturbance's matter."""
        def body():
            while not self.over.wait(every):
                try:
                    work()
                    self.done += 1
                except (OSError, AssertionError, http.client.HTTPException, subprocess.SubprocessError):
                    pass
        thread = threading.Thread(target=body, daemon=True)
        thread.start()
        self.stack.callback(thread.join, 40)

    def threads(self, op):
        """Those that are in that call now."""
        return [t for t in self.run.threads() if t["op"] == op]

    def seen_in(self, op, count=1):
        """Waits until so many threads that serve are found there, where they are at home."""
        self.until(lambda: len([t for t in self.threads(op) if t["role"] in ("listener", "loop")]) >= count)

    def warm(self):
        """Asks a little, again and again, so that the judge learns where its threads are at home: who has never been seen
        to come back has the benefit of the doubt, and a scene of him would prove nothing."""
        until = time.monotonic() + WARM
        while time.monotonic() < until:
            self.service.ping()
            self.over.wait(0.12)

    def until(self, condition, seconds=40):
        """What proves that the disturbance is there."""
        return wait_until(condition, seconds, lambda: f"{self.scene.name}: not disturbed; {json.dumps(self.run.status())}", every=0.1)

    def close(self):
        self.over.set()
        self.stack.close()


class Played:
    """What came of a scene."""

    def __init__(self, scene):
        self.scene, self.watcher, self.error, self.log, self.seconds = scene, None, None, "", 0

    def check(self):
        assert not self.error, f"{self.scene.name}: {self.error}\n{self.summary()}\n{self.log}"
        assert not self.watcher.wrong, f"{self.summary()}\n{self.evidence()}\n{self.log}"
        assert self.watcher.polls > 0
        assert self.scene.unseen or 2 * self.watcher.unknown < self.watcher.polls, f"{self.summary()}: its agent hardly ran"
        missing = self.scene.shows - self.watcher.seen
        assert not missing, f"{self.summary()}: never showed {missing}"

    def evidence(self):
        first = self.watcher.wrong[0]
        kinds = collections.Counter(what for _, what, _, _ in self.watcher.wrong)
        return f"{dict(kinds)}; first after {first[0]} s: {first[1]}: {first[2]}\n{json.dumps(first[3])}"

    def summary(self):
        watcher = self.watcher
        if not watcher:
            return f"{self.scene.name}: never watched: {self.error}"
        said = "; ".join(f"{count}x {words}" for words, count in watcher.counts.most_common())
        mark = "WRONG " if watcher.wrong or self.error else ""
        return f"{mark}{self.scene.name} [{self.scene.of}] {self.seconds:.0f} s, {watcher.polls} looks, {watcher.silent} silent: {said}"


def _answers(service):
    """False, too, as long as it does not even listen."""
    try:
        return service.ping()
    except OSError:
        return False


def _begin(stage, limits):
    scene = stage.scene
    stage.place = Place()
    stage.stack.callback(stage.place.remove)
    stage.service = scene.make(stage.place)
    if hasattr(stage.service, "close"):
        stage.keep(stage.service)
    chosen = scene.liveness if scene.liveness is not None and limits else limits
    config = {**({"liveness": chosen} if chosen else {}), **scene.config(stage.service)}
    options = [*scene.options, "--config", stage.place.file("lifesign.json", json.dumps(config))] if config else scene.options
    stage.run = stage.keep(Run(stage.service.command, options=options, env=stage.service.env, place=stage.place, up=30))
    stage.watcher = Watcher(stage.run, scene)
    if scene.starts:
        wait_until(lambda: _answers(stage.service), 60, lambda: f"does not answer; {stage.run.said()}", every=0.1)
        stage.run.wait_ready(60)
        assert scene.unseen or mapped(stage.main()), "the shim is not in it"


def _hold(stage):
    """Disturbs, waits, undoes, and sees it well again."""
    if stage.scene.starts:
        stage.warm()
    disturbance = stage.scene.disturb(stage)
    next(disturbance)
    stage.over.wait(stage.seconds)
    assert next(disturbance, None) is None
    if stage.scene.heals:
        stage.run.wait_ready(40)
        stage.over.wait(2)
        assert stage.run.wait_ready(10)


def _play(scene, seconds, limits, played):
    stage, began = Stage(scene, seconds), time.monotonic()
    try:
        with STARTERS:
            _begin(stage, limits)
            played.watcher = stage.watcher
        _hold(stage)
    except BaseException:  # pylint: disable=broad-except
        played.error = traceback.format_exc()
    finally:
        played.seconds = time.monotonic() - began
        if stage.watcher:
            stage.watcher.finish()
        if stage.run:
            played.log = stage.run.err()[-6000:]
        try:
            stage.close()
        except Exception:  # pylint: disable=broad-except
            played.error = played.error or traceback.format_exc()


def play(scenes, seconds, limits):
    """Plays all scenes side by side: {name: Played}."""
    found = {scene.name: Played(scene) for scene in scenes}
    threads = [threading.Thread(target=_play, args=(scene, seconds, limits, found[scene.name]), daemon=True) for scene in scenes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def names(scenes):
    return [scene.name for scene in scenes]


def tell(request, text):
    """Past pytest's capturing: a run says what it has seen, also when all is well."""
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print("\n" + text, flush=True)


def told(request, scenes, seconds, limits=None):
    """What a module's fixture gives: all scenes played, and what was seen printed."""
    found = play(scenes, seconds, SHORT if limits is None else limits)
    tell(request, "\n".join(played.summary() for played in found.values()))
    return found


class Silent:
    """A server that takes connections and bytes and says nothing but its greeting: a database that is dead, or dies
    when that is taken from it. asked: how often it was."""

    def __init__(self, address="127.0.0.1", port=0, kind=socket.SOCK_STREAM, greeting=b""):
        self.socket = socket.socket(socket.AF_INET, kind)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind((address, port))
        self.port, self.links, self.greeting, self.asked = self.socket.getsockname()[1], [], greeting, 0
        if kind == socket.SOCK_STREAM:
            self.socket.listen(256)
        threading.Thread(target=self.take if kind == socket.SOCK_STREAM else self.swallow, daemon=True).start()

    def take(self):
        while True:
            try:
                link = self.socket.accept()[0]
                self.asked += 1
                self.links.append(link)
                link.sendall(self.greeting)
            except OSError:
                return

    def swallow(self):
        while True:
            try:
                self.socket.recv(4096)
                self.asked += 1
            except OSError:
                return

    def close(self):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        for link in self.links:
            link.close()
