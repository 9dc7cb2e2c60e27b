# ctest: timeout=600
# SPDX-License-Identifier: Apache-2.0
"""Web servers, proxies and name servers that are idle, busy, full or waiting are not dead, and not ready only for cause."""
import pytest

import alive
from alive_web import SCENES


@pytest.fixture(scope="module")
def played(request):
    return alive.told(request, SCENES, 15)


@pytest.mark.parametrize("name", alive.names(SCENES))
def test_stays_alive(played, name):
    played[name].check()
