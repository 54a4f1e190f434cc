# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine, its services and its containers, as the checks judge them."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Mapping
from typing import Any

from ..._core.errors import FirstbellError
from ..._core.service_diff import changed_options, changes_between
from ..._core.service_spec import DIGEST_LABEL, actual_values, digest
from .. import engine_api, engine_daemon, system
from ..operations.containers import cpu_limit, kills, memory_limit, moment, pids_limit

_SERVICE_LABEL = "com.docker.swarm.service.name"
#: Of an image that was built here its own tag (image_engine.py).
_VERSION_LABEL = "org.opencontainers.image.version"
_ONE_PLACE = ("NoNewPrivs", "CapEff", "Seccomp", "Uid")
_INFO = ("ServerVersion", "LoggingDriver", "SecurityOptions", "LiveRestoreEnabled", "SwapLimit")
#: By this policy the engine starts a container when it starts itself, also one that was stopped.
_COMES_BACK = "always"
#: As many versions the playbook rollback goes back.
_FORMER = 3
#: Options that no service has, so that somebody has set them with docker update: what they are where nobody did.
_BY_HAND = {
    "BlkioWeight": (0,),
    "CpuPeriod": (0,),
    "CpuQuota": (0,),
    "CpuShares": (0,),
    "CpusetCpus": ("",),
    "CpusetMems": ("",),
    "MemoryReservation": (0,),
    "RestartPolicy": ("", "no"),
}
_LOOPBACK = ("127.", "::1")


def gather(stack: str) -> dict[str, Any]:
    """Everything that the engine knows of the stack."""
    networks = engine_api.call("GET", "/networks")
    info = engine_api.call("GET", "/info")
    manager = bool(info["Swarm"]["ControlAvailable"])
    return {
        "info": {key: info.get(key) for key in _INFO},
        "services": _services(stack, networks) if manager else {},
        "other_services": _other_services(stack) if manager else {},
        "swarm": engine_api.call("GET", "/swarm")["Spec"] if manager else {},
        "containers": _containers(stack, engine_api.call("GET", "/containers/json")),
        "stopped": [one for one in _containers(stack, _ended()) if one["restart"] == _COMES_BACK],
        "networks": {
            network["Name"]: {"internal": network["Internal"], "driver": network["Driver"]} for network in networks
        },
        "images": _images(),
        "daemon": {"found": engine_daemon.find().__dict__},
        "secrets": _secrets(stack) if manager else [],
        "nodes": _nodes() if manager else [],
        "here": {"id": info["Swarm"].get("NodeID", ""), "name": os.uname().nodename},
    }


def _services(stack: str, networks: list[Mapping[str, Any]]) -> dict[str, Any]:
    names = {network["Id"]: network["Name"] for network in networks}
    tasks: dict[str, list[Mapping[str, Any]]] = {}
    for task in engine_api.call("GET", "/tasks"):
        tasks.setdefault(task["ServiceID"], []).append(task)
    found = {}
    for service in engine_api.call("GET", "/services"):
        spec = service["Spec"]
        prefix, _underscore, short = spec["Name"].partition("_")
        if prefix != stack:
            continue
        values = actual_values(spec, names)
        deployed = (spec.get("Labels") or {}).get(DIGEST_LABEL, "")
        own = tasks.get(service["ID"], [])
        found[short] = {
            "values": values,
            "deployed": deployed,
            "digest": digest(values),
            "changed": _changed(service.get("PreviousSpec"), values, deployed, names),
            "update": (service.get("UpdateStatus") or {}).get("State", ""),
            "addresses": addresses(own),
            "running": sum(task["Status"]["State"] == "running" for task in own),
            "failed": [
                {
                    "error": task["Status"].get("Err", ""),
                    "at": task["Status"]["Timestamp"],
                    "slot": task.get("Slot") or task.get("NodeID", ""),
                }
                for task in own
                if task["Status"]["State"] in ("failed", "rejected")
            ],
        }
    return found


