# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A consistent copy of Redis' data, and what Redis must find to start with it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .errors import FirstbellError

DUMP = "dump.rdb"
#: Redis with an append-only file ignores a dump beside it and starts empty: the dump becomes the
#: base of that file (multi-part AOF, Redis 7 and later).
AOF_FOLDER = "appendonlydir"
AOF_BASE = "appendonly.aof.1.base.rdb"
AOF_MANIFEST = "appendonly.aof.manifest"
AOF_MANIFEST_TEXT = f"file {AOF_BASE} seq 1 type b\n"


@dataclass(frozen=True)
class Persistence:
    """How saving stands: ``saves`` counts the dumps begun since the start, ``failed`` is about the last that ended.

    ``appends``: whether there is an append-only file, from which Redis starts then.
    """

    saves: int
    saving: bool
    failed: bool
    loading: bool
    appends: bool = False


@dataclass(frozen=True)
class Dump:
    """What redis-check-rdb read in a file."""

    keys: int
    expires: int


def commands(password: str, *lines: str) -> str:
    """What redis-cli reads on its standard input, so that no command line holds the password."""
    if re.search(r'[\s"\\]', password):
        raise FirstbellError("redis_backup_password must have neither spaces, quotes nor backslashes")
    return "".join(f"{line}\n" for line in (f"AUTH backup {password}", *lines))


def persistence(reply: str) -> Persistence:
    """The section ``INFO persistence``; raises FirstbellError with Redis' own words where it is none."""
    fields = dict(line.split(":", 1) for line in reply.splitlines() if ":" in line)
    if "rdb_saves" not in fields:
        words = " ".join(reply.replace("OK\n", "").split())[:200] or "nothing"
        raise FirstbellError(f"Redis does not tell how saving stands, it said: {words}")
    return Persistence(
        saves=int(fields["rdb_saves"]),
        saving=fields.get("rdb_bgsave_in_progress", "0").strip() != "0",
        failed=fields.get("rdb_last_bgsave_status", "ok").strip() != "ok",
        loading=fields.get("loading", "0").strip() != "0",
        appends=fields.get("aof_enabled", "0").strip() != "0",
    )


def named(manifest: str) -> list[str]:
    """The files of AOF_FOLDER that Redis reads when it starts: a base, and what came after it."""
    return re.findall(r"^file (\S+) seq \d+ type [bi]\b", manifest, re.MULTILINE)


def has_saved(before: Persistence, now: Persistence) -> bool:
    """Whether a dump that began after ``before`` is on the disk; raises FirstbellError when it failed.

    Redis counts a save when it begins, so it counts here only when none is under way any more.
    """
    if now.saves <= before.saves or now.saving:
        return False
    if now.failed:
        raise FirstbellError("Redis could not write its dump: see its log; is the disk of its data full?")
    return True


def checked(code: int, out: str) -> Dump:
    """The verdict of redis-check-rdb; raises FirstbellError."""
    if code or "RDB looks OK" not in out:
        raise FirstbellError(f"the dump of Redis is damaged: {' '.join(out.split())[-300:]}")
    keys, expires = (re.search(rf"(\d+) {word}", out) for word in ("keys read", "expires"))
    return Dump(int(keys.group(1)) if keys else 0, int(expires.group(1)) if expires else 0)
