# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Between canonical values of a service and the ServiceSpec of the Docker Engine API (v1.41).

``service_spec`` writes every field that an option governs, ``actual_values`` reads
them back from what the engine answers, with the engine's own defaults filled in.
What somebody set by hand and no option governs is found as well (``unmanaged``):
the wanted service has nothing there, so it is drift like any other.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from .service_options import NANO, Canonical, capabilities, constraint_text
from .service_secrets import split_secret_name

#: Label of the service: digest of the values last written by the module.
DIGEST_LABEL = "firstbell.spec"
#: Labels of the secrets that the module made.
OWNER_LABEL = "firstbell.service"
KEY_LABEL = "firstbell.secret"

#: Fields without an option: a service that has one of them was changed by hand.
_UNMANAGED = (
    ("Networks",),
    ("TaskTemplate", "ContainerSpec", "Configs"),
    ("TaskTemplate", "ContainerSpec", "DNSConfig"),
    ("TaskTemplate", "ContainerSpec", "Dir"),
    ("TaskTemplate", "ContainerSpec", "Groups"),
    ("TaskTemplate", "ContainerSpec", "Hostname"),
    ("TaskTemplate", "ContainerSpec", "Hosts"),
    ("TaskTemplate", "ContainerSpec", "Labels"),
    ("TaskTemplate", "ContainerSpec", "OomScoreAdj"),
    ("TaskTemplate", "ContainerSpec", "OpenStdin"),
    ("TaskTemplate", "ContainerSpec", "Privileges"),
    ("TaskTemplate", "ContainerSpec", "TTY"),
    ("TaskTemplate", "Placement", "MaxReplicas"),
    ("TaskTemplate", "Placement", "Preferences"),
    ("TaskTemplate", "Resources", "Reservations", "GenericResources"),
)


def service_spec(
    name: str,
    values: Canonical,
    network_ids: Mapping[str, str],
    secret_ids: Mapping[str, str],
    force_update: int = 0,
) -> dict[str, Any]:
    """The complete ServiceSpec.

    ``network_ids`` and ``secret_ids`` map names to ids; ``force_update`` is the
    counter that the service has now: another number would replace every task.
    """
    template: dict[str, Any] = {
        "ContainerSpec": _container(name, values, secret_ids),
        "Resources": {
            "Limits": {
                "NanoCPUs": values["limits"]["cpus"],
                "MemoryBytes": values["limits"]["memory"],
                "Pids": values["limits"]["pids"],
            },
            "Reservations": {
                "NanoCPUs": values["reservations"]["cpus"],
                "MemoryBytes": values["reservations"]["memory"],
            },
        },
        "RestartPolicy": {
            "Condition": values["restart"]["condition"],
            "Delay": values["restart"]["delay"],
            "MaxAttempts": values["restart"]["max_attempts"],
            "Window": values["restart"]["window"],
        },
        "Placement": {"Constraints": values["constraints"]},
        "Networks": [{"Target": network_ids[net["name"]], "Aliases": net["aliases"]} for net in values["networks"]],
        "ForceUpdate": force_update,
        "Runtime": "container",
    }
    if values["log"] is not None:
        template["LogDriver"] = {"Name": values["log"]["driver"], "Options": values["log"]["options"]}
    mode = {"Global": {}} if values["mode"] == "global" else {"Replicated": {"Replicas": values["replicas"]}}
    return {
        "Name": name,
        "Labels": {**values["labels"], DIGEST_LABEL: digest(values)},
        "TaskTemplate": template,
        "Mode": mode,
        "UpdateConfig": _update_config(values["update"]),
        "RollbackConfig": _update_config(values["rollback"]),
        "EndpointSpec": {
            "Mode": values["endpoint_mode"],
            "Ports": [
                {
                    "Protocol": port["protocol"],
                    "TargetPort": port["target"],
                    "PublishedPort": port["published"],
                    "PublishMode": port["mode"],
                }
                for port in values["publish"]
            ],
        },
    }


def _container(name: str, values: Canonical, secret_ids: Mapping[str, str]) -> dict[str, Any]:
    container: dict[str, Any] = {
        "Image": values["image"],
        "Command": values["command"],
        "Args": values["args"],
        "Env": [f"{key}={value}" for key, value in values["env"].items()],
        "User": values["user"],
        "Init": values["init"],
        "ReadOnly": values["read_only"],
        "StopSignal": values["stop_signal"],
        "StopGracePeriod": values["stop_grace_period"],
        "CapabilityAdd": [_cap(item) for item in values["cap_add"]],
        "CapabilityDrop": [_cap(item) for item in values["cap_drop"]],
        "Ulimits": [
            {"Name": limit, "Soft": pair["soft"], "Hard": pair["hard"]} for limit, pair in values["ulimits"].items()
        ],
        "Sysctls": values["sysctls"],
        "Mounts": [_mount(mount) for mount in values["mounts"]],
        "Secrets": [_secret(name, secret, secret_ids) for secret in values["secrets"]],
    }
    health = values["health"]
    if health is not None:
        container["Healthcheck"] = {
            "Test": health["test"],
            "Interval": health["interval"],
            "Timeout": health["timeout"],
            "StartPeriod": health["start_period"],
            **({"StartInterval": health["start_interval"]} if health["start_interval"] else {}),
            "Retries": health["retries"],
        }
    return container


