# SPDX-License-Identifier: Apache-2.0
"""What stand-ins for servers have in common."""


def receive(link, count):
    """So many bytes; EOFError when the other side hangs up before."""
    data = b""
    while len(data) < count:
        more = link.recv(count - len(data))
        if not more:
            raise EOFError
        data += more
    return data
