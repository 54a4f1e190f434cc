# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups and their rehearsals, and the secrets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone

from ..ages import ahead, is_young
from ..backup_check import DAY, DRILL_AGE, FULL_AGE, NEWEST_AGE
from ..secrets import check_secrets, missing_secrets
from ..units import format_duration
from .containers import moment
from .drills import NOT_MADE
from .model import Facts, Outcome, check, failed, none_of, skipped, warned
from .services import SITE

RECOVERY_POINT, RECOVERY_TIME = 15 * 60, 30 * 60
"""What S57 asks for, in seconds; the role's own promise is far below."""

DUMP, NOT_SEARCHED = "a dump", "what is left of a large folder"
"""What stands in the place of a secret's name."""
_LEAST_SOUGHT = 8

_SECRET_AGE_DAYS = 365
_OF_STORE = (
    "{0}-backup check says what the store refuses: its address, account, bucket, or this host's clock; then backup_s3 "
    "in the inventory, and make site"
)
_OF_FILES = "files: "
_MOMENTS_LOST = "Those moments are lost, what came after them is not. Find out who removed WAL from the archive"


def _off(facts: Facts) -> Outcome | None:
    if facts.expected["backup"]["enabled"]:
        return None
    return failed("backups are switched off (backup_enabled)", fix="Remove backup_enabled: false, then make site")


@check(
    "backup-check",
    "S56 S60 S62 S102",
    "backups",
    "The database can be restored to a moment ago",
    target="the stack's own check of the repositories, the archive, the key, the space and the timers finds nothing",
    command="{stack}-backup check",
    fix="Each line of the output says what to type",
    needs="backups",
)
def backup_check(facts: Facts) -> Outcome:
    off = _off(facts)
    if off:
        return off
    said, told = facts.seen["backups"]["check"], _told(facts)
    problems = [problem for problem in told if not problem.startswith(_OF_FILES)]
    if said["code"] and not told:
        problems = [said["out"].strip() or f"it ended with {said['code']}"]
    lost = [line.removeprefix("NOTE ") for line in said["out"].splitlines() if line.startswith("NOTE ")]
    if lost and not problems:
        return warned("; ".join(lost), said["out"], fix=_MOMENTS_LOST)
    return none_of(problems, said["out"].strip().splitlines()[-1] if said["out"].strip() else "ok", said["out"])


def _told(facts: Facts) -> list[str]:
    """What the stack's own check has found."""
    lines = facts.seen["backups"]["check"]["out"].splitlines()
    return [line.partition("PROBLEM ")[2] for line in lines if line.startswith("PROBLEM ")]


@check(
    "backup-ages",
    "S56 S82 S102",
    "backups",
    "Backups are made every day, and a full one every week",
    target=f"newest within {format_duration(NEWEST_AGE)}, newest full one within {format_duration(FULL_AGE)}",
    command="{stack}-backup info",
    fix="{stack}-backup backup --type full",
    needs="backups host",
)
def backup_ages(facts: Facts) -> Outcome:
    off = _off(facts)
    if off:
        return off
    now, backups = facts.seen["host"]["now"], facts.seen["backups"]["info"]["backups"]
    lines = [
        f"{one['label']} {one['kind']} {_age(now, one['stop'])} old, repository {one['repository']}" for one in backups
    ]
    problems = []
    for name, most, kinds in (("backup", NEWEST_AGE, ()), ("full backup", FULL_AGE, ("full",))):
        stops = [one["stop"] for one in backups if not one["error"] and (not kinds or one["kind"] in kinds)]
        if not stops:
            problems.append(f"there is no {name}")
        elif now - max(stops) > most:
            problems.append(f"the newest {name} is {_age(now, max(stops))} old")
    problems += [f"{one['label']} is {ahead(now, one['stop'])}" for one in backups if ahead(now, one["stop"])]
    problems += [f"{one['label']} has errors" for one in backups if one["error"]]
    newest = max((one["stop"] for one in backups), default=0)
    return none_of(problems, f"{len(backups)} backups, the newest {_age(now, newest)} old", "\n".join(lines))


def _age(now: float, then: float) -> str:
    return format_duration(max(0, round(now - then)))


