# SPDX-License-Identifier: Apache-2.0
"""Databases, caches and queues that must stay alive, see alive.py."""
import os
import socket
import struct
import subprocess

import services
import services_more
from alive import Scene, Silent
from faults_inject import Clients, Disk
from lifesign import accepts, clean_environment, free_port, wait_until
from services_more import LOCAL, exchange, once, tool


# ---- redis

def redis_with(*options):
    return lambda place: services.redis(place, options=options)


def redis_say(stage, line):
    with stage.link() as link:
        return exchange(link, line + b"\r\n", b"\r\n")


def benchmarked(stage):
    stage.plain("/usr/bin/nice", "/usr/bin/redis-benchmark", "-p", stage.port, "-c", 50, "-l", "-n", 100000, "-t", "set,get", "-q")
    stage.until(lambda: int(redis_say(stage, b"DBSIZE")[1:]) > 0)
    yield


def saving(stage):
    """Forks and writes all the time, the child being a copy with all threads but one missing."""
    redis_say(stage, b"DEBUG POPULATE 200000 key 100")
    stage.repeat(lambda: redis_say(stage, b"BGSAVE"))
    stage.until(lambda: stage.done > 1 and os.path.exists(f"{stage.place.path}/redis/dump.rdb"))
    yield


def waiting_clients(stage):
    """BLPOP, SUBSCRIBE, and CLIENT PAUSE before which commands pile up."""
    stage.link(b"BLPOP nothing 0\r\n" * 20)
    stage.link(b"SUBSCRIBE news\r\n", reads=1)
    stage.link(b"MONITOR\r\n", reads=1)
    control = stage.link(b"CLIENT PAUSE 600000 ALL\r\n", reads=5)
    for _ in range(5):
        stage.link(b"SET key value\r\n" * 100)
    yield
    control.sendall(b"CLIENT UNPAUSE\r\n")


def loading(place):
    """Its file takes minutes to load; in between it serves."""
    service = services.redis(place, options=("--key-load-delay", "4000", "--loading-process-events-interval-bytes", "8192"))
    os.link(once("redis", make_dump) + "/dump.rdb", f"{place.path}/redis/dump.rdb")
    service.ping = lambda: b"loading:1" in services._redis_say(service.port, b"INFO", b"persistence")
    return service


def make_dump(path):
    os.mkdir(path)
    port = free_port()
    with subprocess.Popen(["/usr/bin/redis-server", "--port", str(port), "--bind", LOCAL, "--dir", path, "--save", "", "--rdbcompression",
                           "no", "--enable-debug-command", "yes"], env=clean_environment(), stdout=subprocess.DEVNULL) as server:
        try:  # on a busy disk it may take long
            wait_until(lambda: accepts(port), 60, "redis-server never began")
            for words in (("DEBUG", "POPULATE", "200000", "key", "200"), ("SAVE",)):
                tool("/usr/bin/redis-cli", "-p", port, *words, seconds=120)
        finally:
            server.terminate()


def is_loading(stage):
    stage.until(lambda: b"loading:1" in services._redis_say(stage.port, b"INFO", b"persistence"))
    yield


def replica(place):
    master = Silent()
    service = services.redis(place, options=("--replicaof", LOCAL, str(master.port)))
    service.master, service.close = master, master.close
    return service


def has_silent_master(stage):
    stage.until(lambda: stage.service.master.asked > 0)
    yield


def redis_on_disk(place):
    disk = Disk(place)
    try:
        service = services.redis(place, options=("--appendonly", "yes", "--appendfsync", "always", "--dir", disk.path))
    except BaseException:
        disk.close()
        raise
    service.disk, service.close = disk, disk.close
    return service


def stalled_disk(stage):
    stage.service.disk.hang()
    stage.stack.callback(stage.service.disk.heal)  # before its processes are ended
    for _ in range(3):
        stage.link(b"SET key value\r\n")
    stage.until(lambda: any(t["op"] in ("write", "fdatasync", "fsync") for t in stage.run.threads()))
    yield
    stage.service.disk.heal()


# ---- memcached

