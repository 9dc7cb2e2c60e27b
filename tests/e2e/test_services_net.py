# ctest: timeout=400
# SPDX-License-Identifier: Apache-2.0
"""dnsmasq, named and sshd under `lifesign run`: real queries and logins, reloads, and sessions the shim cannot follow."""
import time

import pytest

import services_net
from lifesign import Place, Run, mapped, wait_until
from service_suite import EveryService, started

KINDS = {"dnsmasq": services_net.dnsmasq, "named": services_net.named, "sshd": services_net.sshd}


@pytest.fixture(scope="module", params=KINDS)
def pair(request):
    yield from started(KINDS[request.param])


class TestEach(EveryService):
    pass


def test_a_session_of_sshd_is_told_uncovered_in_two_seconds_and_outlives_a_restart():
    """sshd gives its sessions an environment of their own: they are outside, told with the reason, and accuse nobody."""
    place = Place()
    service = services_net.sshd(place)
    run = Run(service.command, place=place)
    session = None
    try:
        wait_until(service.ping, 60, run.said)
        session = service.session("echo here; exec sleep 300")
        wait_until(lambda: "here" in session.out(), 30, session.said)
        began = time.monotonic()

        def sleeper():
            return next((p for p in run.status()["processes"] if p["exe"] == "sleep"), None)
        wait_until(lambda: "(sleep) is not covered by the shim" in run.err(), 30, run.said)
        assert time.monotonic() - began < 6, "the contract says 2 s; this machine may be busy"
        assert "its parent scrubbed the environment" in run.err(), run.err()
        wait_until(lambda: (sleeper() or {}).get("coverage") == "outside", 30, sleeper)
        process = sleeper()
        assert process["role"] == "child" and not mapped(process["pid"]), process
        main = run.main()
        service.reload(main)
        wait_until(lambda: (run.process_of(main) or {}).get("coverage") == "shim" and mapped(main), 30, lambda: run.status()["processes"])
        assert sleeper()["pid"] == process["pid"], "the session goes on"
        assert service.answers()[1] == 7, "and others can be begun"
        assert run.get("/livez").headers["Lifesign-Verdict"] == "alive" and run.get("/readyz").status == 200, run.status()
        assert not any(entry["to"] == "dead" for entry in run.status()["events"]), run.status()["events"]
    finally:
        for one in (session, run):
            if one:
                one.close()
        place.remove()
