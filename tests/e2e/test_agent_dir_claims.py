# ctest: serial timeout=240
# SPDX-License-Identifier: Apache-2.0
"""Who belongs to which service of an agent: restarts within milliseconds, containers that number alike, claims that lie."""
import os
import signal
import socket
import subprocess

import pytest

import lifesign
from joined import Agent, is_mapped
from lifesign import SHIM, SUPPORT, free_port, holds_for, wait_until

PYTHON = "/usr/bin/python3"
NOBODY = 65534
PROGRAMS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "programs")


def redis(port=0):
    return ["/usr/bin/redis-server", "--port", str(port or free_port()), "--save", "", "--appendonly", "no"]


def quoted(words):
    return " ".join(f"'{word}'" for word in words)


@pytest.fixture
def agent(place):
    started = Agent(place=place)
    yield started
    started.close()


def test_restarted_at_once_it_keeps_its_name(agent):
    one = agent.start(redis())
    agent.has("redis-server", one.pid)
    for _ in range(4):
        os.kill(one.pid, signal.SIGKILL)
        one.wait()
        one = agent.start(redis())  # as systemd does: its end is not yet final
        agent.has("redis-server", one.pid)
        assert agent.names() == ["redis-server"], agent.said()
    agent.is_ready("redis-server")
    wait_until(lambda: agent.get("/livez").status == 200, 15, agent.status)


def test_the_second_of_a_name_keeps_its_own_when_the_first_is_restarted(agent):
    one = agent.start(redis())
    agent.has("redis-server", one.pid)
    two = agent.start(redis())
    agent.has("redis-server-2", two.pid)
    os.kill(one.pid, signal.SIGKILL)
    one.wait()
    one = agent.start(redis())
    agent.has("redis-server", one.pid)
    agent.has("redis-server-2", two.pid)


def boxed(agent, command, service, wrap=()):
    """As the first process of a pid namespace of its own."""
    return agent.start([*wrap, "unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "/bin/sh", "-c",
                        f"LD_PRELOAD='{SHIM}' exec \"$@\"", "sh", *command], service=service, env={"LD_PRELOAD": None})


def coverage(agent, name):
    rows = agent.status(name)["processes"] if name in agent.names() else []
    return rows and sorted({row["coverage"] for row in rows})


def test_two_containers_each_with_a_pid_1_are_two_services(agent):
    for name in ("a", "b"):
        boxed(agent, redis(), name)
    wait_until(lambda: agent.names() == ["a", "b"], 10, agent.said)
    for name in ("a", "b"):
        wait_until(lambda name=name: coverage(agent, name) == ["slots"], 10, agent.said)


def test_what_a_container_s_first_process_starts_is_its_own(agent):
    script = "import os, subprocess, time\nsubprocess.Popen(['/bin/sh', '-c', 'sleep 1000 & exec sleep 1001'])\ntime.sleep(1000)\n"
    boxed(agent, [PYTHON, "-c", script], "a")
    boxed(agent, redis(), "b")
    wait_until(lambda: agent.names() == ["a", "b"], 10, agent.said)
    wait_until(lambda: agent.status("a")["workers"]["live"] == 3, 10, lambda: agent.status("a"))
    assert agent.status("b")["workers"]["live"] >= 4  # a redis-server's own
    holds_for(lambda: agent.names() == ["a", "b"], 1, agent.said)


def test_a_hostile_child_claims_everybody_s_ancestors_and_moves_nobody(agent):
    """A child without rights of a root service writes the pids of this test, of its parents and of those that come into its table."""
    lie = [PYTHON, os.path.join(PROGRAMS, "claim_pids.py")]
    script = ("import os, sys, time\nif os.fork() == 0:\n    os.setgid(65534); os.setuid(65534)\n"
              f"    sys.argv = ['claim', sys.argv[1], '60']; exec(compile(open({lie[1]!r}).read(), 'claim', 'exec'))\n"
              "time.sleep(1000)\n")
    one = agent.start(redis(), service="before")
    agent.has("before", one.pid)
    liars = [agent.start([PYTHON, "-c", script, str(first)], service=f"liar-{first}") for first in (1, os.getpid() - 3)]
    wait_until(lambda: all("claims" in liar.out() for liar in liars), 10, lambda: [liar.said() for liar in liars])
    liars.append(agent.start([PYTHON, "-c", script, str(liars[-1].pid + 3)], service="liar-next"))
    wait_until(lambda: "claims" in liars[-1].out(), 10, liars[-1].said)  # its first round
    for i in range(8):
        new = agent.start(["/bin/sleep", "1000"], service=f"new-{i}")
        agent.has(f"new-{i}", new.pid)
    agent.has("before", one.pid)
    children = [int(pid) for pid in open(f"/proc/{liars[0].pid}/task/{liars[0].pid}/children", encoding="ascii").read().split()]
    for pid in [*children, liars[0].pid]:  # its main process ends: none of the claimed inherits its place
        os.kill(pid, signal.SIGKILL)
    liars[0].wait()
    wait_until(lambda: agent.get("/services/liar-1/livez").status == 503, 10, lambda: agent.status("liar-1"))


