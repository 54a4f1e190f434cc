# SPDX-License-Identifier: GPL-3.0-or-later
"""Prisma's own command line reads the ledger that prisma_migrations writes, and the other way round.

Its engine is a download of its own that closed networks lack; Prisma 6.19 can do
without, through a driver adapter (``engine: 'js'``). The packages come from npm.
"""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from integration.harness import ModuleFailedError, run_module
from integration.postgres_server import Server

# The last command line that can do without its engine, and the first adapter that reads every catalog column for it.
PACKAGES = {"prisma": "6.19.3", "@prisma/adapter-pg": "7.10.0"}
SCHEMA = """
datasource db {
  provider = "postgresql"
  url      = "postgresql://the-adapter-connects"
}
model Student {
  id    Int     @id
  email String? @unique
}
"""
CONFIG = """
import { PrismaPg } from '@prisma/adapter-pg'
import { defineConfig } from 'prisma/config'
export default defineConfig({
  experimental: { adapter: true },
  engine: 'js',
  schema: 'prisma/schema.prisma',
  adapter: async () =>
    new PrismaPg({
      host: process.env.ORACLE_SOCKET,
      user: 'postgres',
      database: process.env.ORACLE_DATABASE,
      allowExitOnIdle: true,
    }),
})
"""
INIT = 'CREATE TABLE "Student" ("id" INTEGER NOT NULL, CONSTRAINT "Student_pkey" PRIMARY KEY ("id"));\n'
EMAIL = 'ALTER TABLE "Student" ADD COLUMN "email" TEXT;\n'
UNIQUE = 'CREATE UNIQUE INDEX "Student_email_key" ON "Student"("email");\n'


@dataclass
class Prisma:
    """A project with Prisma's command line, and the database it speaks to."""

    project: pathlib.Path
    server: Server
    database: str

    def __call__(self, *arguments: str) -> str:
        done = subprocess.run(
            ["node", "node_modules/prisma/build/index.js", *arguments],
            cwd=self.project,
            env={
                **os.environ,
                "ORACLE_SOCKET": self.server.socket,
                "ORACLE_DATABASE": self.database,
                "PRISMA_HIDE_UPDATE_MESSAGE": "1",
                "CHECKPOINT_DISABLE": "1",
                # Engines that are there and fail when they are called: neither is fetched nor used.
                "PRISMA_SCHEMA_ENGINE_BINARY": "/bin/false",
                "PRISMA_QUERY_ENGINE_LIBRARY": "/bin/false",
                "NO_COLOR": "1",
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        return done.stdout + done.stderr

    def write(self, name: str, script: str) -> None:
        folder = self.project / "prisma" / "migrations" / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "migration.sql").write_text(script)

    def module(self, **more: object) -> dict[str, object]:
        folder = str(self.project / "prisma" / "migrations")
        return run_module("prisma_migrations", {**self.server.login(self.database), "path": folder, **more})


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    if not shutil.which("npm"):
        pytest.skip("no npm")
    folder = tmp_path_factory.mktemp("oracle")
    packages = {"private": True, "type": "module", "dependencies": PACKAGES}
    (folder / "package.json").write_text(json.dumps(packages))
    command = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=180)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        pytest.skip(f"npm cannot install prisma: {error.stderr!s}")
    (folder / "prisma.config.ts").write_text(CONFIG)
    (folder / "prisma").mkdir()
    (folder / "prisma" / "schema.prisma").write_text(SCHEMA)
    return folder


@pytest.fixture
def prisma(project: pathlib.Path, postgres: Server) -> Iterator[Prisma]:
    shutil.rmtree(project / "prisma" / "migrations", ignore_errors=True)
    (project / "prisma" / "migrations").mkdir()
    (project / "prisma" / "migrations" / "migration_lock.toml").write_text('provider = "postgresql"\n')
    with postgres.database("oracle") as database:
        yield Prisma(project, postgres, database)


@pytest.mark.slow
def test_prisma_takes_our_ledger_for_its_own(prisma: Prisma) -> None:
    prisma.write("1_init", INIT)
    prisma.write("2_email", EMAIL)
    assert "not yet been applied" in prisma("migrate", "status")
    prisma.module()
    assert "Database schema is up to date" in prisma("migrate", "status")

    # Prisma goes on where we stopped, and we where it stopped.
    prisma.write("3_unique", UNIQUE)
    assert "All migrations have been successfully applied" in prisma("migrate", "deploy")
    assert prisma.module()["changed"] is False


@pytest.mark.slow
def test_we_see_prismas_failure_and_prisma_ours(prisma: Prisma) -> None:
    prisma.write("1_init", INIT)
    prisma.write("2_bad", "SELECT nonsense;")
    assert "nonsense" in prisma("migrate", "deploy")
    with pytest.raises(ModuleFailedError, match=r"2_bad.* has failed \(P3009\)"):
        prisma.module()
    prisma.write("2_bad", EMAIL)
    assert prisma.module(resolve={"rolled_back": ["2_bad"]})["applied"] == ["2_bad"]
    assert "Database schema is up to date" in prisma("migrate", "status")

    prisma.write("3_bad", "SELECT nonsense;")
    with pytest.raises(ModuleFailedError, match="nonsense"):
        prisma.module()
    assert "3_bad" in prisma("migrate", "status")
    assert "P3009" in prisma("migrate", "deploy")


@pytest.mark.slow
def test_prisma_takes_our_baseline(prisma: Prisma) -> None:
    with prisma.server.connect(prisma.database) as connection:
        connection.execute(INIT)
    prisma.write("1_init", INIT)
    assert "P3005" in prisma("migrate", "deploy")
    prisma.module(baseline=True)
    assert "Database schema is up to date" in prisma("migrate", "status")


@pytest.mark.slow
def test_prismas_lock_keeps_us_out_and_ours_prisma(prisma: Prisma) -> None:
    prisma.write("1_init", INIT)
    with prisma.server.connect(prisma.database) as connection:
        connection.execute("SELECT pg_advisory_lock(72707369)")
        with pytest.raises(ModuleFailedError, match="Prisma's lock"):
            prisma.module(advisory_lock_timeout="1s")
        assert "advisory lock" in prisma("migrate", "deploy")
