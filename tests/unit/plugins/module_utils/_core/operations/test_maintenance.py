# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.firstbell.stack.plugins.module_utils._core import records
from ansible_collections.firstbell.stack.plugins.module_utils._core.operations import (
    daily,
    maintenance,
    monthly,
    weekly,
)
from ansible_collections.firstbell.stack.plugins.module_utils._core.operations.maintenance import Report, Section
from ansible_collections.firstbell.stack.plugins.module_utils._core.prometheus import render as render_metrics

from unit.quiet_stack import GB, MB, NOW, session, statement, table
from unit.reported_stack import DAY, day, findings, month, sections, week

Break = Callable[[dict[str, Any]], None]


@pytest.mark.parametrize(("parts", "facts"), [(daily.PARTS, day()), (weekly.PARTS, week()), (monthly.PARTS, month())])
def test_nothing_is_to_be_done_where_all_is_well(parts: tuple[maintenance.Part, ...], facts: dict[str, Any]) -> None:
    assert findings(parts, facts) == []
    assert all(section.lines for section in sections(parts, facts).values())


def backups(**changes: dict[str, Any]) -> Break:
    def change(facts: dict[str, Any]) -> None:
        for name, values in changes.items():
            facts["backups"]["records"][name.replace("_", "-")].update(values)

    return change


def without(name: str) -> Break:
    return lambda facts: facts["backups"]["records"].pop(name)


