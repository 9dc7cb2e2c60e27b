# ctest: asan timeout=180
# SPDX-License-Identifier: Apache-2.0
"""postgres: a primary, a standby, TLS, PgBouncer before it, and servers that are wrong on purpose."""
import contextlib
import os
import signal
import struct

import pytest

from kinds import GROWTH, Certificates, Faulty, Prober, ask, closes_after, faults, outlives, side_by_side
from kinds_postgres import SECRET, Bouncer, Postgres
from lifesign import wait_until


def longest(result):
    return max(result.phases, key=result.phases.get)


def misses(seen):
    return {name: result for name, result in seen.items() if result.said() != name.split()[0]}


def all_of(place, cases):
    """{name: (url, keys)} asked side by side; each name begins with what must be said."""
    seen = side_by_side({name: lambda d={"url": url, **keys}: ask(place, d) for name, (url, keys) in cases.items()}, workers=4)
    assert misses(seen) == {}
    return seen


@pytest.mark.parametrize("rest, start, silent", [("?sslmode=disable", b"R\0\0\0\x08\0\0", "auth"), ("?sslmode=require", b"S\x16\x03\x03", "tls")],
                         ids=["plain", "TLS"])
def test_every_fault_has_its_name_within_the_budget(place, rest, start, silent):
    seen = faults(place, lambda port: {"url": f"postgresql://app@127.0.0.1:{port}/{rest}"}, start, timeout=1.5)
    said = {fault: result.said() for fault, result in seen.items()}
    broken = said.pop("closes mid-answer")
    assert said == {"refused": "refused", "black hole": "connect_timeout", "silent": "timeout", "garbage": "protocol_error",
                    "drip": "timeout", "closes at once": "protocol_error", "resets": "protocol_error"}, seen
    assert broken == ("tls_error" if silent == "tls" else "protocol_error"), seen
    assert longest(seen["silent"]) == silent and longest(seen["black hole"]) == "connect", seen


def error_answer(state, text):
    body = b"SFATAL\0VFATAL\0C" + state + b"\0M" + text + b"\0\0"
    return b"E" + struct.pack(">I", len(body) + 4) + body


@pytest.mark.parametrize("state, said", [(b"53300", "saturated"), (b"57P03", "not_ready"), (b"57P01", "not_ready"), (b"28P01", "auth_failed"),
                                         (b"28000", "auth_failed"), (b"53200", "saturated"), (b"XX000", "protocol_error")])
@pytest.mark.parametrize("words", [b"words in any language: \xe8\xbf\x9e", b"password"], ids=["any", "misleading"])
def test_the_state_decides_not_the_words(place, state, said, words):
    with Faulty(closes_after(error_answer(state, words))) as server:
        result = ask(place, {"url": f"postgresql://app@127.0.0.1:{server.port}/?sslmode=disable"})
        assert result.said() == ("auth_failed" if said == "protocol_error" and words == b"password" else said), result
        assert state.decode() in result.detail


def test_what_the_answer_must_be(place, plain):
    postgres = Postgres(place, plain)
    secret = {"passwordFile": place.file("password", SECRET + "\n", mode=0o600)}
    over = {"passwordFile": place.file("wrong", "other", mode=0o600)}
    seen = all_of(place, {
        "up": (postgres.url(), {}),
        "up by name": (postgres.url(host="localhost"), {}),
        "up unix": (f"postgresql:///postgres?host={postgres.sockets}&port={postgres.port}&user=app", {}),
        "up passwordFile": (postgres.url("app@"), secret),
        "up primary": (postgres.url(), {"role": "primary"}),
        "up number": (postgres.url(), {"query": "SELECT 17 -- rows that wait", "min": 17, "max": 17, "role": "primary"}),
        "up truth": (postgres.url(), {"query": "SELECT NOT pg_is_in_recovery();", "min": 1}),
        "up many rows": (postgres.url(), {"query": "SELECT n, repeat('x', 1000) FROM generate_series(3, 1000000) n", "max": 3}),
        "up any answer": (postgres.url(), {"query": "SELECT 'text'"}),
        "threshold": (postgres.url(), {"query": "SELECT 17", "max": 16}),
        "protocol_error no number": (postgres.url(), {"query": "SELECT 'text'", "max": 16}),
        "protocol_error no row": (postgres.url(), {"query": "SELECT 1 WHERE false", "max": 16}),
        "protocol_error no such table": (postgres.url(), {"query": "SELECT count(*) FROM nothing", "max": 16}),
        "protocol_error COPY": (postgres.url(), {"query": "COPY pg_class TO STDOUT", "max": 16}),
        "auth_failed may not": (postgres.url(), {"query": "SELECT count(*) FROM pg_authid"}),
        "wrong_role writes": (postgres.url(), {"query": "SET transaction_read_only = on; CREATE TABLE t ()"}),
        "wrong_role": (postgres.url(), {"role": "replica"}),
        "auth_failed wrong": (postgres.url("app@"), over),
        "auth_failed none": (postgres.url("app@"), {}),
        "auth_failed nobody": (postgres.url("nobody@"), secret),
        "auth_failed rejected": (postgres.url("locked@"), secret),
        "saturated role": (postgres.url("crowd@"), secret),
        "not_ready no database yet": (postgres.url(rest="/later"), {}),
        "tls_error it has none": (postgres.url(rest="/postgres?sslmode=require"), {}),
        "refused no socket": (f"postgresql:///postgres?host={place.path}", {}),
    })
    assert (seen["up number"].value, seen["up truth"].value, seen["up many rows"].value, seen["up any answer"].value) == (17, 1, 3, None)
    assert seen["up"].phases["auth"] > 0
    assert not any(SECRET in repr(r) or "se%23cret" in repr(r) for r in seen.values())


