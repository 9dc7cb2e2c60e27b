# SPDX-License-Identifier: Apache-2.0
"""Programs of Python, node, Java and Ruby that must stay alive, see alive.py; the programs are programs/alive.*."""
import os
import random
import signal
import socket
import struct

import services
import services_languages
from alive import Scene, Silent
from faults_inject import Clients, get
from lifesign import accepts, comm, descendants, free_port
from services import Service
from services_languages import PROGRAMS
from services_more import LOCAL, once, tool

NICE = ["/usr/bin/nice", "-n", "10"]  # those that use a whole core leave the other services theirs


def program(name, words, port, beside=None, ping=None):
    """beside: what it talks to."""
    service = Service(name, [str(word) for word in words], port, ping or (lambda: accepts(port)), None)
    if beside:
        service.beside, service.close = beside, beside.close
    return service


def python(scene, beside=None, nice=False):
    """beside(): what it talks to, made for each."""
    def make(_place):
        port, peer = free_port(), beside() if beside else None
        return program("python3", [*(NICE if nice else []), "/usr/bin/python3", f"{PROGRAMS}/alive.py", scene, port,
                                   *([peer.port] if peer else [])], port, peer)
    return make


def clients_come(stage):
    stage.repeat(lambda: stage.link(b"line\n").close())
    yield


# ---- queue workers

def jobs():
    return Silent(greeting=b"job\n" * 1000)


def unread(port):
    """Do connections to that port have bytes that nobody has read?"""
    with open("/proc/net/tcp", encoding="ascii") as f:
        rows = [line.split() for line in f][1:]
    return any(row[2].endswith(f":{port:04X}") and row[4].split(":")[1] != "00000000" for row in rows)


def has_more_jobs(stage):
    stage.until(lambda: unread(stage.service.beside.port))
    stage.repeat(lambda: stage.link(b"line\n").close())
    yield


def waits_for_jobs(stage):
    stage.until(lambda: stage.service.beside.asked > 0)
    yield


def silent_clients(stage):
    """More of them than threads; each keeps one busy."""
    clients = stage.keep(Clients(stage.port, 12, b"half a li"))
    yield
    clients.close()


# ---- dependencies

def database():
    """It answers each connection once, until it dies."""
    return Silent(greeting=b"row\n")


def dead_database(stage):
    """Clients whose requests wait for a database that says nothing; then it is gone, and they are answered."""
    stage.service.beside.greeting, before = b"", stage.service.beside.asked
    if "reactor" not in stage.scene.name:
        stage.seen_in("accept4", 1 + 3 * ("all" in stage.scene.name))
    clients = stage.keep(Clients(stage.port, 10, b"line\n"))
    stage.until(lambda: stage.service.beside.asked > before)
    yield
    stage.service.beside.close()
    clients.close()


class Reserved:
    """A port that a program of the service will listen on."""

    def __init__(self):
        self.port = free_port()

    def close(self):
        pass


def busy_inside(stage):
    """One client is served for ever, others wait."""
    stage.link(b"line\n")
    stage.seen_in("recv")
    clients = stage.keep(Clients(stage.port, 5, b"line\n"))
    yield
    clients.close()


class SilentNames(Silent):
    """A DNS server on an address of its own that never answers: 28 s until a resolver gives up."""

    def __init__(self):
        self.address = f"127.{random.randrange(1, 250)}.{random.randrange(250)}.{random.randrange(1, 250)}"
        super().__init__(self.address, 53, socket.SOCK_DGRAM)


def with_silent_names(words):
    def make(place):
        port, server = free_port(), SilentNames()
        conf = place.file("resolv.conf", f"nameserver {server.address}\noptions timeout:7 attempts:4\n")
        inside = f'mount --bind {conf} /etc/resolv.conf && exec "$@"'
        service = program(words[0], ["/usr/bin/unshare", "--mount", "/bin/sh", "-c", inside, "sh", *words, port], port, server)
        return service
    return make


def looked_up(stage):
    """A client each second, until the server is gone and looking up fails at once."""
    request = get("/names") if "node" in stage.service.name else b"line\n"
    for _ in range(6):
        stage.link(request)
    stage.until(lambda: stage.service.beside.asked > 0)
    if "node" not in stage.service.name:
        stage.until(lambda: stage.threads("getaddrinfo"))
    yield
    stage.service.beside.close()


# ---- node

def node(scene, *options, nice=False):
    def make(_place):
        port = free_port()
        return program("node", [*(NICE if nice else []), "/usr/bin/node", *options, f"{PROGRAMS}/alive.js", scene, port], port)
    return make


def executes(stage):
    stage.link(get("/exec"))
    clients = stage.keep(Clients(stage.port, 5, get("/")))
    stage.until(lambda: any(comm(pid) == "sleep" for pid in descendants(stage.main())))
    yield
    clients.close()
    for pid in descendants(stage.main()):
        if comm(pid) == "sleep":
            os.kill(pid, signal.SIGKILL)


def inspected(place):
    debugger, service = free_port(), node("cluster", "--no-warnings")(place)
    service.command.insert(1, f"--inspect-brk=127.0.0.1:{debugger}")
    service.ping = lambda: accepts(debugger)
    return service


# ---- java

def compile_java(path):
    tool("javac", "-d", path, f"{PROGRAMS}/Alive.java", seconds=60)


def java(scene, *options):
    def make(_place):
        port = free_port()
        return program("java", [*NICE, "/usr/bin/java", "-XX:-UsePerfData", *options, "-cp", once("alive", compile_java), "Alive", scene, port],
                       port)
    return make


