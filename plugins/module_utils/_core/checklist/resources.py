# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the plan gives to each service: limits, reservations, and the timing of its health check."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..service_options import NANO
from ..units import format_size, parse_duration
from .model import Facts, Outcome, check, none_of
from .services import INSPECT, SITE, containers_of, services_of, site_for, wanted_services

#: The kernel counts in pages, of 64 KB at most.
_PAGE = 65536
#: systemd rounds up to hundredths of a CPU when it writes a limit again; the kernel counts in microseconds of 100 ms.
_ROUNDED, _COUNTED = NANO // 100, NANO // 100_000


def _of_plan(facts: Facts, kind: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name in wanted_services(facts):
        yield name, facts.plan["services"][name][kind]


def _amounts(cpus: float, memory: int) -> str:
    return f"{cpus:g} CPU, {format_size(int(memory))}"


@check(
    "limits",
    "S15 S16 S17 S18 S19",
    "containers",
    "No container can use more memory, CPU or processes than the plan gives it",
    target="the plan's limits, in force on every container",
    command=INSPECT + " --format '{{.Name}} {{.HostConfig.NanoCpus}} {{.HostConfig.Memory}} {{.HostConfig.PidsLimit}}'",
    fix=f"docker service update --force {{stack}}_SERVICE, for what docker update changed. {SITE}",
    needs="engine",
)
def limits(facts: Facts) -> Outcome:
    planned, problems, lines = dict(_of_plan(facts, "limits")), [], []
    for one in containers_of(facts):
        has = (one["cpus"] / NANO, one["memory"], one["pids"])
        lines.append(f"{one['name']}: {_amounts(*has[:2])}, {has[2]} processes")
        anew = f"docker service update --force {facts.stack}_{one['service']}"
        problems += [f"{one['name']} was changed by docker update: {what}: {anew}" for what in _by_hand(one, facts)]
        wanted = planned.get(one["service"])
        of_service = services_of(facts).get(one["service"], {}).get("values", {}).get("limits", {})
        alike = all(of_service.get(kind, one[kind]) == one[kind] for kind in ("cpus", "memory", "pids"))
        if wanted is None:
            if not all(has):
                problems.append(f"{one['service']} is not limited")
            elif not alike:
                problems.append(
                    f"{one['name']} may use {_amounts(*has[:2])} and {has[2]} processes, unlike its service: {anew}"
                )
        elif (round(has[0], 6), *has[1:]) != (round(float(wanted["cpus"]), 6), wanted["memory"], wanted["pids"]):
            problems.append(
                f"{one['service']} may use {_amounts(*has[:2])} and {has[2]} processes, "
                f"not {_amounts(wanted['cpus'], wanted['memory'])} and {wanted['pids']}"
                + ("" if of_service and alike else f": {anew}")
            )
    return none_of(problems, f"{len(lines)} containers limited as planned", "\n".join(lines), fix=site_for(problems))


def _by_hand(container: Mapping[str, Any], facts: Facts) -> list[str]:
    """What was done to a running container and is no option of its service."""
    found, limit, in_force = list(container["by_hand"]), container["memory"], container["memory_in_force"]
    if limit and in_force is not None and abs(in_force - limit) >= _PAGE:
        found.append(f"the kernel gives it {format_size(in_force) if in_force else 'any amount'} of memory")
    cpus, processes = container["cpus_in_force"], container["pids_in_force"]
    if container["cpus"] and cpus is not None and not -_COUNTED <= cpus - container["cpus"] <= _ROUNDED:
        found.append(f"the kernel gives it {f'{cpus / NANO:g}' if cpus else 'every'} CPU")
    if container["pids"] and processes not in (None, container["pids"]):
        found.append(f"the kernel gives it {processes or 'any number of'} processes")
    # The engine gives as much swap as memory, and where the kernel has no limit for it, says so.
    ordinary = (0, 2 * limit, *(() if facts.seen["engine"]["info"]["SwapLimit"] else (-1,)))
    if container["memory_swap"] not in ordinary:
        swap = container["memory_swap"]
        found.append(f"MemorySwap {format_size(swap) if swap > 0 else swap}")
    return found


@check(
    "reservations",
    "S15 S16 S17",
    "containers",
    "Every service has the memory and CPU set aside that the plan promises it",
    target="the plan's reservations",
    command="docker service inspect --format '{{.Spec.TaskTemplate.Resources.Reservations}}' $(docker service ls -q)",
    fix=SITE,
    needs="engine",
)
def reservations(facts: Facts) -> Outcome:
    services, problems, lines = services_of(facts), [], []
    for name, wanted in _of_plan(facts, "reservations"):
        if name not in services:
            problems.append(f"there is no service {name}")
            continue
        has = services[name]["values"]["reservations"]
        lines.append(f"{name}: {_amounts(has['cpus'] / NANO, has['memory'])}")
        if (has["cpus"], has["memory"]) != (round(float(wanted["cpus"]) * NANO), wanted["memory"]):
            is_, planned = _amounts(has["cpus"] / NANO, has["memory"]), _amounts(wanted["cpus"], wanted["memory"])
            problems.append(f"{name} has {is_} set aside, not {planned}")
    return none_of(problems, f"{len(lines)} services as planned", "\n".join(lines), fix=site_for(problems))


@check(
    "health-timing",
    "S41 S42",
    "containers",
    "Health checks of the application and the database ask as often as planned",
    target="the plan's interval, timeout, start period and retries",
    command="docker service inspect --format '{{.Spec.TaskTemplate.ContainerSpec.Healthcheck}}' {stack}_app",
    fix=SITE,
    needs="engine",
)
def health_timing(facts: Facts) -> Outcome:
    problems, lines = [], []
    for name, wanted in facts.plan["health"].items():
        has = (services_of(facts).get(name) or {"values": {}})["values"].get("health")
        if not has or has["test"][:1] == ["NONE"]:
            problems.append(f"{name} has no health check of its own")
            continue
        lines.append(f"{name}: {has}")
        problems += [
            f"{name}: {key} is {has[key] / NANO:g} s, not {wanted[key]}"
            for key in ("interval", "timeout", "start_period")
            if has[key] != round(parse_duration(wanted[key]) * NANO)
        ]
        if has["retries"] != wanted["retries"]:
            problems.append(f"{name}: {has['retries']} retries, not {wanted['retries']}")
    measured = f"{', '.join(facts.plan['health'])} as planned"
    return none_of(problems, measured, "\n".join(lines), fix=site_for(problems))
