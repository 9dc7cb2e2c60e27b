# SPDX-License-Identifier: Apache-2.0
"""A server as many are: the main thread accepts, a pool of four takes connections from a queue and answers lines."""
import queue
import socket
import sys
import threading

waiting = queue.Queue()


def work():
    while True:
        link = waiting.get()
        with link, link.makefile("rwb") as lines:
            for line in lines:
                lines.write(line.upper())
                lines.flush()


for _ in range(4):
    threading.Thread(target=work, daemon=True).start()
with socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=64) as listener:
    while True:
        waiting.put(listener.accept()[0])
