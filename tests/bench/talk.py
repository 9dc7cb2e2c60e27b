# SPDX-License-Identifier: Apache-2.0
"""Load for line protocols: talk.py PORT CLIENTS COUNT REQUEST REPLY sends COUNT requests over CLIENTS connections, each
waiting for its REPLY before the next; escapes as in Python. Ends with 0 when every reply was right."""
import select
import socket
import sys

port, clients, count = map(int, sys.argv[1:4])
request, reply = (word.encode().decode("unicode_escape").encode("latin-1") for word in sys.argv[4:6])
links = {}
poll = select.epoll()
for _ in range(clients):
    link = socket.create_connection(("127.0.0.1", port), 5)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    links[link.fileno()] = [link, b"", count // clients]
    poll.register(link.fileno(), select.EPOLLIN)
    link.sendall(request)
while links:
    for fd, _ in poll.poll(10):
        state = links[fd]
        data = state[0].recv(65536)
        assert data, "it hung up"
        state[1] += data
        if len(state[1]) < len(reply):
            continue
        assert state[1] == reply, state[1]
        state[1], state[2] = b"", state[2] - 1
        if state[2]:
            state[0].sendall(request)
        else:
            poll.unregister(fd)
            links.pop(fd)[0].close()