@check(
    "backup-dump",
    "S56",
    "backups",
    "A portable dump of the database is made every day",
    target=f"one within {format_duration(NEWEST_AGE)}, and each as it was written",
    command="ls -l /opt/{stack}/backup/dumps; cat /opt/{stack}/backup/records/dumps.json",
    fix="Remove what is damaged, then: {stack}-backup dump --accept",
    needs="backups host",
)
def backup_dump(facts: Facts) -> Outcome:
    off = _off(facts)
    if off:
        return off
    now, dumps = facts.seen["host"]["now"], facts.seen["backups"]["dumps"]
    damaged = facts.seen["backups"]["damaged_dumps"]
    if not dumps and not damaged and is_young(now, facts.seen["backups"]["since"], NEWEST_AGE):
        return skipped("the first one is due within a day of the deployment")
    if not dumps:
        return failed("; ".join(["there is none", *damaged]))
    problems = [f"the newest is {_age(now, dumps[-1])} old"] if now - dumps[-1] > NEWEST_AGE else []
    problems += [f"the newest is {ahead(now, dumps[-1])}"] if ahead(now, dumps[-1]) else []
    problems += damaged
    return none_of(problems, f"{len(dumps)} dumps, the newest {_age(now, dumps[-1])} old")


@check(
    "backup-files",
    "S33 S58",
    "backups",
    "The cache, uploads, certificates and the stack's own state are backed up",
    target="every component in the last backup, no failure, no older than configured",
    command="cat /opt/{stack}/backup/records/files-backup.json",
    fix="{stack}-backup files-backup",
    needs="backups host",
)
def backup_files(facts: Facts) -> Outcome:
    off = _off(facts)
    if off:
        return off
    wanted = facts.expected["backup"]["components"]
    if not wanted:
        return skipped("backups of files are switched off (backup_files_enabled)")
    record = facts.seen["backups"]["records"].get("files-backup")
    if not record:
        return failed("there is no record of one")
    now, ended, components = facts.seen["host"]["now"], record.get("ended", 0), record.get("components", {})
    age = now - ended
    problems = [str(failure) for failure in record.get("failures", [])]
    problems += [f"{name} is not in it" for name in wanted if name not in components]
    if age > facts.expected["backup"]["files_age"]:
        problems.append(f"the last one is {format_duration(round(age))} old")
    problems += [f"the last one is {ahead(now, ended)}"] if ahead(now, ended) else []
    problems += [problem for problem in _told(facts) if problem.startswith(_OF_FILES)]
    later = facts.seen["backups"]["records"].get("files-check", {})
    problems += [f"the last check: {text}" for text in later.get("findings", [])]
    lines = [f"{name}: {one.get('files')} files, {one.get('size')} bytes" for name, one in components.items()]
    measured = f"{', '.join(components)}; {format_duration(max(0, round(age)))} ago"
    return none_of(problems, measured, "\n".join(lines))


@check(
    "backup-encryption",
    "S60",
    "backups",
    "Backups are encrypted and compressed",
    target="aes-256-cbc and zst for every repository",
    command="grep -e cipher-type -e compress-type /opt/{stack}/backup/pgbackrest/pgbackrest.conf",
    fix=SITE,
    needs="backups",
)
def backup_encryption(facts: Facts) -> Outcome:
    off = _off(facts)
    if off:
        return off
    seen = facts.seen["backups"]
    problems = [
        f"repository {one['number']} is encrypted with {one['cipher']}"
        for one in seen["info"]["repositories"]
        if one["cipher"] != "aes-256-cbc"
    ]
    kind = seen["configuration"].get("compress-type", "none")
    problems += [] if kind == "zst" else [f"backups are compressed with {kind}"]
    lines = [
        f"{name}={value}" for name, value in seen["configuration"].items() if "cipher" in name or "compress" in name
    ]
    return none_of(problems, f"aes-256-cbc, {kind}", "\n".join(lines))


