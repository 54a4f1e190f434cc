# SPDX-License-Identifier: GPL-3.0-or-later
"""What the parts of this scenario do on the virtual host."""

from __future__ import annotations

import json
import subprocess
import time
from typing import Any, Callable

COMMAND = "molecule-autoscaler"
GATE = "/opt/molecule/autoscaler/gate/gate.sock"
LOAD = """
import sys, time, urllib.request
pause = 1 / float(sys.argv[1])
due = time.monotonic()
while True:
    try:
        urllib.request.urlopen("http://app:3000/work", timeout=2).read()
    except OSError:
        pass
    due = max(due + pause, time.monotonic() - 1)
    time.sleep(max(0, due - time.monotonic()))
"""


def run(*argv: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert not check or done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"
    return done


def service(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run("docker", "service", "inspect", name).stdout)[0]
    return found


def replicas(name: str = "molecule_app") -> int:
    count: int = service(name)["Spec"]["Mode"]["Replicated"]["Replicas"]
    return count


def healthy() -> int:
    filters = ("--filter", "label=com.docker.swarm.service.name=molecule_app", "--filter", "health=healthy")
    return len(run("docker", "ps", "--quiet", *filters).stdout.split())


def status() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(COMMAND, "status", "--json").stdout)
    return found


def wait(what: str, until: Callable[[], bool], seconds: float) -> float:
    """Seconds that it took; fails when it took too long."""
    began = time.monotonic()
    while not until():
        assert time.monotonic() - began < seconds, (
            f"{what} not within {seconds} s: {run(COMMAND, 'status', check=False)}"
        )
        time.sleep(0.3)
    return round(time.monotonic() - began, 1)


def load(rate: int) -> None:
    """Send so many requests a second, or none."""
    run("docker", "rm", "--force", "load", check=False)
    if rate:
        image = service("molecule_autoscaler")["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"]
        run("docker", "run", "--detach", "--name", "load", "--network", "molecule_edge", image, "-c", LOAD, str(rate))


def log() -> list[dict[str, Any]]:
    lines = run("docker", "service", "logs", "--raw", "molecule_autoscaler").stdout.splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


def container() -> str:
    filters = ("--filter", "label=com.docker.swarm.service.name=molecule_autoscaler")
    return run("docker", "ps", "--quiet", *filters).stdout.split()[0]