def addresses(tasks: Iterable[Mapping[str, Any]]) -> list[str]:
    """Those of tasks in the networks of the stack, also of such as have just ended, without the lengths of prefixes."""
    networks = [network for task in tasks for network in task.get("NetworksAttachments") or []]
    return sorted({address.partition("/")[0] for one in networks for address in one.get("Addresses") or []})


def _other_services(stack: str) -> dict[str, list[int]]:
    """Services of the swarm that have none of the stack's names, and the ports that they publish."""
    return {
        service["Spec"]["Name"]: [port["PublishedPort"] for port in (service.get("Endpoint") or {}).get("Ports") or []]
        for service in engine_api.call("GET", "/services")
        if not service["Spec"]["Name"].startswith(f"{stack}_")
    }


def _changed(
    previous: Mapping[str, Any] | None, values: Mapping[str, Any], deployed: str, names: Mapping[str, str]
) -> list[str]:
    """The options that were changed by hand; none where the engine does not remember what was deployed."""
    before = actual_values(previous, names) if previous else {}
    return changed_options(changes_between(before, values)) if before and digest(before) == deployed else []


def _nodes() -> list[dict[str, str]]:
    """The hosts of the swarm: availability is active, pause or drain; state is ready, down, disconnected or unknown."""
    return [
        {
            "id": node["ID"],
            "name": node["Description"]["Hostname"],
            "availability": node["Spec"]["Availability"],
            "role": node["Spec"]["Role"],
            "state": node["Status"]["State"],
        }
        for node in engine_api.call("GET", "/nodes")
    ]


def gather_released(stack: str) -> dict[str, Any]:
    """The image of the newest deployment of the application that succeeded, and those that can be gone back to."""
    path, images = f"/opt/{stack}/app/deployments.jsonl", []
    text = system.read_text(path)
    for number, line in enumerate((text or "").splitlines(), 1):
        try:
            record = json.loads(line)
            images += [str(record["image"])] if record["verdict"] == "succeeded" else []
        except (ValueError, TypeError, KeyError):
            raise FirstbellError(f"line {number} of {path} is no record of a deployment; remove it") from None
    newest = list(dict.fromkeys(reversed(images)))
    return {"on_record": text is not None, "image": "".join(newest[:1]), "former": newest[1 : 1 + _FORMER]}


def _ended() -> list[dict[str, Any]]:
    """Containers that do not run, but the tasks of services, which never start again."""
    listed = engine_api.call("GET", "/containers/json", all="1", filters='{"status": ["created", "exited"]}')
    return [one for one in listed if _SERVICE_LABEL not in (one["Labels"] or {})]


