# SPDX-License-Identifier: Apache-2.0
"""What clients cost that ask for much and take it slowly. Not under a sanitizer: it is about time and memory."""
import re

import lifesign
from http_demo import Demo


def test_slow_takers_of_big_answers_cost_no_more_than_their_bound(place):
    """A body is in memory until it is taken. Beyond the bound of all such bodies the answer is 500; probes go on."""
    demo = Demo(place, *(f"service-with-a-rather-long-name-as-some-have-{i}=dead" for i in range(1000)), scenario=None)
    demo.say("still")
    takers = [demo.connect() for _ in range(2 * (256 << 20) // len(demo.ask("/metrics").body))]
    for taker in takers:
        taker.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert taker.recv(1)
    lifesign.wait_until(lambda: demo.ask("/metrics").status == 500, 20)
    assert demo.ask("/services/service-with-a-rather-long-name-as-some-have-7/livez").status == 503
    with open(f"/proc/{demo.pid}/status", encoding="ascii") as f:
        peak = int(re.search(r"VmHWM:\s+(\d+)", f.read())[1]) << 10
    assert peak < 450 << 20
    for taker in takers:
        taker.close()
    lifesign.wait_until(lambda: demo.ask("/metrics").status == 200, 60)
    demo.close()
