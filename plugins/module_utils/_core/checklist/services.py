# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The services: that they run, as they were planned and deployed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import unified_diff
from typing import Any

from .model import Facts, Outcome, check, failed, none_of
from .written import configurations, differing

INSPECT = "docker inspect $(docker ps --quiet)"
SITE = "Run the playbook again: make site"
_RESTARTING = "At a quiet time, as the database is restarted: make site ARGS='-e postgres_allow_restart=true'"
#: Where some of what can be found is not the playbook's to mend, and says itself what is.
SAID = f"What the finding says. {SITE}"
#: What ends a unit whose service starts anew when something else that it reads has changed.
_DIGEST = re.compile(r"\n+# [0-9a-f]{64}\n*\Z")
_NEW_TOKENS = "docker swarm join-token --rotate worker; docker swarm join-token --rotate manager"
_BOUND = re.compile(r"node\.hostname\s*==\s*(\S+)")
_NEEDED = ("postgres", "pgbouncer", "redis", "app", "nginx", "haproxy")


def services_of(facts: Facts) -> Mapping[str, Any]:
    services: Mapping[str, Any] = facts.seen["engine"]["services"]
    return services


def containers_of(facts: Facts) -> list[Mapping[str, Any]]:
    """The stack's containers; none is an error on the first host, since nothing could be said of them."""
    own = [one for one in facts.seen["engine"]["containers"] if one["service"]]
    if not own and facts.expected["first"]:
        raise ValueError(f"no container of the stack {facts.stack} runs on this host")
    return own


def strangers(facts: Facts) -> list[Mapping[str, Any]]:
    """Containers that are neither a service's nor what the stack's own commands run for a moment."""
    return [one for one in facts.seen["engine"]["containers"] if not one["service"] and not _own_job(facts, one)]


def _own_job(facts: Facts, container: Mapping[str, Any]) -> bool:
    """Whether a container is a job of the stack's by its name, and by what all of its jobs have."""
    migration, images = f"{facts.stack}_migration", {one["values"]["image"] for one in services_of(facts).values()}
    named = container["name"].startswith((f"{facts.stack}-backup-", f"{facts.stack}-drill-"))
    known = "/firstbell/" in f"/{container['image']}" or container["image"] in images
    # The image of a migration is the application's next one.
    job = (named and known) or container["name"] == migration
    return job and container["cap_drop"] == ["ALL"] and container["read_only"] and not container["exposed"]


def removal(container: Mapping[str, Any]) -> str:
    """What ends a container that is not the stack's: that of a service would come back."""
    if container["service_name"]:
        return f"docker service rm {container['service_name']}"
    return f"docker rm --force {container['name']}"


def site_for(problems: Sequence[str]) -> str:
    """The playbook restarts the database only when it is told to; nothing where that is not among the problems."""
    return _RESTARTING if any(re.match(r"postgres\b", one) for one in problems) else ""


def wanted_services(facts: Facts) -> list[str]:
    edge = facts.expected.get("edge", {}).get("enabled", True)
    return [name for name in _NEEDED if edge or name not in ("nginx", "haproxy")]


def _all_services(facts: Facts) -> list[str]:
    """Those that the site needs, and those of what is switched on."""
    monitoring, autoscaler = facts.expected["monitoring"], facts.expected["autoscaler"]
    further = [
        *(monitoring["images"] if monitoring["enabled"] else ()),
        *(["autoscaler"] if autoscaler["enabled"] else []),
    ]
    return [*wanted_services(facts), *further]


@check(
    "services-healthy",
    "S10 S41 S42",
    "containers",
    "Every service of the stack runs and is healthy",
    target="all replicas running, every health check passing",
    command="docker service ls; docker ps",
    fix=f"Read why: docker service ps --no-trunc {{stack}}_SERVICE. {SITE}",
    needs="engine",
)
def services_healthy(facts: Facts) -> Outcome:
    services = services_of(facts)
    problems = [f"there is no service {name}" for name in _all_services(facts) if name not in services]
    for name, service in sorted(services.items()):
        problems += _of_tasks(name, service)
        problems += _of_update(facts.stack, name, service)
    for one in facts.seen["engine"]["containers"]:
        if one["service"] in services and one["paused"]:
            problems.append(f"{one['name']} is paused: docker unpause {one['name']}")
        elif one["service"] in services and one["health"] not in ("healthy", "starting"):
            problems.append(
                f"{one['name']} is {one['health'] if one['health'] != 'none' else 'without a health check'}"
            )
    problems += _of_nodes(facts)
    if (facts.seen["engine"]["swarm"].get("EncryptionConfig") or {}).get("AutoLockManagers"):
        problems.append(
            "the swarm is locked after a reboot until somebody types its key: docker swarm update --autolock=false"
        )
    lines = [
        f"{name} {service['running']}/{'global' if (wanted := service['values']['replicas']) is None else wanted}"
        for name, service in sorted(services.items())
    ]
    return none_of(problems, ", ".join(lines), "\n".join(lines))


