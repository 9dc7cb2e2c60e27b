# ctest: timeout=400
# SPDX-License-Identifier: Apache-2.0
"""Databases, caches and queues that are idle, busy, waiting or waited for are not dead, and not ready only for cause."""
import pytest

import alive
from alive_stores import SCENES


@pytest.fixture(scope="module")
def played(request):
    return alive.told(request, SCENES, 15)


@pytest.mark.parametrize("name", alive.names(SCENES))
def test_stays_alive(played, name):
    played[name].check()
