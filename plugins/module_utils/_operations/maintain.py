# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``<stack>-maintain daily|weekly|monthly`` (S82-S84): looks, reports, and keeps a record.

Nothing is changed but the statistics of tables that the planner knows too little of.
"""

from __future__ import annotations

import argparse
import contextlib
import time
from collections.abc import Mapping, Sequence
from typing import Any

from .._core import records as core_records
from .._core.errors import FirstbellError
from .._core.operations import daily, maintenance, monthly, spans, statements, weekly
from .._core.operations.config import Config
from .._core.operations.maintenance import Report, Section
from .._core.prometheus import render as render_metrics
from .._core.records import Record
from .._io import records, system
from .._io.operations import backups, cache, capacity, containers, database, host, images, pool, prometheus
from .common import Source, ask, complain, read_config, say

#: Seconds that a source may take: a report has time, but must end.
_PATIENCE = {"daily": 90.0, "weekly": 120.0, "monthly": 900.0}
_BETWEEN = 2.0
_DAYS = 15
_PARTS = {"daily": daily.PARTS, "weekly": weekly.PARTS, "monthly": monthly.PARTS}


def sources(kind: str, config: Config) -> dict[str, Source]:
    """What is asked for a report, by its name."""
    asked: dict[str, Source] = {}
    if kind == "daily":
        asked = {
            "engine": lambda: _twice(config.stack),
            "database": lambda: database.gather(config.socket, config.database),
            "pool": lambda: pool.gather(config.stack),
            "disks": lambda: host.disks(config.directory),
            "units": host.failed_units,
            "updates": host.updates,
        }
        if config.sessions:
            asked["sessions"] = lambda: cache.count_keys(config.stack, config.sessions)
    elif kind == "weekly":
        asked = {"database": lambda: database.gather(config.socket, config.database), "images": images.clean_up}
    else:
        asked = {"engine": lambda: containers.gather(config.stack), "images": lambda: images.running(config.stack)}
    if config.backup and kind != "monthly":
        asked["backups"] = lambda: backups.gather(config.directory)
    if config.prometheus:
        place = (config.stack, config.prometheus, config.monitoring_user)
        if kind == "daily":
            asked["prometheus"] = lambda: prometheus.gather(*place)
            asked["peaks"] = lambda: capacity.of_today(*place)
        if kind == "monthly":
            asked["capacity"] = lambda: capacity.gather(*place, _DAYS, spans.rehearsals(_kept(config)))
    return asked


def _twice(stack: str) -> dict[str, Any]:
    before = {**containers.gather(stack), "at": time.time()}
    time.sleep(_BETWEEN)
    return {**containers.gather(stack), "before": before}


def report(kind: str, config: Config, dry_run: bool) -> Report:
    """Ask, do what is to be done, and judge."""
    begin, at = time.monotonic(), time.time()
    found, errors = ask(sources(kind, config), _PATIENCE[kind])
    facts: dict[str, Any] = {**found, "now": time.time(), "config": config}
    done: list[str] = []
    if "engine" in facts and "before" in facts["engine"]:
        facts["engine_before"] = facts["engine"]["before"]
    if "engine" in errors:
        errors["engine_before"] = errors["engine"]
    if kind == "weekly" and "database" in facts:
        facts["snapshot"] = statements.parse(system.read_text(_snapshot(config)) or "")
        facts["stale"] = weekly.stale(facts["database"]["tables"])
        if not dry_run:
            facts["analyzed"], facts["analyze_failed"] = _analyze(config, facts["stale"])
            done = [f"ANALYZE {name}" for name in facts["analyzed"]]
            _keep_snapshot(config, facts)
    sections = [maintenance.section_of(part, facts, errors) for part in _PARTS[kind]]
    if "peaks" in errors:
        reason = f"Prometheus does not tell what was used: {errors['peaks']}"
        sections.append(Section("peaks", "Use of the day", ("could not be looked at",), findings=(reason,)))
    return Report(kind, config.stack, at, time.monotonic() - begin, tuple(sections), tuple(done))


def _kept(config: Config) -> list[Record]:
    """The records that can be read."""
    return [one.record for one in records.read(f"{config.directory}/records") if one.record is not None]


def _snapshot(config: Config) -> str:
    return f"{config.directory}/records/statements.json"


def _keep_snapshot(config: Config, facts: Mapping[str, Any]) -> None:
    """What the next report takes the difference to."""
    found, now = facts["database"], facts["now"]
    if found["statements"] is not None and statements.is_due(facts["snapshot"], found, now):
        system.write_text(_snapshot(config), statements.take(found, now).dump(), 0o644)


def _analyze(config: Config, stale: Sequence[weekly.Stale]) -> tuple[dict[str, float], dict[str, str]]:
    """Seconds that each took, and why others could not be done."""
    took: dict[str, float] = {}
    failed: dict[str, str] = {}
    for one in stale:
        name, begin = f"{one.schema}.{one.name}", time.monotonic()
        try:
            database.analyze(config.socket, config.database, one.schema, one.name)
            took[name] = time.monotonic() - begin
        except FirstbellError as error:
            failed[name] = str(error)
    return took, failed


def keep(config: Config, made: Report, text: str) -> None:
    """The text, the record, and the metrics of all three kinds."""
    system.write_text(f"{config.reports}/{made.kind}.txt", text, 0o644)
    folder = f"{config.directory}/records"
    records.write(folder, maintenance.record(made))
    newest = {
        kind: kept.record for kind, kept in core_records.newest(records.read(folder)).items() if kept.record is not None
    }
    path = f"{config.directory}/monitoring/textfile/{config.stack}_maintenance.prom"
    with contextlib.suppress(FileNotFoundError):
        system.write_text(path, render_metrics(maintenance.samples(newest, config.stack)), 0o644)


def main(config_path: str, arguments: Sequence[str] | None = None) -> int:
    """Make one report. What it finds is for people to do: the exit status is 0 then as well."""
    parser = argparse.ArgumentParser(description="Reports of what is done every day, week and month.")
    parser.add_argument("kind", choices=sorted(maintenance.KINDS), help="which one")
    parser.add_argument("--dry-run", action="store_true", help="only look: nothing is analyzed or kept")
    try:
        config = read_config(config_path)
        options = parser.parse_args(arguments)
        made = report(options.kind, config, options.dry_run)
        lines = maintenance.render(made)
        if not options.dry_run:
            keep(config, made, "".join(f"{line}\n" for line in lines))
    except (FirstbellError, OSError) as error:
        complain(str(error))
        return 1
    for line in lines:
        say(line)
    return 0
