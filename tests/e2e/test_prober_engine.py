# ctest: timeout=400
# SPDX-License-Identifier: Apache-2.0
"""The prober as a process: one deadline for all, never two questions at once, and nobody who notices when it dies."""
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time

from depending import PROBER, Answers, Depending, in_place_of_resolv_conf, mute_dns, with_prober
from kinds import Faulty, Server, black_hole, garbage, silent
from mixed_holes import KINDS, Mixed
from lifesign import SOURCE, accepts, free_port, holds_for, wait_until

CALM = {"timeoutSeconds": 5}  # who answers is not to be late on a busy machine


def url(port):
    return f"tcp://127.0.0.1:{port}"


def test_64_black_holes_cost_one_deadline(run, place):
    """Queues that are full, servers that never answer, names that nobody looks up: all are told at the same time."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(mute_dns(place))
        holes = [stack.enter_context(black_hole()) for _ in range(8)]
        mute = stack.enter_context(Faulty(silent))
        dependencies = [{"name": f"full{i}", "url": url(holes[i % 8])} for i in range(24)]
        dependencies += [{"name": f"mute{i}", "url": url(mute.port), "expect": "x"} for i in range(24)]
        dependencies += [{"name": f"name{i}", "url": f"tcp://n{i}.lifesign.example:1"} for i in range(16)]
        service = Depending(run, place, dependencies, wrap=in_place_of_resolv_conf(place),
                            readiness={"periodSeconds": 30, "timeoutSeconds": 3, "failureThreshold": 1})
        found = wait_until(lambda: all(d["status"] == "down" for d in service.status()["dependencies"]) and service.status(), 60,
                           service.said)
        errors = {d["name"]: d["error"] for d in found["dependencies"]}
        assert {errors[f"full{i}"] for i in range(24)} == {"connect_timeout"}
        assert {errors[f"mute{i}"] for i in range(24)} == {"timeout"}
        assert {errors[f"name{i}"] for i in range(16)} == {"dns_timeout"}
        since = [d["since_seconds"] for d in found["dependencies"]]
        assert max(since) - min(since) < 2.5, "one after the other, not together"
        pid = service.prober()
        assert len(os.listdir(f"/proc/{pid}/task")) <= 64 + 2


def test_no_library_waits_beyond_the_deadline(run, place):
    """Cycle after cycle over black holes of every kind, names included: each is told at each deadline, by one prober."""
    with Mixed(4 * len(KINDS)) as holes, mute_dns(place):
        service = Depending(run, place, holes.dependencies, wrap=in_place_of_resolv_conf(place),
                            readiness={"periodSeconds": 0.7, "timeoutSeconds": 0.5, "failureThreshold": 1})

        def failures():
            return [d["consecutive_failures"] for d in service.status()["dependencies"]]
        wait_until(lambda: min(failures(), default=0) >= 1, 60, service.said)
        pid = service.prober()
        found = wait_until(lambda: (now := failures()) and min(now) >= 10 and now, 60, service.said)
        # who cannot run for a moment misses a cycle; who waits for longer than its budget, every other one
        assert max(found) <= min(found) * 1.4 and service.prober() == pid, (found, service.run.err())


def test_a_name_that_is_known_stays_usable_while_dns_is_mute(run, place):
    with mute_dns(place) as dns, Answers() as server:
        import threading

        def answer_once():  # an A record for whatever is asked, TTL 0, until closed
            while True:
                try:
                    data, whom = dns.recvfrom(512)
                except OSError:
                    return
                if answering.is_set():
                    dns.sendto(dns_answer(data), whom)
        answering = threading.Event()
        answering.set()
        threading.Thread(target=answer_once, daemon=True).start()
        service = Depending(run, place, [{**server.dependency("db"), "url": f"tcp://db.lifesign.example:{server.port}"}],
                            wrap=in_place_of_resolv_conf(place), readiness=CALM)
        service.until("db", "up")
        answering.clear()
        asked = server.asked
        wait_until(lambda: server.asked > asked + 4, 60, service.said)
        assert service.of("db")["status"] == "up"


def dns_answer(question):
    """127.0.0.1 with TTL 1 for an A question, no answer for others."""
    end = question.index(b"\0", 12) + 5
    is_a = question[end - 4:end - 2] == b"\0\1"
    head = question[:2] + b"\x81\x80\0\1" + (b"\0\1" if is_a else b"\0\0") + b"\0\0\0\0"
    record = b"\xc0\x0c\0\1\0\1\0\0\0\1\0\4\x7f\0\0\1" if is_a else b""
    return head + question[12:end] + record


def test_a_dependency_that_hangs_is_never_asked_twice_at_once_and_heals(run, place):
    with Answers() as server:
        server.answering = False
        service = Depending(run, place, [server.dependency("db", **{"class": "hard"})],
                            readiness={"periodSeconds": 0.2, "timeoutSeconds": 0.5})
        service.until("db", "down", "timeout")
        pid = service.prober()
        before = len(os.listdir(f"/proc/{pid}/fd"))
        holds_for(lambda: len([fd for fd in os.listdir(f"/proc/{pid}/fd")]) <= before + 1, 3, "descriptors pile up")
        assert not service.ready()
        server.answering = True
        service.until("db", "up")
        service.until_ready()


def test_a_result_that_contradicts_is_looked_at_again_soon(run, place):
    """Three failures at a period of 30 s: by fastSeconds they take a second or two."""
    with Answers() as server:
        service = Depending(run, place, [server.dependency("db")],
                            readiness={"periodSeconds": 6, "timeoutSeconds": 0.3, "fastSeconds": 0.2, "failureThreshold": 5})
        service.until("db", "up")
        server.answering = False
        found = service.until("db", "down", seconds=18)  # 5 periods would be 24 s at least
        assert found["consecutive_failures"] >= 5


def test_a_dead_prober_is_replaced_and_nobody_notices(run, place):
    with Answers() as server:
        service = Depending(run, place, [server.dependency("db", **{"class": "hard"})], readiness=CALM)
        service.until("db", "up")
        service.until_ready()
        before = service.status()
        for _ in range(3):
            pid = service.prober()
            asked = server.asked
            os.kill(pid, signal.SIGKILL)
            service.until_prober(other_than=pid)
            assert service.ready()
            wait_until(lambda: server.asked > asked, 30, service.said)
        after = service.status()
        assert after["agent"]["pid"] == before["agent"]["pid"] and after["processes"][0]["pid"] == before["processes"][0]["pid"]
        assert [e for e in after["events"] if e["what"] == "ready"] == [e for e in before["events"] if e["what"] == "ready"]
        assert "was ended by signal 9 (Killed); another follows" in service.run.err()


def test_a_prober_that_hangs_is_replaced(run, place):
    with Answers() as server:
        service = Depending(run, place, [server.dependency("db")])
        service.until("db", "up")
        pid = service.prober()
        os.kill(pid, signal.SIGSTOP)
        service.until_prober(other_than=pid, seconds=40)
        asked = server.asked
        wait_until(lambda: server.asked > asked, 30, service.said)
        assert "does not beat: it is replaced" in service.run.err()


def test_an_agent_that_is_replaced_forgets_nothing_of_them(run, place):
    with Answers() as up, Faulty(silent) as mute:
        dependencies = [up.dependency("up"), {"name": "down", "url": url(mute.port), "expect": "x", "class": "hard"}]
        service = Depending(run, place, dependencies, readiness={"periodSeconds": 20, "timeoutSeconds": 0.3, "failureThreshold": 2})
        service.until("down", "down")
        service.until("up", "up")
        before, prober = service.status(), service.prober()
        os.kill(before["agent"]["pid"], signal.SIGKILL)
        after = wait_until(lambda: service.run.status()["agent"]["restarts"] == 1 and service.status(), 30, service.said)
        assert [d["status"] for d in after["dependencies"]] == ["up", "down"] and service.prober() == prober
        assert after["dependencies"][1]["since_seconds"] >= before["dependencies"][1]["since_seconds"]
        changes = [e for e in after["events"] if e["what"] == "dependency"]
        assert [(e["from"], e["to"]) for e in changes] == [(e["from"], e["to"]) for e in before["events"] if e["what"] == "dependency"]
        assert counted(service) >= sum(1 for _ in before["dependencies"])


def counted(service):
    lines = service.run.get("/metrics").body.decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("lifesign_dependency_probes_total"))


FLOOD = """#!/usr/bin/python3
import os, random, socket, sys
if "--serve" not in sys.argv: sys.exit(64)
s = socket.socket(fileno=3)
s.setblocking(True)
r = random.Random(1)
with open(os.path.dirname(os.path.abspath(sys.argv[0])) + "/floods", "a") as f: f.write("x")
while True:
    size = r.choice([0, 1, 15, 16, 17, 100, 519, 520, 528, 536, 544, 4096, 60000])
    s.send(r.randbytes(size) if r.random() < 0.7 else bytes(size))
