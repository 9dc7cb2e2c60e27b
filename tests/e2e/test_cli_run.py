# SPDX-License-Identifier: Apache-2.0
"""The commands against a real `lifesign run`: settings from every layer arrive, status, check and reload agree with HTTP."""
import json
import os
import signal

from lifesign import BIN, SHIM, Plain, call, free_port, wait_until

SERVER = ["python3", "-m", "http.server", "--bind", "127.0.0.1"]


def server():
    return SERVER + [str(free_port())]


def test_status_and_check_agree_with_http(run):
    one = run(server())
    one.wait_ready()
    done = call("status", "--dir", one.dir)
    assert done.returncode == 0 and done.stdout.startswith("svc, up ")
    assert f"process {one.main()} " in done.stdout
    mine = json.loads(call("status", "--json", "--dir", one.dir).stdout)
    assert mine["processes"][0]["pid"] == one.main() and mine["agent"]["pid"] == one.agent()
    for probe in ("livez", "readyz", "startupz"):
        assert one.get("/" + probe).status == 200
        for where in (["--dir", one.dir], ["--url", f"http://127.0.0.1:{one.port}"], ["--url", f"unix:{one.socket}"]):
            done = call("check", probe, *where)
            assert (done.returncode, done.stdout) == (0, f"{probe} ok\n")


def test_check_tells_why_it_is_not_ready(run):
    one = run(["sleep", "60"])
    done = call("check", "startupz", "--dir", one.dir)
    assert (done.returncode, done.stdout) == (1, "startupz failed: starting\n")
    done = call("check", "readyz", "--nagios", "--dir", one.dir)
    assert done.returncode == 2 and done.stdout.startswith("LIFESIGN CRITICAL - readyz failed: starting")
    assert call("status", "--dir", one.dir).returncode == 1


def test_every_layer_arrives(run, place):
    path = place.file("c.yaml", "serviceVersion: file\nlogFormat: json\nstartup: {port: none}\n")
    one = run(["sleep", "60"], options=["--log-format", "text"],
              env={"LIFESIGN_CONFIG": path, "LIFESIGN_SERVICE_VERSION": "variable", "LIFESIGN_LOG_FORMAT": "json"})
    assert one.status()["version"] == "variable"
    assert one.err().startswith("lifesign: ")
    wait_until(lambda: one.get("/startupz").status == 200, 15, one.said)


def test_json_logs(run):
    one = run(["sleep", "60"], options=["--log-format=json"])
    lines = [json.loads(line) for line in one.err().splitlines()]
    assert list(lines[0]) == ["time", "level", "app", "event", "probe", "from", "to", "reason", "detail"]
    assert lines[0]["app"] == "svc" and str(one.port) in lines[0]["detail"]


def test_log_files(run, place):
    path = place.path + "/log"
    one = run(["sleep", "60"], options=["--log-file", path])
    with open(path, encoding="utf-8") as f:
        assert f.read().startswith("lifesign: ")
    assert one.err() == ""


def test_reload_takes_a_good_file_and_refuses_a_bad_one(run, place):
    path = place.file("c.yaml", "serviceVersion: one\n")
    one = run(["sleep", "60"], options=["--config", path])
    assert one.status()["version"] == "one"

    place.file("c.yaml", "serviceVersion: two\n")
    done = call("reload", "--dir", one.dir)
    assert (done.returncode, done.stdout) == (0, "configuration taken over\n"), done.stderr
    wait_until(lambda: one.status()["version"] == "two", 15)

    place.file("c.yaml", "serviceVersion: three\nlivness: {}\n")
    done = call("reload", "--dir", one.dir)
    assert done.returncode == 78
    assert f"{path}:2: unknown key 'livness' (did you mean 'liveness'?)" in done.stderr
    assert one.status()["version"] == "two", "nothing changed"
    assert "livness" in call("status", "--dir", one.dir).stdout

    place.file("c.yaml", "serviceVersion: four\nslots: 64\n")
    done = call("reload", "--dir", one.dir)
    assert done.returncode == 78 and "slots cannot change while the service runs" in done.stderr


def test_a_changed_file_is_read_by_itself(run, place):
    path = place.file("c.yaml", "serviceVersion: one\n")
    one = run(["sleep", "60"], options=["--config", path])
    place.file("new.yaml", "serviceVersion: two, longer\n")
    os.rename(place.path + "/new.yaml", path)  # as editors and ConfigMaps do
    wait_until(lambda: one.status()["version"] == "two, longer", 15, one.said)


def test_reload_without_a_file_says_so(run):
    one = run(["sleep", "60"])
    done = call("reload", "--dir", one.dir)
    assert done.returncode == 78 and "no file was given by --config or LIFESIGN_CONFIG" in done.stderr


def test_two_services_in_one_directory(run, place):
    shared = place.directory("shared", mode=0o700)
    both = [run(["sleep", "60"], listen=None, service=name, up=0, options=["--dir", shared]) for name in ("one", "two")]
    for one, name in zip(both, ("one", "two")):
        wait_until(lambda: os.path.exists(f"{shared}/{name}.sock"), 10, one.said)
        wait_until(lambda: call("check", "--dir", shared, "--service", name).returncode == 0, 10, one.said)
    done = call("status", "--dir", shared)
    assert done.returncode == 64 and "(one, two)" in done.stderr
    assert call("check", "--dir", shared, "--service", "one").stdout.startswith("livez ")


def test_after_a_killed_run_there_is_no_agent(run):
    one = run(["sleep", "60"])
    one.tree()
    one.process.kill()
    one.wait()
    for pid in one.left():
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    wait_until(lambda: not one.left(), 15)
    done = call("check", "--dir", one.dir)
    assert done.returncode == 3 and "no agent" in done.stderr


def test_the_page_of_a_real_service_fits_80_columns(run):
    one = run(server())
    one.wait_ready()
    words = f"stty cols 80; exec {BIN} status --dir {one.dir}"
    with Plain(["sh", "-c", words], tty=True, env={"NO_COLOR": "1", "TERM": "xterm", "LIFESIGN_SHIM": SHIM}) as page:
        assert page.wait() == 0
        wait_until(lambda: "LISTENER" in page.out(), 5, page.said)
        assert max(len(line.rstrip("\r")) for line in page.out().split("\n")) <= 80


def test_commands_find_the_run_by_its_variables(run):
    """As in a container: the same environment for the service and for an exec probe."""
    port = free_port()
    run(["sleep", "60"], listen=None, up=0, env={"LIFESIGN_LISTEN": f"127.0.0.1:{port}"})
    wait_until(lambda: call("check", env={"LIFESIGN_LISTEN": f":{port}"}).returncode == 0, 10)
    assert call("status", env={"LIFESIGN_LISTEN": f":{port}"}).returncode in (0, 1)
