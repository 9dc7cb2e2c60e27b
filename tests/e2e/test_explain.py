# ctest: asan timeout=240
# SPDX-License-Identifier: Apache-2.0
"""`lifesign explain PID`: why the threads of any process wait, from outside: nothing preloaded, traced, stopped."""
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

import services
from test_gates import FREEZERS, Freezer
from lifesign import BIN, SUPPORT, call, children, clean_environment, comm, stat, tids, wait_until

WAITS = os.path.join(SUPPORT, "explain_waits")
NOBODY = ["/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
NO_PTRACE = ["/usr/bin/setpriv", "--bounding-set=-sys_ptrace", "--inh-caps=-sys_ptrace"]
AGAIN = "nothing will end that but a restart"


def rests(pid):
    """Every thread of it, and of its children, sleeps."""
    return all((stat(p, t) or "-")[0] in "SDTt" for p in [pid, *children(pid)] for t in tids(p))


def play(plain, scene, program=WAITS, prefix=()):
    """The scene, when its threads have come to where they wait."""
    started = plain([*prefix, program, scene])
    wait_until(lambda: "ready" in started.out(), 10, started.said)
    if scene != "spin":
        wait_until(lambda: rests(started.pid) and not time.sleep(0.1) and rests(started.pid), 10, "they rest")
    return started


def page(*words, status=0, prefix=(), **options):
    """What it says, each run of blanks as one; it fits on a terminal."""
    done = subprocess.run([*prefix, BIN, "explain", *map(str, words)], env=clean_environment(), text=True, capture_output=True,
                          timeout=30, check=False, **options)
    assert done.returncode == status, (done.returncode, done.stdout, done.stderr)
    assert max(map(len, done.stdout.split("\n"))) <= 80, done.stdout
    assert not done.stdout or done.stdout[-1] == "\n"
    return " ".join((done.stdout + done.stderr).split())


SCENES = {
    "abba": ["poster (T1) waits for mutex 0xX (accounts, explain_waits+0xX) held by rotator (T2), which waits for mutex 0xX "
             "(journal, explain_waits+0xX) held by poster (T1)",
             "victim-1 (T3), T4: sleeping", f"deadlock: 2 threads wait for each other; 2 threads wait behind that; {AGAIN}"],
    "abba_ticking": [f"deadlock: 2 threads wait for each other; 2 threads wait behind that; {AGAIN}"],
    "three": ["held by second (T2), which waits for mutex 0xX (index_lock, explain_waits+0xX) held by third (T3), which",
              f"deadlock: 3 threads wait for each other; {AGAIN}"],
    "self": ["selfish (T1) waits for mutex 0xX (journal, explain_waits+0xX) held by selfish (T1)",
             "deadlock: selfish (T1) waits for a lock that it holds itself; unless another thread unlocks it nothing ends that but "
             "a restart"],
    "orphan": ["waits for mutex 0xX (journal, explain_waits+0xX), whose owner has ended without unlocking it",
               f"orphaned lock: 1 thread waits for a lock whose owner has ended without unlocking it; {AGAIN}"],
    "rwlock_writer": ["editor (T1), T2: sleeping", "waits for rwlock 0xX (catalogue, explain_waits+0xX) held by explain_waits (T0)",
                      "held up: 2 threads wait for a lock, in the end that of explain_waits (T0), which waits for a signal"],
    "rwlock_reader": ["waits for rwlock 0xX (catalogue, explain_waits+0xX), which 1 reader holds", "nothing looks stuck"],
    "joins": ["child-a (T1) waits for the end of child-b (T2), which waits for the end of child-a (T1)",
              f"deadlock: 2 threads wait for each other; {AGAIN}"],
    "healthy": ["waits for condition variable 0xX (news, explain_waits+0xX) ", "what looks like a semaphore 0xX (tokens, explain_waits+0xX)",
                "waits for mutex 0xX (journal, explain_waits+0xX) held by explain_waits (T0), for a limited time", "nothing looks stuck"],
    "stream": ["waits for the lock of a stdio stream 0xX (libc.so.6+0xX) held by explain_waits (T0)", "held up: 1 thread waits for a lock"],
    "robust": ["waits for robust mutex 0xX (journal, explain_waits+0xX) held by explain_waits (T0)", "held up: 1 thread waits for a lock"],
    "inheriting": ["waits for priority-inheriting mutex 0xX (journal, explain_waits+0xX) held by explain_waits (T0)", "held up: 1 thread"],
    "full_pipe": ["writes to a full pipe, read by explain_waits (C1)", "nothing looks stuck"],
    "pipe_cycle": ["explain_waits (T0) reads from an empty pipe, written by explain_waits (C1), which reads from an empty pipe, written by "
                   "explain_waits (T0)", "looks like a deadlock: 2 threads wait for each other through pipes"],
    "child_lock": ["explain_waits (T0) waits for the end of its child explain_waits (C1), which waits for a lock on ",
                   "/lock held by explain_waits (T0)", f"deadlock: 2 threads wait for each other; {AGAIN}"],
    "unix_pair": ["receives from a unix socket, served by explain_waits (C1)", "nothing looks stuck"],
    "spin": ["running, ", "1 thread computes (", " % CPU): explain_waits (T0)"],
}


def numbered(started, text):
    """T0, T1 … for the threads, C1 for the child, X for numbers that differ each time."""
    for letter, numbers in (("T", tids(started.pid)), ("C", [0, *children(started.pid)])):
        for i, number in enumerate(numbers):
            text = re.sub(rf"(?<=[( ]){number}(?=[),:])", f"{letter}{i}", text)
    return re.sub(r"0x[0-9a-f]+", "0xX", text)


@pytest.mark.parametrize("scene", SCENES)
def test_each_wait_is_told_as_it_is(plain, scene):
    started = play(plain, scene, prefix=["/usr/bin/nice", "-n", "-10"] if scene == "spin" else ())  # who is to be seen computing gets a CPU
    said = page(started.pid)
    text = numbered(started, said)
    for word in SCENES[scene]:
        assert word in text, (word, text)
    assert "deadlock" in text or "deadlock" not in " ".join(SCENES[scene])
    if not [word for word in SCENES[scene] if "deadlock" in word]:
        assert "deadlock" not in text, text


def test_a_lock_of_flock_names_its_holder(plain):
    started = play(plain, "flock")
    child = children(started.pid)[0]
    assert f"/lock held by explain_waits ({started.pid})" in page(child)


def test_a_mutex_of_musl_that_names_nobody_accuses_nobody(plain):
    for scene in ("abba", "joins", "orphan"):
        text = page(play(plain, scene, WAITS + "-musl").pid)
        assert text.endswith("nothing looks stuck"), text
        assert scene == "joins" or "a lock that names no owner" in text


def test_a_thread_comes_first_when_its_number_is_given(plain):
    started = play(plain, "abba")
    last = tids(started.pid)[-2]
    text = page(last)
    assert f"(pid {started.pid})" in text
    assert text.index(f"victim-1 ({last}), ") < text.index("explain_waits (", text.index("nothing was stopped")), text


# ---- it disturbs nobody

def counts(pid):
    found = {}
    for tid in tids(pid):
        with open(f"/proc/{pid}/task/{tid}/status") as f:
            found[tid] = [int(n) for n in re.findall(r"ctxt_switches:\t(\d+)", f.read())]
    return found


def test_nothing_is_traced_stopped_or_even_woken(plain):
    started = play(plain, "abba")
    before, seen, over = counts(started.pid), set(), threading.Event()

    def watch():
        while not over.is_set():
            with open(f"/proc/{started.pid}/status") as f:
                text = f.read()
            seen.add((re.search(r"State:\t(.)", text).group(1), re.search(r"TracerPid:\t(\d+)", text).group(1)))
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        assert "deadlock: 2 threads" in page(started.pid)
    finally:
        over.set()
        watcher.join()
    assert seen == {("S", "0")} and counts(started.pid) == before


# ---- real services

def test_an_idle_nginx_is_not_stuck(plain, place):
    service = services.nginx(place)
    started = plain(service.command)
    wait_until(service.ping, 10, started.said)
    assert page(started.pid).endswith("nothing looks stuck")
    worker = wait_until(lambda: children(started.pid), 5, "a worker")[0]
    text = page(worker)
    assert f"listens on 127.0.0.1:{service.port}, 0 of " in text and text.endswith("nothing looks stuck"), text
    assert " waits for events of " in text and "[epoll_wait]" in text


def test_redis_at_rest_and_asleep_with_work_waiting(plain, place):
    service = services.redis(place, options=["--enable-debug-command", "yes"])
    started = plain(service.command)
    wait_until(service.ping, 10, started.said)
    text = page(started.pid)
    assert text.endswith("nothing looks stuck"), text
    assert f"listens on 127.0.0.1:{service.port}, 0 of 511 in its accept queue" in text
    with socket.create_connection(("127.0.0.1", service.port)) as sleeper, socket.create_connection(("127.0.0.1", service.port)) as other:
        other.sendall(b"PING\r\n")
        assert other.recv(16).startswith(b"+PONG")
        sleeper.sendall(b"DEBUG SLEEP 8\r\n")  # one look takes half a second
        wait_until(lambda: "nanosleep" in open(f"/proc/{started.pid}/task/{started.pid}/wchan").read(), 6, "asleep")
        other.sendall(b"PING\r\n")
        text = page(started.pid)
        assert "sleeps for some time" in text and text.endswith("work waits: 1 connection has bytes that nobody read while we looked"), text
        assert sleeper.recv(16).startswith(b"+OK") and other.recv(16).startswith(b"+PONG")
    assert page(started.pid).endswith("nothing looks stuck")


def test_a_queue_that_nobody_takes_from_is_told(plain):
    code = "import socket, time; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True); time.sleep(100)"
    started = plain([sys.executable, "-c", code])
    port = int(wait_until(lambda: started.out().strip(), 10, started.said))
    with socket.create_connection(("127.0.0.1", port)):
        text = page(started.pid)
    assert text.endswith(f"work waits: 1 connection in the accept queue of 127.0.0.1:{port}, and none was taken while we looked"), text


def test_a_peer_is_named_with_what_is_unread(plain):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        started = plain([sys.executable, "-c", f"import socket; socket.create_connection(('127.0.0.1', {port})).recv(9)"])
        with server.accept()[0]:
            wait_until(lambda: rests(started.pid), 15, "it waits")
            text = page(started.pid)
            assert f"receives from socket to 127.0.0.1:{port} (0 bytes unread), served by {comm(os.getpid())} ({os.getpid()})" in text, text
            assert text.endswith("nothing looks stuck")


def test_threads_of_python(plain):
    code = ("import threading as t; l = t.Lock(); l.acquire()\nfor i in range(20): t.Thread(target=l.acquire).start()\n"
            "print('ready', flush=True); t.Event().wait()")
    started = plain([sys.executable, "-c", code])
    wait_until(lambda: "ready" in started.out(), 10, started.said)
    wait_until(lambda: len(tids(started.pid)) == 21 and rests(started.pid), 15, "they wait")
    text = page(started.pid)
    assert "21 threads" in text and " and 8 more: sleeping" in text and "looks like a semaphore" in text, text
    assert text.endswith("nothing looks stuck"), text


# ---- who keeps it from running, who has ended

def test_a_stopped_process_is_told_how_to_go_on(plain):
    started = play(plain, "healthy")
    os.kill(started.pid, signal.SIGSTOP)
    wait_until(lambda: stat(started.pid)[0] == "T", 5, "stopped")
    assert page(started.pid).endswith(f"stopped by a signal; 'kill -CONT {started.pid}' lets it run again")
    os.kill(started.pid, signal.SIGCONT)


@pytest.mark.parametrize("kind", FREEZERS)
def test_a_frozen_one_is_told_what_froze_it(plain, kind):
    freezer = Freezer(kind)
    if not freezer.place:
        return  # this machine has no such hierarchy
    try:
        started = play(plain, "healthy")
        freezer.put("cgroup.procs", started.pid)
        freezer.put(freezer.switch, freezer.freeze)
        text = wait_until(lambda: "frozen by its cgroup (/sys/fs/cgroup" in (said := page(started.pid)) and said, 5, "frozen")
        assert text.endswith("it goes on when that is thawed")
    finally:
        freezer.close()


def test_a_debugger_is_told(plain):
    started = play(plain, "healthy")
    tracer = plain(["/usr/bin/strace", "-qq", "-p", started.pid])
    wait_until(lambda: "TracerPid:\t0\n" not in open(f"/proc/{started.pid}/status").read(), 5, tracer.said)
    assert page(started.pid).endswith("a debugger is attached; besides that nothing looks stuck")
    tracer.stop()


def test_one_that_has_ended_waits_for_its_parent():
    child = subprocess.Popen(["/bin/true"])
    wait_until(lambda: stat(child.pid)[0] == "Z", 5, "a zombie")
    assert page(child.pid).endswith(f"it has ended; its parent {comm(os.getpid())} ({os.getpid()}) has not collected it")
    child.wait()
    assert page(child.pid, status=3).endswith(f"no such process or thread: {child.pid}")


def is_in_poll(pid):
    """Also when it is stopped there: the number of its system call stays."""
    try:
        with open(f"/proc/{pid}/syscall", encoding="ascii") as f:
            return f.read().split()[0] in {"x86_64": ("7", "271")}.get(os.uname().machine, ("73",))
    except OSError:
        return False


def stopped_between_looks(pid):
    """Who explains that process, stopped while he waits for his second look; None when he was faster than we."""
    looking = subprocess.Popen([BIN, "explain", str(pid)], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_until(lambda: looking.poll() is not None or is_in_poll(looking.pid), 15, "")
    if looking.poll() is None:
        looking.send_signal(signal.SIGSTOP)
        wait_until(lambda: looking.poll() is not None or stat(looking.pid)[0] == "T", 15, "stopped")
    if looking.poll() is None and is_in_poll(looking.pid):
        return looking
    looking.kill()
    looking.communicate()
    return None


def test_one_that_ends_meanwhile_is_3_or_told(plain):
    started = plain(["/bin/sleep", "100"])
    looking = wait_until(lambda: stopped_between_looks(started.pid), 30, "never found between its looks")
    started.process.kill()
    started.process.wait()
    looking.send_signal(signal.SIGCONT)
    out, err = looking.communicate(timeout=20)
    assert looking.returncode == 3 and not out and err == f"lifesign: no such process or thread: {started.pid}\n"


# ---- rights

def test_one_in_another_pid_namespace_numbers_its_threads_itself(plain):
    outer = play(plain, "abba", prefix=["/usr/bin/unshare", "--pid", "--fork"])
    inner = children(outer.pid)[0]
    with open(f"/proc/{inner}/status") as f:
        assert re.search(r"NSpid:\t\d+\t1\n", f.read())
    text = page(inner)
    assert "poster (" in text and f"deadlock: 2 threads wait for each other; 2 threads wait behind that; {AGAIN}" in text, text



def test_another_users_process_is_read_as_that_user(plain):
    started = play(plain, "abba", prefix=NOBODY)
    assert "deadlock: 2 threads wait for each other" in page(started.pid, prefix=NO_PTRACE)
    assert "deadlock: 2 threads wait for each other" in page(started.pid, prefix=NOBODY)


def test_without_rights_it_is_77_and_says_which(plain):
    started = play(plain, "abba")
    assert "CAP_SYS_PTRACE" in page(started.pid, status=77, prefix=NOBODY)


# ---- words

def test_for_machines(plain):
    started = play(plain, "abba")
    done = call("explain", "--json", started.pid)
    document = json.loads(done.stdout)
    assert document["schema"] == "lifesign.explain/1" and document["verdict"] == "deadlock" and document["pid"] == started.pid
    by_name = {t["name"]: t for t in document["threads"]}
    assert by_name["poster"]["cycle"] and by_name["poster"]["owner"] == by_name["rotator"]["tid"] and by_name["poster"]["still"]
    assert not by_name["victim-1"]["cycle"] and by_name["victim-1"]["owner"] == by_name["poster"]["tid"]


@pytest.mark.parametrize("words", [["abc"], ["0"], ["-5"], ["1", "2"], ["99999999999999999999"], ["--jsno", "1"]])
def test_other_words_are_64(words):
    assert "lifesign help explain" in page(*words, status=64)


def test_without_a_number_it_takes_the_service_of_the_agent(run, place):
    started = run([WAITS, "abba"])
    started.wait_up()
    main = wait_until(started.main, 10, started.status)
    text = wait_until(lambda: "deadlock: 2" in (said := page("--dir", started.dir)) and said, 10, "explained")
    assert f"(pid {main})" in text
    assert "explain needs a PID or TID where no agent runs" in page("--dir", place.directory("empty"), status=3)


def test_nobody_is_left_behind_when_it_ends(plain):
    def orphans():  # other tests end agents, whose readers end a moment later
        return {p for p in os.listdir("/proc") if p.isdigit() and comm(p) == "lifesign-reader" and (s := stat(p)) and s[1] == "1"}
    started = play(plain, "abba", prefix=NOBODY)
    before, earlier = set(children(os.getpid())), orphans()
    page(started.pid, prefix=NO_PTRACE)
    assert set(children(os.getpid())) == before
    wait_until(lambda: not orphans() - earlier, 5, orphans)