def _cap(name: str) -> str:
    return name if name == "ALL" else f"CAP_{name}"


def _mount(mount: Canonical) -> dict[str, Any]:
    result = {"Type": mount["type"], "Target": mount["target"], "ReadOnly": mount["read_only"]}
    if mount["type"] == "tmpfs":
        result["TmpfsOptions"] = {"SizeBytes": mount["size"], "Mode": mount["mode"]}
    else:
        result["Source"] = mount["source"]
    return result


def _secret(service: str, secret: Canonical, secret_ids: Mapping[str, str]) -> dict[str, Any]:
    swarm_name = secret_swarm_name(service, secret)
    return {
        "SecretID": secret_ids[swarm_name],
        "SecretName": swarm_name,
        "File": {"Name": secret["target"], "UID": secret["uid"], "GID": secret["gid"], "Mode": secret["mode"]},
    }


def secret_swarm_name(service: str, secret: Canonical) -> str:
    """The name of the swarm secret of an entry of ``values["secrets"]``."""
    return f"{service}_{secret['name']}_{secret['version']}" if secret["version"] else str(secret["name"])


def _update_config(update: Canonical) -> dict[str, Any]:
    return {
        "Parallelism": update["parallelism"],
        "Delay": update["delay"],
        "FailureAction": update["failure_action"],
        "Monitor": update["monitor"],
        "MaxFailureRatio": update["max_failure_ratio"],
        "Order": update["order"],
    }


def actual_values(spec: Mapping[str, Any], network_names: Mapping[str, str]) -> Canonical:
    """The canonical values of a ServiceSpec that the engine returned.

    ``network_names`` maps ids to names; a network that is not in it is shown by
    its id. Missing fields are what the engine does without them.
    """
    name = spec["Name"]
    template = spec.get("TaskTemplate") or {}
    container = template.get("ContainerSpec") or {}
    resources = template.get("Resources") or {}
    limits, reservations = resources.get("Limits") or {}, resources.get("Reservations") or {}
    restart = template.get("RestartPolicy") or {}
    endpoint = spec.get("EndpointSpec") or {}
    replicated = (spec.get("Mode") or {}).get("Replicated")
    labels = dict(spec.get("Labels") or {})
    labels.pop(DIGEST_LABEL, None)
    networks = [
        {
            "name": network_names.get(net["Target"], net["Target"]),
            "aliases": sorted(net.get("Aliases") or []),
            **({"options": net["DriverOpts"]} if net.get("DriverOpts") else {}),
        }
        for net in template.get("Networks") or []
    ]
    return {
        "image": container.get("Image", ""),
        "command": container.get("Command") or [],
        "args": container.get("Args") or [],
        "user": container.get("User", ""),
        "env": _pairs(container.get("Env") or []),
        "labels": dict(sorted(labels.items())),
        "networks": sorted(networks, key=lambda net: str(net["name"])),
        "endpoint_mode": endpoint.get("Mode") or "vip",
        "publish": _actual_ports(endpoint.get("Ports") or []),
        "mounts": _actual_mounts(container.get("Mounts") or []),
        "secrets": _actual_secrets(name, container.get("Secrets") or []),
        "mode": "global" if replicated is None else "replicated",
        "replicas": None if replicated is None else replicated.get("Replicas", 1),
        "constraints": sorted(map(constraint_text, (template.get("Placement") or {}).get("Constraints") or [])),
        "limits": {
            "cpus": limits.get("NanoCPUs") or 0,
            "memory": limits.get("MemoryBytes") or 0,
            "pids": limits.get("Pids") or 0,
        },
        "reservations": {
            "cpus": reservations.get("NanoCPUs") or 0,
            "memory": reservations.get("MemoryBytes") or 0,
        },
        "health": _actual_health(container.get("Healthcheck")),
        "read_only": bool(container.get("ReadOnly")),
        "cap_drop": capabilities(container.get("CapabilityDrop") or []),
        "cap_add": capabilities(container.get("CapabilityAdd") or []),
        "init": container.get("Init"),
        "ulimits": {
            limit["Name"]: {"soft": limit.get("Soft", 0), "hard": limit.get("Hard", 0)}
            for limit in sorted(container.get("Ulimits") or [], key=lambda limit: str(limit["Name"]))
        },
        "sysctls": dict(sorted((container.get("Sysctls") or {}).items())),
        "stop_signal": container.get("StopSignal") or "",
        "stop_grace_period": container.get("StopGracePeriod", 10 * NANO),
        "restart": {
            "condition": restart.get("Condition") or "any",
            "delay": restart.get("Delay", 5 * NANO),
            "max_attempts": restart.get("MaxAttempts") or 0,
            "window": restart.get("Window") or 0,
        },
        "update": _actual_update(spec.get("UpdateConfig")),
        "rollback": _actual_update(spec.get("RollbackConfig")),
        "log": _actual_log(template.get("LogDriver")),
        "unmanaged": _unmanaged(spec),
    }


