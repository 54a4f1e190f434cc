# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run of pg_indexes: look, decide, act, look again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

from .._core import index_report
from .._core.errors import FirstbellError, InputError
from .._core.index_advice import advise
from .._core.index_plan import Plan
from .._core.index_sql import check_name
from .._core.index_wishes import wishes
from .._core.indexes import closest_first, serves
from .._core.units import parse_duration
from . import index_build, index_statistics, postgres
from .index_build import APPLICATION, Done, Patience, StepFailedError
from .index_survey import Survey, survey
from .indexes import Server


class RunContext(Protocol):
    """What a run must know of its caller."""

    @property
    def check_mode(self) -> bool: ...
    @property
    def diff_mode(self) -> bool: ...
    @property
    def verbosity(self) -> int: ...
    @property
    def log(self) -> Callable[[str], None]: ...


class NotCompliantError(FirstbellError):
    """The indexes are not as they are wanted; ``result`` says how they are."""

    def __init__(self, message: str, result: Mapping[str, object]) -> None:
        super().__init__(message)
        self.result = dict(result)


@dataclass(frozen=True)
class Times:
    """The limits of a run: PostgreSQL's as texts, our own in seconds."""

    session: Mapping[str, str]
    patience: Patience
    advisory: float

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> Times:
        for name, least in (("retries", 0), ("parallel", 1), ("duplicate_samples", 0)):
            if params[name] < least:
                raise InputError(f"{name}: {params[name]} is less than {least}")
        return cls(
            {name: postgres.milliseconds(params[name], name) for name in ("lock_timeout", "statement_timeout")},
            Patience(params["retries"], parse_duration(params["retry_delay"], "retry_delay")),
            parse_duration(params["advisory_lock_timeout"], "advisory_lock_timeout"),
        )


def assure(params: dict[str, Any], context: RunContext) -> Mapping[str, Any]:
    """Assure the indexes that the module's parameters want, or only look; returns the module's result."""
    wanted = wishes(params["indexes"], params["rename"], params["replace"])
    schema = check_name(params["schema"], "schema")
    times = Times.of(params)
    checking = params["mode"] == "check"
    acting = not checking and not context.check_mode

    def open_server() -> Server:
        return Server(postgres.connect(params, times.session, application=APPLICATION))

    def look(server: Server, samples: int | None) -> Survey:
        return survey(
            server,
            wanted,
            schema,
            lenient=checking,
            cleaning=params["clean_leftovers"],
            samples=samples,
            patience=times.session,
        )

    server = open_server()
    with server.session:
        if acting:
            index_build.lock(server, times.advisory)
        found = look(server, params["duplicate_samples"])
        result = _told(found)
        if context.diff_mode and not checking:
            result["diff"] = index_report.diff(found.plan, found.bounds)
        if found.plan.blocked and params["blocked"] == "fail" and not checking:
            raise NotCompliantError(index_report.refusal(found.plan, found.bounds, found.catalogue), result)
        if acting and found.plan.steps:
            with _watching(context, open_server) as lines:
                done = _act(
                    found.plan,
                    server,
                    times.patience,
                    parallel=params["parallel"],
                    open_server=open_server,
                    result=result,
                )
            result.update(changed=True, steps=[_shown(step) for step in done])
            result.update({"progress": lines} if lines is not None else {})
            after = look(server, None)
            result["compliant"] = not after.plan.steps and not after.plan.blocked
            _see(found, after, result)
            found = after
        elif not checking:
            result["changed"] = bool(found.plan.steps)
        if params["advice"]:
            result["advice"] = _advice(server, found, schema)
    if checking:
        _judge(found, ["any"] if params["fail_on"] is None else params["fail_on"], result)
    return result


def _told(found: Survey) -> dict[str, Any]:
    entries = index_report.entries(found.plan, found.bounds, found.catalogue)
    return {
        "changed": False,
        "indexes": entries,
        "summary": index_report.summary(entries),
        "findings": index_report.findings(found.plan, found.bounds, found.catalogue),
        "compliant": not found.plan.steps and not found.plan.blocked,
    }


def _judge(found: Survey, kinds: Sequence[str], result: Mapping[str, object]) -> None:
    """Raise NotCompliantError for findings of these kinds."""
    failing = index_report.findings(found.plan, found.bounds, found.catalogue, kinds)
    if failing:
        raise NotCompliantError("\n".join(["the indexes are not as they are wanted:", *failing]), result)


def _watching(context: RunContext, open_server: Callable[[], Server]) -> AbstractContextManager[list[str] | None]:
    return index_build.watched(open_server, context.log) if context.verbosity else nullcontext(None)


def _act(
    plan: Plan,
    server: Server,
    patience: Patience,
    *,
    parallel: int,
    open_server: Callable[[], Server],
    result: Mapping[str, Any],
) -> list[Done]:
    try:
        return index_build.apply(plan, server, patience, parallel, open_server)
    except StepFailedError as failed:
        steps = [_shown(step) for step in failed.done]
        failed.result = {**result, "changed": bool(failed.done), "compliant": False, "steps": steps}
        raise


def _shown(done: Done) -> dict[str, object]:
    return {"statement": done.step.sql, "seconds": done.seconds, "tries": done.tries}


def _see(before: Survey, after: Survey, result: Mapping[str, Any]) -> None:
    """Raise NotCompliantError where something is left that the plan has had steps for."""
    planned = {item.position for item in before.plan.items if item.steps}
    left = [item for item in after.plan.items if item.steps and item.position in planned]
    if left:
        by_position = {bound.wish.position: bound for bound in after.bounds}
        lines = [index_report.finding(item, by_position.get(item.position), after.catalogue) for item in left]
        message = "\n".join(["all steps were taken, and this is left:", *lines])
        raise NotCompliantError(message, {**result, "compliant": False})


def _advice(server: Server, found: Survey, schema: str) -> Sequence[Mapping[str, object]]:
    schemas = sorted({schema, *(bound.schema for bound in found.bounds)})
    catalogue = index_statistics.everything(server, schemas, found.relations)
    wanted = set()
    planned = []
    for bound in found.bounds:
        table, definition = bound.table, bound.definition
        if table is None or definition is None:
            continue
        serving = [index for index in catalogue.of_table(table.oid) if _is(index, bound, found)]
        wanted.update(index.oid for index in closest_first(serving, bound.wish.name)[:1])
        planned.append((table.oid, definition))
    keys = index_statistics.foreign_keys(server, catalogue)
    statistics = index_statistics.statistics(server, catalogue)
    return [one.as_dict() for one in advise(catalogue, keys, statistics, frozenset(wanted), planned)]


def _is(index: Any, bound: Any, found: Survey) -> bool:
    return serves(index, bound.definition, bound.wish.position, found.catalogue)
