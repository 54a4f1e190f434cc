# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PgBouncer's own tables."""

from __future__ import annotations

import csv
import io
from typing import Any

from .. import docker_cli
from . import containers

_TABLES = ("POOLS", "DATABASES", "STATE", "STATS", "CONFIG", "LISTS")
_MARK = "### "


def gather(stack: str) -> dict[str, Any]:
    """The rows of each table, by one client, which the console lets in for the user that it runs as."""
    psql = ["psql", "--no-psqlrc", "--csv", "--host=/run/pgbouncer", "--port=6432", "--username=pgbouncer"]
    argv = ["docker", "exec", containers.find(stack, "pgbouncer")["id"], *psql, "--dbname=pgbouncer"]
    for table in _TABLES:
        argv += [f"--command=\\echo '{_MARK}{table}'", f"--command=SHOW {table}"]
    return tables(docker_cli.run(argv, stdin="", timeout=15).out)


def tables(text: str) -> dict[str, list[dict[str, str]]]:
    """The tables of an output in which each one follows a line with its name."""
    found = {}
    for part in text.split(_MARK)[1:]:
        name, _newline, rows = part.partition("\n")
        found[name.strip().lower()] = list(csv.DictReader(io.StringIO(rows)))
    return found
