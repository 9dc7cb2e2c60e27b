# ctest: timeout=600
# SPDX-License-Identifier: Apache-2.0
"""Services that the machine, its operator or his tools hold up are not dead, and not ready only for cause."""
import pytest

import alive
from alive_machine import SCENES


@pytest.fixture(scope="module")
def played(request):
    return alive.told(request, SCENES, 15)


@pytest.mark.parametrize("name", alive.names(SCENES))
def test_stays_alive(played, name):
    played[name].check()