def memcached_of_forty(place):
    service = services_more.memcached(place)
    service.command += ["-c", "40", "-o", "no_maxconns_fast"]
    return service


def at_its_limit(stage):
    """It takes no more connections, on purpose, and makes its backlog 0: the few that the kernel still took wait."""
    clients = stage.keep(Clients(stage.port, 60))
    stage.until(lambda: any(listener["queue"] > 0 for listener in stage.run.status()["listeners"]))
    yield
    clients.close()


# ---- postgres

class Session:
    """A connection to postgres that need not be read; `said` is what came back."""

    def __init__(self, stage, sql=None):
        user = b"user\0" + (b"postgres" if os.getuid() == 0 else os.environ.get("USER", "").encode()) + b"\0database\0postgres\0\0"
        self.link = stage.link(struct.pack(">II", 8 + len(user), 196608) + user, reads=0)
        self.read(b"Z\0\0\0\5")
        if sql:
            self.begin(sql)

    def read(self, ends):
        got = b""
        while ends not in got:
            data = self.link.recv(65536)
            assert data, got
            got += data
        return got

    def begin(self, sql):
        text = sql.encode() + b"\0"
        self.link.sendall(b"Q" + struct.pack(">I", 4 + len(text)) + text)

    def say(self, sql):
        self.begin(sql)
        return self.read(b"Z\0\0\0\5")


def active(stage, like):
    return int(stage.service.say(f"select count(*) from pg_stat_activity where {like}").stdout or 0)


def sql_waits(stage):
    """pg_sleep, fifty that wait for a table, and two that deadlock each second until postgres ends one of them."""
    stage.service.say("create table held (n int); create table a (n int); create table b (n int); insert into a values (1); "
                      "insert into b values (1)")
    owner = Session(stage)
    owner.say("begin; lock table held")
    for _ in range(50):
        Session(stage, "select * from held")
    Session(stage, "select pg_sleep(3600)")
    Session(stage).say("begin; select 1")  # idle in transaction
    one, two = Session(stage), Session(stage)

    def deadlock():
        one.say("begin; update a set n = n")
        two.say("begin; update b set n = n")
        one.begin("update b set n = n")
        two.say("update a set n = n")
        two.say("rollback")
        one.read(b"Z\0\0\0")
        one.say("rollback")
    stage.repeat(deadlock)
    stage.until(lambda: active(stage, "wait_event_type = 'Lock'") >= 50 and stage.done > 0)
    yield


def maintenance(stage):
    """VACUUM FULL and CREATE INDEX while pgbench runs."""
    programs = services._postgres_programs()
    bench = [f"{programs}/pgbench", "-h", LOCAL, "-p", str(stage.port), "-U", "postgres" if os.getuid() == 0 else os.environ.get("USER", "")]
    tool(*bench, "-i", "-s", "3", "-q", "postgres", seconds=60)
    stage.plain("/usr/bin/nice", *bench, "-c", "8", "-T", "100000", "postgres")

    def maintain():
        for sql in ("vacuum full pgbench_accounts", "create index concurrently if not exists i on pgbench_accounts (bid)", "drop index i"):
            stage.service.say(sql)
    stage.repeat(maintain)
    stage.until(lambda: stage.done > 0)
    yield


def left_alone(stage):
    """Backends go on for clients that have gone: one by FIN, one by RST, one in the middle of a transaction."""
    sleeper, reset, owner = Session(stage, "select pg_sleep(3600)"), Session(stage, "select pg_sleep(3600)"), Session(stage)
    owner.say("create table kept (n int)")
    owner.say("begin; lock table kept")
    owner.begin("select pg_sleep(3600)")
    waiter = Session(stage, "select * from kept")
    stage.until(lambda: active(stage, "query like '%pg_sleep(3600)%' and state = 'active' and pid <> pg_backend_pid()") == 3)
    reset.link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    for one in (sleeper, reset, owner, waiter):
        one.link.close()
    stage.until(lambda: active(stage, "query like '%pg_sleep(3600)%' and state = 'active' and pid <> pg_backend_pid()") == 3)
    yield


