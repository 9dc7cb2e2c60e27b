# SPDX-License-Identifier: Apache-2.0
"""Web servers, proxies and name servers that must stay alive, see alive.py."""
import os
import signal
import socket

import services
import services_more
import services_net
import services_web
from alive import Scene, Silent
from faults_inject import Clients, get
from lifesign import children

SLOW_CGI = "#!/bin/sh\necho Content-Type: text/plain\necho\nsleep 3600\n"


def change(path, *pairs):
    with open(path, encoding="utf-8") as f:
        text = f.read()
    for old, new in pairs:
        assert old in text, (old, text)
        text = text.replace(old, new)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


# ---- nginx

def nginx(place):
    """With room for many connections, and /slow behind a backend that never answers."""
    backend = Silent()
    service = services.nginx(place, extra="worker_rlimit_nofile 12000;")
    change(f"{place.path}/nginx/nginx.conf", ("worker_connections 256", "worker_connections 5000"),
           (f"root {place.path}/nginx/www;", f"""root {place.path}/nginx/www; keepalive_timeout 7200s; client_body_timeout 7200s;
           location /slow {{ proxy_pass http://127.0.0.1:{backend.port}; proxy_read_timeout 7200s;
           proxy_request_buffering off; client_max_body_size 0; }}"""))
    service.backend, service.close = backend, backend.close
    return service


def many(stage):
    """As the catalogue says with default limits, a tenth of it with short ones."""
    return 4000 if stage.seconds > 100 else 400


def keep_alive(stage):
    """Idle keep-alive connections by the hundred, an upload of some bytes a second, and one whose bytes stay unread,
    for the backend reads none."""
    for _ in range(many(stage)):
        stage.link(get("/"), reads=1)
    upload = stage.link(b"POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n")
    stage.repeat(lambda: upload.sendall(b"x" * 200))
    stuck = stage.link(b"POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n")
    stuck.setblocking(False)
    stage.until(lambda: is_full(stuck))
    yield


def is_full(link):
    try:
        return link.send(b"x" * 500000) < 0
    except BlockingIOError:
        return True


def benchmarked(stage):
    stage.plain("/usr/bin/nice", "/usr/bin/wrk", "-t", 2, "-c", 50, "-d", 100000, f"http://127.0.0.1:{stage.port}/")
    yield


def reloaded(stage):
    """Old workers stay for requests that their backend never answers; logs are reopened, and again."""
    pid = stage.main()

    def turn():
        links.append(stage.link(get("/slow")))
        before = len(children(pid))
        os.kill(pid, signal.SIGHUP)
        os.kill(pid, signal.SIGUSR1)
        return before
    links = []
    for _ in range(3):
        turn()
        stage.until(lambda: stage.service.backend.asked >= len(links))
    stage.until(lambda: len(children(pid)) >= 4)
    yield
    for link in links:
        link.close()


# ---- apache2

def prefork_with_cgi(place):
    service = services_web.apache_prefork(place)
    top = f"{place.path}/apache{service.port}"
    place.file(f"apache{service.port}/www/slow.cgi", SLOW_CGI, mode=0o755)
    load = f"LoadModule cgi_module {services_web.MODULES}/mod_cgi.so\nTimeout 7200\nAddHandler cgi-script .cgi\n"
    change(f"{top}/conf", ("ServerRoot", load + "ServerRoot"), (f"<Directory {top}/www>", f"<Directory {top}/www>\nOptions +ExecCGI"))
    return service


def long_cgi(stage):
    """All four workers wait for their CGI program, and more clients wait in the queue."""
    stage.seen_in("accept4", 2)
    clients = stage.keep(Clients(stage.port, 10, get("/slow.cgi")))
    stage.until(lambda: any(listener["queue"] > 0 for listener in stage.run.status()["listeners"]))
    yield
    clients.close()
    for pid in stage.run.tree():
        end_of(pid, "sleep")


def end_of(pid, program):
    """Ends it when it is that program."""
    try:
        if os.readlink(f"/proc/{pid}/exe").endswith((program, "busybox", "coreutils")):
            os.kill(pid, signal.SIGKILL)
    except OSError:
        pass


def apache_keep_alive(place):
    service = services_web.apache(place)
    change(f"{place.path}/apache{service.port}/conf", ("ServerRoot", "KeepAliveTimeout 7200\nTimeout 7200\nServerRoot"))
    return service


