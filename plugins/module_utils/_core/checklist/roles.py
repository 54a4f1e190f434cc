# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with the database's roles, and with what they may do."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from ..index_sql import identifier

#: Extensions of PostgreSQL itself that read files of the server or call other servers (appendix F of its manual).
_REACHING_OUT = ("adminpack", "dblink", "file_fdw", "postgres_fdw")


def shown(role: Mapping[str, Any]) -> str:
    return f"{role['name']}: {_rights(role)}, {'scram-sha-256' if role['scram'] else 'no SCRAM verifier'}"


def _rights(role: Mapping[str, Any]) -> str:
    if role["superuser"]:
        return "superuser"
    return "more than a user" if role["powerful"] else "ordinary"


def logins(role: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with one role: the stack's own, or one that may log in."""
    name = role["name"]
    if name == "postgres":
        if not role["without_password"]:
            yield "the superuser postgres has a password; it needs none"
        return
    if role["superuser"] or role["powerful"]:
        yield f"{name} is {_rights(role)}"
    if not role["scram"] and not role["without_password"]:
        yield f"the password of {name} is kept in a weak form"
    elif not role["own_password"]:
        yield f"the password of {name} is not the one of the inventory"


def renamed(seen: Mapping[str, Any]) -> dict[str, str]:
    """The stack's own roles that have another name, and the statement that takes it back.

    What they have and lack can only be judged then; by now it looks like a stranger's.
    """
    found = {role["name"] for role in seen["roles"]}
    return {
        f"{role['once']} is called {role['name']} by now": f"ALTER ROLE {identifier(role['name'])} RENAME TO "
        f"{identifier(role['once'])}"
        for role in seen["roles"]
        if role["once"] and role["once"] not in found
    }


def mended_by(seen: Mapping[str, Any], own: Collection[str], wanted: Mapping[str, Any]) -> dict[str, str]:
    """What the stack's own roles lack to do their work, what others have beyond it, and the statement that mends it."""
    closed = [role["name"] for role in seen["roles"] if role["name"] in own and not role["login"]]
    said = {f"{name} may not log in (NOLOGIN)": f"ALTER ROLE {name} LOGIN" for name in closed}
    for role in seen["roles"]:
        if role["valid_until"] and role["name"] in own:
            ends = f"the password of {role['name']} ends on {role['valid_until']}"
            said[ends] = f"ALTER ROLE {identifier(role['name'])} VALID UNTIL 'infinity'"
    for one in seen["barred"]:
        if one["role"] in own:
            said[f"{one['role']} may not {one['deed']}"] = one["fix"]
    owner = wanted["owner_role"]
    for one in seen["strange_owners"]:
        said[f"{one['name']} belongs to {one['owner']}, not to {owner}, whose migrations cannot change it"] = one["fix"]
    for one in seen["given"]:
        passed_on = ", and may pass it on" if one["grantable"] else ""
        said[f"{one['grantee']} has {one['privileges']} on {one['first']}{_more(one)}{passed_on}"] = one["fix"]
    for one in seen["strangers"]:
        said[f"{one['name']} {one['problem']}"] = one["fix"]
    known, found = {"postgres", *own, *wanted["roles_extra"]}, {role["name"] for role in seen["roles"]}
    for role in seen["roles"]:
        if role["login"] and role["name"] not in known:
            # What it owns would be dropped with it where nobody can take it over.
            mend = _dropped(role["name"], owner) if owner in found else f"ALTER ROLE {identifier(role['name'])} NOLOGIN"
            said[f"{role['name']} may log in and is not the stack's"] = mend
    return said


def _dropped(name: str, owner: str) -> str:
    """What removes a role and nothing but it: what it owns goes to the owner of the schema."""
    role = identifier(name)
    return f"REASSIGN OWNED BY {role} TO {identifier(owner)}; DROP OWNED BY {role}; DROP ROLE {role}"


def memberships(seen: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[str]:
    """Of those that belong to others."""
    for one in seen["memberships"]:
        granted, member = one["granted"], one["member"]
        if (member, granted) != (wanted["monitoring_role"], "pg_monitor") and member not in wanted["roles_extra"]:
            yield f"{member} belongs to {granted}; take it back: REVOKE {granted} FROM {member}"


def grants(seen: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[str]:
    """Of what the application may do with tables."""
    for one in seen["lost"]:
        yield f"{wanted['app_role']} may not use {one['first']}{_more(one)}, or not for everything it does"
    if seen["app_creates"] != wanted["app_role_creates_tables"]:
        yield f"{wanted['app_role']} may {'' if seen['app_creates'] else 'not '}make tables"


def _more(one: Mapping[str, Any]) -> str:
    return f" and {one['count'] - 1} more" if one["count"] > 1 else ""


def ways_out(seen: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[str]:
    """Of languages and extensions by which a role reaches the server's files or others."""
    for name in seen["languages"]:
        if name not in wanted["extensions"]:
            yield (
                f"the language {name} lets who uses it run programs: DROP EXTENSION {name}, or name it in "
                "postgres_extensions"
            )
    for name in seen["extensions"]:
        if name in _REACHING_OUT and name not in wanted["extensions"]:
            yield (
                f"the extension {name} reaches out of the database: DROP EXTENSION {name}, or name it in "
                "postgres_extensions"
            )
