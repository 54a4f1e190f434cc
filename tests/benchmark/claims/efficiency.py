# SPDX-License-Identifier: GPL-3.0-or-later
"""CPU of the application with its database and its sessions for a thousand pages, naive and ours."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.client
import json
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from . import lab, queries
from .model import Claim, Outcome, Rounds, apart, changed, check, reduction
from .model import judge as judge_reduction
from .start import IMAGES

CLAIM = Claim(
    name="efficiency",
    claimed="CPU efficiency 35 % better",
    how="the example app's dashboard for a user who is signed in, 250,000 attendances, 10 requests a second at their "
    "own pace; CPU seconds of the app, PostgreSQL, Redis and the pool for 1000 answers, by the kernel's count",
    unit="CPU s",
    variants={
        "naive": "the naive image (claims/naive.Dockerfile), PostgreSQL's defaults, primary keys only",
        "indexes": "the same with the indexes of S72 to S76",
        "ours": "images/nextjs, the profile's settings, the indexes, and PgBouncer between them",
    },
    least=0.35,
)
#: Reference of the collection's Redis on the engine of DOCKER_HOST.
REDIS = "FIRSTBELL_BENCHMARK_REDIS"
NEEDS = (*IMAGES.values(), REDIS)
MIGRATIONS = lab.ROOT / "examples" / "attendance_app" / "prisma" / "migrations"
RATE, WARM, REQUESTS = 10, 100, 500
PORT = 3000
ROWS = """
INSERT INTO "Student" ("admissionNumber", name) SELECT 'A' || n, 'Student ' || n FROM generate_series(1, 500) n;
INSERT INTO "ClassSession" (name, "startsAt")
SELECT 'Lesson ' || n, now() - (500 - n) * interval '4 hours' FROM generate_series(1, 500) n;
INSERT INTO "Attendance" ("studentId", "sessionId", "markedAt")
SELECT student, lesson, now() - (500 - lesson) * interval '4 hours' + student * interval '1 s' - interval '10 min'
FROM generate_series(1, 500) lesson, generate_series(1, 500) student;
"""
PASSWORD = "a password that nobody has"


def measure(laboratory: lab.Lab, rounds: int) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {name: [] for name in CLAIM.variants}
    laboratory.start(lab.DEFAULTS)
    with laboratory.connect() as connection:
        for path in sorted(MIGRATIONS.glob("*/migration.sql")):
            connection.execute(path.read_text(encoding="utf-8"))  # type: ignore[call-overload]
        for statement in ROWS.split(";")[:-1]:
            connection.execute(statement)
        connection.execute(
            'INSERT INTO "User" (username, name, "passwordHash") VALUES (%s, %s, %s)', ("teacher", "Teacher", _hash())
        )
    for _round in range(rounds):
        for variant in CLAIM.variants:
            laboratory.start(lab.profile() if variant == "ours" else lab.DEFAULTS)
            with laboratory.connect() as connection:
                for name, definition in queries.INDEXES.items():
                    connection.execute(f"DROP INDEX IF EXISTS {name}")
                    if variant != "naive":
                        connection.execute(f"CREATE {definition.format(name)}")
                connection.execute("VACUUM ANALYZE")
            if variant == "ours":
                laboratory.start_pool()
            found[variant].append(_pages(laboratory, variant))
    return found


def _pages(laboratory: lab.Lab, variant: str) -> float:
    """CPU seconds for 1000 pages."""
    target, port = ("pool", 6432) if variant == "ours" else ("database", 5432)
    environment = {
        "NODE_ENV": "production",
        "PORT": str(PORT),
        "HOSTNAME": "0.0.0.0",
        "NEXTAUTH_SECRET": "x" * 32,
        "NEXTAUTH_URL": f"http://app:{PORT}",
        "DATABASE_URL": f"postgresql://postgres:{laboratory.password}@{laboratory.address(target)}:{port}/postgres",
    }
    with _container(laboratory, os.environ[REDIS], ["redis-server", "--protected-mode", "no"]) as redis:
        environment["REDIS_URL"] = f"redis://{_address(laboratory, redis)}:6379/0"
        image = os.environ[IMAGES["ours" if variant == "ours" else "naive"]]
        with _container(laboratory, image, None, environment=environment, mem_limit="1g") as app:
            all_of_it = [one for one in (app, redis, laboratory.server, laboratory.pool) if one is not None]
            address = _address(laboratory, app)
            cookie = _sign_in(address, app)
            _ask(address, cookie, WARM)
            before = [lab.reading(one)["cpu"] for one in all_of_it]
            _ask(address, cookie, REQUESTS)
            after = [lab.reading(one)["cpu"] for one in all_of_it]
    return (sum(after) - sum(before)) / REQUESTS * 1000


@contextlib.contextmanager
def _container(laboratory: lab.Lab, image: str, command: list[str] | None, **options: Any) -> Iterator[Any]:
    container = laboratory.engine.containers.run(
        image,
        command,
        detach=True,
        user=f"{lab.UID}:{lab.UID}",
        network=laboratory.network.name,
        tmpfs={"/tmp": "mode=1777", "/run/redis": "mode=1777", "/var/lib/redis": "mode=1777"},
        **options,
    )
    try:
        yield container
    finally:
        container.remove(force=True, v=True)


def _address(laboratory: lab.Lab, container: Any) -> str:
    container.reload()
    return str(container.attrs["NetworkSettings"]["Networks"][laboratory.network.name]["IPAddress"])


def _sign_in(address: str, app: Any) -> str:
    """The cookie of a session, as soon as the app gives one."""
    body = json.dumps({"username": "teacher", "password": PASSWORD})
    deadline = time.monotonic() + 60
    while True:
        said = ""
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection(address, PORT, timeout=10)
            connection.request("POST", "/api/auth/signin", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            said = f"{answer.status}: {answer.read().decode(errors='replace')}"
            if answer.status == 200:
                return str(answer.getheader("Set-Cookie", "")).partition(";")[0]
        if time.monotonic() > deadline:
            raise RuntimeError(f"nobody can sign in: {said} {app.logs().decode(errors='replace')[-1500:]}")
        time.sleep(0.2)


def _ask(address: str, cookie: str, number: int) -> None:
    """Pages at a constant rate, whatever the answers take; any that is not the user's own page is an error."""

    def page(place: int) -> None:
        time.sleep(max(0.0, began + place / RATE - time.monotonic()))
        connection = http.client.HTTPConnection(address, PORT, timeout=30)
        connection.request("GET", "/dashboard", headers={"Cookie": cookie})
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        if answer.status != 200 or b"Signed in as" not in text:
            raise RuntimeError(f"/dashboard: {answer.status}: {text[:500]!r}")

    began = time.monotonic()
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(page, range(number)))


def _hash() -> str:
    """The password as the example app keeps it (src/lib/password.ts)."""
    salt = os.urandom(16)
    key = hashlib.scrypt(PASSWORD.encode(), salt=salt, n=16384, r=8, p=1, dklen=32)
    return "$".join(("scrypt", "16384", "8", "1", base64.b64encode(salt).decode(), base64.b64encode(key).decode()))


def judge(rounds: Rounds) -> Outcome:
    check(CLAIM, rounds)
    by_indexes, rest = reduction(rounds, ours="indexes"), reduction(rounds, naive="indexes")
    said = changed(rest) if apart(rounds, naive="indexes") else "nothing beyond the spread"
    outcome = judge_reduction(CLAIM, rounds)
    note = f"Indexes alone: {changed(by_indexes)}. Image, settings and pool on top of them: {said}."
    return Outcome(outcome.verdict, outcome.words, (note,))
