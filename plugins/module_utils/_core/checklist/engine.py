# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The container engine: who may speak to it, and how it is set."""

from __future__ import annotations

import re

from .. import engine_config, swarm_cluster
from ..units import parse_duration
from .model import Facts, Outcome, check, none_of
from .services import SAID
from .written import differing

#: With what Debian's and Docker's own units start it.
_ARGUMENT = re.compile(r"-H|--host|(?:--host=)?fd://|--containerd(?:=\S+)?|/\S*/containerd\.sock|\$DOCKER_OPTS")
_ARGUMENTS = (
    "take it out of what systemctl cat docker shows and of /etc/default/docker, then: systemctl daemon-reload; "
    "systemctl restart docker, at a quiet time. What is yours: docker_settings_extra"
)


@check(
    "engine-access",
    "S92",
    "containers",
    "Nobody but the administrator may speak to the container engine",
    target="its socket is root's, for nobody else, and its group has no members (CIS Docker 1.1.2, 3.15, 3.16)",
    command="stat -c '%a %u %G' /var/run/docker.sock /run/containerd/containerd.sock; getent group docker; "
    "ps -o args= -C dockerd",
    fix="What the finding says",
    needs="access",
    everywhere=True,
)
def engine_access(facts: Facts) -> Outcome:
    seen, group, problems = facts.seen["access"], facts.expected["docker"]["settings"].get("group", "docker"), []
    for one in seen["sockets"]:
        path = one["path"]
        if one["mode"] & 0o117:
            problems.append(f"{path} has mode {one['mode']:04o}: chmod 0660 {path}")
        if one["uid"]:
            problems.append(f"{path} belongs to user {one['uid']}: chown root {path}")
        if one["group"] not in (group, "root"):
            problems.append(f"{path} belongs to the group {one['group']}: chgrp {group} {path}")
        problems += [
            f"{name} may use {path}, and is so the host's administrator: gpasswd --delete {name} {one['group']}, or "
            f"usermod --gid GROUP {name} where it is the user's own group"
            for name in one["members"]
        ]
    if seen["context"] not in ("", "default"):
        problems.append(
            f"root's docker speaks to {seen['context']} instead of this host's engine: docker context use default"
        )
    if any("tcp://" in one for one in seen["arguments"]):
        problems.append(f"it listens on the network, or will when it starts anew: {_ARGUMENTS}")
    return none_of(problems, f"mode {seen['sockets'][0]['mode']:04o}, no members", str(seen))


@check(
    "engine-settings",
    "S85 S92",
    "containers",
    "The container engine runs with the stack's options",
    target="daemon.json as the inventory has it, read by the engine, and nothing beside it; the swarm's settings",
    command="cat /etc/docker/daemon.json; systemctl show --property ActiveEnterTimestamp docker",
    fix=SAID,
    needs="engine access",
    everywhere=True,
)
def engine_settings(facts: Facts) -> Outcome:
    others = [one for one in facts.seen["access"]["arguments"] if not _ARGUMENT.fullmatch(one)]
    wanted, found = facts.expected["docker"]["settings"], facts.seen["engine"]["daemon"]["found"]
    plan = engine_config.plan(wanted, engine_config.Found(**found))
    problems = [f"{name} is not as it should be" for name in plan.differing]
    if plan.write and not problems:
        # Without its values: a proxy's has a password.
        names = [one if one.startswith("it ") else one.partition(" is ")[0] for one in differing(wanted, found["file"])]
        problems = [f"/etc/docker/daemon.json is not as the playbook wrote it: {', '.join(names) or 'its layout'}"]
    if plan.action and not problems:
        problems = [f"the engine has not read its file; it needs a {plan.action}"]
    problems += [f"dockerd is started with {' '.join(others)}: {_ARGUMENTS}"] if others else []
    problems += _of_swarm(facts)
    return none_of(
        problems, f"engine {facts.seen['engine']['info']['ServerVersion']}", str(facts.seen["engine"]["info"])
    )


def _of_swarm(facts: Facts) -> list[str]:
    """What of the whole swarm is not as the playbook sets it. Only a manager knows."""
    seen, wanted = facts.seen["engine"]["swarm"], facts.expected["swarm"]["settings"]
    if not seen:
        return []
    settings = swarm_cluster.Settings(
        wanted["stack"],
        int(wanted["task_history"]),
        parse_duration(wanted["heartbeat"]),
        parse_duration(wanted["certificate_expiry"]),
    )
    before, after = swarm_cluster.differing(seen, swarm_cluster.spec(settings, seen))
    return [f"the swarm has {before}, not {after}"] if before != after else []
