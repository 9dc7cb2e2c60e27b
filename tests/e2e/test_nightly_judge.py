# ctest: nightly timeout=900
# SPDX-License-Identifier: Apache-2.0
"""Random histories of the judge, ten times as many as in the default run."""
import os
import subprocess


def test_a_million_histories_hold_the_rules():
    program = os.path.join(os.environ["LIFESIGN_BUILD"], "tests", "unit", "test_judge_random")
    run = subprocess.run([program], env={"LIFESIGN_HISTORIES": "1000000"}, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "1000000 histories" in run.stdout
