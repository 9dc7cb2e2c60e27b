# SPDX-License-Identifier: Apache-2.0
"""/services and /services/NAME/…: the same paths and answers whether an agent serves one service or many."""
import pytest

from lifesign import Run, free_port

PATHS = ["/livez", "/readyz", "/startupz", "/healthz", "/health/live", "/health", "/health/status", "/metrics", "/livez/deadlock"]
STRANGE = ["/services/", "/services//livez", "/services/svc", "/services/svc//", "/services/other/livez", "/services/sv/livez", "/services/svcx/livez",
           "/services/SVC/livez", "/services/svc/services", "/services/svc/agent/livez", "/services/svc/services/svc/livez", "/services/svc//livez",
           "/services/svc/livez/", "/services/" + "x" * 3000 + "/livez", "/servicesvc/livez", "/agent", "/agent/livez/", "/agent/readyz"]


@pytest.fixture(name="run", scope="module")
def one_run():
    with Run(["/usr/bin/python3", "-m", "http.server", "--bind", "127.0.0.1", str(free_port())], service="svc") as run:
        run.wait_started()
        yield run


def test_one_service_is_listed(run):
    answer = run.get("/services")
    assert answer.status == 200 and answer.headers["Content-Type"] == "application/json"
    (service,) = answer.json()
    status = run.status()
    assert service == {"name": "svc", "status": status["status"], "live": True, "ready": status["ready"]["ok"], "startup": True,
                       "pid": status["processes"][0]["pid"]}


@pytest.mark.parametrize("path", PATHS)
def test_a_path_is_the_same_below_the_name(run, path):
    plain, named = run.get(path), run.get("/services/svc" + path)
    assert (named.status, named.headers["Content-Type"]) == (plain.status, plain.headers["Content-Type"])
    assert named.headers["Lifesign-Verdict"] == plain.headers["Lifesign-Verdict"]
    if path not in ("/metrics", "/health", "/health/status"):
        assert named.body == plain.body


def test_parameters_and_methods_work_below_the_name(run):
    assert run.get("/services/svc/livez?verbose").body.endswith(b"livez check passed\n")
    assert run.get("/services/svc/livez", method="HEAD").status == 200
    answer = run.get("/services/svc/livez", method="POST")
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("path", STRANGE)
def test_what_is_no_service_or_no_path_of_one(run, path):
    assert run.get(path).status == 404
    assert run.get(path, method="POST").status == 404


def test_a_reload_is_the_agents_and_no_services(run):
    assert run.get("/services/svc/reload", method="POST", unix=True).status == 404


def test_the_agent_itself_is_alive(run):
    answer = run.get("/agent/livez")
    assert (answer.status, answer.body) == (200, b"ok")
