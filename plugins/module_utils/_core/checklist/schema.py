# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the application has made in the database: its indexes, tables and migrations."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from ..index_sql import identifier, literal
from ..prisma import ADVISORY_LOCK, LEDGER
from .model import Facts, Outcome, check, failed, none_of, skipped, warned
from .services import SITE

_SHOWN_STATEMENTS = 8
_MEANT_SO = " What no migration has made, and is meant so: rm /opt/{stack}/app/schema.json; make site"
#: The name of an index in a statement that only drops it, or makes one anew that is not unique.
_DROPPED = re.compile(r'^DROP INDEX (?:.+[.])?"?([^".;]+)"?$')
_MADE_ANEW = re.compile(r'^DROP INDEX (?:CONCURRENTLY )?IF EXISTS (?:[^;]+[.])?"?([^".;]+)"?; CREATE INDEX ')
_AS_SAID = "What the finding says"
_BY_TABLES_SAFE = "What tables-safe says, which brings the ledger back with all that it had"
_CUT_OFF = "no log: the run that applied it was cut off"
_BUILD = f"{SITE}: it builds them without a lock; one of the wrong columns only with ARGS='-e app_indexes_replace=true'"


def sql(query: str) -> str:
    """What a person types to ask the database."""
    return f'docker exec "$(docker ps -q -f name={{stack}}_postgres)" psql -U postgres -d {{database}} -c "{query}"'


def typed(statements: Iterable[str], further: str = "") -> str:
    """What mends it: these statements, and what there is to do beside them; nothing where there are none."""
    distinct = list(dict.fromkeys(statements))
    if not distinct:
        return ""
    shown = [f"{one};" for one in distinct[:_SHOWN_STATEMENTS]]
    if len(distinct) > len(shown):
        shown.append("and the others of the evidence")
    client = 'docker exec -it "$(docker ps -q -f name={stack}_postgres)" psql -U postgres -d {database}'
    return f"{client}, and there: {' '.join(shown)}{f' Then: {further}' if further else ''}"


@check(
    "indexes",
    "S72 S73 S74 S75 S76",
    "database",
    "Every index that the application needs is there, valid and of the right columns",
    target="all essential indexes, by what they are and not by name; no index at all that is INVALID",
    command=sql("SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'"),
    fix=_BUILD,
    needs="indexes database",
)
def indexes(facts: Facts) -> Outcome:
    seen, wanted = facts.seen["indexes"], facts.expected["app"]["indexes"]
    invalid = facts.seen["database"]["invalid_indexes"]
    lines = [f"{one['name'] or one['index']}: {one['action'] or 'ok'} {one['definition']}" for one in seen["indexes"]]
    lines += [f"{one['fix']};" for one in invalid]
    problems = [
        *seen["findings"],
        *(f"{one['name']} is INVALID: no query uses it, and every change of a row pays for it" for one in invalid),
    ]
    fix = typed((one["fix"] for one in invalid), _BUILD if seen["findings"] else "")
    measured = f"{len(seen['indexes'])} of {len(wanted)} there and valid"
    return none_of(
        problems, measured if wanted else "the application names none (app_indexes)", "\n".join(lines), fix=fix
    )


@check(
    "tables-safe",
    "S60 S83",
    "database",
    "Every table survives a crash, is cleaned, and keeps its rules",
    target="no unlogged table, none without autovacuum, no trigger or foreign key switched off, no rule instead of a "
    "change, no row-level security without a policy, each constraint proven, all in the data directory, each of "
    "postgres_extensions there, and all as the last migration has left it",
    command=sql("SELECT relname, relpersistence, relrowsecurity, reloptions FROM pg_class WHERE relkind = 'r'"),
    fix="The statements of the evidence",
    needs="database indexes",
)
def tables_safe(facts: Facts) -> Outcome:
    seen = facts.seen["database"]
    told = {one["fix"] for one in seen["weak_tables"]}
    drifted = [one for one in seen["drifted"] if one["fix"] not in told and not _is_essential(facts, one["fix"])]
    weak = [*_lost_extensions(facts), *seen["weak_tables"], *drifted]
    # What is dropped, or made anew, need not be proven before.
    dropped = [one["fix"].partition(";")[0] for one in drifted]
    unproven = [one for one in seen["unproven"] if one["fix"].replace(" VALIDATE ", " DROP ") not in dropped]
    found = [*weak, *unproven]
    problems = [f"{one['name']} {one['problem']}" for one in found]
    evidence = "\n".join(f"{one['name']} {one['problem']}: {one['fix']};" for one in found)
    fix = typed(one["fix"] for one in found if one["fix"])
    if any(one["fix"] for one in drifted):
        fix += _MEANT_SO
    elif drifted:
        fix = f"{fix} {_AS_SAID}".strip()
    how = facts.expected["app"]["migrations"]
    if how == "prisma" and not seen["kept"]:
        problems.append(
            f"/opt/{facts.stack}/app/schema.json does not know the last migration, so nobody sees changes by hand"
        )
        fix = f"{fix} Then: {SITE}".removeprefix(" Then: ")
    # What holds for each new row is no hole any more, but nobody knows about the old ones.
    if problems and not weak:
        return warned("; ".join(problems[:6]), evidence, fix=fix)
    unwatched = [] if how == "prisma" else [f"by hand, as app_migrations is {how}"]
    unwatched += [f"in the schema {name}, as only public is compared" for name in seen["schemas"]]
    measured = "; ".join(["none is weak", *(f"what was changed {one}, is not known" for one in unwatched)])
    return none_of(problems, measured, evidence, fix=fix)


