# SPDX-License-Identifier: Apache-2.0
"""A server that uses up what it may have: each word on standard input is done at once, and one of them ends it."""
import os
import socket
import sys
import threading
import time

listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("127.0.0.1", int(sys.argv[1])))
listener.listen(8)
held, memory, over = [], [], threading.Event()


def leak(count):
    for _ in range(count):
        threading.Thread(target=over.wait, daemon=True).start()
        time.sleep(0.01)


def answer(connection):
    try:
        connection.sendall(b"done")
    except OSError:
        pass  # it left while it waited


def serve():
    while True:
        connection, _ = listener.accept()
        word, _, count = connection.recv(100).decode().strip().partition(" ")
        if word == "files":
            held.extend(os.open("/dev/null", os.O_RDONLY) for _ in range(int(count)))
        elif word == "close":
            while held:
                os.close(held.pop())
        elif word == "memory":
            memory.append(b"x" * (int(count) << 20))
        elif word == "free":
            memory.clear()
        elif word == "threads":
            threading.Thread(target=leak, args=(int(count),), daemon=True).start()
        elif word == "pause":
            answer(connection)
            time.sleep(float(count))
        answer(connection)
        connection.close()


serve()
