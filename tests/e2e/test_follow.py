# ctest: timeout=240
# SPDX-License-Identifier: Apache-2.0
"""Services that ask each other: the root cause through any number of hops, and a ring that does not wait for itself."""
import socket

from lifesign import free_port, wait_until
from services import python_http

CONFIG = """
readiness: {periodSeconds: 1, timeoutSeconds: 2, fastSeconds: 0.5, failureThreshold: 1}
dependencies:
"""


def service(place, run, name, *dependencies):
    """`lifesign run` of a small web server that depends on (name, kind, port) of this machine."""
    lines = [f"  - {{name: {one}, kind: {kind}, url: \"{'tcp' if kind == 'tcp' else 'http'}://127.0.0.1:{port}"
             f"{'' if kind == 'tcp' else '/readyz'}\", class: hard{'' if kind == 'tcp' else ', follow: true'}}}"
             for one, kind, port in dependencies]
    config = place.file(f"{name}.yaml", CONFIG + "\n".join(lines) + "\n")
    return lambda port: run(python_http(place).command, service=name, listen=f"127.0.0.1:{port}", options=["--config", config])


def answer(port):
    from look import ask
    try:
        return ask(port, "/health/status").json()
    except OSError:
        return None


def root(port):
    status = answer(port)
    reasons = [reason for reason in status["ready"]["reasons"] if reason["code"] == "dependency_down"] if status else []
    return reasons[0]["root"].partition(" via ")[0] if reasons and reasons[0]["root"] else None


def is_ready(port):
    status = answer(port)
    return status and status["ready"]["ok"]


def test_a_ring_recovers_and_everyone_names_the_root(place, run):
    """front -> users -> store -> db, and users -> front: a ring. db is not there, comes, goes and comes again."""
    db, front, users, store = (free_port() for _ in range(4))
    service(place, run, "store", ("db", "tcp", db))(store)
    service(place, run, "users", ("store", "http", store), ("front", "http", front))(users)
    service(place, run, "front", ("users", "http", users))(front)
    everyone = (front, users, store)
    for _ in range(2):
        wait_until(lambda: all(answer(port) and not is_ready(port) for port in everyone), 30)
        wait_until(lambda: root(front) == root(users) == "store/db", 20, lambda: [answer(port)["ready"] for port in everyone])
        with socket.create_server(("127.0.0.1", db)):
            wait_until(lambda: all(is_ready(port) for port in everyone), 30, lambda: [answer(port)["ready"] for port in everyone])


def test_the_url_may_name_any_page_of_the_other_one(place, run):
    """As in the README: `url: "http://auth:8081/", follow: true`."""
    db, auth, orders = (free_port() for _ in range(3))
    service(place, run, "auth", ("db", "tcp", db))(auth)
    pages = ["", "/", "/readyz", "/ready", "/health/ready", "/health/status", "/services/auth/readyz", "/services/auth/"]
    lines = [f'  - {{name: page-{i}, url: "http://127.0.0.1:{auth}{page}", follow: true}}' for i, page in enumerate(pages)]
    config = place.file("orders.yaml", CONFIG + "\n".join(lines) + "\n")
    run(python_http(place).command, service="orders", listen=f"127.0.0.1:{orders}", options=["--config", config])

    def seen():
        status = answer(orders)
        return [(d["status"], (d["root"] or "").partition(" via ")[0]) for d in status["dependencies"]] if status else []
    wait_until(lambda: seen() == [("down", "auth/db")] * len(pages), 30, seen)
    with socket.create_server(("127.0.0.1", db)):
        wait_until(lambda: seen() == [("up", "")] * len(pages), 30, seen)
