#!/usr/bin/python
# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_indexes
short_description: Assures the indexes of a PostgreSQL database by what they are
version_added: 1.0.0
description:
  - An index is known by its definition and not by its name. One of the wanted name with other columns is no match, one
    of another name with the same definition is. What is the same is decided by the server, which reads each wanted
    index on an empty temporary table in a transaction that is rolled back; so an expression or a condition may be
    spelt in any way.
  - Missing indexes are built with C(CREATE INDEX CONCURRENTLY) and INVALID ones rebuilt with C(REINDEX INDEX
    CONCURRENTLY), while the tables are read and written.
  - The index of a constraint (C(PRIMARY KEY) or C(UNIQUE)) serves as a wanted unique index. It is never dropped, nor is
    one that a foreign key or the table's replica identity leans on.
  - Before a unique index is built its table is looked through for duplicates. Where there are any, nothing is tried.
  - On a partitioned table the partitions' indexes are built one after the other and attached, as PostgreSQL's manual
    describes. What is there of it already is used.
  - A run that was killed leaves at most an INVALID index. The next run finds it and rebuilds it or clears it up. One
    run at a time works in a database; an advisory lock sees to that.
author:
  - firstbell contributors (@firstbell)
extends_documentation_fragment:
  - firstbell.stack.postgres
attributes:
  check_mode:
    support: full
    description: >-
      Nothing is changed and no table is locked. The right to make temporary tables is needed, and a server that is no
      standby.
  diff_mode:
    support: full
    description: The indexes that change, before and after.
options:
  login_db:
    description: Name of the database.
    type: str
    required: true
  mode:
    description:
      - V(apply) assures the indexes.
      - V(check) changes nothing, whether Ansible runs in check mode or not. It fails or reports, see O(fail_on); the
        result is in RV(compliant) and RV(findings). A table that does not exist is a finding.
    type: str
    choices: [apply, check]
    default: apply
  fail_on:
    description:
      - The kinds of findings that fail the module with O(mode=check), by the RV(indexes[].action) that they call for;
        V(clean) is a leftover, see O(clean_leftovers). V(any) is all of them; an empty list only reports.
      - The default is V(any).
    type: list
    elements: str
    choices: [any, create, rebuild, rename, alter, replace, drop, clean, conflict, duplicates, building, impossible]
  schema:
    description: Schema of the tables that name none.
    type: str
    default: public
  indexes:
    description: The wanted indexes.
    type: list
    elements: dict
    default: []
    suboptions:
      table:
        description:
          - Table, materialized view or partitioned table, in its exact spelling, such as V(Student).
          - V(library.Book) and V("library"."Book") are the table V(Book) of the schema V(library). In double quotes a
            name may have dots and quotes of its own, as in SQL.
          - Required unless O(indexes[].state=absent).
        type: str
      schema:
        description: Schema of the table, instead of writing it before the name.
        type: str
      columns:
        description:
          - The keys in their order. A text is the name of a column, or an expression if it has a bracket and no column
            has that name.
          - A dictionary has C(column) or C(expression), and may have C(order) (V(asc) or V(desc)), C(nulls) (V(first)
            or V(last)), C(opclass), C(opclass_parameters) (a dictionary) and C(collation).
          - Required unless O(indexes[].state=absent).
        type: list
        elements: raw
      name:
        description:
          - Name of the index, at most 63 bytes. Without it one is made of the table and the columns.
          - An equal index of another name counts as present, see O(rename).
          - Required with O(indexes[].state=absent).
        type: str
      unique:
        description: Whether no two rows may have the same keys.
        type: bool
        default: false
      nulls_distinct:
        description: Whether rows with NULLs are never the same, for a unique index; V(false) needs PostgreSQL 15.
        type: bool
        default: true
      method:
        description: The access method, such as V(btree), V(hash), V(gin), V(gist) or V(brin).
        type: str
        default: btree
      include:
        description: Columns that are stored with the keys.
        type: list
        elements: str
        default: []
      where:
        description: Condition of a partial index.
        type: str
      storage:
        description:
          - Storage parameters such as C(fillfactor). Those that are named here are changed in an index that is there;
            others are left as they are.
        type: dict
      tablespace:
        description: Tablespace of the index; one in another tablespace is rebuilt. Without it any will do.
        type: str
      replace:
        description: Overrides the module's O(replace).
        type: bool
      state:
        description:
          - V(absent) drops the index O(indexes[].name) of O(indexes[].schema) with C(DROP INDEX CONCURRENTLY), and if
            O(indexes[].table) is given only one of that table.
        type: str
        choices: [present, absent]
        default: present
  rename:
    description: Whether an equal index of another name gets the wanted name, unless it is a constraint's.
    type: bool
    default: false
  replace:
    description:
      - What becomes of an index that has a wanted name and another definition. V(false) reports a conflict.
      - V(true) builds the wanted one under a passing name, then drops the other and gives its name to the new one.
      - An index of another table, of a constraint, or that a foreign key leans on is never replaced.
    type: bool
    default: false
  blocked:
    description:
      - What to do when some of the wanted indexes need somebody's decision, because of a conflict, of duplicates, of a
        build that somebody else has begun, or because the table cannot have them.
      - V(fail) does nothing at all; V(skip) assures the others and returns these in RV(findings).
    type: str
    choices: [fail, skip]
    default: fail
  clean_leftovers:
    description: >-
      Whether INVALID indexes that an interrupted C(REINDEX CONCURRENTLY) (C(_ccnew), C(_ccold)) or C(DROP INDEX
      CONCURRENTLY) has left on the tables are dropped.
    type: bool
    default: true
  duplicate_samples:
    description:
      - How many of the values that stand in the way of a unique index are returned.
      - They may be personal data. V(0) returns none; then only their number is known.
    type: int
    default: 5
  lock_timeout:
    description:
      - How long a statement may wait for others. A concurrent build waits in it for the transactions that were open
        before it began; nobody else waits meanwhile. V(0s) is no limit.
    type: str
    default: 10s
  statement_timeout:
    description: How long one statement may take. V(0s) is no limit.
    type: str
    default: 0s
  retries:
    description: How often a statement that did not get its locks in time, or met a deadlock, is tried again.
    type: int
    default: 4
  retry_delay:
    description: The pause before the first of the O(retries); it is doubled each time, up to 30 seconds.
    type: str
    default: 1s
  advisory_lock_timeout:
    description: How long to wait for another run that is at work on the indexes of the database.
    type: str
    default: 10s
  parallel:
    description:
      - On how many tables to build at the same time, each in a session of its own.
      - Each build takes C(maintenance_work_mem) and the disk's time.
    type: int
    default: 1
  advice:
    description: Whether to return RV(advice) on all tables of the schemas that are named here.
    type: bool
    default: true
