# SPDX-License-Identifier: Apache-2.0
"""What every e2e test needs: a `lifesign run` of its own, its answers, and proof that nothing is left of it.

Run and Plain start one COMMAND each, with and without lifesign, in a private directory with private ports;
both end what they started by pid and nothing else. Real services stand in services.py, questions to /proc
and HTTP in look.py; all of look's names are here too.
"""
import errno
import fcntl
import http.client
import os
import pty
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import termios
import threading
import time
import uuid

from look import *  # noqa: F401,F403 pylint: disable=wildcard-import,unused-wildcard-import
from look import Answer, MARK, SHIM, ask, comm, descendants, is_running, marked, stat

BIN = os.environ["LIFESIGN_BIN"]
SUPPORT = os.environ.get("LIFESIGN_SUPPORT", "")
SOURCE = os.environ.get("LIFESIGN_SOURCE") or os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
RECORDINGS = os.environ.get("LIFESIGN_RECORDINGS", "")  # a directory that any uid may write to: every Run is recorded there, for `replay`
SANITIZED = b"__asan_init" in open(BIN, "rb").read()  # its agent is slower and bigger


def wait_until(condition, seconds=30, what="", every=0.02):
    """The first true value of condition(); an assertion with `what` (text or function) after so many seconds."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            said = what() if callable(what) else what
            raise AssertionError(f"not within {seconds} s: {said or condition}")
        time.sleep(every)


def holds_for(condition, seconds, what="", every=0.02):
    """Asserts that condition() stays true for so many seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert condition(), f"no longer true: {what() if callable(what) else what or condition}"
        time.sleep(every)


_given = {}  # port: an abstract name that is ours until this process ends


def _is_ours(port):
    """Test files run side by side: a port is one's own from when it is given, and not only once a server has it."""
    name = socket.socket(socket.AF_UNIX)
    try:
        name.bind(f"\0lifesign-test-port-{port}")
    except OSError:
        name.close()
        return False
    _given[port] = name
    return True


def free_port(address="127.0.0.1"):
    """A port below the range that outgoing connections take theirs from, never given before, also not to another file."""
    for _ in range(200):
        port = random.randrange(10000, 32000)
        if not _is_ours(port):
            continue
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind((address, port))
                return port
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
    raise AssertionError("no free port")


def accepts(port, address="127.0.0.1"):
    try:
        socket.create_connection((address, port), 1).close()
        return True
    except OSError:
        return False


