# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of a swarm service as a user writes them, checked and made canonical.

Canonical values are those of the Docker Engine API (nanoseconds, bytes, NanoCPUs,
octal modes as integers), sorted where order means nothing, complete with every
default. Two services are alike exactly if their canonical values are equal.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .errors import InputError
from .service_secrets import SecretContent, wanted_secret
from .units import MB, format_duration, format_size, parse_duration, parse_size

Canonical = dict[str, Any]

NANO = 1_000_000_000

#: What an option is when it is not given; the module's argument spec reads this table.
DEFAULTS: dict[str, Any] = {
    "user": "1001:1001",
    "endpoint_mode": "dnsrr",
    "mode": "replicated",
    "replicas": 1,
    "read_only": True,
    "cap_drop": ["ALL"],
    "init": True,
    "stop_signal": "SIGTERM",
    "stop_grace_period": "30s",
    "health": {"interval": "10s", "timeout": "5s", "start_period": "60s", "start_interval": "0s", "retries": 5},
    "restart": {"condition": "any", "delay": "2s", "max_attempts": 0, "window": "120s"},
    "update": {
        "order": "start-first",
        "parallelism": 1,
        "delay": "0s",
        "monitor": "30s",
        "failure_action": "rollback",
        "max_failure_ratio": 0.0,
    },
    "secret_mode": "0400",
    "tmpfs_mode": "1777",
}

#: A service's name is also a label of a DNS name.
_MAX_NAME = 63
_SERVICE_NAME = re.compile(r"[a-zA-Z0-9](?:[-_]*[A-Za-z0-9]+)*")
#: The engine refuses limits below this (daemon/daemon_unix.go, linuxMinMemory).
_MIN_MEMORY = 6 * MB
_MAX_PORT = 65535
_MAX_CPUS = 4096
_TEST_KINDS = ("CMD", "CMD-SHELL", "NONE")


@dataclass(frozen=True)
class Wanted:
    """One service as it has to be."""

    name: str
    values: Canonical
    secrets: tuple[SecretContent, ...] = ()


def wanted_service(options: Mapping[str, Any], cluster_id: str = "") -> Wanted:
    """Check the options and return the service that they describe.

    ``cluster_id`` keys the names of secret versions (see ``secret_version``).
    Raises InputError, which names the option and what to write instead.
    """
    name = str(options.get("name") or "")
    if not _SERVICE_NAME.fullmatch(name) or len(name) > _MAX_NAME:
        raise InputError(
            f"name: {name!r} cannot be the name of a service; write at most {_MAX_NAME} letters, digits, "
            '"-" and "_" that begin and end with a letter or digit, such as "academy_postgres"'
        )
    image = str(options.get("image") or "")
    if not image or image != image.strip() or " " in image:
        raise InputError(f'image: {image!r} is no image; write it with its tag, such as "firstbell/redis:0123456789ab"')
    user = _given(options, "user")
    publish = _publish(options.get("publish") or [])
    limits, reservations = _resources(options.get("limits") or {}, options.get("reservations") or {})
    update = _update(options.get("update") or {}, any(port["mode"] == "host" for port in publish))
    secrets = [
        wanted_secret(name, user, {**secret, "mode": _secret_mode(secret)}, cluster_id)
        for secret in options.get("secrets") or []
    ]
    _unique("secrets", "name", (content.name for _entry, content in secrets))
    _unique("secrets", "target", (entry["target"] for entry, _content in secrets))
    values: Canonical = {
        "image": image,
        "command": [str(item) for item in options.get("command") or []],
        "args": [str(item) for item in options.get("args") or []],
        "user": user,
        "env": _texts("env", options.get("env") or {}),
        "labels": _texts("labels", options.get("labels") or {}),
        "networks": _networks(options.get("networks") or []),
        "endpoint_mode": _given(options, "endpoint_mode"),
        "publish": publish,
        "mounts": _mounts(options.get("mounts") or []),
        "secrets": sorted((entry for entry, _content in secrets), key=lambda entry: str(entry["name"])),
        "mode": _given(options, "mode"),
        "replicas": _replicas(options),
        "constraints": sorted(_constraint(str(item)) for item in options.get("constraints") or []),
        "limits": limits,
        "reservations": reservations,
        "health": _health(options.get("health")),
        "read_only": bool(_given(options, "read_only")),
        "cap_drop": capabilities(_given(options, "cap_drop")),
        "cap_add": capabilities(options.get("cap_add") or []),
        "init": bool(_given(options, "init")),
        "ulimits": _ulimits(options.get("ulimits") or {}),
        "sysctls": _texts("sysctls", options.get("sysctls") or {}),
        "stop_signal": _given(options, "stop_signal"),
        "stop_grace_period": _nanoseconds("stop_grace_period", _given(options, "stop_grace_period")),
        "restart": _restart(options.get("restart") or {}),
        "update": update,
        "rollback": rollback_of(update),
        "log": _log(options.get("log")),
        "unmanaged": {},
    }
    _check_together(values)
    return Wanted(name, values, tuple(content for _entry, content in secrets))


