# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HAProxy: what somebody told it at its socket, which no file shows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from .model import Facts, Outcome, check, none_of, skipped
from .services import services_of

#: Bits of srv_admin_state in HAProxy's "show servers state" (management guide, 9.3): set by a command.
_MAINTENANCE, _DRAINED = 0x01, 0x08
#: Of the state of its checks (HAProxy's CHK_ST_CONFIGURED and CHK_ST_ENABLED).
_CHECK_CONFIGURED, _CHECKED = 0x02, 0x06
#: What haproxy.cfg says of all connections, and of each server's.
_MOST = {
    "most": re.compile(r"(?m)^    maxconn (\d+)$"),
    "most_of_servers": re.compile(r"(?m)^    default-server .*\bmaxconn (\d+)"),
}
_LEADS = re.compile(r"(?m)^    server(?:-template)? (\S+) (?:\d+ )?([\w.-]+:\d+) ")


@check(
    "balancer",
    "S43",
    "containers",
    "Every replica gets its share of the visitors",
    target="no server of HAProxy taken out or drained by hand, each with its planned weight, and every door open",
    command="show servers state; show stat; show acl #503, at HAProxy's socket /run/haproxy/admin.sock",
    fix="docker kill --signal USR2 $(docker ps --quiet --filter name={stack}_haproxy)"
    "  # it reads its file again, without a pause, and forgets what it was told by hand",
    needs="balancer doors engine",
    everywhere=True,
)
def balancer(facts: Facts) -> Outcome:
    servers = facts.seen["balancer"]
    if not servers:
        return skipped("no HAProxy of the stack runs on this host")
    planned = dict(_LEADS.findall(_haproxy_file(facts)))
    problems = [f"{one['server']} {how}" for one in servers for how in (*_by_hand(one, planned), *_astray(one, facts))]
    problems += [problem for one in facts.seen["doors"] for problem in _of_doors(one, facts)]
    lines = [f"{one['server']}: state {one['administration']}, weight {one['weight']}" for one in servers]
    return none_of(problems, f"{len(servers)} servers, as HAProxy's file has them", "\n".join(lines))


def _of_doors(seen: Mapping[str, Any], facts: Facts) -> Iterator[str]:
    """What somebody told HAProxy of the requests that it takes."""
    file = _haproxy_file(facts)
    most = {name: _MOST[name].search(file) for name in _MOST}
    yield from (f"{name} takes no requests ({status})" for name, status in seen["doors"].items() if status != "OPEN")
    yield from (f"every request to {path} is refused by hand" for path in seen["refused"])
    yield from (f"all doors take {rate} a second at most ({name})" for name, rate in seen["rates"].items() if rate)
    for kind, planned in most.items():
        for name, has in seen[kind].items():
            if planned and has != int(planned[1]):
                yield f"{name} takes {has} connections at once, not {planned[1]}"


def _haproxy_file(facts: Facts) -> str:
    return next((text for path, text in facts.expected["files"].items() if path.endswith("/haproxy.cfg")), "")


def _by_hand(server: Mapping[str, Any], planned: Mapping[str, str]) -> list[str]:
    """What somebody told HAProxy of a server. That a slot has no replica is HAProxy's own finding, another bit.

    ``planned``: where the servers lead, by the beginnings of their names.
    """
    problems = ["was taken out by hand (maint)"] if server["administration"] & _MAINTENANCE else []
    problems += ["was drained by hand"] if server["administration"] & _DRAINED else []
    if server["check"] & _CHECKED == _CHECK_CONFIGURED:
        problems.append("is not looked at any more, dead or alive (disable health)")
    name = server["server"].rpartition("/")[2]
    to = next((place for begin, place in planned.items() if name.startswith(begin)), server["leads"])
    if server["leads"] != to:
        problems.append(f"leads to {server['leads']}, not {to}")
    if server["weight"] != server["planned_weight"]:
        problems.append(f"has weight {server['weight']}, not {server['planned_weight']}")
    return problems


def _astray(server: Mapping[str, Any], facts: Facts) -> list[str]:
    """Whether a server has an address that no replica has: HAProxy's DNS does not mend that. Only managers know."""
    service = server["leads"].partition(":")[0].removesuffix("-any")
    has = services_of(facts).get(service, {}).get("addresses", [])
    if not has or server["address"] in ("-", *has):
        return []
    return [f"has the address {server['address']}, which is no replica's"]
