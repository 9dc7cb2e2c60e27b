# SPDX-License-Identifier: Apache-2.0
# ctest: timeout=240
"""Programs do the same with and without the shim: exit status, output, errno; and each of them had it."""
import glob
import os
import shutil
import subprocess

import pytest

from lifesign import clean_environment
from shim_host import CALLS, SHIM, SUPPORT, Host

JAVA = """public class Main { public static void main(String[] a) throws Exception {
  Thread t = new Thread(() -> System.out.println("thread")); t.start(); t.join();
  synchronized (a) { a.wait(1); } System.err.println("err"); System.exit(9); } }"""
PYTHON = """import subprocess, sys, threading, os, queue, socket, select, time
q = queue.Queue(); t = threading.Thread(target=lambda: [print(q.get()) for _ in range(3)]); t.start()
[q.put(i) for i in range(3)]; t.join(); a, b = socket.socketpair(); a.send(b'x'); print(b.recv(1))
print(subprocess.run(['sh', '-c', 'echo child; exit 5'], stdout=subprocess.PIPE)); time.sleep(.01)
pid = os.fork(); pid or os._exit(6); print(os.waitpid(pid, 0)[1]); sys.exit(4)"""
NODE = """const w = require('worker_threads'); console.log(process.version);
require('fs').readFile('/etc/passwd', (e, d) => { console.error(d.length > 0); process.exitCode = 7; });
require('child_process').exec('echo child', (e, out) => console.log(out));"""
PERL = "use threads; print threads->create(sub { 'joined' })->join, qq{\\n}; print `echo child`; exit 3"

POSTGRES = max(glob.glob("/usr/lib/postgresql/*/bin/postgres"), default="postgres")
PROGRAMS = {
    "true": ["true"], "false": ["false"], "echo": ["/bin/echo", "x"], "cat": ["cat", "/etc/passwd"],
    "sh": ["sh", "-c", "echo a | tr a b; (exit 3)"],
    "bash": ["bash", "-c", "echo $((1+1)); echo $(echo sub) >&2; cat <(echo here) | sort | uniq; trap 'echo trap' EXIT; exit 3"],
    "missing": ["cat", "/nonexistent"], "ls": ["ls", "-l", "/etc"], "find": ["find", "/etc/apt", "-name", "*.list"],
    "sort": ["sort", "--parallel=4", "/etc/services"], "tar": ["tar", "cf", "/dev/null", "/etc/apt"],
    "gzip": ["sh", "-c", "gzip -c /etc/services | gzip -dc | md5sum"], "awk": ["awk", "BEGIN { system(\"exit 2\"); print 1 }"],
    "timeout": ["timeout", "0.05", "sleep", "10"], "kill": ["sh", "-c", "kill -TERM $$"], "abort": ["bash", "-c", "kill -ABRT $$"],
    "python3": ["/usr/bin/python3", "-c", PYTHON], "perl": ["perl", "-e", PERL], "node": ["node", "-e", NODE],
    "java": ["java", "-Xshare:auto", "Main.java"], "javaversion": ["java", "-version"],
    "redis": ["redis-server", "--version"], "nginx": ["nginx", "-V"], "postgres": [POSTGRES, "--version"],
    "git": ["git", "ls-remote", "/nonexistent"], "gcc": ["gcc", "-dumpversion"], "make": ["make", "-j4", "-f", "Makefile"],
    "static": ["./static"], "staticpie": ["./static-pie"], "busybox": ["busybox", "echo", "x"], "getent": ["getent", "hosts", "localhost"], "env": ["env", "-i", "true"],
}
NEEDED = {"java": "java", "javaversion": "java", "static": "gcc"}
JOINS_NOT = {"static", "staticpie", "busybox"}


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    path = tmp_path_factory.mktemp("same")
    (path / "Main.java").write_text(JAVA)
    (path / "Makefile").write_text("all: a b c\n\t@echo all; exit 3\na b c:\n\t@echo $@ >$@.made\n")
    (path / "static.c").write_text('#include <stdio.h>\nint main(void) { puts("static"); return 8; }\n')
    for kind in ("static", "static-pie"):
        subprocess.run(["gcc", f"-{kind}", *(["-fPIE"] if kind == "static-pie" else []), "-o", path / kind, path / "static.c"], check=True)
    return path


def end_of(command, env, directory):
    process = subprocess.Popen(command, env=env, cwd=directory, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    out, err = process.communicate(timeout=60)
    return process.pid, (process.returncode, out, err)


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_ends_the_same(name, directory):
    command = PROGRAMS[name]
    assert shutil.which(command[0], path=os.environ["PATH"] + f":{directory}") or command[0].startswith("./"), f"install {command[0]}"
    host = Host(slots=1024)
    try:
        _, plain = end_of(command, clean_environment(), directory)
        for _ in range(5):  # a start that missed the 20 ms of the hand-over on a busy machine is the same, too, but proves less
            pid, shimmed = end_of(command, host.env(), directory)
            assert shimmed == plain
            if host.processes(pid) or name in JOINS_NOT:
                break
        _, absent = end_of(command, clean_environment({"LD_PRELOAD": SHIM}), directory)
        assert absent == plain
        assert bool(host.processes(pid)) == (name not in JOINS_NOT), "it ran without the shim"
        assert host.header.threads_refused == 0
    finally:
        host.close()


@pytest.mark.parametrize("program", ["shim_errno", "shim_errno-musl"])
def test_results_and_errno_are_libcs(program, tmp_path):
    host = Host()
    try:
        command = [f"{SUPPORT}/{program}"]
        _, plain = end_of(command, clean_environment(), tmp_path)
        pid, shimmed = end_of(command, host.env(), tmp_path)
        assert plain[0] == 0 and plain[1].count(b"\n") > 120
        assert shimmed[1].decode().splitlines() == plain[1].decode().splitlines()
        assert shimmed == plain
        assert host.processes(pid)
    finally:
        host.close()


def test_the_errno_table_holds_every_call():
    with open(os.path.join(os.path.dirname(__file__), "../support/shim_errno.c"), encoding="utf-8") as f:
        text = f.read()
    only_wait = {"pause", "sigsuspend", "sigwait", "cnd_wait", "cnd_timedwait", "pthread_cond_wait"}
    assert {call for call in CALLS if f"{call}(" not in text} == only_wait