def _of_tasks(name: str, service: Mapping[str, Any]) -> list[str]:
    """What is wrong with the number of its tasks. Only the application has several."""
    wanted, problems = service["values"]["replicas"], []
    if wanted == 0:
        problems.append(f"{name} is scaled to no task at all")
    elif name != "app" and wanted not in (None, 1):
        problems.append(f"{name} is scaled to {wanted} tasks, and there may only be one")
    elif service["running"] < (wanted or 1):
        problems.append(f"{name} runs {service['running']} of {wanted or 1} tasks")
    return problems


def _of_update(stack: str, name: str, service: Mapping[str, Any]) -> list[str]:
    """What is wrong with its last update. That of the application may be a release that failed."""
    if service["update"] in ("paused", "rollback_paused"):
        return [f"the update of {name} is {service['update']}"]
    if service["update"] == "rollback_completed" and name != "app":
        mend = f"make site; if that changes nothing, at a quiet time: docker service update --force {stack}_{name}"
        return [f"{name} was rolled back to what it was before: {mend}"]
    return []


def _of_nodes(facts: Facts) -> list[str]:
    """Hosts that are missing in the swarm, are down, take no tasks, have another role, or are not the inventory's."""
    nodes = facts.seen["engine"]["nodes"]
    renamed = _renamed(facts)
    if renamed:
        return renamed
    roles = facts.expected.get("swarm", {}).get("roles", {})
    missing = sorted(set(roles) - {one["name"] for one in nodes})
    problems = [f"the host {name} is not in the swarm: make site" for name in missing]
    ready = {one["name"] for one in nodes if one["state"] == "ready"}
    for one in sorted(nodes, key=lambda one: str(one["name"])):
        who, name, role = f"the host {one['name']}", one["name"], roles.get(one["name"])
        remove = f"docker node demote {one['id']}; docker node rm --force {one['id']}"
        if roles and role is None:
            problems.append(
                f"{who} is in the swarm and not in the inventory. If it is one of yours under its old name, "
                f"systemctl restart docker on it; else: {remove}; {_NEW_TOKENS}"
            )
        elif one["state"] != "ready" and name in ready:
            problems.append(f"{who} has an old entry, which is {one['state']}: {remove}")
        elif one["state"] != "ready":
            mend = "systemctl start docker, on that host; if it runs there, and has left the swarm: make site"
            problems.append(f"{who} is {one['state']} for the swarm: {mend}")
        elif one["availability"] != "active":
            mend = f"docker node update --availability active {name}"
            problems.append(f"{who} takes no new tasks ({one['availability']}): {mend}")
        elif role and one["role"] != role:
            verb = "demote" if role == "worker" else "promote"
            problems.append(f"{who} is a {one['role']} of the swarm, not a {role}: docker node {verb} {one['id']}")
    return problems


def _renamed(facts: Facts) -> list[str]:
    """Services that may only run on a host of a name that it has no more. The engine may not have seen that yet."""
    here, nodes = facts.seen["engine"]["here"], {one["id"]: one["name"] for one in facts.seen["engine"]["nodes"]}
    bound = {
        match[1]: name
        for name, service in services_of(facts).items()
        for match in map(_BOUND.fullmatch, service["values"].get("constraints") or [])
        if match
    }
    has = {**nodes, **({here["id"]: here["name"]} if here["id"] in nodes else {})}
    return [
        f"{service} and others may only run on the host {name}, and no host of the swarm is called so any more "
        f"(this one: {here['name']}): hostnamectl set-hostname {name}"
        for name, service in bound.items()
        if name not in has.values()
    ]


@check(
    "replicas",
    "S43 S50",
    "containers",
    "The application has as many replicas as were planned",
    target="between one and the plan's maximum, and what was asked for",
    command="docker service ls --filter name={stack}_app",
    fix="docker service scale {stack}_app=N, or change firstbell_app_replicas, then make site",
    needs="engine",
)
def replicas(facts: Facts) -> Outcome:
    wanted, most = facts.plan["app"]["replicas"], facts.plan["app"]["max_replicas"]
    service = services_of(facts).get("app")
    if service is None:
        return failed("there is no service app")
    has = service["values"]["replicas"] or 0
    if facts.expected["autoscaler"]["enabled"]:
        problems = [] if has else ["there is no replica"]
        target = f"at least 1 and at most {most}, by the autoscaler"
    else:
        problems = [] if has == wanted else [f"{has} replicas, and {wanted} are planned"]
        target = f"{wanted} (at most {most})"
    if has > most:
        problems.append(f"{has} are more than the {most} that the database's connections carry")
    return none_of(problems, f"{has} replicas", f"replicas: {has}", target=target)


