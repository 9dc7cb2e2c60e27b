# ctest: nightly timeout=1800
# SPDX-License-Identifier: Apache-2.0
"""Ten thousand questions to each kind, most of them in vain: descriptors, threads and memory stay as they were."""
import pytest

from kinds import GROWTH, Faulty, Prober, closes_after, garbage, refused_port, silent
from test_kinds_frozen import SERVERS

FAULTS = {"closes": (closes_after(b"", wait=False), 3000), "garbage": (garbage, 3000), "silent": (silent, 500)}


def flat(prober, count, allowed):
    for _ in range(50):  # what is made once is made
        prober.ask()
    before, fds = prober.rss(), prober.fds()
    for number in range(count):
        result = prober.ask()
        assert result.said() in allowed, (number, result)
    assert (prober.fds(), prober.threads()) == (fds, 1)
    assert prober.rss() < before + GROWTH / 4, prober.rss() - before


@pytest.mark.parametrize("kind", SERVERS)
def test_ten_thousand_questions_leave_nothing_behind(place, plain, kind):
    for fault, (treat, count) in FAULTS.items():
        with Faulty(treat) as server, Prober(place, {"kind": kind, "url": f"127.0.0.1:{server.port}"}, timeout=0.05 if fault == "silent" else 2) as prober:
            flat(prober, count, ("timeout",) if fault == "silent" else ("protocol_error",))
    with Prober(place, {"kind": kind, "url": f"127.0.0.1:{refused_port()}"}) as prober:
        flat(prober, 1500, ("refused",))
    server = SERVERS[kind](place, plain)
    with Prober(place, {"kind": kind, "url": server.url()}) as prober:
        prober.until("up")
        flat(prober, 2000, ("up",))
