# SPDX-License-Identifier: Apache-2.0
# ctest: asan
"""The page for people: there for those on this machine, whole, harmless whatever names things have, and of many services."""
import html.parser
import os
import shutil
import subprocess
import sys

import pytest

from depending import Depending
from http_demo import Demo
from kinds import refused_port
from lifesign import SUPPORT, free_port, wait_until

VOID = {"meta", "br"}
OPTIONAL = {"tr", "td", "th", "p"}


class Page(html.parser.HTMLParser):
    """Its texts, links and tags; fails when something is closed that was not open."""

    def __init__(self, answer):
        super().__init__()
        self.texts, self.links, self.tags, self.open = [], [], set(), []
        assert answer.status == 200 and answer.headers["Content-Type"] == "text/html; charset=utf-8"
        self.feed(answer.body.decode("utf-8"))
        assert not self.open, self.open

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.links += [value for key, value in attrs if key == "href"]
        if tag not in VOID | OPTIONAL:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert tag in OPTIONAL or self.open.pop() == tag, tag

    def handle_data(self, data):
        self.texts += [data.strip()] if data.strip() else []


@pytest.mark.parametrize("scenario", ["alive", "degraded", "dead", "draining", "starting", "observed"])
def test_it_says_what_the_status_says(place, scenario):
    demo = Demo(place, scenario=scenario)
    for where in (demo.port, demo.socket):
        page, status = Page(demo.ask("/", where=where)), demo.ask("/health/status", where=where).json()
        assert status["live"]["verdict"] in page.texts and ("ready" if status["ready"]["ok"] else "not ready") in page.texts
        for reason in status["live"]["reasons"] + status["ready"]["reasons"]:
            assert reason["code"] in page.texts
        for link in page.links:
            assert demo.ask(f"/{link}", where=where).status in (200, 503)
    assert demo.ask("/", method="HEAD").status == 200 and demo.ask("/", method="POST").status == 405
    demo.close()


def test_names_are_text_whatever_they_are(run, place):
    program = place.file('<script>alert(1)&"x')
    shutil.copy(f"{SUPPORT}/tiny_server", program)
    service = run([program, free_port()], service="svc", place=place)
    service.wait_started()
    wait_until(lambda: any('<script>alert(1)&"x' in text for text in Page(service.get("/")).texts), 30, service.said)
    assert Page(service.get("/")).tags.isdisjoint({"script", "img", "iframe", "link"})


def test_free_text_is_for_local_callers_only(run, place):
    service = Depending(run, place, [{"name": "db", "url": f"tcp://127.0.0.1:{refused_port()}", "class": "hard"}])
    service.until("db", "down")
    detail = service.run.status()["ready"]["reasons"][0]["detail"]
    assert Page(service.run.get("/")).texts.count("db") == 3, "the dependency, its event, and the reason that names it"
    assert "refused" in Page(service.run.get("/")).texts and detail in Page(service.run.get("/")).texts
    assert detail not in Page(service.run.get("/", headers={"X-Forwarded-For": "192.0.2.1"})).texts


REMOTE = """
import http.client, sys
link = http.client.HTTPConnection("198.51.100.7", int(sys.argv[1]), timeout=5)
link.request("GET", "/")
print(link.getresponse().status)
"""


@pytest.mark.parametrize("options,code", [([], "404"), (["--details"], "200")])
def test_others_see_it_only_when_details_are_for_all(run, place, options, code):
    port = free_port()
    script = 'ip link set lo up && ip address add 198.51.100.7/32 dev lo && exec "$@"'
    service = run([f"{SUPPORT}/tiny_server", free_port()], place=place, options=options, listen=f"0.0.0.0:{port}",
                  wrap=["/usr/bin/unshare", "--net", "/bin/sh", "-c", script, "sh"], up=0)
    wait_until(lambda: os.path.exists(service.socket), 30, service.said)
    said = subprocess.run(["/usr/bin/nsenter", f"--net=/proc/{service.pid}/ns/net", sys.executable, "-c", REMOTE, str(port)],
                          capture_output=True, text=True, timeout=20, check=False)
    assert said.stdout.strip() == code, said.stderr