def rollback_of(update: Mapping[str, Any]) -> Canonical:
    """How the engine goes back: like the update, without delay, and it stops where even that fails."""
    return {
        "order": update["order"],
        "parallelism": update["parallelism"],
        "delay": 0,
        "monitor": 5 * NANO,
        "failure_action": "pause",
        "max_failure_ratio": 0.0,
    }


def capabilities(names: Iterable[str]) -> list[str]:
    """Sorted, upper case, without ``CAP_``."""
    plain = {name.strip().upper() for name in names}
    return sorted({name.removeprefix("CAP_") for name in plain})


def _given(options: Mapping[str, Any], option: str) -> Any:
    value = options.get(option)
    return DEFAULTS[option] if value is None else value


def _merged(option: str, given: Mapping[str, Any]) -> Canonical:
    return {**DEFAULTS[option], **{key: value for key, value in given.items() if value is not None}}


def _nanoseconds(option: str, value: object, least: float = 0.0) -> int:
    seconds = parse_duration(value, option)
    if seconds < least:
        raise InputError(f"{option}: {value!r} is too short; write {format_duration(least)} or more")
    return round(seconds * NANO)


def _texts(option: str, values: Mapping[str, Any]) -> dict[str, str]:
    texts = {}
    for key, value in values.items():
        if not key or "=" in str(key):
            raise InputError(f'{option}: {key!r} cannot be a key; write a name without "="')
        if value is None or isinstance(value, (bool, dict, list)):
            raise InputError(f'{option}.{key}: {value!r} is no text; write it in quotes, such as "true"')
        texts[str(key)] = str(value)
    return dict(sorted(texts.items()))


def _unique(option: str, key: str, values: Iterable[object]) -> None:
    seen: set[object] = set()
    for value in values:
        if value in seen:
            raise InputError(f"{option}: {key} {value!r} is given twice; leave one")
        seen.add(value)


def _networks(networks: Iterable[Mapping[str, Any]]) -> list[Canonical]:
    found = [{"name": item["name"], "aliases": sorted(set(item.get("aliases") or []))} for item in networks]
    _unique("networks", "name", (item["name"] for item in found))
    return sorted(found, key=lambda item: str(item["name"]))


def _publish(ports: Iterable[Mapping[str, Any]]) -> list[Canonical]:
    found = []
    for port in ports:
        for key in ("published", "target"):
            if not 1 <= int(port[key]) <= _MAX_PORT:
                raise InputError(f"publish.{key}: {port[key]} is no port; write one from 1 to {_MAX_PORT}")
        found.append(
            {
                "published": int(port["published"]),
                "target": int(port["target"]),
                "protocol": port.get("protocol") or "tcp",
                "mode": port.get("mode") or "host",
            }
        )
    found.sort(key=lambda port: (port["published"], port["protocol"]))
    _unique("publish", "published port", (f"{port['published']}/{port['protocol']}" for port in found))
    return found


def _secret_mode(secret: Mapping[str, Any]) -> int:
    mode = secret.get("mode")
    return _octal(f"secrets[{secret['name']}].mode", DEFAULTS["secret_mode"] if mode is None else mode)


def _octal(option: str, value: object) -> int:
    text = str(value)
    if not re.fullmatch(r"[0-7]{3,4}", text):
        raise InputError(f'{option}: {value!r} is no file mode; write it in quotes, such as "0400"')
    return int(text, 8)