"""


def test_garbage_and_floods_are_dropped(run, place):
    program = with_prober(place, FLOOD)
    service = Depending(run, place, [{"name": "db", "url": "tcp://127.0.0.1:1"}], program=program)
    wait_until(lambda: "sends what is no result: dropped" in service.run.err(), 60, service.said)
    slow = 0  # a machine that stands still now and then is slow, too
    for _ in range(200):
        began = time.monotonic()
        assert service.run.get("/livez").status == 200
        slow += time.monotonic() - began > 1
    assert slow <= 3
    assert service.of("db")["status"] == "unknown" and service.status()["agent"]["restarts"] == 0
    assert service.run.err().count("dropped") == 1


def test_a_prober_that_cannot_live_is_tried_more_and_more_seldom(run, place):
    script = "#!/bin/sh\ndate +%s%N >> $(dirname $0)/starts\nexit 1\n"
    program = with_prober(place, script)
    service = Depending(run, place, [{"name": "db", "url": "tcp://127.0.0.1:1"}], program=program)

    def starts():
        with contextlib.suppress(FileNotFoundError), open(place.file("copy/bin/starts"), encoding="ascii") as f:
            return [int(line) / 1e9 for line in f.read().splitlines()]
        return []
    wait_until(lambda: len(starts()) >= 6, 60, service.said)
    waits = [after - before for before, after in zip(starts(), starts()[1:])]  # two at once, then 0.25 s and twice as long each time
    assert all(wait > 0.24 * 2 ** number for number, wait in enumerate(waits[1:])), waits
    assert service.of("db")["status"] == "unknown" and service.run.get("/livez").status == 200


def test_without_a_prober_the_service_runs_and_that_is_said(run, place):
    program = with_prober(place, "no program")
    os.remove(place.file("copy/bin/lifesign-prober"))
    service = Depending(run, place, [{"name": "db", "url": "tcp://127.0.0.1:1", "class": "hard"}], program=program)
    wait_until(lambda: "no prober can be started" in service.run.err(), 30, service.said)
    assert service.checks()["db"] == "unknown" and not service.ready()


def test_there_is_a_prober_only_while_the_file_has_dependencies(run, place):
    with Answers() as server:
        service = Depending(run, place, [])
        holds_for(lambda: not service.prober(), 1)
        service.write([server.dependency("db")])
        service.until("db", "up")
        service.write([])
        wait_until(lambda: not service.prober() and not service.status()["dependencies"], 30, service.said)
        service.write([server.dependency("db")])
        service.until("db", "up")


def test_the_prober_is_no_part_of_the_service_and_has_nothing_of_others(run, place):
    with Answers() as server:
        service = Depending(run, place, [server.dependency("db")], env={"LD_PRELOAD": "", "SECRET_OF_NOBODY": "x"})
        service.until("db", "up")
        pid = service.prober()
        assert service.run.process_of(pid) is None
        with open(f"/proc/{pid}/status", encoding="ascii") as f:
            assert "NoNewPrivs:\t1\n" in f.read()
        links = set()
        for number in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(FileNotFoundError):  # of a question that just ended
                links.add(os.readlink(f"/proc/{pid}/fd/{number}"))
        assert not [link for link in links if "segment" in link or "notebook" in link or "board" in link]
        listening = {line.split()[9] for line in open("/proc/net/tcp", encoding="ascii") if line.split()[3] == "0A"}
        assert not [link for link in links if link.startswith("socket:[") and link[8:-1] in listening]
        with open(f"/proc/{pid}/maps", encoding="ascii") as f:
            assert "liblifesign" not in f.read()


def test_a_small_limit_of_files_is_for_the_service(run, place):
    """`ulimit -S -f 1` with a plan of more than that."""
    with Answers() as server:
        service = Depending(run, place, [server.dependency(f"d{i}") for i in range(4)], wrap=["/bin/sh", "-c", 'ulimit -S -f 1; exec "$@"', "sh"])
        service.until("d3", "up")
        assert service.status()["agent"]["restarts"] == 0


def test_few_descriptors_are_enough_for_the_prober(run, place):
    with Answers() as server:
        service = Depending(run, place, [server.dependency("db")], wrap=["/bin/sh", "-c", 'ulimit -n 32; exec "$@"', "sh"])
        service.until("db", "up")
        assert "ended with status" not in service.run.err()


def test_the_prober_ends_with_the_supervisor(run, place):
    with Answers() as server:
        service = Depending(run, place, [server.dependency("db")])
        service.until("db", "up")
        service.run.stop()  # asserts that nothing is left


def test_secrets_stand_in_no_command_line_log_or_answer(run, place):
    secret = "kilimanjaro"
    with Faulty(garbage) as server:
        path = place.file("password", secret)
        dependencies = [{"name": "a", "url": f"redis://user:{secret}@127.0.0.1:{server.port}"},
                        {"name": "b", "url": f"redis://127.0.0.1:{server.port}", "passwordFile": path}]
        service = Depending(run, place, dependencies)
        service.until("a", "down")
        service.until("b", "down")
        for pid in [service.run.pid, service.prober(), service.status()["agent"]["pid"]]:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                assert secret.encode() not in f.read()
        for path in ("/health/status", "/health", "/readyz?verbose", "/metrics"):
            assert secret not in service.run.get(path, unix=True).body.decode()
        assert secret not in service.run.err()


def test_the_prober_logs_as_much_as_the_agent(run, place):
    with Answers() as server:
        service = Depending(run, place, [server.dependency("db")], logLevel="error")
        service.until("db", "up")
        with open(f"/proc/{service.prober()}/cmdline", "rb") as f:
            assert b"\0--log-level\0error\0" in f.read()


def test_a_reload_keeps_what_did_not_change(run, place, plain):
    port = free_port()
    Server(plain, ["/usr/bin/redis-server", "--port", port, "--save", "", "--dir", place.directory("redis")], lambda: accepts(port))
    redis = {"name": "cache", "kind": "redis", "url": f"redis://127.0.0.1:{port}"}
    with Answers() as server:
        service = Depending(run, place, [redis, server.dependency("other")], readiness=CALM)
        service.until("cache", "up")
        client = connections(port)
        prober, since = service.prober(), service.of("cache")["since_seconds"]
        service.write([server.dependency("another"), {**redis, "class": "hard"}], readiness=CALM)
        service.until("another", "up")
        found = service.of("cache")
        assert (found["status"], found["class"]) == ("up", "hard") and found["since_seconds"] >= since
        assert service.prober() == prober and service.of("other") is None
        assert connections(port) == client, "the connection was made anew"
        events = [e["subject"] for e in service.status()["events"] if e["what"] == "dependency"]
        assert events.count("cache") == 1


def connections(port):
    """Ids of the clients that redis has, without this one."""
    with socket.create_connection(("127.0.0.1", port), 20) as link:
        link.sendall(b"CLIENT ID\r\nCLIENT LIST\r\n")
        text = b""
        while text.count(b"cmd=") < 2:
            text += link.recv(65536)
    own = text.split(b"\r\n")[0][1:].decode()
    return sorted(word[3:] for word in text.decode().split() if word.startswith("id=") and word[3:] != own)


def test_a_file_that_became_wrong_changes_nothing(run, place):
    with Answers() as server:
        service = Depending(run, place, [server.dependency("db")], readiness=CALM)
        service.until("db", "up")
        service.write([{"name": "db", "kind": "postgre"}])
        wait_until(lambda: "configuration not taken over" in service.run.err(), 60, service.said)
        asked = server.asked
        wait_until(lambda: server.asked > asked + 2, 60, service.said)
        assert service.of("db")["status"] == "up"
        pid = service.prober()
        os.kill(pid, signal.SIGKILL)  # … also for the next prober
        service.until_prober(other_than=pid)
        asked = server.asked
        wait_until(lambda: server.asked > asked, 60, service.said)


STUCK = """
#include "probe/kind.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
__attribute__((destructor)) static void clean_up(void) { abort(); } /* as libraries do behind threads that are in them */
static int begin(const struct dependency *of, void **state, char *why, size_t bytes)
{ (void)why; (void)bytes; *state = (void *)of; return 0; }
static void ask(void *state, struct attempt *attempt)
{ const struct dependency *of = state; (void)attempt; while (!strcmp(of->name, "stuck")) pause(); }
static void end(void *state) { (void)state; }
const struct probe_kind probe_kind = {.name = "tcp", .open = begin, .ask = ask, .close = end};
"""


def test_what_is_stuck_in_a_library_makes_the_prober_begin_anew(run, place):
    """A kind that never comes back and holds nothing that could be shut down, beside one that is well."""
    program = with_prober(place, "")
    shutil.copy(PROBER, place.file("copy/bin/lifesign-prober"))
    os.chmod(place.file("copy/bin/lifesign-prober"), 0o755)
    subprocess.run(["cc", "-shared", "-fPIC", "-D_GNU_SOURCE", f"-I{SOURCE}/agent", f"-I{SOURCE}/include", "-o",
                    place.file("copy/lib/lifesign/probe_tcp.so"), place.file("stuck.c", STUCK)], check=True, timeout=60)
    service = Depending(run, place, [{"name": "stuck", "url": "tcp://h:1"}, {"name": "well", "url": "tcp://h:1", "class": "hard"}],
                        program=program, readiness={"periodSeconds": 0.5, "timeoutSeconds": 1})
    service.until("stuck", "down", "timeout")
    service.until("well", "up")
    pid = service.prober()
    wait_until(lambda: "stuck has not come back for" in service.run.err(), 60, service.said)
    service.until_prober(other_than=pid, seconds=30)
    wait_until(lambda: f"prober {pid} ended with status 75" in service.run.err(), 60, service.said)
    assert service.ready() and service.of("stuck")["status"] == "down" and service.of("well")["status"] == "up"
    failures = service.of("stuck")["consecutive_failures"]
    wait_until(lambda: service.of("stuck")["consecutive_failures"] > failures, 30, service.said)
