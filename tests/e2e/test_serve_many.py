# SPDX-License-Identifier: Apache-2.0
# ctest: asan
"""An agent with several services: each under its name, all in a list and in /metrics, the whole at the root."""
import json
import re
import threading

import jsonschema
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from http_demo import Demo
from test_http_answers import CODES, SCHEMA, promtool

ALL = [f"{scenario}-1={scenario}" for scenario in CODES]
PROBES = ["/livez", "/readyz", "/startupz", "/health"]
OF_AGENT = re.compile(r"process_|lifesign_(http_requests|agent_|build)")
OPENMETRICS = {"Accept": "application/openmetrics-text;version=1.0.0"}


@pytest.fixture
def many(place):
    demo = Demo(place, *ALL, scenario="dead")
    yield demo
    demo.close()


def apps(text, sample):
    """{app: value} of the samples of that name, without further labels."""
    return {m[1]: float(m[2]) for m in re.finditer(rf'^{sample}{{app="([^"]*)"}} (\S+)$', text, re.M)}


@pytest.mark.parametrize("scenario", CODES)
def test_each_service_answers_under_its_name(many, scenario):
    for path, code in zip(PROBES, CODES[scenario]):
        answer = many.ask(f"/services/{scenario}-1{path}")
        assert (answer.status, answer.headers["Lifesign-Verdict"]) == (code, CODES[scenario][4]), path
    status = many.ask(f"/services/{scenario}-1/health/status").json()
    jsonschema.validate(status, SCHEMA)
    assert (status["service"], status["live"]["verdict"]) == (f"{scenario}-1", CODES[scenario][4])
    assert many.ask(f"/services/{scenario}-1/health").json()["serviceId"] == f"{scenario}-1"


def test_the_root_is_the_whole(many):
    for scenario in ("dead", "draining", "alive"):
        many.say(scenario)
        for path, code in zip(PROBES, CODES[scenario]):
            answer = many.ask(path)
            assert (answer.status, answer.headers["Lifesign-Verdict"]) == (code, CODES[scenario][4]), path
    assert many.ask("/health/status").json()["service"] == "demo", "the agent's own name"
    many.say("dead")
    assert many.ask("/livez", method="POST").headers["Lifesign-Verdict"] == "dead"
    assert many.ask("/services/alive-1/livez", method="POST").headers["Lifesign-Verdict"] == "alive"


def test_names_are_decoded_and_must_be_whole(many):
    assert many.ask("/services/alive%2d1/livez").body == b"ok"
    assert many.ask("/services/%61live-1/livez").body == b"ok"
    for name in ("alive", "alive-1x", "ALIVE-1", "demo", "", "alive-1%20", "alive-1%00x", "%", "x" * 100, "alive-1%2f"):
        for method in ("GET", "HEAD", "POST"):
            answer = many.ask(f"/services/{name}/livez", method=method)
            assert answer.status == 404 and "Lifesign-Verdict" not in answer.headers, name
    for path in ("/reload", "/services", "/agent/livez", "/nope"):
        assert many.ask("/services/alive-1" + path, where=many.socket).status == 404


def test_the_list_has_all_of_them_in_the_order_of_their_coming(many):
    answer = many.ask("/services")
    assert (answer.status, answer.headers["Content-Type"], answer.headers["Lifesign-Verdict"]) == (200, "application/json", "dead")
    listed = answer.json()
    assert [one["name"] for one in listed] == [f"{scenario}-1" for scenario in CODES]
    for one, (livez, readyz, startupz, health, verdict) in zip(listed, CODES.values()):
        status = "fail" if health == 503 else "warn" if verdict == "degraded" else "pass"
        assert one == {"name": one["name"], "status": status, "live": livez == 200, "ready": readyz == 200, "startup": startupz == 200,
                       "pid": 10}


def test_services_come_and_go(place):
    demo = Demo(place, "--many", scenario=None)
    assert [demo.ask(path).status for path in PROBES] == [200, 503, 503, 503]
    assert demo.ask("/livez").headers["Lifesign-Verdict"] == "unknown"
    assert (demo.ask("/services").text, demo.ask("/services/a/livez").status) == ("[]", 404)
    assert apps(demo.ask("/metrics").text, "lifesign_live") == {}
    demo.say("dead", "a=alive")
    assert demo.ask("/livez").headers["Lifesign-Verdict"] == "alive", "of the only one, whatever the whole was before"
    demo.say("b=draining")
    assert demo.ask("/livez").headers["Lifesign-Verdict"] == "dead"
    demo.say("a=gone")
    assert [one["name"] for one in demo.ask("/services").json()] == ["b"]
    assert (demo.ask("/services/a/livez").status, demo.ask("/readyz").status, demo.ask("/livez").status) == (404, 503, 200)
    demo.say("a=dead", "b=gone", "nobody", "a=gone")
    assert (demo.ask("/services").text, demo.ask("/readyz").status) == ("[]", 503)
    demo.close()


