# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The networks of the containers, and what of them can be reached."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .model import Facts, Outcome, check, none_of
from .services import SAID, removal, services_of, site_for, strangers

#: The engine's own for published ports.
_INGRESS = "ingress"


@check(
    "networks",
    "S53",
    "network",
    "The database, its pool and the cache cannot be reached from outside their networks",
    target="data and database networks without a way out; each service on its own ones only; only nginx is published",
    command="docker network ls; docker service inspect {stack}_postgres",
    fix=SAID,
    needs="engine",
)
def networks(facts: Facts) -> Outcome:
    found, stack, problems = facts.seen["engine"]["networks"], facts.stack, []
    for name, internal in (("edge", False), ("data", True), ("database", True)):
        network = found.get(f"{stack}_{name}")
        if network is None or network["driver"] != "overlay":
            problems.append(f"there is no network {stack}_{name}")
        elif network["internal"] != internal:
            problems.append(f"{stack}_{name} {'leads' if internal else 'does not lead'} outside")
    allowed = {
        "postgres": {"database"},
        "pgbouncer": {"data", "database"},
        "redis": {"data"},
        "app": {"edge", "data"},
        "nginx": {"edge"},
        "haproxy": {"edge"},
    }
    lines = []
    for name, service in sorted(services_of(facts).items()):
        own = {net["name"].removeprefix(f"{stack}_") for net in service["values"]["networks"]}
        lines.append(f"{name}: {', '.join(sorted(own))}")
        if service["values"]["publish"] and name != "nginx":
            ports = ", ".join(str(port["published"]) for port in service["values"]["publish"])
            problems.append(f"{name} publishes {ports}")
        if name not in allowed:
            continue
        problems += [f"{name} is also in the network {extra}" for extra in sorted(own - allowed[name])]
        problems += [f"{name} is not in the network {missing}" for missing in sorted(allowed[name] - own)]
    problems += _connected_by_hand(facts)
    problems += [one for stranger in strangers(facts) for one in _of_stranger(stack, stranger)]
    problems += [
        f"the service {name} publishes {', '.join(map(str, ports))} and is not the stack's: docker service rm {name}"
        for name, ports in facts.seen["engine"]["other_services"].items()
        if ports
    ]
    return none_of(
        problems, f"{len(lines)} services, each on its own networks", "\n".join(lines), fix=site_for(problems)
    )


def _of_stranger(stack: str, container: Mapping[str, Any]) -> list[str]:
    """What a container that is not the stack's reaches of it, or opens to the world."""
    who, mend = f"{container['name']} is not the stack's and", removal(container)
    problems = [
        f"{who} in the network {name}: {mend}" for name in container["networks"] if name.startswith(f"{stack}_")
    ]
    return [*problems, *(f"{who} publishes {port}: {mend}" for port in container["exposed"])]


def _connected_by_hand(facts: Facts) -> list[str]:
    """Containers in networks that their services do not have, and those that lack one."""
    services, problems = services_of(facts), []
    for one in facts.seen["engine"]["containers"]:
        if one["service"] in services:
            own = {net["name"] for net in services[one["service"]]["values"]["networks"]}
            problems += [
                f"{one['name']} is in the network {name}, unlike its service: "
                f"docker network disconnect {name} {one['name']}"
                for name in one["networks"]
                if name not in (*own, _INGRESS)
            ]
            problems += [
                f"{one['name']} was taken out of the network {name}: "
                f"docker service update --force {facts.stack}_{one['service']}"
                for name in sorted(own - set(one["networks"]))
            ]
    return problems
