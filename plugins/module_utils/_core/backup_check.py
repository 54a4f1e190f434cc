# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with the backups of a database: from facts to findings, each with what to do.

pgBackRest's own exit codes and "ok" say too little: its ``verify`` ends with 0 over a corrupted
backup and does not miss a WAL file that is gone. So the facts are judged here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from .ages import AHEAD, ahead
from .backup_config import Config
from .findings import Finding
from .pgbackrest import Backup, Stanza
from .restore_target import utc
from .units import format_duration
from .wal import SEGMENT_BYTES, Archived, Gap, Segment, changed_later, covers, find_gaps, parse_segment

HOUR, DAY = 3600.0, 86400.0
#: The oldest that the newest backup may be, by any kind, and the newest full one.
NEWEST_AGE, FULL_AGE = 26 * HOUR, 8 * DAY
#: Without a reading of every byte, and without a rehearsal.
READ_AGE, DRILL_AGE = 8 * DAY, 26 * HOUR
#: How long WAL may wait for the store.
OFFSITE_AGE = 300.0
_FORBIDDEN = (
    "The store refuses the account: look at backup_s3_access_key and backup_s3_secret_key, at its rights, and whether "
    "this host's clock is right (timedatectl). Then run the playbook site"
)
#: WAL that waits is told long before it would be given up.
WAITING_SHARE = 10


@dataclass(frozen=True)
class ServerFacts:
    """A running server's account of its archiving. Times are seconds since 1970, 0 for never.

    ``timeout``: archive_timeout; ``waiting``: WAL files that are complete and not archived yet,
    ``oldest_waiting`` when the first of them was completed.
    """

    now: float
    system_id: int
    mode: str
    command: str
    timeout: float
    last_archived_wal: str
    last_archived: float
    last_failed_wal: str
    last_failed: float
    failed: int
    waiting: int
    oldest_waiting: float
    started: float


@dataclass(frozen=True)
class Facts:
    """Everything that a check saw. ``server`` is None where none answers.

    ``archives``: the WAL in each repository; ``starts``: where its timelines begin;
    ``histories``: the timelines whose history file is there, which after a restore are not all that it tells of.
    ``folders``: names of the backups whose files are in each repository, where that was looked at.
    ``timers``: whether each runs. Ages since 1970; 0 for never. ``last_sound``: when every byte was read, and was well.
    """

    now: float
    stanza: Stanza
    archives: Mapping[int, Sequence[Archived]]
    starts: Mapping[int, Mapping[int, int]]
    server: ServerFacts | None
    server_problem: str = ""
    histories: Mapping[int, Sequence[int]] = field(default_factory=dict)
    folders: Mapping[int, Sequence[str]] = field(default_factory=dict)
    timers: Mapping[str, bool] = field(default_factory=dict)
    free: int = 0
    installed: float = 0
    last_read: float = 0
    last_sound: float = 0
    last_drill: float = 0
    drill_success: bool = True


def newest_restorable(facts: Facts) -> float:
    """The newest moment that could be restored now, in seconds since 1970; 0 for none.

    PostgreSQL itself promises that a WAL file is completed at the latest when its first record is
    archive_timeout old. So only what is younger than that can be missing in the archive, seen from
    the oldest file that waits, or from now where none does.
    """
    arrived = [max((entry.time for entry in archive), default=0) for archive in facts.archives.values()]
    stops = [backup.stop for backup in facts.stanza.backups if not backup.error]
    if not stops:
        return 0.0
    latest = float(max([*arrived, max(stops)]))
    server = facts.server
    if server is None or server.mode == "off" or server.timeout <= 0:
        return latest
    last = archived_last(server)
    archived = {entry.segment for archive in facts.archives.values() for entry in archive}
    if last is not None and last not in archived:
        return min(latest, server.last_archived)
    return max(latest, (server.oldest_waiting or facts.now) - server.timeout)


