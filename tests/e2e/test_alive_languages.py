# ctest: timeout=600
# SPDX-License-Identifier: Apache-2.0
"""Programs of four languages that compute, wait, collect, fork or are debugged are not dead, and not ready only for cause."""
import pytest

import alive
from alive_languages import SCENES


@pytest.fixture(scope="module")
def played(request):
    return alive.told(request, SCENES, 15)


@pytest.mark.parametrize("name", alive.names(SCENES))
def test_stays_alive(played, name):
    played[name].check()