@check(
    "backup-retention",
    "S61",
    "backups",
    "Every moment of the last month can be restored",
    target="the configured days, at least 30",
    command="grep retention /opt/{stack}/backup/pgbackrest/pgbackrest.conf",
    fix="Set backup_retention_days: 30 in the inventory, then make site",
    needs="backups host",
)
def backup_retention(facts: Facts) -> Outcome:
    off = _off(facts)
    if off:
        return off
    seen, wanted = facts.seen["backups"], facts.expected["backup"]["retention_days"]
    has = seen["settings"].get("postgres", {}).get("retention_days")
    problems = [] if has == wanted else [f"{has} days are in force, and {wanted} are wanted"]
    problems += [] if wanted >= 30 else [f"{wanted} days are fewer than 30"]  # noqa: PLR2004 - S61
    oldest = min((one["stop"] for one in seen["info"]["backups"]), default=0)
    now, since = facts.seen["host"]["now"], seen["since"]
    if now - since > (wanted + 1) * DAY and now - oldest < wanted * DAY:
        problems.append(f"the oldest backup is only {_age(now, oldest)} old")
    return none_of(problems, f"{has} days; the oldest backup is {_age(now, oldest)} old")


@check(
    "restore-drill",
    "S57 S62 S104",
    "backups",
    "A restore was rehearsed, and was fast enough",
    target=f"one within {format_duration(DRILL_AGE)}; at most 15 min lost and 30 min needed (S57)",
    command="cat /opt/{stack}/backup/records/drill.json",
    fix="{stack}-backup drill",
    needs="backups host",
)
def restore_drill(facts: Facts) -> Outcome:
    off = _off(facts)
    if off:
        return off
    now, seen = facts.seen["host"]["now"], facts.seen["backups"]
    record = seen["records"].get("drill")
    if (record or {}).get("ended", 0) < facts.expected.get("rehearsed_since", 0):
        return failed(NOT_MADE)
    if not record:
        if is_young(now, seen["since"], DRILL_AGE):
            return skipped(
                "the first rehearsal is due within a day of the deployment; now: {stack}-backup drill".replace(
                    "{stack}", facts.stack
                )
            )
        return failed("none was ever made")
    age = now - record.get("ended", 0)
    problems = [] if age <= DRILL_AGE else [f"the last one was {format_duration(round(age))} ago"]
    problems += [f"the last one is {ahead(now, record['ended'])}"] if ahead(now, record.get("ended", 0)) else []
    if not record.get("success"):
        problems.append("the last one failed")
    lost, took = record.get("recovery_point"), record.get("recovery_time")
    for value, most, text in ((lost, RECOVERY_POINT, "would have been lost"), (took, RECOVERY_TIME, "were needed")):
        if value is None or value > most:
            problems.append(f"{'an unknown time' if value is None else f'{value:.0f} s'} {text}, at most {most} s may")
    measured = (
        f"{lost:.1f} s lost, back after {took:.1f} s" if lost is not None and took is not None else "not measured"
    )
    return none_of(problems, f"{measured}, {format_duration(max(0, round(age)))} ago", str(record))


@check(
    "secrets-strong",
    "S9 S91 S99 S100",
    "secrets",
    "No password or key is a default, a placeholder, weak or used twice",
    target="every secret of the stack long enough, random, and different from the others",
    command="ansible-vault view inventories/mine/group_vars/all/vault.yml",
    fix="Delete its line with ansible-vault edit, then: make secrets site (docs/operations.md, secrets)",
    needs="",
)
def secrets_strong(facts: Facts) -> Outcome:
    found = facts.expected["secret_findings"]
    return none_of([str(one) for one in found], f"{facts.expected['secret_count']} secrets, all strong")


def sought(secrets: Mapping[str, object], further: Mapping[str, object]) -> dict[str, str]:
    """What must not be seen, by name; of the passwords of others none that is so short that it is found by chance."""
    long = {name: str(value) for name, value in further.items() if len(str(value)) >= _LEAST_SOUGHT}
    return {**long, **{name: str(value) for name, value in secrets.items()}}


def secret_findings(secrets: dict[str, object]) -> list[str]:
    """What is wrong with the secrets, by name; computed where they are known, so that no check carries them."""
    return [str(one) for one in (*check_secrets(secrets), *missing_secrets(secrets))]