def archived_last(server: ServerFacts) -> Segment | None:
    """The WAL file that the server archived last; None before the first one since its statistics began.

    It also archives small files that are named after a WAL file, such as a backup's label.
    """
    match = re.match(r"[0-9A-F]{24}", server.last_archived_wal)
    return parse_segment(match[0]) if match else None


def gaps_of(facts: Facts, repository: int) -> list[Gap]:
    """The WAL files that are missing in a repository since its oldest backup."""
    backups = [b for b in facts.stanza.backups if b.repository == repository and b.start_wal]
    if not backups:
        return []
    oldest = min(parse_segment(b.start_wal) for b in backups)
    # The store is fed from the repository on the host, and is allowed to be a little behind.
    newest = archived_last(facts.server) if facts.server and repository == 1 else None
    archive = facts.archives.get(repository, ())
    return find_gaps((entry.segment for entry in archive), oldest, facts.starts.get(repository), newest)


def judge(config: Config, facts: Facts) -> list[Finding]:
    """Everything that stands between now and a restore."""
    findings = [*_repositories(config, facts), *_schedule(config, facts), *_space(config, facts)]
    findings += [
        *_archiving(config, facts),
        *_offsite(config, facts),
        *_ages(config, facts),
        *_dated_ahead(config, facts),
        *_changed_wal(config, facts),
    ]
    for number in config.postgres.repositories:
        findings += [*_lost_backups(config, facts, number), *_gaps(config, facts, number)]
    return findings


def _repositories(config: Config, facts: Facts) -> Iterator[Finding]:
    site = "Run the playbook site"
    known = {repository.number: repository for repository in facts.stanza.repositories}
    for number in config.postgres.repositories:
        repository = known.get(number)
        if repository is None or repository.code:
            said = " ".join(repository.message.split())[:300] if repository else "it does not answer"
            fix = f"Look at its disk, its network and its key. {site}" if "failed with 403" not in said else _FORBIDDEN
            yield Finding(f"repository {number}", said, fix)
    if facts.server and facts.stanza.system_id and facts.server.system_id != facts.stanza.system_id:
        problem = f"it holds backups of the database {facts.stanza.system_id}, and {facts.server.system_id} runs"
        yield Finding("repository", problem, "Restore it, or move the repository away and run the playbook site")


def _schedule(config: Config, facts: Facts) -> Iterator[Finding]:
    for name, runs in facts.timers.items():
        if not runs:
            fix = f"Type: systemctl enable --now {name}"
            yield Finding(name, f"the timer does not run; {config.command} is not called in time", fix)


def _space(config: Config, facts: Facts) -> Iterator[Finding]:
    least = config.postgres.least_free
    if facts.free < least:
        problem = f"{facts.free / 1e9:.1f} GB are free on the disk of {config.backup}, less than {least / 1e9:.1f} GB"
        yield Finding("space", problem, "Free some, or lower backup_retention_days, before archiving stops")


def _archiving(config: Config, facts: Facts) -> Iterator[Finding]:
    server = facts.server
    if server is None:
        yield Finding("database", f"it does not answer: {facts.server_problem}", "See docker service ps")
        return
    if server.mode == "off" or "pgbackrest" not in server.command:
        yield Finding("archiving", "the database does not archive its WAL", "Run the playbook site")
    if server.last_failed > server.last_archived:
        problem = f"{server.last_failed_wal} could not be archived ({server.failed} failures)"
        fix = (
            f"Read why: docker service logs --since 10m {config.stack}_postgres. Where a stop file exists: "
            f'docker exec "$(docker ps -q -f name={config.stack}_postgres)" pgbackrest --stanza={config.stack} start'
        )
        yield Finding("archiving", problem, fix)
    waiting = server.waiting * SEGMENT_BYTES
    if waiting > config.postgres.queue_max // WAITING_SHARE:
        problem = f"{waiting / 1e9:.1f} GB of WAL wait; at {config.postgres.queue_max / 1e9:.0f} GB it is given up"
        yield Finding("archiving", problem, "Bring the repository back before, or no moment since can be restored")
    age = facts.now - newest_restorable(facts)
    # A file that is on its way, and the time between two looks.
    allowed = max(config.postgres.recovery_point, server.timeout + 1)
    if age > allowed and facts.now - server.started > allowed:
        problem = f"the newest moment that can be restored is {age:.0f} s old, more than {allowed:.0f} s"
        yield Finding("recovery point", problem, "Mend the archiving first; every second adds to what would be lost")