def container(facts: dict[str, Any], number: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = facts["engine"]["containers"][number]
    return found


DAYS: list[tuple[Break, str]] = [
    (lambda facts: facts["engine"]["services"]["nginx"].update(running=0), "nginx has 0 of 1 tasks"),
    (lambda facts: facts["engine"]["services"]["nginx"].update(running=0, wanted=0), "nginx has 0 of 0 tasks"),
    (lambda facts: container(facts).update(health="unhealthy"), "school_app.1 is unhealthy"),
    (
        lambda facts: container(facts).update(kills=3, started=NOW - 3600),
        "had 3 processes killed for lack of memory since its start",
    ),
    (lambda facts: container(facts).update(memory=250 * MB), "app.1 used 98 % of its memory"),
    (lambda facts: facts["peaks"]["school_app.1"].update(cpu=0.99), "app.1 used 99 % of its CPU"),
    (lambda facts: facts["database"].update(activity=[session(n) for n in range(35)]), "35 of 37 connections"),
    (lambda facts: facts["pool"]["pools"][0].update(cl_active="1900"), "1900 of 2000 clients"),
    (
        lambda facts: facts["database"]["activity"].append(session(9, state="idle in transaction", state_seconds=45.0)),
        "1 transaction is left open",
    ),
    (backups(check={"problems": 2}), "2 problems with the backups; type school-backup check"),
    (backups(check={"time": NOW - 3600}), "the last check of the backups is 60 minutes old"),
    (without("check"), "the backups were never checked"),
    (backups(drill={"success": False}), "the last rehearsed restore of the database failed; type school-backup drill"),
    (backups(drill={"ended": NOW - 3 * DAY}), "the last rehearsed restore of the database is old"),
    (backups(files_drill={"ok": False}), "the last rehearsed restore of files failed"),
    (backups(files_backup={"ended": NOW - 2 * DAY}), "files are not backed up well"),
    (lambda facts: facts["disks"][0].update(free=GB), "/ is nearly full"),
    (lambda facts: facts["disks"][0].update(inodes_free=2), "/ is nearly full"),
    (lambda facts: facts["units"].append("nginx.service"), "nginx.service failed; type systemctl status nginx.service"),
    (lambda facts: facts["updates"].update(security=["openssl"]), "1 security update to do (openssl)"),
    (lambda facts: facts["updates"].update(listed=NOW - 8 * DAY), "the lists of packages are old"),
    (lambda facts: facts["updates"].update(reboot=True), "an update needs a reboot"),
    (lambda facts: facts["prometheus"]["firing"].append({"alertname": "CacheDown"}), "CacheDown fires"),
    (lambda facts: facts["prometheus"]["down"].append({"job": "node", "instance": "a"}), "node at a is not measured"),
]
WEEKS: list[tuple[Break, str]] = [
    (lambda facts: facts.update(analyze_failed={"public.logs": "lock timeout"}), "public.logs could not be analyzed"),
    (lambda facts: facts["database"].update(statements=None), "pg_stat_statements counts nothing"),
    (
        lambda facts: facts["database"]["statements"].append(
            statement(9, mean_seconds=1.5, calls=20.0, query="SELECT * FROM logs WHERE name = 'Anna'")
        ),
        (
            "SELECT * FROM logs WHERE name = ? takes 1500 ms on average of 20 calls; docs/operations.md,"
            " Commands for the database, shows the plan of number 9"
        ),
    ),
    (without("drill-20261125-051000"), "no backup but the newest was ever tried; type school-backup drill --random"),
    (
        lambda facts: facts["backups"]["records"]["drill-20261125-051000"].update(success=False, findings=["rows"]),
        "the rehearsal with any backup failed: rows",
    ),
    (
        lambda facts: facts["backups"]["records"]["drill-20261125-051000"].update(ended=NOW - 9 * DAY),
        "the last rehearsal with any backup is 9 days old",
    ),
    (lambda facts: facts["images"].update(ok=False), "the clean-up of images failed"),
    (lambda facts: facts["images"].update(ended=NOW - 9 * DAY), "the clean-up of images last ran 9 days ago"),
    (lambda facts: facts["images"].update(installed=False), "the clean-up of images is switched off"),
]


def shrinking(facts: dict[str, Any]) -> None:
    """A disk of which 1 GB a day is used up."""
    points = facts["capacity"]["disks"]["/srv"]
    first = points[0][0]
    facts["capacity"]["disks"]["/srv"] = [(at, 30.0 * GB - (at - first) / DAY * GB) for at, _free in points]


MONTHS: list[tuple[Break, str]] = [
    (shrinking, "/srv is full in 15 days at this rate; type du -xhd 2 /srv |"),
    (
        lambda facts: facts["capacity"]["peaks"].update(
            {"connections of the pool": 15.0, "clients that waited for the pool": 2.0}
        ),
        "connections of the pool reached 15 of 15; and clients waited",
    ),
    (
        lambda facts: facts["capacity"]["peaks"].update({"connections of the database": 36.0}),
        "type school-diagnose, and docs/runbooks, DatabaseConnectionsHigh",
    ),
    (
        lambda facts: facts["capacity"]["peaks"].update({"clients of the pool": 1900.0}),
        "clients of the pool reached 1900 of 2000; see docs/runbooks, PoolClientsHigh",
    ),
    (
        lambda facts: facts["capacity"]["uses"]["app"].update(memory=250.0 * MB),
        (
            "app: memory limit too small: used 250.0 MB of 256.0 MB (98 %); set firstbell_plan_overrides: "
            "{services: {app: {limits: {memory: 400MB}}}}"
        ),
    ),
    (
        lambda facts: facts["capacity"]["uses"]["app"].update(cpu=0.9),
        (
            "app: CPU limit too small: used 0.90 of 1, held back in 0 % of the periods; set firstbell_plan_overrides: "
            "{services: {app: {limits: {cpus: 2}}}}"
        ),
    ),
    (
        lambda facts: facts["images"][0]["newer"].update(openssl=("3.5.1", "3.5.2")),
        "Debian has newer versions of 1 package of the images (openssl 3.5.1 -> 3.5.2); run the playbook update_images",
    ),
    (lambda facts: facts["images"][0].update(created=NOW - 90 * DAY), "the oldest image is 90 days old"),
    (lambda facts: facts["capacity"]["fired"].update(HostCpuHigh=2 * DAY), "HostCpuHigh fired for 2 days"),
]


@pytest.mark.parametrize(("change", "said"), DAYS, ids=[said[:40] for _change, said in DAYS])
def test_the_day(change: Break, said: str) -> None:
    facts = day()
    change(facts)
    found = findings(daily.PARTS, facts)
    assert len(found) == 1
    assert said in found[0]


@pytest.mark.parametrize(("change", "said"), WEEKS, ids=[said[:40] for _change, said in WEEKS])
def test_the_week(change: Break, said: str) -> None:
    facts = week()
    change(facts)
    found = findings(weekly.PARTS, facts)
    assert found
    assert all(said in text for text in found)


@pytest.mark.parametrize(("change", "said"), MONTHS, ids=[said[:40] for _change, said in MONTHS])
def test_the_month(change: Break, said: str) -> None:
    facts = month()
    change(facts)
    found = findings(monthly.PARTS, facts)
    assert len(found) == 1
    assert said in found[0]


@pytest.mark.parametrize("kind", sorted(maintenance.KINDS))
def test_a_silent_source_is_told_and_a_missing_one_explained(kind: str) -> None:
    parts = {"daily": daily.PARTS, "weekly": weekly.PARTS, "monthly": monthly.PARTS}[kind]
    facts = {"daily": day, "weekly": week, "monthly": month}[kind]()
    for source in {name for part in parts for name in part.needs}:
        told = {key: value for key, value in facts.items() if key != source}
        assert any("no answer within 9 s" in text for text in findings(parts, told, **{source: "no answer within 9 s"}))
        assert findings(parts, told) == []
        assert any(section.note.startswith("not looked at") for section in sections(parts, told).values())


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"analyzed_seconds": None, "live": 5.0}, "never analyzed, about 5 rows"),
        ({"changed": 900.0}, "900 rows changed of 10000 since 60 minutes"),
        ({"changed": 499.0}, ""),
        ({"analyzed_seconds": None, "live": 0.0}, ""),
        ({"changed": 600.0, "live": 100000.0}, ""),
    ],
)
def test_stale_statistics(change: dict[str, Any], why: str) -> None:
    found = weekly.stale([table("logs", **change)])
    assert [one.why for one in found] == ([why] if why else [])