def standby(place):
    primary = Silent()
    service = services.postgres(place, options=("-c", f"primary_conninfo=host={LOCAL} port={primary.port} user=postgres", "-c",
                                                "hot_standby=on"))
    with open(f"{place.path}/pg/standby.signal", "w", encoding="ascii"):
        pass
    if os.getuid() == 0:
        tool("/bin/chown", "postgres", f"{place.path}/pg/standby.signal")
    service.primary, service.close = primary, primary.close
    return service


def has_silent_primary(stage):
    stage.until(lambda: stage.service.primary.asked > 0)
    yield


# ---- mariadb

class Client:
    """As much of mariadb's protocol as a login without a password and a query without an answer need."""

    def __init__(self, stage, *queries):
        self.link = stage.link(reads=1)  # the greeting
        self.packet(struct.pack("<IIB23x", 0x88200, 1 << 24, 33) + b"root\0\0mysql_native_password\0", 1)
        for sql in queries[:-1]:
            self.packet(b"\3" + sql.encode())
            self.link.recv(65536)
        if queries:
            self.packet(b"\3" + queries[-1].encode())

    def packet(self, data, number=0):
        self.link.sendall(struct.pack("<I", len(data))[:3] + bytes([number]) + data)
        if number:
            answer = self.link.recv(65536)
            assert answer[4] == 0, answer


def mariadb(place):
    service = services_more.mariadb(place)
    service.command += ["--max-connections=700", "--thread-stack=192K"]
    return service


def mariadb_waits(stage):
    """SLEEP(3600), FTWRL with writers behind it, ALTER TABLE that waits, and 200 that are idle (600 take this machine
    as long to make as the scene lasts)."""
    Client(stage, "select sleep(3600)")
    Client(stage, "create database t", "create table t.n (a int)", "insert into t.n values (1)", "select 1")
    Client(stage, "begin", "select * from t.n", "select sleep(3600)")
    Client(stage, "flush tables with read lock", "select sleep(3600)")
    for _ in range(10):
        Client(stage, "insert into t.n values (2)")
    Client(stage, "alter table t.n add column b int")
    for _ in range(200):
        Client(stage)
    stage.until(lambda: len(stage.threads("poll")) >= 200)
    yield


def all_locked_out(stage):
    """Whoever is connected waits for a lock that a sleeper holds."""
    Client(stage, "create database t", "create table t.n (a int)", "flush tables with read lock", "select sleep(3600)")
    for _ in range(10):
        Client(stage, "insert into t.n values (2)")
    stage.until(lambda: len(stage.threads("pthread_cond_timedwait")) >= 11)
    yield


DEBUGGED = ("--enable-debug-command", "yes")

SCENES = [
    Scene("redis idle", "1", services.redis),
    Scene("redis under its benchmark", "2", services.redis, benchmarked),
    Scene("redis saves all the time", "13", redis_with(*DEBUGGED), saving),
    Scene("redis with clients that wait or are paused", "13", services.redis, waiting_clients),
    Scene("redis loads its file", "13 31", loading, is_loading),
    Scene("redis is the replica of a silent master", "13 20", replica, has_silent_master),
    # its only thread is in write() or fdatasync(): io_wait after 10 s, for no client gets an answer
    Scene("redis with appendfsync always on a stalled disk", "+ 21", redis_on_disk, stalled_disk, may=["io_wait"]),
    # it has set its limit of descriptors to what its connections need, and has used them up: nobody else gets in
    Scene("memcached at its connection limit", "+", memcached_of_forty, at_its_limit, may=["fd_exhaustion", "queue_full"]),
    Scene("postgres with sleepers, lock waiters and deadlocks", "12", services.postgres, sql_waits),
    Scene("postgres under pgbench, VACUUM FULL and CREATE INDEX", "12 2", services.postgres, maintenance),
    Scene("postgres backends whose clients left", "+ 12", services.postgres, left_alone),
    Scene("postgres standby with a silent primary", "12 20", standby, has_silent_primary),
    Scene("mariadb whose clients all wait for one lock", "14", mariadb, all_locked_out),
    Scene("mariadb with sleepers, FTWRL, ALTER TABLE and idle connections", "14", mariadb, mariadb_waits),
]
