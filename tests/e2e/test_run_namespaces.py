# ctest: timeout=200
# SPDX-License-Identifier: Apache-2.0
"""A service that lives in another network than its agent."""
import os

from lifesign import wait_until


def test_listeners_of_another_network_are_shown_with_their_queues(run):
    started = run(["unshare", "-n", "/usr/bin/redis-server", "--port", "7777", "--save", ""])
    main = started.main()
    wait_until(lambda: started.get("/readyz").status == 200, 60, started.status)
    assert os.readlink(f"/proc/{main}/ns/net") != os.readlink("/proc/self/ns/net")
    with open(f"/proc/{main}/maps") as maps:
        assert "liblifesign" in maps.read()

    def shown():
        return {row["address"]: row for row in started.status()["listeners"]}.get("0.0.0.0:7777")
    row = wait_until(shown, 60, started.status)
    assert row["backlog"] == 511 and row["pid"] == main
    with open("/proc/self/net/tcp") as ours:
        assert not [line for line in ours if ":1E61 00000000:0000 0A" in line]
    wait_until(lambda: [t["role"] for t in started.threads(main) if t["tid"] == main] == ["loop"], 60, started.status)
