# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of the module swarm_service, with the defaults of ``service_options``."""

from __future__ import annotations

from typing import Any

from .service_options import DEFAULTS


def _default(option: str, kind: str = "str", **more: Any) -> dict[str, Any]:
    section, _dot, key = option.partition(".")
    return {"type": kind, "default": DEFAULTS[section][key] if key else DEFAULTS[section], **more}


def _dict(suboptions: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "dict", "options": suboptions, **more}


def _dicts(suboptions: dict[str, Any]) -> dict[str, Any]:
    return {"type": "list", "elements": "dict", "default": [], "options": suboptions}


_TEXT: dict[str, Any] = {"type": "str"}
_TEXTS: dict[str, Any] = {"type": "list", "elements": "str", "default": []}
_PAIRS: dict[str, Any] = {"type": "dict", "default": {}}
_NAME: dict[str, Any] = {"type": "str", "required": True}
_PORT: dict[str, Any] = {"type": "int", "required": True}
_RESERVATIONS: dict[str, Any] = {"cpus": {"type": "float", "default": 0}, "memory": {"type": "raw", "default": 0}}

OPTIONS: dict[str, Any] = {
    "name": _NAME,
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "image": _TEXT,
    "command": _TEXTS,
    "args": _TEXTS,
    "user": _default("user"),
    "env": _PAIRS,
    "labels": _PAIRS,
    "networks": _dicts({"name": _NAME, "aliases": _TEXTS}),
    "endpoint_mode": _default("endpoint_mode", choices=["dnsrr", "vip"]),
    "publish": _dicts(
        {
            "published": _PORT,
            "target": _PORT,
            "protocol": {"type": "str", "choices": ["tcp", "udp", "sctp"], "default": "tcp"},
            "mode": {"type": "str", "choices": ["host", "ingress"], "default": "host"},
        }
    ),
    "mounts": _dicts(
        {
            "type": {"type": "str", "choices": ["bind", "volume", "tmpfs"], "default": "bind"},
            "source": _TEXT,
            "target": {"type": "path", "required": True},
            "read_only": {"type": "bool", "default": False},
            "size": {"type": "raw"},
            "mode": _TEXT,
        }
    ),
    "secrets": {
        **_dicts(
            {
                "name": _NAME,
                "value": {"type": "str", "required": True, "no_log": True},
                "target": _TEXT,
                "mode": {"type": "str", "default": DEFAULTS["secret_mode"]},
            }
        ),
        "no_log": False,
    },
    "mode": _default("mode", choices=["replicated", "global"]),
    "replicas": {"type": "int"},
    "keep_replicas": {"type": "bool", "default": False},
    "constraints": _TEXTS,
    "limits": _dict({**_RESERVATIONS, "pids": {"type": "int", "default": 0}}, default={}),
    "reservations": _dict(_RESERVATIONS, default={}),
    "health": _dict(
        {
            "test": {"type": "list", "elements": "str", "required": True},
            "interval": _default("health.interval"),
            "timeout": _default("health.timeout"),
            "start_period": _default("health.start_period"),
            "start_interval": _default("health.start_interval"),
            "retries": _default("health.retries", "int"),
        }
    ),
    "read_only": _default("read_only", "bool"),
    "cap_drop": _default("cap_drop", "list", elements="str"),
    "cap_add": _TEXTS,
    "init": _default("init", "bool"),
    "ulimits": _PAIRS,
    "sysctls": _PAIRS,
    "stop_signal": _default("stop_signal"),
    "stop_grace_period": _default("stop_grace_period"),
    "restart": _dict(
        {
            "condition": _default("restart.condition", choices=["any", "on-failure", "none"]),
            "delay": _default("restart.delay"),
            "max_attempts": _default("restart.max_attempts", "int"),
            "window": _default("restart.window"),
        },
        default={},
    ),
    "update": _dict(
        {
            "order": {"type": "str", "choices": ["start-first", "stop-first"]},
            "parallelism": _default("update.parallelism", "int"),
            "delay": _default("update.delay"),
            "monitor": _default("update.monitor"),
            "failure_action": _default("update.failure_action", choices=["rollback", "pause", "continue"]),
            "max_failure_ratio": _default("update.max_failure_ratio", "float"),
        },
        default={},
    ),
    "log": _dict({"driver": _NAME, "options": _PAIRS}),
    "config_paths": {"type": "list", "elements": "path", "default": []},
    "reload_signal": {"type": "str", "default": "SIGHUP"},
    "wait": {"type": "bool", "default": True},
    "wait_timeout": {"type": "int", "default": 300},
}
