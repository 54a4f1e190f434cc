#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A second generator that shares nothing with the first: is what a load test says true?

    second_generator.py --address 10.203.0.11 --domain firstbell.test --ca-file ca.crt --path /login --rate 20

Standard library, threads and blocking sockets. A thread has a connection, kept for its next request unless --fresh. In
each distance (1 / rate) one request is sent, at a moment that is drawn, and counts from it. It takes compressed
answers, as browsers and Locust do, and prints one JSON object. Run it beside a load test that asks for the same path at
the same rate: both see the same stack at the same time, and their figures must agree within a tenth.
"""

from __future__ import annotations

import argparse
import json
import random
import socket
import ssl
import statistics
import threading
import time
from collections.abc import Iterator
from typing import BinaryIO


class Client:
    """One connection."""

    def __init__(self, options: argparse.Namespace, context: ssl.SSLContext) -> None:
        self.options, self.context = options, context
        self.connection: ssl.SSLSocket | None = None
        self.answers: BinaryIO | None = None
        head = f"GET {options.path} HTTP/1.1\r\nHost: {options.domain}\r\nAccept-Encoding: {options.encoding}\r\n\r\n"
        self.request = head.encode()

    def ask(self) -> bool:
        """Whether the answer, read to its end, is a success."""
        if self.connection is None or self.answers is None:
            plain = socket.create_connection((self.options.address, self.options.port), timeout=30)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connection = self.context.wrap_socket(plain, server_hostname=self.options.domain)
            self.answers = self.connection.makefile("rb")
        self.connection.sendall(self.request)
        status = self.answers.readline().split()[1]
        size = 0
        while (line := self.answers.readline().lower()) not in (b"\r\n", b""):
            name, _colon, value = line.partition(b":")
            if name == b"content-length":
                size = int(value)
            elif name == b"transfer-encoding":
                size = -1
        if size >= 0:
            self.answers.read(size)
        else:
            while more := int(self.answers.readline().split(b";")[0], 16):
                self.answers.read(more + 2)
            self.answers.readline()
        return status == b"200"

    def close(self) -> None:
        if self.connection and self.answers:
            self.answers.close()
            self.connection.close()
        self.connection = self.answers = None


def moments(options: argparse.Namespace, begin: float) -> Iterator[float]:
    """Even distances would keep step with whatever else comes at a round rate."""
    dice = random.Random(options.path)
    for number in range(round(options.rate * options.seconds)):
        yield begin + (number + dice.random()) / options.rate


def run(options: argparse.Namespace) -> dict[str, float]:
    context = ssl.create_default_context(cafile=options.ca_file)
    times: list[float] = []
    late: list[float] = []
    bad, lock = 0, threading.Lock()
    # Connections are made before: the first generator's users have theirs as well.
    clients = [Client(options, context) for _number in range(options.connections)]
    for client in clients:
        client.ask()
    coming = moments(options, time.perf_counter() + 0.2)

    def work(client: Client) -> None:
        nonlocal bad
        while True:
            if options.fresh:
                client.close()
            with lock:
                moment = next(coming, None)
            if moment is None:
                return
            time.sleep(max(0.0, moment - time.perf_counter()))
            began = time.perf_counter()
            try:
                well = client.ask()
            except (OSError, ValueError, IndexError):
                well = False
                client.close()
            times.append(time.perf_counter() - moment)
            late.append(began - moment)
            bad += not well

    threads = [threading.Thread(target=work, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    cuts = statistics.quantiles(times, n=100)
    return {
        "requests": len(times),
        "errors": bad,
        "p50_seconds": round(cuts[49], 4),
        "p95_seconds": round(cuts[94], 4),
        "p99_seconds": round(cuts[98], 4),
        "late_p50_seconds": round(statistics.median(late), 4),
        "late_p99_seconds": round(statistics.quantiles(late, n=100)[98], 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--address", required=True)
    parser.add_argument("--port", type=int, default=443)
    parser.add_argument("--domain", required=True)
    parser.add_argument("--ca-file", required=True)
    parser.add_argument("--path", default="/login")
    parser.add_argument("--encoding", default="gzip, deflate, br")
    parser.add_argument("--rate", type=float, default=20.0)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--connections", type=int, default=20)
    parser.add_argument("--fresh", action="store_true", help="a connection for each request, as newcomers have")
    print(json.dumps(run(parser.parse_args())))


if __name__ == "__main__":
    main()