@check(
    "secrets-hidden",
    "S9 S91 S99",
    "secrets",
    "No password or key can be seen in what the host shows or logs",
    target="none in docker inspect, image histories, process lists, the journal, logs, shell histories, units, "
    "and files that everybody may read",
    command="docker inspect $(docker ps -aq); ps auxww; journalctl",
    fix="Give the secret a new value (docs/operations.md, secrets), and remove the place that shows it",
    needs="visible",
    everywhere=True,
)
def secrets_hidden(facts: Facts) -> Outcome:
    found = facts.seen["visible"]
    dumps, cut = ([one["place"] for one in found if one["secret"] == kind] for kind in (DUMP, NOT_SEARCHED))
    secrets = (one for one in found if one["secret"] not in (DUMP, NOT_SEARCHED))
    seen = {f"{one['secret']} stands in {one['place']}" for one in secrets}
    seen |= {f"{path} is a dump of a database: chmod 600 {path}, or remove it" for path in dumps}
    return none_of(sorted(seen), f"none found{not_all(cut)}", "\n".join(sorted(seen)))


def not_all(folders: Sequence[str]) -> str:
    """Where files were too many to look at them all."""
    return f"; too many files in {', '.join(folders)} to see them all" if folders else ""


@check(
    "secrets-vault",
    "S91 S99",
    "secrets",
    "The secrets are encrypted where the controller keeps them",
    target="none in clear in the inventory's folder; the vault's password for its owner only, and not in git",
    command="grep --recursive --files-without-match ANSIBLE_VAULT inventories/mine/group_vars; ls -l .vault_password",
    fix="ansible-vault encrypt FILE. What others may have read gets a new value (docs/operations.md, secrets)",
    needs="vault",
    outside=True,
)
def secrets_vault(facts: Facts) -> Outcome:
    clear, password = facts.seen["vault"]["clear"], facts.seen["vault"]["password"]
    files: dict[str, list[str]] = {}
    for one in clear:
        files.setdefault(one["path"], []).append(one["secret"])
    problems = [
        f"{path} says {', '.join(names[:3])} in clear: ansible-vault encrypt {path}" for path, names in files.items()
    ]
    if password.get("open"):
        problems.append(f"others may read {password['path']}, the vault's password: chmod 0600 {password['path']}")
    if password.get("tracked"):
        problems.append(
            f"{password['path']}, the vault's password, is in git: git rm --cached; then a new one: ansible-vault rekey"
        )
    return none_of(problems, "all encrypted", "\n".join(f"{one['path']}: {one['secret']}" for one in clear))


@check(
    "secrets-age",
    "S91",
    "secrets",
    "No secret of the services is older than a year",
    target=f"made within {_SECRET_AGE_DAYS} days",
    command="docker secret ls",
    fix="docs/operations.md, secrets: each can be replaced",
    needs="engine host",
)
def secrets_age(facts: Facts) -> Outcome:
    now = datetime.fromtimestamp(facts.seen["host"]["now"], tz=timezone.utc)
    ages = {one["name"]: (now - moment(one["created"])).days for one in facts.seen["engine"]["secrets"]}
    if not ages:
        return failed("the services have no secrets, so where do they take their passwords from?")
    problems = [f"{name} is {days} days old" for name, days in sorted(ages.items()) if days > _SECRET_AGE_DAYS]
    lines = [f"{name}: {days} days" for name, days in sorted(ages.items())]
    return none_of(problems, f"{len(ages)} secrets, the oldest {max(ages.values())} days", "\n".join(lines))


@check(
    "off-site",
    "S59",
    "backups",
    "Backups are kept in another place as well",
    target="a second repository in an S3-compatible store (optional)",
    command="{stack}-backup info",
    fix="Set backup_s3 in the inventory, then make site",
    needs="backups",
)
def off_site(facts: Facts) -> Outcome:
    repositories = facts.seen["backups"]["info"]["repositories"]
    if len(repositories) == 1 and not facts.expected["backup"]["s3"]:
        return skipped("no store is configured (backup_s3); if this host burns, its backups burn with it")
    bad = [f"repository {one['number']}: {one['message']}" for one in repositories if one["code"]]
    if len(repositories) == 1:
        bad.append("the second repository is not there")
    fix = "" if not facts.expected["backup"]["s3"] else _OF_STORE.format(facts.stack)
    return none_of(bad, f"{len(repositories)} repositories", "\n".join(map(str, repositories)), fix=fix)
