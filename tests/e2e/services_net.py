# SPDX-License-Identifier: Apache-2.0
"""sshd, dnsmasq and named on private ports, with real logins and queries."""
import os
import signal
import socket
import struct
import subprocess
import threading

from lifesign import Plain, clean_environment, free_port, wait_until
from services_more import LOCAL, Served, tool, user_of

TYPES = {"A": 1, "TXT": 16, "SOA": 6}


def _question(number, name, kind):
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    return struct.pack(">HHHHHH", number, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">HH", TYPES[kind], 1)


def query(port, name, kind="A", tcp=False, number=7):
    """The answer without its number: comparable bytes."""
    packet = _question(number, name, kind)
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM) as link:
        link.settimeout(5)
        link.connect((LOCAL, port))
        link.sendall(struct.pack(">H", len(packet)) + packet if tcp else packet)
        answer = link.recv(65536)
        while tcp and (len(answer) < 2 or len(answer) < 2 + struct.unpack(">H", answer[:2])[0]):
            answer += link.recv(65536)
    answer = answer[2:] if tcp else answer
    assert answer[:2] == packet[:2], answer
    return answer[2:]


def address_in(answer):
    """The last four bytes: the address of an answer with one A record."""
    return socket.inet_ntoa(answer[-4:])


def dns_load(port, name, clients=4):
    def load(requests=200):
        good = []

        def share():
            good.extend(query(port, name, number=n)[1] & 15 == 0 for n in range(requests // clients))
        threads = [threading.Thread(target=share) for _ in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return sum(good)
    return load


def dns_answers(port, names):
    return lambda: [query(port, name, kind, tcp) for name, kind in names for tcp in (False, True)]


def dnsmasq(place):
    port = free_port()
    hosts = place.file(f"dnsmasq{port}.hosts", "10.1.1.1 changes.test\n")
    command = ["/usr/sbin/dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", f"--port={port}", f"--listen-address={LOCAL}",
               "--bind-interfaces", "--no-resolv", "--no-hosts", "--address=/fixed.test/10.2.2.2", "--local=/test/", "--pid-file=",
               "--txt-record=text.test,some words", f"--addn-hosts={hosts}", "--log-facility=-",
               *(["--user=nobody"] if user_of("nobody") else [])]

    def reload(pid):
        place.file(f"dnsmasq{port}.hosts", "10.9.9.9 changes.test\n")
        os.kill(pid, signal.SIGHUP)
        wait_until(lambda: address_in(query(port, "changes.test")) == "10.9.9.9", 10, "dnsmasq never read its hosts again")
    return Served("dnsmasq", command, port, dns_answers(port, [("fixed.test", "A"), ("text.test", "TXT"), ("none.test", "A")]),
                  dns_load(port, "fixed.test"), ["main dnsmasq loop idle poll 1"], reload)


def _zone(serial, address):
    return f"""$TTL 60
@ SOA ns root {serial} 60 60 60 60
@ NS ns
ns A 127.0.0.1
changes A {address}
fixed A 10.2.2.2
text TXT "some words"
"""


def named(place):
    port, control = free_port(), free_port()
    top = place.directory(f"named{port}", owner=user_of("www-data"))
    secret = "c2VjcmV0IG9mIGEgdGVzdCBvbmx5IQ=="
    zone = f"named{port}/zone"
    place.file(zone, _zone(1, "10.1.1.1"))
    key = place.file(f"named{port}/key", f'key "k" {{ algorithm hmac-sha256; secret "{secret}"; }};\n')
    config = place.file(f"named{port}/conf", f"""include "{key}";
options {{ directory "{top}"; listen-on port {port} {{ {LOCAL}; }}; listen-on-v6 {{ none; }}; recursion no; pid-file none;
	session-keyfile none; managed-keys-directory "{top}"; dnssec-validation no; notify no; }};
controls {{ inet {LOCAL} port {control} allow {{ {LOCAL}; }} keys {{ "k"; }}; }};
zone "test" {{ type primary; file "{top}/zone"; }};
""")
    command = ["/usr/sbin/named", "-f", "-c", config, "-n", 2, *(["-u", "www-data"] if user_of("www-data") else [])]

    def reload(_pid):
        place.file(zone, _zone(2, "10.9.9.9"))
        tool("/usr/sbin/rndc", "-s", LOCAL, "-p", control, "-k", key, "reload")
        wait_until(lambda: address_in(query(port, "changes.test")) == "10.9.9.9", 10, "named never read its zone again")

    rest = ["main named main idle sigwait 1", "main isc-net-* loop idle epoll_wait 2-4", "main isc-net-* worker idle epoll_wait 0-2",
            "main isc-timer worker idle pthread_cond_*wait 1"]
    return Served("named", command, port, dns_answers(port, [("fixed.test", "A"), ("text.test", "TXT"), ("none.test", "A")]),
                  dns_load(port, "fixed.test"), rest, reload, listens=[port, control])


# ---- sshd

def sshd(place):
    """Its own /run in a mount namespace: as root it locks its unprivileged half up in /run/sshd, which Debian's unit makes."""
    port = free_port()
    top = place.directory(f"sshd{port}", mode=0o700)
    for name in ("host", "login"):
        tool("/usr/bin/ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{top}/{name}")
    os.rename(f"{top}/login.pub", f"{top}/authorized")
    config = place.file(f"sshd{port}/config", f"""Port {port}
ListenAddress {LOCAL}
HostKey {top}/host
AuthorizedKeysFile {top}/authorized
StrictModes no
UsePAM {'yes' if user_of('root') else 'no'}
PasswordAuthentication no
PermitRootLogin prohibit-password
PidFile none
PrintMotd no
PrintLastLog no
MaxStartups 100
""")
    command = ["/usr/sbin/sshd", "-D", "-e", "-f", config]
    if user_of("root"):
        inside = 'mount -t tmpfs -o mode=755 none /run && mkdir -m 755 /run/sshd && exec "$@"'
        command = ["/usr/bin/unshare", "--mount", "/bin/sh", "-c", inside, "sh", *command]
    options = ("BatchMode=yes", "StrictHostKeyChecking=no", f"UserKnownHostsFile={top}/known", "LogLevel=ERROR", "IdentitiesOnly=yes")
    client = ["/usr/bin/ssh", "-F", "/dev/null", "-i", f"{top}/login", "-p", str(port), *[f"-o{word}" for word in options], LOCAL]

    def answers():
        return [tool(*client, "echo logged in; cat", stdin="some words\n"),
                subprocess.run([*client, "exit 7"], env=clean_environment(), stdin=subprocess.DEVNULL, timeout=20, check=False).returncode]

    def load(requests=4):
        started = [subprocess.Popen([*client, "echo in"], env=clean_environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
                   for _ in range(requests)]
        return sum(one.communicate(timeout=20)[0] == b"in\n" for one in started)

    def reload(pid):
        """By executing itself: the same pid, the listener anew. Sessions stay."""
        os.kill(pid, signal.SIGHUP)
        wait_until(lambda: _began_listening(service), 10, "sshd does not listen again")
    service = Served("sshd", command, port, answers, load, ["main sshd loop idle ppoll 1"], reload, requests=4)
    service.strangers = True
    service.session = lambda *words: Plain([*client, *words], place=place)
    return service


def _began_listening(service):
    try:
        with socket.create_connection((LOCAL, service.port), 2) as link:
            link.settimeout(5)
            return link.recv(64).startswith(b"SSH-2.0")
    except OSError:
        return False
