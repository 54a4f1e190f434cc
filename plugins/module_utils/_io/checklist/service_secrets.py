# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets that services run with, against what the inventory has now: by their versions, as nobody can read them."""

from __future__ import annotations

from collections.abc import Mapping

from ..._core.service_secrets import secret_version, split_secret_name
from .. import engine_api


def gather(stack: str, wanted: Mapping[str, Mapping[str, str]]) -> list[str]:
    """The secrets of services that have another content than is wanted, each by its own name and its service's."""
    cluster = engine_api.call("GET", "/swarm")["ID"] if wanted else ""
    found = []
    for service in engine_api.call("GET", "/services") if wanted else ():
        name = service["Spec"]["Name"]
        own = wanted.get(name.removeprefix(f"{stack}_"), {})
        has = service["Spec"]["TaskTemplate"]["ContainerSpec"].get("Secrets") or []
        versions = dict(split_secret_name(name, one["SecretName"]) for one in has)
        found += [
            f"the secret {secret} of {name}"
            for secret, content in sorted(own.items())
            if versions.get(secret) != secret_version(cluster, content.encode())
        ]
    return found
