# SPDX-License-Identifier: Apache-2.0
# ctest: asan
"""Each endpoint over real sockets: codes, headers, bodies, formats, and who sees details."""
import json
import os
import subprocess

import jsonschema
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics

import lifesign
from http_demo import Demo, read_answer

LIVEZ = ["/livez", "/live", "/health/live", "/healthz"]
READYZ = ["/readyz", "/ready", "/health/ready"]
STARTUPZ = ["/startupz", "/startup", "/health/startup"]
OTHERS = ["/health", "/health/status", "/metrics", "/"]
CODES = {  # scenario: livez, readyz, startupz, health, verdict
    "alive": (200, 200, 200, 200, "alive"),
    "degraded": (200, 200, 200, 200, "degraded"),
    "dead": (503, 503, 200, 503, "dead"),
    "draining": (200, 503, 200, 503, "alive"),
    "starting": (200, 503, 503, 503, "alive"),
    "observed": (200, 200, 200, 200, "alive"),
}
with open(os.path.join(lifesign.SOURCE, "agent/deploy/status.schema.json"), encoding="utf-8") as schema_file:
    SCHEMA = json.load(schema_file)


@pytest.fixture
def demo(place):
    demo = Demo(place)
    yield demo
    demo.close()


def check_status(demo, **request):
    answer = demo.ask("/health/status", **request)
    assert answer.status == 200 and answer.headers["Content-Type"] == "application/json"
    jsonschema.validate(answer.json(), SCHEMA)
    return answer.json()


@pytest.mark.parametrize("scenario", CODES)
def test_codes_and_headers_of_every_path_and_alias(demo, scenario):
    demo.say(scenario)
    livez, readyz, startupz, health, verdict = CODES[scenario]
    expected = {p: livez for p in LIVEZ} | {p: readyz for p in READYZ} | {p: startupz for p in STARTUPZ}
    expected |= {"/health": health, "/health/status": 200, "/metrics": 200}
    for path, code in expected.items():
        answer = demo.ask(path)
        assert answer.status == code, path
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Lifesign-Verdict"] == verdict
        if path in LIVEZ + READYZ + STARTUPZ:
            assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
            assert answer.body == b"ok" if code == 200 else answer.body.endswith(b"z check failed\n")


def test_head_is_get_without_a_body(demo):
    demo.say("draining")
    for path in LIVEZ + READYZ + STARTUPZ + ["/health", "/health/status"]:
        get, head = demo.ask(path), demo.ask(path, method="HEAD")
        assert (head.status, head.body) == (get.status, b"")
        assert head.headers["Content-Type"] == get.headers["Content-Type"]
        assert head.headers["Content-Length"] and "Lifesign-Verdict" in head.headers


def test_other_methods_are_405_and_unknown_paths_404(demo):
    for path in LIVEZ[:1] + READYZ[:1] + OTHERS:
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH", "FROBNICATE"):
            answer = demo.ask(path, method=method)
            assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD"), (path, method)
            assert answer.headers["Lifesign-Verdict"] == "alive"
    for path in ["//", "/livez/", "/readyz/nonsense", "/livezz", "/health/", "/metrics/", "/LIVEZ", "/debug/pprof/profile",
                 "/debug/pprof/", "/favicon.ico", "/services/", "/reload", "/livez%2f", "/a%00b", "/livez%00", "/readyz%00/db", "/%"]:
        for method in ("GET", "HEAD", "POST"):
            answer = demo.ask(path, method=method)
            assert answer.status in (404, 405) if path.startswith("/readyz/") else answer.status == 404, (path, method)
            assert "Location" not in answer.headers and answer.headers["Cache-Control"] == "no-store"


def test_parameters_are_decoded_and_unknown_ones_ignored(demo):
    demo.say("two-reasons")
    assert demo.ask("/readyz?exclude=draining").status == 503
    assert demo.ask("/readyz?exclude=draining&exclude=queue_full").body == b"ok"
    assert demo.ask("/readyz?exclude=dr%61ining&timeout=5s&exclude=queue%5Ffull&&=&x").body == b"ok"
    verbose = demo.ask("/readyz?verbose&exclude=draining&exclude=queue_full&exclude=no+such%22").text
    assert "[+]draining excluded: ok\n" in verbose and verbose.endswith("\nreadyz check passed\n")
    assert 'warn: some health checks cannot be excluded: no matches for "no such\\""\n' in verbose
    assert demo.ask("/readyz/draining").status == 503 and demo.ask("/ready/deadlock").body == b"ok"
    assert demo.ask("/health/ready/queue%5Ffull").text == "[-]queue_full failed: queue_full\nreadyz check failed\n"


