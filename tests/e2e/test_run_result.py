# SPDX-License-Identifier: Apache-2.0
"""COMMAND under `lifesign run` does what it does without: status, output, input, environment, descriptors."""
import ast
import json
import os
import signal
import subprocess

import pytest

import lifesign
from lifesign import BIN, SHIM, clean_environment, wait_until

PYTHON = "/usr/bin/python3"


def words(place, *options):
    return [BIN, "run", "--dir", place.directory("d", mode=0o700), "--shim", SHIM, "--service", "svc",
            "--listen", "127.0.0.1:0", *options, "--"]


def both(place, command, stdin=None, env=None, **rest):
    """(plain, under lifesign): CompletedProcess each, lifesign's own lines taken out of stderr."""
    done = []
    for before in ([], words(place)):
        one = subprocess.run(before + list(command), input=stdin, capture_output=True, timeout=90, check=False,
                             env=clean_environment(env), stdin=None if stdin is not None else subprocess.DEVNULL, **rest)
        one.stderr = b"".join(line for line in one.stderr.splitlines(True) if not line.startswith(b"lifesign: "))
        done.append(one)
    return done


@pytest.mark.parametrize("status", [0, 1, 3, 77, 126, 127, 255])
def test_the_exit_status_is_commands(place, status):
    plain, ours = both(place, ["sh", "-c", f"echo out; echo err >&2; exit {status}"])
    assert ours.returncode == plain.returncode == status
    assert (ours.stdout, ours.stderr) == (plain.stdout, plain.stderr)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV, signal.SIGINT, signal.SIGRTMIN + 3])
def test_a_signal_is_128_and_its_number(place, number):
    plain, ours = both(place, ["sh", "-c", f"ulimit -c 0; kill -{int(number)} $$"])
    assert plain.returncode == -number
    assert ours.returncode == 128 + number


@pytest.mark.parametrize("command, status", [("no-such-program-at-all", 127), ("./missing/deep", 127), ("/etc/passwd", 126), ("/", 126)])
def test_what_cannot_be_executed_leaves_nothing(place, command, status):
    done = subprocess.run(words(place) + [command], capture_output=True, text=True, timeout=90, check=False,
                          env=clean_environment({lifesign.MARK: "mark-" + place.path}))
    assert done.returncode == status
    lines = done.stderr.splitlines()
    assert len(lines) == 1 and lines[0].startswith(f"lifesign: {command}: ") and done.stdout == ""
    assert os.listdir(place.path + "/d") == []
    assert lifesign.marked("mark-" + place.path, "/nowhere") == []


