# SPDX-License-Identifier: Apache-2.0
"""More real services from Debian, prepared like those of services.py, on private ports and directories. A Served
one also gives answers that are the same with and without lifesign, and says how it is reloaded, on which ports it
listens, and which threads it has at rest."""
import atexit
import fnmatch
import http.client
import os
import shutil
import signal
import socket
import subprocess
import threading

from lifesign import Place, children, clean_environment, free_port, wait_until
from services import Service

LOCAL = "127.0.0.1"


class Served(Service):
    """answers(): a list to compare. load(n): that many requests, the count of those answered right. listens: ports.
    reload(pid): the graceful restart of its kind by the pid of its main process; returns when the new configuration
    is in force. rest: its threads when nobody asks anything, one line each kind of thread, see differences().
    beside: what it needs to be used; close() ends that. requests: how many at a time are a load.
    strangers: it starts programs without its environment."""

    def __init__(self, name, command, port, answers, load, rest, reload=None, listens=None, beside=(), env=None, requests=200):
        super().__init__(name, [str(w) for w in command], port, self._answers_something, load, env)
        self.answers, self.reload, self.rest = answers, reload, [row.split() for row in rest]
        self.listens = [port] if listens is None else listens
        self.requests = requests
        self.strangers = False
        self.beside = list(beside)

    def _answers_something(self):
        try:
            return bool(self.answers())
        except (OSError, http.client.HTTPException, subprocess.SubprocessError, AssertionError):
            return False

    def close(self):
        for one in self.beside:
            one.close()


def _matches(words, row):
    return all(any(fnmatch.fnmatchcase(word, pattern) for pattern in patterns.split("|")) for word, patterns in zip(words, row))


def differences(status, rest, busy=False):
    """What in the status is not as the lines of `rest` say, "" when all is. A line is
    PROCESS-ROLE THREAD-NAME THREAD-ROLE STATE OP COUNT; words may be patterns and have |, spaces of a name are _,
    COUNT is N, N-M or N+. Each thread counts for the first line that it matches. busy: names and roles only."""
    found = [0] * len(rest)
    for process in status["processes"]:
        for thread in process["threads"]:
            words = [process["role"], thread["name"].replace(" ", "_"), thread["role"], thread["state"], thread["op"] or "-"]
            line = next((i for i, row in enumerate(rest) if _matches(words, row[:3 if busy else 5])), None)
            if line is None:
                return f"{words} of {process['pid']} {process['exe']} is in no line"
            found[line] += 1
    for row, count in zip(rest, found):
        least, _, most = row[5].partition("-")
        most = "999" if least.endswith("+") else most or least
        if not busy and not int(least.rstrip("+")) <= count <= int(most):
            return f"{count} threads are {row}"
    return ""


_kept = []
_made = {}
_making = threading.Lock()  # several tests of a file may run at once


def once(name, make):
    """A directory that costs time to make, made by make(path) once for all tests of this run; not to be changed."""
    with _making:
        if not _kept:
            _kept.append(Place())
            atexit.register(_kept[0].remove)
        if name not in _made:
            path = os.path.join(_kept[0].path, name)
            make(path)
            _made[name] = path
        return _made[name]


def user_of(name):
    """That user when this is root, who may become it."""
    return name if os.getuid() == 0 else None


def tool(*words, seconds=60, stdin=None):
    """What a command prints; its failure is an error."""
    done = subprocess.run([str(w) for w in words], env=clean_environment(), cwd="/", capture_output=True, text=True, timeout=seconds,
                          input=stdin, check=False)
    if done.returncode != 0:
        raise subprocess.SubprocessError(f"{words}: {done.returncode} {done.stdout[-500:]} {done.stderr[-1000:]}")
    return done.stdout


def by_signal(number):
    """reload(pid) of a master: that signal, and then its children are all new ones."""
    def reload(pid):
        old = children(pid)
        os.kill(pid, number)

        def replaced():
            now = children(pid)
            return now and not set(now) & set(old)
        wait_until(replaced, 60, lambda: f"children were {old}, are {children(pid)}")
    return reload


# ---- talking

def converse(port, *lines, ends=b"\n", count=1):
    """Sends each of `lines` on one connection and reads until `ends` has come `count` times for each: the answers."""
    with socket.create_connection((LOCAL, port), 5) as link:
        link.settimeout(30)
        return [exchange(link, line, ends, count) for line in lines]


def exchange(link, line, ends=b"\n", count=1):
    link.sendall(line)
    got = b""
    while got.count(ends) < count or not got.endswith(ends):
        data = link.recv(65536)
        assert data, f"hung up after {got!r}"
        got += data
    return got


class Browser:
    """One keep-alive connection; a server may close it between two requests, then it is made anew."""

    def __init__(self, port):
        self.link = http.client.HTTPConnection(LOCAL, port, timeout=30)

    def get(self, path="/"):
        kept = self.link.sock is not None
        try:
            return self._get(path)
        except (http.client.RemoteDisconnected, ConnectionError):
            self.close()
            if not kept:
                raise
            return self._get(path)

    def _get(self, path):
        self.link.request("GET", path)
        answer = self.link.getresponse()
        return answer.status, answer.headers.get("Content-Type"), answer.read()

    def close(self):
        self.link.close()


def web_answers(port, paths=("/", "/", "/missing")):
    """To each path on a connection of its own; the first must be a good one."""
    browser = Browser(port)
    found = []
    for path in paths:
        found.append(browser.get(path))
        browser.close()
        assert found[0][0] == 200, found
    return found