@pytest.mark.parametrize("target,code", [("http://localhost/livez", "200"), ("HTTP://[::1]:1/services/nobody/livez", "404"),
                                         ("http://localhost", "200"), ("http://", "200"), ("https://localhost/livez", "404")])
def test_the_absolute_form_of_a_request_is_taken(demo, target, code):
    with demo.connect() as connection:
        connection.sendall(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert read_answer(connection)[0].split()[1] == code


def test_every_listener_answers(demo):
    for where in (demo.port, ("::1", demo.port6), demo.socket):
        assert demo.ask("/livez", where=where).body == b"ok"
        assert check_status(demo, where=where)["service"] == "demo"


def test_before_the_first_sample_nothing_is_claimed(place):
    demo = Demo(place, scenario=None)
    for path, code in (("/livez", 200), ("/readyz", 503), ("/startupz", 503), ("/health", 503), ("/metrics", 200)):
        answer = demo.ask(path)
        assert (answer.status, answer.headers["Lifesign-Verdict"]) == (code, "unknown"), path
    assert "[-]starting failed: starting\n" in demo.ask("/readyz").text
    status = check_status(demo)
    assert (status["service"], status["version"], status["processes"]) == ("demo", "1.2.3", [])
    demo.close()


def test_a_silent_sampler_is_doubted_then_stale(demo):
    demo.say("dead", "beat 5")
    for path, code in (("/livez", 200), ("/readyz", 503), ("/startupz", 200)):
        answer = demo.ask(path)
        assert (answer.status, answer.headers["Lifesign-Verdict"]) == (code, "unknown"), path
    demo.say("alive", "beat 5")
    assert demo.ask("/readyz").body == b"ok"
    demo.say("beat 11")
    assert "[-]stale failed: stale\n" in demo.ask("/readyz").text
    assert demo.ask("/agent/livez").status == 503, "whose sampler is silent"
    assert demo.ask("/livez").body == b"ok"
    status = check_status(demo)
    assert [r["code"] for r in status["ready"]["reasons"]] == ["stale"]
    assert (status["status"], status["live"]["verdict"]) == ("fail", "unknown")
    demo.say("beat -1")
    assert demo.ask("/readyz").body == b"ok"


@pytest.mark.parametrize("scenario", CODES)
def test_status_keeps_its_schema(demo, scenario):
    demo.say(scenario, "threads 40")
    for headers in ({}, {"Host": "evil.example"}):
        status = check_status(demo, headers=headers)
        assert status["live"]["verdict"] == CODES[scenario][4]
        assert status["status"] == {"alive": "pass", "observed": "pass", "degraded": "warn"}.get(scenario, "fail")
        assert len(status["processes"][0]["threads"]) == 40
        assert (status["available"], status["dependencies"]) == ({}, [])
    demo.say("threads 0")
    check_status(demo)


def details_of(status):
    threads = status["processes"][0]["threads"]
    locks = [t["waits_for"] for t in threads if t["waits_for"] and t["waits_for"]["kind"] in ("lock", "address")]
    return [r["detail"] for r in status["live"]["reasons"]] + [status["processes"][1]["coverage_why"]] + \
        [w["object"] for w in locks] + [w["futex"] for w in locks if w["kind"] == "lock"]


def test_details_are_for_local_eyes(place):
    demo, open_demo = Demo(place, scenario="dead"), Demo(place, "--details", scenario="dead")
    demo.say("threads 6")
    open_demo.say("threads 6")
    seen = [check_status(demo), check_status(demo, where=demo.socket), check_status(demo, where=("::1", demo.port6)),
            check_status(demo, headers={"Host": "127.1.2.3:99"}), check_status(demo, where=demo.socket, headers={"Host": "x"}),
            check_status(open_demo, headers={"Host": "evil.example", "X-Forwarded-For": "10.0.0.1"})]
    for status in seen:
        assert None not in details_of(status) and details_of(status)[-1] == "0x7f0012345678"
    hidden = [{"Host": "evil.example"}, {"Host": "localhost.evil.example"}, {"X-Forwarded-For": "10.0.0.1"},
              {"forwarded": "for=10.0.0.1"}]
    for headers in hidden:
        assert set(details_of(check_status(demo, headers=headers))) == {None}, headers
        assert "output" not in demo.ask("/health", headers=headers).json()
    assert "wait for each other" in demo.ask("/health").json()["output"]
    with demo.connect() as connection:  # no Host at all
        connection.sendall(b"GET /health HTTP/1.0\r\n\r\n")
        assert "output" not in json.loads(read_answer(connection)[2])
    demo.close()
    open_demo.close()


def test_names_with_any_bytes_come_out_as_json(demo):
    assert check_status(demo)["processes"][0]["threads"][1]["name"] == 'bad\ufffd"name\n'


def test_health_json_follows_the_draft(demo):
    for scenario, status in (("alive", "pass"), ("degraded", "warn"), ("draining", "fail")):
        demo.say(scenario)
        answer = demo.ask("/health")
        health = answer.json()
        assert answer.headers["Content-Type"] == "application/health+json"
        assert (health["status"], health["serviceId"], health["releaseId"]) == (status, "demo", "1.2.3")
        assert ("output" in health) == (status == "fail")
        for key, values in health["checks"].items():
            assert key.count(":") == 1 and isinstance(values, list)
            for value in values:
                assert value["status"] in ("pass", "warn", "fail") and value["componentId"] and value["time"]
                assert value["status"] != "pass" or "output" not in value
        assert set(health["checks"]) == {"live:verdict", "ready:state", "startup:state", "accept_queue:utilization"}
    demo.say("alive", "beat 5")
    assert demo.ask("/health").json()["status"] == "warn"


def promtool(text):
    return subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)