def _ages(config: Config, facts: Facts) -> Iterator[Finding]:
    for number in config.postgres.repositories:
        for kinds, most, name in (((), NEWEST_AGE, "backup"), (("full",), FULL_AGE, "full backup")):
            newest = facts.stanza.newest(*kinds, repository=number)
            where = f"repository {number}"
            kind = kinds[0] if kinds else "incr"
            if newest is None:
                yield Finding(where, f"there is no {name}", f"Type: {config.command} backup --type full")
            elif facts.now - newest.stop > most:
                age = format_duration(round(facts.now - newest.stop))
                yield Finding(where, f"the newest {name} is {age} old", f"Type: {config.command} backup --type {kind}")
    installed = 0 if ahead(facts.now, facts.installed) else facts.installed
    for name, last, most, command in (
        ("reading", facts.last_read, READ_AGE, "check --read"),
        ("rehearsal", facts.last_drill, DRILL_AGE, "drill"),
    ):
        if ahead(facts.now, last):
            yield Finding(name, f"the last one is {ahead(facts.now, last)}", f"Type: {config.command} {command}")
        elif facts.now - max(last, installed) > most:
            what = "every byte was read" if name == "reading" else "a restore was rehearsed"
            when = f"at {utc(last)[:19]} UTC" if last else "never"
            yield Finding(name, f"{what} last {when}", f"Type: {config.command} {command}")
    # One of before says nothing of a new repository.
    if facts.last_drill > facts.installed and not facts.drill_success:
        yield Finding("rehearsal", "the last one failed", f"See {config.backup}/records/drill.json; repeat it")


def _dated_ahead(config: Config, facts: Facts) -> Iterator[Finding]:
    """Backups that were made while the clock was wrong."""
    for backup in facts.stanza.backups:
        told = ahead(facts.now, backup.stop)
        if told:
            fix = f"Once the clock is right: {config.command} forget {backup.label}, then: {config.command} backup"
            yield Finding(f"repository {backup.repository}", f"{backup.label} is {told}", fix)


def _changed_wal(config: Config, facts: Facts) -> Iterator[Finding]:
    """WAL on the host that was changed since it was archived. The store is fed later, and not always in order."""
    seen = facts.last_sound, facts.now + AHEAD
    found = [e for e in changed_later(facts.archives.get(1, ())) if not e.size or seen[0] < e.time <= seen[1]]
    if found:
        name = found[0].segment.name
        more = f" and {len(found) - 1} more files of WAL" if len(found) > 1 else ""
        problem = "is empty" if not found[0].size else "was changed after it was archived, or the clock was wrong then"
        fix = (
            f"What is lost: {config.command} check --read; where it finds all well, the file is taken as it is. "
            f"Otherwise rm {config.repository}/archive/{config.stack}/*/*/{name}-*; {config.command} check then says "
            "what can be restored no more, and what to do"
        )
        yield Finding("repository 1", f"{name}{more} {problem}", fix)


def _lost_backups(config: Config, facts: Facts, number: int) -> Iterator[Finding]:
    """Backups that pgBackRest lists though somebody has removed their files; it looks only when it makes the next."""
    if number in facts.folders:
        listed = [backup.label for backup in facts.stanza.backups if backup.repository == number]
        for label in sorted(set(listed) - set(facts.folders[number])):
            fix = f"Find out who removed them. Type: {config.command} backup --type full --repository {number}"
            yield Finding(f"repository {number}", f"the files of backup {label} are gone", fix)


