# SPDX-License-Identifier: Apache-2.0
"""A redis whose loop sleeps while a client waits, for as long as it takes lifesign to find it out."""
import socket

from lifesign import wait_until
import services


def start(run, place, options=(), **rest):
    """(service, run), once it is known which thread is the loop."""
    service = services.redis(place, options=["--enable-debug-command", "yes"])
    started = run(service.command, options=options, **rest)
    wait_until(service.ping, 20, started.said)
    started.wait_ready()
    wait_until(lambda: any(t["role"] == "loop" for t in started.threads()), 10, started.status)
    return service, started


def sleep_until(service, found, seconds=(5, 20, 60)):
    """What found() returned first while the loop slept or just after: longer each time that it did not, as on a busy machine."""
    for length in seconds:
        with socket.create_connection(("127.0.0.1", service.port)) as link, socket.create_connection(("127.0.0.1", service.port)) as other:
            link.sendall(b"DEBUG SLEEP %d\r\n" % length)
            other.sendall(b"PING\r\n")  # the work that waits
            other.settimeout(0.05)
            what = answer = None
            while not answer:
                what = what or found()
                try:
                    answer = other.recv(100)
                except TimeoutError:
                    pass
            assert answer == b"+PONG\r\n"
            if what:
                return what
    raise AssertionError(f"not found in {sum(seconds)} s of sleep")
