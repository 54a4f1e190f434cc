#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures full backups of a school's database as the stack makes them against gzip's.

The tables are the example application's, filled for 2,000 students and 1,000 lessons. Both kinds are made in
turns by the stack's own image and configuration, encrypted; gzip has its own default level, 6. What counts is
the CPU time of the container and the bytes of the repository; the medians of ROUNDS are given. Ours must be
FASTER times as fast and SMALLER smaller.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import docker

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from integration import postgres_server  # noqa: E402

ROUNDS, FASTER, SMALLER = 3, 4, 0.15
OURS, THEIRS = "zstd", "gzip"
OPTIONS: dict[str, list[str]] = {OURS: [], THEIRS: ["--compress-type=gz", "--compress-level=6"]}
ROWS = """
INSERT INTO "Student" ("admissionNumber", name)
SELECT 'A' || lpad((n * 7919 % 99991)::text, 6, '0'),
       (ARRAY['Amina', 'Brian', 'Chantal', 'David', 'Esther', 'Faith', 'George', 'Hassan'])[1 + n % 8] || ' ' ||
       (ARRAY['Otieno', 'Mwangi', 'Achieng', 'Kamau', 'Wanjiru', 'Kiptoo', 'Njeri'])[1 + n * 31 % 7]
FROM generate_series(1, 2000) n;
INSERT INTO "ClassSession" (name, "startsAt")
SELECT 'Lesson ' || n, '2026-01-05 08:00+03'::timestamptz + n * interval '40 min' FROM generate_series(1, 1000) n;
SELECT setseed(0.5);
INSERT INTO "Attendance" ("studentId", "sessionId", "markedAt")
SELECT student, lesson, '2026-01-05 08:00+03'::timestamptz + lesson * interval '40 min' + random() * interval '12 min'
FROM generate_series(1, 1000) lesson,
     LATERAL (SELECT n AS student FROM generate_series(1, 2000) n WHERE random() < 0.9 ORDER BY random()) present;
CHECKPOINT;
"""


def prepare(directory: Path) -> str:
    """Write the role's configuration into the directory; the reference of the stack's image."""
    build = {"firstbell.stack.image_build": {"images": ["postgres"], "cache_directory": ""}, "register": "made"}
    render = {
        "ansible.builtin.template": {
            "src": str(ROOT / "roles/backup/templates/pgbackrest.conf.j2"),
            "dest": str(directory / "pgbackrest.conf"),
            "mode": "0644",
        }
    }
    show = {"ansible.builtin.copy": {"content": "{{ made | to_json }}", "dest": str(directory / "made.json")}}
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "vars_files": [str(ROOT / "roles/backup/defaults/main.yml")],
        "vars": {"firstbell_stack_name": "school", "firstbell_secrets": {"backup_key": "k" * 48}},
        "tasks": [build, render, show],
    }
    (directory / "play.yml").write_text(json.dumps([play]), encoding="utf-8")
    command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "localhost,", "-c", "local"]
    command += ["-e", f"ansible_python_interpreter={sys.executable}", str(directory / "play.yml")]
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"),
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
    }
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    made = json.loads((directory / "made.json").read_text(encoding="utf-8"))
    return str(made["images"]["postgres"]["reference"])


def fill(server: postgres_server.Server) -> None:
    (migration,) = (ROOT / "examples/attendance_app/prisma/migrations").glob("*/migration.sql")
    with server.connect() as connection:
        connection.execute(migration.read_text(encoding="utf-8"))
        connection.execute(ROWS)


class Backups:
    """A container that makes backups of a data directory, of which nothing writes meanwhile."""

    def __init__(self, container: Any, data: Path) -> None:
        self.container = container
        self.data = data
        self.made = 0

    def run(self, *arguments: str) -> str:
        paths = {"PGBACKREST_PG1_PATH": str(self.data), "PGBACKREST_REPO1_PATH": f"/tmp/repository{self.made}"}
        code, said = self.container.exec_run(["pgbackrest", "--stanza=school", *arguments], environment=paths)
        if code:
            sys.exit(f"pgbackrest {' '.join(arguments)}: {said.decode(errors='replace')}")
        return str(said.decode())

    def measure(self, options: list[str]) -> tuple[float, int]:
        """CPU seconds and bytes of a first full backup, in a repository of its own."""
        self.made += 1
        self.run("stanza-create", "--no-online")
        before = self._cpu()
        # Of a running server no WAL is in a backup either.
        self.run("backup", "--type=full", "--no-online", "--force", "--exclude=pg_wal/", *options)
        used = self._cpu() - before
        (backup,) = json.loads(self.run("info", "--output=json"))[0]["backup"]
        return used, backup["info"]["repository"]["delta"]

    def _cpu(self) -> float:
        return float(self.container.stats(stream=False)["cpu_stats"]["cpu_usage"]["total_usage"]) / 1e9


def main() -> int:
    """Alternate both kinds and print the table."""
    engine = docker.from_env()
    measured: dict[str, list[tuple[float, int]]] = {name: [] for name in OPTIONS}
    with tempfile.TemporaryDirectory(prefix="firstbell-benchmark-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        os.environ[postgres_server.IMAGE_VARIABLE] = image = prepare(directory)
        with postgres_server.running() as server:
            fill(server)
            container = engine.containers.run(
                image,
                entrypoint=["sh", "-c", "read line"],  # the image has no sleep
                stdin_open=True,
                user=postgres_server.UID,
                network_mode="none",
                detach=True,
                init=True,
                tmpfs={"/tmp": "mode=1777", "/var/spool/pgbackrest": "mode=1777"},
                volumes=[
                    f"{directory}/pgbackrest.conf:/etc/pgbackrest/pgbackrest.conf:ro",
                    f"{server.data.parent}:{server.data.parent}:ro",
                ],
            )
            try:
                backups = Backups(container, server.data)
                for _ in range(ROUNDS):
                    for kind, options in OPTIONS.items():
                        measured[kind].append(backups.measure(options))
            finally:
                container.remove(force=True)
    print(f"{'':6} {'CPU seconds':>12} {'MB':>8}")
    seconds = {kind: statistics.median(one[0] for one in rounds) for kind, rounds in measured.items()}
    sizes = {kind: statistics.median(one[1] for one in rounds) for kind, rounds in measured.items()}
    for kind in OPTIONS:
        print(f"{kind:6} {seconds[kind]:12.2f} {sizes[kind] / 1e6:8.1f}")
    faster, smaller = seconds[THEIRS] / seconds[OURS], 1 - sizes[OURS] / sizes[THEIRS]
    print(f"{OURS}: {faster:.1f} times as fast, {smaller:.1%} smaller")
    return int(faster < FASTER or smaller < SMALLER)


if __name__ == "__main__":
    sys.exit(main())
