# Copyright (c) firstbell contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``<stack>-diagnose``: why is it slow, full or out of connections (S88-S90)? Changes nothing."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from .._core.errors import FirstbellError
from .._core.operations import rules_database, rules_edge, rules_host, rules_pool, rules_services
from .._core.operations.config import Config
from .._core.operations.diagnosis import BROKEN, Facts, diagnose, render, rules_of
from .._io.operations import application, cache, containers, database, edge, host, pool, prometheus, site
from .common import Source, ask, complain, read_config, say

#: The order is that of the answer where nothing else decides: causes first.
RULES = (
    rules_host.disk_full,
    *rules_of(rules_database, rules_pool, rules_services),
    rules_host.host_memory,
    rules_host.host_cpu,
    *rules_of(rules_edge),
)
#: Seconds that a source may take, and between the two looks.
_PATIENCE = 15.0
_BETWEEN = 4.0
_FOUND = 2


def sources(config: Config) -> dict[str, Source]:
    """Everything that is asked, by its name."""
    found: dict[str, Source] = {
        "host": lambda: host.gather(config.directory),
        "engine": lambda: containers.gather(config.stack),
        "database": lambda: database.gather(config.socket, config.database),
        "pool": lambda: pool.gather(config.stack),
        "cache": lambda: cache.gather(config.stack, config.directory),
        "edge": lambda: edge.gather(config.stack),
        "app": lambda: application.gather(config.stack, config.app_port, config.app_path, config.metrics_path),
    }
    if config.domain:
        found["site"] = lambda: site.gather(
            config.stack, config.domain, config.site_path, config.certificate, config.ca_file
        )
    if config.prometheus:
        found["prometheus"] = lambda: prometheus.gather(config.stack, config.prometheus, config.monitoring_user)
    return found


def look(config: Config, between: float = _BETWEEN) -> Facts:
    """Two looks at everything, some seconds apart. What does not answer the first time is asked again."""
    asked = sources(config)
    before, _errors = ask(asked, _PATIENCE)
    time.sleep(between)
    seen, errors = ask(asked, _PATIENCE)
    seconds = {
        name: found["at"] - before[name]["at"] for name, found in seen.items() if name in before and "at" in found
    }
    if "host" in seen and "host" in before:
        seen["host"]["busiest"] = [
            {**one, "container": host.container_of(one["pid"])}
            for one in rules_host.busiest(seen["host"], before["host"], seconds["host"])
        ]
    absent = {} if config.prometheus else {"prometheus": "firstbell_monitoring is false"}
    for name in [name for name, found in seen.items() if "not_asked" in found]:
        absent[name] = seen.pop(name)["not_asked"]
    return Facts(seen, before, seconds, errors, absent, config.stack, config.database, time.time())


def main(config_path: str, arguments: Sequence[str] | None = None) -> int:
    """Look and tell. Exit status 0: nothing is broken, 2: something is, 1: the command itself failed."""
    parser = argparse.ArgumentParser(description="Why is it slow, full or out of connections? Changes nothing.")
    parser.add_argument("--json", action="store_true", help="as JSON")
    try:
        config = read_config(config_path)
        options = parser.parse_args(arguments)
        begin = time.monotonic()
        facts = look(config)
        findings = diagnose(RULES, facts)
        seconds = time.monotonic() - begin
    except FirstbellError as error:
        complain(str(error))
        return 1
    if options.json:
        said: Mapping[str, Any] = {
            "stack": config.stack,
            "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(facts.now)),
            "seconds": round(seconds, 1),
            "findings": [item.as_dict() for item in findings],
            "looked_at": sorted(facts.seen),
            "not_looked_at": {**facts.absent, **facts.errors},
        }
        say(json.dumps(said, indent=2))
    else:
        say(f"Diagnosis of {config.stack}, {time.strftime('%Y-%m-%d %H:%M:%S UTC', time.gmtime(facts.now))}")
        say("")
        for line in render(findings, facts, "docs/runbooks"):
            say(line)
        say(f"It took {seconds:.0f} s. Nothing was changed.")
    return _FOUND if any(item.severity == BROKEN for item in findings) else 0
