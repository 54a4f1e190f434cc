# SPDX-License-Identifier: GPL-3.0-or-later
"""Raises the load, and measures how long it takes until replicas serve."""

from __future__ import annotations

import json
import sys

sys.path.insert(0, "/opt/test")
import host

host.load(0)
host.wait("a first reading", lambda: host.status()["metrics"].get("requests") is not None, 40)
host.wait("the least replicas", lambda: host.replicas() == 1, 60)
host.load(55)
ordered = host.wait("more replicas", lambda: host.replicas() > 1, 45)
serving = host.wait("three that serve", lambda: host.replicas() == 3 and host.healthy() == 3, 60)
line = host.status()
assert line["source"] in ("requests", "steady"), line
assert any(reason.startswith("requests ") for reason in line["reasons"]), line
print(json.dumps({"ordered after s": ordered, "serving after s": round(ordered + serving, 1)}))