def test_metrics_are_clean_in_both_formats(demo):
    demo.ask("/livez")  # something to count
    for scenario in ("alive", "draining", "dead", "observed"):
        demo.say(scenario)
        text = demo.ask("/metrics", {"Accept": "text/html,*/*;q=0.8"})
        assert text.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        found = promtool(text.text)
        assert (found.returncode, found.stdout + found.stderr) == (0, ""), found
        opened = demo.ask("/metrics", {"Accept": "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"})
        assert opened.headers["Content-Type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
        assert opened.text.endswith("\n# EOF\n") and opened.text.count("# EOF") == 1
        families = list(parse_openmetrics(opened.text))
        assert len(families) == text.text.count("# TYPE") and all(f.documentation for f in families)
        samples = {s.name for f in families for s in f.samples}
        assert samples == {line.split("{")[0].split(" ")[0] for line in text.text.splitlines() if line[0] != "#"}


def metric(demo, line):
    return next((float(x.rsplit(" ", 1)[1]) for x in demo.ask("/metrics").text.splitlines() if x.rsplit(" ", 1)[0] == line), 0)


def test_requests_are_counted_by_path_and_code(demo):
    def count(path, code):
        return metric(demo, f'lifesign_http_requests_total{{app="demo",path="{path}",code="{code}"}}')
    for _ in range(3):
        demo.ask("/live")
    demo.ask("/livez/deadlock")
    demo.ask("/nope/" + "x" * 100)
    demo.ask("/readyz", method="POST")
    assert (count("/livez", 200), count("other", 404), count("/readyz", 405)) == (4, 1, 1)
    demo.say("restart")
    assert count("/livez", 200) == 4


def test_verdict_and_reasons_are_metrics(demo):
    demo.say("draining")
    assert metric(demo, 'lifesign_ready{app="demo"}') == 0 and metric(demo, 'lifesign_live{app="demo"}') == 1
    assert metric(demo, 'lifesign_reason{app="demo",probe="ready",code="draining"}') == 1
    assert metric(demo, 'lifesign_reason_held{app="demo",probe="live",code="loop_blocked",held="draining"}') == 1
    assert metric(demo, 'lifesign_accept_queue{app="demo",listener="0.0.0.0:80"}') == 3
    assert metric(demo, 'lifesign_verdict{app="demo",verdict="alive"}') == 1


def test_reload_is_for_unix_peers_that_post(demo):
    assert demo.ask("/reload", method="POST", where=demo.socket).status == 202
    answer = demo.ask("/reload", where=demo.socket)
    assert (answer.status, answer.headers["Allow"]) == (405, "POST")
    assert demo.ask("/reload", method="POST").status == 404
    demo.say("alive")
    assert check_status(demo)["agent"]["config_generation"] == 1


def test_requests_are_logged_on_demand(place):
    demo = Demo(place, "--log-requests")
    demo.ask("/livez")
    demo.ask("/%0aforged%22%1b", method="POST")
    lines = lifesign.wait_until(lambda: (r := [json.loads(x) for x in demo.errors().splitlines()])[1:] and r, 30, demo.errors)
    assert [(x["event"], x["detail"]) for x in lines] == \
        [("request", "GET /livez 200"), ("request", 'POST /\\x0aforged\\"\\x1b 404')]
    demo.close()
