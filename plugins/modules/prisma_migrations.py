#!/usr/bin/python
# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: prisma_migrations
short_description: Applies the SQL migrations of a Prisma application
version_added: 1.0.0
description:
  - Applies the migrations that C(prisma migrate dev) has written, in Prisma's own ledger C(_prisma_migrations) and
    under Prisma's own lock, without Prisma's engine. Prisma's command line takes the result for its own.
  - A script is sent as one query and so is one transaction. Where the server refuses a statement because it cannot
    be in a transaction, such as C(CREATE INDEX CONCURRENTLY), nothing of the script has taken effect, and its
    statements are sent one by one instead.
  - A migration that fails stays in the ledger with its error and stops every later run until O(resolve) says what
    became of it. One that only failed to get its locks in time, and had no effect, is written down as rolled back and
    runs again the next time.
  - Every script has a session of its own, with O(schema) as its search path.
author:
  - firstbell contributors (@firstbell)
extends_documentation_fragment:
  - firstbell.stack.postgres
attributes:
  check_mode:
    support: full
    description: Nothing is written, not even the ledger, and no lock is taken.
  diff_mode:
    support: full
    description: The state of each migration before and after.
options:
  login_db:
    description: Name of the application's database.
    type: str
    required: true
  path:
    description: Folder on the host that holds C(<name>/migration.sql).
    type: path
  image:
    description:
      - Image that holds the migrations in O(image_path).
      - They are read out of a container that is created, never started, and removed.
    type: str
  image_path:
    description: Folder of the migrations in O(image).
    type: str
    default: /app/prisma/migrations
  schema:
    description: Schema of the ledger and the search path of the scripts; it is created where it is missing.
    type: str
    default: public
  lock_timeout:
    description:
      - How long a statement of a migration may wait for a lock on a table, and everybody behind it with it.
      - A statement C(SET lock_timeout) in the script wins. V(0s) is no limit.
    type: str
    default: 10s
  statement_timeout:
    description: How long one statement of a migration may take. V(0s) is no limit.
    type: str
    default: 0s
  advisory_lock_timeout:
    description: How long to wait for somebody else who is migrating the same database.
    type: str
    default: 10s
  baseline:
    description:
      - For a database whose tables were made without the ledger. V(true) writes every migration down as applied
        without running it; a list of names only these, and the others are run.
      - Without it such a database is refused. It has no effect on an empty database or one with a ledger that is
        not empty, and may stay in a play.
    type: raw
    default: false
  definitions_path:
    description:
      - File on the host in which to keep what the tables are after the last migration.
      - With it M(firstbell.stack.checklist) finds what was changed by hand.
    type: path
  resolve:
    description: What became of migrations that have failed.
    type: dict
    suboptions:
      applied:
        description: Migrations that were finished by hand; they are written down as applied and not run.
        type: list
        elements: str
        default: []
      rolled_back:
        description: Migrations whose effects were taken back; they are run again.
        type: list
        elements: str
        default: []
seealso:
  - name: Prisma Migrate
    description: How the migrations are written.
    link: https://www.prisma.io/docs/orm/prisma-migrate
"""

EXAMPLES = r"""
- name: Apply the migrations that the application's image brings
  firstbell.stack.prisma_migrations:
    login_unix_socket: /opt/academy/run/postgres
    login_db: academy
    session_role: academy_owner
    image: "{{ app_image }}"

- name: Take over a database that was migrated by hand up to now
  firstbell.stack.prisma_migrations:
    login_unix_socket: /opt/academy/run/postgres
    login_db: academy
    session_role: academy_owner
    path: /srv/academy/prisma/migrations
    baseline: true

- name: Go on after a failed migration whose effects were removed
  firstbell.stack.prisma_migrations:
    login_host: db.example.org
    login_user: academy_owner
    login_password: "{{ firstbell_secrets.database_owner_password }}"
    login_db: academy
    ssl_mode: verify-full
    ca_cert: /etc/ssl/certs/academy-ca.crt
    path: /srv/academy/prisma/migrations
    resolve:
      rolled_back: [20260301120000_add_seats]
"""

RETURN = r"""
pending:
  description: Migrations that were left to run when the module looked; after a failure those that still are.
  returned: unless it failed before it looked
  type: list
  elements: str
  sample: [20260301120000_add_seats]
