# SPDX-License-Identifier: GPL-3.0-or-later
"""What this scenario does on the virtual host, in two parts: ``raise`` and ``lower``.

The first measures how long it takes until replicas serve a step of load. The second takes load and
metrics away, gives orders, and tries what the gate must refuse.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.parse
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


def raise_load() -> dict[str, float]:
    load(0)
    wait("first reading", lambda: status()["metrics"].get("requests") is not None, 40)
    wait("least replicas", lambda: replicas() == 1, 60)
    load(35)
    ordered = wait("order for more replicas", lambda: replicas() > 1, 45)
    serving = wait("two that serve", lambda: replicas() == 2 and healthy() == 2, 60)
    line = status()
    assert any(reason.startswith("requests ") for reason in line["reasons"]), line
    return {"ordered after s": ordered, "serving after s": round(ordered + serving, 1)}


def pause() -> dict[str, float]:
    """A pause holds against load that goes, and says so."""
    assert replicas() == 2
    said = run(COMMAND, "pause").stdout
    assert "paused; go on with: molecule-autoscaler resume" in said, said
    load(0)
    time.sleep(22)  # the rate's window, that of going down, and some rounds
    assert replicas() == 2
    assert status()["source"] == "paused"
    refused = run(COMMAND, "scale-up", check=False)
    assert refused.returncode == 1
    assert "first: molecule-autoscaler resume" in refused.stderr, refused
    began = time.monotonic()
    run(COMMAND, "resume")
    wait("least replicas again", lambda: replicas() == 1, 30)
    return {"down after s": round(time.monotonic() - began, 1)}


def orders() -> None:
    """People may ask for more, within the caps, and not for less than the calendar has."""
    said = run(COMMAND, "scale-up", "--minutes", "5").stdout
    assert "molecule_app: 2 replicas ordered" in said, said
    refused = run(COMMAND, "scale-up", "--by", "3", check=False)
    assert refused.returncode == 1
    assert "5 replicas are more than firstbell_plan.app.max_replicas allows, 4" in refused.stderr, refused
    run(COMMAND, "scale-down")
    assert replicas() == 1
    refused = run(COMMAND, "scale-down", check=False)
    assert "0 replicas are less than the band always has at least, 1" in refused.stderr, refused
    run(COMMAND, "resume")


def lose_metrics() -> dict[str, float]:
    """Hold, then as many as the band allows."""
    run("docker", "service", "scale", "--detach", "molecule_prometheus=0")
    lost = wait("fallback", lambda: replicas() == 4, 60)
    assert status()["source"] == "fallback"
    run("docker", "service", "scale", "--detach", "molecule_prometheus=1")
    wait("metrics again", lambda: status()["source"] not in ("hold", "fallback"), 60)
    return {"fallback after s": lost}


REFUSED = (
    b'{"service": "molecule_autoscaler", "replicas": 2}',
    b'{"service": "molecule_prometheus"}',
    b'{"service": "molecule_app", "replicas": 0}',
    b'{"service": "molecule_app", "replicas": 5}',
    b'{"service": "molecule_app", "replicas": -1}',
    b'{"service": "molecule_app", "replicas": "2"}',
    b'{"service": "molecule_app", "replicas": 2.0}',
    b'{"service": "molecule_app", "replicas": true}',
    b'{"service": "molecule_app", "replicas": null}',
    b'{"service": "molecule_app", "replicas": 2, "image": "x"}',
    b'{"service": "molecule_app", "service": "molecule_prometheus", "replicas": 2}',
    b'{"service": ["molecule_app"], "replicas": 2}',
    b'{"service": "molecule_app/../molecule_prometheus", "replicas": 2}',
    b'[{"service": "molecule_app", "replicas": 2}]',
    b"GET /containers/json HTTP/1.1\r\nHost: x\r\n\r",
    b"\xff\xfe\x00",
    b"[" * 400,
    b'{"service": "molecule_app", "replicas": 2' + b" " * 600 + b"}",
    b"",
)


def ask(request: bytes) -> str:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(10)
        connection.connect(GATE)
        connection.sendall(request + b"\n")
        return connection.makefile().readline()


def try_the_gate() -> None:
    """It changes the replicas of one service within bounds, and does nothing else."""
    run(COMMAND, "pause")
    names = ("molecule_app", "molecule_autoscaler", "molecule_prometheus")
    before = {name: service(name)["Spec"] for name in names}
    for request in REFUSED:
        answer = ask(request)
        assert list(json.loads(answer)) == ["error"], (request, answer)
    assert {name: service(name)["Spec"] for name in names} == before
    journal = run("journalctl", "--unit", "molecule-autoscaler-gate@*", "--output", "cat").stdout
    assert journal.count("refused:") >= len(REFUSED), journal
    assert "molecule_app: 1 -> 2 replicas" in journal, journal


INSIDE = """
import os, json
found = {"user": os.getuid(), "sockets": [], "written": []}
for folder in ("/run", "/var/run", "/opt"):
    for path, folders, names in os.walk(folder):
        found["sockets"] += [name for name in names if name.endswith(".sock")]
