# ctest: timeout=240
# SPDX-License-Identifier: Apache-2.0
"""postgres: a stopped backend that others wait for, a stopped postmaster, no connection slots left, a WAL volume that
hangs, forks that fail. Its backends are one for each connection: whatever becomes of them, the cluster takes new ones."""
import json
import os
import re
import subprocess

import services
from faults import at_once, fault, table  # noqa: F401 pylint: disable=unused-import
from faults_inject import Hanging, Stopped
from lifesign import children, clean_environment, wait_until
from services_more import tool


class Sessions:
    """psql processes that stay, each fed line by line."""

    def __init__(self, scene, service):
        self.scene, self.service, self.all = scene, service, []

    def open(self, sql):
        words = ["/usr/bin/psql", "-h", "127.0.0.1", "-p", str(self.service.port), "-U", "postgres", "-d", "postgres", "-At"]
        client = subprocess.Popen(words, env=clean_environment(), cwd="/", stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL, text=True)
        client.write = lambda more: print(more + ";", file=client.stdin, flush=True)
        client.write(sql)
        self.all.append(client)
        return client

    def open_all(self, count, sql):
        """As many as that, all served: who finds no slot, because the question of a probe has it, tries again."""
        def served():
            gone = [client for client in self.all if client.poll() is not None]
            self.all = [client for client in self.all if client not in gone]
            for client in gone:
                client.stdin.close()
            while len(self.all) < count:
                self.open(sql)
            return in_transactions(self.scene.run) == count
        wait_until(served, 20, self.scene.said, every=0.1)

    def close(self):
        for client in self.all:
            client.kill()
            client.wait()
            client.stdin.close()


def title(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            return f.read().decode(errors="replace")
    except OSError:
        return ""


def backends(run):
    """Pids of what serves connections, by their titles."""
    return [pid for pid in children(run.main()) if re.search(r"postgres: postgres postgres", title(pid))]


def in_transactions(run):
    return sum("idle in transaction" in title(pid) for pid in backends(run))


def asks_itself(service):
    """Configuration: as its own hard dependency, asked as a new client that writes: what only clients meet is known so."""
    words = ["/usr/bin/psql", "-h", "127.0.0.1", "-p", str(service.port), "-U", "postgres", "-d", "postgres", "-qc", "create temp table probe ()"]
    return ("readiness: {periodSeconds: 1, timeoutSeconds: 3, failureThreshold: 2}\n"
            f"dependencies: [{{name: itself, kind: exec, command: {json.dumps(words)}, class: hard}}]\n")


def asked(service, sql):
    return service.say(sql).stdout.strip()


def all_others_wait(service, pid):
    """For writing the log: whoever does that is the one that is stopped."""
    return asked(service, "select count(*) from pg_stat_activity where wait_event = 'WALWrite' and backend_type = 'client backend' "
                 f"and pid <> {pid}") == "3"


def stopped_with_a_lock(service, pids):
    for i in range(400):
        pid = pids[i % len(pids)]
        stopped = Stopped(pid)
        if all(all_others_wait(service, pid) for _ in range(3)):
            return stopped
        stopped.close()
    raise AssertionError("it never held the lock when it was stopped")


@fault
def test_fault_09_a_backend_that_holds_what_the_others_need_is_stopped(scene):
    """Found by trying: a backend is stopped in the middle of its commits until the others wait for what it holds."""
    service = services.postgres(scene.place, options=["-c", "fsync=on", "-c", "wal_sync_method=fdatasync"])
    run = scene.start(service, config=asks_itself(service))
    assert asked(service, "create table t(a int)") == "CREATE TABLE"
    sessions = scene.also(Sessions(scene, service))
    for _ in range(4):
        sessions.open("do $$ begin loop insert into t values (1); commit; end loop; end $$")
    wait_until(lambda: len(backends(run)) == 4, 20, scene.said)
    victim = scene.also(stopped_with_a_lock(service, backends(run)))
    scene.inject("SIGSTOP in a commit")
    assert asked(service, "select 1") == "1", "who only reads is served"
    reason = scene.unready("dependency_down")
    assert reason["detail"].startswith("timeout"), reason
    scene.stays(2, "dead")
    victim.close()
    scene.recovers()


@fault
def test_fault_10_the_postmaster_is_stopped(scene):
    service = services.postgres(scene.place)
    run = scene.start(service)
    stopped = scene.inject("kill -STOP postmaster", lambda: Stopped(run.main()))
    scene.also(stopped)
    scene.unready("suspended")
    scene.stays(6, "dead")
    assert "deadlock" not in str(scene.watch.seen)
    stopped.close()
    scene.recovers()
    assert service.ping()


@fault
def test_fault_11_all_connection_slots_are_idle_in_transactions(scene):
    """It takes each connection and says that it has no slot: its threads are all well."""
    service = services.postgres(scene.place, options=["-c", "max_connections=5", "-c", "superuser_reserved_connections=0",
                                                      "-c", "max_wal_senders=0"])
    scene.start(service, config=asks_itself(service))
    sessions = scene.also(Sessions(scene, service))
    scene.inject("max_connections reached", lambda: sessions.open_all(5, "begin; select 1"))
    assert "too many clients" in wait_until(lambda: service.say("select 1").stderr, 10)
    reason = scene.unready("dependency_down")
    assert reason["dependency"] == "itself" and "too many clients" in reason["detail"], reason
    scene.stays(4, "dead")


@fault
def test_fault_12_the_volume_of_its_log_hangs(scene):
    disk = scene.also(Hanging(scene.place, "postgres"))
    service = services.postgres(scene.place, options=["-c", "fsync=on"])
    log = f"{scene.place.path}/pg/pg_wal"
    tool("/bin/cp", "-a", f"{log}/.", disk.path)
    os.rename(log, log + ".old")
    os.symlink(disk.path, log)
    run = scene.start(service, config=asks_itself(service))
    assert asked(service, "create table t(a int)") == "CREATE TABLE"
    client = scene.also(Sessions(scene, service)).open("insert into t values (1)")
    wait_until(lambda: asked(service, "select count(*) from t") == "1", 10, scene.said)
    backend = backends(run)[0]
    disk.hang()
    scene.inject("FUSE daemon of pg_wal stopped", lambda: client.write("insert into t values (2)"))
    scene.unready("dependency_down")
    scene.stays(2, "dead")
    scene.explains(backend, "writes to", disk.path)
    disk.heal()
    scene.recovers()


@fault
def test_fault_13_forks_fail(scene):
    """The postmaster tells each client so, and goes on: its threads are all well."""
    service = services.postgres(scene.place)
    run = scene.start(service, config=asks_itself(service))
    scene.inject("prlimit --nproc=1", lambda: tool("/usr/bin/setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups",
                                                   "/usr/bin/prlimit", "--pid", run.main(), "--nproc=1:1"))
    service.say("select 1")
    wait_until(lambda: "could not fork" in run.err(), 10, scene.said)
    assert scene.unready("dependency_down")["dependency"] == "itself"
    scene.stays(4, "dead")
