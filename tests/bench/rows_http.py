# SPDX-License-Identifier: Apache-2.0
"""/livez and /readyz against nginx's `return 200` and against Go's RWMutex swap: server on one core, wrk on another, all
servers alive together, rounds in turn. The control is a second nginx. What counts is CPU a request: requests
a second end where wrk's own core does."""
import contextlib
import os
import time

from arms import Place, anonymous_bytes, cpu_ns, family, free_port, program, rounds_of, start_plain, start_run, wrk
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


def prepare_nginx(place, name):
    top, port = place.directory(name), free_port()
    temp = "".join(f"{kind}_temp_path {top}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    config = place.file(f"{name}.conf", NGINX.format(top=top, port=port, temp=temp))
    return ["/usr/sbin/nginx", "-p", top, "-c", config, "-e", f"{top}/error.log"], port


def start_nginx(stack, place, name):
    command, port = prepare_nginx(place, name)
    server = start_plain(stack, command, port, place)
    return Arm(port, wait_until(lambda: (pids := family(server.pid))[1:] and pids, 5, "nginx has no worker"))


def start_go(stack, place):
    port = free_port()
    return Arm(port, [start_plain(stack, [program("rwmutex"), f"127.0.0.1:{port}"], port, place).pid])


def start_lifesign(stack, place):
    """Its service is one more nginx, that nobody asks."""
    run = start_run(stack, prepare_nginx(place, "service")[0])
    run.wait_ready()
    return Arm(run.port, [run.agent()])


def holds(pid):
    """Threads and descriptors, and anonymous memory in bytes, of the agent."""
    time.sleep(1)  # the connections of the load are seen to have ended
    return len(os.listdir(f"/proc/{pid}/task")) + len(os.listdir(f"/proc/{pid}/fd")), anonymous_bytes(pid)


def load(arm, path, connections, close):
    """What wrk says of one run, with `cpu`: µs of the server's CPU a request."""
    before = cpu_ns(arm.pids)
    result = wrk(arm.port, path, connections, close=close)
    result["cpu"] = (cpu_ns(arm.pids) - before) / 1000 / result["requests"]
    result["rate"] = result["requests"] * 1e3 / result["us"]
    return result


class Row:
    needs = [("/usr/sbin/nginx", "nginx-light"), ("/usr/bin/wrk", "wrk"), (program("rwmutex"), "golang-go, and the target bench-programs")]

    def __init__(self, name, connections, close, nginx, go, path="/livez", rounds=7):
        self.name, self.path = f"{path[1:]}:{name}", path
        self.connections, self.close, self.rounds = connections, close, rounds
        self.nginx, self.go = nginx, go

    def measure(self, rounds=None):
        place = Place()
        try:
            with contextlib.ExitStack() as stack:
                arms = {"nginx": start_nginx(stack, place, "nginx"), "nginx again": start_nginx(stack, place, "again"),
                        "go": start_go(stack, place), "ours": start_lifesign(stack, place)}

                def once(arm):
                    path = self.path if arm is arms["ours"] else "/livez"  # peers have one answer
                    return load(arm, path, self.connections, self.close)
                once(arms["ours"])
                agent = arms["ours"].pids[0]
                before = holds(agent)
                found = rounds_of(arms, rounds or self.rounds, once)
                after = holds(agent)
        finally:
            place.remove()
        return self.figures(found) + self.kept(before, after)

    def figures(self, found):
        def figure(what, key, unit, goal=None, base="nginx"):
            control = [r[key] for r in found["nginx again"]] if base == "nginx" else []
            return Figure(f"{self.name} {what} against {base}", unit, [r[key] for r in found[base]], control,
                          [r[key] for r in found["ours"]], goal)
        slow = Figure(f"{self.name} answers over 1 s", "answers", ours=[sum(r["slow"] for r in found["ours"])], goal=Goal("value", 0))
        return [figure("CPU", "cpu", "µs/req", Goal("ratio", self.nginx)), figure("CPU", "cpu", "µs/req", Goal("ratio", self.go), "go"),
                figure("rate", "rate", "k/s"), figure("p50", "p50", "µs"), figure("p99", "p99", "µs"),
                figure("p99.9", "p999", "µs", Goal("added", 1000)), slow]

    def kept(self, before, after):
        """What the agent holds after the load and did not before."""
        return [Figure(f"{self.name} threads+fds kept", "count", ours=[after[0] - before[0]], goal=Goal("value", 0)),
                Figure(f"{self.name} memory kept", "kB", ours=[(after[1] - before[1]) / 1000], goal=Goal("value", 64))]


ROWS = [Row("c8", 8, False, 1.05, 0.65), Row("c64", 64, False, 1.05, 0.65), Row("close", 8, True, 1.10, 0.80),
        Row("c8", 8, False, 1.05, 0.65, path="/readyz")]