def web_load(port, path="/", clients=8):
    """load(n): that many requests from `clients` threads at once, all answered with 200."""
    def share(count, done):
        browser = Browser(port)
        for _ in range(count):
            if browser.get(path)[0] != 200:
                return
        browser.close()
        done.append(count)

    def load(requests=200):
        done = []
        threads = [threading.Thread(target=share, args=(requests // clients, done)) for _ in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return sum(done)
    return load


# ---- caches, queues, databases

def memcached(place, threads=4):
    port = free_port()
    user = ["-u", "nobody"] if user_of("nobody") else []
    command = ["/usr/bin/memcached", "-l", LOCAL, "-p", port, "-U", 0, "-t", threads, *user]

    def answers():
        return converse(port, b"set k 0 0 1\r\n5\r\n", b"incr k 37\r\n") + converse(
            port, b"get k\r\n", ends=b"END\r\n") + converse(port, b"get none\r\n", b"delete none\r\n", b"version\r\n")

    def load(requests=800, clients=8):
        links = [socket.create_connection((LOCAL, port), 5) for _ in range(clients)]
        done = 0
        for _ in range(requests // clients // 10):
            for link in links:
                link.sendall(b"set key 0 0 5\r\nvalue\r\n" * 10)
            done += sum(10 * (exchange(link, b"", b"STORED\r\n", 10) == b"STORED\r\n" * 10) for link in links)
        for link in links:
            link.close()
        return done
    rest = ["main memcached loop idle epoll_wait 1", f"main mc-worker worker|loop idle epoll_wait {threads}",
            "main mc-lrumaint worker sleep usleep 1", "main mc-* worker idle pthread_cond_wait 4"]
    return Served("memcached", command, port, answers, load, rest, reload=lambda pid: os.kill(pid, signal.SIGHUP), requests=800)


def nats(place):
    port = free_port()
    pid_file = place.file("nats.pid")
    config = place.file("nats.conf", f"listen: {LOCAL}:{port}\nmax_payload: 4096\n")
    command = ["/usr/sbin/nats-server", "-c", config, "-P", pid_file]

    def connected():
        link = socket.create_connection((LOCAL, port), 5)
        link.settimeout(30)
        info = exchange(link, b"")
        assert info.startswith(b"INFO "), info
        return link, info

    def answers():
        link, info = connected()
        with link:
            return [b'"max_payload":4096' in info or b'"max_payload":8192' in info,
                    exchange(link, b'CONNECT {"verbose":false}\r\nPING\r\n'),
                    exchange(link, b"SUB a.* 1\r\nPUB a.b 5\r\nhello\r\n", count=2),
                    exchange(link, b"NONSENSE\r\n")]

    def load(requests=400):
        link, _ = connected()
        with link:
            exchange(link, b'CONNECT {"verbose":false}\r\nSUB x 1\r\nPING\r\n')
            got = exchange(link, b"PUB x 2\r\nhi\r\n" * requests, count=2 * requests)
        return got.count(b"MSG x 1 2\r\nhi\r\n")

    def reload(pid):
        place.file("nats.conf", f"listen: {LOCAL}:{port}\nmax_payload: 8192\n")
        tool("/usr/sbin/nats-server", "--signal", f"reload={pid}")

        def taken():
            link, info = connected()
            link.close()
            return b'"max_payload":8192' in info
        wait_until(taken, 10, "nats-server never took its new configuration")
    return Served("nats-server", command, port, answers, load, ["main * main unseen - 1", "main * worker unseen - 3+"], reload)


def _make_database(path):
    os.mkdir(path)
    tool("/usr/bin/mariadb-install-db", "--no-defaults", f"--datadir={path}", "--skip-test-db", "--skip-name-resolve",
         "--auth-root-authentication-method=normal", "--innodb-log-file-size=8M", seconds=180)


def mariadb(place):
    port = free_port()
    top = place.directory(f"maria{port}", mode=0o777)
    data = f"{top}/data"
    shutil.copytree(once("mariadb", _make_database), data)
    user = user_of("nobody")
    if user:
        tool("/bin/chown", "-R", "nobody", data)
    command = ["/usr/sbin/mariadbd", "--no-defaults", f"--datadir={data}", f"--socket={top}/s", f"--port={port}", f"--bind-address={LOCAL}",
               f"--pid-file={top}/pid", "--skip-name-resolve", "--innodb-log-file-size=8M", "--innodb-buffer-pool-size=16M",
               "--innodb-flush-log-at-trx-commit=0", *(["--user=nobody"] if user else [])]

    def say(sql):
        return tool("/usr/bin/mariadb", "--no-defaults", "-h", LOCAL, "-P", port, "-u", "root", "-N", "-B",
                    stdin=sql)

    def answers():
        return [say("""create database if not exists t; use t; drop table if exists n; create table n (a int primary key, b varchar(9))
            engine=innodb; insert into n values (1,'x'),(2,'y'),(3,null); update n set b='z' where a>1; select * from n order by a;
            select sum(a), count(b) from n; start transaction; delete from n; rollback; select count(*) from n; drop database t;""")]

    def load(requests=400, clients=4):
        def share(done):
            sql = "select count(*) from mysql.help_topic;" * (requests // clients)
            done.append(len(say(sql).split()))
        done = []
        threads = [threading.Thread(target=share, args=(done,)) for _ in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return sum(done)
    rest = ["main mariadbd loop idle poll 1", "main mariadbd worker idle pthread_cond_*|sigwaitinfo 8+",
            "main mariadbd worker unseen - 1"]  # the last is liburing's, which makes its system calls itself
    service = Served("mariadbd", command, port, answers, load, rest, reload=lambda pid: os.kill(pid, signal.SIGHUP))
    service.unix = f"{top}/s"
    return service
