#!/usr/bin/python
# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_settings
short_description: Compares all settings of PostgreSQL with what is wanted, and sets them
version_added: 1.0.0
description:
  - Compares any number of settings with a live server in one session, as the server itself would read them. V(256MB),
    V(262144kB) and V(32768) of C(shared_buffers) are the same, and so are V(on) and V(true).
  - Says where the value in force comes from, and finds whatever stands against the wanted one - a later line,
    C(ALTER SYSTEM), C(ALTER ROLE), C(ALTER DATABASE), the command line, a restart or a reload that is due, a line
    with an error.
  - Sets what differs, has the server read its files again, waits until it has, and reads everything back in a new
    session. The server is never restarted.
  - Values are checked before anything is written. What the server would refuse, or could not start with, is not
    written.
  - Compares the settings of PgBouncer with its console in the same way.
author:
  - firstbell contributors (@firstbell)
extends_documentation_fragment:
  - firstbell.stack.postgres
attributes:
  check_mode:
    support: full
    description: Nothing is written. What only the server can say of a new file is not known then.
  diff_mode:
    support: full
    description: The settings before and after, and the managed file.
options:
  settings:
    description:
      - The settings by name. A value is a text, a number, a truth or, for settings such as
        C(shared_preload_libraries), a list.
      - A number without a unit counts in the unit of the setting, as everywhere in PostgreSQL.
    type: dict
    required: true
  server:
    description:
      - What answers there. V(pgbouncer) is the console of PgBouncer, to which O(login_user) must be admitted;
        O(login_db) does not matter then, and only O(mode=check) is possible. Its console cannot write its file.
    type: str
    choices: [postgresql, pgbouncer]
    default: postgresql
  mode:
    description: V(check) never changes anything. V(apply) brings the settings about.
    type: str
    choices: [check, apply]
    default: check
  method:
    description:
      - Where O(mode=apply) writes.
      - V(alter_system) writes those settings that differ with C(ALTER SYSTEM).
      - V(file) writes them all to O(path), a file of its own, which the server's configuration must include.
      - V(reload) writes nothing. Something else has written the files, and the server is to read them.
    type: str
    choices: [alter_system, file, reload]
    default: alter_system
  path:
    description: The file of O(method=file) on this host. One that this module has not written is not replaced.
    type: path
  server_path:
    description: The same file as the server sees it, where it runs in a container. The default is O(path).
    type: str
  file_owner:
    description: Owner of O(path), by name or number. The default is the present one, or that of the directory.
    type: str
  file_group:
    description: Group of O(path), in the same way.
    type: str
  file_mode:
    description: Permissions of O(path), as an octal number in quotes.
    type: str
    default: '0640'
  purge:
    description:
      - Whether settings that O(path), or with O(method=alter_system) C(postgresql.auto.conf), has beyond O(settings)
        are taken out.
    type: bool
    default: false
  reset:
    description:
      - What O(mode=apply) takes back where it sets one of O(settings) to another value - C(ALTER SYSTEM) for the other
        methods, settings of roles (also those within a database), settings of databases.
    type: list
    elements: str
    choices: [alter_system, role, database]
    default: []
  fail_on:
    description:
      - The kinds of findings that fail the module. V(any) is all of them; an empty list only reports.
      - The default is V(any) for O(mode=check). For O(mode=apply) it is all but V(role), V(database) and
        V(role_in_database), which hold for some sessions only and may be meant so.
      - With O(mode=apply), V(unknown), V(invalid), V(not_settable) and V(would_not_start) fail in any case, before
        anything is written, and V(pending_restart) never does.
      - V(unknown) is a name that the server does not have, V(invalid) a value that it does not take, V(not_settable) a
        setting that no file holds, V(would_not_start) several that exclude each other.
      - V(file_error) is a line of a configuration file that the server refuses, C(pg_hba.conf) and C(pg_ident.conf)
        among them, whether or not O(settings) has that setting.
      - V(command_line), V(alter_system) and V(later_line) name what stands against the wanted value; V(differs) is
        any other place, the default included.
      - V(not_reloaded) and V(pending_restart) are values that are written and not in force.
      - V(drift) is a setting that differs between O(members).
    type: list
    elements: str
    choices:
      - any
      - unknown
      - invalid
      - not_settable
      - would_not_start
      - file_error
      - command_line
      - alter_system
      - later_line
      - differs
      - not_reloaded
      - pending_restart
      - role_in_database
      - role
      - database
      - drift
  reload_timeout:
    description: How long the server may take to read its files again.
    type: str
    default: 30s
  members:
    description:
      - Several servers instead of one, for O(mode=check). Each is compared with O(settings), and all of their settings
        with each other.
      - What is not given for a member is taken from the options of the connection.
    type: list
    elements: dict
    suboptions:
      name:
        description: What the findings call it. The default is its host or socket and its port.
        type: str
      login_host:
        description: Host of the member.
        type: str
      login_unix_socket:
        description: Directory of the member's Unix socket.
        type: str
      login_port:
        description: Port of the member.
        type: int
  drift_ignore:
    description: Settings that may differ between O(members), beside those that always do, such as V(cluster_name).
    type: list
    elements: str
    default: []
