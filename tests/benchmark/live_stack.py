# SPDX-License-Identifier: GPL-3.0-or-later
"""A stack that runs, as the benchmarks of backups see it from the controller, and rows to make its database large."""

from __future__ import annotations

import json
import os
import shlex
import ssl
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "examples" / "attendance_app"))

import walk  # noqa: E402

USER = "admin"
FACTS = ("ansible_host", "firstbell_domain", "firstbell_stack_name")
LOGIN = ("ansible_user", "ansible_ssh_private_key_file", "ansible_ssh_common_args")
ROWS = """
CREATE SCHEMA IF NOT EXISTS benchmark;
CREATE TABLE IF NOT EXISTS benchmark.rows (number bigint, student int, lesson int, at timestamptz, note text);
INSERT INTO benchmark.rows
SELECT n, n * 7919 % 2003, n / 2000, '2026-01-05 08:00+03'::timestamptz + n * interval '1.3 s',
       'Lesson ' || n / 2000 || (ARRAY[', present', ', late', ', excused', ', absent'])[1 + (hashint8(n) & 3)]
FROM generate_series(1::bigint, {rows}) n WHERE NOT EXISTS (SELECT FROM benchmark.rows);
VACUUM ANALYZE benchmark.rows;
CHECKPOINT;
SELECT pg_database_size(current_database());
"""
#: Measured with the table above.
ROW_BYTES = 88


class Stack:
    """A stack, seen from the controller."""

    def __init__(self, inventory: Path) -> None:
        self.inventory = inventory
        wanted = ", ".join(f"'{name}': {name} | default('')" for name in (*FACTS, *LOGIN))
        told = self.ansible(
            "ansible", "firstbell[0]", "-o", "-m", "ansible.builtin.debug", "-a", f"msg={{{{ {{{wanted}}} }}}}"
        )
        self.facts: dict[str, str] = json.loads(told.partition("=>")[2])["msg"]
        self.name = self.facts["firstbell_stack_name"]

    def ansible(self, program: str, *words: str) -> str:
        command = [str(Path(sys.executable).parent / program), "-i", str(self.inventory), *words]
        environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
        environment.setdefault("ANSIBLE_VAULT_PASSWORD_FILE", str(ROOT / ".vault_password"))
        done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{done.stdout}{done.stderr}\nIs there a stack? make demo INVENTORY={self.inventory} makes one")
        return done.stdout

    def ssh(self, command: str) -> list[str]:
        user, key, more = (self.facts[name] for name in LOGIN)
        words = [*(("-i", key) if key else ()), *shlex.split(more), f"{user or 'root'}@{self.facts['ansible_host']}"]
        return ["ssh", *words, command]

    def run(self, command: str, stdin: str = "") -> str:
        done = subprocess.run(self.ssh(command), input=stdin, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{command}: {done.stdout}{done.stderr}")
        return done.stdout

    def sql(self, text: str) -> str:
        """Run statements in the stack's database; the last line of the answer."""
        container = f"$(docker ps --quiet --filter name={self.name}_postgres)"
        database = self.name.replace("-", "_")
        psql = f"psql --host /run/postgresql --dbname {database} -qAt -v ON_ERROR_STOP=1"
        return (self.run(f"docker exec -i {container} {psql}", text).splitlines() or [""])[-1]

    def visitor(self) -> walk.Browser:
        """Somebody who is signed in."""
        sandbox = self.inventory.resolve().parents[1] / ".sandbox"
        context = ssl.create_default_context(cafile=str(sandbox / f"{self.name}-ca.crt"))
        connection = walk.PinnedConnection(self.facts["ansible_host"], self.facts["firstbell_domain"], context)
        password = (sandbox / f"{self.name}-demo-password").read_text(encoding="utf-8").split()[0]
        browser = walk.Browser(connection)
        credentials = {"username": USER, "password": password}
        walk.expect("sign in", browser.request("POST", "/api/auth/signin", credentials), 200)
        return browser

    def fill(self, gigabytes: float) -> float:
        """Write rows until the database has about so many GB, if it has none of them; its size in GB."""
        return float(self.sql(ROWS.format(rows=int(gigabytes * 1e9 / ROW_BYTES)))) / 1e9