def _mounts(mounts: Iterable[Mapping[str, Any]]) -> list[Canonical]:
    found = sorted((_mount(mount) for mount in mounts), key=lambda mount: str(mount["target"]))
    _unique("mounts", "target", (mount["target"] for mount in found))
    return found


def _mount(mount: Mapping[str, Any]) -> Canonical:
    kind, target, source = mount.get("type") or "bind", mount["target"], mount.get("source") or ""
    where = f"mounts[{target}]"
    if not target.startswith("/") or target == "/":
        raise InputError(f"{where}.target: write an absolute path below /, such as /data")
    if kind == "tmpfs" and source:
        raise InputError(f"{where}.source: a tmpfs has no source; leave {source!r} out, or write type: bind")
    if kind == "bind" and not source.startswith("/"):
        raise InputError(f"{where}.source: {source!r} is no absolute path; write a path of the host, or type: volume")
    if kind == "volume" and (not source or "/" in source):
        raise InputError(f"{where}.source: {source!r} is no volume's name; write a name, or type: bind for a path")
    if kind != "tmpfs" and (mount.get("size") is not None or mount.get("mode") is not None):
        raise InputError(f"{where}: size and mode belong to type: tmpfs only; leave them out of a {kind} mount")
    result: Canonical = {
        "type": kind,
        "source": source.rstrip("/") or source,
        "target": target.rstrip("/"),
        "read_only": bool(mount.get("read_only")),
    }
    if kind == "tmpfs":
        mode = mount.get("mode")
        result["size"] = parse_size(mount.get("size") or 0, f"{where}.size")
        result["mode"] = _octal(f"{where}.mode", DEFAULTS["tmpfs_mode"] if mode is None else mode)
    return result


def _replicas(options: Mapping[str, Any]) -> int | None:
    replicas = options.get("replicas")
    if _given(options, "mode") == "global":
        if replicas is not None:
            raise InputError("replicas: a global service runs once on every host; leave replicas out")
        return None
    if replicas is not None and int(replicas) < 0:
        raise InputError(f"replicas: {replicas} is negative; write 0 or more")
    return int(_given(options, "replicas"))


_CONSTRAINT = re.compile(r"\s*([\w.-]+)\s*(==|!=)\s*(.+?)\s*")


def constraint_text(text: str) -> str:
    """``node.role==manager`` without the spaces that mean nothing; other text as it is."""
    return _CONSTRAINT.sub(r"\1\2\3", text) if _CONSTRAINT.fullmatch(text) else text


def _constraint(text: str) -> str:
    if not _CONSTRAINT.fullmatch(text):
        raise InputError(f'constraints: {text!r} is none; write it as "node.labels.database == true"')
    return constraint_text(text)


def _cpus(option: str, value: object) -> int:
    try:
        cpus = float(str(value or 0))
    except ValueError:
        cpus = -1.0
    if not 0 <= cpus <= _MAX_CPUS:
        raise InputError(f"{option}: {value!r} is no number of CPUs; write one such as 0.5, or 0 for no limit")
    return round(cpus * NANO)


def _resources(limits: Mapping[str, Any], reservations: Mapping[str, Any]) -> tuple[Canonical, Canonical]:
    upper = {
        "cpus": _cpus("limits.cpus", limits.get("cpus")),
        "memory": parse_size(limits.get("memory") or 0, "limits.memory"),
        "pids": int(limits.get("pids") or 0),
    }
    lower = {
        "cpus": _cpus("reservations.cpus", reservations.get("cpus")),
        "memory": parse_size(reservations.get("memory") or 0, "reservations.memory"),
    }
    if 0 < upper["memory"] < _MIN_MEMORY:
        raise InputError(
            f"limits.memory: {format_size(upper['memory'])} is below the engine's least; write 6MB or more"
        )
    if upper["pids"] < 0:
        raise InputError(f"limits.pids: {upper['pids']} is negative; write 0 for no limit")
    if 0 < upper["memory"] < lower["memory"]:
        raise InputError(
            f"reservations.memory: {format_size(lower['memory'])} is above limits.memory of "
            f"{format_size(upper['memory'])}; write at most that"
        )
    if 0 < upper["cpus"] < lower["cpus"]:
        raise InputError(
            f"reservations.cpus: {lower['cpus'] / NANO:g} is above limits.cpus of {upper['cpus'] / NANO:g}; "
            "write at most that"
        )
    return upper, lower


