# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks whether what is needed for a restore is there, and says what is not."""

from __future__ import annotations

import argparse
import shutil
import time
from dataclasses import replace
from typing import Any

from .._core.backup_check import Facts, judge, lost_moments, lost_past, newest_restorable
from .._core.backup_pace import intervals, parse_elapses, slow_backups
from .._core.errors import FirstbellError
from .._core.findings import Finding
from .._core.pgbackrest import Verdict, parse_verify
from .._io import system
from . import inventory
from .backup import check_key
from .host import Host
from .metrics import read_record, refresh
from .postgres import Postgres
from .server import Server
from .speech import say

NAME = "check"
HELP = "Check that the database can be restored."
# It only reads: a backup that takes an hour must not hide for an hour that archiving fails.
EXCLUSIVE = False

# Enough to see every hour of a day, and every day of a week.
_ITERATIONS = 32


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--read", action="store_true", help="read every byte of the repositories as well")


def run(host: Host, options: argparse.Namespace) -> int:
    damaged: list[Finding] = []
    if options.read:
        with host.lock(f"{NAME} --read"):
            damaged = read(host)
            if not damaged:
                inventory.accept(host, inventory.DATABASE)
    findings, content = examine(host)
    findings += [*damaged, *inventory.of_files(host)]
    host.record("check", {**content, "problems": len(findings), "findings": [str(finding) for finding in findings]})
    refresh(host)
    for finding in findings:
        say(f"PROBLEM {finding}")
    for note in content.get("lost_moments") or ():
        say(f"NOTE {note}")
    if not findings:
        age = content["time"] - content["newest_restorable"]
        say(f"ok: the newest moment that can be restored is {max(age, 0):.0f} s old")
    return 1 if findings else 0


def examine(host: Host) -> tuple[list[Finding], dict[str, Any]]:
    """The findings and what is recorded of the facts."""
    try:
        check_key(host)
    except FirstbellError as error:
        # Nothing else can be read with a wrong key.
        return [Finding("key", str(error), "")], {"time": time.time(), "newest_restorable": 0}
    present = inventory.listing(host)
    facts = look(host)
    postgres = Postgres(host)
    facts = replace(facts, folders={number: postgres.folders(number) for number in facts.archives})
    server = facts.server
    repository_bytes = sum(entry.size for archive in facts.archives.values() for entry in archive)
    repository_bytes += sum(backup.stored for backup in facts.stanza.backups)
    slow = slow_backups(facts.stanza, intervals(_elapses(host)), host.config.command)
    return [
        *judge(host.config, facts),
        *slow,
        *inventory.of_database(host, present, facts.stanza),
        *inventory.unreadable(host),
    ], {
        "time": facts.now,
        "newest_restorable": newest_restorable(facts),
        "archive_failed": server.failed if server else None,
        "archive_waiting": server.waiting if server else None,
        "repository_bytes": repository_bytes,
        "lost_moments": [
            note
            for number in facts.archives
            for note in (*lost_moments(facts, number), *lost_past(host.config, facts, number))
        ],
    }


def look(host: Host) -> Facts:
    """The facts. What the server says comes first: what it has archived must be in the listing."""
    postgres, problem, server = Postgres(host), "", None
    try:
        server = Server(postgres.socket).archiver()
    except FirstbellError as error:
        problem = str(error)
    stanza = postgres.stanza()
    archives, starts, timelines = {}, {}, {}
    for repository in stanza.repositories:
        if repository.code in (0, 2):
            number = repository.number
            archives[number], starts[number], timelines[number] = postgres.archive(number, stanza)
    drill, reading = read_record(host, "drill"), read_record(host, "read")
    sound = not any(verdict["problems"] for verdict in reading.get("verdicts", ()))
    return Facts(
        now=time.time(),
        stanza=stanza,
        archives=archives,
        starts=starts,
        histories=timelines,
        server=server,
        server_problem=problem,
        timers={name: _runs(name) for name in host.config.postgres.schedule},
        free=shutil.disk_usage(f"{host.config.backup}/repository").free,
        installed=system.modified_at(f"{host.config.repository}/key.fingerprint"),
        last_read=float(reading.get("time", 0)),
        last_sound=float(reading.get("time", 0)) if sound else 0.0,
        last_drill=float(drill.get("ended", 0)),
        drill_success=bool(drill.get("success", True)),
    )


def read(host: Host) -> list[Finding]:
    """Read every byte of every repository; pgBackRest's exit status says nothing, its text does."""
    postgres, findings, verdicts = Postgres(host), [], []
    for number in host.config.postgres.repositories:
        said = postgres.pgbackrest("verify", "--output=text", "--verbose", repository=number, check=False)
        verdict: Verdict = parse_verify(said.out)
        verdicts.append({"repository": number, "files": verdict.files, "problems": list(verdict.problems)})
        fix = (
            f"Make a new full backup now: {host.config.command} backup --type full --repository {number}. "
            "Older moments: restore from the other repository, or from a backup that is whole"
        )
        findings += [Finding(f"repository {number}", problem, fix) for problem in verdict.problems]
    host.record("read", {"time": time.time(), "verdicts": verdicts})
    return findings


def _elapses(host: Host) -> dict[str, list[float]]:
    """The next moments at which each kind of backup is made."""
    found = {}
    for kind, calendar in host.config.postgres.calendars.items():
        if calendar:
            said = system.run(["systemd-analyze", "calendar", f"--iterations={_ITERATIONS}", calendar], check=False)
            found[kind] = parse_elapses(said.out)
    return found


def _runs(timer: str) -> bool:
    return system.run(["systemctl", "is-active", "--quiet", timer], check=False).code == 0