def test_a_silent_sampler_is_doubted_for_every_service(many):
    many.say("beat 5")
    assert {one["status"] for one in many.ask("/services").json()} == {"warn", "fail"}
    assert many.ask("/services/dead-1/livez").headers["Lifesign-Verdict"] == "unknown"
    many.say("beat 11")
    assert many.ask("/services/alive-1/readyz").text.count("[-]stale failed: stale\n") == 1
    assert set(apps(many.ask("/metrics").text, "lifesign_ready").values()) == {0}


def check_exposition(demo, path, names):
    """Both formats: clean, each family once, the samples of these services within it, the agent's own once."""
    text, opened = demo.ask(path), demo.ask(path, OPENMETRICS)
    found = promtool(text.text)
    assert (found.returncode, found.stdout + found.stderr) == (0, "")
    for families in (list(parse_text(text.text)), list(parse_openmetrics(opened.text))):
        assert len({f.name for f in families}) == len(families)
        series = [(s.name, *sorted(s.labels.items())) for f in families for s in f.samples]
        assert len(set(series)) == len(series)
        for family in families:
            owners = {s.labels.get("app") for s in family.samples}
            if OF_AGENT.match(family.name):
                assert owners <= ({None} if family.name.startswith("process_") else {"demo"}), family.name
            elif family.name.startswith("lifesign_dependency_"):
                assert not owners, family.name  # none of these has any
            elif family.name != "lifesign_reason_held":
                assert owners == names, family.name
    return text.text


def test_metrics_at_the_root_are_of_all_and_below_a_name_of_one(many):
    names = {f"{scenario}-1" for scenario in CODES}
    text = check_exposition(many, "/metrics", names)
    assert apps(text, "lifesign_live") == {f"{scenario}-1": codes[0] == 200 for scenario, codes in CODES.items()}
    assert apps(text, "lifesign_ready") == {f"{scenario}-1": codes[1] == 200 for scenario, codes in CODES.items()}
    text = check_exposition(many, "/services/draining-1/metrics", {"draining-1"})
    assert apps(text, "lifesign_ready") == {"draining-1": 0}


def test_requests_are_counted_by_path_whatever_the_service(many):
    for name in ("alive-1", "dead-1", "alive-1"):
        many.ask(f"/services/{name}/livez")
    many.ask("/livez")
    many.ask("/services/nope/livez")
    text = many.ask("/metrics").text
    for path, code, count in (("/livez", 200, 2), ("/livez", 503, 2), ("other", 404, 1)):
        assert f'lifesign_http_requests_total{{app="demo",path="{path}",code="{code}"}} {count}\n' in text


def test_answers_stay_whole_while_services_come_and_go(many):
    """Over and over at the same time: no answer is of another service, no series stands twice, nothing but 200 and 404."""
    wrong, ends = [], threading.Event()

    def look():
        while not ends.is_set() and not wrong:
            for name in ("x", "y"):
                answer = many.ask(f"/services/{name}/health/status")
                if answer.status not in (200, 404) or answer.status == 200 and answer.json()["service"] != name:
                    wrong.append(answer)
            listed = [one["name"] for one in many.ask("/services").json()]
            series = [line.rsplit(" ", 1)[0] for line in many.ask("/metrics").text.splitlines() if line[0] != "#"]
            if len(set(listed)) < len(listed) or len(set(series)) < len(series):
                wrong.append((listed, series))
    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(150):
        many.say("x=alive", "y=dead", "x=gone", "x=draining", "y=gone", "x=gone")
    ends.set()
    for thread in threads:
        thread.join()
    assert not wrong


def test_json_of_a_strange_name(place):
    demo = Demo(place, 'we"ird\\é=alive', scenario=None)
    assert json.loads(demo.ask("/services").body)[0]["name"] == 'we"ird\\é'
    assert demo.ask("/services/we%22ird%5c%c3%a9/livez").body == b"ok"
    assert promtool(demo.ask("/metrics").text).returncode == 0
    demo.close()
