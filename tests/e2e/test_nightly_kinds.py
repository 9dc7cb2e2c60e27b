# ctest: asan nightly timeout=900
# SPDX-License-Identifier: Apache-2.0
"""Kinds that talk by themselves, hundreds of times with servers that are wrong: nothing grows, and then all is well again."""
import contextlib

import pytest

from kinds import GROWTH, Faulty, Prober, closes_after, drips, garbage, resets, silent

INFO = b'INFO {"server_id":"X"}\r\n'
KINDS = {
    "http": ({}, b"", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
    "nats": ({}, INFO, b"PONG\r\n"),
    "grpc": ({}, b"", b"\0\0\0\4\0\0\0\0\0"),
    "tcp": ({"send": "x", "expect": "yes"}, b"", b"yes"),
    "kafka": ({}, b"", b"\0\0\0\2"),
}


class Changing(Faulty):
    """A server whose treatment is another one from time to time, of old connections too."""

    def __init__(self):
        self.how = silent
        super().__init__(lambda connection: self.how(connection))

    def become(self, how):
        self.how = how
        old, self.connections = self.connections, []
        for one in old:
            with contextlib.suppress(OSError):
                one.close()


def answers(early, text):
    def treat(connection):
        connection.sendall(early)
        while connection.recv(65536):
            connection.sendall(text)
    return treat


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_grows_while_the_server_is_wrong(place, kind):
    keys, early, text = KINDS[kind]
    cycles = 40 if kind == "kafka" else 150
    with Changing() as server, Prober(place, {"kind": kind, "url": f"{kind}://127.0.0.1:{server.port}", **keys},
                                      timeout=0.1 if kind == "kafka" else 0.05) as prober:
        wrong = (silent, garbage, closes_after(b"", wait=False), closes_after(early + text[:-1]), drips(early + text), resets)
        measured = []
        for _ in range(3):
            for how in wrong:
                server.become(how)
                for _ in range(cycles // 3):
                    assert prober.ask().said() != "up"
            measured.append((len(prober.fds()), prober.threads(), prober.rss()))
        (fds, threads, rss), last = measured[0], measured[-1]
        assert last[0] <= fds + 1 and last[1] <= threads + 1 and last[2] <= rss + GROWTH // 2, measured
        if kind in ("nats", "tcp", "http"):
            server.become(answers(early, text))
            prober.until("up")