for path in ("config/autoscaler.json", "config/x", "control/order.json", "gate/x"):
    try:
        open("/opt/molecule/autoscaler/" + path, "a").close()
        found["written"].append(path)
    except OSError:
        pass
print(json.dumps(found))
"""


def look_inside() -> None:
    """The container has nothing else of the host to ask, nor may it change what it is told."""
    found = json.loads(run("docker", "exec", container(), "python3", "-c", INSIDE).stdout)
    assert found == {"user": 1001, "sockets": ["gate.sock"], "written": []}, found


def start_a_second() -> None:
    """Two would fight: the second one waits."""
    spec = service("molecule_autoscaler")["Spec"]["TaskTemplate"]["ContainerSpec"]
    mounts = [part for m in spec["Mounts"] for part in ("--volume", f"{m['Source']}:{m['Target']}")]
    run("docker", "run", "--detach", "--name", "second", "--user", "1001:1001", *mounts, spec["Image"], *spec["Args"])
    wait("word of the second one", lambda: bool(run("docker", "logs", "second").stdout), 30)
    time.sleep(3)
    said = run("docker", "logs", "second").stdout
    run("docker", "rm", "--force", "second")
    problems = [json.loads(line)["problem"] for line in said.splitlines()]
    assert problems == ["another autoscaler decides; waiting for its end"], said


def metric(query: str) -> float:
    path = "/api/v1/query?" + urllib.parse.urlencode({"query": query})
    code = f"import urllib.request; print(urllib.request.urlopen('http://prometheus:9090{path}').read().decode())"
    answer = json.loads(run("docker", "exec", container(), "python3", "-c", code).stdout)
    return float(answer["data"]["result"][0]["value"][1]) if answer["data"]["result"] else -1


def read_what_was_told() -> None:
    """Replicas and reasons are in log and metrics."""
    lines = [line for line in log() if "source" in line]
    assert lines
    assert all(line["reasons"] for line in lines), lines
    assert {(1, 2), (2, 1), (1, 4)} <= {(line["before"], line["replicas"]) for line in lines}
    assert {line["source"] for line in lines} >= {"requests", "paused", "manual", "hold", "fallback"}
    wait("its own metrics", lambda: metric('autoscaler_replicas{kind="ordered"}') == 4, 20)
    assert metric('autoscaler_decisions_total{source="fallback",direction="up"}') == 1


measured: dict[str, float] = {}
if sys.argv[1] == "raise":
    measured = raise_load()
else:
    measured.update(pause())
    orders()
    measured.update(lose_metrics())
    try_the_gate()
    look_inside()
    start_a_second()
    read_what_was_told()
    run(COMMAND, "resume")
print(json.dumps(measured))
