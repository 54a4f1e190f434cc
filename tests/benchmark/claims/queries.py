# SPDX-License-Identifier: GPL-3.0-or-later
"""Query time with and without the essential indexes and the profile's settings."""

from __future__ import annotations

import time
from typing import Any

from . import lab
from .model import Claim, Outcome, Rounds, apart, changed, check, reduction, spreads

CLAIM = Claim(
    name="queries",
    claimed="query response 30 to 50 % faster",
    how="a scan's look-up, a student's report, today's attendance and the last ten scans, over a million attendances; "
    "one client, all five queries",
    unit="ms",
    variants={
        "naive": "PostgreSQL's defaults, primary keys only",
        "settings": "the profile's settings, primary keys only",
        "indexes": "PostgreSQL's defaults, the indexes of S72 to S76",
        "ours": "both",
    },
    least=0.3,
)
ITERATIONS = 10
ROWS = """
CREATE TABLE "Student" (id serial PRIMARY KEY, "admissionNumber" text NOT NULL, name text NOT NULL);
CREATE TABLE "Attendance" (id bigserial PRIMARY KEY, "studentId" int NOT NULL, "sessionId" int NOT NULL,
                           "markedAt" timestamptz NOT NULL);
INSERT INTO "Student" ("admissionNumber", name) SELECT 'A' || n, 'Student ' || n FROM generate_series(1, 2000) n;
INSERT INTO "Attendance" ("studentId", "sessionId", "markedAt")
SELECT student, lesson, '2026-01-05 08:00+00'::timestamptz + lesson * interval '40 min' + student * interval '100 ms'
FROM generate_series(1, 500) lesson, generate_series(1, 2000) student;
VACUUM ANALYZE;
"""
INDEXES = {
    "idx_student_admission_number": 'UNIQUE INDEX {} ON "Student" ("admissionNumber")',
    "idx_attendance_student": 'INDEX {} ON "Attendance" ("studentId")',
    "idx_attendance_session": 'INDEX {} ON "Attendance" ("sessionId")',
    "idx_attendance_marked_at": 'INDEX {} ON "Attendance" ("markedAt")',
    "idx_attendance_student_session": 'UNIQUE INDEX {} ON "Attendance" ("studentId", "sessionId")',
}
MIX = (
    'SELECT id FROM "Student" WHERE "admissionNumber" = \'A{n}\'',
    'SELECT 1 FROM "Attendance" WHERE "studentId" = {n} AND "sessionId" = {n} % 500',
    'SELECT count(*) FROM "Attendance" WHERE "studentId" = {n}',
    'SELECT count(*) FROM "Attendance" WHERE "markedAt" >= \'2026-01-18 12:00+00\'',
    'SELECT * FROM "Attendance" ORDER BY "markedAt" DESC LIMIT 10',
)


def measure(laboratory: lab.Lab, rounds: int) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {name: [] for name in CLAIM.variants}
    laboratory.start(lab.DEFAULTS)
    with laboratory.connect() as connection:
        for statement in ROWS.split(";"):
            if statement.strip():
                connection.execute(statement)
    for _round in range(rounds):
        for variant in CLAIM.variants:
            laboratory.start(lab.profile() if variant in ("settings", "ours") else lab.DEFAULTS)
            with laboratory.connect() as connection:
                for name, definition in INDEXES.items():
                    connection.execute(f"DROP INDEX IF EXISTS {name}")
                    if variant in ("indexes", "ours"):
                        connection.execute(f"CREATE {definition.format(name)}")
                connection.execute("VACUUM ANALYZE")
                found[variant].append(_mix(connection))
    with laboratory.connect() as connection:
        connection.execute('DROP TABLE "Attendance", "Student"')
    return found


def _mix(connection: Any) -> float:
    def once(number: int) -> None:
        for query in MIX:
            connection.execute(query.format(n=number)).fetchall()

    once(1)  # reads the tables into memory
    began = time.perf_counter()
    for turn in range(ITERATIONS):
        once(turn * 37 % 2000 + 1)
    return (time.perf_counter() - began) / ITERATIONS * 1000


def judge(rounds: Rounds) -> Outcome:
    check(CLAIM, rounds)
    whole, settings, indexes = (reduction(rounds, ours=name) for name in ("ours", "settings", "indexes"))
    verdict = "holds" if whole >= CLAIM.least and apart(rounds) else "does not hold"
    told_apart = apart(rounds, ours="settings") or apart(rounds, naive="settings", ours="naive")
    said = f"make it {changed(settings)}" if told_apart else "change nothing beyond the spread"
    note = f"The indexes do it ({changed(indexes)} by themselves); the settings alone {said}."
    return Outcome(verdict, f"{changed(whole)}; {spreads(CLAIM, rounds)}", (note,))
