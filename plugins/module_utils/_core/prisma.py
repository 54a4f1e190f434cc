# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prisma's migrations as data: the folder, the ledger, and what is left to do.

The rules are those of ``prisma migrate deploy`` and ``prisma migrate resolve``
(schema engine of Prisma 6 and 7): the ledger's columns, the checksum, the order,
what is refused and under which number (P3005, P3009, ...). Where a second run
with the same wishes would be an error there, it is no change here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from .errors import FirstbellError, InputError

LEDGER = "_prisma_migrations"
#: Of the ledger.
COLUMNS = """
    id VARCHAR(36) PRIMARY KEY NOT NULL,
    checksum VARCHAR(64) NOT NULL,
    finished_at TIMESTAMPTZ,
    migration_name VARCHAR(255) NOT NULL,
    logs TEXT,
    rolled_back_at TIMESTAMPTZ,
    started_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    applied_steps_count INTEGER NOT NULL DEFAULT 0
"""
LOCK_FILE = "migration_lock.toml"
SCRIPT_FILE = "migration.sql"
# The key of the advisory lock that Prisma's engine takes.
ADVISORY_LOCK = 72707369
PROVIDERS = frozenset({"postgresql", "postgres"})
_CHECKSUM_LENGTH = 64

HOW_TO_GO_ON = (
    "Mend the cause, bring the database back to where it was before this migration, and run again with"
    " resolve: {{rolled_back: [{name}]}}; or finish by hand what the migration was to do, and run again with"
    " resolve: {{applied: [{name}]}}"
)


class MigrationRefusedError(FirstbellError):
    """Nothing was written, because the ledger or the folder is not as it must be."""


