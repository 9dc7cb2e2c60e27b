# SPDX-License-Identifier: Apache-2.0
"""Real services from Debian on private ports and directories: each function prepares one and returns a Service,
whose command runs as it is or under `lifesign run` alike."""
import http.client
import os
import pwd
import socket
import subprocess

from lifesign import accepts, clean_environment, free_port


class Service:
    """command and env to start it; port it serves; ping(): does it answer? load(n): that many requests, all answered."""

    def __init__(self, name, command, port, ping, load, env=None):
        self.name, self.command, self.port = name, command, port
        self.ping, self.load, self.env = ping, load, env or {}


def _redis_say(port, *words):
    with socket.create_connection(("127.0.0.1", port), 10) as s:
        s.settimeout(20)
        s.sendall(b"".join([b"*%d\r\n" % len(words)] + [b"$%d\r\n%s\r\n" % (len(w), w) for w in words]))
        return s.recv(65536)


def redis(place, io_threads=4, options=()):
    port = free_port()
    data = place.directory("redis")
    command = ["/usr/bin/redis-server", "--port", port, "--bind", "127.0.0.1", "--dir", data, "--save", "",
               "--appendonly", "no", "--daemonize", "no", "--io-threads", io_threads, "--io-threads-do-reads", "yes", *options]

    def ping():
        try:
            return _redis_say(port, b"PING").startswith(b"+PONG")
        except OSError:
            return False

    def load(requests=2000, clients=20):
        """Pipelined on many connections at once, so that the io threads get work."""
        links = [socket.create_connection(("127.0.0.1", port), 20) for _ in range(clients)]
        share = requests // clients
        for link in links:
            link.settimeout(60)
            link.sendall(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n" * share)
        for link in links:
            got = b""
            while got.count(b"+OK\r\n") < share:
                data = link.recv(65536)
                assert data, "redis hung up"
                got += data
            link.close()
        return share * clients
    return Service("redis-server", [str(w) for w in command], port, ping, load)


def _http_service(name, command, port, env=None):
    def get():
        link = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        try:
            link.request("GET", "/")
            return link.getresponse().read() is not None
        finally:
            link.close()

    def ping():
        try:
            return get()
        except (OSError, http.client.HTTPException):
            return False

    def load(requests=200):
        return sum(get() for _ in range(requests))
    return Service(name, command, port, ping, load, env)


def nginx(place, daemon=False, workers=2, extra=""):
    port = free_port()
    top = place.directory("nginx", owner="www-data")
    place.file("nginx/www/index.html", "hello\n")
    user = "user www-data;" if os.getuid() == 0 else ""
    temp = "".join(f"{kind}_temp_path {top}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    config = place.file("nginx/nginx.conf", f"""
{user} daemon {'on' if daemon else 'off'}; worker_processes {workers}; pid {top}/pid; error_log {top}/error.log;
{extra}
events {{ worker_connections 256; }}
http {{ access_log off; {temp} server {{ listen 127.0.0.1:{port}; root {top}/www; }} }}
""")
    return _http_service("nginx", ["/usr/sbin/nginx", "-p", top, "-c", config, "-e", f"{top}/error.log"], port)


def python_http(place):
    port = free_port()
    place.file("www/index.html", "hello\n")
    command = ["/usr/bin/python3", "-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", f"{place.path}/www"]
    return _http_service("python3", command, port)


def _postgres_programs():
    top = "/usr/lib/postgresql"
    return os.path.join(top, max(os.listdir(top), key=float), "bin")


def postgres(place, options=()):
    """Refuses to run as root, so it is started through setpriv then."""
    port = free_port()
    programs = _postgres_programs()
    data = place.directory("pg", owner="postgres", mode=0o700)
    who = ["/usr/bin/setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.getuid() == 0 else []
    user = "postgres" if who else pwd.getpwuid(os.getuid()).pw_name
    subprocess.run([*who, f"{programs}/initdb", "-D", data, "-A", "trust", "-U", user, "--no-sync", "-E", "UTF8", "--locale=C"],
                   env=clean_environment(), cwd="/", check=True, capture_output=True, timeout=180)
    sockets = place.directory("pgsock", owner="postgres")
    command = [*who, f"{programs}/postgres", "-D", data, "-p", str(port), "-k", sockets, "-c", "listen_addresses=127.0.0.1",
               "-c", "fsync=off", *options]

    def say(sql):
        return subprocess.run([f"{programs}/psql", "-h", "127.0.0.1", "-p", str(port), "-U", user, "-d", "postgres", "-Atc", sql],
                              env=clean_environment(), cwd="/", capture_output=True, text=True, timeout=90, check=False)

    def ping():
        return accepts(port) and say("select 1").stdout == "1\n"

    def load(requests=20):
        return sum(say("select count(*) from pg_class").returncode == 0 for _ in range(requests))
    service = Service("postgres", command, port, ping, load)
    service.say = say
    return service
