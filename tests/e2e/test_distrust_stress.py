# ctest: stress serial timeout=1200
# SPDX-License-Identifier: Apache-2.0
"""A million rounds of scribbling over the segment of a redis under load."""
import distrust
from distrust import SCRIBBLE, Watch, anonymous, redis_beside, unharmed

ROUNDS = 1_000_000
GROWTH_KB = 512  # allocators settle


def test_a_million_rounds(run, place):
    started, service = redis_beside(run, place, [SCRIBBLE, ROUNDS, 1], options=["--slots", "512"])
    agent = started.agent()
    loads, before = 0, None
    with Watch(started) as watch:
        while f"done {ROUNDS}" not in started.out():
            unharmed(started, service, rounds=10)
            loads += 1
            if loads == 50:  # everything was seen once
                before = anonymous(agent), anonymous(started.pid)
    watch.judge()
    assert started.agent() == agent
    after = anonymous(agent), anonymous(started.pid)
    print(f"{watch.answers} answers, the slowest {watch.slowest * 1000:.0f} ms; {loads} loads; "
          f"agent {before[0]} -> {after[0]} kB, supervisor {before[1]} -> {after[1]} kB")
    assert after[0] - before[0] < GROWTH_KB and after[1] - before[1] < GROWTH_KB, (before, after)
    distrust.end(started)