def _gaps(config: Config, facts: Facts, number: int) -> Iterator[Finding]:
    backups = sorted((b for b in facts.stanza.backups if b.repository == number and b.start_wal), key=lambda b: b.stop)
    where = f"repository {number}"
    for gap in gaps_of(facts, number):
        broken = [b.label for b in backups if _breaks(gap, b)]
        for label in broken:
            problem = f"WAL is missing: {gap}; backup {label} cannot be restored"
            fix = f"Make another one: {config.command} backup --type full, then: {config.command} forget {label}"
            yield Finding(where, problem, f"{fix} --repository {number}" if number > 1 else fix)
        if not broken and all(is_after(gap, backup) for backup in backups):
            fix = f"Type: {config.command} backup --type full --repository {number}"
            yield Finding(where, f"WAL is missing: {gap}; no moment after it can be restored", fix)


def _offsite(config: Config, facts: Facts) -> Iterator[Finding]:
    for number in config.postgres.repositories[1:]:
        waiting = not_yet_there(facts, number)
        if waiting and facts.now - waiting[0].time > OFFSITE_AGE:
            age = format_duration(round(facts.now - waiting[0].time))
            fix = f"Type: {config.command} offsite, and read why. The repository on the host goes on meanwhile"
            yield Finding(f"repository {number}", f"{len(waiting)} files of WAL wait for the store, for {age}", fix)


def not_yet_there(facts: Facts, number: int) -> list[Archived]:
    """The WAL on the host that a restore from another repository alone would lack, in its order."""
    starts = [parse_segment(b.start_wal) for b in facts.stanza.backups if b.repository == number and b.start_wal]
    there = {entry.segment for entry in facts.archives.get(number, ())}
    oldest = min(starts, default=max(there, default=None))
    return [e for e in facts.archives.get(1, ()) if e.segment not in there and (oldest is None or e.segment >= oldest)]


def histories_not_yet_there(facts: Facts, number: int) -> list[str]:
    """The names of the history files on the host that another repository lacks."""
    lacking = set(facts.histories.get(1, ())) - set(facts.histories.get(number, ()))
    return [f"{timeline:08X}.history" for timeline in sorted(lacking)]


def lost_past(config: Config, facts: Facts, number: int) -> list[str]:
    """Where backups reach less far back than they are kept: to be known, not to be mended."""
    stops = [backup.stop for backup in facts.stanza.backups if backup.repository == number]
    promised = max(facts.installed, facts.now - config.postgres.retention_days * DAY)
    # The first one is made at once, and the next full one within a week.
    if not stops or min(stops) - promised < FULL_AGE:
        return []
    oldest, since = utc(min(stops))[:19], utc(promised)[:19]
    return [f"repository {number}: backups reach back to {oldest} UTC only, not to {since}; older ones were removed"]


def lost_moments(facts: Facts, number: int) -> list[str]:
    """What a gap has taken for good, with a backup after it: to be known, not to be mended."""
    backups = sorted((b for b in facts.stanza.backups if b.repository == number and b.start_wal), key=lambda b: b.stop)
    return [
        f"repository {number}: no moment between {gap} and the end of backup {after.label} can be restored"
        for gap in gaps_of(facts, number)
        if (after := next((b for b in backups if not is_after(gap, b)), None))
    ]


def is_after(gap: Gap, backup: Backup) -> bool:
    """Whether what follows this backup cannot be replayed across the gap."""
    return bool(backup.start_wal) and gap.last >= parse_segment(backup.start_wal)


def _breaks(gap: Gap, backup: Backup) -> bool:
    start, stop = parse_segment(backup.start_wal), parse_segment(backup.stop_wal or backup.start_wal)
    return covers(gap, start, stop)