def test_a_daemon_s_child_that_execs_is_still_the_service(agent):
    """sh starts a program behind its back and ends at once: what execs has no segment any more, and is its own proof."""
    command = f"{quoted(redis())} & exit 0"
    one = agent.start(["/bin/sh", "-c", command], service="behind")
    assert one.wait() == 0

    def main():
        rows = agent.status("behind")["processes"] if "behind" in agent.names() else []
        return rows and rows[0]["exe"] == "redis-server" and rows[0]["coverage"] == "shim"
    wait_until(main, 10, agent.said)
    agent.is_ready("behind")
    assert agent.names() == ["behind"]


def test_nginx_that_daemonizes_is_found_with_its_workers(agent, place):
    port = free_port()
    config = place.file("nginx.conf", f"""daemon on; worker_processes 2; pid {place.path}/nginx.pid; error_log {place.path}/nginx.log;
        events {{}} http {{ access_log off; client_body_temp_path {place.path}/b; proxy_temp_path {place.path}/p; fastcgi_temp_path {place.path}/f;
        uwsgi_temp_path {place.path}/u; scgi_temp_path {place.path}/s; server {{ listen 127.0.0.1:{port}; }} }}\n""")
    place.file("nginx.log", "", mode=0o666)
    one = agent.start(["/usr/sbin/nginx", "-c", config, "-p", place.path], service="web")
    assert one.wait() == 0, one.said()

    def rows():
        found = agent.status("web")["processes"] if "web" in agent.names() else []
        return len(found) == 3 and all(row["coverage"] == "shim" for row in found) and found[0]["role"] == "main" and found
    found = wait_until(rows, 15, agent.said)
    with open(f"{place.path}/nginx.pid", encoding="ascii") as f:
        assert found[0]["pid"] == int(f.read())
    agent.is_ready("web")
    os.kill(found[0]["pid"], signal.SIGQUIT)
    wait_until(lambda: agent.get("/services/web/livez").status == 503, 10, lambda: agent.status("web"))


def test_a_stranger_s_claims_move_his_own_only(agent):
    script = (f"import sys; sys.argv = ['claim', '{os.getpid()}', '1']; "
              f"exec(compile(open({os.path.join(PROGRAMS, 'claim_pids.py')!r}).read(), 'claim', 'exec'))")
    stranger = agent.start([PYTHON, "-c", script], service="stranger", user=NOBODY)
    wait_until(lambda: "claims" in stranger.out(), 10, stranger.said)
    for i in range(3):
        one = agent.start(["/bin/sleep", "1000"], service=f"mine-{i}")
        agent.has(f"mine-{i}", one.pid)


# ---- the socket itself

def test_peers_that_say_nothing_keep_nobody_out(agent):
    silent = []
    for _ in range(300):
        one = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        one.connect(f"{agent.dir}/join")
        silent.append(one)
    one = agent.start(["/bin/sleep", "1000"], service="s")
    agent.has("s", one.pid)
    wait_until(lambda: len(os.listdir(f"/proc/{agent.pid}/fd")) < 40, 15, lambda: os.listdir(f"/proc/{agent.pid}/fd"))
    for each in silent:
        each.close()


HELLOS = [b"", b"x", b"LSJOIN01", b"LSJOIN01" + b"\0" * 143,
          b"LSJOIN01" + b"\xff" * 144, b"NOSUCH01" + b"a" * 144, b"y" * 60000]


@pytest.mark.parametrize("hello", HELLOS, ids=range(len(HELLOS)))
def test_a_hello_that_is_none(agent, hello):
    script = ("import socket, sys\nwith socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as peer:\n    peer.settimeout(5)\n"
              "    peer.connect(sys.argv[1])\n    peer.send(sys.stdin.buffer.read())\n    print(len(peer.recv(4096)))\n")
    done = subprocess.run([PYTHON, "-c", script, f"{agent.dir}/join"], input=hello, capture_output=True, timeout=30, check=True)
    data = int(done.stdout)
    whole = len(hello) == 152 and hello.startswith(b"LSJOIN01")
    assert bool(data) == whole  # any bytes are a name: cleaned
    assert all(name.isascii() and name.isprintable() for name in agent.names())
    one = agent.start(["/bin/sleep", "1000"], service="s")
    agent.has("s", one.pid)


