# SPDX-License-Identifier: Apache-2.0
"""What is wrong is said in one line that starts `lifesign:`, with the contract's exit status, before anything starts."""
import contextlib
import os
import shutil
import socket
import stat as modes
import subprocess

import pytest

import lifesign
from lifesign import BIN, SHIM, clean_environment, free_port, wait_until


def start(place, *options, env=None, command=("touch", "started"), shim=SHIM, binary=BIN, **rest):
    here = place.directory("here")
    words = [binary, "run", "--dir", place.path + "/d", *(["--shim", shim] if shim else []), *options, "--", *command]
    done = subprocess.run(words, cwd=here, env=clean_environment(env), capture_output=True, text=True, timeout=90, check=False, **rest)
    done.started = os.path.exists(here + "/started")
    return done


def assert_refused(place, done, status, *said):
    assert done.returncode == status, done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 1 and lines[0].startswith("lifesign: "), done.stderr
    for word in said:
        assert word in lines[0]
    assert not done.started
    left = os.listdir(place.path + "/d") if os.path.isdir(place.path + "/d") else []
    assert left == [], "no socket file is left"


def test_an_asked_for_port_that_is_taken_is_69(place):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = start(place, "--listen", f"127.0.0.1:{port}")
    assert_refused(place, done, 69, f"127.0.0.1:{port}", "--listen")


def test_one_taken_port_of_two_is_69_and_frees_the_first(place):
    good = free_port()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = start(place, "--listen", f"127.0.0.1:{good}", "--listen", f"127.0.0.1:{taken.getsockname()[1]}")
    assert_refused(place, done, 69)
    assert not lifesign.accepts(good)


def test_the_default_port_taken_is_a_warning(place):
    def take():
        try:
            return socket.create_server(("127.0.0.1", 8081))
        except OSError:
            return None  # somebody's, for how long nobody knows
    try:
        taken = wait_until(take, 30)
    except AssertionError:
        taken = contextlib.nullcontext()  # who has it for so long has it now
    with taken:
        done = start(place, "--service", "svc")
    lines = done.stderr.splitlines()
    assert done.returncode == 0 and done.started
    assert f"unix:{place.path}/d/svc.sock" in lines[0] and "8081" not in lines[0], "the first line names the addresses"
    assert "127.0.0.1:8081" in lines[1]


@pytest.mark.parametrize("address", ["nonsense", "127.0.0.1", "127.0.0.1:99999", "1.2.3:80", "[::1:80", "http://127.0.0.1:1", "unix:", ":", "host.example:80"])
def test_an_address_that_is_none_is_refused(place, address):
    done = start(place, "--listen", address)
    assert done.returncode in (64, 78) and not done.started
    assert done.stderr.startswith("lifesign: ") and done.stderr.count("\n") == 1


def test_an_address_of_no_interface_is_78(place):
    assert_refused(place, start(place, "--listen", "192.0.2.1:8081"), 78, "192.0.2.1:8081", "interface")