class Place:
    """A directory of one's own with a short name (socket paths end at 107 bytes) that any uid may enter."""

    def __init__(self):
        self.path = tempfile.mkdtemp(prefix="ls-", dir="/tmp")
        os.chmod(self.path, 0o755)

    def file(self, name, text=None, mode=0o644):
        path = os.path.join(self.path, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if text is not None:
            with open(path, "w", encoding="utf-8") as f:
                f.write(text)
            os.chmod(path, mode)
        return path

    def directory(self, name, owner=None, mode=0o755):
        path = os.path.join(self.path, name)
        os.makedirs(path, exist_ok=True)
        os.chmod(path, mode)
        if owner and os.getuid() == 0:
            shutil.chown(path, owner, owner)
        return path

    def remove(self):
        shutil.rmtree(self.path, ignore_errors=True)


# ---- what is started

def clean_environment(extra=None):
    """This one's without any LIFESIGN_…, LD_… or sanitizer option, with `extra` (None = unset) on top."""
    env = {k: v for k, v in os.environ.items()
           if not k.startswith(("LIFESIGN_", "LD_", "NOTIFY_", "LISTEN_", "KUBERNETES_", "XDG_", "RUNTIME_DIR"))}
    for key, value in (extra or {}).items():
        env.pop(key, None)
        if value is not None:
            env[key] = str(value)
    return env


class Plain:
    """COMMAND as it is, output in files, optionally on a terminal of its own. `with` or close() ends it.
    It runs in a directory of its own; `cwd` given must be one where nothing else runs."""

    def __init__(self, command, env=None, cwd=None, tty=False, stdin=None, place=None, user=None, pass_fds=(), preexec=None):
        self.own_place = place is None
        self.place = place or Place()
        self.mark = uuid.uuid4().hex
        self.command = [str(word) for word in command]
        self.seen = {}
        name = self.mark[:6]
        self.out_path, self.err_path = self.place.file(f"{name}.out"), self.place.file(f"{name}.err")
        self.cwd = cwd or self.place.directory(f"{name}.cwd", owner=user)
        self.env = clean_environment({MARK: self.mark, **(env or {})})
        self.terminal = None
        options = {"cwd": self.cwd, "env": self.env, "pass_fds": pass_fds}
        if user and os.getuid() == 0:
            options.update(user=user, group=user, extra_groups=[])
        with open(self.out_path, "wb") as out, open(self.err_path, "wb") as err:
            if tty:
                self._start_on_terminal(options, preexec)
            else:
                self.process = subprocess.Popen(self.command, stdin=stdin or subprocess.DEVNULL, stdout=out, stderr=err,
                                                start_new_session=True, preexec_fn=preexec, **options)
        self.pid = self.process.pid

    def _start_on_terminal(self, options, preexec):
        self.terminal, inner = pty.openpty()

        def take_terminal():
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
            if preexec:
                preexec()
        self.process = subprocess.Popen(self.command, stdin=inner, stdout=inner, stderr=inner,
                                        preexec_fn=take_terminal, **options)
        os.close(inner)
        threading.Thread(target=self._copy_terminal, daemon=True).start()

    def _copy_terminal(self):
        with open(self.out_path, "ab", buffering=0) as out:
            while True:
                try:
                    data = os.read(self.terminal, 65536)
                except OSError:
                    return
                if not data:
                    return
                out.write(data)

    def type(self, data):
        """Keys on its terminal: b"\\x03" is Ctrl-C."""
        os.write(self.terminal, data)

    def out(self):
        with open(self.out_path, encoding="utf-8", errors="replace") as f:
            return f.read()

    def err(self):
        with open(self.err_path, encoding="utf-8", errors="replace") as f:
            return f.read()

    def said(self):
        return f"{self.command} said:\n{self.out()[-2000:]}\n{self.err()[-4000:]}"

    def tree(self):
        """Pids below the one that was started, as they are now; remembered for the check at the end."""
        found = descendants(self.pid)
        for pid in found:
            fields = stat(pid)
            if fields:
                self.seen[pid] = fields[19]
        return found

    def send(self, number):
        self.tree()
        os.kill(self.pid, number)

    def wait(self, seconds=30):
        """Its exit status; negative = ended by that signal."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still there after {seconds} s; {self.said()}") from None

    def left(self):
        """What still runs of all that this started."""
        return sorted(set(marked(self.mark, self.cwd)) | {pid for pid, began in self.seen.items() if is_running(pid, began)})

    def stop(self, number=signal.SIGTERM, seconds=30):
        """Ends it by a signal: its exit status, after asserting that nothing of it is left."""
        if self.process.poll() is None:
            self.send(number)
        status = self.wait(seconds)
        wait_until(lambda: not self.left(), 20, lambda: f"left behind: {[(p, comm(p)) for p in self.left()]}; {self.said()}")
        return status

    def close(self):
        """Kills whatever is left: for the end of a test, whatever its outcome. Says nothing."""
        if self.process.poll() is None:
            self.tree()
            self.process.kill()
        self.process.wait()
        for _ in range(100):
            for pid in self.left():
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            if not self.left():
                break
            time.sleep(0.02)
        if self.terminal is not None:
            os.close(self.terminal)
            self.terminal = None
        if self.own_place:
            self.place.remove()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Run(Plain):
    """`lifesign run OPTIONS -- COMMAND` with its own port and DIR. listen=None: the unix socket only (no --listen given).
    shim=None: it has to find it. wrap: words before it (valgrind …); root: it runs chrooted there, by `wrap`."""

    def __init__(self, command, options=(), listen="tcp", service="svc", place=None, up=30, program=BIN, shim=SHIM,
                 wrap=(), root="", **rest):
        own = place is None
        place = place or Place()
        self.service = service
        self.port = free_port() if listen == "tcp" else None
        inside = "/tmp/ls" if root else place.directory(f"d{uuid.uuid4().hex[:6]}", owner=rest.get("user"), mode=0o700)
        self.dir = root + inside
        words = [*wrap, program, "run", "--dir", inside]
        words += ["--shim", shim] if shim else []
        words += ["--service", service] if service else []
        words += ["--listen", f"127.0.0.1:{self.port}"] if self.port else ["--listen", listen] if listen else []
        if RECORDINGS and not root and "--record" not in options:
            options = ["--record", f"{RECORDINGS}/{service}-{uuid.uuid4().hex[:8]}.rec", *options]
        super().__init__(words + list(options) + ["--"] + list(command), place=place, **rest)
        self.own_place = own
        if up:
            self.wait_up(up)

    @property
    def socket(self):
        return os.path.join(self.dir, f"{self.service}.sock")

    def where(self, unix=False):
        return self.socket if unix or not self.port else self.port

    def get(self, path, headers=None, method="GET", unix=False, timeout=20):
        return ask(self.where(unix), path, headers, method, timeout)

    def try_get(self, path, **options):
        """None instead of an error: for waiting."""
        try:
            return self.get(path, **options)
        except (OSError, http.client.HTTPException):
            return None

    def is_up(self):
        assert self.process.poll() is None, f"ended early with {self.process.returncode}; {self.said()}"
        return self.try_get("/livez")

    def wait_up(self, seconds=30):
        return wait_until(self.is_up, seconds, lambda: f"no answer; {self.said()}")

    def wait_started(self, seconds=60):
        """Until /startupz says 200."""
        return wait_until(lambda: (self.try_get("/startupz") or Answer(0, {}, b"")).status == 200, seconds,
                          lambda: f"never started: {self.try_get('/health/status', unix=True)}; {self.said()}")

    def wait_ready(self, seconds=60):
        return wait_until(lambda: (self.try_get("/readyz") or Answer(0, {}, b"")).status == 200, seconds,
                          lambda: f"never ready: {self.try_get('/health/status', unix=True)}; {self.said()}")

    def status(self):
        """/health/status with all details."""
        return self.get("/health/status", unix=True).json()

    def main(self):
        """Pid of the main process, 0 when there is none."""
        processes = self.status()["processes"]
        return processes[0]["pid"] if processes else 0

    def agent(self):
        return self.status()["agent"]["pid"]

    def next_agent(self, old, seconds=15):
        """The pid of the one after `old`, once it answers: whoever asks one that is being killed is cut off."""
        def another():
            answer = self.try_get("/health/status", unix=True)
            return answer and answer.json()["agent"]["pid"] not in (0, old) and answer.json()["agent"]["pid"]
        return wait_until(another, seconds, self.said)

    def process_of(self, pid):
        return next((p for p in self.status()["processes"] if p["pid"] == pid), None)

    def threads(self, pid=None):
        """All threads of the status, or those of one process."""
        return [t for p in self.status()["processes"] if pid in (None, p["pid"]) for t in p["threads"]]


def call(*words, env=None, stdin=None, seconds=60, cwd=None):
    """`lifesign WORDS` to its end: a CompletedProcess with text."""
    return subprocess.run([BIN, *map(str, words)], env=clean_environment(env), input=stdin, timeout=seconds, cwd=cwd,
                          text=True, capture_output=True, check=False)
