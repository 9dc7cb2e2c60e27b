# SPDX-License-Identifier: Apache-2.0
"""What clients cost that ask for much and take it slowly. Not under a sanitizer: it is about time and memory."""
import re

import lifesign
from http_demo import Demo


def test_slow_takers_of_big_answers_cost_no_more_than_their_bound(place):
    """A body is in memory until it is taken. Beyond the bound of all such bodies the answer is 500; probes go on."""
    demo = Demo(place, *(f"service-with-a-rather-long-name-as-some-have-{i}=dead" for i in range(1000)), scenario=None)
    demo.say("still")
    takers = []

    def one_more_is_too_much():  # a slow machine closes the first ones before the last ones have come
        takers.append(demo.connect())
        takers[-1].sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return takers[-1].recv(1) and demo.ask("/metrics").status == 500
    lifesign.wait_until(one_more_is_too_much, 60, every=0)
    assert demo.ask("/services/service-with-a-rather-long-name-as-some-have-7/livez").status == 503
    with open(f"/proc/{demo.pid}/status", encoding="ascii") as f:
        peak = int(re.search(r"VmHWM:\s+(\d+)", f.read())[1]) << 10
    assert peak < 450 << 20
    for taker in takers:
        taker.close()
    lifesign.wait_until(lambda: demo.ask("/metrics").status == 200, 60)
    demo.close()
