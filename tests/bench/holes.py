# SPDX-License-Identifier: Apache-2.0
"""Dependencies that hang, and can be healed: redis as far as PING goes, on one thread that serves all of them."""
import contextlib
import selectors
import socket
import threading
import time


class Holes:
    """So many ports: every other one accepts and never answers, the rest do not even accept. heal(): all answer."""

    def __init__(self, count):
        self.selector = selectors.DefaultSelector()
        self.lock, self.over = threading.Lock(), threading.Event()
        self.healed, self.heard = False, []  # when somebody came
        self.waiting, self.fillers = [], []
        self.listeners = [self.listen(number) for number in range(count)]
        self.ports = [listener.getsockname()[1] for listener in self.listeners]
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def listen(self, number):
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        mute = number % 2 == 1
        listener.listen(0 if mute else 128)
        listener.setblocking(False)
        if mute:  # one fills the queue; who comes then is not even answered
            for _ in range(2):
                filler = socket.socket()
                filler.setblocking(False)
                filler.connect_ex(listener.getsockname())
                self.fillers.append(filler)
        else:
            self.selector.register(listener, selectors.EVENT_READ, self.accept)
        return listener

    def accept(self, listener):
        with contextlib.suppress(BlockingIOError):
            connection, _ = listener.accept()
            connection.setblocking(False)
            self.heard.append(time.monotonic())
            self.selector.register(connection, selectors.EVENT_READ, self.read)

    def read(self, connection):
        try:
            data = connection.recv(4096)
            if data and self.healed:
                connection.sendall(b"+PONG\r\n" * max(1, data.count(b"PING")))
            if data:
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        self.selector.unregister(connection)
        connection.close()

    def serve(self):
        while not self.over.is_set():
            with self.lock:
                for key, _ in self.selector.select(0.05):
                    key.data(key.fileobj)

    def heal(self):
        self.healed = True
        for filler in self.fillers:
            filler.close()
        with self.lock:
            for listener in self.listeners:
                listener.listen(128)
                if listener not in self.selector.get_map():
                    self.selector.register(listener, selectors.EVENT_READ, self.accept)
        return time.monotonic()

    def close(self):
        self.over.set()
        self.thread.join()
        for key in list(self.selector.get_map().values()):
            key.fileobj.close()
        for one in self.listeners + self.fillers:
            one.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
