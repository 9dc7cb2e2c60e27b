# SPDX-License-Identifier: Apache-2.0
"""postgres servers to be asked: with passwords, TLS, a standby, a pooler before it. The user is app, its password se#cret."""
import os
import shutil
import socket
import subprocess

from kinds import Server
from lifesign import accepts, clean_environment, free_port
from services import _postgres_programs
from services_more import once, tool, user_of

SECRET = "se#cret"
HBA = """local all all trust
host all locked 127.0.0.1/32 reject
hostssl all client 127.0.0.1/32 cert
host replication all 127.0.0.1/32 trust
host all all 127.0.0.1/32 scram-sha-256
"""
ROLES = f"""CREATE ROLE app LOGIN PASSWORD '{SECRET}'
CREATE ROLE locked LOGIN PASSWORD '{SECRET}'
CREATE ROLE client LOGIN
CREATE ROLE crowd LOGIN PASSWORD '{SECRET}' CONNECTION LIMIT 0
"""


def _as_postgres():
    return ["/usr/bin/setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.getuid() == 0 else []


def _make_cluster(path):
    os.makedirs(path)
    if user_of("postgres"):
        shutil.chown(path, "postgres", "postgres")
    tool(*_as_postgres(), f"{_postgres_programs()}/initdb", "-D", path, "-A", "trust", "-U", "postgres", "--no-sync", "-E", "UTF8",
         "--locale=C", seconds=180)
    tool(*_as_postgres(), f"{_postgres_programs()}/postgres", "--single", "-D", path, "postgres", stdin=ROLES)
    with open(f"{path}/pg_hba.conf", "w", encoding="ascii") as f:
        f.write(HBA)


class Postgres(Server):
    """`standby_of`: a Postgres whose data are copied while it does not run, or none; it need not run."""

    def __init__(self, place, plain, *options, standby_of=None, start=True, certificate=None):
        self.port = free_port()
        self.data = place.directory(f"pg{self.port}") + "/data"
        shutil.copytree(standby_of.data if standby_of else once("postgres", _make_cluster), self.data)
        self.sockets = place.directory(f"pgs{self.port}", owner=user_of("postgres"))
        words = ["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "shared_buffers=1MB", "-c", "max_wal_senders=10"]
        if standby_of:
            words += ["-c", f"primary_conninfo=host=127.0.0.1 port={standby_of.port} user=postgres", "-c", "wal_retrieve_retry_interval=100"]
            with open(f"{self.data}/standby.signal", "w", encoding="ascii"):
                pass
        if certificate:
            self.present(certificate)
            words += ["-c", "ssl=on", "-c", "ssl_cert_file=server.pem", "-c", "ssl_key_file=server.key", "-c", "ssl_ca_file=ca.pem"]
        if user_of("postgres"):
            tool("/bin/chown", "-R", "postgres:postgres", self.data)
        os.chmod(self.data, 0o700)
        command = [*_as_postgres(), f"{_postgres_programs()}/postgres", "-D", self.data, "-p", self.port, "-k", self.sockets, *words, *options]
        if start:
            super().__init__(plain, command, lambda: accepts(self.port) and self.answers())

    def answers(self):
        """Does it serve, or does it say that it will not?"""
        done = self.psql("select 1")
        return done.returncode == 0 or "not accepting" in done.stderr

    def psql(self, sql):
        return subprocess.run([f"{_postgres_programs()}/psql", "-h", self.sockets, "-p", str(self.port), "-U", "postgres", "-d",
                               "postgres", "-Atc", sql], env=clean_environment(), cwd="/", capture_output=True, text=True, timeout=90,
                              check=False)

    def say(self, sql):
        done = self.psql(sql)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def present(self, pair, authority=None):
        """Uses that certificate from the next reload on."""
        for source, name in ((pair[0], "server.pem"), (pair[1], "server.key"), (authority or os.path.dirname(pair[0]) + "/ca.pem", "ca.pem")):
            shutil.copy(source, f"{self.data}/{name}")
            os.chmod(f"{self.data}/{name}", 0o600)
            if user_of("postgres"):
                shutil.chown(f"{self.data}/{name}", "postgres", "postgres")

    def url(self, user=f"app:{SECRET.replace('#', '%23')}@", rest="/postgres", host="127.0.0.1"):
        return f"postgresql://{user}{host}:{self.port}{rest}"


class Bouncer(Server):
    def __init__(self, place, plain, postgres, **settings):
        self.port = free_port()
        top = place.directory(f"bouncer{self.port}", owner=user_of("postgres"))
        users = place.file(f"users{self.port}", f'"app" "{SECRET}"\n')
        lines = {"listen_addr": "127.0.0.1", "listen_port": self.port, "unix_socket_dir": top, "auth_type": "plain", "auth_file": users,
                 "pool_mode": "transaction", "server_login_retry": 1, "pidfile": f"{top}/pid", **settings}
        config = place.file(f"bouncer{self.port}.ini", f"[databases]\npostgres = host=127.0.0.1 port={postgres.port}\n[pgbouncer]\n" +
                            "".join(f"{key} = {value}\n" for key, value in lines.items()))
        super().__init__(plain, [*_as_postgres(), "/usr/sbin/pgbouncer", config], self.listens)

    def listens(self):
        """Without a login: its log would complain."""
        with socket.socket() as link:
            return link.connect_ex(("127.0.0.1", self.port)) == 0

    def url(self, user=f"app:{SECRET.replace('#', '%23')}@"):
        return f"postgresql://{user}127.0.0.1:{self.port}/postgres"