@check(
    "services-as-deployed",
    "S13",
    "containers",
    "Nobody has changed a service by hand since it was deployed",
    target="every option of every service as the playbook wrote it",
    command="make check (a dry run shows every difference)",
    fix=SAID,
    needs="engine released",
)
def services_as_deployed(facts: Facts) -> Outcome:
    services = services_of(facts)
    if not services:
        return failed("there is no service of the stack")
    wanted = {
        **facts.expected["images"],
        **({"app": released} if (released := facts.seen["released"]["image"]) else {}),
    }
    problems, known = [], (*wanted, *_all_services(facts))
    for name, one in sorted(services.items()):
        image = one["values"]["image"].partition("@")[0]
        if not one["deployed"]:
            mend = "" if name in known else f": docker service rm {facts.stack}_{name}"
            problems.append(f"{name} was not made by the collection{mend}")
        elif one["deployed"] != one["digest"]:
            what = f" ({', '.join(one['changed'])})" if one["changed"] else ""
            problems.append(f"{name} was changed by hand{what}")
        elif image != wanted.get(name, image).partition("@")[0]:
            problems.append(f"{name} runs {image}, and {wanted[name]} is what was deployed last")
    lines = [
        f"{name}: written {one['deployed'][:12]}, is {one['digest'][:12]}" for name, one in sorted(services.items())
    ]
    measured = f"{len(services)} services are as they were written"
    return none_of(problems, measured, "\n".join(lines), fix=site_for(problems))


@check(
    "configuration-files",
    "S13",
    "containers",
    "Nobody has changed a configuration file by hand since it was deployed",
    target="every file, and every unit of systemd, as the playbook would write it now",
    command="make check (a dry run shows every difference)",
    fix=SITE,
    needs="files secret_files service_secrets left_over unread",
    everywhere=True,
)
def configuration_files(facts: Facts) -> Outcome:
    files, settings, secret = differences(facts), configurations(facts.expected), facts.seen["secret_files"]
    problems = [f"{path} differs: {lines[0]}" if lines else f"{path} is missing" for path, lines in files.items()]
    problems += [
        f"{path}: {one}"
        for path, wanted in settings.items()
        for one in differing(wanted, facts.seen["files"].get(path))
    ]
    problems += [f"{path} {problem}" for path, problem in secret.items() if problem]
    problems += [f"{one} is not what the inventory has" for one in facts.seen["service_secrets"]]
    problems += facts.seen["unread"]
    reload = f'docker kill --signal HUP "$(docker ps --quiet --filter name={facts.stack}_nginx)"'
    problems += [
        f"{path} is not the playbook's: rm {path}{f'; {reload}' if '/nginx/' in path else ''}"
        for path in facts.seen["left_over"]
    ]
    # Redis does not read its files again.
    restart = f". Then: docker service update --force {facts.stack}_redis, if it was started since"
    fix = SITE + restart if any("/redis/" in problem for problem in problems) else ""
    number = len(facts.expected["files"]) + len(settings) + len(secret)
    evidence = "\n".join(line for path, lines in files.items() for line in (f"{path}:", *lines))
    return none_of(problems, f"{number} files are as they were written", evidence, fix=fix)


def differences(facts: Facts) -> dict[str, list[str]]:
    """How files of the configuration differ from what the playbook would write, by their paths; no line: it is gone."""
    found = {}
    for path, wanted in facts.expected["files"].items():
        has = facts.seen["files"].get(path)
        written = _DIGEST.sub("\n", has or "").splitlines()
        lines = list(unified_diff(wanted.splitlines(), written, lineterm="", n=0))[2:]
        if has is None or lines:
            found[path] = [] if has is None else [line for line in lines if not line.startswith("@@")]
    return found


@check(
    "app-environment",
    "S2 S3 S9 S30",
    "containers",
    "The application has the heap, the threads, the connections and the address that were planned",
    target="the environment of the plan",
    command="docker service inspect --format '{{json .Spec.TaskTemplate.ContainerSpec.Env}}' {stack}_app",
    fix=SITE,
    needs="engine",
)
def app_environment(facts: Facts) -> Outcome:
    service = services_of(facts).get("app")
    if service is None:
        return failed("there is no service app")
    has, wanted = service["values"]["env"], facts.expected["app"]["environment"]
    problems = [
        f"{name} is {has[name]!r}, not {str(value)!r}" if name in has else f"{name} is not set"
        for name, value in sorted(wanted.items())
        if has.get(name) != str(value)
    ]
    problems += [f"{name} is set, and should not be" for name in sorted(set(has) - set(wanted))]
    shown = [
        name for name in ("NEXTAUTH_URL", "NODE_OPTIONS", "UV_THREADPOOL_SIZE", "DATABASE_POOL_MAX") if name in has
    ]
    return none_of(problems, ", ".join(f"{name}={has[name]}" for name in shown), "\n".join(sorted(has)))
