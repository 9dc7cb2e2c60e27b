# SPDX-License-Identifier: Apache-2.0
"""The packages of the tree under test, and roots to try them in."""
import atexit
import glob
import os
import shutil
import subprocess
import tempfile

from lifesign import SUPPORT, clean_environment

BUILD = os.environ["LIFESIGN_BUILD"]
MUSL_LIBC = "/usr/lib/x86_64-linux-musl/libc.so"


_made = {}  # packing takes a while: once for all tests of a process


def make(kind, directory):
    """Path of a DEB or TGZ made from this build tree, in that directory."""
    if kind not in _made:
        kept = tempfile.mkdtemp(prefix="ls-pack-")
        atexit.register(shutil.rmtree, kept, True)
        _made[kind] = _make(kind, kept)
    return shutil.copy(_made[kind], directory)


def _make(kind, directory):
    done = subprocess.run(["cpack", "--config", f"{BUILD}/CPackConfig.cmake", "-G", kind, "-B", directory], cwd=BUILD,
                          env=clean_environment(), capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return glob.glob(f"{directory}/*.{ {'DEB': 'deb', 'TGZ': 'tar.gz'}[kind] }")[0]


def unpack(archive, into):
    """Unpacks a tarball and gives the name of its top directory."""
    os.makedirs(into, exist_ok=True)
    subprocess.run(["tar", "-xzf", archive, "-C", into, "--no-same-owner"], check=True)
    return os.path.basename(archive)[:-len(".tar.gz")]


def musl_root(place, archive):
    """A root with busybox, musl's loader, a server linked against it, the unpacked tarball, and nothing else."""
    root = place.directory("root")
    for name in ("bin", "lib", "proc", "dev", "tmp", "opt"):
        os.mkdir(f"{root}/{name}")
    shutil.copy("/bin/busybox", f"{root}/bin/busybox")
    os.symlink("busybox", f"{root}/bin/sh")
    shutil.copy(MUSL_LIBC, f"{root}/lib/ld-musl-x86_64.so.1")
    shutil.copy(f"{SUPPORT}/tiny_server-musl", f"{root}/bin/server")
    return root, "/opt/" + unpack(archive, f"{root}/opt") + "/bin/lifesign"


def enter(root):
    """Words that run what follows inside that root: a mount namespace of its own with /proc, this machine's network."""
    inside = f'mount -t proc proc "{root}/proc" && mount --bind /dev/null "{root}/dev/null" && exec chroot "{root}" "$@"'
    open(f"{root}/dev/null", "a", encoding="ascii").close()
    unshare = ["unshare", "--mount"] if os.getuid() == 0 else ["unshare", "--mount", "--map-root-user"]
    return [*unshare, "sh", "-c", inside, "sh"]
