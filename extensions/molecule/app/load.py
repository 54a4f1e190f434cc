# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask the board for its page, and print what it answered as JSON.

Once; or with a file named, 20 times a second until that file is there. Then the
answers are counted by status and version of the app.
"""

import collections
import http.client
import json
import pathlib
import re
import socket
import ssl
import sys
import threading
import time

RATE = 20
THREADS = 10
PATIENCE = 10
# Each thread closes its connection after so many requests, so that handshakes are tried, too.
KEPT = 10
LONGEST = 900


class Connection(http.client.HTTPSConnection):
    def __init__(self, address, domain, authority):
        super().__init__(domain, timeout=PATIENCE, context=ssl.create_default_context(cafile=authority))
        self.address = address

    def connect(self):
        plain = socket.create_connection((self.address, 443), self.timeout)
        self.sock = self._context.wrap_socket(plain, server_hostname=self.host)

    def ask(self):
        self.request("GET", "/")
        answer = self.getresponse()
        text = answer.read().decode().replace("&quot;", '"')
        board = re.search(r"<pre>(.*)</pre>", text)
        return answer.status, json.loads(board[1]) if board else {}


def client(connection, first, ended, answers, seconds):
    for turn in range(LONGEST * RATE // THREADS):
        due = first + turn * THREADS / RATE
        if ended.wait(max(0.0, due - time.monotonic())):
            return
        try:
            status, board = connection.ask()
            answers[f"{status} {board.get('version')}"] += 1
        except (OSError, http.client.HTTPException) as error:
            answers[type(error).__name__] += 1
            connection.close()
        seconds.append(time.monotonic() - due)
        if turn % KEPT == KEPT - 1:
            connection.close()


def load(connect, end):
    ended, answers, seconds, began = threading.Event(), collections.Counter(), [], time.monotonic()
    threads = [
        threading.Thread(target=client, args=(connect(), began + number / RATE, ended, answers, seconds))
        for number in range(THREADS)
    ]
    for thread in threads:
        thread.start()
    while not end.exists() and time.monotonic() < began + LONGEST:
        time.sleep(0.2)
    ended.set()
    for thread in threads:
        thread.join()
    sent = round(len(seconds) / (time.monotonic() - began), 1)
    return {"answers": answers, "per_second": sent, "slowest": round(max(seconds), 2)}


def main():
    address, domain, authority, *end = sys.argv[1:]

    def connect():
        return Connection(address, domain, authority)

    sys.stdout.write(json.dumps(load(connect, pathlib.Path(end[0])) if end else connect().ask()[1]))


main()