def _containers(stack: str, listed: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    found = []
    for one in listed:
        try:
            found.append(_container(stack, engine_api.call("GET", f"/containers/{one['Id']}/json")))
        except engine_api.EngineError as error:
            if error.status != 404:  # noqa: PLR2004 - it has ended meanwhile
                raise
    return found


def _container(stack: str, shown: Mapping[str, Any]) -> dict[str, Any]:
    config, host, state = shown["Config"], shown["HostConfig"], shown["State"]
    service = (config.get("Labels") or {}).get(_SERVICE_LABEL, "")
    return {
        "id": shown["Id"],
        "name": shown["Name"].lstrip("/"),
        "service": service.partition("_")[2] if service.partition("_")[0] == stack else "",
        "service_name": service,
        "image": config["Image"],
        "image_id": shown["Image"],
        "user": config.get("User", ""),
        "read_only": host["ReadonlyRootfs"],
        "cap_add": host["CapAdd"] or [],
        "cap_drop": host["CapDrop"] or [],
        "privileged": host["Privileged"],
        "shares": [kind for kind in ("NetworkMode", "PidMode", "IpcMode", "UTSMode") if host.get(kind) == "host"],
        "memory": host["Memory"],
        "cpus": host["NanoCpus"] or 0,
        "pids": host["PidsLimit"] or 0,
        "by_hand": _by_hand(host),
        "memory_swap": host.get("MemorySwap") or 0,
        "memory_in_force": memory_limit(state["Pid"]),
        "cpus_in_force": cpu_limit(state["Pid"]),
        "pids_in_force": pids_limit(state["Pid"]),
        "security": host.get("SecurityOpt") or [],
        "apparmor": shown.get("AppArmorProfile", ""),
        "confined": _confined(state["Pid"]),
        "restart": host["RestartPolicy"]["Name"],
        "started": moment(state["StartedAt"]),
        "paused": state["Paused"],
        "health": (state.get("Health") or {}).get("Status", "none"),
        "oom_killed": state.get("OOMKilled", False),
        "kills": kills(state["Pid"]) or 0,
        "mounts": [mount.get("Source", "") for mount in shown.get("Mounts") or []],
        "log_driver": host["LogConfig"]["Type"],
        "log_options": host["LogConfig"]["Config"] or {},
        "log_bytes": _log_bytes(shown.get("LogPath", "")),
        "process": _process(state["Pid"]),
        "uids": _uids(shown["Id"]) if service else [],
        "networks": sorted((shown.get("NetworkSettings") or {}).get("Networks") or {}),
        **_ports((shown.get("NetworkSettings") or {}).get("Ports") or {}),
    }


def _by_hand(host: Mapping[str, Any]) -> list[str]:
    found = {name: host.get(name) for name in _BY_HAND}
    found["RestartPolicy"] = host["RestartPolicy"]["Name"]
    return [f"{name} {value}" for name, value in found.items() if value is not None and value not in _BY_HAND[name]]


def _ports(ports: Mapping[str, Any]) -> dict[str, list[int]]:
    """Those that the engine leads in on this host, and of them those that others may reach."""
    bound = [one for places in ports.values() for one in places or [] if one["HostPort"].isdigit()]
    outside = [one for one in bound if not one["HostIp"].startswith(_LOOPBACK)]
    return {
        "published": sorted({int(one["HostPort"]) for one in bound}),
        "exposed": sorted({int(one["HostPort"]) for one in outside}),
    }


def _confined(pid: int) -> str:
    """The AppArmor profile of the first process, and in brackets whether it is enforced; empty without AppArmor."""
    for path in (f"/proc/{pid}/attr/apparmor/current", f"/proc/{pid}/attr/current"):
        with contextlib.suppress(OSError):
            text = system.read_text(path)
            if text is not None:
                return text.strip("\0\n ")
    return ""


def _log_bytes(path: str) -> int:
    if not path:
        return 0
    folder, name = os.path.split(path)
    try:
        return sum(os.stat(os.path.join(folder, one)).st_size for one in os.listdir(folder) if one.startswith(name))
    except FileNotFoundError:
        return 0


def _uids(container: str) -> list[str]:
    """The users of all its processes, also of those that were started in it later."""
    try:
        shown = engine_api.call("GET", f"/containers/{container}/top")
    except engine_api.EngineError:  # it is just ending, or starting
        return []
    column = shown["Titles"].index("PID")
    found = {_process(int(row[column])).get("Uid", "") for row in shown["Processes"]}
    return sorted({uid for uids in found for uid in uids.split()})


def _process(pid: int) -> dict[str, str]:
    """What the kernel says of the first process; nothing where it has ended."""
    lines = (system.read_text(f"/proc/{pid}/status") or "").splitlines()
    pairs = (line.partition(":") for line in lines)
    return {name: value.strip() for name, _colon, value in pairs if name in _ONE_PLACE}


def _images() -> dict[str, dict[str, Any]]:
    return {
        image["Id"]: {
            "tags": image.get("RepoTags") or [],
            "created": image["Created"],
            "version": (image.get("Labels") or {}).get(_VERSION_LABEL, ""),
        }
        for image in engine_api.call("GET", "/images/json")
    }


def _secrets(stack: str) -> list[dict[str, str]]:
    return [
        {"name": secret["Spec"]["Name"], "created": secret["CreatedAt"]}
        for secret in engine_api.call("GET", "/secrets")
        if secret["Spec"]["Name"].startswith(f"{stack}_")
    ]