applied:
  description: Migrations that this call has run; none in check mode.
  returned: unless it failed before it looked
  type: list
  elements: str
  sample: [20260301120000_add_seats]
edited:
  description: Applied migrations whose file is no longer what was applied.
  returned: success
  type: list
  elements: str
  sample: []
missing:
  description: Migrations of the ledger that the folder does not have.
  returned: success
  type: list
  elements: str
  sample: []
ledger:
  description: Every migration of the folder and the ledger with its state when the module ended.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the migration.
      type: str
    state:
      description: One of V(applied), V(pending), V(failed) and V(rolled back).
      type: str
  sample:
    - name: 20260101090000_init
      state: applied
failed_migration:
  description: The migration that the server refused.
  returned: when one failed
  type: str
  sample: 20260301120000_add_seats
"""

from collections.abc import Mapping
from typing import Any

from ..module_utils import _shell
from ..module_utils._core import prisma
from ..module_utils._core.errors import InputError
from ..module_utils._io import definitions, image_files, postgres
from ..module_utils._io import prisma as io

ARGUMENTS = {
    "argument_spec": {
        **postgres.ARGUMENTS,
        "login_db": {"type": "str", "required": True},
        "path": {"type": "path"},
        "image": {"type": "str"},
        "image_path": {"type": "str", "default": "/app/prisma/migrations"},
        "schema": {"type": "str", "default": "public"},
        "lock_timeout": {"type": "str", "default": "10s"},
        "statement_timeout": {"type": "str", "default": "0s"},
        "advisory_lock_timeout": {"type": "str", "default": "10s"},
        "baseline": {"type": "raw", "default": False},
        "definitions_path": {"type": "path"},
        "resolve": {
            "type": "dict",
            "options": {
                "applied": {"type": "list", "elements": "str", "default": []},
                "rolled_back": {"type": "list", "elements": "str", "default": []},
            },
        },
    },
    "mutually_exclusive": [("path", "image"), *postgres.MUTUALLY_EXCLUSIVE],
    "required_one_of": [("path", "image")],
    "supports_check_mode": True,
}


def migrate(params: dict[str, Any], context: _shell.Context) -> Mapping[str, Any]:
    wishes = prisma.wishes(params["baseline"], params["resolve"])
    settings = {
        "search_path": io.quoted(params["schema"]),
        "lock_timeout": postgres.milliseconds(params["lock_timeout"], "lock_timeout"),
        "statement_timeout": postgres.milliseconds(params["statement_timeout"], "statement_timeout"),
    }
    wait = postgres.milliseconds(params["advisory_lock_timeout"], "advisory_lock_timeout")
    if wait == "0ms":
        raise InputError("advisory_lock_timeout: 0s would wait for ever; give a limit such as 10s")
    migrations = _read(params)
    kept = False
    with postgres.connect(params, application="firstbell migrations ledger") as session:
        ledger = io.Ledger(session, params["schema"])
        if context.check_mode:
            session.set({"default_transaction_read_only": "on"})
        else:
            ledger.lock(wait)
        try:
            plan = prisma.plan(migrations, ledger.rows(), ledger.has_tables(), wishes)
        except prisma.MigrationRefusedError as refused:
            holder = ledger.holder() if context.check_mode else ""
            if not holder:
                raise
            raise prisma.MigrationRefusedError(f"{holder} is migrating just now: {refused}") from None
        for warning in plan.warnings():
            context.warn(warning)
        if not context.check_mode:
            io.apply(
                plan, migrations, ledger, lambda: postgres.connect(params, settings, application="firstbell migration")
            )
            if params["definitions_path"]:
                path, schema = params["definitions_path"], params["schema"]
                kept = definitions.keep(session, schema, path, ledger.checksums())
    result = prisma.report(plan, done=not context.check_mode, diff=context.diff_mode)
    return {**result, "changed": bool(result["changed"]) or kept}


def _read(params: dict[str, Any]) -> tuple[prisma.Migration, ...]:
    if params["path"]:
        return prisma.folder(io.read_folder(params["path"]), params["path"])
    if not params["image"]:
        raise InputError("one of the following is required: path, image")
    files = image_files.read_folder(params["image"], params["image_path"], io.wanted)
    return prisma.folder(files, f"{params['image']}:{params['image_path']}")


def main() -> None:
    _shell.run(ARGUMENTS, migrate)


if __name__ == "__main__":
    main()
