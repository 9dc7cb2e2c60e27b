# SPDX-License-Identifier: Apache-2.0
"""What the agent finds out about threads and processes, with which rights, and what it says when it cannot."""
import os
import re
import subprocess

import pytest

import lifesign
from lifesign import SUPPORT, call, mapped, wait_until

LOCKERS = os.path.join(SUPPORT, "lockers")
NOBODY = ["/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
NO_PTRACE = ["/usr/bin/setpriv", "--bounding-set=-sys_ptrace", "--inh-caps=-sys_ptrace"]


def named(started):
    return {t["name"]: t for t in started.threads()}


def wait_named(started, check, seconds=20):
    """Threads by name in the first look of which check() has nothing to say."""
    last = {}

    def agrees():
        last["seen"] = named(started)
        last["said"] = check(last["seen"])
        return not last["said"]
    wait_until(agrees, seconds, lambda: f"{last['said']}; {started.status()['processes']}")
    return last["seen"]


def states(threads, **wanted):
    """"" when each of these threads is in that state."""
    found = {name: threads[name]["state"] if name in threads else None for name in wanted}
    return "" if found == wanted else f"{found}"


def assert_known_waits(threads, main):
    """The owner of each lock from memory, the futex from the kernel."""
    waiter, writer = threads["waiter"], threads["writer"]
    assert waiter["op"] == "pthread_mutex_lock" and waiter["state"] == "lock" and not waiter["home"]
    assert waiter["waits_for"]["owner"] == main, waiter
    assert waiter["waits_for"]["futex"] == waiter["waits_for"]["object"], waiter
    assert writer["op"] == "pthread_rwlock_wrlock" and writer["waits_for"]["owner"] == main, writer


def all_read(threads):
    waits = [threads.get(name, {}).get("waits_for") for name in ("waiter", "writer")]
    return "" if all(w and w["owner"] and w["futex"] for w in waits) else f"not read yet: {waits}"


def test_each_wait_is_told_as_it_is(run):
    started = run([LOCKERS, "spin"])
    threads = wait_named(started, lambda all: all_read(all) or states(all, spinner="running", idler="idle", sleeper="sleep", receiver="io"))
    assert_known_waits(threads, started.main())
    assert threads["sleeper"]["op"] == "sleep"
    assert threads["idler"]["op"] == "pthread_cond_wait" and threads["idler"]["home"]
    assert threads["receiver"]["waits_for"]["kind"] == "fd"
    assert threads["spinner"]["op"] is None

    def counts():
        workers = started.status()["workers"]
        return workers["live"], workers["lock"], workers["running"], workers["idle"]
    wait_until(lambda: counts() == (7, 2, 1, 2), 10, counts)


def test_ages_of_waits_grow(run):
    started = run([LOCKERS])
    first = wait_named(started, all_read)["waiter"]["for_seconds"]
    wait_until(lambda: named(started)["waiter"]["for_seconds"] > first + 1.5, 15, "the wait gets older")


@pytest.mark.skipif(os.getuid() != 0, reason="changes its user")
def test_root_without_ptrace_reads_a_foreign_user_through_a_reader(run):
    """The agent is root without CAP_SYS_PTRACE, the service another user: a reader under that user looks."""
    started = run([*NOBODY, LOCKERS], wrap=NO_PTRACE)
    threads = wait_named(started, all_read)
    agent = started.agent()
    caps = int(re.search(r"CapEff:\s*(\w+)", open(f"/proc/{agent}/status", encoding="ascii").read())[1], 16)
    assert not caps & 1 << 19, "the agent must not have CAP_SYS_PTRACE in this test"
    assert_known_waits(threads, started.main())
    readers = [pid for pid in lifesign.children(agent) if lifesign.comm(pid) == "lifesign-reader"]
    assert len(readers) == 1 and os.stat(f"/proc/{readers[0]}/task").st_uid in (0, 65534)
    assert re.search(r"Uid:\s*65534", open(f"/proc/{readers[0]}/status", encoding="ascii").read())
    assert started.status()["processes"][0]["coverage"] == "shim"


@pytest.mark.skipif(os.getuid() != 0, reason="changes its user")
def test_an_agent_of_the_same_user_needs_no_root(run):
    started = run([LOCKERS], user="www-data")
    threads = wait_named(started, all_read)
    assert_known_waits(threads, started.main())
    assert mapped(started.main())


def reason_of(started, exe):
    return next((p["coverage_why"] for p in started.status()["processes"] if p["exe"] == exe and p["coverage"] != "shim"), None)


CASES = {
    "static": (["/bin/sh", "-c", "{busybox} sleep 1000"], "busybox", "statically linked"),
    "scrubbed": (["/bin/sh", "-c", "env -i /bin/sleep 1000"], "sleep", "scrubbed the environment"),
    "disabled": (["/bin/sh", "-c", "LIFESIGN_DISABLE=1 /bin/sleep 1000"], "sleep", "stood aside"),
    "unset": (["/bin/sh", "-c", "LIFESIGN_SEGMENT= /bin/sleep 1000"], "sleep", "stood aside"),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_not_covered_is_said_by_itself(run, case):
    """Within two seconds where the machine has any time; how long it waits is a unit test."""
    command, exe, text = CASES[case]
    busybox = next(p for p in ("/bin/busybox", "/usr/bin/busybox") if os.path.exists(p))
    started = run([word.replace("{busybox}", busybox) for word in command])
    wait_until(lambda: re.search(rf"not covered by the shim: .*{text}", started.err()), 15, started.said)
    wait_until(lambda: text in (reason_of(started, exe) or ""), 15, lambda: str(started.status()["processes"]))
    process = next(p for p in started.status()["processes"] if p["exe"] == exe)
    assert process["coverage"] == "outside"
    assert started.get("/livez").status == 200


@pytest.mark.skipif(os.getuid() != 0, reason="makes a set-user-ID file")
def test_a_setuid_program_is_said(run, place):
    path = place.file("suid-sleep")
    subprocess.run(["cp", "/bin/sleep", path], check=True)
    os.chown(path, 0, 0)
    os.chmod(path, 0o4755)
    started = run([*NOBODY, path, "1000"])
    wait_until(lambda: re.search(r"not covered by the shim: .*setuid", started.err()), 15, started.said)


def test_a_forked_child_that_has_made_no_call_yet_is_not_called_uncovered(run):
    script = "import os\nif os.fork() == 0:\n    while True: pass\nos.wait()"
    started = run(["/usr/bin/python3", "-c", script])
    wait_until(lambda: len(started.status()["processes"]) == 2, 15, "the child is seen")
    lifesign.holds_for(lambda: "not covered" not in started.err(), 2)
    wait_until(lambda: all(p["coverage"] == "shim" for p in started.status()["processes"]), 15, lambda: str(started.status()["processes"]))


def test_only_an_uncovered_process_is_unknown_not_alive(run):
    busybox = next(p for p in ("/bin/busybox", "/usr/bin/busybox") if os.path.exists(p))
    started = run([busybox, "sleep", "1000"])
    answer = started.get("/livez")
    assert answer.status == 200 and answer.headers["Lifesign-Verdict"] == "unknown"
    wait_until(lambda: started.status()["processes"] and started.status()["processes"][0]["threads"], 15, "its threads are listed")
    assert started.status()["processes"][0]["threads"][0]["state"] == "unseen"


def test_an_exec_under_the_same_pid_is_followed(run):
    started = run(["/bin/sh", "-c", "sleep 0.5; exec /bin/sleep 1000"])
    main = started.main()

    def one_thread():
        process = started.process_of(main)
        return process and process["exe"] == "sleep" and len(process["threads"]) == 1 and process["threads"][0]["op"] in (
            "nanosleep", "clock_nanosleep", "sleep")
    wait_until(one_thread, 20, lambda: str(started.status()["processes"]))
    assert started.process_of(main)["coverage"] == "shim"


def when_told(place, what):
    """(python program that does `what` once a file is there, tells it so); until then it computes."""
    path = os.path.join(place.path, "go")
    script = f"import os, socket, time\nwhile not os.path.exists({path!r}) and time.process_time() < 60: pass\n{what}"
    return ["/usr/bin/nice", "/usr/bin/python3", "-c", script], lambda: place.file("go", "")


def listens(port):
    return f"s = socket.create_server(('127.0.0.1', {port}))\nwhile True: s.accept()"


def test_starting_by_rule(run, place):
    port = lifesign.free_port()
    config = place.file("c.yaml", f"startup: {{port: {port}, periodSeconds: 0.2, failureThreshold: 300}}\n")
    command, tell = when_told(place, listens(port))
    started = run(command, options=["--config", config])
    first = started.get("/startupz")
    assert first.status == 503 and "[-]starting failed: starting" in first.text
    assert started.get("/readyz").status == 503 and started.get("/livez").status == 200
    tell()
    started.wait_started()
    started.wait_ready()


def test_a_start_that_takes_too_long_stays_503(run, place):
    port = lifesign.free_port()
    config = place.file("c.yaml", f"startup: {{port: {port}, periodSeconds: 0.1, failureThreshold: 10}}\n")
    command, tell = when_told(place, listens(port))
    started = run(command, options=["--config", config])
    wait_until(lambda: "[-]start_timeout failed: start_timeout" in started.get("/startupz").text, 15, started.status)
    tell()
    wait_until(lambda: lifesign.accepts(port), 15, "the service is up at last")
    lifesign.holds_for(lambda: started.get("/readyz").status == 503, 1)
    assert started.get("/livez").status == 200


def test_none_means_that_the_main_thread_waits(run, place):
    """For three seconds; it does not as long as it computes."""
    config = place.file("c.yaml", "startup: {port: none}\n")
    command, tell = when_told(place, "time.sleep(1000)")
    started = run(command, options=["--config", config])
    lifesign.holds_for(lambda: started.get("/startupz").status == 503, 4, every=0.1)
    tell()
    started.wait_started()


def test_a_stopped_service_is_not_ready_and_not_dead(run, place):
    import services
    service = services.python_http(place)
    started = run(service.command)
    wait_until(service.ping, 20)
    started.wait_ready()
    os.kill(started.main(), 19)
    wait_until(lambda: "[-]suspended failed: suspended" in started.get("/readyz").text, 15, "suspended")
    assert started.get("/livez").status == 200
    os.kill(started.main(), 18)
    started.wait_ready()


def test_check_follows(run):
    started = run(["/bin/sleep", "1000"])
    assert call("check", "--url", f"http://127.0.0.1:{started.port}").returncode == 0
