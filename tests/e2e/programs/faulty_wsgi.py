# SPDX-License-Identifier: Apache-2.0
"""For gunicorn: /sleep blocks whoever serves it, /regex computes for ever."""
import re
import time


def app(environ, start_response):
    if environ["PATH_INFO"] == "/sleep":
        time.sleep(600)
    elif environ["PATH_INFO"] == "/regex":
        re.match(r"(a+)+$", "a" * 60 + "b")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello\n"]