notes:
  - The role must own the tables.
  - With C(-v) the progress of the builds (C(pg_stat_progress_create_index)) is written to the host's log while they
    run, and returned as RV(progress).
seealso:
  - name: Building indexes concurrently
    description: What PostgreSQL does and what it may leave.
    link: https://www.postgresql.org/docs/current/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY
"""

EXAMPLES = r"""
- name: Assure an index
  firstbell.stack.pg_indexes:
    login_db: academy
    indexes:
      - {table: Attendance, columns: [studentId]}

- name: Assure the essential indexes as the owner of the tables
  firstbell.stack.pg_indexes:
    login_unix_socket: /opt/academy/run/postgres
    login_db: academy
    session_role: academy_owner
    indexes:
      - {name: idx_student_admission_number, table: Student, columns: [admissionNumber], unique: true}
      - {name: idx_attendance_marked_at, table: Attendance, columns: [markedAt]}

- name: Fail when an essential index is missing, and change nothing
  firstbell.stack.pg_indexes:
    login_db: academy
    mode: check
    indexes:
      - {table: Student, columns: [admissionNumber], unique: true}

- name: Expressions, order, a covering and a partial index; wrong ones of these names are replaced
  firstbell.stack.pg_indexes:
    login_db: academy
    replace: true
    parallel: 2
    indexes:
      - name: users_email
        table: User
        columns: [{expression: lower(email)}]
        unique: true
        where: deleted_at IS NULL
      - name: attendance_latest
        table: school.Attendance
        columns: [studentId, {column: markedAt, order: desc, nulls: last}]
        include: [sessionId]
        storage: {fillfactor: 80}
      - name: students_name_search
        table: Student
        columns: [{column: name, opclass: gin_trgm_ops}]
        method: gin

- name: Drop an index that nobody needs any more
  firstbell.stack.pg_indexes:
    login_db: academy
    indexes:
      - {name: attendance_old, state: absent}
"""

RETURN = r"""
indexes:
  description: One entry for each of O(indexes), in their order.
  returned: success, and when something is blocked
  type: list
  elements: dict
  contains:
    name:
      description: The wanted name.
      type: str
    index:
      description: The name of the index that is there, or that is to be.
      type: str
    schema:
      description: Its schema.
      type: str
    table:
      description: Its table.
      type: str
    action:
      description: >-
        What was done, or in check mode what is to be done. One of V(keep), V(create), V(rebuild), V(rename), V(alter),
        V(replace), V(drop), or of what needs a decision, V(conflict), V(duplicates), V(building) and V(impossible).
      type: str
    reason:
      description: Why.
      type: str
    definition:
      description: What the index is, in the server's words.
      type: str
    statements:
      description: The statements for it.
      type: list
      elements: str
    duplicates:
      description: >-
        Of the keys that are not unique the number of different C(values), the number of C(rows) that have them, and
        C(samples) with C(value) and C(copies).
      type: dict
  sample:
    - name: idx_student_admission_number
      index: idx_student_admission_number
      schema: public
      table: Student
      action: create
      reason: it is missing
      definition: unique btree (admissionNumber)
      statements:
        - >-
          CREATE UNIQUE INDEX CONCURRENTLY "idx_student_admission_number" ON "public"."Student"
          USING "btree" ("admissionNumber")
