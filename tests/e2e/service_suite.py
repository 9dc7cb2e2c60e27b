# SPDX-License-Identifier: Apache-2.0
"""What must be true of every service under `lifesign run`, as tests on one start of it beside one without lifesign.
A test file names its services: @pytest.fixture(scope="module", params=…) def pair(request): yield from started(…),
and class TestEach(EveryService): pass."""
import threading
import time

from lifesign import Place, Plain, Run, ask, comm, descendants, mapped, tids, wait_until
from services_more import differences

IO_URING = ("iou-wrk-", "iou-sqp-")  # the kernel's own threads inside a process, listed by /proc


STOOD_STILL = 0.5  # seconds that a look takes only where threads wait long for a CPU
AFTER = 5          # seconds in which `degraded` is then right: somebody did stay away for a second


class Watch(threading.Thread):
    """Asks both probes all the time and keeps what they should not have said; verdict: "" is any that is good. Who is
    degraded for a moment on a machine that stood still is not accused."""

    def __init__(self, run, verdict=""):
        super().__init__(daemon=True)
        self.run_, self.verdict, self.wrong, self.count, self.over = run, verdict, [], 0, threading.Event()
        self.stood_still = []
        self.start()

    def run(self):
        while not self.over.is_set():
            began = time.monotonic()
            self.over.wait(0.02)
            self._look()
            if time.monotonic() - began > STOOD_STILL:
                self.stood_still.append((began, time.monotonic() + AFTER))
        self.wrong = [one for one in self.wrong if not self._is_excused(one)]

    def _is_excused(self, one):
        when, probe, verdict, answer = one
        return answer.status == 200 and probe == "livez" and verdict == "degraded" and any(
            begin <= when <= end for begin, end in self.stood_still)

    def _look(self):
        for probe in ("livez", "readyz"):
            answer = ask(self.run_.port, f"/{probe}?verbose")
            self.count += 1
            if answer.status != 200 or self._is_other(probe, answer):
                self.wrong.append((time.monotonic(), probe, answer.headers["Lifesign-Verdict"], answer))

    def _is_other(self, probe, answer):
        return probe == "livez" and self.verdict and answer.headers["Lifesign-Verdict"] != self.verdict

    def finish(self):
        self.over.set()
        self.join()


class Pair:
    """One service twice: `run` under lifesign, `plain` without; `service` and `twin` are their Served."""

    def __init__(self, make, outside=""):
        self.outside = outside  # part of the reason why the shim cannot cover it
        self.places = [Place(), Place()]
        self.service, self.twin, self.run, self.plain, self.watch = None, None, None, None, None
        try:
            self._start(make)
        except BaseException:
            self.close()
            raise

    def _start(self, make):
        self.service, self.twin = make(self.places[0]), make(self.places[1])
        self.run = Run(self.service.command, env=self.service.env, service="svc", place=self.places[0])
        self.began = time.monotonic()
        self.plain = Plain(self.twin.command, env=self.twin.env, place=self.places[1])
        wait_until(self.service.ping, 60, lambda: f"does not answer; {self.run.said()}")
        wait_until(self.twin.ping, 60, lambda: f"does not answer without lifesign; {self.plain.said()}")
        self.run.wait_ready()
        verdict = "unknown" if self.outside else "alive"
        wait_until(lambda: self.run.get("/livez").headers["Lifesign-Verdict"] == verdict, 30, self.run.said)
        self.watch = Watch(self.run, verdict)

    def main(self):
        return self.run.main()

    def plain_main(self):
        return self.plain.pid

    def differs(self, busy=False):
        return differences(self.run.status(), self.service.rest, busy)

    def settle(self, seconds=30):
        wait_until(lambda: not self.differs(), seconds, lambda: f"{self.differs()}; {self.run.status()['processes']}", every=0.1)

    def settle_after_work(self, rounds=12):
        """Where a pool's thread is at home is learned by its coming back: after a load that it spent waiting for its
        peers it has to come back a few times."""
        for _ in range(rounds):
            try:
                return self.settle(2)
            except AssertionError:
                self.service.load(self.service.requests)
        return self.settle()

    def close(self):
        if self.watch:
            self.watch.finish()
        for one in (self.run, self.plain, self.service, self.twin, *self.places):
            if one:
                one.remove() if isinstance(one, Place) else one.close()  # pylint: disable=expression-not-assigned


def started(make, outside=""):
    pair = Pair(make, outside)
    yield pair
    pair.close()


def shown_and_there(status):
    """"" when each process's threads are those of the kernel."""
    for process in status["processes"]:
        shown = sorted(thread["tid"] for thread in process["threads"])
        there = [tid for tid in tids(process["pid"]) if not _name(process["pid"], tid).startswith(IO_URING)]
        if shown != there:
            return f"{process['exe']} {process['pid']}: shown {shown}, there {there}"
    return ""