seealso:
  - name: PostgreSQL, setting parameters
    description: Where settings come from, and how they are written.
    link: https://www.postgresql.org/docs/current/config-setting.html
"""

EXAMPLES = r"""
- name: See that a setting holds
  firstbell.stack.pg_settings:
    login_unix_socket: /run/postgresql
    settings:
      work_mem: 8MB

- name: Set what differs, and say what waits for a restart
  firstbell.stack.pg_settings:
    login_unix_socket: /run/postgresql
    mode: apply
    settings:
      shared_buffers: 1GB
      random_page_cost: 1.1
      jit: false
      shared_preload_libraries: [pg_stat_statements, auto_explain]
  register: postgres

- name: Keep them in a file of their own, and take back what was set by hand
  firstbell.stack.pg_settings:
    login_unix_socket: /run/postgresql
    mode: apply
    method: file
    path: /etc/postgresql/17/main/conf.d/academy.conf
    purge: true
    reset: [alter_system, role, database]
    settings: "{{ postgres_settings }}"

- name: Report on a server in a container, and go on
  firstbell.stack.pg_settings:
    login_host: db.example.org
    login_user: monitor
    login_password: "{{ monitor_password }}"
    ssl_mode: verify-full
    ca_cert: /etc/ssl/certs/academy-ca.crt
    settings: "{{ postgres_settings }}"
    fail_on: []

- name: See that the members of a cluster agree
  firstbell.stack.pg_settings:
    settings: {synchronous_commit: true}
    members:
      - {name: bell1, login_host: 10.0.0.1}
      - {name: bell2, login_host: 10.0.0.2}
      - {name: bell3, login_host: 10.0.0.3}
    drift_ignore: [synchronous_standby_names]

- name: See that the pool has its settings
  firstbell.stack.pg_settings:
    server: pgbouncer
    login_host: 127.0.0.1
    login_port: 6432
    login_user: stats
    login_password: "{{ stats_password }}"
    settings:
      pool_mode: transaction
      max_client_conn: 2000
"""

RETURN = r"""
findings:
  description: Whatever is not as wanted, the gravest first; after O(mode=apply) what is left, in check mode all of it.
  returned: always
  type: list
  elements: dict
  contains:
    kind:
      description: One of the kinds of O(fail_on).
      type: str
    name:
      description: The setting, under the server's name.
      type: str
    problem:
      description: What is wrong, and where.
      type: str
    fix:
      description: What to do about it; empty where that is plain.
      type: str
    value:
      description: The value in force for everybody, or that of the role or database.
      type: str
    wanted:
      description: The wanted value.
      type: str
    source:
      description: Where the value in force comes from.
      type: str
    file:
      description: The file whose line counts.
      type: str
    line:
      description: The line.
      type: int
    role:
      description: The role that has a setting of its own.
      type: str
    database:
      description: The database that has a setting of its own.
      type: str
    did_you_mean:
      description: The name that is nearest to an unknown one.
      type: str
    member:
      description: The one of O(members) that it is about.
      type: str
    values:
      description: The value of each member.
      type: dict
  sample:
    - kind: alter_system
      name: work_mem
      problem: it is 64MB, and 8MB is wanted; by ALTER SYSTEM /data/postgresql.auto.conf:3 sets it to 64MB
      fix: "ALTER SYSTEM RESET work_mem, or mode: apply with reset: [alter_system]"
      value: 64MB
      wanted: 8MB
      source: configuration file
      file: /data/postgresql.auto.conf
      line: 3
settings:
  description: Each wanted setting that the server knows, as it stood in the end; of several members by member.
  returned: always
  type: dict
  sample:
    work_mem:
      value: 8MB
      wanted: 8MB
      in_force: true
      source: configuration file
      file: /etc/postgresql/17/main/conf.d/academy.conf
      line: 9
      setting: "8192"
      unit: kB
      context: user
      type: integer
      source_file: /etc/postgresql/17/main/conf.d/academy.conf
      source_line: 9
      reset_value: "8192"
      default: "4096"
      pending_restart: false
      takes: 64kB to 2147483647kB
changes:
  description: What was changed, or would be in check mode.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: The setting.
      type: str
    before:
      description: What was written there; empty for nothing.
      type: str
    after:
      description: What is written there now; empty for nothing.
      type: str
    by:
      description: The statement or the file.
      type: str
  sample:
    - name: work_mem
      before: 4MB
      after: 8MB
      by: ALTER SYSTEM SET
restart_required:
  description: Settings that are written and wait for a restart, also those that O(settings) has not.
  returned: always
  type: list
  elements: str
  sample: [shared_buffers]
