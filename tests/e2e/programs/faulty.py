# SPDX-License-Identifier: Apache-2.0
"""faulty.py SCENE PORT [WORD]: servers with one fault in each, set off by the line "fault" or the path /fault; the table
is at the end."""
import asyncio
import ctypes
import http.server
import itertools
import os
import queue
import re
import socket
import sys
import threading
import time

C = ctypes.PyDLL(None)  # keeps the interpreter's lock
FREE = ctypes.CDLL(None)
LOCK_BYTES = 64
port = int(sys.argv[2])


def evil_match():
    re.match(r"(a+)+$", "a" * 60 + "b")


def files():
    """A server without threads; WORD is its directory."""
    def handler(*words):
        return http.server.SimpleHTTPRequestHandler(*words, directory=sys.argv[3])
    http.server.HTTPServer(("127.0.0.1", port), handler).serve_forever()


def pool(work, room=2):
    """The main thread accepts, four others work; there is room for few connections between them."""
    waiting = queue.Queue(room)

    def serve():
        while True:
            with waiting.get() as link, link.makefile("rwb") as lines:
                for line in lines:
                    work(line)
                    lines.write(line.upper())
                    lines.flush()
    for _ in range(4):
        threading.Thread(target=serve, daemon=True).start()
    with socket.create_server(("127.0.0.1", port), backlog=64) as listener:
        while True:
            waiting.put(listener.accept()[0])


def crossing(take, give, locks):
    """Every other "fault" takes the same two in the other order, and all lines take the first."""
    turns, both = itertools.count(), threading.Barrier(2)

    def work(line):
        if line == b"fault\n":
            first, second = locks if next(turns) % 2 else reversed(locks)
            take(first)
            both.wait()
            print("held", flush=True)
            take(second)
            give(second)
            give(first)
        take(locks[0])
        give(locks[0])
    return work


def python_locks():
    pool(crossing(lambda one: one.acquire(), lambda one: one.release(), [threading.Lock(), threading.Lock()]))


def real_locks():
    locks = [ctypes.create_string_buffer(LOCK_BYTES) for _ in range(2)]
    pool(crossing(FREE.pthread_mutex_lock, FREE.pthread_mutex_unlock, locks))


def fork_with_lock():
    """A process for each "fault", begun while another thread is inside a lock that the process wants then."""
    lock = ctypes.create_string_buffer(LOCK_BYTES)

    def hold():
        while True:
            FREE.pthread_mutex_lock(lock)
            time.sleep(0.5)
            FREE.pthread_mutex_unlock(lock)
            time.sleep(0.01)

    def work(line):
        if line == b"fault\n":
            time.sleep(0.1)
            if os.fork() == 0:
                FREE.pthread_mutex_lock(lock)
                FREE.pthread_mutex_unlock(lock)
                os._exit(0)
    threading.Thread(target=hold, daemon=True).start()
    pool(work)


def keep_gil():
    """A worker waits inside C code that keeps the interpreter's lock; WORD is a FIFO."""
    def work(line):
        if line == b"fault\n":
            C.open(sys.argv[3].encode(), os.O_RDONLY)
    pool(work)


def loop(fault):
    async def serve(reader, writer):
        while line := await reader.readline():
            if line == b"fault\n":
                fault()
            writer.write(line.upper())
            await writer.drain()
        writer.close()

    async def run():
        async with await asyncio.start_server(serve, "127.0.0.1", port) as server:
            await server.serve_forever()
    asyncio.run(run())


if __name__ == "__main__":
    {"files": files, "python_locks": python_locks, "real_locks": real_locks, "fork": fork_with_lock, "gil": keep_gil,
     "sleep": lambda: loop(lambda: time.sleep(600)), "regex": lambda: loop(evil_match)}[sys.argv[1]]()