@dataclass(frozen=True)
class Migration:
    """One folder ``<name>/migration.sql``."""

    name: str
    script: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the file, as Prisma writes it into the ledger."""
        return hashlib.sha256(self.script.encode()).hexdigest()

    def matches(self, checksum: str) -> bool:
        """Whether the ledger's checksum is this file's, under any line ends, or in the unpadded form of old engines."""
        unix = self.script.replace("\r\n", "\n")
        for text in (self.script, unix, self.script.replace("\n", "\r\n")):
            digest = hashlib.sha256(text.encode())
            shown = digest.hexdigest()
            if checksum and len(checksum) != _CHECKSUM_LENGTH:
                shown = "".join(f"{byte:x}" for byte in digest.digest())
            if shown == checksum:
                return True
        return False


@dataclass(frozen=True)
class Row:
    """One row of the ledger; the times as text, empty for NULL."""

    id: str
    name: str
    checksum: str
    started_at: str = ""
    finished_at: str = ""
    rolled_back_at: str = ""
    logs: str = ""

    @property
    def state(self) -> str:
        if self.rolled_back_at:
            return "rolled back"
        return "applied" if self.finished_at else "failed"


@dataclass(frozen=True)
class Step:
    """One thing to do: ``kind`` is ``roll back`` (mark rows), ``mark`` (as applied) or ``run``."""

    kind: str
    name: str
    rows: tuple[str, ...] = ()


@dataclass(frozen=True)
class Wishes:
    """What the user asks for beyond applying: ``baseline`` is True, or names, or nothing."""

    baseline: bool | tuple[str, ...] = ()
    applied: tuple[str, ...] = ()
    rolled_back: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """The steps in their order, and what was found."""

    create_ledger: bool
    steps: tuple[Step, ...]
    states: Mapping[str, str] = field(default_factory=dict)
    after: Mapping[str, str] = field(default_factory=dict)
    edited: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()

    @property
    def pending(self) -> tuple[str, ...]:
        """The migrations that will run."""
        return tuple(step.name for step in self.steps if step.kind == "run")

    @property
    def changed(self) -> bool:
        return self.create_ledger or bool(self.steps)

    def warnings(self) -> list[str]:
        found = [
            f"{name} was edited after it had been applied: the file's checksum is not the ledger's."
            " An applied migration is never run again; put what is new into a migration of its own"
            for name in self.edited
        ]
        if self.missing:
            found.append(
                f"the ledger knows migrations that the folder does not have: {', '.join(self.missing)}."
                " That is right for an older version of the application, and otherwise a wrong folder"
            )
        return found


def folder(files: Mapping[str, bytes], where: str) -> tuple[Migration, ...]:
    """The migrations among ``files`` (paths inside the folder ``where``), in the order of their names.

    As in Prisma every sub-folder is a migration and needs its script, and a lock
    file must name PostgreSQL.
    """
    if LOCK_FILE in files:
        _check_provider(files[LOCK_FILE].decode(errors="replace"), where)
    names = sorted({path.split("/", 1)[0] for path in files if "/" in path})
    if not names:
        raise MigrationRefusedError(f"{where} holds no migration: <name>/{SCRIPT_FILE} is looked for")
    return tuple(_migration(name, files.get(f"{name}/{SCRIPT_FILE}"), where) for name in names)


def _check_provider(text: str, where: str) -> None:
    for line in text.splitlines():
        key, _equals, value = line.partition("=")
        if key.strip() == "provider" and value.strip().strip("\"'") not in PROVIDERS:
            raise MigrationRefusedError(
                f"{where}/{LOCK_FILE} says that the migrations are for {value.strip()}, not for postgresql (P3019)"
            )


def _migration(name: str, content: bytes | None, where: str) -> Migration:
    path = f"{where}/{name}/{SCRIPT_FILE}"
    if content is None:
        raise MigrationRefusedError(f"{path} is missing (P3015): remove the folder, or put the script into it")
    try:
        script = content.decode()
    except UnicodeDecodeError as error:
        raise MigrationRefusedError(f"{path} is not UTF-8 (byte {error.start}): save it as UTF-8") from None
    if script.startswith("\ufeff"):
        raise MigrationRefusedError(f"{path} begins with a byte order mark, which the server refuses: save it without")
    if "\0" in script:
        raise MigrationRefusedError(f"{path} holds a NUL character, at which the server would stop reading")
    return Migration(name, script)


def wishes(baseline: object, resolve: Mapping[str, Sequence[str] | None] | None) -> Wishes:
    """The options ``baseline`` and ``resolve`` of the module as data."""
    resolve = resolve or {}
    applied, rolled_back = (tuple(resolve.get(key) or ()) for key in ("applied", "rolled_back"))
    both = sorted(set(applied) & set(rolled_back))
    if both:
        raise InputError(f"resolve: {both[0]} is both under applied and under rolled_back: keep one")
    return Wishes(_baseline(baseline), applied, rolled_back)


def _baseline(value: object) -> bool | tuple[str, ...]:
    if value is None or isinstance(value, bool):
        return bool(value)
    if isinstance(value, str) and value.lower() in ("true", "yes", "false", "no"):
        return value.lower() in ("true", "yes")
    if isinstance(value, (list, tuple)) and all(isinstance(name, str) for name in value):
        return tuple(str(name) for name in value)
    raise InputError(f"baseline: {value!r} is neither true, false nor a list of names of migrations")


def plan(
    migrations: Sequence[Migration], rows: Sequence[Row] | None, has_tables: bool, wished: Wishes = Wishes()
) -> Plan:
    """What is to be done; raises MigrationRefusedError where Prisma would stop, too.

    ``rows`` is None for a database without a ledger; ``has_tables`` tells whether
    its schema holds tables of anybody.
    """
    by_name = {migration.name: migration for migration in migrations}
    _check_names(by_name, wished)
    found = states_of(rows or ())
    steps: list[Step] = [*_rolled_back(rows or (), wished.rolled_back), *_marked(rows or (), wished.applied)]
    if not rows and has_tables:
        steps += _baselined(by_name, wished, {step.name for step in steps})
    if rows is None and has_tables and not steps:
        raise MigrationRefusedError(
            f"the schema holds tables but no ledger {LEDGER} (P3005): nobody knows which migrations made them."
            " If all of them did, run once with baseline: true; if some, with baseline: [their names]"
        )
    resolved = {identity for step in steps for identity in step.rows}
    after = states_of([row for row in rows or () if row.id not in resolved])
    for step in steps:
        after[step.name] = "applied" if step.kind == "mark" else after.get(step.name, "rolled back")
    _refuse_failed([row for row in rows or () if row.state == "failed" and row.id not in resolved])
    for name in by_name:
        if after.get(name) != "applied":
            steps.append(Step("run", name))
            after[name] = "applied"
    return Plan(
        create_ledger=rows is None and bool(steps),
        steps=tuple(steps),
        states={name: found.get(name, "pending") for name in sorted({*found, *by_name})},
        after={name: after[name] for name in sorted(after)},
        edited=_edited(by_name, rows or ()),
        missing=tuple(sorted(set(found) - set(by_name))),
    )


def _check_names(by_name: Mapping[str, Migration], wished: Wishes) -> None:
    baseline = wished.baseline if isinstance(wished.baseline, tuple) else ()
    for option, names in (("baseline", baseline), ("resolve.applied", wished.applied)):
        for name in names:
            if name not in by_name:
                raise InputError(
                    f"{option}: {name} is no folder among the migrations (P3017): {', '.join(sorted(by_name))}"
                )


def states_of(rows: Iterable[Row]) -> dict[str, str]:
    """The state of each name: a failed row counts before an applied one, that before one rolled back."""
    order = ("rolled back", "applied", "failed")
    states: dict[str, str] = {}
    for row in rows:
        if row.name not in states or order.index(row.state) > order.index(states[row.name]):
            states[row.name] = row.state
    return states


def _rolled_back(rows: Sequence[Row], names: Sequence[str]) -> list[Step]:
    steps = []
    for name in names:
        states = {row.state for row in rows if row.name == name}
        if not states:
            raise InputError(f"resolve.rolled_back: {name} was never begun in this database (P3011)")
        if "failed" in states:
            steps.append(Step("roll back", name, _failed(rows, name)))
        elif states == {"applied"}:
            raise InputError(
                f"resolve.rolled_back: {name} was applied and did not fail (P3012): undo it with a new migration"
            )
    return steps


def _marked(rows: Sequence[Row], names: Sequence[str]) -> list[Step]:
    steps = []
    for name in names:
        failed = _failed(rows, name)
        if failed:
            steps.append(Step("roll back", name, failed))
        if not any(row.name == name and row.state == "applied" for row in rows):
            steps.append(Step("mark", name))
    return steps


def _failed(rows: Sequence[Row], name: str) -> tuple[str, ...]:
    return tuple(row.id for row in rows if row.name == name and row.state == "failed")


def _baselined(by_name: Mapping[str, Migration], wished: Wishes, done: set[str]) -> list[Step]:
    names = wished.baseline if isinstance(wished.baseline, tuple) else tuple(by_name) if wished.baseline else ()
    return [Step("mark", name) for name in by_name if name in names and name not in done]


def _refuse_failed(rows: Sequence[Row]) -> None:
    if not rows:
        return
    row = rows[0]
    logs = row.logs.strip()
    raise MigrationRefusedError(
        f"the migration {row.name}, begun {row.started_at}, has failed (P3009), and no other is applied until that is"
        f" resolved. {HOW_TO_GO_ON.format(name=row.name)}."
        + (f" Its log:\n{logs}" if logs else " It has no log: the run that applied it was cut off.")
    )


def _edited(by_name: Mapping[str, Migration], rows: Sequence[Row]) -> tuple[str, ...]:
    return tuple(
        sorted(
            {
                row.name
                for row in rows
                if row.state == "applied" and row.name in by_name and not by_name[row.name].matches(row.checksum)
            }
        )
    )


def report(made: Plan, done: bool, diff: bool) -> dict[str, object]:
    """The module's result; ``done`` is False in check mode, where nothing was written."""
    states = made.after if done else made.states
    result: dict[str, object] = {
        "changed": made.changed,
        "pending": list(made.pending),
        "applied": list(made.pending) if done else [],
        "edited": list(made.edited),
        "missing": list(made.missing),
        "ledger": [{"name": name, "state": state} for name, state in sorted(states.items())],
    }
    if diff:
        result["diff"] = {"before": _listed(made.states), "after": _listed(made.after)}
    return result


def _listed(states: Mapping[str, str]) -> str:
    return "".join(f"{name}: {state}\n" for name, state in sorted(states.items()))