reloaded:
  description: Whether the server has read its files again.
  returned: always
  type: bool
  sample: true
version:
  description: Version of the server as a number; for PgBouncer and several members V(0).
  returned: always
  type: int
  sample: 170011
"""

from collections.abc import Mapping
from typing import Any

from ..module_utils import _shell
from ..module_utils._core import pg_findings, pg_plan
from ..module_utils._core.errors import FirstbellError, InputError
from ..module_utils._core.pg_plan import Method
from ..module_utils._core.units import parse_duration
from ..module_utils._io import pg_members, postgres
from ..module_utils._io import pg_settings as io

ARGUMENTS = {
    "argument_spec": {
        **postgres.ARGUMENTS,
        "settings": {"type": "dict", "required": True},
        "server": {"type": "str", "choices": ["postgresql", "pgbouncer"], "default": "postgresql"},
        "mode": {"type": "str", "choices": ["check", "apply"], "default": "check"},
        "method": {"type": "str", "choices": ["alter_system", "file", "reload"], "default": "alter_system"},
        "path": {"type": "path"},
        "server_path": {"type": "str"},
        "file_owner": {"type": "str"},
        "file_group": {"type": "str"},
        "file_mode": {"type": "str", "default": "0640"},
        "purge": {"type": "bool", "default": False},
        "reset": {
            "type": "list",
            "elements": "str",
            "choices": ["alter_system", "role", "database"],
            "default": [],
        },
        "fail_on": {"type": "list", "elements": "str", "choices": ["any", *pg_findings.KINDS]},
        "reload_timeout": {"type": "str", "default": "30s"},
        "members": {
            "type": "list",
            "elements": "dict",
            "options": {
                "name": {"type": "str"},
                "login_host": {"type": "str"},
                "login_unix_socket": {"type": "str"},
                "login_port": {"type": "int"},
            },
        },
        "drift_ignore": {"type": "list", "elements": "str", "default": []},
    },
    "mutually_exclusive": postgres.MUTUALLY_EXCLUSIVE,
    "required_if": [("method", "file", ["path"])],
    "supports_check_mode": True,
}


def work(params: dict[str, Any], context: _shell.Context) -> Mapping[str, Any]:
    if params["mode"] == "check":
        result = pg_members.check(params)
        _judge(result, pg_findings.failing("check", params["fail_on"]), context, applied=False)
        return result
    if params["server"] == "pgbouncer" or params["members"]:
        raise InputError("mode: apply is for one PostgreSQL server; PgBouncer and members can only be checked")
    return _apply(params, context)


def _apply(params: dict[str, Any], context: _shell.Context) -> Mapping[str, Any]:
    path = params["path"] or ""
    method = Method(params["method"], tuple(params["reset"]), params["purge"], path, params["server_path"] or path)
    means = io.means(params, method, parse_duration(params["reload_timeout"], "reload_timeout"))
    fatal = pg_findings.failing("apply", params["fail_on"])
    with means.connect() as session:
        before = io.look(session, params["settings"])
    findings = [*before.findings, *pg_plan.impossible(before.verdicts, before.state, method)]
    hopeless = [one for one in findings if one.kind in fatal and pg_plan.beyond_reach(one, method)]
    if hopeless:
        raise io.SettingsError(
            pg_findings.unmet(hopeless, "nothing was changed; this cannot hold on the server:"),
            pg_members.report(before, findings),
        )
    plan = pg_plan.plan(before.verdicts, before.state, method, io.read_managed(method))
    diff = pg_plan.diff_of(plan) if context.diff_mode else []
    told = {"changed": plan.changes, "changes": pg_plan.changes_of(plan), "diff": diff}
    if context.check_mode:
        return {**pg_members.report(before, findings, planned=method.name != "reload"), **told}
    if not plan.changes:
        result = {**pg_members.report(before, findings), **told}
    else:
        try:
            reloaded = io.apply(plan, before, means)
        except FirstbellError as error:
            partial = {**pg_members.report(before, findings), **getattr(error, "result", {})}
            raise io.SettingsError(str(error), partial) from None
        with means.connect() as session:
            after = io.look(session, params["settings"])
        result = {**pg_members.report(after, after.findings), **told, "reloaded": reloaded}
    _judge(result, fatal, context, applied=True)
    return result


def _judge(result: Mapping[str, Any], fatal: frozenset[str], context: _shell.Context, *, applied: bool) -> None:
    """Fail for the findings that are fatal, and warn of the others."""
    bad = [pg_findings.line(one) for one in result["findings"] if one["kind"] in fatal]
    if bad:
        raise io.SettingsError("\n".join(["the server is not as wanted:", *bad]), dict(result))
    for finding in result["findings"]:
        if not (applied and finding["kind"] == "pending_restart"):  # that is in restart_required
            context.warn(pg_findings.line(finding).strip(" -"))


def main() -> None:
    _shell.run(ARGUMENTS, work)


if __name__ == "__main__":
    main()
