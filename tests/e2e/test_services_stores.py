# ctest: timeout=400
# SPDX-License-Identifier: Apache-2.0
"""memcached, nats-server and mariadbd under `lifesign run`, used, reloaded and ended."""
import pytest

import services_more
from service_suite import EveryService, started

KINDS = {"memcached": (services_more.memcached,), "nats": (services_more.nats, "it is a Go program"), "mariadb": (services_more.mariadb,)}


@pytest.fixture(scope="module", params=KINDS)
def pair(request):
    yield from started(*KINDS[request.param])


class TestEach(EveryService):
    pass
