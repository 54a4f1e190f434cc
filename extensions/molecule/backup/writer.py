# SPDX-License-Identifier: GPL-3.0-or-later
"""Commits rows at a constant rate, and notes each one that the database acknowledged.

usage: writer.py SOCKET DATABASE NOTES RATE
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import psycopg

PAUSE = 0.2


def main(socket: str, database: str, notes: str, rate: float) -> None:
    number, connection = 0, None
    with Path(notes).open("a", encoding="ascii", buffering=1) as file:
        due = time.monotonic()
        while True:
            number += 1
            try:
                if connection is None:
                    connection = psycopg.connect(
                        host=socket, user="postgres", dbname=database, autocommit=True, connect_timeout=2
                    )
                connection.execute("INSERT INTO written (number) VALUES (%s)", (number,))
                file.write(f"{number} {time.time():.3f}\n")
            except psycopg.Error:
                connection = None
                time.sleep(PAUSE)
            due = max(due + 1 / rate, time.monotonic())
            time.sleep(max(0.0, due - time.monotonic()))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4]))
