# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""sizing(): one function from a profile and a host to every number of the stack.

Deployment and verification both call it, so that what is checked is what was
planned. docs/decisions/0002-sizing.md says what is computed how.
"""

from __future__ import annotations

from collections.abc import Mapping

from .errors import InputError, PlanError
from .names import did_you_mean
from .nearest import nearest, refusal
from .overrides import count, normalise, number_of_cpus
from .plan import Plan
from .planner import Request, build, largest_fitting
from .profiles import CHOICES
from .units import TB, parse_size, shown

#: More than any machine has; PostgreSQL's own ranges end soon after.
MOST_MEMORY = 24 * TB


def sizing(
    profile: object,
    memory: object,
    cpus: object,
    replicas: object = None,
    overrides: object = None,
    *,
    hosts: object = 1,
    monitoring: object = True,
    autoscaling: object = False,
) -> Plan:
    """The plan of a stack on a host with this much memory and this many CPUs.

    ``profile``: small, medium, large, academy, stories, or auto for the largest
    of the first three that fits. ``memory``: bytes, or a text such as "4GB".
    ``replicas`` of the app; None leaves them to the profile. ``overrides``: a
    nested dict like the plan's own, merged in last; the proofs come after it.
    ``hosts``: how many such hosts share the app's replicas; everything else is
    counted on one of them. ``monitoring``: whether the plan has it; a truth.
    ``autoscaling``: whether the autoscaler runs there; a truth.

    Raises InputError for values that mean nothing, and PlanError for a plan that
    does not hold: it lays out the sums and names the nearest plans that hold.
    """
    request = _request(
        profile, memory, cpus, replicas, overrides, hosts=hosts, monitoring=monitoring, autoscaling=autoscaling
    )
    plan, problems = build(request)
    if problems:
        found = nearest(request, plan, problems)
        raise PlanError(refusal(request, problems, found), _arguments(found[0]) if found else None)
    return plan


def _request(
    profile: object,
    memory: object,
    cpus: object,
    replicas: object,
    overrides: object,
    *,
    hosts: object,
    monitoring: object,
    autoscaling: object,
) -> Request:
    if not isinstance(profile, str) or profile not in CHOICES:
        near = did_you_mean(profile, CHOICES) if isinstance(profile, str) else None
        hint = f"did you mean {near}?" if near else f"take one of {', '.join(CHOICES)}"
        raise InputError(f"profile: there is no {shown(profile)}; {hint}")
    size = parse_size(memory, "memory")
    if size > MOST_MEMORY:
        raise InputError(f'memory: {shown(memory)} is more than a host has; write it as "4GB", or in bytes')
    number = number_of_cpus(cpus, "cpus", 0.1)
    given = normalise(overrides)
    tasks = None if replicas is None else count(replicas, "replicas", 1, 1000)
    _refuse_two_replicas(tasks, given)
    return Request(
        profile=largest_fitting(size, number) if profile == "auto" else str(profile),
        memory=size,
        cpus=number,
        replicas=tasks,
        overrides=given,
        hosts=count(hosts, "hosts", 1, 1000),
        monitoring=_switch(monitoring, "monitoring"),
        autoscaling=_switch(autoscaling, "autoscaling"),
    )


def _switch(value: object, path: str) -> bool:
    """A truth, also as the text that ``-e`` makes of it."""
    said = str(value).lower()
    if said in ("true", "yes", "on", "1"):
        return True
    if said in ("false", "no", "off", "0"):
        return False
    raise InputError(f"{path}: {shown(value)} is neither true nor false")


def _refuse_two_replicas(replicas: int | None, overrides: Mapping[str, object]) -> None:
    app = overrides.get("app")
    also = app.get("replicas", replicas) if isinstance(app, Mapping) else replicas
    if replicas is not None and also != replicas:
        raise InputError(f"replicas is {replicas} and overrides.app.replicas is {also}; leave one of them out")


def _arguments(request: Request) -> dict[str, object]:
    return {
        "profile": request.profile,
        "memory": request.memory,
        "cpus": request.cpus,
        "replicas": request.replicas,
        "overrides": request.overrides,
        "hosts": request.hosts,
        "monitoring": request.monitoring,
        "autoscaling": request.autoscaling,
    }
