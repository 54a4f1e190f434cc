# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The packet filter of the running kernel, and the connection that we came through."""

from __future__ import annotations

import os

from .._core.errors import FirstbellError
from .system import find_program, run


def listing(table: str) -> str:
    """The table as the kernel holds it, without counters; "" where there is none."""
    done = run(["nft", "--stateless", "list", "table", "inet", table], check=False)
    if done.code and "No such file or directory" not in done.err:
        raise FirstbellError(f"nft cannot list the table {table}: {done.err.strip()}")
    return "" if done.code else done.out


def ruleset() -> str:
    """Everything that the kernel filters by, with the handles of its parts."""
    return run(["nft", "--stateless", "--handle", "list", "ruleset"]).out


def rehearse(content: str, table: str) -> str:
    """Load a file into a network of its own that goes away at once, and list the table there.

    The kernel's own words for the file, without touching the host's packets.
    """
    script = 'nft --file - && nft --stateless list table inet "$1"'
    return run(["unshare", "--net", "sh", "-c", script, "sh", table], stdin=content).out


def load(path: str) -> None:
    """Load a file in one transaction."""
    run(["nft", "--file", path])


def delete(table: str) -> None:
    """Remove a table."""
    run(["nft", "delete", "table", "inet", table])


def installed() -> bool:
    """Whether nftables is there; on a bare host in check mode it is not."""
    return find_program("nft") is not None


def ssh_connection() -> tuple[str, int] | None:
    """The client's address and the host's port of the SSH connection we run in.

    sshd tells its children, and sudo hides it from us, so the parents are asked.
    None when this is no SSH connection.
    """
    process = os.getpid()
    while process > 1:
        try:
            with open(f"/proc/{process}/environ", "rb") as file:
                variables = dict(part.partition(b"=")[::2] for part in file.read().split(b"\0"))
            with open(f"/proc/{process}/stat", encoding="ascii", errors="replace") as file:
                parent = int(file.read().rpartition(")")[2].split()[1])
        except OSError:
            return None
        fields = variables.get(b"SSH_CONNECTION", b"").decode("ascii", "replace").split()
        if len(fields) == 4 and fields[3].isdigit():  # noqa: PLR2004 - client, its port, host, its port
            return fields[0], int(fields[3])
        process = parent
    return None
