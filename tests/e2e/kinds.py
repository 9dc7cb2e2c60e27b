# SPDX-License-Identifier: Apache-2.0
"""Kinds of dependencies, one question at a time: the prober asking by hand, servers that are wrong on purpose,
certificates, and the faults that every kind must name alike.

A Prober keeps its connection between two ask()s, as the real one does; its descriptors and memory can be looked at.
"""
import concurrent.futures
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import threading

from lifesign import BIN, SANITIZED, SOURCE, clean_environment, free_port, wait_until

PROBER = os.path.join(os.path.dirname(BIN), "lifesign-prober")
GROWTH = (300 if SANITIZED else 4) << 20  # of memory; sanitizers keep what was freed, and tell leaks themselves
PATIENT = 20  # seconds: a budget that a machine busy with other things does not use up, for answers that come by themselves
SLACK = 2.5  # how much later than its budget an answer may come there


class Result:
    """What the prober said: status, error, detail, root, address, value, phases {name: seconds}, seconds it took."""

    def __init__(self, lines):
        head = re.match(r"(up|degraded|down|unknown)(?: (\w+))?(?:: (.*?))?(?: \(root: (.*)\))?$", lines[0])
        assert head, lines
        self.status, self.error, self.detail, self.root = head.groups()
        self.address = self.value = None
        self.phases = {}
        for line in lines[1:]:
            name, what = line.split(None, 1)
            if name == "address":
                self.address = what.strip()
            elif name == "value":
                self.value = float(what)
            else:
                self.phases[name] = float(what.split()[0]) / 1000
        self.seconds = self.phases.pop("all")

    def said(self):
        """The word that tests compare: "up", or what is wrong."""
        return self.error or self.status

    def __repr__(self):
        return f"<{self.status} {self.error}: {self.detail} root={self.root} value={self.value} {self.seconds:.3f} s>"


class Prober:
    """The prober with one dependency, asked as often as one likes. `dependency`: keys of the file, without name. Who is
    to hang is asked with a short budget of its own."""

    def __init__(self, place, dependency, timeout=PATIENT, service="asker"):
        name = dependency.get("name", "it")
        number = threading.get_ident() ^ id(self)
        text = json.dumps({"dependencies": [{"name": name, **dependency}]}).replace("$", "$$")
        config = place.file(f"kinds-{number:x}.yaml", text)
        self.errors = open(place.file(f"kinds-{number:x}.err"), "w+", encoding="utf-8")
        self.timeout = timeout
        self.process = subprocess.Popen([PROBER, "--try", name, "--config", config, "--timeout", str(timeout), "--lines",
                                         "--service", service], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=self.errors, env=clean_environment(), text=True)
        self.pid = self.process.pid

    def complaint(self):
        self.errors.seek(0)
        return self.errors.read()

    def ask(self, timeout=None):
        """One attempt, over within the budget."""
        self.process.stdin.write(f"{timeout or ''}\n")
        self.process.stdin.flush()
        lines = []
        while not lines or not lines[-1].startswith("  all"):
            line = self.process.stdout.readline()
            assert line, f"the prober ended: {self.process.wait(5)} {self.complaint()}"
            lines.append(line.rstrip("\n"))
        result = Result(lines)
        assert result.seconds < (timeout or self.timeout) + SLACK, result
        return result

    def until(self, said, seconds=30, timeout=4):
        """Asked again until it says so: the last answer."""
        seen = []

        def again():
            seen.append(self.ask(min(timeout, self.timeout)))
            return seen[-1].said() == said and seen[-1]
        return wait_until(again, seconds, lambda: f"'{said}', but {seen[-3:]}", every=0.05)

    def fds(self):
        return sorted(os.readlink(f"/proc/{self.pid}/fd/{n}").split(":")[0] for n in os.listdir(f"/proc/{self.pid}/fd"))

    def rss(self):
        with open(f"/proc/{self.pid}/statm", encoding="ascii") as f:
            return int(f.read().split()[1]) * 4096

    def threads(self):
        return len(os.listdir(f"/proc/{self.pid}/task"))

    def close(self):
        """Ends; what leaked is told by a sanitizer's build as its exit status."""
        self.process.stdin.close()
        try:
            status = self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        finally:
            self.process.stdout.close()
        said = self.complaint()
        self.errors.close()
        assert status in (0, 1, 2, 3) and "Sanitizer" not in said, (status, said)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def ask(place, dependency, timeout=PATIENT, **options):
    with Prober(place, dependency, timeout, **options) as prober:
        return prober.ask()


