# SPDX-License-Identifier: Apache-2.0
"""alive.py SCENE PORT [WORD]: programs that look stuck and are not, each serving lines of text on PORT; the table is at
the end. WORD is a port of somebody else, where a scene needs one."""
import asyncio
import ctypes
import mmap
import multiprocessing
import os
import re
import resource
import select
import socket
import subprocess
import sys
import threading
import time


def answer(link):
    with link, link.makefile("rwb") as lines:
        for line in lines:
            lines.write(line.upper())
            lines.flush()


def listen():
    return socket.create_server(("127.0.0.1", int(sys.argv[2])), backlog=64)


def serve(listener, each=answer):
    while True:
        try:
            each(listener.accept()[0])
        except OSError:  # whoever asked, or was asked, has gone
            pass


def beside(listener):
    threading.Thread(target=serve, args=(listener,), daemon=True).start()


def hold_gil():
    """Seconds at a time in C code, as ML and regular expressions do; a thread that would serve waits for the lock."""
    beside(listen())
    while True:
        re.match(r"(a+)+$", "a" * 26 + "b")


def long_sleep():
    beside(listen())
    time.sleep(86400)


def join_children():
    """The parent waits for its children for ever; one of them serves."""
    listener = listen()
    for _ in range(2):
        multiprocessing.Process(target=serve, args=(listener,), daemon=True).start()
    multiprocessing.active_children()[0].join()


def spawn():
    """subprocess, posix_spawn, system and fork all the time, from a thread beside the one that serves."""
    beside(listen())
    while True:
        subprocess.run(["/bin/true"], check=True)
        os.waitpid(os.posix_spawn("/bin/true", ["true"], os.environ), 0)
        os.system("true")
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)


def queue_worker():
    """Takes a job from a broker and works on it for long, though more have come; a thread serves metrics."""
    beside(listen())
    broker = socket.create_connection(("127.0.0.1", int(sys.argv[3])))
    while True:
        broker.recv(16)
        time.sleep(100000)


def queue_worker_computes():
    broker = socket.create_connection(("127.0.0.1", int(sys.argv[3])))
    beside(listen())
    broker.recv(16)
    while True:
        sum(range(10000))


def queue_worker_idle():
    """In BRPOP for ever."""
    broker = socket.create_connection(("127.0.0.1", int(sys.argv[3])))
    beside(listen())
    while broker.send(b"BRPOP jobs 0\r\n"):
        broker.recv(4096)


def ask_database(link):
    """As answer(), after an answer of a database that may never come."""
    with socket.create_connection(("127.0.0.1", int(sys.argv[3]))) as database:
        database.sendall(b"question\n")
        database.recv(100)
    answer(link)


def single():
    serve(listen(), ask_database)


def pool_of_acceptors():
    """Four threads each take connections themselves."""
    listener = listen()
    for _ in range(3):
        threading.Thread(target=serve, args=(listener, ask_database), daemon=True).start()
    serve(listener, ask_database)


def reactor():
    """Each client waits for the database, the loop does not."""
    async def one(reader, writer):
        line = await reader.readline()
        upstream, database = await asyncio.open_connection("127.0.0.1", int(sys.argv[3]))
        database.write(line)
        writer.write(await upstream.readline())
    asyncio.run(_serve_with(one))


def loop(each):
    """Waits for connections by select(), as event loops do; each(line) answers, a line at a time."""
    listener = listen()
    while True:
        select.select([listener], [], [])
        with listener.accept()[0] as link:
            line = link.recv(100)
            if line:
                link.sendall(each(line))


def child_computes():
    """The loop waits for a child that computes, by a socket between them."""
    here, there = socket.socketpair()
    child = os.fork()
    if child == 0:
        there.recv(100)
        while True:
            sum(range(10000))

    def ask(line):
        here.sendall(line)
        return here.recv(100)
    loop(ask)


def unseen_backend():
    """The loop waits for a program of its own that lifesign cannot see into."""
    port = sys.argv[3]
    subprocess.Popen(["/bin/busybox", "nc", "-l", "-p", port], stdin=subprocess.PIPE)
    backend = socket.socket()
    while backend.connect_ex(("127.0.0.1", int(port))) != 0:
        time.sleep(0.1)

    def ask(line):
        backend.sendall(line)
        return backend.recv(100)
    loop(ask)


def names():
    """A loop that looks up a name itself, as too many do."""
    async def one(reader, writer):
        try:
            socket.getaddrinfo("database.example" if await reader.readline() else "localhost", 5432)
        except OSError:
            pass
        writer.write(b"DONE\n")
    asyncio.run(_serve_with(one))


async def _serve_with(one):
    async with await asyncio.start_server(one, "127.0.0.1", int(sys.argv[2])) as server:
        await server.serve_forever()


def thrash():
    """Reads and writes more pages of a file than its memory limit holds; another thread serves."""
    beside(listen())
    size = 96 << 20
    with open("pages", "w+b") as f:
        f.truncate(size)
        pages = mmap.mmap(f.fileno(), size)
        at = 0
        while True:
            at = (at * 1103515245 + 12345) % size
            pages[at] = pages[at] + 1 & 255


def dump_core():
    """A child with much memory is written to disk, again and again."""
    beside(listen())
    resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    while True:
        child = os.fork()
        if child == 0:
            ctypes.memset(mmap_address(200 << 20), 7, 200 << 20)
            os.abort()
        assert os.WCOREDUMP(os.waitpid(child, 0)[1])
        time.sleep(2)


def mmap_address(size):
    memory = mmap.mmap(-1, size)
    KEPT.append(memory)
    return ctypes.addressof(ctypes.c_char.from_buffer(memory))


def late():
    """Is busy for a very long time before it listens."""
    while True:
        time.sleep(0.5)


KEPT = []
SCENES = {function.__name__: function for function in (
    hold_gil, long_sleep, join_children, spawn, queue_worker, queue_worker_computes, queue_worker_idle, single, pool_of_acceptors,
    reactor, child_computes, unseen_backend, names, thrash, dump_core, late)}
SCENES[sys.argv[1]]()