def test_a_slow_question_does_not_go_on_in_the_server(place, plain):
    postgres = Postgres(place, plain)
    working = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep%' AND state = 'active' AND pid <> pg_backend_pid()"
    with Prober(place, {"url": postgres.url(), "query": "SELECT pg_sleep(60)"}, timeout=0.5) as prober:
        assert [prober.ask().said() for _ in range(3)] == ["timeout"] * 3
        wait_until(lambda: postgres.say(working) == "0", 30, lambda: postgres.say(working))


def test_primary_standby_and_promotion(place, plain):
    cold = Postgres(place, plain, start=False)
    shut = Postgres(place, plain, "-c", "hot_standby=off", standby_of=cold)
    standby = Postgres(place, plain, standby_of=cold)
    with contextlib.ExitStack() as stack:
        replica, primary = (stack.enter_context(Prober(place, {"url": standby.url(), "role": role})) for role in ("replica", "primary"))
        replica.until("up")
        assert primary.ask().said() == "wrong_role"
        assert ask(place, {"url": shut.url()}).said() == "not_ready"
        assert standby.say("SELECT pg_promote()") == "t"
        primary.until("up")
        assert replica.until("wrong_role").said() == "wrong_role"
        standby.say("ALTER SYSTEM SET default_transaction_read_only = on")
        standby.say("SELECT pg_reload_conf()")
        assert "read-only" in primary.until("wrong_role").detail


def test_full_and_ending_servers(place, plain):
    postgres = Postgres(place, plain, "-c", "max_connections=4", "-c", "superuser_reserved_connections=1", "-c", "autovacuum=off",
                        "-c", "max_wal_senders=0", "-c", "wal_level=minimal")
    with contextlib.ExitStack() as stack:
        last = Prober(place, {"url": postgres.url()})
        kept = [*(stack.enter_context(Prober(place, {"url": postgres.url()})) for _ in range(2)), last]
        assert [prober.ask().said() for prober in kept] == ["up"] * 3
        assert "53300" in ask(place, {"url": postgres.url()}).detail
        assert ask(place, {"url": postgres.url()}).said() == "saturated"
        last.close()
        other = stack.enter_context(Prober(place, {"url": postgres.url()}))
        other.until("up")
        os.kill(int(open(f"{postgres.data}/postmaster.pid", encoding="ascii").readline()), signal.SIGTERM)  # waits for its clients
        assert "57P03" in wait_until(lambda: (r := ask(place, {"url": postgres.url()})).said() == "not_ready" and r, 30).detail
        assert other.ask().said() == "up"


def test_tls_is_verified(place, plain):
    certificates = Certificates(place)
    postgres = Postgres(place, plain, certificate=certificates.right)
    ca, url = {"caFile": certificates.ca}, postgres.url(host="localhost")
    client = {"certFile": certificates.client[0], "keyFile": certificates.client[1]}
    os.chmod(certificates.client[1], 0o600)
    strict = url + "?sslmode=verify-full"

    def present(pair):
        postgres.present(pair)
        postgres.say("SELECT pg_reload_conf()")
        wait_until(lambda: len({ask(place, {"url": url, **ca}).said() for _ in range(2)} ^ {"tls_error"}) == 0, 30)
    all_of(place, {"up": (url, ca), "up address": (postgres.url(), ca), "up unasked": (url, {}), "up client": (url.replace(
        "app:se%23cret", "client"), {**ca, **client}), "auth_failed no client certificate": (url.replace("app:se%23cret", "client"), ca),
        "tls_error unknown authority": (strict, {})})
    assert ask(place, {"url": url, **ca}).phases["tls"] > 0
    present(certificates.wrong)
    all_of(place, {"tls_error wrong host": (url, ca), "up unverified": (url, {**ca, "tlsVerify": False})})
    present(certificates.expired)
    all_of(place, {"tls_error expired": (url, ca), "up unverified": (url, {**ca, "tlsVerify": False})})


