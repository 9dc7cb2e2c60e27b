# ctest: timeout=500
# SPDX-License-Identifier: Apache-2.0
"""Servers in python3 (threads, asyncio, gunicorn), node, java and ruby (threads, puma alone and in a cluster) under
`lifesign run`, used, restarted gracefully where they can be, and ended."""
import pytest

import services_languages
from service_suite import EveryService, started

KINDS = {"python-threads": services_languages.python_threads, "python-asyncio": services_languages.python_asyncio,
         "gunicorn": services_languages.gunicorn, "node": services_languages.node, "java": services_languages.java,
         "ruby": services_languages.ruby, "puma": services_languages.puma, "puma-cluster": services_languages.puma_cluster}


@pytest.fixture(scope="module", params=KINDS)
def pair(request):
    yield from started(KINDS[request.param])


class TestEach(EveryService):
    pass