def test_a_missing_interpreter_is_127(place):
    script = place.file("script", "#!/no/such/interpreter\n", mode=0o755)
    done = subprocess.run(words(place) + [script], capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 127 and "interpreter" in done.stderr


def test_a_script_without_interpreter_line_runs_as_by_a_shell(place):
    script = place.file("script", "echo it ran; exit 5\n", mode=0o755)
    done = subprocess.run(words(place) + [script], capture_output=True, text=True, timeout=90, check=False)
    assert (done.returncode, done.stdout) == (5, "it ran\n")


def test_binary_data_passes_unchanged(place):
    data = os.urandom(3_000_000) + b"\0\r\n\x03\x1a\xff"
    plain, ours = both(place, ["cat"], stdin=data)
    assert ours.stdout == plain.stdout == data and ours.returncode == 0 and ours.stderr == b""


def test_nobody_of_ours_holds_the_output_open(run, place):
    """A reader sees the end when COMMAND closes its output, and COMMAND's writer when COMMAND closes its input."""
    script = "import os,time; os.write(1,b'x'); os.close(1); os.close(0); time.sleep(1000)"
    reader, out = os.pipe()
    stdin, writer = os.pipe()
    process = subprocess.Popen(words(place) + [PYTHON, "-c", script], stdin=stdin, stdout=out, stderr=subprocess.DEVNULL,
                               env=clean_environment())
    os.close(out)
    os.close(stdin)
    try:
        os.set_blocking(reader, False)

        def is_at_end():
            try:
                return os.read(reader, 100) == b""
            except BlockingIOError:
                return False
        wait_until(is_at_end, 30, "the pipe ends")
        with pytest.raises(BrokenPipeError):
            wait_until(lambda: os.write(writer, b"x") == 0, 30, "the writer is told")
        assert process.poll() is None
    finally:
        os.close(reader)
        os.close(writer)
        process.terminate()
        process.wait(30)


def test_the_environment_is_commands_own(place):
    env = {"LIFESIGN_LISTEN": "127.0.0.1:0", "LIFESIGN_LOG_LEVEL": "info", "LIFESIGN_PORT_8081_TCP": "x", "LIFESIGN_SEGMENT": "@old",
           "LISTEN_PIDS": "1", "LISTEN_FDS": "0", "XLIFESIGN_A": "kept", "EMPTY": ""}
    plain, ours = both(place, [PYTHON, "-c", "import os,json; print(json.dumps(dict(os.environ)))"], env=env)
    before, after = json.loads(plain.stdout), json.loads(ours.stdout)
    assert after.pop("LD_PRELOAD") == SHIM
    assert after.pop("LIFESIGN_SEGMENT").startswith("@lifesign-")
    assert {k: v for k, v in before.items() if not k.startswith("LIFESIGN_")} == after


@pytest.mark.parametrize("users", ["libc.so.6", "libc.so.6:libm.so.6", "libc.so.6 libm.so.6"])
def test_the_users_preloads_come_first(place, users):
    _, ours = both(place, ["sh", "-c", "echo $LD_PRELOAD"], env={"LD_PRELOAD": users})
    assert ours.stdout.decode().strip() == f"{users}:{SHIM}"


def test_the_shim_is_named_once(place):
    _, ours = both(place, ["sh", "-c", "echo $LD_PRELOAD"], env={"LD_PRELOAD": f"libc.so.6:{SHIM}"})
    assert ours.stdout.decode().strip() == f"libc.so.6:{SHIM}"


SHOW_FDS = ("import os; print([(f, os.readlink(f'/proc/self/fd/{f}')) for f in sorted(map(int, os.listdir('/proc/self/fd')))"
            " if os.path.lexists(f'/proc/self/fd/{f}')])")


def test_commands_descriptors_are_those_it_would_have(place):
    first = open(place.file("first", "x"), "rb")  # pylint: disable=consider-using-with
    second = os.dup2(first.fileno(), 57)
    plain, ours = both(place, [PYTHON, "-c", SHOW_FDS], pass_fds=(first.fileno(), second))
    first.close()
    os.close(second)

    before, after = ast.literal_eval(plain.stdout.decode()), ast.literal_eval(ours.stdout.decode())
    assert [fd for fd, _ in after] == [fd for fd, _ in before] and 57 in dict(after)
    assert [item for item in after if not item[1].startswith("pipe:")] == [item for item in before if not item[1].startswith("pipe:")]


def test_closed_standard_descriptors_stay_closed(place):
    script = "import os; open(os.environ['OUT'],'w').write(str([os.path.exists(f'/proc/self/fd/{f}') for f in range(3)]))"
    results = []
    for before in ([], words(place)):
        out = place.file("out")
        subprocess.run(["sh", "-c", 'exec "$@" <&- >&-', "sh", *before, PYTHON, "-c", script], check=True, timeout=90,
                       stderr=subprocess.DEVNULL, env=clean_environment({"OUT": out}))
        with open(out, encoding="ascii") as f:
            results.append(f.read())
    assert results[0] == results[1]


SHOW_SIGNALS = ("print([l for l in open('/proc/self/status') if l.startswith(('SigBlk', 'SigIgn', 'ShdPnd', 'SigPnd'))]);"
                "import os,resource; m=os.umask(0); print(m, resource.getrlimit(resource.RLIMIT_NOFILE), os.nice(0))")


@pytest.mark.parametrize("inherited", ["nothing", "blocked and ignored"])
def test_signal_dispositions_mask_and_limits_are_inherited(place, inherited):
    def prepare():
        if inherited != "nothing":
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1, signal.SIGTERM})
            for number in (signal.SIGCHLD, signal.SIGHUP, signal.SIGUSR2):
                signal.signal(number, signal.SIG_IGN)
            os.umask(0o137)
    plain, ours = both(place, [PYTHON, "-c", SHOW_SIGNALS], preexec_fn=prepare)
    assert ours.returncode == 0 and ours.stdout == plain.stdout


def test_the_directory_and_argv_are_commands_own(place):
    here = place.directory("here")
    plain, ours = both(place, ["sh", "-c", 'pwd; for a; do echo "[$a]"; done', "zero", "", "a b", "--listen", "--"], cwd=here)
    assert ours.stdout == plain.stdout


def test_command_leads_a_process_group_of_its_own(place):
    _, ours = both(place, [PYTHON, "-c", "import os; print(os.getpgrp() == os.getpid(), os.getsid(0) == os.getpid())"])
    assert ours.stdout == b"True False\n"


def test_it_ends_at_once_with_command_and_leaves_nothing(run):
    started = run(["sh", "-c", "sleep 0.5; exit 7"], up=False)
    assert started.wait() == 7
    wait_until(lambda: not started.left(), 30, "nothing is left")
    assert os.listdir(started.dir) == []


def test_children_of_a_failed_command_are_left_as_without_us(run):
    """COMMAND fails: run ends with it. Its children are not killed, they would not have been."""
    started = run(["sh", "-c", "sleep 300 & echo $!; exit 9"], up=False)
    assert started.wait() == 9
    assert lifesign.is_running(int(started.out()))