compliant:
  description: Whether every index is as it is wanted when the module ends.
  returned: success, and when something is blocked
  type: bool
  sample: true
findings:
  description: What was not as it is wanted when the module looked, a sentence each.
  returned: success, and when something is blocked
  type: list
  elements: str
  sample:
    - 'essential index is missing: "idx_student_admission_number" on "public"."Student", unique btree (admissionNumber)'
summary:
  description: How many indexes have which action.
  returned: success, and when something is blocked
  type: dict
  sample: {keep: 3, create: 1}
steps:
  description: Statements that were executed, with seconds and tries; none in check mode.
  returned: when something was changed
  type: list
  elements: dict
  sample:
    - statement: DROP INDEX CONCURRENTLY "public"."attendance_old"
      seconds: 0.012
      tries: 1
progress:
  description: What C(pg_stat_progress_create_index) said of the builds.
  returned: when something was changed and Ansible runs with C(-v)
  type: list
  elements: str
  sample: ['"public"."Attendance" idx_attendance_marked_at: building index: scanning table, 812 of 6370 blocks']
advice:
  description: What else is to be said of the indexes of the schemas; nothing of it is acted on.
  returned: success and O(advice=true)
  type: list
  elements: dict
  contains:
    kind:
      description: >-
        One of V(foreign_key_without_index), V(duplicate_index), V(redundant_index), V(unused_index), V(bloated_index),
        V(invalid_index) and V(missing_statistics).
      type: str
    schema:
      description: Schema of the table.
      type: str
    table:
      description: The table.
      type: str
    index:
      description: The index, if there is one.
      type: str
    message:
      description: What was found.
      type: str
    statement:
      description: What would mend it.
      type: str
  sample:
    - kind: foreign_key_without_index
      schema: public
      table: Attendance
      index: ''
      message: >-
        no index begins with the columns of the foreign key Attendance_sessionId_fkey (sessionId): a change or deletion
        in "ClassSession" reads the whole table
      statement: CREATE INDEX CONCURRENTLY ON "public"."Attendance" ("sessionId")
"""

from ..module_utils import _shell
from ..module_utils._io import index_run, postgres

ARGUMENTS = {
    "argument_spec": {
        **postgres.ARGUMENTS,
        "login_db": {"type": "str", "required": True},
        "mode": {"type": "str", "choices": ["apply", "check"], "default": "apply"},
        "fail_on": {
            "type": "list",
            "elements": "str",
            "choices": [
                "any",
                "create",
                "rebuild",
                "rename",
                "alter",
                "replace",
                "drop",
                "clean",
                "conflict",
                "duplicates",
                "building",
                "impossible",
            ],
        },
        "schema": {"type": "str", "default": "public"},
        "indexes": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "table": {"type": "str"},
                "schema": {"type": "str"},
                "columns": {"type": "list", "elements": "raw"},
                "name": {"type": "str"},
                "unique": {"type": "bool", "default": False},
                "nulls_distinct": {"type": "bool", "default": True},
                "method": {"type": "str", "default": "btree"},
                "include": {"type": "list", "elements": "str", "default": []},
                "where": {"type": "str"},
                "storage": {"type": "dict"},
                "tablespace": {"type": "str"},
                "replace": {"type": "bool"},
                "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            },
        },
        "rename": {"type": "bool", "default": False},
        "replace": {"type": "bool", "default": False},
        "blocked": {"type": "str", "choices": ["fail", "skip"], "default": "fail"},
        "clean_leftovers": {"type": "bool", "default": True},
        "duplicate_samples": {"type": "int", "default": 5},
        "lock_timeout": {"type": "str", "default": "10s"},
        "statement_timeout": {"type": "str", "default": "0s"},
        "retries": {"type": "int", "default": 4},
        "retry_delay": {"type": "str", "default": "1s"},
        "advisory_lock_timeout": {"type": "str", "default": "10s"},
        "parallel": {"type": "int", "default": 1},
        "advice": {"type": "bool", "default": True},
    },
    "mutually_exclusive": postgres.MUTUALLY_EXCLUSIVE,
    "supports_check_mode": True,
}


def main() -> None:
    _shell.run(ARGUMENTS, index_run.assure)


if __name__ == "__main__":
    main()
