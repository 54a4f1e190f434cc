# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Docker engine's daemon.json: is it sound, and does the engine run with it?

The engine reads the file when it starts, and a few options again on SIGHUP
(docs.docker.com, dockerd, "Configuration reload behavior"). A restart stops every
container of the host, so it happens only when an option needs it.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .errors import FirstbellError, InputError

MINIMUM_VERSION = (20, 10)
"""The oldest engine that the collection is tested with."""

RELOADABLE = frozenset(
    {
        "authorization-plugins",
        "debug",
        "default-runtime",
        "features",
        "insecure-registries",
        "labels",
        "live-restore",
        "max-concurrent-downloads",
        "max-concurrent-uploads",
        "max-download-attempts",
        "registry-mirrors",
        "runtimes",
        "shutdown-timeout",
    }
)

KNOWN = RELOADABLE | frozenset(
    {
        "allow-nondistributable-artifacts",
        "api-cors-header",
        "bip",
        "bip6",
        "bridge",
        "builder",
        "cgroup-parent",
        "containerd",
        "containerd-namespace",
        "containerd-plugin-namespace",
        "cpu-rt-period",
        "cpu-rt-runtime",
        "data-root",
        "default-address-pools",
        "default-cgroupns-mode",
        "default-gateway",
        "default-gateway-v6",
        "default-ipc-mode",
        "default-network-opts",
        "default-shm-size",
        "default-ulimits",
        "dns",
        "dns-opts",
        "dns-search",
        "exec-opts",
        "exec-root",
        "experimental",
        "fixed-cidr",
        "fixed-cidr-v6",
        "group",
        "host-gateway-ip",
        "hosts",
        "icc",
        "init",
        "init-path",
        "ip",
        "ip-forward",
        "ip-masq",
        "ip6tables",
        "iptables",
        "ipv6",
        "log-driver",
        "log-format",
        "log-level",
        "log-opts",
        "metrics-addr",
        "mtu",
        "no-new-privileges",
        "node-generic-resources",
        "oom-score-adjust",
        "pidfile",
        "proxies",
        "raw-logs",
        "seccomp-profile",
        "selinux-enabled",
        "storage-driver",
        "storage-opts",
        "swarm-default-advertise-addr",
        "tls",
        "tlscacert",
        "tlscert",
        "tlskey",
        "tlsverify",
        "userland-proxy",
        "userland-proxy-path",
        "userns-remap",
    }
)
"""Names that an engine which cannot validate its file (before 23.0) may know."""


@dataclass(frozen=True)
class Found:
    """What is on the host. Times are seconds since 1970, 0 for never.

    ``reloaded`` is the file that the engine read on its last SIGHUP, if we sent it.
    """

    file: str | None
    file_time: float
    active: bool
    start_time: float
    reloaded: str | None = None
    reload_time: float = 0.0


@dataclass(frozen=True)
class Plan:
    """``write``: replace the file. ``action``: "", "start", "reload" or "restart"."""

    write: bool
    action: str
    differing: tuple[str, ...] = ()

    @property
    def changes(self) -> tuple[str, ...]:
        """The steps as words."""
        return (("write",) if self.write else ()) + ((self.action,) if self.action else ())


def render(config: Mapping[str, Any]) -> str:
    """The file: one option a line, in a stable order."""
    return json.dumps(config, indent=2, sort_keys=True) + "\n"


def check_names(config: Mapping[str, Any]) -> None:
    """Refuse names that no engine knows; for engines that cannot validate the file themselves."""
    for name in config:
        if name not in KNOWN:
            near = difflib.get_close_matches(name, KNOWN, n=1)
            hint = f'did you mean "{near[0]}"?' if near else "see the options of dockerd"
            raise InputError(f'the Docker engine has no option "{name}"; {hint}')


def check_swarm(config: Mapping[str, Any]) -> None:
    """Refuse what an engine in swarm mode does not start with."""
    if config.get("live-restore"):
        raise InputError("live-restore cannot be used with swarm mode; remove it from docker_settings_extra")


def check_version(version: str) -> None:
    """Refuse an engine that is too old."""
    parts = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if parts < MINIMUM_VERSION:
        raise FirstbellError(
            f"the Docker engine is version {version}; 20.10 or newer is needed. "
            "Remove it so that Debian's docker.io is installed, or update it"
        )


def plan(wanted: Mapping[str, Any], found: Found) -> Plan:
    """What makes the engine run with ``wanted``."""
    write = found.file != render(wanted)
    if not found.active:
        return Plan(write, "start")
    loaded = _loaded(found)
    if loaded is None:
        return Plan(write, "restart")
    differing = tuple(sorted(n for n in {*loaded, *wanted} if loaded.get(n) != wanted.get(n)))
    action = "restart"
    if not differing:
        action = ""
    elif RELOADABLE.issuperset(differing):
        action = "reload"
    return Plan(write, action, differing)


def _loaded(found: Found) -> Mapping[str, Any] | None:
    """The options that the engine runs with; None when that cannot be known."""
    text = found.file
    if found.start_time < found.file_time:
        # The file was written after the start: only our own note of a reload helps.
        text = found.reloaded if found.reload_time >= found.start_time else None
        if text is None:
            return None
    if text is None:
        return {}
    try:
        loaded = json.loads(text)
    except ValueError:
        return None
    return loaded if isinstance(loaded, dict) else None
