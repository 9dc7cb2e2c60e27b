# ctest: tsan timeout=400
# SPDX-License-Identifier: Apache-2.0
"""All kinds at once in one prober, each with every fault, while its plan changes: for ThreadSanitizer to look at."""
import contextlib
import ssl
import time

from depending import PROBER, Answers, Depending
from kinds import Certificates, Faulty, black_hole, closes_after, garbage, refused_port, resets, silent
from lifesign import SUPPORT, free_port, holds_for, wait_until
from mixed_holes import KINDS

FAULTS = {"garbage": garbage, "resets": resets, "silent": silent, "closes": closes_after(b"", wait=False)}
SECURE = {"redis": "rediss", "http": "https", "grpc": "grpcs", "tcp": "tls", "memcached": "memcached+tls"}  # from the first byte on
PERIOD = {"periodSeconds": 1, "timeoutSeconds": 0.4, "fastSeconds": 0.1, "failureThreshold": 20}


def kinds():
    """Without kafka where threads are watched: librdkafka starts its own by thrd_create, of which gcc's libtsan knows
    nothing, and crashes in the first call that it knows."""
    with open(PROBER, "rb") as f:
        watched = b"libtsan" in f.read()
    return {kind: keys for kind, keys in KINDS.items() if not (watched and kind == "kafka")}


def secured(stack, place):
    """{name: keys}: wrong behind TLS, or not even trusted, by the system's authorities, which threads share."""
    certificates = Certificates(place)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificates.right)
    port = stack.enter_context(Faulty(garbage, tls=context)).port
    trusts = {"trusted": {"caFile": certificates.ca}, "unverified": {"tlsVerify": False}, "unknown": {}, "unknown-too": {}}
    return {f"{kind}-{name}": {"url": f"{scheme}://localhost:{port}", **trust, **({"expect": "x"} if kind == "tcp" else {})}
            for kind, scheme in SECURE.items() for name, trust in trusts.items()}


def dependencies(stack, place):
    """{name: keys}: each kind with each fault, half of them by a name, and some that are up."""
    ports = {fault: stack.enter_context(Faulty(treat)).port for fault, treat in FAULTS.items()}
    ports["hole"] = stack.enter_context(black_hole())
    ports["refused"] = refused_port()
    found = secured(stack, place)
    for kind, keys in kinds().items():
        for number, (fault, port) in enumerate(ports.items()):
            one = keys(port)
            if number % 2 and kind not in ("dns", "exec"):
                one["url"] = one["url"].replace("127.0.0.1", "localhost")
            found[f"{kind}-{fault}"] = one
    up = stack.enter_context(Answers())
    found["tcp-up"] = {"url": f"tcp://localhost:{up.port}", "send": "PING\\n", "expect": "PONG"}
    page = stack.enter_context(Faulty(closes_after(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")))
    found["http-up"] = {"url": f"http://localhost:{page.port}/"}
    found["exec-up"] = {"kind": "exec", "command": ["/bin/true"]}
    return found


def test_nothing_of_it_is_a_race(run, place):
    with contextlib.ExitStack() as stack:
        every = [{"name": name, **keys} for name, keys in dependencies(stack, place).items()]
        service = Depending(run, place, every, readiness=PERIOD, command=[f"{SUPPORT}/tiny_server", free_port()])

        def told():
            return {d["name"]: d["status"] for d in service.status()["dependencies"] if d["consecutive_failures"] + d["consecutive_successes"]}
        for turn in range(3):
            wanted = [one for number, one in enumerate(every) if number % 3 != turn or one["name"].endswith("-up")]
            service.write(wanted, readiness=PERIOD)
            names = {one["name"] for one in wanted}
            wait_until(lambda all_of=names: told().keys() == all_of, 90, lambda all_of=names: (told().keys() ^ all_of, service.run.err()))
            until = time.monotonic() + 2  # two cycles, and what is asked again in between
            holds_for(lambda: "Sanitizer" not in service.run.err(), until - time.monotonic(), service.run.err)
        assert {name for name, status in told().items() if status == "up"} <= {"tcp-up", "http-up", "exec-up"}
        for name in ("tcp-up", "http-up"):
            service.until(name, "up", seconds=30)
        service.run.stop()
        assert "Sanitizer" not in service.run.err() and "was ended by signal" not in service.run.err(), service.run.err()
