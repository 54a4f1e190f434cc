#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A second generator that shares nothing with the first: is what a load test says true?

    second_generator.py --address 10.203.0.11 --domain firstbell.test --ca-file ca.crt --path /login --rate 20

Standard library, asyncio, one connection a request in flight, kept for the next one unless --fresh. It sends at even
distances, counts from the intended moment, and prints one JSON object. Run it beside a load test that asks for the same
path at the same rate: both see the same stack at the same time, and their figures must agree within a tenth.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import ssl
import statistics
import time


class Client:
    """Connections that are kept and taken again; a new one where all are in use."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.context = ssl.create_default_context(cafile=options.ca_file)
        self.free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self.request = f"GET {options.path} HTTP/1.1\r\nHost: {options.domain}\r\n\r\n".encode()

    async def ask(self) -> int:
        """Status of one answer, read to its end."""
        name = self.options.domain
        if self.free:
            reader, writer = self.free.pop()
        else:
            reader, writer = await asyncio.open_connection(
                self.options.address, 443, ssl=self.context, server_hostname=name
            )
        writer.write(self.request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        if "transfer-encoding: chunked" in head:
            while size := int((await reader.readline()).split(b";")[0], 16):
                await reader.readexactly(size + 2)
            await reader.readline()
        else:
            await reader.readexactly(int(head.partition("content-length:")[2].split()[0]))
        if self.options.fresh:
            writer.close()
        else:
            self.free.append((reader, writer))
        return int(head.split()[1])


async def run(options: argparse.Namespace) -> dict[str, float]:
    client, times, bad = Client(options), [], 0

    async def one(moment: float) -> None:
        nonlocal bad
        try:
            bad += await asyncio.wait_for(client.ask(), 30) != 200
        except (OSError, asyncio.TimeoutError, asyncio.IncompleteReadError):
            bad += 1
        times.append(time.perf_counter() - moment)

    # Connections are made before: the first generator's users have theirs as well.
    await asyncio.gather(*(client.ask() for _number in range(options.connections)))
    begin, tasks, late = time.perf_counter() + 0.2, [], []
    for number in range(round(options.rate * options.seconds)):
        moment = begin + number / options.rate
        await asyncio.sleep(max(0.0, moment - time.perf_counter()))
        late.append(time.perf_counter() - moment)
        tasks.append(asyncio.create_task(one(moment)))
    await asyncio.gather(*tasks)
    cuts = statistics.quantiles(times, n=100)
    return {
        "requests": len(times),
        "errors": bad,
        "p50_seconds": round(cuts[49], 4),
        "p95_seconds": round(cuts[94], 4),
        "p99_seconds": round(cuts[98], 4),
        "late_p99_seconds": round(statistics.quantiles(late, n=100)[98], 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--address", required=True)
    parser.add_argument("--domain", required=True)
    parser.add_argument("--ca-file", required=True)
    parser.add_argument("--path", default="/login")
    parser.add_argument("--rate", type=float, default=20.0)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--connections", type=int, default=20)
    parser.add_argument("--fresh", action="store_true", help="a connection for each request, as newcomers have")
    print(json.dumps(asyncio.run(run(parser.parse_args()))))


if __name__ == "__main__":
    main()