def _pairs(env: Iterable[str]) -> dict[str, str]:
    pairs = (item.partition("=") for item in env)
    return dict(sorted((key, value) for key, _equals, value in pairs))


def _actual_ports(ports: Iterable[Mapping[str, Any]]) -> list[Canonical]:
    found = [
        {
            "published": port.get("PublishedPort", 0),
            "target": port.get("TargetPort", 0),
            "protocol": port.get("Protocol") or "tcp",
            "mode": port.get("PublishMode") or "ingress",
        }
        for port in ports
    ]
    return sorted(found, key=lambda port: (port["published"], port["protocol"]))


def _actual_mounts(mounts: Iterable[Mapping[str, Any]]) -> list[Canonical]:
    found = []
    for mount in mounts:
        values: Canonical = {
            "type": mount.get("Type") or "volume",
            "source": mount.get("Source") or "",
            "target": mount["Target"],
            "read_only": bool(mount.get("ReadOnly")),
        }
        if values["type"] == "tmpfs":
            options = mount.get("TmpfsOptions") or {}
            values["size"] = options.get("SizeBytes") or 0
            values["mode"] = options.get("Mode") or 0o1777
        extra = {
            key: _pruned(mount.get(key))
            for key in ("BindOptions", "VolumeOptions", "ClusterOptions", "ImageOptions", "Consistency")
            if _pruned(mount.get(key))
        }
        found.append({**values, **({"options": extra} if extra else {})})
    return sorted(found, key=lambda mount: str(mount["target"]))


def _actual_secrets(service: str, secrets: Iterable[Mapping[str, Any]]) -> list[Canonical]:
    found = []
    for secret in secrets:
        name, version = split_secret_name(service, secret.get("SecretName") or secret.get("SecretID") or "")
        file = secret.get("File") or {}
        found.append(
            {
                "name": name,
                "version": version,
                "target": file.get("Name") or name,
                "mode": file.get("Mode", 0o444),
                "uid": file.get("UID") or "0",
                "gid": file.get("GID") or "0",
            }
        )
    return sorted(found, key=lambda secret: str(secret["name"]))


def _actual_health(health: Mapping[str, Any] | None) -> Canonical | None:
    if not health:
        return None
    return {
        "test": health.get("Test") or [],
        "interval": health.get("Interval") or 0,
        "timeout": health.get("Timeout") or 0,
        "start_period": health.get("StartPeriod") or 0,
        "start_interval": health.get("StartInterval") or 0,
        "retries": health.get("Retries") or 0,
    }


def _actual_update(config: Mapping[str, Any] | None) -> Canonical:
    config = config or {}
    return {
        "order": config.get("Order") or "stop-first",
        "parallelism": config.get("Parallelism") or 0,
        "delay": config.get("Delay") or 0,
        "monitor": config.get("Monitor") or 5 * NANO,
        "failure_action": config.get("FailureAction") or "pause",
        "max_failure_ratio": round(float(config.get("MaxFailureRatio") or 0), 6),
    }


def _actual_log(driver: Mapping[str, Any] | None) -> Canonical | None:
    if not driver or not driver.get("Name"):
        return None
    return {"driver": driver["Name"], "options": dict(sorted((driver.get("Options") or {}).items()))}


def _unmanaged(spec: Mapping[str, Any]) -> Canonical:
    found: Canonical = {}
    for path in _UNMANAGED:
        value: Any = spec
        for key in path:
            value = (value or {}).get(key)
        if _pruned(value):
            found[".".join(path[-2:])] = _pruned(value)
    return found


def _pruned(value: Any) -> Any:
    """The value without anything empty, zero or false in it."""
    if isinstance(value, Mapping):
        pruned = {key: _pruned(item) for key, item in value.items()}
        return {key: item for key, item in pruned.items() if item}
    if isinstance(value, list):
        return [_pruned(item) for item in value]
    return value


def digest(values: Canonical) -> str:
    """Sixteen hex digits of the values. Without the replicas, which an autoscaler may change."""
    counted = {key: value for key, value in values.items() if key != "replicas"}
    return hashlib.sha256(json.dumps(counted, sort_keys=True).encode()).hexdigest()[:16]


def same_tasks(template: Mapping[str, Any], task: Mapping[str, Any]) -> bool:
    """Whether a task was made from this TaskTemplate.

    Placement and runtime are left out: the engine keeps a task which already is
    where a changed constraint wants it (swarmkit, orchestrator/task.go, IsTaskDirty).
    """
    keys = ("ContainerSpec", "Resources", "RestartPolicy", "LogDriver", "Networks", "ForceUpdate")
    return all((_pruned(template.get(key)) or None) == (_pruned(task.get(key)) or None) for key in keys)
