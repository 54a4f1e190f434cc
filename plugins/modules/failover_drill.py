#!/usr/bin/python

# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: failover_drill
short_description: Rehearse failures of the stack's containers under load
version_added: 1.0.0
author:
  - firstbell contributors (@firstbell)
description:
  - Sends requests to the site at a constant rate and commits rows through the pool. Meanwhile it kills the containers
    of each service with SIGKILL, stops the processes of some with SIGSTOP, and measures how long clients had no answer
    and no commit, and until all containers were healthy again. In the end every acknowledged row and key must be there.
  - The engine brings back what was killed. What was stopped is let go on, also when the module itself is killed.
  - Only services whose containers run on this host are tried. The result is kept as a record.
options:
  stack:
    description: Name of the stack.
    type: str
    required: true
  directory:
    description: Folder of the records.
    type: path
    required: true
  url:
    description: Address of the site, with its name.
    type: str
    required: true
  address:
    description: Where the site is reached from this host.
    type: str
    default: 127.0.0.1
  paths:
    description: What is asked for, in turns.
    type: list
    elements: str
    default: [/]
  rate:
    description: Requests in a second.
    type: float
    default: 20
  ca_file:
    description: Whom to trust; without it, whom the host trusts.
    type: path
  database:
    description: The application's database.
    type: str
    required: true
  database_role:
    description: The application's role.
    type: str
    required: true
  database_password:
    description: The role's password.
    type: str
    required: true
  database_socket:
    description: Directory of the server's socket on this host.
    type: path
    required: true
  cache_password:
    description: Password of the application's user in the cache.
    type: str
    required: true
  frozen:
    description: Services of which one container is stopped, after all have been killed.
    type: list
    elements: str
    default: []
  only:
    description: Services that are tried. Without it, all.
    type: list
    elements: str
    default: []
  missed_seconds:
    description: >-
      How long clients may miss a service, by its name, or by name and failure (C(postgres_killed), C(postgres_frozen)).
    type: dict
    default: {}
  unnoticed_seconds:
    description: The same for every other service.
    type: float
    default: 3
  back_seconds:
    description: Until every container must be healthy again.
    type: float
    default: 300
attributes:
  check_mode:
    description: Does nothing there.
    support: full
  diff_mode:
    description: Nothing is changed that could be shown.
    support: none
"""

EXAMPLES = r"""
- name: See what a dead pool costs
  firstbell.stack.failover_drill:
    stack: school
    directory: /opt/school/records
    url: https://school.org
    database: school
    database_role: school_app
    database_password: "{{ firstbell_secrets.database_app_password }}"
    database_socket: /opt/school/run/postgres
    cache_password: "{{ firstbell_secrets.redis_app_password }}"
    only: [pgbouncer]
    missed_seconds: {pgbouncer: 20}
"""

RETURN = r"""
record:
  description: What was measured, as it is kept.
  type: dict
  returned: success
path:
  description: The record's file.
  type: str
  returned: success
"""

import time
from typing import Any

from ..module_utils import _shell
from ..module_utils._core.errors import FirstbellError
from ..module_utils._core.failover import Targets, not_begun
from ..module_utils._io import records
from ..module_utils._io.failover import Database, Wanted, rehearse
from ..module_utils._io.steady_load import Aim


def work(params: dict[str, Any], context: _shell.Context) -> dict[str, Any]:
    if context.check_mode:
        return {"changed": False}
    aim = Aim(params["url"], params["address"], tuple(params["paths"]), params["rate"], params["ca_file"] or "")
    database = Database(
        params["database"], params["database_role"], params["database_password"], params["database_socket"]
    )
    missed = {name: float(value) for name, value in params["missed_seconds"].items()}
    targets = Targets(missed, params["unnoticed_seconds"], params["back_seconds"])
    began = time.time()
    try:
        done = rehearse(
            Wanted(params["stack"], aim, database, params["cache_password"], targets, params["frozen"], params["only"])
        )
    except FirstbellError as error:
        records.write(params["directory"], not_begun(str(error), targets, (began, time.time())))
        raise
    return {"changed": True, "record": done.as_dict(), "path": records.write(params["directory"], done)}


def main() -> None:
    _shell.run(
        {
            "argument_spec": {
                "stack": {"type": "str", "required": True},
                "directory": {"type": "path", "required": True},
                "url": {"type": "str", "required": True},
                "address": {"type": "str", "default": "127.0.0.1"},
                "paths": {"type": "list", "elements": "str", "default": ["/"]},
                "rate": {"type": "float", "default": 20},
                "ca_file": {"type": "path"},
                "database": {"type": "str", "required": True},
                "database_role": {"type": "str", "required": True},
                "database_password": {"type": "str", "required": True, "no_log": True},
                "database_socket": {"type": "path", "required": True},
                "cache_password": {"type": "str", "required": True, "no_log": True},
                "frozen": {"type": "list", "elements": "str", "default": []},
                "only": {"type": "list", "elements": "str", "default": []},
                "missed_seconds": {"type": "dict", "default": {}},
                "unnoticed_seconds": {"type": "float", "default": 3},
                "back_seconds": {"type": "float", "default": 300},
            },
            "supports_check_mode": True,
        },
        work,
    )


if __name__ == "__main__":
    main()