def side_by_side(cases, workers=8):
    """{name: function} -> {name: result}, all at once."""
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        futures = {name: pool.submit(function) for name, function in cases.items()}
        return {name: future.result() for name, future in futures.items()}


# ---- servers that are wrong on purpose

class Faulty:
    """Listens and treats each connection by `treat(connection)` in a thread of its own; counts them."""

    def __init__(self, treat, tls=None, host="127.0.0.1"):
        self.treat, self.tls = treat, tls
        self.listener = socket.create_server((host, 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.connections = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                self.connections.append(connection)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with contextlib.suppress(OSError):
            if self.tls:
                connection = self.tls.wrap_socket(connection, server_side=True)
            self.treat(connection)

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        for one in [self.listener, *self.connections]:
            with contextlib.suppress(OSError):
                one.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def _forever(connection):
    with contextlib.closing(connection):
        while connection.recv(65536):
            pass


def silent(connection):
    """Accepts, reads, and never answers."""
    _forever(connection)


def garbage(connection):
    connection.sendall(bytes(range(256)) * 16 + b"\r\n\r\n")
    _forever(connection)


def drips(data):
    """One byte a second: no single wait is long."""
    def treat(connection):
        for byte in data:
            connection.sendall(bytes([byte]))
            connection.settimeout(1)
            with contextlib.suppress(socket.timeout):
                while connection.recv(65536):
                    pass
        _forever(connection)
    return treat


def closes_after(data, wait=True):
    """Says that and hangs up."""
    def treat(connection):
        if wait:
            connection.recv(65536)
        connection.sendall(data)
        connection.shutdown(socket.SHUT_RDWR)
        connection.close()
    return treat


def resets(connection):
    """Hangs up by RST, as a killed server does that had not read everything."""
    connection.settimeout(0.2)
    with contextlib.suppress(socket.timeout):
        connection.recv(1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    connection.close()


@contextlib.contextmanager
def black_hole():
    """A port that answers no SYN: its queue is full and nobody accepts."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(3):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


def refused_port():
    return free_port()


HANG = ("black hole", "silent", "drip")  # take the whole budget, whatever the kind


def faults(place, dependency, start, timeout=1.0, early=b"", hang=HANG):
    """What a kind says about servers that every kind must survive, as {fault: Result}. `dependency(port)`: the keys;
    `start`: how a right answer begins; `early`: what a right server says unasked; `hang`: who takes the whole budget,
    which is `timeout` for them, and patient for the others."""
    def case(fault, server):
        def asks():
            with server() as one:
                return ask(place, dependency(getattr(one, "port", one)), timeout if fault in hang else PATIENT)
        return asks
    return side_by_side({fault: case(fault, server) for fault, server in {
        "refused": lambda: contextlib.nullcontext(refused_port()),
        "black hole": black_hole,
        "silent": lambda: Faulty(silent),
        "garbage": lambda: Faulty(garbage),
        "drip": lambda: Faulty(drips(early + start)),
        "closes mid-answer": lambda: Faulty(closes_after(early + start, wait=not early)),
        "closes at once": lambda: Faulty(closes_after(b"", wait=False)),
        "resets": lambda: Faulty(resets),
    }.items()})


# ---- real servers that are stopped, killed and started again

class Server:
    """start() -> Plain; `ready()` says that it serves. Restarted at the same port by restart()."""

    def __init__(self, plain, command, ready, env=None, **options):
        self.plain, self.command, self.ready, self.env, self.options = plain, command, ready, env, options
        self.running = None
        self.start()

    def start(self):
        self.running = self.plain(self.command, env=self.env, **self.options)
        wait_until(self.ready, 60, lambda: self.running.said())
        return self

    def kill(self):
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.running.process.wait(30)
        wait_until(self._all_are_gone, 30, lambda: f"left: {self.running.left()}")

    def _all_are_gone(self):
        """Also who was forked while the others were killed: postgres does not begin while one of them lives."""
        left = self.running.left()
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return not left

    def restart(self):
        self.kill()
        return self.start()

    def _signal(self, number):
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def pids(self):
        return [self.running.pid, *self.running.tree()]

    def _stands_still(self):
        with contextlib.suppress(FileNotFoundError):  # one that just ended: looked at again
            for pid in self.pids():
                for tid in os.listdir(f"/proc/{pid}/task"):
                    with open(f"/proc/{pid}/task/{tid}/stat", encoding="ascii", errors="replace") as f:
                        if f.read().rpartition(")")[2].split()[0] != "T":
                            return False
            return True
        return False

    @contextlib.contextmanager
    def stopped(self):
        self._signal(signal.SIGSTOP)
        wait_until(self._stands_still, 30, "the server does not stop")
        try:
            yield
        finally:
            self._signal(signal.SIGCONT)


def outlives(server, prober, down=("refused",), timeout=1):
    """Up, killed, down, started again, up; stopped with the connection open, timeout, going on, up. By itself, with no
    descriptor more than before."""
    def says(*allowed, budget=None):
        result = prober.ask(budget)
        assert result.said() in allowed, result
    says("up")
    before = prober.fds()
    server.kill()
    says(*down)
    server.start()
    prober.until("up")
    with server.stopped():
        for _ in range(2):
            says("timeout", "connect_timeout", budget=timeout)
    prober.until("up")
    assert prober.fds() == before


def node_modules():
    """NODE_PATH of the packages in tests/npm.sh, which tests/run.sh has installed; here for those who run one test."""
    top = os.path.join(os.environ.get("LIFESIGN_BUILD") or os.path.dirname(os.path.dirname(BIN)), "tests/npm")
    subprocess.run(["sh", os.path.join(SOURCE, "tests/npm.sh"), top], check=True, capture_output=True, timeout=120)
    return os.path.join(top, "node_modules")


# ---- certificates

class Certificates:
    """A small authority: ca, and pairs (certificate, key) named right, wrong (another host), expired, client."""

    def __init__(self, place):
        self.top = place.directory("certificates", mode=0o755)
        self.ca = f"{self.top}/ca.pem"
        self._run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                  "-subj", "/CN=test authority", "-keyout", f"{self.top}/ca.key", "-out", self.ca)
        self.right = self._issue("right", "DNS:localhost,IP:127.0.0.1")
        self.wrong = self._issue("wrong", "DNS:somebody.else.example")
        self.expired = self._issue("expired", "DNS:localhost,IP:127.0.0.1", "-startdate", "20200101000000Z", "-enddate", "20200201000000Z")
        self.client = self._issue("client", "DNS:client")

    def _run(self, *words):
        subprocess.run(["openssl", *words], check=True, capture_output=True, cwd=self.top, env=clean_environment(), timeout=30)

    def _issue(self, name, names, *dates):
        with open(f"{self.top}/{name}.cnf", "w", encoding="ascii") as f:
            f.write(f"""[ca]\ndefault_ca=d\n[d]\ndir={self.top}\ndatabase={self.top}/{name}.db\nnew_certs_dir={self.top}
serial={self.top}/{name}.srl\ndefault_md=sha256\npolicy=p\nx509_extensions=x\ncertificate={self.ca}\nprivate_key={self.top}/ca.key
[p]\ncommonName=supplied\n[x]\nsubjectAltName={names}\n""")
        with open(f"{self.top}/{name}.db", "w", encoding="ascii"):
            pass
        certificate, key = f"{self.top}/{name}.pem", f"{self.top}/{name}.key"
        self._run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
                  "-keyout", key, "-out", f"{name}.csr")
        self._run("ca", "-batch", "-rand_serial", "-notext", "-config", f"{name}.cnf", "-in", f"{name}.csr", "-out", certificate,
                  *(dates or ("-days", "30")))
        os.chmod(key, 0o644)  # servers that give up root read it
        return certificate, key


__all__ = ["Certificates", "Faulty", "GROWTH", "HANG", "PATIENT", "Prober", "Result", "Server", "ask", "black_hole", "closes_after", "drips", "faults",
           "garbage", "node_modules", "outlives", "refused_port", "resets", "side_by_side", "silent"]
