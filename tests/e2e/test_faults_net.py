# ctest: timeout=240
# SPDX-License-Identifier: Apache-2.0
"""sshd, dnsmasq and named: no place for more logins, lookups that nobody answers, a log that nobody reads, one thread
frozen, a disk that hangs."""
import os
import socket

import services_net
from faults import at_once, fault, table  # noqa: F401 pylint: disable=unused-import
from faults_inject import Clients, Hanging, OneThread, Silent, Stopped
from lifesign import Plain, children, wait_until
from services_more import LOCAL


def with_line(path, old, new):
    with open(path, encoding="utf-8") as f:
        text = f.read()
    assert old in text, text
    with open(path, "w", encoding="utf-8") as f:
        f.write(text.replace(old, new))


def inside(command, commands):
    """The same command after more commands in a mount namespace of its own."""
    return ["/usr/bin/unshare", "--mount", "/bin/sh", "-c", f'{commands} && exec "$@"', "sh", *command]


@fault
def test_fault_37_silent_connections_fill_maxstartups(scene):
    """It hangs up on more of them: its loop lives, and who asks it as a client would is told no."""
    service = services_net.sshd(scene.place)
    with_line(service.command[-1], "MaxStartups 100", "MaxStartups 10:100:10\nLoginGraceTime 600")
    scan = f"/usr/bin/ssh-keyscan -t ed25519 -T 2 -p {service.port} {LOCAL} 2>/dev/null | grep -q ssh || exit 2"
    run = scene.start(service, config=f"""readiness: {{periodSeconds: 1, failureThreshold: 2}}
dependencies: [{{name: itself, kind: exec, command: [/bin/sh, -c, "{scan}"], class: hard}}]
""")
    scene.inject("100 silent connections, and 10 a second", lambda: scene.also(Clients(service.port, 100)))
    wait_until(lambda: scene.also(Clients(service.port, 10)) and not run.status()["ready"]["ok"], 60, scene.said, every=1)
    assert scene.unready("dependency_down")["dependency"] == "itself"
    scene.stays(4, "dead", "degraded")


@fault
def test_fault_38_lookups_of_logins_hang(scene):
    """Each login hangs in a child of its own; who takes connections lives."""
    silent = scene.also(Silent(socket.SOCK_DGRAM, ("127.9.9.9", 53)))
    service = services_net.sshd(scene.place)
    with_line(service.command[-1], "MaxStartups", "UseDNS yes\nMaxStartups")
    files = {"hosts": "", "resolv.conf": "nameserver 127.9.9.9\noptions timeout:300 attempts:9\n", "nsswitch.conf": "hosts: dns\npasswd: files\n"}
    mounts = " && ".join(f"mount --bind {scene.place.file('etc/' + name, text)} /etc/{name}" for name, text in files.items())
    service.command = inside(service.command, mounts)
    run = scene.start(service, ready=False)
    run.wait_ready()
    scene.inject("UseDNS before a silent name server", lambda: [scene.also(service.session("true")) for _ in range(3)])
    child = wait_until(lambda: children(run.main()), 10, scene.said)[0]
    assert silent.link.recv(512)
    scene.well(seconds=7)
    assert run.process_of(child)["threads"][0]["op"] in ("getnameinfo", "getaddrinfo"), scene.said()


@fault
def test_fault_39_the_log_daemon_reads_nothing(scene):
    """Its loop stands in syslog(), before somebody else's socket."""
    service = services_net.dnsmasq(scene.place)
    path = scene.place.file("log.sock")
    daemon = scene.also(Plain(["/usr/bin/python3", "-c", LOG_DAEMON, path], place=scene.place))
    wait_until(lambda: os.path.exists(path), 10, daemon.said)
    service.command = [w for w in service.command if not w.startswith("--log-facility")] + ["--log-queries"]
    service.command = inside(service.command, "mount -t tmpfs none /dev && mknod -m 666 /dev/null c 1 3 && "
                             f"mknod -m 666 /dev/urandom c 1 9 && ln -s {path} /dev/log")
    run = scene.start(service)
    stopped = scene.also(Stopped(daemon.pid))
    scene.inject("syslogd stopped, /dev/log full", lambda: flood(service.port))
    reason = scene.unready("dependency_wait", 40)
    assert [(link["tid"], link["op"]) for link in reason["chain"]] == [(run.main(), "write")], reason
    scene.stays(6, "dead")
    stopped.close()
    scene.recovers()


LOG_DAEMON = """
import os, socket, sys
log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
log.bind(sys.argv[1])
os.chmod(sys.argv[1], 0o666)
while log.recv(65536):
    pass
"""


def flood(port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        link.connect((LOCAL, port))
        for number in range(600):
            link.send(services_net._question(number, "fixed.test", "A"))  # pylint: disable=protected-access


@fault
def test_fault_40_one_network_thread_is_frozen(scene):
    """In its home wait, where none looks more at rest; but its own queue fills, as each thread has one."""
    service = services_net.named(scene.place)
    run = scene.start(service)
    thread = scene.thread(lambda t: t["name"].startswith("isc-net") and t["role"] == "loop")
    freezer = scene.also(OneThread(run.main()))
    scene.inject("threaded cgroup freeze of one network thread", lambda: freezer.freeze(thread["tid"]))
    scene.also(Clients(service.port, 60))
    reason = scene.unready("queue_full")
    assert f"{LOCAL}:{service.port}" in reason["detail"], reason
    scene.stays(6, "dead")
    freezer.thaw()
    scene.recovers()


@fault
def test_fault_41_the_directory_of_its_journal_hangs(scene):
    disk = scene.also(Hanging(scene.place, "www-data"))
    service = services_net.named(scene.place)
    service.command[service.command.index("-n") + 1] = "1"
    config = service.command[service.command.index("-c") + 1]
    with_line(config, "type primary;", f'type primary; journal "{disk.path}/journal"; allow-update {{ any; }};')
    run = scene.start(service)
    update = scene.place.file("update", f"server {LOCAL} {service.port}\nzone test\nupdate add new.test 60 A 10.3.3.3\nsend\n")
    disk.hang()
    scene.inject("FUSE daemon of the journal stopped", lambda: scene.also(Plain(["/usr/bin/nsupdate", "-t", "60", update], place=scene.place)))
    reason = scene.unready("io_wait", 40)
    scene.stays(4, "dead")
    disk.heal()
    scene.recovers()
    assert reason["chain"][0]["op"] and reason["chain"][0]["tid"] in [t["tid"] for t in run.threads()], reason