def examined(stage):
    """Threads printed and heaps dumped all the time."""
    def look():
        tool("jcmd", stage.pid, "Thread.print")
        tool("jcmd", stage.pid, "GC.heap_dump", "-overwrite", f"{stage.place.path}/heap")
    stage.pid = stage.main()
    stage.repeat(look, every=1)
    stage.until(lambda: stage.done > 0)
    yield


def debugged_java(place):
    port = free_port()
    service = java("park", f"-agentlib:jdwp=transport=dt_socket,server=y,suspend=n,address=127.0.0.1:{port}")(place)
    service.debugger = port
    return service


def suspended_by_debugger(stage):
    """All its threads stand where a debugger has stopped them, and clients come."""
    link = stage.link(b"JDWP-Handshake", port=stage.service.debugger, reads=14)

    def command(number):
        link.sendall(struct.pack(">IIBBB", 11, number, 0, 1, number))
        return link.recv(4096)
    command(8)
    clients = stage.keep(Clients(stage.port, 5, b"line\n"))
    yield
    command(9)
    clients.close()


# ---- ruby

RUBY_WORKER = """require "socket"
Thread.new { s = TCPServer.new("127.0.0.1", ARGV[0].to_i); loop { l = s.accept; l.write(l.gets.to_s.upcase); l.close } }
broker = TCPSocket.new("127.0.0.1", ARGV[1].to_i)
loop { broker.write("BRPOP jobs 0\\r\\n"); broker.gets }
"""


def ruby_worker(_place):
    port, broker = free_port(), Silent()
    return program("ruby", ["/usr/bin/ruby", "-e", RUBY_WORKER, port, broker.port], port, broker)


WAITS = ["dependency_wait"]  # whoever serves waits for somebody outside: no request is answered until he is back

SCENES = [
    Scene("gunicorn idle", "1 17 23", services_languages.gunicorn),
    Scene("python: C code that holds the GIL", "17", python("hold_gil", nice=True), clients_come,
          # the only thread that takes connections wants the lock for seconds: who connects now gets no answer, and
          # after a while the queue is full of them
          may=["pool_exhausted", "queue_full"]),
    Scene("python sleeps for a day", "17", python("long_sleep")),
    Scene("python: a parent in join", "17 23", python("join_children"), clients_come),
    Scene("python starts programs all the time", "24", python("spawn", nice=True)),
    Scene("celery-like worker in a long job, more jobs unread", "+ 17", python("queue_worker", jobs), has_more_jobs),
    Scene("celery-like worker that computes, more jobs unread", "+ 17", python("queue_worker_computes", jobs, nice=True), has_more_jobs),
    Scene("celery-like worker idle in BRPOP", "17", python("queue_worker_idle", Silent), waits_for_jobs),
    Scene("python: a loop that waits for a dead database", "20", python("single", database), dead_database, may=WAITS),
    Scene("python: all acceptors wait for a dead database", "20", python("pool_of_acceptors", database), dead_database,
          may=WAITS),
    Scene("python: a reactor whose clients wait for a dead database", "+ 20", python("reactor", database), dead_database),
    # nobody but the loop serves, so not ready is right; what it waits for is at work, or cannot be seen: never dead.
    # In its first second nobody knows yet that the other end of its socket is inside: dependency_wait
    Scene("python: a loop that waits for its child, which computes", "+ 17", python("child_computes", nice=True), busy_inside,
          may=["loop_blocked", *WAITS], heals=False),
    Scene("python: a loop that waits for a program that cannot be seen", "+ 32", python("unseen_backend", Reserved), busy_inside,
          may=["loop_blocked", "no_progress", *WAITS], heals=False),
    Scene("python: getaddrinfo in a loop, the DNS server silent", "+ 20",
          with_silent_names(["/usr/bin/python3", f"{PROGRAMS}/alive.py", "names"]), looked_up, may=WAITS),
    Scene("node: getaddrinfo in all threads of the pool, the DNS server silent", "+ 20",
          with_silent_names(["/usr/bin/node", f"{PROGRAMS}/alive.js", "names"]), looked_up),
    Scene("python: all threads of the pool wait for silent clients", "15", services_languages.python_threads, silent_clients),
    Scene("java: all threads of the pool wait for silent clients", "15", services_languages.java, silent_clients),
    # whoever is served is the only one: connections wait until he has said what he wants
    Scene("python: one silent client holds a server without threads", "15", services.python_http, silent_clients, may=WAITS),
    Scene("gunicorn: silent clients hold all workers", "15", services_languages.gunicorn, silent_clients, may=WAITS),
    Scene("node: a cluster idle", "18 23", node("cluster")),
    Scene("node: threads that compute and wait", "18", node("threads", nice=True)),
    # the loop, which is all there is, waits for its child: loop_blocked is not ready, and never dead for a child's sake
    Scene("node in execSync", "+ 18", node("exec"), executes, may=["loop_blocked", "no_progress"]),
    Scene("node waits for a debugger", "8", inspected, heals=False),
    # a pause holds its rows for a minute, and is one only while the collector gets half a CPU; this one never ends
    Scene("java collects garbage", "16", java("collect", "-XX:+UseSerialGC", "-Xmx1500m"), clients_come,
          may=["pool_exhausted", "queue_full"]),
    Scene("java loads classes", "16", java("load", "-Xmx128m"), clients_come),
    Scene("java with 1000 parked threads, printed and dumped", "16", java("park", "-Xmx128m"), examined),
    # it does not show as a tracer, and connections wait: not ready is right
    Scene("java suspended by a debugger", "8", debugged_java, suspended_by_debugger, may=["pool_exhausted", *WAITS]),
    Scene("ruby worker idle in BRPOP", "19", ruby_worker, waits_for_jobs),
    Scene("puma idle", "1 19", services_languages.puma),
]