def _is_essential(facts: Facts, fix: str) -> bool:
    """Whether this index is one of app_indexes: it need not come from a migration, nor be as one has made it."""
    found = {one["index"] for one in facts.seen["indexes"]["indexes"]}
    wanted = {one.get("name") for one in facts.expected["app"]["indexes"]}
    return bool(found.intersection(_DROPPED.findall(fix)) or (found | wanted).intersection(_MADE_ANEW.findall(fix)))


def _lost_extensions(facts: Facts) -> list[dict[str, str]]:
    """With the statement for each; before all others, which may need what it brings."""
    found = facts.seen["database"]["extensions"]
    return [
        {
            "name": "the database",
            "problem": f"has lost the extension {name} (postgres_extensions), and what needed it",
            "fix": f"CREATE EXTENSION IF NOT EXISTS {identifier(name)}",
        }
        for name in facts.expected["postgres"]["extensions"]
        if name not in found
    ]


@check(
    "migrations",
    "S42",
    "database",
    "No migration of the database has stopped half-way",
    target="none in Prisma's ledger that was begun and neither ended nor was rolled back, but what is under way now, "
    "and nobody who keeps the next one from it",
    command=sql("SELECT migration_name, started_at, finished_at, rolled_back_at, logs FROM _prisma_migrations"),
    fix="Read the log of the evidence",
    needs="database",
)
def migrations(facts: Facts) -> Outcome:
    seen = facts.seen["database"]["migrations"]
    known = facts.seen["database"]["known"]
    if seen is None and known and facts.expected["app"]["migrations"] == "prisma":
        return failed(f"the ledger {LEDGER} is gone, and the next migration is refused", fix=_BY_TABLES_SAFE)
    if seen is None:
        return skipped(f"the application has no ledger of Prisma ({LEDGER})")
    held = [_held(one, seen["begun"]) for one in seen["holders"]]
    ended = typed(f"SELECT pg_terminate_backend({one['pid']})" for one in seen["holders"])
    problems = [
        f"the migration {one['name']}, begun {one['started_at']}, has failed, and none is applied until it is resolved"
        for one in seen["failed"]
    ]
    evidence = "\n".join([*held, *(f"{one['name']}: {one['log'].strip() or _CUT_OFF}" for one in seen["failed"])])
    if held and all(one["at_work"] for one in seen["holders"]):
        return warned("; ".join(held), evidence, fix=f"If that is none that you know of: {ended}")
    fix = " Then: ".join(one for one in (ended, _resolved(seen["failed"], known)) if one)
    return none_of([*held, *problems], f"{seen['applied']} applied, none failed", evidence, fix=fix)


def _held(one: Mapping[str, Any], begun: Sequence[str]) -> str:
    """Who has the lock that each migration needs."""
    who = f"pid {one['pid']} (role {one['role']}, application {one['application'] or '?'}, since {one['since']})"
    does = f"and is at work on {' and '.join(begun) or 'no migration'}" if one["at_work"] else "and does nothing"
    return f"{who} holds Prisma's lock {ADVISORY_LOCK} {does}, so that no other migration can begin"


def _resolved(failed: Sequence[Mapping[str, str]], known: Collection[str]) -> str:
    """How to go on after failed migrations, as ``prisma migrate resolve`` does.

    Those that are known to have ended have only lost their mark; nothing of them may be taken back.
    """
    of_one = "WHERE finished_at IS NULL AND rolled_back_at IS NULL AND migration_name ="
    update = {
        "finished_at": [one["name"] for one in failed if one["name"] in known],
        "rolled_back_at": [one["name"] for one in failed if one["name"] not in known],
    }
    finished, rolled_back = (
        [f"UPDATE {LEDGER} SET {column} = now() {of_one} {literal(name)}" for name in names]  # noqa: S608
        for column, names in update.items()
    )
    if not rolled_back:
        return typed(finished)
    undo = "Mend the cause (see the evidence) and take back by hand what the migration has done. "
    applied = "If you would rather do its rest by hand: SET finished_at = now() instead of rolled_back_at"
    return f"{undo}{typed([*finished, *rolled_back], f'{SITE}; it is applied anew. {applied}')}"