def _name(pid, tid):
    try:
        with open(f"/proc/{pid}/task/{tid}/comm", encoding="utf-8", errors="replace") as f:
            return f.read()
    except OSError:
        return ""


class EveryService:
    """In this order, on one start."""

    def test_the_shim_is_in_every_process_or_it_is_said_why_not(self, pair):
        def differs():
            processes = pair.run.status()["processes"]
            coverage = "outside" if pair.outside else "shim"
            there = sorted(descendants(pair.main()) + [pair.main()])
            if sorted(p["pid"] for p in processes) != there:
                return f"shown {processes}, there {there}"
            return [p for p in processes if p["coverage"] != coverage or not mapped(p["pid"])]
        wait_until(lambda: not differs(), 30, differs)
        if not pair.outside:
            told = [line for line in pair.run.err().splitlines() if "not covered" in line]
            assert not [line for line in told if not pair.service.strangers or f"({pair.service.name})" in line], told
            return
        wait_until(lambda: pair.outside in pair.run.err(), 30, pair.run.said)
        assert pair.run.err().count("not covered by the shim") == 1, "told once"

    def test_every_thread_of_the_kernel_is_shown(self, pair):
        wait_until(lambda: not shown_and_there(pair.run.status()), 30, lambda: shown_and_there(pair.run.status()))

    def test_answers_are_the_same_with_and_without(self, pair):
        assert pair.service.answers() == pair.twin.answers(), "answers differ"

    def test_threads_at_rest_have_their_roles_and_are_at_home(self, pair):
        pair.settle()

    def test_listeners_are_the_right_ones(self, pair):
        def differs():
            listeners = pair.run.status()["listeners"]
            pids = {p["pid"] for p in pair.run.status()["processes"]}
            ports = {entry["address"].replace("[::ffff:127.0.0.1]", "127.0.0.1") for entry in listeners if not entry["address"].startswith("unix:")}
            good = ports == {f"127.0.0.1:{port}" for port in pair.service.listens} and {entry["pid"] for entry in listeners} <= pids
            return "" if good and all(entry["backlog"] > 0 for entry in listeners) else f"{listeners}"
        wait_until(lambda: not differs(), 30, differs)

    def test_load_is_answered_and_nobody_is_accused(self, pair):
        beats = sum(t["beats"] for t in pair.run.threads())
        failed, over = [], threading.Event()

        def work():
            while not over.is_set():
                try:
                    done = pair.service.load(pair.service.requests)
                    if done != pair.service.requests:
                        failed.append(f"{done} answers to {pair.service.requests} requests")
                except Exception as error:  # pylint: disable=broad-except
                    failed.append(repr(error))
        worker = threading.Thread(target=work)
        worker.start()
        try:
            deadline = time.monotonic() + 1
            while time.monotonic() < deadline:
                status = pair.run.status()
                assert status["live"]["reasons"] == [], status
                differs = differences(status, pair.service.rest, busy=True)
                assert not differs or any(p["role"] == "child" for p in status["processes"]), differs
                counts = status["workers"]
                assert counts["live"] == sum(counts[s] for s in ("running", "idle", "lock", "io", "sleep", "unseen")), counts
                wait_until(lambda at=status["time"]: pair.run.status()["time"] != at, 30, "a newer snapshot", every=0.05)
        finally:
            over.set()
            worker.join()
        assert not failed, failed
        if not pair.outside:
            assert sum(t["beats"] for t in pair.run.threads()) > beats, "work leaves traces"
        pair.settle_after_work()

    def test_a_graceful_restart_is_survived(self, pair):
        """With the same answers after it, the shim in what is new, and both probes good all the time."""
        if not pair.service.reload:
            return
        main = pair.main()
        pair.service.reload(main)
        pair.twin.reload(pair.plain_main())
        assert pair.service.answers() == pair.twin.answers(), "answers differ"
        assert pair.main() == main, "the main process is the same"
        self.test_the_shim_is_in_every_process_or_it_is_said_why_not(pair)
        pair.settle()
        self.test_listeners_are_the_right_ones(pair)

    def test_the_end_is_the_same_with_and_without(self, pair):
        """By TERM: the same exit status, nothing left behind; and the probes were good until then."""
        pair.watch.finish()
        assert pair.watch.count >= 20 and not pair.watch.wrong, pair.watch.wrong
        status = pair.run.stop()
        expected = pair.plain.stop()
        assert status == (128 - expected if expected < 0 else expected), pair.run.said()
        assert "dead" not in pair.run.err().replace("live -> dead (exited)", ""), pair.run.err()
        assert not [pid for pid in pair.run.left() if comm(pid)], pair.run.left()
