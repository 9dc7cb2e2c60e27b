# ctest: nightly timeout=3600
# SPDX-License-Identifier: Apache-2.0
"""64 dependencies of all kinds, none of which answers, not even the names' server: told at the same moment of each of a
hundred cycles in a row. For a quiet machine: what is measured is 50 ms."""
import statistics
import time

from depending import Depending, in_place_of_resolv_conf, mute_dns
from lifesign import Place, wait_until
from mixed_holes import Mixed

COUNT = 64
ROUNDS, CYCLES = 4, 25  # after thirty failures in a row a dependency is asked more seldom
LIMIT = 3.05


def failures(service):
    return {d["name"]: d["consecutive_failures"] for d in service.status()["dependencies"]}


class Cycles:
    """Seconds from a cycle's first connection to when all its failures could be read."""

    def __init__(self, service, holes):
        self.service, self.holes = service, holes

    def next(self):
        before = wait_until(lambda: len(found := failures(self.service)) == COUNT and found, 20, self.service.said)
        del self.holes.heard[:]
        began = wait_until(lambda: self.holes.heard and self.holes.heard[0], 20, self.service.said, every=0.002)
        late, seen = [], {}

        def left():
            now = failures(self.service)
            waiting = [name for name, was in before.items() if now[name] <= was]
            if time.monotonic() - began > LIMIT and not seen:
                seen.update(now)
                late.extend(waiting)
            return waiting
        wait_until(lambda: not left(), 20, self.service.said, every=0.005)
        return time.monotonic() - began, late


def test_a_hundred_cycles_end_at_their_deadline(run):
    seconds, late = [], []
    for _ in range(ROUNDS):
        place = Place()
        try:
            with Mixed(COUNT) as holes, mute_dns(place):
                service = Depending(run, place, holes.dependencies, wrap=in_place_of_resolv_conf(place),
                                    readiness={"periodSeconds": 4, "timeoutSeconds": 3, "failureThreshold": 1})
                cycles = Cycles(service, holes)
                wait_until(lambda which=service: all(failures(which).values() or [0]), 20, service.said)
                found = [cycles.next() for _ in range(CYCLES)]
                seconds += [took for took, _ in found]
                late += [(number, took, names[:4]) for number, (took, names) in enumerate(found) if names]
                service.run.close()
        finally:
            place.remove()
    seconds.sort()
    print(f"\n{len(seconds)} cycles: {seconds[0]:.3f} .. median {statistics.median(seconds):.3f} .. {seconds[-1]:.3f} s; late {late}")
    assert len(seconds) == ROUNDS * CYCLES and not late, late