def test_a_privileged_port_without_the_right_names_the_capability(place):
    os.chmod(place.path, 0o777)
    drop = ["/usr/bin/setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--bounding-set=-all", "--inh-caps=-all"]
    with open("/proc/sys/net/ipv4/ip_unprivileged_port_start", encoding="ascii") as f:
        if int(f.read()) == 0:
            drop = None
    here = place.directory("here", mode=0o777)
    assert drop, "every port is free for all on this machine"
    done = subprocess.run(drop + [BIN, "run", "--dir", here + "/d", "--shim", SHIM, "--listen", "127.0.0.1:81", "--", "true"], cwd=here,
                          env=clean_environment(), capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 77 and "CAP_NET_BIND_SERVICE" in done.stderr


@pytest.mark.parametrize("make, said", [
    (lambda p: p + "/none.so", "No such file"),
    (lambda p: p, ""),
    (lambda p: "/etc/passwd", "no shared object"),
    (lambda p: "/bin/true" if b"\x02\x00" == open("/bin/true", "rb").read(18)[16:18] else "/etc/group", "no shared object"),
])
def test_a_shim_that_cannot_be_preloaded_is_78(place, make, said):
    assert_refused(place, start(place, shim=make(place.path)), 78, "--shim", said)


def test_a_shim_of_another_machine_is_78(place):
    with open(SHIM, "rb") as f:
        image = bytearray(f.read(4096))
    image[18:20] = (243).to_bytes(2, "little")  # RISC-V
    other = place.file("other.so")
    with open(other, "wb") as f:
        f.write(image)
    assert_refused(place, start(place, shim=other), 78, "another machine")


def test_a_shim_that_nobody_finds_is_78(place):
    alone = place.directory("bin") + "/lifesign"
    shutil.copy(BIN, alone)
    assert_refused(place, start(place, shim=None, binary=alone), 78, "liblifesign.so", "--shim")


def test_the_shim_is_found_beside_the_program_and_in_lib(place):
    for where in ("bin", "lib"):
        top = place.directory(f"in-{where}")
        os.makedirs(top + "/bin")
        os.makedirs(top + "/lib")
        shutil.copy(BIN, top + "/bin/lifesign")
        shutil.copy(SHIM, f"{top}/{where}/liblifesign.so")
        done = start(place, "--listen", "127.0.0.1:0", shim=None, binary=top + "/bin/lifesign", command=("sh", "-c", "echo $LD_PRELOAD"))
        assert done.returncode == 0 and os.path.realpath(done.stdout.strip()) == f"{top}/{where}/liblifesign.so"


def test_a_relative_shim_reaches_children_anywhere(place):
    here = place.directory("here")
    shutil.copy(SHIM, here + "/liblifesign.so")
    done = start(place, "--listen", "127.0.0.1:0", shim="./liblifesign.so", command=("sh", "-c", "cd / && cat /proc/self/maps"))
    assert "liblifesign.so" in done.stdout and "preload" not in done.stderr


def test_a_dir_that_cannot_be_made_is_no_reason_not_to_run(place):
    file = place.file("file", "x")
    for bad in (file, file + "/below", "/proc/nothing"):
        done = subprocess.run([BIN, "run", "--dir", bad, "--shim", SHIM, "--listen", "127.0.0.1:0", "--", "sh", "-c", "exit 4"],
                              capture_output=True, text=True, timeout=90, check=False, env=clean_environment())
        lines = done.stderr.splitlines()
        assert done.returncode == 4 and bad in lines[1] and "--dir" in lines[1]
        assert "http://127.0.0.1:" in lines[0]


@pytest.mark.parametrize("how", ["another's", "open to all", "a link"])
def test_a_dir_in_tmp_that_is_not_ours_alone_is_not_used(place, how):
    bad = place.directory("bad", mode=0o700)
    if how == "another's":
        os.chown(bad, 65534, 65534)
    elif how == "open to all":
        os.chmod(bad, 0o777)
    else:
        os.rename(bad, bad + "-real")
        os.symlink(bad + "-real", bad)
    done = subprocess.run([BIN, "run", "--dir", bad, "--shim", SHIM, "--listen", "127.0.0.1:0", "--", "true"],
                          capture_output=True, text=True, timeout=90, check=False, env=clean_environment())
    assert done.returncode == 0 and bad in done.stderr.splitlines()[1]
    assert os.listdir(bad) == []


def test_the_socket_is_for_its_owner_only(run):
    started = run(["sleep", "1000"])
    assert modes.S_IMODE(os.stat(started.socket).st_mode) == 0o600
    assert started.get("/livez", unix=True).status == 200
    started.stop()
    assert not os.path.exists(started.socket)


def test_commands_umask_is_its_own(place):
    done = start(place, "--listen", "127.0.0.1:0", command=("sh", "-c", "umask"))
    assert done.stdout.strip().lstrip("0") == "22"


def test_a_stale_socket_is_replaced_and_a_living_one_kept(run, place):
    first = run(["sleep", "1000"])
    second = run(["sleep", "1000"], options=["--dir", first.dir], up=False)
    other = wait_until(lambda: next((n for n in os.listdir(first.dir) if n != "svc.sock"), None), 30, "a second socket")
    assert other == f"svc-{second.pid}.sock"
    wait_until(second.is_up, 30)
    assert "svc.sock belongs to another" in second.err()
    first.process.kill()
    first.process.wait()
    assert os.path.exists(first.socket), "killed: nobody removed it"
    third = run(["sleep", "1000"], options=["--dir", first.dir], up=False)
    wait_until(lambda: third.try_get("/livez"), 30)
    assert lifesign.ask(first.socket, "/livez").status == 200
    assert "belongs to another" not in third.err()
    second.stop()
    third.stop()
    assert os.listdir(first.dir) == []


def test_a_file_that_is_no_socket_is_left_alone(run, place):
    path = place.file("mine/svc.sock", "precious")
    os.chmod(os.path.dirname(path), 0o700)
    started = run(["sleep", "1000"], options=["--dir", os.path.dirname(path)])
    assert "belongs to another" in started.err()
    started.stop()
    assert os.listdir(os.path.dirname(path)) == ["svc.sock"]
    with open(path, encoding="ascii") as f:
        assert f.read() == "precious"


def test_a_socket_that_was_replaced_meanwhile_is_not_removed(run):
    started = run(["sleep", "1000"])
    os.unlink(started.socket)
    with socket.socket(socket.AF_UNIX) as another:
        another.bind(started.socket)
        started.stop()
        assert os.path.exists(started.socket)


def test_every_form_of_address_is_served(run, place):
    port, six = free_port(), free_port("::1")
    path = place.path + "/asked.sock"
    started = run(["sleep", "1000"], options=["--listen", f":{port}", "--listen", f"[::1]:{six}", "--listen", f"unix:{path}"])
    for where in (("127.0.0.1", port), ("::1", port), ("::1", six)):
        socket.create_connection(where, 20).close()
    assert not lifesign.accepts(six), "[::1] is not 127.0.0.1"
    assert lifesign.ask(path, "/livez").status == 200
    first = next(line for line in started.err().splitlines() if line.startswith("lifesign:"))
    for text in (f"http://127.0.0.1:{started.port}", f"http://[::]:{port}", f"http://[::1]:{six}", f"unix:{path}", f"unix:{started.socket}"):
        assert text in first
    started.stop()
    assert not os.path.exists(path)


def test_an_asked_for_socket_file_that_answers_is_69(run, place):
    started = run(["sleep", "1000"], options=["--listen", f"unix:{place.path}/a.sock"])
    done = start(place, "--listen", f"unix:{place.path}/a.sock")
    assert_refused(place, done, 69, "a.sock")
    assert started.get("/livez").status == 200


def test_in_kubernetes_the_default_is_every_address(place):
    done = start(place, env={"KUBERNETES_SERVICE_HOST": "10.0.0.1"})
    assert done.returncode == 0
    assert "http://[::]:8081" in done.stderr.splitlines()[0] or ":8081" in done.stderr.splitlines()[1]


LIMITED = "ulimit {3} -f 8; exec {0} run --dir {1}/d --shim {2} --listen 127.0.0.1:0 -- sh -c 'ulimit -S -f; echo [$LD_PRELOAD]; exit 6'"


def test_a_limit_for_files_is_none_for_the_shared_memory(place):
    done = subprocess.run(["sh", "-c", LIMITED.format(BIN, place.path, SHIM, "-S")], capture_output=True, text=True, timeout=90, check=False,
                          env=clean_environment())
    assert (done.returncode, done.stdout) == (6, f"8\n[{SHIM}]\n")
    assert "memory" not in done.stderr


def test_without_shared_memory_the_service_still_runs(place):
    os.chmod(place.path, 0o777)
    nobody = ["/usr/bin/setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--bounding-set=-all", "--inh-caps=-all"]
    done = subprocess.run(nobody + ["sh", "-c", LIMITED.format(BIN, place.path, SHIM, "")], capture_output=True, text=True, timeout=90,
                          check=False, env=clean_environment())
    assert (done.returncode, done.stdout) == (6, "8\n[]\n")
    assert "without the shim" in done.stderr
