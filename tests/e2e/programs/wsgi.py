# SPDX-License-Identifier: Apache-2.0
"""For gunicorn: /sum?a=1&b=2."""
import urllib.parse


def app(environ, start_response):
    if environ["PATH_INFO"] == "/missing":
        start_response("404 Not Found", [("Content-Type", "text/plain")])
        return [b"missing\n"]
    query = urllib.parse.parse_qs(environ["QUERY_STRING"])
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"%d\n" % sum(int(v) for values in query.values() for v in values)]
