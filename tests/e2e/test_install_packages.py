# ctest: timeout=300
# SPDX-License-Identifier: Apache-2.0
"""What users install: each kind of package holds what it should, and lifesign finds its shim in it."""
import os
import re
import subprocess

import pytest

import packages
from lifesign import BIN, SUPPORT, clean_environment, free_port, mapped, wait_until


def lines(*words):
    return subprocess.run(words, capture_output=True, text=True, check=True, env=clean_environment()).stdout.splitlines()


def check_installed(run, program):
    """`lifesign run` of that program, with no word about where its shim is, makes a covered server."""
    started = run([f"{SUPPORT}/tiny_server", str(free_port())], program=program, shim=None)
    started.wait_started()
    assert mapped(started.main()), started.said()
    assert started.stop() == 0, started.said()


def check_prober(program, wrap=()):
    """It finds its kinds, and they their libraries: each says that nobody is there."""
    for url in ("tcp://", "redis://", "postgresql://x@", "http://", "mongodb://", "kafka://", "nats://", "mysql://x@", "grpc://", "memcached://"):
        done = subprocess.run([*wrap, program, "probe", "--timeout", "1", f"{url}127.0.0.1:{free_port()}"], capture_output=True, text=True, check=False,
                              env=clean_environment(), timeout=90)
        assert done.returncode == 2 and re.match("down (refused|connect_timeout|timeout)", done.stdout), (url, done)


def test_installed_tree_finds_its_shim(run, place):
    top = f"{place.path}/usr"
    for component in ("program", "shim", "headers", "doc"):
        subprocess.run(["cmake", "--install", packages.BUILD, "--prefix", top, "--component", component], check=True,
                       capture_output=True)
    for name in ("bin/lifesign", "bin/lifesign-prober", "lib/lifesign/probe_postgres.so", "lib/liblifesign.so", "include/lifesign.h", "include/lifesign/segment.h",
                 "share/doc/lifesign/README.md", "share/doc/lifesign/copyright", "share/doc/lifesign/deploy/kubernetes.yaml"):
        assert os.path.exists(f"{top}/{name}"), name
    assert os.stat(f"{top}/lib/liblifesign.so").st_mode & 0o444 == 0o444
    check_installed(run, f"{top}/bin/lifesign")
    check_prober(f"{top}/bin/lifesign")


def test_deb_uses_the_systems_libraries(run, place):
    deb = packages.make("DEB", place.path)
    names = {line.split()[-1] for line in lines("dpkg-deb", "-c", deb)}
    assert {"./usr/bin/lifesign", "./usr/bin/lifesign-prober", "./usr/lib/lifesign/probe_redis.so", "./usr/lib/liblifesign.so", "./usr/include/lifesign.h"} <= names
    assert not [n for n in names if not n.startswith("./usr/")], names
    depends = "".join(line for line in lines("dpkg-deb", "-I", deb) if line.startswith(" Depends:"))
    for library in ("libc6", "libmicrohttpd12", "liburcu8", "libyaml-0-2", "libjansson4", "libpq5", "libc-ares2"):
        assert library in depends, depends
    subprocess.run(["dpkg-deb", "-x", deb, place.directory("deb")], check=True)
    check_installed(run, f"{place.path}/deb/usr/bin/lifesign")
    check_prober(f"{place.path}/deb/usr/bin/lifesign")


def test_version_is_the_projects(place):
    said = subprocess.run([BIN, "version"], capture_output=True, text=True, check=True).stdout
    assert re.search(r"\b\d+\.\d+\.\d+\b", said), said
    archive = packages.make("TGZ", place.path)
    assert re.search(r"\b\d+\.\d+\.\d+\b", said).group() in os.path.basename(archive)


@pytest.fixture(name="musl")
def musl_root(place):
    root, lifesign = packages.musl_root(place, packages.make("TGZ", place.path))
    return root, lifesign


def test_tarball_needs_no_libc(musl, run):
    """A root with nothing but musl and busybox: the program starts, and the server there is covered."""
    root, lifesign = musl
    started = run(["/bin/server", str(free_port())], program=lifesign, shim=None, wrap=packages.enter(root), root=root)
    started.wait_started()
    process = started.status()["processes"][0]
    assert process["coverage"] == "shim" and process["exe"] == "server", process
    assert mapped(process["pid"]), started.said()
    wait_until(lambda: [t for t in started.threads() if t["op"] == "poll"], 60, started.threads)
    assert started.stop() == 0, started.said()
    assert started.out() == "ended\n"
    check_prober(lifesign, packages.enter(root))


def test_tarball_asks_dependencies(musl, run):
    """The supervisor starts the prober by the bundled loader, too."""
    root, lifesign = musl
    with open(f"{root}/opt/c.yaml", "w", encoding="ascii") as f:
        f.write(f'dependencies: [{{name: db, url: "redis://127.0.0.1:{free_port()}"}}]\n')
    started = run(["/bin/server", str(free_port())], program=lifesign, shim=None, wrap=packages.enter(root), root=root,
                  options=["--config", "/opt/c.yaml"])
    started.wait_started()
    wait_until(lambda: started.status()["dependencies"][0]["error"] == "refused", 60, started.said)


def test_tarball_leaves_the_users_preload_to_command(musl):
    """LD_PRELOAD fits COMMAND's libc: the bundled loader must not touch it, COMMAND must get it first."""
    root, lifesign = musl
    done = subprocess.run(["/usr/sbin/chroot", root, lifesign, "run", "--dir", "/tmp/d", "--", "/bin/busybox", "env"], text=True,
                          capture_output=True, timeout=90, check=False, env={"LD_PRELOAD": "/lib/mine.so", "PATH": "/bin"})
    assert done.returncode == 0, done.stderr
    words = dict(line.split("=", 1) for line in done.stdout.splitlines())
    assert words["LD_PRELOAD"].split(":")[0] == "/lib/mine.so" and words["LD_PRELOAD"].endswith("/lib/liblifesign.so")
    assert [w for w in words if w.startswith("LIFESIGN_")] == ["LIFESIGN_SEGMENT"]


def test_half_an_archive_says_so(musl):
    root, lifesign = musl
    os.rename(f"{root}{os.path.dirname(os.path.dirname(lifesign))}/lib", f"{root}/opt/lib")
    done = subprocess.run(["/usr/sbin/chroot", root, lifesign, "version"], capture_output=True, text=True, check=False, env={})
    assert done.returncode == 127 and "unpack the whole archive" in done.stderr, done
