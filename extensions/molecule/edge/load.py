# SPDX-License-Identifier: GPL-3.0-or-later
"""Send requests of some methods over kept connections for some seconds; fail if one was not answered with 200."""

import collections
import http.client
import json
import socket
import ssl
import sys
import threading
import time

THREADS = 20


class Connection(http.client.HTTPSConnection):
    def __init__(self, address, domain, context):
        super().__init__(domain, timeout=10, context=context)
        self.address = address

    def connect(self):
        plain = socket.create_connection((self.address, 443), self.timeout)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = self._context.wrap_socket(plain, server_hostname=self.host)


def client(method, connect, until, seen):
    connection = connect()
    while time.monotonic() < until:
        try:
            connection.request(method, "/page", body=b"x=1" if method == "POST" else None)
            answer = connection.getresponse()
            answer.read()
            seen[f"{method} {answer.status}"] += 1
        except (OSError, http.client.HTTPException) as error:
            seen[f"{method} {type(error).__name__}"] += 1
            connection.close()
        time.sleep(0.01)


def main():
    address, domain, authority, seconds, methods = sys.argv[1:]
    methods = methods.split(",")
    context = ssl.create_default_context(cafile=authority)
    until = time.monotonic() + float(seconds)
    seen = collections.Counter()
    threads = [
        threading.Thread(
            target=client,
            args=(methods[n % len(methods)], lambda: Connection(address, domain, context), until, seen),
        )
        for n in range(THREADS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sys.stdout.write(json.dumps(seen))
    sys.exit(0 if set(seen) == {f"{method} 200" for method in methods} else 1)


main()
