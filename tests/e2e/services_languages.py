# SPDX-License-Identifier: Apache-2.0
"""Servers of programs/ in their language's runtime: python3, node, java, ruby, and the prefork servers around them."""
import os
import shutil
import signal
import socket

from lifesign import free_port
from services_more import LOCAL, Served, by_signal, converse, exchange, once, tool, web_answers, web_load

PROGRAMS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "programs")
LINES = [b"hello\n", b"Two Words\n", b"\n", b"x" * 3000 + b"\n"]


def line_load(port, clients=4):
    """load(n): that many lines on `clients` connections that are open at the same time."""
    def load(requests=400):
        links = [socket.create_connection((LOCAL, port), 20) for _ in range(clients)]
        good = 0
        for _ in range(requests // clients):
            for link in links:
                link.sendall(b"abc\n")
            for link in links:
                link.settimeout(60)
                good += exchange(link, b"") == b"ABC\n"
        for link in links:
            link.close()
        return good
    return load


def _of_lines(name, command, port, rest):
    return Served(name, command, port, lambda: converse(port, *LINES), line_load(port), rest)


def python_threads(_place):
    port = free_port()
    return _of_lines("python3", ["/usr/bin/python3", f"{PROGRAMS}/threads.py", port], port,
                     ["main python3 listener idle accept4 1", "main python3 worker idle sem_wait 4"])


def python_asyncio(_place):
    port = free_port()
    return _of_lines("python3", ["/usr/bin/python3", f"{PROGRAMS}/aio.py", port], port,
                     ["main python3 loop idle epoll_wait 1", "main python3 worker idle sem_wait 1-8"])


def java(_place):
    port = free_port()
    classes = once("java", lambda path: tool("javac", "-d", path, f"{PROGRAMS}/Server.java", seconds=180))
    command = ["/usr/bin/java", "-Xmx64m", "-XX:+UseG1GC", "-XX:-UsePerfData", "-cp", classes, "Server", port]
    return _of_lines("java", command, port,
                     ["main java main sleep pthread_join 1", "main java listener idle accept 1",
                      "main pool-1-thread-* worker idle pthread_cond_wait 1-4", "main * worker idle pthread_cond_*wait|sem_wait 5+"])


def ruby(_place):
    port = free_port()
    return _of_lines("ruby", ["/usr/bin/ruby", f"{PROGRAMS}/server.rb", port], port,
                     ["main ruby loop idle ppoll 1", "main * worker idle pthread_cond_wait|ppoll 4"])  # one of them keeps the time for all


def node(_place):
    port = free_port()
    return Served("node", ["/usr/bin/node", f"{PROGRAMS}/server.js", port], port,
                  lambda: web_answers(port, ("/", "/file", "/hash", "/missing")), web_load(port, "/file"),
                  ["main node loop idle epoll_pwait|epoll_wait 1", "main * worker idle epoll_pwait|epoll_wait 1",
                   "main * worker idle pthread_cond_wait|sem_wait 5+"])


def gunicorn(place):
    port = free_port()
    command = ["/usr/bin/gunicorn", "--workers", 2, "--bind", f"{LOCAL}:{port}", "--chdir", PROGRAMS, "--worker-tmp-dir", place.path,
               "wsgi:app"]
    return Served("gunicorn", command, port, lambda: web_answers(port, ("/sum?a=1&b=41", "/", "/missing")),
                  web_load(port, "/sum?a=7", clients=4), ["main gunicorn main idle select 1", "worker gunicorn loop idle select 2"],
                  by_signal(signal.SIGHUP), env={"PYTHONDONTWRITEBYTECODE": "1"})


PUMA = ["{} puma_srv loop idle select {}", "{} puma_srv_tp_*|thread_pool.rb* worker idle pthread_cond_wait {}-8",
        "{} puma_reactor worker|loop idle epoll_wait {}",
        "{} puma_* worker|loop idle pthread_cond_timedwait|pthread_cond_wait|ppoll {}+"]


def _puma(place, rest, *options):
    port = free_port()
    home = place.directory(f"puma{port}")
    shutil.copy(f"{PROGRAMS}/config.ru", home)
    command = ["/usr/bin/puma", "--dir", home, "-b", f"tcp://{LOCAL}:{port}", "-t", "2:4", *options, "config.ru"]
    return Served("puma", command, port, lambda: web_answers(port), web_load(port), rest, env={"HOME": home})


def puma(place):
    """One process."""
    return _puma(place, ["main puma main idle ppoll 1", *(row.format("main", 1) for row in PUMA)])


def puma_cluster(place):
    """A master and two workers; USR1 replaces the workers one after the other."""
    rest = ["main puma main idle ppoll 1", "worker puma main idle ppoll 2", *(row.format("worker", 2) for row in PUMA)]
    service = _puma(place, rest, "-w", "2")
    service.reload = by_signal(signal.SIGUSR1)
    return service
