# ctest: timeout=240
# SPDX-License-Identifier: Apache-2.0
"""mariadb: a global read lock that nobody gives back, and a disk that hangs under its logs."""
import json
import subprocess

import services_more
from faults import at_once, fault, table  # noqa: F401 pylint: disable=unused-import
from faults_inject import Disk
from lifesign import clean_environment, wait_until
from services_more import LOCAL, tool


class Sessions:
    """Clients that stay, each fed by its own input."""

    def __init__(self, service):
        self.words = ["/usr/bin/mariadb", "--no-defaults", "-h", LOCAL, "-P", str(service.port), "-u", "root", "-N", "-B", "--unbuffered"]
        self.all = []

    def open(self, sql):
        client = subprocess.Popen(self.words, env=clean_environment(), cwd="/", stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  stderr=subprocess.DEVNULL, text=True)
        client.stdin.write(sql + ";\n")
        client.stdin.flush()
        self.all.append(client)
        return client

    def close(self):
        for client in self.all:
            client.kill()
            client.communicate()


def states(service):
    return tool("/usr/bin/mariadb", "--no-defaults", "-h", LOCAL, "-P", service.port, "-u", "root", "-N", "-B", "-e",
                "select state from information_schema.processlist")


@fault
def test_fault_22_a_global_read_lock_is_never_given_back(scene):
    """Who only reads is served: that is for whoever writes to find out."""
    service = services_more.mariadb(scene.place)
    scene.start(service)
    tool("/usr/bin/mariadb", "--no-defaults", "-h", LOCAL, "-P", service.port, "-u", "root", "-e", "create database t; create table t.n (a int)")
    sessions = scene.also(Sessions(service))
    sessions.open("flush tables with read lock; select sleep(9999)")
    wait_until(lambda: "User sleep" in states(service), 10, lambda: states(service))
    scene.inject("FLUSH TABLES WITH READ LOCK")
    for _ in range(3):
        sessions.open("insert into t.n values (1)")
    wait_until(lambda: states(service).count("backup lock") == 3, 10, lambda: states(service))
    scene.well(seconds=7)


@fault
def test_fault_23_the_disk_of_its_logs_hangs(scene):
    """A restart helps nobody there, whatever InnoDB itself does after 600 s."""
    disk = scene.also(Disk(scene.place, megabytes=300))
    service = services_more.mariadb(scene.place)
    data = next(w for w in service.command if w.startswith("--datadir=")).partition("=")[2]
    tool("/bin/cp", "-a", data, f"{disk.path}/data")
    service.command = [f"--datadir={disk.path}/data" if w.startswith("--datadir=") else w for w in service.command
                       if not w.startswith("--innodb-flush-log")]
    words = [*Sessions(service).words, "-e", "insert into t.n values (0)"]
    scene.start(service, ready=False, config=f"""readiness: {{periodSeconds: 1, timeoutSeconds: 3, failureThreshold: 2}}
dependencies: [{{name: itself, kind: exec, command: {json.dumps(words)}, class: hard}}]
""")
    wait_until(service.ping, 40, scene.said)
    tool("/usr/bin/mariadb", "--no-defaults", "-h", LOCAL, "-P", service.port, "-u", "root", "-e", "create database t; create table t.n (a int) engine=innodb")
    scene.run.wait_ready()
    disk.hang()
    sessions = scene.also(Sessions(service))
    scene.inject("fsfreeze of its data", lambda: [sessions.open("insert into t.n values (1)") for _ in range(4)])
    scene.thread(lambda t: t["state"] == "io" and t["for_seconds"] > 2)
    assert scene.unready("dependency_down")["detail"].startswith("timeout")
    scene.stays(2, "dead")
    disk.heal()
    scene.recovers()