def test_one_kept_connection_survives_kill_and_stop(place, plain):
    side_by_side({tls: lambda t=tls: keeps_one_connection(place, plain, t) for tls in (False, True)})


def keeps_one_connection(place, plain, tls):
    certificates = Certificates(place) if tls else None
    postgres = Postgres(place, plain, "-c", "log_connections=on", certificate=certificates.right if tls else None)
    keys = {"caFile": certificates.ca} if tls else {}
    with Prober(place, {"url": postgres.url(), "role": "primary", **keys}) as prober:
        prober.until("up")
        for _ in range(50):
            assert prober.ask().said() == "up"
        assert postgres.running.err().count("connection authorized: user=app") == 1
        outlives(postgres, prober, down=("refused", "not_ready", "protocol_error"))
        fds, rss = prober.fds(), prober.rss()
        for _ in range(300):
            assert prober.ask().said() == "up"
        assert prober.fds() == fds and prober.rss() < rss + GROWTH and prober.threads() == 1
        postgres.say("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'")
        prober.until("up")


def test_a_pooler_that_answers_for_a_dead_database(place, plain):
    postgres = Postgres(place, plain)
    bouncer = Bouncer(place, plain, postgres)
    with contextlib.ExitStack() as stack:
        ask_it = stack.enter_context(Prober(place, {"url": bouncer.url()}))
        role = stack.enter_context(Prober(place, {"url": bouncer.url(), "role": "primary"}))
        number = stack.enter_context(Prober(place, {"url": bouncer.url(), "query": "SELECT 17", "max": 17}))
        for prober in (ask_it, role, number):
            prober.until("up")
        assert ask(place, {"url": bouncer.url("app:wrong@")}).said() == "auth_failed"
        assert ask(place, {"url": bouncer.url("nobody:wrong@")}).said() == "auth_failed"
        with postgres.stopped():
            assert [ask_it.ask(1).said() for _ in range(2)] == ["timeout"] * 2
        ask_it.until("up")
        postgres.kill()
        assert ask_it.ask(1).said() in ("not_ready", "timeout", "protocol_error")
        assert ask_it.until("not_ready").said() == "not_ready"
        assert ask(place, {"url": bouncer.url()}).said() == "not_ready"
        postgres.start()
        for prober in (ask_it, role, number):
            prober.until("up")
        outlives(bouncer, ask_it)


def test_a_full_pooler(place, plain):
    bouncer = Bouncer(place, plain, Postgres(place, plain), max_client_conn=1)
    with Prober(place, {"url": bouncer.url()}) as kept:
        kept.until("up")
        assert ask(place, {"url": bouncer.url()}).said() == "saturated"


def test_answers_that_never_end_are_cut(place):
    def floods(start, more):
        def treat(connection):
            connection.recv(4096)
            connection.sendall(start)
            while True:
                connection.sendall(more)
        return treat
    login = b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I"
    row = b"D" + struct.pack(">IHI", 4 + 2 + 4 + 60000, 1, 60000) + b"x" * 60000
    def cut(treat):
        with Faulty(treat) as server, Prober(place, {"url": f"postgresql://app@127.0.0.1:{server.port}/?sslmode=disable"}, timeout=0.7) as prober:
            assert prober.ask().said() in ("protocol_error", "timeout")
            before = prober.rss()
            assert prober.ask().said() in ("protocol_error", "timeout")
            assert prober.rss() < before + 16 * GROWTH
    treats = (floods(login + b"T" + struct.pack(">IH", 6 + 20, 1) + b"a\0" + b"\0" * 18, row), floods(login, b"D\x7f\xff\xff\xff" + b"x" * 65536),
              floods(b"", b"N\0\0\0\x06x\0" * 1000), floods(login, b"S\0\0\0\x08a\0b\0" * 1000))
    side_by_side({number: lambda treat=treat: cut(treat) for number, treat in enumerate(treats)}, workers=2)


@pytest.mark.parametrize("url, complaint", [("postgresql://127.0.0.1/?sslmod=disable", "sslmod"), ("postgresql://a,b/db", "one host"),
                                            ("postgresql://127.0.0.1/?password=hunter%zz", "invalid percent-encoded token")])
def test_wrong_configurations_say_what_is_allowed(place, url, complaint):
    prober = Prober(place, {"url": url})
    assert prober.process.wait(10) > 2
    assert complaint in prober.complaint() and "hunter" not in prober.complaint()