def test_strangers_are_limited_and_told_once(agent):
    """Each connection of a process of nobody's that no service has is a service: 256 of them, then no more."""
    script = f"""
import os, socket, struct
os.setgid(65534); os.setuid(65534)
got = 0
for i in range(300):
    pid = os.fork()
    if pid == 0:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as peer:
            peer.connect({agent.dir!r} + "/join")
            peer.send(struct.pack("<QIIQ64s64s", 0x31304e494f4a534c, os.getpid(), os.getppid(), 0, b"n%d" % i, b"p"))
            data = peer.recv(64)
        os._exit(0 if data else 1)
    got += os.waitpid(pid, 0)[1] == 0
print("got", got, flush=True)
"""
    done = subprocess.run([PYTHON, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "got 256\n", (done.stdout, done.stderr, agent.said())
    said = [line for line in agent.err().splitlines() if "cannot join" in line]
    assert len(said) == 1 and "too many services" in said[0]
    mine = agent.start(["/bin/sleep", "1000"], service="mine")
    agent.has("mine", mine.pid)


def test_a_descriptor_limit_leaves_room_for_answers(place):
    def few():
        import resource  # pylint: disable=import-outside-toplevel
        resource.setrlimit(resource.RLIMIT_NOFILE, (280, 280))
    agent = Agent(place=place, preexec=few)
    try:
        many = [agent.start(["/bin/sleep", "1000"], service=f"s{i}", joins=False) for i in range(12)]
        wait_until(lambda: len(agent.names()) == 8, 10, lambda: (agent.names(), agent.said()))
        wait_until(lambda: all(is_mapped(one.pid) for one in many), 15)
        assert all(one.process.poll() is None for one in many)
        assert agent.get("/agent/livez").status == 200 and agent.err().count("cannot join") == 1
    finally:
        agent.close()


# ---- the supervisor's own life

def is_listed(agent, name):
    try:
        with open(f"{agent.dir}/agent.services", encoding="ascii") as services:
            return any(line.endswith(f" {name}\n") for line in services)
    except FileNotFoundError:
        return False


def test_an_orderly_end_and_a_new_start_find_all_again(agent, place):
    one = agent.start(redis(), service="a")
    agent.has("a", one.pid)
    assert agent.stop() == 0 and not os.path.exists(f"{agent.dir}/join")
    following = Agent(place=place, directory=agent.dir)
    try:
        following.has("a", one.pid)
        assert "was found again" in following.err()
    finally:
        following.close()


def test_without_rights_the_log_says_whom_to_restart(agent, place):
    one = agent.start(redis(), service="a")
    agent.has("a", one.pid)
    wait_until(lambda: is_listed(agent, "a"), 15, agent.said)
    os.kill(agent.pid, signal.SIGKILL)
    agent.wait()
    following = Agent(place=place, directory=agent.dir, wrap=["setpriv", "--bounding-set=-sys_admin,-checkpoint_restore"])
    try:
        wait_until(lambda: f"a (pid {one.pid}) joined an earlier agent and cannot be seen" in following.err(), 15, following.said)
        assert following.names() == [] and one.process.poll() is None
        two = following.start(["/bin/sleep", "1000"], service="b")
        following.has("b", two.pid)
    finally:
        following.close()


def test_systemd_is_told(place):
    path = f"{place.path}/notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        manager.settimeout(10)
        agent = Agent(place=place, env={"NOTIFY_SOCKET": path})
        try:
            assert manager.recv(4096).startswith(b"READY=1\n")
            agent.send(signal.SIGTERM)
            assert manager.recv(4096) == b"STOPPING=1\n"
            assert agent.wait() == 0
        finally:
            agent.close()


def test_a_second_term_ends_it_at_once(place):
    agent = Agent(place=place, options=["--drain", "60"])
    try:
        one = agent.start(["/bin/sleep", "1000"], service="s")
        agent.has("s", one.pid)
        agent.send(signal.SIGTERM)
        wait_until(lambda: "draining" in agent.get("/services/s/readyz").text, 15, agent.said)
        assert agent.process.poll() is None
        agent.send(signal.SIGTERM)
        assert agent.wait(20) == 0  # and not the 60 s of its drain
    finally:
        agent.close()


def test_as_pid_1_it_reaps_whatever_ends(place):
    script = f"{quoted(['/bin/sh', '-c', 'true & true & exit 0'])}; exec {lifesign.BIN} agent --dir {place.directory('one')}"
    inside = subprocess.Popen(["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "/bin/sh", "-c", script],
                              env=lifesign.clean_environment(), stderr=subprocess.PIPE)
    try:
        first = wait_until(lambda: open(f"/proc/{inside.pid}/task/{inside.pid}/children", encoding="ascii").read().split(), 15)[0]
        wait_until(lambda: os.path.exists(f"{place.path}/one/join"), 10)
        enter = ["nsenter", f"--target={first}", "--pid", "--mount", "/bin/sh", "-c", "(sleep 0.05 & exit 0) & (sleep 0.1 & exit 0)"]
        assert subprocess.run(enter, check=False).returncode == 0

        def left():
            children = open(f"/proc/{first}/task/{first}/children", encoding="ascii").read().split()
            return [lifesign.comm(int(pid)) for pid in children if lifesign.comm(int(pid)) != "lifesign-agent"]
        wait_until(lambda: not left(), 15, left)  # orphans became its own, and were collected
        os.kill(int(first), signal.SIGTERM)
        assert inside.wait(10) == 0
    finally:
        inside.kill()
        inside.wait()
        inside.stderr.close()


@pytest.mark.parametrize("kind", ["a file", "not ours", "join is a file"])
def test_a_directory_that_cannot_serve_ends_it_with_a_line(place, kind):
    directory, user = place.directory("d"), {}
    if kind == "a file":
        directory = place.file("plain", "text")
    elif kind == "not ours":
        user = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
    else:
        place.file("d/join", "text")
    done = subprocess.run([lifesign.BIN, "agent", "--dir", directory, "--listen", f"127.0.0.1:{free_port()}"], cwd="/",
                          env=lifesign.clean_environment(), capture_output=True, text=True, timeout=10, check=False, **user)
    assert done.returncode in (69, 77, 78) and done.stderr.startswith("lifesign: ") and directory in done.stderr
    assert "choose another --dir" in done.stderr or "of its own" in done.stderr
    if kind == "join is a file":
        with open(f"{directory}/join", encoding="ascii") as f:
            assert f.read() == "text"


def test_closed_standard_descriptors_do_no_harm(place):
    def close_all():
        for fd in (0, 1, 2):
            os.close(fd)
    agent = Agent(place=place, preexec=close_all, options=["--log-file", f"{place.path}/log"])
    try:
        one = agent.start(["/bin/sleep", "1000"], service="s")
        agent.has("s", one.pid)
        wait_until(lambda: "s has joined" in open(f"{place.path}/log", encoding="utf-8").read(), 15)
    finally:
        agent.close()


def test_who_is_asked_at_each_start_comes_first_and_nobody_else(agent):
    one = agent.start(["/bin/sleep", "1000"], service="s")
    agent.has("s", one.pid)
    worker = agent.status()["agent"]["pid"]
    assert [os.getpriority(os.PRIO_PROCESS, pid) for pid in (agent.pid, worker, one.pid)] == [-10, os.nice(0), os.nice(0)]


# ---- seccomp

CONFINED = os.path.join(SUPPORT, "run_confined")


def test_a_filter_of_its_own_stands_aside(agent):
    """Outside of containers pid 1 has none: whatever a service has is its own."""
    one = agent.start([CONFINED, "/bin/sleep", "1000"], service="s", env={"LD_PRELOAD": None, "LIFESIGN_DIR": None})
    two = agent.start(["/bin/sh", "-c", f"exec {CONFINED} env LD_PRELOAD={SHIM} LIFESIGN_DIR={agent.dir} sleep 1000"], service="s",
                      env={"LD_PRELOAD": None, "LIFESIGN_DIR": None})
    wait_until(lambda: is_mapped(two.pid) and lifesign.comm(two.pid) == "sleep", 15, two.said)
    holds_for(lambda: agent.names() == [], 1, agent.said)
    assert one.process.poll() is None


def test_a_container_s_filter_does_not_keep_it_out(agent):
    """Pid 1 under the profile, and a child of it with the same one: both join. One with more of its own does not."""
    script = ("import os, subprocess, time\nsubprocess.Popen(['sleep', '1000'])\npreload = os.environ.pop('LD_PRELOAD')\n"
              f"subprocess.Popen([{CONFINED!r}, 'env', 'LD_PRELOAD=' + preload, 'sleep', '1001'])\ntime.sleep(1000)\n")
    boxed(agent, [PYTHON, "-c", script], "first", wrap=[CONFINED])
    wait_until(lambda: agent.names() == ["first"], 10, lambda: (agent.names(), agent.said()))

    def two_of_three():
        return agent.status("first")["workers"]["live"] == 2
    wait_until(two_of_three, 10, lambda: agent.status("first"))
    holds_for(two_of_three, 1, lambda: agent.status("first"))