def restarted_gracefully(stage):
    """Connections that stay idle on old workers, an upload of some bytes a second, and a graceful restart."""
    for _ in range(20):
        stage.link(get("/"), reads=1)
    upload = stage.link(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n")
    stage.repeat(lambda: upload.sendall(b"x" * 200))
    os.kill(stage.main(), signal.SIGUSR1)
    stage.until(lambda: stage.done > 1)
    yield


def half_requests(stage):
    """More clients than workers that say how they begin and nothing more."""
    clients = stage.keep(Clients(stage.port, 40, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nx"))
    yield
    clients.close()


# ---- php-fpm

def php_with_sleep(place):
    service = services_web.php_fpm(place)
    place.file(f"php{service.port}/sleep.php", "<?php sleep(3600);\n")
    return service


def long_php(stage):
    """All three workers sleep; clients wait behind them, by nginx and in the queue of php-fpm."""
    front = stage.service.front
    stage.seen_in("accept", 3)
    clients = stage.keep(Clients(front, 8, get("/sleep.php")))
    stage.until(lambda: any(listener["queue"] > 0 for listener in stage.run.status()["listeners"]))
    yield
    clients.close()
    for pid in children(stage.main()):
        os.kill(pid, signal.SIGKILL)  # the master makes new ones, as an operator's reload would


# ---- proxies, name servers, logins

def haproxy_before_silence(place):
    service = services_web.haproxy(place)
    backend = Silent()
    change(f"{place.path}/haproxy{service.port}.cfg", (" check inter 200ms", ""),
           (f"127.0.0.1:{service.beside[0].port}", f"127.0.0.1:{backend.port}"), ("timeout server 30s", "timeout server 2h"),
           ("timeout client 30s", "timeout client 2h"))
    service.beside.append(backend)
    service.backend, service.ping = backend, lambda: True
    return service


def slow_backend(stage):
    """Requests by the hundred that a backend does not answer, long streams as far as the proxy knows."""
    for _ in range(100):
        stage.link(get("/"))
    stage.until(lambda: stage.service.backend.asked >= 50)
    yield


def dnsmasq_of_silence(place):
    """Whose only server never answers."""
    service = services_net.dnsmasq(place)
    upstream = Silent(kind=socket.SOCK_DGRAM)
    service.command = [word for word in service.command if word != "--no-resolv"] + ["--no-resolv", f"--server=127.0.0.1#{upstream.port}"]
    service.upstream, service.close = upstream, upstream.close
    return service


def asked_in_vain(stage):
    def ask():
        question = services_net._question(7, "nobody.example", "A")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
            link.sendto(question, ("127.0.0.1", stage.port))
    stage.repeat(ask, every=0.05)
    stage.until(lambda: stage.service.upstream.asked > 0)
    yield


def silent_logins(stage):
    """Connections that never say who they are, less than MaxStartups."""
    for _ in range(20):
        stage.link(reads=1)
    yield


# All workers are away and connections wait, so no more of them are of use: pool_exhausted after 5 s, and when nothing at
# all moves no_progress too. What they wait for is their own child or the time: never dead.
FULL = ["pool_exhausted", "no_progress"]
POOL = 70  # pool_exhausted is dead after 60 s or never, whatever the other limits are
WAITS = ["dependency_wait"]  # … or for somebody outside

SCENES = [
    Scene("nginx idle", "1 23", services.nginx),
    Scene("nginx under wrk", "2", services.nginx, benchmarked),
    Scene("nginx with idle keep-alive connections and a slow upload", "15", nginx, keep_alive),
    Scene("nginx reloaded while old workers drain", "15", nginx, reloaded),
    Scene("apache prefork in long CGI", "+ 23", prefork_with_cgi, long_cgi, may=FULL, seconds=POOL),
    Scene("apache event restarted gracefully under keep-alive connections", "15", apache_keep_alive, restarted_gracefully),
    Scene("apache event full of clients that say nothing more", "15", apache_keep_alive, half_requests, may=[*FULL, *WAITS]),
    Scene("apache prefork full of clients that say nothing more", "15", prefork_with_cgi, half_requests, may=[*FULL, *WAITS]),
    Scene("php-fpm in long requests", "+ 23", php_with_sleep, long_php, may=FULL, seconds=POOL),
    Scene("haproxy before a silent backend", "20", haproxy_before_silence, slow_backend),
    Scene("dnsmasq with a silent server", "20", dnsmasq_of_silence, asked_in_vain),
    Scene("sshd with silent clients", "1 15", services_net.sshd, silent_logins),
    Scene("named idle", "1", services_net.named),
    Scene("nats-server, a Go program", "32", services_more.nats, unseen=True),
]
