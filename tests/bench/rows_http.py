# SPDX-License-Identifier: Apache-2.0
"""/livez against nginx's `return 200` and against Go's RWMutex swap: server on one core, wrk on another, all
servers alive together, rounds in turn. The control is a second nginx. What counts is CPU a request: requests
a second end where wrk's own core does."""
import contextlib

from arms import Place, cpu_ns, family, free_port, program, rounds_of, start_plain, start_run, wrk
from figures import Figure, Goal
from lifesign import wait_until

NGINX = """
daemon off; worker_processes 1; pid {top}/pid; error_log {top}/error.log;
events {{ worker_connections 1024; }}
http {{ access_log off; keepalive_requests 100000000; {temp}
server {{ listen 127.0.0.1:{port}; location / {{ default_type text/plain; return 200 "ok"; }} }} }}
"""


class Arm:
    """port to ask, and the processes whose CPU time the answers cost."""

    def __init__(self, port, pids):
        self.port, self.pids = port, pids


def start_nginx(stack, place, name):
    top, port = place.directory(name), free_port()
    temp = "".join(f"{kind}_temp_path {top}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    config = place.file(f"{name}.conf", NGINX.format(top=top, port=port, temp=temp))
    server = start_plain(stack, ["/usr/sbin/nginx", "-p", top, "-c", config, "-e", f"{top}/error.log"], port, place)
    return Arm(port, wait_until(lambda: (pids := family(server.pid))[1:] and pids, 5, "nginx has no worker"))


def start_go(stack, place):
    port = free_port()
    return Arm(port, [start_plain(stack, [program("rwmutex"), f"127.0.0.1:{port}"], port, place).pid])


def start_lifesign(stack):
    run = start_run(stack, ["/usr/bin/sleep", "100000"])
    return Arm(run.port, [run.agent()])


def load(arm, connections, close):
    """What wrk says of one run, with `cpu`: µs of the server's CPU a request."""
    before = cpu_ns(arm.pids)
    result = wrk(arm.port, "/livez", connections, close=close)
    result["cpu"] = (cpu_ns(arm.pids) - before) / 1000 / result["requests"]
    result["rate"] = result["requests"] * 1e3 / result["us"]
    return result


class Row:
    def __init__(self, name, connections, close, nginx, go, rounds=7):
        self.name, self.connections, self.close, self.rounds = f"livez:{name}", connections, close, rounds
        self.nginx, self.go = nginx, go

    def measure(self, rounds=None):
        place = Place()
        try:
            with contextlib.ExitStack() as stack:
                arms = {"nginx": start_nginx(stack, place, "nginx"), "nginx again": start_nginx(stack, place, "again"),
                        "go": start_go(stack, place), "ours": start_lifesign(stack)}
                found = rounds_of(arms, rounds or self.rounds, lambda arm: load(arm, self.connections, self.close))
        finally:
            place.remove()
        return self.figures(found)

    def figures(self, found):
        def figure(what, key, unit, goal=None, base="nginx"):
            control = [r[key] for r in found["nginx again"]] if base == "nginx" else []
            return Figure(f"{self.name} {what} against {base}", unit, [r[key] for r in found[base]], control,
                          [r[key] for r in found["ours"]], goal)
        return [figure("CPU", "cpu", "µs/req", Goal("ratio", self.nginx)), figure("CPU", "cpu", "µs/req", Goal("ratio", self.go), "go"),
                figure("rate", "rate", "k/s"), figure("rate", "rate", "k/s", base="go"), figure("p50", "p50", "µs"),
                figure("p99", "p99", "µs"), figure("p99.9", "p999", "µs", Goal("added", 1000)),
                figure("p99.9", "p999", "µs", base="go")]


ROWS = [Row("c8", 8, False, 1.05, 0.65), Row("c64", 64, False, 1.05, 0.65), Row("close", 8, True, 1.10, 0.80)]