def test_the_heaviest_statements_by_mean_and_by_total() -> None:
    facts = week()
    facts["database"]["statements"] = [
        statement(n, mean_seconds=n / 1000, total_seconds=20.0 - n, query=f"SELECT c{n}") for n in range(1, 15)
    ]
    found = sections(weekly.PARTS, facts)
    mean, total = found["statements_mean"].lines, found["statements_total"].lines
    assert len(mean) == len(total) == 12  # and since when, and the heading
    assert mean[0].startswith("counted within 30 days, since 20")
    assert [line.split()[1] for line in mean[2:5]] == ["c14", "c13", "c12"]
    assert [line.split()[1] for line in total[2:5]] == ["c1", "c2", "c3"]


@pytest.mark.parametrize(
    ("kills", "to_do"), [({}, 0), ({"kills": 1.0}, 1)], ids=["a month ago", "within a day, as Prometheus knows"]
)
def test_a_kill_is_to_be_seen_to_on_its_day(kills: dict[str, float], to_do: int) -> None:
    facts = day()
    container(facts).update(kills=2, started=NOW - 30 * DAY)
    facts["peaks"]["school_app.1"].update(kills)
    assert len(findings(daily.PARTS, facts)) == to_do
    del facts["peaks"]
    assert len(findings(daily.PARTS, facts)) == 1


def report(*findings: str) -> Report:
    section = Section("disks", "Disks", ("/: 1 GB free",), {"free_share_min": 0.123456}, findings)
    return Report("daily", "school", NOW, 3.2, (section,), ("ANALYZE public.logs",))


def test_a_report_reads_as_plain_text() -> None:
    lines = maintenance.render(report("/ is nearly full; type du"))
    assert lines[0] == "Health of the day: school, 2026-11-22 20:00 UTC" or lines[0].startswith(
        "Health of the day: school"
    )
    assert " 1. Disks: / is nearly full; type du" in lines
    assert "changed: ANALYZE public.logs" in lines
    assert "Nothing to do." in maintenance.render(report())
    assert max(map(len, maintenance.render(report("word " * 100)))) <= 118


def test_a_record_is_what_the_contract_says() -> None:
    record = maintenance.record(report("/ is nearly full; type du"))
    read = records.parse(record.as_dict())
    assert read.kind == "maintenance_daily"
    assert not read.passed
    assert read.measured == {"disks_free_share_min": 0.1235}
    assert read.findings == ("Disks: / is nearly full; type du",)
    assert records.parse(maintenance.record(report()).as_dict()).passed


def test_metrics_are_of_the_last_record_of_each_kind() -> None:
    monthly_record = records.Record("maintenance_monthly", NOW, 9.0, True, {"growth_full_in_days": 40.0})
    found = {"maintenance_daily": maintenance.record(report("a", "b")), "maintenance_monthly": monthly_record}
    text = render_metrics(maintenance.samples(found, "school"))
    assert 'firstbell_maintenance_findings{kind="daily",stack="school"} 2' in text
    assert 'firstbell_maintenance_timestamp_seconds{kind="monthly",stack="school"}' in text
    assert 'firstbell_maintenance_disk_full_days{stack="school"} 40' in text
    assert render_metrics(maintenance.samples({}, "school")) == ""
