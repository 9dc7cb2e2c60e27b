# ctest: asan
# SPDX-License-Identifier: Apache-2.0
"""The examples that ship: they parse, and they name only what exists."""
import os
import re
import subprocess
import urllib.parse

from lifesign import SOURCE, SUPPORT, free_port

DEPLOY = f"{SOURCE}/agent/deploy"


def read(name):
    with open(os.path.join(SOURCE, name), encoding="utf-8") as f:
        return f.read()


def test_alert_rules_are_rules():
    done = subprocess.run(["promtool", "check", "rules", f"{DEPLOY}/alerts.yaml"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_alert_rules_name_metrics_that_are_served(run):
    started = run([f"{SUPPORT}/tiny_server", str(free_port())])
    started.wait_started()
    served = set(re.findall(r"^(lifesign_\w+)", started.get("/metrics").text, re.M))
    named = set(re.findall(r"\b(lifesign_\w+)", "\n".join(re.findall(r"expr: (.*)", read("agent/deploy/alerts.yaml")))))
    assert named and named <= served, named - served


def test_documents_name_paths_that_are_served(run):
    started = run([f"{SUPPORT}/tiny_server", str(free_port())])
    started.wait_started()
    for name in ("README.md", "agent/deploy/kubernetes.yaml"):
        for path in re.findall(r"path: (/[\w/]+)", read(name)):
            assert started.get(path).status == 200, (name, path)
    table = re.findall(r"^\| `(/[\w/]*)`", read("README.md"), re.M) + re.findall(r"`(/[\w/]+)`[^\n]*are aliases", read("README.md"))
    assert len(table) > 5
    for path in table:
        assert started.get(path).status == 200, path


def test_readme_links_lead_somewhere():
    for link in re.findall(r"\]\(([^)]+)\)", read("README.md")):
        assert urllib.parse.urlparse(link).scheme or os.path.exists(f"{SOURCE}/{link}"), link


def test_readme_pod_has_the_numbers_of_the_manifest():
    """One of the two is copied by everybody: they must not differ."""
    def probes(text):
        text = re.sub(r"#.*", "", text)
        found = {}
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            part = text.split(probe + ":")[1]
            found[probe] = [re.search(rf"{word}: ?(\S+?)[,}}\s]", part).group(1)
                            for word in ("path", "periodSeconds", "timeoutSeconds", "failureThreshold")]
        return found
    assert probes(read("README.md")) == probes(read("agent/deploy/kubernetes.yaml"))
    assert probes(read("README.md"))["readinessProbe"] == ["/readyz", "5", "1", "1"]
    assert probes(read("README.md"))["livenessProbe"] == ["/livez", "5", "1", "3"]