def _health(health: Mapping[str, Any] | None) -> Canonical | None:
    if health is None:
        return None
    merged = _merged("health", health)
    test = [str(item) for item in merged.get("test") or []]
    kind, words = test[:1], test[1:]
    if not kind or kind[0] not in _TEST_KINDS or (kind != ["NONE"] and not words):
        raise InputError(f"health.test: {test!r} is none; write [CMD, program, argument], [CMD-SHELL, line] or [NONE]")
    if kind == ["CMD-SHELL"] and words[1:]:
        raise InputError("health.test: CMD-SHELL takes one line; write [CMD, program, argument] for several words")
    if int(merged["retries"]) < 1:
        raise InputError(f"health.retries: {merged['retries']} is too few; write 1 or more")
    return {
        "test": test,
        "interval": _nanoseconds("health.interval", merged["interval"], 0.001),
        "timeout": _nanoseconds("health.timeout", merged["timeout"], 0.001),
        "start_period": _nanoseconds("health.start_period", merged["start_period"]),
        "start_interval": _nanoseconds("health.start_interval", merged["start_interval"]),
        "retries": int(merged["retries"]),
    }


def _ulimits(ulimits: Mapping[str, Any]) -> Canonical:
    found = {}
    for name, value in sorted(ulimits.items()):
        soft, colon, hard = str(value).partition(":")
        try:
            pair = {"soft": int(soft), "hard": int(hard if colon else soft)}
        except ValueError:
            pair = {"soft": 1, "hard": 0}
        if isinstance(value, bool) or min(pair.values()) < -1 or (pair["hard"] != -1 and pair["soft"] > pair["hard"]):
            raise InputError(f'ulimits.{name}: {value!r} is no limit; write a number, "soft:hard", or -1 for none')
        found[name] = pair
    return found


def _restart(restart: Mapping[str, Any]) -> Canonical:
    merged = _merged("restart", restart)
    if int(merged["max_attempts"]) < 0:
        raise InputError("restart.max_attempts: write 0 for no limit, or more")
    return {
        "condition": merged["condition"],
        "delay": _nanoseconds("restart.delay", merged["delay"]),
        "max_attempts": int(merged["max_attempts"]),
        "window": _nanoseconds("restart.window", merged["window"]),
    }


def _update(update: Mapping[str, Any], host_ports: bool) -> Canonical:
    merged = _merged("update", update)
    if update.get("order") is None and host_ports:
        merged["order"] = "stop-first"
    if int(merged["parallelism"]) < 0:
        raise InputError("update.parallelism: write 0 for all tasks at once, or more")
    ratio = float(merged["max_failure_ratio"])
    if not 0 <= ratio <= 1:
        raise InputError(f"update.max_failure_ratio: {ratio:g} is no ratio; write a number from 0 to 1")
    return {
        "order": merged["order"],
        "parallelism": int(merged["parallelism"]),
        "delay": _nanoseconds("update.delay", merged["delay"]),
        "monitor": _nanoseconds("update.monitor", merged["monitor"], 0.001),
        "failure_action": merged["failure_action"],
        "max_failure_ratio": round(ratio, 6),
    }


def _log(log: Mapping[str, Any] | None) -> Canonical | None:
    return {"driver": log["driver"], "options": _texts("log.options", log.get("options") or {})} if log else None


def _check_together(values: Canonical) -> None:
    ports = {port["mode"]: port["published"] for port in values["publish"]}
    if "ingress" in ports and values["endpoint_mode"] == "dnsrr":
        raise InputError(
            f"publish: port {ports['ingress']} in mode ingress needs a virtual address; "
            "write mode: host, or endpoint_mode: vip"
        )
    if "host" in ports and values["mode"] == "global" and values["update"]["order"] == "start-first":
        raise InputError(
            f"update.order: a new task cannot have port {ports['host']} of a host while the old one holds it; "
            "write stop-first"
        )
