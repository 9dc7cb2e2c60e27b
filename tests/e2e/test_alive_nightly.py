# ctest: nightly serial timeout=7200
# SPDX-License-Identifier: Apache-2.0
"""The scenes of what must stay alive with the limits that users have, LIFESIGN_ALIVE_SECONDS each (600)."""
import os

import pytest

import alive
import alive_languages
import alive_machine
import alive_stores
import alive_web

SECONDS = float(os.environ.get("LIFESIGN_ALIVE_SECONDS", "600"))
TABLES = {module.__name__: module.SCENES for module in (alive_stores, alive_web, alive_languages, alive_machine)}


@pytest.fixture(scope="module", params=TABLES)
def played(request):
    return alive.told(request, TABLES[request.param], SECONDS, limits={})


def test_all_stay_alive(played):
    wrong = []
    for one in played.values():
        try:
            one.check()
        except AssertionError as error:
            wrong.append(str(error))
    assert not wrong, "\n\n".join(wrong)
